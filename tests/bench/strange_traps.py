"""Screens that are easily misread: each trap changes one thing of a strange day.

The right outcome of a trap is to be held, or to be read rightly where that can be; never a shift
that nobody is asked about and that is wrong.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from tests.bench.any_day import ANY_WEEKDAYS
from tests.bench.strange_day import StrangeDay, StrangeLook
from tests.bench.strange_page import Twist, heading_of

from backfill.ocr.text.clock import minutes_of


@dataclass(frozen=True, slots=True)
class Trap:
    """A day with one thing in it that is easily misread, and what stays true of it.

    `keeps` are the places of the cards that are true shifts; `has_date` whether a single date is;
    `shown` the images that were sent, all by default.
    """

    day: StrangeDay
    look: StrangeLook
    twist: Twist
    keeps: tuple[int, ...]
    cancelled: tuple[int, ...] = ()
    has_date: bool = True
    left_out: tuple[int, ...] = ()
    scroll: int = 0


Maker = Callable[[StrangeDay, StrangeLook, random.Random], Trap]


def _all(day: StrangeDay) -> tuple[int, ...]:
    return tuple(range(len(day.cards)))


def _twelve(clock: str) -> str:
    minutes = minutes_of(clock)
    return f"{(minutes // 60 - 1) % 12 + 1}:{minutes % 60:02}"


def half_day(day: StrangeDay, look: StrangeLook, rng: random.Random) -> Trap:
    """A clock of twelve hours, its half told once, or beside each time, or in other letters."""
    form = rng.choice(("{0} – {1} {b}", "{0} {a} – {1} {b}", "{0}{a}–{1}{b}"))
    signs = rng.choice((("AM", "PM"), ("am", "pm"), ("a.m.", "p.m."), ("FM", "EM")))
    times = {}
    for place, card in enumerate(day.cards):
        start, end = card.shift.start, card.shift.end
        halves = {name: signs[minutes_of(at) >= 720] for name, at in (("a", start), ("b", end))}
        times[place] = form.format(_twelve(start), _twelve(end), **halves)
    return Trap(day, replace(look, order="range-top"), Twist(times=times), _all(day))


def ellipsis(day: StrangeDay, look: StrangeLook, rng: random.Random) -> Trap:
    sign = rng.choice(("…", "..."))
    twist = Twist()
    for place, card in enumerate(day.cards):
        if card.is_activity:
            continue
        if rng.random() < 0.5:
            cut = f"{card.client} {look.separator} {card.job}"[
                : len(card.client) + rng.choice((-3, 1, 3, 5))
            ]
            twist.title[place] = cut.rstrip() + sign
        else:
            whole = f"{card.town}, {card.street}"
            twist.address[place] = whole[: len(whole) - rng.choice((2, 4, 6))].rstrip() + sign
    return Trap(day, replace(look, order="stacked"), twist, _all(day))


def cancelled(day: StrangeDay, look: StrangeLook, rng: random.Random) -> Trap:
    """A card that is called off: a badge, a grey line, a struck-out title."""
    place = rng.randrange(len(day.cards))
    word = rng.choice((
        "INSTÄLLT", "Inställd", "Avbokat", "Cancelled", "CANCELED", "Aflyst", "Avlyst", "Peruttu",
        "Abgesagt",
    ))  # fmt: skip
    form = rng.choice(("badge", "grey", "over", "struck"))
    extra = {
        "badge": f'<span class="badge">{word}</span>',
        "grey": f'<div class="grey line">{word}</div>',
        "over": f'<div style="margin-top:-8px"><span class="badge">{word}</span></div>',
        "struck": "",
    }[form]
    twist = Twist(extra={place: extra})
    if form == "struck":
        twist.style[place] = "text-decoration:line-through"
    return Trap(day, look, twist, tuple(p for p in _all(day) if p != place), (place,))


def others(day: StrangeDay, look: StrangeLook, rng: random.Random) -> Trap:
    """Below a heading stand shifts that are open, or a colleague's."""
    place = rng.randrange(1, len(day.cards))
    word = rng.choice(("Lediga pass", "Open shifts", "Öppna pass", "Kollegors pass", "Annas pass"))
    before = {place: f'<div style="padding:14px 16px 6px"><b>{word}</b></div>'}
    return Trap(day, look, Twist(before=before, has_no_bye=True), _all(day)[:place])


def agenda(day: StrangeDay, look: StrangeLook, rng: random.Random) -> Trap:
    """Several days under one another, each with its heading, or its day beside each card."""
    place = rng.randrange(1, len(day.cards))
    if rng.random() < 0.5:
        after = heading_of(day.date + dt.timedelta(days=1), look.language)
        before = {place: f'<div class="date" style="padding:12px 16px">{after}</div>'}
        return Trap(day, look, Twist(before=before), (), has_date=False)
    times = {}
    for at, card in enumerate(day.cards):
        date = day.date + dt.timedelta(days=at)
        name = ANY_WEEKDAYS[look.language][date.weekday()][:3].lower()
        shown = f"{card.shift.start} – {card.shift.end}"
        times[at] = f'<span class="grey">{name} {date.day}</span> {shown}'
    order = rng.choice(("range-top", "range-left"))
    return Trap(day, replace(look, order=order), Twist(times=times), (), has_date=False)


def two_columns(day: StrangeDay, look: StrangeLook, rng: random.Random) -> Trap:
    after = heading_of(day.date + dt.timedelta(days=1), look.language)
    twist = Twist(
        heading=(
            '<div style="display:grid;grid-template-columns:1fr 1fr">'
            f"<span>{heading_of(day.date, look.language)}</span><span>{after}</span></div>"
        ),
        body_style="display:grid;grid-template-columns:1fr 1fr",
        has_no_bye=True,
    )
    wide = replace(look, is_app=False, order="range-top", width=1024, height=768, density=1.5)
    return Trap(day, wide, twist, (), has_date=False)


def last_missing(day: StrangeDay, look: StrangeLook, rng: random.Random) -> Trap:
    """The last images were never sent."""
    return Trap(
        day,
        replace(look, is_app=True, order="stacked", has_bye=True, has_bar=True, height=520),
        Twist(),
        _all(day),
        left_out=(-1,),
    )


def middle_missing(day: StrangeDay, look: StrangeLook, rng: random.Random) -> Trap:
    return Trap(
        day,
        replace(look, is_app=True, order="stacked", has_bye=True, has_bar=True, height=430),
        Twist(),
        _all(day),
        left_out=(1,),
    )


def faint(day: StrangeDay, look: StrangeLook, rng: random.Random) -> Trap:
    place = rng.randrange(len(day.cards))
    return Trap(
        day, look, Twist(style={place: f"opacity:{rng.choice((0.18, 0.25, 0.32))}"}), _all(day)
    )


def banner(day: StrangeDay, look: StrangeLook, rng: random.Random) -> Trap:
    """A message of another app lies over the cards."""
    top = rng.choice((205, 240, 275))
    text = rng.choice(("Mamma: Ring mig när du kan", "Batteri: 20 % kvar", "SMS: Vi ses i kväll!"))
    return Trap(
        day, look, Twist(overlay=f'<div class="toast" style="top:{top}px">{text}</div>'), _all(day)
    )


def turned(day: StrangeDay, look: StrangeLook, rng: random.Random) -> Trap:
    """A page from right to left: the end stands before the start."""
    times = {p: f"{c.shift.end} – {c.shift.start}" for p, c in enumerate(day.cards)}
    look = replace(look, order="range-top", duration="none")
    return Trap(day, look, Twist(times=times), _all(day))


def far(day: StrangeDay, look: StrangeLook, rng: random.Random) -> Trap:
    """The pictures were sent years after their day: the year can not be told."""
    sent = day.created_at + dt.timedelta(days=rng.choice((1100, 800, 1460)))
    return Trap(replace(day, created_at=sent), look, Twist(), _all(day))


def other_week(day: StrangeDay, look: StrangeLook, rng: random.Random) -> Trap:
    week = day.date.isocalendar().week % 50 + rng.choice((1, 2))
    return Trap(
        day,
        replace(look, is_app=False, order="stacked"),
        Twist(week=f"Vecka {week}"),
        (),
        has_date=False,
    )


def other_weekday(day: StrangeDay, look: StrangeLook, rng: random.Random) -> Trap:
    """The weekday of the heading is not that of its date in that week."""
    shown = heading_of(day.date, look.language)
    wrong = ANY_WEEKDAYS[look.language][(day.date.weekday() + rng.choice((1, 3))) % 7]
    twist = Twist(heading=" ".join((wrong, *shown.split()[1:])))
    return Trap(day, replace(look, is_app=False, order="stacked"), twist, (), has_date=False)


def nameless(day: StrangeDay, look: StrangeLook, rng: random.Random) -> Trap:
    """A card of work whose client and place are not shown."""
    place = next(p for p, card in enumerate(day.cards) if not card.is_activity)
    twist = Twist(title={place: day.cards[place].job}, address={place: ""})
    return Trap(day, replace(look, order="stacked"), twist, _all(day))


def unknown_job(day: StrangeDay, look: StrangeLook, rng: random.Random) -> Trap:
    place = next(p for p, card in enumerate(day.cards) if not card.is_activity)
    job = rng.choice(("Hundpassning", "Jourpass", "Frånvaro", "Sjuk", "Flytthjälp"))
    twist = Twist(title={place: f"{day.cards[place].client} • {job}"})
    return Trap(day, replace(look, order="stacked", separator="•"), twist, _all(day))


def edge_cut(day: StrangeDay, look: StrangeLook, rng: random.Random) -> Trap:
    """Only the upper end was sent, and its last card is cut by the edge."""
    height = rng.choice((400, 430, 460, 490))
    return Trap(
        day,
        replace(look, height=height, has_bye=True),
        Twist(),
        _all(day),
        left_out=(-1, -2, -3, -4, -5),
    )


def emoji(day: StrangeDay, look: StrangeLook, rng: random.Random) -> Trap:
    """Pictures before names, some of which the phone's font lacks."""
    signs = rng.choice((("🏠", "📍"), ("\U000fabcd", "\U000fabce"), ("🧹", "🗺️"), ("⭐", "🔑")))
    twist = Twist()
    for place, card in enumerate(day.cards):
        if not card.is_activity:
            twist.title[place] = f"{signs[0]} {card.client} {look.separator} {card.job} {signs[0]}"
            twist.address[place] = f"{signs[1]} {card.town}, {card.street}"
    return Trap(day, replace(look, order=rng.choice(("stacked", "range-top"))), twist, _all(day))


TRAPS: tuple[Maker, ...] = (
    half_day, ellipsis, cancelled, others, agenda, two_columns, last_missing, middle_missing, faint,
    banner, turned, far, other_week, other_weekday, nameless, unknown_job, edge_cut, emoji,
)  # fmt: skip
