"""Only one writer: a claim with a token, by the database's clock."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from tests.deadline import DEADLINE_SECONDS
from tests.engine.workshop import Bench, add_noons, noon_utc

from backfill.errors import Interrupted, LeaseHeld, Terminated
from backfill.records.lease import acquire, overlaps
from backfill.records.ledger import Ledger
from backfill.records.seats import holder_name
from backfill.steps import running
from backfill.steps.approval import Approval, approve


def claim(bench: Bench, run_id: str, seconds: int = 60) -> None:
    """Take a run's lease as another process would."""
    acquire(Ledger(bench.connection), run_id, seconds)


def two_plans(bench: Bench, first: str = "hh_demo", second: str = "hh_demo") -> tuple[str, str]:
    """Plan twice: rows e01… of hh_demo, and n01, n02 of hh_north."""
    add_noons(bench.connection, 2, household="hh_north", prefix="n")
    return bench.plan(household_id=first).run_id, bench.plan(household_id=second).run_id


def once(name: str, act: Callable[[], object]) -> Callable[[str], None]:
    """Return a step that acts the first time that a point is reached."""
    done: list[str] = []

    def step(reached: str) -> None:
        if reached == name and not done:
            done.append(reached)
            act()

    return step


def test_a_second_writer_is_refused_and_told_who_holds_the_lease(bench: Bench) -> None:
    first, second = two_plans(bench)
    claim(bench, first)

    with pytest.raises(LeaseHeld) as refused:
        bench.apply(second)

    message = str(refused.value)
    assert int(refused.value.exit_code) == 4
    assert f"Run {first} is writing to the same rows" in message
    assert f"held by {holder_name()} for " in message
    assert f"backfill cancel {first}" in message
    assert f"backfill apply {second}" in message  # it has not begun: resume would refuse it
    assert bench.status(second) == "planned"
    assert set(bench.filled().values()) == {(None, None)}


def test_a_second_writer_of_the_same_run_is_refused(bench: Bench) -> None:
    run_id = bench.plan().run_id
    claim(bench, run_id)

    with pytest.raises(LeaseHeld):
        bench.apply(run_id)

    assert bench.status(run_id) == "running"


@pytest.mark.parametrize("others", ["hh_demo", ""])
def test_overlapping_households_exclude_each_other(bench: Bench, others: str) -> None:
    first, second = two_plans(bench, "hh_demo", others)
    claim(bench, first)

    with pytest.raises(LeaseHeld):
        bench.apply_with(second)


def test_disjoint_households_are_written_side_by_side(bench: Bench) -> None:
    first, second = two_plans(bench, "hh_demo", "hh_north")

    def write_north() -> None:
        bench.apply_with(second)

    bench.apply_with(first, once("after_commit", write_north), chunk_rows=5)

    assert bench.status(first) == bench.status(second) == "succeeded"
    filled = bench.filled()
    assert (filled["e12"], filled["n02"]) == (noon_utc(12), noon_utc(2))


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (None, None, True),
        (None, ["a"], True),
        (["a"], None, True),
        (["a", "b"], ["b", "c"], True),
        (["a"], ["b"], False),
    ],
)
def test_scopes_overlap_when_a_member_is_in_both(
    first: list[str] | None, second: list[str] | None, expected: bool
) -> None:
    table = "public.events"
    is_met = overlaps({"table": table, "members": first}, {"table": table, "members": second})

    assert is_met is expected


def test_scopes_of_different_tables_never_overlap() -> None:
    assert not overlaps({"table": "a", "members": None}, {"table": "b", "members": None})


def test_an_expired_lease_is_taken_over_and_its_run_marked_interrupted(bench: Bench) -> None:
    first, second = two_plans(bench)
    claim(bench, first)
    bench.let_lease_run_out(first)

    bench.apply(second)

    assert bench.status(second) == "succeeded"
    assert bench.sql("SELECT status, message FROM backfill.run WHERE run_id = %s", first) == [
        ("interrupted", "its lease ran out and another run took over")
    ]


def test_the_lease_counts_by_the_databases_clock(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = two_plans(bench)
    claim(bench, first)
    monkeypatch.setattr("time.time", lambda: 4e9)  # the client's clock is decades ahead

    with pytest.raises(LeaseHeld):
        bench.apply_with(second)


def test_a_writer_that_slept_through_its_lease_writes_nothing_more(bench: Bench) -> None:
    first, second = two_plans(bench)
    afterwards: list[list[str]] = []

    def sleep_through() -> None:
        bench.let_lease_run_out(first)
        bench.apply_with(second, chunk_rows=5)
        bench.sql("UPDATE events SET start_at_utc = NULL, end_at_utc = NULL WHERE id > 'e05'")
        afterwards.append(bench.table())

    with pytest.raises(LeaseHeld, match=r"lost its lease.*Nothing more was written"):
        bench.apply_with(first, once("after_commit", sleep_through), chunk_rows=5)

    assert [bench.table()] == afterwards
    assert len(bench.checkpoints(first)) == 1
    assert bench.status(first) == "interrupted"


def test_a_writer_whose_own_run_was_taken_over_writes_nothing_more(bench: Bench) -> None:
    run_id = bench.plan().run_id

    def take_over() -> None:
        bench.let_lease_run_out(run_id)
        bench.apply_with(run_id, chunk_rows=4)

    with pytest.raises(LeaseHeld):
        bench.apply_with(run_id, once("after_commit", take_over), chunk_rows=5)

    assert bench.status(run_id) == "succeeded"
    assert [c[3] for c in bench.checkpoints(run_id)] == [5, 4, 3]
    assert bench.verify(run_id).findings == []


def test_a_lease_cannot_be_taken_over_inside_a_chunk(bench: Bench) -> None:
    first, second = two_plans(bench)
    order: list[str] = []

    def rival() -> None:
        with pytest.raises(LeaseHeld):
            bench.apply_with(second)
        order.append("rival was refused")

    thread = threading.Thread(target=rival)

    def step(name: str) -> None:
        if name == "before_fence" and not order:
            bench.let_lease_run_out(first)
        if name == "after_update" and not order:
            order.append("the chunk is under way")
            thread.start()
            bench.wait_for_lock_wait()
            order.append("the chunk goes on")

    bench.apply_with(first, step, chunk_rows=5)
    thread.join(timeout=DEADLINE_SECONDS)

    assert order == ["the chunk is under way", "the chunk goes on", "rival was refused"]
    assert bench.status(first) == "succeeded"


def test_each_chunk_renews_the_lease(bench: Bench) -> None:
    run_id = bench.plan().run_id
    ends: list[object] = []

    def note(name: str) -> None:
        if name == "after_commit":
            ends.append(bench.scalar("SELECT lease_expires_at FROM backfill.run"))

    bench.apply_with(run_id, note, chunk_rows=5)

    assert len(set(ends)) == 3
    assert ends == sorted(ends, key=str)


@pytest.mark.parametrize(
    ("number", "error"),
    [
        (signal.SIGINT, Interrupted),
        (signal.SIGTERM, Terminated),
        (signal.SIGHUP, Terminated),
    ],
)
def test_a_signal_ends_the_run_after_its_chunk_and_releases_the_lease(
    bench: Bench, number: signal.Signals, error: type[Exception]
) -> None:
    run_id = bench.plan().run_id
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]

    with pytest.raises(error) as stopped:
        bench.apply_with(
            run_id, once("after_update", lambda: os.kill(os.getpid(), number)), chunk_rows=5
        )

    assert f"backfill resume {run_id}" in str(stopped.value)
    assert f"{number.name} after chunk 1 (5 of 12 rows)" in str(stopped.value)
    assert bench.sql("SELECT status, lease_expires_at FROM backfill.run") == [("interrupted", None)]
    assert len(bench.checkpoints(run_id)) == 1
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_an_error_releases_the_lease_and_leaves_the_run_failed(bench: Bench) -> None:
    run_id = bench.plan().run_id

    def break_down() -> None:
        raise ZeroDivisionError("a bug")

    with pytest.raises(ZeroDivisionError):
        bench.apply_with(run_id, once("before_commit", break_down), chunk_rows=5)

    assert bench.sql("SELECT status, lease_expires_at, message FROM backfill.run") == [
        ("failed", None, "ZeroDivisionError: a bug")
    ]
    assert bench.checkpoints(run_id) == []
    assert set(bench.filled().values()) == {(None, None)}


def test_claims_at_the_same_moment_are_granted_to_one_alone(bench: Bench) -> None:
    runs = two_plans(bench)
    granted: list[str] = []
    start = threading.Barrier(2)

    def contend(run_id: str) -> None:
        with psycopg.connect(bench.dsn, autocommit=True) as connection:
            start.wait(timeout=DEADLINE_SECONDS)
            try:
                acquire(Ledger(connection), run_id, 60)
                granted.append(run_id)
            except LeaseHeld:
                pass

    threads = [threading.Thread(target=contend, args=(run_id,)) for run_id in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=DEADLINE_SECONDS)

    assert len(granted) == 1


@pytest.mark.parametrize("joins", [False, True])
def test_who_comes_as_others_write_the_last_row_is_told_that_nothing_is_left(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, joins: bool
) -> None:
    run_id = bench.plan().run_id

    def overtaken(*arguments: Any) -> Approval:
        monkeypatch.setattr(running, "approve", approve)
        approval = approve(*arguments)
        bench.apply_with(run_id)
        return approval

    monkeypatch.setattr(running, "approve", overtaken)
    applied = bench.apply_with(run_id, join=joins)

    assert (applied.status, applied.counts.updated) == ("succeeded", 12)
    assert f"Run {run_id} is succeeded already: nothing to write." in bench.messages()
    assert bench.verify(run_id).findings == []
