"""All runs at a glance: on the command line and as a page, whatever state their folders are in."""

from __future__ import annotations

import json
import re
import stat
import threading
from pathlib import Path

import pytest
from tests.jobs.command_line import run_here
from tests.pages.conftest import Told
from tests.pages.looking import Page, check_alone, check_tables

from backfill.archive.runs_index import INDEX_FILE, rebuild_index
from backfill.archive.runs_list import list_runs, matching
from backfill.folder import RunFolder

OLD, NEW = "20261120T080000Z-utc-aaaaaa", "20261121T080000Z-ocr-bbbbbb"
REVERT = "20261122T080000Z-revert-cccccc"
NOWHERE = "postgresql://nobody@127.0.0.1:1/none?connect_timeout=1"


def closed(runs: Path, run_id: str, **summary: object) -> RunFolder:
    """Make the folder of a run that ended as its summary says."""
    folder = RunFolder(runs / run_id)
    folder.create()
    job = "utc" if "revert" in run_id else run_id.split("-")[1]
    folder.write_json("run.json", {"run_id": run_id, "job": job, "database": "db/test"})
    folder.write_json("summary.json", {"run_id": run_id, "status": "planned", **summary})
    folder.write_text("notebook.html", "<p>")
    folder.write_text("SHA256SUMS", "")
    return folder


def index_of(runs: Path) -> Page:
    assert rebuild_index(runs)
    return Page((runs / INDEX_FILE).read_text(encoding="utf-8"))


def rows_of(page: Page) -> list[str]:
    return [attributes["id"] for tag, attributes in page.tags if tag == "tr" and attributes]


# -- the list -----------------------------------------------------------------------------------


def test_runs_come_newest_first_with_what_their_folders_say(tmp_path: Path) -> None:
    closed(tmp_path, OLD, status="succeeded", dry_run=False, total_scanned=14, total_updated=12)
    closed(tmp_path, NEW)

    new, old = list_runs(tmp_path)

    assert (new.run_id, new.job, new.status, new.is_dry_run) == (NEW, "ocr", "planned", True)
    assert (old.run_id, old.status, old.is_dry_run) == (OLD, "succeeded", False)
    assert old.counts == {"total_scanned": 14, "total_updated": 12}
    assert old.opened_at == "2026-11-20T08:00:00Z"
    assert old.pages == ("notebook.html",)


def test_a_run_that_was_put_back_says_by_which(tmp_path: Path) -> None:
    closed(tmp_path, OLD, status="succeeded", dry_run=False)
    closed(tmp_path, REVERT, status="succeeded", dry_run=False, reverts=OLD)

    revert, old = list_runs(tmp_path)

    assert (old.status, old.reverted_by, revert.reverts) == ("reverted", REVERT, OLD)


def test_who_puts_back_a_run_of_the_same_second_came_after_it(tmp_path: Path) -> None:
    revert = OLD.replace("-utc-aaaaaa", "-revert-aaaaab")
    closed(tmp_path, OLD, status="succeeded", dry_run=False)
    closed(tmp_path, revert, status="succeeded", dry_run=False, reverts=OLD)

    assert [run.run_id for run in list_runs(tmp_path)] == [revert, OLD]


def test_a_dry_run_of_a_revert_puts_nothing_back(tmp_path: Path) -> None:
    closed(tmp_path, OLD, status="succeeded", dry_run=False)
    closed(tmp_path, REVERT, reverts=OLD)

    assert [run.status for run in list_runs(tmp_path)] == ["planned", "succeeded"]


def test_broken_and_open_folders_are_listed_as_such(tmp_path: Path) -> None:
    broken = closed(tmp_path, OLD)
    broken.file("summary.json").write_text("{", encoding="utf-8")
    RunFolder(tmp_path / NEW).create()
    (tmp_path / "notes").mkdir()
    (tmp_path / REVERT).write_text("a file, not a folder")

    new, old = list_runs(tmp_path)

    assert (new.status, old.status) == ("not closed", "broken")
    assert "summary.json" in old.error
    assert str(tmp_path) not in old.error


def test_runs_are_chosen_by_job_and_status(tmp_path: Path) -> None:
    closed(tmp_path, OLD)
    closed(tmp_path, NEW, status="failed")
    runs = list_runs(tmp_path)

    assert [run.run_id for run in matching(runs, job="utc")] == [OLD]
    assert [run.run_id for run in matching(runs, status="failed")] == [NEW]
    assert matching(runs, "utc", "failed") == []


@pytest.mark.slow
def test_the_command_says_which_side_lacks_a_run(told: Told, tmp_path: Path) -> None:
    closed(tmp_path, OLD)
    (tmp_path / told.dry.summary["run_id"]).symlink_to(told.folder(told.dry))

    said = run_here(told.dsn, tmp_path, "runs", "--json")

    where = {run["run_id"]: (run["where"], run["status"]) for run in said.summary["runs"]}
    assert said.code == 0
    assert where == {
        told.rest.summary["run_id"]: ("database only", "succeeded"),
        told.dry.summary["run_id"]: ("folder and database", "succeeded"),
        OLD: ("folder only", "planned"),
    }
    text = run_here(told.dsn, tmp_path, "runs", "--job", "utc", "--status", "planned").out
    assert text.splitlines()[0].startswith(f"{OLD}  planned")
    assert "[folder only]" in text


@pytest.mark.parametrize("is_killed", [False, True])
def test_a_run_whose_folder_tells_no_counts_has_those_of_the_database(
    told: Told, tmp_path: Path, is_killed: bool
) -> None:
    run_id = told.rest.summary["run_id"]
    if is_killed:  # before it could close its folder
        closed(tmp_path, run_id).file("SHA256SUMS").unlink()
        (tmp_path / run_id / "summary.json").unlink()

    (run,) = (
        run
        for run in run_here(told.dsn, tmp_path, "runs", "--json").summary["runs"]
        if run["run_id"] == run_id
    )

    names = ("total_scanned", "total_updated", "total_skipped")
    assert [run[name] for name in names] == [told.rest.summary[name] for name in names]
    assert not run["dry_run"]


@pytest.mark.slow
def test_the_command_lists_folders_when_no_database_answers(tmp_path: Path) -> None:
    closed(tmp_path, OLD)

    said = run_here(NOWHERE, tmp_path, "runs")

    assert said.code == 0
    assert OLD in said.out
    assert "The database was not asked" in said.err
    assert (tmp_path / INDEX_FILE).exists()


def test_a_limit_that_can_not_be_meant_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as ended:
        run_here(NOWHERE, tmp_path, "runs", "--limit", "0")

    assert ended.value.code == 2


# -- the page -----------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 1, 40])
def test_the_page_is_alone_well_formed_and_accessible(tmp_path: Path, count: int) -> None:
    for number in range(count):
        closed(tmp_path, f"20261120T0800{number:02d}Z-utc-aaaaaa")

    page = index_of(tmp_path)

    check_alone(page.markup)
    check_tables(page)
    assert page.unclosed == []
    assert len(rows_of(page)) == count
    assert rows_of(page) == sorted(rows_of(page), reverse=True)
    assert len(page.ids) == len(set(page.ids))


def test_every_row_leads_to_the_pages_of_its_run(tmp_path: Path) -> None:
    folder = closed(tmp_path, OLD)
    folder.write_text("apply.html", "<p>")

    page = index_of(tmp_path)

    links = [attributes["href"] for tag, attributes in page.tags if tag == "a"]
    assert links == [f"{OLD}/apply.html", f"{OLD}/notebook.html"]  # the newest first
    assert all((tmp_path / link).exists() for link in links)


def test_without_a_script_every_row_is_visible_and_no_dead_filter(tmp_path: Path) -> None:
    closed(tmp_path, OLD)

    page = index_of(tmp_path)

    assert not any("hidden" in attributes for tag, attributes in page.tags if tag == "tr")
    (form,) = (attributes for tag, attributes in page.tags if tag == "form")
    assert "hidden" in form


def test_a_broken_folder_is_shown_as_such_and_escaped(tmp_path: Path) -> None:
    folder = closed(
        tmp_path, OLD, status="failed", error="<script>alert(1)</script> http://x.example"
    )
    closed(tmp_path, NEW).file("run.json").unlink()

    page = index_of(tmp_path)

    assert folder.run_id in page.markup
    assert "broken" in page.text
    assert page.markup.count("<script>") == 1
    check_alone(page.markup)


def test_more_runs_than_a_page_shows_are_counted(tmp_path: Path) -> None:
    for number in range(1_003):
        (tmp_path / f"20261120T{number:06d}Z-utc-aaaaaa").mkdir()

    page = index_of(tmp_path)

    assert len(rows_of(page)) == 1_000
    assert "20261120T000002Z" not in page.markup
    assert "20261120T001002Z" in page.markup
    assert "(1,003)" in page.text


def test_the_page_is_private_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    closed(tmp_path, OLD)

    index_of(tmp_path)

    assert stat.S_IMODE((tmp_path / INDEX_FILE).stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == [OLD, INDEX_FILE]


def test_rebuilds_at_the_same_time_leave_a_page_of_all(tmp_path: Path) -> None:
    def one(number: int) -> None:
        closed(tmp_path, f"20261120T0800{number:02d}Z-utc-aaaaaa")
        assert rebuild_index(tmp_path)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    page = Page((tmp_path / INDEX_FILE).read_text(encoding="utf-8"))
    assert len(rows_of(page)) == 8
    assert page.unclosed == []


def test_a_page_that_can_not_be_written_fails_no_run(tmp_path: Path) -> None:
    closed(tmp_path, OLD)
    (tmp_path / INDEX_FILE).mkdir()

    assert rebuild_index(tmp_path) is False

    assert sorted(path.name for path in tmp_path.iterdir()) == [OLD, INDEX_FILE]


@pytest.mark.slow
def test_each_run_renews_the_page(told: Told) -> None:
    markup = (told.runs / INDEX_FILE).read_text(encoding="utf-8")

    page = Page(markup)

    assert rows_of(page) == sorted(
        (told.rest.summary["run_id"], told.dry.summary["run_id"]), reverse=True
    )
    assert re.search(rf"{told.dry.summary['run_id']}/apply.html", markup)
    assert json.loads((told.folder(told.dry) / "summary.json").read_text())["status"] == "succeeded"
    assert not [path for path in told.runs.iterdir() if "partial" in path.name]
