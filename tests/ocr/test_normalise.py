"""From the text of a card to the canonical shift."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backfill.ocr.shift import Entry
from backfill.ocr.text.normalise import normalise_entry
from backfill.ocr.text.vocabulary import known_towns

CASES: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[1] / "vectors" / "ocr-normalize.json").read_text(encoding="utf-8")
)["cases"]
# The old worker leaves a town in the street when no comma follows it; this reading does not, so
# of these cases only what their source asserts is the truth.
TOWN_IN_STREET = {
    "normalize/isolated_numeric_separator_between_name_tokens_is_removed",
    "normalize/numeric_job_type_hint_falls_back_to_context_label",
    "normalize/wrapped_reklamation_omstadning_with_inline_duration_keeps_full_type",
}


def _expected(case: dict[str, Any]) -> dict[str, str]:
    shift: dict[str, str] = case["reference_shift"]
    if case["verdict"] != "agree":
        ideal: dict[str, str] = case["ideal_subset"]
        return ideal
    if case["id"] in TOWN_IN_STREET:
        return {field: shift[field] for field in case["upstream_asserts"]}
    return shift


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_vector_gives_its_shift(case: dict[str, Any]) -> None:
    shift = normalise_entry(Entry(**case["entry"])).as_json()

    expected = _expected(case)
    assert {field: shift[field] for field in expected} == expected


@pytest.mark.parametrize(
    ("title", "customer", "label", "shift_type"),
    [
        ("Anna Berg-lindqvist • Städservice 3h 15m", "Anna Berg-Lindqvist", "Städservice", "WORK"),
        ("ANNA BERG · STORSTADNING", "Anna Berg", "Storstädning", "WORK"),
        ("Anna Berg » Fönsterputs 25 min", "Anna Berg", "Fönsterputs", "WORK"),
        ("Anna Berg + Click And Go", "Anna Berg", "ClickAndGo", "WORK"),
        ("Anna Berg = Kylskapsrengoring", "Anna Berg", "Kylskåpsrengöring", "WORK"),
        ("Karin SjöIund • Hemstädning", "Karin Sjölund", "Hemstädning", "WORK"),
        ("Ka|le L0fgren • Hemstädning", "Kalle Lofgren", "Hemstädning", "WORK"),
        ("Furuhöjd Städ AB • Omstädning", "Furuhöjd Städ", "Omstädning", "WORK"),
        ("Anna Kantor", "Anna Kantor", "", "WORK"),
        ("Anna Kantor Stadservic", "Anna Kantor", "Städservice", "WORK"),
        ("Anna Berg • Trädgård", "Anna Berg", "Trädgård", "WORK"),
        ("Anna Berg • Utbildning", "Anna Berg", "Utbildning", "TRAINING"),
        ("siv o'brien • Trädgård", "Siv O'Brien", "Trädgård", "WORK"),
    ],
)
def test_title_gives_client_label_and_type(
    title: str, customer: str, label: str, shift_type: str
) -> None:
    shift = normalise_entry(Entry("08:00", "10:00", title, "", "Askim, Ekvägen 3"))

    assert (shift.customer_name, shift.raw_type_label, shift.shift_type) == (
        customer,
        label,
        shift_type,
    )


@pytest.mark.parametrize(
    ("title", "label", "shift_type"),
    [
        ("Serviceteam - Intern tid", "Intern Tid", "ADMIN"),
        ("Inter tid", "Inter Tid", "TRAVEL"),
        ("Restid 25m", "Restid", "TRAVEL"),
        ("VAB", "Vård av barn", "LEAVE"),
        ("Vard av barn", "Vård av barn", "LEAVE"),
        ("Sjukdom (dag 1-14)", "Sjukdom Dag 1-14", "LEAVE"),
        ("Avokade uppdrag", "Avbokade Uppdrag", "UNAVAILABLE"),
        ("Utbildning (handledarhus)", "Utbildning Handledarhus", "TRAINING"),
        ("Personalmote", "Personalmöte", "MEETING"),
        ("Nyckelhanterng", "Nyckelhantering", "ADMIN"),
        ("RAST", "Rast", "BREAK"),
    ],
)
def test_activity_without_address_has_no_client(title: str, label: str, shift_type: str) -> None:
    shift = normalise_entry(Entry("12:00", "12:30", title, "", ""))

    assert (shift.customer_name, shift.raw_type_label, shift.shift_type) == ("", label, shift_type)


@pytest.mark.parametrize(
    ("location", "address", "expected"),
    [
        ("", "LINDOME, Granitvägen 7", ("Granitvägen", "7", "", "Lindome")),
        ("", "lindome Granitvägen 7", ("Granitvägen", "7", "", "Lindome")),
        ("", "Kungsbacka Torg 3", ("Kungsbacka Torg", "3", "", "")),
        ("", "Kungsbacka, Torg 3", ("Torg", "3", "", "Kungsbacka")),
        ("", "onsala, stenåsliden 17 b", ("Stenåsliden", "17B", "", "Onsala")),
        ("", "Stenåsliden 17 b Onsala", ("Stenåsliden", "17B", "", "Onsala")),
        ("", "Storgatan 4, 43137 MOLNDAL", ("Storgatan", "4", "431 37", "Mölndal")),
        ("", "VASTRA FROLUNDA,\nNorra\nVägen 12", ("Norra Vägen", "12", "", "Västra Frölunda")),
        ("Bi11dal", "Kyrkogatan 3I6", ("Kyrkogatan", "316", "", "Billdal")),
        ("", "Sätila, Backvägen 3, lgh 1102", ("Backvägen", "3", "", "Sätila")),
        ("", "Backvägen 3 lgh 1102, Sätila", ("Backvägen", "3", "", "Sätila")),
        ("", "Hisings Backa, Ekvägen", ("Ekvägen", "", "", "Hisings Backa")),
        ("", "Ekvägen, Hisings Backa", ("Ekvägen", "", "", "Hisings Backa")),
        ("", "Lerum allé", ("Lerum Allé", "", "", "")),
        ("Askim", "", ("", "", "", "Askim")),
    ],
)
def test_address_is_taken_apart(
    location: str, address: str, expected: tuple[str, str, str, str]
) -> None:
    shift = normalise_entry(Entry("08:00", "10:00", "Anna Berg", location, address))

    assert (shift.street, shift.street_number, shift.postal_code, shift.city) == expected


def test_town_given_by_option_gets_its_letters_back() -> None:
    entry = Entry("08:00", "10:00", "Anna Berg", "", "AKERSTROMMEN Ekvägen 3")

    shift = normalise_entry(entry, known_towns(["Åkerströmmen"]))

    assert (shift.city, shift.street) == ("Åkerströmmen", "Ekvägen")


def test_end_of_day_is_stored_as_midnight() -> None:
    shift = normalise_entry(Entry("7:30", "24:00", "Lunch", "", ""))

    assert (shift.start, shift.end) == ("07:30", "00:00")


@given(st.text(), st.text(), st.text(), st.text(), st.text())
def test_any_text_gives_a_shift(
    start: str, end: str, title: str, location: str, address: str
) -> None:
    shift = normalise_entry(Entry(start, end, title, location, address))

    assert len(shift.location_fingerprint) == len(shift.customer_fingerprint) == 64
    json.dumps(shift.as_json()).encode("utf-8")


@given(st.text(alphabet="aÅI|01 •,+=-bB\n37h"), st.text(alphabet="aÅI|01 ,-bB\n4 7"))
def test_text_of_the_tricky_letters_gives_a_shift(title: str, address: str) -> None:
    shift = normalise_entry(Entry("08:00", "10:00", title, "", address))

    assert "  " not in shift.customer_name + shift.street + shift.city
