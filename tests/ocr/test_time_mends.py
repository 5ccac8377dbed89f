"""A time without its first digit is what the duration says, if the rest of it agrees."""

from __future__ import annotations

import pytest

from backfill.ocr.shift import Entry
from backfill.ocr.view import mend_lost_digits
from backfill.ocr.words import Word


def _mend(start: str, end: str, minutes: int | None, *texts: str) -> tuple[str, str]:
    words = tuple(Word(text, 0, 0, 50, 20) for text in texts)
    (entry,) = mend_lost_digits([Entry(start, end, "Skola", "", "", minutes, words)])
    return entry.start, entry.end


@pytest.mark.parametrize(
    ("read", "texts", "minutes", "meant"),
    [
        (("01:00", "13:45"), ("1:00", "13:45"), 165, ("11:00", "13:45")),
        (("08:00", "01:15"), ("08:00", "1:15 -"), 195, ("08:00", "11:15")),
        (("22:00", "00:30"), ("22:00", "0:30"), 750, ("22:00", "10:30")),
    ],
    ids=["start", "end", "past midnight"],
)
def test_a_lost_digit_is_put_back(
    read: tuple[str, str], texts: tuple[str, str], minutes: int, meant: tuple[str, str]
) -> None:
    assert _mend(*read, minutes, *texts) == meant


@pytest.mark.parametrize(
    ("texts", "minutes"),
    [
        (("01:00", "13:45"), 165),
        (("1:00", "13:45"), 180),
        (("1:00", "13:45"), None),
        (("1:00", "13:45"), 765),
    ],
    ids=["no digit lost", "other minutes", "no duration", "agrees as it is"],
)
def test_other_times_stay_as_they_were_read(texts: tuple[str, str], minutes: int | None) -> None:
    assert _mend("01:00", "13:45", minutes, *texts) == ("01:00", "13:45")
