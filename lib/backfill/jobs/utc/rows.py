"""The UTC task upon its table: which rows are read, what is decided of each, how it is shown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from backfill.decisions import Answers
from backfill.display.pages import Shown
from backfill.jobs.utc.blocks import compute_blocks
from backfill.jobs.utc.counting import Count, ask_together, look_at_years, tell_defaults
from backfill.jobs.utc.pending import count_filled
from backfill.jobs.utc.pictures import clock_change_picture, pending_picture
from backfill.jobs.utc.settings import Order, UtcSettings
from backfill.jobs.utc.table_json import table_to_json
from backfill.jobs.utc.views import diff_view
from backfill.jobs.utc.wanted import Unjudged, fold_order, look_at
from backfill.jobs.utc.zoned_table import ZonedTable
from backfill.plans.extract import PendingRows, extracted_schema
from backfill.plans.staging import Staging
from backfill.report import Reporter
from backfill.rows.values import struct_type
from backfill.server.database import Database
from backfill.server.table import Table
from backfill.steps.chosen import check_all_read, stage_pages
from backfill.steps.task import Decided, Work
from backfill.utc.compute import Computed, changes_schema
from backfill.utc.described import Columns
from backfill.utc.series import has_order
from backfill.versions import computing_versions
from backfill.workers.cluster import open_executor


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
        tell_defaults(count, chosen.default_tz or "", reporter)
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
