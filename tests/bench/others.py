"""Sessions in the looks of other apps, with what is true of them, as a browser draws them.

The browser itself tells which cards a screen shows whole and which texts it cuts: a session counts
as one to be read only if each of its cards stands whole on one of its screens.
"""

from __future__ import annotations

import hashlib
import io
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFilter
from tests.bench.ocr_truth import TrueImage, TrueSession
from tests.bench.others_draft import ASKED, READABLE, Draft, draft
from tests.bench.others_look import Look, any_look
from tests.bench.others_page import heading_of, page_of
from tests.bench.pages import Browser
from tests.bench.strange_words import Half

#: The kinds of sessions: to be read, and where a person would ask.
KINDS = ("others", "asked")
CHAT_LONGEST_PX = 1280
#: Below this no letter is drawn or made smaller.
SMALLEST_LETTER_PX = 14
_SMALL_TEXT = 0.82
_MOST_SHOTS = 6
_SPOILS = ("png", "png", "png", "jpeg", "jpeg", "webp", "chat", "small", "blur")
_SHOWN = """shot => {
  const box = document.getElementById('list').getBoundingClientRect();
  const over = [];
  for (const e of document.querySelectorAll('.over')) {
    const here = [undefined, 'all', String(shot)].includes(e.dataset.shot);
    e.style.visibility = here ? 'visible' : 'hidden';
    if (here) over.push(e.getBoundingClientRect());
  }
  const whole = {}, cut = [];
  for (const e of document.querySelectorAll('.heading, [data-card]')) {
    const card = Number(e.dataset.card ?? -1);
    if (e.scrollWidth > e.clientWidth + 1 && e.classList.contains('cut')) cut.push(card);
    for (const r of e.getClientRects()) {
      const inside = card < 0 && !document.getElementById('list').contains(e)
        || r.top >= box.top - 1 && r.bottom <= box.bottom + 1 && r.right <= box.right + 1;
      const covered = over.some(o => o.left < r.right && r.left < o.right
                                  && o.top < r.bottom && r.top < o.bottom);
      whole[card] = (whole[card] ?? true) && inside && !covered;
    }
  }
  return {whole: Object.keys(whole).filter(c => whole[c]).map(Number), cut};
}"""


@dataclass(frozen=True, slots=True)
class Shot:
    """A screen as PNG, and the places of the cards that it shows whole; -1 is the heading."""

    data: bytes
    whole: frozenset[int]


@dataclass(frozen=True, slots=True)
class Camera:
    """Draws pages; a page that was drawn before comes from the folder, without a browser."""

    folder: Path
    browser: Browser

    def shots(self, page: str, look: Look, overlap: float) -> list[Shot]:
        """Return the screens of a page from its top on; `overlap` is a share of the list."""
        key = f"{page}|{look.width}|{look.height}|{look.density}|{overlap}|{_SHOWN}"
        folder = self.folder / hashlib.sha256(key.encode()).hexdigest()
        if not (folder / "shown.json").is_file():
            folder.mkdir(parents=True, exist_ok=True)
            shown = list(self._draw(page, look, overlap, folder))
            (folder / "shown.json").write_text(json.dumps(shown), encoding="utf-8")
        shown = json.loads((folder / "shown.json").read_text(encoding="utf-8"))
        return [
            Shot((folder / f"{place}.png").read_bytes(), frozenset(whole))
            for place, whole in enumerate(shown)
        ]

    def _draw(self, html: str, look: Look, overlap: float, folder: Path) -> Iterator[list[int]]:
        with self.browser.page(html, look) as page:
            step, last = page.evaluate(
                "() => { const l = document.getElementById('list');"
                " return [l.clientHeight, l.scrollHeight - l.clientHeight]; }"
            )
            scroll = 0
            for shot in range(_MOST_SHOTS):
                page.evaluate(f"document.getElementById('list').scrollTop = {scroll}")
                # What lies over the list stays where it is.
                page.evaluate(
                    "document.querySelectorAll('.over').forEach("
                    f"e => e.style.transform = 'translateY({scroll}px)')"
                )
                shown = page.evaluate(_SHOWN, shot)
                (folder / f"{shot}.png").write_bytes(page.screenshot())
                yield sorted(set(shown["whole"]) - set(shown["cut"]))
                if scroll >= last:
                    break
                scroll = min(scroll + round(step * (1 - overlap)), last)


def others_sessions(
    camera: Camera, half: Half, kind: str, count: int, first: int = 0
) -> Iterator[TrueSession]:
    """Yield sessions of a half; those of `others` that no person could read are `asked`."""
    twists = tuple(READABLE if kind == "others" else ASKED)
    for number in range(first, first + count):
        rng = random.Random(f"{half}-{kind}-{number}")
        twist = twists[number % len(twists)] if kind == "asked" else rng.choice(twists)
        made = draft(rng, half, twist, any_look(rng, half, number))
        name = f"others-{half}-{number:04}-{made.look.layout}-{twist}"
        yield _session(camera, name, made, is_asked=kind == "asked")


def _session(camera: Camera, name: str, made: Draft, *, is_asked: bool) -> TrueSession:
    rng, look = made.rng, made.look
    heading = heading_of(look, made.day.date, text=made.heading)
    sent = f"{made.day.created_at:%H:%M}"
    page = page_of(look, made.day.date, heading, made.inner(), "".join(made.over), sent)
    shots = camera.shots(page, look, rng.choice((0.05, 0.2, 0.35, 0.45, 0.6)))
    if made.left_out is not None and len(shots) > made.left_out % len(shots) > 0:
        del shots[made.left_out]
    shown = frozenset().union(*(shot.whole for shot in shots))
    is_whole = shown >= set(range(-1, len(made.entries)))
    spoil = "photo" if made.is_photo else rng.choice(_SPOILS)
    data = [_spoilt(shot.data, spoil, look, rng) for shot in shots]
    images = _ordered(data, made)
    is_asked = is_asked or not is_whole
    half = name.split("-")[1]
    return TrueSession(
        f"{name}-{spoil}", made.day.created_at, made.day.date if made.has_date else None,
        tuple(TrueImage(place, f"{name}-{place}", view) for place, view in enumerate(images, 1)),
        tuple(made.shifts), tuple(made.cancelled), must_be_read=not is_asked,
        group=f"{'asked' if is_asked else 'others'}, {half}",
    )  # fmt: skip


def _ordered(data: list[bytes], made: Draft) -> Sequence[bytes]:
    if made.is_repeated:
        place = made.rng.randrange(len(data))
        return [*data[: place + 1], data[place], *data[place + 1 :]]
    if made.is_shuffled:
        made.rng.shuffle(data)
    return data


def _spoilt(data: bytes, spoil: str, look: Look, rng: random.Random) -> bytes:
    """Return a screen as it reached the folder."""
    if spoil == "png":
        return data
    view = Image.open(io.BytesIO(data)).convert("RGB")
    least = SMALLEST_LETTER_PX / (_SMALL_TEXT * look.size * look.density)
    factor = {"chat": CHAT_LONGEST_PX / max(view.size), "small": rng.uniform(0.6, 0.9)}
    if spoil in factor or spoil == "photo":
        share = min(1.0, max(least, factor.get(spoil, 0.86)))
        size = (round(view.width * share), round(view.height * share))
        view = view.resize(size, Image.Resampling.BICUBIC)
    if spoil == "blur":
        view = view.filter(ImageFilter.GaussianBlur(rng.uniform(0.15, 0.3) * look.density))
    if spoil == "photo":
        view = _framed(view)
    buffer = io.BytesIO()
    if spoil == "webp":
        view.save(buffer, "WEBP", quality=rng.randint(50, 95))
    else:
        view.save(buffer, "JPEG", quality=80 if spoil == "chat" else rng.randint(40, 95))
    return buffer.getvalue()


def _framed(view: Image.Image) -> Image.Image:
    """Return a screen that shows a screen: a viewer's black bars, its clock and its arrow."""
    side, top = round(view.width * 0.08), round(view.height * 0.08)
    frame = Image.new("RGB", (view.width + 2 * side, view.height + 2 * top), "black")
    frame.paste(view, (side, top))
    pen = ImageDraw.Draw(frame)
    pen.text((side // 2, top // 4), "21:47", fill="white", font_size=max(16, top // 4))
    pen.line((side, top * 3 // 4, side // 2, top * 3 // 4), fill="white", width=3)
    return frame
