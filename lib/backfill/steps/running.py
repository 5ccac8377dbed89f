"""Take a run's lease, write its plan, and leave the run at a status that tells the truth."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from backfill.chunks.apply import Applier, Approved
from backfill.chunks.chunk_commit import Step, no_step
from backfill.chunks.crew import Crew
from backfill.chunks.tally import Tally
from backfill.display.counting import counted
from backfill.errors import (
    LeaseHeld,
    StalePlan,
    TooManySkips,
    UsageError,
)
from backfill.folder import RUN_ID, RunFolder
from backfill.plans import plan
from backfill.plans.plan import Plan
from backfill.politeness.pace import Pace
from backfill.politeness.polite_pace import open_pace
from backfill.politeness.waiting import Waiting, waiting_of
from backfill.records import lease
from backfill.records.lease import Lease
from backfill.records.ledger import Counts, Ledger, RunRow
from backfill.records.parts import Part, parts_of
from backfill.records.positions import Positions
from backfill.records.selection import Selection
from backfill.report import Reporter
from backfill.rows import image
from backfill.server.database import Database
from backfill.server.postgres import Connection, database_fingerprint, find_rows_by_key
from backfill.settings import EngineSettings, fingerprint
from backfill.skips import SkipReason
from backfill.status import RunStatus
from backfill.steps.approval import Approval, begin, decide, joined_part
from backfill.steps.choosing import find_rows
from backfill.steps.ending import Ending
from backfill.steps.job import Job, JobKind
from backfill.stop import stop_signals
from backfill.utc.zones import tzdata_version


@dataclass(frozen=True, slots=True)
class Applied:
    """How a run stands after its plan was written: counts of the whole run, and by scope."""

    status: RunStatus
    counts: Counts
    by_scope: dict[str, Counts]
    elapsed_ms: int = 0  # of all chunks, whatever stretch wrote them
    paused_ms: dict[str, int] = field(default_factory=dict)  # what it waited, by signal
    parts: tuple[Part, ...] = ()


def row_of(frozen: Plan) -> RunRow:
    """Return the ledger row of a plan that nobody has applied yet."""
    return RunRow(
        run_id=frozen.run_id,
        job=frozen.job,
        scope=frozen.scope,
        plan_id=frozen.plan_id,
        plan_rows=frozen.rows,
        status=RunStatus.PLANNED,
        settings=frozen.settings,
        target=frozen.target,
        settings_fingerprint=frozen.settings_fingerprint,
        database_fingerprint=frozen.database_fingerprint,
        tzdata_version=frozen.tzdata_version,
        reverts=frozen.reverts,
    )


def find_planned(ledger: Ledger, wanted: str, runs: Path) -> RunRow:
    """Return the run that is to be applied.

    A plan whose row never reached the database, because its planner may not write there or was
    killed before, is found in its folder.
    """
    try:
        return ledger.get(wanted)
    except UsageError:
        if not RUN_ID.fullmatch(wanted):
            raise
        folder = RunFolder.of(runs, wanted)
        if not folder.file(plan.PLAN_FILE).exists():
            raise
        return row_of(plan.load(folder))


def stopped_run(ledger: Ledger, job: Job, runs: Path, say: Callable[[str], None]) -> RunRow | None:
    """Return the newest run of the same job and settings that stopped half way, if it can go on.

    One whose plan is not in `runs` can not: what it wrote stays, and a new plan finds the rest.
    """
    found = ledger.resumable(job.name, fingerprint(job.settings))
    if found is None or RunFolder.of(runs, found.run_id).file(plan.PLAN_FILE).exists():
        return found
    say(
        f"Run {found.run_id} of the same settings is {found.status}, but its plan is not in "
        f"{runs}: making a new one for what is left. (backfill revert {found.run_id} would put "
        "back what it wrote.)"
    )
    return None


def planned_counts(frozen: Plan) -> tuple[Counts, dict[str, Counts]]:
    """Return what applying the plan would count, in all and by scope."""
    by_scope = {
        scope: Counts(
            updated=part.get("updated", 0),
            unchanged=part.get("unchanged", 0),
            drifted=part.get("drifted", 0),
            skipped=part.get("skipped", 0),
        )
        for scope, part in frozen.counts.get("by_scope", {}).items()
    }
    return sum(by_scope.values(), Counts()), by_scope


def check_fresh(frozen: Plan, row: RunRow | None, connection: Connection) -> None:
    """Raise `StalePlan` unless plan, settings, time zone data and database are the run's own."""
    checks = [
        ("database", frozen.database_fingerprint, database_fingerprint(connection)),
        ("time zone data (tzdata)", frozen.tzdata_version, tzdata_version()),
    ]
    if row is not None:
        checks += [
            ("plan", row.plan_id, frozen.plan_id),
            ("settings", row.settings_fingerprint, frozen.settings_fingerprint),
        ]
    for what, expected, found in checks:
        if expected != found:
            raise StalePlan(
                f"Run {frozen.run_id} can not go on: its {what} differs "
                f"(it was {expected[:16]}, now it is {found[:16]}). Nothing was written. "
                f"Make a new plan: backfill {frozen.job}"
            )


def too_many_skips(frozen: Plan, settings: EngineSettings) -> TooManySkips | None:
    """Return the error of a plan that itself skips more rows than allowed, if it does."""
    if settings.max_skips is None or frozen.skips <= settings.max_skips:
        return None
    return TooManySkips(
        f"The plan of run {frozen.run_id} skips {counted(frozen.skips, 'row')}; --max-skips allows "
        f"{settings.max_skips}. Nothing was written. Look at skips.csv in the run's folder."
    )


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
    `TooManySkips`, `DatabaseUnreachable`; each names the command that goes on.
    """
    frozen = plan.load(folder)
    if kind.is_sequential:
        settings = _one_by_one(kind, settings)
    connect = _connector(database, settings)
    with contextlib.closing(connect()) as connection:
        ledger = Ledger(connection)
        ledger.create()
        row = ledger.find(frozen.run_id)
        check_fresh(frozen, row, connection)
        if error := too_many_skips(frozen, settings):
            raise error
        if row is None:
            ledger.register(row_of(frozen))
        elif row.status in (RunStatus.SUCCEEDED, RunStatus.REVERTED):
            reporter.message(f"Run {frozen.run_id} is {row.status} already: nothing to write.")
            return standing(ledger, frozen, row.status)
        claim, approval = _claim(ledger, folder, kind, frozen, settings)
        _tell(claim, approval, reporter)
        ending = Ending(connect, claim, frozen, folder, reporter)
        with (
            stop_signals(frozen.run_id) as stop,
            ending.told(),
            contextlib.closing(
                pace or _polite(database, settings, frozen, claim, reporter)
            ) as held,
        ):
            part, positions = _part(connection, folder, kind, frozen, settings, claim, approval)
            connection.close()
            tally = _tally(connect, frozen, part, settings, reporter)

            def hire() -> Applier:
                return Applier(
                    Approved(frozen, folder, part, positions),
                    (kind.reverter if frozen.reverts else kind.writer)(frozen.target),
                    claim,
                    connect,
                    settings,
                    reporter,
                    stop,
                    tally,
                    step,
                    held,
                )

            ending.crew = Crew(hire, settings.workers, stop)
            ending.crew.run()
    # A new connection: the first one may be gone after a restart of the server.
    with contextlib.closing(connect()) as connection:
        ledger = Ledger(connection)
        return standing(ledger, frozen, ledger.get(frozen.run_id).status)


def _polite(
    database: Database, settings: EngineSettings, frozen: Plan, claim: Lease, reporter: Reporter
) -> Pace:
    return open_pace(database, settings.throttle, [frozen.scope["table"]], claim, reporter)


def _one_by_one(kind: JobKind, settings: EngineSettings) -> EngineSettings:
    """Return the settings of a job whose rows build on those before them."""
    if settings.workers > 1:
        raise UsageError(
            f"The {kind.name} job writes its rows one after the other, since they build on one "
            "another: it takes one worker. Leave out --workers."
        )
    return replace(settings, chunk_rows=1)


def _claim(
    ledger: Ledger, folder: RunFolder, kind: JobKind, frozen: Plan, settings: EngineSettings
) -> tuple[Lease, Approval | None]:
    """Join the run, or claim it for what is approved now."""
    run_id, seconds = frozen.run_id, settings.lease_seconds
    if settings.join and (joined := lease.join(ledger.connection, run_id, seconds)):
        return joined, None
    asked = Selection(settings.only, settings.canary)
    approval = decide(ledger.connection, folder, kind, frozen, asked)
    try:
        return lease.acquire(ledger, run_id, seconds), approval
    except LeaseHeld:  # perhaps by another applier of this run, since a moment ago
        if settings.join and (joined := lease.join(ledger.connection, run_id, seconds)):
            return joined, None
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


def _part(
    connection: Connection,
    folder: RunFolder,
    kind: JobKind,
    frozen: Plan,
    settings: EngineSettings,
    claim: Lease,
    approval: Approval | None,
) -> tuple[Part, Positions]:
    """Return the part that is to be written, recorded with its ranges, and its rows."""
    if approval is None:
        asked = Selection(settings.only, settings.canary)
        part = joined_part(connection, claim, frozen, asked)
        parts = parts_of(connection, frozen.run_id)[: part.part_no]
        return part, find_rows(folder, kind, frozen, parts)
    begin(connection, kind, frozen, approval, settings)
    return parts_of(connection, frozen.run_id)[-1], approval.positions


def _tally(
    connect: Callable[[], Connection],
    frozen: Plan,
    part: Part,
    settings: EngineSettings,
    reporter: Reporter,
) -> Tally:
    """Count from what the run has written; `rows` is where it is when the part is through."""
    with contextlib.closing(connect()) as connection:
        parts = parts_of(connection, frozen.run_id)
        total = Ledger(connection).totals(frozen.run_id)
    rows = sum(entry.rows for entry in parts if entry.part_no <= part.part_no)
    tally = Tally(frozen.run_id, rows, settings, reporter, total)
    tally.begin()
    return tally


def _connector(database: Database, settings: EngineSettings) -> Callable[[], Connection]:
    def connect() -> Connection:
        connection = database.connect(limits=settings.limits)
        find_rows_by_key(connection)
        return connection

    return connect


def standing(ledger: Ledger, frozen: Plan, status: RunStatus) -> Applied:
    """Return how the whole run stands by its checkpoints, in all and by scope. Read-only."""
    done = ledger.checkpoints(frozen.run_id)
    total = sum((checkpoint.counts for checkpoint in done), Counts())
    elapsed_ms = sum(checkpoint.elapsed_ms for checkpoint in done)
    planned, by_scope = planned_counts(frozen)
    if total != planned:
        by_scope = _counts_by_scope(ledger, frozen, by_scope)
    waiting = waiting_of(ledger.connection, [frozen.run_id]).get(frozen.run_id, Waiting())
    parts = tuple(parts_of(ledger.connection, frozen.run_id)) if ledger.has_ranges() else ()
    return Applied(status, total, by_scope, elapsed_ms, waiting.paused_ms, parts)


def _counts_by_scope(
    ledger: Ledger, frozen: Plan, planned: Mapping[str, Counts]
) -> dict[str, Counts]:
    """Count by scope from images and skips, where the run differs from its plan."""
    updated: Counter[str] = Counter()
    for chunk_no, _rows, sha256, content in ledger.images(frozen.run_id):
        rows = image.decode(frozen.run_id, chunk_no, sha256, content)
        for entry in rows.column("scope").value_counts().to_pylist():
            updated[entry["values"]] += entry["counts"]
    drifted: Counter[str] = Counter()
    skipped: Counter[str] = Counter()
    for skip in ledger.skips(frozen.run_id):
        (drifted if skip.reason == SkipReason.DRIFTED else skipped)[skip.scope] += 1
    is_complete = sum(c.scanned for c in ledger.checkpoints(frozen.run_id)) == frozen.rows
    counts = {}
    for scope in sorted({*planned, *updated, *drifted, *skipped}):
        part = Counts(updated[scope], 0, drifted[scope], skipped[scope])
        if is_complete and scope in planned:
            part = replace(part, unchanged=planned[scope].scanned - part.scanned)
        counts[scope] = part
    return counts
