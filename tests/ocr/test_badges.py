"""What stands on a card beside its own times and texts, or is cut at a rim, is asked about."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from backfill.ocr.ink.bands import Band
from backfill.ocr.ink.masks import Box
from backfill.ocr.ink.preprocess import Ink
from backfill.ocr.screen import checks
from backfill.ocr.screen.layout import read_layout
from backfill.ocr.screen.marks import with_marks
from backfill.ocr.screen.sheet import Sheet
from backfill.ocr.screen.view import check_edges
from backfill.ocr.shift import Entry
from backfill.ocr.text.timetext import parse_clock, parse_range
from backfill.ocr.words import Word

Line = tuple[str, float, float]


def _words(lines: Sequence[Line]) -> list[Word]:
    """The words of lines (text, left, top), ten pixels a letter, as high as two."""
    words = []
    for text, left, top in lines:
        x = left
        for part in text.split():
            words.append(Word(part, x, top, 10.0 * len(part), 20, 96.0))
            x += 10.0 * len(part) + 8
    return words


def _entries(*lines: Line) -> tuple[Entry, ...]:
    return checks.check_times(read_layout(_words(lines)).entries)


@pytest.mark.parametrize("badge", ["Borttaget", "Flyttad", "Väntar på svar", "Jour"])
def test_a_badge_beside_the_times_is_no_part_of_the_client(badge: str) -> None:
    (entry,) = _entries(
        ("07:00 – 09:15", 10, 10), (badge, 170, 10), ("2h 15m", 520, 10),
        ("Vega Dunge • Skola", 10, 40), ("Lerum, Ringgatan 4", 10, 70),
    )  # fmt: skip

    assert checks.UNKNOWN_TEXT in entry.flags
    assert entry.title == "Vega Dunge • Skola"


@pytest.mark.parametrize("left", [300, 520])
@pytest.mark.parametrize(
    ("badge", "is_asked"),
    [
        ("Spontan", True), ("Obekräftad", True), ("Ej bekräftad", True), ("Vikariat", True),
        ("Bekräftad", False), ("Kommande", False), ("In progress", False),
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    ("texts", "title"),
    [
        (("Vega Dunge • Skola", "Lerum, Ringgatan 4"), "Vega Dunge • Skola"),
        (("Vega Dunge", "Skola", "Lerum, Ringgatan 4"), "Vega Dunge • Skola"),
        (("Lunch",), "Lunch"),
    ],
)
def test_a_badge_at_the_end_of_the_times_line_is_no_part_of_the_client(
    left: int, badge: str, is_asked: bool, texts: Sequence[str], title: str
) -> None:
    """On one card of three; the others' times have nothing beside them."""
    day = [("06:00 – 06:45", 10, 10), ("Restid", 10, 40), ("10:00 – 11:00", 10, 410)]
    own = [(text, 10, 240 + 30 * at) for at, text in enumerate(texts)]
    more = [("Restid", 10, 440), ("07:00 – 09:15", 10, 210), (badge, left, 210)]

    entry = _entries(*day, *own, *more)[1]

    assert (checks.UNKNOWN_TEXT in entry.flags) is is_asked
    assert entry.title.replace(" • ", " ") == title.replace(" • ", " ")


@pytest.mark.parametrize(
    "lines",
    [
        # The first word of the next line had no room beside the times.
        [("07:00 – 09:15 Städbolaget", 10, 10), ("Kvarnforsen • Skola", 10, 40)],
        # A title of two lines: who, then what.
        [("07:00 – 09:15 Vega Dunge", 10, 10), ("Hemstädning", 10, 40)],
        # In a column of its own it goes on below itself, not below the times.
        [("07:00 – 09:15", 10, 10), ("Ann-Charlotte", 170, 10), ("Kvarnforsen • Skola", 170, 40)],
    ],
)
def test_a_title_that_goes_on_below_the_times_is_no_badge(lines: list[Line]) -> None:
    (entry,) = _entries(*lines, ("Lerum, Ringgatan 4", 10, 70))

    assert checks.UNKNOWN_TEXT not in entry.flags


@pytest.mark.parametrize("more", ["Rast 08:00–08:30", "flyttad från 06:30", "Ny tid 10:00 - 11:00"])
def test_a_time_beside_the_cards_own_is_asked_about(more: str) -> None:
    (entry,) = _entries(
        ("07:00", 10, 10), ("09:15", 10, 40), ("Vega Dunge • Skola", 120, 10),
        ("Lerum, Ringgatan 4", 120, 45), (more, 120, 75),
    )  # fmt: skip

    assert checks.UNKNOWN_TEXT in entry.flags


def test_new_times_behind_struck_ones_are_asked_about() -> None:
    (entry,) = _entries(
        ("06:15 – 07:30 07:15 – 08:30", 10, 10), ("1h 15m", 520, 10),
        ("Vega Dunge • Skola", 10, 40), ("Lerum, Ringgatan 4", 10, 70),
    )  # fmt: skip

    assert checks.UNKNOWN_TEXT in entry.flags


@pytest.mark.parametrize("text", ["08:00 Uhr – 10:00 Uhr", "08:00–10:00 Uhr", "klo 8.00 – 10.00"])
def test_a_clocks_word_belongs_to_its_time(text: str) -> None:
    found = parse_range(text)

    assert found is not None
    assert (found.start, found.end, found.rest) == ("08:00", "10:00", "")
    assert parse_clock(text.split("–", maxsplit=1)[0]) in ("08:00", "")


def _day(*times: str) -> tuple[Entry, ...]:
    lines = [
        line
        for place, text in enumerate(times)
        for line in (
            (text, 10.0, 10.0 + 200 * place),
            ("Vega Dunge • Skola", 10.0, 40.0 + 200 * place),
            ("Lerum, Ringgatan 4", 10.0, 70.0 + 200 * place),
        )
    ]
    return _entries(*lines)


@pytest.mark.parametrize(
    ("times", "doubted"),
    [
        # A clock of twelve hours that tells no half of the day.
        (("1:40 – 2:05",), [0]),
        (("11:30 – 12:30", "02:50 – 03:35"), [1]),
        # Night work as a clock of 24 hours writes it, and mornings in any way.
        (("01:40 – 05:00",), []),
        (("22:00 – 06:00",), []),
        (("7:30 – 9:00", "9:15 – 11:45"), []),
    ],
)
def test_hours_before_dawn_may_be_the_afternoons(times: Sequence[str], doubted: list[int]) -> None:
    flags = [entry.flags for entry in _day(*times)]

    assert [at for at, found in enumerate(flags) if checks.HALF_OF_DAY in found] == doubted


@pytest.mark.parametrize(("shift_px", "is_cut"), [(0.0, False), (-9.0, True), (124.0, True)])
def test_text_at_a_rim_of_the_image_is_cut(shift_px: float, is_cut: bool) -> None:
    lines = [("07:00 – 09:15", 10, 10), ("Vega Dunge • Hemstädning", 10, 40)]
    entries = read_layout(_words([(t, left + shift_px, top) for t, left, top in lines])).entries

    checked = check_edges(entries, Sheet(0.0, 900.0, (), ()), 16.0, 370.0, is_top=True)

    assert [checks.TEXT_CUT_SHORT in entry.flags for entry in checked] == [is_cut]


@pytest.mark.parametrize("word", ["Heldag", "Semester", "All day", "Ganztägig"])
def test_a_card_without_times_above_the_first_is_not_lost(word: str) -> None:
    card = [("07:00 – 09:15", 10.0, 200.0), ("Vega Dunge • Skola", 10.0, 230.0)]

    layout = read_layout(_words([(word, 10.0, 10.0), *card]))

    assert " ".join(stray.text for stray in layout.strays) == word
    assert read_layout(_words([("Idag", 10.0, 10.0), *card])).strays == ()


@pytest.mark.parametrize("word", ["Obs", "Ny", "Brådskande", "Ändrad", "Jour"])
def test_a_word_before_the_client_that_says_something_of_the_card_is_asked_about(word: str) -> None:
    (entry,) = _entries(
        ("07:00", 10, 10), ("09:15", 10, 40), (f"{word} Vega Dunge • Skola", 120, 10),
        ("Lerum, Ringgatan 4", 120, 45),
    )  # fmt: skip

    assert checks.UNKNOWN_TEXT in entry.flags


def test_somebodys_schedule_heads_cards_of_others() -> None:
    (entry,) = _entries(
        ("Vegas schema", 120, 10), ("07:00", 10, 35), ("09:15", 10, 65),
        ("Otto Dunge • Skola", 120, 35), ("Lerum, Ringgatan 4", 120, 70),
    )  # fmt: skip

    assert checks.UNKNOWN_TEXT in entry.flags


def test_hours_and_minutes_of_a_duration_may_stand_under_one_another() -> None:
    (entry,) = _entries(
        ("07:00", 10, 10), ("09:15", 10, 40), ("Vega Dunge • Skola", 120, 10), ("2h", 450, 10),
        ("15m", 450, 40), ("Lerum, Ringgatan 4", 120, 45),
    )  # fmt: skip

    assert entry.duration_minutes == 135
    assert entry.flags == ()


@pytest.mark.parametrize(
    "text",
    ["kl. 7.30–9.15", "07:30 till 09:15", "7h30 – 9h15", "kl 7:30 til kl. 9:15", "0730–0915"],
)
def test_times_are_read_as_people_write_them(text: str) -> None:
    found = parse_range(text)

    assert found is not None
    assert (found.start, found.end) == ("07:30", "09:15")


@pytest.mark.parametrize("line", ["Idag", "Siv", "Pågår sedan igår", "Västra distriktet", "Kväll"])
@pytest.mark.parametrize("place", [-30, 30], ids=["above", "below"])
def test_a_line_at_a_title_that_says_all_is_no_part_of_it(line: str, place: int) -> None:
    (entry,) = _entries(
        ("08:00", 10, 50), ("10:00", 10, 80), ("2h", 520, 50),
        (line, 120, 50 + place), ("Vega Dunge • Skola", 120, 50),
        ("Västra Frölunda, Ringgatan 4", 120, 110),
    )  # fmt: skip

    assert {checks.UNKNOWN_TEXT, checks.TITLE_UNSURE} & {*entry.flags}


def test_a_title_that_a_length_leaves_no_room_goes_on_below() -> None:
    (entry,) = _entries(
        ("08:00", 10, 50), ("10:15", 10, 80), ("Vega Snickeri Dunge", 120, 50),
        ("2h 15m", 350, 50), ("AB • Skola", 120, 80), ("Västra Frölunda, Ringgatan 400", 120, 120),
    )  # fmt: skip

    assert (entry.title, entry.flags) == ("Vega Snickeri Dunge AB • Skola", ())


@pytest.mark.parametrize(
    ("box", "is_doubted"),
    [
        ((299, 100, 359, 160), True),  # over what follows the street's number
        ((240, 110, 300, 170), True),  # amid the street
        ((60, 100, 120, 160), True),  # before it
        ((306, 100, 366, 160), False),  # a portrait, a blank behind the text
        ((299, 120, 320, 144), False),  # a sign of the line's own height
        ((299, 160, 359, 220), False),  # beside what stands below
        ((100, 112, 310, 162), False),  # around the whole line, as a ring or a chip
        ((0, 40, 6, 140), False),  # the edge of the card beside its times
    ],
)
def test_a_text_ends_at_a_shape_that_may_hide_the_rest(
    box: tuple[float, float, float, float], is_doubted: bool
) -> None:
    entries = _entries(
        ("08:00", 10, 50), ("10:00", 10, 80), ("Vega Dunge • Skola", 120, 50),
        ("Lerum, Ringgatan 4", 120, 120),
    )  # fmt: skip
    blank = np.zeros((300, 500), dtype=np.uint8)
    ink = Ink(blank, blank.astype(np.uint16), 1, (), 12.0)

    (marked,) = with_marks(entries, (), (), ink, [box])

    assert (checks.TEXT_CUT_SHORT in marked.flags) is is_doubted


@pytest.mark.parametrize(
    ("lines", "are_doubted"),
    [
        # What is left of a card whose times a stroke of a pen made no letters.
        ([("Egil Silver g", 10, 10), ("nsgatan 60 B", 10, 40)], True),
        ([("Egil", 120, 10), ("gatan", 120, 40)], True),
        ([("Hej Egil", 10, 10)], False),
        ([("Lista", 10, 10), ("Filter", 300, 12)], False),
        ([("Idag", 10, 10), ("Vecka 34", 10, 40), ("2 pass", 10, 70)], False),
    ],
)
def test_two_lines_above_the_first_times_may_be_a_card(
    lines: list[Line], are_doubted: bool
) -> None:
    cards = [
        (text, left, top + 200 * place)
        for place in (1, 2)
        for text, left, top in (
            (f"{7 + 2 * place:02}:00 – {8 + 2 * place:02}:00", 10, 10),
            ("Vega Dunge • Skola", 10, 40), ("Lerum, Ringgatan 4", 10, 70),
        )
    ]  # fmt: skip

    assert bool(read_layout(_words([*lines, *cards])).strays) is are_doubted


@pytest.mark.parametrize(("word", "is_cut"), [("", True), ("Ny", False)])
def test_a_bar_without_a_word_hides_what_stood_there(word: str, is_cut: bool) -> None:
    entries = _entries(
        ("08:00", 10, 50),
        ("10:00", 10, 80),
        ("Vega Dunge", 120, 50),
        ("Lerum, Ringgatan 4", 120, 80),
    )
    blank = np.zeros((300, 500), dtype=np.uint8)
    bar = (224.0, 48.0, 300.0, 72.0)
    ink = Ink(blank, blank.astype(np.uint16), 1, (), 12.0, chips=(bar,))
    band = Band(240, 50, 260, 70, ())

    (marked,) = with_marks(entries, [band], (tuple(_words([(word, 240, 50)])),), ink, ())

    assert (checks.TEXT_CUT_SHORT in marked.flags) is is_cut


@pytest.mark.parametrize("word", ["Ledig", "Sjuk", "VAB", "Inställt", "Klara"])
def test_a_word_in_the_place_of_lengths_is_no_length(word: str) -> None:
    entries = _entries(
        ("07:00 – 08:00", 10, 10), ("Vega Dunge • Skola", 10, 40), ("1h", 500, 10),
        ("09:00 – 10:30", 10, 160), ("Vega Dunge • Skola", 10, 190), (word, 500, 160),
    )  # fmt: skip

    doubt = checks.CANCELLED if word == "Inställt" else checks.UNKNOWN_TEXT
    assert [doubt in entry.flags for entry in entries] == [False, word != "Klara"]


@pytest.mark.parametrize("length", ["lh", "ih 3Om", "SSm", "th"])
def test_a_length_that_was_read_as_letters_is_no_word(length: str) -> None:
    entries = _entries(
        ("07:00 – 08:00", 10, 10), ("Vega Dunge • Skola", 10, 40), ("1h", 500, 10),
        ("09:00 – 10:30", 10, 160), ("Vega Dunge • Skola", 10, 190), (length, 500, 160),
    )  # fmt: skip

    assert not any(checks.UNKNOWN_TEXT in entry.flags for entry in entries)


@pytest.mark.parametrize("notice", ["Ej bekräftat", "Not confirmed", "Ehdotus:", "Draft"])
@pytest.mark.parametrize("rest", [["Vega Dunge • Skola"], ["Vega Dunge •", "Skola"]])
def test_what_is_not_settled_is_no_part_of_a_client(notice: str, rest: list[str]) -> None:
    for lines in ([f"{notice} {rest[0]}", *rest[1:]], [notice, *rest]):
        beside = lines[0] == notice
        (entry,) = _entries(
            (f"07:00 – 09:15 {lines[0]}" if beside else "07:00 – 09:15", 10, 10),
            ("2h 15m", 520, 10),
            *((line, 10, 40 + 25 * at) for at, line in enumerate(lines[beside:])),
            ("Lerum, Ringgatan 4", 10, 100),
        )
        assert checks.UNKNOWN_TEXT in entry.flags


@pytest.mark.parametrize("title", ["Ej Disponibel", "Vega Dunge • Skola", "brf Ek • Skola"])
def test_a_known_activity_and_a_client_are_settled(title: str) -> None:
    (entry,) = _entries(("07:00 – 09:15", 10, 10), (title, 10, 40), ("Lerum, Ringgatan 4", 10, 70))

    assert not entry.flags


@pytest.mark.parametrize("group", ["» Klara (2)", "Avslutade (3)", "Done (1)", "Kollegor (3)"])
def test_a_heading_with_a_count_between_cards_may_hide_some(group: str) -> None:
    lines = [
        ("07:00 – 08:00", 10, 10), ("Vega Dunge • Skola", 10, 40), ("Lerum, Ringgatan 4", 10, 70),
        (group, 30, 130),
        ("09:00 – 10:30", 10, 190), ("Ivo Alm • Skola", 10, 220), ("Lerum, Ringgatan 7", 10, 250),
    ]  # fmt: skip

    first, second = _entries(*lines)

    assert (checks.UNKNOWN_TEXT in first.flags) is (group != "Kollegor (3)")
    assert not second.flags


@pytest.mark.parametrize(
    ("name", "is_cut"),
    [
        ("gsmark", True),
        ("ulla Illerbäck", False),
        ("ixten Ängsmark", True),
        ("siw sundklev", False),
        ("von Essen", False),
        ("villa Ekbacken", False),
        ("", False),
    ],
)
def test_a_name_that_begins_within_a_word_is_hidden_in_part(name: str, is_cut: bool) -> None:
    (entry,) = _entries(
        ("07:00 – 09:15", 10, 10), (f"{name} • Skola", 10, 40), ("Lerum, Ringgatan 4", 10, 70)
    )

    assert (checks.TEXT_CUT_SHORT in entry.flags) is is_cut


@pytest.mark.parametrize(("tall", "is_doubted"), [(17.0, True), (12.0, False), (14.0, False)])
def test_a_lone_letter_taller_than_its_line_is_a_ring(tall: float, is_doubted: bool) -> None:
    entries = _entries(("08:00", 10, 50), ("10:00", 10, 80), ("Vega Dunge C", 120, 50))
    blank = np.zeros((300, 500), dtype=np.uint8)
    ink = Ink(blank, blank.astype(np.uint16), 1, (), 12.0)
    boxes = [(121.0, 52.0, 129.0, 64.0), (226.0, 52.0, 233.0, 52.0 + tall)]

    (marked,) = with_marks(entries, (), (), ink, boxes)

    assert (checks.TEXT_CUT_SHORT in marked.flags) is is_doubted


_CHIP = (400.0, 0.0, 480.0, 26.0)


@pytest.mark.parametrize(
    ("chips", "texts", "pictures", "doubted"),
    [
        # Its word hangs at the rim, and is no text of the card: AVB.
        ([168], {168: "AVB"}, [], [1]),
        ([168], {168: "BYTE"}, [], [1]),
        ([195], {}, [], [1]),
        ([45, 195], {}, [], []),
        ([195], {195: "Klar"}, [], []),
        ([195], {}, [(420.0, 196.0, 446.0, 220.0)], []),
        ([290], {290: "AVB"}, [], []),
    ],
    ids=["above a card", "another word", "unread", "on all", "known", "portraits", "below all"],
)
def test_a_chip_whose_word_no_card_has_is_asked_about(
    chips: list[int], texts: dict[int, str], pictures: list[Box], doubted: list[int]
) -> None:
    entries = [
        entry
        for top in (50, 200)
        for entry in _entries(
            (f"{top // 10:02}:00", 10, top), (f"{top // 10 + 1:02}:00", 10, top + 30),
            ("Vega Dunge", 120, top), ("Lerum, Ringgatan 4", 120, top + 30),
        )
    ]  # fmt: skip
    blank = np.zeros((400, 500), dtype=np.uint8)
    boxes = tuple((_CHIP[0], top, _CHIP[2], top + _CHIP[3]) for top in map(float, chips))
    ink = Ink(
        blank,
        blank.astype(np.uint16),
        1,
        (),
        12.0,
        tuple(pictures),
        boxes,
    )
    rows = tuple(tuple(_words([(text, 410, top + 3)])) for top, text in texts.items())
    blind = [Band(0, 0, 1, 1, ()) for _row in rows]

    marked = with_marks(entries, blind, rows, ink, ())

    asked = [at for at, entry in enumerate(marked) if checks.UNKNOWN_TEXT in entry.flags]
    assert asked == doubted
