"""Traps of what is not there to be read: cards that something covers, images that were never sent.

Each draws one kind in many forms, so that no rule fits one drawing. A card that is hidden without
a trace can be told only by what the other cards say: an end of the day, a sum, a rhythm.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

from tests.bench.strange_day import StrangeDay, StrangeLook
from tests.bench.strange_page import Twist, length_of
from tests.bench.strange_traps import Trap

_TEXTS = (
    "Mamma: Ring mig när du kan", "Vi använder kakor. Godkänn alla", "Uppdatering finns att hämta",
    "We value your privacy. Accept all cookies", "Din matta är klar att hämta hos butiken",
    "Ny version 4.2 – starta om", "Kalender: Tandläkaren kl. 14:00", "Anna skickade en bild",
)  # fmt: skip
_FACES = (
    "background:#e8ecf2;color:#1c2430;border-radius:14px;box-shadow:0 2px 12px #0006",
    "background:#20262e;color:#f4f4f4;border-radius:4px",
    "background:#fffbe6;color:#5b4a00;border:1px solid #e8d98a;border-radius:8px",
    "background:#ffffff;color:#333;box-shadow:0 1px 8px #0008",
    "background:linear-gradient(90deg,#3b5bdb,#845ef7);color:#fff;border-radius:18px",
)


def _all(day: StrangeDay) -> tuple[int, ...]:
    return tuple(range(len(day.cards)))


def _cover(look: StrangeLook, rng: random.Random, inset: str) -> str:
    """Return a box that lies over its card: with a text, with a picture alone, or with nothing."""
    text = rng.choice((*_TEXTS, "", f"<span style='font-size:26px'>{look.emoji}</span>"))
    return (
        f'<div style="position:absolute;inset:{inset};z-index:3;padding:12px 16px;'
        f'{rng.choice(_FACES)}">{text}</div>'
    )


def covered_card(day: StrangeDay, look: StrangeLook, rng: random.Random) -> Trap:
    """A message lies over one whole card, and over a little of what is around."""
    place = rng.randrange(len(day.cards))
    inset = rng.choice(("-2px 8px", "-4px 4px", "0 0", "1px 6px", "-8px 14px"))
    return Trap(day, look, Twist(extra={place: _cover(look, rng, inset)}), _all(day))


def covered_last(day: StrangeDay, look: StrangeLook, rng: random.Random) -> Trap:
    """A bar at the foot of the screen (cookies, a player, a keyboard) covers the last card."""
    place = len(day.cards) - 1
    inset = rng.choice(("-3px 0 -6px", "0 0 -2px", "-6px -4px -30px"))
    is_ended = rng.random() < 0.5
    twist = Twist(extra={place: _cover(look, rng, inset)}, has_no_bye=not is_ended)
    return Trap(day, replace(look, has_bye=is_ended), twist, _all(day))


def blank_card(day: StrangeDay, look: StrangeLook, rng: random.Random) -> Trap:
    """A card that was not loaded: its place is there, grey bars or nothing in it."""
    place = rng.randrange(len(day.cards))
    page = "#1d2127" if look.is_dark else "#ffffff"
    bars = rng.choice((
        "", '<div style="height:12px;width:60%;background:#8883;border-radius:6px"></div>'
        '<div style="height:12px;width:35%;background:#8883;border-radius:6px;margin-top:9px">'
        "</div>",
    ))  # fmt: skip
    box = (
        f'<div style="position:absolute;inset:1px;z-index:3;background:{page};padding:12px 16px">'
        f"{bars}</div>"
    )
    return Trap(day, look, Twist(extra={place: box}), _all(day))


def end_not_sent(day: StrangeDay, look: StrangeLook, rng: random.Random) -> Trap:
    """The upper screens of a longer page, in any look: the last were never sent."""
    height = rng.randrange(340, 620)
    has_bye = look.is_app or rng.random() < 0.5
    low = replace(look, height=height, has_bye=has_bye)
    return Trap(day, low, Twist(), _all(day), left_out=rng.choice(((-1,), (-1, -2), (-1, -2, -3))))


def told_sum(day: StrangeDay, look: StrangeLook, rng: random.Random) -> Trap:
    """The screen tells how many shifts or hours the day has, and one card is not drawn at all."""
    place = rng.randrange(len(day.cards))
    minutes = sum(card.minutes for card in day.cards)
    count = len(day.cards)
    told = rng.choice((
        f"Totalt {length_of(minutes)}", f"Summa: {length_of(minutes)}", f"{count} pass",
        f"{count} shifts", f"Total {length_of(minutes)}", f"{count} uppdrag",
    ))  # fmt: skip
    line = f'<div class="grey" style="padding:6px 17px">{told}</div>'
    style = {place: "display:none"}
    if rng.random() < 0.5 and place:
        twist = Twist(style=style, before={0: line})
    else:
        twist = Twist(style=style, overlay=line)
    return Trap(day, replace(look, has_bye=False), twist, _all(day))


def end_is_later(day: StrangeDay, look: StrangeLook, rng: random.Random) -> Trap:
    """The day's last line tells a later end than the last card that is drawn."""
    style = {len(day.cards) - 1: "display:none"}
    return Trap(day, replace(look, has_bye=True), Twist(style=style), _all(day))


HIDDEN: tuple[Callable[[StrangeDay, StrangeLook, random.Random], Trap], ...] = (
    covered_card, covered_last, blank_card, end_not_sent, told_sum, end_is_later,
)  # fmt: skip
