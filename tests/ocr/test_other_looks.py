"""Looks that write a card's values in other places and orders than the app: words and lines."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import pytest

from backfill.ocr.day.meaning import doubts_of, have_one_word
from backfill.ocr.screen import checks
from backfill.ocr.screen.layout import read_layout
from backfill.ocr.shift import Entry, Shift
from backfill.ocr.text.cells import make_cells
from backfill.ocr.text.dates import DateFailure, find_date, lines_of, resolve_date, shows_other_day
from backfill.ocr.text.normalise import normalise_entry
from backfill.ocr.text.timetext import parse_duration, parse_range
from backfill.ocr.text.title_order import arrange, is_name
from backfill.ocr.words import Word

Line = tuple[str, float, float]


def _words(lines: Sequence[Line], tall: float = 20) -> list[Word]:
    """The words of lines (text, left, top), ten pixels a letter, as high as two."""
    words = []
    for text, left, top in lines:
        x = left
        for part in text.split():
            words.append(Word(part, x, top, 10.0 * len(part), tall, 96.0))
            x += 10.0 * len(part) + 8
    return words


def _entries(*lines: Line) -> tuple[Entry, ...]:
    return checks.check_times(read_layout(_words(lines)).entries)


def _shifts(*lines: Line) -> list[tuple[str, ...]]:
    shifts = [normalise_entry(entry) for entry in _entries(*lines)]
    return [
        (s.start, s.end, s.customer_name, s.raw_type_label, s.street, s.street_number, s.city)
        for s in shifts
    ]


WHERE = ("Ringgatan", "4", "Lerum")


@pytest.mark.parametrize(
    "texts",
    [
        ("Vega Dunge", "Hemstädning", "Ringgatan 4", "Lerum"),
        ("Hemstädning", "Vega Dunge", "Ringgatan 4", "Lerum"),
        ("Hemstädning", "Vega Dunge", "Ringgatan 4, 443 30 Lerum"),
        ("Hemstädning | Vega Dunge", "Lerum, Ringgatan 4"),
        ("Hemstädning – Vega Dunge", "Ringgatan 4", "443 30 Lerum"),
        ("Vega Dunge", "Hemstädning, Ringgatan 4", "Lerum"),
        ("Hemstädning: Vega Dunge", "Ringgatan 4, Lerum"),
        # What a long dash and a bullet are read as.
        ("Hemstädning —- Vega Dunge", "Ringgatan 4, Lerum"),
        ("Hemstädning", "Vega Dunge, Lerum,", "Ringgatan 4"),
        ("Hemstädning = Vega Dunge", "Ringgatan 4, Lerum"),
        ("Hemstädning + Vega Dunge", "Ringgatan 4, Lerum"),
    ],
)
def test_client_and_job_are_told_apart_in_any_order(texts: Sequence[str]) -> None:
    lines = [(text, 10.0, 40.0 + 30 * place) for place, text in enumerate(texts)]

    assert _shifts(("07:00 – 09:15", 10, 10), *lines) == [
        ("07:00", "09:15", "Vega Dunge", "Hemstädning", *WHERE)
    ]


@pytest.mark.parametrize("note", ["Ta med mopp", "Portkod 4821", "Ny", "Lerum", "Avbokat", "Lunch"])
def test_what_is_no_name_is_no_client_beside_a_job(note: str) -> None:
    assert not is_name(note)
    assert arrange(["Hemstädning", note], ["Ringgatan 4"]) == (
        ["Hemstädning", note],
        ["Ringgatan 4"],
    )


def test_a_job_at_an_address_without_a_client_is_asked_about() -> None:
    (entry,) = _entries(
        ("07:00 – 09:15", 10, 10), ("Skola", 10, 40), ("Lerum, Ringgatan 4", 10, 70)
    )

    assert checks.NAMELESS in doubts_of(entry, normalise_entry(entry))


def test_captions_beside_the_values_are_no_part_of_them() -> None:
    card = [
        (("Start", 10.0), ("07:00", 200.0)), (("Slut", 10.0), ("09:15", 200.0)),
        (("Kund", 10.0), ("Vega Dunge", 200.0)), (("Uppdrag", 10.0), ("Skola", 200.0)),
        (("Adress", 10.0), ("Lerum, Ringgatan 4", 200.0)),
    ]  # fmt: skip
    lines = [(text, left, 10.0 + 30 * row) for row, pair in enumerate(card) for text, left in pair]

    assert _shifts(*lines) == [("07:00", "09:15", "Vega Dunge", "Skola", *WHERE)]


def test_a_caption_that_nobody_knows_is_asked_about_once_each_client_begins_with_it() -> None:
    names = ["Brukare Vega Dunge", "Brukare Ivo Alm", "Brukare Tove Hed"]
    shifts = [Shift("07:00", "08:00", n, "", "", "", "", "", "", "", "WORK", "") for n in names]

    assert have_one_word(shifts)
    assert not have_one_word(shifts[:2])


def test_a_second_column_says_where_however_it_wraps() -> None:
    rows: list[Line] = []
    for top, start, name in (
        (10.0, "07:00–08:00", "Vega Dunge"),
        (130.0, "09:00–10:00", "Ivo Alm"),
    ):
        rows += [
            (start, 10, top), (name, 160, top), ("Stora Torget", 400, top),
            ("Skola", 160, top + 26), ("51, Lerum", 400, top + 26),
        ]  # fmt: skip

    assert [shift[2:] for shift in _shifts(*rows)] == [
        (name, "Skola", "Stora Torget", "51", "Lerum") for name in ("Vega Dunge", "Ivo Alm")
    ]


@pytest.mark.parametrize("gap", [30, 50])
def test_two_times_side_by_side_are_a_range_whose_dash_was_not_read(gap: int) -> None:
    (entry,) = _entries(("07:00", 10, 10), ("09:15", 60 + gap, 10), ("Lunch", 10, 40))

    assert (entry.start, entry.end) == ("07:00", "09:15")


@pytest.mark.parametrize(
    ("text", "minutes"),
    [("1 hr 30 min", 90), ("(1,5 h)", 90), ("1:30 h", 90), ("2 tim 15 min", 135), ("0,75 tim", 45)],
)
def test_a_length_may_be_written_in_many_ways(text: str, minutes: int) -> None:
    (entry,) = _entries(("07:00 – 09:15", 10, 10), (text, 420, 10), ("Lunch", 10, 40))

    assert parse_duration(text) == minutes == entry.duration_minutes


def test_a_text_left_of_times_and_titles_is_no_part_of_the_card() -> None:
    entries = _entries(
        ("07:00 – 09:15", 150, 10), ("Rast", 150, 40),
        ("Reserv", 10, 100), ("10:00 – 11:00", 150, 130), ("Lunch", 150, 160),
    )  # fmt: skip

    assert [entry.title for entry in entries] == ["Rast", "Lunch"]
    assert any(checks.UNKNOWN_TEXT in entry.flags for entry in entries)


@pytest.mark.parametrize("client", ["Café 24", "Vega Dunge"])
@pytest.mark.parametrize(
    "job", [("Skola",), ("Inledande", "storstädning"), ("Överlåtet", "Vikarie")]
)
def test_a_job_that_goes_on_below_its_client_is_known_as_one(
    client: str, job: tuple[str, ...]
) -> None:
    """The lengths at the right show that the client's line had room for the job's first word."""
    lines = [(text, 120, 40 + 30 * at) for at, text in enumerate(job)]
    (entry,) = _entries(
        ("07:00", 10, 10), ("09:15", 10, 40), (client, 120, 10), *lines,
        ("Ringgatan 14, Mölnlycke Östra", 120, 120), ("2h 15m", 520, 10),
    )  # fmt: skip

    assert (checks.UNKNOWN_TEXT in entry.flags) is ("Vikarie" in job)


def test_a_title_that_breaks_though_there_is_room_is_two_texts() -> None:
    (entry,) = _entries(
        ("07:00 – 09:15", 10, 10), ("Överlåtet", 10, 40), ("Vega Dunge", 10, 70),
        ("Västra Frölunda, Ringgatan 14", 10, 100),
    )  # fmt: skip

    assert checks.UNKNOWN_TEXT in entry.flags


@pytest.mark.parametrize(
    ("start", "end", "is_asked"),
    [("12:15", "3:15", True), ("21:30", "5:30", False), ("12:15 PM", "3:15 PM", False)],
)
def test_a_shift_that_ends_before_it_begins_at_noon_is_asked_about(
    start: str, end: str, *, is_asked: bool
) -> None:
    (entry,) = _entries((f"{start} – {end}", 10, 10), ("Lunch", 10, 40))

    assert (checks.HALF_OF_DAY in entry.flags) is is_asked


@pytest.mark.parametrize(
    ("lines", "date"),
    [
        ([("Torsdag 6/11", 10, 40)], dt.date(2025, 11, 6)),
        ([("Idag, tor 6 nov", 10, 40)], dt.date(2025, 11, 6)),
        ([("Man 3. nov", 10, 40)], dt.date(2025, 11, 3)),
        ([("November 2025", 10, 40), ("tor", 12, 90), ("6", 22, 115)], dt.date(2025, 11, 6)),
        # Of the two ways the one whose weekday fits near the day of sending.
        ([("Thursday 6/11", 10, 40)], dt.date(2025, 11, 6)),
        ([("Thursday 11/6", 10, 40)], dt.date(2025, 11, 6)),
        ([("Lerdag 8/11", 10, 40)], dt.date(2025, 11, 8)),  # ø is no letter of the reader's
        ([("Lokakuuta 2025", 10, 40), ("maa", 12, 90), ("13", 22, 115)], dt.date(2025, 10, 13)),
        # Of two days none is known to be meant.
        ([("November 2025", 10, 40), ("tor 6", 12, 90), ("fre 7", 12, 290)], None),
    ],
)
def test_dates_stand_in_many_forms(lines: list[Line], date: dt.date | None) -> None:
    evidence = find_date(lines_of(make_cells(_words(lines))))

    assert (evidence and resolve_date(evidence, dt.date(2025, 11, 4)).date) == date


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("Friday 9/5", dt.date(2025, 7, 7)),  # 9 May and 5 September 2025 are Fridays
        ("Tuesday 9/8", dt.date(2025, 8, 7)),  # neither day is a Tuesday
        ("Thursday 6/11", dt.date(2024, 3, 1)),  # a Thursday, but far away
    ],
)
def test_a_date_whose_month_is_not_told_is_no_date(text: str, sent: dt.date) -> None:
    evidence = find_date(lines_of(make_cells(_words([(text, 10, 40)]))))

    assert evidence is not None
    with pytest.raises(DateFailure, match="which number is the month"):
        resolve_date(evidence, sent)


@pytest.mark.parametrize("word", ["Imorgon", "Tomorrow", "I morgen", "Huomenna"])
def test_a_heading_that_names_the_day_after_is_another_day(word: str) -> None:
    words = _words([("Torsdag 6 november", 10, 40), (word, 10, 300)])
    cells = lines_of(make_cells(words))
    evidence = find_date(cells)

    assert evidence is not None
    assert shows_other_day(cells, evidence)


@pytest.mark.parametrize(
    "texts",
    [
        # A job that nobody knows stands where clients do, and the client above the street.
        ("Provarbete", "Vega Dunge", "Östra Ringgatan 122, Lerum"),
        # Ö. read as 6.
        ("Vega Dunge • Skola", "6. Promenaden 20, Lerum"),
        ("Vega Dunge • Skola", "Ringgatan 4, 443 30 Lerum kod 4821"),
        ("Vega Dunge • Skola", "Ringgatan 4, 443 30 Lerum", "OBS husdjur"),
        ("Vega 17 Dunge • Skola", "Ringgatan 4, Lerum"),
        ("Ersatt: Vega Dunge • Skola", "Ringgatan 4, Lerum"),
        ("Reserv Vega Dunge • Skola", "Ringgatan 4, Lerum"),
    ],
)
def test_a_text_that_no_part_of_a_shift_has_is_asked_about(texts: Sequence[str]) -> None:
    lines = [(text, 10.0, 40.0 + 30 * place) for place, text in enumerate(texts)]
    (entry,) = _entries(("07:00 – 09:15", 10, 10), *lines)

    flags = (*entry.flags, *doubts_of(entry, normalise_entry(entry)))
    assert {checks.UNKNOWN_TEXT, checks.LABEL_UNKNOWN} & set(flags)


@pytest.mark.parametrize("length", ["2h 15m", "(2:15 h)", "2 tim 15 min", "2,25 h"])
def test_a_length_right_behind_the_times_is_no_badge(length: str) -> None:
    (entry,) = _entries(
        (f"07:00 – 09:15 {length}", 10, 10), ("Vega Dunge • Skola", 10, 40),
        ("Lerum, Ringgatan 4", 10, 70), ("Beläget i Västra Frölunda strax intill", 10, 100),
    )[:1]  # fmt: skip

    assert entry.duration_minutes == 135
    assert entry.title == "Vega Dunge • Skola"


def test_a_town_below_the_address_is_no_state_below_the_times() -> None:
    assert _shifts(
        ("07:00 – 09:15", 10, 10), ("Vega Dunge • Skola", 160, 10), ("Ringgatan 4", 10, 50),
        ("Lerum", 10, 80),
    ) == [("07:00", "09:15", "Vega Dunge", "Skola", *WHERE)]  # fmt: skip


@pytest.mark.parametrize("town", ["Lerum", "Kungsbacka"])
def test_a_small_town_below_a_small_address_is_no_state_below_the_times(town: str) -> None:
    words = [
        *_words([("07:00 – 09:15", 10, 10), ("Vega Dunge • Skola", 160, 10)], tall=28),
        *_words([("Ringgatan 4", 10, 42), (town, 10, 66)], tall=18),
    ]
    (entry,) = checks.check_times(read_layout(words).entries)

    assert (entry.address, entry.location, entry.flags) == ("Ringgatan 4", town, ())


@pytest.mark.parametrize("job", ["Skola", "Städservice"])
def test_a_job_below_the_times_is_no_state(job: str) -> None:
    words = [
        *_words([("07:00 – 09:15", 10, 10), ("Vega Dunge •", 160, 10)], tall=28),
        *_words([(job, 10, 42)], tall=18),
        *_words([("Ringgatan 4, Lerum", 10, 72)], tall=28),
    ]
    (entry,) = checks.check_times(read_layout(words).entries)

    assert (entry.title, entry.flags) == (f"Vega Dunge • {job}", ())


def test_a_house_number_wraps_in_its_own_column_beside_a_job() -> None:
    rows: list[Line] = []
    for top, start in ((10.0, "07:00–08:00"), (130.0, "09:00–10:00")):
        rows += [
            (start, 10, top), ("Vega Dunge", 160, top + 2), ("Lerum, Stora Vägen", 400, top),
            ("Skola", 160, top + 28), ("151", 400, top + 26),
        ]  # fmt: skip

    assert [shift[4:] for shift in _shifts(*rows)] == [("Stora Vägen", "151", "Lerum")] * 2


def test_a_house_number_on_a_line_of_its_own_is_the_streets_above_it() -> None:
    rows: list[Line] = []
    for top, start in ((10.0, "07:00–08:00"), (130.0, "09:00–10:00")):
        rows += [
            (start, 10, top), ("Vega Dunge • Skola", 160, top + 2), ("Stora Vägen", 400, top),
            ("85,", 400, top + 26), ("443 40 Lerum", 400, top + 52),
        ]  # fmt: skip

    assert [shift[4:] for shift in _shifts(*rows)] == [("Stora Vägen", "85", "Lerum")] * 2


@pytest.mark.parametrize("wide", [30, 45])
def test_the_half_of_the_day_may_stand_apart_from_its_time(wide: float) -> None:
    words = _words([("8:30", 10, 10), ("10:30", 10, 40), ("AM", 60 + wide, 40)])
    words += _words([("AM", 50 + wide, 10), ("Vega Dunge • Skola", 200, 10)])
    (entry,) = checks.check_times(read_layout(words).entries)

    assert (entry.start, entry.end) == ("08:30", "10:30")
    assert checks.HALF_OF_DAY not in entry.flags


@pytest.mark.parametrize("length", ["1h", "1 h", "1hr", "1,0 h"])
def test_a_length_glued_to_the_times_is_one(length: str) -> None:
    (entry,) = _entries(
        (f"15:00 – 16:00{length}", 10, 10), ("Vega Dunge • Skola", 10, 40),
        ("Lerum, Ringgatan 4", 10, 70),
    )  # fmt: skip

    assert (entry.start, entry.end, entry.duration_minutes) == ("15:00", "16:00", 60)
    (entry,) = _entries((f"15:00- 16:00{length}", 10, 10), ("Rast", 10, 40))
    assert (entry.start, entry.end, entry.duration_minutes) == ("15:00", "16:00", 60)
    assert parse_range("15:00 – 16:001") is None


@pytest.mark.parametrize("length", ["2 tim 15 min", "(2 tim 15 min)", "2 h 15 m"])
def test_the_hours_of_a_length_are_no_sign_before_an_address(length: str) -> None:
    lines = [
        (text, 10.0, top + down)
        for top, start in ((10.0, "07:00 – 09:15"), (160.0, "10:00 – 12:15"))
        for text, down in (
            (start, 0), ("Vega Dunge • Skola", 30), ("Ringgatan 4, Lerum", 60), (length, 90)
        )
    ]  # fmt: skip

    assert [(e.title, e.duration_minutes) for e in _entries(*lines)] == [
        ("Vega Dunge • Skola", 135)
    ] * 2


def test_a_text_beside_a_range_of_times_is_a_cell_of_its_own() -> None:
    cells = make_cells(_words([("09:30 – 12:45", 10, 40), ("Ringgatan 161", 146, 40)]))

    assert [cell.text for cell in cells] == ["09:30 – 12:45", "Ringgatan 161"]


@pytest.mark.parametrize("signs", ['"”', "'’", "||", "“„"])
def test_the_round_ends_of_a_chip_part_no_times(signs: str) -> None:
    (entry,) = _entries(
        (f"{signs[0]}07:00- 09:15{signs[1]}", 10, 10), ("Vega Dunge • Skola", 10, 40),
        ("Lerum, Ringgatan 4", 10, 70),
    )  # fmt: skip

    assert (entry.start, entry.end, entry.title) == ("07:00", "09:15", "Vega Dunge • Skola")


@pytest.mark.parametrize("name", ["Karl- Åke Öberg", "Berit Alm- Ek"])
def test_a_name_has_no_blank_behind_its_hyphen(name: str) -> None:
    (entry,) = _entries(
        ("07:00 – 09:15", 10, 10), (f"{name} • Skola", 10, 40), ("Lerum, Ringgatan 4", 10, 70)
    )

    assert normalise_entry(entry).customer_name == name.replace("- ", "-")
