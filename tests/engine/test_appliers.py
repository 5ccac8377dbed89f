"""Several appliers of one run take over, stop and leave: no row is lost or written twice."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from tests.deadline import DEADLINE_SECONDS
from tests.engine.appliers import (
    Appliers,
    assert_whole,
    load_many,
    nothing_is_heard_of,
    ranges,
)
from tests.engine.workshop import Bench
from tests.longer import longer, longer_behind

from backfill.errors import Interrupted, LeaseHeld
from backfill.records import lease
from backfill.records.lease import Lease, acquire, release_dead
from backfill.records.ledger import Ledger
from backfill.records.seats import is_worked_on
from backfill.status import RunStatus
from backfill.stop import StopSignals

if TYPE_CHECKING:
    from tests.conftest import DatabaseFrom

#: An applier between two chunks has committed; one that looks for a range keeps the run's lease.
STANDS_BY = (
    "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database()"
    " AND application_name = 'backfill-workbook' AND query LIKE '%renewed AS%'"
)
#: Points of an applier that joins, with chunks of two rows: its first range has five.
IN_ITS_RANGE = ("between_chunks", 2)
BETWEEN_RANGES = ("after_commit", 3)
#: One that has only just joined, and has no range yet.
JOINED = ("joined", 1)


@pytest.fixture
def database(database_from: DatabaseFrom) -> str:
    return database_from("forty noons", load_many)


@pytest.mark.kill
@pytest.mark.parametrize(
    "point", ["before_commit", *longer("before_fence", "after_update", "after_commit")]
)
def test_ranges_of_a_killed_applier_are_stolen_when_their_lease_ran_out(
    bench: Bench, appliers: Appliers, point: str
) -> None:
    run_id = bench.plan().run_id
    victim = appliers.standing(run_id, point, 2, join=True)
    other = appliers.standing(run_id, "between_chunks", 1, join=True)
    victim.kill()
    nothing_is_heard_of(bench, victim)
    other.go_on()

    assert other.ended()[0] == 0
    assert_whole(bench, run_id)
    assert bench.sql("SELECT range_no FROM backfill.range WHERE lease_token = 2") == [(1,)]
    assert bench.scalar("SELECT count(DISTINCT lease_holder) FROM backfill.range") == 1


@pytest.mark.kill
def test_an_applier_that_wakes_after_its_range_was_stolen_writes_nothing_more(
    bench: Bench, appliers: Appliers
) -> None:
    run_id = bench.plan().run_id
    sleeper = appliers.standing(run_id, "before_fence", 2, join=True)
    nothing_is_heard_of(bench, sleeper)

    assert appliers.start(run_id, join=True).ended()[0] == 0
    written = (bench.table(), bench.checkpoints(run_id), bench.images(run_id))
    sleeper.go_on()
    exit_code, said = sleeper.ended()

    assert exit_code == 4
    assert "Nothing more was written here" in said
    assert (bench.table(), bench.checkpoints(run_id), bench.images(run_id)) == written
    assert_whole(bench, run_id)


@pytest.mark.kill
def test_an_applier_whose_range_was_stolen_leaves_the_run_to_the_others(
    bench: Bench, appliers: Appliers
) -> None:
    run_id = bench.plan().run_id
    sleeper = appliers.standing(run_id, "before_fence", 2, join=True)
    nothing_is_heard_of(bench, sleeper)
    thief = appliers.standing(run_id, "after_commit", 1, join=True)
    sleeper.go_on()
    exit_code, said = sleeper.ended()

    assert exit_code == 4
    assert "range 1 ran out, and another one took it over" in said
    assert bench.status(run_id) == "running"
    thief.go_on()
    assert thief.ended()[0] == 0
    assert_whole(bench, run_id)


def test_a_second_apply_without_join_is_refused_and_told_of_it(
    bench: Bench, appliers: Appliers
) -> None:
    run_id = bench.plan().run_id
    appliers.standing(run_id, "between_chunks", 2)

    with pytest.raises(LeaseHeld, match=f"backfill apply {run_id} --join"):
        bench.apply_with(run_id, lock_timeout_ms=200)


def test_who_joins_a_run_of_one_range_waits_and_ends_with_it(
    bench: Bench, appliers: Appliers
) -> None:
    run_id = bench.plan().run_id
    first = appliers.standing(run_id, "between_chunks", 3)
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
    bench: Bench, appliers: Appliers, request_: str, status: str
) -> None:
    run_id = bench.plan().run_id
    both = [appliers.standing(run_id, "between_chunks", 2, join=True, workers=2) for _ in range(2)]
    Ledger(bench.connection).request(run_id, request_)
    for applier in both:
        applier.go_on()

    ends = [applier.ended() for applier in both]
    assert [code for code, _ in ends] == [130, 130], ends
    assert bench.status(run_id) == status
    assert 0 < len(bench.checkpoints(run_id)) < 20
    bench.apply_with(run_id, workers=2, chunk_rows=2)
    assert_whole(bench, run_id)


@pytest.mark.long
@pytest.mark.kill
def test_one_that_stands_by_is_told_of_a_pause_as_well(bench: Bench, appliers: Appliers) -> None:
    run_id = bench.plan().run_id
    first = appliers.standing(run_id, "between_chunks", 3)
    waiting = appliers.start(run_id, join=True)
    bench.wait_until(STANDS_BY)
    Ledger(bench.connection).request(run_id, "pause")
    first.go_on()

    assert (first.ended()[0], waiting.ended()[0]) == (130, 130)
    assert bench.status(run_id) == "paused"


@pytest.mark.kill
@pytest.mark.parametrize(
    ("number", "exit_code", "point", "held_ranges"),
    [
        (signal.SIGINT, 130, IN_ITS_RANGE, 1),
        (signal.SIGTERM, 143, BETWEEN_RANGES, 0),
        *longer(
            (signal.SIGINT, 130, BETWEEN_RANGES, 0),
            (signal.SIGTERM, 143, IN_ITS_RANGE, 1),
            (signal.SIGHUP, 143, IN_ITS_RANGE, 1),
            (signal.SIGHUP, 143, BETWEEN_RANGES, 0),
        ),
    ],
)
def test_a_signal_stops_all_workers_of_its_process_and_no_other(
    bench: Bench,
    appliers: Appliers,
    number: signal.Signals,
    exit_code: int,
    point: tuple[str, int],
    held_ranges: int,
) -> None:
    run_id = bench.plan().run_id
    stays = appliers.standing(run_id, *point, join=True)
    leaves = appliers.standing(run_id, "after_update", 3, join=True, workers=2)
    code, said = leaves.stopped_by(number)

    assert code == exit_code
    assert "Other appliers go on with it" in said
    assert bench.status(run_id) == "running"
    held = "SELECT count(*) FROM backfill.range WHERE lease_holder IS NOT NULL AND ended_at IS NULL"
    assert bench.scalar(held) == held_ranges
    stays.go_on()
    assert stays.ended()[0] == 0
    assert_whole(bench, run_id)


def test_a_signal_that_does_not_wake_who_waits_for_the_workers_is_heeded_all_the_same(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one that comes in the moment in which the wait begins: only the next look tells of it."""
    run_id = bench.plan().run_id
    heard, sent = threading.Event(), threading.Event()
    handle = StopSignals.handle

    def heed(stop: StopSignals, number: int, frame: FrameType | None) -> None:
        handle(stop, number, frame)
        heard.set()

    def step(name: str) -> None:
        if name == "after_update" and not sent.is_set():
            sent.set()
            signal.raise_signal(signal.SIGINT)  # which goes to this thread, and wakes no other
            assert heard.wait(DEADLINE_SECONDS)

    monkeypatch.setattr(StopSignals, "handle", heed)
    with pytest.raises(Interrupted):
        bench.apply_with(run_id, step, chunk_rows=2, workers=2)

    assert bench.status(run_id) == "interrupted"


@pytest.mark.kill
@pytest.mark.parametrize("ranges_of_first", ["one", "several"])
def test_who_has_only_just_joined_goes_on_when_the_other_leaves(
    bench: Bench, appliers: Appliers, ranges_of_first: str
) -> None:
    run_id = bench.plan().run_id
    leaves = appliers.standing(run_id, "between_chunks", 2, join=ranges_of_first == "several")
    joined = appliers.standing(run_id, *JOINED, join=True)
    code, said = leaves.stopped_by(signal.SIGINT)

    assert code == 130
    assert "Other appliers go on with it" in said
    assert bench.status(run_id) == "running"
    assert bench.scalar("SELECT lease_holder FROM backfill.run") == joined.name
    joined.go_on()
    assert joined.ended()[0] == 0
    assert_whole(bench, run_id)


@pytest.mark.kill
def test_who_waits_for_a_range_goes_on_when_the_other_leaves(
    bench: Bench, appliers: Appliers
) -> None:
    run_id = bench.plan().run_id
    leaves = appliers.standing(run_id, "between_chunks", 3)
    waits = appliers.start(run_id, join=True)
    bench.wait_until(STANDS_BY)

    assert leaves.stopped_by(signal.SIGINT)[0] == 130
    assert waits.ended()[0] == 0
    assert_whole(bench, run_id)


@pytest.mark.kill
@pytest.mark.parametrize("is_first_to_end", ["lease", "run"])
def test_who_has_joined_and_died_holds_up_the_run_for_a_lease_at_most(
    bench: Bench, appliers: Appliers, is_first_to_end: str
) -> None:
    run_id = bench.plan().run_id
    leaves = appliers.standing(run_id, "between_chunks", 2)
    joined = appliers.standing(run_id, *JOINED, join=True)
    joined.kill()
    if is_first_to_end == "lease":
        nothing_is_heard_of(bench, joined)
    code, said = leaves.stopped_by(signal.SIGINT)

    assert code == 130
    if is_first_to_end == "lease":
        assert f"Go on with: backfill resume {run_id}" in said
        assert bench.status(run_id) == "interrupted"
    else:
        assert "Other appliers go on with it" in said
        bench.let_lease_run_out(run_id)
    bench.apply_with(run_id, chunk_rows=2)
    assert_whole(bench, run_id)


@pytest.mark.kill
def test_who_joined_a_run_that_was_taken_over_writes_nothing(
    bench: Bench, appliers: Appliers
) -> None:
    run_id = bench.plan().run_id
    first = appliers.standing(run_id, "between_chunks", 2)
    joined = appliers.standing(run_id, *JOINED, join=True)
    first.kill()
    bench.let_lease_run_out(run_id)
    bench.apply_with(run_id, chunk_rows=2)
    written = bench.checkpoints(run_id)
    joined.go_on()

    assert joined.ended()[0] == 0
    assert bench.checkpoints(run_id) == written
    assert_whole(bench, run_id)


def test_nobody_joins_at_the_moment_in_which_the_last_one_leaves(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = bench.plan().run_id
    held = acquire(Ledger(bench.connection), run_id, 60)
    joined: list[Lease | None] = []

    def come() -> None:
        with psycopg.connect(bench.dsn, autocommit=True) as connection:
            joined.append(lease.join(connection, run_id, 60))

    comer = threading.Thread(target=come)
    with psycopg.connect(bench.dsn, autocommit=True) as leaving:

        def look(*asked: Any, **but: Any) -> bool:
            is_left_alone = is_worked_on(*asked, **but)
            comer.start()
            bench.wait_for_lock_wait()
            return is_left_alone

        monkeypatch.setattr(lease, "is_worked_on", look)
        left = lease.leave(leaving, held, {}, RunStatus.INTERRUPTED)
    comer.join(timeout=DEADLINE_SECONDS)

    assert left is lease.Left.ENDED
    assert joined == [None]
    assert bench.status(run_id) == "interrupted"


@pytest.mark.kill
def test_an_applier_that_left_after_a_range_is_at_work_no_more(
    bench: Bench, appliers: Appliers
) -> None:
    run_id = bench.plan().run_id
    both = [appliers.standing(run_id, *BETWEEN_RANGES, join=True) for _ in range(2)]
    ended = [applier.stopped_by(signal.SIGINT) for applier in both]

    assert [code for code, _ in ended] == [130, 130]
    assert "Other appliers go on with it" in ended[0][1]
    assert f"Go on with: backfill resume {run_id}" in ended[1][1]
    assert bench.status(run_id) == "interrupted"
    bench.apply_with(run_id, chunk_rows=2)
    assert_whole(bench, run_id)


@pytest.mark.kill
@pytest.mark.parametrize("is_alone", longer_behind(1, [True, False]))
@pytest.mark.parametrize("point", [BETWEEN_RANGES, JOINED])
def test_a_dead_applier_is_at_work_no_more_also_without_a_range(
    bench: Bench, appliers: Appliers, point: tuple[str, int], is_alone: bool
) -> None:
    run_id = bench.plan().run_id
    if point == JOINED:
        first = appliers.standing(run_id, "between_chunks", 2, join=True)
    victim = appliers.standing(run_id, *point, join=True)
    if point == JOINED:
        first.kill()
        nothing_is_heard_of(bench, first)
    if not is_alone:
        other = appliers.standing(run_id, *BETWEEN_RANGES, join=True)
    victim.kill()

    is_interrupted = release_dead(bench.connection, run_id, victim.name, "it died")

    assert is_interrupted is is_alone
    assert is_alone or bench.scalar("SELECT lease_holder FROM backfill.run") == other.name
    assert bench.status(run_id) == ("interrupted" if is_alone else "running")


def test_whoever_takes_over_the_run_fences_off_every_range(
    bench: Bench, appliers: Appliers
) -> None:
    run_id = bench.plan().run_id
    old = appliers.standing(run_id, "between_chunks", 3, join=True)
    bench.let_lease_run_out(run_id)
    bench.apply_with(run_id, workers=2, chunk_rows=2)
    old.go_on()

    assert old.ended()[0] == 4
    assert_whole(bench, run_id)
