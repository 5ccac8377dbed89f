"""What a table's shape costs a run: its order, its indexes, its room for updates, its triggers.

`make bench ARGS="--groups shapes --rows 100000"`. The figures stand in the preflight's warnings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import LiteralString

import psycopg
from tests.bench.contender import Contender, Measured, Setup
from tests.bench.writing import ours

ROOM: tuple[LiteralString, ...] = (
    "ALTER TABLE events SET (fillfactor = 70)",
    "VACUUM (FULL, ANALYZE) events",
)
INDEXES: tuple[LiteralString, ...] = (
    "CREATE INDEX by_start ON events (start_at_utc)",
    "CREATE INDEX by_end ON events (end_at_utc)",
)
#: As a large table has them: many pages are touched again after a checkpoint, and written whole.
CHECKPOINTS: tuple[LiteralString, ...] = (
    "ALTER SYSTEM SET max_wal_size = '64MB'",
    "SELECT pg_reload_conf()",
)
_NONE_OF_THEM: tuple[LiteralString, ...] = (
    "ALTER SYSTEM RESET max_wal_size",
    "SELECT pg_reload_conf()",
)
TRIGGER: tuple[LiteralString, ...] = (
    "CREATE FUNCTION pass() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$",
    "CREATE TRIGGER pass BEFORE UPDATE ON events FOR EACH ROW EXECUTE FUNCTION pass()",
)


def shaped(statements: Sequence[LiteralString], order: str = "key") -> Contender:
    """Return our contender on a table that was changed before; only the apply is measured."""

    def work(setup: Setup) -> Measured:
        with psycopg.connect(setup.dsn, autocommit=True) as connection:
            for statement in (*_NONE_OF_THEM, *statements):
                connection.execute(statement)
            connection.execute("CHECKPOINT")
            connection.execute("SELECT count(*) FROM events WHERE title <> ''")
        return ours("auto", order=order)(setup)

    return work


CONTENDERS: Mapping[str, Contender] = {
    "as it is": shaped(()),
    "as it is, heap order": shaped((), "heap"),
    "room for updates": shaped(ROOM),
    "room for updates, heap order": shaped(ROOM, "heap"),
    "two indexes on what is written": shaped(INDEXES),
    "the same, heap order": shaped(INDEXES, "heap"),
    "a row trigger": shaped(TRIGGER),
    "many checkpoints": shaped(CHECKPOINTS),
    "many checkpoints, heap order": shaped(CHECKPOINTS, "heap"),
}
