"""What each command does: build values, call one function, print one line of JSON."""

from __future__ import annotations

import argparse
import contextlib
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backfill.command.ending import print_refusal, print_result, print_summary, print_verified
from backfill.command.executing import APPLY_NOTEBOOK, run_notebook_of
from backfill.errors import (
    BackfillError,
    DatabaseUnreachable,
    ExitCode,
    PreflightError,
    StorageError,
    first_line,
    is_full,
)
from backfill.folder import RunFolder, has_temporary_folder, is_temporary_full, new_run_id, runs_dir
from backfill.next_command import next_command, remember_about
from backfill.notebook.kernel import Kernel, kernel_ahead
from backfill.notebook.relay import Terminal
from backfill.parameter import did_you_mean
from backfill.parameters import Parameter
from backfill.printing import leave_unread

if TYPE_CHECKING:
    from backfill.jobs.entry import Entry
    from backfill.notebook.own_notebook import OwnNotebook
    from backfill.records.ledger import Ledger, RunRow

_DROPPED = {
    "command",
    "run",
    "json",
    "quiet",
    "database_url",
    "dry_run",
    "handler",
    "notebook",
    "task",
    "metrics_file",
}


def terminal_of(options: argparse.Namespace) -> Terminal:
    metrics_file = getattr(options, "metrics_file", None)
    return Terminal(as_json=options.json, quiet=options.quiet, metrics_file=metrics_file)


def run_job(options: argparse.Namespace) -> int:
    """A job's own command: plan, and with --apply also write and verify."""
    from backfill.jobs.registry import asked_of, entry_of
    from backfill.notebook.own_notebook import own_notebook
    from backfill.parameters import check_parameters
    from backfill.server.database import take_database
    from backfill.server.dsn import DSN_ENV

    entry = entry_of(getattr(options, "task", options.command))
    own = own_notebook(getattr(options, "notebook", None))
    _tell_of(own, {parameter.name for parameter in entry.parameters}, terminal_of(options))
    given = _usual_paths(entry.parameters) | own.parameters | given_of(options)
    values = check_parameters(entry.parameters, given, ())
    if values["dsn_env"] not in (options.dsn_env, DSN_ENV):  # a notebook's own cell names it
        take_database(None, values["dsn_env"])
    remember_about(asked_of(entry, values))
    with kernel_ahead() as kernel:
        return _run_job(options, entry, values, own, kernel)


def _run_job(
    options: argparse.Namespace,
    entry: Entry,
    values: dict[str, Any],
    own: OwnNotebook,
    kernel: Kernel,
) -> int:
    from backfill.jobs.entry import latest_sheets
    from backfill.notebook.opened import hand_over
    from backfill.notebook.own_notebook import notebook_for
    from backfill.server.database import open_database
    from backfill.settings import engine_settings
    from backfill.steps.planning import look
    from backfill.steps.running import stopped_run
    from backfill.steps.task import part
    from backfill_lab.demo.seed import seed_if_empty

    terminal = terminal_of(options)
    settings = engine_settings(values)
    job = entry.make(values)
    job.kind.check_skip_limits(settings)
    database = open_database(terminal.log)
    if not values.get("table"):
        seed_if_empty(database, terminal.log)
    sheets = latest_sheets(job.name, values)
    ready = look(job, database, settings, sheets, writing=values["apply"])
    if stopped := stopped_run(database, job, values, terminal.message):
        return _go_on_with(stopped, options, values, kernel)
    folder = RunFolder.of(runs_dir(values["runs_dir"]), new_run_id(job.name))
    with notebook_for(entry, job.task, own) as notebook:  # what is refused here leaves no folder
        folder.create()
        keep = part(job.task, "keep_files")
        kept = keep(folder) if keep else {}
        hand_over(kernel, values | kept, ready)
        if own.path:  # what a person's own notebook says in its cell stays its own
            parameters = _said(options, {p.name for p in entry.parameters}) | kept
            if own.was_run:  # its own cell of injected parameters takes the place of the old one
                parameters = {"apply": values["apply"]} | parameters
        else:
            parameters = _changed(entry.parameters, values | kept)
        return run_notebook_of(notebook, folder, "notebook", parameters, terminal, kernel)


def _tell_of(own: OwnNotebook, known: set[str], terminal: Terminal) -> None:
    """Warn of what a person's own notebook says to no effect."""
    if own.was_run:
        terminal.message(
            "The notebook has been run before: what that run was told, in its cell of injected "
            "parameters, does not count.",
            "warning",
        )
    for name in own.parameters.keys() - known:
        if meant := did_you_mean(name, known, likeness=0.8):  # other names are a person's own
            terminal.message(f"The run takes no parameter {name}.{meant}", "warning")


def _go_on_with(
    stopped: RunRow, options: argparse.Namespace, values: Mapping[str, Any], kernel: Kernel
) -> int:
    terminal_of(options).message(
        f"Run {stopped.run_id} of the same settings is {stopped.status}: going on from its last "
        f"checkpoint. (What it wrote, to put it back: {next_command('revert', stopped.run_id)})"
    )
    return _run_plan(options, stopped.run_id, _said_anew(options, values), kernel)


def _usual_paths(declared: Sequence[Parameter]) -> dict[str, Any]:
    """Return the files that the command line writes into the current folder unless told."""
    return {p.name: str(Path(p.usual_path).absolute()) for p in declared if p.usual_path}


def given_of(options: argparse.Namespace) -> dict[str, Any]:
    return {
        name: value
        for name, value in vars(options).items()
        if name not in _DROPPED and value is not None
    }


def _said(options: argparse.Namespace, names: set[str]) -> dict[str, Any]:
    """Return what the command line says of some parameters."""
    return {name: value for name, value in given_of(options).items() if name in names}


def _changed(declared: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters that are not at their default: what the notebook shows as given."""
    defaults = {parameter.name: parameter.default for parameter in declared}
    return {
        name: value for name, value in values.items() if value != defaults[name] and value != []
    }


def _said_anew(options: argparse.Namespace, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the command line says of how to write, for a run that is gone on with."""
    from backfill.parameters import APPLY_PARAMETERS, check_parameters

    # A job without a chunk size has workers that do something else than write.
    names = {p.name for p in APPLY_PARAMETERS} - (set() if "chunk_size" in values else {"workers"})
    return check_parameters(APPLY_PARAMETERS, {**_said(options, names), "apply": True}, ())


def run_plan(options: argparse.Namespace) -> int:
    """`backfill apply RUN_ID`, `backfill resume RUN_ID`: write what the plan says, or the rest."""
    from backfill.parameters import APPLY_PARAMETERS, check_parameters

    values = check_parameters(APPLY_PARAMETERS, {**given_of(options), "apply": True}, ())
    with kernel_ahead() as kernel:
        return _run_plan(options, _found_plan(options, values), values, kernel)


def _found_plan(options: argparse.Namespace, values: dict[str, Any]) -> str:
    from backfill.settings import engine_settings
    from backfill.steps.which_run import latest_in_words, run_to_apply, run_to_resume
    from backfill.which_folder import LATEST

    engine_settings(values)
    find = run_to_resume if options.command == "resume" else run_to_apply
    with ledger_of(options) as ledger:
        run = find(ledger, values["run_id"], runs_dir(values["runs_dir"]))
    if values["run_id"] == LATEST:
        terminal_of(options).message(latest_in_words(run))
    return run.run_id


def _run_plan(
    options: argparse.Namespace, run_id: str, values: dict[str, Any], kernel: Kernel
) -> int:
    from backfill.notebook.opened import hand_over
    from backfill.parameters import APPLY_PARAMETERS
    from backfill.plans import plan
    from backfill.settings import engine_settings

    engine_settings(values)
    terminal = terminal_of(options)
    folder = RunFolder.of(runs_dir(values.get("runs_dir")), run_id)
    frozen = plan.load(folder)  # a changed one is refused before anything of the folder is touched
    folder.create()
    values = {**values, "run_id": run_id}
    hand_over(kernel, values, frozen)
    changed = _changed(APPLY_PARAMETERS, values)
    with folder.own_name("apply") as stem:
        return run_notebook_of(APPLY_NOTEBOOK, folder, stem, changed, terminal, kernel)


def run_verify(options: argparse.Namespace) -> int:
    """`backfill verify RUN_ID`: prove from the database what the run did. Writes nothing there."""
    from backfill.jobs.registry import kind_of
    from backfill.records.ledger import Ledger
    from backfill.status import RunStatus
    from backfill.steps.verify import lookers_wanted, verify_run

    terminal = terminal_of(options)
    database = database_of(options)
    with database.connect(read_only=True) as connection:
        ledger = Ledger(connection)
        run = ledger.get(options.run_id, has_started=True)
        with database.lookers(lookers_wanted(run)) as lookers:
            verification = verify_run(ledger, run, kind_of(run.job), lookers)
    for text in verification.findings:
        terminal.message(text, "error")
    for text in verification.notes:
        terminal.message(text)
    is_proven = verification.is_proven and run.status is not RunStatus.PLANNED
    print_verified(
        {
            "run_id": run.run_id,
            "status": run.status.value,
            "verified": is_proven,
            **verification.as_json(),
        },
        as_json=options.json,
    )
    return int(ExitCode.OK if is_proven else ExitCode.VERIFY_FAILED)


def run_explain(options: argparse.Namespace) -> int:
    """`backfill explain RUN_ID KEY`: what folder, ledger and table tell of one row. Read-only."""
    from backfill.notebook.asking import explain_row

    runs = runs_dir(options.runs_dir)
    explanation = explain_row(database_of(options), options.run_id, runs, options.key)
    print_result(explanation.document, explanation.shown, as_json=options.json)
    return int(ExitCode.OK)


def run_revert(options: argparse.Namespace) -> int:
    """`backfill revert RUN_ID`: the run's inverse, dry by default."""
    from backfill.parameters import REVERT_PARAMETERS, check_parameters

    values = check_parameters(REVERT_PARAMETERS, given_of(options), ())
    with kernel_ahead() as kernel:
        return _run_revert(options, values, kernel)


def _run_revert(options: argparse.Namespace, values: dict[str, Any], kernel: Kernel) -> int:
    from backfill.parameters import REVERT_PARAMETERS
    from backfill.settings import engine_settings
    from backfill.steps.which_run import latest_in_words, run_to_revert
    from backfill.which_folder import LATEST

    engine_settings(values)
    with ledger_of(options) as ledger:
        run = run_to_revert(ledger, values["run_id"], is_writing=values["apply"])
    terminal = terminal_of(options)
    if values["run_id"] == LATEST:
        terminal.message(latest_in_words(run))
    folder = RunFolder.of(runs_dir(values["runs_dir"]), new_run_id("revert"))
    folder.create()
    changed = _changed(REVERT_PARAMETERS, {**values, "run_id": run.run_id})
    return run_notebook_of("05_revert_run", folder, "notebook", changed, terminal, kernel)


def database_of(options: argparse.Namespace) -> Any:
    from backfill.server.database import open_database

    return open_database(terminal_of(options).message)


@contextlib.contextmanager
def ledger_of(options: argparse.Namespace) -> Iterator[Ledger]:
    """Yield the ledger of the database that is meant, to look into."""
    from backfill.records.ledger import Ledger

    with database_of(options).connect(read_only=True) as connection:
        yield Ledger(connection)


def report_error(options: argparse.Namespace, error: BackfillError) -> int:
    """Print what happened and how to go on; a summary line as well, so that scripts can read on."""
    from backfill.server.dsn import said_of

    text = said_of(error)
    terminal_of(options).message(text, "error")
    document = {"status": "refused", "exit_code": int(error.exit_code), "error": text}
    print_refusal(document, as_json=options.json)
    return int(error.exit_code)


def _no_room(error: Exception) -> str:
    if isinstance(error, MemoryError):
        return (
            "The system gives this process no more memory. What was committed stays committed. Let "
            "it have more: ulimit -v unlimited, or a larger machine."
        )
    lost, mend = getattr(error, "filename", None) or "What was to be printed", "Free some room"
    if lost == "What was to be printed" and is_temporary_full():
        lost = f"The folder for temporary files, {tempfile.gettempdir()}, is full: a file there"
        mend += ", or set TMPDIR"
    return f"{lost} could not be written: {getattr(error, 'strerror', None) or error}. {mend}."


def run_named(options: argparse.Namespace) -> list[str]:
    """Return the run that a command was given, as words of the next one."""
    return [run_id] if (run_id := getattr(options, "run_id", None)) else []


def report_bug(options: argparse.Namespace, error: Exception) -> int:
    """Print an unexpected error with its traceback, without secrets."""
    import traceback

    from backfill.server.dsn import redact

    if situation := _situation(error):
        return report_error(options, situation)
    text = redact("".join(traceback.format_exception(error)), os.environ.get("DATABASE_URL", ""))
    terminal = terminal_of(options)
    terminal.message(text.rstrip(), "error")
    terminal.message(
        "This is an error of the tool, not of yours. What was committed stays committed. See: "
        + next_command("status", *run_named(options)),
        "error",
    )
    print_summary({"status": "error", "exit_code": 1, "error": text.rstrip().splitlines()[-1]})
    return int(ExitCode.UNEXPECTED)


def _situation(error: Exception) -> BackfillError | None:
    """Return what an error tells of the database or the machine; None where it is a bug of ours."""
    import psycopg

    from backfill.errors import UsageError
    from backfill.server.in_bulk import words_of
    from backfill.server.postgres import AWAY, what_failed

    if isinstance(error, AWAY):
        mend = next_command("doctor")
        return DatabaseUnreachable(
            f"{what_failed(error)}. What is committed stays committed. Run: {mend}"
        )
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        return PreflightError(
            f"This role lacks a right: {first_line(error)}. Grant it what this prints: "
            + next_command("grants")
        )
    if isinstance(error, psycopg.errors.UntranslatableCharacter):
        return UsageError(
            f"This database has no such letter: {words_of(error)}. Name what is in it."
        )
    if isinstance(error, FileNotFoundError) and not has_temporary_folder():
        nowhere = "No folder for temporary files can be written (/tmp, /var/tmp)"
        return StorageError(f"{nowhere}. Free some room, or set TMPDIR.")
    if isinstance(error, MemoryError) or is_full(error):
        leave_unread()
        return StorageError(_no_room(error))
    return None
