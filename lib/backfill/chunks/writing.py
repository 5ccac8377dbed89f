"""What the engine asks of a job's writer, and what the writer answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import pyarrow as pa
from psycopg import sql

from backfill.server.postgres import Connection
from backfill.server.table import Relation
from backfill.skips import Skip

#: The columns of a change that an image keeps.
IMAGE_COLUMNS = ("key", "scope", "source", "before", "after")


def image_of(changes: pa.Table) -> pa.Table:
    """Return the part of changes that a before- and after-image holds."""
    return changes.select(list(IMAGE_COLUMNS))


@dataclass(frozen=True, slots=True)
class Written:
    """The outcome of one chunk's changes.

    `image` holds the rows that were written, as they stood before and stand now; `unchanged`
    counts rows that already were as planned; `drifted` and `skipped` the rows left alone.
    `locked` are the places in the plan of rows that are to be tried again later.
    """

    image: pa.Table
    unchanged: int = 0
    drifted: tuple[Skip, ...] = ()
    skipped: tuple[Skip, ...] = ()
    locked: tuple[int, ...] = ()

    @property
    def updated(self) -> int:
        return int(self.image.num_rows)

    def __add__(self, other: Written) -> Written:
        return Written(
            pa.concat_tables([self.image, other.image]),
            self.unchanged + other.unchanged,
            self.drifted + other.drifted,
            self.skipped + other.skipped,
            self.locked + other.locked,
        )


@dataclass(frozen=True, slots=True)
class ChunkUpdate:
    """The UPDATE that writes all changes of a chunk, to be part of a larger statement.

    It returns one row for each that it wrote, `is_kept` tells whether the row now holds what the
    plan says; it writes nothing unless the condition holds that `compose` is given. Parameters
    are named; equal names of one writer mean an equal statement. Without its `relation`, the table
    that it writes to, it is planned for each chunk behind a pooler.
    """

    compose: Callable[[sql.Composable], sql.Composable]
    parameters: dict[str, Any]
    relation: Relation | None = None


class ChunkWriter(Protocol):
    """Writes the changes of a chunk inside the transaction that the engine opened."""

    def prepare(self, chunks: Sequence[pa.Table]) -> None:
        """Do what can be done without the server, in another thread, for a later `write` of each.

        It is given the changes of the chunks that come next, and `write` the very same tables.
        """
        ...

    def as_update(self, changes: pa.Table) -> ChunkUpdate | None:
        """Return the chunk as one UPDATE, if it is one."""
        ...

    def write(self, connection: Connection, changes: pa.Table) -> Written:
        """Write each change as compare-and-set; never commit, never roll back."""
        ...

    def locked(self, connection: Connection, changes: pa.Table) -> Sequence[int]:
        """Return the rows on which others hold a lock at this moment, and lock all others.

        For a transaction of its own savepoint; it waits for nothing.
        """
        ...


class RefusedRow(Exception):
    """A row that the database did not store as planned, found without a server error."""
