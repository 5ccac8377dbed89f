"""`backfill pause`, `backfill cancel`: ask whoever writes a run to stop, from any machine."""

from __future__ import annotations

import argparse

from backfill.command.commands import database_of, print_summary, terminal_of
from backfill.errors import ExitCode, UsageError
from backfill.next_command import next_command


def run_request(options: argparse.Namespace) -> int:
    """`backfill pause RUN_ID`, `backfill cancel RUN_ID`: take effect within one chunk."""
    from backfill.records.ledger import Ledger
    from backfill.server.session import SessionLimits
    from backfill.status import RunStatus
    from backfill.steps.which_run import LATEST, refuse_latest

    what = options.command
    then = RunStatus.CANCELLED if what == "cancel" else RunStatus.PAUSED
    # The run's row is locked while a chunk is written: wait for its end.
    patient = SessionLimits(lock_timeout_ms=0)
    with database_of(options).connect(limits=patient) as connection:
        ledger = Ledger(connection)
        run = ledger.get(options.run_id)
        if options.run_id == LATEST:
            raise refuse_latest(run, what)
        if run.status is RunStatus.RUNNING:
            ledger.request(run.run_id, what)
            text = f"Run {run.run_id} will be {then} after its current chunk."
        elif what == "cancel":
            ledger.cancel(run)
            text = f"Run {run.run_id} was {run.status}; now it is cancelled."
        else:
            raise UsageError(
                f"Run {run.run_id} is {run.status}: only a running run can be paused. "
                f"Look at it: {next_command('status', run.run_id)}"
            )
    terminal_of(options).message(text)
    print_summary({"run_id": run.run_id, "requested": what, "was": run.status.value})
    return int(ExitCode.OK)
