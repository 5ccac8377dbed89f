"""What a run of the OCR job writes down: files of sessions, the report."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from tests.jobs.ocr_bench import (
    FIRST,
    IMAGE_FIELDS,
    LONG,
    OK_FIELDS,
    REPORT_FIELDS,
    SECOND,
    SHIFT_FIELDS,
    OcrBench,
    session_id,
    session_of,
    stored_json,
    take,
)

pytestmark = pytest.mark.ocr


def test_every_demanded_field_stands_in_the_files(three: OcrBench, tmp_path: Path) -> None:
    places = {
        "output_file": str(tmp_path / "out" / "report.json"),
        "output_dir": str(tmp_path / "out" / "sessions"),
    }

    book = take(three, apply=True, **places)

    report = stored_json(tmp_path / "out" / "report.json")
    assert set(REPORT_FIELDS) <= set(report)
    assert report["run_id"] == book.run_id
    assert report["selection"]["states"] == ["done", "failed"]
    assert len(report["sessions"]) == 3
    for name in (FIRST, SECOND, LONG):
        document = stored_json(tmp_path / "out" / "sessions" / f"{session_id(name)}.json")
        assert set(OK_FIELDS) <= set(document)
        assert list(document["image_details"][0]) == list(IMAGE_FIELDS)
        assert tuple(document["shifts"][0])[:12] == SHIFT_FIELDS
        extra = {"confidence", "checks", "needs_review", "source_crops"}
        assert extra <= set(document["shifts"][0])
        assert document["applied"] is True
        assert document["persisted_event_count"] == document["preview_event_count"]
        assert dt.datetime.fromisoformat(document["detected_at"]).tzinfo is not None


def test_a_dry_runs_files_say_that_nothing_was_persisted(first: OcrBench) -> None:
    document = first.document(take(first), FIRST)

    assert document["applied"] is False
    assert (document["persisted_event_count"], document["persisted_event_types"]) == (0, {})
    assert (document["stored_notifications"], document["detected_at"]) == (0, None)


def test_files_of_an_earlier_run_are_set_aside(first: OcrBench, tmp_path: Path) -> None:
    out = tmp_path / "sessions"
    earlier = take(first, output_dir=str(out))
    first.add(session_of(SECOND))
    (out / "mine.json").write_text("{}", encoding="utf-8")

    take(first, output_dir=str(out), session_id=[str(session_id(SECOND))])

    assert sorted(p.name for p in out.glob("*.json")) == sorted(
        ["mine.json", f"{session_id(SECOND)}.json"]
    )
    kept = out / "earlier" / earlier.run_id / f"{session_id(FIRST)}.json"
    assert stored_json(kept)["run_id"] == earlier.run_id
