"""What to say of a step that the server refused, in which it was lost, that a signal ended or that
never came."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psycopg

from backfill.display.eye import NotShown, attempt
from backfill.errors import (
    BackfillError,
    DatabaseUnreachable,
    Interrupted,
    PreflightError,
    StorageError,
    Terminated,
    UsageError,
    first_line,
    mend_of,
)
from backfill.folder import RunFolder
from backfill.next_command import next_command
from backfill.plans.plan import PLAN_FILE, planned_by
from backfill.report import Reporter
from backfill.server.dsn import redact
from backfill.server.postgres import AWAY, what_failed
from backfill.steps.ending import apply_command, resume_command


@dataclass(frozen=True, slots=True)
class FailedStep:
    """A step of the run in a folder; `is_writing`: the run has a plan to write."""

    name: str
    folder: RunFolder
    dsn: str
    is_writing: bool


def in_our_words(error: Exception, step: FailedStep) -> BackfillError | None:
    """Return what to say in place of an error, None for one that is said as it is."""
    say = next((say for kinds, say in _SAID if isinstance(error, kinds)), None)
    return say(error, step) if say else None


def refused(error: psycopg.Error, step: FailedStep) -> PreflightError:
    way_on = f", then: {apply_command(step.folder)}" if step.is_writing else ""
    return PreflightError(
        f"The role lacks a right for {step.name}: {first_line(error)}. Grant what this "
        f"prints: {next_command('grants')}{way_on}"
    )


def lost(error: psycopg.Error, step: FailedStep) -> DatabaseUnreachable:
    """Return the error of a database that went away; a dry run is never told to write."""
    failed = redact(what_failed(error, step.name), step.dsn)
    way_on = apply_command(step.folder) if step.is_writing else next_command("doctor")
    return DatabaseUnreachable(
        f"{failed}. What is committed stays committed. When it answers again: {way_on}"
    )


def no_room(error: StorageError, step: FailedStep) -> StorageError:
    """Return the error of a file that could not be written, with the way on.

    What is written already is closed; a plan without its files is made again.
    """
    mend = mend_of(error)
    if step.is_writing:
        return StorageError(f"{error} {mend}, then: {apply_command(step.folder)}")
    again = next_command(*planned_by(step.folder))
    return StorageError(f"{error} {mend}, then make the plan again: {again}")


#: What is said in other words than the error's own: its kinds, and what says it.
_SAID: tuple[tuple[Any, Callable[[Any, FailedStep], BackfillError]], ...] = (
    (StorageError, no_room),
    (psycopg.errors.InsufficientPrivilege, refused),
    (AWAY, lost),
)


def stopped(signal_name: str, run_id: str, step: FailedStep) -> Interrupted | Terminated:
    """Return the error of a step that a signal ended while no chunk was open."""
    sentence = f"Run {run_id} was stopped by {signal_name} during {step.name}."
    if step.is_writing:
        sentence += f" What is committed stays committed. Go on with: {resume_command(step.folder)}"
    elif not step.folder.file(PLAN_FILE).is_file():
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
