"""What is special about a session of another look: twists that a person still reads exactly, and
those where a person would have to ask.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from tests.bench.others_day import Day, Entry, clock, invent_day, visit
from tests.bench.others_look import Look
from tests.bench.others_page import (
    HALF_TOLD_ONCE,
    Sheet,
    heading_of,
    list_of,
    note,
    toast,
    total_of,
)
from tests.bench.others_words import STOCKS
from tests.bench.strange_words import Half

from backfill.ocr.shift import Shift


@dataclass(slots=True)
class Draft:
    """A session before it is drawn; `entries` are drawn, `shifts` are true."""

    rng: random.Random
    half: Half
    day: Day
    look: Look
    entries: list[Entry]
    shifts: list[Shift]
    cancelled: list[tuple[str, str]] = field(default_factory=list)
    heading: str | None = None
    below: list[str] = field(default_factory=list)
    over: list[str] = field(default_factory=list)
    has_date: bool = True
    is_narrow: bool = False
    total_minutes: int = 0
    left_out: int | None = None
    is_repeated: bool = False
    is_shuffled: bool = False
    is_photo: bool = False

    @property
    def sheet(self) -> Sheet:
        return Sheet(self.look, self.rng, is_narrow=self.is_narrow)

    def change(self, place: int, **values: object) -> Entry:
        """Replace fields of an entry and return it as it was."""
        before = self.entries[place]
        self.entries[place] = replace(before, **values)  # type: ignore[arg-type]
        return before

    def any_place(self, *, is_visit: bool = True) -> int:
        """Return the place of a card, by default of work at somebody's."""
        places = [n for n, entry in enumerate(self.entries) if entry.client or not is_visit]
        return self.rng.choice(places)

    def inner(self) -> str:
        """Return the list, its sum, and what stands below."""
        parts = [list_of(self.sheet, self.entries)] if self.entries else []
        if self.look.has_total and self.entries:
            parts.append(total_of(self.look, self.total_minutes))
        return "".join([*parts, *self.below])


def draft(rng: random.Random, half: Half, kind: str, look: Look) -> Draft:
    """Return a session of a kind of `READABLE` or `ASKED`."""
    twist = kind if kind in ("odd", "night", "same_hour", "leave") else ""
    if look.layout == "timeline" and twist in ("same_hour", "night"):
        twist = ""
    day = invent_day(rng, half, twist)
    entries = list(day.entries)
    made = Draft(rng, half, day, look, entries, [entry.shift for entry in entries])
    made.total_minutes = sum(entry.minutes for entry in entries)
    if look.has_button:
        place = f"background:{look.accent};color:#fff"
        made.over.append(f'<div class="over fab" style="{place}">{look.icon("plus")}</div>')
    (READABLE.get(kind) or ASKED[kind])(made)
    return made


def _nothing(_made: Draft) -> None:
    """Leave the session as it is."""


def _repeat(made: Draft) -> None:
    made.is_repeated = True


def _shuffled(made: Draft) -> None:
    made.is_shuffled = True
    made.look = replace(made.look, is_sticky=True)


def _passing(made: Draft) -> None:
    """A message that is gone in the next screen; where there is none, it covers what it covers."""
    made.over.append(toast("Meddelande från Kontoret", made.rng.randint(8, 200), "0"))


def _photo(made: Draft) -> None:
    made.is_photo = True


def _cancelled(made: Draft) -> None:
    place = made.any_place()
    before = made.change(place, mark=made.look.tongue.cancelled, is_crossed=made.rng.random() < 0.5)
    made.shifts.remove(before.shift)
    made.cancelled.append((before.shift.start, before.shift.end))


def _declined(made: Draft) -> None:
    place = made.any_place()
    before = made.change(place, mark=made.look.tongue.declined, is_pale=made.rng.random() < 0.5)
    made.shifts.remove(before.shift)
    made.cancelled.append((before.shift.start, before.shift.end))


def _crossed(made: Draft) -> None:
    before = made.change(made.any_place(is_visit=False), is_crossed=True)
    made.shifts.remove(before.shift)
    made.cancelled.append((before.shift.start, before.shift.end))


def _moved(made: Draft) -> None:
    place = made.any_place()
    start, end = made.entries[place].shift.start, made.entries[place].shift.end
    hour, late = int(start[:2]), int(end[:2])
    made.change(place, old_times=(f"{(hour + 23) % 24:02}:15", f"{(late + 23) % 24:02}:15"))


def _covered(made: Draft) -> None:
    rng, look = made.rng, made.look
    if rng.random() < 0.6:
        made.over.append(toast("Pass uppdaterat", rng.randint(0, max(1, look.height // 2)), "all"))
        return
    side, colour = rng.choice(("top:0", "bottom:0")), rng.choice(("#d1d4da", "#2b2b2d"))
    style = f"{side};left:0;right:0;height:{round(look.height * rng.uniform(0.12, 0.3))}px"
    made.over.append(f'<div class=over data-shot=all style="{style};background:{colour}"></div>')


def _narrow(made: Draft) -> None:
    made.is_narrow = True
    place = made.any_place()
    more = "Trappuppgång Norra Gården"
    client = f"{made.entries[place].client} {more}"
    shift = replace(
        made.entries[place].shift, customer_name=f"{made.entries[place].shift.customer_name} {more}"
    )
    made.shifts[place] = shift
    made.change(place, client=client, shift=shift)


def _missing_last(made: Draft) -> None:
    _lengthen(made)
    made.left_out = -1


def _missing_middle(made: Draft) -> None:
    _lengthen(made)
    made.left_out = 1


def _lengthen(made: Draft) -> None:
    """Add cards until the day is longer than the screen of a small phone."""
    made.look = replace(made.look, has_total=False, width=360, height=640, density=3.0)
    while len(made.entries) < 9:
        last = made.entries[-1]
        start = int(last.shift.end[:2]) * 60 + int(last.shift.end[3:])
        if start > 23 * 60:
            return
        made.entries.append(visit(made.rng, STOCKS[made.half], start, start + 45))
        made.shifts.append(made.entries[-1].shift)


def _two_days(made: Draft) -> None:
    made.has_date = False
    for number in range(1, made.rng.choice((2, 2, 4))):
        day = invent_day(made.rng, made.half)
        date = made.day.date + dt.timedelta(number)
        made.below.append(heading_of(made.look, date))
        made.below.append(list_of(made.sheet, list(day.entries[:2]), 100 * number))


def _half_day(made: Draft) -> None:
    made.look = replace(made.look, clock=HALF_TOLD_ONCE)


def _numeric_date(made: Draft) -> None:
    day = min(made.day.date.day, 12)
    date = made.day.date.replace(day=day)
    made.day = replace(made.day, date=date, created_at=made.day.created_at.replace(day=day))
    made.heading = f"{date:%d/%m/%Y}"


def _no_date(made: Draft) -> None:
    made.has_date = False
    made.heading = made.look.tongue.today
    made.look = replace(made.look, has_strip=False, has_week=False, layout="cards")


def _all_day(made: Draft) -> None:
    leave = invent_day(made.rng, made.half, "leave").entries[0]
    shift = replace(leave.shift, start="00:00", end="24:00")
    made.shifts.append(shift)
    told = made.sheet.mark(99, made.look.tongue.all_day, "times")
    label = made.sheet.mark(99, leave.job, "title")
    made.below.append(f"<div class=card><div>{told}</div><div class=body>{label}</div></div>")


def _colleagues(made: Draft) -> None:
    others = invent_day(made.rng, made.half).entries[:2]
    made.below.append(f"<div class=heading>{made.look.tongue.colleagues}</div>")
    made.below.append(list_of(made.sheet, list(others), 100))


def _notes(made: Draft) -> None:
    made.change(made.any_place(), note=note(made.rng))


def _free(made: Draft) -> None:
    made.entries.clear()
    made.shifts.clear()
    made.below.append(f"<div class=heading>{made.look.tongue.nothing}</div>")


def _wrong_weekday(made: Draft) -> None:
    made.has_date = False
    date, tongue = made.day.date, made.look.tongue
    day = tongue.weekdays[(date.weekday() + made.rng.randint(1, 6)) % 7].capitalize()
    made.heading = f"{day} {date.day}{tongue.dot} {tongue.months[date.month - 1]}"
    made.look = replace(made.look, has_strip=False, has_week=False)


def _faint(made: Draft) -> None:
    made.change(made.any_place(is_visit=False), is_pale=True)


def _not_loaded(made: Draft) -> None:
    bars = "".join(
        f'<div style="height:12px;width:{width}px;margin:6px 0;border-radius:6px;'
        f'background:{made.look.soft}55"></div>'
        for width in (90, 190, 150)
    )
    made.below.append(f"<div class=card><div class=body>{bars}</div></div>")
    made.shifts.append(Shift(clock(23 * 60), clock(23 * 60 + 45)))


def _other_sum(made: Draft) -> None:
    made.look = replace(made.look, has_total=True)
    made.total_minutes += made.rng.choice((60, 90, 120))
    made.shifts.append(Shift(clock(23 * 60), clock(23 * 60 + 45)))


Twist = Callable[[Draft], None]
#: What a person reads exactly.
READABLE: Mapping[str, Twist] = {
    "plain": _nothing, "odd": _nothing, "night": _nothing, "same_hour": _nothing,
    "leave": _nothing, "repeat": _repeat, "shuffled": _shuffled, "passing": _passing,
    "photo": _photo,
}  # fmt: skip
#: What a person would have to ask about, or may.
ASKED: Mapping[str, Twist] = {
    "cancelled": _cancelled, "declined": _declined, "crossed": _crossed, "moved": _moved,
    "covered": _covered, "narrow": _narrow, "missing_last": _missing_last,
    "missing_middle": _missing_middle, "two_days": _two_days, "half_day": _half_day,
    "numeric_date": _numeric_date, "no_date": _no_date, "all_day": _all_day,
    "colleagues": _colleagues, "notes": _notes, "free": _free, "wrong_weekday": _wrong_weekday,
    "faint": _faint, "not_loaded": _not_loaded, "other_sum": _other_sum,
}  # fmt: skip
