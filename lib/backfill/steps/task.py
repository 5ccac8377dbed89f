"""A backfill in three verbs: which columns, which rows, which values. All else is the engine's.

    names     the table, its key, the columns to write, and those that values are computed from
    extract   read the rows: `plans.keyed_rows` has what reads any table by condition or by key
    compute   row for row: the new values, or why there is none

A task may have more, each with a default of the engine's; see `OPTIONAL`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import pyarrow as pa

from backfill.server.plain_table import PlainTable
from backfill.server.postgres import Connection


@dataclass(frozen=True, slots=True)
class Names:
    """Columns of one table. Without a `key` it is the primary key; `perhaps` are sources where the
    table has them."""

    table: str
    targets: tuple[str, ...]
    sources: tuple[str, ...] = ()
    key: tuple[str, ...] = ()
    perhaps: tuple[str, ...] = ()


class Task(Protocol):
    """What somebody writes to have a backfill of their own."""

    @property
    def name(self) -> str:
        """Small letters, digits, underscores: it is part of the run's id."""
        ...

    @property
    def settings(self) -> Mapping[str, Any]:
        """Whatever decides a value, as JSON: it is fingerprinted."""
        ...

    def names(self) -> Names: ...

    def extract(self, connection: Connection, table: PlainTable) -> Iterator[pa.Table]:
        """Yield the rows to look at, in any order: key, scope, source, before. Read-only.

        Columns `skip` and `detail` say why a row gets no value; more columns go to `compute`.
        """
        ...

    def compute(self, rows: pa.Table) -> pa.Table:
        """Return, row for row, a column for each target, or one struct `after`.

        Columns `rule`, `skip` and `detail` (texts) may be added: how a value came about, why there
        is none, what a person should know of it; `ask`: which of its `questions` a row asks;
        and a struct `note` for more.
        """
        ...


#: The field of a change's notes that says which rows build on one another.
CHAIN = "chain"
#: Parts that a task may have, and what the engine does where it has not.
OPTIONAL: Mapping[str, Any] = {
    "overwrite": False,  # also rows whose target holds something else
    "allow_null": False,  # a new value may be NULL
    "accept": None,  # (resolved table): raises what is wrong with it
    "facts": None,  # what the preflight shows beside the engine's
    "pending": None,  # (connection, resolved table): rows that wait, by scope; else a NULL target
    "what": None,  # what one such row is called, and several
    "views": None,  # (staging): shown above the diff
    "chain": None,  # (row): equal text for rows that build on one another; they go one by one
    "questions": None,  # kinds of question that its rows may ask, each with the words that answer
    "reasons": None,  # why it skips rows, beside the engine's reasons: all of them
    "check": None,  # (rows): written rows that another computation finds wrong
    "remarks": None,  # (connection, rows): what an undo of each leaves behind
    "finish": None,  # (folder): writes files, returns keys of the summary
    "writer": None,  # (target): writes something else than one row of one table
    "reverter": None,  # (target): writes that back
    "notebook": None,  # path of one of its own
}
#: Parts that a run's row tells of: whoever goes on with it must have them as well.
TOLD = ("chain", "writer", "reverter")


def part(task: Task, name: str) -> Any:
    """Return an optional part of a task, or the engine's default."""
    return getattr(task, name, OPTIONAL[name])
