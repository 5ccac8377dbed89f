"""The workbook in a real browser, as an analyst meets it."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect
from tests.browser.workbench import (
    STEP_MS,
    Console,
    Lab,
    choose,
    errors_shown,
    keep,
    open_notebook,
    run_all,
    run_of,
    wait_for_all,
    wait_for_end,
    with_parameters,
)

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_jupyterlab_starts_without_a_warning_and_ctrl_c_ends_all_of_it(
    lab: Lab, page: Page, console: Console
) -> None:
    page.goto(lab.url)
    expect(page.get_by_role("listitem", name="Name: 00_start_here.ipynb")).to_be_visible()
    keep(page, "lab-start")

    assert page.locator(".jp-Dialog, .Toastify__toast").count() == 0
    assert console.errors == []
    assert [line for line in lab.said.splitlines() if line.startswith(("[W", "[E"))] == []
    assert "arning" not in lab.said
    assert lab.end() == (0, [])


@pytest.mark.parametrize("name", ["00_start_here", "01_utc_backfill"])
def test_a_notebook_runs_all_its_cells_and_shows_diff_and_picture(
    lab: Lab, page: Page, console: Console, name: str
) -> None:
    open_notebook(page, lab, name)

    run_all(page)
    wait_for_all(page)

    assert errors_shown(page) == []
    diff = page.locator("table.backfill caption", has_text="Rows to update by household and rule")
    diff.scroll_into_view_if_needed()
    expect(diff).to_be_visible()
    keep(page, f"{name}-diff")
    picture = page.locator("figure.backfill svg").first
    picture.scroll_into_view_if_needed()
    expect(picture).to_be_visible()
    keep(page, f"{name}-picture")
    assert console.errors == []


def test_an_interrupted_apply_is_told_as_interrupted_and_the_next_run_resumes(
    lab: Lab, page: Page
) -> None:
    """An analyst presses stop while rows are written, then runs all cells again."""
    with_parameters(
        *(lab.place, "01_utc_backfill", "mine"),
        household_id="hh_south",
        chunk_size=1,
        progress_interval=50,
        apply=True,
    )
    open_notebook(page, lab, "mine")
    run_all(page)
    progress = page.locator(".jp-OutputArea-output", has_text=re.compile(r"apply: [1-9]\d* of"))
    expect(progress.first).to_be_visible(timeout=STEP_MS)

    choose(page, "Kernel", "Interrupt Kernel")

    wait_for_end(page)
    keep(page, "interrupted")
    assert ["Interrupted" in text for text in errors_shown(page)] == [True]
    stopped = run_of(lab.place)
    assert stopped.status == "interrupted"
    assert 0 < stopped.written < stopped.planned

    choose(page, "Edit", "Clear Outputs of All Cells")
    run_all(page)
    wait_for_all(page)

    assert errors_shown(page) == []
    going_on = f"Run {stopped.run_id} is interrupted: going on."
    expect(page.locator(".jp-Notebook", has_text=going_on)).to_be_visible()
    keep(page, "resumed")
    resumed = run_of(lab.place)
    assert (resumed.run_id, resumed.status) == (stopped.run_id, "succeeded")
    assert resumed.written == stopped.planned
