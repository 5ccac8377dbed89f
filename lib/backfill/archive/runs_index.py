"""`runs/index.html`: a static page of all runs, newest first, made anew after each run.

It opens without a network and without a script; with one it can be filtered.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from backfill.archive.runs_list import ListedRun, list_runs
from backfill.display.eye import NotShown, attempt
from backfill.display.pages import MAX_SHOWN_ROWS, note
from backfill.display.standalone import page_part, whole_page
from backfill.folder import FILE_MODE, FOLDER_MODE
from backfill.next_command import next_command
from backfill.regular_file import whole
from backfill.which_folder import run_folders

INDEX_FILE = "index.html"
_LOCK_SECONDS = 5.0
_RETRY_SECONDS = 0.05
_TOTALS = ("total_scanned", "total_updated", "total_drifted", "total_skipped")
LONGEST_REMARK = 120  # characters; the rest is on the run's own page


def rebuild_index(runs: Path) -> bool:
    """Make the page anew from the folders; return whether that went well.

    Never raises: a list of runs is no reason for a run to fail. Rebuilds at the same time wait
    for each other, so that the last one sees every folder that was closed before it.
    """
    try:
        runs.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        with _alone(runs):
            page = attempt(
                "The list of runs",
                lambda: index_page(list_runs(runs, most=MAX_SHOWN_ROWS), len(run_folders(runs))),
                _no_list,
            )
            with whole(runs / INDEX_FILE, FILE_MODE) as partial:
                partial.write_text(page, encoding="utf-8")
    except Exception:  # whatever it is, the run's own record is complete without this page
        return False
    return True


def _no_list(missed: NotShown) -> str:
    """Return a page that says why the list is not there, rather than one that is out of date."""
    body = note(
        f"{missed.what} can not be shown ({missed.why}). See: {next_command('runs')}", "warning"
    )
    return whole_page("base.html", "Runs", body=body, script="")


@contextlib.contextmanager
def _alone(runs: Path) -> Iterator[None]:
    """Hold the folder's lock, which a dead process does not keep; go on without it in the end."""
    descriptor = os.open(runs, os.O_RDONLY)
    try:
        deadline = time.monotonic() + _LOCK_SECONDS
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                if time.monotonic() > deadline:
                    break
                time.sleep(_RETRY_SECONDS)
        yield
    finally:
        os.close(descriptor)


def index_page(runs: Sequence[ListedRun], total: int) -> str:
    """Return the page of the runs given, of which there are `total` in all."""
    caption = f"Runs, newest first ({total:,})"
    if total > len(runs):
        caption += f"; the newest {len(runs):,} are shown. All of them: {next_command('runs')}"
    return whole_page(
        "index.html",
        "Runs",
        runs=runs[:MAX_SHOWN_ROWS],
        caption=caption,
        choices={
            "job": sorted({run.job for run in runs}),
            "status": sorted({run.status for run in runs}),
        },
        page_name=_page_name,
        short_database=_short_database,
        databases=sorted({run.database for run in runs if run.database}),
        totals=_TOTALS,
        longest_remark=LONGEST_REMARK,
        script=page_part("index.js") if runs else "",
    )


def _page_name(page: str) -> str:
    """Return what a page further to the newest is called: `plan`, `apply 2`."""
    return page.removesuffix(".html").replace("notebook", "plan").replace("-", " ")


def _short_database(described: str) -> str:
    """Return a database's own name of how it is described, so that a run is a line."""
    own = described.removeprefix("database ")
    return own.split(" at ")[0].removeprefix("the ").removesuffix(" PostgreSQL")
