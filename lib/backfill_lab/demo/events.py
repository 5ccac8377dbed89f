"""A household calendar to try the UTC job on: the same rows every time, every trap among them."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from typing import Any, Literal, LiteralString, TypeAlias

import numpy as np
import psycopg
from psycopg import sql

from backfill.utc.convert import LocalKind, classify
from backfill.utc.zones import SECOND_US
from backfill_lab.demo.traps import (
    BEYOND_MS,
    HOUSEHOLD_DEMO,
    HOUSEHOLD_NORTH,
    HOUSEHOLD_SOUTH,
    TRAPS,
    Row,
)

Encoding: TypeAlias = Literal["epoch_ms", "timestamp"]

DEFAULT_ROWS = 20_000
# id, name, tz: a good default zone, none, and one that does not exist.
HOUSEHOLDS = (
    (HOUSEHOLD_DEMO, "Demo household", "Europe/Stockholm"),
    (HOUSEHOLD_NORTH, "North household", None),
    (HOUSEHOLD_SOUTH, "South household", "Europe/Gothenburg"),
)
ZONES = (
    *("Africa/Casablanca", "Africa/Johannesburg", "America/Los_Angeles", "America/New_York"),
    *("America/Santiago", "America/Sao_Paulo", "America/St_Johns", "Asia/Kathmandu"),
    *("Asia/Kolkata", "Asia/Tokyo", "Australia/Adelaide", "Australia/Lord_Howe", "Etc/UTC"),
    *("Europe/Dublin", "Europe/Lisbon", "Europe/London", "Europe/Stockholm", "Pacific/Apia"),
    *("Pacific/Auckland", "Pacific/Chatham"),
)
# Of the ordinary events; the traps come on top, in numbers of their own.
FILLED_SHARE = 0.30
WITHOUT_ZONE_SHARE = 0.15
HOUSEHOLD_WEIGHTS = (60, 25, 15)
DELETED_SHARE = 0.03
RECURRING_SHARE = 0.08

#: Of `events.sql`; a table that has these and no other columns may be the demo's.
EVENT_COLUMNS = (
    *("id", "household_id", "title", "start_at", "end_at", "tz", "start_at_utc", "end_at_utc"),
    *("rrule", "exdates", "reminder", "created_at", "updated_at", "deleted_at"),
)

_SEED = 20_250_907
_TYPES: dict[Encoding, tuple[LiteralString, LiteralString]] = {
    "epoch_ms": ("bigint", "bigint"),
    "timestamp": ("timestamp", "timestamptz"),
}
_TITLES = (
    *("Piano lesson", "Vet appointment", "Rubbish collection", "Football practice", "Dentist"),
    *("Parents' evening", "Car inspection", "Book club", "Choir", "Swimming", "Rent due"),
)
_RULES = ("FREQ=WEEKLY;BYDAY=TU", "FREQ=MONTHLY;BYMONTHDAY=1", "FREQ=DAILY;COUNT=10")
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_QUARTER_US = 15 * 60 * SECOND_US
_DAY_US = 86_400 * SECOND_US
_FIRST_US = int(np.datetime64("2015-01-01", "us").astype(np.int64))
_LAST_US = int(np.datetime64("2030-12-30", "us").astype(np.int64))
_DAYS_PAST_A_CLOCK_CHANGE = 2
_LONGEST_QUARTERS = 24


@dataclass(frozen=True, slots=True)
class _Event:
    """One line of the table; times are microseconds, or text that no calendar holds."""

    id: str
    household_id: str
    start: int | str | None
    end: int | str | None
    tz: str | None
    start_utc: int | None
    end_utc: int | None
    rrule: str | None
    exdates: str | None
    is_deleted: bool


@dataclass(frozen=True, slots=True)
class _Times:
    """Wall times and the instants they are, in microseconds."""

    start: int
    end: int
    start_utc: int
    end_utc: int


def load_events(
    connection: psycopg.Connection[Any],
    *,
    encoding: Encoding = "epoch_ms",
    rows: int = DEFAULT_ROWS,
) -> None:
    """Create and fill the tables `household` and `events`, in one transaction.

    `rows` counts the traps too, which come first: fewer rows than traps are some of the traps.
    The events stand in the table in an order that has nothing to do with their ids.

    Raises:
        psycopg.errors.DuplicateTable: one of the tables is there already.
    """
    draw = random.Random(_SEED)
    events = list(_trap_events())[:rows]
    events += _ordinary_events(draw, rows - len(events))
    draw.shuffle(events)
    with connection.transaction():
        connection.execute(_tables_sql(encoding))
        _copy(connection, "household", HOUSEHOLDS)
        lines = (_line(event, encoding, draw) for event in events)
        _copy(connection, "events", lines)
    connection.execute("ANALYZE public.events")


def drop_events(connection: psycopg.Connection[Any]) -> None:
    """Drop both tables, if they are there."""
    connection.execute("DROP TABLE IF EXISTS public.events, public.household")


def parse_wall(text: str) -> int:
    """Return a trap's time in microseconds since 1970, read as if it were UTC."""
    return (dt.datetime.fromisoformat(f"{text}+00:00") - _EPOCH) // dt.timedelta(microseconds=1)


def _tables_sql(encoding: Encoding) -> sql.Composed:
    script = resources.files("backfill_lab.demo").joinpath("events.sql").read_text(encoding="utf-8")
    wall_type, instant_type = _TYPES[encoding]
    return sql.SQL(script).format(
        wall_type=sql.SQL(wall_type),
        instant_type=sql.SQL(instant_type),
    )


def _copy(
    connection: psycopg.Connection[Any],
    table: str,
    lines: Iterator[tuple[object, ...]] | tuple[tuple[object, ...], ...],
) -> None:
    statement = sql.SQL("COPY {} FROM STDIN").format(sql.Identifier("public", table))
    with connection.cursor() as cur, cur.copy(statement) as copy:
        for line in lines:
            copy.write_row(line)


def _trap_events() -> Iterator[_Event]:
    for trap in TRAPS:
        for row_id, row in trap.named_rows():
            yield _trap_event(row_id, row)


def _trap_event(row_id: str, row: Row) -> _Event:
    return _Event(
        id=row_id,
        household_id=row.household_id,
        start=_trap_time(row.start),
        end=_trap_time(row.end),
        tz=row.tz,
        start_utc=parse_wall(row.start_utc) if row.has_start_utc and row.start_utc else None,
        end_utc=parse_wall(row.end_utc) if row.has_end_utc and row.end_utc else None,
        rrule=row.rrule,
        exdates=row.exdates,
        is_deleted=row.is_deleted,
    )


def _trap_time(text: str | None) -> int | str | None:
    return text if text is None or text in BEYOND_MS else parse_wall(text)


def _ordinary_events(draw: random.Random, rows: int) -> list[_Event]:
    """Events whose times happened once: whoever counts gaps and folds counts the traps' alone."""
    codes = [draw.randrange(len(ZONES)) for _ in range(rows)]
    quarters = (_LAST_US - _FIRST_US) // _QUARTER_US
    starts = np.array([draw.randrange(quarters) for _ in range(rows)], dtype=np.int64)
    starts = starts * _QUARTER_US + _FIRST_US
    lengths = np.array([draw.randint(1, _LONGEST_QUARTERS) for _ in range(rows)], dtype=np.int64)
    is_default = np.array([draw.random() < WITHOUT_ZONE_SHARE for _ in range(rows)], dtype=bool)
    zone_codes = np.where(is_default, ZONES.index("Europe/Stockholm"), np.array(codes, dtype=int))
    ends = starts + lengths * _QUARTER_US
    at_change = (_kinds(starts, zone_codes) | _kinds(ends, zone_codes)) != LocalKind.NORMAL.code
    starts -= at_change * _DAYS_PAST_A_CLOCK_CHANGE * _DAY_US
    ends -= at_change * _DAYS_PAST_A_CLOCK_CHANGE * _DAY_US
    times = map(
        _Times,
        starts.tolist(),
        ends.tolist(),
        classify(starts, zone_codes, ZONES).first_us.tolist(),
        classify(ends, zone_codes, ZONES).first_us.tolist(),
    )
    zones = [
        None if default else ZONES[code] for default, code in zip(is_default, codes, strict=True)
    ]
    return [_ordinary_event(draw, *row) for row in zip(times, zones, strict=True)]


def _kinds(wall_us: np.ndarray[Any, np.dtype[np.int64]], codes: Any) -> Any:
    return classify(wall_us, codes, ZONES).kind


def _ordinary_event(draw: random.Random, times: _Times, tz: str | None) -> _Event:
    is_filled = draw.random() < FILLED_SHARE
    is_recurring = draw.random() < RECURRING_SHARE
    # Without a zone of its own only the first household's events can be filled.
    household_id = HOUSEHOLD_DEMO
    if tz is not None:
        (household_id,) = draw.choices([row[0] for row in HOUSEHOLDS], HOUSEHOLD_WEIGHTS)
    return _Event(
        id=f"evt-{draw.getrandbits(64):016x}",
        household_id=household_id,
        start=times.start,
        end=times.end,
        tz=tz,
        start_utc=times.start_utc if is_filled else None,
        end_utc=times.end_utc if is_filled else None,
        rrule=draw.choice(_RULES) if is_recurring else None,
        exdates=_instant_text(times.start + 7 * _DAY_US) if is_recurring else None,
        is_deleted=draw.random() < DELETED_SHARE,
    )


def _line(event: _Event, encoding: Encoding, draw: random.Random) -> tuple[object, ...]:
    created_ms = _FIRST_US // 1_000 - draw.randrange(10**10)
    updated_ms = created_ms + draw.randrange(10**9)
    encode_wall = _to_ms if encoding == "epoch_ms" else _wall_text
    encode_instant = _to_ms if encoding == "epoch_ms" else _instant_text
    return (
        event.id,
        event.household_id,
        draw.choice(_TITLES),
        encode_wall(event.start),
        encode_wall(event.end),
        event.tz,
        encode_instant(event.start_utc),
        encode_instant(event.end_utc),
        event.rrule,
        event.exdates,
        draw.choice((None, 600_000, 3_600_000)),
        created_ms,
        updated_ms,
        updated_ms if event.is_deleted else None,
    )


def _to_ms(time: int | str | None) -> int | None:
    match time:
        case None:
            return None
        case str():
            return BEYOND_MS[time]
        case _:
            return time // 1_000


def _wall_text(time: int | str | None) -> str | None:
    if time is None or isinstance(time, str):
        return time
    moment = _EPOCH + dt.timedelta(microseconds=time)
    return moment.replace(tzinfo=None).isoformat(sep=" ")


def _instant_text(time: int | str | None) -> str | None:
    text = _wall_text(time)
    return None if text is None else f"{text}+00"
