"""A resolved table as JSON, so that a run can be verified and reverted from its ledger row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from backfill.rows.columns import TEXT, Column, ColumnType, SqlType
from backfill.rows.keys import Key, KeyColumn
from backfill.server.table import Lookup, Relation, Table


def table_to_json(table: Table) -> dict[str, Any]:
    """Return names and types of a table's columns."""
    lookup = table.lookup
    return {
        "schema": table.relation.schema,
        "name": table.relation.name,
        "key": [_key_to_json(column) for column in table.key.columns],
        "scope": _key_to_json(table.scope),
        "zone": table.zone,
        "walls": [_column_to_json(column) for column in table.walls],
        "targets": [_column_to_json(column) for column in table.targets],
        "lookup": [lookup.relation.schema, lookup.relation.name, lookup.key, lookup.zone]
        if lookup
        else None,
        "deleted": table.deleted,
    }


def table_from_json(document: Mapping[str, Any]) -> Table:
    """Return the table that `table_to_json` described."""
    lookup = document["lookup"]
    return Table(
        relation=Relation(document["schema"], document["name"]),
        key=Key(tuple(KeyColumn(*entry) for entry in document["key"])),
        scope=KeyColumn(*document["scope"]),
        zone=document["zone"],
        walls=tuple(_column(entry) for entry in document["walls"]),
        targets=tuple(_column(entry) for entry in document["targets"]),
        lookup=Lookup(Relation(lookup[0], lookup[1]), lookup[2], lookup[3]) if lookup else None,
        deleted=document["deleted"],
    )


def _key_to_json(column: KeyColumn) -> list[str]:
    return [column.name, column.type_name, *([column.operators] if column.operators else [])]


def _column_to_json(column: Column) -> list[str]:
    kind = column.sql_type
    return [column.name, column.type.value, kind.name, kind.declared, kind.operators]


def _column(entry: Sequence[str]) -> Column:
    """Return a column; earlier versions stored its name and how it travels."""
    name, travels, *kind = entry
    return Column(name, ColumnType(travels), sql_type=SqlType(*kind) if kind else TEXT)
