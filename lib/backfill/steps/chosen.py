"""The rows that a condition chooses: counted, read into staging, and compared with the count."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Set
from dataclasses import dataclass
from typing import Protocol

import psycopg
import pyarrow as pa
from psycopg import sql

from backfill.errors import PreflightError, UsageError
from backfill.loading import give_back
from backfill.plans.staging import Staging
from backfill.report import Reporter
from backfill.rows.spelt import condition
from backfill.server.catalog import refuse_chance
from backfill.server.in_bulk import words_of
from backfill.server.postgres import Connection, scalar
from backfill.server.session import on_own_path
from backfill.server.table import Table

SHOWN_KEYS = 5
_MEND = "Is the key's index sound? Mend: REINDEX, then plan again."


def count_chosen(connection: Connection, table: Table, where: str, said: str) -> int:
    """Return how many rows there are; raise `UsageError` for a condition that is none.

    `said` is what the condition is called where it was said.
    """
    refuse_chance(connection, f"{said} {where!r}", where)
    query = sql.SQL("SELECT count(*) FROM {} WHERE {}").format(
        table.relation.identifier, condition(where)
    )
    try:
        with connection.transaction(), on_own_path(connection):
            return int(scalar(connection, query))
    except psycopg.errors.ReadOnlySqlTransaction as error:
        raise UsageError(
            f"{said} {where!r} writes something: {words_of(error)}. A condition may only read."
        ) from None
    except (psycopg.ProgrammingError, psycopg.DataError) as error:
        raise UsageError(
            f"{said} {where!r} is no condition on {table.relation}: {words_of(error)}"
        ) from None


def stage_pages(pages: Iterable[pa.Table], staging: Staging, into: str, reporter: Reporter) -> int:
    """Put pages of rows into a table of staging; return how many rows there are."""
    rows = size = 0
    with staging.at_once():
        for page in pages:
            if not rows:
                staging.create(into, page.schema)
            staging.append(into, page)
            rows, size = rows + page.num_rows, size + page.nbytes
            give_back()  # what reading and storing a page took
            reporter.message(f"extract: {rows:,} rows read", "debug")
    staging.make_room(size)
    return rows


@dataclass(frozen=True, slots=True)
class ChosenRows:
    """The rows that a condition chooses: page by page as they are `read`, or all keys at once."""

    connection: Connection
    table: Table
    where: str
    read: Callable[[], Iterator[pa.Table]]

    def pages(self) -> Iterator[pa.Table]:
        return self.read()

    def keys(self) -> set[str]:
        name = self.table.relation.name
        query = sql.SQL("SELECT {key} FROM {relation} AS {alias} WHERE {where}").format(
            key=self.table.key.text_expression(name),
            relation=self.table.relation.identifier,
            alias=sql.Identifier(name),
            where=condition(self.where),
        )
        with self.connection.transaction(), on_own_path(self.connection):
            return {str(key) for (key,) in self.connection.execute(query)}

    def stage(
        self, staging: Staging, into: str, counted: int, reporter: Reporter, **mend: str
    ) -> int:
        """Read them into a table of staging; return how many rows there are.

        Raises `PreflightError` unless they are those that were `counted`.
        """
        rows = stage_pages(self.pages(), staging, into, reporter)
        if rows != counted:
            keys = staging.connection.sql(f"SELECT key FROM {into}").fetchall()
            check_all_read(self, counted, rows, {str(key) for (key,) in keys}, **mend)
        return rows


class Rows(Protocol):
    """Rows of a table that can be read page by page, and whose keys another way finds as well."""

    def keys(self) -> set[str]: ...

    def pages(self) -> Iterator[pa.Table]: ...


def check_all_read(
    pending: Rows, counted: int | None, rows: int, read: Set[str], mend: str = _MEND
) -> None:
    """Raise `PreflightError` unless others explain why `rows` were read where more were counted.

    `mend` says what else may be the matter, and what to do.

    1. Keys that are pending now and were not read may have come meanwhile. 2. So the table is read
    once more: whoever was there before that, and still is after it, must be read this time.
    """
    if rows != len(read):
        raise PreflightError(
            f"{rows:,} rows were read with {len(read):,} keys: some twice. Nothing was planned. "
            "Does a table inherit from this one, with keys of its own? Then make them unique over "
            "both. Else: REINDEX, then plan again."
        )
    missing = pending.keys() - read
    if not missing:
        return
    for page in pending.pages():
        missing -= set(page.column("key").to_pylist())
    missing &= pending.keys()
    if missing:
        some = ", ".join(sorted(missing)[:SHOWN_KEYS])
        raise PreflightError(
            f"The preflight counted {counted or 0:,} rows, {rows:,} were read; "
            f"{len(missing):,} are there and can not be read by their key, among them {some}. "
            f"Nothing was planned. {mend}"
        )
