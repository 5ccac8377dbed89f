"""Looks of other apps: signs before addresses, captioned groups, times at the right edge."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from tests.ocr.cards import words_at

from backfill.ocr.day.meaning import doubts_of
from backfill.ocr.screen.anchors import Divider
from backfill.ocr.screen.checks import UNKNOWN_TEXT
from backfill.ocr.screen.header import holds_times
from backfill.ocr.screen.layout import read_layout
from backfill.ocr.screen.totals import find_told
from backfill.ocr.shift import Entry
from backfill.ocr.text.cells import make_cells
from backfill.ocr.text.normalise import normalise_entry
from backfill.ocr.text.timetext import parse_duration, parse_range
from backfill.ocr.words import Word

Line = tuple[str, float, float]


def _entries(lines: Sequence[Line], dividers: tuple[Divider, ...] = ()) -> tuple[Entry, ...]:
    words = [word for line in lines for word in words_at(*line)]
    return read_layout(words, dividers).entries


def _streets(lines: Sequence[Line]) -> list[tuple[str, str]]:
    shifts = [normalise_entry(entry) for entry in _entries(lines)]
    return [(shift.street, shift.street_number) for shift in shifts]


def _card(top: float, times: str, client: str, *address: tuple[str, float]) -> list[Line]:
    return [
        (times, 10, top),
        (f"{client} • Hemstädning", 10, top + 30),
        *((text, left, top + 60) for text, left in address),
    ]


@pytest.mark.parametrize("signs", [("Q", "Q"), ("q", "9"), ("O", "Q"), ("9", "9"), ("©", "$9")])
def test_a_sign_before_each_address_is_no_part_of_it(signs: tuple[str, str]) -> None:
    lines = [
        *_card(10, "07:00 – 08:00", "Vega Dunge", (signs[0], 10), ("Ringgatan 4, Lerum", 34)),
        *_card(160, "09:00 – 10:00", "Ivo Alm", (signs[1], 10), ("Torpgatan 17, Lerum", 34)),
    ]

    assert _streets(lines) == [("Ringgatan", "4"), ("Torpgatan", "17")]


def test_a_sign_is_told_by_an_address_that_begins_behind_its_place() -> None:
    lines = [
        *_card(10, "07:00 – 08:00", "Vega Dunge", ("Ringgatan 4, Lerum", 34)),
        *_card(160, "09:00 – 10:00", "Ivo Alm", ("Q", 10), ("Torpgatan 17, Lerum", 34)),
    ]

    assert _streets(lines) == [("Ringgatan", "4"), ("Torpgatan", "17")]


@pytest.mark.parametrize("sign", ["Q", "q", "O", "$9", "E"])
def test_a_lone_letter_before_the_only_address_is_asked_about(sign: str) -> None:
    lines = _card(10, "07:00 – 08:00", "Vega Dunge", (f"{sign} Ringgatan 4, Lerum", 10))
    (entry,) = _entries(lines)

    assert UNKNOWN_TEXT in doubts_of(entry, normalise_entry(entry))


@pytest.mark.parametrize("short", ["Ö", "N", "S", "V", "L", "ö.", "St"])
def test_a_shortened_word_of_a_street_stays(short: str) -> None:
    lines = [
        *_card(10, "07:00 – 08:00", "Vega Dunge", (f"{short} Ringgatan 4, Lerum", 10)),
        *_card(160, "09:00 – 10:00", "Ivo Alm", (f"{short} Torpgatan 17, Lerum", 10)),
    ]
    entries = _entries(lines)

    assert [entry.address.split()[0] for entry in entries] == [short, short]
    assert not any(UNKNOWN_TEXT in doubts_of(e, normalise_entry(e)) for e in entries)


def test_clients_that_begin_with_an_initial_keep_it() -> None:
    lines = [
        *_card(10, "07:00 – 08:00", "A Dunge", ("Ringgatan 4, Lerum", 10)),
        *_card(160, "09:00 – 10:00", "B Almer", ("Torpgatan 17, Lerum", 10)),
    ]

    assert [normalise_entry(e).customer_name for e in _entries(lines)] == ["A Dunge", "B Almer"]


@pytest.mark.parametrize("is_ruled", [True, False])
@pytest.mark.parametrize(
    "captions", [("Tid", "Kund", "Uppdrag", "Adress"), ("Zeit", "Kunde", "Auftrag", "Adresse")]
)
def test_captioned_rows_between_rules_are_one_card(
    captions: tuple[str, ...], is_ruled: bool
) -> None:
    lines: list[Line] = []
    rules: list[Divider] = []
    for top, values in (
        (10.0, ("07:00–08:00", "Vega Dunge", "Skola", "Ringgatan 4, Lerum")),
        (210.0, ("09:00–10:30", "Ivo Alm", "Omstädning", "Torpgatan 17, Växjö")),
    ):
        for row, (caption, value) in enumerate(zip(captions, values, strict=True)):
            width = 10 * len(value.replace(" ", "")) + 8 * value.count(" ")
            lines += [(caption, 10, top + 40 * row), (value, 400.0 - width, top + 40 * row)]
            rules += [Divider(0, 410, top + 40 * row + 30)] if is_ruled and row < 3 else []
    shifts = [normalise_entry(entry) for entry in _entries(lines, tuple(rules))]

    assert [(s.start, s.customer_name, s.raw_type_label, s.street, s.city) for s in shifts] == [
        ("07:00", "Vega Dunge", "Skola", "Ringgatan", "Lerum"),
        ("09:00", "Ivo Alm", "Omstädning", "Torpgatan", "Växjö"),
    ]


@pytest.mark.parametrize(("start", "end"), [("9:30 AM", "10:45 AM"), ("8:00 AM", "12:15 PM")])
def test_times_under_one_another_at_the_right_edge_are_a_range(start: str, end: str) -> None:
    lines = [
        ("Vega Dunge • Skola", 10, 10), (start, 400 - 10.0 * len(start), 10),
        ("Ringgatan 4, Lerum", 10, 40), (end, 400 - 10.0 * len(end), 40),
    ]  # fmt: skip
    words = []
    for text, left, top in lines:
        words += [Word(text, left, top, 10.0 * len(text), 20, 96.0)] if text[0].isdigit() else (
            words_at(text, left, top)
        )  # fmt: skip
    (entry,) = read_layout(words).entries

    assert (entry.start[-2:], entry.end[-2:]) == (start[-5:-3], end[-5:-3])


@pytest.mark.parametrize("sign", ["→", ">", " → ", " > "])
def test_an_arrow_divides_a_range(sign: str) -> None:
    found = parse_range(f"08:20{sign}09:50")

    assert found is not None
    assert (found.start, found.end) == ("08:20", "09:50")


@pytest.mark.parametrize(
    ("text", "minutes"),
    [("480 min", 480), ("150min", 150), ("1:30 t", 90), ("150 m", None), ("1500 min", None)],
)
def test_lengths_of_other_apps(text: str, minutes: int | None) -> None:
    assert parse_duration(text) == minutes


@pytest.mark.parametrize(
    "text",
    ["I alt 1 h 30 min", "lalt 1 h 30 min", "l alt 1 h 30 min", "alt 1 h 30 min", "TotaIt 1h 30m"],
)
def test_a_sum_of_one_word_or_two(text: str) -> None:
    assert find_told(make_cells(words_at(text, 10, 10))).minutes == 90


def test_the_clock_of_a_screen_within_a_screen_is_no_card_above_the_date() -> None:
    state = [*words_at("05:54", 40, 230), *words_at("37 %", 300, 230)]
    title = words_at("Mina pass", 40, 280)

    assert not holds_times([*state, *title], (1000, 400), [])
    assert not holds_times([*state, *words_at("all", 270, 230), *title], (1000, 400), [])
    assert not holds_times([*words_at("21:47", 10, 5), *state, *title], (1000, 400), [])
    assert holds_times([*words_at("Lunch", 40, 200), *state, *title], (1000, 400), [])
    assert holds_times([*words_at("05:54", 40, 230), *words_at("Lunch", 120, 230)], (1000, 400), [])


def _scaled(pitch: float, *hours: str) -> list[Line]:
    return [(hour, 0, 10 + pitch * place) for place, hour in enumerate(hours)]


@pytest.mark.parametrize(
    "hours",
    [
        ("07:00", "08:00", "09:00", "10:00"),
        ("7:00", "8:00", "9:00", "10:00"),
        ("07.00", "09.00", "11.00"),
        ("22:00", "23:00", "00:00", "01:00"),
        ("07", "08", "09", "10"),
        ("22", "23", "00", "01"),
    ],
)
def test_a_scale_of_hours_is_no_time_of_a_card(hours: tuple[str, ...]) -> None:
    lines = [
        *_scaled(100, *hours),
        ("Vega Dunge • Skola", 100, 30), ("07:15–08:45", 100, 60), ("Ringgatan 4, Lerum", 100, 90),
        ("Lunch", 100, 215), ("09:00–09:20", 500, 215),
    ]  # fmt: skip
    words = [word for line in lines for word in words_at(*line)]
    rules = tuple(Divider(0, 700, 10 + 100.0 * place) for place in range(len(hours)))
    layout = read_layout(words, rules)

    assert not layout.lone_times
    assert layout.scale_y == 30 + 100 * (len(hours) - 1)
    assert [(e.start, e.end, e.title, e.address) for e in layout.entries] == [
        ("07:15", "08:45", "Vega Dunge • Skola", "Ringgatan 4, Lerum"),
        ("09:00", "09:20", "Lunch", ""),
    ]


@pytest.mark.parametrize("hours", [("06", "07", "08", "09"), ("06:00", "07:00", "08:00", "09:00")])
@pytest.mark.parametrize("gap", [16, 40])
def test_an_hour_of_a_scale_right_before_a_title_is_none_of_its_words(
    hours: tuple[str, ...], gap: int
) -> None:
    words = [word for line in _scaled(100, *hours) for word in words_at(*line)]
    left = max(word.right for word in words) + gap
    words += [
        *words_at("07:00–08:45", left, 80), *words_at("Vega Dunge • Skola", left, 110),
        *words_at("Ringgatan 4, Lerum", left, 140),
    ]  # fmt: skip
    layout = read_layout(words)

    assert [(e.start, e.end, e.title) for e in layout.entries] == [
        ("07:00", "08:45", "Vega Dunge • Skola")
    ]
    assert layout.hours == tuple(f"{hour[:2]}:00" for hour in hours)


@pytest.mark.parametrize("numbers", [("07", "08", "09"), ("03", "17", "12"), ("14", "15", "16")])
def test_numbers_beside_each_card_or_out_of_order_are_no_scale(numbers: tuple[str, ...]) -> None:
    lines: list[Line] = []
    for place, number in enumerate(numbers):
        top = 10.0 + 120 * place
        lines += [(number, 0, top), (f"1{place}:00–1{place}:45", 100, top)]
        lines += [("Vega Dunge • Skola", 100, top + 30)]

    assert not read_layout([w for line in lines for w in words_at(*line)]).hours


@pytest.mark.parametrize(
    "starts",
    [("07:00", "08:00", "09:00"), ("07:00", "08:00", "10:00"), ("07:00", "07:30", "08:00")],
)
def test_starts_of_cards_are_no_scale_where_ends_stand_below_them(starts: tuple[str, ...]) -> None:
    lines: list[Line] = []
    for place, start in enumerate(starts):
        top = 10.0 + 120 * place
        end = f"{int(start[:2]) + 1:02}:00"
        lines += [(start, 0, top), (end, 0, top + 30), ("Vega Dunge • Skola", 100, top)]

    assert len(_entries(lines)) == len(starts)


def test_starts_with_text_beside_them_are_no_scale() -> None:
    lines: list[Line] = [(f"{hour:02}:00", 0, 120.0 * hour) for hour in (7, 8, 9)]
    lines += [("Vega Dunge • Skola", 100, 120.0 * hour) for hour in (7, 8, 9)]

    assert len(read_layout([w for line in lines for w in words_at(*line)]).lone_times) == 3


@pytest.mark.parametrize("dash", [" – ", "–", " - "])
@pytest.mark.parametrize("step", [1, 3])
def test_ranges_that_begin_evenly_are_no_scale_behind_their_first_word(
    dash: str, step: int
) -> None:
    lines: list[Line] = []
    for place in range(3):
        hour, top = 8 + step * place, 10.0 + 140 * place
        lines += [(f"{hour:02}:00{dash}{hour:02}:45", 0, top), ("Vega Dunge • Skola", 0, top + 30)]

    assert len(_entries(lines)) == 3
