"""Do the columns hold what the specification says? Asked of samples before anything is planned.

Each refusal shows a row, and the line of the specification that mends it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from psycopg import sql

from backfill.errors import PreflightError
from backfill.jobs.utc.dated_clocks import before_its_begin, past_midnight
from backfill.jobs.utc.resolve_columns import UNIT_NAMES
from backfill.jobs.utc.sample import sample_filled, sample_rows
from backfill.jobs.utc.table_spec import OFFSET_UNITS
from backfill.jobs.utc.wall_checks import Place, bounded, check_walls, first, key_at, unreadable
from backfill.jobs.utc.zoned_table import ZonedTable
from backfill.rows.texts import texts_of
from backfill.rows.values import BoolArray, field_of
from backfill.server.catalog_columns import columns_of
from backfill.server.pending import SAMPLE_ROWS
from backfill.server.postgres import Connection
from backfill.server.table import Table
from backfill.utc.compute import convert_pairs
from backfill.utc.convert import in_range
from backfill.utc.described import TARGET_UNITS, OffsetUse, Pair, Target, WallKind
from backfill.utc.doubts import show_instant, show_time
from backfill.utc.instants import Stored, read_target
from backfill.utc.pairs import PairValues, Policy
from backfill.utc.wall_format import tokens_of

#: No zone is further from UTC than this; a value further off was not converted from the other.
_NEAR_US = 27 * 3_600_000_000
#: One filled row in so many that is another instant may be a row that somebody moved.
_FEW = 10


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
    warnings: list[str] = []
    for pair in zoned.columns.pairs:
        check_walls(Place(zoned, pair), rows)
        warnings += [
            *unreadable(Place(zoned, pair), rows),
            *before_its_begin(Place(zoned, pair), rows),
        ]
    warnings += past_midnight(zoned, rows, policy)
    filled = sample_filled(connection, zoned.table, members)
    converted = convert_pairs(filled, zoned.columns, policy)
    for pair, values in zip(zoned.columns.pairs, converted, strict=True):
        place = Place(zoned, pair)
        tells_unit = _check_target(place, filled, values)
        _check_direction(place, filled, values)
        sentence = _instants_in_wall(place, filled, values)
        if sentence and not policy.repairs:
            raise PreflightError(f"{sentence} {_NOT_PLANNED}")
        warnings += [f"{sentence} {_REPAIRED}"] if sentence else []
        is_said = tells_unit or pair.target.column.name in units_said
        warnings += [] if is_said else _untold_unit(place)
        if not policy.repairs:
            warnings += [*_placeholders(place, filled, values), *_others(place, filled, values)]
    return warnings


def read_oddly(zoned: ZonedTable, pair: Pair) -> Iterator[str]:
    """Say what a reading leaves out: the time of day, or an offset that its format spells out."""
    form, wall = pair.reading.form, Place(zoned, pair).wall
    has_hour = {"H", "I"} & {token.lstrip("%-") for token in tokens_of(form)[0]}
    is_day = form and not has_hour and not pair.reading.is_counted
    if pair.reading.kind is WallKind.DATE or is_day:
        yield (
            f"{wall} is a day without a time: its midnight is taken. If another column tells the "
            f'time, name both: wall = ["{pair.walls[0].name}", "…"]'
        )
    if re.search(r"(%[SMf]|\s)(Z|UTC|GMT)$", form):
        yield (
            f"{wall}: in format {form!r} the end is no more than letters, and what says UTC is "
            'taken for wall time. If it is an instant: %z in its place, and offset_in_text = "use"'
        )


def check_deleted(connection: Connection, table: Table) -> None:
    """Raise `PreflightError` where rows that are not deleted have something in that column too.

    A boolean says it by itself.
    """
    assert table.deleted is not None
    column = columns_of(connection, table.relation)[table.deleted]
    if column.plain_type == "boolean":
        return
    query = sql.SQL(
        "SELECT s.value FROM (SELECT {name}::text AS value FROM {relation}"
        " WHERE {name} IS NOT NULL LIMIT {rows}) AS s WHERE s.value ~* {idle} LIMIT 1"
    ).format(
        name=sql.Identifier(column.name),
        relation=table.relation.identifier,
        rows=sql.Literal(SAMPLE_ROWS),
        idle=sql.Literal(_IDLE),
    )
    row = connection.execute(query).fetchone()
    if row is None and not column.is_not_null:
        return
    value = sql.Literal(row[0]).as_string(None) if row else "…"
    why = f"holds {value}, which sounds like not deleted" if row else "is NOT NULL"
    raise PreflightError(
        f"--skip-deleted: {table.relation}.{column.name} {why}, and every row with a value there "
        "would be left out. Say in the table's specification which rows are meant, and leave the "
        f'option out, like where = "{column.name} = {value}"'
    )


#: What a column of deleted rows says of one that is there.
_IDLE = r"^\s*(0|f|false|n|no|active|-?infinity|(0001|1900|1970|9999)-\d\d-\d\d.*|)\s*$"


def _check_target(place: Place, rows: pa.Table, values: PairValues) -> bool:
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


def _untold_unit(place: Place) -> list[str]:
    """Say which unit will be written where no filled row tells, and the wall counts another."""
    reading, unit = place.pair.reading, place.pair.target.unit
    is_count = reading.kind is WallKind.NUMBER and not reading.form
    if not is_count or reading.unit is unit or reading.unit not in TARGET_UNITS:
        return []
    return [
        f"{place.target} gets {UNIT_NAMES[unit]}: no filled row tells what it counts, and "
        f"{place.wall} counts {UNIT_NAMES[reading.unit]}. If that is not meant, say so in the "
        f'[[pair]]: target_unit = "{reading.unit}"'
    ]


def _placeholders(place: Place, rows: pa.Table, values: PairValues) -> list[str]:
    """Say that filled rows hold no instant at all, or 1970's beginning: they are left alone."""
    stored = values.stored
    is_far = values.wall.is_valid & (np.abs(bounded(values.wall.us)) > _NEAR_US)
    is_idle = ~stored.is_null & ~values.wall.is_null
    is_idle &= ~stored.is_valid | ~in_range(stored.us) | ((stored.us == 0) & is_far)
    is_idle &= values.wall.is_valid
    count = int(np.count_nonzero(is_idle))
    if not count:
        return []
    row = first(is_idle)
    before = field_of(rows, "before", place.pair.target.column.name)
    shown = texts_of(before.slice(row, 1))[0].as_py()
    return [
        f"{place.target} of {count:,} sampled rows is not NULL and holds no instant that their "
        f"wall time could give, like row {key_at(rows, row)}: {shown!r}. They count as filled and "
        "are left alone; --repair plans them too."
    ]


def _others(place: Place, rows: pa.Table, values: PairValues) -> list[str]:
    """Say that filled rows hold another instant than their wall time gives, unless these are few:
    a wrong zone, unit or format shows there first, or a day that does not begin at midnight."""
    stored, candidates = values.stored, values.candidates
    tells = stored.is_valid & in_range(stored.us) & (stored.us != 0) & values.has_zone
    tells &= values.wall.is_read & in_range(candidates.first_us)
    step = place.pair.target.step_us
    apart = [np.abs(us - stored.us) >= step for us in (candidates.first_us, candidates.second_us)]
    is_other = tells & apart[0] & apart[1]
    count, all_told = int(np.count_nonzero(is_other)), int(np.count_nonzero(tells))
    if count * _FEW <= all_told:
        return []
    row = first(is_other)
    return [
        f"{place.target} of {count:,} of {all_told:,} sampled rows that are filled is another "
        f"instant than {place.pair.label} gives, like row {key_at(rows, row)}: "
        f"{show_instant(int(stored.us[row]))}, where {show_instant(int(candidates.first_us[row]))} "
        "would be written. Is it the zone, the unit, the format? If the filled values are wrong: "
        "--repair"
    ]


def _check_text_target(place: Place, rows: pa.Table, stored: pa.Array, instants: Stored) -> None:
    texts = pc.utf8_trim_whitespace(stored)
    says_offset = np.asarray(pc.match_substring_regex(texts, r"([Zz]|[+-]\d{2}(:?\d{2})?)$"))
    is_instant = instants.is_valid & np.where(instants.is_null, False, says_offset == True)  # noqa: E712
    is_filled = ~instants.is_null
    if np.count_nonzero(is_instant) * 2 >= np.count_nonzero(is_filled):
        return
    row = first(is_filled & ~is_instant)
    raise PreflightError(
        f"{place.target} is text, and its filled rows hold something else than instants: row "
        f"{key_at(rows, row)} says {stored[row].as_py()!r}, where 2026-06-01T12:00:00Z would be "
        "written. Nothing was planned. Name another target column in its [[pair]]: target = …"
    )


def _check_target_unit(place: Place, rows: pa.Table, stored: pa.Array, values: PairValues) -> bool:
    """Return whether any filled row tells the unit, once none contradicts it."""
    pair = place.pair
    near = {
        unit: _is_near(stored, Target(pair.target.column, unit), values) for unit in TARGET_UNITS
    }
    # Around 1970 all units say the same: rows that fit several of them tell nothing.
    votes = np.sum([mask.astype(int) for mask in near.values()], axis=0)
    counts = {unit: int(np.count_nonzero(mask & (votes == 1))) for unit, mask in near.items()}
    declared = pair.target.unit
    best = max(counts, key=lambda unit: counts[unit])
    if counts[best] > counts[declared]:
        row = first(near[best] & (votes == 1))
        wall = show_time(int(values.wall.us[row]))
        raise PreflightError(
            f"{place.target} holds {UNIT_NAMES[best]}, not {UNIT_NAMES[declared]}: row "
            f"{key_at(rows, row)} has {stored[row].as_py()} for the wall time {wall}. Nothing was "
            f'planned. Say so in the [[pair]] of {pair.label}: target_unit = "{best}"'
        )
    return counts[declared] > 0


def _is_near(stored: pa.Array, target: Target, values: PairValues) -> BoolArray:
    read = read_target(stored, target)
    is_there = read.is_valid & values.wall.is_read & in_range(read.us)
    near: BoolArray = is_there & (np.abs(bounded(read.us) - values.wall.us) <= _NEAR_US)
    return near


def _check_direction(place: Place, rows: pa.Table, values: PairValues) -> None:
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
    row = first(tells & (np.floor_divide(values.wall.us + offset_us, step) == stored))
    value = field_of(rows, "source", offset.column)[row].as_py()
    unit = next((u for u, s in OFFSET_UNITS.items() if s == -offset.unit_seconds), "")
    mend = f'unit = "{unit}"' if unit else "a view that turns its sign"
    raise PreflightError(
        f"{place.zoned.table.relation}.{offset.column} counts the other way: on {west:,} filled "
        f"rows {place.pair.target.column.name} is the wall time plus the offset (on {east:,} minus "
        f"it), like row {key_at(rows, row)}, whose offset is {value}. Nothing was planned. Say so "
        f'in the [[pair]]: offset = {{ column = "{offset.column}", {mend} }}'
    )


_NOT_PLANNED = (
    "Nothing was planned. Compare some rows by hand before you go on; if the wall time is right "
    "and the filled values are wrong: --repair"
)
_REPAIRED = (
    "With --repair the wall time is taken to be right: compare some rows by hand before you apply."
)


def _instants_in_wall(place: Place, rows: pa.Table, values: PairValues) -> str:
    """Say that the wall column holds instants, where rows whose zone is not at offset 0 tell."""
    step = place.pair.target.step_us
    tells = values.stored.is_valid & values.wall.is_read & values.has_zone
    tells &= values.candidates.offset_us != 0
    is_same = np.floor_divide(values.wall.us, step) == np.floor_divide(values.stored.us, step)
    equal, different = (int(np.count_nonzero(mask)) for mask in (tells & is_same, tells & ~is_same))
    if not equal or equal < different:
        return ""
    row = first(tells & is_same)
    zone = values.choice.names()[row].as_py()
    return (
        f"{place.wall} already holds true instants, not wall-clock times: on {equal:,} filled rows "
        f"of zones that are not at offset 0 it equals {place.pair.target.column.name} (on "
        f"{different:,} it differs), like row {key_at(rows, row)}: "
        f"{show_instant(int(values.stored.us[row]))} in {zone}. Converting it again would move "
        "every event."
    )
