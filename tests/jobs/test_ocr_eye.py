"""What shows a reading may break: the days are written all the same."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.engine.showing import EyeBroke, all_broken, check_each

if TYPE_CHECKING:
    from tests.jobs.ocr_bench import OcrBench


@pytest.mark.ocr
def test_nothing_that_shows_a_reading_stops_it(
    three: OcrBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_given: object) -> None:
        raise EyeBroke("scissors")

    monkeypatch.setattr("backfill.jobs.ocr.correction_sheet.as_jpeg", fail)
    monkeypatch.setattr("backfill.jobs.ocr.output.write_output", fail)
    book = three.book(apply=True)
    book.preflight()
    book.extract()
    book.compute()

    met = check_each(book, lambda run: (run.diff(), run.picture()))
    with all_broken():
        for step in ("diff", "picture", "plan", "apply", "verify"):
            getattr(book, step)()
        book.summary()

    assert len(met) > 6
    assert three.scalar("SELECT count(*) FROM schedule_ingest.day_snapshot") > 0
    run = three.folder(book.run_id).read_json("run.json")
    assert "The job's own report" in {entry["what"] for entry in run["not_shown"]}
    assert not list(Path(three.runs).rglob("*.partial*"))
