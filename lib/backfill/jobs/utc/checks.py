"""Do the columns hold what the specification says? Asked of samples before anything is planned.

Each refusal shows a row, and the line of the specification that mends it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from backfill.errors import PreflightError
from backfill.jobs.utc.formats import DIGITS, digits_format, likely_formats
from backfill.jobs.utc.resolve_columns import UNIT_NAMES
from backfill.jobs.utc.sample import sample_filled, sample_rows
from backfill.jobs.utc.table_spec import OFFSET_UNITS
from backfill.jobs.utc.zoned_table import ZonedTable
from backfill.rows.texts import texts_of
from backfill.server.postgres import Connection
from backfill.utc.compute import convert_pairs
from backfill.utc.convert import in_range
from backfill.utc.described import Offset, OffsetUse, Pair, Reading, Target, Unit, WallKind
from backfill.utc.doubts import show_instant, show_time
from backfill.utc.instants import Stored, read_target
from backfill.utc.pairs import BoolArray, PairValues, Policy, field_of
from backfill.utc.wall import read_walls
from backfill.utc.wall_text import read_format
from backfill.utc.years import years_of

_FIRST_YEAR, _LAST_YEAR = 1975, 2100
#: No zone is further from UTC than this; a value further off was not converted from the other.
_NEAR_US = 27 * 3_600_000_000


@dataclass(frozen=True, slots=True)
class _Place:
    """A pair of a table, to be named in a message."""

    zoned: ZonedTable
    pair: Pair

    @property
    def wall(self) -> str:
        return f"{self.zoned.table.relation}.{self.pair.label}"

    @property
    def target(self) -> str:
        return f"{self.zoned.table.relation}.{self.pair.target.column.name}"


def check_columns(
    connection: Connection,
    zoned: ZonedTable,
    members: Sequence[str] | None,
    policy: Policy,
    *,
    units_said: Collection[str] = (),
) -> list[str]:
    """Raise `PreflightError` when columns hold something else; return warnings. Read-only.

    `units_said` are targets whose unit the specification names.
    """
    rows = sample_rows(connection, zoned.table, members)
    for pair in zoned.columns.pairs:
        _check_walls(_Place(zoned, pair), rows)
    filled = sample_filled(connection, zoned.table, members)
    warnings: list[str] = []
    converted = convert_pairs(filled, zoned.columns, policy)
    for pair, values in zip(zoned.columns.pairs, converted, strict=True):
        place = _Place(zoned, pair)
        tells_unit = _check_target(place, filled, values)
        _check_direction(place, filled, values)
        told = _instants_in_wall(place, filled, values)
        if told and not policy.repairs:
            raise PreflightError(told)
        warnings += [told] if told else []
        is_said = tells_unit or pair.target.column.name in units_said
        warnings += [] if is_said else _untold_unit(place)
        warnings += [] if policy.repairs else _placeholders(place, filled, values)
    return warnings


# -- wall times ------------------------------------------------------------------------------------


def _check_walls(place: _Place, rows: pa.Table) -> None:
    pair = place.pair
    values = field_of(rows, "source", pair.walls[0].name)
    if pair.offset is not None:
        _check_offsets(place, rows, pair.offset)
    is_given = pair.reading.form or len(values) == values.null_count
    if pair.reading.kind is WallKind.NUMBER and not is_given:
        _check_digits(place, rows, values.cast(pa.string()), tuple(DIGITS))
        _check_unit(place, rows, values)
    elif pair.reading.kind is WallKind.TEXT and not is_given:
        _check_digits(place, rows, values, (10, 12, 14, 17))
        _check_format(place, rows, values)
    elif pair.reading.kind is WallKind.DATE_AND_TIME and not is_given:
        _check_date_and_time(place, rows)


def _check_digits(place: _Place, rows: pa.Table, texts: pa.Array, lengths: tuple[int, ...]) -> None:
    form = digits_format(texts, among=lengths)
    if not form:
        return
    row = _first(np.asarray(_reads(texts, form)))
    spelt = show_time(int(_us(texts, form, row)))
    raise PreflightError(
        f"{place.wall} holds digits that spell a date, not a count of time: in row "
        f"{_key(rows, row)} {texts[row].as_py()} is {spelt}. Nothing was planned. Say so in its "
        f'[[pair]]: format = "{form}"'
    )


def _reads(texts: pa.Array, form: str) -> BoolArray:
    return read_format(texts, form).is_valid


def _us(texts: pa.Array, form: str, row: int) -> int:
    return int(read_format(texts.slice(row, 1), form).us[0])


def _check_format(
    place: _Place, rows: pa.Table, texts: pa.Array, *, read_otherwise: float | None = None
) -> None:
    found = likely_formats(texts, read_otherwise=read_otherwise)
    if not found:
        return
    row = _first(_reads(texts, found[0]))
    said = " or ".join(f'format = "{form}"' for form in found)
    which = " (both read every value: only you know which)" if len(found) > 1 else ""
    raise PreflightError(
        f"{place.wall} is not ISO 8601: row {_key(rows, row)} says {texts[row].as_py()!r}. Nothing "
        f"was planned. Say in its [[pair]]: {said}{which}"
    )


def _check_date_and_time(place: _Place, rows: pa.Table) -> None:
    """Texts of a date or a time that are not ISO 8601 are told by what both spell together."""
    arrays = [field_of(rows, "source", wall.name) for wall in place.pair.walls]
    walls = read_walls(arrays, place.pair.reading)
    is_there = ~walls.is_null
    if is_there.any():
        joined = pc.binary_join_element_wise(*(array.cast(pa.string()) for array in arrays), " ")
        texts = pc.if_else(pa.array(is_there), joined, pa.scalar(None, pa.string()))
        share = np.count_nonzero(walls.is_valid & is_there) / np.count_nonzero(is_there)
        _check_format(place, rows, texts, read_otherwise=share)


def _check_unit(place: _Place, rows: pa.Table, values: pa.Array) -> None:
    """More than half of the times lie in no century of ours, and in another unit they would."""
    declared = place.pair.reading.unit
    shares = {
        unit: _share_of_our_days(read_walls([values], _with_unit(place.pair, unit)).us, values)
        for unit in Unit
    }
    best = max(shares, key=lambda unit: shares[unit])
    if shares[declared] >= 0.5 or shares[best] <= 0.5:
        return
    walls = read_walls([values], place.pair.reading)
    is_there = np.asarray(values.is_valid())
    row = _first(is_there)
    early = int(np.count_nonzero(is_there & (years_of(_bounded(walls.us)) < _FIRST_YEAR)))
    total = int(np.count_nonzero(is_there))
    where = (
        f"{early:,} of {total:,} values would lie before {_FIRST_YEAR}"
        if early * 2 > total
        else f"in row {_key(rows, row)} {values[row].as_py()} would be the year "
        f"{int(years_of(_bounded(walls.us))[row])}"
    )
    flag = " or --encoding epoch_s" if (declared, best) == (Unit.MILLISECONDS, Unit.SECONDS) else ""
    raise PreflightError(
        f"{place.wall} looks like {UNIT_NAMES[best]}, not {UNIT_NAMES[declared]}: {where}. If it "
        f'is in {UNIT_NAMES[best]}, say so: unit = "{best}" in its [[pair]]{flag}'
    )


def _with_unit(pair: Pair, unit: Unit) -> Reading:
    return replace(pair.reading, unit=unit)


def _bounded(us: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.where(in_range(us), us, 0)


def _share_of_our_days(us: NDArray[np.int64], values: pa.Array) -> float:
    is_there: BoolArray = np.asarray(values.is_valid()) & (us != 0)
    years = years_of(_bounded(us))
    is_ours = is_there & in_range(us) & (years >= _FIRST_YEAR) & (years <= _LAST_YEAR)
    return int(np.count_nonzero(is_ours)) / max(1, int(np.count_nonzero(is_there)))


def _check_offsets(place: _Place, rows: pa.Table, offset: Offset) -> None:
    """Hours taken for minutes, or the other way round, are told by their size."""
    texts = field_of(rows, "source", offset.column).cast(pa.string()).drop_null()
    if not offset.unit_seconds:
        _check_offset_texts(place, offset, texts)
        return
    numbers = np.abs(np.array([float(text) for text in texts.to_pylist() if _is_number(text)]))
    if not numbers.size or not numbers.any():
        return
    likely = {3600: "hours", 60: "minutes", 1: "seconds"}
    most = float(numbers.max())
    fits = [
        seconds for seconds in likely if most * seconds <= 15 * 3600 and most * seconds >= 15 * 60
    ]
    if abs(offset.unit_seconds) not in fits and fits:
        raise PreflightError(
            f"{place.zoned.table.relation}.{offset.column} holds offsets up to {most:g}: in "
            f"{likely[abs(offset.unit_seconds)]} that is no offset that a place has. Say what they "
            f'are: offset = {{ column = "{offset.column}", unit = "{likely[fits[0]]}" }}'
        )


def _check_offset_texts(place: _Place, offset: Offset, texts: pa.Array) -> None:
    """Numbers written as text have a unit that nobody said."""
    plain = pc.utf8_trim_whitespace(texts)
    is_count = np.asarray(pc.match_substring_regex(plain, r"^[+-]?(\d{1,3}|\d{5}|\d+\.\d+)$"))
    is_hours = np.asarray(pc.match_substring_regex(plain, r"^([+-]\d{1,2}|0+)$"))
    if np.count_nonzero(is_count & ~is_hours) * 2 <= len(plain):
        return
    raise PreflightError(
        f"{place.zoned.table.relation}.{offset.column} holds numbers as text, like "
        f"{plain[_first(is_count & ~is_hours)].as_py()!r}: say what they count, like offset = "
        f'{{ column = "{offset.column}", unit = "minutes" }}'
    )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


# -- targets ---------------------------------------------------------------------------------------


def _check_target(place: _Place, rows: pa.Table, values: PairValues) -> bool:
    """Filled rows contradict the unit, or the kind, that the specification says.

    Return whether the unit of a number is known.
    """
    target = place.pair.target
    stored = field_of(rows, "before", target.column.name)
    is_filled = ~values.stored.is_null
    if target.is_text and is_filled.any():
        _check_text_target(place, rows, stored, values.stored)
    if target.is_number:
        return bool(is_filled.any()) and _check_target_unit(place, rows, stored, values)
    return True


def _untold_unit(place: _Place) -> list[str]:
    """Say which unit will be written where no filled row tells, and the wall counts another."""
    reading, unit = place.pair.reading, place.pair.target.unit
    if reading.kind is not WallKind.NUMBER or reading.form or reading.unit is unit:
        return []
    return [
        f"{place.target} gets {UNIT_NAMES[unit]}: no filled row tells what it counts, and "
        f"{place.wall} counts {UNIT_NAMES[reading.unit]}. If that is not meant, say so in the "
        f'[[pair]]: target_unit = "{reading.unit}"'
    ]


def _placeholders(place: _Place, rows: pa.Table, values: PairValues) -> list[str]:
    """Say that filled rows hold no instant at all, or 1970's beginning: they are left alone."""
    stored = values.stored
    is_far = values.wall.is_valid & (np.abs(_bounded(values.wall.us)) > _NEAR_US)
    is_idle = ~stored.is_null & ~values.wall.is_null
    is_idle &= ~stored.is_valid | ~in_range(stored.us) | ((stored.us == 0) & is_far)
    is_idle &= values.wall.is_valid
    count = int(np.count_nonzero(is_idle))
    if not count:
        return []
    row = _first(is_idle)
    before = field_of(rows, "before", place.pair.target.column.name)
    shown = texts_of(before.slice(row, 1))[0].as_py()
    return [
        f"{place.target} of {count:,} sampled rows is not NULL and holds no instant that their "
        f"wall time could give, like row {_key(rows, row)}: {shown!r}. They count as filled and "
        "are left alone; --repair plans them too."
    ]


def _check_text_target(place: _Place, rows: pa.Table, stored: pa.Array, found: Stored) -> None:
    texts = pc.utf8_trim_whitespace(stored)
    says_offset = np.asarray(pc.match_substring_regex(texts, r"([Zz]|[+-]\d{2}(:?\d{2})?)$"))
    is_instant = found.is_valid & np.where(found.is_null, False, says_offset == True)  # noqa: E712
    is_filled = ~found.is_null
    if np.count_nonzero(is_instant) * 2 >= np.count_nonzero(is_filled):
        return
    row = _first(is_filled & ~is_instant)
    raise PreflightError(
        f"{place.target} is text, and its filled rows hold something else than instants: row "
        f"{_key(rows, row)} says {stored[row].as_py()!r}, where 2026-06-01T12:00:00Z would be "
        "written. Nothing was planned. Name another target column in its [[pair]]: target = …"
    )


def _check_target_unit(place: _Place, rows: pa.Table, stored: pa.Array, values: PairValues) -> bool:
    """Return whether any filled row tells the unit, once none contradicts it."""
    pair = place.pair
    near = {unit: _is_near(stored, Target(pair.target.column, unit), values) for unit in Unit}
    # Around 1970 all units say the same: rows that fit several of them tell nothing.
    votes = np.sum([mask.astype(int) for mask in near.values()], axis=0)
    counts = {unit: int(np.count_nonzero(mask & (votes == 1))) for unit, mask in near.items()}
    declared = pair.target.unit
    best = max(counts, key=lambda unit: counts[unit])
    if counts[best] > counts[declared]:
        row = _first(near[best] & (votes == 1))
        wall = show_time(int(values.wall.us[row]))
        raise PreflightError(
            f"{place.target} holds {UNIT_NAMES[best]}, not {UNIT_NAMES[declared]}: row "
            f"{_key(rows, row)} has {stored[row].as_py()} for the wall time {wall}. Nothing was "
            f'planned. Say so in the [[pair]] of {pair.label}: target_unit = "{best}"'
        )
    return counts[declared] > 0


def _is_near(stored: pa.Array, target: Target, values: PairValues) -> BoolArray:
    found = read_target(stored, target)
    is_there = found.is_valid & values.wall.is_valid & ~values.wall.is_null & in_range(found.us)
    near: BoolArray = is_there & (np.abs(_bounded(found.us) - values.wall.us) <= _NEAR_US)
    return near


def _check_direction(place: _Place, rows: pa.Table, values: PairValues) -> None:
    """Filled rows contradict the direction in which the row's own offsets are counted."""
    offset, offset_us = place.pair.offset, values.candidates.offset_us
    if offset is None or offset.use is not OffsetUse.ZONE:
        return
    tells = values.stored.is_valid & values.is_free & (offset_us != 0)
    step = place.pair.target.step_us
    stored = np.floor_divide(values.stored.us, step)
    east, west = (
        int(np.count_nonzero(tells & (np.floor_divide(us, step) == stored)))
        for us in (values.wall.us - offset_us, values.wall.us + offset_us)
    )
    if west <= east:
        return
    row = _first(tells & (np.floor_divide(values.wall.us + offset_us, step) == stored))
    told = field_of(rows, "source", offset.column)[row].as_py()
    unit = next((u for u, s in OFFSET_UNITS.items() if s == -offset.unit_seconds), "")
    mend = f'unit = "{unit}"' if unit else "a view that turns its sign"
    raise PreflightError(
        f"{place.zoned.table.relation}.{offset.column} counts the other way: on {west:,} filled "
        f"rows {place.pair.target.column.name} is the wall time plus the offset (on {east:,} minus "
        f"it), like row {_key(rows, row)}, whose offset is {told}. Nothing was planned. Say so in "
        f'the [[pair]]: offset = {{ column = "{offset.column}", {mend} }}'
    )


def _instants_in_wall(place: _Place, rows: pa.Table, values: PairValues) -> str:
    """Say that the wall column holds instants, where rows whose zone is not at offset 0 tell."""
    step = place.pair.target.step_us
    has_zone = (values.choice.codes >= 0) | values.is_free
    tells = (
        values.stored.is_valid
        & values.wall.is_valid
        & ~values.wall.is_null
        & has_zone
        & (values.candidates.offset_us != 0)
    )
    is_same = np.floor_divide(values.wall.us, step) == np.floor_divide(values.stored.us, step)
    equal, different = (int(np.count_nonzero(mask)) for mask in (tells & is_same, tells & ~is_same))
    if not equal or equal < different:
        return ""
    row = _first(tells & is_same)
    zone = values.choice.names()[row].as_py()
    return (
        f"{place.wall} already holds true instants, not wall-clock times: on {equal:,} filled rows "
        f"of zones that are not at offset 0 it equals {place.pair.target.column.name} (on "
        f"{different:,} it differs), like row {_key(rows, row)}: "
        f"{show_instant(int(values.stored.us[row]))} in {zone}. Converting it again would move "
        "every event. Nothing was planned. Compare some rows by hand before you go on; if the "
        "wall time is right and the filled values are wrong: --repair"
    )


def _first(mask: NDArray[np.bool_]) -> int:
    found = np.flatnonzero(mask)
    return int(found[0]) if len(found) else 0


def _key(rows: pa.Table, row: int) -> str:
    return str(rows.column("key")[row].as_py())
