"""Counts in sentences read as a person would write them."""

from __future__ import annotations

import pytest

from backfill.display.counting import counted


@pytest.mark.parametrize(
    ("count", "expected"),
    [(0, "0 rows are pending"), (1, "1 row is pending"), (14_122, "14,122 rows are pending")],
)
def test_a_count_has_the_form_of_its_number(count: int, expected: str) -> None:
    assert counted(count, "row is pending", "rows are pending") == expected


def test_without_a_form_for_more_it_gets_an_s() -> None:
    assert [counted(1, "session"), counted(2, "session")] == ["1 session", "2 sessions"]
