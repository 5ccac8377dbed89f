"""A run of fill as the engine sees it: values at hand, or rows to compute them from."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
from psycopg import sql

from backfill.errors import PreflightError, UsageError
from backfill.folder import FILE_MODE, RunFolder
from backfill.jobs.fill.frames import as_frame, keep_frame
from backfill.jobs.fill.query import keep_query
from backfill.jobs.fill.task import FillSettings, FillTask
from backfill.jobs.fill.values import KEPT_FILE, QUERY_KEY, open_values
from backfill.plans.counting_guard import check_all_read
from backfill.plans.keyed_rows import ChosenRows, rows_schema, rows_where
from backfill.plans.staging import Staging, field_of
from backfill.report import Reporter
from backfill.server.database import Database
from backfill.server.in_bulk import words_of
from backfill.server.plain_table import PlainTable, targets_null
from backfill.server.postgres import Connection, connect, scalar
from backfill.server.session import on_own_path
from backfill.steps.job import Computation, Preflight
from backfill.steps.task_job import PATIENT, TaskJob
from backfill.steps.task_rows import typed
from backfill.steps.task_table import resolve

ROWS_TABLE = "rows"


class FillJob(TaskJob):
    """`Job` of fill. Without values it waits for `propose`, which brings them."""

    def __init__(self, settings: FillSettings, values: str, query: str, where: str) -> None:
        """`values` is a file, `query` DuckDB's SQL; `where` chooses rows for a notebook."""
        self._settings = settings
        self._query = query
        self._where = where
        self._counted: int | None = None  # by the preflight
        self._nothing: tempfile.TemporaryDirectory[str] | None = None
        found = open_values(Path(values)) if values else None
        if found and query and not is_kept(found.path, query):
            raise UsageError("Values come from --values or from --query: give one of them.")
        if found is None and query:
            self._nothing = tempfile.TemporaryDirectory(prefix="backfill-fill-")
            path = Path(self._nothing.name) / KEPT_FILE
            try:
                keep_query(query, path, Path.cwd())
                found = open_values(path)
            except UsageError:
                self._nothing.cleanup()
                raise
        self._values = found
        self._is_given = found is not None
        super().__init__(self._task(settings))

    def _task(self, settings: FillSettings, extracted: Collection[str] = ()) -> FillTask:
        origin = self._query or (self._values.path.name if self._values else "")
        return FillTask(settings, self._values, origin, extracted)

    @property
    def has_values(self) -> bool:
        """Whether the parameters name the values; what a notebook proposes may be said anew."""
        return self._is_given

    @property
    def settings(self) -> dict[str, Any]:
        return {**super().settings, **({"where": self._where} if self._where else {})}

    def keep(self, folder: RunFolder) -> dict[str, Any]:
        """Keep what a query returned with the run; return the parameters that change by it."""
        if self._nothing is None or self._values is None:
            return {}
        path = folder.file(KEPT_FILE)
        shutil.copyfile(self._values.path, path)
        path.chmod(FILE_MODE)
        self._values = replace(self._values, path=path)
        self.task = self._task(self._settings)
        self._nothing.cleanup()
        self._nothing = None
        return {"values": str(path)}

    def preflight(self, connection: Connection, *, writing: bool) -> Preflight:
        found = super().preflight(connection, writing=writing)
        self._counted = sum(found.pending.values())
        if self.has_values:
            return found
        rows = self._counted = self._count(connection)
        return replace(
            found,
            pending={str(self.table.relation): rows},
            what=("row is chosen", "rows are chosen"),
            facts={**found.facts, "chosen": self._condition},
        )

    @property
    def _condition(self) -> str:
        return self._where or targets_null(self.table)

    def _count(self, connection: Connection) -> int:
        query = sql.SQL("SELECT count(*) FROM {} WHERE {}").format(
            self.table.relation.identifier, sql.SQL(self._condition)
        )
        try:
            with connection.transaction(), on_own_path(connection):
                return int(scalar(connection, query))
        except psycopg.errors.ReadOnlySqlTransaction as error:
            raise UsageError(
                f"--where {self._condition!r} writes something: {words_of(error)}. A condition "
                "may only read."
            ) from None
        except (psycopg.ProgrammingError, psycopg.DataError) as error:
            raise UsageError(
                f"--where {self._condition!r} is no condition on {self.table.relation}: "
                f"{words_of(error)}"
            ) from None

    def extract(self, dsn: str, staging: Staging, reporter: Reporter) -> int:
        self.keep(RunFolder(staging.path.parent))
        if self.has_values:
            rows = super().extract(dsn, staging, reporter)
            self._check_as_counted(rows)
            return rows
        return self._extract_rows(dsn, staging, reporter)

    def _check_as_counted(self, rows: int) -> None:
        if self._counted is not None and rows != self._counted:
            raise PreflightError(
                f"The preflight counted {self._counted:,} rows of values, {rows:,} were read: "
                f"does somebody write to {self.task.settings['values']}? Nothing was planned."
            )

    def _extract_rows(self, dsn: str, staging: Staging, reporter: Reporter) -> int:
        """Read the chosen rows with all columns that this role may see, for a notebook."""
        self._dsn = dsn
        rows = 0
        with connect(dsn, read_only=True, limits=PATIENT) as connection:
            whole = self._whole()
            staging.create(ROWS_TABLE, rows_schema(whole))
            for page in rows_where(connection, whole, self._condition):
                staging.append(ROWS_TABLE, page)
                rows += page.num_rows
                reporter.message(f"extract: {rows:,} rows read", "debug")
            if rows != self._counted:
                keys = staging.connection.sql(f"SELECT key FROM {ROWS_TABLE}").fetchall()
                chosen = ChosenRows(connection, whole, self._condition)
                check_all_read(chosen, self._counted, rows, {str(key) for (key,) in keys})
        return rows

    def _whole(self) -> PlainTable:
        """Return the table with every readable column that is no target as a source."""
        targets = {column.name for column in self.table.targets}
        columns = self.resolved.columns.values()
        readable = (c.as_text() for c in columns if c.is_readable and c.name not in targets)
        return replace(self.table, sources=tuple(readable))

    def frame(self, staging: Staging) -> Any:
        """Return the chosen rows as a dataframe: key, sources, targets; else the values' rows."""
        if self.has_values:
            return self._given_frame(staging)
        rows = staging.connection.cursor().sql(f"FROM {ROWS_TABLE} ORDER BY key").to_arrow_table()
        known = replace(
            self.table,
            sources=tuple(
                self.resolved.columns[field.name].as_text()
                for field in rows.schema.field("source").type
                if field.name in self.resolved.columns
            ),
        )
        columns = self.resolved.columns
        decimals = [name for name, column in columns.items() if column.kind == "numeric"]
        made = typed(rows, replace(self.resolved, table=known))
        return as_frame(made, self.resolved.found_by, decimals)

    def _given_frame(self, staging: Staging) -> Any:
        rows = staging.connection.cursor().sql("FROM extracted ORDER BY key").to_arrow_table()
        return rows.flatten().to_pandas()

    def propose(
        self,
        rows: Any,
        reads: Sequence[str] | None,
        staging: Staging,
        database: Database,
        reporter: Reporter,
    ) -> int:
        """Take rows with new values; return how many. The run goes on as if a file held them."""
        path = staging.path.parent / KEPT_FILE
        keep_frame(rows, path)
        path.chmod(FILE_MODE)
        self._values = open_values(path)
        names = (reads,) if isinstance(reads, str) else reads
        self._settings = replace(self._settings, reads=None if names is None else tuple(names))
        self.task = self._task(self._settings, _extracted(staging))
        with database.connect(read_only=True) as connection:
            self._resolved = resolve(connection, self.task.names())
            self.task.accept(self._resolved)
        count = super().extract(database.dsn, staging, reporter)
        if count:
            self._compare_with_extracted(staging)
        return count

    def _compare_with_extracted(self, staging: Staging) -> None:
        """A row that was extracted is drifted when a source is not what it was then.

        What a dataframe made of it in between does not matter.
        """
        names = [column.name for column in self.table.sources]
        read = _extracted(staging)
        same = " AND ".join(
            f"{field_of('e.source', names, name)} IS NOT DISTINCT FROM"
            f" {field_of('r.source', read, name)}"
            for name in names
            if name in read
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

    def compute(self, staging: Staging, folder: RunFolder, reporter: Reporter) -> Computation:
        if self._values is None:
            raise UsageError(
                "Nothing was proposed yet. Compute new values from run.extracted, then: "
                'run.propose(rows, reads=["…"])'
            )
        return super().compute(staging, folder, reporter)


def _extracted(staging: Staging) -> list[str]:
    """Return the columns that were read for a notebook, but for the targets."""
    if not staging.has(ROWS_TABLE):
        return []
    none = staging.connection.cursor().sql(f"SELECT source FROM {ROWS_TABLE} LIMIT 0")
    return [field.name for field in none.to_arrow_table().schema.field("source").type]


def is_kept(path: Path, query: str) -> bool:
    """Return whether a file holds what a query returned, in an earlier process of this run."""
    if path.name != KEPT_FILE:
        return False
    with pa.ipc.open_file(path) as reader:
        metadata = reader.schema.metadata or {}
    return bool(metadata.get(QUERY_KEY, b"").decode() == query)
