"""Behind a pooler several chunks go as one message: whatever fails, nothing is out of order."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.engine import killed_applier
from tests.engine.under_way import (
    ALL_NOONS,
    DEFERRED,
    OF_TWO,
    Happened,
    assert_complete,
    from_the_first_on,
    held_back,
    recorded,
)
from tests.engine.workshop import Bench
from tests.server.pgbouncer import pooled

from backfill.chunks import one_ahead
from backfill.errors import Interrupted
from backfill.politeness.polite_pace import PolitePace


@pytest.fixture(autouse=True)
def _from_the_first_on(monkeypatch: pytest.MonkeyPatch) -> None:
    from_the_first_on(monkeypatch)


@pytest.fixture
def happened(monkeypatch: pytest.MonkeyPatch) -> Happened:
    return recorded(monkeypatch)


@pytest.fixture
def pooler(bench: Bench) -> Iterator[Bench]:
    """The bench behind a PgBouncer in transaction mode."""
    with pooled(bench.dsn, "transaction", 2) as dsn:
        yield Bench(dsn, bench.runs, bench.connection)


def test_behind_a_pooler_chunks_go_together_and_none_before_the_last_message_is_answered(
    bench: Bench, pooler: Bench, happened: Happened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may give the server's session to others as soon as a message is answered."""
    monkeypatch.setattr(one_ahead, "_ROWS_TOGETHER", 6)
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
    monkeypatch.setattr(one_ahead, "_ROWS_TOGETHER", 4)
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
