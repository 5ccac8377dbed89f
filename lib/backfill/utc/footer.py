"""The rule at the end of a zone file (a POSIX TZ string) spelt out year by year."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from backfill.errors import PreflightError
from backfill.utc.tzif import IntArray

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

    instants: IntArray
    offsets: IntArray


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


def _wall_seconds(years: IntArray, date: str, clock: str | None) -> IntArray:
    return _days(years, date) * _DAY_SECONDS + _seconds(clock or _DEFAULT_CLOCK)


def _days(years: IntArray, date: str) -> IntArray:
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


def _weekday_of_month(years: IntArray, month: int, week: int, weekday: int) -> IntArray:
    start = _month_start(years, month)
    first = start + (weekday - (start + _EPOCH_WEEKDAY)) % 7
    days = first + 7 * (week - 1)
    if week == _LAST_WEEK:
        days -= 7 * (days >= _month_start(years, month + 1))
    return days


def _month_start(years: IntArray, month: int) -> IntArray:
    months = (years - 1970) * 12 + month - 1
    return months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)


def _seconds(clock: str) -> int:
    """`[+-]h[h[h]][:mm[:ss]]` in seconds."""
    sign = -1 if clock.startswith("-") else 1
    parts = [int(part) for part in clock.lstrip("+-").split(":")]
    return sign * sum(part * unit for part, unit in zip(parts, (3600, 60, 1), strict=False))
