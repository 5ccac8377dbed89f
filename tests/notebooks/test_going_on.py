"""Each section offers a line to go on from, and the tour takes back what it did."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import psycopg
import pytest
from tests import nursery
from tests.longer import longer

from backfill import cli, tour
from backfill.errors import UsageError
from backfill.server.database import TOUR_ENV
from backfill.server.embedded import TOUR_DATABASE, EmbeddedServer, default_home
from backfill.workbook import Book, open_plan, open_run

FOLDER = Path(__file__).parents[2] / "notebooks"
OFFER = "Go on from here: "
pytestmark = pytest.mark.slow


def cells(name: str) -> Iterator[tuple[str, str, list[str]]]:
    """Yield kind, source and tags of each cell."""
    document = json.loads((FOLDER / f"{name}.ipynb").read_text(encoding="utf-8"))
    for cell in document["cells"]:
        yield cell["cell_type"], "".join(cell["source"]), cell["metadata"].get("tags", [])


def take_offers(name: str, **parameters: object) -> int:
    """Run a notebook's cells, and every line that it offers where it offers it; count those."""
    namespace: dict[str, Any] = {}
    taken = 0
    for kind, source, tags in cells(name):
        if kind == "code":
            exec(compile(source, f"{name}.ipynb", "exec"), namespace)
            namespace.update(parameters if "parameters" in tags else {})
        elif source.startswith(OFFER):
            for line in re.findall(r"`(run\.[^`]+)`", source):
                found = eval(line, namespace)
                rows = len(found.fetchall() if line.startswith("run.duckdb") else found)
                # By default there is nothing to revert on the demo.
                assert rows or name == "05_revert_run", line
                taken += 1
    return taken


@pytest.mark.parametrize("name", ["00_start_here", *longer("01_utc_backfill")])
def test_every_line_that_is_offered_to_go_on_from_works_where_it_stands(name: str) -> None:
    assert take_offers(name) >= 6


def test_the_lines_of_the_other_notebooks_work_too() -> None:
    assert take_offers("03_apply_plan") == 3
    assert take_offers("04_verify_run") == 2
    assert take_offers("05_revert_run") == 2


@pytest.mark.long
@pytest.mark.ocr
def test_the_lines_of_the_screenshots_notebook_work_too() -> None:
    assert take_offers("02_ocr_backfill") >= 6


@pytest.mark.parametrize("name", ["00_start_here", "01_utc_backfill", "02_ocr_backfill"])
def test_extract_compute_and_diff_each_end_with_a_line_to_go_on_from(name: str) -> None:
    sections = re.split(r"^## ", "\n".join(source for _, source, _ in cells(name)), flags=re.M)

    offering = [section.splitlines()[0] for section in sections if OFFER in section]

    assert {"Extract", "Compute", "Diff"} <= set(offering)


def tour_events() -> list[tuple[Any, ...]]:
    dsn = EmbeddedServer(default_home()).dsn_of(TOUR_DATABASE)
    with psycopg.connect(dsn) as connection:
        return connection.execute("SELECT * FROM events ORDER BY id").fetchall()


def planned(run: Book) -> Book:
    for step in (run.preflight, run.extract, run.compute, run.plan):
        step()
    return run


def test_the_tour_decides_applies_and_undoes_on_a_database_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/nowhere")
    run = planned(tour.begin({}))
    before = tour_events()

    run.decide("*", "later", kind="fold", zone="Europe/Stockholm")
    run = tour.plan_again(run)
    run.apply()
    decided = run.changes.set_index("key").loc["trap-fold-both-01"]
    applied = tour_events()
    undo = tour.undo(run)
    undo.apply()

    assert decided["after.start_at_utc"] == decided["why.start_at_second"].value // 1_000_000
    assert applied != before
    assert tour_events() == before


def test_a_command_that_the_tour_prints_finds_the_tours_database_in_any_shell(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("backfill.notebook.kernel.subprocess", nursery.IN_PLACE_OF_SUBPROCESS)
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/nowhere")
    run = planned(tour.begin({}))
    said = run.decide("*", "later", kind="fold", zone="Europe/Stockholm").text

    monkeypatch.delenv(TOUR_ENV)
    code = cli.main(shlex.split(said[said.index("backfill utc") :])[1:])

    summary = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (code, summary["total_updated"], summary["status"]) == (0, 9457, "planned")


def test_a_setting_that_nobody_chose_is_not_told(database_demo: str) -> None:
    planned = open_run("utc", {"household_id": "hh_demo", "chunk_size": 7})
    for step in (planned.preflight, planned.extract, planned.compute, planned.plan):
        step()

    later = open_plan({"run_id": planned.run_id, "max_skips": 3})

    assert settings_told(repr(planned)) == ["household_id = hh_demo", "chunk_size = 7"]
    assert settings_told(repr(later)) == ["chunk_size = 7", "max_skips = 3"]


def settings_told(head: str) -> list[str]:
    (line,) = (line for line in head.splitlines() if line.startswith("settings"))
    return line.removeprefix("settings").strip(" |:").split("; ")


def test_a_plan_that_is_opened_later_hands_out_the_same_rows(database_demo: str) -> None:
    run = planned(open_run("utc", {"household_id": "hh_demo"}))

    later = open_plan({"run_id": run.run_id})

    pd.testing.assert_frame_equal(later.changes, run.changes)
    pd.testing.assert_frame_equal(later.skips, run.skips)
    assert later.duckdb.sql("SELECT count(*) FROM changes").fetchall() == [(len(run.changes),)]
    with pytest.raises(UsageError, match="has no extracted here"):
        _ = later.extracted
    with pytest.raises(UsageError, match="has no shifts here"):
        _ = run.shifts


@pytest.fixture
def database_demo(monkeypatch: pytest.MonkeyPatch) -> str:
    """The embedded demo, as a newcomer has it: no DATABASE_URL."""
    monkeypatch.delenv("DATABASE_URL", raising=False)
    return EmbeddedServer(default_home()).dsn
