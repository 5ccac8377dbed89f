"""Amounts as people write them: `10s`, `5min`, `16MB`, `80%`, `40`."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from enum import StrEnum

from backfill.errors import UsageError


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
_FORM = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z%]*)")


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
    form = _FORM.fullmatch(str(text).strip())
    unit, size = _UNITS.get(form[2], (None, 0)) if form else (None, 0)
    if unit is Unit.COUNT:
        unit = allowed[0]
    if form is None or unit not in allowed:
        units = [name for name, (kind, _) in _UNITS.items() if kind in allowed and name]
        hint = f" with {', '.join(units)}" if units else ""
        raise UsageError(f"{what} must be a number{hint}; it is {str(text)!r}.")
    return Quantity(float(form[1]) * size, unit)
