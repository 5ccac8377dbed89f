"""Texts of a card that are like something else: a town like a state, a length like a number."""

from __future__ import annotations

import pytest
from tests.ocr.cards import card_of

from backfill.ocr.day.meaning import doubts_of
from backfill.ocr.screen import checks
from backfill.ocr.shift import Entry
from backfill.ocr.text.normalise import normalise_entry

TIMES = ("07:15 – 09:00", 10.0, 10.0)


def _doubts(entry: Entry) -> set[str]:
    return {*entry.flags, *doubts_of(entry, normalise_entry(entry))}


def _titled(*texts: str) -> Entry:
    return card_of(TIMES, *((text, 10.0, 40.0 + 30 * at) for at, text in enumerate(texts)))


@pytest.mark.parametrize("town", ["Kalmar", "Surte", "Skara", "Klara", "Sena"])
def test_a_town_that_is_like_a_state_stays_a_town(town: str) -> None:
    shift = normalise_entry(_titled("Vega Dunge • Skola", f"{town}, Ekgatan 4"))

    assert (shift.street, shift.street_number, shift.city) == ("Ekgatan", "4", town)


def test_a_known_town_on_a_line_of_its_own_is_no_state() -> None:
    shift = normalise_entry(_titled("Vega Dunge • Skola", "Ekgatan 4", "Kalmar"))

    assert (shift.street, shift.city) == ("Ekgatan", "Kalmar")


@pytest.mark.parametrize("note", ["paus 15 min", "Max 30 min", "obetald 1 tim", "varav rast 30min"])
@pytest.mark.parametrize("title", ["Lunch", "Vega Dunge • Skola"])
def test_a_length_below_a_title_is_no_house_number(title: str, note: str) -> None:
    assert checks.UNKNOWN_TEXT in _doubts(_titled(title, note))


@pytest.mark.parametrize(
    ("times", "is_asked"),
    [("22:00 – 04:00 +1", False), ("09:00 – 11:00 +1", True), ("09:00 – 11:00 +3", True)],
)
def test_a_count_behind_times_is_no_part_of_the_client(times: str, is_asked: bool) -> None:
    entry = card_of((times, 10, 10), ("Vega Dunge • Skola", 10, 40), ("Ekgatan 4, Lerum", 10, 70))

    assert normalise_entry(entry).customer_name == "Vega Dunge"
    assert (checks.UNKNOWN_TEXT in _doubts(entry)) is is_asked


@pytest.mark.parametrize("line", ["Visa alla", "Mer att se", "Kontakta kund"])
def test_a_line_below_an_address_that_begins_with_its_town_is_no_town(line: str) -> None:
    entry = _titled("Vega Lundqvist • Skola", "Lund, Ekgatan 4", line)

    assert checks.UNKNOWN_TEXT in _doubts(entry)
    assert not _doubts(_titled("Vega Lundqvist • Skola", "Ekgatan 4", "Lund"))
