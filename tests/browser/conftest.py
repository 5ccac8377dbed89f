"""Debian's Chromium, headless, driven by Playwright: one browser a session, a page a test."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect, sync_playwright
from tests.browser.workbench import STEP_MS, Console, Lab, checkout, keep

from backfill.server.embedded import EmbeddedServer

NAMES = ("chromium", "chromium-browser", "google-chrome")
SIZE = ViewportSize(width=1280, height=1000)


def chromium() -> str:
    """Return the path of the system's browser; none is an error, never a skip."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    assert found, "Chromium is missing. Install it: scripts/system-packages chromium"
    return found


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A browser that asks nothing of the network by itself.

    Playwright gives it a profile of its own, and leaves its sandbox out, which root can not have.
    """
    arguments = [
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--no-first-run",
        "--disable-dev-shm-usage",
    ]
    expect.set_options(timeout=STEP_MS)  # its own five seconds are too few on two busy cores
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def console() -> Console:
    return Console()


@pytest.fixture
def page(browser: Browser, console: Console, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page; what it showed last is kept below artefacts/."""
    context = browser.new_context(viewport=SIZE)
    context.set_default_timeout(STEP_MS)
    page = context.new_page()
    console.listen(page)
    yield page
    keep(page, f"last-of-{request.node.name}")
    context.close()


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """JupyterLab as `backfill lab` starts it, on an embedded database of its own."""
    place = checkout(tmp_path / "checkout")
    running = Lab.start(place)
    try:
        yield running
    finally:
        running.kill()
        EmbeddedServer(place / ".embedded").reset()
