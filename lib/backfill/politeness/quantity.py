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
        if self.unit is Unit.SECONDS:
            return _spelt(self.amount, ("h", "min", "s"))
        if self.unit is Unit.BYTES:
            return _spelt(self.amount, ("GB", "MB", "kB", "B"))
        return f"{self.amount:g}{self.unit.value}"


def _spelt(amount: float, names: tuple[str, ...]) -> str:
    """Return the amount in the largest unit that it fills."""
    if math.isinf(amount):
        return "an unknown time"
    for name in names:
        size = _UNITS[name][1]
        if amount >= size or name == names[-1]:
            return f"{amount / size:.4g} {name}"
    raise AssertionError(names)


def quantity(what: str, text: str | float, allowed: tuple[Unit, ...]) -> Quantity:
    """Return the amount that `text` means; a bare number is in the first unit of `allowed`.

    Raises `UsageError`, which calls it `what`.
    """
    form = _FORM.fullmatch(str(text).strip())
    unit, size = _UNITS.get(form[2], (None, 0)) if form else (None, 0)
    if unit is Unit.COUNT and form:
        unit, size = allowed[0], 1
    if form is None or unit not in allowed:
        units = [name for name, (kind, _) in _UNITS.items() if kind in allowed and name]
        hint = f" with {', '.join(units)}" if units else ""
        raise UsageError(f"{what} must be a number{hint}; it is {str(text)!r}.")
    return Quantity(float(form[1]) * size, unit)
