"""Execute a command's notebook, close its run's folder, and print how it ended."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backfill.command.ending import print_ending
from backfill.command.metrics import write_metrics
from backfill.errors import ExitCode, StorageError, mend_of
from backfill.folder import RunFolder
from backfill.next_command import next_command
from backfill.notebook.kernel import Kernel
from backfill.notebook.relay import Terminal
from backfill.status import RunStatus

if TYPE_CHECKING:
    from backfill.notebook.headless import Ended

APPLY_NOTEBOOK = "03_apply_plan"


def run_notebook_of(
    notebook: str,
    folder: RunFolder,
    stem: str,
    parameters: dict[str, Any],
    terminal: Terminal,
    kernel: Kernel,
) -> int:
    """Execute a notebook, close its folder, print the summary; return the exit code."""
    from backfill.notebook.headless import run_notebook
    from backfill.notebook.run_signals import listening

    parameters.pop("database_url", None)
    with listening(lambda text: terminal.log(text, "warning")) as signals:
        ended = run_notebook(
            notebook,
            folder,
            f"{stem}.ipynb",
            parameters,
            terminal,
            _get_ready_to_close,
            signals,
            kernel,
        )
        is_writing = notebook == APPLY_NOTEBOOK or bool(parameters.get("apply"))
        summary, is_closed = _close(folder, stem, ended, terminal, is_writing=is_writing)
    exit_code = ended.exit_code or (ExitCode.OK if is_closed else ExitCode.UNEXPECTED)
    terminal(_end_of(summary, int(exit_code)))
    if ended.error and not ended.is_stopped:  # then the way on says it
        terminal.message(ended.error, "error")
    if ended.what:
        kept = folder.file(f"{stem}.ipynb")
        terminal.message(_how_to_go_on(folder, ended, kept, is_writing=is_writing), "error")
    terminal.message(f"Evidence: {folder.path}")
    is_planned = summary.get("dry_run") and summary.get("status") == RunStatus.PLANNED
    if is_planned and exit_code in (ExitCode.OK, ExitCode.STALE):  # 5: rows left out of it
        terminal.message(_how_to_apply(folder, summary))
    print_ending(summary, as_json=terminal.as_json)
    job = str(summary.get("job") or folder.job)
    write_metrics(terminal.metrics_file, summary, int(exit_code), job, terminal.message)
    return int(exit_code)


def _end_of(summary: Mapping[str, Any], exit_code: int) -> dict[str, Any]:
    """Return a run's end as the log has it: how it stands, and its counts."""
    counts = {name: value for name, value in summary.items() if name.startswith("total_")}
    # Where not even a summary could be written, nobody else tells.
    status = summary.get("status") or (RunStatus.FAILED.value if exit_code else "")
    text = f"Run {summary.get('run_id')} ended: {status}, exit code {exit_code}."
    level = "error" if exit_code else "info"
    return {
        **{"type": "end", "level": level, "text": text, "exit_code": exit_code},
        **{"status": status, **counts},
    }


def _how_to_apply(folder: RunFolder, summary: dict[str, Any]) -> str:
    from backfill.steps.ending import apply_command

    if not summary.get("total_updated"):
        return "Dry run: there is nothing to write."
    return f"Dry run: nothing was written. To write exactly this plan: {apply_command(folder)}"


def _how_to_go_on(folder: RunFolder, ended: Ended, kept: Path, *, is_writing: bool) -> str:
    """Return what to do when nobody told the end: a run without a plan has written nothing."""
    from backfill.plans.plan import PLAN_FILE
    from backfill.steps.ending import resume_command

    what, again = ended.what, "Type the command again."
    if ended.is_by_cell:
        again = f"See {kept}, mend the notebook, and type the command again."
    if ended.has_told:
        return f"{what} when the run had told its end, which stands. See {kept}."
    if not folder.file(PLAN_FILE).is_file():
        return f"{what} before the plan was frozen: nothing was written. {again}"
    if not is_writing:
        return (
            f"{what} before the dry run did: nothing was written. See what is "
            f"there: {next_command('status', folder.run_id)}"
        )
    return (
        f"{what} before the run did. If it had begun to write, go on with: {resume_command(folder)}"
    )


def _get_ready_to_close() -> None:
    with contextlib.suppress(Exception):  # it will be said when the folder is closed
        import backfill.notebook.closing  # noqa: F401
        from backfill.notebook.rendering import get_ready

        get_ready()


def _close(
    folder: RunFolder, stem: str, ended: Ended, terminal: Terminal, *, is_writing: bool
) -> tuple[dict[str, Any], bool]:
    """Add the page to the folder, settle what a dead kernel left, and close it.

    Returns the summary, and whether the folder is whole.
    """
    from backfill.notebook.closing import close_folder

    try:
        return close_folder(folder, stem, ended), True
    except StorageError as error:
        how = _how_to_close(folder, ended.summary, mend_of(error), is_writing=is_writing)
        terminal.message(f"{error} {how}", "error")
        return {**ended.summary, "run_id": folder.run_id, "evidence": "not closed"}, False


def _how_to_close(
    folder: RunFolder, summary: Mapping[str, Any], mend: str, *, is_writing: bool
) -> str:
    """Return what to do about a folder without its sums: a plan is made again, never applied."""
    from backfill.plans.plan import planned_by
    from backfill.steps.ending import resume_command

    if summary.get("dry_run") is False:
        return f"{mend}; to close the run's folder: {resume_command(folder)}"
    if is_writing:  # the kernel could tell nothing either
        look = next_command("status", folder.run_id)
        return f"{mend}, then see what was written, and how to go on: {look}"
    again = next_command(*planned_by(folder))
    return f"Its folder is not whole and nothing was written. {mend}, then: {again}"
