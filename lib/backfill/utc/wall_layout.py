"""Written dates and times that stand in fixed places: read column by column of their letters.

Nearly all texts of a column have one of few layouts. Each layout of a format is laid over the
texts of its length: where its signs and digits fit, the numbers are summed up from the digits,
ten times faster than a regular expression finds them. What fits no layout is left to others.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from backfill.rows.values import BoolArray, Int64Array
from backfill.utc.month_names import ENGLISH
from backfill.utc.wall_format import tokens_of

Letters = NDArray[np.uint8]

#: Beyond this many letters no layout is known.
_LONGEST = 40
_MOST_LAYOUTS = 96
_PLAIN = {
    **{"Y": (4,), "G": (4,), "y": (2,), "C": (1,), "V": (2,), "u": (1,)},
    **{"M": (2,), "S": (2,), "p": (2,)},
}
_NARROW = {"m": (2, 1), "d": (2, 1), "e": (2, 1), "H": (2, 1), "I": (2, 1), "j": (3,)}
_WIDTHS = {**_PLAIN, **_NARROW, "f": (6, 3, 9, 7, 1, 2, 4, 5, 8), "b": (3,)}
_CLOCKS = ("", "~%H:%M", "~%H:%M:%S", "~%H:%M:%S!%f")
_BASIC_CLOCKS = ("", "~%H%M", "~%H%M%S", "~%H%M%S!%f")
#: Signs that stand for one of several.
_SIGNS = {"~": b"T t", "!": b".,", "?": b"Zz"}
ISO = tuple(
    f"{date}{clock}{zone}"
    for zone in ("", "?")
    for date, clocks in (("%Y-%m-%d", _CLOCKS), ("%Y%m%d", _BASIC_CLOCKS))
    for clock in clocks
)
DAYS = ("%Y-%m-%d", "%Y%m%d")
CLOCKS = tuple(clock.removeprefix("~") for clock in (*_CLOCKS[1:], *_BASIC_CLOCKS[1:]))
MONTHS = tuple(name.lower() for name in ENGLISH)


@dataclass(frozen=True, slots=True)
class Layout:
    """Where signs and fields stand: places of letters, from 0."""

    length: int
    signs: tuple[tuple[int, bytes], ...]  # which letters may stand there
    fields: tuple[tuple[str, int, int], ...]  # name, place, width


@dataclass(slots=True)
class LaidOut:
    """The rows that a layout fits, and their numbers by the field's name."""

    rows: NDArray[np.intp]
    numbers: Mapping[str, Int64Array]
    is_zulu: bool


def laid_out(texts: pa.Array, forms: Sequence[str]) -> Iterator[LaidOut]:
    """Yield what layouts of some formats read of texts; every row at most once."""
    layouts = layouts_of(tuple(forms))
    if not layouts or not len(texts):
        return
    starts, data = _letters_of(texts)
    lengths = np.diff(starts)
    is_left = np.asarray(texts.is_valid())
    for length in np.unique(lengths[is_left]).tolist():
        if not 0 < length <= _LONGEST or length not in layouts:
            continue
        rows = np.flatnonzero(is_left & (lengths == length))
        columns = _columns(starts, data, rows, length)
        for layout in layouts[length]:
            fits = _fits(columns, layout)
            if fits.all():
                yield LaidOut(rows, _numbers(columns, layout), _is_zulu(layout))
                break
            if fits.any():
                numbers = _numbers(columns[:, fits], layout)
                yield LaidOut(rows[fits], numbers, _is_zulu(layout))
                rows, columns = rows[~fits], columns[:, ~fits]


def _letters_of(texts: pa.Array) -> tuple[NDArray[np.int64], Letters]:
    """Return where each text begins, one more than there are texts, and all letters."""
    plain = texts.cast(pa.string())
    _valid, offsets, data = plain.buffers()
    starts = np.frombuffer(offsets, dtype=np.int32)[plain.offset : plain.offset + len(plain) + 1]
    letters = np.frombuffer(data, dtype=np.uint8) if data else np.zeros(0, dtype=np.uint8)
    return starts.astype(np.int64), letters


def _columns(
    starts: NDArray[np.int64], data: Letters, rows: NDArray[np.intp], length: int
) -> Letters:
    """Return the letters place by place: one line for each place."""
    count = len(starts) - 1
    if len(rows) == count and starts[-1] - starts[0] == count * length:
        block = data[starts[0] : starts[-1]].reshape(count, length)
    else:
        block = data[starts[rows][:, None] + np.arange(length)]
    return np.ascontiguousarray(block.T)


def _fits(columns: Letters, layout: Layout) -> BoolArray:
    fits = np.ones(columns.shape[1], dtype=bool)
    for place, letters in layout.signs:
        is_sign = columns[place] == letters[0]
        for other in letters[1:]:
            is_sign |= columns[place] == other
        fits &= is_sign
    for name, place, width in layout.fields:
        if name == "b":
            fits &= _month(columns, place) > 0
        elif name == "p":
            half = columns[place] | 32
            fits &= ((half == ord("a")) | (half == ord("p"))) & (columns[place + 1] | 32 == 109)
        else:
            for digit in columns[place : place + width]:
                fits &= (digit - np.uint8(48)) <= 9
    return fits


def _numbers(columns: Letters, layout: Layout) -> dict[str, Int64Array]:
    numbers: dict[str, Int64Array] = {}
    for name, place, width in layout.fields:
        if name == "b":
            numbers["m"] = _month(columns, place)
        elif name == "p":
            numbers["p"] = (columns[place] | 32 == ord("p")).astype(np.int64)
        else:
            value = np.zeros(columns.shape[1], dtype=np.int64)
            for digit in columns[place : place + width]:
                value *= 10
                value += digit - np.uint8(48)
            numbers[name] = value * 10 ** (9 - width) if name == "f" else value
    return numbers


def _month(columns: Letters, place: int) -> Int64Array:
    """Return months by their names' first three letters, 0 where there is none."""
    low = columns[place : place + 3].astype(np.int64) | 32
    code = (low[0] << 16) | (low[1] << 8) | low[2]
    codes = np.array([int.from_bytes(name.encode()) for name in MONTHS])
    order = np.argsort(codes)
    at = np.clip(np.searchsorted(codes[order], code), 0, 11)
    month: Int64Array = np.where(codes[order][at] == code, order[at] + 1, 0)
    return month


def _is_zulu(layout: Layout) -> bool:
    return any(letters == _SIGNS["?"] for _place, letters in layout.signs)


@lru_cache(maxsize=256)
def layouts_of(forms: tuple[str, ...]) -> Mapping[int, tuple[Layout, ...]]:
    """Return the layouts of formats by their length; none for a format that has too many."""
    by_length: dict[int, list[Layout]] = {}
    for form in forms:
        for layout in itertools.islice(_layouts(form, is_iso=len(forms) > 1), _MOST_LAYOUTS):
            by_length.setdefault(layout.length, []).append(layout)
    return {length: tuple(layouts) for length, layouts in by_length.items()}


def _layouts(form: str, *, is_iso: bool) -> Iterator[Layout]:
    tokens, is_whole = tokens_of(form)
    names = [token.lstrip("%-") if token.startswith("%") else "" for token in tokens]
    names = [{"B": "b", "h": "b", "e": "d"}.get(name, name) for name in names]
    if any(name and name not in _WIDTHS for name in names) or not is_whole:
        return
    widths = [_widths(names, place, is_iso=is_iso) for place in range(len(tokens))]
    for chosen in itertools.product(*widths):
        place, signs, fields = 0, [], []
        for token, name, width in zip(tokens, names, chosen, strict=True):
            if name:
                fields.append((name, place, width))
            else:
                letters = _SIGNS.get(token, b"") if is_iso else b""
                signs.append((place, letters or token.encode()))
            place += width
        if all(len(letters) == 1 or letters in _SIGNS.values() for _place, letters in signs):
            yield Layout(place, tuple(signs), tuple(fields))


def _widths(names: Sequence[str], place: int, *, is_iso: bool) -> tuple[int, ...]:
    """Digits that touch other digits have a fixed width, and so has ISO 8601."""
    name = names[place]
    if not name:
        return (1,)
    widths = _WIDTHS[name]
    near = [names[at] for at in (place - 1, place + 1) if 0 <= at < len(names)]
    is_fixed = is_iso or any(other and other not in "bp" for other in near)
    return widths if name == "f" or not is_fixed else widths[:1]
