"""Two runs compared: what came, went and changed, and the setting or version that explains it."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow.parquet as pq
import pytest
from tests.engine.workshop import Bench, add_noons, load_noons, load_traps
from tests.jobs.command_line import run_here
from tests.jobs.ocr_bench import FIRST, SECOND, load_three, session_id, take
from tests.pages.looking import Page, check_tables

from backfill.errors import StorageError, UsageError
from backfill.steps.comparison import Comparison
from backfill.workbook import compare

if TYPE_CHECKING:
    from tests.jobs.conftest import BenchFrom, OcrBenchFrom


def between(bench: Bench, a: str, b: str, **given: Any) -> Comparison:
    return compare(a, b, runs_folder=str(bench.runs), **given)


def keys(found: Comparison, difference: str, what: str = "row") -> set[str]:
    return {row[1] for row in found.rows if (row[0], row[3]) == (what, difference)}


def because(found: Comparison) -> set[tuple[str, str, int]]:
    return {(difference, why, rows) for _what, difference, why, rows in found.groups}


@pytest.fixture
def noons(bench_from: BenchFrom) -> Bench:
    """Twelve pending events."""
    return bench_from("noons", load_noons)


@pytest.fixture
def traps(bench_from: BenchFrom) -> Bench:
    return bench_from("traps-epoch_ms", load_traps)


# -- events -------------------------------------------------------------------------------------


def test_a_run_compared_with_itself_is_the_same(noons: Bench) -> None:
    run = noons.plan()

    found = between(noons, run.run_id, run.run_id)

    assert found.counts == {"row": {"came": 0, "went": 0, "changed": 0, "same": 12}}
    assert (found.total, found.different, found.rows) == (0, (), ())
    assert "No row differs." in repr(found)


def test_another_policy_explains_the_folds_and_gaps_and_nothing_else(traps: Bench) -> None:
    first = traps.plan()
    second = traps.plan(fold="later", gap="skip")

    found = between(traps, first.run_id, second.run_id)

    assert [str(d) for d in found.different] == [
        "fold: earlier → later",
        "gap: shift_forward → skip",
    ]
    assert {why for _difference, why, _rows in because(found)} == {
        "fold: earlier → later",
        "gap: shift_forward → skip",
    }
    assert "trap-fold-start-01" in keys(found, "changed")
    assert found.counts["row"]["changed"] == found.total == len(found.rows)
    (fold,) = (row for row in found.rows if row[1] == "trap-fold-start-01")
    assert "start_at_utc" in fold[4]
    assert fold[5] != fold[6]


def test_rows_out_of_the_other_runs_scope_came_or_went(noons: Bench) -> None:
    add_noons(noons.connection, 3, "hh_north", "n")
    one = noons.plan(household_id="hh_demo")
    every = noons.plan()

    came = between(noons, one.run_id, every.run_id)
    went = between(noons, every.run_id, one.run_id)

    assert keys(came, "came") == keys(went, "went") == {"n01", "n02", "n03"}
    assert because(came) == {("came", f"out of the scope of run {one.run_id}", 3)}
    assert because(went) == {("went", f"out of the scope of run {one.run_id}", 3)}


def test_a_row_that_was_edited_is_explained_by_its_edit_not_by_a_setting(noons: Bench) -> None:
    first = noons.plan()
    noons.sql("UPDATE events SET start_at = start_at + 3600000 WHERE id = 'e03'")
    noons.sql("UPDATE events SET tz = 'Europe/London' WHERE id = 'e04'")
    second = noons.plan(fold="later")

    found = between(noons, first.run_id, second.run_id)

    assert keys(found, "changed") == {"e03", "e04"}
    assert because(found) == {
        ("changed", "the row was edited between the runs: start_at", 1),
        ("changed", "the row was edited between the runs: tz", 1),
    }


def test_what_the_first_run_wrote_went_and_new_rows_came(noons: Bench) -> None:
    first = noons.run()
    noons.add_event("new", start_at=1_748_865_600_000, tz="Europe/Stockholm")
    second = noons.plan()

    found = between(noons, first.run_id, second.run_id)

    assert found.counts["row"] == {"came": 1, "went": 12, "changed": 0, "same": 0}
    assert because(found) == {
        ("went", f"run {first.run_id} wrote it, or dealt with it", 12),
        ("came", "it was not pending before, or not there", 1),
    }


def test_another_default_zone_explains_rows_that_are_no_longer_skipped(noons: Bench) -> None:
    noons.sql("UPDATE events SET tz = NULL WHERE id <= 'e02'")
    noons.sql("UPDATE household SET tz = NULL")
    first = noons.plan()
    second = noons.plan(default_tz="Asia/Tokyo")

    found = between(noons, first.run_id, second.run_id)

    assert keys(found, "changed") == {"e01", "e02"}
    assert because(found) == {("changed", "default_tz: None → Asia/Tokyo", 2)}
    assert "missing_timezone" in found.rows[0][5]


def test_another_version_of_the_time_zone_data_explains_other_values(noons: Bench) -> None:
    first = noons.plan()
    second = noons.plan()
    folder = noons.folder(second.run_id)
    document = folder.read_json("plan.json")
    folder.write_json("plan.json", {**document, "tzdata_version": "2031.1"})
    changes = folder.file("changes.parquet")
    with duckdb.connect() as connection:
        connection.execute(
            f"COPY (SELECT * REPLACE (struct_update(after, start_at_utc :="
            f" after.start_at_utc + 3600000) AS after) FROM '{changes}' WHERE key = 'e05'"
            f" UNION ALL FROM '{changes}' WHERE key <> 'e05') TO '{changes}.new' (FORMAT parquet)"
        )
    Path(f"{changes}.new").replace(changes)

    found = between(noons, first.run_id, second.run_id)

    assert keys(found, "changed") == {"e05"}
    ((difference, why, rows),) = because(found)
    assert (difference, rows) == ("changed", 1)
    assert why.startswith("tzdata: ")
    assert why.endswith("→ 2031.1")


def test_decisions_explain_the_rows_that_they_are_about(traps: Bench, tmp_path: Path) -> None:
    decided = tmp_path / "decided.csv"
    decided.write_text("key,column,decision\ntrap-fold-start-01,start_at,later\n")
    first = traps.plan()
    second = traps.plan(decisions=str(decided))

    found = between(traps, first.run_id, second.run_id)

    assert keys(found, "changed") == {"trap-fold-start-01"}
    assert because(found) == {("changed", "decisions of persons", 1)}


def test_all_differences_go_to_a_file_when_a_page_can_not_hold_them(noons: Bench) -> None:
    add_noons(noons.connection, 99, "hh_north", "n")
    noons.sql(
        "INSERT INTO events (id, household_id, start_at, tz) SELECT 'x' || n, 'hh_south',"
        " 1748865600000, 'Europe/Stockholm' FROM generate_series(1, 600) AS n"
    )
    one = noons.plan(household_id="hh_demo")
    every = noons.plan()
    output = noons.runs / "differences.csv"

    found = between(noons, one.run_id, every.run_id, output=str(output))

    page = Page(found._repr_html_())
    check_tables(page)
    assert sum(table["tr"] for table in page.tables) <= 1_000
    assert (found.total, len(found.rows), len(found.differences)) == (699, 500, 500)
    with output.open(newline="") as stream:
        assert len(list(csv.DictReader(stream))) == 699
    assert f"backfill compare {one.run_id} {every.run_id} --output" in page.text
    parquet = noons.runs / "differences.parquet"
    between(noons, one.run_id, every.run_id, output=str(parquet))
    assert pq.read_metadata(parquet).num_rows == 699


def test_two_folders_are_enough_wherever_they_lie(noons: Bench, tmp_path: Path) -> None:
    first, second = noons.plan(), noons.plan(fold="later")
    for run in (first, second):
        shutil.move(noons.runs / run.run_id, tmp_path / "archive" / run.run_id)
    noons.connection.close()

    found = compare(
        str(tmp_path / "archive" / first.run_id), str(tmp_path / "archive" / second.run_id)
    )

    assert found.counts["row"]["same"] == 12
    assert [str(d) for d in found.different] == ["fold: earlier → later"]


def test_what_can_not_be_compared_is_refused_with_the_next_command(noons: Bench) -> None:
    run = noons.plan()

    with pytest.raises(
        UsageError, match=r"There is no run '2020' in .*\. List them: backfill runs"
    ):
        between(noons, run.run_id, "2020")
    with pytest.raises(UsageError, match=r"ends in \.csv or \.parquet"):
        between(noons, run.run_id, run.run_id, output="differences.txt")
    noons.folder(run.run_id).file("changes.parquet").write_bytes(b"cut")
    with pytest.raises(StorageError, match="backfill evidence check"):
        between(noons, run.run_id, run.run_id)
    noons.folder(run.run_id).file("plan.json").unlink()
    with pytest.raises(UsageError, match="nothing to compare"):
        between(noons, run.run_id, run.run_id)


def test_the_command_prints_the_comparison_and_json_for_scripts(noons: Bench) -> None:
    first, second = noons.plan(), noons.plan(household_id="hh_demo")

    text = run_here(noons.dsn, noons.runs, "compare", first.run_id, second.run_id)
    said = run_here(noons.dsn, noons.runs, "compare", first.run_id, second.run_id, "--json")
    refused = run_here(noons.dsn, noons.runs, "compare", first.run_id, "nothing")

    assert (text.code, said.code, refused.code) == (0, 0, 2)
    assert "household_id" in text.out
    assert said.summary["same"] is True
    assert said.summary["settings"][0]["name"] == "household_id"
    assert json.loads(refused.out)["status"] == "refused"


# -- screenshots --------------------------------------------------------------------------------


@pytest.mark.ocr
@pytest.mark.slow
def test_sessions_that_were_written_and_sessions_not_selected(ocr_from: OcrBenchFrom) -> None:
    bench = ocr_from("three", load_three)
    every = take(bench)
    one = take(bench, session_id=[str(session_id(FIRST))])
    applied = take(bench, session_id=[str(session_id(FIRST))], apply=True)
    after = take(bench, session_id=[str(session_id(FIRST))])

    narrowed = between(bench, every.run_id, one.run_id)
    repeated = between(bench, applied.run_id, after.run_id)

    assert str(session_id(SECOND)) in keys(narrowed, "went", "session")
    assert {why for _d, why, _n in because(narrowed)} == {"selection of the sessions"}
    assert keys(repeated, "changed", "session") == {str(session_id(FIRST))}
    assert narrowed.counts["shift"]["same"] > 0
    assert repeated.counts["shift"]["changed"] == 0
    assert {why.split(":")[0] for _d, why, _n in because(repeated)} <= {
        f"run {applied.run_id} wrote it, or dealt with it",
        "the stored days are others than before",
    }


@pytest.mark.ocr
@pytest.mark.slow
def test_another_reader_explains_shifts_that_were_read_otherwise(ocr_from: OcrBenchFrom) -> None:
    bench = ocr_from("three", load_three)
    first, second = take(bench), take(bench)
    folder = bench.folder(second.run_id)
    document = bench.document(second, FIRST)
    document["shifts"][0]["city"] = "Ekby"
    folder.write_json(f"sessions/{session_id(FIRST)}.json", document)
    plan = folder.read_json("plan.json")
    plan["target"]["reader"]["version"] = "99.1"
    folder.write_json("plan.json", plan)

    found = between(bench, first.run_id, second.run_id)

    assert found.counts["shift"]["changed"] == 1
    ((difference, why, rows),) = because(found)
    assert (difference, rows) == ("changed", 1)
    assert why.endswith("→ 99.1")
    assert found.rows[0][4] == "city"
    assert "city: Ekby" in found.rows[0][6]
