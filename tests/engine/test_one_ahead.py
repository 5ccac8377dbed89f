"""A chunk is sent before the last one is answered: whatever fails, nothing is out of order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import psycopg
import pytest
from tests.engine import killed_applier
from tests.engine.under_way import (
    ALL_NOONS,
    DEFERRED,
    OF_TWO,
    Happened,
    assert_complete,
    at_answer,
    from_the_first_on,
    held_back,
    lose,
    recorded,
)
from tests.engine.workshop import Bench

from backfill.chunks import one_ahead
from backfill.chunks.chunk_statement import PackedChunk
from backfill.chunks.chunk_statement import send_together as really_send
from backfill.errors import Interrupted, LeaseHeld
from backfill.politeness.polite_pace import PolitePace
from backfill.server.session import Session


@pytest.fixture(autouse=True)
def _from_the_first_on(monkeypatch: pytest.MonkeyPatch) -> None:
    from_the_first_on(monkeypatch)


@pytest.fixture
def happened(monkeypatch: pytest.MonkeyPatch) -> Happened:
    return recorded(monkeypatch)


def test_once_a_chunk_went_well_the_next_is_sent_before_the_answer(
    bench: Bench, happened: Happened
) -> None:
    run_id = bench.plan().run_id

    bench.apply_with(run_id, chunk_rows=2)

    assert happened[:3] == [("sent", 1), ("answered", 1), ("sent", 2)]
    for number in range(2, 6):
        assert happened.index(("sent", number + 1)) < happened.index(("answered", number))
    assert_complete(bench, run_id)


def test_until_several_went_well_each_is_answered_before_the_next_is_sent(
    bench: Bench, happened: Happened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(one_ahead, "WENT_WELL", 3)
    run_id = bench.plan().run_id

    bench.apply_with(run_id, chunk_rows=2)

    one_by_one = [(what, number) for number in range(1, 4) for what in ("sent", "answered")]
    assert happened[:7] == [*one_by_one, ("sent", 4)]
    assert happened.index(("sent", 5)) < happened.index(("answered", 4))
    assert_complete(bench, run_id)


def test_who_wants_to_hear_of_each_chunk_is_told_before_the_next_is_sent(
    bench: Bench, happened: Happened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PolitePace, "lets_follow", lambda _pace: False)
    run_id = bench.plan().run_id

    bench.apply_with(run_id, chunk_rows=2)

    assert happened == [(what, n) for n in range(1, 7) for what in ("sent", "answered")]
    assert_complete(bench, run_id)


def test_a_chunk_behind_one_that_drifted_is_written_after_it(bench: Bench) -> None:
    run_id = bench.plan().run_id
    bench.sql("UPDATE events SET start_at = start_at + 1 WHERE id = 'e06'")

    applied = bench.apply_with(run_id, chunk_rows=2)

    assert (applied.counts.updated, applied.counts.drifted) == (11, 1)
    assert bench.filled() == {**ALL_NOONS, "e06": (None, None)}
    assert [row[:3] for row in bench.checkpoints(run_id)] == OF_TWO
    assert bench.verify(run_id).findings == []


def test_a_chunk_behind_one_whose_commit_fails_has_no_hash_to_follow(
    bench: Bench, happened: Happened
) -> None:
    bench.sql(DEFERRED)
    run_id = bench.plan().run_id

    applied = bench.apply_with(run_id, chunk_rows=2)

    assert ("sent", 4) in happened and happened.index(("sent", 4)) < happened.index(("sent", 5))
    assert (applied.counts.updated, applied.counts.skipped) == (11, 1)
    assert bench.filled() == {**ALL_NOONS, "e06": (None, None)}
    # The chunk was told apart, row by row; each has a checkpoint.
    numbers = [row[0] for row in bench.checkpoints(run_id)]
    assert numbers == list(range(1, len(numbers) + 1))
    assert bench.verify(run_id).findings == []


def test_a_lost_connection_with_two_chunks_under_way_writes_each_of_them_once(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = bench.plan().run_id
    at_answer(monkeypatch, 3, lose)

    applied = bench.apply_with(run_id, chunk_rows=2)

    assert applied.counts.updated == 12
    assert_complete(bench, run_id)


def test_a_chunk_that_the_lost_session_commits_after_we_looked_is_found(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The session that we lost goes on to what it was sent, the moment we send that again."""
    run_id = bench.plan().run_id
    sent: list[int] = []
    late: list[Session] = []

    def lose_late(connection: Session) -> None:
        late.append(connection)
        raise psycopg.OperationalError("the network went away")

    def send(connection: Session, chunks: Sequence[PackedChunk]) -> None:
        (number,) = (chunk.ready.chunk.number for chunk in chunks)
        if number == 4 and number in sent:
            late[0].answer_alone()
        sent.append(number)
        really_send(connection, chunks)

    at_answer(monkeypatch, 3, lose_late)
    monkeypatch.setattr(one_ahead, "send_together", send)
    monkeypatch.setattr(Session, "broken", property(lambda self: self in late))
    monkeypatch.setattr(Session, "close", lambda self: self in late or self.finish_now())
    monkeypatch.setattr(Session, "finish_now", psycopg.Connection.close, raising=False)

    applied = bench.apply_with(run_id, chunk_rows=2)

    late[0].finish_now()  # type: ignore[attr-defined]
    assert sent.count(4) == 2
    assert applied.counts.updated == 12
    assert_complete(bench, run_id)


def test_a_session_ended_with_two_chunks_under_way_is_replaced(bench: Bench) -> None:
    run_id = bench.plan().run_id

    raised = held_back(
        bench,
        run_id,
        "e06",
        lambda: bench.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE wait_event_type = 'Lock' AND datname = current_database()"
        ),
    )

    assert raised == []
    assert_complete(bench, run_id)


def test_a_pause_asked_for_while_two_chunks_are_under_way_stops_before_the_second(
    bench: Bench,
) -> None:
    run_id = bench.plan().run_id

    raised = held_back(
        bench, run_id, "e06", lambda: bench.sql("UPDATE backfill.run SET pause_requested = true")
    )

    assert [type(error) for error in raised] == [Interrupted]
    assert (bench.status(run_id), len(bench.checkpoints(run_id))) == ("paused", 3)
    bench.apply_with(run_id, chunk_rows=2)
    assert_complete(bench, run_id)


def test_who_lost_the_range_writes_neither_of_two_chunks(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = bench.plan().run_id
    raise_token = "UPDATE backfill.range SET lease_token = lease_token + 1"
    seen: list[int] = []

    def take(*_: Any) -> None:
        bench.sql(raise_token)
        seen.append(len(bench.checkpoints(run_id)))

    def send(connection: Session, chunks: Sequence[PackedChunk]) -> None:
        if chunks[0].ready.chunk.number == 2:
            take()
        really_send(connection, chunks)

    monkeypatch.setattr(one_ahead, "send_together", send)

    with pytest.raises(LeaseHeld):
        bench.apply_with(run_id, chunk_rows=2)

    assert len(bench.checkpoints(run_id)) == seen[0] == 1
    assert bench.filled() == {k: v if k < "e03" else (None, None) for k, v in ALL_NOONS.items()}


def test_an_error_between_two_chunks_waits_for_the_one_that_was_sent(
    bench: Bench, happened: Happened, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = bench.plan().run_id

    def fail(number: int) -> Callable[..., None]:
        def count(*_: Any) -> None:
            if ("answered", number) in happened:
                raise OSError("no space left on device")

        return count

    monkeypatch.setattr("backfill.chunks.apply.Applier._count", fail(3))
    with pytest.raises(OSError, match="no space"):
        bench.apply_with(run_id, chunk_rows=2)
    monkeypatch.undo()

    assert happened[-2:] == [("answered", 3), ("answered", 4)]
    assert len(bench.checkpoints(run_id)) == 4
    bench.apply_with(run_id, chunk_rows=2)
    assert_complete(bench, run_id)


@pytest.mark.kill
@pytest.mark.parametrize("is_row_free", [True, False])
def test_a_client_killed_with_two_chunks_under_way_leaves_a_run_that_resumes(
    bench: Bench, is_row_free: bool
) -> None:
    run_id = bench.plan().run_id
    command = [killed_applier.__file__, run_id, bench.runs, "none", "1", "", "2"]

    bench.kill_while_waiting("e06", command, is_freed=is_row_free)

    committed = len(bench.checkpoints(run_id))
    assert committed in ((2, 3, 4) if is_row_free else (2,))
    assert sum(start is not None for start, _end in bench.filled().values()) == 2 * committed

    bench.let_lease_run_out(run_id)
    bench.sql("UPDATE backfill.range SET lease_expires_at = clock_timestamp() - interval '1 s'")
    bench.apply_with(run_id, chunk_rows=2)

    assert_complete(bench, run_id)
