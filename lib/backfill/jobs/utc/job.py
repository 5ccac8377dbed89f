"""The UTC job as the engine sees it: preflight, extract, compute, summary."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa

from backfill.decisions import Answer, Answers
from backfill.display.pages import Shown
from backfill.errors import PreflightError, UsageError
from backfill.folder import RunFolder
from backfill.jobs.utc.alike_questions import ask_together
from backfill.jobs.utc.blocks import compute_blocks
from backfill.jobs.utc.checks import check_columns
from backfill.jobs.utc.counting import (
    SKIPS_SCHEMA,
    Count,
    look_at_years,
    numbered,
    taken,
    tell_overridden,
)
from backfill.jobs.utc.filled import count_filled
from backfill.jobs.utc.kind import UtcKind
from backfill.jobs.utc.lookups import check_lookups
from backfill.jobs.utc.pending import count_by_household, known_households, stored_member
from backfill.jobs.utc.pictures import clock_change_picture, pending_picture
from backfill.jobs.utc.resolve import resolve_table
from backfill.jobs.utc.settings import Order, UtcSettings
from backfill.jobs.utc.table_json import table_to_json
from backfill.jobs.utc.views import diff_view
from backfill.jobs.utc.wanted import Unjudged, look_at
from backfill.jobs.utc.zoned_table import ZonedTable
from backfill.next_command import next_command
from backfill.plans import plan
from backfill.plans.counting_guard import check_all_read
from backfill.plans.extract import PendingRows, extracted_schema
from backfill.plans.staging import Staging
from backfill.plans.worksheet import QUESTIONS_SCHEMA
from backfill.report import Reporter
from backfill.rows.columns import ColumnType
from backfill.server.catalog import has_heirs, hidden_rows, missing_rights
from backfill.server.database import Database
from backfill.server.grants import Right, rights_on
from backfill.server.odd_text import check_text
from backfill.server.postgres import Connection
from backfill.server.row_types import source_type, target_type
from backfill.server.session import Session
from backfill.server.table import Table
from backfill.server.update_cost import cost_warnings
from backfill.steps.job import Computation, Job, JobKind, Preflight
from backfill.utc.compute import Computed, changes_schema, convert_pairs
from backfill.utc.described import Columns, OffsetUse
from backfill.utc.pairs import FoldOrder
from backfill.utc.series import has_order, order_of
from backfill.versions import computing_versions
from backfill.workers.cluster import check_executor, open_executor

JOB_NAME = "utc"
MOST_VALUES = 1_664  # of one row, as PostgreSQL is built
MAX_LISTED_HOUSEHOLDS = 1_000


class UtcJob(Job):
    """One run's UTC backfill. `preflight` must come first: it learns the table's types."""

    name = JOB_NAME

    def __init__(self, settings: UtcSettings) -> None:
        self._settings = settings
        self._zoned: ZonedTable | None = None
        self._has_heirs = False
        self._households: tuple[str, ...] = settings.households
        self._pending: int | None = None  # rows, as the preflight counted them
        self._rights: list[str] = []
        self._refusal = ""  # why no plan may be made of what was computed

    @property
    def kind(self) -> JobKind:
        return UtcKind()

    def rights(self, connect: Callable[[], Session]) -> Sequence[Right]:
        with connect() as connection:
            return rights_on(resolve_table(connection, self._settings.table).table)

    @property
    def zoned(self) -> ZonedTable:
        if self._zoned is None:
            raise PreflightError("The preflight has not run yet. Run its cell first.")
        return self._zoned

    @property
    def table(self) -> Table:
        return self.zoned.table

    @property
    def utc_settings(self) -> UtcSettings:
        return self._settings

    @property
    def columns(self) -> Columns:
        return self.zoned.columns

    @property
    def members(self) -> list[str] | None:
        """The members that were asked for, as the server spells them once it was asked."""
        return sorted(set(self._households)) if self._settings.households else None

    @property
    def scope(self) -> dict[str, Any]:
        return {"table": str(self.table.relation), "members": self.members}

    @property
    def settings(self) -> dict[str, Any]:
        return self._settings.as_json()

    def target(self) -> dict[str, Any]:
        if self._refusal:  # asked for when the plan is frozen: the diff has been shown
            raise PreflightError(self._refusal)
        return {
            "table": table_to_json(self.zoned),
            "encodings": {pair.label: pair.reading.name for pair in self.columns.pairs},
            "default_tz": self._settings.default_tz,
            "zones": self._settings.zones_json(),
        }

    def preflight(self, connection: Connection, *, writing: bool) -> Preflight:
        zoned = self.look_up(connection, writing=writing)
        table = zoned.table
        check_text(connection, table)
        warnings = list(self._rights)
        settings = self._settings
        warnings += check_columns(
            connection, zoned, self.members, settings.policy, units_said=settings.table.units_said
        )
        pending = count_by_household(
            connection,
            table,
            self._households[:MAX_LISTED_HOUSEHOLDS],
            self.members,
            skip_deleted=self._settings.skip_deleted,
        )
        self._pending = sum(pending.values())
        warnings += _warnings(connection, zoned, self._pending)
        hidden = hidden_rows(connection, table)
        return Preflight(
            pending,
            (*warnings, *hidden),
            {
                **self._place(),
                "table": str(table.relation),
                "key": ", ".join(column.name for column in table.key.columns),
                "encoding": ", ".join(
                    f"{pair.label}: {pair.reading.name}" for pair in self.columns.pairs
                ),
            },
            hidden=tuple(hidden),
        )

    def look_up(self, connection: Connection, *, writing: bool) -> ZonedTable:
        """Find the table and what it looks up, check rights and the scope; samples nothing."""
        settings = self._settings
        zoned = resolve_table(connection, settings.table, settings.encoding)
        self._rights = _check_rights(connection, zoned.table, writing)
        check_lookups(connection, zoned.table)
        if settings.skip_deleted and zoned.table.deleted is None:
            raise PreflightError(
                f"--skip-deleted: {zoned.table.relation} has no column "
                f"{settings.table.deleted or 'for deleted rows in its specification'}. Leave "
                "the option out, or name the column with --table spec.toml."
            )
        self._has_heirs = has_heirs(connection, zoned.table.relation)
        _check_width(zoned.table)
        _check_zones(zoned, settings)
        self._zoned = zoned
        self._check_households(connection)
        return zoned

    def _place(self) -> dict[str, str]:
        """Return which cluster computes, if one does; refuse one that can not."""
        scheduler = self._settings.scheduler
        if not scheduler:
            return {}
        return {"computed by": check_executor(scheduler, 1, computing_versions)}

    def _check_households(self, connection: Connection) -> None:
        """Refuse an asked-for household that neither table knows; list the known ones."""
        if self._settings.households and self.table.scope is None:
            raise UsageError(
                f"--household-id: the specification of {self.table.relation} names no scope, the "
                'whole table is one. Leave the option out, or add scope = "…" to the file.'
            )
        known = known_households(connection, self.table)
        found = []
        for household in self._settings.households:
            stored = household if household in known else None
            stored = stored or stored_member(connection, self.table, household, known)
            found.append(stored or household)
            if stored is None:
                close = difflib.get_close_matches(household, known, 3) or sorted(known)[:3]
                hint = f" Near: {', '.join(close)}." if close else ""
                raise UsageError(
                    f"There is no {self.zoned.member} {household!r} in this database.{hint} "
                    f"List what is pending: {next_command('status')}"
                )
        self._households = tuple(dict.fromkeys(found or known))

    @property
    def _has_filled(self) -> bool:
        """Whether rows that have their value are looked at as well."""
        return self._settings.repair or has_order(self.columns)

    def extract(self, dsn: str, staging: Staging, reporter: Reporter) -> int:
        has_places = self._settings.order is Order.HEAP
        staging.create("extracted", extracted_schema(self.table, has_places=has_places))
        pending = self._rows(dsn, has_places=has_places)
        rows = looked_at = 0
        unjudged = Unjudged()
        for page, wanted in self._pages(pending, unjudged):
            staging.append("extracted", wanted)
            looked_at += page.num_rows
            rows += wanted.num_rows
            reporter.message(f"extract: {rows:,} pending rows read", "debug")
        if told := unjudged.says():
            reporter.message(told, "warning")
        self._check_all_read(pending, looked_at, staging)
        return rows

    def _check_all_read(self, pending: PendingRows, rows: int, staging: Staging) -> None:
        """Raise `PreflightError` unless the rows that were looked at are those that are there."""
        counted = pending.count() if self._has_filled else self._pending
        if rows == counted and not self._has_heirs:
            return
        if self._has_filled:  # staged are only those that compute is to see
            keys = [key for page in pending.pages() for key in page.column("key").to_pylist()]
            rows = len(keys)
        else:
            found = staging.connection.sql("SELECT key FROM extracted").fetchall()
            keys = [key for (key,) in found]
        check_all_read(pending, counted, rows, set(keys))

    def _rows(self, dsn: str, *, has_places: bool = False) -> PendingRows:
        return PendingRows(
            dsn,
            self.table,
            self.members,
            skip_deleted=self._settings.skip_deleted,
            has_places=has_places,
            has_filled=self._has_filled,
        )

    def _pages(
        self, pending: PendingRows, unjudged: Unjudged
    ) -> Iterator[tuple[pa.Table, pa.Table]]:
        """Yield the rows that are read, and of them those that compute is to see, page by page."""
        for page in pending.pages(expected=None if self._has_filled else self._pending):
            if not self._has_filled:
                yield page, page
                continue
            looked = look_at(page, self.columns, self._settings.policy)
            if self._settings.repair:
                unjudged.add(page, looked.unjudged)
            yield page, page.filter(pa.array(looked.wanted))

    def changes_schema(self) -> pa.Schema:
        return changes_schema(
            self.columns,
            source_type(self.table),
            target_type(self.table),
            repairs=self._settings.repair,
        )

    def compute(self, staging: Staging, folder: RunFolder, reporter: Reporter) -> Computation:
        staging.create("skips", SKIPS_SCHEMA)
        staging.create("questions", QUESTIONS_SCHEMA)
        count = Count()
        changes = (
            taken(computed, count, staging, reporter) for computed in self._computed(staging)
        )
        written = plan.write_changes(folder, changes, self.changes_schema())
        count.questions -= ask_together(staging)
        self._warn_of_idle_decisions(count.used, reporter)
        self._refusal = look_at_years(
            count,
            self._settings.answers,
            staging,
            reporter,
            is_accepted=self._settings.accept_years,
        )
        tell_overridden(count.overridden, self._settings.default_tz or "", reporter)
        return Computation(
            written + count.skips, written, count.skips, count.as_json(self._households)
        )

    def _computed(self, staging: Staging) -> Iterator[Computed]:
        """Yield the result of each block of extracted rows, wherever it is computed.

        Here that is this process: packing a block for another costs more than computing it, and
        storing it costs more than both (make bench-scale).
        """
        order = self._fold_order(staging)
        with open_executor(self._settings.scheduler, 1, computing_versions) as executor:
            blocks = compute_blocks(
                self._blocks(staging), self.columns, self._settings.policy, executor, order
            )
            yield from numbered(blocks) if self._has_filled else blocks

    def _blocks(self, staging: Staging) -> Iterator[pa.Table]:
        order = self._settings.order.sql
        query = f"SELECT key, scope, source, before FROM extracted ORDER BY {order}"
        return staging.read(query, extracted_schema(self.table))

    def _fold_order(self, staging: Staging) -> FoldOrder:
        """Return what the order of a series says about its folds: it takes all rows at once."""
        if not has_order(self.columns):
            return {}
        policy = replace(self._settings.policy, answers=Answers())
        return order_of(
            ((rows, convert_pairs(rows, self.columns, policy)) for rows in self._blocks(staging)),
            self.columns,
        )

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
        return diff_view(staging, self.columns, self.zoned.member)

    def picture(self, staging: Staging, database: Database) -> Shown:
        """Return what is pending by household and month, and the rows around clock changes."""
        with database.connect(read_only=True) as connection:
            filled = count_filled(connection, self.zoned, self.members)
        pending = pending_picture(staging, self.columns, filled, self.zoned.member)
        return pending + clock_change_picture(staging, self.columns)


def _check_zones(zoned: ZonedTable, settings: UtcSettings) -> None:
    """Refuse a pair that has no way at all to a zone."""
    for pair in zoned.columns.pairs:
        is_offset = pair.offset is not None and pair.offset.use is OffsetUse.ZONE
        if not pair.chain and not is_offset and not settings.default_tz:
            if pair.reading.uses_offset:
                continue
            raise PreflightError(
                f"The specification of {zoned.table.relation} names no zone for {pair.label}. Is "
                'all of it in one place? zone = ["=Europe/Paris"]. Else name a column, or a column '
                'of a [[lookup]]: zone = ["event.tz"]'
            )


def _check_width(table: Table) -> None:
    """Refuse more columns than one statement of the server's can hold of a chunk's rows."""
    values = len(table.key.columns) + len(table.sources) + len(table.looked_up)
    values += 2 * len(table.targets) + 1  # as it was and as it is to be; and the row's number
    if values > MOST_VALUES:
        raise PreflightError(
            f"The pairs of {table.relation} make {values:,} values a row; PostgreSQL takes "
            f"{MOST_VALUES:,} in one statement. Split them over several specifications."
        )


def _check_rights(connection: Connection, table: Table, writing: bool) -> list[str]:
    grants = missing_rights(connection, table, writing=True)
    needed = missing_rights(connection, table, writing=writing)
    if needed:
        raise PreflightError(
            f"This role lacks rights on {table.relation}. Mend, as the table's owner:\n"
            + "\n".join(needed)
        )
    return [f"To apply, this role will need: {' '.join(grants)}"] if grants else []


def _warnings(connection: Connection, zoned: ZonedTable, pending: int) -> list[str]:
    table = zoned.table
    columns = [column.name for column in table.targets]
    warnings = cost_warnings(connection, table.relation, columns, pending)
    naive = [c.name for c in table.targets if c.type is ColumnType.TIMESTAMP]
    if naive:
        warnings.append(
            f"{', '.join(naive)} of {table.relation} is timestamp without time zone: what is "
            "written there means UTC."
        )
    return warnings
