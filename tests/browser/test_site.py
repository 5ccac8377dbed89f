"""The documentation as a site: found by searching, opened as files, without a network."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect
from tests.browser.test_pages import open_offline
from tests.browser.workbench import keep, violations
from tests.deadline import DEADLINE_SECONDS

pytestmark = [pytest.mark.browser, pytest.mark.slow]

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("site")
    made = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(place)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    return place


def test_every_document_has_its_page(site: Path) -> None:
    documents = {path.stem for path in (ROOT / "docs").glob("*.md")}
    menu = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")

    assert {name for name in documents if not (site / f"{name}.html").is_file()} == set()
    assert {name for name in documents if f": {name}.md" not in menu} == set()


@pytest.mark.parametrize(("scheme", "width"), [("light", 1200), ("dark", 390), ("light", 390)])
def test_everybody_can_read_every_document(
    browser: Browser, site: Path, scheme: Literal["light", "dark"], width: int
) -> None:
    context = browser.new_context(
        viewport=ViewportSize(width=width, height=900), color_scheme=scheme
    )
    page = context.new_page()

    for path in sorted(site.glob("*.html")):
        open_offline(page, path)
        expect(page.locator("article h1").first).to_be_visible()
        assert violations(page) == [], path.name
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path.name

    keep(page, f"site-{scheme}-{width}")
    context.close()


def test_a_word_is_found_without_a_network(site: Path, page: Page) -> None:
    open_offline(page, site / "index.html")

    page.locator(".md-search__input").click()
    page.keyboard.type("fold")

    expect(page.locator(".md-search-result__item").first).to_be_visible()
    page.locator(".md-search-result__link").first.click()
    expect(page.locator("article h1")).to_be_visible()
