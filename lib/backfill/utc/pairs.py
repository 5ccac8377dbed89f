"""The wall and target columns of a batch, pair by pair, as converted values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from backfill.decisions import Answer, Answers, Question
from backfill.rows.columns import Column, ColumnType
from backfill.rows.values import Int64Array
from backfill.utc.convert import (
    Candidates,
    FoldPolicy,
    GapPolicy,
    LocalKind,
    classify,
    in_range,
    resolve,
)
from backfill.utc.doubts import DECISIONS, ask_value
from backfill.utc.wall import Encoding, WallTimes, read_wall
from backfill.utc.zone_choice import ZoneChoice, ZonePolicy

BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Policy:
    """What a person decided beforehand."""

    zones: ZonePolicy
    fold: FoldPolicy = FoldPolicy.EARLIER
    gap: GapPolicy = GapPolicy.SHIFT_FORWARD
    is_strict: bool = False
    answers: Answers = field(default_factory=Answers)


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of the table at hand, pair by pair, and how their wall times are encoded."""

    walls: tuple[Column, ...]
    targets: tuple[Column, ...]
    encodings: tuple[Encoding, ...]
    zone: str
    lookup: str | None  # name of the default zone in `source`, like household.tz


@dataclass(frozen=True, slots=True)
class PairValues:
    """One wall column of a batch, converted."""

    wall: WallTimes
    is_pending: BoolArray
    candidates: Candidates
    utc_us: Int64Array
    is_undecided: BoolArray  # policy or decision says skip
    asked: Mapping[int, Question]  # of the gaps and folds that wait, by row
    answered: Mapping[int, Answer]


def field_of(rows: pa.Table, struct: str, name: str) -> pa.Array:
    values = pc.struct_field(rows.column(struct), name)
    return values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values


def convert_pair(
    rows: pa.Table, index: int, columns: Columns, policy: Policy, choice: ZoneChoice
) -> PairValues:
    column = columns.walls[index]
    wall = read_wall(field_of(rows, "source", column.name), columns.encodings[index])
    target = field_of(rows, "before", columns.targets[index].name)
    is_pending = ~wall.is_null & np.asarray(target.is_null())
    is_usable = wall.is_valid & in_range(wall.us)
    # Filled columns are converted as well: the duration of the row needs both ends.
    codes = np.where(is_usable, choice.codes, -1)
    candidates = classify(np.where(is_usable, wall.us, 0), codes, choice.zones)
    doubtful = np.flatnonzero(is_pending & (candidates.kind != LocalKind.NORMAL.code))
    asked = {
        int(row): ask_value(
            rows, int(row), column.name, wall, candidates, choice, (policy.fold, policy.gap)
        )
        for row in doubtful
    }
    answered = {row: found for row, q in asked.items() if (found := policy.answers.find(q))}
    decisions = np.zeros(rows.num_rows, dtype=np.int8)
    for row, answer in answered.items():
        decisions[row] = DECISIONS[answer.decision]
    resolved = resolve(candidates, policy.fold, policy.gap, decisions if answered else None)
    return PairValues(
        WallTimes(wall.us, wall.is_null, is_usable),
        is_pending,
        candidates,
        resolved.utc_us,
        resolved.skip_mask,
        asked,
        answered,
    )


def count_kind(pair: PairValues, kind: LocalKind) -> int:
    return int(np.count_nonzero(pair.is_pending & (pair.candidates.kind == kind.code)))


def _final_us(rows: pa.Table, columns: Columns, index: int, pair: PairValues) -> Int64Array:
    """Return the instant a column holds after the run, for pending and for filled values."""
    column = columns.targets[index]
    present = field_of(rows, "before", column.name).cast(pa.int64()).fill_null(0)
    present_us = present.to_numpy(zero_copy_only=False)
    if column.type is ColumnType.BIGINT:
        # Far beyond any date the product would wrap; such values take no part in durations.
        present_us = np.clip(present_us, -(10**15), 10**15) * 1000
    return np.where(pair.is_pending, pair.utc_us, present_us)


def _has_both_ends(pairs: list[PairValues]) -> BoolArray:
    has: BoolArray = np.ones(len(pairs[0].is_pending), dtype=bool)
    for pair in pairs[:2]:
        has &= pair.wall.is_valid & ~pair.wall.is_null & in_range(pair.utc_us)
    return has


def is_end_before_start(rows: pa.Table, columns: Columns, pairs: list[PairValues]) -> BoolArray:
    if len(pairs) < 2:
        return np.zeros(rows.num_rows, dtype=bool)
    start, end = (_final_us(rows, columns, index, pairs[index]) for index in (0, 1))
    is_before: BoolArray = _has_both_ends(pairs) & (end < start)
    return is_before


def is_duration_changed(rows: pa.Table, columns: Columns, pairs: list[PairValues]) -> BoolArray:
    if len(pairs) < 2:
        return np.zeros(rows.num_rows, dtype=bool)
    start, end = (_final_us(rows, columns, index, pairs[index]) for index in (0, 1))
    wall_us = pairs[1].wall.us - pairs[0].wall.us
    is_changed: BoolArray = _has_both_ends(pairs) & (end - start != wall_us)
    return is_changed
