"""The run's DuckDB file: extracted rows, computed changes and skips as tables to go on from."""

from __future__ import annotations

import contextlib
import math
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from backfill.errors import StorageError, first_line
from backfill.folder import FILE_MODE
from backfill.loading import unseen

if TYPE_CHECKING:  # imported when a file is opened: `status` opens none
    import duckdb

STAGING_FILE = "staging.duckdb"
MEMORY_MB = 96
MEMORY_LIMIT_IDLE = "8MB"
#: Each thread of DuckDB needs room of its own within the limit: four of them that sort ten million
#: rows find too little.
MOST_THREADS = 2
#: What is larger than this is sorted by one thread: two of them need more memory than it is worth.
LARGE_BYTES = 500_000_000
#: One thread sorts a gigabyte in this much (in less of it, as measured), and what is
#: larger in more: by the root, since it has to merge more stretches, and longer ones.
MB_FOR_A_GIGABYTE = 84
#: DuckDB holds what a transaction adds in memory, five times as much of it as Arrow does.
HELD_BYTES = 50_000_000
#: Rows of a kilobyte and keys of hundreds of characters need more to be sorted in than their size
#: tells: half as much again, so many times.
MOST_TIMES = 8
BATCH_ROWS = 65_536
#: DuckDB works on so many rows at a time, and has to hold them however long they are, and room for
#: as many in each column, and each part of one, however few there are.
VECTOR_ROWS = 2_048
PART_BYTES = 24
LONG_ROW_BYTES = 1_000
_PATTERN = re.compile(r"[*?\[]")


def quoted(name: str) -> str:
    """Return a column's name as DuckDB SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: object) -> str:
    """Return a text, or a path, as DuckDB SQL."""
    return "'" + str(text).replace("'", "''") + "'"


def named_file(path: Path) -> str:
    """Return a file's name as DuckDB SQL: that file's and no other's, r[1].csv is no r1.csv."""
    return literal(_PATTERN.sub(r"[\g<0>]", str(path.absolute())))


def parquet_rows(path: Path) -> str:
    """Return the rows of a Parquet file as DuckDB SQL; no folder, as key=1, becomes a column."""
    return f"read_parquet({named_file(path)}, hive_partitioning = false)"


def field_of(struct: str, names: Sequence[str], name: str) -> str:
    """Return the SQL of a field by its place among all `names` of a struct: by its name DuckDB
    would take the first one that differs in the case of its letters only."""
    return f"struct_extract_at({struct}, {names.index(name) + 1})"


def look_into(path: Path, query: str, *parameters: object) -> list[tuple[Any, ...]]:
    """Return rows of another run's working copy, none where it can not be had. Read-only."""
    if not path.is_file():
        return []
    import duckdb

    with contextlib.suppress(duckdb.Error):
        try:
            opened = duckdb.connect(str(path), read_only=True)
        except duckdb.ConnectionException:  # this process has it open: share it
            opened = duckdb.connect(str(path), config=_config(path))
        with opened:
            return opened.execute(query, parameters).fetchall()
    return []


def threads() -> int:
    """Return how many threads of DuckDB share a bounded memory, on any machine."""
    return min(os.cpu_count() or 1, MOST_THREADS)


def _config(path: Path) -> dict[str, str | bool | int | float | list[str]]:
    return {
        "memory_limit": f"{MEMORY_MB}MB",
        "threads": threads(),
        "temp_directory": f"{path}.tmp",
        "preserve_insertion_order": True,
    }


class Staging:
    """Tables of one run. Rows come and go as Arrow: no Python object per row."""

    def __init__(self, path: Path) -> None:
        import duckdb

        self.path = path
        self._memory_mb = MEMORY_MB
        self._long_rows_mb = 0  # what the longest rows so far need
        self._held: int | None = None  # bytes added in the transaction that is open, if one is
        self._error = duckdb.Error
        # In a kernel it would load widgets, for a bar of its own that no run shows.
        with self._on_disk(), unseen("ipywidgets"):
            self._connection = duckdb.connect(
                str(path),
                config=_config(path),
            )
            path.chmod(FILE_MODE)
        self._connection.execute("SET TimeZone = 'UTC'")

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """The DuckDB connection of the run's steps."""
        return self._connection

    def own_connection(self) -> duckdb.DuckDBPyConnection:
        """Return another connection to the same tables, for an analyst's own queries."""
        connection = self._connection.cursor()
        connection.execute("SET TimeZone = 'UTC'")
        return connection

    def create(self, table: str, schema: pa.Schema) -> None:
        """Make an empty table, replacing one of that name."""
        self._take(
            f"CREATE OR REPLACE TABLE {quoted(table)} AS SELECT * FROM incoming",
            schema.empty_table(),
        )

    def append(self, table: str, rows: pa.Table) -> None:
        """Add rows to a table of the same columns."""
        if not rows.num_rows:
            return
        self._make_room_for_long(rows.nbytes // rows.num_rows)
        self._take(f"INSERT INTO {quoted(table)} SELECT * FROM incoming", rows)
        if self._held is not None:
            self._held += rows.nbytes
            if self._held > HELD_BYTES:
                self._keep()

    @contextlib.contextmanager
    def at_once(self) -> Iterator[None]:
        """Write what is added within once, and not twice: all or nothing of some `HELD_BYTES`."""
        self._connection.execute("BEGIN")
        self._held = 0
        try:
            yield
        except BaseException:
            with contextlib.suppress(self._error):  # the first error tells
                self._connection.execute("ROLLBACK")
            raise
        finally:
            self._held = None
        with self._on_disk():
            self._connection.execute("COMMIT")

    def _keep(self) -> None:
        with self._on_disk():
            self._connection.execute("COMMIT")
            self._connection.execute("BEGIN")
        self._held = 0

    def make_room(self, size: int) -> None:
        """Take as much memory as the sorting of so many bytes of rows, as Arrow has them, needs."""
        if size > LARGE_BYTES:
            gigabytes = max(1.0, size / 1e9)
            by_size = round(MB_FOR_A_GIGABYTE * math.sqrt(gigabytes))
            self._memory_mb = max(by_size, self._long_rows_mb)
            self._work_with(1)

    def _make_room_for_long(self, row_bytes: int) -> None:
        """Take as much memory as rows of that many bytes need to be added."""
        needed = MEMORY_MB + 2 * VECTOR_ROWS * row_bytes // 1_000_000
        if needed > max(self._memory_mb, self._long_rows_mb) and row_bytes > LONG_ROW_BYTES:
            self._memory_mb = self._long_rows_mb = needed
            self._connection.execute(f"SET memory_limit = '{needed}MB'")

    def _more_room(self) -> None:
        """Have DuckDB try again with one thread, or with more memory where it has one already."""
        if self.scalar("SELECT current_setting('threads')") == 1:
            self._memory_mb += self._memory_mb // 2
        self._work_with(1)

    def _work_with(self, threads: int) -> None:
        self._connection.execute(f"SET threads = {threads}")
        self._connection.execute(f"SET memory_limit = '{self._memory_mb}MB'")

    def show(self, table: str, parquet: Path) -> None:
        """Show a Parquet file as a table: its rows are not stored twice."""
        self._connection.execute(
            f"CREATE OR REPLACE VIEW {quoted(table)} AS FROM {parquet_rows(parquet)}"
        )

    def _take(self, statement: str, incoming: pa.Table) -> None:
        self._make_room_for_long(PART_BYTES * sum(map(_parts, incoming.schema.types)))
        self._connection.register("incoming", incoming)
        with self._on_disk():
            self._connection.execute(statement)
        self._connection.unregister("incoming")

    @contextlib.contextmanager
    def _on_disk(self) -> Iterator[None]:
        """Raise `StorageError` when the disk refuses."""
        try:
            yield
        except (self._error, OSError) as error:
            raise StorageError(
                f"The staging file {self.path} could not be written: "
                f"{first_line(error)}. Nothing was done in the database. Free some room, "
                "or choose another folder with --runs-dir DIR, and plan again."
            ) from error

    def read(
        self, query: str, schema: pa.Schema | None = None, batch_rows: int = BATCH_ROWS
    ) -> Iterator[pa.Table]:
        """Yield a query's rows a batch at a time, as tables of `schema` where that is given.

        Where DuckDB finds too little memory it gets more, and goes on behind what was yielded: no
        two rows of the query may have the same place in its order.
        """
        behind = times = 0
        while True:
            try:
                for rows in self._batches(query, batch_rows, behind):
                    behind += rows.num_rows
                    yield rows if schema is None else rows.cast(schema)
                return
            except (self._error, OSError) as error:  # the latter is Arrow's, for any of the former
                times += 1
                if "Out of Memory" not in str(error) or times > MOST_TIMES:
                    raise
            self._more_room()

    def _batches(self, query: str, batch_rows: int, skipped: int) -> Iterator[pa.Table]:
        # A cursor of its own: the caller writes to another table meanwhile.
        cursor = self._connection.cursor()
        try:
            for batch in cursor.sql(query).to_arrow_reader(batch_rows):
                passed = min(skipped, batch.num_rows)
                skipped -= passed
                if passed < batch.num_rows:
                    yield pa.Table.from_batches([batch.slice(passed)])
        finally:
            cursor.close()

    def has(self, table: str) -> bool:
        """Return whether a step has made a table, or shown a file as one."""
        tables = self._connection.execute(
            "SELECT 1 FROM information_schema.tables WHERE table_name = ?", [table]
        ).fetchall()
        return bool(tables)

    def rows(self, query: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a query, for a person to look at: all of them at once."""
        with contextlib.closing(self._connection.cursor()) as cursor:
            return cursor.execute(query, list(parameters)).fetchall()

    def table(self, query: str) -> pa.Table:
        """Return the rows of a query as Arrow."""
        with contextlib.closing(self._connection.cursor()) as cursor:
            return cursor.sql(query).to_arrow_table()

    def scalar(self, query: str) -> Any:
        """Return the first column of the first row."""
        # A cursor of its own: rows that nobody fetches would keep the connection busy.
        with contextlib.closing(self._connection.cursor()) as cursor:
            row = cursor.execute(query).fetchone()
            return row[0] if row else None

    def let_go(self) -> None:
        """Give back the memory that keeps tables at hand; they are read from the disk again."""
        with contextlib.suppress(self._error):  # what is in use stays
            self._connection.execute(f"SET memory_limit = '{MEMORY_LIMIT_IDLE}'")
        self._connection.execute(f"SET memory_limit = '{self._memory_mb}MB'")

    def close(self) -> None:
        self._connection.close()


def _parts(kind: pa.DataType) -> int:
    """Return of how many columns one of a type is made, in the end."""
    return sum(_parts(kind.field(place).type) for place in range(kind.num_fields)) or 1
