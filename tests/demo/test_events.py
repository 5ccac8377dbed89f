"""The demo's events: the same every time, every trap in them, and filled rows that are right."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, LiteralString

import numpy as np
import psycopg
import pytest

from backfill.utc.convert import (
    Candidates,
    FoldPolicy,
    GapPolicy,
    LocalKind,
    classify,
    in_range,
    resolve,
)
from backfill.utc.oracle import judge, to_us, to_wall
from backfill.utc.reasons import UtcReason
from backfill.utc.zone_names import is_zone, zone_info
from backfill_lab.demo.events import (
    HOUSEHOLDS,
    ZONES,
    Encoding,
    drop_events,
    load_events,
    parse_wall,
)
from backfill_lab.demo.traps import BEYOND_MS, FRACTIONS, TRAPS, Row

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
Connection = psycopg.Connection[tuple[Any, ...]]
ENCODINGS: tuple[Encoding, ...] = ("epoch_ms", "timestamp")
TRAP_ROWS = [(row_id, row) for trap in TRAPS for row_id, row in trap.named_rows()]
DIGEST = "SELECT count(*), md5(string_agg(e::text, ';' ORDER BY id COLLATE \"C\")) FROM events AS e"


def classify_one(wall: str, zone: str) -> Candidates:
    return classify(np.array([parse_wall(wall)]), np.array([0]), [zone])


def zone_of(row: Row) -> str | None:
    """The zone by the design's rule, or None where the event is skipped for want of one."""
    own = (row.tz or "").strip()
    given = own or {key: tz for key, _, tz in HOUSEHOLDS}[row.household_id]
    return given if given and is_zone(given) else None


def trap_times() -> Iterator[tuple[str, str, str]]:
    """Wall time, zone and expected UTC value of every trap's value that a run must compute."""
    for _, row in TRAP_ROWS:
        zone = zone_of(row)
        for wall, utc, is_there in (
            (row.start, row.start_utc, row.has_start_utc),
            (row.end, row.end_utc, row.has_end_utc),
        ):
            if wall and utc and zone and not is_there:
                yield wall, zone, utc


@pytest.mark.parametrize(("wall", "zone", "utc"), sorted(set(trap_times())))
def test_traps_expect_what_the_conversion_gives(wall: str, zone: str, utc: str) -> None:
    found = classify_one(wall, zone)

    chosen = resolve(found, FoldPolicy.EARLIER, GapPolicy.SHIFT_FORWARD).utc_us[0]
    assert chosen == parse_wall(utc)


def test_traps_expect_the_skips_of_the_design() -> None:
    skips = Counter(row.skip for _, row in TRAP_ROWS if row.skip)

    assert skips == {
        UtcReason.MISSING_TIMEZONE: 3,
        UtcReason.INVALID_TIMEZONE: 11,
        UtcReason.INVALID_TIMESTAMP: 8,
        UtcReason.MISSING_WALL_TIME: 1,
    }


def test_traps_hold_gaps_and_folds_in_known_numbers() -> None:
    kinds = Counter(int(classify_one(wall, zone).kind[0]) for wall, zone, _ in trap_times())

    assert kinds[LocalKind.FOLD.code] == 5
    assert kinds[LocalKind.GAP.code] == 8


def test_traps_beyond_the_calendar_have_no_instant() -> None:
    for wall, zone in (
        ("9999-12-31 23:30", "America/New_York"),
        ("0001-01-01 00:00", "Asia/Tokyo"),
    ):
        assert not classify_one(wall, zone).is_in_range()[0]
    beyond_us = np.array([value for value in BEYOND_MS.values() if abs(value) < 2**53]) * 1_000
    assert not in_range(beyond_us).any()


def test_trap_ids_are_unique() -> None:
    ids = [row_id for row_id, _ in TRAP_ROWS]

    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_loading_twice_gives_the_same_rows(connection: Connection, encoding: Encoding) -> None:
    load_events(connection, encoding=encoding, rows=700)
    first = connection.execute(DIGEST).fetchone()
    drop_events(connection)
    load_events(connection, encoding=encoding, rows=700)

    second = connection.execute(DIGEST).fetchone()

    assert first == second
    assert second is not None
    assert second[0] == 700


def test_without_a_number_twenty_thousand_rows_are_loaded(connection: Connection) -> None:
    load_events(connection)

    assert connection.execute("SELECT count(*) FROM events").fetchone() == (20_000,)


def test_readme_tells_how_many_events_there_are_and_how_many_are_pending(
    connection: Connection,
) -> None:
    load_events(connection)
    pending = "start_at_utc IS NULL OR (end_at IS NOT NULL AND end_at_utc IS NULL)"
    missing = f"({pending}) AND (start_at IS NOT NULL OR end_at IS NOT NULL)"

    found = connection.execute(
        f"SELECT count(*) FILTER (WHERE {missing}), count(*) FROM events"
    ).fetchone()

    assert found is not None
    assert "{:,} of {:,} events pending".format(*found) in README
    assert f"{found[0]:,} rows are pending before the run" in README


@pytest.mark.parametrize("rows", [0, 1, 499, 500, 501])
def test_any_number_of_rows_is_exact(connection: Connection, rows: int) -> None:
    load_events(connection, rows=rows)

    assert connection.execute("SELECT count(*) FROM events").fetchone() == (rows,)


def test_both_encodings_hold_the_same_events(connection: Connection) -> None:
    encodings: dict[LiteralString, Encoding] = {"first": "epoch_ms", "second": "timestamp"}
    for schema, encoding in encodings.items():
        connection.execute(f"CREATE SCHEMA {schema}")
        load_events(connection, encoding=encoding, rows=2_000)
        connection.execute(f"ALTER TABLE events SET SCHEMA {schema}")
        connection.execute("DROP TABLE household")

    differing = connection.execute(
        """
        SELECT a.id
          FROM first.events AS a
          JOIN second.events AS b USING (id)
         WHERE a.start_at <> floor(1000 * EXTRACT(EPOCH FROM b.start_at))
            OR a.end_at <> floor(1000 * EXTRACT(EPOCH FROM b.end_at))
            OR a.start_at_utc IS DISTINCT FROM floor(1000 * EXTRACT(EPOCH FROM b.start_at_utc))
            OR a.tz IS DISTINCT FROM b.tz
            OR a.household_id <> b.household_id
        """
    ).fetchall()

    infinite = {("trap-beyond-calendar-03",), ("trap-beyond-calendar-04",)}
    assert set(differing) == infinite | {("trap-beyond-calendar-05",)}


def test_filled_values_agree_with_zoneinfo(connection: Connection) -> None:
    load_events(connection, encoding="timestamp", rows=3_000)

    filled = connection.execute(
        """
        SELECT coalesce(e.tz, h.tz), e.start_at, e.start_at_utc, e.end_at, e.end_at_utc
          FROM events AS e
          JOIN household AS h ON h.id = e.household_id
         WHERE e.id LIKE 'evt-%' AND e.start_at_utc IS NOT NULL
        """
    ).fetchall()

    assert 700 < len(filled) < 1_000
    for zone, start, start_utc, end, end_utc in filled:
        for wall, instant in ((start, start_utc), (end, end_utc)):
            verdict = judge(wall, zone_info(zone))
            assert verdict.kind is LocalKind.NORMAL
            assert to_wall(verdict.fold0_us) == instant.astimezone(dt.UTC).replace(tzinfo=None)


def test_ordinary_events_are_neither_gap_nor_fold(connection: Connection) -> None:
    load_events(connection, encoding="timestamp")

    rows = connection.execute(
        """
        SELECT coalesce(tz, 'Europe/Stockholm'), start_at, end_at
          FROM events
         WHERE id LIKE 'evt-%'
        """
    ).fetchall()

    codes = np.array([ZONES.index(zone) for zone, _, _ in rows])
    for column in (1, 2):
        wall_us = np.array([to_us(row[column]) for row in rows])
        assert not classify(wall_us, codes, ZONES).kind.any()


def test_pending_and_skipped_rows_stand_in_known_numbers(connection: Connection) -> None:
    load_events(connection)

    zoneless = connection.execute(
        """
        SELECT household_id, count(*)
          FROM events
         WHERE coalesce(trim(tz), '') = '' AND (start_at_utc IS NULL OR end_at_utc IS NULL)
           AND household_id <> 'hh_demo'
         GROUP BY household_id
         ORDER BY household_id
        """
    ).fetchall()

    assert zoneless == [("hh_north", 3), ("hh_south", 3)]


def test_seconds_instead_of_milliseconds_are_a_handful(connection: Connection) -> None:
    load_events(connection)

    early = connection.execute(
        "SELECT count(*) FROM events WHERE start_at BETWEEN 0 AND 157766400000"
    ).fetchone()

    assert early == (2,)


def test_rows_lie_in_no_order_of_their_ids(connection: Connection) -> None:
    load_events(connection, rows=1_000)

    ids = [row[0] for row in connection.execute("SELECT id FROM events ORDER BY ctid")]

    rising = sum(a < b for a, b in pairwise(ids))
    assert 400 < rising < 600


@pytest.mark.parametrize(("encoding", "expected"), [("epoch_ms", 123_000), ("timestamp", 123_456)])
def test_fraction_is_what_the_encoding_holds(
    connection: Connection, encoding: Encoding, expected: int
) -> None:
    load_events(connection, encoding=encoding, rows=len(TRAP_ROWS))

    row_id, _ = FRACTIONS.named_rows()[0]
    start = connection.execute("SELECT start_at FROM events WHERE id = %s", (row_id,)).fetchone()

    assert start is not None
    fraction = start[0] % 1_000 * 1_000 if encoding == "epoch_ms" else start[0].microsecond
    assert fraction == expected


def test_rules_and_exceptions_arrive_byte_for_byte(connection: Connection) -> None:
    load_events(connection, rows=len(TRAP_ROWS))

    stored = connection.execute(
        "SELECT id, rrule, exdates FROM events WHERE rrule IS NOT NULL"
    ).fetchall()

    expected = [(row_id, row.rrule, row.exdates) for row_id, row in TRAP_ROWS if row.rrule]
    assert stored == expected


def test_an_existing_table_is_left_alone(connection: Connection) -> None:
    load_events(connection, rows=10)

    with pytest.raises(psycopg.errors.DuplicateTable):
        load_events(connection, rows=20)

    assert connection.execute("SELECT count(*) FROM events").fetchone() == (10,)


def test_dropping_what_is_not_there_is_no_error(connection: Connection) -> None:
    drop_events(connection)
