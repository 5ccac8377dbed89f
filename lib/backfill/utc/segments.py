"""Stretches of wall time of several zones in which one and the same rule holds.

A wall time is looked up once: zone and second make one number, and one binary search over all
zones finds the stretch, which knows both offsets and whether it is a gap or a fold.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from backfill.rows.values import Int64Array
from backfill.utc.zones import SECOND_US, ZoneRules, load_rules

NORMAL_CODE = 0
GAP_CODE = 1
FOLD_CODE = 2
NO_INSTANT = int(np.iinfo(np.int64).min)
"""Stands where there is no instant; it is outside every range, so it cannot pass for one."""

MIN_SECOND = int(np.datetime64("0001-01-01T00:00:00", "s").astype(np.int64))
MAX_SECOND = int(np.datetime64("9999-12-31T23:59:59", "s").astype(np.int64))
ZONE_STRIDE = MAX_SECOND - MIN_SECOND + 1
"""Seconds between the first keys of two neighbouring zones."""


@dataclass(frozen=True, slots=True, eq=False)
class SegmentTable:
    """Segments of all zones, ordered by `starts`.

    `starts` is zone code x `ZONE_STRIDE` + wall second - `MIN_SECOND`. `kind` is a code;
    `offset0` and `offset1` are the offsets for fold=0 and fold=1 and `transition` is the instant
    of the clock change of a gap or fold (else `NO_INSTANT`), all in microseconds.
    """

    starts: Int64Array
    kind: NDArray[np.int8]
    offset0: Int64Array
    offset1: Int64Array
    transition: Int64Array


@lru_cache(maxsize=32)
def build_segments(zones: tuple[str, ...], last_year: int) -> SegmentTable:
    tables = [_zone_segments(name, last_year) for name in zones]
    shifts = [np.int64(code * ZONE_STRIDE) for code in range(len(zones))]
    return SegmentTable(
        starts=np.concatenate([t.starts + shift for t, shift in zip(tables, shifts, strict=True)]),
        kind=np.concatenate([table.kind for table in tables]),
        offset0=np.concatenate([table.offset0 for table in tables]),
        offset1=np.concatenate([table.offset1 for table in tables]),
        transition=np.concatenate([table.transition for table in tables]),
    )


@lru_cache(maxsize=1024)
def _zone_segments(name: str, last_year: int) -> SegmentTable:
    return segments_of(load_rules(name, last_year))


def segments_of(rules: ZoneRules) -> SegmentTable:
    """Return one zone's segments as code 0: PEP 495's two look-ups, once for each stretch."""
    first_us, last_us = MIN_SECOND * SECOND_US, MAX_SECOND * SECOND_US
    bounds = np.unique(np.concatenate(([first_us], rules.wall0, rules.wall1)))
    # A bound beyond the calendar would stand among the next zone's keys.
    bounds = bounds[(bounds >= first_us) & (bounds <= last_us)]
    index0 = np.searchsorted(rules.wall0, bounds, side="right")
    index1 = np.searchsorted(rules.wall1, bounds, side="right")
    offset0, offset1 = rules.offsets[index0], rules.offsets[index1]
    # fold=0 earlier than fold=1 means twice, later means never: so says PEP 495.
    kind = np.select((offset0 > offset1, offset0 < offset1), (FOLD_CODE, GAP_CODE), NORMAL_CODE)
    instants = np.concatenate(([NO_INSTANT], rules.instants))
    return SegmentTable(
        starts=bounds // SECOND_US - MIN_SECOND,
        kind=kind.astype(np.int8),
        offset0=offset0,
        offset1=offset1,
        transition=np.where(kind == NORMAL_CODE, NO_INSTANT, instants[index1]),
    )
