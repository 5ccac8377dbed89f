"""What each command does: build values, call one function, print one line of JSON."""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from backfill.display.counting import counted
from backfill.errors import (
    BackfillError,
    DatabaseUnreachable,
    ExitCode,
    PreflightError,
    StorageError,
    UsageError,
)
from backfill.folder import RunFolder, new_run_id, runs_dir
from backfill.notebook.relay import Terminal
from backfill.parameters import Parameter

_DROPPED = {"command", "run", "json", "quiet", "database_url", "dry_run", "handler", "notebook"}


def print_summary(document: Mapping[str, Any]) -> None:
    """Print the last line of stdout."""
    print(json.dumps(document, ensure_ascii=False, default=str), flush=True)


def terminal_of(options: argparse.Namespace) -> Terminal:
    return Terminal(as_json=options.json, quiet=options.quiet)


def run_job(options: argparse.Namespace) -> int:
    """`backfill utc`, `backfill ocr`: plan, and with --apply also write and verify."""
    from backfill.jobs.registry import NOTEBOOKS, PARAMETERS, job_from
    from backfill.notebook.own_notebook import Keeps, notebook_for, own_notebook
    from backfill.parameters import check_parameters
    from backfill.records.ledger import Ledger
    from backfill.server.open_database import open_database
    from backfill.settings import engine_settings
    from backfill.steps.running import stopped_run
    from backfill_lab.demo.seed import seed_if_empty

    terminal = terminal_of(options)
    job_name = options.command
    declared = PARAMETERS[job_name]
    own = own_notebook(getattr(options, "notebook", None))
    given = _usual_paths(declared) | own.parameters | _given(options)
    values = check_parameters(declared, given, ())
    settings = engine_settings(values)
    job = job_from(job_name, values)
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
            f"checkpoint. (To leave it: backfill revert {found.run_id})"
        )
        return _run_plan(options, found.run_id, _engine_values(job_name, values) | {"apply": True})
    folder = RunFolder.of(
        runs_dir(values["runs_dir"]), new_run_id(job_name, dt.datetime.now(dt.UTC))
    )
    folder.create()
    kept = job.keep(folder) if isinstance(job, Keeps) else {}
    # What a person's own notebook says in its cell stays its own.
    parameters = _given(options) | kept if own.path else _changed(declared, values | kept)
    with notebook_for(job, own, NOTEBOOKS[job_name]) as notebook:
        return _run(notebook, folder, "notebook", parameters, terminal)


def _usual_paths(declared: Sequence[Parameter]) -> dict[str, Any]:
    """Return the files that the command line writes into the current folder unless told."""
    return {p.name: str(Path(p.usual_path).absolute()) for p in declared if p.usual_path}


def _given(options: argparse.Namespace) -> dict[str, Any]:
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


def _engine_values(job: str, values: Mapping[str, Any]) -> dict[str, Any]:
    from backfill.parameters import APPLY_PARAMETERS

    # The OCR job's workers read images; it writes one session after the other.
    names = {p.name for p in APPLY_PARAMETERS} - ({"workers"} if job == "ocr" else set())
    return {name: value for name, value in values.items() if name in names}


def run_plan(options: argparse.Namespace) -> int:
    """`backfill apply RUN_ID`, `backfill resume RUN_ID`: write what the plan says, or the rest."""
    from backfill.parameters import APPLY_PARAMETERS, check_parameters
    from backfill.records.ledger import Ledger
    from backfill.steps.running import find_planned

    values = check_parameters(APPLY_PARAMETERS, {**_given(options), "apply": True}, ())
    with _database(options).connect(read_only=True) as connection:
        run = find_planned(Ledger(connection), values["run_id"], runs_dir(values["runs_dir"]))
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
        return _run("03_apply_plan", folder, stem, changed, terminal)


def run_verify(options: argparse.Namespace) -> int:
    """`backfill verify RUN_ID`: prove from the database what the run did. Writes nothing there."""
    from backfill.jobs.registry import kind_of
    from backfill.records.ledger import Ledger
    from backfill.status import RunStatus
    from backfill.steps.verify import verify_run

    terminal = terminal_of(options)
    database = _database(options)
    with database.connect(read_only=True) as connection, database.lookers() as lookers:
        ledger = Ledger(connection)
        run = ledger.get(options.run_id, has_started=True)
        found = verify_run(ledger, run, kind_of(run.job), lookers)
    for text in found.findings:
        terminal.message(text, "error")
    for text in found.notes:
        terminal.message(text)
    is_proven = found.is_proven and run.status is not RunStatus.PLANNED
    print_summary(
        {
            "run_id": run.run_id,
            "status": run.status.value,
            "verified": is_proven,
            "chunks": found.chunks,
            "rows": found.rows,
            "recomputed": found.recomputed,
            "disagreements": len(found.findings),
        }
    )
    return int(ExitCode.OK if is_proven else ExitCode.VERIFY_FAILED)


def run_revert(options: argparse.Namespace) -> int:
    """`backfill revert RUN_ID`: the run's inverse, dry by default."""
    from backfill.parameters import REVERT_PARAMETERS, check_parameters
    from backfill.settings import engine_settings

    values = check_parameters(REVERT_PARAMETERS, _given(options), ())
    engine_settings(values)
    run = _find(options, values["run_id"], has_written=True)
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
    summary = _close(folder, stem, ended, terminal)
    error = (ended.outcome or {}).get("error") or (ended.error if ended.exit_code else "")
    if error:
        terminal.message(error, "error")
    if ended.exit_code and ended.outcome is None:
        terminal.message(_how_to_go_on(folder), "error")
    terminal.message(f"Evidence: {folder.path}")
    if not ended.exit_code and summary.get("dry_run"):
        terminal.message(_how_to_apply(folder, summary))
    print_summary(summary)
    return ended.exit_code


def _how_to_apply(folder: RunFolder, summary: dict[str, Any]) -> str:
    from backfill.steps.ending import apply_command

    if not summary.get("total_updated"):
        return "Dry run: there is nothing to write."
    return f"Dry run: nothing was written. To write exactly this plan: {apply_command(folder)}"


def _how_to_go_on(folder: RunFolder) -> str:
    """Return what to do when a kernel has died: a run without a plan has written nothing."""
    from backfill.plans.plan import PLAN_FILE
    from backfill.steps.ending import resume_command

    if not folder.file(PLAN_FILE).is_file():
        return (
            "The notebook's kernel ended before the plan was frozen: nothing was written. Type "
            "the command again."
        )
    return (
        "The notebook's kernel ended before the run did. If it was applying, go on with: "
        f"{resume_command(folder)}"
    )


def _get_ready_to_close() -> None:
    with contextlib.suppress(Exception):  # it will be said when the folder is closed
        from backfill.notebook.rendering import get_ready

        get_ready()


def _close(folder: RunFolder, stem: str, ended: Any, terminal: Terminal) -> dict[str, Any]:
    """Add the page to the folder, settle what a dead kernel left, and close it."""
    from backfill.notebook.closing import close_folder

    try:
        return close_folder(folder, stem, ended)
    except StorageError as error:
        terminal.message(str(error), "error")
        document = (ended.outcome or {}).get("summary") or {}
        return {**document, "run_id": folder.run_id, "evidence": "not closed"}


def _database(options: argparse.Namespace) -> Any:
    from backfill.server.open_database import open_database

    return open_database(terminal_of(options).message)


def _find(options: argparse.Namespace, wanted: str, *, has_written: bool = False) -> Any:
    from backfill.records.ledger import Ledger

    with _database(options).connect(read_only=True) as connection:
        return Ledger(connection).get(wanted, has_written=has_written)


def run_request(options: argparse.Namespace) -> int:
    """`backfill pause RUN_ID`, `backfill cancel RUN_ID`: take effect within one chunk."""
    from backfill.records.ledger import Ledger
    from backfill.server.session import SessionLimits
    from backfill.status import RunStatus

    what = options.command
    then = RunStatus.CANCELLED if what == "cancel" else RunStatus.PAUSED
    # The run's row is locked while a chunk is written: wait for its end.
    patient = SessionLimits(lock_timeout_ms=0)
    with _database(options).connect(limits=patient) as connection:
        ledger = Ledger(connection)
        run = ledger.get(options.run_id)
        if run.status is RunStatus.RUNNING:
            ledger.request(run.run_id, what)
            text = f"Run {run.run_id} will be {then} after its current chunk."
        elif what == "cancel":
            ledger.cancel(run)
            text = f"Run {run.run_id} was {run.status}; now it is cancelled."
        else:
            raise UsageError(
                f"Run {run.run_id} is {run.status}: only a running run can be paused. "
                f"Look at it: backfill status {run.run_id}"
            )
    terminal_of(options).message(text)
    print_summary({"run_id": run.run_id, "requested": what, "was": run.status.value})
    return int(ExitCode.OK)


def run_check(options: argparse.Namespace) -> int:
    """`backfill check`: exit 8 while anything is pending, for a CI gate."""
    from backfill.jobs.registry import PARAMETERS, job_from
    from backfill.parameters import check_parameters

    values = check_parameters(PARAMETERS[options.job], {**_given(options)}, ())
    job = job_from(options.job, values)
    with _database(options).connect(read_only=True) as connection:
        found = job.preflight(connection, writing=False)
    pending = {scope: count for scope, count in found.pending.items() if count}
    total = sum(pending.values())
    terminal = terminal_of(options)
    for text in found.hidden:
        terminal.message(text, "warning")
    for scope, count in pending.items():
        what = counted(count, *found.what)
        terminal.message(f"{scope or '(no household)'}: {what}", "warning")
    print_summary({"job": options.job, "total_pending": total, "pending": pending})
    if total:
        return int(ExitCode.PENDING)
    return int(ExitCode.PREFLIGHT if found.hidden else ExitCode.OK)


def run_evidence(options: argparse.Namespace) -> int:
    """`backfill evidence check RUN_DIR`: do hashes, notebook and database agree?"""
    from backfill.archive.run_facts import find_folder
    from backfill.jobs.registry import kind_of
    from backfill.records.ledger import Ledger
    from backfill.steps.evidence_check import disagreements

    path = Path(options.run_dir).resolve()
    if path.is_dir():
        folder = RunFolder.of(path.parent, path.name)
    else:
        folder = find_folder(runs_dir(options.runs_dir), options.run_dir)
    with _database(options).connect(read_only=True) as connection:
        found = disagreements(folder, Ledger(connection), kind_of)
    terminal = terminal_of(options)
    for text in found:
        terminal.message(text, "error")
    if not found:
        terminal.message(f"Hashes, notebook, plan and database of {folder.run_id} agree.")
    print_summary({"run_id": folder.run_id, "agrees": not found, "disagreements": found})
    return int(ExitCode.VERIFY_FAILED if found else ExitCode.OK)


def run_status(options: argparse.Namespace) -> int:
    """`backfill status [RUN_ID]`: runs, progress, pending rows."""
    from backfill.command.status_view import status_document, status_text

    with _database(options).connect(read_only=True) as connection:
        document = status_document(connection, options.run_id)
    if options.json:
        print_summary(document)
    else:
        print(status_text(document), flush=True)
    return int(ExitCode.OK)


def report_error(options: argparse.Namespace, error: BackfillError) -> int:
    """Print what happened and how to go on; a summary line as well, so that scripts can read on."""
    from backfill.server.postgres import redact

    text = redact(str(error), os.environ.get("DATABASE_URL", ""))
    terminal_of(options).message(text, "error")
    print_summary({"status": "refused", "exit_code": int(error.exit_code), "error": text})
    return int(error.exit_code)


def report_bug(options: argparse.Namespace, error: Exception) -> int:
    """Print an unexpected error with its traceback, without secrets."""
    import traceback

    import psycopg

    from backfill.server.postgres import redact, what_failed

    if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        failed = f"{what_failed(error)}. What is committed stays committed. Run: backfill doctor"
        return report_error(options, DatabaseUnreachable(failed))
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        said = str(error).splitlines()[0]
        lacking = f"This role lacks a right: {said}. Grant it what this prints: backfill grants"
        return report_error(options, PreflightError(lacking))
    text = redact("".join(traceback.format_exception(error)), os.environ.get("DATABASE_URL", ""))
    terminal = terminal_of(options)
    terminal.message(text.rstrip(), "error")
    terminal.message(
        "This is an error of the tool, not of yours. What was committed stays committed; see "
        "backfill status.",
        "error",
    )
    print_summary({"status": "error", "exit_code": 1, "error": text.rstrip().splitlines()[-1]})
    return int(ExitCode.UNEXPECTED)
