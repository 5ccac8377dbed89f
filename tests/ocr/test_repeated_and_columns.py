"""Looks that say a start twice, put times or jobs in columns, or end a day without a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont
from tests.ocr.cards import FRIDAY, day_of, image_of, pause, words_at
from tests.ocr.screens import dejavu
from tests.ocr.test_second_reader import BAND, vote

from backfill.ocr.ink.bands import find_bands
from backfill.ocr.ink.preprocess import find_ink
from backfill.ocr.reader.looks import doubtful_bands
from backfill.ocr.screen.layout import Layout, read_layout
from backfill.ocr.screen.reading import Tail
from backfill.ocr.screen.sheet import Sheet, bands_of_sheet
from backfill.ocr.screen.view import View
from backfill.ocr.shift import Shift
from backfill.ocr.text.cells import make_cells
from backfill.ocr.text.dates import find_date, lines_of
from backfill.ocr.text.normalise import normalise_entry
from backfill.ocr.text.timetext import parse_range
from backfill.ocr.words import Word

Line = tuple[str, float, float]


def _layout(*lines: Line) -> Layout:
    return read_layout([word for line in lines for word in words_at(*line)])


def _told(layout: Layout) -> list[tuple[str, ...]]:
    return [_of(normalise_entry(entry)) for entry in layout.entries]


def _of(shift: Shift) -> tuple[str, ...]:
    place = f"{shift.street} {shift.street_number} {shift.city}".strip()
    return shift.start, shift.end, shift.customer_name, shift.raw_type_label, place


FIRST = ("07:00", "09:30", "Vega Dunge", "Skola", "Ekgatan 4 Lerum")
BREAK = ("09:45", "10:15", "", "Rast", "")
LAST = ("10:15", "12:00", "Bo Tuva Ros", "Fönsterputs", "Ågatan 18B Partille")
DAY = (FIRST, BREAK, LAST)


def _line_of_time(*, dash: str, wrapped: bool, tight: bool, behind: str) -> list[Line]:
    """A start left of a line with dots, and the range once more below each title."""
    lines: list[Line] = []
    top = 40.0
    for start, end, client, job, place in DAY:
        lines.append((start, 10.0, top))
        title = f"{client} • {job}" if client else job
        parts = title.rsplit(" ", 1) if wrapped and client else [title]
        street, _blank, town = place.rpartition(" ")
        texts = [*parts, f"{start}{dash}{end}{behind if start == '07:00' else ''}"]
        for text in [*texts, *([f"{street}, {town}"] if place else [])]:
            lines.append((text, 120, top))
            top += 30
        top += 6 if tight else 40
    return lines


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("tight", [False, True])
@pytest.mark.parametrize(("dash", "behind"), [("-", ""), (" – ", " • 2h 30m"), (" till ", "")])
def test_a_start_that_stands_once_more_beside_the_title_is_no_time_without_a_partner(
    dash: str, behind: str, *, wrapped: bool, tight: bool
) -> None:
    layout = _layout(*_line_of_time(dash=dash, wrapped=wrapped, tight=tight, behind=behind))

    assert _told(layout) == [*DAY]
    assert layout.lone_times == layout.strays == ()


@pytest.mark.parametrize("start", ["06:45", "09:30", "17:00"])
def test_another_time_beside_a_title_is_asked_about(start: str) -> None:
    layout = _layout(
        (start, 10, 40), ("Vega Dunge • Skola", 120, 40), ("07:00-09:30", 120, 70),
        ("Ekgatan 4, Lerum", 120, 100),
    )  # fmt: skip

    assert [word.text for word in layout.lone_times] == [start]


COLUMNS = {"client": 200.0, "job": 460.0, "street": 640.0, "town": 860.0}


def _table(
    order: Sequence[str],
    *,
    heads: Sequence[str],
    ends_at: float | None,
    day: Sequence[tuple[str, str, str, str, str]] = DAY,
) -> list[Line]:
    """A table whose rows have start and end in columns of their own, or in one."""
    lines: list[Line] = [(head, 10 + 140.0 * at, 0) for at, head in enumerate(heads)]
    for row, (start, end, client, job, place) in enumerate(day):
        top = 60.0 + 70 * row
        lines.append((start if ends_at else f"{start}-{end}", 10, top))
        lines += [(end, ends_at, top)] if ends_at else []
        street, _blank, town = place.rpartition(" ")
        texts = {"client": client, "job": job, "street": street, "town": town}
        if "town" not in order:
            texts["street"] = f"{town}, {street}" if place else ""
        lefts = sorted(COLUMNS.values())
        lines += [(texts[name], lefts[at], top) for at, name in enumerate(order) if texts[name]]
    return lines


@pytest.mark.parametrize(
    ("order", "heads"),
    [
        (("client", "job", "street"), ("Start", "Slut", "Kund", "Tjänst", "Adress")),
        (("job", "client", "street", "town"), ("Från", "Till", "Uppdrag", "Kund", "Gata", "Ort")),
        (("client", "job", "street", "town"), ()),
    ],
)
@pytest.mark.parametrize("ends_at", [None, 142.0])
def test_a_tables_columns_are_read_each_for_itself(
    order: Sequence[str], heads: Sequence[str], ends_at: float | None
) -> None:
    layout = _layout(*_table(order, heads=heads, ends_at=ends_at))

    assert _told(layout) == [*DAY]
    assert layout.lone_times == layout.strays == ()


def test_two_times_on_one_line_are_a_row_only_where_another_row_has_them_so() -> None:
    layout = _layout(("07:00", 10, 60), ("09:30", 142, 60), ("Vega Dunge", 200, 60))

    assert not layout.entries
    assert len(layout.lone_times) == 2


@pytest.mark.parametrize("times", ["W7:0O-0g", "—"])
def test_a_row_above_the_first_times_that_were_read_is_asked_about(times: str) -> None:
    day = FIRST, LAST, ("13:00", "14:30", "Siv Dal", "Skola", "Nygatan 4 Lerum")
    lines = _table(("client", "job", "street"), heads=("Tid", "Kund"), ends_at=None, day=day)
    heads, rows = lines[:2], lines[2:]
    garbled = [(times, 10, 60), *((text[::-1], left, top) for text, left, top in rows[1:4])]
    layout = _layout(*heads, *garbled, *rows[4:])

    assert _told(layout) == [*day[1:]]
    assert "alokS" in {word.text for word in layout.strays}
    assert not _layout(*heads, *rows).strays


@pytest.mark.parametrize("text", ["Tack för idag!", "Thank you for today", "Danke für heute"])
@pytest.mark.parametrize("top", [140.0, 200.0])
def test_the_days_last_line_ends_it_without_a_time_too(text: str, top: float) -> None:
    lines = ("07:00-09:30", 10.0, 40.0), ("Vega Dunge • Skola", 10.0, 70.0)
    layout = _layout(*lines, ("Ekgatan 4, Lerum", 10, 100), (text, 160, top))

    assert _told(layout) == [FIRST]
    assert layout.farewell == "" and layout.farewell_y == top + 10
    assert _layout(*lines, ("Lerum, Ekgatan 4", 10, 100)).farewell_y is None


@pytest.mark.parametrize(
    ("read", "street"),
    [
        ("Ostra Ekgatan 4", "Östra Ekgatan"), ("Lilla ovre Ekgatan 4", "Lilla Övre Ekgatan"),
        ("Vastra Allén 4", "Västra Allén"), ("Ostragatan 4", "Ostragatan"),
    ],
)  # fmt: skip
def test_words_of_streets_get_their_letters_back(read: str, street: str) -> None:
    (entry,) = _layout(
        ("07:00-09:30", 10, 40), ("Vega Dunge • Skola", 10, 70), (f"{read}, Lerum", 10, 100)
    ).entries

    assert normalise_entry(entry).street == street


@pytest.mark.parametrize("text", ["2025- 11- 20", "2025-11- 20", "Torsdag 2025- 11-20"])
def test_a_date_in_digits_is_read_though_blanks_stand_behind_its_hyphens(text: str) -> None:
    date = find_date(lines_of(make_cells(words_at(text, 10, 10))))

    assert date and (date.year, date.month, date.day) == (2025, 11, 20)


@pytest.mark.parametrize("text", ["0930-10:15", "09.30-1015", "09:30 – 1015 Skola"])
def test_one_sign_of_a_range_may_be_unread(text: str) -> None:
    found = parse_range(text)

    assert found and (found.start, found.end) == ("09:30", "10:15")


def _row(*texts: str, confidence: float = 93.0) -> tuple[Word, ...]:
    words = words_at(" ".join(texts), 0, 0)
    return tuple(replace(word, confidence=confidence) for word in words)


@pytest.mark.parametrize(
    ("row", "heard", "told"),
    [
        (("Lör", "10", "moj"), "Lör 10 maj", "Lör 10 maj"),
        (("Ke", "14.", "tam", "irikuuta"), "Ke 14. tamikuuta", "Ke 14. tamikuuta"),
        (("Mon", "3", "Navember"), "Mon 3 November", "Mon 3 Navember"),
        (("Vega", "Moj"), "Vega Mej", "Vega Moj"),
    ],
)
def test_a_months_name_that_the_second_reader_sees_counts(
    row: tuple[str, ...], heard: str, told: str
) -> None:
    assert " ".join(word.text for word in vote(_row(*row), (), heard)) == told


@pytest.mark.parametrize(("mine", "heard"), [
    ("Kylskåpsrengöring", "ylskåpsrengöring"), ("Fönsterputs", "Fonsterputz"),
])  # fmt: skip
def test_a_known_job_stands_against_what_is_nearly_it(mine: str, heard: str) -> None:
    (word,) = vote(_row(mine, confidence=40.0), (), heard)

    assert word.text == mine and word.confidence >= 95
    (kept,) = vote(_row("Kontor"), (), "Kantor")  # a surname is as near to a short one
    assert kept.confidence <= 50


@pytest.mark.parametrize(
    ("texts", "is_asked"),
    [
        (("Lör", "10", "moj"), True), (("Ke", "14.", "tam", "irikuuta"), True),
        (("20", "november", "x"), True), (("Mina", "pass", "3"), False), (("Lördag",), False),
    ],
)  # fmt: skip
def test_a_heading_that_may_be_the_date_is_looked_at_again_where_none_was_read(
    texts: tuple[str, ...], *, is_asked: bool
) -> None:
    date = find_date(lines_of(make_cells(words_at("Lör 10 maj", 10, 10))))
    assert date
    rows = (_row(*texts),)

    assert doubtful_bands(rows, View(None, (), "", (), Tail.ROOM)) == [0] * is_asked
    assert doubtful_bands(rows, View(date, (), "", (), Tail.ROOM)) == []


HOURS = [(f"{hour:02}:00", 10.0, 100.0 + 120 * at) for at, hour in enumerate(range(7, 12))]


@pytest.mark.parametrize("dash", [" – ", "-", "  "])
def test_times_behind_a_title_are_the_cards_where_a_scale_stands_beside_it(dash: str) -> None:
    titles = ("Vega Dunge", "07:30", "08:30", 165.0), ("Bo Tuva Ros", "09:00", "10:30", 345.0)
    lines: list[Line] = [*HOURS]
    for client, start, end, top in titles:
        lines += [(f"{client} {start}{dash}{end}", 120, top), ("Skola", 120, top + 24)]
        lines.append(("Ekgatan 4, Lerum", 120, top + 48))
    layout = _layout(*lines)

    assert [told[:4] for told in _told(layout)] == [
        (start, end, client, "Skola") for client, start, end, _top in titles
    ]
    assert layout.lone_times == layout.strays == ()


def test_a_breaks_times_behind_a_text_are_asked_about_where_cards_begin_with_theirs() -> None:
    (entry,) = _layout(
        *HOURS, ("07:30 – 11:00", 120, 165), ("Vega Dunge • Skola", 120, 189),
        ("Rast 09:00-09:30", 120, 213), ("Ekgatan 4, Lerum", 120, 237),
    ).entries  # fmt: skip

    assert "unknown_text" in entry.flags


@pytest.mark.parametrize("name", ["Dunge", "Ros"])
def test_a_name_that_goes_on_below_times_told_tall_is_no_state(name: str) -> None:
    times = [*words_at("08:15", 10, 40, 19), *words_at("–", 64, 40, 19)]
    times += words_at("10:45", 80, 40, 27)  # as tall as the letter that hangs below its line
    words = [*times, *words_at("Städning • Vega", 140, 40, 27), *words_at(name, 10, 72, 21)]
    words += words_at("Ekgatan 4, Lerum", 10, 100, 21)
    (entry,) = read_layout(words).entries

    assert entry.title == f"Vega {name} • Städning"


@pytest.mark.parametrize("text", ["2025- 11- 20", "Lör 10 maj"])
@pytest.mark.parametrize("colour", ["#e11d48", "#0a84ff"])
def test_a_heading_in_runs_apart_is_kept_above_the_sheet(text: str, colour: str) -> None:
    image = Image.new("RGB", (600, 900), "white")
    pen = ImageDraw.Draw(image)
    pen.rectangle((0, 0, 600, 120), fill=colour)
    left = 20.0
    for part in text.split():
        pen.text((left, 60), part, "white", ImageFont.truetype(dejavu(is_bold=True), 38))
        left += 34 * len(part) + 60
    for at in range(6):
        pen.text((20, 200 + 40 * at), "Vega Dunge Skola", "black", ImageFont.truetype(dejavu(), 20))
    ink = find_ink(np.asarray(image.convert("L"), dtype=np.uint8), 120)
    bands, _sheet = bands_of_sheet(find_bands(ink), Sheet(120.0, 900.0, (), ()), ink)

    assert BAND not in bands
    assert sum(band.bottom <= 120 for band in bands) == len(text.split())


@pytest.mark.parametrize("box", ["(0", "(0)", "O", "[]", "☐"])
@pytest.mark.parametrize("gap", [20.0, 26.0])
def test_a_box_to_tick_before_the_times_is_no_part_of_them(box: str, gap: float) -> None:
    lines: list[Line] = []
    left = 10 + 10 * len(box) + gap
    for at, (start, end, client, job, _place) in enumerate(DAY):
        top = 40.0 + 150 * at
        lines += [(box, 10, top), (f"{start}-{end}", left, top)]
        lines += [(f"{client} • {job}" if client else job, left, top + 30)]
        lines += [(f"Ekgatan {at + 1}, Lerum", left, top + 60)] if client else []
    layout = _layout(*lines)

    assert [told[:4] for told in _told(layout)] == [row[:4] for row in DAY]
    assert layout.strays == ()


@pytest.mark.parametrize(("hours", "is_asked"), [(("10:00", "11:00"), False), (("15:00",), True)])
def test_an_image_within_a_long_card_is_shown_above_by_one_that_shows_its_head(
    hours: tuple[str, ...], *, is_asked: bool
) -> None:
    head = replace(image_of(pause("07:00", "15:00"), tail=Tail.EDGE), hours=("09:00", "10:00"))
    within = replace(head, entries=(), flags=("cut_above",), hours=hours, tail=Tail.ROOM)

    assert ("image 2: cut_above" in day_of([head, within]).review_reasons) is is_asked


@pytest.mark.parametrize(("text", "is_contradicted", "is_asked"), [
    ("Totalt 11 h 00 min", False, False), ("Totalt 117 h 00 min", True, True),
    ("Summa Il h", False, True), ("Restid Il h", False, False),
])  # fmt: skip
def test_a_sum_of_which_no_sure_length_was_read_is_looked_at_again(
    text: str, is_contradicted: bool, is_asked: bool
) -> None:
    words = [
        replace(word, ink_agrees=False if is_contradicted else None)
        for word in words_at(text, 10, 60)
    ]

    view = View(FRIDAY, (), "", (), Tail.ROOM)

    assert doubtful_bands((tuple(words),), view) == [0] * is_asked


@pytest.mark.parametrize("indent", [0, 24, 44])
def test_lines_of_one_column_that_a_sign_sets_in_keep_their_order(indent: float) -> None:
    """A pin stands before the street of each row, and is no letter; none before the town."""
    rows: list[Line] = []
    for at, (start, end, name, job, place) in enumerate((FIRST, LAST)):
        street, _blank, town = place.rpartition(" ")
        y = 60 + 90 * at
        rows += [(start, 10, y), (end, 10, y + 30), (name, 120, y), (job, 120, y + 30),
                 (street, 400 + indent, y), (f"443 1{at} {town}", 400, y + 28)]  # fmt: skip

    assert _told(_layout(*rows)) == [FIRST, LAST]


@pytest.mark.parametrize(
    ("text", "is_range"),
    [
        ("13:00 5 13:30", True), ("13:00 5> 13:30", True), ("13:00 S 13:30", True),
        ("Kl. 13.00–13.30", True), ("KL. 13.00-13.30", True), ("13:00 7 13:30", False),
    ],
)  # fmt: skip
def test_an_arrow_read_as_a_digit_and_a_word_before_the_times_leave_them_a_range(
    text: str, is_range: bool
) -> None:
    found = parse_range(text)

    assert (found is not None and (found.start, found.end) == ("13:00", "13:30")) is is_range


@pytest.mark.parametrize(
    ("way", "is_known"),
    [
        ("20 min • 12 km", True), ("4 min · 7,5 km", True), ("12 km", True),
        ("20 min • 12 kr", False),
    ],
)  # fmt: skip
def test_the_way_between_two_shifts_is_none(way: str, is_known: bool) -> None:
    lines: list[Line] = []
    for at, (start, end, name, job, _place) in enumerate((FIRST, LAST, FIRST)):
        y = 20 + 220 * at
        lines += [
            (f"{name} • {job}", 60, y),
            (f"{start}–{end}", 460, y),
            ("Ekgatan 4, Lerum", 60, y + 30),
        ]
        lines += [(way, 60, y + 120)] if at < 2 else []
    layout = _layout(*lines)

    assert (not layout.strays and not any(e.flags for e in layout.entries)) is is_known


@pytest.mark.parametrize("sign", ["", "4 ", "AA "])
@pytest.mark.parametrize(
    ("owners", "day", "is_dropped"),
    [
        (("Lisa Berg",) * 3, DAY, True),
        (("Lisa Berg", "Lisa Berg", "Olle Ek"), DAY, False),
        # Where none but clients' cards have it, it may be a place.
        (("Stora Höga",) * 3, (FIRST, LAST, LAST), False),
    ],
)
def test_a_name_on_every_card_a_lunch_too_is_no_part_of_them(
    sign: str, owners: Sequence[str], day: Sequence[tuple[str, ...]], is_dropped: bool
) -> None:
    lines: list[Line] = []
    for at, ((start, end, name, job, place), owner) in enumerate(zip(day, owners, strict=True)):
        texts = [
            " • ".join(filter(None, (name, job))),
            ", ".join(place.rsplit(" ", 1)),
            f"{sign}{owner}",
        ]
        y = 20 + 180 * at
        lines += [(f"{start} – {end}", 10, y)]
        lines += [(t, 10, y + 30 * n) for n, t in enumerate(filter(None, texts), 1)]

    told = _told(_layout(*lines))

    assert (told == [*day]) is is_dropped


@pytest.mark.parametrize(
    ("heading", "is_own"),
    [("Dina uppdrag:", True), ("Dagens pass", True), ("Annas uppdrag", False)],
)
def test_a_heading_of_ones_own_shifts_is_no_part_of_the_first(heading: str, is_own: bool) -> None:
    layout = _layout(
        (heading, 10, 10), ("07:00 – 09:30", 10, 40), ("Vega Dunge • Skola", 10, 70),
        ("Ekgatan 4, Lerum", 10, 100),
    )  # fmt: skip

    assert _told(layout) == [FIRST]
    assert (not layout.entries[0].flags) is is_own
