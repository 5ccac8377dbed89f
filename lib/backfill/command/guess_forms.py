"""Guess formats, units and offsets from samples of columns: each with its reason."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from backfill.jobs.utc.formats import digits_format, likely_formats
from backfill.server.table_look import TableLook

TEXT_TYPES = ("text", "character varying", "character", "citext", "name")
NUMBER_TYPES = ("bigint", "integer", "numeric")
_OFFSET_TYPES = ("integer", "smallint", "bigint", "numeric", "interval")
_OFFSET_NAME = re.compile(
    r"(utc|gmt|tz|zone|time)_?offset|offset_?(min|minutes|hours|seconds|s|h)?$"
)
#: Below these, a number since 1970 of our days counts seconds, milliseconds, microseconds.
_UNITS = ((10**11, "s"), (10**14, "ms"), (10**17, "us"))


@dataclass(frozen=True, slots=True)
class Guess:
    """A value of the specification and why; an empty one must be filled in."""

    value: str
    why: str


@dataclass(frozen=True, slots=True)
class GuessedPair:
    """A pair and why; `more` are further lines of it: entry and its guess."""

    walls: tuple[str, ...]
    target: str
    why: str
    more: tuple[tuple[str, Guess], ...] = ()

    @property
    def is_plain(self) -> bool:
        return len(self.walls) == 1 and not self.more


def offset_guess(look: TableLook) -> Guess | None:
    """A column of offsets, in place of a zone."""
    for name, column in look.columns.items():
        if column.plain_type not in _OFFSET_TYPES or not _OFFSET_NAME.search(name.lower()):
            continue
        if column.plain_type == "interval":
            return Guess(f'{{ column = "{name}", as = "zone" }}', "its name; there is no zone")
        sample = [abs(float(text)) for text in look.samples.get(name, ()) if _is_number(text)]
        most = max(sample, default=0.0)
        unit = "hours" if most <= 18 else "minutes" if most <= 18 * 60 else "seconds"
        why = f"its name, and values up to {most:g}; there is no zone"
        return Guess(f'{{ column = "{name}", unit = "{unit}", as = "zone" }}', why)
    return None


def _is_number(text: str) -> bool:
    return re.fullmatch(r"-?\d+(\.\d+)?", text) is not None


def with_forms(look: TableLook, pairs: Sequence[GuessedPair]) -> tuple[GuessedPair, ...]:
    """Add formats and units, as samples of the columns tell."""
    return tuple(replace(pair, more=tuple(_forms(look, pair))) for pair in pairs)


def _forms(look: TableLook, pair: GuessedPair) -> list[tuple[str, Guess]]:
    found: list[tuple[str, Guess]] = []
    if len(pair.walls) == 1:
        found += _form(look, pair.walls[0])
    unit = _unit(look, pair.target)
    if unit and unit.value != "ms":
        found.append(("target_unit", unit))
    return found


def _form(look: TableLook, name: str) -> list[tuple[str, Guess]]:
    sample, kind = look.samples.get(name, ()), look.columns[name].plain_type
    texts = pa.array(list(sample), pa.string())
    if kind in NUMBER_TYPES and sample:
        if form := digits_format(texts):
            return [("format", Guess(form, f"its digits spell dates, like {sample[0]}"))]
        unit = _unit(look, name)
        return [("unit", unit)] if unit and unit.value != "ms" else []
    if kind in TEXT_TYPES and sample and (forms := likely_formats(texts)):
        why = f"values like {sample[0]}"
        others = ", ".join(forms[1:3])
        return [("format", Guess(forms[0], why + (f"; or is it {others}?" if others else "")))]
    return []


def _unit(look: TableLook, name: str) -> Guess | None:
    sample = look.samples.get(name, ())
    if look.columns[name].plain_type not in NUMBER_TYPES:
        return None
    if not sample:
        is_small = look.columns[name].plain_type == "integer"
        return Guess("s", "integer has no room for more") if is_small else None
    numbers = sorted(abs(float(text)) for text in sample if _is_number(text))
    if not numbers:
        return None
    middle = numbers[len(numbers) // 2]
    unit = next((unit for limit, unit in _UNITS if middle < limit), "ns")
    return Guess(unit, f"values like {sample[0]}")
