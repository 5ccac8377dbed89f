"""The Arrow types of a table's rows, as extract reads them and a plan holds them."""

from __future__ import annotations

import pyarrow as pa

from backfill.rows.columns import Column
from backfill.rows.values import arrow_type
from backfill.server.table import Table


def source_fields(table: Table) -> tuple[Column, ...]:
    """Return what a change's `source` holds: source columns, then values looked up."""
    return (*table.sources, *table.looked_up_fields)


def source_type(table: Table) -> pa.StructType:
    """Return the Arrow type of a change's `source`."""
    return pa.struct([pa.field(c.name, arrow_type(c.type)) for c in source_fields(table)])


def target_type(table: Table) -> pa.StructType:
    """Return the Arrow type of a change's `before` and `after`."""
    return pa.struct([pa.field(column.name, arrow_type(column.type)) for column in table.targets])
