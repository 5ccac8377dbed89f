"""Times of day as minutes, on a clock that goes round."""

from __future__ import annotations

import re

HOUR_MINUTES = 60
DAY_MINUTES = 24 * HOUR_MINUTES
_TIME = re.compile(r"\s*([0-9]{1,2})[:.]([0-9]{2})\s*")


def minutes_of(text: str) -> int:
    """Return minutes after midnight, 1440 for 24:00; 0 for a text that is no time."""
    found = _TIME.fullmatch(text)
    return int(found[1]) * HOUR_MINUTES + int(found[2]) if found else 0


def canonical_time(text: str) -> str:
    """Return HH:MM with 24:00 as 00:00; a text that is no time stays as it is."""
    found = _TIME.fullmatch(text)
    return write_minutes(minutes_of(text)) if found and int(found[2]) < HOUR_MINUTES else text


def write_minutes(minutes: int) -> str:
    """Return HH:MM of minutes after any midnight."""
    hours, rest = divmod(minutes % DAY_MINUTES, HOUR_MINUTES)
    return f"{hours:02d}:{rest:02d}"


def minutes_between(start: str, end: str) -> int:
    """Return the length of a range; one that ends before it starts ends the next day."""
    return (minutes_of(end) - minutes_of(start)) % DAY_MINUTES


def last_minutes(start: str, end: str) -> tuple[int, ...]:
    """Return how long a range may last, in minutes: one that ends as it starts, a day as well."""
    length = minutes_between(start, end)
    return (length, DAY_MINUTES) if length == 0 else (length,)


def range_distance(one: tuple[str, str], other: tuple[str, str]) -> int:
    """Return |Δstart| + |Δend| in minutes, each the shorter way round the clock."""
    apart = [minutes_between(mine, yours) for mine, yours in zip(one, other, strict=True)]
    return sum(min(minutes, DAY_MINUTES - minutes) for minutes in apart)


def unroll_range(start: str, end: str, near: int | None = None) -> tuple[int, int]:
    """Return start and end as minutes on one line; an end before the start is the next day's.

    With `near` the range is moved by whole days so that its start lies nearest to that minute.
    """
    first = minutes_of(start) % DAY_MINUTES
    last = first + minutes_between(start, end)
    if near is None:
        return first, last
    days = min((-1, 0, 1), key=lambda day: abs(first + day * DAY_MINUTES - near))
    return first + days * DAY_MINUTES, last + days * DAY_MINUTES
