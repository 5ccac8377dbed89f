"""After a notebook ended: settle what a dead kernel left behind, add the page, close the folder."""

from __future__ import annotations

import contextlib
from typing import Any

import psycopg

from backfill.archive import evidence
from backfill.archive.runs_index import rebuild_index
from backfill.display.eye import NotShown, attempt, watching
from backfill.errors import BackfillError, ExitCode, StalePlan, StorageError
from backfill.folder import RunFolder
from backfill.jobs.registry import kind_of
from backfill.notebook.headless import Ended
from backfill.notebook.offline_page import write_empty_page, write_page
from backfill.plans import plan
from backfill.records.lease import release_dead
from backfill.records.ledger import Ledger, RunRow
from backfill.records.seats import holder_name, is_worked_on
from backfill.server.database import Database, open_database
from backfill.server.dsn import password_of
from backfill.skips import Skip
from backfill.status import RunStatus
from backfill.steps.record import last_line


def close_folder(folder: RunFolder, stem: str, ended: Ended) -> dict[str, Any]:
    """Close the folder with the executed notebook in it; return the summary to print.

    The page of all runs is made anew, whatever comes of it. Raises `StorageError` when the disk
    refuses.
    """
    try:
        return _settled(folder, stem, ended)
    finally:
        rebuild_index(folder.path.parent)


def _settled(folder: RunFolder, stem: str, ended: Ended) -> dict[str, Any]:
    try:
        database = open_database(lambda _text: None)
        with database.connect() as connection:
            _settle_dead_kernel(folder, ended, Ledger(connection))
            with folder.closing():
                return _close(folder, stem, ended, Ledger(connection), database)
    except (BackfillError, psycopg.Error) as error:
        if isinstance(error, StorageError):
            raise
        with folder.closing():
            return _close(folder, stem, ended, None, None)


def _settle_dead_kernel(folder: RunFolder, ended: Ended, ledger: Ledger) -> None:
    """Our kernel is gone: a lease that it still holds would only keep others waiting."""
    if ledger.is_current() and ended.kernel_pid is not None:
        name = _kernel_name(ended)
        release_dead(ledger.connection, folder.run_id, name, "the notebook's kernel died")


def _close(
    folder: RunFolder, stem: str, ended: Ended, ledger: Ledger | None, database: Database | None
) -> dict[str, Any]:
    run = ledger.find(folder.run_id) if ledger else None
    summary = _summary(stem, ended, folder.run_id, run)
    is_others = run is not None and _is_others(ended, run)
    is_running = run is not None and run.status is RunStatus.RUNNING
    if ledger and is_running and (is_others or _goes_on(ledger, folder.run_id, ended)):
        return _printed(summary)  # the folder is the lease holder's, who will close it
    if not is_others:
        folder.write_json(evidence.SUMMARY_FILE, summary)
    evidence.write_records(folder, ledger, _scope_name(folder), _planned_skips(folder))
    if folder.file(f"{stem}.ipynb").exists():
        _show(folder, stem)
    evidence.close(folder, ledger, password_of(database.dsn) if database else None)
    return _printed(summary)


def _show(folder: RunFolder, stem: str) -> None:
    """Write the run's page, which says what the files say; else a page that says why there is none.

    Neither is a reason to leave the folder open.
    """
    missed: list[NotShown] = []
    with watching(missed):
        attempt(
            "The page",
            lambda: write_page(folder, f"{stem}.ipynb", f"{stem}.html"),
            lambda why: attempt(
                "The page", lambda: write_empty_page(folder, f"{stem}.html", why), lambda _why: None
            ),
        )
    attempt("What is not shown", lambda: evidence.add_not_shown(folder, missed), lambda _why: None)


def _is_others(ended: Ended, run: RunRow) -> bool:
    """Whether the run's end is another process's to tell: we were refused, or left it to others."""
    left = ended.summary.get("status") == RunStatus.RUNNING and run.status is not RunStatus.RUNNING
    return left or (ended.exit_code == ExitCode.LEASE_HELD and run.started_at is not None)


def _goes_on(ledger: Ledger, run_id: str, ended: Ended) -> bool:
    """Whether other appliers work on at a run that we left."""
    is_left = ended.exit_code != ExitCode.OK and ledger.is_current()
    return is_left and is_worked_on(ledger.connection, run_id, but_for=_kernel_name(ended))


def _kernel_name(ended: Ended) -> str:
    return f"{holder_name().rsplit(':', 1)[0]}:{ended.kernel_pid}"


def _printed(summary: dict[str, Any]) -> dict[str, Any]:
    return last_line({k: v for k, v in summary.items() if k != "notebook"})


def _summary(stem: str, ended: Ended, run_id: str, run: RunRow | None) -> dict[str, Any]:
    """Return what the kernel told, or what can be known of a kernel that told nothing."""
    summary = dict(ended.summary)
    if not summary:
        summary = {"run_id": run_id, "error": ended.error or ended.what or "the kernel died"}
    summary["status"] = run.status.value if run else summary.get("status", RunStatus.FAILED.value)
    if ended.exit_code and ended.error:
        summary.setdefault("error", ended.error)
    return {**summary, "exit_code": ended.exit_code, "notebook": f"{stem}.ipynb"}


def _scope_name(folder: RunFolder) -> str:
    with contextlib.suppress(BackfillError, KeyError):
        return kind_of(folder.read_json(plan.PLAN_FILE)["job"]).scope_name
    return "scope"


def _planned_skips(folder: RunFolder) -> list[Skip]:
    with contextlib.suppress(StalePlan, OSError, KeyError, ValueError):
        return [skip for _place, skip in plan.read_skips(folder)]
    return []
