"""`explain`: everything that is known of one row, from whatever is left of the run."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from tests.engine.workshop import HOUR_MS, NOON_MS, Bench, load_empty
from tests.jobs.command_line import run_here
from tests.jobs.conftest import bench_from, ocr_from
from tests.jobs.ocr_bench import FIRST, OcrBench, load_first, session_id, take
from tests.jobs.wall_values import encoded_instant, encoded_wall

from backfill import cli, workbook
from backfill.errors import RowsDrifted, UsageError
from backfill.jobs.ocr import explain as ocr_explain

if TYPE_CHECKING:
    from tests.jobs.conftest import BenchFrom, OcrBenchFrom

__all__ = ["bench_from", "ocr_from"]
GAP = encoded_wall("2025-03-09 02:15", "epoch_ms")
FOLD = encoded_wall("2025-10-26 02:30", "epoch_ms")


@pytest.fixture
def bench(bench_from: BenchFrom) -> Bench:
    bench = bench_from("empty", load_empty)
    bench.add_event("fold-1", tz="Europe/Stockholm", start_at=FOLD)
    bench.add_event(
        "gap-1", tz="America/New_York", start_at=encoded_wall("2025-03-09 02:15", "epoch_ms")
    )
    bench.add_event("noon-1", tz=" ", start_at=NOON_MS, end_at=NOON_MS + HOUR_MS)
    bench.add_event("lost-1", tz="UTC+1", start_at=NOON_MS)
    return bench


def explain(bench: Bench, run_id: str, key: str) -> dict[str, Any]:
    return workbook.explain(key, run_id=run_id, runs_folder=str(bench.runs)).document


def test_a_fold_shows_both_candidates_the_clock_change_and_who_decided(bench: Bench) -> None:
    asking = bench.plan()
    asking.decide("fold-1", "later", by="Ada")
    book = bench.run(decisions=asking.run_id)

    document = book.explain("fold-1").document

    (start, _end) = document["columns"]
    assert (document["zone"], document["zone_from"]) == ("Europe/Stockholm", "the row's own tz")
    assert (start["wall_time"], start["kind"], start["encoding"]) == (
        "2025-10-26 02:30:00",
        "fold",
        "epoch_ms",
    )
    assert start["candidates"] == {
        "earlier": "2025-10-26 00:30:00Z",
        "later": "2025-10-26 01:30:00Z",
    }
    assert start["transition"] == {
        "instant": "2025-10-26 01:00:00Z",
        "local_before": "2025-10-26 03:00:00",
        "local_after": "2025-10-26 02:00:00",
        "offset_before": "+02:00",
        "offset_after": "+01:00",
    }
    assert start["after_utc"] == "2025-10-26 01:30:00Z"
    assert start["after"] == encoded_instant("2025-10-26 01:30", "epoch_ms")
    assert document["decision"].startswith("start_at: later (Ada, ")
    assert document["outcome"].startswith("written in chunk 1, committed 20")
    assert document["now"] == "as planned"


def test_a_gap_shows_what_the_policy_chose_between(bench: Bench) -> None:
    book = bench.plan()

    (start, _end) = explain(bench, book.run_id, "gap-1")["columns"]

    assert start["policy"] == "shift_forward"
    assert start["candidates"] == {
        "shift_forward": "2025-03-09 07:15:00Z",
        "first_valid": "2025-03-09 07:00:00Z",
    }
    assert (start["transition"]["local_before"], start["transition"]["local_after"]) == (
        "2025-03-09 02:00:00",
        "2025-03-09 03:00:00",
    )


def test_a_zone_of_the_household_and_a_row_left_alone_say_so(bench: Bench) -> None:
    book = bench.run()

    noon, lost = (explain(bench, book.run_id, key) for key in ("noon-1", "lost-1"))

    assert noon["zone_from"] == "household.tz, since the row has no tz"
    assert noon["columns"][0]["rule"] == "normal: this wall time happened once"
    assert lost["outcome"].startswith("left alone (invalid_timezone) in chunk 1, committed")
    assert "'UTC+1' is not an IANA name" in lost["outcome"]
    assert lost["columns"][0]["stored"] == NOON_MS
    assert lost["zone"] is None


def test_a_row_that_was_edited_later_shows_what_is_there_now(bench: Bench) -> None:
    book = bench.run()
    bench.sql("UPDATE events SET start_at_utc = 5 WHERE id = 'fold-1'")

    document = explain(bench, book.run_id, "fold-1")

    assert document["now"].startswith("something else: {")
    assert '"start_at_utc": 5' in document["now"]


def test_a_row_that_was_put_back_says_so(bench: Bench) -> None:
    book = bench.run()
    undone = run_here(bench.dsn, bench.runs, "revert", book.run_id, "--apply")
    assert undone.code == 0

    document = explain(bench, book.run_id, "fold-1")

    assert document["now"].startswith("put back, or edited since: {")
    assert '"start_at_utc": null' in document["now"]


def test_without_the_folder_the_database_still_tells(bench: Bench) -> None:
    book = bench.run()
    whole = explain(bench, book.run_id, "fold-1")
    shutil.rmtree(bench.folder(book.run_id).path)

    document = explain(bench, book.run_id, "fold-1")

    assert document["columns"] == whole["columns"]
    assert document["outcome"] == whole["outcome"]
    assert "The run's folder is not in" in document["notes"][0]


def test_without_the_database_the_folder_still_tells(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = bench.run()
    whole = explain(bench, book.run_id, "fold-1")
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:9/none")

    document = explain(bench, book.run_id, "fold-1")

    assert document["columns"] == whole["columns"]
    assert document["now"] == "not known: the database was not asked"
    assert "The database was not asked" in document["notes"][0]
    assert document["outcome"] == "written, as the run's folder says: the run is succeeded"
    lost = explain(bench, book.run_id, "lost-1")
    assert lost["outcome"].startswith("left alone (invalid_timezone): 'UTC+1' is no")


def test_without_the_database_a_row_that_drifted_is_not_called_written(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned = bench.plan()
    bench.sql("UPDATE events SET start_at_utc = 5 WHERE id = 'fold-1'")
    with pytest.raises(RowsDrifted):
        bench.apply(planned.run_id)
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:9/none")

    assert explain(bench, planned.run_id, "fold-1")["outcome"].startswith("drifted, left alone: ")
    assert explain(bench, planned.run_id, "gap-1")["outcome"].startswith("written, as the run's")


def test_an_unknown_key_ends_with_2_and_near_ones(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    book = bench.plan()

    ended = cli.main(["explain", book.run_id, "fold-11", "--runs-dir", str(bench.runs)])

    said = capsys.readouterr()
    assert ended == 2
    assert "has no row 'fold-11'" in said.err
    assert "Near: fold-1" in said.err


def test_the_command_prints_text_or_json_and_changes_nothing(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    book = bench.run()
    files = {p: p.read_bytes() for p in bench.folder(book.run_id).path.rglob("*") if p.is_file()}
    rows, ledger = bench.table(), bench.table("backfill.run")
    arguments = ["explain", book.run_id, "fold-1", "--runs-dir", str(bench.runs)]

    assert cli.main(arguments) == 0
    text = capsys.readouterr().out
    assert cli.main([*arguments, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)

    assert "candidate later (UTC)" in text
    assert document["columns"][0]["kind"] == "fold"
    assert (bench.table(), bench.table("backfill.run")) == (rows, ledger)
    assert files == {
        p: p.read_bytes() for p in bench.folder(book.run_id).path.rglob("*") if p.is_file()
    }


def test_a_run_that_nobody_knows_is_refused(bench: Bench) -> None:
    bench.plan()

    with pytest.raises(UsageError, match="There is no run '2019'"):
        explain(bench, "2019", "fold-1")


@pytest.mark.ocr
def test_a_day_shows_images_boxes_words_parse_checks_and_events(
    ocr_from: OcrBenchFrom, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench: OcrBench = ocr_from("first", load_first)
    book = take(bench, apply=True)

    found = workbook.explain(
        str(session_id(FIRST)), run_id=book.run_id, runs_folder=str(bench.runs)
    )

    document = found.document
    assert document["outcome"].startswith("written in chunk 1")
    assert document["now"] == "as planned"
    shift = document["shifts"][0]
    (box,) = shift["boxes"]
    assert box["image"].endswith(".jpg") or box["image"].endswith(".png")
    assert {word["text"] for word in shift["words"]} >= {shift["start"], shift["end"]}
    assert all(0 <= word["confidence"] <= 100 for word in shift["words"])
    assert shift["parses"][0]["times"] == f"{shift['start']}–{shift['end']}"
    assert [event["event_type"] for event in shift["events"]] == ["shift_added"]
    assert document["notifications"]
    assert "data:image/jpeg" in found.shown.markup
    assert f"left {box['box'][0]}" in found.shown.text


@pytest.mark.ocr
def test_words_are_told_without_the_cache_and_the_change_without_the_folder(
    ocr_from: OcrBenchFrom, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench: OcrBench = ocr_from("first", load_first)
    book = take(bench, apply=True)
    key = str(session_id(FIRST))
    monkeypatch.setattr(ocr_explain, "find_reading", lambda *_given: None)

    staged = workbook.explain(key, run_id=book.run_id, runs_folder=str(bench.runs)).document
    shutil.rmtree(bench.folder(book.run_id).path)
    stored = workbook.explain(key, run_id=book.run_id, runs_folder=str(bench.runs)).document

    assert staged["shifts"][0]["words"]
    assert staged["shifts"][0]["parses"] == []
    assert [shift["start"] for shift in stored["shifts"]] == [
        shift["start"] for shift in staged["shifts"]
    ]
    assert [e["event_type"] for e in stored["events"]] == [
        e["event_type"] for e in staged["events"]
    ]
    assert any("Images, words and checks are told" in note for note in stored["notes"])
