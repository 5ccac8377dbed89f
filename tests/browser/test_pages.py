"""What a colleague gets: pages that explain a run without Jupyter and without a network."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect
from tests.browser.workbench import Console, environment, keep
from tests.conftest import DatabaseFrom
from tests.deadline import DEADLINE_SECONDS

from backfill.server.postgres import connect
from backfill_lab.demo.seed import seed

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def database(database_from: DatabaseFrom) -> str:
    return database_from("browser-demo", load_demo)


def load_demo(dsn: str) -> None:
    with connect(dsn) as connection:
        seed(connection, "epoch_ms")


@pytest.fixture
def runs(database: str, tmp_path: Path) -> Path:
    """The folder of one run that was applied."""
    runs = tmp_path / "runs"
    subprocess.run(
        [sys.executable, "-m", "backfill", "utc", "--apply", "--household-id", "hh_demo"],
        env={
            **environment(tmp_path),
            "DATABASE_URL": database,
            "BACKFILL_RUNS_DIR": str(runs),
        },
        capture_output=True,
        timeout=DEADLINE_SECONDS,
        check=True,
    )
    return runs


def open_offline(page: Page, path: Path) -> None:
    """Open a file with the network blocked."""
    page.context.set_offline(True)
    page.route("**/*", _only_files)
    page.goto(path.as_uri())


def _only_files(route: Route) -> None:
    if route.request.url.startswith(("file:", "data:", "blob:")):
        route.continue_()
    else:
        route.abort()


def test_the_page_of_all_runs_opens_and_leads_to_the_run(
    page: Page, console: Console, runs: Path
) -> None:
    run_id = next(path.name for path in runs.iterdir() if path.is_dir())

    open_offline(page, runs / "index.html")

    row = page.locator("tr", has_text=run_id)
    expect(row).to_be_visible()
    keep(page, "runs-index")
    page.locator("input").first.fill("no run is called that")
    expect(row).to_be_hidden()
    page.locator("input").first.fill(run_id)
    expect(row).to_be_visible()
    row.get_by_role("link").first.click()
    expect(page.locator("table.backfill").first).to_be_visible()
    asked = [url for url in console.requests if not url.startswith(("file:", "data:", "blob:"))]
    assert (console.errors, asked) == ([], [])


def test_a_runs_page_opens_without_a_network(page: Page, console: Console, runs: Path) -> None:
    folder = next(path for path in runs.iterdir() if path.is_dir())

    open_offline(page, folder / "notebook.html")

    expect(page.locator("table.backfill").first).to_be_visible()
    keep(page, "page-top")
    picture = page.locator("figure.backfill svg").first
    picture.scroll_into_view_if_needed()
    expect(picture).to_be_visible()
    keep(page, "page-picture")
    asked = [url for url in console.requests if not url.startswith(("file:", "data:", "blob:"))]
    assert (console.errors, asked) == ([], [])
