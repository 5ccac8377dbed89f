"""Days of invented people whose names, streets, times and jobs the demo's data does not hold."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Sequence

from tests.drawn.days import Day, Row
from tests.drawn.people import ACTIVITIES, JOBS

ANY_WEEKDAYS = {
    "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    "sv": ("Måndag", "Tisdag", "Onsdag", "Torsdag", "Fredag", "Lördag", "Söndag"),
}
ANY_MONTHS = {
    "en": ("January", "February", "March", "April", "May", "June", "July", "August", "September",
           "October", "November", "December"),
    "sv": ("januari", "februari", "mars", "april", "maj", "juni", "juli", "augusti", "september",
           "oktober", "november", "december"),
}  # fmt: skip
FIRST_NAMES = (
    "Ida", "Jan-Olof", "Ann-Britt", "Emil", "Wilhelmina", "Ali", "Zahra", "Kjell", "Öyvind", "Åke",
    "Gunilla", "Per", "Olle", "Inga-Lill", "Mikael", "Cecilia", "Jakob", "Tuva", "Nils", "Elsa",
    "Aurora", "Fredrik", "Siv", "Hanna", "Oskar", "Yngve", "Ulf", "Irene", "Märit", "Bengt",
)  # fmt: skip
LAST_NAMES = (
    "Alm", "Bäckelid", "Dyrvik", "Ekhagen", "Flodåker", "Grönvall", "Häggmark", "Isberg",
    "Järvelid",
    "Kullander", "Lilja", "Mattsby", "Näslid", "Ohlin", "Palmkvist", "Qvarnlund", "Rydevik",
    "Sandö", "Tillman", "Uddvall", "Vikander", "Wikholm", "Ygberg", "Zetterlöv", "Åhlvik", "Älmeby",
    "Öqvist", "Hill", "Illner", "Jillsjö",
)  # fmt: skip
STREETS = (
    "Nedre Fågelvägen", "Backavägen", "Lilla Torpgatan", "Hagastigen", "Kyrkåsen", "Fiskarliden",
    "Gamla Prästvägen", "Klockarebolet", "Pilgatan", "Rådjursstigen", "Vallmovägen", "Ulvebacken",
    "Östra Långgatan", "Industrigatan", "Stallvägen", "Jupitergatan", "Hedåsgatan", "Bangårdsvägen",
    "Tegelbruksvägen", "Yllegatan", "Amiralitetsgatan", "Skogsäng", "Sjövägen", "Zinkgatan",
    "Per Dubbs Gränd", "Kvarnåsvägen", "Illeråsgatan", "Lyckostigen", "Åvägen", "Ö Hallavägen",
)  # fmt: skip
TOWNS = (
    "Göteborg", "Mölndal", "Kållered", "Lindome", "Onsala", "Kungsbacka", "Askim", "Hovås", "Åsa",
    "Fjärås", "Västra Frölunda", "Torslanda", "Landvetter", "Härryda", "Vallda", "Alingsås",
    "Grimmared", "Stora Lyckebo", "Hjälmby",
)  # fmt: skip
#: As written, and as the canonical shift names the client.
COMPANIES = (
    ("Ullabergs Måleri AB", "Ullabergs Måleri"),
    ("BRF Vitsippan", "BRF Vitsippan"),
    ("Café Illusion", "Café Illusion"),
    ("Hallands Tak & Plåt", "Hallands Tak Plåt"),
)
OTHER_JOBS = (("Trappstädning", "WORK"), ("Byggstädning", "WORK"))


def invent_any_day(rng: random.Random, row_count: int, *, has_bullet: bool) -> Day:
    """Return a day of up to `row_count` rows, with odd minutes now and then.

    Only a bullet, and no dash, tells a job that nobody knows from the client's name.
    """
    date = dt.date(2023, 1, 1) + dt.timedelta(days=rng.randrange(5 * 365))
    step = rng.choice((15, 15, 5, 5, 1))
    clock = rng.choice((0, 5, 6, 7, 8, 11, 14, 18)) * 60 + rng.randrange(0, 60, step)
    rows: list[Row] = []
    jobs = (*JOBS, *OTHER_JOBS) if has_bullet else JOBS
    for _ in range(row_count):
        is_activity = rng.random() < 0.35
        minutes = rng.randrange(15 if is_activity else 45, 75 if is_activity else 300, step)
        if clock + minutes > 24 * 60:
            break
        rows.append(_row(rng, clock, clock + minutes, is_activity, jobs))
        clock += minutes + rng.choice((0, 0, 5, 15, 20)) // step * step
    return Day(date, tuple(rows))


def _row(
    rng: random.Random, start: int, end: int, is_activity: bool, jobs: Sequence[tuple[str, str]]
) -> Row:
    times = (_clock(start), _clock(end % (24 * 60)))
    is_on_time = rng.random() < 0.3
    if is_activity:
        title, label, shift_type = rng.choice(ACTIVITIES)
        return Row(*times, title, "", "", "", "", "", shift_type, label, is_on_time=is_on_time)
    label, shift_type = rng.choice(jobs)
    written, customer = rng.choice(COMPANIES) if rng.random() < 0.15 else (_person(rng),) * 2
    street, number, town = rng.choice(STREETS), _number(rng), rng.choice(TOWNS)
    shown = rng.choice((town, town, town.upper(), town.lower()))
    return Row(
        *times, f"{written} {{sep}} {label}", f"{shown}, {street} {number}", customer, street,
        number, town, shift_type, label, rng.choice((0, 0, 0, 1, 2, 3, 4, 7)), is_on_time,
    )  # fmt: skip


def _person(rng: random.Random) -> str:
    return " ".join((rng.choice(FIRST_NAMES), *rng.sample(LAST_NAMES, rng.choice((1, 1, 1, 2)))))


def _number(rng: random.Random) -> str:
    digits = (
        str(rng.randint(1, 199))
        if rng.random() < 0.6
        else "".join(rng.choice("17") for _ in range(rng.choice((1, 2, 2, 3))))
    )
    return digits + rng.choice(("", "", "", "", "A", "B", " C", "d"))


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"
