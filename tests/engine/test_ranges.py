"""Several appliers on one plan: each row written once, whoever is killed, stolen from or late."""

from __future__ import annotations

import os
import signal
import threading
from typing import TYPE_CHECKING

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.deadline import DEADLINE_SECONDS
from tests.engine.appliers import (
    ROWS,
    Appliers,
    assert_whole,
    load_many,
    pause_after_first_chunk,
    ranges,
)
from tests.engine.workshop import Bench, add_noons
from tests.longer import longer_behind

from backfill.command.status_view import status_document, status_text
from backfill.errors import Interrupted, Terminated
from backfill.records.lease import Lease, acquire, join
from backfill.records.ledger import Ledger
from backfill.records.ranges import cut, ranges_of, take_range
from backfill.steps.kind import JobKind

if TYPE_CHECKING:
    from tests.conftest import DatabaseFrom


@pytest.fixture
def database(database_from: DatabaseFrom) -> str:
    return database_from("forty noons", load_many)


@given(st.integers(0, 500), st.integers(0, 500), st.integers(1, 80))
def test_a_cut_covers_each_row_once_in_stretches_of_nearly_equal_size(
    low: int, rows: int, count: int
) -> None:
    stretches = cut(low, low + rows, count)

    assert [row for first, behind in stretches for row in range(first, behind)] == list(
        range(low, low + rows)
    )
    sizes = [behind - first for first, behind in stretches]
    assert len(sizes) <= count
    assert max(sizes, default=0) - min(sizes, default=0) <= 1


def test_one_worker_has_one_range_and_chunks_from_one_on(bench: Bench) -> None:
    run_id = bench.plan().run_id

    bench.apply_with(run_id, chunk_rows=10)

    assert ranges(bench, run_id) == [(1, 0, 40, 1, True)]
    assert [c[0] for c in bench.checkpoints(run_id)] == [1, 2, 3, 4]


def test_several_workers_leave_what_one_leaves(bench: Bench, database_from: DatabaseFrom) -> None:
    run_id = bench.plan().run_id
    calm_dsn = database_from("forty noons", load_many)

    applied = bench.apply_with(run_id, workers=3, chunk_rows=2)

    with psycopg.connect(calm_dsn, autocommit=True) as connection:
        calm = Bench(calm_dsn, bench.runs.with_name("calm"), connection)
        os.environ["DATABASE_URL"] = calm_dsn
        calm.run(chunk_size=2)
        assert bench.table() == calm.table()
    assert applied.counts.updated == ROWS
    assert_whole(bench, run_id)
    assert len(ranges(bench, run_id)) == 12
    for range_no, low, high, first, has_ended in ranges(bench, run_id):
        numbers = bench.sql(
            "SELECT chunk_no FROM backfill.checkpoint WHERE range_no = %s ORDER BY 1", range_no
        )
        assert has_ended
        assert first == low + 1
        assert [n for (n,) in numbers] == list(range(first, first + len(numbers)))
        assert first + len(numbers) <= high + 1


def test_progress_of_several_workers_ends_with_every_row(bench: Bench) -> None:
    run_id = bench.plan().run_id

    bench.apply_with(run_id, workers=4, chunk_rows=2, progress_interval_rows=10)

    told = [e["scanned"] for e in bench.events if e["type"] == "progress" and e["phase"] == "apply"]
    assert told[0] == 0
    assert told[-1] == ROWS
    assert told == sorted(told)


def test_two_that_ask_at_once_get_two_ranges(bench: Bench) -> None:
    run_id = bench.plan().run_id
    pause_after_first_chunk(bench, run_id, workers=2)
    lease = acquire(Ledger(bench.connection), run_id, 60)
    taken: list[int] = []
    together = threading.Barrier(4)

    def take() -> None:
        with psycopg.connect(bench.dsn, autocommit=True) as connection:
            together.wait(timeout=DEADLINE_SECONDS)
            if claim := take_range(connection, lease):
                taken.append(claim.range.range_no)

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=DEADLINE_SECONDS)

    assert len(taken) == len(set(taken)) == 4


def test_a_range_is_not_given_to_whoever_lost_the_run(bench: Bench) -> None:
    run_id = bench.plan().run_id
    pause_after_first_chunk(bench, run_id, workers=2)
    lease = acquire(Ledger(bench.connection), run_id, 60)
    stale = Lease(run_id, lease.token - 1, 60)

    assert take_range(bench.connection, stale) is None


@pytest.mark.parametrize("error", [Interrupted, Terminated])
def test_a_signal_to_workers_of_one_process_leaves_the_run_interrupted(
    bench: Bench, error: type[Exception]
) -> None:
    run_id = bench.plan().run_id
    number = signal.SIGINT if error is Interrupted else signal.SIGTERM
    seen: list[str] = []

    def send(name: str) -> None:
        seen.append(name)
        if seen.count("after_update") == 3 and name == "after_update":
            os.kill(os.getpid(), number)

    with pytest.raises(error) as stopped:
        bench.apply_with(run_id, send, workers=3, chunk_rows=2)

    assert f"backfill resume {run_id}" in str(stopped.value)
    assert bench.status(run_id) == "interrupted"
    assert len(bench.checkpoints(run_id)) < 20
    bench.apply_with(run_id, chunk_rows=2)
    assert_whole(bench, run_id)


def test_an_error_in_one_worker_stops_the_others_and_is_the_one_told(bench: Bench) -> None:
    run_id = bench.plan().run_id
    seen: list[str] = []

    def fail(name: str) -> None:
        seen.append(name)
        if seen.count("before_commit") == 4:
            raise ZeroDivisionError("a bug")

    with pytest.raises(ZeroDivisionError, match="a bug"):
        bench.apply_with(run_id, fail, workers=3, chunk_rows=2)

    assert bench.sql("SELECT status, message FROM backfill.run") == [
        ("failed", "ZeroDivisionError: a bug")
    ]
    bench.apply_with(run_id, workers=3, chunk_rows=2)
    assert_whole(bench, run_id)


def test_a_run_of_one_range_is_cut_further_for_more_workers(bench: Bench) -> None:
    run_id = bench.plan().run_id
    pause_after_first_chunk(bench, run_id)
    assert ranges(bench, run_id) == [(1, 0, 40, 1, False)]

    bench.apply_with(run_id, workers=2, chunk_rows=2)

    assert len(ranges(bench, run_id)) == 8
    assert sum(high - low for _, low, high, _, _ in ranges(bench, run_id)) == ROWS
    assert_whole(bench, run_id)


def test_several_workers_meet_drift_and_skips_as_one_does(bench: Bench) -> None:
    bench.sql("UPDATE events SET tz = 'Nowhere' WHERE id IN ('e03', 'e30')")
    run_id = bench.plan().run_id
    bench.sql("UPDATE events SET start_at = start_at + 1 WHERE id IN ('e07', 'e22')")

    applied = bench.apply_with(run_id, workers=4, chunk_rows=2)

    assert (applied.counts.updated, applied.counts.drifted, applied.counts.skipped) == (36, 2, 2)
    assert bench.verify(run_id).findings == []


def test_a_run_of_several_ranges_is_reverted_whole(bench: Bench) -> None:
    before = bench.table()
    run_id = bench.plan().run_id
    bench.apply_with(run_id, workers=3, chunk_rows=2)

    bench.revert(run_id, workers=2, chunk_size=2)

    assert bench.table() == before
    assert bench.status(run_id) == "reverted"


@pytest.mark.parametrize(
    ("change", "says"),
    longer_behind(
        1,
        [
            ("row_low = row_low + 1", "range"),
            ("row_high = row_high - 1", "rows have a checkpoint"),
            ("first_chunk_no = first_chunk_no + 1", "chain of hashes breaks"),
        ],
    ),
)
def test_verify_finds_a_changed_range(bench: Bench, change: str, says: str) -> None:
    run_id = bench.plan().run_id
    bench.apply_with(run_id, workers=2, chunk_rows=2)

    bench.sql(f"UPDATE backfill.range SET {change} WHERE range_no = 3")

    assert says in " ".join(bench.verify(run_id).findings)


def test_verify_finds_a_checkpoint_that_was_put_into_another_range(bench: Bench) -> None:
    run_id = bench.plan().run_id
    bench.apply_with(run_id, workers=2, chunk_rows=2)

    bench.sql("UPDATE backfill.checkpoint SET range_no = 2 WHERE range_no = 3")

    assert "chain of hashes breaks" in " ".join(bench.verify(run_id).findings)


def test_status_tells_ranges_and_who_holds_them(bench: Bench, appliers: Appliers) -> None:
    run_id = bench.plan().run_id
    appliers.standing(run_id, "between_chunks", 3, workers=2)

    document = status_document(bench.connection, run_id)

    assert len(document["ranges"]) == 8
    assert document["appliers"] == [document["lease_holder"]]
    text = status_text(document)
    assert " of 8 ranges have ended." in text
    assert f"held by {document['lease_holder']}" in text


def test_status_tells_no_rate_of_chunks_that_are_too_short_to_be_timed(bench: Bench) -> None:
    run_id = bench.plan().run_id
    bench.apply_with(run_id, chunk_rows=20)

    bench.sql("UPDATE backfill.checkpoint SET elapsed_ms = 1")
    assert status_document(bench.connection, run_id)["rows_per_s"] is None
    bench.sql("UPDATE backfill.checkpoint SET elapsed_ms = 100")
    assert status_document(bench.connection, run_id)["rows_per_s"] == 200


def test_a_sequential_job_takes_one_worker(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    from backfill.errors import UsageError

    run_id = bench.plan().run_id
    monkeypatch.setattr(JobKind, "chain", lambda *_of_a_run: "key")

    with pytest.raises(UsageError, match=r"one after the other.*Leave out --workers"):
        bench.apply_with(run_id, workers=2)


def test_the_leases_of_a_run_that_several_share_are_renewed_when_a_part_has_passed(
    bench: Bench,
) -> None:
    run_id = bench.plan().run_id
    ends: list[object] = []

    def note(name: str) -> None:
        if name == "after_commit":
            ends.append(bench.scalar("SELECT lease_expires_at FROM backfill.run"))

    bench.apply_with(run_id, note, workers=1, join=True, chunk_rows=2)

    assert len(set(ends[:8])) == 1  # the last range is alone, and renews it with each chunk


def test_joining_a_run_that_nobody_applies_claims_it(bench: Bench) -> None:
    run_id = bench.plan().run_id
    assert join(bench.connection, run_id, 60) is None

    bench.apply_with(run_id, join=True, chunk_rows=2)

    assert_whole(bench, run_id)
    assert all(entry.has_ended for entry in ranges_of(bench.connection, run_id))


def test_new_rows_do_not_disturb_ranges(bench: Bench) -> None:
    run_id = bench.plan().run_id
    add_noons(bench.connection, 3, prefix="a")

    applied = bench.apply_with(run_id, workers=2, chunk_rows=2)

    assert applied.counts.updated == ROWS
    assert bench.scalar("SELECT count(*) FROM events WHERE start_at_utc IS NULL") == 3
