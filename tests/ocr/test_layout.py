"""Words of a screen become the entries of its cards, wherever and however large they stand."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from backfill.ocr.screen.anchors import Divider
from backfill.ocr.screen.layout import read_layout
from backfill.ocr.words import Word

VECTORS = Path(__file__).parent.parent / "vectors"


def _cases(name: str) -> list[dict[str, Any]]:
    cases = json.loads((VECTORS / name).read_text(encoding="utf-8"))["cases"]
    assert isinstance(cases, list)
    return cases


def _words(case: dict[str, Any]) -> list[Word]:
    return [Word(*box) for box in case["boxes_text_x_y_w_h"]]


def _read(words: list[Word], dividers: tuple[Divider, ...] = ()) -> list[dict[str, str]]:
    return [
        {
            "start": entry.start,
            "end": entry.end,
            "title": entry.title,
            "location": entry.location,
            "address": entry.address,
        }
        for entry in read_layout(words, dividers).entries
    ]


def _ids(case: dict[str, Any]) -> str:
    return str(case["id"])


LAYOUTS = _cases("ocr-layout.json")
TIMES = _cases("ocr-time.json")


@pytest.mark.parametrize("case", LAYOUTS, ids=_ids)
def test_the_cards_of_the_vectors_are_read(case: dict[str, Any]) -> None:
    assert _read(_words(case)) == case["reference_entries"]


@pytest.mark.parametrize("case", LAYOUTS, ids=_ids)
@pytest.mark.parametrize("scale", [0.75, 0.9, 1.25, 1.5])
def test_scale_does_not_change_the_entries(case: dict[str, Any], scale: float) -> None:
    words = [
        replace(
            word,
            left=word.left * scale,
            top=word.top * scale,
            width=word.width * scale,
            height=word.height * scale,
        )
        for word in _words(case)
    ]

    assert _read(words) == case["reference_entries"]


@pytest.mark.parametrize("case", LAYOUTS, ids=_ids)
@pytest.mark.parametrize("seed", range(5))
def test_jitter_of_a_pixel_and_shuffled_boxes_give_the_same_entries(
    case: dict[str, Any], seed: int
) -> None:
    rng = random.Random(seed)
    words = [
        replace(
            word, left=word.left + rng.choice((-1, 0, 1)), top=word.top + rng.choice((-1, 0, 1))
        )
        for word in _words(case)
    ]
    rng.shuffle(words)

    assert _read(words) == case["reference_entries"]


@pytest.mark.parametrize("case", TIMES, ids=_ids)
def test_a_range_is_read_however_it_is_written(case: dict[str, Any]) -> None:
    below = [Word(text, 102, 128 + 28 * i, 90, 22) for i, text in enumerate(case["below"])]

    entries = _read([Word(case["text"], 100, 100, 130, 22), *below])

    expected = case["ideal_range"]
    assert [[entry["start"], entry["end"]] for entry in entries] == ([expected] if expected else [])
    assert all(
        (entry["title"], entry["address"], entry["location"])
        == ("Anna Lind", "Storgatan 4", "Lerum")
        for entry in entries
    )


def test_the_words_of_a_range_may_stand_apart_and_the_dash_be_lost() -> None:
    title = Word("Lunch", 100, 130, 60, 22)

    dashed = [Word("10.00", 100, 100, 60, 22), Word("–", 166, 100, 10, 22)]
    lost = [Word("10:00", 100, 100, 60, 22)]
    end = Word("11.30", 182, 100, 60, 22)

    assert [(e["start"], e["end"]) for e in _read([*dashed, end, title])] == [("10:00", "11:30")]
    assert [(e["start"], e["end"]) for e in _read([*lost, end, title])] == [("10:00", "11:30")]


def test_24_00_is_the_end_of_the_day() -> None:
    entries = _read([Word("20:00 - 24:00", 100, 100, 130, 22), Word("Lunch", 100, 128, 60, 22)])

    assert [(entry["start"], entry["end"]) for entry in entries] == [("20:00", "24:00")]


def _card(top: float, start: str, end: str, title: str, address: str) -> list[Word]:
    words = [Word(start, 38, top, 83, 22), Word(end, 38, top + 34, 83, 22)]
    words.append(Word(title, 194, top, 300, 26))
    if address:
        words.append(Word(address, 194, top + 54, 300, 24))
    return words


def test_the_farewell_is_no_shift_and_tells_its_time() -> None:
    words = _card(478, "08:00", "12:00", "Åsa Öberg • Städservice", "Särö, Åkerstigen 3")
    words += [Word("12:00", 38, 690, 83, 22), Word("Tack för idag! &", 194, 690, 300, 26)]

    layout = read_layout(words)

    assert [(entry.start, entry.end) for entry in layout.entries] == [("08:00", "12:00")]
    assert layout.farewell == "12:00"


def test_rules_keep_a_title_from_leaking_into_the_next_card() -> None:
    words = _card(478, "08:00", "08:30", "Lunch", "")
    words += [Word("städning", 194, 560, 200, 26)]
    words += _card(600, "08:30", "12:00", "Åsa Öberg • Skola", "Särö, Åkerstigen 3")

    entries = _read(words, (Divider(0, 828, 590),))

    assert [entry["title"] for entry in entries] == ["Lunch städning", "Åsa Öberg • Skola"]


def test_wrapped_titles_and_addresses_are_joined_and_numbers_kept() -> None:
    words = [
        Word("08:00", 38, 478, 83, 22),
        Word("12:00", 38, 512, 83, 22),
        Word("Åsa Öberg •", 194, 478, 200, 26, contrast=220),
        Word("Inledande storstädning", 194, 520, 320, 26, contrast=220),
        Word("4h", 760, 480, 33, 22, contrast=130),
        Word("Särö, Norra Ängsgatan", 194, 574, 270, 24, contrast=130),
        Word("7", 194, 612, 14, 24, contrast=130),
        Word("Collaborators", 480, 574, 157, 20, contrast=130),
        Word("+2", 640, 630, 30, 20, contrast=130),
    ]

    layout = read_layout(words)

    (entry,) = layout.entries
    assert entry.title == "Åsa Öberg • Inledande storstädning"
    assert entry.address == "Särö, Norra Ängsgatan 7"
    assert entry.duration_minutes == 240


def test_a_time_without_a_partner_is_reported_and_is_no_shift() -> None:
    layout = read_layout([Word("08:00", 38, 478, 83, 22), Word("Lunch", 194, 478, 90, 26)])

    assert layout.entries == ()
    assert [word.text for word in layout.lone_times] == ["08:00"]


def test_no_words_are_no_entries() -> None:
    assert read_layout([]).entries == ()


def test_text_between_cards_that_no_card_holds_is_told() -> None:
    words = _card(478, "08:00", "12:00", "Åsa Öberg •", "")
    words += [Word("Skola", 194, 560, 100, 26)]
    words += _card(700, "12:30", "13:00", "Lunch", "")
    rules = (Divider(0, 828, 550), Divider(0, 828, 600))

    layout = read_layout(words, rules)

    assert [word.text for word in layout.strays] == ["Skola"]


@pytest.mark.parametrize("y", [478, 518])
def test_the_tabs_of_a_bar_over_a_card_are_no_words_of_it(y: int) -> None:
    words = _card(478, "08:00", "12:00", "Åsa Öberg • Skola", "")
    bar = [
        Word("Schema", 10, y, 90, 26),
        Word("Chatt", 320, y, 70, 26),
        Word("Jag", 640, y, 50, 26),
    ]

    assert not read_layout(words).strays
    assert {"Chatt", "Jag"} <= {word.text for word in read_layout([*words, *bar]).strays}
