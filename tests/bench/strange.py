"""Sessions of strange screens, as a browser draws them, kept on disk for the next measurement."""

from __future__ import annotations

import hashlib
import io
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from tests.bench.ocr_truth import TrueImage, TrueSession
from tests.bench.pages import Browser
from tests.bench.strange_day import StrangeLook, any_look, invent_day
from tests.bench.strange_hidden import HIDDEN
from tests.bench.strange_page import Twist, page_of
from tests.bench.strange_traps import TRAPS, Trap
from tests.bench.strange_words import Half

OVERLAP = 0.34
CHAT_LONGEST_PX = 1280
_TRAPS = {"traps": TRAPS, "hidden": HIDDEN}
#: The kinds of sessions; the first two are to be read.
KINDS = ("app", "strange", *_TRAPS)
_SEEDS = {Half.TUNE: 0, Half.BLIND: 10_000_000}


@dataclass(frozen=True, slots=True)
class Drawer:
    """Draws pages; a page that was drawn before comes from the folder, without a browser."""

    folder: Path
    browser: Browser

    def views(self, page: str, look: StrangeLook) -> list[bytes]:
        """Return the screens of a page from its top to its end, as PNG."""
        key = hashlib.sha256(
            f"{page}|{look.width}|{look.height}|{look.density}".encode()
        ).hexdigest()
        known = sorted((self.folder / key).glob("*.png"))
        if known:
            return [path.read_bytes() for path in known]
        drawn = list(self._draw(page, look))
        (self.folder / key).mkdir(parents=True, exist_ok=True)
        for place, data in enumerate(drawn):
            (self.folder / key / f"{place}.png").write_bytes(data)
        return drawn

    def _draw(self, html: str, look: StrangeLook) -> Iterator[bytes]:
        with self.browser.page(html, look) as page:
            whole = int(page.evaluate("document.documentElement.scrollHeight"))
            window = look.height - (200 if look.is_app else 40)
            last, scroll = max(0, whole - look.height), 0
            while True:
                page.evaluate(f"window.scrollTo(0, {scroll})")
                yield bytes(page.screenshot())
                if scroll >= last:
                    break
                scroll = min(scroll + round(window * (1 - OVERLAP)), last)


def strange_sessions(
    drawer: Drawer, half: Half, kind: str, count: int, first: int = 0
) -> Iterator[TrueSession]:
    """Yield sessions of a half; `kind` is `app`, `strange`, `traps` or `hidden`."""
    for number in range(first, first + count):
        rng = random.Random(_SEEDS[half] + number * 7 + len(kind) * 1_000_003)
        makers = _TRAPS.get(kind, ())
        look = any_look(rng, half, is_app=kind == "app" or (bool(makers) and rng.random() < 0.5))
        day = invent_day(rng, half, rng.choice((3, 4, 5) if makers else (3, 4, 5, 6)))
        name = f"{kind}-{half}-{number:03}"
        places = tuple(range(len(day.cards)))
        trap = Trap(day, look, Twist(), places)
        if makers:
            maker = makers[number % len(makers)]
            trap = maker(day, look, rng)
            name = f"{name}-{maker.__name__}"
        yield _session(drawer, name, f"{kind}, {half}", trap, rng, is_trap=bool(makers))


def _session(
    drawer: Drawer, name: str, group: str, trap: Trap, rng: random.Random, *, is_trap: bool
) -> TrueSession:
    views = drawer.views(page_of(trap.day, trap.look, trap.twist, rng), trap.look)
    gone = {
        place % len(views) if -len(views) <= place < len(views) else -1 for place in trap.left_out
    }
    if len(gone) >= len(views):
        gone = set(range(1, len(views)))
    spoil = rng.choice(("", "", "", "chat", "jpeg"))
    images = tuple(
        TrueImage(place + 1, f"{name}-{place}", _spoilt(data, spoil))
        for place, data in enumerate(views)
        if place not in gone
    )
    cards = trap.day.cards
    return TrueSession(
        name,
        trap.day.created_at,
        trap.day.date if trap.has_date else None,
        images,
        tuple(cards[place].shift for place in trap.keeps),
        tuple((cards[place].shift.start, cards[place].shift.end) for place in trap.cancelled),
        must_be_read=not is_trap,
        group=group,
    )


def _spoilt(data: bytes, spoil: str) -> bytes:
    if not spoil:
        return data
    view = Image.open(io.BytesIO(data)).convert("RGB")
    if spoil == "chat":
        factor = min(1.0, CHAT_LONGEST_PX / max(view.size))
        view = view.resize(
            (round(view.width * factor), round(view.height * factor)), Image.Resampling.BICUBIC
        )
    buffer = io.BytesIO()
    view.save(buffer, "JPEG", quality=80)
    return buffer.getvalue()
