"""A resolved table as JSON, so that a run can be verified and reverted from its ledger row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from backfill.rows.columns import Column, ColumnType
from backfill.rows.keys import Key, KeyColumn
from backfill.server.table import Lookup, Relation, Table


def table_to_json(table: Table) -> dict[str, Any]:
    """Return names and types of a table's columns."""
    lookup = table.lookup
    return {
        "schema": table.relation.schema,
        "name": table.relation.name,
        "key": [[column.name, column.type_name] for column in table.key.columns],
        "scope": [table.scope.name, table.scope.type_name],
        "zone": table.zone,
        "walls": [[column.name, column.type.value] for column in table.walls],
        "targets": [[column.name, column.type.value] for column in table.targets],
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
        key=Key(tuple(KeyColumn(name, type_name) for name, type_name in document["key"])),
        scope=KeyColumn(*document["scope"]),
        zone=document["zone"],
        walls=tuple(Column(name, ColumnType(kind)) for name, kind in document["walls"]),
        targets=tuple(Column(name, ColumnType(kind)) for name, kind in document["targets"]),
        lookup=Lookup(Relation(lookup[0], lookup[1]), lookup[2], lookup[3]) if lookup else None,
        deleted=document["deleted"],
    )
