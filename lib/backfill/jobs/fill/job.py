"""A run of fill as the engine sees it: values at hand, or rows to compute them from."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from backfill.errors import PreflightError, UsageError
from backfill.folder import FILE_MODE, RunFolder
from backfill.jobs.fill.frames import as_frame, keep_frame
from backfill.jobs.fill.query import keep_query
from backfill.jobs.fill.task import FillSettings, FillTask
from backfill.jobs.fill.values import KEPT_FILE, QUERY_KEY, Values, open_values
from backfill.plans.keyed_rows import rows_schema, rows_where
from backfill.plans.staging import Staging, field_of
from backfill.report import Reporter
from backfill.server.database import Database
from backfill.server.plain_table import PlainTable, targets_null
from backfill.server.postgres import Connection, connect
from backfill.steps.chosen import ChosenRows, count_chosen
from backfill.steps.job import Job, Ready
from backfill.steps.plain_rows import CHOSEN, PATIENT, PlainRows, plain_preflight
from backfill.steps.task import Preflight
from backfill.steps.task_rows import typed
from backfill.steps.task_table import Resolved

ROWS_TABLE = "rows"


class FillJob(Job):
    """`Job` of fill: of values that the parameters name, or that a notebook will propose."""

    def __init__(self, settings: FillSettings, values: str, query: str, where: str) -> None:
        """`values` is a file, `query` DuckDB's SQL; `where` chooses rows for a notebook."""
        self._chosen = settings
        self._query = query
        self.where = where
        self._nothing: tempfile.TemporaryDirectory[str] | None = None
        given = open_values(Path(values)) if values else None
        if given and query and not is_kept(given.path, query):
            raise UsageError("Values come from --values or from --query: give one of them.")
        if given is None and query:
            self._nothing = tempfile.TemporaryDirectory(prefix="backfill-fill-")
            path = Path(self._nothing.name) / KEPT_FILE
            try:
                keep_query(query, path, Path.cwd())
                given = open_values(path)
            except UsageError:
                self._nothing.cleanup()
                raise
        #: Whether the parameters name the values; what a notebook proposes may be said anew.
        self.has_values = given is not None
        super().__init__(self._task(given))

    def _task(self, values: Values | None, extracted: Collection[str] = ()) -> FillTask:
        origin = self._query or (values.path.name if values else "")
        return FillTask(self._chosen, values, origin, extracted)

    @property
    def settings(self) -> dict[str, Any]:
        return {**super().settings, **({"where": self.where} if self.where else {})}

    def keep(self, folder: RunFolder) -> dict[str, Any]:
        """Keep what a query returned with the run; return the parameters that change by it."""
        values = self.task.values
        if self._nothing is None or values is None:
            return {}
        path = folder.file(KEPT_FILE)
        shutil.copyfile(values.path, path)
        path.chmod(FILE_MODE)
        self.task = self._task(replace(values, path=path))
        self._nothing.cleanup()
        self._nothing = None
        return {"values": str(path)}

    def preflight(self, connection: Connection, *, writing: bool) -> Ready:
        resolved = self.resolved(connection)
        found = plain_preflight(self.task, connection, resolved, writing=writing)
        if not self.has_values:
            where = self.where or targets_null(resolved.table)
            rows = count_chosen(connection, resolved.table, where, "--where")
            found = replace(
                found,
                pending={str(resolved.table.relation): rows},
                what=CHOSEN,
                facts={**found.facts, "chosen": where},
            )
        return Ready(self, FillRows(self, resolved, found), found)

    def take(
        self,
        rows: Any,
        reads: Sequence[str] | None,
        path: Path,
        extracted: Collection[str],
        connection: Connection,
    ) -> Resolved:
        """Take rows that a notebook proposes, kept at `path`, as if a file held them."""
        keep_frame(rows, path)
        path.chmod(FILE_MODE)
        names = (reads,) if isinstance(reads, str) else reads
        self._chosen = replace(self._chosen, reads=None if names is None else tuple(names))
        self.task = self._task(open_values(path), extracted)
        return self.resolved(connection)


class FillRows(PlainRows):
    """Fill upon its table. Without values it waits for `propose`, which brings them."""

    def __init__(self, job: FillJob, resolved: Resolved, found: Preflight) -> None:
        super().__init__(job.task, job.origin, job.answers, resolved, found)
        self._job = job

    @property
    def _counted(self) -> int:
        return sum(self.found.pending.values())

    def stage_rows(self, dsn: str, staging: Staging, reporter: Reporter) -> int:
        self._job.keep(RunFolder(staging.path.parent))
        self.task = self._job.task
        if not self._job.has_values:
            return self._extract_rows(dsn, staging, reporter)
        rows = super().stage_rows(dsn, staging, reporter)
        if rows != self._counted:
            raise PreflightError(
                f"The preflight counted {self._counted:,} rows of values, {rows:,} were read: "
                f"does somebody write to {self.task.settings['values']}? Nothing was planned."
            )
        return rows

    def _extract_rows(self, dsn: str, staging: Staging, reporter: Reporter) -> int:
        """Read the chosen rows with all columns that this role may see, for a notebook."""
        where, whole = self.found.facts["chosen"], self._whole()
        staging.create(ROWS_TABLE, rows_schema(whole))
        with connect(dsn, read_only=True, limits=PATIENT) as connection:
            read = partial(rows_where, connection, whole, where)
            chosen = ChosenRows(connection, whole, where, read)
            return chosen.stage(staging, ROWS_TABLE, self._counted, reporter)

    def _whole(self) -> PlainTable:
        """Return the table with every readable column that is no target as a source."""
        targets = {column.name for column in self.table.targets}
        columns = self.resolved.columns.values()
        readable = (c.as_text() for c in columns if c.is_readable and c.name not in targets)
        return replace(self.table, sources=tuple(readable))

    def frame(self, staging: Staging) -> Any:
        """Return the chosen rows as a dataframe: key, sources, targets; else the values' rows."""
        if self._job.has_values:
            rows = staging.table("FROM extracted ORDER BY key")
            return rows.flatten().to_pandas()
        rows = staging.table(f"FROM {ROWS_TABLE} ORDER BY key")
        columns = self.resolved.columns
        read = (field.name for field in rows.schema.field("source").type)
        sources = tuple(columns[name].as_text() for name in read if name in columns)
        decimals = [name for name, column in columns.items() if column.kind == "numeric"]
        table = replace(self.table, sources=sources)
        made = typed(rows, replace(self.resolved, table=table))
        return as_frame(made, self.resolved.found_by, decimals)

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
        with database.connect(read_only=True) as connection:
            self.resolved = self._job.take(rows, reads, path, _extracted(staging), connection)
        self.task = self._job.task
        count = super().stage_rows(database.dsn, staging, reporter)
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

    def plan_schema(self, staging: Staging) -> pa.Schema:
        if self.task.values is None:
            raise UsageError(
                "Nothing was proposed yet. Compute new values from run.extracted, then: "
                'run.propose(rows, reads=["…"])'
            )
        return super().plan_schema(staging)


def _extracted(staging: Staging) -> list[str]:
    """Return the columns that were read for a notebook, but for the targets."""
    if not staging.has(ROWS_TABLE):
        return []
    none = staging.table(f"SELECT source FROM {ROWS_TABLE} LIMIT 0")
    return [field.name for field in none.schema.field("source").type]


def is_kept(path: Path, query: str) -> bool:
    """Return whether a file holds what a query returned, in an earlier process of this run."""
    if path.name != KEPT_FILE:
        return False
    with pa.ipc.open_file(path) as reader:
        metadata = reader.schema.metadata or {}
    return bool(metadata.get(QUERY_KEY, b"").decode() == query)
