"""Take a run's lease, write its plan, and leave the run at a status that tells the truth."""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import pyarrow as pa

from backfill.chunks.apply import Applier, Approved
from backfill.chunks.chunk_commit import Step, no_step
from backfill.chunks.compare_and_set import TableWriter
from backfill.chunks.crew import Crew
from backfill.chunks.patience import Connect, Shared
from backfill.chunks.refusals import Refusals
from backfill.chunks.tally import Tally
from backfill.display.counting import counted
from backfill.errors import LeaseHeld, StalePlan, StorageError, TooManySkips, UsageError
from backfill.folder import RunFolder, runs_dir
from backfill.next_command import next_command
from backfill.plans import plan
from backfill.plans.plan import RUN_FILE, Plan
from backfill.politeness.pace import Pace
from backfill.politeness.polite_pace import PolitePace
from backfill.politeness.throttle import DEFAULT_LIMITS
from backfill.records import lease
from backfill.records.lease import Lease
from backfill.records.ledger import Ledger, RunRow
from backfill.records.parts import Part, Selection, parts_of
from backfill.report import Reporter
from backfill.server.database import Database
from backfill.server.own_text import holdable_json
from backfill.server.postgres import Connection, check_limit, database_fingerprint
from backfill.server.session import Session
from backfill.settings import EngineSettings, fingerprint
from backfill.status import RunStatus
from backfill.steps.approval import Approval, approve, begin, joined_part
from backfill.steps.choosing import Choosing
from backfill.steps.ending import Ending
from backfill.steps.first_session import connector, first_session, handing_out
from backfill.steps.job import Job
from backfill.steps.kind import JobKind
from backfill.steps.left_alone import FOUND_LATE, reasons_of
from backfill.steps.read_back import READ_BACK_ROWS, RECOMPUTED_ROWS
from backfill.steps.standing import Applied, standing
from backfill.steps.which_run import row_of
from backfill.stop import stop_signals
from backfill.utc.zone_names import tzdata_version
from backfill.versions import code_digest


def stopped_run(
    database: Database, job: Job, values: Mapping[str, Any], say: Callable[[str], None]
) -> RunRow | None:
    """Return the run that an apply of checked parameters goes on with, if there is one.

    That is the newest of the same job and settings that stopped half way. One whose plan is not in
    the folder of the runs can not: what it wrote stays, and a new plan finds the rest.
    """
    if not values["apply"]:
        return None
    runs = runs_dir(values["runs_dir"])
    with database.connect(read_only=True) as connection:
        stopped = Ledger(connection).resumable(job.name, fingerprint(job.settings))
    if stopped is None or RunFolder.of(runs, stopped.run_id).file(plan.PLAN_FILE).exists():
        return stopped
    say(
        f"Run {stopped.run_id} of the same settings is {stopped.status}, but its plan is not in "
        f"{runs}: making a new one for what is left. (What it wrote, to put it back: "
        f"{next_command('revert', stopped.run_id)})"
    )
    return None


def check_fresh(frozen: Plan, row: RunRow | None, connection: Connection, work: _Work) -> None:
    """Raise `StalePlan` unless plan, settings, time zone data and database are the run's own.

    What puts values back computes none: the time zone data may be another by then.
    """
    checks = [("database", frozen.database_fingerprint, database_fingerprint(connection))]
    if not frozen.reverts and work.kind.uses_calendar(frozen.target):
        checks.append(("time zone data (tzdata)", frozen.tzdata_version, tzdata_version()))
    if row is not None:
        checks += [
            ("plan", row.plan_id, frozen.plan_id),
            ("settings", row.settings_fingerprint, frozen.settings_fingerprint),
            *_facts_of_both(connection, frozen, row),
        ]
    for what, expected, present in checks:
        if expected != present:
            raise StalePlan(
                f"Run {frozen.run_id} can not go on: its {what} differs "
                f"(it was {expected[:16]}, now it is {present[:16]}). Nothing was written. "
                f"{plan.new_plan(work.folder)}"
            )


def _facts_of_both(connection: Connection, frozen: Plan, row: RunRow) -> list[tuple[str, str, str]]:
    """Return what plan and row both tell: what verifies and reverts goes by the row."""
    planned = row_of(frozen)
    names = ("job", "scope", "target", "plan_rows", "reverts")
    both = [
        [
            json.dumps(holdable_json(connection, getattr(run, name)), sort_keys=True)
            for name in names
        ]
        for run in (row, planned)
    ]
    return [(f"row in backfill.run ({n})", r, p) for n, r, p in zip(names, *both, strict=True)]


def too_many_skips(
    frozen: Plan, folder: RunFolder, settings: EngineSettings
) -> TooManySkips | None:
    """Return the error of a plan that itself skips more rows than allowed, if it does."""
    planned = Counter({"": frozen.skips})
    if settings.max_skips_of and frozen.skips:
        planned.update(skip.reason.value for _place, skip in plan.read_skips(folder))
    for reason, allowed in settings.skip_limits().items():
        if planned[reason] > allowed:
            what = f"{counted(planned[reason], 'row')}" + (f" as {reason}" if reason else "")
            limit = f"{reason}={planned[reason]}" if reason else str(planned[reason])
            return TooManySkips(
                f"The plan of run {frozen.run_id} skips {what}; --max-skips allows {allowed}. "
                "Nothing was written. Look at skips.csv in the run's folder; to write the others "
                f"all the same: {next_command('apply', frozen.run_id, '--max-skips', limit)}"
            )
    return None


@dataclass(frozen=True, slots=True)
class _Work:
    """A plan that is to be written, and what that takes."""

    plan: Plan
    folder: RunFolder
    kind: JobKind
    settings: EngineSettings
    reporter: Reporter
    connect: Connect

    @property
    def choosing(self) -> Choosing:
        return Choosing(self.folder, self.kind, self.plan)


def apply_run(
    database: Database,
    folder: RunFolder,
    kind: JobKind,
    settings: EngineSettings,
    reporter: Reporter,
    step: Step = no_step,
    pace: Pace | None = None,
) -> Applied:
    """Write what is approved now of the run's frozen plan, or what is left of that.

    Raises `StalePlan`, `LeaseHeld`, `Interrupted` (also for pause and cancel), `Terminated`,
    `TooManySkips`, `TooManyRefused`, `RowsLeft` (when nothing was written), `PreflightError`,
    `DatabaseUnreachable`; each names the command that goes on.
    """
    frozen = plan.load(folder)
    if kind.chain(frozen.target):
        settings = _one_by_one(kind, settings)
    work = _Work(frozen, folder, kind, settings, reporter, connector(database, settings))
    with contextlib.closing(first_session(work.connect, frozen.run_id, reporter)) as connection:
        _check_limit(connection, work)
        ledger = Ledger(connection)
        if done := _written_already(ledger, work):
            return standing(ledger, frozen, done)
        _tell_of_types(connection, work)
        try:
            claim, approval = _claim(ledger, work)
        except UsageError:  # perhaps others wrote the last of it since a moment ago
            if done := _ended_status(ledger.get(frozen.run_id), reporter):
                return standing(ledger, frozen, done)
            raise
        _tell(claim, approval, reporter)
        polite = partial(_polite, database, claim, work)
        return _written(connection, work, claim, approval, step, lambda: pace or polite())


def _written(
    connection: Session,
    work: _Work,
    claim: Lease,
    approval: Approval | None,
    step: Step,
    paced: Callable[[], Pace],
) -> Applied:
    """Write what is approved of a run that was claimed; however that ends, its row says so."""
    settings = work.settings
    ending = Ending(work.connect, claim, work.plan, work.folder, work.reporter)
    with (
        stop_signals(claim.run_id) as stop,
        ending.recorded(),
        contextlib.closing(paced()) as pace,
    ):
        approved = _approved(connection, work, claim, approval)
        tally = _tally(connection, work, approved.part)
        refusals = Refusals(settings.max_refused)
        shared = Shared(
            *(claim, handing_out(connection, work.connect), settings, work.reporter),
            *(stop, tally, refusals),
            passes_over=not work.kind.chain(work.plan.target),
            step=step,
            pace=pace,
        )
        writer = work.kind.reverter if work.plan.reverts else work.kind.writer
        ending.crew = Crew(
            lambda: Applier(approved, shared, writer(work.plan.target)), settings.workers, stop
        )
        ending.crew.run()
    return ending.standing()


def _check_limit(connection: Connection, work: _Work) -> None:
    """Raise `PreflightError` where there can not be a connection for each writer and the watch."""
    throttle, mend = work.settings.throttle, ""
    if throttle.limits == DEFAULT_LIMITS and not throttle.wal_budget:
        alone = ["--workers", "1", "--max-lock-waiters=-1"]
        mend = f"Or over one, watching nobody: {next_command('apply', work.plan.run_id, *alone)}"
    beside = bool(throttle.limits) + bool(throttle.wal_budget)
    check_limit(connection, work.settings.workers + beside, mend)


def _written_already(ledger: Ledger, work: _Work) -> RunStatus | None:
    """Check the plan and see to its row; return the status of a run that has nothing to write."""
    frozen = work.plan
    ledger.create()
    row = ledger.find(frozen.run_id)
    check_fresh(frozen, row, ledger.connection, work)
    if error := too_many_skips(frozen, work.folder, work.settings):
        raise error
    if row is None or row.status is RunStatus.PLANNED:
        _check_rules(work)
    if row is None:
        ledger.register(row_of(frozen))
        return None
    return _ended_status(row, work.reporter)


def _check_rules(work: _Work) -> None:
    """Raise `StalePlan` where another version made the plan, and this one computes otherwise: what
    could not be proven is not written."""
    frozen = work.plan
    with contextlib.suppress(StorageError):
        if frozen.reverts or work.folder.read_json(RUN_FILE).get("code") == code_digest():
            return
    reader = plan.ChunkReader(work.folder, frozen)
    stride = -(-frozen.rows // RECOMPUTED_ROWS)
    while reader.remaining:
        changes = reader.take(0, READ_BACK_ROWS).changes
        rows = changes.take(pa.array(range(0, changes.num_rows, stride), pa.int64()))
        for row, wrong in work.kind.recompute(frozen.target, rows).wrong:
            raise StalePlan(
                f"Run {frozen.run_id} was planned by another version, and this one computes "
                f"otherwise: row {rows.column('key')[row]}: {wrong}. Nothing was written. "
                f"{plan.new_plan(work.folder)}"
            )


def _ended_status(row: RunRow, reporter: Reporter) -> RunStatus | None:
    if row.status not in (RunStatus.SUCCEEDED, RunStatus.REVERTED):
        return None
    reporter.message(f"Run {row.run_id} is {row.status} already: nothing to write.")
    return row.status


def _tell_of_types(connection: Connection, work: _Work) -> None:
    writer = work.kind.writer(work.plan.target)
    changed = writer.retyped(connection) if isinstance(writer, TableWriter) else []
    for sentence in changed:
        work.reporter.message(
            f"{sentence}. A row that would hold another value than the plan's is left alone. "
            f"{plan.new_plan(work.folder)}",
            "warning",
        )


def _polite(database: Database, claim: Lease, work: _Work) -> Pace:
    tables = [work.plan.scope["table"]]
    return PolitePace(database, work.settings.throttle, tables, claim, work.reporter)


def _one_by_one(kind: JobKind, settings: EngineSettings) -> EngineSettings:
    """Return the settings of a job whose rows build on those before them."""
    if settings.workers > 1:
        raise UsageError(
            f"The {kind.name} job writes its rows one after the other, since they build on one "
            "another: it takes one worker. Leave out --workers."
        )
    return replace(settings, chunk_rows=1)


def _claim(ledger: Ledger, work: _Work) -> tuple[Lease, Approval | None]:
    """Join the run, or claim it for what is approved now."""
    run_id, settings = work.plan.run_id, work.settings

    def joined() -> Lease | None:
        return lease.join(ledger.connection, run_id, settings.lease_seconds)

    if settings.join and (shared := joined()):
        return shared, None
    asked = Selection(settings.only, settings.canary)
    approval = approve(ledger.connection, work.choosing, asked)
    try:
        return lease.acquire(ledger, run_id, settings.lease_seconds), approval
    except LeaseHeld:  # perhaps by another applier of this run, since a moment ago
        if settings.join and (shared := joined()):
            return shared, None
        raise


def _tell(claim: Lease, approval: Approval | None, reporter: Reporter) -> None:
    """Say which part of the plan is written now, where that is not simply all of it."""
    if approval is None:
        reporter.message(f"Joined the appliers of run {claim.run_id}.")
        return
    if approval.part_no > 1 or not approval.selection.is_all:
        rows = counted(approval.positions.rows, "row")
        reporter.message(f"Part {approval.part_no} ({approval.selection}): {rows}.")
    if approval.pulled_in:
        reporter.message(
            f"{approval.pulled_in:,} of them were not chosen, but others of the part build on "
            "them: earlier ones of the same day come along."
        )


def _approved(
    connection: Connection, work: _Work, claim: Lease, approval: Approval | None
) -> Approved:
    """Return the part that is to be written, recorded with its ranges, and its rows."""
    frozen, settings = work.plan, work.settings
    if approval is None:
        asked = Selection(settings.only, settings.canary)
        part = joined_part(connection, claim, frozen, asked)
        parts = parts_of(connection, frozen.run_id)[: part.part_no]
        positions = work.choosing.rows_of(parts)
    else:
        begin(connection, work.kind, frozen, approval, settings)
        part, positions = parts_of(connection, frozen.run_id)[-1], approval.positions
    return Approved(frozen, work.folder, part, positions)


def _tally(connection: Connection, work: _Work, part: Part) -> Tally:
    """Count from what the run has written; `rows` is where it is when the part is through."""
    run_id = work.plan.run_id
    parts = parts_of(connection, run_id)
    total = Ledger(connection).totals(run_id)
    left = reasons_of(Ledger(connection), run_id) if work.settings.max_skips_of else {}
    rows = sum(entry.rows for entry in parts if entry.part_no <= part.part_no)
    tally = Tally(run_id, rows, work.settings, work.reporter, total)
    tally.left.update({reason.value: left[reason] for reason in left if reason in FOUND_LATE})
    tally.begin()
    return tally
