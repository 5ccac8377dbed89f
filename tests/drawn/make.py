"""Make whole capture sessions: one day in one or several pictures, as files with their truth."""

from __future__ import annotations

import io
import random
from dataclasses import dataclass

from PIL import Image
from tests.drawn.days import Day, invent_day
from tests.drawn.draw import (
    HEADER_HEIGHT,
    HEIGHT,
    TAB_TOP,
    Look,
    draw_view,
    sheet_height,
)
from tests.drawn.style import STYLES, Style

SCALES = (0.75, 0.875, 1.0, 1.0, 1.0, 1.25, 1.413, 1.5)
CHAT_LONGEST_PX = 1280
CHAT_QUALITY = 85
OVERLAP_PX = 360


@dataclass(frozen=True, slots=True)
class Session:
    """The pictures of one day as bytes, in order, and the day itself as the truth."""

    name: str
    day: Day
    look: Look
    scale: float
    is_chat: bool
    images: tuple[bytes, ...]

    @property
    def suffix(self) -> str:
        return ".jpg" if self.is_chat else ".png"


def make_session(seed: int, style: Style | None = None, row_count: int | None = None) -> Session:
    """Return session number `seed`; the same seed gives the same bytes on the same fonts."""
    rng = random.Random(seed)
    style = style or STYLES[seed % len(STYLES)]
    look = Look(style, rng.choice(("en", "sv")), is_dark=rng.random() < 0.25)
    day = invent_day(rng, row_count or rng.choice((3, 4, 5, 5, 7, 9)))
    scale, is_chat = rng.choice(SCALES), rng.random() < 0.4
    images = []
    for scroll in _scrolls(sheet_height(day, look)):
        view = draw_view(day, look, rng, scroll)
        images.append(encode_view(view, scale, is_chat=is_chat))
    return Session(f"{style.name}-{seed:04}", day, look, scale, is_chat, tuple(images))


def encode_view(view: Image.Image, scale: float, *, is_chat: bool) -> bytes:
    """Return the view as the phone (PNG) or as the chat (JPEG, at most 1280 px) stores it."""
    size = (round(view.width * scale), round(view.height * scale))
    if is_chat and max(size) > CHAT_LONGEST_PX:
        shrink = CHAT_LONGEST_PX / max(size)
        size = (round(size[0] * shrink), round(size[1] * shrink))
    if size != view.size:
        view = view.resize(size, Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    if is_chat:
        view.save(buffer, "JPEG", quality=CHAT_QUALITY)
    else:
        view.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _scrolls(height: int) -> list[int]:
    """Return the scroll positions that show a sheet of `height` px, the last one at its end."""
    window = TAB_TOP - HEADER_HEIGHT
    last = max(0, height - HEADER_HEIGHT - window)
    scrolls = [0]
    while scrolls[-1] < last:
        scrolls.append(min(scrolls[-1] + window - OVERLAP_PX, last))
    assert height < 20 * HEIGHT
    return scrolls
