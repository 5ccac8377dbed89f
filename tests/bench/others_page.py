"""HTML of a day in another look: what is around the list, and the list in each layout.

Each text of a card stands in an element with `data-card`, so that the browser can tell which cards
a screen shows whole.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable, Iterator
from html import escape

from tests.bench.others_day import Entry
from tests.bench.others_look import Look, css, written_date, written_duration, written_time
from tests.bench.others_words import NOTES

HOUR_PX = 92
#: A clock that tells the half of the day of the end only.
HALF_TOLD_ONCE = "12 once"


class Sheet:
    """The texts of a day's cards as a look writes them."""

    def __init__(self, look: Look, rng: random.Random, *, is_narrow: bool = False) -> None:
        self.look, self.rng, self._is_narrow = look, rng, is_narrow

    def mark(self, place: int, text: str, style: str = "") -> str:
        """Return a text of a card, marked as such."""
        return f'<span data-card={place} class="{style}">{escape(text)}</span>' if text else ""

    def times(self, place: int, entry: Entry, *, is_stacked: bool) -> str:
        start, end = (written_time(self.look, t) for t in (entry.shift.start, entry.shift.end))
        if self.look.clock == HALF_TOLD_ONCE:
            start = start.removesuffix(" AM").removesuffix(" PM")
        crossed = "crossed" if entry.is_crossed else ""
        old = ""
        if entry.old_times:
            old = " – ".join(written_time(self.look, time) for time in entry.old_times)
            old = self.mark(place, old, "crossed soft") + ("<br>" if is_stacked else " ")
        if is_stacked:
            lower = self.mark(place, end, f"end {crossed}")
            return f"{old}{self.mark(place, start, crossed)}<br>{lower}"
        return old + self.mark(place, f"{start}{self.look.separator}{end}", crossed)

    def duration(self, place: int, entry: Entry) -> str:
        text = written_duration(self.look, entry.minutes)
        if not text:
            return ""
        icon = self.look.icon("clock") if self.look.has_pin else ""
        return f'<span class="soft right">{icon} {self.mark(place, text)}</span>'

    def title(self, place: int, entry: Entry) -> str:
        """Return client and job, on one line or two, or the job as a chip."""
        style = "cut" if self._is_narrow else ""
        style += " crossed" if entry.is_crossed else ""
        client, job, joiner = entry.client, entry.job, self.look.joiner
        badge = f" {self.mark(place, entry.mark, 'badge')}" if entry.mark else ""
        if not client:
            return f"<div class=title>{self.mark(place, job, style)}{badge}</div>"
        if joiner in ("bullet", "dash"):
            sign = "•" if joiner == "bullet" else "-"
            text = f"{client} {sign} {job}"
            return f"<div class=title>{self.mark(place, text, style)}{badge}</div>"
        if joiner == "chip":
            chip = self.mark(place, job, "chip")
            return (
                f"<div class=title>{self.mark(place, client, style)}{badge}</div><div>{chip}</div>"
            )
        upper, lower = (job, client) if self.look.is_job_first else (client, job)
        below = self.mark(place, lower, style)
        return f"<div class=title>{self.mark(place, upper, style)}{badge}</div><div>{below}</div>"

    def address(self, place: int, entry: Entry) -> str:
        """Return the address in the look's form, and a note below it."""
        note = self.mark(place, entry.note, "soft")
        note = f"<div>{note}</div>" if note else ""
        if not entry.street:
            return note
        town, street = entry.town, entry.street
        lines = {
            "street, town": [f"{street}, {town}"],
            "town, street": [f"{town}, {street}"],
            "street, code town": [f"{street}, {entry.postal_code} {town}"],
            "two lines": [street, f"{entry.postal_code} {town}"],
            "street / town": [street, town],
        }[self.look.address]
        pin = self.look.icon("place") + " " if self.look.has_pin else ""
        style = "soft cut" if self._is_narrow else "soft"
        return "".join(
            f"<div class=soft>{pin if not number else ''}{self.mark(place, line, style)}</div>"
            for number, line in enumerate(lines)
        ) + note  # fmt: skip


def _card(sheet: Sheet, entry: Entry, inner: str) -> str:
    look = sheet.look
    tint = f"background:hsl({sheet.rng.randrange(360)} 70% {'22%' if look.is_dark else '91%'})"
    side = "<div class=side></div>" if look.has_bar else ""
    box = "<div class=box></div>" if look.has_box else ""
    chevron = f"<div class=soft>{look.icon('chevron')}</div>" if look.has_chevron else ""
    thumb = _thumb(sheet.rng) if look.has_thumb and entry.client else ""
    pale = " pale" if entry.is_pale else ""
    style = tint if look.is_tinted else ""
    return f'<div class="card{pale}" style="{style}">{side}{box}{inner}{thumb}{chevron}</div>'


def _thumb(rng: random.Random) -> str:
    """Return a small map: streets and a pin, no letters."""
    roads = "".join(
        f'<path d="M{rng.randint(0, 64)} 0L{rng.randint(0, 64)} 52" stroke="#fff" '
        f'stroke-width="5"/><path d="M0 {rng.randint(0, 52)}L64 {rng.randint(0, 52)}" '
        'stroke="#fd6" stroke-width="4"/>'
        for _ in range(2)
    )
    return (
        f'<svg class=thumb viewBox="0 0 64 52" style="background:#cde3c8">{roads}'
        '<circle cx="32" cy="24" r="6" fill="#d32"/></svg>'
    )


def _agenda(sheet: Sheet, place: int, entry: Entry) -> str:
    left = f'<div class="times left">{sheet.times(place, entry, is_stacked=True)}</div>'
    title = f"<div>{sheet.title(place, entry)}</div>"
    head = f"<div class=line>{title}{sheet.duration(place, entry)}</div>"
    return _card(sheet, entry, f"{left}<div class=body>{head}{sheet.address(place, entry)}</div>")


def _cards(sheet: Sheet, place: int, entry: Entry) -> str:
    times = f"<span class=times>{sheet.times(place, entry, is_stacked=False)}</span>"
    head = f"<div class=line>{times}{sheet.duration(place, entry)}</div>"
    below = sheet.title(place, entry) + sheet.address(place, entry)
    return _card(sheet, entry, f"<div class=body>{head}{below}</div>")


def _right(sheet: Sheet, place: int, entry: Entry) -> str:
    is_stacked = sheet.look.gap % 2 == 0
    times = f'<div class="times right">{sheet.times(place, entry, is_stacked=is_stacked)}</div>'
    below = sheet.title(place, entry) + sheet.address(place, entry) + sheet.duration(place, entry)
    return _card(sheet, entry, f"<div class=body>{below}</div>{times}")


def _avatars(sheet: Sheet, place: int, entry: Entry) -> str:
    initials = "".join(word[0] for word in (entry.client or entry.job).split())[:2].upper()
    picture = initials if sheet.look.radius else sheet.look.icon("person", 1.4)
    times = sheet.times(place, entry, is_stacked=False)
    below = sheet.title(place, entry) + sheet.address(place, entry)
    body = f"<div class=body>{below}<div class=times>{times}</div></div>"
    right = sheet.duration(place, entry)
    return _card(sheet, entry, f"<div class=round>{picture}</div>{body}{right}")


def _groups(sheet: Sheet, place: int, entry: Entry) -> str:
    time, client, job, address = sheet.look.tongue.columns
    town = entry.town if "code" not in sheet.look.address else f"{entry.postal_code} {entry.town}"
    pairs = [(time, sheet.times(place, entry, is_stacked=False))]
    pairs += [(client, sheet.mark(place, entry.client))] if entry.client else []
    pairs += [(job, sheet.mark(place, entry.job))]
    pairs += [(address, sheet.mark(place, f"{entry.street}, {town}"))] if entry.street else []
    told = [("", sheet.mark(place, entry.mark, "badge")), ("", sheet.mark(place, entry.note))]
    pairs += [pair for pair in told if pair[1]]
    rows = "".join(f"<div class=pair><span>{k}</span><span>{v}</span></div>" for k, v in pairs)
    return f'<div class="group{" pale" if entry.is_pale else ""}">{rows}</div>'


def _timeline(sheet: Sheet, entries: list[Entry]) -> str:
    first = min(int(entry.shift.start[:2]) for entry in entries)
    ends = [_minutes(entry) + entry.minutes for entry in entries]
    last = max(ends) // 60 + 1
    hours = "".join(
        f"<div class=hour style='top:{(hour - first) * HOUR_PX}px'>"
        f"{written_time(sheet.look, f'{hour % 24:02}:00')}</div>"
        for hour in range(first, last + 1)
    )
    blocks = ""
    for place, entry in enumerate(entries):
        top = (_minutes(entry) - 60 * first) * HOUR_PX / 60
        height = entry.minutes * HOUR_PX / 60 - 2
        times = sheet.times(place, entry, is_stacked=False)
        title = sheet.title(place, entry)
        inner = f"{title}<div>{times}</div>{sheet.address(place, entry)}"
        if not entry.client:
            inner = f"<div class=line>{title}{times}</div>"
        pale = " pale" if entry.is_pale else ""
        blocks += (
            f'<div class="block{pale}" style="top:{top}px;min-height:{height}px">{inner}</div>'
        )
    style = f"position:relative;height:{(last - first) * HOUR_PX + 20}px"
    return f'<div style="{style}">{hours}{blocks}</div>'


def _minutes(entry: Entry) -> int:
    hour, minute = entry.shift.start.split(":")
    return 60 * int(hour) + int(minute)


def _table(sheet: Sheet, entries: list[Entry]) -> str:
    is_wide = sheet.look.width > 700
    time, client, job, address = sheet.look.tongue.columns
    names = (time, client, job, address) if is_wide else (time, client, address)
    head = "".join(f"<th>{name}</th>" for name in names)
    rows = ""
    for place, entry in enumerate(entries):
        who, what = sheet.mark(place, entry.client), sheet.mark(place, entry.job)
        badge = f"<br>{sheet.mark(place, entry.mark, 'badge')}" if entry.mark else ""
        middle = f"<td>{who}{badge}</td><td>{what}</td>" if is_wide else (
            f"<td>{who}{'<br>' if who else ''}{what}{badge}</td>"
        )  # fmt: skip
        times = sheet.times(place, entry, is_stacked=not is_wide)
        pale = " class=pale" if entry.is_pale else ""
        rows += f"<tr{pale}><td>{times}</td>{middle}<td>{sheet.address(place, entry)}</td></tr>"
    return f"<table><tr>{head}</tr>{rows}</table>"


def _chat(sheet: Sheet, place: int, entry: Entry) -> str:
    times = f"<b>{sheet.times(place, entry, is_stacked=False)}</b>"
    sent = f"<em>{written_time(sheet.look, '05:4' + str(place % 10))} ✓✓</em>"
    below = sheet.title(place, entry) + sheet.address(place, entry)
    return f"<div class=bubble>{times}{below}{sent}</div>"


_ROWS: dict[str, Callable[[Sheet, int, Entry], str]] = {
    "agenda": _agenda, "cards": _cards, "strip": _cards, "right": _right, "avatars": _avatars,
    "groups": _groups, "chat": _chat,
}  # fmt: skip


def list_of(sheet: Sheet, entries: list[Entry], first: int = 0) -> str:
    """Return the cards of a day; `first` is the place of its first among all of the page."""
    if sheet.look.layout == "timeline" and entries:
        return _timeline(sheet, entries)
    if sheet.look.layout == "table" and entries:
        return _table(sheet, entries)
    draw = _ROWS.get(sheet.look.layout, _cards)
    return "".join(draw(sheet, first + n, entry) for n, entry in enumerate(entries))


def heading_of(look: Look, date: dt.date, *, text: str | None = None) -> str:
    """Return the heading of a day."""
    told = written_date(look, date) if text is None else text
    week = f"<small>{look.tongue.week} {date.isocalendar().week}</small>" if look.has_week else ""
    return f"<div class=heading>{escape(told)}{week}</div>"


def total_of(look: Look, minutes: int) -> str:
    """Return the line that sums up a day."""
    hours, rest = divmod(minutes, 60)
    return f"<div class=total>{look.tongue.total} {hours} h {rest:02} min</div>"


def page_of(look: Look, date: dt.date, heading: str, inner: str, over: str, sent: str) -> str:
    """Return the whole page; `sent` is the clock of the status bar."""
    parts = [f"<style>{css(look)}</style>", _status(look, sent), *_top(look, date)]
    if look.is_sticky:
        parts.append(heading)
        heading = ""
    zebra = " class=zebra" if look.is_zebra else ""
    parts.append(f"<div id=list><div id=inner{zebra}>{heading}{inner}</div>{over}</div>")
    if look.has_tabs:
        signs = ("home", "calendar", "bell", "person", "menu")
        tabs = "".join(
            f"<div>{look.icon(sign, 1.8)}<br>{word}</div>"
            for sign, word in zip(signs, look.tongue.tabs, strict=True)
        )
        parts.append(f"<div class=tabs>{tabs}</div>")
    return "<!doctype html><meta charset=utf-8>" + "".join(parts)


def _status(look: Look, sent: str) -> str:
    bars = "".join(
        f'<rect x="{4 * n}" y="{9 - 3 * n}" width="3" height="{3 + 3 * n}"/>' for n in range(4)
    )
    signal = f'<svg width="16" height="12" fill="currentColor">{bars}</svg>'
    battery = (
        '<svg width="24" height="12" fill="currentColor"><rect width="21" height="12" rx="3" '
        'opacity=".4"/><rect x="2" y="2" width="13" height="8" rx="1"/></svg>'
    )
    percent = "" if look.is_phone_of_apple else f"{(len(look.font) * 13) % 90 + 9} % "
    return f"<div class=status><span>{sent}</span><span>{signal} {percent}{battery}</span></div>"


def _top(look: Look, date: dt.date) -> Iterator[str]:
    title = look.tongue.titles[date.day % len(look.tongue.titles)]
    style = "bar accent" if look.is_tinted or look.has_bar else "bar"
    yield f'<div class="{style}">{look.icon("menu")}<b>{title}</b>{look.icon("bell")}</div>'
    if not look.has_strip:
        return
    monday = date - dt.timedelta(date.weekday())
    days = [monday + dt.timedelta(n) for n in range(7)]
    letters = 1 if look.radius else 3 if look.tongue.name != "fi" else 2
    yield "<div class=strip>" + "".join(
        f"<div>{look.tongue.weekdays[n][:letters].capitalize()}<br>"
        f"<span{' class=on' if day == date else ''}>{day.day}</span></div>"
        for n, day in enumerate(days)
    ) + "</div>"  # fmt: skip


def toast(text: str, bottom: int, shot: str) -> str:
    """Return a message that lies over the list in the screens named by `shot`."""
    return (
        f'<div class="over toast" data-shot="{shot}" style="bottom:{bottom}px">{escape(text)}</div>'
    )


def note(rng: random.Random) -> str:
    """Return something that a person wrote on a card."""
    return rng.choice(NOTES)
