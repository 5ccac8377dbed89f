"""Amounts, and times of day, as people write them: `10s`, `16MB`, `80%`, `40`; `22:00-05:00 ZONE`.

Pure: the clock is an argument.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from dataclasses import dataclass
from enum import StrEnum

from backfill.errors import UsageError
from backfill.utc.spelling import near_misses
from backfill.utc.zone_names import is_zone, zone_info

_HOURS = re.compile(r"(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})\s+(\S+)")
_EXAMPLE = "22:00-05:00 Europe/Stockholm"


class Unit(StrEnum):
    """What an amount counts."""

    SECONDS = "s"
    BYTES = "B"
    PERCENT = "%"
    COUNT = ""


#: As PostgreSQL's own settings have them: 1 kB is 1,024 bytes.
_UNITS: dict[str, tuple[Unit, float]] = {
    "": (Unit.COUNT, 1),
    "%": (Unit.PERCENT, 1),
    "ms": (Unit.SECONDS, 0.001),
    "s": (Unit.SECONDS, 1),
    "min": (Unit.SECONDS, 60),
    "h": (Unit.SECONDS, 3_600),
    "B": (Unit.BYTES, 1),
    "kB": (Unit.BYTES, 1_024),
    "MB": (Unit.BYTES, 1_024**2),
    "GB": (Unit.BYTES, 1_024**3),
}
_AMOUNT = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z%]*)")


@dataclass(frozen=True, slots=True)
class Quantity:
    """An amount in the base of its unit: seconds, bytes, percent or a plain count."""

    amount: float
    unit: Unit

    def __str__(self) -> str:
        if math.isinf(self.amount):
            return "an unknown time"
        if self.unit in (Unit.COUNT, Unit.PERCENT):
            return f"{self.amount:g}{self.unit.value}"
        sizes = {name: size for name, (unit, size) in _UNITS.items() if unit is self.unit}
        filled = [name for name, size in sizes.items() if 1 <= size <= self.amount]
        name = filled[-1] if filled else self.unit.value
        return f"{self.amount / sizes[name]:.4g} {name}"


def quantity(what: str, text: str | float, allowed: tuple[Unit, ...]) -> Quantity:
    """Return the amount that `text` means; a bare number is in the first unit of `allowed`.

    Raises `UsageError`, which calls it `what`.
    """
    form = _AMOUNT.fullmatch(str(text).strip())
    unit, size = _UNITS.get(form[2], (None, 0)) if form else (None, 0)
    if unit is Unit.COUNT:
        unit = allowed[0]
    if form is None or unit not in allowed:
        units = [name for name, (kind, _) in _UNITS.items() if kind in allowed and name]
        hint = f" with {', '.join(units)}" if units else ""
        raise UsageError(f"{what} must be a number{hint}; it is {str(text)!r}.")
    return Quantity(float(form[1]) * size, unit)


@dataclass(frozen=True, slots=True)
class Window:
    """From `opens` until before `closes` by the wall clock of `zone`; may span midnight."""

    opens: dt.time
    closes: dt.time
    zone: str

    def __str__(self) -> str:
        return f"{self.opens:%H:%M}-{self.closes:%H:%M} {self.zone}"

    def is_open(self, now: dt.datetime) -> bool:
        """Return whether the aware instant `now` lies in the window.

        On days of a clock change the wall clock decides: an hour that happens twice is open
        twice, one that is left out is not waited for.
        """
        wall = now.astimezone(zone_info(self.zone)).time()
        if self.opens < self.closes:
            return self.opens <= wall < self.closes
        return wall >= self.opens or wall < self.closes


def window_from(text: str) -> Window:
    """Return the window that a text like `22:00-05:00 Europe/Stockholm` means."""
    form = _HOURS.fullmatch(text.strip())
    if form is None:
        raise UsageError(f"--window {text!r} is not two times and a zone, like {_EXAMPLE}.")
    *numbers, zone = form.groups()
    if not is_zone(zone):
        close = near_misses(zone)
        hint = f" Near: {', '.join(close)}." if close else ""
        raise UsageError(f"--window {text!r}: {zone!r} is not an IANA time zone name.{hint}")
    opens, closes = (_time(text, *numbers[at : at + 2]) for at in (0, 2))
    if opens == closes:
        raise UsageError(f"--window {text!r} opens and closes at once; leave it out for always.")
    return Window(opens, closes, zone)


def _time(text: str, hour: str, minute: str) -> dt.time:
    # 24:00 is how people write the end of a day.
    if (hour, minute) == ("24", "00"):
        return dt.time(0)
    try:
        return dt.time(int(hour), int(minute))
    except ValueError:
        raise UsageError(f"--window {text!r}: {hour}:{minute} is no time of a day.") from None
