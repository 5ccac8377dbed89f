"""From a task's names to its table: everything that can be wrong with a name, or lacking in rights,
is said here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from backfill.errors import UsageError
from backfill.rows.keys import Key
from backfill.server.catalog import find_relation, hidden_rows, no_key, require_columns
from backfill.server.catalog_columns import CatalogColumn, columns_of, unique_keys
from backfill.server.plain_table import check_names, check_writable, key_of
from backfill.server.postgres import Connection
from backfill.server.table import Relation, Table
from backfill.server.update_cost import cost_warnings
from backfill.steps.task import Names, part
from backfill.steps.task_returns import called, names_of

#: What a statement returns has two columns for each target, and 1,664 at most.
TARGETS_MAX = 800


@dataclass(frozen=True, slots=True)
class Resolved:
    """A task's table, all columns of it, and the columns by which rows are found.

    Those are the key of the plan wherever an index makes them unique; else the primary key is,
    and they are sources: a row that got another value there since is another row.
    """

    table: Table
    columns: Mapping[str, CatalogColumn]
    found_by: tuple[str, ...]


def resolve(connection: Connection, names: Names) -> Resolved:
    """Return the table with its types, or raise `PreflightError` or `UsageError` with the mend."""
    _check(names)
    relation = find_relation(connection, names.table)
    columns = columns_of(connection, relation)
    require_columns(relation, columns, (*names.key, *names.targets, *names.sources), mend="")
    for target in names.targets:
        check_writable(relation, columns[target])
    key, found_by = _key(connection, relation, columns, names.key)
    own = [column.name for column in key.columns]
    for target in names.targets:
        if target in own:
            raise UsageError(
                f"{relation}.{target} is part of the key: a row whose key changes is another row, "
                "and could not be put back. Leave it out of --set."
            )
    there = [name for name in names.perhaps if name in columns and name not in names.targets]
    sources = [name for name in (*names.sources, *there, *found_by) if name not in own]
    return Resolved(
        Table(
            relation,
            key,
            tuple(columns[name].as_text() for name in names.targets),
            tuple(columns[name].as_text() for name in dict.fromkeys(sources)),
        ),
        columns,
        found_by,
    )


def _check(names: Names) -> None:
    if not names.table:
        raise UsageError("Which table? --table schema.name")
    if not names.targets:
        raise UsageError("Which columns are to be written? --set COLUMN, or --set COLUMN,COLUMN")
    if len(names.targets) > TARGETS_MAX:
        raise UsageError(
            f"{len(names.targets):,} columns are too many for one statement of PostgreSQL: fill "
            f"{TARGETS_MAX} at most at once, in several runs."
        )
    check_names("--set", names.targets)
    check_names("--key", names.key)
    check_names("A source", names.sources)
    for what, listed in (("--set", names.targets), ("--key", names.key)):
        if twice := [name for name in listed if listed.count(name) > 1]:
            raise UsageError(f"{what} names {twice[0]} twice.")
    if both := set(names.targets) & set(names.key):
        raise UsageError(f"{min(both)} is in --key and in --set: a key stays as it is.")
    if both := set(names.targets) & set(names.sources):
        raise UsageError(
            f"{min(both)} is a target and a source: what stands there now is in `before`, and is "
            "compared when the row is written. Leave it out of the sources."
        )


def _key(
    connection: Connection,
    relation: Relation,
    columns: Mapping[str, CatalogColumn],
    wanted: tuple[str, ...],
) -> tuple[Key, tuple[str, ...]]:
    uniques = unique_keys(connection, relation)
    primary = next((key.columns for key in uniques if key.is_primary), None)
    not_null = [key.columns for key in uniques if key.is_not_null]
    own = next((names for names in not_null if wanted and set(names) == set(wanted)), None)
    chosen = wanted if own else primary or next(iter(not_null), None)
    if chosen is None:
        raise no_key(connection, relation, wanted)
    return key_of(columns, chosen), wanted or chosen


def resolved_of(task: Any, connection: Connection) -> Resolved:
    """Return a task's table with its types; raise what the task finds wrong with it."""
    resolved = resolve(connection, names_of(task))
    if part(task, "accept"):
        called(task, "accept", resolved)
    return resolved


def cautions(connection: Connection, resolved: Resolved) -> list[str]:
    """Return warnings: what makes writing dear, and which rows this role may not see."""
    table = resolved.table
    columns = [column.name for column in table.targets]
    return [
        *cost_warnings(connection, table.relation, columns, 0),
        *hidden_rows(connection, [table.relation], _TOLD_AS_MISSING),
    ]


_TOLD_AS_MISSING = (
    "rows that this role may not see are told as missing. Use a role with BYPASSRLS to reach all."
)
