"""Look at the rows that a run wrote, as they are now: the table must be there as it was."""

from __future__ import annotations

from collections.abc import Mapping

import psycopg
import pyarrow as pa

from backfill.errors import PreflightError
from backfill.records.ledger import RunRow
from backfill.server.in_bulk import words_of
from backfill.server.postgres import Connection
from backfill.steps.kind import JobKind

#: What the server says of a table that was dropped, renamed, or whose columns were.
_OF_ANOTHER_TABLE = (
    psycopg.errors.UndefinedTable,
    psycopg.errors.UndefinedColumn,
    psycopg.errors.UndefinedFunction,
    psycopg.errors.UndefinedObject,
    psycopg.errors.DatatypeMismatch,
    psycopg.errors.CannotCoerce,
    psycopg.errors.InvalidSchemaName,
)


def rows_not_at(
    connection: Connection, kind: JobKind, run: RunRow, rows: pa.Table, side: str
) -> Mapping[int, str | None]:
    """Return present values by row, of the image rows that the database holds not at `side`.

    Raises `PreflightError` where the table can not hold such rows any more.
    """
    try:
        return kind.look(connection, run.target, rows, side)
    except _OF_ANOTHER_TABLE as error:
        raise PreflightError(
            f"The rows of run {run.run_id} can not be looked at: {words_of(error)}. "
            f"{run.scope.get('table', 'The table')} is not what it was when the run wrote to it. "
            "Give table, columns and types their names back, if need be for this command only, "
            "and type it again. The run's images stay in backfill.chunk_image."
        ) from None
