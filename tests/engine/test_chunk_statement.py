"""A chunk in one statement: all of it or nothing, whatever happens to client, lease and rows."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from tests.engine import killed_applier
from tests.engine.workshop import NOON_MS, Bench, Row, add_noons, noon_utc

from backfill.chunks import one_ahead
from backfill.chunks.chunk_statement import answered as really_answer
from backfill.chunks.chunk_statement import packed as really_packed
from backfill.errors import Interrupted, LeaseHeld
from backfill.plans.plan import Chunk, ChunkReader
from backfill.server.session import Session

Outcome = tuple[list[str], list[Row], list[Row], list[Row]]


def outcome(bench: Bench, run_id: str) -> Outcome:
    skips = bench.sql("SELECT key, column_name, reason, detail FROM backfill.skip ORDER BY key")
    return bench.table(), bench.checkpoints(run_id), bench.images(run_id), skips


def spoil(bench: Bench) -> None:
    """Let the plan skip one row."""
    bench.sql("UPDATE events SET tz = 'Europe/Atlantis' WHERE id = 'e05'")


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """For each chunk, whether one statement wrote it."""
    done: list[bool] = []
    places: dict[int, int] = {}

    def pack(*arguments: Any, **named: Any) -> Any:
        done.append(False)
        sent = really_packed(*arguments, **named)
        places[id(sent)] = len(done) - 1
        return sent

    def answer(connection: Session, sent: Any) -> Any:
        committed = really_answer(connection, sent)
        done[places[id(sent)]] = True
        return committed

    monkeypatch.setattr(one_ahead, "packed", pack)
    monkeypatch.setattr(one_ahead, "answered", answer)
    return done


def before_chunk(monkeypatch: pytest.MonkeyPatch, number: int, act: Callable[[], object]) -> None:
    """Act just before the n-th statement is sent."""
    sent: list[int] = []

    def pack(*arguments: Any, **named: Any) -> Any:
        sent.append(1)
        if len(sent) == number:
            act()
        return really_packed(*arguments, **named)

    monkeypatch.setattr(one_ahead, "packed", pack)


def test_chunks_that_go_as_planned_are_one_statement_each(
    bench: Bench, at_once: list[bool]
) -> None:
    spoil(bench)
    run_id = bench.plan().run_id

    applied = bench.apply_with(run_id, chunk_rows=5)

    assert at_once == [True, True, True]
    assert (applied.counts.updated, applied.counts.skipped) == (11, 1)
    assert bench.skips(run_id) == {"e05": ("tz", "invalid_timezone")}
    assert bench.verify(run_id).findings == []


def test_few_chunks_are_made_ready_ahead_however_small_they_are(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_noons(bench.connection, 40, prefix="more")
    taken: list[int] = []
    when_first_sent: list[int] = []
    really_take = ChunkReader.take

    def take(reader: ChunkReader, number: int, rows: int) -> Chunk:
        taken.append(rows)
        return really_take(reader, number, rows)

    monkeypatch.setattr(ChunkReader, "take", take)
    before_chunk(monkeypatch, 1, lambda: when_first_sent.append(len(taken)))
    run_id = bench.plan().run_id

    applied = bench.apply_with(run_id, chunk_rows=1)

    assert applied.counts.updated == len(taken) == 52
    assert 1 <= when_first_sent[0] <= 16


def test_both_ways_leave_the_same_bytes(bench: Bench, at_once: list[bool]) -> None:
    spoil(bench)
    before = bench.sql("SELECT * FROM events")
    run_id = bench.plan().run_id
    bench.sql("UPDATE events SET start_at = start_at + 1 WHERE id = 'e03'")
    bench.apply_with(run_id, chunk_rows=5)
    found = outcome(bench, run_id)

    assert at_once == [False, True, True]
    bench.sql(
        "UPDATE events SET start_at_utc = NULL, end_at_utc = NULL, start_at = CASE id"
        " WHEN 'e03' THEN start_at - 1 ELSE start_at END"
    )
    assert sorted(bench.sql("SELECT * FROM events")) == sorted(before)
    bench.sql("DELETE FROM backfill.skip")
    again = bench.plan().run_id
    bench.sql("UPDATE events SET start_at = start_at + 1 WHERE id = 'e03'")
    bench.apply_with(again, lambda _step: None, chunk_rows=5)

    assert outcome(bench, again) == found
    assert len(at_once) == 3, "whoever watches the steps gets them one by one"


def test_the_servers_hash_is_the_clients_whatever_the_keys(
    bench: Bench, at_once: list[bool]
) -> None:
    for key in ('a "quote"', "back\\slash", "new\nline", "å — ü", "%s {}", "control \x01"):
        bench.add_event(key, start_at=NOON_MS, tz="Europe/Stockholm")
    run_id = bench.plan().run_id

    bench.apply_with(run_id, chunk_rows=2)

    assert all(at_once)
    assert bench.verify(run_id).findings == []


def test_a_row_that_drifts_while_the_statement_waits_for_it_is_left_alone(bench: Bench) -> None:
    run_id = bench.plan().run_id

    with psycopg.connect(bench.dsn) as other:
        other.execute("UPDATE events SET start_at = start_at + 60000 WHERE id = 'e04'")
        applier = threading.Thread(target=lambda: bench.apply_with(run_id, chunk_rows=5))
        applier.start()
        bench.wait_for_lock_wait()
        other.commit()
    applier.join(60)

    assert bench.filled()["e04"] == (None, None)
    assert bench.filled()["e03"] == noon_utc(3)
    assert bench.skips(run_id) == {"e04": ("", "drifted")}
    assert bench.checkpoints(run_id)[0] == (1, "e01", "e05", 5, 4, 0, 1, 0)
    assert bench.verify(run_id).findings == []


def test_an_edit_of_another_column_while_the_statement_waits_is_no_drift(
    bench: Bench, at_once: list[bool]
) -> None:
    run_id = bench.plan().run_id

    with psycopg.connect(bench.dsn) as other:
        other.execute("UPDATE events SET title = 'Choir, moved' WHERE id = 'e04'")
        applier = threading.Thread(target=lambda: bench.apply_with(run_id, chunk_rows=5))
        applier.start()
        bench.wait_for_lock_wait()
        other.commit()
    applier.join(60)

    assert at_once == [True, True, True]
    assert bench.filled()["e04"] == noon_utc(4)
    assert bench.scalar("SELECT title FROM events WHERE id = 'e04'") == "Choir, moved"
    assert bench.verify(run_id).findings == []


def test_an_applier_whose_range_was_taken_writes_nothing_more(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = bench.plan().run_id
    raise_token = "UPDATE backfill.range SET lease_token = lease_token + 1"
    before_chunk(monkeypatch, 2, lambda: bench.sql(raise_token))

    with pytest.raises(LeaseHeld):
        bench.apply_with(run_id, chunk_rows=5)

    assert len(bench.checkpoints(run_id)) == 1
    assert bench.filled()["e06"] == (None, None)


def test_a_pause_that_is_asked_for_stops_before_the_next_statement(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = bench.plan().run_id
    ask = "UPDATE backfill.run SET pause_requested = true"
    before_chunk(monkeypatch, 2, lambda: bench.sql(ask))

    with pytest.raises(Interrupted):
        bench.apply_with(run_id, chunk_rows=5)

    assert bench.status(run_id) == "paused"
    assert len(bench.checkpoints(run_id)) == 1


def test_a_session_ended_inside_the_statement_is_replaced_and_the_chunk_written(
    bench: Bench,
) -> None:
    run_id = bench.plan().run_id

    with psycopg.connect(bench.dsn) as other:
        other.execute("SELECT FROM events WHERE id = 'e08' FOR UPDATE")
        applier = threading.Thread(target=lambda: bench.apply_with(run_id, chunk_rows=5))
        applier.start()
        bench.wait_for_lock_wait()
        bench.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            " AND datname = current_database()"
        )
        bench.wait_until(
            "SELECT count(*) = 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            " AND datname = current_database() AND query LIKE '%outcome%'"
        )
    applier.join(60)

    assert bench.filled() == {f"e{day:02d}": noon_utc(day) for day in range(1, 13)}
    assert len(bench.checkpoints(run_id)) == 3
    assert bench.verify(run_id).findings == []


def test_a_statement_whose_answer_was_lost_is_settled_by_its_checkpoint(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = bench.plan().run_id
    answers: list[int] = []

    def answer(connection: Session, sent: Any) -> Any:
        answers.append(1)
        committed = really_answer(connection, sent)
        if len(answers) == 2:
            connection.close()
            raise psycopg.OperationalError("the network went away")
        return committed

    monkeypatch.setattr(one_ahead, "answered", answer)
    applied = bench.apply_with(run_id, chunk_rows=5)

    assert applied.counts.updated == 12
    assert [row[0] for row in bench.checkpoints(run_id)] == [1, 2, 3]
    assert bench.verify(run_id).findings == []


@pytest.mark.kill
@pytest.mark.parametrize("is_row_free", [True, False])
def test_a_client_killed_after_sending_leaves_a_run_that_resumes_to_the_same_bytes(
    bench: Bench, is_row_free: bool
) -> None:
    run_id = bench.plan().run_id
    command = [killed_applier.__file__, run_id, bench.runs, "none", "1"]

    bench.kill_while_waiting("e08", command, is_freed=is_row_free)

    committed = len(bench.checkpoints(run_id))
    assert committed in ((1, 2) if is_row_free else (1,))
    assert sum(start is not None for start, _end in bench.filled().values()) == 5 * committed

    bench.let_lease_run_out(run_id)
    bench.sql("UPDATE backfill.range SET lease_expires_at = clock_timestamp() - interval '1 s'")
    bench.apply_with(run_id, chunk_rows=5)

    assert bench.filled() == {f"e{day:02d}": noon_utc(day) for day in range(1, 13)}
    assert [row[:3] for row in bench.checkpoints(run_id)] == [
        (1, "e01", "e05"),
        (2, "e06", "e10"),
        (3, "e11", "e12"),
    ]
    assert bench.verify(run_id).findings == []
