"""`runs/index.html`: a static page of all runs, newest first, made anew after each run.

It opens without a network and without a script; with one it can be filtered.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from backfill.archive.run_facts import run_folders
from backfill.archive.runs_list import ListedRun, list_runs
from backfill.display.eye import NotShown, attempt
from backfill.display.pages import MAX_SHOWN_ROWS, escape, framed, note
from backfill.display.standalone import whole_page
from backfill.folder import FILE_MODE, FOLDER_MODE, PARTIAL_SUFFIX
from backfill.next_command import next_command

INDEX_FILE = "index.html"
_LOCK_SECONDS = 5.0
_RETRY_SECONDS = 0.05
_COLUMNS = (
    *("run", "pages", "opened (UTC)", "job", "status", "kind"),
    *("scanned", "updated", "drifted", "skipped", "database", "remark"),
)
_TOTALS = ("total_scanned", "total_updated", "total_drifted", "total_skipped")
_STYLE = """
body { max-width: 110em; }
form.filter { margin: 1em 0; } form.filter label { margin-right: 1em; }
form.filter input, form.filter select { font: inherit; }
tr[hidden] { display: none; } td b { white-space: nowrap; }
"""
_SCRIPT = """
(function () {
  var form = document.getElementById("filter"), rows = document.querySelectorAll("tbody tr");
  var said = document.getElementById("shown");
  function show() {
    var text = form.text.value.toLowerCase(), count = 0;
    rows.forEach(function (row) {
      row.hidden = !!(form.job.value && row.dataset.job !== form.job.value ||
        form.status.value && row.dataset.status !== form.status.value ||
        text && row.textContent.toLowerCase().indexOf(text) < 0);
      count += row.hidden ? 0 : 1;
    });
    said.textContent = count + " of " + rows.length + " runs are shown.";
  }
  form.hidden = false;
  form.addEventListener("input", show);
  form.addEventListener("submit", function (event) { event.preventDefault(); });
  show();
})();
"""


def rebuild_index(runs: Path) -> bool:
    """Make the page anew from the folders; return whether that went well.

    Never raises: a list of runs is no reason for a run to fail. Rebuilds at the same time wait
    for each other, so that the last one sees every folder that was closed before it.
    """
    partial = runs / f".{INDEX_FILE}-{secrets.token_hex(4)}{PARTIAL_SUFFIX}"
    try:
        runs.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        with _alone(runs):
            page = attempt(
                "The list of runs",
                lambda: index_page(list_runs(runs, most=MAX_SHOWN_ROWS), len(run_folders(runs))),
                _no_list,
            )
            partial.touch(mode=FILE_MODE)
            partial.write_text(page, encoding="utf-8")
            partial.replace(runs / INDEX_FILE)
    except Exception:  # whatever it is, the run's own record is complete without this page
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        return False
    return True


def _no_list(missed: NotShown) -> str:
    """Return a page that says why the list is not there, rather than one that is out of date."""
    told = note(
        f"{missed.what} can not be shown ({missed.why}). See: {next_command('runs')}", "warning"
    )
    return whole_page("Runs", f"<h1>Runs</h1>{told.markup}")


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
    if not runs:
        body = (
            "<h1>Runs</h1><p>There are no runs yet. Make a dry run: <code>backfill utc</code></p>"
        )
        return whole_page("Runs", body, _STYLE)
    caption = f"Runs, newest first ({total:,})"
    if total > len(runs):
        caption += f"; the newest {len(runs):,} are shown. All of them: {next_command('runs')}"
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in _COLUMNS)
    body = "".join(_row(run) for run in runs[:MAX_SHOWN_ROWS])
    return whole_page(
        "Runs",
        f"<h1>Runs</h1>{_form(runs)}"
        '<p id="shown" role="status"></p>'
        f"{framed(caption, head, body)}"
        "<p>A status is that of the folder's last closing; how a run stands now says "
        "<code>backfill runs</code>.</p>",
        _STYLE,
        _SCRIPT,
    )


def _form(runs: Sequence[ListedRun]) -> str:
    selects = "".join(
        f'<label>{name} <select name="{name}"><option value="">all</option>'
        + "".join(f"<option>{escape(value)}</option>" for value in sorted(values))
        + "</select></label>"
        for name, values in (
            ("job", {run.job for run in runs}),
            ("status", {run.status for run in runs}),
        )
    )
    return (
        '<form id="filter" class="filter" hidden>'
        f'<label>text <input name="text" type="search"></label>{selects}</form>'
    )


def _row(run: ListedRun) -> str:
    links = " ".join(f'<a href="{escape(f"{run.run_id}/{p}")}">{escape(p)}</a>' for p in run.pages)
    name = f"<b>{escape(run.run_id)}</b>"
    cells = [
        name,
        links,
        escape(run.opened_at.replace("T", " ").removesuffix("Z")),
        escape(run.job),
        escape(run.status),
        "dry run" if run.is_dry_run else "apply",
    ]
    numbers = [run.counts.get(total, "") for total in _TOTALS]
    return (
        f'<tr id="{escape(run.run_id)}" data-job="{escape(run.job)}"'
        f' data-status="{escape(run.status)}">'
        + "".join(f'<td class="short">{cell}</td>' for cell in cells)
        + "".join(f'<td class="number">{escape(number)}</td>' for number in numbers)
        + f"<td>{escape(run.database)}</td><td>{_remark(run)}</td></tr>"
    )


def _remark(run: ListedRun) -> str:
    remarks = []
    if run.reverts:
        remarks.append(f'puts back <a href="#{escape(run.reverts)}">{escape(run.reverts)}</a>')
    if run.reverted_by:
        by = escape(run.reverted_by)
        remarks.append(f'put back by <a href="#{by}">{by}</a>')
    if run.error:
        remarks.append(escape(run.error[:300]))
    return "; ".join(remarks)
