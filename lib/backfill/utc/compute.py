"""From extracted rows to changes and skips: which zone, which instant, and what is odd about it.

Pure: Arrow tables in, Arrow tables out. Steps for a batch of rows: 1. find each row's zone;
2. read each pending wall time; 3. classify it and choose by policy or decision; 4. skip the whole
row when one of its values can not be had; 5. warn of what looks implausible.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from backfill.decisions import Answer, Question
from backfill.rows.values import BoolArray, arrow_type, field_of, named, schema_of_changes
from backfill.skips import Skip
from backfill.utc.convert import LocalKind
from backfill.utc.described import Columns
from backfill.utc.instants import written
from backfill.utc.pairs import (
    FoldOrder,
    PairValues,
    Policy,
    choose_for_pairs,
    convert_pair,
    count_kind,
    is_waiting,
)
from backfill.utc.reasons import Reasons, collect_reasons
from backfill.utc.repair import is_repair, moved_us, pattern_names, patterns_of
from backfill.utc.review import ReviewedRows, Warnings, find_warnings, review_rows
from backfill.utc.years import YearCounts, count_years

_INSTANT = pa.timestamp("us", tz="UTC")
_KIND_NAMES = [kind.value for kind in LocalKind]


@dataclass(frozen=True, slots=True)
class Computed:
    """One batch's result: changes in the plan's columns, skips with their positions, counts,
    what to ask a person. `years` counts planned instants; `overridden` rows by scope whose own
    default --default-tz-first took the place of."""

    changes: pa.Table
    skips: list[tuple[int, Skip]]
    folds: int
    gaps: int
    questions: list[Question]  # that nobody has answered, in the order of the rows
    used: frozenset[Answer]
    years: YearCounts = field(default_factory=YearCounts)
    overridden: Counter[str] = field(default_factory=Counter)
    patterns: Counter[str] = field(default_factory=Counter)  # of filled values that differ


def changes_schema(
    columns: Columns, source: pa.StructType, target: pa.StructType, *, repairs: bool = False
) -> pa.Schema:
    """Return the columns of `changes.parquet` (see `backfill.plans.plan`)."""
    return schema_of_changes(source, target, _why_type(columns, repairs=repairs))


def _why_type(columns: Columns, *, repairs: bool) -> pa.StructType:
    fields = [pa.field(name, pa.string()) for name in ("zone", "zone_source", "decision")]
    if repairs:
        fields.append(pa.field("pattern", pa.string()))
    for pair, is_own in zip(columns.pairs, columns.own_chains, strict=True):
        fields += [
            pa.field(f"{pair.label}_kind", pa.string()),
            pa.field(f"{pair.label}_offset_s", pa.int64()),
            pa.field(f"{pair.label}_first", _INSTANT),
            pa.field(f"{pair.label}_second", _INSTANT),
        ]
        if is_own:
            fields.append(pa.field(f"{pair.label}_zone", pa.string()))
        if repairs:
            fields.append(pa.field(f"{pair.label}_moved_s", pa.float64()))
    return pa.struct(fields)


def convert_pairs(
    rows: pa.Table, columns: Columns, policy: Policy, order: FoldOrder | None = None
) -> list[PairValues]:
    choices = choose_for_pairs(rows, columns, policy)
    return [
        convert_pair(rows, pair, policy, choice, order or {})
        for pair, choice in zip(columns.pairs, choices, strict=True)
    ]


def compute_utc(
    rows: pa.Table,
    columns: Columns,
    policy: Policy,
    order: FoldOrder | None = None,
) -> Computed:
    """Return the changes and skips of extracted rows, which must be in the plan's order.

    `rows` has the columns key, scope, source, before of `extracted`. Every row that misses a
    value, or with repairs holds another one, becomes either a change or a skip; its position is
    its place among these rows.
    """
    pairs = convert_pairs(rows, columns, policy, order)
    reasons = Reasons(rows)
    collect_reasons(reasons, rows, columns, pairs, policy)
    warnings = find_warnings(columns, pairs)
    patterns = patterns_of(columns, pairs)
    review = review_rows(rows, columns, pairs, warnings, reasons, policy.answers, patterns)
    keep = ~reasons.is_skipped & is_waiting(pairs)
    changes = _changes(rows, columns, pairs, warnings, review, patterns, keep, policy)
    return Computed(
        changes,
        reasons.skips(),
        folds=sum(count_kind(pair, LocalKind.FOLD) for pair in pairs),
        gaps=sum(count_kind(pair, LocalKind.GAP) for pair in pairs),
        questions=review.questions,
        used=review.used,
        years=count_years(rows, columns, pairs, keep),
        overridden=_overridden(rows, pairs, keep),
        patterns=_counted(pattern_names(patterns[keep]).drop_null()),
    )


def _overridden(rows: pa.Table, pairs: list[PairValues], keep: BoolArray) -> Counter[str]:
    mask = keep & np.logical_or.reduce([p.choice.is_overridden & p.is_pending for p in pairs])
    return _counted(rows.column("scope").filter(pa.array(mask)).fill_null(""))


def _counted(values: pa.Array | pa.ChunkedArray) -> Counter[str]:
    counts = values.value_counts().to_pylist()
    return Counter({entry["values"]: entry["counts"] for entry in counts})


def _changes(
    rows: pa.Table,
    columns: Columns,
    pairs: list[PairValues],
    warnings: Warnings,
    review: ReviewedRows,
    patterns: NDArray[np.int8],
    keep: BoolArray,
    policy: Policy,
) -> pa.Table:
    kept = pa.array(keep)
    position = pa.array(np.flatnonzero(keep))
    planned = rows.filter(kept)
    scope = planned.column("scope").combine_chunks().fill_null("")
    source = _used_source(rows, columns, pairs).filter(kept)
    before = planned.column("before").combine_chunks()
    after = _after(rows, columns, pairs).filter(kept)
    why = _why(columns, pairs, review, patterns if policy.repairs else None).filter(kept)
    return pa.table(
        {
            "position": position,
            "key": planned.column("key").combine_chunks(),
            "scope": scope,
            "kind": _kinds(pairs).filter(kept),
            "rule": _rules(pairs).filter(kept),
            "warnings": _texts(warnings).filter(kept),
            "source": source,
            "before": before,
            "after": after,
            "why": why,
        },
        schema=changes_schema(columns, source.type, before.type, repairs=policy.repairs),
    )


def _kinds(pairs: list[PairValues]) -> pa.Array:
    changed = np.logical_or.reduce([is_repair(pair) for pair in pairs])
    return named(changed.astype(np.int8), ["added", "changed"])


def _used_source(rows: pa.Table, columns: Columns, pairs: list[PairValues]) -> pa.StructArray:
    """Return `source` with a looked-up value kept only where it had a say.

    A change of the household's zone is drift for those rows and for no others. What was looked at
    and found missing is kept as blank: it decided as well.
    """
    names = [column.name for column in columns.sources]
    arrays = [field_of(rows, "source", name) for name in names]
    for name in columns.looked_up:
        has_say = np.zeros(rows.num_rows, dtype=bool)
        for pair, values in zip(columns.pairs, pairs, strict=True):
            for place, link in enumerate(pair.chain):
                if link.field == name:
                    has_say |= values.choice.has_say(place) & values.is_pending & ~values.is_free
        value = field_of(rows, "source", name).fill_null("")
        arrays.append(pc.if_else(pa.array(has_say), value, pa.scalar(None, pa.string())))
        names.append(name)
    return pa.StructArray.from_arrays(arrays, names)


def _after(rows: pa.Table, columns: Columns, pairs: list[PairValues]) -> pa.StructArray:
    arrays: list[pa.Array] = []
    for pair, values in zip(columns.pairs, pairs, strict=True):
        column = pair.target.column
        before = field_of(rows, "before", column.name)
        computed = written(values.utc_us, pair.target).cast(arrow_type(column.type))
        arrays.append(pc.if_else(pa.array(values.is_pending), computed, before))
    return pa.StructArray.from_arrays(arrays, [pair.target.column.name for pair in columns.pairs])


def _rules(pairs: list[PairValues]) -> pa.Array:
    """A row with a gap anywhere is `gap`; else with a fold, `fold`; else `normal`."""
    code = np.zeros(len(pairs[0].is_pending), dtype=np.int8)
    for kind in (LocalKind.FOLD, LocalKind.GAP):
        for pair in pairs:
            code[pair.is_pending & (pair.candidates.kind == kind.code)] = kind.code
    return named(code, _KIND_NAMES)


def _texts(warnings: Warnings) -> pa.Array:
    code = np.zeros(len(next(iter(warnings.values()))), dtype=np.int8)
    for bit, mask in enumerate(warnings.values()):
        code |= mask.astype(np.int8) << bit
    texts = [
        "; ".join(name for bit, name in enumerate(warnings) if number >> bit & 1)
        for number in range(1 << len(warnings))
    ]
    return named(code, texts)


def _why(
    columns: Columns,
    pairs: list[PairValues],
    review: ReviewedRows,
    patterns: NDArray[np.int8] | None,
) -> pa.StructArray:
    first = pairs[0].choice
    arrays: list[pa.Array] = [first.names(), first.source_names(), review.decisions()]
    if patterns is not None:
        arrays.append(pattern_names(patterns))
    for values, is_own in zip(pairs, columns.own_chains, strict=True):
        is_idle = ~values.is_pending
        is_plain = is_idle | (values.candidates.kind == LocalKind.NORMAL.code)
        arrays += [
            named(values.candidates.kind, _KIND_NAMES, is_idle),
            pa.array(values.candidates.offset_us // 1_000_000, mask=is_idle),
            pa.array(values.candidates.first_us, mask=is_plain).cast(_INSTANT),
            pa.array(values.candidates.second_us, mask=is_plain).cast(_INSTANT),
        ]
        if is_own:
            arrays.append(values.choice.names())
        if patterns is not None:
            arrays.append(pa.array(moved_us(values) / 1e6, mask=~is_repair(values)))
    fields = _why_type(columns, repairs=patterns is not None)
    return pa.StructArray.from_arrays(arrays, fields=list(fields))
