"""A time that lost its first digit, put right by the other time of its card and the duration.

Two narrow digits side by side are read as one now and then: 11:00 as 1:00. The app writes hours
with two digits, so that what was read is known to be too short.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from backfill.ocr.clock import write_minutes
from backfill.ocr.shift import Entry
from backfill.ocr.timetext import last_minutes, minutes_of, parse_clock

_SHORT = re.compile(r"\W*\d[:.;]\d{2}\W*")


def mend_lost_digits(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """Return the entries, times too short by a digit as the durations demand them."""
    return tuple(map(_mended, entries))


def _mended(entry: Entry) -> Entry:
    duration = entry.duration_minutes
    if duration is None or duration in last_minutes(entry.start, entry.end):
        return entry
    short = {parse_clock(word.text) for word in entry.words if _SHORT.fullmatch(word.text)}
    start = write_minutes(minutes_of(entry.end) - duration)
    end = write_minutes(minutes_of(entry.start) + duration)
    if entry.start in short and start[1:] == entry.start[1:]:
        return replace(entry, start=start)
    if entry.end in short and end[1:] == entry.end[1:]:
        return replace(entry, end=end)
    return entry
