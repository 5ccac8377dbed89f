"""The OCR job from sessions to plan and apply: what is read, what a dry run promises."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.jobs import ocr_bench
from tests.jobs.ocr_bench import (
    FIRST,
    LONG,
    SCREENS,
    SECOND,
    SHIFT_FIELDS,
    OcrBench,
    alter_readings,
    essentials,
    take,
    truth,
)

from backfill.errors import (
    BackfillError,
    SessionsFailed,
)
from backfill.ocr.engines.tesseract import TesseractEngine
from backfill.ocr.screen.reading import ImageReading
from backfill_lab.demo.stored import FOLDER

if TYPE_CHECKING:
    from tests.jobs.conftest import OcrBenchFrom

pytestmark = pytest.mark.ocr


def test_the_shifts_of_a_session_are_those_that_were_drawn(three: OcrBench) -> None:
    book = take(three)

    for name in (FIRST, SECOND, LONG):
        assert essentials(three.document(book, name)["shifts"]) == truth(name)


def test_a_dry_run_writes_nothing(three: OcrBench) -> None:
    stored, captures = three.stored(), three.captures()

    book = take(three)

    assert (three.stored(), three.captures()) == (stored, captures)
    summary = three.summary(book)
    assert summary["dry_run"] is True
    assert (summary["sessions_total"], summary["sessions_ok"]) == (3, 3)
    assert summary["planned_event_count"] == sum(len(truth(n)) for n in (FIRST, SECOND, LONG))
    assert summary["persisted_event_count"] == 0


def test_apply_does_what_the_dry_run_counted(three: OcrBench) -> None:
    planned = three.summary(take(three))
    captures = three.captures()

    applied = three.summary(take(three, apply=True))

    for name in ("total_scanned", "total_updated", "total_skipped", "sessions_ok"):
        assert applied[name] == planned[name]
    assert applied["persisted_event_count"] == planned["planned_event_count"]
    assert applied["persisted_event_types"] == {"shift_added": planned["planned_event_count"]}
    assert len(three.stored()["schedule_event"]) == planned["planned_event_count"]
    assert essentials(three.payload(FIRST)) == truth(FIRST)
    assert tuple(three.payload(FIRST)[0]) and set(three.payload(FIRST)[0]) == set(SHIFT_FIELDS)
    assert three.captures() == captures


def test_a_plan_is_applied_later_as_it_was_frozen(first: OcrBench) -> None:
    planned = take(first)

    first.apply(planned.run_id)

    assert essentials(first.payload(FIRST)) == truth(FIRST)
    assert first.document(planned, FIRST)["applied"] is True
    assert first.verify(planned.run_id).is_proven


def test_a_second_apply_changes_nothing(three: OcrBench) -> None:
    take(three, apply=True)
    stored = three.stored()

    again = three.summary(take(three, apply=True))

    assert (again["total_updated"], again["total_unchanged"]) == (0, 3)
    assert again["sessions_unchanged"] == 3
    assert three.stored() == stored


def test_a_second_run_reads_no_image(first: OcrBench, monkeypatch: pytest.MonkeyPatch) -> None:
    take(first)

    def refuse(*_arguments: Any) -> Any:
        raise AssertionError("an image was read although it is known")

    monkeypatch.setattr(TesseractEngine, "words", refuse)
    book = take(first)

    details = first.document(book, FIRST)["image_details"]
    assert [detail["cached"] for detail in details] == [True]


@pytest.mark.long
def test_the_files_are_the_same_for_any_number_of_workers(three: OcrBench, tmp_path: Path) -> None:
    documents = []
    for workers in (1, 2):
        book = take(three, workers=workers, cache_dir=str(tmp_path / f"cache-{workers}"))
        documents.append([_timeless(three.document(book, name)) for name in (FIRST, LONG)])

    assert documents[0] == documents[1]


def _timeless(document: dict[str, Any]) -> dict[str, Any]:
    images = [{**detail, "ocr_ms": 0} for detail in document["image_details"]]
    return {**document, "run_id": "", "image_details": images}


def test_the_default_year_is_only_a_fallback(first: OcrBench) -> None:
    book = take(first, ocr_default_year=2022)

    document = first.document(book, FIRST)
    assert document["schedule_date"] == SCREENS[FIRST].date.isoformat()
    assert any("2022" in warning for warning in document["warnings"])


def test_sv_and_swe_are_one_language(first: OcrBench) -> None:
    take(first, ocr_lang="swe")

    document = first.document(take(first, ocr_lang="sv"), FIRST)

    assert document["image_details"][0]["cached"] is True


def test_analysts_find_the_shifts_in_duckdb(first: OcrBench) -> None:
    book = first.book()
    book.preflight()
    book.extract()
    book.compute()

    rows = book.duckdb.sql("SELECT start, customer_name FROM shifts ORDER BY place").fetchall()

    assert rows == [(row[0], row[2]) for row in truth(FIRST)]


def test_the_notebook_shows_days_beside_their_images(three: OcrBench) -> None:
    book = three.book()
    book.preflight()
    book.extract()
    book.compute()

    shown = book.diff().markup + book.picture().markup

    assert re.findall(r"<figcaption>(image \d): \d+ words, \d shifts, [\d,]+ ms", shown) == [
        *("image 1", "image 2", "image 1", "image 1")
    ]
    assert "http" not in shown
    assert len(shown) < 4 * 200_000  # 100 sessions of two images stay under 20 MB


def test_a_shift_of_low_confidence_is_shown_with_its_value_and_what_vouches_for_it(
    first: OcrBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsure(reading: ImageReading) -> ImageReading:
        entries = [
            replace(e, words=tuple(replace(w, confidence=float(sure)) for w in e.words))
            for e, sure in zip(reading.entries, (20, 99, 99), strict=True)
        ]
        doubted = replace(entries[1], flags=("title_unsure",))
        return replace(reading, entries=(entries[0], doubted, entries[2]))

    alter_readings(monkeypatch, unsure)
    book = first.book()
    book.preflight()
    book.extract()
    book.compute()

    shown = book.picture()

    # The session is held: its shifts stand first, each beside its cut-out and with its reasons.
    assert "Shifts read (3), each beside its image" in shown.text
    assert "title_unsure (words of its title are not sure)" in shown.text
    assert "no doubt: the duration on its card agrees with its times" in shown.text
    assert ">20.0</td>" in shown.markup


def test_what_was_read_is_escaped_in_the_notebook(
    first: OcrBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mark(reading: ImageReading) -> ImageReading:
        entries = (replace(reading.entries[0], title="<b>&Co • Storstädning"),)
        return replace(reading, entries=entries)

    alter_readings(monkeypatch, mark)
    book = first.book()
    book.preflight()
    book.extract()
    book.compute()

    assert "<b>" not in (book.diff().markup + book.picture().markup).lower()


def test_the_committed_screenshots_are_the_demos(
    ocr_from: OcrBenchFrom, monkeypatch: pytest.MonkeyPatch
) -> None:
    from backfill_lab.demo.captures import load_captures

    # The demo makes its schema itself, and only where none is.
    bare = ocr_from("bare", lambda dsn: None)
    load_captures(bare.connection)
    bare.root = Path()
    monkeypatch.setattr(ocr_bench, "FOLDER", FOLDER)

    book = bare.book(local_root="", limit=2)
    book.preflight()
    book.extract()

    assert len(book.extracted) == 2


def test_the_demo_loads_without_screenshots(
    empty: OcrBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    from backfill_lab.demo import captures

    monkeypatch.setattr(captures, "stored_sessions", lambda: ())

    assert captures.load_captures(empty.connection) == 0


def test_a_root_on_another_disk_is_read_alike(first: OcrBench, tmp_path: Path) -> None:
    copy = tmp_path / "flat"
    copy.mkdir()
    for path in SCREENS[FIRST].images:
        shutil.copy(path, copy / path.name)

    document = first.document(take(first, local_root=str(copy)), FIRST)

    assert document["image_details"][0]["local_path"] == str(copy / SCREENS[FIRST].images[0].name)
    assert issubclass(SessionsFailed, BackfillError)
