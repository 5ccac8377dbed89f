"""Sessions that an earlier run wrote: the day they were put on by mistake, messages that lack."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.jobs.ocr_bench import FIRST, OcrBench, load_first, load_three, session_id, take, truth
from tests.jobs.printed import Typed
from tests.jobs.test_ocr_review import line, write
from tests.pasted import commands_in

if TYPE_CHECKING:
    from tests.jobs.conftest import OcrBenchFrom

pytestmark = pytest.mark.ocr
RIGHT_DAY = "2026-02-06"
WRONG_DAY = "2026-01-04"


@pytest.fixture
def first(ocr_from: OcrBenchFrom) -> OcrBench:
    return ocr_from("first", load_first)


def _put_right(tmp_path: Path) -> str:
    told = line(session_id=str(session_id(FIRST)), field="date", right=RIGHT_DAY)
    return write(tmp_path / "date.csv", [told])


@pytest.mark.pastes(
    "jobs.ocr.written_before:tell_of_other_days revert",
    "jobs.ocr.written_before:tell_of_other_days revert --apply",
)
def test_a_date_put_right_after_an_apply_names_the_other_day_and_takes_it_back(
    first: OcrBench, tmp_path: Path
) -> None:
    before = first.stored()["day_snapshot"]
    wrote = take(first, apply=True).run_id
    put_right = _put_right(tmp_path)

    take(first, corrections=put_right)

    told = [text for text in first.messages().splitlines() if "still holds" in text]
    assert len(told) == 1
    assert f"planned for {RIGHT_DAY}; {WRONG_DAY} still holds" in told[0]
    shown, reverted = (Typed(first).paste(command) for command in commands_in(told[0]))
    assert shown.summary["dry_run"] is True and wrote == shown.summary["reverts"]
    assert reverted.summary["dry_run"] is False
    assert first.stored()["day_snapshot"] == before
    done = take(first, corrections=put_right, apply=True)
    assert [str(row[0]) for row in first.sql(
        "SELECT schedule_date FROM schedule_ingest.day_snapshot"
    )] == [RIGHT_DAY]  # fmt: skip
    assert first.verify(done.run_id).is_proven


@pytest.mark.pastes("jobs.ocr.written_before:tell_of_other_days runs --job ocr")
def test_a_day_that_no_run_here_wrote_is_named_all_the_same(
    first: OcrBench, tmp_path: Path
) -> None:
    wrote = take(first, apply=True).run_id
    for path in first.runs.glob("*/checkpoints.csv"):
        path.unlink()

    take(first, corrections=_put_right(tmp_path))

    assert f"{WRONG_DAY} still holds" in first.messages()
    assert wrote in Typed(first).paste(commands_in(first.messages(), "runs")).out


def test_a_day_that_stays_is_not_named(first: OcrBench) -> None:
    take(first, apply=True)

    take(first)

    assert "still holds" not in first.messages()


def test_why_a_session_that_was_applied_before_stores_no_message_is_told(
    ocr_from: OcrBenchFrom,
) -> None:
    three = ocr_from("three", load_three)
    take(three, apply=True)

    again = take(three, apply=True, store_notifications=True, notify_past=True)

    assert three.stored()["schedule_notification"] == []
    assert "no messages are stored" in three.messages()
    assert str(session_id(FIRST)) in three.messages()
    document = three.document(again, FIRST)
    assert document["notifications"] == []
    assert "written by an earlier apply" in document["notifications_note"]


def test_a_session_that_is_written_now_has_nothing_to_explain(first: OcrBench) -> None:
    done = take(first, apply=True, store_notifications=True, notify_past=True)

    assert len(first.stored()["schedule_notification"]) == 1
    assert "no messages are stored" not in first.messages()
    assert first.document(done, FIRST)["notifications_note"] == ""
    assert len(truth(FIRST)) > 1
