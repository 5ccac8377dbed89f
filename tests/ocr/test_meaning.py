"""What a card, an image or a session means is never guessed: each trap is held with its reason."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace

import pytest
from tests.ocr.cards import FRIDAY, SENT, card_of, day_of, image_of, pause, words_at

from backfill.ocr.day import meaning
from backfill.ocr.day.meaning import doubts_of
from backfill.ocr.doubts import explained
from backfill.ocr.screen import checks
from backfill.ocr.screen.layout import read_layout
from backfill.ocr.shift import Entry
from backfill.ocr.text.cells import make_cells
from backfill.ocr.text.dates import (
    FAR_DATE,
    WEEK_CONTRADICTS,
    DateEvidence,
    lines_of,
    shows_other_day,
)
from backfill.ocr.text.normalise import normalise_entry


def _visit(*more: tuple[str, float, float], title: str = "Ida Alm • Hemstädning") -> Entry:
    return card_of(
        ("07:00", 10, 10), ("09:15", 10, 40), (title, 120, 10), ("Lerum, Ringgatan 4", 120, 45),
        *more,
    )  # fmt: skip


def _all_flags(entry: Entry) -> tuple[str, ...]:
    return (*entry.flags, *doubts_of(entry, normalise_entry(entry)))


def test_a_plain_card_raises_no_doubt() -> None:
    assert _all_flags(_visit()) == ()


@pytest.mark.parametrize(
    "word", ["INSTÄLLT", "Inställd", "Avbokat", "Cancelled", "Aflyst", "Avlyst", "Peruttu"]
)
@pytest.mark.parametrize("place", [(120, 75), (10, 70), (330, 10)])
def test_a_card_that_is_called_off_is_held(word: str, place: tuple[float, float]) -> None:
    assert checks.CANCELLED in _visit((word, *place)).flags


@pytest.mark.parametrize("title", ["Ida Alm • Kontor E", "Ida Alm • Ö Fönsterputs", "Lunch i"])
def test_a_letter_alone_beside_a_job_may_be_a_picture(title: str) -> None:
    assert checks.UNKNOWN_TEXT in _all_flags(_visit(title=title))


@pytest.mark.parametrize("title", ["Ida Alm e Hemstädning", "Bo Ek o Kontor", "Siv Ö v Kontor"])
def test_a_sign_before_a_job_that_is_read_as_a_letter_is_no_part_of_a_name(title: str) -> None:
    assert checks.UNKNOWN_TEXT in _all_flags(_visit(title=title))


@pytest.mark.parametrize(
    ("name", "is_held"),
    [
        ("Ida Alm (f. 1951)", True), ("Ida Alm född 1951", True), ("Ida Alm 19510312", True),
        ("Ida Alm 78 år", True), ("Ida Alm f. 12/3", True), ("Ida Alm 0815", True),
        ("Brf Solen 12", False), ("Ida Alm", False),
    ],
)  # fmt: skip
def test_a_number_that_no_name_has_is_no_part_of_a_client(name: str, is_held: bool) -> None:
    assert bool(_all_flags(_visit(title=f"{name} • Hemstädning"))) is is_held


@pytest.mark.parametrize(
    ("town", "is_cut"),
    [
        ("Göteb", True), ("Sundsv", True), ("Halms", True), ("Trollhätt", True),
        ("Göteborg", False), ("Lund", False), ("Vinköl", False), ("Halmstadby", False),
    ],
)  # fmt: skip
def test_a_town_whose_end_is_cut_away_is_held(town: str, is_cut: bool) -> None:
    entry = card_of(
        ("07:00", 10, 10), ("09:15", 10, 40), ("Ida Alm • Kontor", 120, 10),
        (f"Ringgatan 4, {town}", 120, 45),
    )  # fmt: skip

    assert (checks.TEXT_CUT_SHORT in _all_flags(entry)) is is_cut


@pytest.mark.parametrize("word", ["ca", "efter", "prel.", "från"])
def test_a_word_above_the_times_in_their_column_is_no_part_of_the_client(word: str) -> None:
    entry = card_of(
        (word, 10, 10), ("07:00", 10, 36), ("09:15", 10, 62), ("Ida Alm • Kontor", 120, 10),
        ("Ringgatan 4, Lerum", 120, 45),
    )  # fmt: skip

    assert checks.UNKNOWN_TEXT in entry.flags
    assert word not in entry.title


@pytest.mark.parametrize("job", ["Kontor", "Fönsterputs", "Inledande storstädning"])
def test_a_job_in_the_place_of_a_street_is_held(job: str) -> None:
    entry = card_of(
        ("07:00", 10, 10), ("09:15", 10, 40), ("Ida Alm", 120, 10),
        (f"{job} Ringgatan 4, Lerum", 120, 45),
    )  # fmt: skip
    shift = normalise_entry(entry)

    assert shift.raw_type_label or checks.UNKNOWN_TEXT in doubts_of(entry, shift)


@pytest.mark.parametrize(
    "title", ["Karl I Alm • Kontor", "Torp i Alm • Kontor", "Ida Alm • Tjänstledig (del av dag)"]
)
def test_a_letter_of_a_name_and_words_of_a_job_are_no_picture(title: str) -> None:
    assert _all_flags(_visit(title=title)) == ()


@pytest.mark.parametrize(
    "title", ["Ida Alm • Hem…", "Ida Alm •…", "Ida Al...", "Ida Alm • Hemstädning .."]
)
def test_a_text_that_an_ellipsis_cuts_is_held(title: str) -> None:
    assert checks.TEXT_CUT_SHORT in _visit(title=title).flags


@pytest.mark.parametrize("times", ["1:00 - 4:30 PM", "1:00 – 4:30 p.m.", "1:00 EM - 4:30"])
def test_half_of_the_day_told_once_is_held(times: str) -> None:
    entry = card_of((times, 10, 10), ("Ida Alm • Kontor", 10, 40), ("Lerum, Ringgatan 4", 10, 70))

    assert (entry.start, entry.end) == ("13:00", "16:30")
    assert checks.HALF_OF_DAY in entry.flags


def test_half_of_the_day_told_of_both_times_is_read() -> None:
    entry = card_of(
        ("11:00 AM - 1:30 PM", 10, 10), ("Ida Alm • Kontor", 10, 40), ("Lerum, Ringgatan 4", 10, 70)
    )

    assert (entry.start, entry.end) == ("11:00", "13:30")
    assert checks.HALF_OF_DAY not in entry.flags


@pytest.mark.parametrize(("start", "end"), [("09:15", "07:00"), ("12:00", "09:30")])
def test_a_shift_of_more_than_sixteen_hours_is_held(start: str, end: str) -> None:
    entry = card_of((start, 10, 10), (end, 10, 40), ("Rast", 120, 10))

    assert checks.TOO_LONG in entry.flags


def test_a_shift_over_midnight_is_not_too_long() -> None:
    entry = card_of(("22:00", 10, 10), ("06:00", 10, 40), ("Rast", 120, 10))

    assert checks.TOO_LONG not in entry.flags


def test_a_whole_day_is_what_its_duration_says() -> None:
    entry = card_of(("00:00", 10, 10), ("24:00", 10, 40), ("Semester", 120, 10), ("24h", 500, 10))

    assert entry.flags == ()


@pytest.mark.parametrize("job", ["Hundpassning", "Jourpass", "Frånvaro"])
@pytest.mark.parametrize("way", ["Ida Alm • {}", "Ida Alm, {}", "Ida Alm ({})", "Ida Alm: {}"])
def test_a_job_that_nobody_knows_is_held(job: str, way: str) -> None:
    assert checks.LABEL_UNKNOWN in _all_flags(_visit(title=way.format(job)))


def test_the_year_of_a_heading_that_goes_on_below_is_no_part_of_a_title() -> None:
    entry = card_of(
        ("2025", 10, -20),
        ("07:15 – 09:00", 10, 10),
        ("Ida Alm • Skola", 10, 36),
        ("Ågatan 7", 10, 62),
    )

    assert entry.title == "Ida Alm • Skola"


@pytest.mark.parametrize("job", ["rstädning", "nsterputs", "emstädning"])
def test_a_job_whose_first_letters_are_lost_is_held(job: str) -> None:
    assert checks.LABEL_UNKNOWN in _all_flags(_visit(title=f"Ida Alm • {job}"))


@pytest.mark.parametrize("job", ["Storstädninq", "hemstädning", "Fonsterputs"])
def test_a_job_that_is_read_nearly_or_written_small_is_known(job: str) -> None:
    assert _all_flags(_visit(title=f"Ida Alm • {job}")) == ()


@pytest.mark.parametrize(
    "name",
    ["Alm-Inledande Storstädning", "Alm–Kontor", "Alm-Extra Städtillfälle", "Kontor-Vega Alm"],
)
def test_a_job_behind_a_dash_whose_blanks_were_lost_is_held(name: str) -> None:
    assert checks.TITLE_UNSURE in _all_flags(_visit(title=f"Ida {name}"))


@pytest.mark.parametrize("title", ["Städse Ulla Alm", "Ulla Alm Utbild", "Fönst Alm"])
def test_a_job_whose_last_letters_are_lost_is_no_part_of_a_client_unasked(title: str) -> None:
    assert checks.TITLE_UNSURE in _all_flags(_visit(title=title))


@pytest.mark.parametrize("title", ["Stina Alm", "Ulla Kontor", "Städse • Storstädning"])
def test_a_name_that_only_begins_like_a_job_or_has_one_is_asked_about_no_more(title: str) -> None:
    assert checks.TITLE_UNSURE not in _all_flags(_visit(title=title))


@pytest.mark.parametrize("name", ["Alm-Lind • Storstädning", "Alm-Sten Fönsterputs"])
def test_a_name_of_two_is_no_job(name: str) -> None:
    assert _all_flags(_visit(title=f"Ida {name}")) == ()


def test_a_job_made_of_a_known_stem_is_work() -> None:
    entry = _visit(title="Ida Alm • Trappstädning")

    assert _all_flags(entry) == ()
    assert normalise_entry(entry).shift_type == "WORK"


def test_work_with_neither_client_nor_place_is_held() -> None:
    entry = card_of(("07:00", 10, 10), ("09:15", 10, 40), ("Hemstädning", 120, 10))

    assert meaning.doubts_of(entry, normalise_entry(entry)) == (checks.NAMELESS,)


def test_a_text_without_a_place_in_the_shift_is_held() -> None:
    entry = _visit(("Ring Olof först", 120, 80))

    assert checks.UNKNOWN_TEXT in _all_flags(entry)


@pytest.mark.parametrize("name", ["Ida Lerumsson", "Elle Rum", "Ida Alm"])
def test_a_word_within_another_is_not_said_by_it(name: str) -> None:
    entry = _visit(title=f"{name} • Hemstädning")
    shift = normalise_entry(entry)

    assert doubts_of(entry, shift) == ()
    assert doubts_of(entry, replace(shift, city="")) == (checks.UNKNOWN_TEXT,)


@pytest.mark.parametrize(
    "heading", ["Lediga pass", "Open shifts", "Annas pass", "Team Syd skift", "Mikkels vagter"]
)
def test_a_heading_over_the_shifts_of_others_is_no_part_of_a_card(heading: str) -> None:
    words = [
        *words_at("07:00", 10, 10), *words_at("09:15", 10, 40), *words_at("Lunch", 120, 10),
        *words_at(heading, 10, 140), *words_at("10:00", 10, 210), *words_at("11:15", 10, 240),
        *words_at("Rast", 120, 210),
    ]  # fmt: skip
    layout = read_layout(words)

    doubts = [flag for e in layout.entries for flag in _all_flags(e)]
    assert layout.strays or checks.UNKNOWN_TEXT in doubts


@pytest.mark.parametrize("heading", ["Annas pass", "Kollegors pass", "Mikkels vagter"])
@pytest.mark.parametrize("left", [10, 120])
def test_a_heading_right_above_a_card_is_no_part_of_its_name(heading: str, left: float) -> None:
    entry = _visit((heading, left, -28), title="Ida Alm • Hemstädning")

    assert checks.UNKNOWN_TEXT in entry.flags
    assert normalise_entry(entry).customer_name == "Ida Alm"


@pytest.mark.parametrize(
    "lines",
    [
        [("Lördag 23 augusti", 10, 300)],
        [("Lördag 23 augusti", 400, 50)],
        [("lör 23", 10, 120)],
        [("mån", 10, 100), ("tis", 10, 200), ("ons", 10, 300)],
    ],
)
def test_a_second_day_on_the_sheet_is_seen(lines: Sequence[tuple[str, float, float]]) -> None:
    words = [word for line in lines for word in words_at(*line)]

    assert shows_other_day(lines_of(make_cells([*words_at(FRIDAY.text, 10, 50), *words])), FRIDAY)


@pytest.mark.parametrize("after", ["Lördag 23 augusti", "Saturday 23 August", "Samstag 23 August"])
def test_a_heading_that_names_two_days_is_seen(after: str) -> None:
    both = DateEvidence(22, 8, 4, None, 34, f"Fredag 22 augusti {after}")

    assert shows_other_day(lines_of(make_cells(words_at(both.text, 10, 50))), both)


@pytest.mark.parametrize("days", [
    "mån tis ons tor fre lör sön", "Mon Die Mit Don Fre Sam Son", "Mo Di Mi Do Fr Sa So",
])  # fmt: skip
def test_the_heading_and_a_strip_of_the_week_are_no_second_day(days: str) -> None:
    strip = [w for at, day in enumerate(days.split()) for w in words_at(day, 60.0 * at, 90)]

    assert not shows_other_day(
        lines_of(make_cells([*words_at(FRIDAY.text, 10, 50), *strip])), FRIDAY
    )


def test_a_line_that_tells_the_sum_is_no_part_of_a_card() -> None:
    words = [*words_at("07:00", 10, 10), *words_at("07:30", 10, 40), *words_at("Rast", 120, 10),
             *words_at("Totalt", 10, 110), *words_at("7h 30m", 300, 110)]  # fmt: skip

    layout = read_layout(words)

    assert (layout.strays, layout.entries[0].duration_minutes, layout.entries[0].address) == (
        (), None, "",
    )  # fmt: skip


def test_a_client_without_a_place_among_others_with_one_is_doubted() -> None:
    def card(start: str, end: str, *more: tuple[str, float, float]) -> Entry:
        name = {"07:00": "Ida Alm", "08:00": "Siv Dal", "09:00": "Bo Lind"}[start]
        return card_of((start, 10, 10), (end, 10, 40), (f"{name} • Kontor", 120, 10), *more)

    first = card("07:00", "08:00", ("Lerum, Ringgatan 4", 120, 45))
    bare, other = card("08:00", "09:00"), card("09:00", "10:00")

    assert day_of([image_of(first, bare)]).all_review_reasons == (
        f"08:00–09:00: {checks.ADDRESS_UNSURE}",
    )  # fmt: skip
    assert checks.ADDRESS_UNSURE not in str(day_of([image_of(bare, other)]).all_review_reasons)


@pytest.mark.parametrize(
    "town", ["Fönsterputs Dagny Alm Lerum", "Kontor Lerum", "Ring Olof Ek Först"]
)
def test_a_town_that_no_town_is_called_is_doubted(town: str) -> None:
    entry = card_of(("07:00", 10, 10), ("09:15", 10, 40), ("Ida Alm • Kontor", 120, 10),
                  (f"{town}, Ringgatan 4", 120, 45))  # fmt: skip

    assert checks.UNKNOWN_TEXT in _all_flags(entry)


@pytest.mark.parametrize(("days", "is_held"), [(1100, True), (200, False), (-60, False)])
def test_a_date_of_another_year_is_held(days: int, is_held: bool) -> None:
    sent = SENT + dt.timedelta(days=days)
    session = day_of([image_of(pause("07:00", "07:30"))], sent=sent)

    assert (f"date: {FAR_DATE}" in session.review_reasons) == is_held


def test_a_date_that_nobody_knew_the_shifts_of_when_the_picture_was_sent_is_held() -> None:
    early = SENT - dt.timedelta(days=165)  # a wrong weekday makes a date fit another year
    session = day_of([image_of(pause("07:00", "07:30"))], sent=early)

    assert f"date: {FAR_DATE}" in session.review_reasons


def test_a_week_that_is_not_the_dates_is_held() -> None:
    other = DateEvidence(22, 8, 4, None, 36, "Fredag 22 augusti")

    read = day_of([image_of(pause("07:00", "07:30"), date=other)])

    assert f"date: {WEEK_CONTRADICTS}" in read.review_reasons


@pytest.mark.parametrize(
    "reason",
    [
        "07:00–09:15: cancelled", "image 2: image_missing", "date: far_date", "image 1: second_day",
        "07:00–09:15: text_cut_short", "image 1: faint_text", "image 1: day_goes_on",
        "image 1: covered", "image 1: room_between", "image 1: sum_differs",
        "image 1: farewell_mismatch",
    ],
)  # fmt: skip
def test_a_reason_says_what_it_means_and_what_settles_it(reason: str) -> None:
    assert explained(reason).startswith(f"{reason} (")
