"""A chunk is sent before the last one is answered: whatever fails, nothing is out of order."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import psycopg
import pytest
from tests.engine import killed_applier
from tests.engine.workshop import Bench, noon_utc
from tests.server.pgbouncer import pooled

from backfill.chunks import one_ahead
from backfill.chunks.chunk_statement import PackedChunk
from backfill.chunks.chunk_statement import answered as really_answer
from backfill.chunks.chunk_statement import send_together as really_send
from backfill.errors import BackfillError, Interrupted, LeaseHeld
from backfill.politeness.polite_pace import PolitePace
from backfill.server.session import Session

ALL_NOONS = {f"e{day:02d}": noon_utc(day) for day in range(1, 13)}
OF_TWO = [(place + 1, f"e{2 * place + 1:02d}", f"e{2 * place + 2:02d}") for place in range(6)]
DEFERRED = """
CREATE FUNCTION object() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF NEW.id = 'e06' THEN RAISE EXCEPTION 'the ledger of % is closed', NEW.id; END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER objector AFTER UPDATE ON events DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION object();
"""
Happened = list[tuple[str, int]]


@pytest.fixture(autouse=True)
def from_the_first_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Six chunks are enough to have one sent ahead."""
    monkeypatch.setattr(one_ahead, "WENT_WELL", 1)


@pytest.fixture
def happened(monkeypatch: pytest.MonkeyPatch) -> Happened:
    """Which chunk was sent, and which was answered well, in that order."""
    happened: Happened = []

    def send(connection: Session, chunks: Sequence[PackedChunk]) -> None:
        really_send(connection, chunks)
        happened.extend(("sent", chunk.ready.chunk.number) for chunk in chunks)

    def answer(connection: Session, sent: PackedChunk) -> Any:
        committed = really_answer(connection, sent)
        happened.append(("answered", sent.ready.chunk.number))
        return committed

    monkeypatch.setattr(one_ahead, "send_together", send)
    monkeypatch.setattr(one_ahead, "answered", answer)
    return happened


def at_answer(
    monkeypatch: pytest.MonkeyPatch, number: int, act: Callable[[Session], object]
) -> None:
    """Act when that chunk is committed, before anybody hears of it; the next was sent by then."""
    done: list[int] = []

    def answer(connection: Session, sent: PackedChunk) -> Any:
        committed = really_answer(connection, sent)
        if sent.ready.chunk.number == number and not done:
            done.append(number)
            act(connection)
        return committed

    monkeypatch.setattr(one_ahead, "answered", answer)


def lose(connection: Session) -> None:
    connection.close()
    raise psycopg.OperationalError("the network went away")


def held_back(bench: Bench, run_id: str, key: str, act: Callable[[], object]) -> list[Exception]:
    """Apply by twos, and act while the chunk with a row waits for it, the next one behind it."""
    raised: list[Exception] = []

    def apply() -> None:
        try:
            bench.apply_with(run_id, chunk_rows=2)
        except BackfillError as error:
            raised.append(error)

    with psycopg.connect(bench.dsn) as other:
        other.execute("UPDATE events SET title = title WHERE id = %s", [key])
        applier = threading.Thread(target=apply)
        applier.start()
        bench.wait_for_lock_wait()
        act()
        other.rollback()
    applier.join(60)
    return raised


def assert_complete(bench: Bench, run_id: str) -> None:
    assert bench.filled() == ALL_NOONS
    assert [row[:3] for row in bench.checkpoints(run_id)] == OF_TWO
    assert bench.verify(run_id).findings == []


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


@pytest.fixture
def pooler(bench: Bench) -> Iterator[Bench]:
    """The bench behind a PgBouncer in transaction mode."""
    with pooled(bench.dsn, "transaction", 2) as dsn:
        yield Bench(dsn, bench.runs, bench.connection)


def test_behind_a_pooler_chunks_go_together_and_none_before_the_last_message_is_answered(
    bench: Bench, pooler: Bench, happened: Happened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may give the server's session to others as soon as a message is answered."""
    monkeypatch.setattr(one_ahead, "ROWS_AHEAD", 6)
    run_id = bench.plan().run_id

    pooler.apply_with(run_id, chunk_rows=2)

    together = [("sent", n) for n in range(2, 5)] + [("answered", n) for n in range(2, 5)]
    rest = [("sent", 5), ("sent", 6), ("answered", 5), ("answered", 6)]
    assert happened == [("sent", 1), ("answered", 1), *together, *rest]
    assert_complete(bench, run_id)


def test_behind_a_pooler_a_slow_chunk_is_sent_by_itself(
    bench: Bench, pooler: Bench, happened: Happened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who waits for the session of a small pool waits for one of our messages."""
    monkeypatch.setattr(one_ahead, "_SECONDS_TOGETHER", 0)
    run_id = bench.plan().run_id

    pooler.apply_with(run_id, chunk_rows=2)

    assert happened == [(what, n) for n in range(1, 7) for what in ("sent", "answered")]
    assert_complete(bench, run_id)


def test_behind_a_pooler_whoever_stops_has_sent_nothing_more(
    bench: Bench, pooler: Bench, happened: Happened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next message is ready by then, and stays here."""
    monkeypatch.setattr(one_ahead, "ROWS_AHEAD", 4)
    monkeypatch.setattr(PolitePace, "lets_follow", lambda _pace: ("answered", 3) not in happened)
    run_id = bench.plan().run_id

    pooler.apply_with(run_id, chunk_rows=2)

    first = [("sent", 2), ("sent", 3), ("answered", 2), ("answered", 3)]
    one_by_one = [(what, n) for n in range(4, 7) for what in ("sent", "answered")]
    assert happened == [("sent", 1), ("answered", 1), *first, *one_by_one]
    assert_complete(bench, run_id)


@pytest.mark.parametrize("spoilt", [2, 3, 5])
def test_behind_a_pooler_what_comes_behind_a_chunk_that_drifted_is_written_after_it(
    bench: Bench, pooler: Bench, spoilt: int
) -> None:
    key = f"e{2 * spoilt:02d}"
    run_id = bench.plan().run_id
    bench.connection.execute("UPDATE events SET start_at = start_at + 1 WHERE id = %s", [key])

    applied = pooler.apply_with(run_id, chunk_rows=2)

    assert (applied.counts.updated, applied.counts.drifted) == (11, 1)
    assert bench.filled() == {**ALL_NOONS, key: (None, None)}
    assert [row[:3] for row in bench.checkpoints(run_id)] == OF_TWO
    assert bench.verify(run_id).findings == []


def test_behind_a_pooler_nothing_of_a_message_is_written_behind_a_commit_that_fails(
    bench: Bench, pooler: Bench, happened: Happened
) -> None:
    bench.sql(DEFERRED)
    run_id = bench.plan().run_id

    applied = pooler.apply_with(run_id, chunk_rows=2)

    assert happened[2:8] == [*(("sent", number) for number in range(2, 7)), ("answered", 2)]
    assert happened[8:9] != [("answered", 3)]
    assert (applied.counts.updated, applied.counts.skipped) == (11, 1)
    assert bench.filled() == {**ALL_NOONS, "e06": (None, None)}
    assert bench.verify(run_id).findings == []


def test_behind_a_pooler_a_pause_stops_before_the_next_chunk_of_a_message(
    bench: Bench, pooler: Bench
) -> None:
    run_id = bench.plan().run_id

    raised = held_back(
        pooler, run_id, "e06", lambda: bench.sql("UPDATE backfill.run SET pause_requested = true")
    )

    assert [type(error) for error in raised] == [Interrupted]
    assert (bench.status(run_id), len(bench.checkpoints(run_id))) == ("paused", 3)
    pooler.apply_with(run_id, chunk_rows=2)
    assert_complete(bench, run_id)


def test_behind_a_pooler_a_session_ended_with_a_message_under_way_is_replaced(
    bench: Bench, pooler: Bench
) -> None:
    run_id = bench.plan().run_id

    raised = held_back(
        pooler,
        run_id,
        "e06",
        lambda: bench.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE wait_event_type = 'Lock' AND datname = current_database()"
        ),
    )

    assert raised == []
    assert_complete(bench, run_id)


@pytest.mark.kill
@pytest.mark.parametrize("is_row_free", [True, False])
def test_behind_a_pooler_a_client_killed_with_a_message_under_way_leaves_a_run_that_resumes(
    bench: Bench, pooler: Bench, is_row_free: bool
) -> None:
    run_id = bench.plan().run_id
    command = [killed_applier.__file__, run_id, bench.runs, "none", "1", "", "2"]

    bench.kill_while_waiting("e06", command, is_freed=is_row_free, pooler=pooler.dsn)

    committed = len(bench.checkpoints(run_id))
    assert committed in (range(2, 7) if is_row_free else (2,))
    assert sum(start is not None for start, _end in bench.filled().values()) == 2 * committed

    bench.let_lease_run_out(run_id)
    bench.sql("UPDATE backfill.range SET lease_expires_at = clock_timestamp() - interval '1 s'")
    pooler.apply_with(run_id, chunk_rows=2)

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
