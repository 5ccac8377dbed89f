"""What to say of a step that the server refused, in which it was lost, that a signal ended or that
never came."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg

from backfill.display.eye import NotShown, attempt
from backfill.errors import (
    DatabaseUnreachable,
    Interrupted,
    PreflightError,
    StorageError,
    Terminated,
    UsageError,
    mend_of,
)
from backfill.folder import RunFolder
from backfill.next_command import next_command
from backfill.plans.plan import PLAN_FILE, planned_by
from backfill.report import Reporter
from backfill.server.dsn import redact
from backfill.server.postgres import what_failed
from backfill.steps.ending import apply_command, resume_command


def refused(step: str, error: Exception, folder: RunFolder, *, is_writing: bool) -> PreflightError:
    """Return the error of a right that lacks; `is_writing`: the run has a plan to write."""
    way_on = f", then: {apply_command(folder)}" if is_writing else ""
    return PreflightError(
        f"The role lacks a right for {step}: {str(error).splitlines()[0]}. Grant what this "
        f"prints: {next_command('grants')}{way_on}"
    )


#: What a server says that is away, or here but not the one that writes.
AWAY = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    psycopg.errors.ReadOnlySqlTransaction,
)


def lost(
    step: str, error: psycopg.Error, dsn: str, folder: RunFolder, *, is_writing: bool
) -> DatabaseUnreachable:
    """Return the error of a database that went away; a dry run is never told to write."""
    failed = redact(what_failed(error, step), dsn)
    way_on = apply_command(folder) if is_writing else next_command("doctor")
    return DatabaseUnreachable(
        f"{failed}. What is committed stays committed. When it answers again: {way_on}"
    )


def no_room(error: StorageError, folder: RunFolder, *, is_writing: bool) -> StorageError:
    """Return the error of a file that could not be written, with the way on.

    What is written already is closed; a plan without its files is made again.
    """
    mend = mend_of(error)
    if is_writing:
        return StorageError(f"{error} {mend}, then: {apply_command(folder)}")
    again = next_command(*planned_by(folder))
    return StorageError(f"{error} {mend}, then make the plan again: {again}")


def stopped(
    step: str, signal_name: str, run_id: str, folder: RunFolder, *, is_writing: bool
) -> Interrupted | Terminated:
    """Return the error of a step that a signal ended while no chunk was open."""
    sentence = f"Run {run_id} was stopped by {signal_name} during {step}."
    if is_writing:
        sentence += f" What is committed stays committed. Go on with: {resume_command(folder)}"
    elif not folder.file(PLAN_FILE).is_file():
        sentence += " Nothing was written. Type the command again."
    else:
        sentence += f" Nothing was written. See: {next_command('status', run_id)}"
    return Interrupted(sentence) if signal_name == "SIGINT" else Terminated(sentence)


def never_applied(run_id: str) -> UsageError:
    """Return the error of a run that was to be applied, in a notebook that leaves that out."""
    return UsageError(
        "It was to be applied, and the notebook never called run.apply(): nothing was written. To "
        f"write exactly this plan: {next_command('apply', run_id)}"
    )


def own_report(
    make: Callable[[], dict[str, Any]], reporter: Reporter | None = None
) -> dict[str, Any]:
    """Return what a job's own report adds to the summary; say why, where it could not be made.

    Without a reporter the run stopped half way, and nothing may hide why.
    """

    def not_made(missed: NotShown) -> dict[str, Any]:
        if reporter:
            said = f"{missed.what} was not made ({missed.why})."
            reporter.message(f"{said} What is written is not touched by that.", "warning")
        return {}

    but = (StorageError,) if reporter else ()
    return attempt("The job's own report", make, not_made, but=but)
