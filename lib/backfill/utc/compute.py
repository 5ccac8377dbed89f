"""From extracted rows to changes and skips: which zone, which instant, and what is odd about it.

Pure: Arrow tables in, Arrow tables out. Steps for a batch of rows: 1. find each row's zone;
2. read each pending wall time; 3. classify it and choose by policy or decision; 4. skip the whole
row when one of its values can not be had; 5. warn of what looks implausible.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from backfill.decisions import Answer, Question
from backfill.rows.columns import ColumnType
from backfill.rows.values import arrow_type
from backfill.skips import Skip
from backfill.utc.convert import LocalKind
from backfill.utc.pairs import (
    BoolArray,
    Columns,
    PairValues,
    Policy,
    convert_pair,
    count_kind,
    field_of,
)
from backfill.utc.reasons import Reasons, collect_reasons
from backfill.utc.review import Review, Warnings, find_warnings, review_rows
from backfill.utc.zone_choice import ZoneChoice, choose_zones


@dataclass(frozen=True, slots=True)
class Computed:
    """One batch's result: changes in the plan's columns, skips with their positions, counts,
    what to ask a person."""

    changes: pa.Table
    skips: list[tuple[int, Skip]]
    folds: int
    gaps: int
    questions: list[Question]  # that nobody has answered, in the order of the rows
    used: frozenset[Answer]


def changes_schema(columns: Columns, source: pa.StructType, target: pa.StructType) -> pa.Schema:
    """Return the columns of `changes.parquet` (see `backfill.plans.plan`)."""
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
    fields = [pa.field(name, pa.string()) for name in ("zone", "zone_source", "decision")]
    for wall in columns.walls:
        fields += [
            pa.field(f"{wall.name}_kind", pa.string()),
            pa.field(f"{wall.name}_offset_s", pa.int64()),
            pa.field(f"{wall.name}_first", instant),
            pa.field(f"{wall.name}_second", instant),
        ]
    return pa.struct(fields)


def compute_utc(rows: pa.Table, first_position: int, columns: Columns, policy: Policy) -> Computed:
    """Return the changes and skips of extracted rows, which must be in the plan's order.

    `rows` has the columns key, scope, source, before of `extracted`. Every row becomes either a
    change or a skip, and takes the position after the one before it.
    """
    choice = choose_zones(
        field_of(rows, "source", columns.zone),
        field_of(rows, "source", columns.lookup) if columns.lookup else None,
        policy.zones,
    )
    pairs = [
        convert_pair(rows, index, columns, policy, choice) for index in range(len(columns.walls))
    ]
    reasons = Reasons(rows, first_position, columns)
    collect_reasons(reasons, rows, columns, pairs, choice, policy)
    warnings = find_warnings(rows, columns, pairs, choice)
    review = review_rows(rows, columns, pairs, choice, warnings, reasons, policy.answers)
    keep = ~reasons.is_skipped
    changes = _changes(rows, first_position, columns, pairs, choice, warnings, review, keep)
    return Computed(
        changes,
        reasons.skips(),
        folds=sum(count_kind(pair, LocalKind.FOLD) for pair in pairs),
        gaps=sum(count_kind(pair, LocalKind.GAP) for pair in pairs),
        questions=review.questions,
        used=review.used,
    )


def _changes(
    rows: pa.Table,
    first_position: int,
    columns: Columns,
    pairs: list[PairValues],
    choice: ZoneChoice,
    warnings: Warnings,
    review: Review,
    keep: BoolArray,
) -> pa.Table:
    kept = pa.array(keep)
    position = pa.array(first_position + np.flatnonzero(keep))
    taken = rows.filter(kept)
    scope = taken.column("scope").combine_chunks().fill_null("")
    source = _used_source(rows, columns, choice).filter(kept)
    before = taken.column("before").combine_chunks()
    after = _after(rows, columns, pairs).filter(kept)
    why = _why(columns, pairs, choice, review).filter(kept)
    count = len(position)
    return pa.table(
        {
            "position": position,
            "key": taken.column("key").combine_chunks(),
            "scope": scope,
            "kind": pa.array(["added"] * count, pa.string()),
            "rule": _rules(pairs).filter(kept),
            "warnings": _texts(warnings).filter(kept),
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
    arrays = [field_of(rows, "source", name) for name in names]
    if columns.lookup:
        zone = field_of(rows, "source", columns.lookup)
        arrays.append(pc.if_else(pa.array(choice.uses_lookup), zone, pa.scalar(None, pa.string())))
        names.append(columns.lookup)
    return pa.StructArray.from_arrays(arrays, names)


def _after(rows: pa.Table, columns: Columns, pairs: list[PairValues]) -> pa.StructArray:
    arrays: list[pa.Array] = []
    for index, (column, pair) in enumerate(zip(columns.targets, pairs, strict=True)):
        before = field_of(rows, "before", column.name)
        value = pair.utc_us
        if column.type is ColumnType.BIGINT:
            value = np.floor_divide(value, 1000)
        computed = pa.array(value).cast(arrow_type(column.type))
        arrays.append(pc.if_else(pa.array(pairs[index].is_pending), computed, before))
    return pa.StructArray.from_arrays(arrays, [column.name for column in columns.targets])


def _rules(pairs: list[PairValues]) -> pa.Array:
    """A row with a gap anywhere is `gap`; else with a fold, `fold`; else `normal`."""
    code = np.zeros(len(pairs[0].is_pending), dtype=np.int8)
    for kind in (LocalKind.FOLD, LocalKind.GAP):
        for pair in pairs:
            code[pair.is_pending & (pair.candidates.kind == kind.code)] = kind.code
    names = {kind.code: kind.value for kind in LocalKind}
    return _take(code, [names.get(number, "") for number in range(max(names) + 1)])


def _take(codes: NDArray[Any], names: list[str]) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(names)).cast(pa.string())


def _texts(warnings: Warnings) -> pa.Array:
    code = np.zeros(len(next(iter(warnings.values()))), dtype=np.int8)
    for bit, mask in enumerate(warnings.values()):
        code |= mask.astype(np.int8) << bit
    texts = [
        "; ".join(name for bit, name in enumerate(warnings) if number >> bit & 1)
        for number in range(1 << len(warnings))
    ]
    return _take(code, texts)


def _why(
    columns: Columns, pairs: list[PairValues], choice: ZoneChoice, review: Review
) -> pa.StructArray:
    names = ["zone", "zone_source", "decision"]
    arrays: list[pa.Array] = [choice.names(), choice.source_names(), review.decisions()]
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
