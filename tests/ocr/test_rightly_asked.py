"""What is settled by evidence of the screen itself is not asked about; without it, it is."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from tests.ocr.cards import FRIDAY, card_of, day_of, image_of, pause, words_at

from backfill.ocr.day.aggregate import without_worse_twins
from backfill.ocr.day.meaning import doubts_of
from backfill.ocr.ink.preprocess import find_ink
from backfill.ocr.screen import checks
from backfill.ocr.screen.captions import without_sent
from backfill.ocr.screen.checks import check_times, time_confidence
from backfill.ocr.screen.layout import read_layout
from backfill.ocr.screen.reading import Tail, reading_of_json
from backfill.ocr.screen.sheet import Bar, Sheet
from backfill.ocr.screen.view import View, interpret
from backfill.ocr.shift import Entry
from backfill.ocr.text.cells import make_cells
from backfill.ocr.text.normalise import normalise_entry
from backfill.ocr.text.timetext import parse_duration, parse_range
from backfill.ocr.words import Word

Line = tuple[str, float, float]
TIMES: Line = ("07:15 – 09:00", 10, 10)


def _doubts(entry: Entry) -> set[str]:
    return {*entry.flags, *doubts_of(entry, normalise_entry(entry))}


def _titled(*texts: str) -> Entry:
    return card_of(TIMES, *((text, 10.0, 40.0 + 30 * at) for at, text in enumerate(texts)))


@pytest.mark.parametrize(
    ("texts", "name"),
    [
        (("Galleri 12 • Fönsterputs", "Ekgatan 4, Lerum"), "Galleri 12"),
        (("Galleri 12", "Fönsterputs", "Ekgatan 4", "Lerum"), "Galleri 12"),
        (("Fönsterputs", "Galleri 12", "Lerum, Ekgatan 4"), "Galleri 12"),
        (("Kvarter 107 – Fönsterputs", "Ekgatan 4, 443 30 Lerum"), "Kvarter 107"),
    ],
)
def test_a_number_at_the_end_of_a_client_is_a_part_of_the_name(
    texts: tuple[str, ...], name: str
) -> None:
    entry = _titled(*texts)
    shift = normalise_entry(entry)

    assert (shift.customer_name, shift.raw_type_label) == (name, "Fönsterputs")
    assert (shift.street, shift.street_number, shift.city) == ("Ekgatan", "4", "Lerum")
    assert not _doubts(entry)


@pytest.mark.parametrize("title", ["Galleri 1 • Skola", "Galleri 12 Skola", "Galleri 1"])
def test_a_number_that_may_be_a_sign_is_asked_about(title: str) -> None:
    assert checks.UNKNOWN_TEXT in _doubts(_titled(title, "Ekgatan 4, Lerum"))


@pytest.mark.parametrize(
    "count",
    [
        Word("12", 97, 40, 20, 20, 96.0, 200.0),
        Word("12", 90, 40, 20, 20, 96.0, 120.0),
        Word("12", 90, 48, 12, 9, 96.0, 200.0),
        Word("12", 90, 40, 20, 20, 60.0, 200.0),
    ],
    ids=["apart", "paler", "smaller", "hardly read"],
)
def test_a_count_beside_a_client_is_asked_about(count: Word) -> None:
    name = [replace(word, contrast=200.0) for word in words_at("Galleri", 10, 40)]
    words = [*words_at(*TIMES), *name, count, *words_at("Ekgatan 4, Lerum", 10, 70)]
    (entry,) = check_times(read_layout(words).entries)

    assert {checks.UNKNOWN_TEXT, checks.TITLE_UNSURE} & _doubts(entry)


def test_a_numbered_activity_is_no_client() -> None:
    entry = card_of(TIMES, ("Lunch 1", 10, 40))

    assert normalise_entry(entry).customer_name == ""
    assert not _doubts(entry)


@pytest.mark.parametrize("head", ["(() ", "' ", ""])
def test_a_job_of_two_lines_stands_above_its_client(head: str) -> None:
    texts = (f"{head}Inledande", "storstädning", "Vega Dunge", "Ekgatan 4", "Lerum")
    shift = normalise_entry(_titled(*texts))

    assert (shift.customer_name, shift.raw_type_label) == ("Vega Dunge", "Inledande Storstädning")


CLEAN = Entry("08:15", "12:15", "Linnéa Hällström • Skola", "", "Särö, Ljungbacken 72")


@pytest.mark.parametrize(
    "part",
    [
        replace(CLEAN, title="", flags=(checks.TITLE_MISSING,)),
        replace(CLEAN, title="Skola", address="", flags=(checks.TITLE_UNSURE,)),
        replace(CLEAN, title="Särö, Ljungbacken 72", address="", flags=(checks.TITLE_UNSURE,)),
        replace(CLEAN, title="Linnea Hällstrom • Skola", flags=(checks.TITLE_UNSURE,)),
    ],
    ids=["no title", "covered", "no head", "heads of letters cut"],
)
def test_a_part_of_a_card_gives_way_to_the_whole_one(part: Entry) -> None:
    assert without_worse_twins([[CLEAN], [part]]) == ((CLEAN,), ())
    assert without_worse_twins([[part], [CLEAN]]) == ((), (CLEAN,))


@pytest.mark.parametrize(
    "other",
    [
        replace(CLEAN, title="Vega Dunge • Skola", flags=(checks.TITLE_UNSURE,)),
        replace(CLEAN, title="Skola", address="", end="12:00", flags=(checks.TITLE_UNSURE,)),
        replace(CLEAN, title="Skola", address="Särö, Ljungbacken 7", flags=(checks.TITLE_UNSURE,)),
    ],
    ids=["another client", "other times", "another number"],
)
def test_what_may_be_another_card_stays(other: Entry) -> None:
    assert without_worse_twins([[CLEAN], [other]]) == ((CLEAN,), (other,))


MORNING, NOON, EVENING = (pause(f"{h:02}:00", f"{h:02}:30") for h in (7, 12, 16))


def test_a_card_that_a_heading_cuts_is_shown_by_an_image_further_up() -> None:
    upper = image_of(MORNING, NOON, tail=Tail.EDGE)
    lower = image_of(NOON, EVENING, flags=(checks.CUT_ABOVE,))

    assert day_of([upper, lower]).review_reasons == ()
    assert day_of([lower, upper]).review_reasons == ()


@pytest.mark.parametrize("upper", [(NOON,), (NOON, EVENING), (MORNING,)])
def test_a_card_that_a_heading_cuts_and_no_other_image_shows_is_asked_about(
    upper: tuple[Entry, ...],
) -> None:
    lower = image_of(NOON, EVENING, flags=(checks.CUT_ABOVE,))

    assert f"image 2: {checks.CUT_ABOVE}" in day_of([image_of(*upper), lower]).review_reasons


def _seen(*lines: Line, bars: tuple[Bar, ...] = (), heading: float = 20) -> View:
    """What is made of words around a heading that stays in its place."""
    words = [*words_at(FRIDAY.text, 10, heading), *(w for line in lines for w in words_at(*line))]
    ink = find_ink(np.full((900, 400), 255, dtype=np.uint8))
    return interpret(
        tuple((word,) for word in words), Sheet(0, 900, (), bars), replace(ink, letter_px=15.0)
    )


CARD: tuple[Line, ...] = (("09:15 – 11:00", 30, 200), ("Vega Dunge • Skola", 30, 230))


def test_what_stands_between_heading_and_first_card_is_of_one_that_the_heading_cuts() -> None:
    assert _seen(("Fönsterputs", 30, 60), *CARD).flags == (checks.CUT_ABOVE,)
    bars = (Bar(20, 50, 26, 150), Bar(20, 195, 26, 250))
    assert _seen(*CARD, bars=bars).flags == (checks.CUT_ABOVE,)
    assert _seen(*CARD, bars=bars[1:]).flags == ()


@pytest.mark.parametrize(
    ("line", "doubts"),
    [
        ("Ej fastställt schema", {checks.PROVISIONAL}), ("Draft", {checks.PROVISIONAL}),
        ("Preliminärt schema", {checks.PROVISIONAL}), ("Offline", {checks.PROVISIONAL}),
        ("Showing yesterday's shifts", {checks.PROVISIONAL, checks.WHOSE}),
        ("Foreløbig vagtplan", {checks.PROVISIONAL}), ("Klara (2)", {checks.CUT_ABOVE}),
        ("Vorläufiger Dienstplan", {checks.PROVISIONAL}),
        ("Alustava työvuorolista", {checks.PROVISIONAL}),
        ("Schemat är inte låst", {checks.PROVISIONAL}),
        ("Vagten er ikke låst", {checks.PROVISIONAL}),
        ("Synced 3 days ago", {checks.PROVISIONAL}),
        ("Hämtat 2 veckor sedan", {checks.PROVISIONAL}),
        ("Synced 3 minutes ago", set()), ("3 dagar kvar", set()),
        ("Annas schema", {checks.WHOSE}), ("Bo's shifts", {checks.WHOSE}),
        ("Visar: Siv Ek", {checks.WHOSE}), ("Viewing Bo Alm", {checks.WHOSE}),
        ("Filter: Kontor", {checks.WHOSE, checks.CUT_ABOVE}),
        ("Glöm inte att checka in", set()), ("Godkänt schema", set()), ("Kommande (1)", set()),
        ("Mitt schema", set()), ("Dagens uppdrag", set()), ("Mine vakter A", set()),
        ("Hej Siv!", set()), ("Västra Frölunda", set()), ("God morgon", set()),
    ],
)  # fmt: skip
@pytest.mark.parametrize("heading", [140.0, 20.0], ids=["above the date", "below the date"])
def test_what_a_line_above_the_cards_says_of_all_of_them_is_asked_about(
    line: str, doubts: set[str], heading: float
) -> None:
    below_only = {checks.CUT_ABOVE} if heading > 100 else set[str]()

    assert {*_seen((line, 30, 90), *CARD, heading=heading).flags} == doubts - below_only


@pytest.mark.parametrize("heading", [20.0, 140.0])
def test_a_name_is_somebodys_above_the_date_and_perhaps_a_clients_below(heading: float) -> None:
    view = _seen(("Siv Ek v", 30, 90), *CARD, heading=heading)

    assert (checks.WHOSE in view.flags) is (heading > 100)


@pytest.mark.parametrize(("top", "is_doubted"), [(340, True), (560, False)])
def test_the_bar_of_an_app_between_cards_hides_some(top: float, is_doubted: bool) -> None:
    lower: tuple[Line, ...] = (("12:15 – 13:00", 30, 450), ("Vega Dunge • Skola", 30, 480))
    bar: tuple[Line, ...] = (("Schema", 30, top), ("Konto", 300, top))

    assert (checks.ROOM_BETWEEN in _seen(*CARD, *bar, *lower).flags) is is_doubted


def test_a_bar_further_down_is_of_a_card_that_was_not_read() -> None:
    bars = (Bar(20, 195, 26, 250), Bar(20, 400, 26, 480))

    assert _seen(*CARD, bars=bars).flags == (checks.CARD_COUNT_MISMATCH,)


@pytest.mark.parametrize(
    ("times", "is_of_two"),
    [
        (("22:00 – 06:00", "06:30 – 09:00"), True),
        (("21:30 – 00:00", "07:15 – 09:00"), True),
        (("07:15 – 09:00", "22:00 – 06:00"), False),
        (("07:15 – 09:00", "07:15 – 09:00"), False),
        (("14:00 – 15:00", "07:15 – 09:00"), True),
        (("20:00 – 24:00", "22:00 – 23:00"), False),
    ],
)
def test_a_card_above_one_that_begins_earlier_is_of_another_day(
    times: tuple[str, str], is_of_two: bool
) -> None:
    cards = [
        line
        for at, text in enumerate(times)
        for line in ((text, 30.0, 200 + 150.0 * at), ("Vega Dunge • Skola", 30.0, 230 + 150.0 * at))
    ]

    assert (checks.SECOND_DAY in _seen(*cards).flags) is is_of_two


def _timed(start: str, end: str, *, is_sure: bool) -> Entry:
    words = tuple(
        Word(time, 0, 0, 50, 20, 96.0, ink_agrees=True if is_sure else None)
        for time in (start, end)
    )
    return Entry(start, end, "Vega Dunge • Skola", "", "Ekgatan 4, Lerum", words=words)


@pytest.mark.parametrize(("one", "two"), [(True, True), (True, False), (False, True)])
def test_two_shifts_at_one_time_are_asked_about_unless_two_readers_say_so(
    one: bool, two: bool
) -> None:
    cards = (_timed("08:00", "10:00", is_sure=one), _timed("09:00", "11:00", is_sure=two))

    flags = check_times(cards)[0].flags
    assert flags == (() if one and two else (checks.OVERLAPS_NEXT,))


def test_times_of_the_afternoon_are_as_sure_as_their_words() -> None:
    words = (*words_at("2:10 PM – 2:40 PM", 10, 10), *words_at("Lunch", 10, 40))
    (entry,) = read_layout(list(words)).entries

    assert (entry.start, entry.end) == ("14:10", "14:40")
    assert time_confidence(entry) == 96.0


@pytest.mark.parametrize("text", ["60 min", "90 min", "95min"])
def test_minutes_of_more_than_an_hour_are_a_length(text: str) -> None:
    assert parse_duration(text) == int(text[:2])


def test_an_arrow_that_was_read_as_a_plus_divides_a_range() -> None:
    found = parse_range("10:00 + 11:30")

    assert found is not None
    assert (found.start, found.end) == ("10:00", "11:30")
    assert card_of(("10:00 + 11:30", 10, 10), ("Lunch", 10, 40)).end == "11:30"


def test_hours_of_a_scale_that_begin_at_one_edge_are_a_scale() -> None:
    hours = [
        Word(time, 0, 10 + 100 * at, 10 * len(time), 20)
        for at, time in enumerate(("11:00", "12:00", "1:00", "2:00"))
    ]
    halves = [
        replace(hour, text="AM" if not at else "PM", left=hour.right + 6, width=20)
        for at, hour in enumerate(hours)
    ]
    card = [*words_at("11:10 AM – 1:45 PM", 200, 60), *words_at("Vega Dunge • Skola", 200, 90)]

    assert read_layout([*hours, *halves, *card]).lone_times == ()


def _message(top: float, sent: Sequence[Word], *, on_line: bool = False) -> list[Word]:
    """A message with a card's three lines, and when it was sent at its end."""
    lines = [
        (f"{8 + top // 200:02.0f}:00 – {8 + top // 200:02.0f}:45", 20, top),
        ("Vega Dunge • Skola", 20, top + 30), ("Ekgatan 4, Lerum", 20, top + 60),
    ]  # fmt: skip
    words = [replace(w, contrast=200.0) for line in lines for w in words_at(*line)]
    shift = 63.0 if on_line else 90.0
    return [*words, *(replace(word, top=top + shift) for word in sent)]


SENT = Word("05:41", 215, 0, 35, 14, 90.0, 120.0)
TICKS = Word("//", 252, 0, 14, 14, 20.0, 120.0)


@pytest.mark.parametrize(
    ("sent", "on_line"),
    [
        ((SENT,), False), ((SENT,), True), ((SENT, TICKS), False), ((SENT, TICKS), True),
        ((replace(SENT, left=20.0),), False),
    ],
)  # fmt: skip
def test_when_a_message_was_sent_is_no_time_of_its_shift(
    sent: tuple[Word, ...], on_line: bool
) -> None:
    later = (replace(sent[0], text="05:52"), *sent[1:])
    words = [*_message(0, sent, on_line=on_line), *_message(200, later, on_line=on_line)]
    layout = read_layout(words)

    assert layout.lone_times == layout.strays == ()
    assert [(e.start, e.title, e.address) for e in layout.entries] == [
        (start, "Vega Dunge • Skola", "Ekgatan 4, Lerum") for start in ("08:00", "09:00")
    ]


@pytest.mark.parametrize("read", ["4", "42", "17"])
@pytest.mark.parametrize(("aside", "is_tick"), [(0, True), (25, False)])
def test_ticks_that_were_read_as_digits_stand_where_others_do(
    read: str, aside: int, is_tick: bool
) -> None:
    second = [replace(SENT, text="05:52"), replace(TICKS, text=read, left=TICKS.left + aside)]
    layout = read_layout([*_message(0, [SENT, TICKS]), *_message(200, second)])

    addresses = [entry.address for entry in layout.entries]
    assert (addresses == ["Ekgatan 4, Lerum"] * 2 and not layout.lone_times) is is_tick


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (SENT, replace(SENT, text="04:10")),
        (replace(SENT, height=20.0), replace(SENT, text="05:52", height=20.0)),
        (replace(SENT, contrast=200.0), replace(SENT, text="05:52", contrast=200.0)),
    ],
    ids=["not later", "as large as the times", "as dark as the times"],
)
def test_other_times_below_a_shift_are_asked_about(first: Word, second: Word) -> None:
    assert read_layout([*_message(0, [first]), *_message(200, [second])]).lone_times


def test_a_time_within_a_note_is_no_time_of_sending() -> None:
    note = [replace(w, height=14.0, contrast=120.0) for w in words_at("Ring kund innan", 20, 0)]
    words = _message(0, [*note, SENT])

    assert "05:41" in {word.text for word in without_sent(words, make_cells(words))}


@pytest.mark.parametrize(
    ("hours", "reasons"),
    [
        (("10:00", "11:00"), ()),
        (("13:00", "14:00"), ("image 2: images_do_not_meet",)),
        ((), ("image 2: images_do_not_meet",)),
    ],
)
def test_images_meet_where_both_show_an_hour_of_the_scale_beside_the_cards(
    hours: tuple[str, ...], reasons: tuple[str, ...]
) -> None:
    upper = replace(image_of(MORNING, tail=Tail.EDGE), hours=("07:00", "08:00", "10:00"))
    lower = replace(image_of(NOON, EVENING), hours=hours)

    assert day_of([upper, lower]).review_reasons == reasons


def test_the_hours_of_a_scale_are_kept_with_the_reading() -> None:
    reading = replace(image_of(MORNING), hours=("07:00", "08:00"))

    assert reading_of_json(json.loads(json.dumps(reading.as_json()))) == reading


def test_small_pale_hours_of_a_scale_are_no_times_of_messages() -> None:
    hours = [
        Word(f"{hour:02}:00", 0, 10 + 110 * at, 35, 14, 90.0, 120.0)
        for at, hour in enumerate(range(7, 11))
    ]
    card = [("07:15 – 08:45", 200, 60), ("Vega Dunge • Skola", 200, 90)]
    words = [replace(w, contrast=200.0) for line in card for w in words_at(*line)]

    assert read_layout([*hours, *words]).hours == ("07:00", "08:00", "09:00", "10:00")


@pytest.mark.parametrize("street", ["Ekgatan 4, Lerum", "Lerum, Ekgatan 4B", "S. Torget 12, Nol"])
@pytest.mark.parametrize("gap", [4, 70])
def test_a_street_above_the_first_times_is_of_a_card_that_something_hides(
    street: str, gap: int
) -> None:
    words = [
        *words_at(street, 10, 100 - gap - 20),
        *words_at("07:15 – 09:00", 10, 100),
        *words_at("Bo Ek • Fönsterputs", 10, 124),
        *words_at("Ågatan 7, Partille", 10, 148),
    ]

    layout = read_layout(words)
    (entry,) = check_times(layout.entries)
    assert layout.strays or checks.UNKNOWN_TEXT in entry.flags


def _at(start: str, *texts: str) -> Entry:
    times: Line = (f"{start}:15 – {start}:45", 10, 10)
    return card_of(times, *((text, 10.0, 40.0 + 30 * at) for at, text in enumerate(texts)))


@pytest.mark.parametrize("word", ["Utkast", "Reserv", "Hissen trasig"])
def test_a_word_below_a_street_is_no_town_where_other_streets_have_none(word: str) -> None:
    cards = _at("07", "Ida Alm • Kontor", "Ekgatan 4", word), _at("08", "Bo Ek • Skola", "Å 7")

    assert checks.UNKNOWN_TEXT in "".join(day_of([image_of(*cards)]).all_review_reasons)


@pytest.mark.parametrize(("word", "is_held"), [("Inskickat", True), ("Partille", False)])
@pytest.mark.parametrize("count", [1, 3])
def test_a_word_below_every_street_is_a_town_if_it_is_known_as_one(
    word: str, is_held: bool, count: int
) -> None:
    names = "Ida Alm", "Bo Ek", "Siv Dal"
    cards = [
        _at(f"0{7 + at}", f"{names[at]} • Kontor", f"Ekgatan {at + 2}", word) for at in range(count)
    ]

    assert bool(day_of([image_of(*cards)]).all_review_reasons) is is_held


def test_towns_that_nobody_knows_are_towns_where_they_differ() -> None:
    cards = [
        _at(f"0{7 + at}", f"{name} • Kontor", f"Ekgatan {at + 2}", town)
        for at, (name, town) in enumerate((("Ida Alm", "Hultsby"), ("Bo Ek", "Norrkulla")))
    ]

    assert not day_of([image_of(*cards)]).all_review_reasons


@pytest.mark.parametrize(
    ("titles", "is_held"),
    [
        (("Kliniken • Hörnet • Kontor", "Bo Ek • Skola"), True),
        (("Bo Ek • Skola", "Ida • Städning • Trappa"), True),
        (("Kliniken • Hörnet • Kontor", "Bo Ek • Söder • Skola"), False),
        (("Bo Ek • Skola", "Siv Dal • Kontor"), False),
    ],
)
def test_a_title_divided_more_often_than_others_is_asked_about(
    titles: tuple[str, ...], is_held: bool
) -> None:
    cards = [
        _at(f"0{7 + at}", title, f"Ekgatan {at + 2}, Lerum") for at, title in enumerate(titles)
    ]

    doubts = "".join(day_of([image_of(*cards)]).all_review_reasons)
    assert (checks.TITLE_UNSURE in doubts) is is_held


@pytest.mark.parametrize(
    ("left", "right", "is_asked"),
    [
        ("08:00 – 10:00", "08:30 – 11:00", True),
        ("08:00 – 10:00", "08:00 – 10:00", True),
        ("08:00 – 10:00", "10:00 – 11:00", False),
        ("22:00 – 02:00", "08:00 – 09:00", False),
    ],
)
def test_cards_beside_one_another_at_one_time_are_of_two_persons(
    left: str, right: str, is_asked: bool
) -> None:
    cards = [
        line
        for at, times in enumerate((left, right))
        for line in (
            (times, 30 + 500.0 * at, 200.0),
            ("Vega Dunge • Skola", 30 + 500.0 * at, 230.0),
        )
    ]

    assert (checks.SIDE_BY_SIDE in _seen(*cards).flags) is is_asked
    below = [(text, 30.0, top + 200 * (x > 100)) for text, x, top in cards]
    assert checks.SIDE_BY_SIDE not in _seen(*below).flags
