"""What the cards of a whole day say together: numbers, ends, sums and images that may lack."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.ocr.cards import card_of, day_of, image_of, pause, words_at

from backfill.ocr.day import meaning
from backfill.ocr.ink.preprocess import Ink
from backfill.ocr.screen import checks
from backfill.ocr.screen.reading import Hidden, Tail
from backfill.ocr.screen.sheet import Sheet
from backfill.ocr.screen.totals import Told, find_told
from backfill.ocr.screen.view import interpret
from backfill.ocr.shift import Entry
from backfill.ocr.text.cells import make_cells


def test_a_number_missing_in_the_sequence_is_told() -> None:
    reading = image_of(pause("07:00", "07:30"))

    read = day_of([reading, reading], numbers=(1, 3))

    assert read.review_reasons == (f"image 2: {meaning.IMAGE_MISSING}",)


def test_images_that_share_no_card_may_lack_one_between() -> None:
    first, last = image_of(pause("07:00", "07:30")), image_of(pause("12:00", "12:30"), date=None)

    assert day_of([first, last]).review_reasons == (f"image 2: {meaning.IMAGES_DO_NOT_MEET}",)


def test_a_last_image_that_is_full_of_cards_may_lack_the_next() -> None:
    open_end = image_of(pause("07:00", "07:30"), tail=Tail.EDGE)
    ended = image_of(pause("07:00", "07:30"), tail=Tail.EDGE, farewell="07:30")

    assert day_of([open_end]).review_reasons == (f"image 1: {meaning.DAY_GOES_ON}",)
    assert day_of([ended]).review_reasons == ()


def test_the_image_that_ends_the_day_is_the_one_with_its_last_card_not_the_last_sent() -> None:
    """A person may send the lower screen first."""
    morning, noon, evening = (
        pause("07:00", "07:30"),
        pause("12:00", "12:30"),
        pause("16:00", "16:30"),
    )
    lower = image_of(noon, evening, date=None)
    upper = image_of(morning, noon, tail=Tail.EDGE, flags=(checks.CUT_BELOW,))

    assert day_of([lower, upper]).review_reasons == ()
    open_end = image_of(noon, evening, date=None, tail=Tail.EDGE)
    assert day_of([open_end, upper]).review_reasons == (f"image 1: {meaning.DAY_GOES_ON}",)


def test_a_card_cut_below_is_shown_where_the_same_cards_have_room_below() -> None:
    cut = image_of(pause("07:00", "07:30"), tail=Tail.EDGE, flags=(checks.CUT_BELOW,))
    whole = image_of(pause("07:00", "07:30"), farewell="07:30", tail=Tail.FAREWELL, date=None)

    assert day_of([cut, whole]).review_reasons == ()
    assert f"image 1: {checks.CUT_BELOW}" in day_of([cut, cut]).review_reasons


@pytest.mark.parametrize(("farewell", "is_held"), [
    ("16:30", False), ("17:15", True), ("12:00", True), ("07:30", True),
])  # fmt: skip
def test_a_day_that_ends_at_another_time_than_its_last_shift_is_held(
    farewell: str, is_held: bool
) -> None:
    day = (pause("07:00", "07:30"), pause("16:00", "16:30"))
    read = day_of([image_of(*day, farewell=farewell, tail=Tail.FAREWELL)])

    assert read.review_reasons == (f"image 1: {checks.FAREWELL_MISMATCH}",) * is_held


@pytest.mark.parametrize("farewell", ["06:00", "24:00"])
def test_the_days_end_may_lie_beyond_midnight_or_before_a_longer_shifts(farewell: str) -> None:
    end = "06:00" if farewell == "06:00" else "00:00"
    night = (pause("07:00", "07:30"), pause("22:00", end))

    assert day_of([image_of(*night, farewell=farewell, tail=Tail.FAREWELL)]).review_reasons == ()


@pytest.mark.parametrize(
    ("line", "is_held"),
    [
        ("2 pass", False), ("3 pass", True), ("3 shifts", True), ("2 Schichten", False),
        ("4 uppdrag", True), ("3 vagter", True), ("Totalt 1h 30m", False), ("Total 2h 30m", True),
        ("Summa: 1,5 h", False), ("Totalt 1. h 30 min", False), ("Totalt 2. h", True),
        ("Gesamt 2,5 Std", True), ("Yhteensä 3h", True),
        ("Sum 1h 30m", False),
        ("3 kollegor", False), ("Rum 12", False),
        ("3 pass idag", True), ("Idag: 3 uppdrag", True), ("2 visits today", False),
        ("Visar 2 av 5", True), ("2 of 3 loaded", True), ("2 av 2", False),
        ("9 pass denna vecka", False), ("Week: 9 shifts", False), ("kl 08:30 pass", False),
    ],
)  # fmt: skip
def test_a_sum_that_the_shifts_do_not_make_holds_the_session(line: str, is_held: bool) -> None:
    told = find_told(make_cells(words_at(line, 10, 60)))
    day = (pause("07:00", "07:30"), pause("16:00", "17:00"))

    read = day_of([image_of(*day, told=told)])

    assert read.review_reasons == (f"image 1: {checks.SUM_DIFFERS}",) * is_held


def test_a_sum_may_leave_breaks_and_ways_out() -> None:
    visit = card_of(("08:00", 10, 10), ("10:00", 10, 40), ("Ida Alm • Kontor", 120, 10),
                  ("Lerum, Ringgatan 4", 120, 45))  # fmt: skip

    for told in (Told(120, 1), Told(150, 2)):
        assert day_of([image_of(visit, pause("10:00", "10:30"), told=told)]).review_reasons == ()


HOURS = [(f"{hour:02}:00", f"{hour:02}:45") for hour in range(7, 16)]


@pytest.mark.parametrize(
    ("first", "second", "held"),
    [
        ((0, 1, 2, 3), (2, 3, 4, 5), ()),  # one list, scrolled
        ((2, 3, 4), (0, 1, 2), ()),  # sent in the other order
        ((0, 2, 4), (0, 2, 4), ()),
        ((0, 2, 4), (3, 4, 5), (1,)),  # another day's list, or another person's, with one in common
        ((0, 1, 3, 4), (2, 3, 5), (1, 2)),
        ((0, 1, 2, 3), (0, 3, 4), (2,)),  # one that was taken off between the two
    ],
)
def test_what_lies_between_the_cards_of_an_image_stands_on_it(
    first: tuple[int, ...], second: tuple[int, ...], held: tuple[int, ...]
) -> None:
    images = [image_of(*(pause(*HOURS[at]) for at in places)) for places in (first, second)]

    reasons = day_of(images).review_reasons

    assert reasons == tuple(f"image {number}: {meaning.IMAGES_DIFFER}" for number in held)


def test_a_card_that_a_better_one_of_another_image_replaces_does_not_lack() -> None:
    doubted = replace(pause(*HOURS[1]), duration_minutes=40, flags=(checks.DURATION_MISMATCH,))
    proven = replace(pause("08:00", "08:40"), duration_minutes=40)
    ends = (pause(*HOURS[0]), pause(*HOURS[2]))

    read = day_of([image_of(ends[0], doubted, ends[1]), image_of(ends[0], proven, ends[1])])

    assert read.review_reasons == ()


MORNING, NOON, EVENING = (
    pause("07:00", "07:30"),
    pause("12:00", "12:30"),
    pause("16:00", "16:30"),
)


@pytest.mark.parametrize(
    ("begun", "is_held"), [("12:00–12:30", False), ("11:00–11:30", True), ("", True)]
)
def test_a_card_that_one_image_cuts_below_its_times_and_the_next_begins_with_is_whole(
    begun: str, is_held: bool
) -> None:
    below = replace(
        image_of(MORNING, tail=Tail.EDGE, flags=(checks.CUT_BELOW,)), hours=(begun,) * bool(begun)
    )
    cut = replace(NOON, flags=(checks.CUT_OFF,))
    evening = card_of(("16:00", 10, 210), ("16:30", 10, 240), ("Rast", 120, 210))
    above = image_of(cut, evening, date=None)

    assert bool(day_of([below, above]).all_review_reasons) is is_held
    # Of a card that both its edges may cut nobody knows.
    assert day_of([below, image_of(cut, date=None)]).all_review_reasons


def test_the_times_of_a_card_that_is_cut_below_them_are_told_not_its_shift() -> None:
    lines = [("07:00 – 09:30", 10, 40), ("Vega Dunge • Skola", 10, 70),
             ("Lerum, Ekgatan 4", 10, 100), ("10:00 – 11:30", 10, 386)]  # fmt: skip
    words = [word for line in lines for word in words_at(*line)]
    blank = np.zeros((410, 400), dtype=np.uint8)
    ink = Ink(blank, blank.astype(np.uint16), 1, (), 20.0)

    view = interpret(tuple((word,) for word in words), Sheet(0, 410, (), ()), ink)

    assert view.hours == ("10:00–11:30",)
    assert [entry.start for entry in view.entries] == ["07:00"]


@pytest.mark.parametrize("doubt", [checks.COVERED, checks.ROOM_BETWEEN])
def test_what_one_image_hides_another_settles_that_shows_the_cards_around_it(doubt: str) -> None:
    hidden = Hidden(doubt, "07:00–07:30", "12:00–12:30")
    hiding = image_of(MORNING, NOON, hidden=(hidden,))
    showing = image_of(MORNING, NOON, EVENING, date=None)

    assert day_of([hiding, showing]).review_reasons == ()
    # Neither one that hides it too, nor one that has only one of the cards around it.
    both = day_of([hiding, replace(showing, hidden=(hidden,))])
    assert both.review_reasons == (f"image 1: {doubt}",)
    apart = day_of([hiding, image_of(NOON, EVENING, date=None)])
    assert apart.review_reasons == (f"image 1: {doubt}",)


@pytest.mark.parametrize("doubt", [checks.COVERED, checks.STRAY_TEXT])
@pytest.mark.parametrize(("cards", "tail", "is_held"), [
    ((NOON, EVENING), Tail.EDGE, False), ((NOON,), Tail.ROOM, False), ((NOON,), Tail.EDGE, True),
])  # fmt: skip
def test_what_is_hidden_below_the_last_card_is_shown_by_the_image_that_goes_on_there(
    cards: tuple[Entry, ...], tail: Tail, is_held: bool, doubt: str
) -> None:
    hiding = image_of(MORNING, NOON, hidden=(Hidden(doubt, "12:00–12:30"),))
    read = day_of([hiding, image_of(*cards, date=None, tail=tail, farewell=cards[-1].end)])

    assert (f"image 1: {doubt}" in read.review_reasons) is is_held


def test_a_doubt_without_a_place_no_other_image_settles() -> None:
    hiding = image_of(MORNING, NOON, hidden=(Hidden(checks.ROOM_BETWEEN),))

    read = day_of([hiding, image_of(MORNING, NOON, date=None)])

    assert read.review_reasons == (f"image 1: {checks.ROOM_BETWEEN}",)
