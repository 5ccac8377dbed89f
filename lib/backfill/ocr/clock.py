"""Times of day as minutes, on a clock that goes round."""

from __future__ import annotations

import re

DAY_MINUTES = 24 * 60
_TIME = re.compile(r"([0-9]{1,2})[:.]([0-9]{2})")


def read_minutes(text: str) -> int:
    """Return minutes after midnight, below 1440; 0 for a text that is no time."""
    found = _TIME.fullmatch(text.strip())
    if found is None:
        return 0
    return (int(found[1]) * 60 + int(found[2])) % DAY_MINUTES


def canonical_time(text: str) -> str:
    """Return HH:MM with 24:00 as 00:00; a text that is no time stays as it is."""
    found = _TIME.fullmatch(text.strip())
    return write_minutes(read_minutes(text)) if found and int(found[2]) < 60 else text


def write_minutes(minutes: int) -> str:
    """Return HH:MM of minutes after any midnight."""
    hours, rest = divmod(minutes % DAY_MINUTES, 60)
    return f"{hours:02d}:{rest:02d}"


def clock_distance(one: int, other: int) -> int:
    """Return the minutes between two times, the shorter way round."""
    apart = (one - other) % DAY_MINUTES
    return min(apart, DAY_MINUTES - apart)


def range_distance(one: tuple[str, str], other: tuple[str, str]) -> int:
    """Return |Δstart| + |Δend| in minutes, around the clock."""
    return sum(
        clock_distance(read_minutes(mine), read_minutes(yours))
        for mine, yours in zip(one, other, strict=True)
    )


def unroll_range(start: str, end: str, near: int | None = None) -> tuple[int, int]:
    """Return start and end as minutes on one line; an end before the start is the next day's.

    With `near` the range is moved by whole days so that its start lies nearest to that minute.
    """
    first, last = read_minutes(start), read_minutes(end)
    if last < first:
        last += DAY_MINUTES
    if near is None:
        return first, last
    days = min((-1, 0, 1), key=lambda day: abs(first + day * DAY_MINUTES - near))
    return first + days * DAY_MINUTES, last + days * DAY_MINUTES
