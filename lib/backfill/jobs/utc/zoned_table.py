"""A table with the meaning of its columns: what the catalog made of a specification."""

from __future__ import annotations

from dataclasses import dataclass

from backfill.server.table import Table
from backfill.utc.described import Columns


@dataclass(frozen=True, slots=True)
class ZonedTable:
    """`table` is what the engine reads and writes, `columns` what they mean."""

    table: Table
    columns: Columns

    @property
    def scope_name(self) -> str:
        """What a member of the scope is called here; empty for a table without scopes."""
        return self.table.scope.name if self.table.scope else ""

    @property
    def member(self) -> str:
        """What a person calls a member of the scope: the name of its column, without `_id`."""
        return self.scope_name.removesuffix("_id") or "scope"
