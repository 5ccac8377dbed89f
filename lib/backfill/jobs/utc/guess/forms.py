"""Guess formats, units and offsets from samples of columns: each with its reason."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from backfill.jobs.utc.formats import digits_format, likely_formats, likely_in_words
from backfill.jobs.utc.resolve_columns import in_words, offsets_by_unit, unit_in_name
from backfill.server.table_look import TableLook
from backfill.utc.described import HHMM_SECONDS, TARGET_UNITS, Reading, WallKind
from backfill.utc.wall import read_walls
from backfill.utc.wall_format import WHOLE_ALL_THE_SAME

TEXT_TYPES = ("text", "character varying", "character", "citext", "name")
NUMBER_TYPES = ("bigint", "integer", "numeric", "double precision")
CLOCK_NUMBERS = ("smallint", *NUMBER_TYPES)
_OFFSET_TYPES = ("integer", "smallint", "bigint", "numeric", "interval")
_OFFSET_NAME = re.compile(
    r"(utc|gmt|tz|zone|time)_?offset|(^|_)(gmt|utc)_?(off|diff|delta)|offset_?"
    r"(min|mins|minutes|hours|hrs|sec|secs|seconds|s|h|m)?$"
)
_OFFSET_TEXT = re.compile(r"[+-]\d{1,2}(:?\d{2})?|(UTC|GMT)\s*([+-]\d{1,2}(:?\d{2})?)?|Z")
_SUMMER_NAME = re.compile(r"(^|_)(is_?)?(dst|summer|daylight|sommer|sommar)(_|time|zeit|tid|$)")
_NO_ZONE = "; there is no zone"
#: Below these, a number since 1970 of our days counts seconds, milliseconds, microseconds.
_UNITS = ((10**11, "s"), (10**14, "ms"), (10**17, "us"))
#: The end of the year 9999 in seconds since 1970: what many write for no end at all.
_LAST, _TWO_DAYS = 253_402_300_800, 172_800
_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000}
#: What other programs count, by the numbers of our days: too small, or too few, to be such a unit.
_OTHER_UNITS = (
    *((27_000, 75_000, "excel"), (2.44e6, 2.49e6, "julian"), (6.2e17, 6.7e17, "ticks")),
    *((1.15e17, 1.45e17, "filetime"), (1.15e16, 1.45e16, "webkit")),
)
_COUNT_TEXT = re.compile(r"\d{9,19}(\.\d+)?")


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
        if column.plain_type in TEXT_TYPES:
            if minutes := _offset_of_texts(name, look.samples.get(name, ())):
                return minutes
            continue
        if column.plain_type not in _OFFSET_TYPES or not _is_offset_name(name):
            continue
        if column.plain_type == "interval":
            value = f'{{ column = {_toml(name)}, as = "zone" }}'
            return Guess(value, f"its name{_NO_ZONE}")
        return _counted(name, look.samples.get(name, ()))
    return None


def fold_guess(look: TableLook) -> Guess | None:
    """A column that tells, beside a zone, which of two instants a wall time is."""
    for name, column in look.columns.items():
        if column.plain_type == "boolean" and _SUMMER_NAME.search(in_words(name)):
            value = f'{{ column = {_toml(name)}, as = "fold" }}'
            return Guess(value, "its name: summer time or not, where a clock shows an hour twice")
    offset = offset_guess(look)
    if offset is None or "minutes_west" in offset.value:
        return None
    why = offset.why.removesuffix(_NO_ZONE)
    return Guess(
        offset.value.replace('as = "zone"', 'as = "fold"'),
        f"{why}; where a clock shows an hour twice, it tells which one is meant",
    )


def _counted(name: str, sample: Sequence[str]) -> Guess:
    most = max((abs(float(text)) for text in sample if _is_number(text)), default=0.0)
    unit = "hours" if most <= 18 else "minutes" if most <= 18 * 60 else "seconds"
    fits = offsets_by_unit(float(text) for text in sample if _is_number(text))
    if len(fits[HHMM_SECONDS]) > max(len(f) for u, f in fits.items() if u != HHMM_SECONDS):
        unit = "hhmm"
    why = f"its name, and values up to {most:g}{_NO_ZONE}"
    return Guess(f'{{ column = {_toml(name)}, unit = "{unit}", as = "zone" }}', why)


def _offset_of_texts(name: str, sample: Sequence[str]) -> Guess | None:
    """Offsets written out, like +02:00; numbers as text by the column's name only."""
    if not sample:
        return None
    if _is_offset_name(name) and all(re.fullmatch(r"\d{1,3}|-\d{3}", t.strip()) for t in sample):
        return _counted(name, [text.strip() for text in sample])
    read = sum(_OFFSET_TEXT.fullmatch(text.strip()) is not None for text in sample)
    if read * 5 < len(sample) * 4:
        return None
    signed = next((text for text in sample if text.strip()[:1] in "+-"), sample[0])
    why = f"values like {signed}{_NO_ZONE}"
    return Guess(f'{{ column = {_toml(name)}, as = "zone" }}', why)


def _is_offset_name(name: str) -> bool:
    return _OFFSET_NAME.search(re.sub(r"[^a-z0-9]+", "_", in_words(name))) is not None


def _toml(name: str) -> str:
    return json.dumps(name, ensure_ascii=False)


def _is_number(text: str) -> bool:
    return re.fullmatch(r"-?\d+(\.\d+)?", text) is not None


def with_forms(look: TableLook, pairs: Sequence[GuessedPair]) -> tuple[GuessedPair, ...]:
    """Add formats and units, as samples of the columns tell."""
    return tuple(replace(pair, more=tuple(_forms(look, pair))) for pair in pairs)


def _forms(look: TableLook, pair: GuessedPair) -> list[tuple[str, Guess]]:
    forms: list[tuple[str, Guess]] = []
    if len(pair.walls) == 1:
        forms += _form(look, pair.walls[0])
    else:
        forms += _form_of_both(look, pair.walls[:2])
    unit = _unit(look, pair.target) or _unit_beside(look, pair)
    if unit and unit.value not in TARGET_UNITS:
        unit = None
    if unit and (unit.value != "ms" or unit_in_name(pair.target)):
        forms.append(("target_unit", unit))
    return forms


def _unit_beside(look: TableLook, pair: GuessedPair) -> Guess | None:
    """An empty target counts what the wall counts, as far as anybody can tell."""
    if look.columns[pair.target].plain_type not in NUMBER_TYPES or len(pair.walls) > 1:
        return None
    beside = _unit(look, pair.walls[0])
    if beside is None or digits_format(pa.array(list(look.samples.get(pair.walls[0], ())))):
        return None
    return Guess(beside.value, f"it is empty, and {pair.walls[0]} counts that")


def whole_texts(look: TableLook, name: str) -> tuple[str, ...]:
    """Return a column's sample; numbers that are whole all the same without their fraction."""
    return tuple(re.sub(*WHOLE_ALL_THE_SAME, text) for text in look.samples.get(name, ()))


def _form_of_both(look: TableLook, walls: Sequence[str]) -> list[tuple[str, Guess]]:
    """A date and a time that are written in another way than ISO 8601's."""
    dates, clocks = (whole_texts(look, name) for name in walls)
    if not dates or not clocks:
        return []
    if look.columns[walls[1]].plain_type in CLOCK_NUMBERS:
        width = 4 if max(len(text) for text in clocks) <= 4 else 6
        clocks = tuple(text.zfill(width) for text in clocks)
        dates = tuple(text for text in dates if text.strip("0")) or dates
    # Samples are of each column by itself: any date goes with any time.
    longest = range(max(len(dates), len(clocks)))
    columns = [pa.array([one[i % len(one)] for i in longest]) for one in (dates, clocks)]
    share = float(np.mean(read_walls(columns, Reading(WallKind.DATE_AND_TIME)).is_valid))
    if any(look.columns[name].plain_type in CLOCK_NUMBERS for name in walls):
        share = 0.0  # numbers are read by a format only
    both = pc.binary_join_element_wise(*columns, " ")
    forms = likely_formats(both, read_otherwise=share)
    return _named(forms, both[0].as_py()) if forms else []


def _named(forms: Sequence[str], example: str) -> list[tuple[str, Guess]]:
    others = ", ".join(forms[1:3])
    why = f"values like {example}" + (f"; or is it {others}?" if others else "")
    return [("format", Guess(forms[0], why))]


def _form(look: TableLook, name: str) -> list[tuple[str, Guess]]:
    sample, kind = look.samples.get(name, ()), look.columns[name].plain_type
    texts = pa.array(list(sample), pa.string())
    if kind in NUMBER_TYPES and sample:
        if form := digits_format(texts):
            return [("format", Guess(form, f"its digits spell dates, like {sample[0]}"))]
        unit = _unit(look, name)
        return [("unit", unit)] if unit and unit.value != "ms" else []
    if kind in TEXT_TYPES and sample and (words := likely_in_words(texts)):
        form, language = words[0]
        others = ", ".join(other for _form, other in words[1:])
        why = "the names of its months" + (f"; or is it {others}?" if others else "")
        example = f"values like {next(x for x in sample if x.strip())}"
        return [("format", Guess(form, example)), ("months", Guess(language, why))]
    if kind in TEXT_TYPES and sample and (forms := likely_formats(texts)):
        return _named(forms, next(x for x in sample if x.strip()))
    if kind in TEXT_TYPES and sample and all(_COUNT_TEXT.fullmatch(t.strip()) for t in sample):
        unit = _unit_of([text.strip() for text in sample])
        return [("unit", unit)] if unit else []
    return []


def _unit(look: TableLook, name: str) -> Guess | None:
    sample = look.samples.get(name, ())
    if look.columns[name].plain_type not in NUMBER_TYPES:
        return None
    unit = _unit_of(sample)
    if unit is None:
        if look.columns[name].plain_type == "integer":
            return Guess("s", "integer has no room for more")
        named = unit_in_name(name)
        return Guess(named.value, "its name") if named else None
    return unit


def _unit_of(sample: Sequence[str]) -> Guess | None:
    """The unit in which numbers lie in our days; None without any."""
    numbers = sorted(n for text in sample if _is_number(text) and (n := abs(float(text))))
    if not numbers:
        return None
    ends = {n: unit for n in numbers for unit in _PER_SECOND if _is_last(n / _PER_SECOND[unit])}
    numbers = [n for n in numbers if n not in ends] or numbers
    middle = numbers[len(numbers) // 2]
    unit = ends.get(middle) or next((unit for limit, unit in _UNITS if middle < limit), "ns")
    unit = next((other for low, high, other in _OTHER_UNITS if low < middle < high), unit)
    return Guess(unit, f"values like {middle:.0f}")


def _is_last(seconds: float) -> bool:
    return abs(seconds - _LAST) < _TWO_DAYS
