"""The wall and target columns of a batch, pair by pair, as converted values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from backfill.decisions import Answer, Answers, Question
from backfill.rows.values import BoolArray, Int64Array, field_of
from backfill.utc.convert import (
    DECISIONS,
    Candidates,
    Decision,
    FoldPolicy,
    GapPolicy,
    LocalKind,
    classify,
    in_range,
    resolve,
)
from backfill.utc.described import Columns, OffsetUse, Pair, Target, ZoneLink
from backfill.utc.doubts import ask_value
from backfill.utc.instants import Stored, fits, read_target
from backfill.utc.row_offset import RowOffsets, labels_of, read_offsets
from backfill.utc.wall import WallTimes, read_walls
from backfill.utc.zone_choice import ZoneChoice, ZonePolicy, choose_zones

#: What an ordering of rows says of folds: decisions by key of the row, then by pair.
FoldOrder = Mapping[str, Mapping[str, Decision]]


@dataclass(frozen=True, slots=True)
class Policy:
    """What a person decided beforehand."""

    zones: ZonePolicy
    fold: FoldPolicy = FoldPolicy.EARLIER
    gap: GapPolicy = GapPolicy.SHIFT_FORWARD
    is_strict: bool = False
    answers: Answers = field(default_factory=Answers)
    repairs: bool = False  # filled values are looked at as well


@dataclass(frozen=True, slots=True)
class PairValues:
    """One wall column of a batch, converted."""

    wall: WallTimes
    stored: Stored
    is_pending: BoolArray  # waits for its value, or with repairs holds another one
    candidates: Candidates
    utc_us: Int64Array
    is_undecided: BoolArray  # policy or decision says skip
    asked: Mapping[int, Question]  # of the gaps and folds that wait, by row
    answered: Mapping[int, Answer]
    choice: ZoneChoice
    is_free: BoolArray  # no zone needed: the text or a column of the row tells the offset

    @property
    def has_zone(self) -> BoolArray:
        """Whether it is known how far from UTC the row is."""
        return (self.choice.codes >= 0) | self.is_free


def choose_for_pairs(rows: pa.Table, columns: Columns, policy: Policy) -> list[ZoneChoice]:
    """Return each pair's zones; pairs of one chain share them."""
    choices: dict[tuple[ZoneLink, ...], ZoneChoice] = {}
    for pair in columns.pairs:
        if pair.chain in choices:
            continue
        values = [field_of(rows, "source", link.field) for link in pair.chain if link.field]
        choices[pair.chain] = choose_zones(
            values, pair.chain, policy.zones, policy.answers, rows=rows.num_rows
        )
    return [choices[pair.chain] for pair in columns.pairs]


def convert_pair(
    rows: pa.Table, pair: Pair, policy: Policy, choice: ZoneChoice, order: FoldOrder
) -> PairValues:
    wall = read_walls([field_of(rows, "source", c.name) for c in pair.walls], pair.reading)
    stored = read_target(field_of(rows, "before", pair.target.column.name), pair.target)
    wall = replace(wall, is_valid=wall.is_valid & in_range(wall.us))
    has_offset = pair.offset is not None and not pair.offset.is_flag
    offsets = read_offsets(rows, pair.offset) if pair.offset and has_offset else None
    is_free, candidates, choice = _classified(pair, wall, offsets, choice)
    decisions, is_arbitrated = _arbitrated(rows, pair, candidates, offsets, order)
    is_pending = ~wall.is_null & stored.is_null
    if policy.repairs:
        is_pending |= differs(pair, wall, stored, candidates, decisions)
    doubtful = np.flatnonzero(
        is_pending & (candidates.kind != LocalKind.NORMAL.code) & ~is_arbitrated
    )
    policies = (policy.fold, policy.gap)
    asked = {
        int(row): ask_value(rows, int(row), pair.label, wall, candidates, choice, policies)
        for row in doubtful
    }
    answered = {row: answer for row, q in asked.items() if (answer := policy.answers.find(q))}
    for row, answer in answered.items():
        decisions[row] = DECISIONS[answer.decision]
    has_said = answered or is_arbitrated.any()
    resolved = resolve(candidates, policy.fold, policy.gap, decisions if has_said else None)
    return PairValues(
        wall,
        stored,
        is_pending,
        candidates,
        resolved.utc_us,
        resolved.skip_mask,
        asked,
        answered,
        choice,
        is_free,
    )


def _classified(
    pair: Pair, wall: WallTimes, offsets: RowOffsets | None, choice: ZoneChoice
) -> tuple[BoolArray, Candidates, ZoneChoice]:
    """Classify by the zone; where the row tells its offset, that alone counts."""
    # Filled columns are converted as well: the duration of the row needs both ends.
    is_free, free_us = _own_offsets(pair, wall, offsets)
    codes = np.where(wall.is_valid & ~is_free, choice.codes, -1)
    candidates = classify(np.where(wall.is_valid, wall.us, 0), codes, choice.zones)
    if not is_free.any():
        return is_free, candidates, choice
    for values in (candidates.first_us, candidates.second_us):
        np.copyto(values, wall.us - free_us, where=is_free)
    np.copyto(candidates.offset_us, free_us, where=is_free)
    return is_free, candidates, replace(choice, labels=labels_of(free_us, is_free))


def _own_offsets(
    pair: Pair, wall: WallTimes, offsets: RowOffsets | None
) -> tuple[BoolArray, Int64Array]:
    is_free = np.zeros(len(wall.us), dtype=bool)
    free_us = np.zeros(len(wall.us), dtype=np.int64)
    if offsets is not None and pair.offset is not None and pair.offset.use is OffsetUse.ZONE:
        is_free |= wall.is_read & offsets.is_valid
        np.copyto(free_us, offsets.us, where=is_free)
    if pair.reading.uses_offset and wall.has_offset is not None and wall.offset_us is not None:
        is_instant = wall.has_offset & wall.is_valid
        np.copyto(free_us, wall.offset_us, where=is_instant)
        is_free |= is_instant
    return is_free, free_us


def _arbitrated(
    rows: pa.Table,
    pair: Pair,
    candidates: Candidates,
    offsets: RowOffsets | None,
    order: FoldOrder,
) -> tuple[NDArray[np.int8], BoolArray]:
    """Return the decision of each row that another column makes about a fold."""
    decisions = np.zeros(rows.num_rows, dtype=np.int8)
    is_fold = candidates.kind == LocalKind.FOLD.code
    if pair.offset is not None and pair.offset.is_flag:
        # The first pass of a fold is the one in summer time.
        is_summer = field_of(rows, "source", pair.offset.column).cast(pa.string())
        decisions[is_fold & _is(is_summer, "true")] = Decision.FIRST
        decisions[is_fold & _is(is_summer, "false")] = Decision.SECOND
    elif offsets is not None and pair.offset is not None and pair.offset.use is OffsetUse.FOLD:
        wall_us = candidates.first_us + candidates.offset_us
        second = wall_us - candidates.second_us
        has_offset = is_fold & offsets.is_valid
        decisions[has_offset & (offsets.us == candidates.offset_us)] = Decision.FIRST
        decisions[has_offset & (offsets.us == second)] = Decision.SECOND
    if pair.fold_by and order:
        keys = rows.column("key")
        for row in np.flatnonzero(is_fold):
            decision = order.get(keys[int(row)].as_py(), {}).get(pair.label)
            if decision is not None:
                decisions[row] = decision
    return decisions, decisions != Decision.POLICY


def _is(texts: pa.Array, word: str) -> BoolArray:
    return np.asarray(pc.equal(texts, word).fill_null(False))


def differs(
    pair: Pair,
    wall: WallTimes,
    stored: Stored,
    candidates: Candidates,
    decisions: NDArray[np.int8],
) -> BoolArray:
    """Tell which filled values no reading of their wall time gives.

    Of a gap or fold both candidates will do, unless a column of the row says which. What can not
    be computed is not called different; nor is what another program rounded where we cut down.
    """
    step = pair.target.step_us
    is_computed = wall.is_read & in_range(candidates.first_us)
    if wall.has_offset is not None and not pair.reading.uses_offset:
        is_computed &= ~wall.has_offset
    first, second = (
        np.abs(us - stored.us) < step for us in (candidates.first_us, candidates.second_us)
    )
    is_same = np.where(decisions == Decision.SECOND, False, first)
    is_same |= np.where(decisions == Decision.FIRST, False, second)
    wrong: BoolArray = ~stored.is_null & is_computed & ~(is_same & stored.is_valid)
    return wrong


def is_unjudged(pair: PairValues) -> BoolArray:
    """Tell which filled values can not be compared: their wall time or zone can not be read."""
    is_known = pair.wall.is_valid & pair.has_zone
    unjudged: BoolArray = ~pair.stored.is_null & ~pair.wall.is_null & ~is_known
    return unjudged


def is_waiting(pairs: Sequence[PairValues]) -> BoolArray:
    """Tell which rows have a value that waits."""
    waits: BoolArray = np.logical_or.reduce([pair.is_pending for pair in pairs])
    return waits


def count_kind(pair: PairValues, kind: LocalKind) -> int:
    return int(np.count_nonzero(pair.is_pending & (pair.candidates.kind == kind.code)))


def has_instant(pair: PairValues, target: Target) -> BoolArray:
    """Tell which rows have an instant that the target can hold."""
    return in_range(pair.utc_us) & fits(pair.utc_us, target)


def final_us(pair: PairValues) -> Int64Array:
    """Return the instant a column holds after the run, for pending and for filled values."""
    # Far beyond any date sums would wrap; such values take no part in durations.
    present = np.clip(pair.stored.us, -(10**18), 10**18)
    return np.where(pair.is_pending, pair.utc_us, present)


def _span(columns: Columns, pairs: Sequence[PairValues]) -> tuple[BoolArray, Int64Array]:
    """Return which rows have a start and an end, and how long it is from the one to the other."""
    if len(pairs) < 2 or not columns.is_span:
        nothing = np.zeros(len(pairs[0].is_pending), dtype=np.int64)
        return nothing.astype(bool), nothing
    has_both = [pair.wall.is_read & in_range(pair.utc_us) for pair in pairs[:2]]
    return has_both[0] & has_both[1], final_us(pairs[1]) - final_us(pairs[0])


def is_end_before_start(columns: Columns, pairs: Sequence[PairValues]) -> BoolArray:
    has_both, length_us = _span(columns, pairs)
    is_before: BoolArray = has_both & (length_us < 0)
    return is_before


def is_duration_changed(columns: Columns, pairs: Sequence[PairValues]) -> BoolArray:
    has_both, length_us = _span(columns, pairs)
    if not has_both.any() or any(columns.own_chains[:2]):
        return np.zeros(len(has_both), dtype=bool)
    is_changed: BoolArray = has_both & (length_us != pairs[1].wall.us - pairs[0].wall.us)
    return is_changed
