"""The page of a run: one file that explains it to a colleague who has nothing but a browser."""

from __future__ import annotations

import json
import re
from pathlib import Path

import psycopg
import pytest
from tests.conftest import DatabaseFrom
from tests.engine.workshop import load_empty
from tests.jobs.command_line import run_here
from tests.pages.conftest import Told
from tests.pages.looking import Page, check_alone, check_picture, check_tables, pictures

from backfill.display.pages import section, table
from backfill.folder import RunFolder
from backfill.notebook.offline_page import write_page

SECTIONS = [
    *("what-happened", "diff", "decisions", "skips", "pictures"),
    *("checkpoints", "versions", "check", "notebook"),
]
PAGES = ["dry", "applied", "rest"]
RUN_ID = "20261122T234000Z-utc-3f9c1a"
pytestmark = pytest.mark.slow


def page_of(told: Told, which: str) -> str:
    name = "apply.html" if which == "applied" else "notebook.html"
    return told.page(getattr(told, which), name)


def section_of(markup: str, anchor: str) -> str:
    found = re.search(rf'<section id="{anchor}".*?</section>', markup, re.DOTALL)
    assert found, anchor
    return found[0]


def bare_folder(tmp_path: Path, *outputs: str, text: str = "A run") -> RunFolder:
    """A folder with a notebook that shows these outputs, and nothing else of a run."""
    folder = RunFolder(tmp_path / RUN_ID)
    folder.create()
    cells = [
        {"cell_type": "markdown", "id": "a", "metadata": {}, "source": f"# {text}"},
        {
            "cell_type": "code",
            "id": "b",
            "metadata": {},
            "source": "run.diff()",
            "execution_count": 1,
            "outputs": [
                {"output_type": "display_data", "metadata": {}, "data": {"text/html": html}}
                for html in outputs
            ],
        },
    ]
    folder.write_json(
        "notebook.ipynb", {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    )
    return folder


@pytest.mark.parametrize("which", PAGES)
def test_the_page_needs_nothing_from_outside(told: Told, which: str) -> None:
    check_alone(page_of(told, which))


@pytest.mark.parametrize("which", PAGES)
def test_the_page_is_well_formed_and_can_be_found_ones_way_in(told: Told, which: str) -> None:
    page = Page(page_of(told, which))

    assert page.unclosed == []
    assert page.tags[0][0] == "html"
    assert page.tags[0][1]["lang"] == "en"
    assert page.headings[0] == 1
    assert page.headings.count(1) == 1
    assert all(b - a <= 1 for a, b in zip(page.headings, page.headings[1:], strict=False))
    assert len(page.ids) == len(set(page.ids))
    links = [attributes["href"] for tag, attributes in page.tags if tag == "a"]
    assert {link.removeprefix("#") for link in links if link.startswith("#")} <= set(page.ids)


@pytest.mark.parametrize("which", PAGES)
def test_the_sections_stand_in_their_order_with_the_notebook_last(told: Told, which: str) -> None:
    anchors = re.findall(r'<section id="([a-z-]+)"', page_of(told, which))

    assert anchors == SECTIONS


@pytest.mark.parametrize("which", PAGES)
def test_every_table_has_a_caption_and_headers_and_every_picture_its_text(
    told: Told, which: str
) -> None:
    markup = page_of(told, which)
    page = Page(markup)

    check_tables(page)
    assert sum(found["tr"] for found in page.tables) <= 1_000
    assert len(pictures(markup)) >= 3
    for picture in pictures(markup):
        check_picture(picture)
    assert all(attributes.get("alt") for tag, attributes in page.tags if tag == "img")


def load_many(dsn: str) -> None:
    """1,200 households with a row each, in a fold, a gap or neither."""
    load_empty(dsn)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO events (id, household_id, start_at, tz) SELECT 'e' || n, 'hh_' || n,"
            " extract(epoch FROM (ARRAY['2025-10-26 02:30', '2025-03-30 02:30',"
            " '2025-06-01 12:00'])[n % 3 + 1]::timestamp)::bigint * 1000, CASE WHEN n % 7 > 0"
            " THEN 'Europe/Stockholm' END FROM generate_series(1, 1200) AS n"
        )


def test_a_page_of_a_thousand_households_shows_no_more_than_a_thousand_rows(
    database_from: DatabaseFrom, tmp_path: Path
) -> None:
    said = run_here(database_from("many", load_many), tmp_path, "utc", "--apply")

    markup = (tmp_path / said.summary["run_id"] / "notebook.html").read_text(encoding="utf-8")
    page = Page(markup)
    check_tables(page)
    assert sum(found["tr"] - 1 for found in page.tables) <= 1_000
    assert len(markup) < 1_000_000
    assert "household_id: 1,2" in page.text
    for way_on in ("backfill status", "plan.json, counts", "skips.csv", "decisions.csv"):
        assert way_on in page.text


def test_a_picture_stands_once_and_its_numbers_are_behind_it(told: Told) -> None:
    markup = page_of(told, "rest")

    figures = re.findall(r"<figure.*?</figure>", markup, re.DOTALL)
    assert len(figures) == len(set(figures)) == len(pictures(markup))
    for figure in figures:
        assert re.search(r"<details>.*<table.*</table>.*</details>", figure, re.DOTALL)
    assert "Pending rows by household and month" in section_of(markup, "pictures")
    assert "Wall times around clock changes" in section_of(page_of(told, "dry"), "pictures")
    assert "Time and throughput" in section_of(markup, "checkpoints")


def glance(markup: str) -> dict[str, str]:
    """Return the lines on top by their label, without tags."""
    found = re.findall(
        r"<dt>(.*?)</dt><dd>(.*?)</dd>", section_of(markup, "what-happened"), re.DOTALL
    )
    return {label: " ".join(re.sub(r"<[^>]+>", "", text).split()) for label, text in found}


def test_six_lines_answer_first(told: Told) -> None:
    dry, applied = (glance(page_of(told, which)) for which in ("dry", "applied"))
    summary, run_id = told.applied.summary, told.applied.summary["run_id"]
    updated, scanned = summary["total_updated"], summary["total_scanned"]

    assert list(dry) == list(applied) == ["Changed", "Table", "By", "When", "Verified", "Next"]
    assert dry["Changed"].startswith(f"Nothing yet; {updated} of {scanned} rows would be changed")
    assert dry["When"] == "Not approved: nothing was written."
    assert dry["Verified"] == "Nothing to verify: nothing was written."
    assert dry["Next"] == f"Write exactly this plan: backfill apply {run_id}"
    changed = f"{updated} rows were changed (start_at_utc, end_at_utc). "
    assert applied["Changed"].startswith(f"{changed}{summary['total_skipped']} were left alone (")
    assert applied["Table"].startswith("public.events, of hh_demo, in database ")
    assert "; applied by " in applied["By"]
    assert re.match(r"Approved 2\S+ [\d:]{8}; applied 2.* UTC in \d+ chunks\.", applied["When"])
    assert applied["Verified"].startswith(f"Yes: {updated} rows read back, ")
    assert applied["Next"].endswith(
        f"To undo it, unless that was done since: backfill revert {run_id}"
    )


def test_the_page_of_an_apply_shows_the_diff_that_was_approved(told: Told) -> None:
    planned, applied = (section_of(page_of(told, which), "diff") for which in ("dry", "applied"))
    assert "<ins>" in planned
    assert "before → after" in planned

    assert "trap-fold-start-01" in planned
    assert planned == applied


def test_each_row_left_alone_is_on_the_page_with_its_reason(told: Told) -> None:
    shown = section_of(page_of(told, "applied"), "skips")

    assert "trap-tz-offset-01" in shown
    assert "invalid_timezone" in shown
    assert "skips.csv" in shown


def test_versions_and_the_commands_that_check_are_on_the_page(told: Told) -> None:
    markup, run_id = page_of(told, "applied"), told.applied.summary["run_id"]

    assert "tzdata" in section_of(markup, "versions")
    assert told.applied.summary["plan_id"] in section_of(markup, "versions")
    for command in (
        "sha256sum -c SHA256SUMS",
        f"backfill evidence check {run_id}",
        f"backfill verify {run_id}",
    ):
        assert f"<code>{command}</code>" in section_of(markup, "check")


def test_progress_is_kept_as_plain_lines(told: Told) -> None:
    shown = section_of(page_of(told, "rest"), "checkpoints")

    assert "apply: 0 of " in shown
    assert "\r" not in page_of(told, "rest")


def test_no_other_household_is_on_the_page(told: Told) -> None:
    assert "hh_north" not in page_of(told, "dry")
    assert "hh_north" in page_of(told, "rest")


def test_the_notebook_stands_below_with_a_line_where_something_moved(told: Told) -> None:
    below = section_of(page_of(told, "rest"), "notebook")

    assert 'Shown above: <a href="#diff">diff</a>' in below
    assert "preflight" in below
    assert "trap-fold-start-01" not in below


def test_a_run_that_was_killed_early_has_a_page_that_says_so(tmp_path: Path) -> None:
    folder = bare_folder(tmp_path)
    folder.write_json("summary.json", {"status": "failed", "error": "the kernel died"})
    folder.write_text("SHA256SUMS", "")

    write_page(folder, "notebook.ipynb", "notebook.html")

    page = Page(folder.file("notebook.html").read_text(encoding="utf-8"))
    assert re.findall(r'<section id="([a-z-]+)"', page.markup) == SECTIONS
    assert page.unclosed == []
    assert "the plan" in page.text or "There is no plan" in page.text


def test_an_error_is_told_before_the_lines(tmp_path: Path) -> None:
    folder = bare_folder(tmp_path)
    folder.write_json("run.json", {"job": "utc", "database": "demo"})
    folder.write_json("summary.json", {"status": "interrupted", "error": "Stopped\nby hand."})
    folder.write_text("SHA256SUMS", "")

    write_page(folder, "notebook.ipynb", "notebook.html")

    markup = folder.file("notebook.html").read_text(encoding="utf-8")
    assert "Error: Stopped by hand." in section_of(markup, "what-happened")
    assert glance(markup)["Changed"] == "Nothing: the run ended before its plan was frozen."


def test_what_a_database_held_can_not_end_a_part_or_name_an_address(tmp_path: Path) -> None:
    nasty = "<!--/part--></table><script src='https://invented.example/x.js'></script>"
    folder = bare_folder(tmp_path, section("diff", table("Rows", ["key"], [(nasty,)])).markup)

    write_page(folder, "notebook.ipynb", "notebook.html")

    markup = folder.file("notebook.html").read_text(encoding="utf-8")
    check_alone(markup)
    assert "<script" not in markup
    assert Page(markup).unclosed == []
    assert "x.js" in section_of(markup, "diff")


def test_a_table_shows_no_more_than_it_may_and_counts_the_rest() -> None:
    shown = table("Rows", ["n"], [(n,) for n in range(5_000)], rest="All: changes.parquet")

    assert shown.markup.count("<tr>") == 1_001
    assert "the first 1,000 of 5,000 are shown. All: changes.parquet" in shown.markup


def test_ten_thousand_skips_leave_the_page_small(tmp_path: Path) -> None:
    folder = bare_folder(tmp_path)
    lines = "".join(f'"k{n}","hh","tz","invalid_timezone","x"\n' for n in range(10_000))
    folder.write_text("skips.csv", f'"key","household_id","column","reason","detail"\n{lines}')

    write_page(folder, "notebook.ipynb", "notebook.html")

    markup = folder.file("notebook.html").read_text(encoding="utf-8")
    assert len(markup) < 100_000
    assert "100 of 10,000" in section_of(markup, "skips")


def test_the_summary_files_of_the_page_and_the_folder_agree(told: Told) -> None:
    summary = json.loads((told.folder(told.rest) / "summary.json").read_text())

    assert f'<p class="badge good">{summary["status"]}</p>' in page_of(told, "rest")
    assert summary["verification"]["disagreements"] == 0
