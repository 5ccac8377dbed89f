"""Draw the twelve screens of `docs/held-screens.md` and write that page from what is read of them.

`python -m tests.bench.held_screens` needs Chromium; a test reads the committed pictures again and
compares what a person is asked with the page.
"""

from __future__ import annotations

import datetime as dt
import io
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image
from tests.bench.ocr_truth import TrueImage, TrueSession, judge
from tests.bench.pages import Browser
from tests.bench.strange import Drawer
from tests.bench.strange_day import StrangeDay, StrangeLook, any_look, invent_day
from tests.bench.strange_hidden import blank_card, covered_card, end_is_later, told_sum
from tests.bench.strange_page import page_of
from tests.bench.strange_traps import (
    Trap,
    agenda,
    cancelled,
    edge_cut,
    ellipsis,
    faint,
    half_day,
    others,
    unknown_job,
)
from tests.bench.strange_words import Half

from backfill.ocr.day import meaning
from backfill.ocr.day.session import PlanStatus
from backfill.ocr.doubts import explained
from backfill.ocr.engines.engine_choice import ALONE, EngineChoice
from backfill.ocr.reader.pool import read_images
from backfill.ocr.screen import checks

PAGE = Path(__file__).resolve().parents[2] / "docs/held-screens.md"
PICTURES = PAGE.parent / "assets/held"
SENT = dt.datetime(2026, 3, 14, 18, tzinfo=dt.UTC)
# Of a colour picture, so that the twelve stay small.
COLOURS = 48

_HEAD = """# Twelve screens that are held

For whoever wonders why a screenshot was not written. A session of screenshots is written when
every line of its pictures is accounted for and nothing about it has to be guessed. Else it is
held: nothing of it is written, and a person is asked. Each reason says in one line why, and what
settles it. The screens below are invented, drawn by `python -m tests.bench.held_screens`; what
stands below each is what the reader says of that picture, and a test reads the twelve again.

What to do is the same for all: look at the picture (`backfill explain RUN_ID SESSION_ID` shows it
with what was read), then fill in its lines of `corrections.csv`, or accept it as read in the sheet
of decisions; [questions and corrections](decisions.md) tells how. What nobody has answered is
asked again by the next run.
"""


@dataclass(frozen=True, slots=True)
class HeldScreen:
    """One screen of the page: how it is drawn, and the doubt that it shows."""

    name: str
    title: str
    maker: Callable[[StrangeDay, StrangeLook, random.Random], Trap]
    doubt: str
    told: str

    @property
    def picture(self) -> Path:
        return PICTURES / f"{self.name}.webp"


SCREENS = (
    HeldScreen("half-of-day", "AM or PM told once", half_day, checks.HALF_OF_DAY,
               "`1:00 – 4:30 PM` may begin at night: the half is told of one time."),
    HeldScreen("ellipsis", "A text that is cut short", ellipsis, checks.TEXT_CUT_SHORT,
               "The screen shows no more of the client, the job or the street than fits."),
    HeldScreen("cancelled", "A card that is called off", cancelled, checks.CANCELLED,
               "A badge or a word says so. Whether it is to be stored is for a person to say."),
    HeldScreen("others", "Shifts of somebody else", others, checks.UNKNOWN_TEXT,
               "What follows such a heading is open, or a colleague's: no shift of this person."),
    HeldScreen("two-days", "More than one day", agenda, checks.SECOND_DAY,
               "A session is one day. Which of the cards are of it, the reader does not choose."),
    HeldScreen("day-goes-on", "The end of the day was not sent", edge_cut, meaning.DAY_GOES_ON,
               "The last card stands at the lower edge, and nothing says that the day ends there."),
    HeldScreen("faint", "Text that is too faint", faint, checks.FAINT_TEXT,
               "A card that is greyed out is a card all the same."),
    HeldScreen("covered", "Something lies over a card", covered_card, checks.COVERED,
               "A message, a note about cookies: what it hides nobody can read."),
    HeldScreen("not-loaded", "A card that was not loaded", blank_card, checks.ROOM_BETWEEN,
               "There is room for a card, and time for a shift, but no text."),
    HeldScreen("later-end", "The day ends later than its last card", end_is_later,
               checks.FAREWELL_MISMATCH,
               "The line at the end of the day tells another time than the last shift."),
    HeldScreen("sum", "A sum that the shifts do not make", told_sum, checks.SUM_DIFFERS,
               "The app tells how many shifts or hours the day has; one was not seen."),
    HeldScreen("unknown-job", "A job that nobody knows", unknown_job, checks.LABEL_UNKNOWN,
               "The word behind the client is none of the firm's jobs: its type is not told."),
)  # fmt: skip


def draw(drawer: Drawer, screen: HeldScreen) -> bytes:
    """Return the screen as a small WebP; the first of the seeds whose picture shows its doubt."""
    for seed in range(40):
        rng = random.Random(f"{screen.name} {seed}")
        look = replace(
            any_look(rng, Half.TUNE, is_app=rng.random() < 0.6),
            width=390, height=rng.choice((560, 600)), density=2.0, size=1.0,
        )  # fmt: skip
        day = replace(invent_day(rng, Half.TUNE, 3), created_at=SENT)
        trap = screen.maker(day, look, rng)
        trap = replace(trap, look=replace(trap.look, width=390, density=2.0))
        views = drawer.views(page_of(trap.day, trap.look, trap.twist, rng), trap.look)
        small = Image.open(io.BytesIO(views[0])).convert("RGB").quantize(COLOURS).convert("RGB")
        buffer = io.BytesIO()
        small.save(buffer, "WEBP", lossless=True, quality=100, method=6)
        if screen.doubt in " ".join(asked([buffer.getvalue()])[0]):
            return buffer.getvalue()
    raise ValueError(f"no drawing of {screen.name} shows {screen.doubt}")


def asked(pictures: Sequence[bytes]) -> list[tuple[str, ...]]:
    """Return why the session of each picture is held, each reason in words; empty when it is not.

    Tesseract reads alone: what a screen means is no matter of letters.
    """
    outcomes = read_images(
        list(pictures), workers=1, engine_factory=EngineChoice(f"tesseract{ALONE}")
    )
    found = []
    for number, (data, outcome) in enumerate(zip(pictures, outcomes, strict=True)):
        session = TrueSession(
            f"held {number}", _sent(outcome), None, (TrueImage(1, "1", data),), ()
        )
        verdict = judge(session, [outcome])
        reasons = verdict.reason.split("; ") if verdict.status is PlanStatus.HELD else []
        found.append(tuple(explained(reason) for reason in reasons))
    return found


def _sent(outcome: object) -> dt.datetime:
    """Return when the picture was sent: on its own day, whatever the year."""
    date = getattr(outcome, "date", None)
    if date is None:
        return SENT
    for year in range(2023, 2029):
        try:
            day = dt.date(year, date.month, date.day)
        except ValueError:
            continue
        if date.weekday in (None, day.weekday()):
            return dt.datetime.combine(day, dt.time(18), dt.UTC)
    return SENT


def shown(reasons: Sequence[str], doubt: str) -> str:
    """Return the reason that a screen stands on the page for, as its line there."""
    return next((f"> {reason}" for reason in reasons if f": {doubt} (" in reason), "")


def page(held: Sequence[tuple[str, ...]]) -> str:
    """Return the page's text; `held` are the reasons of each screen."""
    parts = [_HEAD]
    for screen, reasons in zip(SCREENS, held, strict=True):
        parts.append(
            f"## {screen.title}\n\n"
            f'![{screen.title}](assets/held/{screen.name}.webp){{ width="260" }}\n\n'
            f"{screen.told} The session is held:\n\n{shown(reasons, screen.doubt)}\n"
        )
    return "\n".join(parts)


def main() -> None:
    """Draw what is not drawn yet, read all, write the page."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    with Browser() as browser:
        drawer = Drawer(Path(".cache/bench-ocr/drawn"), browser)
        for screen in SCREENS:
            if not screen.picture.exists():
                screen.picture.write_bytes(draw(drawer, screen))
    held = asked([screen.picture.read_bytes() for screen in SCREENS])
    PAGE.write_text(page(held), encoding="utf-8")


if __name__ == "__main__":
    main()
