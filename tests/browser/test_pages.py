"""What a colleague gets: pages that explain a run without Jupyter and without a network."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, Route, ViewportSize, expect
from tests.browser.workbench import Console, environment, keep, violations
from tests.conftest import DatabaseFrom
from tests.deadline import DEADLINE_SECONDS

from backfill.server.postgres import connect
from backfill_lab.demo.seed import seed

SCREENSHOTS = Path(__file__).parents[2] / "lib" / "backfill_lab" / "demo" / "screenshots"
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

    row = page.locator(f"tr[id='{run_id}']")
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


#: What is wider than its frame: it would be cut off, or scroll by itself.
CUT_OFF = """[...document.querySelectorAll('*')].filter(e => e.scrollWidth > e.clientWidth + 1 &&
    getComputedStyle(e).overflowX !== 'visible' && e.clientWidth > 1)
    .map(e => e.tagName + ' ' + e.textContent.slice(0, 60))"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1200, 390])
def test_everybody_can_read_the_pages_and_nothing_is_cut_off(
    browser: Browser, runs: Path, scheme: Literal["light", "dark"], width: int
) -> None:
    context = browser.new_context(
        viewport=ViewportSize(width=width, height=900), color_scheme=scheme
    )
    page = context.new_page()
    for path in [runs / "index.html", *runs.glob("*/*.html")]:
        open_offline(page, path)
        page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
        keep(page, f"axe-{path.stem}-{scheme}-{width}")

        assert violations(page) == [], path
        assert page.evaluate(CUT_OFF) == [], path
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
    context.close()


HELD = "41732bff-364e-54a1-8e41-feb2304e640c"  # a session of the demo that is held back
#: One run of each kind of page: what is typed, and how it ends.
KINDS: dict[str, tuple[int, tuple[str, ...]]] = {
    "held": (0, ("ocr", "--session-id", HELD, "--local-root", str(SCREENSHOTS))),
    "planned": (0, ("utc", "--household-id", "hh_demo")),
    "part": (0, ("apply", "latest", "--canary", "5%")),
    "fill": (0, ("fill", "--table", "customer", "--set", "phone_e164", "--values", "v.csv")),
    "filled": (0, ("apply", "latest")),
    "undone": (0, ("revert", "latest")),
    "refused": (7, ("utc", "--household-id", "hh_demo", "--max-skips", "0")),
}


@pytest.fixture
def runs_of_each_kind(database: str, tmp_path: Path) -> Path:
    runs = tmp_path / "runs"
    (tmp_path / "v.csv").write_text("id,phone_e164\n2147483648,+46317111825\n7000,\n")
    for name, (code, words) in KINDS.items():
        ended = subprocess.run(
            [sys.executable, "-m", "backfill", *words],
            env={
                **environment(tmp_path),
                "DATABASE_URL": database,
                "BACKFILL_RUNS_DIR": str(runs),
            },
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=DEADLINE_SECONDS,
            check=False,
        )
        assert ended.returncode == code, (name, ended.stderr)
    return runs


@pytest.mark.ocr
def test_everybody_can_read_the_page_of_each_kind_of_run_and_what_is_held_stands_first(
    browser: Browser, runs_of_each_kind: Path
) -> None:
    for scheme, width in (("light", 1200), ("dark", 390)):
        context = browser.new_context(
            viewport=ViewportSize(width=width, height=900),
            color_scheme="dark" if scheme == "dark" else "light",
        )
        page = context.new_page()
        for path in sorted(runs_of_each_kind.rglob("*.html")):
            open_offline(page, path)
            keep(page, f"kind-{path.parent.name}-{path.stem}-{scheme}")
            assert violations(page) == [], path
            assert page.evaluate(CUT_OFF) == [], path
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
            if "-ocr-" in path.parent.name:
                titles = page.locator("main > section > h2").all_text_contents()
                assert titles[1] == "Held back for a person"
                expect(page.locator("#held img").first).to_be_visible()
        context.close()


def test_nothing_is_cut_off_on_paper(page: Page, runs: Path) -> None:
    page.set_viewport_size(ViewportSize(width=700, height=1000))  # A4 at 96 points, less its edges
    page.emulate_media(media="print")

    for path in [runs / "index.html", *runs.glob("*/*.html")]:
        open_offline(page, path)

        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
