"""The tool's own tables, in schema `backfill` of the target database: runs and checkpoints."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from psycopg import sql
from psycopg.rows import class_row, dict_row
from psycopg.types.json import Jsonb

from backfill.errors import UsageError
from backfill.next_command import next_command
from backfill.records.checkpoint import Checkpoint, Counts
from backfill.records.ledger_tables import create_tables, has_all_tables, has_ranges, has_tables
from backfill.records.planned import Planned
from backfill.server.own_text import holdable, holdable_json
from backfill.server.postgres import Connection, scalar
from backfill.skips import Skip
from backfill.status import RunStatus, check_transition
from backfill.which_folder import LATEST, ambiguous

#: Images of small chunks are fetched together.
_IMAGES_BYTES = 4_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow(Planned):
    plan_rows: int
    status: RunStatus
    lease_token: int = 0
    lease_expires_at: dt.datetime | None = None
    lease_holder: str | None = None
    message: str = ""
    summary: dict[str, Any] | None = None
    sums_sha256: str | None = None
    planned_at: dt.datetime | None = None
    started_at: dt.datetime | None = None
    ended_at: dt.datetime | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "status", RunStatus(self.status))


_RUN_COLUMNS = sql.SQL(", ").join(sql.Identifier(name) for name in RunRow.__dataclass_fields__)


@dataclass(frozen=True)
class Ledger:
    """Reads and writes the tables through one connection."""

    connection: Connection
    _known: dict[str, bool] = field(default_factory=dict, repr=False)

    def exists(self) -> bool:
        """Return whether this database has our tables. Read-only."""
        return self._once("exists", has_tables)

    def has_ranges(self) -> bool:
        """Return whether our tables know parts and ranges, as earlier ones do not. Read-only."""
        return self._once("has_ranges", has_ranges)

    def is_current(self) -> bool:
        """Return whether our tables have all that this version writes to. Read-only."""
        return self._once("is_current", has_all_tables)

    def _once(self, what: str, ask: Callable[[Connection], bool]) -> bool:
        """Ask until the answer is yes: it stays so."""
        self._known[what] = self._known.get(what) or ask(self.connection)
        return self._known[what]

    def create(self) -> None:
        """Create schema and tables on first use, or bring an earlier version's up to date.

        Raises `PreflightError` without the right to, `LeaseHeld` while an older one is at work.
        """
        if self.is_current():
            return
        create_tables(self.connection, is_new=not self.exists())

    def register(self, run: RunRow) -> None:
        """Write the row of a new run, at status planned: what else a row holds is for others."""
        self.create()  # or tables of an earlier version would lack what the row relies on
        held = partial(holdable_json, self.connection)
        values = {
            name: Jsonb(held(fact)) if isinstance(fact, dict) else fact
            for name, fact in (run.facts() | {"plan_rows": run.plan_rows}).items()
        }
        self.connection.execute(
            sql.SQL("INSERT INTO backfill.run ({}) VALUES ({}) ON CONFLICT DO NOTHING").format(
                sql.SQL(", ").join(sql.Identifier(name) for name in values),
                sql.SQL(", ").join(sql.Placeholder(name) for name in values),
            ),
            values,
        )

    def find(self, run_id: str) -> RunRow | None:
        """Return the run of exactly this id, or None."""
        runs = self._runs(sql.SQL("WHERE run_id = %s"), [run_id])
        return runs[0] if runs else None

    def get(self, run_id: str, *, has_started: bool = False, has_written: bool = False) -> RunRow:
        """Return the run, by id, unique prefix or `latest`; raise `UsageError` that helps.

        `latest` is the newest run; with `has_started` the newest that was applied, and with
        `has_written` the newest that changed a row, if there is one: who verifies or reverts
        does not mean a dry run after it, or a run that found nothing to do.
        """
        if not self.exists():
            raise UsageError(
                "This database has no runs yet. Make one, a dry run that writes nothing: "
                + next_command("utc")
            )
        if run_id == LATEST:
            runs = self._runs(
                sql.SQL(
                    "ORDER BY %s AND EXISTS (SELECT FROM backfill.checkpoint AS c"
                    "  WHERE c.run_id = run.run_id AND c.updated > 0) DESC,"
                    " %s AND started_at IS NOT NULL DESC, planned_at DESC LIMIT 1"
                ),
                [has_written, has_started or has_written],
            )
        else:
            runs = self._runs(
                sql.SQL("WHERE starts_with(run_id, %s) ORDER BY run_id LIMIT 5"), [run_id]
            )
            runs = [run for run in runs if run.run_id == run_id] or runs
        if len(runs) == 1:
            return runs[0]
        if runs:
            raise UsageError(ambiguous(run_id, [run.run_id for run in runs]))
        raise UsageError(
            f"There is no run {run_id!r} in this database. List them: {next_command('status')}"
        )

    def runs(self, limit: int = 50) -> list[RunRow]:
        """Return the newest runs first. Read-only."""
        return self._runs(sql.SQL("ORDER BY planned_at DESC, run_id DESC LIMIT %s"), [limit])

    def resumable(self, job: str, settings_fingerprint: str) -> RunRow | None:
        """Return the newest run of this job and settings that stopped half way, or None.

        One that failed because none of its rows could be written has come to its end.
        """
        runs = self._runs(
            sql.SQL(
                "WHERE job = %s AND settings_fingerprint = %s AND reverts IS NULL"
                " AND (status IN ('paused', 'interrupted', 'cancelled', 'failed')"
                "  OR (status = 'running' AND lease_expires_at < clock_timestamp()))"
                " AND (status <> 'failed' OR plan_rows <> (SELECT coalesce(sum(c.scanned), 0)"
                "  FROM backfill.checkpoint AS c WHERE c.run_id = run.run_id))"
                " AND started_at IS NOT NULL ORDER BY started_at DESC LIMIT 1"
            ),
            [job, settings_fingerprint],
        )
        return runs[0] if runs else None

    def _runs(self, tail: sql.Composable, values: Sequence[Any]) -> list[RunRow]:
        """Return runs; none where this database has no tables of ours."""
        if not self.exists():
            return []
        with self.connection.cursor(row_factory=class_row(RunRow)) as cur:
            cur.execute(
                sql.SQL("SELECT {} FROM backfill.run {}").format(_RUN_COLUMNS, tail), values
            )
            return cur.fetchall()

    def checkpoints(self, run_id: str) -> list[Checkpoint]:
        """Return the run's checkpoints in order. Read-only."""
        names = [
            name
            for name in Checkpoint.__dataclass_fields__
            if name != "range_no" or self.has_ranges()
        ]
        columns = sql.SQL(", ").join(sql.Identifier(name) for name in names)
        with self.connection.cursor(row_factory=class_row(Checkpoint)) as cur:
            cur.execute(
                sql.SQL(
                    "SELECT {} FROM backfill.checkpoint WHERE run_id = %s ORDER BY chunk_no"
                ).format(columns),
                [run_id],
            )
            return cur.fetchall()

    def totals(self, run_id: str) -> Counts:
        """Return what the run's checkpoints count together. Read-only."""
        row = self.connection.execute(
            "SELECT coalesce(sum(updated), 0)::bigint, coalesce(sum(unchanged), 0)::bigint,"
            " coalesce(sum(drifted), 0)::bigint, coalesce(sum(skipped), 0)::bigint"
            " FROM backfill.checkpoint WHERE run_id = %s",
            [run_id],
        ).fetchone()
        assert row is not None
        return Counts(*row)

    def images(
        self, run_id: str, *, is_backwards: bool = False
    ) -> Iterator[tuple[int, int, str, bytes]]:
        """Yield (chunk_no, rows, sha256, image) in order, a few megabytes at a time. Read-only."""
        sizes = self.connection.execute(
            "SELECT chunk_no, octet_length(image) FROM backfill.chunk_image WHERE run_id = %s"
            " ORDER BY chunk_no",
            [run_id],
        ).fetchall()
        order = sql.SQL("DESC" if is_backwards else "ASC")
        query = sql.SQL(
            "SELECT chunk_no, rows, sha256, image FROM backfill.chunk_image"
            " WHERE run_id = %s AND chunk_no = ANY (%s) ORDER BY chunk_no {}"
        ).format(order)
        for numbers in _grouped(reversed(sizes) if is_backwards else iter(sizes)):
            for row in self.connection.execute(query, [run_id, numbers], binary=True).fetchall():
                yield int(row[0]), int(row[1]), str(row[2]), bytes(row[3])

    def skips(self, run_id: str, chunk_no: int | None = None) -> list[Skip]:
        """Return the run's skips, or one chunk's, in key order. Read-only."""
        rows = self.connection.execute(
            "SELECT key, scope, column_name, reason, detail FROM backfill.skip WHERE run_id = %s"
            " AND (%s::bigint IS NULL OR chunk_no = %s) ORDER BY chunk_no, key, column_name",
            [run_id, chunk_no, chunk_no],
        ).fetchall()
        return [Skip.of(*row) for row in rows]

    def skipping_chunks(self, run_id: str) -> list[int]:
        """Return the numbers of the chunks that left skips. Read-only."""
        rows = self.connection.execute(
            "SELECT DISTINCT chunk_no FROM backfill.skip WHERE run_id = %s", [run_id]
        ).fetchall()
        return [int(row[0]) for row in rows]

    def set_status(self, run_id: str, then: RunStatus, message: str = "") -> None:
        """Move a run that nobody is writing to another status."""
        with self.connection.transaction():
            now = scalar(
                self.connection,
                "SELECT status FROM backfill.run WHERE run_id = %s FOR NO KEY UPDATE",
                run_id,
            )
            check_transition(run_id, RunStatus(now), then)
            self.connection.execute(
                "UPDATE backfill.run SET status = %s, message = %s WHERE run_id = %s",
                [then.value, holdable(self.connection, message), run_id],
            )

    def request(self, run_id: str, what: str) -> None:
        """Ask a running run to stop after its chunk; `what` is `cancel` or `pause`.

        A run that nobody writes is cancelled at once. Tables of an earlier version have no function
        for it: there the row itself is written.
        """
        if self.is_current():
            self.connection.execute("SELECT backfill.request_stop(%s, %s)", [run_id, what])
            return
        self.connection.execute(
            sql.SQL("UPDATE backfill.run SET {} = true WHERE run_id = %s").format(
                sql.Identifier(f"{what}_requested")
            ),
            [run_id],
        )

    def cancel(self, run: RunRow) -> None:
        """Cancel a run that nobody is writing; raise `UsageError` where that can not be."""
        check_transition(run.run_id, run.status, RunStatus.CANCELLED)
        if self.is_current():
            self.request(run.run_id, "cancel")
        else:
            self.set_status(run.run_id, RunStatus.CANCELLED, "cancelled by request")

    def record_sums(self, run_id: str, sums_sha256: str) -> None:
        """Store the digest of the folder's SHA256SUMS, as far as this role may vouch for it: a
        planner for its own plan that nobody has begun, who only reads for none.
        """
        may = "SELECT has_column_privilege('backfill.run', 'sums_sha256', 'UPDATE')"
        may_plan = "has_function_privilege('backfill.record_plan_sums(text, text)', 'EXECUTE')"
        if scalar(self.connection, may):
            self.connection.execute(
                "UPDATE backfill.run SET sums_sha256 = %s WHERE run_id = %s", [sums_sha256, run_id]
            )
        elif self.is_current() and scalar(self.connection, "SELECT " + may_plan):
            self.connection.execute(
                "SELECT backfill.record_plan_sums(%s, %s)", [run_id, sums_sha256]
            )

    def totals_by_run(self, runs: Sequence[str]) -> list[dict[str, Any]]:
        """Return a row of totals for each run with checkpoints: counts, times in ms. Read-only."""
        with self.connection.cursor(row_factory=dict_row) as cur:
            cur.execute(
                "SELECT run_id, count(*)::bigint AS chunks, sum(scanned)::bigint AS scanned,"
                " sum(updated)::bigint AS updated, sum(unchanged)::bigint AS unchanged,"
                " sum(drifted)::bigint AS drifted, sum(skipped)::bigint AS skipped,"
                " sum(elapsed_ms)::bigint AS elapsed_ms, max(committed_at) AS last_chunk_at"
                " FROM backfill.checkpoint WHERE run_id = ANY (%s) GROUP BY run_id",
                [list(runs)],
            )
            return cur.fetchall()


def _grouped(sizes: Iterator[tuple[Any, ...]]) -> Iterator[list[int]]:
    """Yield runs of numbers whose sizes sum to some megabytes, or of one that is larger."""
    group: list[int] = []
    total = 0
    for number, size in sizes:
        if group and total + size > _IMAGES_BYTES:
            yield group
            group, total = [], 0
        group.append(number)
        total += size
    if group:
        yield group
