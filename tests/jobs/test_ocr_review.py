"""Doubtful screenshots: held for a person, corrected or decided, applied, and not asked again."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.jobs.ocr_bench import (
    FIRST,
    SECOND,
    OcrBench,
    alter_readings,
    essentials,
    load_first,
    session_id,
    take,
    truth,
)
from tests.jobs.printed import Typed
from tests.pasted import commands_in

from backfill import workbook
from backfill.errors import TooManySkips, UsageError
from backfill.ocr.doubts import explained
from backfill.ocr.screen.checks import LONE_TIME, STRAY_TEXT, TIME_UNSURE
from backfill.ocr.screen.reading import ImageReading
from backfill.plans.worksheet import read_questions
from backfill.records.ledger import Ledger
from backfill.steps.evidence_check import disagreements

if TYPE_CHECKING:
    from tests.jobs.conftest import OcrBenchFrom

pytestmark = pytest.mark.ocr
WRONG = "06:07"
HEADER = ["image_sha256", "session_id", "shift", "box", "field", "read", "right", "by", "at"]


@pytest.fixture
def first(ocr_from: OcrBenchFrom, monkeypatch: pytest.MonkeyPatch) -> OcrBench:
    """One session whose first shift is read with a wrong start, and with a doubt about it."""
    bench = ocr_from("first", load_first)
    alter_readings(monkeypatch, misread(WRONG))
    return bench


def misread(start: str) -> Callable[[ImageReading], ImageReading]:
    def altered(reading: ImageReading) -> ImageReading:
        entry, *others = reading.entries
        return replace(
            reading, entries=(replace(entry, start=start, flags=(TIME_UNSURE,)), *others)
        )

    return altered


def lines(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def write(path: Path, rows: list[dict[str, str]]) -> str:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return str(path)


def run_ids(bench: OcrBench, but: str = "") -> list[str]:
    return [p.name for p in bench.runs.iterdir() if p.is_dir() and p.name != but]


def corrected(bench: OcrBench, run_id: str, **right: str) -> str:
    """Fill in the run's sheet by hand, as a person would; return the run to name."""
    path = bench.folder(run_id).file("corrections.csv")
    rows = [
        {**row, "right": right[row["field"]], "by": "Ada", "at": "2026-11-25"}
        if row["field"] in right
        else row
        for row in lines(path)
    ]
    write(path, rows)
    return run_id


def line(**cells: str) -> dict[str, str]:
    return {name: cells.get(name, "") for name in HEADER}


def test_a_doubt_is_asked_with_its_crop_and_nothing_is_written(first: OcrBench) -> None:
    book = take(first)

    folder = first.folder(book.run_id)
    start, end = lines(folder.file("corrections.csv"))
    assert (start["field"], start["read"], start["right"]) == ("start", WRONG, "")
    assert (end["field"], end["why"]) == ("end", explained(TIME_UNSURE))
    assert folder.file(start["crop"]).read_bytes().startswith(b"\xff\xd8")
    assert [(q.kind, q.key) for q in read_questions(folder)] == [
        ("needs_review", str(session_id(FIRST)))
    ]
    assert "Doubts about what was read: 2." in first.messages()


@pytest.mark.pastes("jobs.ocr.job:OcrSessions._tell planned_again --corrections")
def test_corrections_are_planned_by_what_is_printed_for_the_same_sessions(first: OcrBench) -> None:
    start, end = truth(FIRST)[0][:2]
    corrected(first, take(first, user_id=501).run_id, start=start, end=end)

    (command,) = (c for c in commands_in(first.messages(), "ocr") if "--corrections" in c)
    planned = Typed(first).paste(command)

    assert planned.summary["dry_run"] is True
    again = first.folder(planned.summary["run_id"]).read_json("plan.json")
    assert {told["right"] for told in again["settings"]["corrections"]} == {start, end}
    assert "--user-id 501" in str(first.messages())


def test_a_correction_is_applied_and_never_asked_again(first: OcrBench) -> None:
    start, end = truth(FIRST)[0][:2]
    asking = corrected(first, take(first).run_id, start=start, end=end)

    book = take(first, corrections=asking, apply=True)

    assert essentials(first.payload(FIRST)) == truth(FIRST)
    folder = first.folder(book.run_id)
    told, _end = first.document(book, FIRST)["corrections"]
    assert {name: told[name] for name in ("field", "read", "right", "by", "is_as_expected")} == {
        "field": "start",
        "read": WRONG,
        "right": start,
        "by": "Ada",
        "is_as_expected": True,
    }
    assert folder.read_json("plan.json")["settings"]["corrections"][0]["by"] == "Ada"
    assert read_questions(folder) == []
    used, _end = lines(folder.file("corrections.csv"))
    assert (used["field"], used["right"]) == ("start", start)
    assert disagreements(folder, Ledger(first.connection)) == []
    explained = workbook.explain(
        str(session_id(FIRST)), run_id=book.run_id, runs_folder=str(first.runs)
    )
    assert explained.document["corrections"][0]["by"] == "Ada"
    assert "read '06:07', right" in explained.shown.text


def test_each_doubt_is_settled_by_a_look_at_its_own_field(first: OcrBench) -> None:
    start, end = truth(FIRST)[0][:2]
    asking = corrected(first, take(first).run_id, start=start)

    half = take(first, corrections=asking)

    assert first.document(half, FIRST)["held_reason"] == "needs_review"
    used, left = lines(first.folder(half.run_id).file("corrections.csv"))
    assert (used["right"], left["field"], left["right"]) == (start, "end", "")
    whole = take(first, corrections=corrected(first, half.run_id, end=end))
    assert first.document(whole, FIRST)["status"] == "ok"


def test_a_doubt_about_an_image_has_its_picture_and_is_settled_by_its_own_line(
    first: OcrBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    alter_readings(monkeypatch, lambda reading: replace(reading, flags=(LONE_TIME,)))
    asking = take(first)
    folder = first.folder(asking.run_id)
    (doubt,) = lines(folder.file("corrections.csv"))
    assert (doubt["field"], doubt["read"], doubt["shift"]) == ("image", LONE_TIME, "")
    assert folder.file(doubt["crop"]).read_bytes().startswith(b"\xff\xd8")
    (question,) = read_questions(folder)
    assert question.read.endswith(
        "lone_time (a time stands alone: write the shift it is of, or confirm the image)"
    )

    settled = take(first, corrections=corrected(first, asking.run_id, image="confirm"))

    assert first.document(settled, FIRST)["status"] == "ok"
    alter_readings(monkeypatch, lambda reading: replace(reading, flags=(LONE_TIME, STRAY_TEXT)))
    changed = take(first, corrections=settled.run_id)
    assert first.document(changed, FIRST)["held_detail"].startswith("image 1: stray_text")


def test_a_correction_survives_another_engine_and_a_changed_reading_is_told(
    first: OcrBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = truth(FIRST)[0][0]
    asking = corrected(first, take(first).run_id, start=start)
    alter_readings(monkeypatch, misread("05:05"))

    book = take(first, corrections=asking, ocr_engine="tesserocr")

    document = first.document(book, FIRST)
    reader = first.folder(book.run_id).read_json("plan.json")["target"]["reader"]
    assert reader["engine"] == "tesserocr"
    assert document["shifts"][0]["start"] == start
    (told,) = document["corrections"]
    assert (told["read"], told["read_when_corrected"]) == ("05:05", WRONG)
    assert told["is_as_expected"] is False
    assert "is read as '05:05' now, not '06:07' as when it was corrected" in first.messages()


def test_the_page_shows_a_correction_beside_its_crop(first: OcrBench) -> None:
    asking = corrected(first, take(first).run_id, start=truth(FIRST)[0][0])
    book = first.book(corrections=asking)
    book.preflight()
    book.extract()
    book.compute()

    shown = book.diff()

    assert "Corrections in place of what was read (1, 1 shown)" in shown.markup
    assert "as it stands on the image" in shown.markup
    assert "Ada" in shown.text


def test_shifts_are_added_and_removed_and_the_day_is_put_right(
    first: OcrBench, tmp_path: Path
) -> None:
    key = str(session_id(FIRST))
    path = write(
        tmp_path / "mine.csv",
        [
            line(
                session_id=key, shift=f"{WRONG}–{truth(FIRST)[0][1]}", field="shift", right="remove"
            ),
            line(session_id=key, shift="new", field="start", right="21.15"),
            line(session_id=key, shift="new", field="end", right="24:00"),
            line(session_id=key, shift="new", field="city", right="MÖLNDAL"),
            line(session_id=key, shift="new", field="raw_type_label", right="Lunch"),
            line(session_id=key, field="date", right="2026-02-06"),
        ],
    )

    document = first.document(take(first, corrections=path), FIRST)

    assert document["schedule_date"] == "2026-02-06"
    assert essentials(document["shifts"][:-1]) == truth(FIRST)[1:]
    added = document["shifts"][-1]
    assert (added["start"], added["end"], added["city"]) == ("21:15", "00:00", "Mölndal")
    assert added["shift_type"] == "BREAK"


def test_a_session_without_a_date_is_read_with_the_one_a_person_gives(
    first: OcrBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    alter_readings(monkeypatch, lambda reading: replace(reading, date=None))
    with pytest.raises(Exception, match="Every session failed"):
        take(first)
    (run_id,) = run_ids(first)
    asking = corrected(first, run_id, date="2026-02-05")

    document = first.document(take(first, corrections=asking), FIRST)

    assert document["schedule_date"] == "2026-02-05"
    assert document["corrections"][0]["read"] == ""


def test_an_accepted_session_is_written_as_read_and_the_others_stay_held(
    first: OcrBench,
) -> None:
    asking = take(first)
    asking.decide(str(session_id(FIRST)), "accept", by="Bo")

    book = take(first, decisions=asking.run_id, apply=True)

    assert first.payload(FIRST)[0]["start"] == WRONG
    assert first.document(book, FIRST)["decisions"][0]["by"] == "Bo"
    assert read_questions(first.folder(book.run_id)) == []
    assert book.changes["why.decision"][0].startswith("needs_review: accept (Bo, ")


def test_a_session_that_is_to_be_held_is_held_and_not_asked_about(first: OcrBench) -> None:
    asking = take(first)
    asking.decide(str(session_id(FIRST)), "hold")

    with pytest.raises(TooManySkips):
        take(first, decisions=asking.run_id, apply=True)

    (run_id,) = run_ids(first, but=asking.run_id)
    assert read_questions(first.folder(run_id)) == []
    assert first.payload_or_none(FIRST) is None


def test_an_acceptance_is_for_what_was_read_not_for_another_reading(
    first: OcrBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    asking = take(first)
    asking.decide(str(session_id(FIRST)), "accept")
    alter_readings(monkeypatch, misread("05:05"))

    book = take(first, decisions=asking.run_id)

    assert len(read_questions(first.folder(book.run_id))) == 1
    assert "meets no session that is held back for that" in first.messages()


def test_removals_and_stale_sessions_are_allowed_one_by_one(first: OcrBench) -> None:
    many: list[dict[str, Any]] = [
        {"start": f"{hour:02}:00", "end": f"{hour:02}:30", "customer_name": "Kim Berg"}
        for hour in range(4, 20)
    ]
    first.store(FIRST, many)
    asking = take(first, accept_review=True)
    (question,) = read_questions(first.folder(asking.run_id))
    assert question.kind == "suspicious_removal"
    asking.decide(question.id, "accept")

    take(first, decisions=asking.run_id, accept_review=True, apply=True)

    assert first.payload(FIRST)[0]["start"] == WRONG


@pytest.mark.parametrize(
    ("cells", "says"),
    [
        ({"field": "start", "right": "quarter past"}, "line 2: 'quarter past' is not a time"),
        ({"field": "colour", "right": "red"}, "line 2: 'colour' is no field"),
        ({"field": "shift", "right": "gone"}, "line 2: 'gone' is not confirm or remove"),
        ({"field": "image", "right": "remove"}, "line 2: 'remove' is not confirm"),
        ({"field": "date", "right": "5 May"}, "line 2: '5 May' is not a date"),
        ({"field": "city", "right": "X", "session_id": ""}, "line 2: neither image_sha256 nor"),
        ({"field": "city", "right": "X", "shift": ""}, "line 2: neither shift nor box"),
        ({"field": "start", "right": "7:00", "shift": "new"}, "has no end"),
    ],
)
def test_a_correction_that_can_not_be_meant_is_refused(
    first: OcrBench, tmp_path: Path, cells: dict[str, str], says: str
) -> None:
    usual = {"session_id": str(session_id(FIRST)), "shift": "06:07–09:00"}
    path = write(tmp_path / "mine.csv", [line(**{**usual, **cells})])

    with pytest.raises(UsageError, match=says):
        first.book(corrections=path)


def test_two_lines_that_contradict_each_other_are_both_named(
    first: OcrBench, tmp_path: Path
) -> None:
    usual = {"session_id": str(session_id(FIRST)), "shift": "06:07–09:00", "field": "start"}
    rows = [line(**usual, right="07:00"), line(**usual, right="07:15")]

    with pytest.raises(UsageError, match="lines 2 and 3 contradict each other: start of"):
        first.book(corrections=write(tmp_path / "mine.csv", rows))


def test_a_correction_that_meets_nothing_is_told(first: OcrBench, tmp_path: Path) -> None:
    row = line(
        session_id=str(session_id(SECOND)), shift="01:00–02:00", field="city", right="Onsala"
    )

    take(first, corrections=write(tmp_path / "mine.csv", [row]))

    assert "The correction of city in line 2 meets no shift" in first.messages()
