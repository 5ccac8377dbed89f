"""Which run a command means. `latest` is for looking: what writes is named, or says what it took.

A plan that nobody has looked at must not be written because it happens to be the newest.
"""

from __future__ import annotations

from pathlib import Path
from typing import LiteralString

from backfill.errors import UsageError
from backfill.folder import RUN_ID, RunFolder
from backfill.next_command import next_command
from backfill.plans import plan
from backfill.plans.plan import Plan
from backfill.records.ledger import Ledger, RunRow
from backfill.server.postgres import scalar
from backfill.status import RESUMABLE, RunStatus
from backfill.which_folder import LATEST


def row_of(frozen: Plan) -> RunRow:
    """Return the ledger row of a plan that nobody has applied yet."""
    return RunRow(**frozen.facts(), plan_rows=frozen.rows, status=RunStatus.PLANNED)


def find_planned(ledger: Ledger, wanted: str, runs: Path) -> RunRow:
    """Return a run that has a plan, whatever became of it.

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


def run_to_apply(ledger: Ledger, wanted: str, runs: Path) -> RunRow:
    """Return the run that `apply` means; `latest` is the newest planned one that is no revert."""
    if wanted != LATEST:
        return find_planned(ledger, wanted, runs)
    planned = _newest(ledger, "status = 'planned' AND reverts IS NULL ORDER BY planned_at DESC")
    if planned is not None:
        return planned
    newest = ledger.get(LATEST)
    raise UsageError(
        f"There is no planned run to apply. The newest run is {newest.run_id} "
        f"({_kind(newest)}, {newest.status}). {_way_on(newest)}"
    )


def run_to_resume(ledger: Ledger, wanted: str, runs: Path) -> RunRow:
    """Return the run that `resume` means: one that has begun. `latest` is the newest of them."""
    if wanted == LATEST:
        begun = _newest(ledger, "started_at IS NOT NULL ORDER BY started_at DESC")
        if begun is not None:
            return begun
        raise UsageError(
            "No run has begun yet: there is nothing to go on with. List runs with: "
            f"{next_command('status')}"
        )
    run = find_planned(ledger, wanted, runs)
    if run.started_at is None:
        raise UsageError(
            f"Run {run.run_id} has not begun: it is a plan, and resume writes no plan that nobody "
            f"has approved. To write it: {next_command('apply', run.run_id)}"
        )
    return run


def run_to_revert(ledger: Ledger, wanted: str, *, is_writing: bool) -> RunRow:
    """Return the run that `revert` means; `latest`, the newest that wrote, is for looking."""
    run = ledger.get(wanted, has_written=True)
    if is_writing and wanted == LATEST:
        raise refuse_to_revert_latest(run)
    return run


def refuse_to_revert_latest(run: RunRow) -> UsageError:
    """Return the error of `revert latest --apply`: it names a run only where one has begun."""
    if run.started_at is not None:
        return refuse_latest(run, "revert", "--apply")
    return UsageError(
        "No run has written anything yet: there is nothing to put back. List runs with: "
        f"{next_command('status')}"
    )


def refuse_latest(run: RunRow, verb: str, *options: str) -> UsageError:
    """Return the error of a command that writes and was given `latest`."""
    return UsageError(
        f"{verb} takes no latest, since it writes. The newest run that it could mean is "
        f"{run.run_id} ({_kind(run)}, {run.status}). If that is meant: "
        f"{next_command(verb, run.run_id, *options)}"
    )


def latest_in_words(run: RunRow) -> str:
    """Return which run `latest` was, for a person."""
    when = f", planned {run.planned_at:%Y-%m-%d %H:%M} UTC" if run.planned_at else ""
    return f"latest is run {run.run_id} ({_kind(run)}, {run.status}{when})."


def _kind(run: RunRow) -> str:
    return f"revert of {run.reverts}" if run.reverts else run.job


def _way_on(run: RunRow) -> str:
    if run.started_at is None and run.status in (RunStatus.PLANNED, RunStatus.CANCELLED):
        return f"To write that: {next_command('apply', run.run_id)}"
    if run.status in RESUMABLE:
        return f"To write what is left of it: {next_command('resume', run.run_id)}"
    return f"Look at it: {next_command('status', run.run_id)}"


def _newest(ledger: Ledger, which: LiteralString) -> RunRow | None:
    """Return the first run of a condition with an order, None where there is none. Read-only."""
    if not ledger.exists():
        return None
    run_id = scalar(ledger.connection, f"SELECT run_id FROM backfill.run WHERE {which} LIMIT 1")
    return ledger.find(run_id) if run_id else None
