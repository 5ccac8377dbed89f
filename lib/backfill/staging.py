"""The run's DuckDB file: extracted rows, computed changes and skips as tables to go on from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from backfill.folder import FILE_MODE

STAGING_FILE = "staging.duckdb"
MEMORY_LIMIT = "256MB"
BATCH_ROWS = 65_536


class Staging:
    """Tables of one run. Rows come and go as Arrow: no Python object per row."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection = duckdb.connect(
            str(path),
            config={
                "memory_limit": MEMORY_LIMIT,
                "temp_directory": f"{path}.tmp",
                "preserve_insertion_order": True,
            },
        )
        path.chmod(FILE_MODE)
        self._connection.execute("SET TimeZone = 'UTC'")

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """The DuckDB connection, for an analyst's own queries."""
        return self._connection

    def create(self, table: str, schema: pa.Schema) -> None:
        """Make an empty table, replacing one of that name."""
        empty = schema.empty_table()
        self._connection.register("incoming", empty)
        self._connection.execute(f'CREATE OR REPLACE TABLE "{table}" AS SELECT * FROM incoming')
        self._connection.unregister("incoming")

    def append(self, table: str, rows: pa.Table) -> None:
        """Add rows to a table of the same columns."""
        if not rows.num_rows:
            return
        self._connection.register("incoming", rows)
        self._connection.execute(f'INSERT INTO "{table}" SELECT * FROM incoming')
        self._connection.unregister("incoming")

    def read(
        self, query: str, schema: pa.Schema, batch_rows: int = BATCH_ROWS
    ) -> Iterator[pa.Table]:
        """Yield a query's rows as tables of `schema`, a batch at a time."""
        # A cursor of its own: the caller writes to another table meanwhile.
        cursor = self._connection.cursor()
        try:
            for batch in cursor.sql(query).to_arrow_reader(batch_rows):
                yield pa.Table.from_batches([batch]).cast(schema)
        finally:
            cursor.close()

    def scalar(self, query: str) -> Any:
        """Return the first column of the first row."""
        row = self._connection.execute(query).fetchone()
        return row[0] if row else None

    def close(self) -> None:
        self._connection.close()
