"""Draw one scrolled view of a day as the phone app shows it, in px of an 828 × 1792 screen."""

from __future__ import annotations

import datetime as dt
import random
from dataclasses import dataclass

from PIL import Image, ImageDraw
from tests.drawn.days import Day, Row
from tests.drawn.style import Colour, Palette, Style

WIDTH = 828
HEIGHT = 1792
HEADER_HEIGHT = 270
TAB_TOP = 1626
FIRST_CARD = 450
TITLE_LEFT = 194
TITLE_RIGHT = 640
DURATION_RIGHT = 793

# The app's own words in both languages of its interface.
WEEKDAYS = {
    "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    "sv": ("Måndag", "Tisdag", "Onsdag", "Torsdag", "Fredag", "Lördag", "Söndag"),
}
MONTHS = {
    "en": (
        "January", "February", "March", "April", "May", "June", "July", "August", "September",
        "October", "November", "December",
    ),
    "sv": (
        "januari", "februari", "mars", "april", "maj", "juni", "juli", "augusti", "september",
        "oktober", "november", "december",
    ),
}  # fmt: skip
WORDS = {
    "en": ("Week", "On time", "Collaborators", "Thank you for today!"),
    "sv": ("Vecka", "I tid", "Kollegor", "Tack för idag!"),
}
TABS = {"en": ("Schedule", "HelpHub", "Account"), "sv": ("Schema", "Hjälp", "Konto")}


@dataclass(frozen=True, slots=True)
class Look:
    """A style in one language, light or dark."""

    style: Style
    language: str = "en"
    is_dark: bool = False

    @property
    def palette(self) -> Palette:
        return self.style.dark if self.is_dark else self.style.light


def sheet_height(day: Day, look: Look) -> int:
    """Return the height in px of the whole scrollable sheet of `day`, header band included."""
    return _draw_sheet(day, look, random.Random(0))[1]


def draw_view(day: Day, look: Look, rng: random.Random, scroll: int = 0) -> Image.Image:
    """Return the screen with the sheet scrolled up by `scroll` px."""
    sheet, _ = _draw_sheet(day, look, rng)
    screen = Image.new("RGB", (WIDTH, HEIGHT), look.palette.sheet)
    screen.paste(
        sheet.crop((0, HEADER_HEIGHT + scroll, WIDTH, TAB_TOP + scroll)), (0, HEADER_HEIGHT)
    )
    _draw_header(screen, day.date, look, rng)
    _draw_tabs(screen, look)
    return screen


def _draw_sheet(day: Day, look: Look, rng: random.Random) -> tuple[Image.Image, int]:
    height = FIRST_CARD + 330 * (len(day.rows) + 1) + HEIGHT
    sheet = Image.new("RGB", (WIDTH, height), look.palette.sheet)
    pen = ImageDraw.Draw(sheet)
    _draw_date(pen, day.date, look)
    top = FIRST_CARD
    for row in day.rows:
        bottom = top + _draw_card(pen, row, top, look, rng)
        _draw_rules(pen, bottom, look)
        top = bottom + 12
    end = day.rows[-1].end if day.rows else "16:00"
    palette, style = look.palette, look.style
    pen.text((38, top + 32), end, palette.time, style.font(style.time_px))
    thanks = WORDS[look.language][3]
    pen.text(
        (TITLE_LEFT, top + 30), thanks, palette.title, style.font(style.title_px, is_bold=True)
    )
    _draw_smile(
        pen,
        TITLE_LEFT + round(pen.textlength(thanks, style.font(style.title_px, is_bold=True))) + 14,
        top + 32,
    )
    return sheet, top + 110


def _draw_date(pen: ImageDraw.ImageDraw, date: dt.date, look: Look) -> None:
    palette, style = look.palette, look.style
    weekday = WEEKDAYS[look.language][date.weekday()]
    text = f"{weekday} {date.day} {MONTHS[look.language][date.month - 1]}"
    pen.text((32, 347), text, palette.title, style.font(46, is_bold=True), anchor="lm")
    week = f"{WORDS[look.language][0]} {date.isocalendar().week}"
    pen.text((35, 395), week, palette.grey, style.font(29), anchor="lm")


def _draw_card(pen: ImageDraw.ImageDraw, row: Row, top: int, look: Look, rng: random.Random) -> int:
    """Draw one card and return its height in px: about 160, 206 or 250."""
    palette, style = look.palette, look.style
    bold, grey = style.font(style.title_px, is_bold=True), style.font(style.grey_px)
    y = top + 28
    title_left = TITLE_LEFT
    if style.has_range_line:
        pen.text(
            (TITLE_LEFT, y), f"{row.start} – {row.end}", palette.time, style.font(style.time_px)
        )
        times_bottom = y = y + 46
    else:
        pen.text((38, y), row.start, palette.time, style.font(style.time_px))
        pen.text((38, y + style.time_pitch), row.end, palette.time, style.font(style.time_px))
        times_bottom = y + 2 * style.time_pitch
        if row.is_on_time:
            pen.text(
                (38, times_bottom + 6), WORDS[look.language][1], palette.on_time, style.font(23)
            )
    lines = _wrap(pen, row.title.format(sep=style.separator), bold, TITLE_RIGHT - title_left)
    line_y = y
    for line in lines:
        pen.text((title_left, line_y), line, palette.title, bold)
        line_y += 42
    _draw_duration(pen, row, y, look)
    line_y += style.address_below - 42
    if row.address:
        right = 470 if row.collaborators else 780
        address = _wrap(pen, row.address, grey, right - title_left)
        start_y = y + 42 * (len(lines) - 1) + style.address_below
        if max(pen.textlength(line, grey) for line in address) > 470 - title_left:
            # One long word: the colleagues stand below the address.
            start_y += 38 * len(address)
        for line in address:
            pen.text((title_left, line_y), line, palette.grey, grey)
            line_y += 38
        if row.collaborators:
            _draw_collaborators(pen, row.collaborators, start_y, look, rng)
            line_y = max(line_y, start_y + 96)
    height = max(148, line_y - top + 30, times_bottom - top + 44)
    pen.rectangle((156, top + 20, 165, top + height - 20), fill=palette.bar)
    return height


def _draw_duration(pen: ImageDraw.ImageDraw, row: Row, y: int, look: Look) -> None:
    palette, font = look.palette, look.style.font(look.style.grey_px - 2)
    hours, minutes = divmod(row.minutes, 60)
    text = " ".join(
        part for part in (f"{hours}h" * (hours > 0), f"{minutes}m" * (minutes > 0)) if part
    )
    pen.text((DURATION_RIGHT, y + 2), text, palette.grey, font, anchor="ra")
    left = DURATION_RIGHT - round(pen.textlength(text, font)) - 36
    middle = (left + 13, y + 17)
    pen.ellipse((left, y + 4, left + 26, y + 30), outline=palette.grey, width=3)
    pen.line((middle, (middle[0], middle[1] - 8)), fill=palette.grey, width=3)
    pen.line((middle, (middle[0] + 6, middle[1])), fill=palette.grey, width=3)


def _draw_collaborators(
    pen: ImageDraw.ImageDraw, count: int, y: int, look: Look, rng: random.Random
) -> None:
    palette, style = look.palette, look.style
    pen.text((480, y), WORDS[look.language][2], palette.grey, style.font(style.grey_px - 4))
    for index in range(min(count, 3)):
        left = 480 + 46 * index
        fill: Colour = (rng.randint(60, 220), rng.randint(60, 220), rng.randint(60, 220))
        pen.ellipse((left, y + 40, left + 56, y + 96), fill=fill, outline=palette.sheet, width=3)
        pen.ellipse((left + 18, y + 50, left + 38, y + 70), fill=(226, 190, 160))
        pen.pieslice((left + 10, y + 72, left + 46, y + 112), 200, 340, fill=(70, 70, 90))
    if count > 3:
        pen.text((636, y + 54), f"+{count - 3}", palette.grey, style.font(style.grey_px - 4))


def _draw_rules(pen: ImageDraw.ImageDraw, y: int, look: Look) -> None:
    palette = look.palette
    pen.rectangle((0, y, WIDTH, y + 12), fill=palette.gap)
    pen.line((0, y, WIDTH, y), fill=palette.rule, width=2)
    pen.line((0, y + 12, WIDTH, y + 12), fill=palette.rule, width=2)


def _draw_smile(pen: ImageDraw.ImageDraw, left: int, top: int) -> None:
    pen.ellipse((left, top, left + 36, top + 36), fill=(255, 204, 51))
    pen.ellipse((left + 9, top + 10, left + 14, top + 16), fill=(90, 60, 10))
    pen.ellipse((left + 22, top + 10, left + 27, top + 16), fill=(90, 60, 10))
    pen.arc((left + 8, top + 10, left + 28, top + 29), 20, 160, fill=(90, 60, 10), width=3)


def _draw_header(screen: Image.Image, date: dt.date, look: Look, rng: random.Random) -> None:
    palette, style, pen = look.palette, look.style, ImageDraw.Draw(screen)
    pen.rectangle((0, 0, WIDTH, HEADER_HEIGHT - 1), fill=palette.header)
    white = palette.header_text
    pen.text(
        (66, 32),
        f"{rng.randint(6, 22):02}:{rng.randint(0, 59):02}",
        white,
        style.font(31, is_bold=True),
    )
    for index in range(4):
        pen.rectangle((640 + 9 * index, 56 - 5 * index, 645 + 9 * index, 60), fill=white)
    pen.rounded_rectangle((740, 38, 786, 60), 6, outline=white, width=2)
    pen.rectangle((744, 42, 744 + rng.randint(8, 38), 56), fill=white)
    monday = date - dt.timedelta(days=date.weekday())
    pen.text((49, 219), str(date.isocalendar().week), white, style.font(26), anchor="mm")
    for index in range(7):
        x = 152 + 102 * index
        day = monday + dt.timedelta(days=index)
        pen.text((x, 150), WEEKDAYS[look.language][index][:3], white, style.font(26), anchor="mm")
        colour = white
        if day == date:
            pen.ellipse((x - 30, 189, x + 30, 249), fill=white)
            colour = palette.header
        pen.text((x, 219), str(day.day), colour, style.font(30), anchor="mm")


def _draw_tabs(screen: Image.Image, look: Look) -> None:
    palette, style, pen = look.palette, look.style, ImageDraw.Draw(screen)
    pen.rectangle((0, TAB_TOP, WIDTH, HEIGHT), fill=palette.sheet)
    pen.line((0, TAB_TOP, WIDTH, TAB_TOP), fill=palette.rule, width=2)
    for index, text in enumerate(TABS[look.language]):
        x = 138 + 276 * index
        pen.rounded_rectangle((x - 20, 1646, x + 20, 1686), 8, outline=palette.grey, width=4)
        pen.text((x, 1708), text, palette.grey, style.font(22), anchor="mm")
    pen.rounded_rectangle((280, 1768, 548, 1778), 5, fill=palette.title)


def _wrap(pen: ImageDraw.ImageDraw, text: str, font: object, width: int) -> list[str]:
    lines: list[str] = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and pen.textlength(longer, font) > width:  # type: ignore[arg-type]
            lines.append(word)
        else:
            lines[-1] = longer
    return lines
