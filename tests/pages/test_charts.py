"""Pictures are text that says the same to those who do not see it, byte for byte each time."""

from __future__ import annotations

from collections.abc import Callable
from xml.etree import ElementTree as ET

import pytest
from tests.pages.looking import check_picture

from backfill.display.charts import (
    ClockChange,
    DayLine,
    Span,
    Spread,
    Strip,
    clock_changes,
    day_lines,
    spreads,
    strips,
    throughput,
)

NASTY = "<b>&\"'\n"


def a_strip(label: str = "hh_demo") -> str:
    months = ["2026-01", "2026-02", "2026-03"]
    return strips("Pending", "One household.", months, [Strip(label, (0, 5, 10))])


def a_clock_change(label: str = "Europe/Stockholm\n2026-10-25 02:00") -> str:
    return clock_changes("Map", "One fold.", [ClockChange(label, "fold", -2, (1, 0, 3, 2, 0), 2)])


def a_day(label: str = "2026-11-23") -> str:
    old = (Span(8 * 60, 12 * 60, "Åkes", "removed"), Span(22 * 60, 6 * 60, "Night", "same"))
    new = (Span(22 * 60, 6 * 60, "Night", "same"), Span(13 * 60, 14 * 60, label, "added"))
    return day_lines("Day", "One day.", [DayLine(label, old, new)])


def a_spread(label: str = "street") -> str:
    return spreads("Confidence", "One field.", [Spread(label, 40, 80, 92, 96, 97, "12 words")])


def a_throughput(label: str = "Chunks") -> str:
    return throughput(label, "Three chunks.", [(500, 20), (500, 40), (122, 10)])


DRAWN: list[Callable[..., str]] = [a_strip, a_clock_change, a_day, a_spread, a_throughput]


@pytest.mark.parametrize("draw", DRAWN)
def test_a_picture_is_well_formed_and_has_its_text(draw: Callable[..., str]) -> None:
    check_picture(ET.fromstring(draw()))


@pytest.mark.parametrize("draw", DRAWN)
def test_what_a_database_held_is_text_in_a_picture(draw: Callable[..., str]) -> None:
    svg = draw(NASTY)

    check_picture(ET.fromstring(svg))
    assert "<b>" not in svg


@pytest.mark.parametrize("draw", DRAWN)
def test_the_same_data_give_the_same_bytes(draw: Callable[..., str]) -> None:
    assert draw() == draw()


def test_two_pictures_on_a_page_share_no_id() -> None:
    marks = [ET.fromstring(svg).get("aria-labelledby") for svg in (a_strip(), a_strip("other"))]

    assert marks[0] != marks[1]


def test_bars_have_the_lengths_of_their_values() -> None:
    bars = [e for e in ET.fromstring(a_strip()).iter("rect") if e.get("fill", "").startswith("#")]

    heights = [float(bar.get("height", "0")) for bar in bars]
    assert len(heights) == 2  # nothing is drawn for nothing
    assert heights[1] == pytest.approx(2 * heights[0])


def test_gap_and_fold_differ_by_hatching_and_word_not_by_colour() -> None:
    svg = a_clock_change()

    assert "fold</text>" in svg
    hatched = [e for e in ET.fromstring(svg).iter("rect") if "url(#" in e.get("fill", "")]
    assert len(hatched) == 1
    assert hatched[0].get("fill", "").endswith("fold)")


def test_a_shifts_state_is_told_by_a_sign() -> None:
    texts = [e.text or "" for e in ET.fromstring(a_day()).iter("text")]

    assert any(text.startswith("− Åkes") for text in texts)
    assert any(text.startswith("+") for text in texts)


def test_a_shift_over_midnight_is_drawn_to_its_end_on_the_next_day() -> None:
    names = [e.text for e in ET.fromstring(a_day()).iter("text") if e.get("font-size") == "10"]

    spans = [e for e in ET.fromstring(a_day()).iter("rect") if e.get("height") == "22"]
    assert names[-1] == "06:00"
    assert max(float(e.get("x", "0")) + float(e.get("width", "0")) for e in spans) <= 770.1


def test_a_run_of_many_chunks_is_drawn_in_groups_by_their_mean() -> None:
    svg = throughput("Chunks", "Many.", [(500, 10 + chunk % 2 * 20) for chunk in range(10_000)])

    bars = list(ET.fromstring(svg).iter("rect"))
    assert len(bars) <= 240
    assert "20 ms</text>" in svg
    assert "25,000 /s</text>" in svg


def test_pictures_of_nothing_are_pictures() -> None:
    for svg in (
        strips("t", "d", [], []),
        clock_changes("t", "d", []),
        day_lines("t", "d", []),
        spreads("t", "d", []),
        throughput("t", "d", []),
    ):
        check_picture(ET.fromstring(svg))
