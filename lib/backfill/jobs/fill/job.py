"""The fill task, before its table is known and upon it: values at hand, or rows to compute them
from in a notebook."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from backfill.decisions import Answers
from backfill.display.counting import counted
from backfill.errors import PreflightError, UsageError
from backfill.folder import FILE_MODE, RunFolder
from backfill.jobs.fill import extracted
from backfill.jobs.fill.frames import index_left_out, keep_frame, keep_query
from backfill.jobs.fill.settings import NOTHING_PROPOSED, FillRuns, FillSettings
from backfill.jobs.fill.values import KEPT_FILE, QUERY_KEY, index_of, open_values
from backfill.plans.fitting import column_texts
from backfill.plans.keyed_rows import (
    SHOWN_KEYS,
    KeyedRows,
    Match,
    struct_from,
)
from backfill.plans.staging import Staging, literal, quoted
from backfill.report import Reporter
from backfill.rows.others_texts import DATES, are_untold, dates_in_parts, how_untold
from backfill.rows.texts import texts_of
from backfill.rows.values import places_of
from backfill.server.catalog import did_you_mean
from backfill.server.catalog_columns import CatalogColumn, columns_of
from backfill.server.database import Database
from backfill.server.plain_table import targets_null
from backfill.server.postgres import Connection
from backfill.server.rights import check_rights, rights_on
from backfill.server.table import Table
from backfill.steps.chosen import count_chosen
from backfill.steps.plain_rows import CHOSEN, PlainRows, plain_preflight
from backfill.steps.task import Names, Preflight
from backfill.steps.task_table import Resolved, resolved_of
from backfill.temporary import TemporaryFolder

JOB_NAME = "fill"


class FillTask:
    """`Task` of values that the parameters name, or that a notebook will propose."""

    name = JOB_NAME
    what = ("row of values is there", "rows of values are there")
    parts_of_runs = FillRuns
    counts_itself = True

    def __init__(self, chosen: FillSettings, values: str, query: str, where: str) -> None:
        """`values` is a file, `query` DuckDB's SQL; `where` chooses rows for a notebook."""
        self._chosen = chosen
        self._query = query
        self._file = values
        self.chooses = where
        self.overwrite = chosen.overwrite
        self.allow_null = chosen.allow_null
        #: Columns that the run has read itself: the values need not bring them along.
        self._extracted: Collection[str] = ()
        self._index = ""  # of a proposed frame, what is to be said of it
        self._nothing: TemporaryFolder | None = None
        self.values = open_values(Path(values)) if values else None
        if self.values and query and not is_kept(self.values.path, query):
            raise UsageError("Values come from --values or from --query: give one of them.")
        if self.values is None and query:
            self._nothing = TemporaryFolder("fill")
            path = self._nothing.path / KEPT_FILE
            try:
                keep_query(query, path, Path.cwd())
                self.values = open_values(path)
            except UsageError:
                self._nothing.cleanup()
                raise
        #: Whether the parameters name the values; what a notebook proposes may be said anew.
        self.has_values = self.values is not None

    @property
    def _origin(self) -> str:
        """The file or query that the values came from, as it was named."""
        return self._query or (self.values.path.name if self.values else "")

    @property
    def settings(self) -> Mapping[str, Any]:
        return {
            **self._chosen.as_json(),
            "values": self._origin,
            "values_sha256": self.values.sha256 if self.values else None,
            **({"where": self.chooses} if self.chooses else {}),
        }

    def keep_files(self, folder: RunFolder) -> dict[str, Any]:
        """Keep what a query returned with the run; return the parameters that change by it."""
        if self._nothing is None or self.values is None:
            return {}
        path = folder.file(KEPT_FILE)
        shutil.copyfile(self.values.path, path)
        path.chmod(FILE_MODE)
        self.values = replace(self.values, path=path)
        self._nothing.cleanup()
        self._nothing = None
        return {"values": str(path)}

    def take(
        self, rows: Any, reads: Sequence[str] | None, path: Path, extracted: Collection[str]
    ) -> None:
        """Take rows that a notebook proposes, kept at `path`, as if a file held them."""
        keep_frame(rows, path)
        path.chmod(FILE_MODE)
        self._index = index_left_out(rows)
        names = (reads,) if isinstance(reads, str) else reads
        self._chosen = replace(self._chosen, reads=None if names is None else tuple(names))
        self.values = open_values(path)
        self._extracted = extracted

    def preflight(self, connection: Connection, *, writing: bool) -> tuple[FillRows, Preflight]:
        resolved = resolved_of(self, connection)
        found = plain_preflight(self, connection, resolved, writing=writing)
        if not self.has_values:
            where = self.chooses or targets_null(resolved.table)
            rows = count_chosen(connection, resolved.table, where, "--where")
            found = replace(
                found,
                pending={str(resolved.table.relation): rows},
                what=CHOSEN,
                facts={**found.facts, "chosen": where},
            )
        return FillRows(self, resolved, found), found

    @property
    def facts(self) -> dict[str, str]:
        if self.values is None:
            return {}
        return {"values": self._origin, "their columns": ", ".join(self.values.columns)}

    def names(self) -> Names:
        chosen = self._chosen
        others = {*chosen.key, *chosen.targets}
        columns = self.values.columns if self.values else ()
        own = chosen.reads if chosen.reads is not None else columns
        listed = tuple(name for name in own if name not in others)
        if chosen.reads is not None:
            return Names(chosen.table, chosen.targets, listed, chosen.key)
        return Names(chosen.table, chosen.targets, key=chosen.key, perhaps=listed)

    def accept(self, resolved: Resolved) -> None:
        """Raise `UsageError` unless the values have a column for each key and target."""
        if self.values is None:
            return
        for what, names in (
            ("key column", resolved.found_by),
            ("column to write", self._chosen.targets),
            ("source", [n for n in self._chosen.reads or () if n not in self._extracted]),
        ):
            for name in names:
                if name not in self.values.columns:
                    raise UsageError(
                        f"The values have no {what} {name}."
                        f"{did_you_mean(name, self.values.columns)} "
                        f"They have: {', '.join(self.values.columns) or 'no column at all'}."
                        f"{self._renamed(name, self.values.columns)}"
                        f"{self._in_parts(name, resolved)}{self._index or index_of(self.values)}"
                    )

    def _renamed(self, name: str, columns: Sequence[str]) -> str:
        """Return how a column that is only spelt otherwise gets the table's name."""
        same = [n for n in columns if n.strip().casefold() == name.casefold()]
        if not same or not self._file:
            return ""
        query = f"SELECT * RENAME ({quoted(same[0])} AS {quoted(name)}) FROM {literal(self._file)}"
        return f" By the table's name: --query {shlex.quote(query)}"

    def _in_parts(self, name: str, resolved: Resolved) -> str:
        """Return how a date is made whose year, month and day are columns of their own."""
        kind = resolved.columns[name].kind if name in resolved.columns else ""
        parts = dates_in_parts(self.values.columns) if self.values and kind in DATES else []
        if not parts:
            return ""
        if self._file:
            made = f"make_date({', '.join(map(quoted, parts[0]))}) AS {quoted(name)}"
            query = f"SELECT *, {made} FROM {literal(self._file)}"
            return f" Of {', '.join(parts[0])}: --query {shlex.quote(query)}"
        words = zip(("year", "month", "day"), parts[0], strict=True)
        made = ", ".join(f"{word}=rows[{part!r}]" for word, part in words)
        return f" Of {', '.join(parts[0])}: rows[{name!r}] = pandas.to_datetime(dict({made}))"

    def pending(self, connection: Connection, resolved: Resolved) -> dict[str, int]:
        rows = self.values.count() if self.values else 0
        return {str(resolved.table.relation): rows}

    def extract(self, connection: Connection, table: Table) -> Iterator[pa.Table]:
        """Yield each row of the values with the row of the table that its key names."""
        assert self.values is not None
        columns = columns_of(connection, table.relation)
        keys = self._chosen.key or tuple(column.name for column in table.key.columns)
        brought = {*self.values.columns} - {*keys}
        own = [column.name for column in table.sources if column.name in brought]
        reader = KeyedRows(
            connection,
            table,
            Match(tuple(columns[n] for n in keys), tuple(columns[n] for n in own)),
        )
        named = {*keys, *own, *self._chosen.targets}
        notes = [n for n in self.values.columns if n not in named and n not in columns]
        first = 1
        for batch in self.values.batches():
            given = {n: column_texts(batch.column(n), columns[n]) for n in (*keys, *own)}
            _refuse_null_keys({name: given[name] for name in keys}, first)
            _refuse_untold_dates(given, columns, first)
            rows = reader.read(given)
            values = {n: column_texts(batch.column(n), columns[n]) for n in self._chosen.targets}
            noted = {name: texts_of(batch.column(name)) for name in notes}
            count = batch.num_rows
            rows = rows.append_column("given", struct_from(values, count))
            yield rows.append_column("note", struct_from(noted, count))
            first += count

    def compute(self, rows: pa.Table) -> pa.Table:
        return pa.table({"after": rows.column("given")})


class FillRows(PlainRows):
    """Fill upon its table. Without values it waits for `propose`, which brings them."""

    task: FillTask
    nothing_yet = NOTHING_PROPOSED

    def __init__(self, task: FillTask, resolved: Resolved, found: Preflight) -> None:
        super().__init__(task, {}, Answers(), resolved, found)

    @property
    def _counted(self) -> int:
        return sum(self.preflight.pending.values())

    def stage_rows(self, dsn: str, staging: Staging, reporter: Reporter) -> int:
        self.task.keep_files(RunFolder(staging.path.parent))
        if not self.task.has_values:
            where = self.preflight.facts["chosen"]
            return extracted.read(dsn, self.resolved, where, self._counted, staging, reporter)
        rows = super().stage_rows(dsn, staging, reporter)
        if rows != self._counted:
            raise PreflightError(
                f"The preflight counted {self._counted:,} rows of values, {rows:,} were read: "
                f"does somebody write to {self.task.settings['values']}? Nothing was planned."
            )
        return rows

    def frame(self, staging: Staging) -> Any:
        """Return the chosen rows as a dataframe: key, sources, targets; else the values' rows."""
        return extracted.frame(staging, self.resolved, has_values=self.task.has_values)

    def propose(
        self,
        rows: Any,
        reads: Sequence[str] | None,
        staging: Staging,
        database: Database,
        reporter: Reporter,
    ) -> int | None:
        """Take rows with new values; return how many. The run goes on as if a file held them.

        None where the parameters name the values: those count.
        """
        if self.task.has_values:
            reporter.message(
                "The values come from where the parameters say: what this cell proposes is not "
                "used.",
                "warning",
            )
            return None
        if self.task.values is not None:
            reporter.message("This takes the place of what was proposed before: all rows at once.")
        path = staging.path.parent / KEPT_FILE
        self.task.take(rows, reads, path, extracted.columns(staging))
        with database.connect(read_only=True) as connection:
            self.resolved = resolved_of(self.task, connection)
            check_rights(connection, rights_on(self.table), writing=False)
        count = super().stage_rows(database.dsn, staging, reporter)
        if count:
            extracted.compare(staging, self.table)
        if left := extracted.not_proposed(staging):
            reporter.message(
                f"{counted(left, 'row')} of those that were read {'are' if left > 1 else 'is'} not "
                "among the proposed ones, and will stay as before.",
                "warning",
            )
        return count

    def has_proposed(self, rows: Any) -> bool:
        """Whether the values that count, and a plan may be made of, are these."""
        taken = self.task.values
        if self.task.has_values or taken is None:
            return self.task.has_values
        with TemporaryFolder("fill") as folder:
            path = Path(folder) / KEPT_FILE
            keep_frame(rows, path)
            if open_values(path).sha256 == taken.sha256:
                return True
            with pa.ipc.open_file(path) as new, pa.ipc.open_file(taken.path) as old:
                return bool(new.read_all().equals(old.read_all()))

    def plan_schema(self, staging: Staging) -> pa.Schema:
        if self.task.values is None:
            raise UsageError(NOTHING_PROPOSED)
        return super().plan_schema(staging)


def is_kept(path: Path, query: str) -> bool:
    """Return whether a file holds what a query returned, in an earlier process of this run."""
    if path.name != KEPT_FILE:
        return False
    with pa.ipc.open_file(path) as reader:
        metadata = reader.schema.metadata or {}
    return bool(metadata.get(QUERY_KEY, b"").decode() == query)


def _refuse_untold_dates(
    given: Mapping[str, pa.Array], columns: Mapping[str, CatalogColumn], first: int
) -> None:
    """Another row would be found, or taken for one that was edited."""
    for name, texts in given.items():
        if places := are_untold(texts, columns[name].kind):
            told = how_untold(texts[places[0]].as_py())
            raise UsageError(f"{name} in row {first + places[0]:,} of the values: {told}.")


def _refuse_null_keys(keys: Mapping[str, pa.Array], first: int) -> None:
    for name, texts in keys.items():
        if texts.null_count:
            rows = [f"row {first + place:,}" for place in places_of(texts.is_null())]
            more = f" and {len(rows) - SHOWN_KEYS:,} more" if len(rows) > SHOWN_KEYS else ""
            raise UsageError(
                f"The key {name} is NULL in {', '.join(rows[:SHOWN_KEYS])}{more} of the values: "
                "which row is meant, nobody can know."
            )
