"""The date of a screen, its year decided by weekday, ISO week and nearness."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest
from tests.ocr.cards import words_at

from backfill.ocr.text.cells import make_cells
from backfill.ocr.text.dates import (
    FAR_DATE,
    DateEvidence,
    DateFailure,
    find_date,
    lines_of,
    resolve_date,
    resolve_session_date,
    shows_other_day,
)
from backfill.ocr.words import Word

CASES: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent.parent / "vectors" / "ocr-date.json").read_text(encoding="utf-8")
)["cases"]
CREATED = dt.date(2025, 8, 21)


def _header(text: str, week: str = "") -> DateEvidence:
    words = [Word(text, 31, 314, 400, 65)]
    if week:
        words.append(Word(week, 35, 375, 100, 39))
    evidence = find_date(lines_of(make_cells(words)))
    assert evidence is not None, text
    return evidence


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["id"]))
def test_the_dates_of_the_vectors(case: dict[str, Any]) -> None:
    words = [Word(text, x, y, 12 * len(text), h) for text, x, y, h in case["boxes_text_x_y_h"]]

    evidence = find_date(lines_of(make_cells(words)))

    if case["ideal"].startswith("error"):
        # 29 February on a Sunday: the nearest such year is far, and said to be.
        assert evidence is None or resolve_date(evidence, None, 2026).warnings
    else:
        assert evidence is not None
        resolved = resolve_date(evidence, None, case["default_year"])
        assert resolved.date.isoformat() == case["ideal"][:10]


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("Friday 22 August", "2025-08-22"),
        ("Friday, August 22", "2025-08-22"),
        ("Fri 22 Aug", "2025-08-22"),
        ("Fredag 22 augusti", "2025-08-22"),
        ("fre 22 aug", "2025-08-22"),
        ("Mandag 25 augusti", "2025-08-25"),
        ("Måndag 25 augusti", "2025-08-25"),
        ("Lordag 23 augusti", "2025-08-23"),
        ("Frlday 22 Augnst", "2025-08-22"),
        ("Tisdag 2 september 2025", "2025-09-02"),
        ("Arbetsschema fredag 22 augusti 2025", "2025-08-22"),
        ("Dagens schema för tis 2 september", "2025-09-02"),
    ],
)
def test_swedish_and_english_full_short_and_misread(text: str, date: str) -> None:
    assert resolve_date(_header(text), CREATED).date.isoformat() == date


@pytest.mark.parametrize("text", [
    "Lunch", "Vecka 34", "22", "Friday 32 August", "Restid 3 Xyz",
    "Uppdaterad fredag 22 augusti", "Nästa pass fredag 22 augusti", "Ledig fredag 22 augusti",
])  # fmt: skip
def test_other_texts_are_no_date(text: str) -> None:
    assert find_date(lines_of(make_cells([Word(text, 31, 314, 400, 65)]))) is None


def test_a_header_read_in_two_boxes_is_one_date() -> None:
    words = [Word("Måndag 29", 36, 330, 250, 46), Word("november", 320, 332, 240, 40)]

    evidence = find_date(lines_of(make_cells(words)))

    assert evidence is not None
    assert (evidence.day, evidence.month, evidence.weekday) == (29, 11, 0)


def test_the_week_decides_between_years_with_the_same_weekday() -> None:
    # 1 January is a Friday in 2016 (week 53) and 2021 (week 53), and a Thursday in 2015 (week 1).
    evidence = _header("Friday 22 August", "Week 34")

    assert evidence.iso_week == 34
    assert resolve_date(evidence, dt.date(2026, 1, 5)).date == dt.date(2025, 8, 22)


def test_week_and_weekday_that_do_not_agree_are_a_warning() -> None:
    resolved = resolve_date(_header("Friday 22 August", "Week 31"), CREATED)

    assert resolved.date == dt.date(2025, 8, 22)
    assert any("week 31" in warning for warning in resolved.warnings)


def test_the_default_year_decides_only_without_weekday_and_week() -> None:
    bare = _header("22 augusti")

    assert resolve_date(bare, CREATED, 2023).date == dt.date(2023, 8, 22)
    assert resolve_date(bare, CREATED).date == dt.date(2025, 8, 22)


def test_a_default_year_against_the_evidence_is_a_warning() -> None:
    resolved = resolve_date(_header("Friday 22 August"), CREATED, 2026)

    assert resolved.date == dt.date(2025, 8, 22)
    assert any("2026" in warning for warning in resolved.warnings)


def test_a_date_far_from_the_day_of_sending_is_a_warning() -> None:
    resolved = resolve_date(_header("Friday 22 August"), dt.date(2024, 12, 1))

    assert any("far from" in warning for warning in resolved.warnings)


def test_without_any_year_the_date_fails() -> None:
    with pytest.raises(DateFailure, match="default-year"):
        resolve_date(_header("22 augusti"), None)


def test_images_without_a_header_inherit_the_date() -> None:
    session = resolve_session_date((_header("Friday 22 August"), None, None), CREATED)

    assert session.date == dt.date(2025, 8, 22)
    assert session.inherited == 2
    assert session.image_dates == (dt.date(2025, 8, 22), None, None)


def test_no_date_and_two_different_dates_fail() -> None:
    friday, monday = _header("Friday 22 August"), _header("Monday 25 August")

    with pytest.raises(DateFailure, match="No image"):
        resolve_session_date((None, None), CREATED)
    with pytest.raises(DateFailure, match="2025-08-22, 2025-08-25"):
        resolve_session_date((friday, monday), CREATED)


@pytest.mark.parametrize(
    ("day", "month", "weekday", "is_doubted"),
    [(20, 8, None, False), (1, 8, None, False), (20, 8, 2, False), (20, 10, 0, False),
     (20, 10, None, True), (20, 6, None, True), (20, 6, 4, False)],
)  # fmt: skip
def test_a_date_whose_year_nothing_bears_out_is_near_or_asked_about(
    day: int, month: int, weekday: int | None, is_doubted: bool
) -> None:
    found = resolve_date(DateEvidence(day, month, weekday, text="20"), CREATED)

    assert found.date.year == 2025
    assert (FAR_DATE in found.doubts) is is_doubted


@pytest.mark.parametrize(
    ("line", "is_other"),
    [
        ("Visar data från igår", True), ("Showing data from yesterday", True),
        ("Senast synkad i går 18:02", True), ("Plan för i morgon", True),
        ("Igår Idag Imorgon", False), ("I går I dag I morgon", False), ("God morgen Siv", False),
        ("Guten Morgen", False), ("Mitt schema", False), ("Idag 4 pass", False),
    ],
)  # fmt: skip
def test_a_text_above_the_heading_that_names_another_day_says_so(line: str, is_other: bool) -> None:
    words = [Word("Torsdag 21 augusti", 31, 314, 400, 65), *words_at(line, 31, 200, 30)]
    cells = lines_of(make_cells(words))
    evidence = find_date(cells)

    assert evidence is not None
    assert shows_other_day(cells, evidence) is is_other


@pytest.mark.parametrize("text", ["03/04/2025", "4/3/2025", "12/11/2025"])
def test_a_date_of_digits_without_a_weekday_may_be_two_days(text: str) -> None:
    with pytest.raises(DateFailure, match="which number is the month"):
        resolve_date(_header(text), dt.date(2025, 3, 20))


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("Torsdag 03/04/2025", "2025-04-03"), ("25/04/2025", "2025-04-25"),
        ("03.04.2025", "2025-04-03"), ("04/04/2025", "2025-04-04"), ("2025-04-03", "2025-04-03"),
    ],
)  # fmt: skip
def test_a_date_of_digits_that_says_which_is_the_month_is_one(text: str, date: str) -> None:
    assert resolve_date(_header(text), dt.date(2025, 4, 1)).date.isoformat() == date
