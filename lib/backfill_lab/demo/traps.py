"""The events that wrong engines get wrong, each with what must become of it by default.

Default means: fold `earlier`, gap `shift_forward`, neither `--default-tz` nor
`--fallback-on-invalid-tz`.
"""

from __future__ import annotations

from dataclasses import dataclass

from backfill.skips import SkipReason

HOUSEHOLD_DEMO = "hh_demo"
HOUSEHOLD_NORTH = "hh_north"
HOUSEHOLD_SOUTH = "hh_south"

APIA = "Pacific/Apia"
AUCKLAND = "Pacific/Auckland"
KATHMANDU = "Asia/Kathmandu"
LONDON = "Europe/London"
LORD_HOWE = "Australia/Lord_Howe"
NEW_YORK = "America/New_York"
SAO_PAULO = "America/Sao_Paulo"
STOCKHOLM = "Europe/Stockholm"
TOKYO = "Asia/Tokyo"

# What both encodings can hold and no calendar of years 1..9999 can, in milliseconds.
BEYOND_MS = {
    "infinity": 2**63 - 1,
    "-infinity": -(2**63),
    "10000-01-01 00:00:00": 253_402_300_800_000,
    "294276-12-31 23:59:59": 9_224_318_015_999_000,
    "0044-03-15 12:00:00 BC": -63_517_780_800_000,
}


@dataclass(frozen=True, slots=True)
class Row:
    """One event: wall times as text, None for NULL, and the UTC values it must end with.

    `has_start_utc` and `has_end_utc` say which of these are there before the run. A row with
    `skip` keeps what it has.
    """

    start: str | None
    end: str | None
    tz: str | None
    start_utc: str | None = None
    end_utc: str | None = None
    skip: SkipReason | None = None
    household_id: str = HOUSEHOLD_DEMO
    has_start_utc: bool = False
    has_end_utc: bool = False
    is_deleted: bool = False
    rrule: str | None = None
    exdates: str | None = None


@dataclass(frozen=True, slots=True)
class Trap:
    """Events with ids `<prefix>-01`, `<prefix>-02` …, and what they show."""

    prefix: str
    shows: str
    rows: tuple[Row, ...]

    def named_rows(self) -> list[tuple[str, Row]]:
        """The events with their ids."""
        return [(f"{self.prefix}-{number:02d}", row) for number, row in enumerate(self.rows, 1)]


def _trap(prefix: str, shows: str, *rows: Row) -> Trap:
    return Trap(prefix, shows, rows)


def _at_noon(
    tz: str | None, skip: SkipReason | None = None, household_id: str = HOUSEHOLD_DEMO
) -> Row:
    """A summer noon in Stockholm, for events whose trap is the zone and not the time."""
    start, end = "2025-06-02 12:00", "2025-06-02 13:00"
    if skip:
        return Row(start, end, tz, skip=skip, household_id=household_id)
    return Row(start, end, tz, "2025-06-02 10:00", "2025-06-02 11:00", household_id=household_id)


def _without_zone(prefix: str, shows: str, tz: str | None) -> Trap:
    """One event per household: a good default zone, none, and one that does not exist."""
    return _trap(
        prefix,
        shows,
        _at_noon(tz),
        _at_noon(tz, SkipReason.MISSING_TIMEZONE, HOUSEHOLD_NORTH),
        _at_noon(tz, SkipReason.INVALID_TIMEZONE, HOUSEHOLD_SOUTH),
    )


def _unknown_zone(prefix: str, shows: str, tz: str) -> Trap:
    """The household's good default does not help an event that names a bad zone."""
    return _trap(
        prefix,
        shows,
        _at_noon(tz, SkipReason.INVALID_TIMEZONE),
        _at_noon(tz, SkipReason.INVALID_TIMEZONE, HOUSEHOLD_NORTH),
    )


def _beyond(start: str, end: str, tz: str) -> Row:
    return Row(start, end, tz, skip=SkipReason.INVALID_TIMESTAMP)


FOLD_START = _trap(
    "trap-fold-start",
    "the start happens twice",
    Row("2025-10-26 01:30", "2025-10-26 03:30", LONDON, "2025-10-26 00:30", "2025-10-26 03:30"),
)
FOLD_END = _trap(
    "trap-fold-end",
    "the end happens twice",
    Row("2025-11-01 23:00", "2025-11-02 01:30", NEW_YORK, "2025-11-02 03:00", "2025-11-02 05:30"),
)
FOLD_BOTH = _trap(
    "trap-fold-both",
    "start and end happen twice",
    Row("2024-10-27 02:15", "2024-10-27 02:45", STOCKHOLM, "2024-10-27 00:15", "2024-10-27 00:45"),
)
GAP_START = _trap(
    "trap-gap-start",
    "the start never happened",
    Row("2025-03-09 02:15", "2025-03-09 04:00", NEW_YORK, "2025-03-09 07:15", "2025-03-09 08:00"),
)
GAP_END = _trap(
    "trap-gap-end",
    "the end never happened",
    Row("2025-03-30 01:30", "2025-03-30 02:30", STOCKHOLM, "2025-03-30 00:30", "2025-03-30 01:30"),
)
GAP_BOTH = _trap(
    "trap-gap-both",
    "neither start nor end happened",
    Row("2025-03-30 01:10", "2025-03-30 01:50", LONDON, "2025-03-30 01:10", "2025-03-30 01:50"),
)
HALF_HOUR_CHANGE = _trap(
    "trap-lord-howe",
    "summer time of thirty minutes: the start happens twice, or never",
    Row("2024-04-07 01:45", "2024-04-07 03:00", LORD_HOWE, "2024-04-06 14:45", "2024-04-06 16:30"),
    Row("2024-10-06 02:15", "2024-10-06 04:00", LORD_HOWE, "2024-10-05 15:45", "2024-10-05 17:00"),
)
LOST_DAY = _trap(
    "trap-apia",
    "a whole day that never happened; both ends meet in one instant",
    Row("2011-12-30 12:00", "2011-12-31 12:00", APIA, "2011-12-30 22:00", "2011-12-30 22:00"),
)
MIDNIGHT_GAP = _trap(
    "trap-sao-paulo",
    "a day without a midnight",
    Row("2018-11-04 00:00", "2018-11-04 01:00", SAO_PAULO, "2018-11-04 03:00", "2018-11-04 03:00"),
)
QUARTER_OFFSET = _trap(
    "trap-kathmandu",
    "an offset of 45 minutes past the hour",
    Row("2024-06-01 12:00", "2024-06-01 13:00", KATHMANDU, "2024-06-01 06:15", "2024-06-01 07:15"),
)
LEAP_DAY = _trap(
    "trap-leap-day",
    "29 February",
    Row("2024-02-29 00:30", "2024-03-01 00:30", TOKYO, "2024-02-28 15:30", "2024-02-29 15:30"),
)
YEAR_END = _trap(
    "trap-year-end",
    "over New Year by the wall, in the old year in UTC",
    Row("2025-12-31 23:30", "2026-01-01 00:30", AUCKLAND, "2025-12-31 10:30", "2025-12-31 11:30"),
)
LOCAL_MEAN_TIME = _trap(
    "trap-pre-1900",
    "before time zones: an offset with seconds",
    Row(
        "1800-01-01 00:00", "1800-01-01 01:00", LONDON, "1800-01-01 00:01:15", "1800-01-01 01:01:15"
    ),
)
BEFORE_1970 = _trap(
    "trap-negative-ms",
    "before 1970, with milliseconds: rounding must not go towards zero",
    Row(
        *("1969-07-20 16:17:40.123", "1969-07-20 18:00", NEW_YORK),
        *("1969-07-20 20:17:40.123", "1969-07-20 22:00"),
    ),
)
YEAR_2050 = _trap(
    "trap-2050",
    "beyond 2037, where lists of clock changes end",
    Row("2050-07-01 09:00", "2050-12-01 09:00", STOCKHOLM, "2050-07-01 07:00", "2050-12-01 08:00"),
)
BEYOND_CALENDAR = _trap(
    "trap-beyond-calendar",
    "years above 9999 and before 1, the ends of the type, and instants that leave the calendar",
    _beyond("10000-01-01 00:00:00", "10000-01-01 00:00:00", STOCKHOLM),
    _beyond("294276-12-31 23:59:59", "294276-12-31 23:59:59", STOCKHOLM),
    _beyond("infinity", "infinity", STOCKHOLM),
    _beyond("-infinity", "2025-06-02 12:00", STOCKHOLM),
    _beyond("2025-06-02 12:00", "infinity", STOCKHOLM),
    _beyond("0044-03-15 12:00:00 BC", "0044-03-15 12:00:00 BC", LONDON),
    _beyond("9999-12-31 22:00", "9999-12-31 23:30", NEW_YORK),
    _beyond("0001-01-01 00:00", "0001-01-01 23:00", TOKYO),
)
ZONE_NULL = _without_zone("trap-tz-null", "no zone", None)
ZONE_BLANK = _without_zone("trap-tz-blank", "an empty zone", "")
ZONE_SPACES = _without_zone("trap-tz-spaces", "a zone of spaces", "   ")
ZONE_PADDED = _trap("trap-tz-padded", "a good zone between spaces", _at_noon(" Europe/Stockholm "))
ZONE_WRONG_CASE = _unknown_zone("trap-tz-case", "a zone in the wrong case", "europe/stockholm")
ZONE_JUNK = _unknown_zone("trap-tz-junk", "a zone that does not exist", "Mars/Olympus_Mons")
ZONE_OFFSET = _unknown_zone("trap-tz-offset", "UTC+1 means three different things", "UTC+1")
ZONE_BARE_OFFSET = _unknown_zone("trap-tz-bare-offset", "an offset is no zone", "+01:00")
ZONE_ALIAS = _trap(
    "trap-tz-alias",
    "old names that are still good",
    Row(
        "2025-07-01 12:00", "2025-07-01 13:00", "US/Eastern", "2025-07-01 16:00", "2025-07-01 17:00"
    ),
    Row("2025-07-01 12:00", "2025-07-01 13:00", "GMT", "2025-07-01 12:00", "2025-07-01 13:00"),
    Row("2025-01-15 12:00", "2025-01-15 13:00", "EST", "2025-01-15 17:00", "2025-01-15 18:00"),
)
END_NULL = _trap(
    "trap-end-null",
    "an event without an end",
    Row("2025-06-02 12:00", None, STOCKHOLM, "2025-06-02 10:00"),
)
ONLY_END_MISSING = _trap(
    "trap-only-end-missing",
    "the start is filled, with a value that must not be touched",
    Row(
        *("2025-06-02 12:00", "2025-06-02 13:00", STOCKHOLM),
        *("2025-06-02 09:59", "2025-06-02 11:00"),
        has_start_utc=True,
    ),
)
ONLY_START_MISSING = _trap(
    "trap-only-start-missing",
    "the end is filled, with a value that must not be touched",
    Row(
        *("2025-06-02 12:00", "2025-06-02 13:00", STOCKHOLM),
        *("2025-06-02 10:00", "2025-06-02 11:01"),
        has_end_utc=True,
    ),
)
FILLED_WITHOUT_ZONE = _trap(
    "trap-filled-tz-null",
    "both filled and no zone: not pending, so neither changed nor skipped",
    Row(
        *("2025-06-02 12:00", "2025-06-02 13:00", None),
        *("2025-06-02 10:00", "2025-06-02 11:00"),
        household_id=HOUSEHOLD_NORTH,
        has_start_utc=True,
        has_end_utc=True,
    ),
)
START_NULL = _trap(
    "trap-start-null",
    "an end without a start",
    Row(None, "2025-06-02 13:00", STOCKHOLM, skip=SkipReason.MISSING_WALL_TIME),
)
BOTH_NULL = _trap(
    "trap-both-null",
    "no wall time at all: not pending",
    Row(None, None, STOCKHOLM),
)
END_BEFORE_START = _trap(
    "trap-end-before-start",
    "the end lies before the start, by the wall or only in UTC",
    Row("2025-05-05 12:00", "2025-05-05 11:00", STOCKHOLM, "2025-05-05 10:00", "2025-05-05 09:00"),
    Row("2025-03-09 02:30", "2025-03-09 03:10", NEW_YORK, "2025-03-09 07:30", "2025-03-09 07:10"),
)
SOFT_DELETED = _trap(
    "trap-soft-deleted",
    "deleted events are filled like any other",
    Row(
        *("2025-06-02 12:00", "2025-06-02 13:00", STOCKHOLM),
        *("2025-06-02 10:00", "2025-06-02 11:00"),
        is_deleted=True,
    ),
)
RECURRING = _trap(
    "trap-rrule",
    "rule and exceptions stay the same byte for byte",
    Row(
        *("2025-06-02 12:00", "2025-06-02 13:00", STOCKHOLM),
        *("2025-06-02 10:00", "2025-06-02 11:00"),
        rrule="FREQ=WEEKLY;BYDAY=MO,WE;UNTIL=20251231T225959Z ",
        exdates="2025-06-09T12:00:00,\r\n2025-06-16T12:00:00\t\\N \u00e5\u0308",
    ),
)
SECONDS = _trap(
    "trap-seconds",
    "seconds written into a column of milliseconds: too few to stop the run",
    Row("1970-01-21 08:07:19.2", None, "Etc/UTC", "1970-01-21 08:07:19.2"),
    Row("1970-01-21 08:08:45.6", None, "Etc/UTC", "1970-01-21 08:08:45.6"),
)
FRACTIONS = _trap(
    "trap-fraction",
    "the last digit that the encoding holds survives",
    Row(
        *("2025-06-02 12:00:00.123456", "2025-06-02 13:00:00.999999", STOCKHOLM),
        *("2025-06-02 10:00:00.123456", "2025-06-02 11:00:00.999999"),
    ),
)
IDS_IN_LOCALE_ORDER = _trap(
    "Trap-\u00c5'id\" %s",
    "an id that a locale sorts elsewhere, and that careless quoting breaks",
    _at_noon(STOCKHOLM),
)

TRAPS: tuple[Trap, ...] = (
    *(FOLD_START, FOLD_END, FOLD_BOTH, GAP_START, GAP_END, GAP_BOTH),
    *(HALF_HOUR_CHANGE, LOST_DAY, MIDNIGHT_GAP, QUARTER_OFFSET, LEAP_DAY, YEAR_END),
    *(LOCAL_MEAN_TIME, BEFORE_1970, YEAR_2050, BEYOND_CALENDAR),
    *(ZONE_NULL, ZONE_BLANK, ZONE_SPACES, ZONE_PADDED, ZONE_WRONG_CASE, ZONE_JUNK),
    *(ZONE_OFFSET, ZONE_BARE_OFFSET, ZONE_ALIAS),
    *(END_NULL, ONLY_END_MISSING, ONLY_START_MISSING, FILLED_WITHOUT_ZONE, START_NULL, BOTH_NULL),
    *(END_BEFORE_START, SOFT_DELETED, RECURRING, SECONDS, FRACTIONS, IDS_IN_LOCALE_ORDER),
)
