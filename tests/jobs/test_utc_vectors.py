"""What UTC.md promises, row by row, through the whole engine: extract, apply, read back."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.engine.workshop import (
    HOUR_MS,
    NOON_MS,
    NOON_UTC_MS,
    Bench,
    load_empty,
    load_empty_timestamps,
    load_traps,
)
from tests.jobs.wall_values import Value, encoded_instant, encoded_wall
from tests.longer import longer_behind

from backfill.utc.reasons import UtcReason
from backfill_lab.demo.events import Encoding
from backfill_lab.demo.traps import FRACTIONS, TRAPS, Row

if TYPE_CHECKING:
    from tests.jobs.conftest import BenchFrom

ENCODINGS: tuple[Encoding, ...] = ("epoch_ms", "timestamp")
LOADERS: dict[Encoding, Callable[[str], None]] = {
    "epoch_ms": load_empty,
    "timestamp": load_empty_timestamps,
}
# Zone, wall time, UTC by earlier and shift_forward, UTC by later and first_valid.
VECTORS = (
    ("Europe/London", "2025-09-07 10:00", "2025-09-07 09:00", "2025-09-07 09:00"),
    ("America/New_York", "2025-03-09 03:00", "2025-03-09 07:00", "2025-03-09 07:00"),
    ("Asia/Tokyo", "2025-09-07 10:00", "2025-09-07 01:00", "2025-09-07 01:00"),
    ("Europe/London", "2025-10-26 01:30", "2025-10-26 00:30", "2025-10-26 01:30"),
    ("America/New_York", "2025-03-09 02:15", "2025-03-09 07:15", "2025-03-09 07:00"),
    ("Australia/Lord_Howe", "2024-04-07 01:45", "2024-04-06 14:45", "2024-04-06 15:15"),
    ("Pacific/Apia", "2011-12-30 12:00", "2011-12-30 22:00", "2011-12-30 10:00"),
    ("America/Sao_Paulo", "2018-11-04 00:00", "2018-11-04 03:00", "2018-11-04 03:00"),
    ("Asia/Kathmandu", "2024-06-01 12:00", "2024-06-01 06:15", "2024-06-01 06:15"),
    ("Europe/London", "1800-01-01 00:00", "1800-01-01 00:01:15", "1800-01-01 00:01:15"),
)
TRAP_ROWS = {key: row for trap in TRAPS for key, row in trap.named_rows()}
WITHOUT_ZONE = ("trap-tz-null-", "trap-tz-blank-", "trap-tz-spaces-")
WITH_UNKNOWN_ZONE = ("trap-tz-case-", "trap-tz-junk-", "trap-tz-offset-", "trap-tz-bare-offset-")


def expected_values(row: Row, encoding: Encoding) -> tuple[Value, Value]:
    """What a trap must end with, skipped or not."""
    is_left = row.skip is not None
    start = None if is_left and not row.has_start_utc else row.start_utc
    end = None if is_left and not row.has_end_utc else row.end_utc
    return encoded_instant(start, encoding), encoded_instant(end, encoding)


def add_vectors(bench: Bench, encoding: Encoding) -> None:
    for number, (zone, wall, _, _) in enumerate(VECTORS):
        bench.add_event(f"v{number}", tz=zone, start_at=encoded_wall(wall, encoding))


def trap_bench(bench_from: BenchFrom, encoding: Encoding) -> Bench:
    return bench_from(f"traps-{encoding}", partial(load_traps, encoding=encoding))


@pytest.fixture
def bench(bench_from: BenchFrom) -> Bench:
    """A bench without events, in milliseconds."""
    return bench_from("empty", load_empty)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize(
    ("fold", "gap", "column"),
    longer_behind(1, [("earlier", "shift_forward", 2), ("later", "first_valid", 3)]),
)
def test_every_vector_of_the_design_is_stored_as_its_instant(
    bench_from: BenchFrom, encoding: Encoding, fold: str, gap: str, column: int
) -> None:
    bench = bench_from(f"empty-{encoding}", LOADERS[encoding])
    add_vectors(bench, encoding)

    book = bench.run(fold=fold, gap=gap)

    assert {key: start for key, (start, _) in bench.filled().items()} == {
        f"v{number}": encoded_instant(str(vector[column]), encoding)
        for number, vector in enumerate(VECTORS)
    }
    summary = bench.summary(book)
    assert (summary["total_updated"], summary["folds"], summary["gaps"]) == (10, 2, 3)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_policy_skip_leaves_folds_and_gaps_alone_and_names_them(
    bench_from: BenchFrom, encoding: Encoding
) -> None:
    bench = bench_from(f"empty-{encoding}", LOADERS[encoding])
    add_vectors(bench, encoding)

    book = bench.run(fold="skip", gap="skip")

    assert bench.skips(book.run_id) == {
        "v3": ("start_at", "ambiguous_local_time"),
        "v4": ("start_at", "nonexistent_local_time"),
        "v5": ("start_at", "ambiguous_local_time"),
        "v6": ("start_at", "nonexistent_local_time"),
        "v7": ("start_at", "nonexistent_local_time"),
    }
    left = [key for key, (start, _) in bench.filled().items() if start is None]
    assert left == ["v3", "v4", "v5", "v6", "v7"]
    summary = bench.summary(book)
    assert (summary["total_updated"], summary["total_skipped"]) == (5, 5)
    assert (summary["folds"], summary["gaps"]) == (2, 3)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_trap_ends_as_the_design_says(bench_from: BenchFrom, encoding: Encoding) -> None:
    bench = trap_bench(bench_from, encoding)

    book = bench.run()

    assert bench.filled() == {key: expected_values(row, encoding) for key, row in TRAP_ROWS.items()}
    assert {key: reason for key, (_, reason) in bench.skips(book.run_id).items()} == {
        key: row.skip.value for key, row in TRAP_ROWS.items() if row.skip
    }
    summary = bench.summary(book)
    assert summary["total_skipped"] == 23
    assert (summary["folds"], summary["gaps"]) == (5, 8)


@pytest.mark.parametrize("encoding", longer_behind(1, ENCODINGS))
@pytest.mark.parametrize("is_first", [True, False])
def test_a_default_zone_helps_blank_zones_only_and_only_the_first_one_beats_a_household(
    bench_from: BenchFrom, encoding: Encoding, is_first: bool
) -> None:
    bench = trap_bench(bench_from, encoding)

    book = bench.run(default_tz="Asia/Tokyo", default_tz_first=is_first)

    in_tokyo = tuple(encoded_instant(f"2025-06-02 {hour}:00", encoding) for hour in ("03", "04"))
    # Households: 01 is in Stockholm, 02 has no zone, 03 has one that is unknown.
    helped = {
        key
        for key in TRAP_ROWS
        if key.startswith(WITHOUT_ZONE) and (is_first or key.endswith("02"))
    }
    expected = {
        key: in_tokyo if key in helped else expected_values(row, encoding)
        for key, row in TRAP_ROWS.items()
    }
    assert bench.filled() == expected
    still_skipped = {
        key: row.skip.value for key, row in TRAP_ROWS.items() if row.skip and key not in helped
    }
    assert {key: reason for key, (_, reason) in bench.skips(book.run_id).items()} == still_skipped
    said = f"{len(helped)} rows have no zone, or a blank one, and Asia/Tokyo of --default-tz"
    assert ("overrides with Asia/Tokyo" if is_first else said) in bench.messages()


@pytest.mark.parametrize(
    ("default_tz", "north"),
    [("", None), ("Asia/Tokyo", ("2025-06-02 03:00", "2025-06-02 04:00"))],
)
def test_fallback_on_invalid_tz_uses_the_default_and_lists_the_row(
    bench_from: BenchFrom, default_tz: str, north: tuple[str, str] | None
) -> None:
    bench = trap_bench(bench_from, "epoch_ms")

    book = bench.run(fallback_on_invalid_tz=True, default_tz=default_tz)

    demo = ("2025-06-02 10:00", "2025-06-02 11:00")
    for prefix in WITH_UNKNOWN_ZONE:
        filled = bench.filled()
        assert filled[f"{prefix}01"] == tuple(encoded_instant(t, "epoch_ms") for t in demo)
        assert filled[f"{prefix}02"] == tuple(
            encoded_instant(t, "epoch_ms") for t in north or (None, None)
        )
    listed = book.changes[book.changes["warnings"].str.contains("fallback_zone")]
    wanted = {f"{p}{n}" for p in WITH_UNKNOWN_ZONE for n in (("01", "02") if north else ("01",))}
    assert set(listed["key"]) == wanted
    assert set(listed["why.zone_source"]) == {"fallback"}


def test_the_run_changes_no_other_column_by_a_byte(bench_from: BenchFrom) -> None:
    bench = trap_bench(bench_from, "timestamp")
    others = (
        "SELECT id, household_id, title, start_at::text, end_at::text, tz, rrule, exdates,"
        " reminder, created_at, updated_at, deleted_at FROM events ORDER BY id"
    )
    before = bench.sql(others)
    recurring = bench.sql("SELECT rrule, exdates FROM events WHERE id = 'trap-rrule-01'")

    bench.run()

    assert bench.sql(others) == before
    assert recurring == [
        (
            "FREQ=WEEKLY;BYDAY=MO,WE;UNTIL=20251231T225959Z ",
            "2025-06-09T12:00:00,\r\n2025-06-16T12:00:00\t\\N \u00e5\u0308",
        )
    ]


def test_a_filled_value_is_never_overwritten(bench_from: BenchFrom) -> None:
    bench = trap_bench(bench_from, "epoch_ms")

    bench.run()

    # These hold deliberately wrong instants: 09:59 and 11:01.
    filled = bench.filled()
    assert filled["trap-only-end-missing-01"] == (1_748_858_340_000, 1_748_862_000_000)
    assert filled["trap-only-start-missing-01"] == (1_748_858_400_000, 1_748_862_060_000)
    assert filled["trap-filled-tz-null-01"] == (1_748_858_400_000, 1_748_862_000_000)


def test_microseconds_survive_in_timestamp_columns(bench_from: BenchFrom) -> None:
    bench = trap_bench(bench_from, "timestamp")

    bench.run()

    assert bench.filled()[f"{FRACTIONS.prefix}-01"] == (
        dt.datetime(2025, 6, 2, 10, 0, 0, 123456, dt.UTC),
        dt.datetime(2025, 6, 2, 11, 0, 0, 999999, dt.UTC),
    )


def test_milliseconds_before_1970_do_not_round_towards_zero(bench_from: BenchFrom) -> None:
    bench = trap_bench(bench_from, "epoch_ms")

    bench.run()

    assert bench.filled()["trap-negative-ms-01"] == (-14_182_939_877, -14_176_800_000)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_second_run_updates_nothing_and_looks_at_skips_again(
    bench_from: BenchFrom, encoding: Encoding
) -> None:
    bench = trap_bench(bench_from, encoding)
    bench.run()
    before = bench.table()

    again = bench.summary(bench.run())

    assert (again["total_updated"], again["total_skipped"], again["total_scanned"]) == (0, 23, 23)
    assert bench.table() == before


def test_strict_skips_rows_whose_end_is_before_their_start(bench_from: BenchFrom) -> None:
    bench = trap_bench(bench_from, "epoch_ms")

    book = bench.run(strict=True)

    strict = {k: v for k, v in bench.skips(book.run_id).items() if v[1] == "end_before_start"}
    assert strict == {
        "trap-end-before-start-01": ("end_at", "end_before_start"),
        "trap-end-before-start-02": ("end_at", "end_before_start"),
    }
    assert bench.filled()["trap-end-before-start-01"] == (None, None)


def test_without_strict_an_end_before_its_start_is_a_warning(bench_from: BenchFrom) -> None:
    bench = trap_bench(bench_from, "epoch_ms")

    book = bench.plan()

    warned = book.changes[book.changes["warnings"].str.contains("end_before_start")]
    assert sorted(warned["key"]) == ["trap-end-before-start-01", "trap-end-before-start-02"]


def test_a_changed_duration_is_listed_as_a_warning(bench: Bench) -> None:
    # Over the end of summer time: five hours by the wall are six.
    bench.add_event(
        "night",
        tz="Europe/London",
        start_at=encoded_wall("2025-10-25 22:00", "epoch_ms"),
        end_at=encoded_wall("2025-10-26 03:00", "epoch_ms"),
    )
    bench.add_event("noon", tz="Europe/London", start_at=NOON_MS, end_at=NOON_MS + HOUR_MS)

    changes = bench.plan().changes

    warnings = dict(zip(changes["key"], changes["warnings"], strict=True))
    assert warnings == {"night": "duration_changed", "noon": ""}


@pytest.mark.parametrize(("skip_deleted", "is_filled"), [(True, False), (False, True)])
def test_soft_deleted_rows_are_filled_unless_they_are_left_out(
    bench: Bench, skip_deleted: bool, is_filled: bool
) -> None:
    bench.add_event("gone", tz="Europe/Stockholm", start_at=NOON_MS, deleted_at=1)
    bench.add_event("here", tz="Europe/Stockholm", start_at=NOON_MS)

    book = bench.run(skip_deleted=skip_deleted)

    assert bench.filled()["here"] == (NOON_UTC_MS, None)
    assert (bench.filled()["gone"] == (NOON_UTC_MS, None)) is is_filled
    assert bench.summary(book)["total_scanned"] == (2 if is_filled else 1)


def test_a_decision_for_one_value_beats_the_policy(bench: Bench, tmp_path: Path) -> None:
    fold = encoded_wall("2025-10-26 01:30", "epoch_ms")
    gap = encoded_wall("2025-03-09 02:15", "epoch_ms")
    for key in ("fold-1", "fold-2", "fold-3"):
        bench.add_event(key, tz="Europe/London", start_at=fold)
    for key in ("gap-1", "gap-2"):
        bench.add_event(key, tz="America/New_York", start_at=gap)
    decisions = tmp_path / "decisions.csv"
    decisions.write_text(
        "key,column,decision\nfold-1,start_at,later\nfold-2,start_at,skip\n"
        "fold-3,end_at,later\ngap-1,start_at,first_valid\ngap-2,start_at,\n"
    )

    book = bench.run(decisions=str(decisions))

    starts = {key: start for key, (start, _) in bench.filled().items()}
    assert starts == {
        "fold-1": encoded_instant("2025-10-26 01:30", "epoch_ms"),
        "fold-2": None,
        "fold-3": encoded_instant("2025-10-26 00:30", "epoch_ms"),
        "gap-1": encoded_instant("2025-03-09 07:00", "epoch_ms"),
        "gap-2": encoded_instant("2025-03-09 07:15", "epoch_ms"),
    }
    assert bench.skips(book.run_id) == {"fold-2": ("start_at", "ambiguous_local_time")}
    plan = bench.folder(book.run_id).read_json("plan.json")
    assert plan["settings"]["decisions"] == [
        {"decision": "later", "key": "fold-1", "column": "start_at"},
        {"decision": "skip", "key": "fold-2", "column": "start_at"},
        {"decision": "later", "key": "fold-3", "column": "end_at"},
        {"decision": "first_valid", "key": "gap-1", "column": "start_at"},
    ]
    # An end that is NULL waits for nothing: the person is told that this decided nothing.
    assert "The decision for fold-3, end_at (line 4) meets no pending gap, fold" in bench.messages()
    assert bench.messages().count("meets no pending gap, fold") == 1


@pytest.mark.parametrize(
    ("household_tz", "event_tz", "reason"),
    longer_behind(
        3,
        [
            ("Europe/Stockholm", None, None),
            (None, None, "missing_timezone"),
            ("", "  ", "missing_timezone"),
            ("Europe/Gothenburg", None, "invalid_timezone"),
            ("Europe/Gothenburg", "Europe/Stockholm", None),
            ("  Europe/Stockholm\t", "", None),
        ],
    ),
)
def test_the_households_zone_counts_only_for_rows_that_need_it(
    bench: Bench, household_tz: str | None, event_tz: str | None, reason: str | None
) -> None:
    bench.sql("INSERT INTO household VALUES ('hh_new', 'New', %s)", household_tz)
    bench.add_event("one", household_id="hh_new", tz=event_tz, start_at=NOON_MS)

    book = bench.run()

    assert bench.filled()["one"] == (None if reason else NOON_UTC_MS, None)
    assert bench.skips(book.run_id) == ({"one": ("tz", reason)} if reason else {})


def test_an_event_whose_household_has_no_row_is_processed_like_any_other(bench: Bench) -> None:
    bench.add_event("own-zone", household_id="hh_lost", tz="Europe/Stockholm", start_at=NOON_MS)
    bench.add_event("no-zone", household_id="hh_lost", start_at=NOON_MS)

    book = bench.run(household_id="hh_lost")

    assert bench.filled() == {"no-zone": (None, None), "own-zone": (NOON_UTC_MS, None)}
    assert bench.skips(book.run_id) == {"no-zone": ("tz", "missing_timezone")}
    assert bench.summary(book)["household_id"] == "hh_lost"


def test_a_row_is_skipped_as_a_whole_when_one_value_can_not_be_had(bench: Bench) -> None:
    bench.add_event("half", tz="Europe/Stockholm", start_at=NOON_MS, end_at=2**62)

    book = bench.run()

    assert bench.filled() == {"half": (None, None)}
    assert bench.skips(book.run_id) == {"half": ("end_at", UtcReason.INVALID_TIMESTAMP.value)}
