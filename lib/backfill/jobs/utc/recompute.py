"""Every filled value computed again, row by row, with Python's own `zoneinfo`.

Another road to the same rules: datetime objects and PEP 495 instead of segments. A value of a gap
or fold may be either candidate, as policy or decision had it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from backfill.jobs.utc.table_json import zoned_from_json
from backfill.jobs.utc.wall_value import local_time
from backfill.steps.job import Recomputed
from backfill.utc.convert import LocalKind
from backfill.utc.described import OffsetUse, Pair, Target
from backfill.utc.instants import read_target
from backfill.utc.oracle import judge, offset_at, to_us
from backfill.utc.row_offset import read_offsets
from backfill.utc.spelling import Names, names_from
from backfill.utc.zone_names import is_zone, zone_info

_FAR_US = 2**61


def recompute(target: Mapping[str, Any], rows: pa.Table) -> Recomputed:
    """Return how many image rows were computed, and what is wrong with which."""
    zoned = zoned_from_json(target["table"], target.get("encodings"))
    rules = _Rules(target)
    wrong: list[tuple[int, str]] = []
    computed: set[int] = set()
    for pair in zoned.columns.pairs:
        wrong += _of_pair(rows, pair, rules, computed)
    return Recomputed(len(computed), wrong)


class _Rules:
    """How names of zones are taken, as the plan recorded it."""

    def __init__(self, target: Mapping[str, Any]) -> None:
        told = target.get("zones") or {}
        self._default = target.get("default_tz")
        self._unset = set(told.get("unset", ()))
        self._decided = dict(told.get("decided", {}))
        self.has_constants = not told.get("default_first", False)
        self._names = names_from(told["names"], told.get("map", {})) if "names" in told else Names()

    def zone_of(self, values: Sequence[str | None]) -> ZoneInfo | None:
        """Return the rules of the first value that is a zone, else the default's."""
        for value in (*values, self._default):
            name = (value or "").strip()
            if not name or name in self._unset:
                continue
            found = self._decided.get(name) or self._names.zone_of(name)
            if found and is_zone(found):
                return zone_info(found)
        return None


def _of_pair(
    rows: pa.Table, pair: Pair, rules: _Rules, computed: set[int]
) -> list[tuple[int, str]]:
    column = pair.target.column
    before, after = (
        pc.struct_field(rows.column(side), column.name) for side in ("before", "after")
    )
    written = _instants(after, pair.target)
    # What stood there before, or in columns that decided nothing, may be no date at all.
    is_changed = pc.and_kleene(
        after.is_valid(), pc.invert(pc.equal(before, after).fill_null(False))
    )
    chosen = np.flatnonzero(np.asarray(is_changed))
    after = after.take(pa.array(chosen)).to_pylist()
    walls = [
        pc.struct_field(rows.column("source"), w.name).take(pa.array(chosen)).to_pylist()
        for w in pair.walls
    ]
    zones = _zones_of(rows, pair, rules)
    offsets = _offsets_of(rows, pair)
    wrong: list[tuple[int, str]] = []
    for place, (index, stored) in enumerate(zip(chosen.tolist(), after, strict=True)):
        values = [wall[place] for wall in walls]
        try:
            local = local_time(values, pair.reading)
        except (ValueError, OverflowError) as error:
            wrong.append((index, f"{column.name} is {stored}, but {error}"))
            continue
        fixed, zone = offsets[index], zones[index]
        if zone is not None or fixed is not None or (local and local.tzinfo):
            computed.add(index)
        if local is None:
            wrong.append((index, f"{column.name} is {stored}, but there is no wall time"))
        elif local.tzinfo is not None:
            if to_us(local.astimezone(dt.UTC).replace(tzinfo=None)) != written[index]:
                wrong.append((index, f"{column.name} is {stored}, not {local}"))
        elif fixed is not None:
            if _cut(to_us(local) - fixed, pair.target) != written[index]:
                wrong.append((index, f"{column.name} is {stored}, not {local} at its offset"))
        elif zone is not None and not _is_possible(int(written[index]), local, zone, pair.target):
            wrong.append((index, f"{column.name} is {stored}, not {local} in {zone}"))
    return wrong


def _instants(values: pa.Array | pa.ChunkedArray, target: Target) -> Any:
    array = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    return read_target(array, target).us


def _zones_of(rows: pa.Table, pair: Pair, rules: _Rules) -> list[ZoneInfo | None]:
    """Return the rules that each row was read by; few combinations are looked at."""
    links = [
        pc.struct_field(rows.column("source"), link.field).to_pylist()
        if link.field
        else [link.constant] * rows.num_rows
        for link in pair.chain
        if link.field or rules.has_constants
    ]
    if not links:
        return [rules.zone_of(())] * rows.num_rows
    known: dict[tuple[str | None, ...], ZoneInfo | None] = {}
    found = []
    for values in zip(*links, strict=True):
        if values not in known:
            known[values] = rules.zone_of(values)
        found.append(known[values])
    return found


def _offsets_of(rows: pa.Table, pair: Pair) -> list[int | None]:
    if pair.offset is None or pair.offset.use is not OffsetUse.ZONE:
        return [None] * rows.num_rows
    offsets = read_offsets(rows, pair.offset)
    return [
        int(us) if is_valid else None
        for us, is_valid in zip(offsets.us, offsets.is_valid, strict=True)
    ]


def _cut(us: int, target: Target) -> int:
    """Return an instant as finely as the column holds it."""
    return us // target.step_us * target.step_us


def _is_possible(written: int, local: dt.datetime, zone: ZoneInfo, target: Target) -> bool:
    """Whether an instant is a reading of the wall time: of a gap or fold, either candidate."""
    plain = local.replace(tzinfo=zone).utcoffset()
    if plain is not None and _cut(to_us(local) - plain // dt.timedelta(microseconds=1), target) == (
        written
    ):
        return True  # all that most rows need
    verdict = judge(local, zone)
    if written in {_cut(us, target) for us in (verdict.fold0_us, verdict.fold1_us)}:
        return True
    # The first instant after a gap is the clock change itself: the offset differs just before it.
    if abs(written) > _FAR_US:
        return False
    return verdict.kind is LocalKind.GAP and offset_at(written - 1, zone) != offset_at(
        written, zone
    )
