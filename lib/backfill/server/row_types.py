"""The Arrow types of a table's rows, as extract reads them and a plan holds them."""

from __future__ import annotations

import pyarrow as pa

from backfill.rows.values import arrow_type
from backfill.server.table import Table


def lookup_field(table: Table) -> str | None:
    """Return the name in `source` of the default zone that was used, like `household.tz`."""
    return f"{table.lookup.relation.name}.{table.lookup.zone}" if table.lookup else None


def source_type(table: Table) -> pa.StructType:
    """Return the Arrow type of a change's `source`."""
    fields = [pa.field(column.name, arrow_type(column.type)) for column in table.sources]
    name = lookup_field(table)
    return pa.struct([*fields, pa.field(name, pa.string())] if name else fields)


def target_type(table: Table) -> pa.StructType:
    """Return the Arrow type of a change's `before` and `after`."""
    return pa.struct([pa.field(column.name, arrow_type(column.type)) for column in table.targets])
