"""The UTC task: before its table is known, and upon it: which rows wait, and what they get."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from backfill.decisions import Answers
from backfill.display.pages import Shown
from backfill.errors import PreflightError, UsageError
from backfill.jobs.utc.blocks import compute_blocks
from backfill.jobs.utc.checks import check_columns, check_deleted, read_oddly
from backfill.jobs.utc.counting import Count, ask_together, look_at_years, tell_overridden
from backfill.jobs.utc.kind import UtcRuns
from backfill.jobs.utc.lookup_checks import (
    check_lookups,
    instant_bounds,
    overlapping,
    unfound,
    untold_days,
    unused_ends,
)
from backfill.jobs.utc.pending import (
    count_by_household,
    count_filled,
    known_households,
    stored_member,
)
from backfill.jobs.utc.pictures import clock_change_picture, pending_picture
from backfill.jobs.utc.resolve import resolve_table
from backfill.jobs.utc.settings import Order, UtcSettings
from backfill.jobs.utc.table_json import table_to_json
from backfill.jobs.utc.table_spec import LookupSpec
from backfill.jobs.utc.views import diff_view
from backfill.jobs.utc.wanted import Unjudged, fold_order, look_at
from backfill.jobs.utc.zoned_table import ZonedTable
from backfill.next_command import next_command
from backfill.plans.extract import PendingRows, extracted_schema
from backfill.plans.staging import Staging
from backfill.report import Reporter
from backfill.rows.columns import ColumnType
from backfill.rows.values import struct_type
from backfill.server.catalog import has_heirs, hidden_rows
from backfill.server.database import Database
from backfill.server.odd_text import check_text
from backfill.server.own_casts import check_casts
from backfill.server.postgres import Connection
from backfill.server.rights import Right, check_rights, rights_on
from backfill.server.session import Session
from backfill.server.table import Table
from backfill.server.update_cost import cost_warnings
from backfill.steps.chosen import check_all_read, stage_pages
from backfill.steps.task import Decided, Preflight, Work
from backfill.utc.compute import Computed, changes_schema
from backfill.utc.described import Columns, OffsetUse
from backfill.utc.series import has_order
from backfill.versions import computing_versions
from backfill.workers.cluster import check_executor, open_executor

JOB_NAME = "utc"
MOST_VALUES = 1_664  # of one row, as PostgreSQL is built
MAX_LISTED_HOUSEHOLDS = 1_000


class UtcTask:
    """One run's UTC backfill, before its table is known."""

    name = JOB_NAME
    parts_of_runs = UtcRuns

    def __init__(self, chosen: UtcSettings) -> None:
        self.chosen = chosen

    @property
    def settings(self) -> dict[str, Any]:
        return self.chosen.as_json()

    def needed_rights(self, connect: Callable[[], Session]) -> Sequence[Right]:
        with connect() as connection:
            return rights_on(resolve_table(connection, self.chosen.table).table)

    def preflight(self, connection: Connection, *, writing: bool) -> tuple[UtcRows, Preflight]:
        """Return the task upon its table, sampled, and what waits there."""
        rows = self.look_up(connection, writing=writing)
        zoned, table = rows.zoned, rows.zoned.table
        check_casts(connection, table.relations)
        check_text(connection, table)
        warnings = [
            *rows.warnings,
            *check_columns(
                connection,
                zoned,
                rows.members,
                self.chosen.policy,
                units_said=self.chosen.table.units_said,
            ),
        ]
        counts = count_by_household(
            connection,
            table,
            rows.households[:MAX_LISTED_HOUSEHOLDS],
            rows.members,
            skip_deleted=self.chosen.skip_deleted,
        )
        pending = sum(counts.values())
        warnings += _warnings(connection, zoned, self.chosen.table.lookups, pending, rows.members)
        hidden = hidden_rows(connection, table.relations)
        found = Preflight(
            counts,
            (*warnings, *hidden),
            {
                **self._place(),
                "table": str(table.relation),
                "key": ", ".join(column.name for column in table.key.columns),
                "encoding": ", ".join(
                    f"{pair.label}: {pair.reading.name}" for pair in zoned.columns.pairs
                ),
            },
            hidden=tuple(hidden),
        )
        return replace(rows, pending=pending), found

    def look_up(self, connection: Connection, *, writing: bool) -> UtcRows:
        """Find the table and what it looks up, check rights and the scope; samples nothing."""
        chosen = self.chosen
        zoned = resolve_table(connection, chosen.table, chosen.encoding)
        warnings = check_rights(connection, rights_on(zoned.table), writing=writing)
        check_lookups(connection, zoned.table)
        if chosen.skip_deleted and zoned.table.deleted is None:
            raise PreflightError(
                f"--skip-deleted: {zoned.table.relation} has no column "
                f"{chosen.table.deleted or 'for deleted rows in its specification'}. Leave "
                "the option out, or name the column with --table spec.toml."
            )
        if chosen.skip_deleted:
            check_deleted(connection, zoned.table)
        heirs = has_heirs(connection, zoned.table.relation)
        _check_width(zoned.table)
        _check_zones(zoned, chosen)
        households = _check_households(connection, zoned, chosen.households)
        return UtcRows(chosen, zoned, households, tuple(warnings), heirs)

    def _place(self) -> dict[str, str]:
        """Return which cluster computes, if one does; refuse one that can not."""
        scheduler = self.chosen.scheduler
        if not scheduler:
            return {}
        return {"computed by": check_executor(scheduler, 1, computing_versions)}


@dataclass(frozen=True, slots=True)
class UtcRows:
    """The UTC task upon its table. `households` are spelt as the server does: those asked for,
    else those that are known; `pending` are rows, as the preflight counted them."""

    chosen: UtcSettings
    zoned: ZonedTable
    households: tuple[str, ...]
    warnings: tuple[str, ...]  # of rights
    has_heirs: bool
    pending: int | None = None

    counted_kinds = ("updated", "skipped")
    idle_words = ("pending gap, fold or warning", "key or column, or a value")

    @property
    def table(self) -> Table:
        return self.zoned.table

    @property
    def columns(self) -> Columns:
        return self.zoned.columns

    @property
    def listed_scopes(self) -> tuple[str, ...]:
        return self.households

    @property
    def members(self) -> list[str] | None:
        """The members that were asked for, None for all."""
        return sorted(set(self.households)) if self.chosen.households else None

    @property
    def plan_scope(self) -> dict[str, Any]:
        return {"table": str(self.table.relation), "members": self.members}

    def plan_target(self) -> dict[str, Any]:
        return {
            "table": table_to_json(self.zoned),
            "encodings": {pair.label: pair.reading.name for pair in self.columns.pairs},
            "default_tz": self.chosen.default_tz,
            "zones": self.chosen.zones_json(),
        }

    def plan_schema(self, _staging: Staging) -> pa.Schema:
        return changes_schema(
            self.columns,
            struct_type(self.table.source_fields),
            struct_type(self.table.targets),
            repairs=self.chosen.repair,
        )

    @property
    def _has_filled(self) -> bool:
        """Whether rows that have their value are looked at as well."""
        return self.chosen.repair or has_order(self.columns)

    @property
    def _has_places(self) -> bool:
        return self.chosen.order is Order.HEAP

    def pending_rows(self, dsn: str) -> PendingRows:
        """Return the rows to read: those that wait, or all of them."""
        return PendingRows(
            dsn,
            self.table,
            self.members,
            skip_deleted=self.chosen.skip_deleted,
            has_places=self._has_places,
            has_filled=self._has_filled,
        )

    def wanted(self, page: pa.Table, unjudged: Unjudged) -> pa.Table:
        """Return the rows that compute is to see of some that were read."""
        if not self._has_filled:
            return page
        looked = look_at(page, self.columns, self.chosen.policy)
        if self.chosen.repair:
            unjudged.add(page, looked.unjudged)
        return page.filter(pa.array(looked.wanted))

    def stage_rows(self, dsn: str, staging: Staging, reporter: Reporter) -> int:
        staging.create("extracted", extracted_schema(self.table, has_places=self._has_places))
        pending = self.pending_rows(dsn)
        looked_at: list[int] = []
        unjudged = Unjudged()
        pages = self._pages(pending, looked_at, unjudged)
        rows = stage_pages(pages, staging, "extracted", reporter)
        if sentence := unjudged.says():
            reporter.message(sentence, "warning")
        self._check_all_read(pending, sum(looked_at), staging)
        return rows

    def _pages(
        self, pending: PendingRows, looked_at: list[int], unjudged: Unjudged
    ) -> Iterator[pa.Table]:
        """Yield, of the rows that are read, those that compute is to see, page by page."""
        for page in pending.pages(expected=None if self._has_filled else self.pending):
            looked_at.append(page.num_rows)
            yield self.wanted(page, unjudged)

    def _check_all_read(self, pending: PendingRows, rows: int, staging: Staging) -> None:
        """Raise `PreflightError` unless the rows that were looked at are those that are there."""
        counted = pending.count() if self._has_filled else self.pending
        if rows == counted and not self.has_heirs:
            return
        if self._has_filled:  # staged are only those that compute is to see
            keys = [key for page in pending.pages() for key in page.column("key").to_pylist()]
            rows = len(keys)
        else:
            rows_staged = staging.connection.sql("SELECT key FROM extracted").fetchall()
            keys = [key for (key,) in rows_staged]
        check_all_read(pending, counted, rows, set(keys))

    def plan_rows(self, work: Work) -> Iterator[Decided]:
        """Yield what is decided of each block of rows; then look at all of them together."""
        chosen, reporter = self.chosen, work.reporter
        count = Count()
        for computed in self._computed(work.staging):
            count.add(computed)
            questions = count.new_questions(computed.questions)
            yield Decided(computed.changes, computed.skips, questions, computed.used)
            del computed  # before the next one is
        count.questions -= ask_together(work.staging)
        work.refusal = look_at_years(count, chosen.answers, work, is_accepted=chosen.accept_years)
        tell_overridden(count.overridden, chosen.default_tz or "", reporter)
        work.counts = count.as_json()

    def _computed(self, staging: Staging) -> Iterator[Computed]:
        """Yield the result of each block of extracted rows, wherever it is computed.

        Here that is this process: packing a block for another costs more than computing it, and
        storing it costs more than both (make bench-scale).
        """
        without_answers = replace(self.chosen.policy, answers=Answers())
        order = fold_order(self._blocks(staging), self.columns, without_answers)
        with open_executor(self.chosen.scheduler, 1, computing_versions) as executor:
            yield from compute_blocks(
                self._blocks(staging), self.columns, self.chosen.policy, executor, order
            )

    def _blocks(self, staging: Staging) -> Iterator[pa.Table]:
        order = self.chosen.order.sql
        query = f"SELECT key, scope, source, before FROM extracted ORDER BY {order}"
        return staging.read(query, extracted_schema(self.table))

    def diff_view(self, staging: Staging) -> Shown:
        return diff_view(staging, self.columns, self.zoned.member)

    def picture(self, staging: Staging, database: Database) -> Shown:
        """Return what is pending by household and month, and the rows around clock changes."""
        with database.connect(read_only=True) as connection:
            filled = count_filled(connection, self.zoned, self.members)
        pending = pending_picture(staging, self.columns, filled, self.zoned.member)
        return pending + clock_change_picture(staging, self.columns)


def _check_households(
    connection: Connection, zoned: ZonedTable, asked: Sequence[str]
) -> tuple[str, ...]:
    """Return members of the scope: those asked for, as the server spells them, else those known.

    Raises `UsageError` for one that no table knows.
    """
    table = zoned.table
    if asked and table.scope is None:
        raise UsageError(
            f"--household-id: the specification of {table.relation} names no scope, the "
            'whole table is one. Leave the option out, or add scope = "…" to the file.'
        )
    members = known_households(connection, table)
    spelt = []
    for household in asked:
        stored = household if household in members else None
        stored = stored or stored_member(connection, table, household, members)
        spelt.append(stored or household)
        if stored is None:
            close = difflib.get_close_matches(household, members, 3) or sorted(members)[:3]
            hint = f" Near: {', '.join(close)}." if close else ""
            raise UsageError(
                f"There is no {zoned.member} {household!r} in this database.{hint} "
                f"List what is pending: {next_command('status')}"
            )
    return tuple(dict.fromkeys(spelt or members))


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


def _warnings(
    connection: Connection,
    zoned: ZonedTable,
    lookups: Iterable[LookupSpec],
    pending: int,
    members: Sequence[str] | None,
) -> list[str]:
    table = zoned.table
    columns = [column.name for column in table.targets]
    warnings = cost_warnings(connection, table.relation, columns, pending)
    warnings += [
        *unused_ends(connection, table),
        *untold_days(connection, table, lookups),
        *unfound(connection, table, members),
        *instant_bounds(connection, table),
        *overlapping(connection, table),
    ]
    warnings += [
        f"{table.relation}.{wall.name} is real, which keeps about seven digits: a time of day in "
        "it may be minutes off. It is taken as it stands."
        for pair in zoned.columns.pairs
        for wall in pair.walls
        if wall.sql_type.name == 'pg_catalog."float4"'
    ]
    warnings += [sentence for pair in zoned.columns.pairs for sentence in read_oddly(zoned, pair)]
    naive = [c.name for c in table.targets if c.type is ColumnType.TIMESTAMP]
    if naive:
        warnings.append(
            f"{', '.join(naive)} of {table.relation} is timestamp without time zone: what is "
            "written there means UTC."
        )
    return warnings
