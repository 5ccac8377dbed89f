"""What a table's shape costs a run: its order, its indexes, its room for updates, its triggers.

`make bench-shapes`. The figures stand in the preflight's warnings.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import LiteralString

import psycopg
from tests.bench.contender import Contender, Measured, Setup
from tests.bench.server import wal_bytes
from tests.bench.writing import ours

ROOM: tuple[LiteralString, ...] = (
    "ALTER TABLE events SET (fillfactor = 70)",
    "VACUUM (FULL, ANALYZE) events",
)
INDEXES: tuple[LiteralString, ...] = (
    "CREATE INDEX by_start ON events (start_at_utc)",
    "CREATE INDEX by_end ON events (end_at_utc)",
)
#: WAL between two checkpoints where a table is large against it: many pages are touched again after
#: a checkpoint, and written whole.
CHECKPOINT_BYTES = 32_000_000
TRIGGER: tuple[LiteralString, ...] = (
    "CREATE FUNCTION pass() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$",
    "CREATE TRIGGER pass BEFORE UPDATE ON events FOR EACH ROW EXECUTE FUNCTION pass()",
)


def shaped(statements: Sequence[LiteralString], order: str = "key") -> Contender:
    """Return our contender on a table that was changed before; only the apply is measured."""

    def work(setup: Setup) -> Measured:
        with psycopg.connect(setup.dsn, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)
            connection.execute("CHECKPOINT")
            connection.execute("SELECT count(*) FROM events WHERE title <> ''")
        return ours("auto", order=order)(setup)

    return work


def checkpointed(order: str) -> Contender:
    """Return our contender beside a session that makes checkpoints, as a large table has them."""

    def work(setup: Setup) -> Measured:
        done = threading.Event()
        maker = threading.Thread(target=_make_checkpoints, args=(setup.dsn, done))
        maker.start()
        try:
            return shaped((), order)(setup)
        finally:
            done.set()
            maker.join()

    return work


def _make_checkpoints(dsn: str, done: threading.Event) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        written = wal_bytes(connection)
        while not done.wait(0.02):
            if (now := wal_bytes(connection)) - written > CHECKPOINT_BYTES:
                connection.execute("CHECKPOINT")
                written = now


CONTENDERS: Mapping[str, Contender] = {
    "as it is": shaped(()),
    "as it is, heap order": shaped((), "heap"),
    "room for updates": shaped(ROOM),
    "room for updates, heap order": shaped(ROOM, "heap"),
    "two indexes on what is written": shaped(INDEXES),
    "the same, heap order": shaped(INDEXES, "heap"),
    "a row trigger": shaped(TRIGGER),
    "many checkpoints": checkpointed("key"),
    "many checkpoints, heap order": checkpointed("heap"),
}
