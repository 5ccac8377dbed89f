"""From extracted rows to changes and skips: which zone, which instant, and what is odd about it.

Pure: Arrow tables in, Arrow tables out. Steps for a batch of rows: 1. find each row's zone;
2. read each pending wall time; 3. classify it and choose by policy or decision; 4. skip the whole
row when one of its values can not be had; 5. warn of what looks implausible.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from backfill.columns import (
    BEYOND_INT64,
    NEGATIVE_INFINITY,
    POSITIVE_INFINITY,
    Column,
    ColumnType,
    Int64Array,
)
from backfill.skips import Skip, SkipReason
from backfill.utc.convert import (
    Candidates,
    Decision,
    FoldPolicy,
    GapPolicy,
    LocalKind,
    classify,
    in_range,
    resolve,
)
from backfill.utc.wall import Encoding, WallTimes, read_wall
from backfill.utc.zone_choice import ZoneChoice, ZonePolicy, choose_zones

BoolArray = NDArray[np.bool_]


class Warning_(StrEnum):
    """What is odd about a planned change; a warning never stops it."""

    END_BEFORE_START = "end_before_start"
    DURATION_CHANGED = "duration_changed"
    FALLBACK_ZONE = "fallback_zone"


@dataclass(frozen=True, slots=True)
class Policy:
    """What a person decided beforehand; `decisions` by (key, wall column)."""

    zones: ZonePolicy
    fold: FoldPolicy = FoldPolicy.EARLIER
    gap: GapPolicy = GapPolicy.SHIFT_FORWARD
    is_strict: bool = False
    decisions: Mapping[tuple[str, str], Decision] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of the table at hand, pair by pair, and how their wall times are encoded."""

    walls: tuple[Column, ...]
    targets: tuple[Column, ...]
    encodings: tuple[Encoding, ...]
    zone: str
    lookup: str | None  # name of the default zone in `source`, like household.tz


@dataclass(frozen=True, slots=True)
class Computed:
    """One batch's result: changes in the plan's columns, skips with their positions, counts."""

    changes: pa.Table
    skips: list[tuple[int, Skip]]
    folds: int
    gaps: int


@dataclass(frozen=True, slots=True)
class _PairValues:
    """One wall column of a batch, converted."""

    wall: WallTimes
    is_pending: BoolArray
    candidates: Candidates
    utc_us: Int64Array
    is_undecided: BoolArray  # policy or decision says skip


def changes_schema(columns: Columns, source: pa.StructType, target: pa.StructType) -> pa.Schema:
    """Return the columns of `changes.parquet` (see `backfill.plan`)."""
    return pa.schema(
        [
            pa.field("position", pa.int64()),
            pa.field("key", pa.string()),
            pa.field("scope", pa.string()),
            pa.field("kind", pa.string()),
            pa.field("rule", pa.string()),
            pa.field("warnings", pa.string()),
            pa.field("source", source),
            pa.field("before", target),
            pa.field("after", target),
            pa.field("why", _why_type(columns)),
        ]
    )


def _why_type(columns: Columns) -> pa.StructType:
    instant = pa.timestamp("us", tz="UTC")
    fields = [pa.field("zone", pa.string()), pa.field("zone_source", pa.string())]
    for wall in columns.walls:
        fields += [
            pa.field(f"{wall.name}_kind", pa.string()),
            pa.field(f"{wall.name}_offset_s", pa.int64()),
            pa.field(f"{wall.name}_first", instant),
            pa.field(f"{wall.name}_second", instant),
        ]
    return pa.struct(fields)


def compute_utc(rows: pa.Table, first_position: int, columns: Columns, policy: Policy) -> Computed:
    """Return the changes and skips of extracted rows, which must be in key order.

    `rows` has the columns key, scope, source, before of `extracted`. Every row becomes either a
    change or a skip, and takes the position after the one before it.
    """
    choice = choose_zones(
        _field(rows, "source", columns.zone),
        _field(rows, "source", columns.lookup) if columns.lookup else None,
        policy.zones,
    )
    pairs = [_convert(rows, index, columns, policy, choice) for index in range(len(columns.walls))]
    reasons = _Reasons(rows, first_position, columns)
    _collect_reasons(reasons, rows, columns, pairs, choice, policy)
    keep = ~reasons.is_skipped
    changes = _changes(rows, first_position, columns, pairs, choice, keep)
    return Computed(
        changes,
        reasons.skips(),
        folds=sum(_count(pair, LocalKind.FOLD) for pair in pairs),
        gaps=sum(_count(pair, LocalKind.GAP) for pair in pairs),
    )


def _field(rows: pa.Table, struct: str, name: str) -> pa.Array:
    values = pc.struct_field(rows.column(struct), name)
    return values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values


def _convert(
    rows: pa.Table, index: int, columns: Columns, policy: Policy, choice: ZoneChoice
) -> _PairValues:
    column = columns.walls[index]
    wall = read_wall(_field(rows, "source", column.name), columns.encodings[index])
    target = _field(rows, "before", columns.targets[index].name)
    is_pending = ~wall.is_null & np.asarray(target.is_null())
    is_usable = wall.is_valid & in_range(wall.us)
    # Filled columns are converted as well: the duration of the row needs both ends.
    codes = np.where(is_usable, choice.codes, -1)
    candidates = classify(np.where(is_usable, wall.us, 0), codes, choice.zones)
    resolved = resolve(
        candidates, policy.fold, policy.gap, _decisions(rows, column.name, policy.decisions)
    )
    return _PairValues(
        WallTimes(wall.us, wall.is_null, is_usable),
        is_pending,
        candidates,
        resolved.utc_us,
        resolved.skip_mask,
    )


def _decisions(
    rows: pa.Table, column: str, decisions: Mapping[tuple[str, str], Decision]
) -> NDArray[np.int8] | None:
    if not decisions:
        return None
    keys = rows.column("key").to_pylist()
    return np.array([decisions.get((key, column), 0) for key in keys], dtype=np.int8)


def _count(pair: _PairValues, kind: LocalKind) -> int:
    return int(np.count_nonzero(pair.is_pending & (pair.candidates.kind == kind.code)))


class _Reasons:
    """The first reason that stands against each row; a row is skipped once, as a whole."""

    def __init__(self, rows: pa.Table, first_position: int, columns: Columns) -> None:
        self._rows = rows
        self._first_position = first_position
        self._columns = columns
        self.is_skipped: BoolArray = np.zeros(rows.num_rows, dtype=bool)
        self._found: list[tuple[int, str, SkipReason, str]] = []

    def add(
        self, mask: BoolArray, reason: SkipReason, column: str, detail: Callable[[int], str]
    ) -> None:
        for row in np.flatnonzero(mask & ~self.is_skipped):
            self._found.append((int(row), column, reason, detail(int(row))))
        self.is_skipped |= mask

    def skips(self) -> list[tuple[int, Skip]]:
        keys, scopes = self._rows.column("key"), self._rows.column("scope")
        return [
            (
                self._first_position + row,
                Skip(keys[row].as_py(), scopes[row].as_py() or "", column, reason, detail),
            )
            for row, column, reason, detail in sorted(self._found)
        ]


def _collect_reasons(
    reasons: _Reasons,
    rows: pa.Table,
    columns: Columns,
    pairs: list[_PairValues],
    choice: ZoneChoice,
    policy: Policy,
) -> None:
    first = columns.walls[0].name
    reasons.add(
        pairs[0].wall.is_null,
        SkipReason.MISSING_WALL_TIME,
        first,
        lambda _row: f"{first} is NULL while another column waits for its UTC value",
    )
    for column, pair in zip(columns.walls, pairs, strict=True):
        values = _field(rows, "source", column.name)
        reasons.add(
            pair.is_pending & ~pair.wall.is_valid,
            SkipReason.INVALID_TIMESTAMP,
            column.name,
            _shows(column.name, values, "is no wall time in years 1 to 9999"),
        )
    reasons.add(choice.is_missing, SkipReason.MISSING_TIMEZONE, columns.zone, choice.detail)
    reasons.add(choice.is_invalid, SkipReason.INVALID_TIMEZONE, columns.zone, choice.detail)
    for column, pair in zip(columns.walls, pairs, strict=True):
        _add_conversion_reasons(reasons, rows, column, pair, choice)
    if policy.is_strict:
        reasons.add(
            _is_end_before_start(rows, columns, pairs),
            SkipReason.END_BEFORE_START,
            columns.walls[1].name if len(columns.walls) > 1 else "",
            lambda _row: "the end is before the start after conversion (--strict)",
        )


def _add_conversion_reasons(
    reasons: _Reasons, rows: pa.Table, column: Column, pair: _PairValues, choice: ZoneChoice
) -> None:
    values = _field(rows, "source", column.name)
    for kind, reason, says in (
        (LocalKind.FOLD, SkipReason.AMBIGUOUS_LOCAL_TIME, "happens twice in"),
        (LocalKind.GAP, SkipReason.NONEXISTENT_LOCAL_TIME, "never happens in"),
    ):
        reasons.add(
            pair.is_pending & pair.is_undecided & (pair.candidates.kind == kind.code),
            reason,
            column.name,
            _names_zone(column.name, values, says, choice),
        )
    reasons.add(
        pair.is_pending & ~in_range(pair.utc_us) & (choice.codes >= 0),
        SkipReason.INVALID_TIMESTAMP,
        column.name,
        _shows(column.name, values, "has no instant in years 1 to 9999"),
    )


def _shows(name: str, values: pa.Array, says: str) -> Callable[[int], str]:
    return lambda row: f"{name} {_plain(values, row)} {says}"


def _names_zone(name: str, values: pa.Array, says: str, choice: ZoneChoice) -> Callable[[int], str]:
    return lambda row: f"{name} {_plain(values, row)} {says} {choice.zones[choice.codes[row]]}"


def _plain(values: pa.Array, row: int) -> str:
    value = values[row]
    if pa.types.is_timestamp(values.type):
        number = value.value
        special = {
            POSITIVE_INFINITY: "infinity",
            NEGATIVE_INFINITY: "-infinity",
            BEYOND_INT64: "beyond 294246",
        }
        return special.get(number) or str(np.datetime64(number, "us"))
    return str(value.as_py())


def _final_us(rows: pa.Table, columns: Columns, index: int, pair: _PairValues) -> Int64Array:
    """Return the instant a column holds after the run, for pending and for filled values."""
    column = columns.targets[index]
    present = _field(rows, "before", column.name).cast(pa.int64()).fill_null(0)
    present_us = present.to_numpy(zero_copy_only=False)
    if column.type is ColumnType.BIGINT:
        # Far beyond any date the product would wrap; such values take no part in durations.
        present_us = np.clip(present_us, -(10**15), 10**15) * 1000
    return np.where(pair.is_pending, pair.utc_us, present_us)


def _has_both_ends(pairs: list[_PairValues]) -> BoolArray:
    has: BoolArray = np.ones(len(pairs[0].is_pending), dtype=bool)
    for pair in pairs[:2]:
        has &= pair.wall.is_valid & ~pair.wall.is_null & in_range(pair.utc_us)
    return has


def _is_end_before_start(rows: pa.Table, columns: Columns, pairs: list[_PairValues]) -> BoolArray:
    if len(pairs) < 2:
        return np.zeros(rows.num_rows, dtype=bool)
    start, end = (_final_us(rows, columns, index, pairs[index]) for index in (0, 1))
    is_before: BoolArray = _has_both_ends(pairs) & (end < start)
    return is_before


def _is_duration_changed(rows: pa.Table, columns: Columns, pairs: list[_PairValues]) -> BoolArray:
    if len(pairs) < 2:
        return np.zeros(rows.num_rows, dtype=bool)
    start, end = (_final_us(rows, columns, index, pairs[index]) for index in (0, 1))
    wall_us = pairs[1].wall.us - pairs[0].wall.us
    is_changed: BoolArray = _has_both_ends(pairs) & (end - start != wall_us)
    return is_changed


def _changes(
    rows: pa.Table,
    first_position: int,
    columns: Columns,
    pairs: list[_PairValues],
    choice: ZoneChoice,
    keep: BoolArray,
) -> pa.Table:
    kept = pa.array(keep)
    position = pa.array(first_position + np.flatnonzero(keep))
    taken = rows.filter(kept)
    scope = taken.column("scope").combine_chunks().fill_null("")
    source = _used_source(rows, columns, choice).filter(kept)
    before = taken.column("before").combine_chunks()
    after = _after(rows, columns, pairs).filter(kept)
    why = _why(columns, pairs, choice).filter(kept)
    count = len(position)
    return pa.table(
        {
            "position": position,
            "key": taken.column("key").combine_chunks(),
            "scope": scope,
            "kind": pa.array(["added"] * count, pa.string()),
            "rule": _rules(pairs).filter(kept),
            "warnings": _warnings(rows, columns, pairs, choice).filter(kept),
            "source": source,
            "before": before,
            "after": after,
            "why": why,
        },
        schema=changes_schema(columns, source.type, before.type),
    )


def _used_source(rows: pa.Table, columns: Columns, choice: ZoneChoice) -> pa.StructArray:
    """Return `source` with the default zone kept only where the row used it.

    A change of the household's zone is drift for those rows and for no others.
    """
    names = [*(wall.name for wall in columns.walls), columns.zone]
    arrays = [_field(rows, "source", name) for name in names]
    if columns.lookup:
        zone = _field(rows, "source", columns.lookup)
        arrays.append(pc.if_else(pa.array(choice.uses_lookup), zone, pa.scalar(None, pa.string())))
        names.append(columns.lookup)
    return pa.StructArray.from_arrays(arrays, names)


def _after(rows: pa.Table, columns: Columns, pairs: list[_PairValues]) -> pa.StructArray:
    arrays: list[pa.Array] = []
    for index, (column, pair) in enumerate(zip(columns.targets, pairs, strict=True)):
        before = _field(rows, "before", column.name)
        value = pair.utc_us
        if column.type is ColumnType.BIGINT:
            value = np.floor_divide(value, 1000)
        computed = pa.array(value).cast(column.type.arrow)
        arrays.append(pc.if_else(pa.array(pairs[index].is_pending), computed, before))
    return pa.StructArray.from_arrays(arrays, [column.name for column in columns.targets])


def _rules(pairs: list[_PairValues]) -> pa.Array:
    """A row with a gap anywhere is `gap`; else with a fold, `fold`; else `normal`."""
    code = np.zeros(len(pairs[0].is_pending), dtype=np.int8)
    for kind in (LocalKind.FOLD, LocalKind.GAP):
        for pair in pairs:
            code[pair.is_pending & (pair.candidates.kind == kind.code)] = kind.code
    names = {kind.code: kind.value for kind in LocalKind}
    return _take(code, [names.get(number, "") for number in range(max(names) + 1)])


def _take(codes: NDArray[Any], names: list[str]) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(names)).cast(pa.string())


def _warnings(
    rows: pa.Table, columns: Columns, pairs: list[_PairValues], choice: ZoneChoice
) -> pa.Array:
    flags = (
        (Warning_.END_BEFORE_START, _is_end_before_start(rows, columns, pairs)),
        (Warning_.DURATION_CHANGED, _is_duration_changed(rows, columns, pairs)),
        (Warning_.FALLBACK_ZONE, choice.is_fallback),
    )
    code = np.zeros(rows.num_rows, dtype=np.int8)
    for bit, (_name, mask) in enumerate(flags):
        code |= mask.astype(np.int8) << bit
    texts = [
        "; ".join(name for bit, (name, _mask) in enumerate(flags) if number >> bit & 1)
        for number in range(1 << len(flags))
    ]
    return _take(code, texts)


def _why(columns: Columns, pairs: list[_PairValues], choice: ZoneChoice) -> pa.StructArray:
    names = ["zone", "zone_source"]
    arrays: list[pa.Array] = [choice.names(), choice.source_names()]
    kinds = {kind.code: kind.value for kind in LocalKind}
    kind_names = [kinds.get(number, "") for number in range(max(kinds) + 1)]
    instant = pa.timestamp("us", tz="UTC")
    for column, pair in zip(columns.walls, pairs, strict=True):
        is_idle = ~pair.is_pending
        is_plain = is_idle | (pair.candidates.kind == LocalKind.NORMAL.code)
        kind = pc.if_else(
            pa.array(is_idle),
            pa.scalar(None, pa.string()),
            _take(pair.candidates.kind, kind_names),
        )
        names += [f"{column.name}_{part}" for part in ("kind", "offset_s", "first", "second")]
        arrays += [
            kind,
            pa.array(pair.candidates.offset_us // 1_000_000, mask=is_idle),
            pa.array(pair.candidates.first_us, mask=is_plain).cast(instant),
            pa.array(pair.candidates.second_us, mask=is_plain).cast(instant),
        ]
    return pa.StructArray.from_arrays(arrays, names)
