"""The UTC job as the engine sees it: preflight, extract, compute, summary."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
from psycopg import sql

from backfill.decisions import Answer, Answers
from backfill.display.pages import Shown
from backfill.errors import PreflightError, UsageError
from backfill.folder import RunFolder
from backfill.jobs.utc.blocks import compute_blocks
from backfill.jobs.utc.encoding_check import check_encodings
from backfill.jobs.utc.filled import count_filled
from backfill.jobs.utc.pending import count_by_household, known_households
from backfill.jobs.utc.pictures import clock_change_picture, pending_picture
from backfill.jobs.utc.settings import Order, UtcSettings
from backfill.jobs.utc.table_json import table_to_json
from backfill.jobs.utc.views import diff_view
from backfill.next_command import next_command
from backfill.plans import plan
from backfill.plans.counting_guard import check_all_read
from backfill.plans.extract import PendingRows, extracted_schema
from backfill.plans.staging import Staging
from backfill.plans.worksheet import QUESTIONS_SCHEMA, questions_table
from backfill.report import Reporter
from backfill.server.catalog import (
    hidden_rows,
    missing_rights,
    resolve_table,
)
from backfill.server.database import Database
from backfill.server.postgres import Connection
from backfill.server.row_types import lookup_field, source_type, target_type
from backfill.server.table import Table
from backfill.server.update_cost import cost_warnings
from backfill.skips import Skip
from backfill.steps.job import Computation, Preflight
from backfill.utc.compute import Computed, changes_schema
from backfill.utc.pairs import Columns
from backfill.utc.wall import resolve_encoding
from backfill.versions import computing_versions
from backfill.workers.cluster import check_executor, open_executor

JOB_NAME = "utc"
MAX_LISTED_HOUSEHOLDS = 1_000
SKIPS_SCHEMA = pa.schema(
    [
        pa.field("position", pa.int64()),
        *(pa.field(name, pa.string()) for name in ("key", "scope", "column", "reason", "detail")),
    ]
)


class UtcJob:
    """One run's UTC backfill. `preflight` must come first: it learns the table's types."""

    name = JOB_NAME

    def __init__(self, settings: UtcSettings) -> None:
        self._settings = settings
        self._table: Table | None = None
        self._columns: Columns | None = None
        self._households: tuple[str, ...] = settings.households
        self._pending: int | None = None  # rows, as the preflight counted them

    @property
    def table(self) -> Table:
        if self._table is None:
            raise PreflightError("The preflight has not run yet. Run its cell first.")
        return self._table

    @property
    def columns(self) -> Columns:
        assert self._columns is not None or self.table
        assert self._columns is not None
        return self._columns

    @property
    def members(self) -> list[str] | None:
        return sorted(set(self._settings.households)) or None

    @property
    def scope(self) -> dict[str, Any]:
        return {"table": str(self.table.relation), "members": self.members}

    @property
    def settings(self) -> dict[str, Any]:
        return self._settings.as_json()

    def target(self) -> dict[str, Any]:
        return {
            "table": table_to_json(self.table),
            "encodings": {
                wall.name: encoding.value
                for wall, encoding in zip(self.columns.walls, self.columns.encodings, strict=True)
            },
            "default_tz": self._settings.default_tz,
        }

    def preflight(self, connection: Connection, *, writing: bool) -> Preflight:
        table = resolve_table(connection, self._settings.table)
        warnings = _check_rights(connection, table, writing)
        if self._settings.skip_deleted and table.deleted is None:
            raise PreflightError(
                f"--skip-deleted: {table.relation} has no column "
                f"{self._settings.table.deleted or 'for deleted rows in its specification'}. Leave "
                "the option out, or name the column with --table spec.toml."
            )
        self._table = table
        self._check_households(connection)
        encodings = tuple(
            resolve_encoding(self._settings.encoding, wall.name, wall.type) for wall in table.walls
        )
        check_encodings(connection, table, encodings, self.members)
        self._columns = Columns(
            table.walls, table.targets, encodings, table.zone, lookup_field(table)
        )
        pending = count_by_household(
            connection,
            table,
            self._households[:MAX_LISTED_HOUSEHOLDS],
            self.members,
            skip_deleted=self._settings.skip_deleted,
        )
        self._pending = sum(pending.values())
        warnings += _warnings(connection, table, self._pending)
        hidden = hidden_rows(connection, table)
        return Preflight(
            pending,
            (*warnings, *hidden),
            {
                **self._place(),
                "table": str(table.relation),
                "key": ", ".join(column.name for column in table.key.columns),
                "encoding": ", ".join(
                    f"{wall.name}: {encoding}"
                    for wall, encoding in zip(table.walls, encodings, strict=True)
                ),
            },
            hidden=tuple(hidden),
        )

    def _place(self) -> dict[str, str]:
        """Return which cluster computes, if one does; refuse one that can not."""
        scheduler = self._settings.scheduler
        if not scheduler:
            return {}
        return {"computed by": check_executor(scheduler, 1, computing_versions)}

    def _check_households(self, connection: Connection) -> None:
        """Refuse an asked-for household that neither table knows; list the known ones."""
        known = known_households(connection, self.table)
        for household in self._settings.households:
            if household not in known and not _has_rows(connection, self.table, household):
                close = difflib.get_close_matches(household, known, 3) or sorted(known)[:3]
                hint = f" Near: {', '.join(close)}." if close else ""
                raise UsageError(
                    f"There is no household {household!r} in this database.{hint} "
                    f"List what is pending: {next_command('status')}"
                )
        if not self._settings.households:
            self._households = tuple(known)

    def extract(self, dsn: str, staging: Staging, reporter: Reporter) -> int:
        has_places = self._settings.order is Order.HEAP
        staging.create("extracted", extracted_schema(self.table, has_places=has_places))
        pending = PendingRows(
            dsn,
            self.table,
            self.members,
            skip_deleted=self._settings.skip_deleted,
            has_places=has_places,
        )
        rows = 0
        for page in pending.pages(expected=self._pending):
            staging.append("extracted", page)
            rows += page.num_rows
            reporter.message(f"extract: {rows:,} pending rows read", "debug")
        if rows != self._pending:
            read = {
                key for (key,) in staging.connection.sql("SELECT key FROM extracted").fetchall()
            }
            check_all_read(pending, self._pending, rows, read)
        return rows

    def changes_schema(self) -> pa.Schema:
        return changes_schema(self.columns, source_type(self.table), target_type(self.table))

    def compute(self, staging: Staging, folder: RunFolder, reporter: Reporter) -> Computation:
        staging.create("skips", SKIPS_SCHEMA)
        staging.create("questions", QUESTIONS_SCHEMA)
        rows = int(staging.scalar("SELECT count(*) FROM extracted"))
        count = _Count()
        changes = (
            _taken(computed, count, staging, reporter) for computed in self._computed(staging)
        )
        written = plan.write_changes(folder, changes, self.changes_schema())
        self._warn_of_idle_decisions(count.used, reporter)
        return Computation(rows, written, count.skips, count.as_json(self._households))

    def _computed(self, staging: Staging) -> Iterator[Computed]:
        """Yield the result of each block of extracted rows, wherever it is computed.

        Here that is this process: packing a block for another costs more than computing it, and
        storing it costs more than both (make bench-scale).
        """
        order = self._settings.order.sql
        query = f"SELECT key, scope, source, before FROM extracted ORDER BY {order}"
        with open_executor(self._settings.scheduler, 1, computing_versions) as executor:
            blocks = staging.read(query, extracted_schema(self.table))
            yield from compute_blocks(blocks, self.columns, self._settings.policy, executor)

    @property
    def answers(self) -> Answers:
        return self._settings.answers

    def _warn_of_idle_decisions(self, used: set[Answer], reporter: Reporter) -> None:
        """Say which decisions met no doubtful value: a misspelt key must not pass unseen."""
        for answer in self._settings.answers.idle(used):
            reporter.message(
                f"The decision for {answer.what} (line {answer.line}) meets no pending gap, fold "
                "or warning: it has no effect. Look for a misspelt key or column, or a value that "
                "has changed since.",
                "warning",
            )

    def diff_view(self, staging: Staging) -> Shown:
        """Return what a person reads before approving."""
        return diff_view(staging, self.columns)

    def picture(self, staging: Staging, database: Database) -> Shown:
        """Return what is pending by household and month, and the rows around clock changes."""
        with database.connect(read_only=True) as connection:
            filled = count_filled(connection, self.table, self.columns, self.members)
        pending = pending_picture(staging, self.columns, filled)
        return pending + clock_change_picture(staging, self.columns)


@dataclass
class _Count:
    """What is counted while blocks of rows are computed."""

    skips: int = 0
    folds: int = 0
    gaps: int = 0
    questions: int = 0
    used: set[Answer] = field(default_factory=set)
    by_scope: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, computed: Computed) -> None:
        self.skips += len(computed.skips)
        self.folds += computed.folds
        self.gaps += computed.gaps
        self.questions += len(computed.questions)
        self.used |= computed.used
        for _position, skip in computed.skips:
            self.by_scope[(skip.scope, "skipped")] += 1
        for entry in computed.changes.column("scope").value_counts().to_pylist():
            self.by_scope[(entry["values"], "updated")] += entry["counts"]

    def as_json(self, households: Iterable[str]) -> dict[str, Any]:
        """Return the counts of the plan; a household without a pending row counts none."""
        scopes = sorted({*households, *(name for name, _kind in self.by_scope)})
        return {
            "folds": self.folds,
            "gaps": self.gaps,
            "questions": self.questions,
            "by_scope": {
                scope: {kind: self.by_scope[(scope, kind)] for kind in ("updated", "skipped")}
                for scope in scopes
            },
        }


def _taken(computed: Computed, count: _Count, staging: Staging, reporter: Reporter) -> pa.Table:
    """Count a block, stage and tell what it leaves alone or asks; return its changes."""
    count.add(computed)
    staging.append("skips", skips_table(computed.skips))
    staging.append("questions", questions_table(computed.questions))
    for _position, skip in computed.skips:
        reporter.skip(skip)
    pa.default_memory_pool().release_unused()  # what computing took is needed no more
    return computed.changes


def skips_table(skips: Sequence[tuple[int, Skip]]) -> pa.Table:
    """Return skips as rows of the staging table `skips`."""
    return pa.table(
        {
            "position": [position for position, _skip in skips],
            "key": [skip.key for _position, skip in skips],
            "scope": [skip.scope for _position, skip in skips],
            "column": [skip.column for _position, skip in skips],
            "reason": [skip.reason.value for _position, skip in skips],
            "detail": [skip.detail for _position, skip in skips],
        },
        schema=SKIPS_SCHEMA,
    )


def _has_rows(connection: Connection, table: Table, member: str) -> bool:
    row = connection.execute(
        sql.SQL("SELECT EXISTS (SELECT FROM {} AS t WHERE t.{}::text = %s)").format(
            table.relation.identifier, sql.Identifier(table.scope.name)
        ),
        [member],
    ).fetchone()
    return bool(row and row[0])


def _check_rights(connection: Connection, table: Table, writing: bool) -> list[str]:
    grants = missing_rights(connection, table, writing=True)
    needed = missing_rights(connection, table, writing=writing)
    if needed:
        raise PreflightError(
            f"This role lacks rights on {table.relation}. Mend, as the table's owner:\n"
            + "\n".join(needed)
        )
    return [f"To apply, this role will need: {' '.join(grants)}"] if grants else []


def _warnings(connection: Connection, table: Table, pending: int) -> list[str]:
    columns = [column.name for column in table.targets]
    warnings = cost_warnings(connection, table.relation, columns, pending)
    return warnings
