"""The rows that a notebook computes new values from: read for it, handed to it, and held against
what it proposes."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from backfill.errors import UsageError
from backfill.jobs.fill.frames import as_frame
from backfill.plans.keyed_rows import rows_schema, rows_where
from backfill.plans.staging import Staging, field_of
from backfill.report import Reporter
from backfill.server.postgres import connect
from backfill.server.table import Table
from backfill.steps.chosen import ChosenRows
from backfill.steps.plain_rows import PATIENT
from backfill.steps.task_rows import typed
from backfill.steps.task_table import Resolved

ROWS_TABLE = "rows"


def read(
    dsn: str, resolved: Resolved, where: str, counted: int, staging: Staging, reporter: Reporter
) -> int:
    """Read the rows that a condition chooses, with all columns that this role may see."""
    whole = _whole(resolved)
    staging.create(ROWS_TABLE, rows_schema(whole))
    with connect(dsn, read_only=True, limits=PATIENT) as connection:
        chosen = ChosenRows(connection, whole, where, partial(rows_where, connection, whole, where))
        return chosen.stage(staging, ROWS_TABLE, counted, reporter)


def _whole(resolved: Resolved) -> Table:
    """Return the table with every readable column that is no target as a source."""
    targets = {column.name for column in resolved.table.targets}
    known = resolved.columns.values()
    readable = (c.as_text() for c in known if c.is_readable and c.name not in targets)
    return replace(resolved.table, sources=tuple(readable))


def frame(staging: Staging, resolved: Resolved, *, has_values: bool) -> Any:
    """Return them as a dataframe: key, sources, targets; with values, what these are to become."""
    if not staging.has("extracted" if has_values else ROWS_TABLE):
        raise UsageError("Nothing is extracted yet. Run the cells above first: run.extract().")
    if has_values:
        return staging.table("FROM extracted ORDER BY key").flatten().to_pandas()
    rows = staging.table(f"FROM {ROWS_TABLE} ORDER BY key")
    known = resolved.columns
    sources = tuple(known[name].as_text() for name in columns(staging) if name in known)
    decimals = [name for name, column in known.items() if column.kind == "numeric"]
    table = replace(resolved.table, sources=sources)
    return as_frame(typed(rows, replace(resolved, table=table)), resolved.found_by, decimals)


def compare(staging: Staging, table: Table) -> None:
    """A row that was extracted is drifted when a source is not what it was then.

    What a dataframe made of it in between does not matter.
    """
    names = [column.name for column in table.sources]
    then = columns(staging)
    same = " AND ".join(
        f"{field_of('e.source', names, name)} IS NOT DISTINCT FROM"
        f" {field_of('r.source', then, name)}"
        for name in names
        if name in then
    )
    if not same:
        return
    staging.connection.execute(
        "UPDATE extracted AS e SET skip = CASE WHEN " + same + " THEN NULL ELSE 'drifted' END,"
        " detail = CASE WHEN " + same + " THEN NULL ELSE 'a column that the value was computed"
        " from was edited since it was read' END"
        f" FROM {ROWS_TABLE} AS r WHERE r.key = e.key"
        " AND coalesce(e.skip, 'drifted') = 'drifted'"
    )


def columns(staging: Staging) -> list[str]:
    """Return the columns that were read for a notebook, but for the targets."""
    if not staging.has(ROWS_TABLE):
        return []
    none = staging.table(f"SELECT source FROM {ROWS_TABLE} LIMIT 0")
    return [field.name for field in none.schema.field("source").type]


def not_proposed(staging: Staging) -> int:
    """Return how many rows were read for a notebook that it did not hand back."""
    if not staging.has(ROWS_TABLE):
        return 0
    left = f"SELECT count(*) FROM {ROWS_TABLE} ANTI JOIN extracted USING (key)"
    return int(staging.scalar(left))
