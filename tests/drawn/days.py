"""One invented working day: its date and its rows, with what a perfect reading gives."""

from __future__ import annotations

import datetime as dt
import random
from dataclasses import dataclass

from tests.drawn.people import (
    ACTIVITIES,
    COMPANIES,
    FIRST_NAMES,
    JOBS,
    LAST_NAMES,
    STREETS,
    TOWNS,
)

FIRST_DATE = dt.date(2023, 1, 2)
LAST_DATE = dt.date(2027, 12, 31)


@dataclass(frozen=True, slots=True)
class Row:
    """One card as the app shows it (`title` has a `{sep}` where the style's separator goes)."""

    start: str
    end: str
    title: str
    address: str
    customer: str
    street: str
    number: str
    city: str
    shift_type: str
    label: str
    collaborators: int = 0
    is_on_time: bool = False

    @property
    def minutes(self) -> int:
        """Length in minutes, over midnight too."""
        return (_minutes(self.end) - _minutes(self.start)) % (24 * 60)


@dataclass(frozen=True, slots=True)
class Day:
    """The rows of one date, in the order of the app."""

    date: dt.date
    rows: tuple[Row, ...]


def invent_day(rng: random.Random, row_count: int, date: dt.date | None = None) -> Day:
    """Return a day of `row_count` rows; the same `rng` state gives the same day."""
    days = (LAST_DATE - FIRST_DATE).days
    date = date or FIRST_DATE + dt.timedelta(days=rng.randrange(days))
    clock = rng.choice((6 * 60, 7 * 60, 7 * 60 + 30, 8 * 60, 8 * 60 + 15))
    rows = []
    for index in range(row_count):
        is_activity = index % 2 == 1 if rng.random() < 0.8 else rng.random() < 0.3
        minutes = rng.choice((15, 25, 30, 45, 60) if is_activity else (80, 105, 120, 180, 195, 240))
        if clock + minutes > 24 * 60:
            break
        rows.append(_invent_row(rng, clock, clock + minutes, is_activity))
        clock += minutes + rng.choice((0, 0, 0, 5, 10, 20))
    return Day(date, tuple(rows))


def _invent_row(rng: random.Random, start: int, end: int, is_activity: bool) -> Row:
    times = (_clock(start), _clock(end % (24 * 60)))
    on_time = rng.random() < 0.4
    if is_activity:
        title, label, shift_type = rng.choice(ACTIVITIES)
        return Row(
            *times, title=title, address="", customer="", street="", number="", city="",
            shift_type=shift_type, label=label, is_on_time=on_time,
        )  # fmt: skip
    label, shift_type = rng.choice(JOBS)
    if rng.random() < 0.12:
        written, customer = rng.choice(COMPANIES)
    else:
        written = customer = _person(rng)
    street, number, town = rng.choice(STREETS), _street_number(rng), rng.choice(TOWNS)
    shown_town = rng.choice((town, town, town.upper(), town.lower()))
    return Row(
        *times, title=f"{written} {{sep}} {label}", address=f"{shown_town}, {street} {number}",
        customer=customer, street=street, number=number, city=town, shift_type=shift_type,
        label=label, collaborators=rng.choice((0, 0, 1, 2, 3, 5)), is_on_time=on_time,
    )  # fmt: skip


def _person(rng: random.Random) -> str:
    names = [rng.choice(FIRST_NAMES), rng.choice(LAST_NAMES)]
    if rng.random() < 0.2:
        names.insert(1, rng.choice(LAST_NAMES).split("-", maxsplit=1)[0])
    return " ".join(names)


def _street_number(rng: random.Random) -> str:
    letter = rng.choice(("", "", "", "", "A", "B", " b"))
    return f"{rng.randint(1, 180)}{letter}"


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


def _minutes(clock: str) -> int:
    hours, minutes = clock.split(":")
    return int(hours) * 60 + int(minutes)
