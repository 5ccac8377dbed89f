"""How a table's wall times, zones and targets are described, before any value is read.

Words and records only, no array library: a command that tells what waits starts at once.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from backfill.errors import PreflightError
from backfill.rows.columns import Column, ColumnType

_MODIFIER = re.compile(r"\(\s*(\d+)\s*(?:,\s*(-?\d+)\s*)?\)")
_DECIMALS = ('pg_catalog."numeric"', 'pg_catalog."float8"', 'pg_catalog."float4"')
_SECOND_US = 1_000_000
#: How long an instant is as text: without a fraction, and with the point that one begins with.
PLAIN_TEXT = len("2026-06-01T12:00:00Z")
_POINTED = PLAIN_TEXT + 1


class Encoding(StrEnum):
    """How a wall-clock column writes a local date and time, as --encoding names it."""

    AUTO = "auto"
    TIMESTAMP = "timestamp"
    EPOCH_MS = "epoch_ms"
    EPOCH_S = "epoch_s"
    ISO_TEXT = "iso_text"


class Unit(StrEnum):
    """What a number counts: fractions of seconds since 1970, or what other programs count."""

    SECONDS = "s"
    MILLISECONDS = "ms"
    MICROSECONDS = "us"
    NANOSECONDS = "ns"
    TICKS = "ticks"  # tenths of microseconds since the year 1, as .NET has them
    FILETIME = "filetime"  # tenths of microseconds since 1601, as Windows has them
    WEBKIT = "webkit"  # microseconds since 1601, as browsers have them
    COCOA = "cocoa"  # seconds since 2001, as Apple has them
    MINUTES = "min"
    HOURS = "h"
    DAYS = "days"  # since 1970
    EXCEL = "excel"  # days since 1899-12-30
    JULIAN = "julian"  # days since noon of the Julian day 0

    @property
    def per_second(self) -> int:
        """How many make a second; of coarse ones none does."""
        return _PER_SECOND[self.value]

    @property
    def is_coarse(self) -> bool:
        """Whether it is longer than a second: minutes, hours, days."""
        return self.value in _COARSE_US

    @property
    def unit_us(self) -> int:
        """How many microseconds one is; 0 of finer ones."""
        return _COARSE_US.get(self.value) or 1_000_000 // self.per_second

    @property
    def zero_us(self) -> int:
        """What the number 0 is, in microseconds since 1970."""
        return _ZERO_US.get(self.value, 0)


DAY_US = 86_400_000_000
_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000, "ticks": 10_000_000}
_PER_SECOND |= {"filetime": 10_000_000, "webkit": 1_000_000, "cocoa": 1}
_COARSE_US = {"min": 60_000_000, "h": 3_600_000_000} | dict.fromkeys(
    ("days", "excel", "julian"), DAY_US
)
_ZERO_US = {
    "ticks": -719_162 * DAY_US,
    "excel": -25_569 * DAY_US,
    **dict.fromkeys(("filetime", "webkit"), -134_774 * DAY_US),
    "cocoa": 11_323 * DAY_US,
    "julian": -2_440_587 * DAY_US - DAY_US // 2,
}
#: Units that numbers are tried in, to recognise what they count. Seconds since 2001 are seconds
#: since 1970 of other years, which nobody can tell.
TRIED_UNITS = tuple(u for u in Unit if u not in (Unit.MINUTES, Unit.HOURS, Unit.COCOA))
#: Units that a time of day may count, since midnight; spreadsheets have shares of a day.
CLOCK_UNITS = (
    *(Unit.SECONDS, Unit.MILLISECONDS, Unit.MICROSECONDS),
    *(Unit.MINUTES, Unit.HOURS, Unit.DAYS),
)
#: Units that a target may count: all since 1970.
TARGET_UNITS = (Unit.SECONDS, Unit.MILLISECONDS, Unit.MICROSECONDS, Unit.NANOSECONDS)


class WallKind(StrEnum):
    """How a wall time stands in its column, or its two columns."""

    TIMESTAMP = "timestamp"
    DATE = "date"
    NUMBER = "number"
    TEXT = "text"
    DATE_AND_TIME = "date_and_time"
    INSTANT = "instant"  # a timestamptz that wrongly holds wall time, read in a zone


@dataclass(frozen=True, slots=True)
class Reading:
    """How the wall times of a pair are read.

    `unit`: of numbers. `form`: of text, digits included; empty for ISO 8601. `read_in`: the zone
    that an instant shows its wall time in. `missing`: texts that mean no time. `uses_offset`: a
    text with an offset is an instant, and taken as one. `months`: whose names of months a text
    has, English if empty. `follows`: the third column is a time of day too, and where the second
    is earlier it is of the day after. `begins_us`: since midnight, when the days of a date and a
    time begin: an earlier time is of the day after. `is_counted`: a time of day counts its unit
    since midnight, and the form is the date's.
    """

    kind: WallKind
    unit: Unit = Unit.MILLISECONDS
    form: str = ""
    read_in: str = "UTC"
    missing: tuple[str, ...] = ()
    uses_offset: bool = False
    months: str = ""
    follows: bool = False
    begins_us: int = 0
    is_counted: bool = False

    @property
    def name(self) -> str:
        """Say it in a word or two, as --encoding does where it can."""
        if self.kind is WallKind.NUMBER and not self.form:
            return self.unit.value if self.unit.zero_us else f"epoch_{self.unit}"
        if self.form:
            return f"{self.kind} in {self.form}"
        if self.kind is WallKind.INSTANT:
            return f"timestamptz read in {self.read_in}"
        return "iso_text" if self.kind is WallKind.TEXT else self.kind.value


_BY_TYPE = {
    ColumnType.BIGINT: (Encoding.EPOCH_MS, Encoding.EPOCH_S),
    ColumnType.TIMESTAMP: (Encoding.TIMESTAMP,),
    ColumnType.TEXT: (Encoding.ISO_TEXT,),
}


_READINGS = {
    Encoding.TIMESTAMP: Reading(WallKind.TIMESTAMP),
    Encoding.EPOCH_MS: Reading(WallKind.NUMBER, Unit.MILLISECONDS),
    Encoding.EPOCH_S: Reading(WallKind.NUMBER, Unit.SECONDS),
    Encoding.ISO_TEXT: Reading(WallKind.TEXT),
}


def resolve_encoding(declared: Encoding, column: str, column_type: ColumnType) -> Encoding:
    """Return a column's encoding; raise `PreflightError` when its type can not hold it."""
    possible = _BY_TYPE.get(column_type, ())
    if declared is Encoding.AUTO and possible:
        return possible[0]
    if declared not in possible:
        raise PreflightError(
            f"Column {column} is {column_type}: it can not hold wall times as {declared}. "
            f"Use --encoding {' or '.join(possible) or 'auto'}."
        )
    return declared


def reading_of(encoding: Encoding) -> Reading:
    return _READINGS[encoding]


@dataclass(frozen=True, slots=True)
class Target:
    """A target column and what it stores: an instant, or a number of units since 1970."""

    column: Column
    unit: Unit = Unit.MILLISECONDS

    @property
    def is_number(self) -> bool:
        return self.column.type is ColumnType.BIGINT or self.is_decimal

    @property
    def is_decimal(self) -> bool:
        return self.column.sql_type.name in _DECIMALS

    @property
    def is_text(self) -> bool:
        return self.column.type is ColumnType.TEXT and not self.is_decimal

    @property
    def step_us(self) -> int:
        """The finest step that it holds, in microseconds; a finer instant is cut down."""
        if not self.is_number:
            return 1 if self._digits is None else int(10 ** (6 - min(6, self._digits)))
        unit_us = max(1, _SECOND_US // self.unit.per_second)
        if not self.is_decimal:
            return unit_us
        digits = self.scale if self.scale is not None else 9
        return max(1, int(unit_us // 10 ** max(0, digits)))

    @property
    def scale(self) -> int | None:
        """How many digits stand behind the point of a decimal; None where any number may."""
        modifier = self._modifier
        return int(modifier[2] or 0) if modifier else None

    @property
    def whole_digits(self) -> int | None:
        """How many digits stand before the point of a decimal at most; None where any may."""
        modifier = self._modifier
        return int(modifier[1]) - int(modifier[2] or 0) if modifier else None

    @property
    def length(self) -> int | None:
        """How many letters a text has room for; None where it is any number."""
        return int(self._modifier[1]) if self.is_text and self._modifier else None

    @property
    def _digits(self) -> int | None:
        """How many digits of a second's fraction it has room for; None for all that there are."""
        if self.length is not None:
            return max(0, self.length - _POINTED)
        return int(self._modifier[1]) if self._modifier else None

    @property
    def _modifier(self) -> re.Match[str] | None:
        return _MODIFIER.search(self.column.sql_type.declared)


#: The unit of numbers like 530, five hours and thirty minutes: on the hour each is so many seconds.
HHMM_SECONDS = 36


class OffsetUse(StrEnum):
    """What an offset of the row decides."""

    ZONE = "zone"
    FOLD = "fold"


@dataclass(frozen=True, slots=True)
class Offset:
    """A column of offsets: numbers of `unit_seconds` east of UTC each (below 0: west; or
    `HHMM_SECONDS`), or text like +02:00."""

    column: str
    use: OffsetUse
    unit_seconds: int = 0  # 0: text or interval
    is_flag: bool = False  # true or false: summer time or not, which tells a fold's two passes


@dataclass(frozen=True, slots=True)
class ZoneLink:
    """One place of a chain: a field of `source`, or a constant (`field` empty)."""

    field: str = ""
    constant: str = ""
    is_looked_up: bool = False


@dataclass(frozen=True, slots=True)
class Pair:
    """Where a wall time stands, and where its instant goes.

    `label` names it in the plan: the wall column's name, or both with a plus between them.
    """

    label: str
    walls: tuple[Column, ...]
    reading: Reading
    target: Target
    chain: tuple[ZoneLink, ...] = ()
    offset: Offset | None = None
    fold_by: str = ""  # a source column whose order tells the two passes of a fold apart
    series: str = ""  # the source column whose rows make one series; empty: the scope

    @property
    def zone_name(self) -> str:
        """The column that a person looks at for the pair's zone."""
        own = next((link.field for link in self.chain if link.field), "")
        return own or (self.offset.column if self.offset else "")


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of the table at hand, pair by pair.

    `sources` and `looked_up` are the fields of `source`. With `is_span` the first two pairs are
    start and end of one thing.
    """

    pairs: tuple[Pair, ...]
    sources: tuple[Column, ...]
    looked_up: tuple[str, ...] = ()
    is_span: bool = False

    @property
    def own_chains(self) -> tuple[bool, ...]:
        """Whether each pair finds its zone in another way than the first one."""
        first = self.pairs[0]
        return tuple((p.chain, p.offset) != (first.chain, first.offset) for p in self.pairs)
