"""What each command does: build values, call one function, print one line of JSON."""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from backfill.command.ending import print_ending, print_refusal, print_verified
from backfill.command.metrics import write_metrics
from backfill.errors import (
    BackfillError,
    DatabaseUnreachable,
    ExitCode,
    PreflightError,
    StorageError,
)
from backfill.folder import RunFolder, new_run_id, runs_dir
from backfill.next_command import next_command
from backfill.notebook.relay import Terminal
from backfill.parameters import Parameter
from backfill.printing import say

APPLY_NOTEBOOK = "03_apply_plan"
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


def print_summary(document: Mapping[str, Any]) -> None:
    """Print the last line of stdout."""
    say(json.dumps(document, ensure_ascii=False, default=str), sys.stdout)


def terminal_of(options: argparse.Namespace) -> Terminal:
    metrics_file = getattr(options, "metrics_file", None)
    return Terminal(as_json=options.json, quiet=options.quiet, metrics_file=metrics_file)


def run_job(options: argparse.Namespace) -> int:
    """`backfill utc`, `backfill ocr`: plan, and with --apply also write and verify."""
    from backfill.jobs.registry import entry_of
    from backfill.notebook.own_notebook import Keeps, notebook_for, own_notebook
    from backfill.parameters import check_parameters
    from backfill.records.ledger import Ledger
    from backfill.server.open_database import open_database
    from backfill.settings import engine_settings
    from backfill.steps.running import stopped_run
    from backfill_lab.demo.seed import seed_if_empty

    terminal = terminal_of(options)
    job_name = getattr(options, "task", options.command)
    entry = entry_of(job_name)
    declared = entry.parameters
    own = own_notebook(getattr(options, "notebook", None))
    given = _usual_paths(declared) | own.parameters | given_of(options)
    values = check_parameters(declared, given, ())
    settings = engine_settings(values)
    job = entry.make(values)
    database = open_database(terminal.message)
    if not values.get("table"):
        seed_if_empty(database, terminal.message)
    with database.connect(limits=settings.limits) as connection:
        job.preflight(connection, writing=values["apply"])
        found = None
        if values["apply"]:
            runs = runs_dir(values["runs_dir"])
            found = stopped_run(Ledger(connection), job, runs, terminal.message)
    if found:
        terminal.message(
            f"Run {found.run_id} of the same settings is {found.status}: going on from its last "
            f"checkpoint. (What it wrote, to put it "
            f"back: {next_command('revert', found.run_id)})"
        )
        return _run_plan(options, found.run_id, _said_anew(options, values))
    folder = RunFolder.of(
        runs_dir(values["runs_dir"]), new_run_id(job.name, dt.datetime.now(dt.UTC))
    )
    # What a person's own notebook says in its cell stays its own.
    names = {parameter.name for parameter in declared}
    said = {name: value for name, value in given_of(options).items() if name in names}
    with notebook_for(entry, job, own) as notebook:  # what is refused here leaves no folder
        folder.create()
        kept = job.keep(folder) if isinstance(job, Keeps) else {}
        parameters = said | kept if own.path else _changed(declared, values | kept)
        return _run(notebook, folder, "notebook", parameters, terminal)


def _usual_paths(declared: Sequence[Parameter]) -> dict[str, Any]:
    """Return the files that the command line writes into the current folder unless told."""
    return {p.name: str(Path(p.usual_path).absolute()) for p in declared if p.usual_path}


def given_of(options: argparse.Namespace) -> dict[str, Any]:
    return {
        name: value
        for name, value in vars(options).items()
        if name not in _DROPPED and value is not None
    }


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
    said = {name: value for name, value in given_of(options).items() if name in names}
    return check_parameters(APPLY_PARAMETERS, {**said, "apply": True}, ())


def run_plan(options: argparse.Namespace) -> int:
    """`backfill apply RUN_ID`, `backfill resume RUN_ID`: write what the plan says, or the rest."""
    from backfill.parameters import APPLY_PARAMETERS, check_parameters
    from backfill.records.ledger import Ledger
    from backfill.settings import engine_settings
    from backfill.steps.which_run import run_to_apply, run_to_resume, told
    from backfill.which_folder import LATEST

    values = check_parameters(APPLY_PARAMETERS, {**given_of(options), "apply": True}, ())
    engine_settings(values)
    find = run_to_resume if options.command == "resume" else run_to_apply
    with database_of(options).connect(read_only=True) as connection:
        run = find(Ledger(connection), values["run_id"], runs_dir(values["runs_dir"]))
    if values["run_id"] == LATEST:
        terminal_of(options).message(told(run))
    return _run_plan(options, run.run_id, values)


def _run_plan(options: argparse.Namespace, run_id: str, values: dict[str, Any]) -> int:
    from backfill.parameters import APPLY_PARAMETERS
    from backfill.plans import plan
    from backfill.settings import engine_settings

    engine_settings(values)
    terminal = terminal_of(options)
    folder = RunFolder.of(runs_dir(values.get("runs_dir")), run_id)
    plan.load(folder)  # a changed plan is refused before anything of the folder is touched
    folder.create()
    changed = _changed(APPLY_PARAMETERS, {**values, "run_id": run_id})
    with folder.own_name("apply") as stem:
        return _run(APPLY_NOTEBOOK, folder, stem, changed, terminal)


def run_verify(options: argparse.Namespace) -> int:
    """`backfill verify RUN_ID`: prove from the database what the run did. Writes nothing there."""
    from backfill.jobs.registry import kind_of
    from backfill.records.ledger import Ledger
    from backfill.status import RunStatus
    from backfill.steps.verify import verify_run

    terminal = terminal_of(options)
    database = database_of(options)
    with database.connect(read_only=True) as connection, database.lookers() as lookers:
        ledger = Ledger(connection)
        run = ledger.get(options.run_id, has_started=True)
        found = verify_run(ledger, run, kind_of(run.job), lookers)
    for text in found.findings:
        terminal.message(text, "error")
    for text in found.notes:
        terminal.message(text)
    is_proven = found.is_proven and run.status is not RunStatus.PLANNED
    print_verified(
        {
            "run_id": run.run_id,
            "status": run.status.value,
            "verified": is_proven,
            "chunks": found.chunks,
            "rows": found.rows,
            "recomputed": found.recomputed,
            "disagreements": len(found.findings),
        },
        as_json=options.json,
    )
    return int(ExitCode.OK if is_proven else ExitCode.VERIFY_FAILED)


def run_explain(options: argparse.Namespace) -> int:
    """`backfill explain RUN_ID KEY`: what folder, ledger and table tell of one row. Read-only."""
    from backfill.notebook.asking import explain_row

    runs = runs_dir(options.runs_dir)
    found = explain_row(database_of(options), options.run_id, runs, options.key)
    if options.json:
        print_summary(found.document)
    else:
        print(found.shown.text, flush=True)
    return int(ExitCode.OK)


def run_revert(options: argparse.Namespace) -> int:
    """`backfill revert RUN_ID`: the run's inverse, dry by default."""
    from backfill.parameters import REVERT_PARAMETERS, check_parameters
    from backfill.settings import engine_settings
    from backfill.steps.which_run import refuse_latest
    from backfill.which_folder import LATEST

    values = check_parameters(REVERT_PARAMETERS, given_of(options), ())
    engine_settings(values)
    run = _find(options, values["run_id"], has_written=True)
    if values["apply"] and values["run_id"] == LATEST:
        raise refuse_latest(run, "revert", "--apply")
    terminal = terminal_of(options)
    folder = RunFolder.of(
        runs_dir(values["runs_dir"]), new_run_id("revert", dt.datetime.now(dt.UTC))
    )
    folder.create()
    changed = _changed(REVERT_PARAMETERS, {**values, "run_id": run.run_id})
    return _run("05_revert_run", folder, "notebook", changed, terminal)


def _run(
    notebook: str,
    folder: RunFolder,
    stem: str,
    parameters: dict[str, Any],
    terminal: Terminal,
) -> int:
    """Execute a notebook, close its folder, print the summary; return the exit code."""
    from backfill.notebook.headless import run_notebook

    parameters.pop("database_url", None)
    ended = run_notebook(
        notebook, folder, f"{stem}.ipynb", parameters, terminal, _get_ready_to_close
    )
    summary, is_closed = _close(folder, stem, ended, terminal)
    exit_code = ended.exit_code or (ExitCode.OK if is_closed else ExitCode.UNEXPECTED)
    error = (ended.outcome or {}).get("error") or (ended.error if ended.exit_code else "")
    if error:
        terminal.message(error, "error")
    if ended.exit_code and ended.outcome is None:
        is_writing = notebook == APPLY_NOTEBOOK or bool(parameters.get("apply"))
        terminal.message(_how_to_go_on(folder, is_writing=is_writing), "error")
    terminal.message(f"Evidence: {folder.path}")
    if not exit_code and summary.get("dry_run"):
        terminal.message(_how_to_apply(folder, summary))
    print_ending(summary, as_json=terminal.as_json)
    job = str(summary.get("job") or folder.job)
    write_metrics(terminal.metrics_file, summary, int(exit_code), job)
    return int(exit_code)


def _how_to_apply(folder: RunFolder, summary: dict[str, Any]) -> str:
    from backfill.steps.ending import apply_command

    if not summary.get("total_updated"):
        return "Dry run: there is nothing to write."
    return f"Dry run: nothing was written. To write exactly this plan: {apply_command(folder)}"


def _how_to_go_on(folder: RunFolder, *, is_writing: bool) -> str:
    """Return what to do when a kernel has died: a run without a plan has written nothing."""
    from backfill.plans.plan import PLAN_FILE
    from backfill.steps.ending import resume_command

    if not folder.file(PLAN_FILE).is_file():
        return (
            "The notebook's kernel ended before the plan was frozen: nothing was written. Type "
            "the command again."
        )
    if not is_writing:
        return (
            "The notebook's kernel ended before the dry run did: nothing was written. See what is "
            f"there: {next_command('status', folder.run_id)}"
        )
    return (
        "The notebook's kernel ended before the run did. If it had begun to write, go on with: "
        f"{resume_command(folder)}"
    )


def _get_ready_to_close() -> None:
    with contextlib.suppress(Exception):  # it will be said when the folder is closed
        from backfill.notebook.rendering import get_ready

        get_ready()


def _close(
    folder: RunFolder, stem: str, ended: Any, terminal: Terminal
) -> tuple[dict[str, Any], bool]:
    """Add the page to the folder, settle what a dead kernel left, and close it.

    Returns the summary, and whether the folder is whole.
    """
    from backfill.notebook.closing import close_folder

    try:
        return close_folder(folder, stem, ended), True
    except StorageError as error:
        told = (ended.outcome or {}).get("summary") or {}
        terminal.message(f"{error} {_how_to_close(folder, told)}", "error")
        return {**told, "run_id": folder.run_id, "evidence": "not closed"}, False


def _how_to_close(folder: RunFolder, summary: Mapping[str, Any]) -> str:
    """Return what to do about a folder without its sums: a plan is made again, never applied."""
    from backfill.plans.plan import planned_by
    from backfill.steps.ending import resume_command

    if summary.get("dry_run") is False:
        return f"Free some room; to close the run's folder: {resume_command(folder)}"
    again = next_command(*planned_by(folder))
    return f"Its plan is not whole and nothing was written. Free some room, then: {again}"


def database_of(options: argparse.Namespace) -> Any:
    from backfill.server.open_database import open_database

    return open_database(terminal_of(options).message)


def _find(options: argparse.Namespace, wanted: str, *, has_written: bool = False) -> Any:
    from backfill.records.ledger import Ledger

    with database_of(options).connect(read_only=True) as connection:
        return Ledger(connection).get(wanted, has_written=has_written)


def report_error(options: argparse.Namespace, error: BackfillError) -> int:
    """Print what happened and how to go on; a summary line as well, so that scripts can read on."""
    from backfill.server.dsn import redact

    text = redact(str(error), os.environ.get("DATABASE_URL", ""))
    terminal_of(options).message(text, "error")
    document = {"status": "refused", "exit_code": int(error.exit_code), "error": text}
    print_refusal(document, as_json=options.json)
    return int(error.exit_code)


def report_bug(options: argparse.Namespace, error: Exception) -> int:
    """Print an unexpected error with its traceback, without secrets."""
    import traceback

    import psycopg

    from backfill.errors import UsageError
    from backfill.server.dsn import redact
    from backfill.server.in_bulk import words_of
    from backfill.server.postgres import what_failed

    read_only = psycopg.errors.ReadOnlySqlTransaction
    if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError | read_only):
        mend = next_command("doctor")
        failed = f"{what_failed(error)}. What is committed stays committed. Run: {mend}"
        return report_error(options, DatabaseUnreachable(failed))
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        said = str(error).splitlines()[0]
        lacking = (
            f"This role lacks a right: {said}. Grant it what this prints: {next_command('grants')}"
        )
        return report_error(options, PreflightError(lacking))
    if isinstance(error, psycopg.errors.UntranslatableCharacter):
        lacking = f"This database has no such letter: {words_of(error)}. Name what is in it."
        return report_error(options, UsageError(lacking))
    text = redact("".join(traceback.format_exception(error)), os.environ.get("DATABASE_URL", ""))
    terminal = terminal_of(options)
    terminal.message(text.rstrip(), "error")
    terminal.message(
        "This is an error of the tool, not of yours. What was committed stays committed. See: "
        + next_command("status"),
        "error",
    )
    print_summary({"status": "error", "exit_code": 1, "error": text.rstrip().splitlines()[-1]})
    return int(ExitCode.UNEXPECTED)
