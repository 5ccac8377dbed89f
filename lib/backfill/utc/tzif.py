"""A compiled time zone file (TZif, RFC 8536) read into arrays of seconds, and the rule at its end
(a POSIX TZ string) spelt out year by year."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

import numpy as np

from backfill.errors import PreflightError
from backfill.rows.values import Int64Array

_HEADER_BYTES = 44
_COUNTS_AT = 20
_TYPE_BYTES = 6


@dataclass(frozen=True, slots=True, eq=False)
class ZoneFile:
    """What one file says: seconds since 1970 in UTC, offsets in seconds east of UTC.

    `offsets` has one entry more than `instants`: the first holds before every transition.
    `footer` is the POSIX rule that holds after the last one.
    """

    instants: Int64Array
    offsets: Int64Array
    footer: str


@dataclass(frozen=True, slots=True)
class _Counts:
    """The six counts of a header, in the file's order."""

    utc_flags: int
    standard_flags: int
    leap_seconds: int
    instants: int
    types: int
    characters: int

    def body_bytes(self, time_bytes: int) -> int:
        """The length of the block after this header; times take 4 or 8 bytes."""
        return (
            self.instants * (time_bytes + 1)
            + self.types * _TYPE_BYTES
            + self.characters
            + self.leap_seconds * (time_bytes + 4)
            + self.standard_flags
            + self.utc_flags
        )


def parse_tzif(data: bytes) -> ZoneFile:
    """Read the 64-bit block and the footer; the 32-bit block before it is passed over.

    Raises:
        PreflightError: the bytes are no TZif of version 2 or later, or count leap seconds.
    """
    short = _read_counts(data, 0)
    long_at = _HEADER_BYTES + short.body_bytes(time_bytes=4)
    counts = _read_counts(data, long_at)
    if counts.leap_seconds:
        raise PreflightError(
            "The time zone data counts leap seconds, which no event does. "
            "Install the package tzdata that requirements.lock names."
        )
    body_at = long_at + _HEADER_BYTES
    instants = np.frombuffer(data, ">i8", counts.instants, body_at).astype(np.int64)
    index_at = body_at + 8 * counts.instants
    type_index = np.frombuffer(data, np.uint8, counts.instants, index_at)
    types = [
        struct.unpack_from(">lBB", data, index_at + counts.instants + _TYPE_BYTES * number)
        for number in range(counts.types)
    ]
    type_offsets = np.array([offset for offset, _, _ in types], dtype=np.int64)
    # Before the first transition: the first standard time listed, as `zoneinfo` has it.
    before = next((offset for offset, is_dst, _ in types if not is_dst), types[0][0])
    return ZoneFile(
        instants=instants,
        offsets=np.concatenate(([before], type_offsets[type_index])).astype(np.int64),
        footer=data[body_at + counts.body_bytes(time_bytes=8) :].strip(b"\n").decode("ascii"),
    )


def _read_counts(data: bytes, at: int) -> _Counts:
    if data[at : at + 4] != b"TZif" or data[at + 4 : at + 5] < b"2":
        raise PreflightError(
            "The time zone data is not in the TZif format, version 2 or later. "
            "Install the package tzdata that requirements.lock names."
        )
    return _Counts(*struct.unpack_from(">6l", data, at + _COUNTS_AT))


# -- the rule at the end ------------------------------------------------------------------------

_NAME = r"(?:<[^>]+>|[A-Za-z]{3,})"
_CLOCK = r"[+-]?\d{1,3}(?::\d{2}){0,2}"
_DATE = r"(?:M\d{1,2}\.[1-5]\.[0-6]|J?\d{1,3})"
_RULE = re.compile(
    rf"{_NAME}(?P<standard>{_CLOCK})"
    rf"(?:{_NAME}(?P<summer>{_CLOCK})?"
    rf",(?P<start>{_DATE})(?:/(?P<start_clock>{_CLOCK}))?"
    rf",(?P<end>{_DATE})(?:/(?P<end_clock>{_CLOCK}))?)?"
)
_DEFAULT_CLOCK = "2"
_DAY_SECONDS = 86_400
_HOUR_SECONDS = 3_600
# 1970-01-01 was a Thursday; POSIX counts Sunday as 0.
_EPOCH_WEEKDAY = 4
_LAST_WEEK = 5
_LEAP_DAY = 59


@dataclass(frozen=True, slots=True, eq=False)
class Expansion:
    """Transitions in order: seconds since 1970 in UTC, and the offset that each begins."""

    instants: Int64Array
    offsets: Int64Array


def expand_footer(footer: str, first_year: int, last_year: int) -> Expansion:
    """Spell out a footer for whole years; one without summer time gives no transition.

    Raises:
        PreflightError: the footer does not follow the POSIX grammar.
    """
    rule = _RULE.fullmatch(footer)
    if rule is None:
        raise PreflightError(
            f"The time zone rule {footer!r} is not understood. "
            "Install the package tzdata that requirements.lock names."
        )
    years = np.arange(first_year, last_year + 1, dtype=np.int64)
    if rule["start"] is None:
        none = np.empty(0, dtype=np.int64)
        return Expansion(none, none)
    # POSIX writes offsets west of Greenwich as positive.
    standard = -_seconds(rule["standard"])
    summer = -_seconds(rule["summer"]) if rule["summer"] else standard + _HOUR_SECONDS
    starts = _wall_seconds(years, rule["start"], rule["start_clock"]) - standard
    ends = _wall_seconds(years, rule["end"], rule["end_clock"]) - summer
    instants = np.concatenate((starts, ends))
    offsets = np.repeat(np.array([summer, standard], dtype=np.int64), years.size)
    order = np.argsort(instants, kind="stable")
    return Expansion(instants[order], offsets[order])


def _wall_seconds(years: Int64Array, date: str, clock: str | None) -> Int64Array:
    return _days(years, date) * _DAY_SECONDS + _seconds(clock or _DEFAULT_CLOCK)


def _days(years: Int64Array, date: str) -> Int64Array:
    """Days since 1970 of `Mm.w.d`, `Jn` (no leap day counted) or `n` (from 0) in each year."""
    if date.startswith("M"):
        month, week, weekday = (int(part) for part in date[1:].split("."))
        return _weekday_of_month(years, month, week, weekday)
    new_year = _month_start(years, 1)
    if not date.startswith("J"):
        return new_year + int(date)
    day = int(date[1:]) - 1
    has_leap_day = _month_start(years + 1, 1) - new_year > 365
    return new_year + day + (has_leap_day & (day >= _LEAP_DAY))


def _weekday_of_month(years: Int64Array, month: int, week: int, weekday: int) -> Int64Array:
    start = _month_start(years, month)
    first = start + (weekday - (start + _EPOCH_WEEKDAY)) % 7
    days = first + 7 * (week - 1)
    if week == _LAST_WEEK:
        days -= 7 * (days >= _month_start(years, month + 1))
    return days


def _month_start(years: Int64Array, month: int) -> Int64Array:
    months = (years - 1970) * 12 + month - 1
    return months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)


def _seconds(clock: str) -> int:
    """`[+-]h[h[h]][:mm[:ss]]` in seconds."""
    sign = -1 if clock.startswith("-") else 1
    parts = [int(part) for part in clock.lstrip("+-").split(":")]
    return sign * sum(part * unit for part, unit in zip(parts, (3600, 60, 1), strict=False))
