"""Wall-clock times to UTC instants: whole columns at once, in integers, with nothing hidden.

Classify first (normal, gap or fold, with both candidate instants), then resolve by policy or by
a person's decision. All times are microseconds since 1970; a wall time is read as if it were UTC.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from backfill.errors import UsageError
from backfill.rows.values import BoolArray, Int64Array
from backfill.utc.segments import (
    FOLD_CODE,
    GAP_CODE,
    MAX_SECOND,
    MIN_SECOND,
    NO_INSTANT,
    NORMAL_CODE,
    ZONE_STRIDE,
    build_segments,
)
from backfill.utc.zones import MAX_YEAR, SECOND_US, load_rules

MIN_US = MIN_SECOND * SECOND_US
MAX_US = (MAX_SECOND + 1) * SECOND_US - 1
# Rules are spelt out for this century unless a value lies beyond it; both answers are the same.
_USUAL_LAST_YEAR = 2100
_USUAL_LAST_US = int(np.datetime64("2101-01-01", "us").astype(np.int64)) - 1
# Blocks of rows whose intermediate columns stay in the processor's cache.
_BLOCK_ROWS = 65_536
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)


class LocalKind(StrEnum):
    """What a wall time is in its zone: happened once, never, or twice; in the order of codes."""

    NORMAL = "normal"
    GAP = "gap"
    FOLD = "fold"

    @property
    def code(self) -> int:
        """The number that stands for it in `Candidates.kind`."""
        return _KINDS.index(self)


_KINDS = tuple(LocalKind)


class FoldPolicy(StrEnum):
    """What a wall time that happened twice becomes."""

    EARLIER = "earlier"
    LATER = "later"
    SKIP = "skip"


class GapPolicy(StrEnum):
    """What a wall time that never happened becomes."""

    SHIFT_FORWARD = "shift_forward"
    FIRST_VALID = "first_valid"
    SKIP = "skip"


class Decision(IntEnum):
    """A person's choice for one gap or fold value; `POLICY` leaves it to the policy."""

    POLICY = 0
    FIRST = 1
    SECOND = 2
    SKIP = 3


#: What policies and persons say of a fold or gap, by the same words.
DECISIONS: Mapping[str, Decision] = {
    FoldPolicy.EARLIER: Decision.FIRST,
    FoldPolicy.LATER: Decision.SECOND,
    FoldPolicy.SKIP: Decision.SKIP,
    GapPolicy.SHIFT_FORWARD: Decision.FIRST,
    GapPolicy.FIRST_VALID: Decision.SECOND,
    GapPolicy.SKIP: Decision.SKIP,
}


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """One entry per row, in the rows' order; instants are microseconds since 1970 in UTC.

    `kind` holds codes (`LocalKind.code`). `first_us` and `second_us` are, for a fold, the earlier
    and the later instant; for a gap, the wall time shifted forward and the first valid instant;
    otherwise the one instant twice. `offset_us` is east of UTC and belongs to `first_us`.
    `transition_us` is the instant of the clock change of a gap or fold, else `NO_INSTANT`.
    A row without a zone or outside years 1..9999 is normal, with `NO_INSTANT` and offset 0.
    """

    kind: NDArray[np.int8]
    first_us: Int64Array
    second_us: Int64Array
    offset_us: Int64Array
    transition_us: Int64Array

    def is_in_range(self) -> BoolArray:
        """Tell for each row whether both instants lie in years 1..9999."""
        return in_range(self.first_us) & in_range(self.second_us)


class ChosenInstants(NamedTuple):
    """The chosen instants (`NO_INSTANT` where skipped or impossible) and the rows skipped."""

    utc_us: Int64Array
    skip_mask: BoolArray


@dataclass(frozen=True, slots=True)
class Conversion:
    """One wall time explained: aware datetimes in UTC, offsets east of UTC.

    `first` and `second` are as in `Candidates`. For a normal time `transition` is None and both
    offsets are the one that holds.
    """

    kind: LocalKind
    first: dt.datetime
    second: dt.datetime
    transition: dt.datetime | None
    offset_before: dt.timedelta
    offset_after: dt.timedelta


def in_range(time_us: Int64Array) -> BoolArray:
    """Tell for each wall time or instant whether it lies in years 1..9999."""
    mask: BoolArray = (time_us >= MIN_US) & (time_us <= MAX_US)
    return mask


def classify(
    wall_us: Int64Array, zone_code: NDArray[np.integer], zones: Sequence[str]
) -> Candidates:
    """Find kind and candidate instants of every row; a zone code below 0 means no zone.

    Raises:
        UsageError: a name in `zones` is not known.
        ValueError: the columns differ in length, or a code is beyond the end of `zones`.
    """
    if wall_us.shape != zone_code.shape:
        raise ValueError(f"{wall_us.size} wall times, but {zone_code.size} zone codes")
    if zone_code.size and int(zone_code.max()) >= len(zones):
        raise ValueError(f"zone code {int(zone_code.max())}, but only {len(zones)} zones")
    candidates = _empty_candidates(wall_us.size)
    for start in range(0, wall_us.size, _BLOCK_ROWS):
        block = slice(start, start + _BLOCK_ROWS)
        _classify_block(wall_us[block], zone_code[block], tuple(zones), candidates, block)
    return candidates


def resolve(
    candidates: Candidates,
    fold: FoldPolicy,
    gap: GapPolicy,
    decisions: NDArray[np.integer] | None = None,
) -> ChosenInstants:
    """Choose one instant per row: by decision if there is one, else by policy.

    Policies and decisions bear on folds and gaps only; a normal row has nothing to choose.

    Raises:
        ValueError: a number in `decisions` is no `Decision`.
    """
    by_kind = np.empty(len(LocalKind), dtype=np.int8)
    by_kind[NORMAL_CODE] = Decision.FIRST
    by_kind[GAP_CODE] = DECISIONS[gap]
    by_kind[FOLD_CODE] = DECISIONS[fold]
    choice = by_kind[candidates.kind]
    if decisions is not None:
        if not np.isin(decisions, list(Decision)).all():
            raise ValueError("decisions hold a number that is no Decision")
        is_decided = (decisions != Decision.POLICY) & (candidates.kind != NORMAL_CODE)
        choice = np.where(is_decided, decisions, choice)
    skip_mask: BoolArray = choice == Decision.SKIP
    utc_us = np.where(choice == Decision.SECOND, candidates.second_us, candidates.first_us)
    utc_us[skip_mask] = NO_INSTANT
    return ChosenInstants(utc_us, skip_mask)


def explain_one(wall: dt.datetime, zone: str) -> Conversion:
    """Explain one naive wall time, whose `fold` is not looked at.

    Raises:
        UsageError: the zone is not known, the time carries an offset of its own, or an instant
            falls outside years 1..9999.
    """
    if wall.tzinfo is not None:
        raise UsageError(f"{wall} carries an offset; give the wall time alone, and the zone.")
    wall_us = (wall.replace(tzinfo=dt.UTC) - _EPOCH) // _MICROSECOND
    candidates = classify(np.array([wall_us]), np.zeros(1, dtype=np.int64), [zone])
    if not candidates.is_in_range()[0]:
        raise UsageError(f"{wall} in {zone} falls outside years 1..9999 in UTC.")
    kind = _KINDS[int(candidates.kind[0])]
    before_us = after_us = int(candidates.offset_us[0])
    transition = None
    if kind is not LocalKind.NORMAL:
        transition_us = int(candidates.transition_us[0])
        transition = _instant(transition_us)
        rules = load_rules(zone, wall.year)
        after_us = int(rules.offsets[np.searchsorted(rules.instants, transition_us) + 1])
    return Conversion(
        kind=kind,
        first=_instant(int(candidates.first_us[0])),
        second=_instant(int(candidates.second_us[0])),
        transition=transition,
        offset_before=dt.timedelta(microseconds=before_us),
        offset_after=dt.timedelta(microseconds=after_us),
    )


def _empty_candidates(rows: int) -> Candidates:
    return Candidates(
        kind=np.full(rows, NORMAL_CODE, dtype=np.int8),
        first_us=np.full(rows, NO_INSTANT, dtype=np.int64),
        second_us=np.full(rows, NO_INSTANT, dtype=np.int64),
        offset_us=np.zeros(rows, dtype=np.int64),
        transition_us=np.full(rows, NO_INSTANT, dtype=np.int64),
    )


def _classify_block(
    wall_us: Int64Array,
    zone_code: NDArray[np.integer],
    zones: tuple[str, ...],
    out: Candidates,
    block: slice,
) -> None:
    """Fill one block of `out`; rows without zone or outside the years stay as they are.

    One: put zone and wall second into one number. Two: find its segment. Three: read the two
    instants off the segment; in a gap the second is the clock change itself.
    """
    is_known = in_range(wall_us) & (zone_code >= 0)
    if not is_known.any():
        return
    wall_us = np.where(is_known, wall_us, 0)
    is_usual = int(wall_us.max()) <= _USUAL_LAST_US
    table = build_segments(zones, _USUAL_LAST_YEAR if is_usual else MAX_YEAR)

    keys = np.where(is_known, zone_code, 0).astype(np.int64) * ZONE_STRIDE
    keys += wall_us // SECOND_US - MIN_SECOND
    segment = np.searchsorted(table.starts, keys, side="right") - 1

    kind = table.kind[segment]
    offset0 = table.offset0[segment]
    second_us = wall_us - table.offset1[segment]
    transition_us = table.transition[segment]
    np.copyto(second_us, transition_us, where=kind == GAP_CODE)
    np.copyto(out.kind[block], kind, where=is_known)
    np.copyto(out.first_us[block], wall_us - offset0, where=is_known)
    np.copyto(out.second_us[block], second_us, where=is_known)
    np.copyto(out.offset_us[block], offset0, where=is_known)
    np.copyto(out.transition_us[block], transition_us, where=is_known)


def _instant(time_us: int) -> dt.datetime:
    return _EPOCH + dt.timedelta(microseconds=time_us)
