"""A card that is covered, not loaded or never sent leaves no text: its place tells, or others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from PIL import Image, ImageColor, ImageDraw, ImageFont
from tests.ocr.screens import dejavu

from backfill.ocr.ink.preprocess import find_ink
from backfill.ocr.ink.scene import scene_of
from backfill.ocr.screen.checks import COVERED, ROOM_BETWEEN, STRAY_TEXT
from backfill.ocr.screen.layout import read_layout
from backfill.ocr.screen.list_end import uncut
from backfill.ocr.screen.reading import Hidden, Tail
from backfill.ocr.screen.unseen import Unseen, find_unseen
from backfill.ocr.screen.view import View
from backfill.ocr.text.dates import DateEvidence
from backfill.ocr.words import Word

WIDTH, HEIGHT = 760, 1500


@dataclass(frozen=True)
class Look:
    """How a list is drawn; lengths in pixels."""

    text_px: int
    blank_px: int
    page: str
    card: str
    ink: str
    is_boxed: bool
    is_stacked: bool


LOOKS = {
    "ruled": Look(26, 70, "#ffffff", "#ffffff", "#16202c", False, True),
    "boxes on grey": Look(24, 62, "#eef0f3", "#ffffff", "#222222", True, False),
    "dark boxes": Look(30, 84, "#101216", "#262b33", "#f2f3f5", True, True),
    "bare": Look(20, 90, "#faf8f3", "#faf8f3", "#0a3656", False, False),
}
DAY = (
    ("07:00", "09:15", "Ida Alm • Hemstädning", "Lerum, Ringgatan 4"),
    ("09:30", "10:00", "Rast", ""),
    ("10:15", "12:00", "Bo Ek • Fönsterputs", "Partille, Ågatan 18"),
    ("12:20", "15:00", "Siv Dal • Kontor", "Onsala, Ekstigen 7b"),
)


@dataclass
class Screen:
    """A screen that is drawn card by card, and what would be read of it."""

    look: Look
    image: Image.Image
    words: list[Word] = field(default_factory=list)
    y: float = 150
    boxes: list[tuple[int, int]] = field(default_factory=list)

    @property
    def pen(self) -> ImageDraw.ImageDraw:
        return ImageDraw.Draw(self.image)

    def line(self, text: str, left: float, top: float) -> None:
        font = ImageFont.truetype(dejavu(), self.look.text_px)
        for part in text.split():
            box = self.pen.textbbox((left, top), part, font=font)
            self.pen.text((left, top), part, self.look.ink, font)
            self.words.append(Word(part, box[0], box[1], box[2] - box[0], box[3] - box[1], 96.0))
            left = box[2] + self.look.text_px * 0.4

    def card(self, start: str, end: str, title: str, address: str, *, is_read: bool = True) -> None:
        """Draw a card, or leave its place free: nothing of it was loaded."""
        look, pitch = self.look, self.look.text_px * 1.5
        pad = look.blank_px / 2 - 6
        lines = 2 + (bool(address) and not look.is_stacked)
        bottom = self.y + 2 * pad + lines * pitch
        frame = (8, self.y, WIDTH - 8, bottom)
        self.boxes.append((int(self.y), int(bottom)))
        if look.is_boxed:
            self.pen.rounded_rectangle(frame, 12, fill=look.card)
        else:
            self.pen.line((0, bottom, WIDTH, bottom), fill="#dfe3e8", width=2)
        if is_read:
            top, left = self.y + pad, 30.0
            if look.is_stacked:
                self.line(start, left, top)
                self.line(end, left, top + pitch)
                left = 190.0
            else:
                self.line(f"{start} – {end}", left, top)
                top += pitch
            self.line(title, left, top)
            self.line(address, left, top + pitch)
        self.y = bottom + 12

    def cover(
        self, place: int, fill: str, *, grow: int = 0, is_round: bool = True, offset: int = 0
    ) -> None:
        """Draw something over a card and `grow` pixels of what is around it, or lower down."""
        top, bottom = (offset + row for row in self.boxes[place])
        box = (10 - grow, top - grow, WIDTH - 10 + grow, bottom + grow)
        self.pen.rounded_rectangle(box, 14 if is_round else 0, fill=fill)
        self.words = [w for w in self.words if not top <= w.middle <= bottom]

    def unseen(
        self,
        *,
        bottom: float | None = None,
        is_dated: bool = True,
        has_strays: bool = False,
        buttons: Sequence[tuple[float, float, float, float]] = (),
    ) -> Unseen:
        """Return what is told of the screen down to a row, where it ends."""
        end = bottom or HEIGHT
        pixels = np.asarray(self.image.crop((0, 0, WIDTH, int(end))), dtype=np.uint8)
        ink = find_ink(np.asarray(Image.fromarray(pixels).convert("L"), dtype=np.uint8))
        words = [word for word in self.words if word.bottom < end]
        date = DateEvidence(22, 8, 4, None, 34, "Fredag 22 augusti", bottom=140.0)
        view = View(
            date if is_dated else None,
            (layout := read_layout(words)).entries, "", (), Tail.ROOM, top=140.0, bottom=end,
            strays=layout.strays, of_strays=(STRAY_TEXT,) * has_strays,
        )  # fmt: skip
        return find_unseen(scene_of(pixels, ink.pieces, ink.letter_px), view, words, buttons)


def _screen(look: Look, *, missing: int | None = None) -> Screen:
    screen = Screen(look, Image.new("RGB", (WIDTH, HEIGHT), look.page))
    for place, card in enumerate(DAY):
        screen.card(*card, is_read=place != missing)
    return screen


looks = pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)


@looks
@pytest.mark.parametrize("is_dated", [True, False])
def test_a_day_that_shows_all_its_cards_raises_no_doubt(look: Look, is_dated: bool) -> None:
    assert _screen(look).unseen(is_dated=is_dated) == Unseen((), Tail.ROOM)


@looks
@pytest.mark.parametrize("place", [0, 1, 2, 3])
@pytest.mark.parametrize(
    "cover",
    [
        lambda s, at: s.cover(at, "#3b5bdb"),
        lambda s, at: s.cover(at, "#fffbd0", grow=4),
        lambda s, at: s.cover(at, "#5a636e", is_round=False),
    ],
    ids=["message", "note", "bar"],
)
def test_a_shape_over_a_card_holds_the_image(
    look: Look, place: int, cover: Callable[[Screen, int], None]
) -> None:
    screen = _screen(look)
    cover(screen, place)

    assert COVERED in screen.unseen().flags


@looks
@pytest.mark.parametrize(
    ("texts", "is_held"),
    [
        (("Fredag",), False), (("Freitag", "22. August 2025"), False), (("su 7.9.",), False),
        (("Sparat på fredag",), True), (("22",), True), (("Nytt schema",), True),
    ],
    ids=str,
)  # fmt: skip
def test_a_band_that_names_the_day_above_its_cards_hides_none(
    look: Look, texts: Sequence[str], is_held: bool
) -> None:
    screen = Screen(look, Image.new("RGB", (WIDTH, HEIGHT), look.page), y=290)
    for card in DAY:
        screen.card(*card)
    screen.pen.rectangle((0, 160, WIDTH, 270), fill="#8d97a6")
    for place, text in enumerate(texts):
        screen.line(text, 30 + 320 * place, 200)

    assert (COVERED in screen.unseen().flags) is is_held


@looks
@pytest.mark.parametrize("place", [1, 2, 3])
def test_a_dialog_that_touches_other_texts_holds_the_image(look: Look, place: int) -> None:
    """Left of it begin the times of the cards above and below it."""
    screen = _screen(look)
    top, bottom = screen.boxes[place]
    above = max(word.bottom for word in screen.words if word.bottom < top)
    box = (60, above - 3, WIDTH - 90, bottom + 5)
    screen.pen.rounded_rectangle(box, 14, fill="#b9c2ff")
    screen.words = [word for word in screen.words if not top <= word.middle <= bottom]

    assert COVERED in screen.unseen().flags


@looks
@pytest.mark.parametrize("place", [0, 1, 2])
def test_room_for_a_card_that_is_not_there_holds_the_image(look: Look, place: int) -> None:
    assert ROOM_BETWEEN in _screen(look, missing=place).unseen().flags


@looks
@pytest.mark.parametrize(("start", "is_held"), [("08:00", False), ("08:30", True)])
def test_what_lies_between_two_cards_hides_one_only_where_time_is_left(
    look: Look, start: str, is_held: bool
) -> None:
    screen = Screen(look, Image.new("RGB", (WIDTH, HEIGHT), look.page))
    screen.card("07:00", "08:00", "Restid", "")
    strip = screen.y
    screen.y += 150
    for begin, end in ((start, "09:00"), ("09:00", "10:00"), ("10:00", "11:00")):
        screen.card(begin, end, "Restid", "")
    screen.pen.rectangle((10, strip, WIDTH - 10, strip + 140), fill="#5a636e")

    assert bool(screen.unseen().flags) is is_held


@looks
@pytest.mark.parametrize("shade", [14, 60])
@pytest.mark.parametrize("missing", [None, 1])
@pytest.mark.parametrize("has_times", [False, True])
def test_bars_in_the_place_of_lines_hold_the_image(
    look: Look, shade: int, missing: int | None, has_times: bool
) -> None:
    """A card whose text was not loaded, however pale: below the last of them, or amid the list."""
    screen = _screen(look, missing=missing)
    is_dark = sum(ImageColor.getrgb(look.page)) < 300
    ground = look.page if missing is None else look.card
    base = ImageColor.getrgb(ground)[:3]
    fill = tuple(max(0, min(255, level + (shade if is_dark else -shade))) for level in base)
    top = screen.y + 30 if missing is None else screen.boxes[missing][0] + 16
    for wide in (250, 430):
        # Those of the times stand between those of the texts, a little higher.
        for left, right in ((30, 130), (180, 180 + wide)) if has_times else ((30, 30 + wide),):
            high = top + left / 20
            screen.pen.rounded_rectangle((left, high, right, high + look.text_px), 6, fill=fill)
        top += 1.5 * look.text_px

    assert ROOM_BETWEEN in screen.unseen().flags


@looks
@pytest.mark.parametrize("lines", [0.5, 1.0, 2.0])
def test_a_day_that_may_go_on_below_the_edge_is_told(look: Look, lines: float) -> None:
    screen = _screen(look)
    edge = screen.boxes[3][0] + lines * look.text_px

    assert screen.unseen(bottom=edge).tail is Tail.EDGE


@looks
@pytest.mark.parametrize("place", [1, 2])
@pytest.mark.parametrize("bar", ["#000000", "#9aa0a6"])
def test_below_a_bar_across_the_screen_another_app_may_hide_cards(
    look: Look, place: int, bar: str
) -> None:
    screen = _screen(look)
    edge = screen.boxes[place][1] + 8
    screen.pen.rectangle((0, edge, WIDTH, HEIGHT), fill=look.page)
    screen.pen.rectangle((0, edge, WIDTH, edge + 8), fill=bar)
    screen.words = [word for word in screen.words if word.bottom < edge]

    assert screen.unseen().tail is Tail.EDGE


@looks
@pytest.mark.parametrize("other", ["#7a5c3e", "#3f6f9f"])
def test_below_the_list_another_colour_than_any_above_may_hide_cards(
    look: Look, other: str
) -> None:
    screen = _screen(look)
    edge = screen.boxes[2][1] + 4
    screen.pen.rectangle((0, edge, WIDTH, HEIGHT), fill=other)
    screen.words = [word for word in screen.words if word.bottom < edge]

    assert screen.unseen().tail is Tail.EDGE


@pytest.mark.parametrize(("rule", "tail"), [("#c3c9d0", Tail.ROOM), ("#111111", Tail.EDGE)])
def test_the_rule_below_an_only_card_is_no_bar(rule: str, tail: Tail) -> None:
    screen = Screen(LOOKS["ruled"], Image.new("RGB", (WIDTH, HEIGHT), "#ffffff"))
    screen.card(*DAY[0])
    screen.pen.rectangle((0, screen.y, WIDTH, screen.y + 6), fill=rule)

    assert screen.unseen().tail is tail


@looks
def test_what_stands_right_below_the_last_card_may_be_another(look: Look) -> None:
    screen = _screen(look)
    y = screen.y + look.blank_px / 2
    font = ImageFont.truetype(dejavu(), look.text_px)
    screen.pen.text((30, y), "15:20", look.ink, font)

    assert screen.unseen().tail is Tail.EDGE


def _with_message(look: Look, top: float, text: str, fill: str) -> Screen:
    screen = _screen(look)
    box = (16, top, WIDTH - 16, top + 5 * look.text_px)
    screen.pen.rounded_rectangle(box, 10, fill=fill)
    screen.look = replace(look, ink="#ffffff")
    screen.line(text, 40, top + 2 * look.text_px)
    return screen


@looks
@pytest.mark.parametrize("fill", ["#3b5bdb", "#5a636e"])
def test_a_message_far_below_the_list_is_no_card(look: Look, fill: str) -> None:
    screen = _with_message(look, HEIGHT - 260, "Meddelande från chefen", fill)

    assert screen.unseen(has_strays=True) == Unseen((), Tail.ROOM)


@looks
@pytest.mark.parametrize("fill", ["#3b5bdb", "#5a636e"])
@pytest.mark.parametrize(("beyond", "is_seen"), [(2, False), (34, None), (84, True)])
def test_a_message_right_below_the_list_hides_no_card_that_would_be_seen_to_begin_above_it(
    look: Look, fill: str, beyond: int, is_seen: bool | None
) -> None:
    """The next box begins 12 pixels below the last, the next text where none has a box half a blank
    lower."""
    screen = _screen(look)
    top, bottom = screen.boxes[-1]
    screen.cover(-1, fill, offset=bottom - top + beyond)

    is_free = look.is_boxed if is_seen is None else is_seen
    assert (screen.unseen() == Unseen((), Tail.ROOM)) is is_free


@pytest.mark.parametrize("is_closed", [True, False])
@pytest.mark.parametrize("inset", [40, 0])
def test_a_message_that_leaves_the_sides_of_cards_free_hides_none(
    is_closed: bool, inset: int
) -> None:
    """Of cards whose ground is the page's nobody knows whether a rule ends the last of them."""
    screen = Screen(LOOKS["ruled"], Image.new("RGB", (WIDTH, HEIGHT), "#ffffff"))
    for card in DAY:
        screen.card(*card)
    top = screen.boxes[-1][1]
    if is_closed:
        screen.pen.rectangle((0, top + 3, WIDTH, HEIGHT), fill="#dbe7f0")
        screen.pen.rectangle((0, 0, WIDTH, 140), fill="#dbe7f0")
    screen.pen.rectangle((inset, top + 14, WIDTH - inset, top + 120), fill="#323b4a")

    assert (screen.unseen() == Unseen((), Tail.ROOM)) is (is_closed and bool(inset))


@pytest.mark.parametrize("name", ["boxes on grey", "dark boxes"])
@pytest.mark.parametrize("fill", ["#323b4a", "#f4d35e"])
@pytest.mark.parametrize("is_message", [True, False])
def test_a_message_on_a_page_that_changes_little_by_little_is_told_from_the_page(
    name: str, fill: str, is_message: bool
) -> None:
    look = LOOKS[name]
    screen = Screen(look, Image.new("RGB", (WIDTH, HEIGHT), look.page))
    for y in range(HEIGHT):
        shade = 205 - 90 * y // HEIGHT
        screen.pen.line((0, y, WIDTH, y), fill=(shade, 140, shade))
    for card in DAY:
        screen.card(*card)
    top, left = screen.y + 24, 24 if is_message else 0
    screen.pen.rectangle((left, top, WIDTH - left, top + 120), fill=fill)

    assert (screen.unseen() == Unseen((), Tail.ROOM)) is is_message


@looks
@pytest.mark.parametrize("text", ["Lediga pass", "Heldag", "Lunch", "Ring 0700"])
def test_what_says_something_of_a_shift_is_no_message(look: Look, text: str) -> None:
    screen = _with_message(look, HEIGHT - 260, text, "#3b5bdb")

    assert screen.unseen(has_strays=True).flags == (STRAY_TEXT,)


@looks
@pytest.mark.parametrize("fill", ["#3b5bdb", "#5a636e"])
@pytest.mark.parametrize("text", ["Meddelande från chefen", "Sparat"])
def test_a_message_beside_a_card_that_the_lower_edge_cuts_leaves_that_doubt_alone(
    look: Look, fill: str, text: str
) -> None:
    screen = _with_message(look, HEIGHT - 460, text, fill)
    screen.line("Tova Ek", 40, HEIGHT - 60)

    assert STRAY_TEXT not in screen.unseen(has_strays=True).flags
    screen.line("Tova Ek", 40, HEIGHT - 560)
    assert STRAY_TEXT in screen.unseen(has_strays=True).flags


@looks
def test_text_without_a_shape_around_it_is_no_message(look: Look) -> None:
    """Another image may show what is there."""
    screen = _screen(look)
    screen.line("Meddelande från chefen", 40, HEIGHT - 260)
    found = screen.unseen(has_strays=True)

    assert found.flags == (STRAY_TEXT,)
    assert found.hidden == (Hidden(STRAY_TEXT, "12:20–15:00"),)


def test_the_page_below_cards_that_fill_the_screen_is_no_cover() -> None:
    """Its colour stands above the list, too."""
    screen = _screen(LOOKS["ruled"])
    screen.pen.rectangle((0, screen.y, WIDTH, HEIGHT), fill="#d8e2dc")
    assert COVERED in screen.unseen(bottom=1100).flags

    screen.pen.rectangle((0, 0, WIDTH, 140), fill="#d8e2dc")
    assert COVERED not in screen.unseen(bottom=1100).flags


@pytest.mark.parametrize("name", ["boxes on grey", "dark boxes"])
@pytest.mark.parametrize("step", [0, 40])
def test_a_page_that_grows_darker_little_by_little_is_one_page(name: str, step: int) -> None:
    look = LOOKS[name]
    screen = Screen(look, Image.new("RGB", (WIDTH, HEIGHT), look.page))
    for y in range(HEIGHT):
        shade = 160 - 70 * y // HEIGHT - step * (y > 900)
        screen.pen.line((0, y, WIDTH, y), fill=(shade, shade, shade))
    for card in DAY:
        screen.card(*card)

    assert screen.boxes[-1][1] < 900
    assert screen.unseen().tail is (Tail.EDGE if step else Tail.ROOM)


@looks
@pytest.mark.parametrize(("left", "tail"), [(600, Tail.ROOM), (60, Tail.EDGE)])
def test_a_button_that_floats_at_the_right_leaves_the_next_card_to_be_seen(
    look: Look, left: int, tail: Tail
) -> None:
    screen = _screen(look)
    box = (left, screen.y + 10, left + 90, screen.y + 100)
    screen.pen.rounded_rectangle(box, 24, fill="#8338ec")

    assert screen.unseen(buttons=[box]).tail is tail


@looks
def test_a_card_beside_a_floating_button_is_seen(look: Look) -> None:
    screen = _screen(look)
    box = (600, screen.y + 10, 690, screen.y + 100)
    screen.pen.rounded_rectangle(box, 24, fill="#8338ec")
    font = ImageFont.truetype(dejavu(), look.text_px)
    screen.pen.text((30, screen.y + 20), "15:20", look.ink, font)

    assert screen.unseen(buttons=[box]).tail is Tail.EDGE


def _cut_below(look: Look, beyond: float) -> Screen:
    """Return a list, the screen of which ends so many pixels below its last card's box."""
    screen = _screen(look)
    screen.image = screen.image.crop((0, 0, WIDTH, int(screen.boxes[-1][1] + beyond)))
    return screen


@pytest.mark.parametrize("name", ["boxes on grey", "dark boxes"])
@pytest.mark.parametrize(("beyond", "tail"), [(10, Tail.EDGE), (30, Tail.ROOM)])
def test_a_box_that_would_be_seen_to_begin_below_the_last_one_is_none(
    name: str, beyond: float, tail: Tail
) -> None:
    """Its text would not be; the boxes stand 12 pixels apart."""
    screen = _cut_below(LOOKS[name], beyond)

    assert screen.unseen(bottom=screen.image.height).tail is tail


@pytest.mark.parametrize("name", ["boxes on grey", "dark boxes"])
def test_a_card_whose_box_the_screen_cuts_is_not_the_last_however_far_its_bar_reaches(
    name: str,
) -> None:
    screen = _cut_below(LOOKS[name], -6)
    bars = [(12.0, float(top), 20.0, float(bottom)) for top, bottom in screen.boxes]
    for bar in bars:
        screen.pen.rectangle(bar, fill="#8a2be2")

    assert screen.unseen(bottom=screen.image.height, buttons=bars).tail is Tail.EDGE


@pytest.mark.parametrize("name", ["boxes on grey", "dark boxes"])
def test_a_box_that_begins_below_the_last_card_is_one_though_no_text_of_it_is_seen(
    name: str,
) -> None:
    screen = _cut_below(LOOKS[name], 30)
    top = screen.boxes[-1][1] + 12
    screen.pen.rectangle((8, top, WIDTH - 8, screen.image.height), fill=screen.look.card)

    assert screen.unseen(bottom=screen.image.height).tail is Tail.EDGE


@pytest.mark.parametrize("count", [1, 4])
@pytest.mark.parametrize("fill", ["", "#d1d4da", "#2b2b2d"])
def test_a_page_that_changes_its_colour_slowly_goes_on_below_the_list(
    count: int, fill: str
) -> None:
    """Nothing lies there, but for a shape of one colour."""
    look = LOOKS["boxes on grey"]
    screen = Screen(look, Image.new("RGB", (WIDTH, HEIGHT), look.page))
    for y in range(HEIGHT):
        screen.pen.line((0, y, WIDTH, y), fill=(225 + y // 60, 245 - y // 50, 250 - y // 60))
    for card in DAY[:count]:
        screen.card(*card)
    if fill:
        screen.pen.rectangle((0, screen.boxes[-1][1], WIDTH, HEIGHT), fill=fill)

    unseen = screen.unseen()

    assert (COVERED in unseen.flags or unseen.tail is Tail.EDGE) is bool(fill)


def test_a_card_below_which_the_list_ends_is_cut_by_no_edge() -> None:
    cut = [
        replace(entry, flags=("cut_off",))
        for entry in read_layout(_screen(LOOKS["bare"]).words).entries
    ]

    for is_ended in (True, False):
        flags = [entry.flags for entry in uncut(cut, is_ended=is_ended, is_begun=True)]
        assert flags == [*[("cut_off",)] * 3, () if is_ended else ("cut_off",)]
    assert uncut(cut[:1], is_ended=True, is_begun=False) == tuple(cut[:1])
