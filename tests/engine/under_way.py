"""What happens while chunks are under way: who was sent when, and who acts in between."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from typing import Any

import psycopg
import pytest
from tests.engine.workshop import Bench, noon_utc

from backfill.chunks import one_ahead
from backfill.chunks.chunk_statement import PackedChunk
from backfill.chunks.chunk_statement import answered as really_answer
from backfill.chunks.chunk_statement import send_together as really_send
from backfill.errors import BackfillError
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


def from_the_first_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make six chunks enough to have one sent ahead, and many together on a slow machine too."""
    monkeypatch.setattr(one_ahead, "WENT_WELL", 1)
    monkeypatch.setattr(one_ahead, "_SECONDS_TOGETHER", math.inf)


def recorded(monkeypatch: pytest.MonkeyPatch) -> Happened:
    """Return which chunk was sent, and which was answered well, in that order, as it happens."""
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
