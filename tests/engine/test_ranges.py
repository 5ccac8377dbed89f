"""Several appliers on one plan: each row written once, whoever is killed, stolen from or late."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.deadline import DEADLINE_SECONDS
from tests.engine.workshop import Bench, add_noons, load_noons, noon_utc

from backfill.command.status_view import status_document, status_text
from backfill.errors import Interrupted, LeaseHeld, Terminated
from backfill.jobs.utc.kind import UtcKind
from backfill.records.lease import Lease, acquire, join, release_dead
from backfill.records.ledger import Ledger
from backfill.records.ranges import cut, ranges_of, take_range

if TYPE_CHECKING:
    from tests.conftest import DatabaseFrom

PROCESS = Path(__file__).with_name("applier_process.py")
ROWS = 40
#: An applier between two chunks has committed; one that looks for a range keeps the run's lease.
STANDS_BY = (
    "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database()"
    " AND application_name = 'backfill-workbook' AND query LIKE '%renewed AS%'"
)
ALL_NOONS = {f"e{day:02d}": noon_utc(day) for day in range(1, ROWS + 1)}
#: Points of an applier that joins, with chunks of two rows: its first range has five.
IN_ITS_RANGE = ("between_chunks", 2)
BETWEEN_RANGES = ("after_commit", 3)


def load_many(dsn: str) -> None:
    """Fill a template with forty pending events."""
    load_noons(dsn, ROWS)


@pytest.fixture
def database(database_from: DatabaseFrom) -> str:
    return database_from("forty noons", load_many)


class Applier:
    """Another process that applies the run."""

    def __init__(
        self, bench: Bench, run_id: str, point: str = "", nth: int = 1, **settings: Any
    ) -> None:
        command = {
            "run_id": run_id,
            "runs": str(bench.runs),
            "settings": {"chunk_rows": 2, **settings},
            "point": point,
            "nth": nth,
        }
        self.process = subprocess.Popen(
            [sys.executable, str(PROCESS), json.dumps(command)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "DATABASE_URL": bench.dsn},
        )

    def reached(self) -> None:
        """Wait until it stands at its point."""
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "reached\n", self.process.communicate()[1]

    def go_on(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(timeout=DEADLINE_SECONDS)

    def ended(self) -> tuple[int, str]:
        """Return its exit code and what it said."""
        said, errors = self.process.communicate(timeout=DEADLINE_SECONDS)
        return int(said.split()[-1]), errors


@pytest.fixture
def appliers() -> Iterator[list[Applier]]:
    """Processes that are killed at the end of the test, should they still be there."""
    started: list[Applier] = []
    yield started
    for applier in started:
        applier.process.kill()
        applier.process.communicate()


def start(appliers: list[Applier], *what: Any, **settings: Any) -> Applier:
    applier = Applier(*what, **settings)
    appliers.append(applier)
    return applier


def let_ranges_run_out(bench: Bench, applier: Applier) -> None:
    """Do what a minute does to the ranges of an applier that nothing is heard of."""
    bench.wait_until(
        "SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = current_database()"
        " AND application_name = 'backfill-workbook' AND state = 'active'"
    )
    bench.sql(
        "UPDATE backfill.range SET lease_expires_at = clock_timestamp() - interval '1 second'"
        " WHERE lease_holder LIKE %s AND ended_at IS NULL",
        f"%:{applier.process.pid}",
    )


def ranges(bench: Bench, run_id: str) -> list[tuple[Any, ...]]:
    return bench.sql(
        "SELECT range_no, row_low, row_high, first_chunk_no, ended_at IS NOT NULL"
        " FROM backfill.range WHERE run_id = %s ORDER BY range_no",
        run_id,
    )


def assert_whole(bench: Bench, run_id: str) -> None:
    """Every row is written once, counts close over all ranges, and verify proves it."""
    assert bench.filled() == ALL_NOONS
    assert bench.scalar("SELECT sum(scanned)::int FROM backfill.checkpoint") == ROWS
    assert bench.scalar("SELECT sum(rows)::int FROM backfill.chunk_image") == ROWS
    assert bench.status(run_id) == "succeeded"
    assert bench.verify(run_id).findings == []


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


@pytest.mark.kill
@pytest.mark.parametrize("point", ["before_fence", "after_update", "before_commit", "after_commit"])
def test_ranges_of_a_killed_applier_are_stolen_when_their_lease_ran_out(
    bench: Bench, appliers: list[Applier], point: str
) -> None:
    run_id = bench.plan().run_id
    victim = start(appliers, bench, run_id, point, 2, join=True)
    victim.reached()
    other = start(appliers, bench, run_id, "between_chunks", 1, join=True)
    other.reached()
    victim.kill()
    let_ranges_run_out(bench, victim)
    other.go_on()

    assert other.ended()[0] == 0
    assert_whole(bench, run_id)
    assert bench.sql("SELECT range_no FROM backfill.range WHERE lease_token = 2") == [(1,)]
    assert bench.scalar("SELECT count(DISTINCT lease_holder) FROM backfill.range") == 1


@pytest.mark.kill
def test_an_applier_that_wakes_after_its_range_was_stolen_writes_nothing_more(
    bench: Bench, appliers: list[Applier]
) -> None:
    run_id = bench.plan().run_id
    sleeper = start(appliers, bench, run_id, "before_fence", 2, join=True)
    sleeper.reached()
    let_ranges_run_out(bench, sleeper)

    assert start(appliers, bench, run_id, join=True).ended()[0] == 0
    written = (bench.table(), bench.checkpoints(run_id), bench.images(run_id))
    sleeper.go_on()
    exit_code, said = sleeper.ended()

    assert exit_code == 4
    assert "Nothing more was written here" in said
    assert (bench.table(), bench.checkpoints(run_id), bench.images(run_id)) == written
    assert_whole(bench, run_id)


@pytest.mark.kill
def test_an_applier_whose_range_was_stolen_leaves_the_run_to_the_others(
    bench: Bench, appliers: list[Applier]
) -> None:
    run_id = bench.plan().run_id
    sleeper = start(appliers, bench, run_id, "before_fence", 2, join=True)
    sleeper.reached()
    let_ranges_run_out(bench, sleeper)
    thief = start(appliers, bench, run_id, "after_commit", 1, join=True)
    thief.reached()
    sleeper.go_on()
    exit_code, said = sleeper.ended()

    assert exit_code == 4
    assert "range 1 ran out, and another one took it over" in said
    assert bench.status(run_id) == "running"
    thief.go_on()
    assert thief.ended()[0] == 0
    assert_whole(bench, run_id)


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


def test_a_second_apply_without_join_is_refused_and_told_of_it(
    bench: Bench, appliers: list[Applier]
) -> None:
    run_id = bench.plan().run_id
    first = start(appliers, bench, run_id, "between_chunks", 2)
    first.reached()

    with pytest.raises(LeaseHeld, match=f"backfill apply {run_id} --join"):
        bench.apply_with(run_id, lock_timeout_ms=200)


def test_who_joins_a_run_of_one_range_waits_and_ends_with_it(
    bench: Bench, appliers: list[Applier]
) -> None:
    run_id = bench.plan().run_id
    first = start(appliers, bench, run_id, "between_chunks", 3)
    first.reached()
    joined = threading.Thread(target=bench.apply_with, args=(run_id,), kwargs={"join": True})
    joined.start()
    bench.wait_until(STANDS_BY)
    first.go_on()

    assert first.ended()[0] == 0
    joined.join(timeout=DEADLINE_SECONDS)
    assert not joined.is_alive()
    assert_whole(bench, run_id)
    assert len(ranges(bench, run_id)) == 1


@pytest.mark.parametrize(("request_", "status"), [("pause", "paused"), ("cancel", "cancelled")])
def test_a_request_stops_every_applier_within_a_chunk(
    bench: Bench, appliers: list[Applier], request_: str, status: str
) -> None:
    run_id = bench.plan().run_id
    both = [
        start(appliers, bench, run_id, "between_chunks", 2, join=True, workers=2) for _ in range(2)
    ]
    for applier in both:
        applier.reached()
    Ledger(bench.connection).request(run_id, request_)
    for applier in both:
        applier.go_on()

    assert [applier.ended()[0] for applier in both] == [130, 130]
    assert bench.status(run_id) == status
    assert 0 < len(bench.checkpoints(run_id)) < 20
    bench.apply_with(run_id, workers=2, chunk_rows=2)
    assert_whole(bench, run_id)


@pytest.mark.kill
def test_one_that_stands_by_is_told_of_a_pause_as_well(
    bench: Bench, appliers: list[Applier]
) -> None:
    run_id = bench.plan().run_id
    first = start(appliers, bench, run_id, "between_chunks", 3)
    first.reached()
    waiting = start(appliers, bench, run_id, join=True)
    bench.wait_until(STANDS_BY)
    Ledger(bench.connection).request(run_id, "pause")
    first.go_on()

    assert (first.ended()[0], waiting.ended()[0]) == (130, 130)
    assert bench.status(run_id) == "paused"


@pytest.mark.kill
@pytest.mark.parametrize(
    ("number", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 143)]
)
@pytest.mark.parametrize(("point", "held_ranges"), [(IN_ITS_RANGE, 1), (BETWEEN_RANGES, 0)])
def test_a_signal_stops_all_workers_of_its_process_and_no_other(
    bench: Bench,
    appliers: list[Applier],
    number: signal.Signals,
    exit_code: int,
    point: tuple[str, int],
    held_ranges: int,
) -> None:
    run_id = bench.plan().run_id
    stays = start(appliers, bench, run_id, *point, join=True)
    stays.reached()
    leaves = start(appliers, bench, run_id, "after_update", 3, join=True, workers=2)
    leaves.reached()
    leaves.process.send_signal(number)
    leaves.go_on()
    code, said = leaves.ended()

    assert code == exit_code
    assert "Other appliers go on with it" in said
    assert bench.status(run_id) == "running"
    held = "SELECT count(*) FROM backfill.range WHERE lease_holder IS NOT NULL AND ended_at IS NULL"
    assert bench.scalar(held) == held_ranges
    stays.go_on()
    assert stays.ended()[0] == 0
    assert_whole(bench, run_id)


@pytest.mark.kill
def test_an_applier_that_left_after_a_range_is_at_work_no_more(
    bench: Bench, appliers: list[Applier]
) -> None:
    run_id = bench.plan().run_id
    both = [start(appliers, bench, run_id, *BETWEEN_RANGES, join=True) for _ in range(2)]
    for applier in both:
        applier.reached()
    ended = []
    for applier in both:
        applier.process.send_signal(signal.SIGINT)
        applier.go_on()
        ended.append(applier.ended())

    assert [code for code, _ in ended] == [130, 130]
    assert "Other appliers go on with it" in ended[0][1]
    assert f"Go on with: backfill resume {run_id}" in ended[1][1]
    assert bench.status(run_id) == "interrupted"
    bench.apply_with(run_id, chunk_rows=2)
    assert_whole(bench, run_id)


@pytest.mark.kill
@pytest.mark.parametrize("is_alone", [True, False])
def test_a_dead_applier_is_at_work_no_more_also_between_ranges(
    bench: Bench, appliers: list[Applier], is_alone: bool
) -> None:
    run_id = bench.plan().run_id
    victim = start(appliers, bench, run_id, *BETWEEN_RANGES, join=True)
    victim.reached()
    if not is_alone:
        start(appliers, bench, run_id, *BETWEEN_RANGES, join=True).reached()
    victim.kill()
    holder = f"{socket.gethostname()}:{victim.process.pid}"

    is_interrupted = release_dead(bench.connection, run_id, holder, "it died")

    assert is_interrupted is is_alone
    assert bench.status(run_id) == ("interrupted" if is_alone else "running")


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


def test_whoever_takes_over_the_run_fences_off_every_range(
    bench: Bench, appliers: list[Applier]
) -> None:
    run_id = bench.plan().run_id
    old = start(appliers, bench, run_id, "between_chunks", 3, join=True)
    old.reached()
    bench.let_lease_run_out(run_id)
    bench.apply_with(run_id, workers=2, chunk_rows=2)
    old.go_on()

    assert old.ended()[0] == 4
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
    [
        ("row_low = row_low + 1", "range"),
        ("row_high = row_high - 1", "rows have a checkpoint"),
        ("first_chunk_no = first_chunk_no + 1", "chain of hashes breaks"),
    ],
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


def test_status_tells_ranges_and_who_holds_them(bench: Bench, appliers: list[Applier]) -> None:
    run_id = bench.plan().run_id
    applier = start(appliers, bench, run_id, "between_chunks", 3, workers=2)
    applier.reached()

    document = status_document(bench.connection, run_id)

    assert len(document["ranges"]) == 8
    assert document["appliers"] == [document["lease_holder"]]
    text = status_text(document)
    assert " of 8 ranges have ended." in text
    assert f"held by {document['lease_holder']}" in text


def test_a_sequential_job_takes_one_worker(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    from backfill.errors import UsageError

    run_id = bench.plan().run_id
    monkeypatch.setattr(UtcKind, "is_sequential", True)

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


def pause_after_first_chunk(bench: Bench, run_id: str, **settings: Any) -> None:
    def ask(name: str) -> None:
        if name == "after_commit":
            bench.sql("UPDATE backfill.run SET pause_requested = true")

    lock = threading.Lock()

    def alone(name: str) -> None:
        with lock:
            ask(name)

    with pytest.raises(Interrupted):
        bench.apply_with(run_id, alone, chunk_rows=2, **settings)
