"""One card on two images: which of its readings counts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from backfill.ocr.day.aggregate import without_worse_twins
from backfill.ocr.screen.checks import CUT_OFF, DURATION_MISMATCH
from backfill.ocr.shift import Entry

WHOLE = Entry("08:15", "12:15", "Linnéa Hällström • Skola", "", "Särö, Ljungbacken 72", 240)
MISREAD = replace(WHOLE, end="12:45", title="Linnea Hällström • Skola", flags=(DURATION_MISMATCH,))
CUT = replace(WHOLE, title="Skola", flags=(CUT_OFF,))


def test_times_that_their_duration_contradicts_give_way_to_those_it_proves() -> None:
    assert without_worse_twins([[MISREAD], [WHOLE]]) == ((), (WHOLE,))
    assert without_worse_twins([[WHOLE], [MISREAD]]) == ((WHOLE,), ())


@pytest.mark.parametrize(
    "other",
    [
        replace(WHOLE, duration_minutes=270),
        replace(WHOLE, title="Ylva Nygårdh • Kontor"),
        replace(WHOLE, start="08:00", end="12:00"),
        replace(WHOLE, flags=("title_unsure",)),
    ],
    ids=["another duration", "another client", "other times", "itself in doubt"],
)
def test_a_contradicted_card_stays_beside_what_may_be_another(other: Entry) -> None:
    assert without_worse_twins([[MISREAD], [other]]) == ((MISREAD,), (other,))


def test_two_cards_of_one_image_are_no_twins() -> None:
    assert without_worse_twins([[WHOLE, MISREAD]]) == ((WHOLE, MISREAD),)


def test_a_cut_card_gives_way_to_the_whole_one() -> None:
    assert without_worse_twins([[WHOLE], [CUT]]) == ((WHOLE,), ())
    assert without_worse_twins([[CUT], []]) == ((CUT,), ())
