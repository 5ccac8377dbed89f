"""A strange day as one HTML document, drawn by a browser, perhaps with a trap in it."""

from __future__ import annotations

import datetime as dt
import html
import random
from dataclasses import dataclass, field

from tests.bench.any_day import ANY_MONTHS, ANY_WEEKDAYS
from tests.bench.strange_day import Card, StrangeDay, StrangeLook
from tests.bench.strange_words import APP_WORDS

_CSS = """
*{box-sizing:border-box}body{margin:0;position:relative}
.head{position:fixed;z-index:2;top:0;left:0;right:0;padding:14px 26px 8px}
.row{display:flex;justify-content:space-between;align-items:center}
.now{border-radius:50%;width:27px;line-height:27px;text-align:center;background:#fff;color:#123}
.card{display:flex;position:relative}.body{flex:1;min-width:0}
.times{width:58px;flex:none;line-height:1.3}.wide{width:112px}
.bar{width:4px;border-radius:3px;align-self:stretch;margin:0 14px 0 4px;flex:none}
.top{display:flex;justify-content:space-between;gap:8px}.length{white-space:nowrap}
.line{margin-top:5px}.who{display:flex;align-items:center;justify-content:flex-end;gap:3px;
font-size:13px;margin-top:6px}.face{width:24px;height:24px;border-radius:50%;font-size:9.5px;
display:flex;align-items:center;justify-content:center;overflow:hidden;margin-left:2px}
.state{color:#2c9457;font-size:10.5px}.chip{border-radius:7px;padding:3px 8px;font-size:12px}
.tabs{position:fixed;z-index:2;bottom:0;left:0;right:0;height:72px;display:flex;
justify-content:space-around;padding-top:9px;font-size:11px;text-align:center}
.badge{border-radius:9px;padding:2px 8px;font-size:11px;font-weight:700;background:#c9302c;
color:#fff}.toast{position:absolute;left:14px;right:14px;z-index:3;border-radius:14px;
padding:14px;background:#e8ecf2;color:#1c2430;box-shadow:0 2px 12px #0006}
"""


@dataclass(slots=True)
class Twist:
    """What a trap changes of a page: texts by their place, extras by card, a state of cards."""

    title: dict[int, str] = field(default_factory=dict)
    address: dict[int, str] = field(default_factory=dict)
    times: dict[int, str] = field(default_factory=dict)
    extra: dict[int, str] = field(default_factory=dict)
    style: dict[int, str] = field(default_factory=dict)
    before: dict[int, str] = field(default_factory=dict)
    heading: str = ""
    week: str = ""
    body_style: str = ""
    overlay: str = ""
    has_no_bye: bool = False


def page_of(day: StrangeDay, look: StrangeLook, twist: Twist, rng: random.Random) -> str:
    """Return the document."""
    cards = "".join(
        twist.before.get(place, "") + _card(place, card, look, twist, rng)
        for place, card in enumerate(day.cards)
    )
    size = look.size
    style = (
        f"body{{font-family:'{look.font}','Noto Color Emoji',sans-serif;font-size:{15.5 * size}px}}"
        f".title{{font-size:{16 * size}px}}.grey{{font-size:{15 * size}px}}"
        f".date{{font-size:{23 * size}px}}{_CSS}{look.css}"
    )
    top = 128 if look.is_app else 44
    return (
        f"<!doctype html><meta charset=utf-8><style>{style}</style>{_head(day.date, look)}"
        f'<div style="height:{top}px"></div>{_date(day.date, look, twist)}'
        f'<div style="{twist.body_style}">{cards}</div>'
        f"{_bye(day, look) if look.has_bye and not twist.has_no_bye else ''}{twist.overlay}"
        f'<div style="height:{86 if look.is_app else 12}px"></div>{_tabs(look)}'
    )


def heading_of(date: dt.date, language: str) -> str:
    """Return a date as a heading writes it."""
    weekday, month = ANY_WEEKDAYS[language][date.weekday()], ANY_MONTHS[language][date.month - 1]
    return f"{weekday} {date.day} {month}"


def _date(date: dt.date, look: StrangeLook, twist: Twist) -> str:
    week = twist.week or f"{APP_WORDS[look.language][0]} {date.isocalendar().week}"
    heading = twist.heading or heading_of(date, look.language)
    return (
        f'<div class="date" style="padding:12px 16px 2px">{heading}</div>'
        f'<div class="grey" style="padding:0 17px 12px;font-size:13.5px">{week}</div>'
    )


def _head(date: dt.date, look: StrangeLook) -> str:
    clock = (
        '<div class="row"><b>15:27</b><svg width="44" height="12"><path d="M1 11V8M5 11V6M9 11V3.5"'
        ' stroke="currentColor" stroke-width="2.6"/><rect x="22" y="2" width="20" height="9" '
        'rx="3" fill="currentColor"/></svg></div>'
    )
    if not look.is_app:
        return f'<div class="head" style="height:40px">{clock}</div>'
    monday = date - dt.timedelta(days=date.weekday())
    days = [monday + dt.timedelta(days=place) for place in range(7)]
    names = "".join(f"<span>{ANY_WEEKDAYS[look.language][d.weekday()][:3]}</span>" for d in days)
    numbers = "".join(f'<span class="{"now" if d == date else ""}">{d.day}</span>' for d in days)
    return (
        f'<div class="head" style="height:124px">{clock}<div class="row" style="margin-top:18px">'
        f'<span>&nbsp;</span>{names}</div><div class="row" style="margin-top:8px">'
        f"<span>{date.isocalendar().week}</span>{numbers}</div></div>"
    )


def _icon(sign: str, look: StrangeLook) -> str:
    if not look.icons.font:
        return sign
    return f"<span style=\"font-family:'{look.icons.font}'\">{sign}</span>"


def length_of(minutes: int) -> str:
    """Return a duration as the app writes it."""
    hours, rest = divmod(minutes, 60)
    return " ".join(filter(None, (f"{hours}h" if hours else "", f"{rest}m" if rest else "")))


def _card(place: int, card: Card, look: StrangeLook, twist: Twist, rng: random.Random) -> str:
    state = APP_WORDS[look.language][1]
    on_time = f'<div class="state">{state}</div>' if card.has_state and look.has_bar else ""
    start, end = card.shift.start, card.shift.end
    shown = card.job if card.is_activity else f"{card.client} {look.separator} {card.job}"
    chip = ""
    if look.order == "chip":
        shown, chip = card.client or card.job, f'<div class="chip">{card.job}</div>'
    title = twist.title.get(place, html.escape(shown))
    address = twist.address.get(place, f"{card.town}, {card.street}" if card.town else "")
    clock = f"{_icon(look.icons.clock, look)} " if look.duration == "icon" else ""
    length = "" if look.duration == "none" else f"{clock}{length_of(card.minutes)}"
    who = _who(card, look, rng) if card.colleagues else ""
    under = f'<div class="grey line">{address}</div>' if address else ""
    bar = '<div class="bar"></div>' if look.has_bar else ""
    head = f'<div class="title">{title}</div>'
    right = f'<div class="length grey">{length}</div>' if length else ""
    extra = twist.extra.get(place, "")
    style = twist.style.get(place, "")
    if look.order == "stacked":
        times = twist.times.get(place, f"{start}<br>{end}")
        inner = (
            f'<div class="times">{times}{on_time}</div>{bar}<div class="body">'
            f'<div class="top">{head}{right}</div>{under}{who}{extra}</div>'
        )
    elif look.order == "range-left":
        times = twist.times.get(place, f"{start} – {end}")
        inner = (
            f'<div class="times wide">{times}{on_time}</div>{bar}<div class="body">'
            f'<div class="top">{head}{right}</div>{under}{who}{extra}</div>'
        )
    else:
        times = twist.times.get(place, f"{start} – {end}")
        inner = (
            f'{bar}<div class="body"><div class="top"><b>{times}</b>{chip or right}</div>'
            f'<div class="line">{head}</div>{under}{who}{extra}</div>'
        )
    return f'<div class="card" style="{style}">{inner}</div>'


def _who(card: Card, look: StrangeLook, rng: random.Random) -> str:
    faces = "".join(_face(look, rng) for _ in range(min(card.colleagues, 3)))
    more = f'<div class="face" style="background:#8884">+{card.colleagues - 3}</div>'
    return (
        f'<div class="who grey"><span>{APP_WORDS[look.language][2]}</span>&nbsp;{faces}'
        f"{more if card.colleagues > 3 else ''}</div>"
    )


def _face(look: StrangeLook, rng: random.Random) -> str:
    hue = rng.randrange(360)
    if look.faces == "line":
        return (
            f'<div class="face" style="background:#bfe2f58c">{_icon(look.icons.person, look)}</div>'
        )
    if look.faces == "initials":
        back, ink = rng.choice(((f"hsl({hue},45%,42%)", "#fff"), (f"hsl({hue},60%,88%)", "#234")))
        letters = rng.choice(("AK", "ÖL", "JO", "BE", "TI", "MN", "H"))
        return f'<div class="face" style="background:{back};color:{ink}">{letters}</div>'
    skin = rng.choice(("#e8b995", "#8d5a3c", "#c98f65"))
    return (
        f'<div class="face"><svg width="24" height="24"><rect width="24" height="24" '
        f'fill="hsl({hue},35%,60%)"/><circle cx="12" cy="10" r="5" fill="{skin}"/>'
        f'<path d="M7 9Q12 1 17 9" fill="#3a2a20"/><path d="M3 24Q12 12 21 24" '
        f'fill="hsl({hue + 120},40%,35%)"/></svg></div>'
    )


def _bye(day: StrangeDay, look: StrangeLook) -> str:
    text = f"{APP_WORDS[look.language][3]} {look.emoji}"
    end = day.cards[-1].shift.end
    bar = '<div class="bar"></div>' if look.has_bar else ""
    return (
        f'<div class="card"><div class="times">{end}</div>{bar}'
        f'<div class="title">{text}</div></div>'
    )


def _tabs(look: StrangeLook) -> str:
    if not look.is_app:
        return ""
    words = (
        ("Schedule", "HelpHub", "Account")
        if look.language == "en"
        else ("Schema", "HelpHub", "Konto")
    )
    signs = (look.icons.clock, look.icons.place or look.icons.clock, look.icons.person)
    tabs = "".join(
        f'<div><div style="font-size:19px">{_icon(sign, look)}</div>{word}</div>'
        for sign, word in zip(signs, words, strict=True)
    )
    return f'<div class="tabs">{tabs}</div>'
