"""Any table of the user's by names: key, targets, sources. Every value travels as its own text.

The text is what the server itself writes for a value under the settings of our sessions: it goes to
the plan and back without losing a sign. Read-only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from psycopg import sql

from backfill.errors import PreflightError, UsageError
from backfill.rows.columns import Column, ColumnType, SqlType
from backfill.rows.keys import Key, KeyColumn
from backfill.server.catalog_columns import CatalogColumn
from backfill.server.table import Relation, Table


def plain_to_json(table: Table) -> dict[str, Any]:
    """Return what a run's row and plan keep of the table."""
    return {
        "schema": table.relation.schema,
        "name": table.relation.name,
        "key": [[c.name, c.type_name, c.operators] for c in table.key.columns],
        "targets": [_column_json(column) for column in table.targets],
        "sources": [_column_json(column) for column in table.sources],
    }


def plain_from_json(document: Mapping[str, Any]) -> Table:
    """Return the table that a run's row describes."""
    return Table(
        Relation(str(document["schema"]), str(document["name"])),
        Key(tuple(KeyColumn(*map(str, entry)) for entry in document["key"])),
        tuple(_column_from(entry) for entry in document["targets"]),
        tuple(_column_from(entry) for entry in document["sources"]),
    )


def _column_json(column: Column) -> list[str]:
    kind = column.sql_type
    return [column.name, kind.name, kind.declared, kind.operators]


def _column_from(entry: Sequence[str]) -> Column:
    name, *kind = (str(part) for part in entry)
    return Column(name, ColumnType.TEXT, sql_type=SqlType(*kind))


def key_of(columns: Mapping[str, CatalogColumn], names: Iterable[str]) -> Key:
    return Key(tuple(columns[name].as_key() for name in names))


def check_writable(relation: Relation, column: CatalogColumn) -> None:
    """Raise `PreflightError` for a column that nobody can write."""
    if column.is_generated:
        raise PreflightError(
            f"{relation}.{column.name} is a generated column: PostgreSQL fills it itself, nobody "
            "can write it. Write the columns that it is made of."
        )
    if column.is_always_identity:
        raise PreflightError(
            f"{relation}.{column.name} is GENERATED ALWAYS AS IDENTITY: PostgreSQL refuses to "
            "update it. Name another column with --set."
        )


def check_names(what: str, names: Iterable[str]) -> None:
    """Raise `UsageError` for what is no name of PostgreSQL's."""
    for name in names:
        if not name or "\0" in name:
            raise UsageError(f"{what} names {name!r}: a name is not empty and holds no NUL.")


def columns_sql(alias: str, columns: Iterable[Column]) -> sql.Composable:
    """Return columns as text, for a SELECT."""
    return sql.SQL(", ").join(column.read(sql.Identifier(alias, column.name)) for column in columns)


def targets_null(table: Table) -> str:
    """Return the condition of the rows that wait for a value: a target is NULL."""
    names = [column.name.replace('"', '""') for column in table.targets]
    return " OR ".join(f'"{name}" IS NULL' for name in names)
