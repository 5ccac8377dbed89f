"""The generator of other looks: its halves share nothing, and its truth is what it writes."""

from __future__ import annotations

import random
import re

import pytest
from tests.bench.others_draft import ASKED, READABLE, draft
from tests.bench.others_look import any_look, written_time
from tests.bench.others_page import heading_of, page_of
from tests.bench.others_words import STOCKS
from tests.bench.strange_words import Half


@pytest.mark.parametrize(
    "part",
    ["fonts", "icons", "first_names", "last_names", "places", "odd_names", "streets", "towns"],
)
def test_what_is_tuned_on_is_not_measured_with(part: str) -> None:
    assert not set(getattr(STOCKS[Half.TUNE], part)) & set(getattr(STOCKS[Half.BLIND], part))


def test_each_half_has_layouts_that_the_other_has_not() -> None:
    tune, blind = (set(STOCKS[half].layouts) for half in Half)

    assert tune - blind
    assert blind - tune


@pytest.mark.parametrize("kind", [*READABLE, *ASKED])
def test_a_page_holds_the_texts_of_its_true_shifts(kind: str) -> None:
    for number in range(7):
        rng = random.Random(f"{kind}-{number}")
        half = rng.choice(tuple(Half))
        made = draft(rng, half, kind, any_look(rng, half, number))
        heading = heading_of(made.look, made.day.date, text=made.heading)
        page = page_of(made.look, made.day.date, heading, made.inner(), "".join(made.over), "07:00")

        places = {int(place) for place in re.findall("data-card=([0-9]+)", page)}
        assert places >= set(range(len(made.entries)))
        if made.entries:
            assert written_time(made.look, made.entries[0].shift.end) in page
        for entry in made.entries:
            assert entry.client in page
            assert entry.job in page


def test_the_same_number_gives_the_same_session() -> None:
    pages = set()
    for _ in range(2):
        rng = random.Random("again")
        made = draft(rng, Half.TUNE, "plain", any_look(rng, Half.TUNE, 3))
        pages.add(made.inner())

    assert len(pages) == 1
