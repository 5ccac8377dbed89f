"""Approve in parts: what was approved and no more; none overlaps, and together they close."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests import nursery
from tests.deadline import DEADLINE_SECONDS
from tests.engine.in_parts import ALL_NOONS, evidence, filled, parts
from tests.engine.workshop import Bench, load_noons
from tests.longer import longer

from backfill.errors import Interrupted, LeaseHeld, StalePlan, UsageError
from backfill.records.parts import sample_rows
from backfill.records.positions import Positions

if TYPE_CHECKING:
    from tests.conftest import DatabaseFrom

APPLIER = Path(__file__).with_name("killed_applier.py")


def test_a_part_is_written_and_nothing_else_and_the_run_waits(bench: Bench) -> None:
    run_id = bench.plan().run_id

    book = bench.apply(run_id, only="key <= 'e04'", chunk_size=3)

    assert filled(bench) == ["e01", "e02", "e03", "e04"]
    assert bench.status(run_id) == "paused"
    assert "Part 1 (key <= 'e04') is applied: 4 rows; 8 left: backfill apply" in bench.messages()
    summary = bench.summary(book)
    assert (summary["exit_code"], summary["status"]) == (0, "paused")
    assert (summary["total_updated"], summary["remaining"]) == (4, 8)
    assert [part["selection"] for part in summary["parts"]] == [{"only": "key <= 'e04'"}]
    assert bench.verify(run_id).findings == []
    assert "8 rows" not in bench.verify(run_id).notes[0]
    assert "4 of 12 rows are applied, as was approved" in bench.verify(run_id).notes[0]
    assert evidence(bench, run_id) == []


def test_the_rest_follows_and_the_sum_closes(bench: Bench) -> None:
    run_id = bench.plan().run_id
    bench.apply(run_id, only="key <= 'e04'")

    book = bench.apply(run_id, chunk_size=3)

    assert bench.filled() == ALL_NOONS
    assert parts(bench, run_id) == [(1, {"only": "key <= 'e04'"}, 4), (2, {}, 8)]
    assert [c[0] for c in bench.checkpoints(run_id)] == [1, 5, 6, 7]
    assert bench.summary(book)["total_scanned"] == 12
    assert bench.status(run_id) == "succeeded"
    assert bench.verify(run_id).findings == []
    assert evidence(bench, run_id) == []


def test_overlapping_conditions_cover_each_row_once(bench: Bench) -> None:
    run_id = bench.plan().run_id
    bench.apply(run_id, only="key <= 'e04'")

    bench.apply(run_id, only="key BETWEEN 'e03' AND 'e06'")

    assert [row[2] for row in parts(bench, run_id)] == [4, 2]
    assert filled(bench) == ["e01", "e02", "e03", "e04", "e05", "e06"]
    with pytest.raises(UsageError, match="No row that is left to write"):
        bench.apply(run_id, only="key = 'e02'")
    bench.apply(run_id)
    assert bench.filled() == ALL_NOONS
    assert bench.verify(run_id).findings == []


def test_conditions_know_household_zone_rule_and_what_was_read(bench: Bench) -> None:
    run_id = bench.plan().run_id

    bench.apply(
        run_id,
        only="household_id = 'hh_demo' AND zone = 'Europe/Stockholm' AND rule = 'normal'"
        " AND kind = 'added' AND warnings = '' AND source.tz LIKE 'Europe/%' AND key = 'e05'"
        " AND scope IN (SELECT scope FROM changes WHERE before.start_at_utc IS NULL)",
    )

    assert filled(bench) == ["e05"]


@pytest.mark.parametrize(
    "condition",
    [
        "nope = 1",
        "rule = 'normal'; DROP VIEW changes",
        *longer("1 = 1) UNION SELECT 1 --"),
        "position IN (SELECT position FROM 'changes.parquet')",
        "(SELECT count(*) FROM read_text('/etc/hostname')) > 0",
        *longer("sum(position) > 1", "rule", "  "),
    ],
)
def test_a_bad_condition_is_refused_and_the_columns_are_named(bench: Bench, condition: str) -> None:
    run_id = bench.plan().run_id

    with pytest.raises(UsageError, match="Columns: key, scope, kind, rule, warnings, household_id"):
        bench.apply(run_id, only=condition)

    assert bench.status(run_id) == "planned"
    assert filled(bench) == []


def test_a_condition_of_chance_is_refused(bench: Bench) -> None:
    run_id = bench.plan().run_id

    with pytest.raises(UsageError, match="does not choose the same rows each time"):
        bench.apply(run_id, only="random() < 0.5")


def test_a_canary_is_a_stable_sample_spread_over_the_plan(bench: Bench) -> None:
    run_id, again = bench.plan().run_id, bench.plan().run_id

    bench.apply(run_id, canary="25%")
    first = filled(bench)
    bench.sql("UPDATE events SET start_at_utc = NULL, end_at_utc = NULL")
    bench.apply(again, canary=3)

    assert len(first) == 3
    assert first != ["e01", "e02", "e03"]
    assert filled(bench) == first
    assert bench.status(run_id) == "paused"
    bench.apply(again)
    assert bench.filled() == ALL_NOONS


def test_a_canary_of_a_condition_samples_what_it_chooses(bench: Bench) -> None:
    run_id = bench.plan().run_id

    bench.apply(run_id, only="key > 'e06'", canary="50%")

    assert len(filled(bench)) == 3
    assert all(key > "e06" for key in filled(bench))
    assert "Part 1 (a sample of 50% of key > 'e06')" in bench.messages()


@pytest.mark.parametrize("canary", ["0%", "101%", "many", *longer("0", "-3", "1.5")])
def test_a_canary_that_can_not_be_meant_is_refused(bench: Bench, canary: str) -> None:
    run_id = bench.plan().run_id

    with pytest.raises(UsageError, match="canary must be a share like 1%"):
        bench.apply(run_id, canary=canary)


def test_rows_to_leave_alone_go_with_the_last_part(bench: Bench) -> None:
    bench.sql("UPDATE events SET tz = 'Nowhere' WHERE id = 'e02'")
    run_id = bench.plan().run_id
    bench.sql("UPDATE events SET start_at_utc = 1 WHERE id = 'e03'")

    bench.apply_with(run_id, only="true")
    assert bench.skips(run_id) == {"e03": ("", "drifted")}
    applied = bench.apply_with(run_id)

    assert [row[2] for row in parts(bench, run_id)] == [11, 1]
    assert applied.counts.skipped == 1
    assert bench.skips(run_id) == {"e02": ("tz", "invalid_timezone"), "e03": ("", "drifted")}


def test_a_resume_inside_a_part_finishes_that_part_and_no_more(bench: Bench) -> None:
    run_id = bench.plan().run_id
    asked: list[str] = []

    def pause(name: str) -> None:
        if name == "after_commit" and not asked:
            asked.append(name)
            bench.sql("UPDATE backfill.run SET pause_requested = true")

    with pytest.raises(Interrupted):
        bench.apply_with(run_id, pause, only="key <= 'e06'", chunk_rows=2)
    with pytest.raises(UsageError, match=r"Part 1 .* is not finished"):
        bench.apply_with(run_id, only="key > 'e06'")
    bench.apply_with(run_id, chunk_rows=2)

    assert filled(bench) == [f"e{day:02d}" for day in range(1, 7)]
    assert bench.status(run_id) == "paused"
    bench.apply_with(run_id, only="key > 'e06'")
    assert bench.status(run_id) == "succeeded"
    assert bench.filled() == ALL_NOONS


@pytest.mark.kill
@pytest.mark.parametrize(
    "point", ["before_commit", "after_commit", *longer("before_fence", "after_update")]
)
def test_a_part_killed_half_way_ends_in_the_same_bytes(
    bench: Bench, database_from: DatabaseFrom, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    only = "key NOT IN ('e02', 'e05', 'e11')"
    run_id = bench.plan().run_id
    command = [sys.executable, str(APPLIER), run_id, str(bench.runs), point, "2", only]
    assert nursery.run(command, timeout=DEADLINE_SECONDS).returncode == -signal.SIGKILL
    bench.wait_until_alone()
    bench.let_lease_run_out(run_id)
    bench.apply_with(run_id, chunk_rows=5)

    calm_dsn = database_from("noons", load_noons)
    monkeypatch.setenv("DATABASE_URL", calm_dsn)
    with psycopg.connect(calm_dsn, autocommit=True) as connection:
        calm = Bench(calm_dsn, bench.runs.with_name("calm"), connection)
        calm_id = calm.plan().run_id
        calm.apply_with(calm_id, only=only, chunk_rows=5)
        assert bench.table() == calm.table()
        assert bench.checkpoints(run_id) == calm.checkpoints(calm_id)
        assert bench.images(run_id) == calm.images(calm_id)
    assert bench.status(run_id) == "paused"
    assert len(filled(bench)) == 9
    assert bench.verify(run_id).findings == []


def test_several_workers_write_a_part(bench: Bench) -> None:
    run_id = bench.plan().run_id

    bench.apply_with(run_id, only="key <> 'e06'", workers=3, chunk_rows=1)
    bench.apply_with(run_id, workers=2, chunk_rows=1)

    assert bench.filled() == ALL_NOONS
    assert [row[2] for row in parts(bench, run_id)] == [11, 1]
    assert bench.verify(run_id).findings == []


def test_two_who_approve_at_once_get_one_part_each_or_are_told(bench: Bench) -> None:
    run_id = bench.plan().run_id
    done: list[str] = []

    def approve_too(name: str) -> None:
        if name == "before_fence" and not done:
            done.append(name)
            with pytest.raises(LeaseHeld):
                bench.apply_with(run_id, only="key <= 'e06'")

    bench.apply_with(run_id, approve_too, only="key <= 'e06'")

    assert len(parts(bench, run_id)) == 1


def test_a_part_that_chooses_other_rows_now_is_not_written(bench: Bench) -> None:
    run_id = bench.plan().run_id
    bench.apply(run_id, only="key <= 'e04'")
    bench.sql("UPDATE backfill.part SET selection = '{\"only\": \"key <= ''e03''\"}'")

    with pytest.raises(StalePlan, match="does not choose the rows that were approved: 4 then, 3"):
        bench.apply(run_id)

    assert len(filled(bench)) == 4


SHARES = st.sampled_from(["1%", "10%", "50%", "99.5%", "100%", "1", "7"])


@given(SHARES, st.integers(1, 10_000))
def test_a_sample_takes_at_least_one_row_and_at_most_all(canary: str, rows: int) -> None:
    assert 1 <= sample_rows(canary, rows) <= rows


@given(st.sets(st.integers(0, 60)), st.sets(st.integers(0, 60)))
def test_positions_know_their_members_and_their_hash(some: set[int], others: set[int]) -> None:
    positions = Positions.of(np.array(sorted(some, reverse=True), dtype=np.int64))
    asked = np.array(sorted(others), dtype=np.int64)

    assert positions.within(asked).tolist() == [place in some for place in sorted(others)]
    assert np.flatnonzero(positions.marked(61)).tolist() == sorted(some)
    other = Positions.of(np.array(sorted(others), dtype=np.int64))
    assert (positions.sha256 == other.sha256) == (some == others)
    whole = Positions.of(np.arange(len(some), dtype=np.int64))
    assert whole.sha256 == Positions.every(len(some)).sha256


KEYS = st.sets(st.sampled_from(sorted(ALL_NOONS)), max_size=12)


@pytest.mark.long
@given(st.lists(KEYS, max_size=3), st.integers(1, 4), st.integers(1, 6))
@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_cut_into_parts_and_ranges_gives_the_same_table(
    bench: Bench, chosen: list[set[str]], workers: int, chunk_rows: int
) -> None:
    bench.sql("UPDATE events SET start_at_utc = NULL, end_at_utc = NULL")
    run_id = bench.plan().run_id
    left = set(ALL_NOONS)
    for keys in chosen:
        if left & keys:
            only = f"key IN ({', '.join(repr(key) for key in sorted(keys))})"
            bench.apply_with(run_id, only=only, workers=workers, chunk_rows=chunk_rows)
            left -= keys
    bench.apply_with(run_id, workers=workers, chunk_rows=chunk_rows)

    assert bench.filled() == ALL_NOONS
    assert bench.status(run_id) == "succeeded"
    assert sum(row[2] for row in parts(bench, run_id)) == 12
    assert sum(c[4] for c in bench.checkpoints(run_id)) == 12
    assert bench.verify(run_id).findings == []
