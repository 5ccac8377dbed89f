"""What a column of numbers counts, as its values tell: what stands for no end tells it as well."""

from __future__ import annotations

import pytest

from backfill.jobs.utc.guess.forms import _unit_of


@pytest.mark.parametrize(
    ("sample", "unit"),
    [
        (["1782900000000", "253402300800000", "253402300799999"], "ms"),
        (["253402300799999", "253402214400000", "0"], "ms"),
        (["253402300799"], "s"),
        (["253402300799999999", "1782900000000000"], "us"),
        (["120000000000", "250000000000"], "ms"),  # the seventies
        (["-62135596800000"], "ms"),
        (["0"], None),
    ],
)
def test_the_end_of_the_last_year_is_no_count_in_a_finer_unit(
    sample: list[str], unit: str | None
) -> None:
    guess = _unit_of(sample)

    assert (guess.value if guess else None) == unit
