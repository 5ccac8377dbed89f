"""The pictures of screenshots: the day before and after, and how sure each field was read."""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING, Any

import pytest
from tests.jobs.ocr_bench import FIRST, LONG, SCREENS, OcrBench, take, truth
from tests.pages.looking import Page, check_picture, check_tables, pictures

from backfill.display.pages import Shown
from backfill.jobs.ocr.pictures import confidence_picture, days_picture, field_confidences
from backfill.jobs.ocr.reading_view import images_view
from backfill.plans.staging import STAGING_FILE, Staging

if TYPE_CHECKING:
    from tests.jobs.conftest import OcrBenchFrom

pytestmark = [pytest.mark.ocr, pytest.mark.slow]
GONE = {"start": "05:00", "end": "06:00", "customer_name": "Sigge Ekvall", "city": "Ekby"}


def shown(bench: OcrBench, **given: Any) -> tuple[Shown, Shown, Staging]:
    run = take(bench, **given)
    staging = Staging(bench.folder(run.run_id).file(STAGING_FILE))
    return days_picture(staging), confidence_picture(staging), staging


def test_each_day_that_changes_is_drawn_with_its_numbers_behind(three: OcrBench) -> None:
    three.store(FIRST, [GONE])

    days, _confidence, staging = shown(three)
    staging.close()

    (svg,) = pictures(days.markup)
    check_picture(svg)
    check_tables(Page(days.markup))
    texts = [element.text or "" for element in svg.iter("text")]
    assert str(SCREENS[FIRST].date) in texts
    assert str(SCREENS[LONG].date) in texts
    assert any(text.startswith("−") for text in texts)
    titles = [element.text or "" for element in svg.iter("title")]
    assert any(title.startswith("removed: Sigge Ekvall") for title in titles)
    read = sum(len(truth(name)) for name in ("plain-0205", "app-0108", "dash-0116"))
    assert sum(title.startswith("added: ") for title in titles) == read
    assert "05:00" in days.text


def test_a_day_that_stays_as_it_is_is_not_drawn(three: OcrBench) -> None:
    take(three, apply=True)

    days, confidence, staging = shown(three)
    staging.close()

    assert days.markup == ""
    assert confidence.markup


def test_confidence_is_told_for_every_field_that_was_read(three: OcrBench) -> None:
    _days, confidence, staging = shown(three)
    found = field_confidences(staging)
    staging.close()

    (svg,) = pictures(confidence.markup)
    check_picture(svg)
    check_tables(Page(confidence.markup))
    shifts = sum(len(truth(name)) for name in ("plain-0205", "app-0108", "dash-0116"))
    assert len(found["start"]) == shifts
    assert all(0 <= value <= 100 for values in found.values() for value in values)
    for name in ("start", "end", "customer_name", "street", "city"):
        assert re.search(rf"<td[^>]*>{name}</td>", confidence.markup)


def test_a_run_without_sessions_has_no_picture(ocr_from: OcrBenchFrom) -> None:
    from tests.jobs.ocr_bench import load_none

    days, confidence, staging = shown(ocr_from("none", load_none))
    staging.close()

    assert (days.markup, confidence.markup) == ("", "")


def test_shifts_beyond_what_a_page_may_show_are_counted_and_named(
    three: OcrBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = take(three)
    first = len(truth("plain-0205"))
    monkeypatch.setattr("backfill.jobs.ocr.reading_view.SHOWN_SHIFTS", first)

    with contextlib.closing(Staging(three.folder(run.run_id).file(STAGING_FILE))) as staging:
        page = images_view(staging)

    assert page.text.count("Shifts read (") == 1
    assert page.text.count("3 shifts: see the table shifts, a page holds no more rows.") == 2
    assert page.markup.count("<figcaption>image ") == 4
