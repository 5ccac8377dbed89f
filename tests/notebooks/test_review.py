"""`run.review()`: what a click writes is what an editor would have written, and it is taken in."""

from __future__ import annotations

import csv
import dataclasses
from pathlib import Path

import pytest

from backfill.decisions import Answers, Question
from backfill.errors import UsageError
from backfill.folder import RunFolder
from backfill.notebook.review import Review
from backfill.plans.review_sheet import review_rows, settle
from backfill.plans.sheet_csv import write_sheet
from backfill.plans.worksheet import write_worksheets

WORDS = {"fold": ("earlier", "later", "skip"), "zone_name": ("iana", "Europe/Oslo", "skip")}
FOLD = Question(
    *("fold", "visit-7", "starts"),
    read="02:30",
    candidates="earlier: 00:30Z | later: 01:30Z | skip",
    applied="earlier",
)
OTHER_FOLD = dataclasses.replace(FOLD, key="=visit-8", read="02:45")
BUCKET = Question(
    *("zone_name", "*"),
    zone="CET",
    read="CET",
    candidates="iana | Europe/Oslo | skip",
    applied="iana",
)
CORRECTIONS = ("image_sha256", "session_id", "shift", "field", "read", "right", "crop", "by", "at")
DOUBT = {"session_id": "s-1", "shift": "07:00–09:15", "field": "street_number", "read": "17 6"}


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """A run's folder with three questions and two doubtful fields."""
    folder = RunFolder(tmp_path / "20260203T040506Z-utc-0a1b2c")
    folder.create()
    write_worksheets(folder, [FOLD, OTHER_FOLD, BUCKET], Answers())
    doubts = [DOUBT, DOUBT | {"shift": "10:00–11:00", "crop": "crops/one.jpg"}]
    folder.write_text("corrections.csv", write_sheet(CORRECTIONS, doubts))
    return folder


def lines(folder: RunFolder, name: str) -> list[dict[str, str]]:
    with folder.file(name).open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_doubts_come_first_and_each_question_tells_its_candidates(folder: RunFolder) -> None:
    rows = review_rows(folder)

    assert [row.kind for row in rows] == [*2 * ["street_number"], *2 * ["fold"], "zone_name"]
    assert rows[2].candidates == (("earlier", "00:30Z"), ("later", "01:30Z"), ("skip", ""))
    assert rows[2].why == "now: earlier"


def test_one_answer_settles_several_rows_and_says_who_and_when(folder: RunFolder) -> None:
    places = [row.place for row in review_rows(folder) if row.kind == "fold"]

    assert settle(folder, WORDS, places, "later", by="Ada") == 2

    decided = [
        (cells["key"], cells["decision"], cells["by"]) for cells in lines(folder, "decisions.csv")
    ]
    assert decided == [("visit-7", "later", "Ada"), ("'=visit-8", "later", "Ada"), ("*", "", "")]
    assert all(row.at for row in review_rows(folder) if row.kind == "fold")


def test_a_bucket_is_answered_on_its_own_line(folder: RunFolder) -> None:
    place = next(row.place for row in review_rows(folder) if row.kind == "zone_name")

    settle(folder, WORDS, [place], "Europe/Oslo")

    assert len(lines(folder, "decisions.csv")) == 3
    assert [row.answer for row in review_rows(folder)] == ["", "", "", "", "Europe/Oslo"]


def test_a_doubtful_field_gets_what_is_right_and_loses_it_again(folder: RunFolder) -> None:
    place = review_rows(folder)[0].place

    settle(folder, WORDS, [place], " 17 b ", by="Bo")
    written = lines(folder, "corrections.csv")
    settle(folder, WORDS, [place], "", by="Bo")

    assert [(cells["right"], cells["by"]) for cells in written] == [("17 b", "Bo"), ("", "")]
    assert [cells["right"] for cells in lines(folder, "corrections.csv")] == ["", ""]
    assert lines(folder, "corrections.csv")[0]["by"] == ""


def test_a_word_that_answers_nothing_changes_no_file(folder: RunFolder) -> None:
    before = folder.file("decisions.csv").read_bytes()

    with pytest.raises(UsageError, match="say earlier, later, skip"):
        settle(folder, WORDS, [f"question:{FOLD.id}"], "noon")
    with pytest.raises(UsageError, match=r"run\.review\(\) again"):
        settle(folder, WORDS, ["question:gone"], "later")

    assert folder.file("decisions.csv").read_bytes() == before


def test_the_record_keeps_a_table_and_a_widget_is_beside_it(folder: RunFolder) -> None:
    review = Review(folder, WORDS)

    data, _metadata = review._repr_mimebundle_()

    assert "5 rows, 5 still to settle" in data["text/html"]
    assert "visit-7" in data["text/plain"]
    assert "application/vnd.jupyter.widget-view+json" in data


def test_a_crop_outside_the_folder_is_never_sent(folder: RunFolder, tmp_path: Path) -> None:
    from backfill.notebook import review

    (tmp_path / "other.jpg").write_bytes(b"not ours")
    folder.file("crops").mkdir()
    folder.file("crops/one.jpg").write_bytes(b"a picture")

    assert review._picture(folder, "../other.jpg") == ""
    assert review._picture(folder, "decisions.csv") == ""
    assert review._picture(folder, "crops/one.jpg").startswith("data:image/jpeg;base64,")
