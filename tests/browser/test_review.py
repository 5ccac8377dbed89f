"""A run is decided by clicking, and by keys alone, in JupyterLab."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from tests.browser.workbench import Console, Lab, keep, open_notebook, run_all

from backfill.decisions import Answers, Question
from backfill.folder import RunFolder
from backfill.plans.worksheet import write_worksheets

pytestmark = [pytest.mark.browser, pytest.mark.slow]

ROWS = 14_000


def folder_with_questions(place: Path) -> RunFolder:
    """Lay the folder of a run that asks about very many rows, as a planned one would."""
    folder = RunFolder(place / "runs" / "20260203T040506Z-utc-0a1b2c")
    folder.path.parent.mkdir(exist_ok=True)
    folder.create()
    questions = [
        Question(
            *("fold", f"visit-{number:05}", "starts", "north", "Europe/Oslo", "2026-10-25"),
            read=f"2026-10-25 02:{number % 60:02}:00",
            candidates="earlier: 00:30Z | later: 01:30Z | skip",
            applied="earlier",
        )
        for number in range(ROWS)
    ]
    write_worksheets(folder, questions, Answers())
    return folder


def write_notebook(place: Path, runs: Path) -> None:
    code = (
        "from backfill import workbook\n"
        f"workbook.review('latest', runs_folder={str(runs)!r}, by='Ada')"
    )
    cell = {"cell_type": "code", "id": "one", "metadata": {}, "source": code}
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = {
        "cells": [{**cell, "outputs": [], "execution_count": None}],
        "metadata": {"kernelspec": kernel},
        **{"nbformat": 4, "nbformat_minor": 5},
    }
    path = place / "backfill-notebooks" / "review.ipynb"
    path.write_text(json.dumps(notebook), encoding="utf-8")


def decided(folder: RunFolder) -> dict[str, tuple[str, str]]:
    with folder.file("decisions.csv").open(encoding="utf-8", newline="") as stream:
        lines = csv.DictReader(stream)
        return {cells["key"]: (cells["decision"], cells["by"]) for cells in lines if cells["by"]}


def test_rows_are_found_and_settled_by_clicks_and_by_keys_alone(
    lab: Lab, page: Page, console: Console
) -> None:
    folder = folder_with_questions(lab.place)
    write_notebook(lab.place, folder.path.parent)
    open_notebook(page, lab, "review")
    run_all(page)
    review = page.locator(".backfill-review")
    expect(review.get_by_text("14,000 of 14,000 rows, 14,000 to settle")).to_be_visible()

    review.get_by_role("button", name="later for visit-00000").click()
    expect(review.get_by_text("1 row settled")).to_be_visible()
    review.get_by_role("searchbox").fill("visit-0123")
    expect(review.get_by_text("10 of 14,000 rows")).to_be_visible()
    review.get_by_text("all shown:").get_by_role("button", name="skip").click()
    expect(review.get_by_text("10 rows settled")).to_be_visible()
    keep(page, "review")

    review.get_by_role("searchbox").focus()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("visit-13999")
    expect(review.get_by_text("1 of 14,000 rows")).to_be_visible()
    earlier = review.get_by_role("button", name="earlier for visit-13999")
    for _step in range(20):
        page.keyboard.press("Tab")
        if earlier.evaluate("button => button === document.activeElement"):
            break
    page.keyboard.press("Enter")
    expect(earlier).to_have_attribute("aria-pressed", "true")
    assert earlier.evaluate("button => button === document.activeElement")

    found = decided(folder)
    assert found["visit-00000"] == ("later", "Ada")
    assert found["visit-01234"] == ("skip", "Ada")
    assert found["visit-13999"] == ("earlier", "Ada")
    assert len(found) == 12
    assert console.errors == []
