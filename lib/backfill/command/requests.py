"""`backfill pause`, `backfill cancel`: ask whoever writes a run to stop, from any machine."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from backfill.command.commands import database_of, terminal_of
from backfill.command.ending import print_summary
from backfill.errors import DatabaseUnreachable, ExitCode, UsageError
from backfill.next_command import next_command

if TYPE_CHECKING:
    from backfill.records.ledger import Ledger, RunRow

Found = TypeVar("Found")
#: How long one try waits for a lock, and all of them together: a run's row is locked while a chunk
#: is written, and a chunk may wait for others in its turn.
TRY_MS = 5_000
WHOLE_SECONDS = 60.0


def run_request(options: argparse.Namespace) -> int:
    """Ask a run to stop; what nobody writes is cancelled at once. Returns within a minute."""
    from backfill.records.ledger import Ledger
    from backfill.server.session import SessionLimits
    from backfill.steps.which_run import refuse_latest
    from backfill.which_folder import LATEST

    what, wanted = options.command, options.run_id
    say = terminal_of(options).message
    with database_of(options).connect(limits=SessionLimits(lock_timeout_ms=TRY_MS)) as connection:
        ledger = Ledger(connection)
        run = patiently(lambda: ledger.get(wanted), what, wanted, say)
        if wanted == LATEST:
            raise refuse_latest(run, what)
        text = patiently(lambda: _ask(ledger, run, what), what, run.run_id, say)
    say(text)
    print_summary({"run_id": run.run_id, "requested": what, "was": run.status.value})
    return int(ExitCode.OK)


def _ask(ledger: Ledger, run: RunRow, what: str) -> str:
    from backfill.status import RunStatus

    if run.status is RunStatus.RUNNING:
        ledger.request(run.run_id, what)
        then = RunStatus.CANCELLED if what == "cancel" else RunStatus.PAUSED
        return f"Run {run.run_id} will be {then} after its current chunk."
    if what == "cancel":
        ledger.cancel(run)
        return f"Run {run.run_id} was {run.status}; now it is cancelled."
    raise UsageError(
        f"Run {run.run_id} is {run.status}: only a running run can be paused. "
        f"Look at it: {next_command('status', run.run_id)}"
    )


def patiently(
    ask: Callable[[], Found],
    what: str,
    run_id: str,
    say: Callable[[str], None],
    clock: Callable[[], float] = time.monotonic,
) -> Found:
    """Return what `ask` returns; try again while others hold a lock, but not for ever."""
    import psycopg

    end = clock() + WHOLE_SECONDS
    while True:
        try:
            return ask()
        except psycopg.errors.LockNotAvailable:
            if clock() >= end:
                raise DatabaseUnreachable(
                    f"Run {run_id} could not be asked to {what}: others have held a lock on "
                    f"backfill.run for {WHOLE_SECONDS:.0f} s, the writer of a chunk that waits, "
                    "perhaps. Nothing was changed. The database says who: SELECT pid, query FROM "
                    "pg_stat_activity WHERE wait_event_type = 'Lock'. Then again: "
                    f"{next_command(what, run_id)}"
                ) from None
            say("Others hold a lock on the run's row: waiting.")
