"""A day of a strange screen, and its look: all of it drawn by chance from one half's matter."""

from __future__ import annotations

import datetime as dt
import random
from dataclasses import dataclass

from tests.bench.strange_words import ACTIVITIES, JOBS, MATTER, Half, Icons, Matter

from backfill.ocr.identity import customer_fingerprint, location_fingerprint
from backfill.ocr.shift import Shift
from backfill.ocr.text.clock import write_minutes

# How long after its day a session may have been sent.
SENT_DAYS = (0, 0, 0, 1, 30, 200)


@dataclass(frozen=True, slots=True)
class Card:
    """One card: what is true of it, and what is written on it."""

    shift: Shift
    client: str
    job: str
    town: str
    street: str
    minutes: int
    colleagues: int
    has_state: bool

    @property
    def is_activity(self) -> bool:
        return not self.client


@dataclass(frozen=True, slots=True)
class StrangeDay:
    date: dt.date
    created_at: dt.datetime
    cards: tuple[Card, ...]


def invent_day(rng: random.Random, half: Half, count: int) -> StrangeDay:
    """Return a day of `count` cards, fewer where midnight comes first."""
    matter = MATTER[half]
    date = dt.date(2023, 1, 1) + dt.timedelta(days=rng.randrange(5 * 365))
    at = rng.choice((6, 7, 8, 9)) * 60 + rng.choice((0, 0, 15, 30, 5))
    cards: list[Card] = []
    for place in range(count):
        is_activity = place > 0 and rng.random() < 0.35
        minutes = rng.choice((15, 25, 30, 45, 60) if is_activity else (60, 75, 90, 120, 135, 195))
        if at + minutes >= 24 * 60:
            break
        make = _activity if is_activity else _visit
        cards.append(make(rng, matter, at, at + minutes))
        at += minutes + rng.choice((0, 0, 10, 20))
    sent = dt.datetime.combine(date, dt.time(18, 5), dt.UTC)
    return StrangeDay(date, sent + dt.timedelta(days=rng.choice(SENT_DAYS)), tuple(cards))


def _visit(rng: random.Random, matter: Matter, start: int, end: int) -> Card:
    written, label, kind = rng.choice(JOBS)
    if rng.random() < 0.1:
        client = rng.choice(matter.companies)
    else:
        names = rng.sample(matter.last_names, 1)
        client = " ".join((rng.choice(matter.first_names), *names))
    street = rng.choice(matter.stems) + rng.choice(matter.tails)
    number = str(rng.randint(1, 199)) + rng.choice(("", "", "", "A", " B", "c"))
    town = rng.choice(matter.towns)
    name = client.removesuffix(" AB").replace("BRF", "Brf")
    numbered = "".join(number.split()).upper()
    shift = Shift(
        write_minutes(start), write_minutes(end), name, customer_fingerprint(name, label, kind),
        street, numbered, "", "", town, location_fingerprint(street, numbered, "", town), kind,
        label,
    )  # fmt: skip
    shown = rng.choice((client, client, client, client.upper()))
    return Card(
        shift, shown, written, rng.choice((town, town, town.upper())), f"{street} {number}",
        end - start, rng.choice((0, 0, 1, 2, 5)), rng.random() < 0.25,
    )  # fmt: skip


def _activity(rng: random.Random, _matter: Matter, start: int, end: int) -> Card:
    written, label, kind = rng.choice(ACTIVITIES)
    shift = Shift(
        write_minutes(start), write_minutes(end), "", customer_fingerprint("", label, kind),
        location_fingerprint=location_fingerprint("", "", "", ""), shift_type=kind,
        raw_type_label=label,
    )  # fmt: skip
    return Card(shift, "", written, "", "", end - start, 0, rng.random() < 0.2)


@dataclass(frozen=True, slots=True)
class StrangeLook:
    """What chance chose for one screen; lengths in CSS px."""

    is_app: bool
    width: int
    height: int
    density: float
    language: str
    font: str
    icons: Icons
    faces: str
    emoji: str
    separator: str
    order: str
    has_bye: bool
    has_bar: bool
    is_dark: bool
    duration: str
    size: float
    css: str


def any_look(rng: random.Random, half: Half, *, is_app: bool) -> StrangeLook:
    """Return a look: the app's with other fonts, icons and pictures, or one that is nobody's."""
    matter = MATTER[half]
    width, height, density = rng.choice(
        ((390, 844, 3.0), (414, 896, 2.0), (360, 780, 2.5), (375, 812, 3.0), (430, 932, 2.0))
    )
    is_dark = rng.random() < 0.3
    orders = {
        Half.TUNE: ("stacked", "range-top", "range-left"),
        Half.BLIND: ("stacked", "range-top", "range-left", "chip"),
    }[half]
    has_bar = is_app or rng.random() < 0.4
    return StrangeLook(
        is_app, width, height, density, rng.choice(("en", "sv")), rng.choice(matter.fonts),
        rng.choice(matter.icons), rng.choice(("line", "initials", "photo")),
        rng.choice(matter.emoji), "•" if is_app else rng.choice(("•", "•", "·", "-", "|", "–")),
        "stacked" if is_app else rng.choice(orders), is_app or has_bar, has_bar, is_dark,
        "icon" if is_app else rng.choice(("icon", "plain", "none")),
        1.0 if is_app else rng.choice((0.9, 1.0, 1.0, 1.15)), _colours(rng, is_dark, is_app),
    )  # fmt: skip


def _colours(rng: random.Random, is_dark: bool, is_app: bool) -> str:
    pick = rng.choice
    if is_dark:
        page, card, ink, grey, head = (
            "#121418",
            pick(("#121418", "#23272e")),
            "#f2f3f5",
            "#a2a6ae",
            "#0b1220",
        )
    else:
        page = pick(("#fff", "#f4f5f7", "#faf8f3"))
        card, ink, grey = pick(("#fff", page)), pick(("#16202c", "#0a3656", "#222")), "#6c7480"
        head = pick(("#0a3656", "#264b3f", "#fff" if not is_app else "#0a3656"))
    head_ink = ink if head == "#fff" else "#fff"
    rule = "#3a3f48" if is_dark else "#dfe3e8"
    shape = (
        f"border-bottom:6px double {rule}"
        if is_app
        else pick((
            f"border-bottom:1px solid {rule}", f"border-bottom:6px double {rule}",
            f"margin:0 12px 10px;border:1px solid {rule};border-radius:11px",
            "margin:0 12px 10px;border-radius:9px;box-shadow:0 1px 4px #0005",
        ))
    )  # fmt: skip
    chip = ("#27435f", "#bfe0ff") if is_dark else ("#e3f0fb", "#1a67a3")
    bar = pick(("#8fd07a", "#43b070", "#2f80ed", "#e2894a"))
    return (
        f"body{{background:{page};color:{ink}}}.grey,.tabs{{color:{grey}}}"
        f".card{{background:{card};{shape};padding:{pick((11, 15, 18))}px 16px}}"
        f".head{{background:{head};color:{head_ink}}}.bar{{background:{bar}}}"
        f".tabs{{background:{page};border-top:1px solid {rule}}}"
        f".title{{font-weight:{pick((500, 600, 700))}}}"
        f".chip{{background:{chip[0]};color:{chip[1]}}}"
    )
