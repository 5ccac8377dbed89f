"""Invented days of other apps: what stands on each card, and the shift that is true of it."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterator
from dataclasses import dataclass

from tests.bench.others_words import ACTIVITIES, JOBS, LEAVES, STOCKS, Stock
from tests.bench.strange_words import Half

from backfill.ocr.identity import customer_fingerprint, location_fingerprint
from backfill.ocr.shift import Shift

ODD_SHARE, ACTIVITY_SHARE = 0.15, 0.25
DAY_MINUTES = 24 * 60


@dataclass(frozen=True, slots=True)
class Entry:
    """A card: the shift, and its texts as the app writes them; `minutes` from start to end.

    `mark` is a word of the app on it, `note` a person's, `old_times` are crossed out.
    """

    shift: Shift
    client: str
    job: str
    street: str
    town: str
    postal_code: str
    minutes: int
    mark: str = ""
    note: str = ""
    old_times: tuple[str, str] | None = None
    is_crossed: bool = False
    is_pale: bool = False


@dataclass(frozen=True, slots=True)
class Day:
    """A day of entries in their order, and when its screens were sent."""

    date: dt.date
    created_at: dt.datetime
    entries: tuple[Entry, ...]


def invent_day(rng: random.Random, half: Half, twist: str = "") -> Day:
    """Return a day; `twist` is `odd` (names that look like something else), `night`, `same_hour`,
    `leave` or nothing special.
    """
    date = dt.date(2023, 1, 1) + dt.timedelta(rng.randrange(1300))
    if rng.random() < 0.15:
        date = date.replace(month=12, day=31) + dt.timedelta(rng.choice((0, 1)))
    sent = dt.datetime.combine(date, dt.time(rng.randint(5, 20), rng.randrange(60)), dt.UTC)
    created = sent - dt.timedelta(days=rng.choice((0, 0, 0, 1, 1, 2)))
    if twist == "leave":
        start = rng.choice((7, 8, 9)) * 60
        return Day(date, created, (_activity(rng.choice(LEAVES), start, start + 480),))
    return Day(date, created, tuple(_entries(rng, STOCKS[half], twist)))


def _entries(rng: random.Random, stock: Stock, twist: str) -> Iterator[Entry]:
    count = rng.choice((1, 2, 3, 3, 4, 4, 5, 6, 8))
    start = 60 * rng.randint(5, 10) + rng.choice((0, 0, 15, 30, 30, 45, 5, 20))
    odd_place = rng.randrange(count) if twist == "odd" else -1
    for place in range(count):
        is_activity = place != odd_place and place > 0 and rng.random() < ACTIVITY_SHARE
        minutes = rng.choice((15, 20, 30, 30, 45, 60) if is_activity else (60, 75, 90, 120, 150))
        if twist == "night" and place == count - 1:
            start, minutes = max(start, 60 * rng.randint(21, 23)), 60 * rng.randint(4, 9)
            is_activity = False
        if is_activity:
            yield _activity(rng.choice(ACTIVITIES), start, start + minutes)
        else:
            is_odd = place == odd_place or rng.random() < ODD_SHARE / 3
            yield visit(rng, stock, start, start + minutes, is_odd=is_odd)
        if not (twist == "same_hour" and rng.random() < 0.5):
            start += minutes + rng.choice((0, 0, 5, 10, 15, 30))
        if start >= DAY_MINUTES - 180:
            return


def visit(rng: random.Random, stock: Stock, start: int, end: int, *, is_odd: bool = False) -> Entry:
    """Return a card of work at somebody's."""
    client = (
        rng.choice(stock.odd_names)
        if is_odd
        else rng.choice(stock.places)
        if rng.random() < 0.15
        else f"{rng.choice(stock.first_names)} {rng.choice(stock.last_names)}"
    )
    job, kind = rng.choice(JOBS)
    street, town = rng.choice(stock.streets), rng.choice(stock.towns)
    number = str(rng.randint(1, 149)) + rng.choice(("", "", "", "A", " B", "c"))
    plain = "".join(number.split()).upper()
    name = client.removesuffix(" AB").replace("von ", "Von ")
    shift = Shift(
        clock(start), clock(end), name, customer_fingerprint(name, job, kind), street, plain,
        city=town, location_fingerprint=location_fingerprint(street, plain, "", town),
        shift_type=kind, raw_type_label=job,
    )  # fmt: skip
    code = f"{rng.randint(411, 449)} {rng.randint(10, 99)}"
    return Entry(shift, client, job, f"{street} {number}", town, code, end - start)


def _activity(job: tuple[str, str], start: int, end: int) -> Entry:
    label, kind = job
    shift = Shift(
        clock(start), clock(end), customer_fingerprint=customer_fingerprint("", label, kind),
        location_fingerprint=location_fingerprint("", "", "", ""), shift_type=kind,
        raw_type_label=label,
    )  # fmt: skip
    return Entry(shift, "", label, "", "", "", end - start)


def clock(minutes: int) -> str:
    """Return a minute of the day as HH:MM, minutes after midnight those of the next day."""
    hour, minute = divmod(minutes % DAY_MINUTES, 60)
    return f"{hour:02}:{minute:02}"
