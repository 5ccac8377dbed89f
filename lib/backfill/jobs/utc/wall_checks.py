"""Do wall columns hold what the specification says? Asked of samples before anything is planned.

Each refusal shows a row, and the line of the specification that mends it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from backfill.errors import PreflightError
from backfill.jobs.utc.formats import DIGITS, digits_format, likely_formats, likely_in_words
from backfill.jobs.utc.resolve_columns import OFFSET_WORDS, UNIT_NAMES, clock_of, offsets_by_unit
from backfill.jobs.utc.zoned_table import ZonedTable
from backfill.rows.values import BoolArray, field_of
from backfill.utc.convert import in_range
from backfill.utc.described import DAY_US, TARGET_UNITS, TRIED_UNITS, Offset, Pair, Unit, WallKind
from backfill.utc.doubts import show_time
from backfill.utc.wall import read_walls, spelt_in_english
from backfill.utc.wall_text import read_format
from backfill.utc.years import years_of

_FIRST_YEAR, _LAST_YEAR = 1975, 2100


def check_walls(place: Place, rows: pa.Table) -> None:
    pair = place.pair
    values = field_of(rows, "source", pair.walls[0].name)
    if pair.offset is not None and not pair.offset.is_flag:
        _check_offsets(place, rows, pair.offset)
    is_given = pair.reading.form or len(values) == values.null_count
    if pair.reading.kind is WallKind.NUMBER and not is_given:
        _check_digits(place, rows, values.cast(pa.string()), tuple(DIGITS))
        _check_unit(place, rows, values)
    elif pair.reading.kind is WallKind.TEXT and not is_given:
        _check_digits(place, rows, values, (10, 12, 14, 17))
        _check_counts(place, rows, values)
        _check_format(place, rows, values)
    elif pair.reading.kind is WallKind.DATE_AND_TIME and not is_given:
        _check_date_and_time(place, rows)
    if len(pair.walls) == 1:
        _check_day(place, rows, values)


#: On which day programs keep a time of day that has none, beside the first of what numbers count.
_NO_DAYS = np.array(
    ["0001-01-01", "1899-12-30", "1899-12-31", "1900-01-01", "1970-01-01", "2000-01-01"],
    dtype="datetime64[D]",
).astype(np.int64)
_CLOCK_DAYS = 3  # 235959 counted in seconds is the third day


def _check_day(place: Place, rows: pa.Table, values: pa.Array) -> None:
    """More than half of the times are times of day, whose date stands elsewhere."""
    reading = place.pair.reading
    walls = read_walls([values], reading)
    days = walls.us // DAY_US
    is_clock = np.isin(days, _NO_DAYS)
    if reading.kind is WallKind.NUMBER and not reading.form:
        since = days - reading.unit.zero_us // DAY_US
        is_clock |= (since >= 0) & (since < _CLOCK_DAYS)
    is_clock &= walls.is_read & (walls.us % DAY_US != 0)
    if np.count_nonzero(is_clock) * 2 <= np.count_nonzero(walls.is_read):
        return
    row, name = first(is_clock), place.pair.walls[0].name
    kept = values[row].as_py()
    mend = f'Name the column of the date first: wall = ["…", "{name}"]'
    if reading.kind is WallKind.NUMBER:
        mend += (
            ' with unit = "s" (or min, h, days: since midnight), or with a format of both, like '
            'format = "%Y-%m-%d %H%M"'
        )
    else:
        mend += f", of a time of day. {clock_of(place.zoned.table.relation, name)}"
    raise PreflightError(
        f"{place.wall} holds times of day without their date: row {key_at(rows, row)} says {kept}, "
        f"which would be {show_time(int(walls.us[row]))}. Nothing was planned. {mend}"
    )


def _check_digits(place: Place, rows: pa.Table, texts: pa.Array, lengths: tuple[int, ...]) -> None:
    form = digits_format(texts, among=lengths)
    if not form:
        return
    row = first(np.asarray(_reads(texts, form)))
    spelt = show_time(int(_us(texts, form, row)))
    raise PreflightError(
        f"{place.wall} holds digits that spell a date, not a count of time: in row "
        f"{key_at(rows, row)} {texts[row].as_py()} is {spelt}. Nothing was planned. Say so in its "
        f'[[pair]]: format = "{form}"'
    )


def _reads(texts: pa.Array, form: str) -> BoolArray:
    return read_format(texts, form).is_valid


def _us(texts: pa.Array, form: str, row: int) -> int:
    return int(read_format(texts.slice(row, 1), form).us[0])


def _check_format(
    place: Place, rows: pa.Table, texts: pa.Array, *, read_otherwise: float | None = None
) -> None:
    forms = likely_formats(texts, read_otherwise=read_otherwise)
    english = forms if read_otherwise is None else None
    if words := likely_in_words(texts, english):
        _refuse_words(place, rows, texts, words)
    if not forms:
        return
    row = first(_reads(texts, forms[0]))
    said = " or ".join(f'format = "{form}"' for form in forms)
    which = " (both read every value: only you know which)" if len(forms) > 1 else ""
    raise PreflightError(
        f"{place.wall} is not ISO 8601: row {key_at(rows, row)} says {texts[row].as_py()!r}. "
        f"Nothing was planned. Say in its [[pair]]: {said}{which}"
    )


def _refuse_words(
    place: Place, rows: pa.Table, texts: pa.Array, words: Sequence[tuple[str, str]]
) -> None:
    form, language = words[0]
    others = ", ".join(other for _form, other in words[1:])
    which = f" (or {others}: they read as many)" if others else ""
    row = first(_reads(spelt_in_english(texts, language), form))
    raise PreflightError(
        f"{place.wall} has names of months in another language: row {key_at(rows, row)} says "
        f"{texts[row].as_py()!r}. Nothing was planned. Say in its [[pair]]: "
        f'format = "{form}" and months = "{language}"{which}'
    )


def unreadable(place: Place, rows: pa.Table) -> list[str]:
    """Say that most texts of a sample are no wall times, and are going to be skipped."""
    pair = place.pair
    if pair.reading.kind not in (WallKind.TEXT, WallKind.DATE_AND_TIME):
        return []
    arrays = [field_of(rows, "source", wall.name) for wall in pair.walls]
    walls = read_walls(arrays, pair.reading)
    is_there = ~walls.is_null
    is_wrong = is_there & ~walls.is_valid
    count, total = int(np.count_nonzero(is_wrong)), int(np.count_nonzero(is_there))
    if count * 2 <= total:
        return []
    row = first(is_wrong)
    shown = " ".join(str(array[row].as_py()) for array in arrays)
    how = f"in the format {pair.reading.form}" if pair.reading.form else "as ISO 8601"
    return [
        f"{place.wall}: {count:,} of {total:,} sampled texts can not be read {how}, like row "
        f"{key_at(rows, row)}: {shown!r}. Such rows are skipped. If all of it is written in one "
        'way, say how in its [[pair]]: format = "%d/%m/%Y %H:%M"'
    ]


def _check_date_and_time(place: Place, rows: pa.Table) -> None:
    """Texts of a date or a time that are not ISO 8601 are told by what both spell together."""
    arrays = [field_of(rows, "source", wall.name) for wall in place.pair.walls]
    walls = read_walls(arrays, place.pair.reading)
    is_there = ~walls.is_null
    if is_there.any():
        joined = pc.binary_join_element_wise(*(array.cast(pa.string()) for array in arrays), " ")
        texts = pc.if_else(pa.array(is_there), joined, pa.scalar(None, pa.string()))
        share = np.count_nonzero(walls.is_valid & is_there) / np.count_nonzero(is_there)
        _check_format(place, rows, texts, read_otherwise=share)


#: Digits of a date and a time; some programs leave out what is not known at the end.
_SPELT_DATE = r"^(19|20)\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])([01]\d|2[0-4])[0-5]\d"


def _check_counts(place: Place, rows: pa.Table, texts: pa.Array) -> None:
    """Counts since 1970 that are written as text need their unit."""
    plain = pc.utf8_trim_whitespace(texts)
    is_count = np.asarray(pc.match_substring_regex(plain, r"^-?\d{9,19}(\.\d+)?$").fill_null(False))
    is_count &= ~np.asarray(pc.match_substring_regex(plain, _SPELT_DATE).fill_null(False))
    if np.count_nonzero(is_count) * 2 <= len(plain.drop_null()):
        return
    numbers = pc.if_else(pa.array(is_count), plain, pa.scalar(None, pa.string()))
    units = _units_of_our_days(place.pair, numbers)
    row = first(is_count)
    said = " or ".join(f'unit = "{unit}"' for unit, _share in units) or 'unit = "ms"'
    raise PreflightError(
        f"{place.wall} holds counts of time as text: row {key_at(rows, row)} says "
        f"{plain[row].as_py()!r}. Nothing was planned. Say in its [[pair]] what they count: {said}"
    )


def _units_of_our_days(pair: Pair, values: pa.Array) -> list[tuple[Unit, float]]:
    """Return the units in which more than half of the numbers lie in our days, likeliest first."""
    number = replace(pair.reading, kind=WallKind.NUMBER, form="")
    shares = [
        (unit, _share_of_our_days(read_walls([values], replace(number, unit=unit)).us, values))
        for unit in TRIED_UNITS
    ]
    likely = [(unit, share) for unit, share in shares if share > 0.5]
    return sorted(likely, key=lambda likely_unit: -round(likely_unit[1], 1))


def _check_unit(place: Place, rows: pa.Table, values: pa.Array) -> None:
    """More than half of the times lie in no century of ours, and in another unit they would."""
    declared = place.pair.reading.unit
    walls = read_walls([values], place.pair.reading)
    if _share_of_our_days(walls.us, values) >= 0.5:
        return
    # Who says a unit means it: only counts since 1970 are told from each other then.
    is_usual = declared is Unit.MILLISECONDS
    units = [u for u, _ in _units_of_our_days(place.pair, values) if is_usual or u in TARGET_UNITS]
    if not units:
        return
    is_there = np.asarray(values.is_valid())
    row = first(is_there)
    early = int(np.count_nonzero(is_there & (years_of(bounded(walls.us)) < _FIRST_YEAR)))
    total = int(np.count_nonzero(is_there))
    where = (
        f"{early:,} of {total:,} values would lie before {_FIRST_YEAR}"
        if early * 2 > total
        else f"in row {key_at(rows, row)} {values[row].as_py()} would be the year "
        f"{int(years_of(bounded(walls.us))[row])}"
    )
    is_epoch_s = is_usual and units[0] is Unit.SECONDS
    flag = " or --encoding epoch_s" if is_epoch_s else ""
    names = " or ".join(UNIT_NAMES[unit] for unit in units)
    said = " or ".join(f'unit = "{unit}"' for unit in units)
    shown = "" if len(units) == 1 else f" ({_spelt_in(place.pair, values.slice(row, 1), units)})"
    raise PreflightError(
        f"{place.wall} looks like {names}, not {UNIT_NAMES[declared]}: {where}{shown}. If it "
        f"is in {names}, say so: {said} in its [[pair]]{flag}"
    )


def _spelt_in(pair: Pair, value: pa.Array, units: Sequence[Unit]) -> str:
    """Show what a number is in each of some units."""
    read = {u: int(read_walls([value], replace(pair.reading, unit=u)).us[0]) for u in units}
    return ", ".join(f"{value[0].as_py()} is {show_time(us)} in {u}" for u, us in read.items())


def _share_of_our_days(us: NDArray[np.int64], values: pa.Array) -> float:
    is_there: BoolArray = np.asarray(values.is_valid()) & (us != 0)
    years = years_of(bounded(us))
    is_ours = is_there & in_range(us) & (years >= _FIRST_YEAR) & (years <= _LAST_YEAR)
    return int(np.count_nonzero(is_ours)) / max(1, int(np.count_nonzero(is_there)))


def _check_offsets(place: Place, rows: pa.Table, offset: Offset) -> None:
    """Hours taken for minutes, and the like, are told by what places have: 530 minutes is none."""
    texts = field_of(rows, "source", offset.column).cast(pa.string()).drop_null()
    if not offset.unit_seconds:
        _check_offset_texts(place, offset, texts)
        return
    numbers = [float(text) for text in texts.to_pylist() if _is_number(text)]
    declared = abs(offset.unit_seconds)
    fits = offsets_by_unit(numbers)
    best = max([declared, *fits], key=lambda unit: len(fits[unit]))
    told = fits[best] - fits[declared]
    if best == declared or not told:
        return
    raise PreflightError(
        f"{place.zoned.table.relation}.{offset.column} holds numbers like {min(told):g}: in "
        f"{OFFSET_WORDS[declared]} that is no offset that a place has, in {OFFSET_WORDS[best]} it "
        f'is. Say what they are: offset = {{ column = "{offset.column}", unit = '
        f'"{OFFSET_WORDS[best]}" }}'
    )


def _check_offset_texts(place: Place, offset: Offset, texts: pa.Array) -> None:
    """Numbers written as text have a unit that nobody said."""
    plain = pc.utf8_trim_whitespace(texts)
    is_count = np.asarray(pc.match_substring_regex(plain, r"^[+-]?(\d{1,3}|\d{5}|\d+\.\d+)$"))
    is_hours = np.asarray(pc.match_substring_regex(plain, r"^([+-]\d{1,2}|0+)$"))
    if np.count_nonzero(is_count & ~is_hours) * 2 <= len(plain):
        return
    raise PreflightError(
        f"{place.zoned.table.relation}.{offset.column} holds numbers as text, like "
        f"{plain[first(is_count & ~is_hours)].as_py()!r}: say what they count, like offset = "
        f'{{ column = "{offset.column}", unit = "minutes" }}'
    )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class Place:
    """A pair of a table, to be named in a message."""

    zoned: ZonedTable
    pair: Pair

    @property
    def wall(self) -> str:
        return f"{self.zoned.table.relation}.{self.pair.label}"

    @property
    def target(self) -> str:
        return f"{self.zoned.table.relation}.{self.pair.target.column.name}"


def bounded(us: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.where(in_range(us), us, 0)


def first(mask: NDArray[np.bool_]) -> int:
    rows = np.flatnonzero(mask)
    return int(rows[0]) if len(rows) else 0


def key_at(rows: pa.Table, row: int) -> str:
    return str(rows.column("key")[row].as_py())
