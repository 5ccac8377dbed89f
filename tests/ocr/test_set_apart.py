"""A card that looks as no other does, by colour, paleness or a sign, is asked about."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont
from tests.ocr.screens import dejavu

from backfill.ocr.ink.bands import find_bands, with_labels
from backfill.ocr.ink.preprocess import find_ink
from backfill.ocr.ink.scene import scene_of
from backfill.ocr.screen.checks import OTHER_COLOUR, PALER, SIGN_BEFORE, TEXT_CUT_SHORT
from backfill.ocr.screen.layout import read_layout
from backfill.ocr.screen.marks import strokes_over, with_marks
from backfill.ocr.screen.set_apart import shows_everybody, with_set_apart
from backfill.ocr.screen.sheet import Bar
from backfill.ocr.shift import Entry
from backfill.ocr.words import Rows, Word


@dataclass(frozen=True)
class Look:
    """How a list is drawn: its colours, the height of its text, and how wide its bars are."""

    page: str
    ink: str
    bar: str
    text_px: int
    bar_px: int


LOOKS = {
    "light": Look("#ffffff", "#16202c", "#1b8a5a", 26, 9),
    "dark": Look("#14171c", "#eef0f2", "#5b8def", 30, 12),
    "cream": Look("#faf6ec", "#3a2a1a", "#c2571a", 22, 7),
}
JOBS = ("Hemstädning", "Hemstädning", "Kontor", "Hemstädning")
looks = pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)


@dataclass
class List:
    """Cards; each may have a bar, a ground or a sign of its own, be paler, or be no client's."""

    look: Look
    bars: Sequence[str] = ()
    grounds: Sequence[str] = ()
    sign_at: Sequence[int] = ()
    sign_px: Sequence[int] = (80,) * 4
    pale_at: Sequence[int] = ()
    bare_at: Sequence[int] = ()
    jobs: Sequence[str] = JOBS
    inks: Sequence[str] = ()
    pen: ImageDraw.ImageDraw = field(init=False)
    entries: list[Entry] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.image = Image.new("RGB", (800, 100 + 200 * len(self.jobs)), self.look.page)
        self.pen = ImageDraw.Draw(self.image)
        found = [self._card(at) for at in range(len(self.jobs))]
        self.coloured = [bar for at, bar in enumerate(found) if not self.bars or self.bars[at]]

    def _card(self, at: int) -> Bar:
        look, top = self.look, 60 + 200 * at
        bar = Bar(40, top, 40 + look.bar_px, top + 130)
        if self.grounds:
            self.pen.rectangle((30, top - 20, 770, top + 150), fill=self.grounds[at])
        fill = self.bars[at] if self.bars else look.bar
        if fill:
            self.pen.rectangle((bar.left, bar.top, bar.right, bar.bottom), fill=fill)
        if at in self.sign_at:
            px = look.text_px
            left = self.sign_px[at]
            self.pen.ellipse((left, top + 45, left + px, top + 45 + px), fill="#d02020")
        lines = (
            f"0{7 + at // 3}:15 – 1{at}:45",
            f"Vega Dunge • {self.jobs[at]}",
            "Lerum, Ekgatan 4",
        )
        words = [
            word
            for row, text in enumerate(lines[: 2 if at in self.bare_at else 3])
            for word in self._line(
                text,
                90 + look.text_px,
                top + 45 * row,
                at if row < 2 else None,
                is_pale=at in self.pale_at,
            )
        ]
        self.entries += read_layout(words).entries
        return bar

    def _line(
        self, text: str, left: float, top: float, card: int | None = None, *, is_pale: bool
    ) -> list[Word]:
        font, words = ImageFont.truetype(dejavu(), self.look.text_px), []
        own = self.look.ink if card is None or not self.inks else self.inks[card]
        for part in text.split():
            box = self.pen.textbbox((left, top), part, font=font)
            self.pen.text((left, top), part, "#8b8f94" if is_pale else own, font)
            size = box[2] - box[0], box[3] - box[1]
            words.append(Word(part, box[0], box[1], *size, 96.0, 80.0 if is_pale else 200.0))
            left = box[2] + self.look.text_px * 0.4
        return words

    def doubts(self, rows: Rows = ()) -> list[set[str]]:
        pixels = np.asarray(self.image, dtype=np.uint8)
        ink = find_ink(np.asarray(self.image.convert("L"), dtype=np.uint8))
        scene = scene_of(pixels, ink.pieces, ink.letter_px)
        marked = with_set_apart(tuple(self.entries), scene, self.coloured, rows)
        return [{*entry.flags} for entry in marked]


@looks
def test_cards_that_look_alike_raise_no_doubt(look: Look) -> None:
    assert List(look).doubts() == [set(), set(), set(), set()]


@looks
@pytest.mark.parametrize("place", [0, 1, 3])
@pytest.mark.parametrize("colour", ["#9aa0a6", "#d32f2f", ""], ids=["grey", "red", "none"])
def test_a_bar_of_a_colour_of_its_own_is_asked_about(look: Look, place: int, colour: str) -> None:
    bars = [look.bar] * 4
    bars[place] = colour

    assert List(look, bars).doubts()[place] == {OTHER_COLOUR}


@looks
@pytest.mark.parametrize("colour", ["#d32f2f", "#9aa0a6"])
@pytest.mark.parametrize("jobs", [JOBS, ("Hemstädning", "Kontor", "Fönsterputs", "Skola")])
def test_a_bar_that_is_a_part_of_its_card_is_asked_about_alike(
    look: Look, colour: str, jobs: Sequence[str]
) -> None:
    """A box with round corners and a coloured side has no bar of its own shape."""
    screen = List(look, bars=[colour if at == 1 else look.bar for at in range(4)], jobs=jobs)
    screen.coloured = []

    assert [OTHER_COLOUR in doubts for doubts in screen.doubts()] == [False, True, False, False]


@looks
@pytest.mark.parametrize("bars", [
    ("#1b8a5a",) * 4, ("#1b8a5a", "#d32f2f", "#5b8def", "#c2571a"),
    ("#1b8a5a", "#1b8a5a", "#d32f2f", "#1b8a5a"),
])  # fmt: skip
def test_sides_of_one_colour_or_of_many_or_one_of_the_job_raise_no_doubt(
    look: Look, bars: Sequence[str]
) -> None:
    screen = List(look, bars=bars)
    screen.coloured = []

    assert screen.doubts() == [set()] * 4


@looks
def test_a_ground_of_a_colour_of_its_own_is_asked_about(look: Look) -> None:
    grounds = [look.page, look.page, look.page, "#a05060"]

    assert List(look, grounds=grounds).doubts() == [set(), set(), set(), {OTHER_COLOUR}]


@looks
@pytest.mark.parametrize("place", [0, 1, 3])
@pytest.mark.parametrize("colour", ["#e02020", "#a07800", "#2255cc"])
def test_a_text_of_a_colour_of_its_own_is_asked_about(look: Look, place: int, colour: str) -> None:
    inks = [look.ink] * 4
    inks[place] = colour

    asked = [OTHER_COLOUR in doubts for doubts in List(look, inks=inks).doubts()]
    assert asked == [at == place for at in range(4)]


@looks
@pytest.mark.parametrize("inks", [
    ("#e02020",) * 4, ("#e02020", "#a07800", "#2255cc", "#207040"),
    ("#e02020", "#e02020", "#2255cc", "#e02020"),
], ids=["all cards'", "each card's own", "the job's"])  # fmt: skip
def test_colours_of_texts_that_have_another_meaning_raise_no_doubt(
    look: Look, inks: Sequence[str]
) -> None:
    assert not any(OTHER_COLOUR in doubts for doubts in List(look, inks=inks).doubts())


@looks
@pytest.mark.parametrize("pitch", [18, 34])
def test_a_hatched_ground_is_asked_about(look: Look, pitch: int) -> None:
    drawn = List(look)
    for x in range(-200, 800, pitch):
        drawn.pen.line((x, 380, x + 180, 200), fill="#80808a", width=pitch // 2)
    plain = List(look)
    mask = Image.new("L", drawn.image.size, 0)
    ImageDraw.Draw(mask).rectangle((0, 240, 800, 400), fill=70)
    drawn.image = Image.composite(drawn.image, plain.image, mask)

    assert drawn.doubts() == [set(), {OTHER_COLOUR}, set(), set()]


@looks
@pytest.mark.parametrize("seed", [0, 1])
def test_specks_that_all_cards_have_hatch_none_however_near_to_the_limit(
    look: Look, seed: int
) -> None:
    """A JPEG smears around letters; a card with short lines has more of it for its size."""
    rng, drawn = random.Random(seed), List(look)
    for at, count in enumerate((400, 480, 400, 400)):
        for _ in range(count):
            x, y = rng.randrange(90, 560), 200 * at + rng.randrange(50, 190)
            drawn.pen.rectangle((x, y, x + 3, y + 3), fill="#8a8a90")

    assert drawn.doubts() == [set()] * 4


@looks
@pytest.mark.parametrize(
    ("states", "is_told"),
    [
        ({3: "Pågår"}, True), ({3: "In progress"}, True), ({0: "Klar", 3: "Pågår"}, True),
        ({}, False), ({0: "Pågår"}, False), ({0: "Klar", 3: "Klar"}, False),
        ({3: "Vikarie"}, False),
    ],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("is_pale", [False, True])
def test_a_state_on_the_card_alone_says_what_its_look_does(
    look: Look, states: dict[int, str], is_told: bool, is_pale: bool
) -> None:
    drawn = List(
        look,
        grounds=[look.page, look.page, look.page, look.page if is_pale else "#a05060"],
        pale_at=[3] if is_pale else [],
    )
    rows = tuple((Word(text, 600, 64 + 200 * at, 80, 20, 96.0),) for at, text in states.items())

    doubt = set() if is_told else {PALER if is_pale else OTHER_COLOUR}
    assert drawn.doubts(rows) == [set(), set(), set(), doubt]


@pytest.mark.parametrize(
    ("bars", "jobs"),
    [
        (("#1b8a5a", "#2255cc", "#cc7722", "#7722cc"), JOBS),
        (("#1b8a5a", "#1b8a5a", "#2255cc", "#1b8a5a"), JOBS),
        (("#1b8a5a", "#d32f2f"), ("Kontor", "Kontor")),
    ],
    ids=["each client's own", "each job's own", "too few to tell"],
)
def test_colours_that_have_another_meaning_raise_no_doubt(
    bars: tuple[str, ...], jobs: tuple[str, ...]
) -> None:
    assert not set().union(*List(LOOKS["light"], bars, jobs=jobs).doubts())


@looks
def test_a_sign_before_one_client_alone_is_asked_about(look: Look) -> None:
    assert List(look, sign_at=[1]).doubts() == [set(), {SIGN_BEFORE}, set(), set()]
    assert not set().union(*List(look, sign_at=[0, 1, 2, 3]).doubts())


@looks
def test_boxes_to_be_ticked_stand_before_all_however_near_each_is(look: Look) -> None:
    edge = round(90 - 1.5 * 0.7 * look.text_px)  # here a sign is no longer near its text
    px = [edge - 3, edge + 3, edge - 3, edge - 3]
    drawn = List(look, sign_at=[0, 1, 2, 3], sign_px=px)

    assert not set().union(*drawn.doubts())


@looks
def test_a_screen_whose_other_cards_are_of_many_colours_says_nothing_by_one(look: Look) -> None:
    jobs = ("Kontor", "Lunch", "Kontor", "Restid", "Kontor")
    odd, even = "#7a4a8a", "#4a7a5a"
    motley = List(look, grounds=[look.page, odd, look.page, even, odd], jobs=jobs, bare_at=[1, 3])
    plain = List(look, grounds=[look.page, odd, look.page, odd, odd], jobs=jobs, bare_at=[1, 3])

    assert not set().union(*motley.doubts())
    assert plain.doubts()[4] == {OTHER_COLOUR}


@looks
def test_a_card_that_is_paler_as_a_whole_is_asked_about(look: Look) -> None:
    assert List(look, pale_at=[2]).doubts() == [set(), set(), {PALER}, set()]


@looks
@pytest.mark.parametrize("width", [5, 9])
def test_a_pens_stroke_over_a_card_takes_letters_along(look: Look, width: int) -> None:
    drawn = List(look)
    drawn.pen.line((150, 250, 420, 400), fill="#e01e28", width=width)
    ink = find_ink(np.asarray(drawn.image.convert("L"), dtype=np.uint8))
    bands = with_labels(find_bands(ink), ink)
    rows = tuple(() for _band in bands)
    marked = with_marks(drawn.entries, bands, rows, ink, (), strokes_over(ink, bands))

    assert [TEXT_CUT_SHORT in entry.flags for entry in marked] == [False, True, False, False]


@looks
@pytest.mark.parametrize(("left_of", "is_cut"), [(4, True), (0, False)], ids=["sliver", "whole"])
def test_what_its_box_left_of_the_next_sign_says_that_a_text_goes_on(
    look: Look, left_of: int, is_cut: bool
) -> None:
    drawn = List(look)
    entry = drawn.entries[0]
    last = entry.words[-1]
    edge = round(last.right + 0.6 * look.text_px)
    if left_of:
        drawn.pen.ellipse((edge, last.top, edge + 16, last.top + 16), fill=look.ink)
        drawn.pen.rectangle((edge + left_of, last.top - 2, edge + 40, last.bottom), fill=look.page)
    ink = find_ink(np.asarray(drawn.image.convert("L"), dtype=np.uint8))
    bands = with_labels(find_bands(ink), ink)
    rows = tuple(
        tuple(word for word in entry.words if band.top < word.middle < band.bottom)
        for band in bands
    )
    marked = with_marks([replace(entry, flags=())], bands, rows, ink, ())

    assert (TEXT_CUT_SHORT in marked[0].flags) is is_cut


PAGES = {"light": "#ffffff", "dark": "#14171c"}


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
@pytest.mark.parametrize("texts", [
    ("Mitt schema", "Hela teamet"), ("My shifts", "Whole team"), ("Mina", "Alla"),
    ("Mina pass", "Lediga"), ("My jobs", "Open"), ("Mitt", "Kollegor"),
])  # fmt: skip
@pytest.mark.parametrize("is_filled", [True, False], ids=["filled", "cut out of a track"])
def test_a_switch_that_stands_at_everybodys_shifts_is_told_from_one_at_the_persons_own(
    page: str, texts: tuple[str, str], is_filled: bool
) -> None:
    look = replace(LOOKS["light" if page == "#ffffff" else "dark"], page=page, bar="")
    for chosen in (0, 1):
        screen = List(look)
        screen.image.paste(page, (0, 0, 800, 60))
        on, off = (
            (look.ink, page) if is_filled else (page, "#e3e5e8" if page == "#ffffff" else "#2a2e35")
        )
        rows = []
        for half, text in enumerate(texts):
            left = 40 + 360 * half
            fill = on if half == chosen else off
            screen.pen.rectangle((left, 4, left + 355, 50), fill=fill)
            screen.look = replace(look, ink=page if fill == look.ink else look.ink)
            rows.append(tuple(screen._line(text, left + 90, 12, is_pale=False)))
        pixels = np.asarray(screen.image, dtype=np.uint8)
        scene = scene_of(pixels, (), look.text_px)

        assert shows_everybody(tuple(rows), screen.entries, scene) is (chosen == 1)
        # Where the phone's clock stands on the line, "all" is its signal.
        clock = (Word("14:24", 4, rows[0][0].top, 30, rows[0][0].height, 96.0),)
        assert not shows_everybody((clock, *rows), screen.entries, scene)
