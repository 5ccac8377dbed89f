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
from backfill.jobs.utc.wall_value import EPOCH, reader_of
from backfill.rows.values import field_of
from backfill.steps.task import Recomputed
from backfill.utc.convert import LocalKind
from backfill.utc.described import OffsetUse, Pair
from backfill.utc.instants import read_target
from backfill.utc.oracle import judge, offset_at, to_us
from backfill.utc.row_offset import read_offsets
from backfill.utc.spelling import ZoneWords, names_from
from backfill.utc.zone_names import is_zone, zone_info

_FAR_US = 2**61
_MICROSECOND = dt.timedelta(microseconds=1)


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
        zones = target.get("zones") or {}
        self._default = target.get("default_tz")
        self._unset = set(zones.get("unset", ()))
        self._decided = dict(zones.get("decided", {}))
        self.has_constants = not zones.get("default_first", False)
        self._names = (
            names_from(zones["names"], zones.get("map", {})) if "names" in zones else ZoneWords()
        )

    def zone_of(self, values: Sequence[str | None]) -> ZoneInfo | None:
        """Return the rules of the first value that is a zone, else the default's."""
        for value in (*values, self._default):
            name = (value or "").strip()
            if not name or name in self._unset:
                continue
            zone = self._decided.get(name) or self._names.zone_of(name)
            if zone and is_zone(zone):
                return zone_info(zone)
        return None


def _of_pair(
    rows: pa.Table, pair: Pair, rules: _Rules, computed: set[int]
) -> list[tuple[int, str]]:
    column = pair.target.column
    before, after = (field_of(rows, side, column.name) for side in ("before", "after"))
    # What stood there before, or in columns that decided nothing, may be no date at all.
    is_changed = pc.and_kleene(
        after.is_valid(), pc.invert(pc.equal(before, after).fill_null(False))
    )
    chosen = np.flatnonzero(np.asarray(is_changed))
    some = rows.take(pa.array(chosen))
    written = read_target(field_of(some, "after", column.name), pair.target).us.tolist()
    walls = [field_of(some, "source", w.name).to_pylist() for w in pair.walls]
    judge = _Judge(pair)
    wrong: list[tuple[int, str]] = []
    facts = zip(
        chosen.tolist(),
        zip(*walls, strict=True),
        written,
        _zones_of(some, pair, rules),
        _offsets_of(some, pair),
        strict=True,
    )
    for index, values, instant, zone, fixed in facts:
        verdict = judge.wrong(values, instant, zone, fixed)
        if verdict:
            wrong.append((index, f"{column.name} is {after[index].as_py()}, {verdict}"))
        if verdict is not None:
            computed.add(index)
    return wrong


class _Judge:
    """Holds written instants of one pair against its wall times, one by one."""

    def __init__(self, pair: Pair) -> None:
        self._read = reader_of(pair.reading)
        self._step = pair.target.step_us

    def wrong(
        self, values: tuple[Any, ...], written: int, zone: ZoneInfo | None, fixed: int | None
    ) -> str | None:
        """Say what is wrong, empty for nothing; None where nothing could be computed."""
        try:
            local = None if None in values else self._read(values)
        except (ValueError, OverflowError) as error:
            return f"but {error}"
        if local is None:
            return "but there is no wall time"
        if local.tzinfo is not None:
            plain = to_us(local.astimezone(dt.UTC).replace(tzinfo=None))
            return "" if plain // self._step * self._step == written else f"not {local}"
        return self._compared(local, written, zone, fixed)

    def _compared(
        self, local: dt.datetime, written: int, zone: ZoneInfo | None, fixed: int | None
    ) -> str | None:
        step, us = self._step, (local - EPOCH) // _MICROSECOND
        if fixed is not None:
            is_right = (us - fixed) // step * step == written
            return "" if is_right else f"not {local} at its offset"
        if zone is None:
            return None
        offset = zone.utcoffset(local)
        if offset is not None and (us - offset // _MICROSECOND) // step * step == written:
            return ""  # all that most rows need
        return "" if _is_possible(written, local, zone, step) else f"not {local} in {zone}"


def _zones_of(rows: pa.Table, pair: Pair, rules: _Rules) -> list[ZoneInfo | None]:
    """Return the rules that each row was read by; few combinations are looked at."""
    links = [
        field_of(rows, "source", link.field).to_pylist()
        if link.field
        else [link.constant] * rows.num_rows
        for link in pair.chain
        if link.field or rules.has_constants
    ]
    if not links:
        return [rules.zone_of(())] * rows.num_rows
    by_values: dict[tuple[str | None, ...], ZoneInfo | None] = {}
    zones = []
    for values in zip(*links, strict=True):
        if values not in by_values:
            by_values[values] = rules.zone_of(values)
        zones.append(by_values[values])
    return zones


def _offsets_of(rows: pa.Table, pair: Pair) -> list[int | None]:
    if pair.offset is None or pair.offset.use is not OffsetUse.ZONE:
        return [None] * rows.num_rows
    offsets = read_offsets(rows, pair.offset)
    return [
        int(us) if is_valid else None
        for us, is_valid in zip(offsets.us, offsets.is_valid, strict=True)
    ]


def _is_possible(written: int, local: dt.datetime, zone: ZoneInfo, step: int) -> bool:
    """Whether an instant is a reading of the wall time: of a gap or fold, either candidate."""
    verdict = judge(local, zone)
    if written in {us // step * step for us in (verdict.fold0_us, verdict.fold1_us)}:
        return True
    # The first instant after a gap is the clock change itself: the offset differs just before it.
    if abs(written) > _FAR_US:
        return False
    return verdict.kind is LocalKind.GAP and offset_at(written - 1, zone) != offset_at(
        written, zone
    )
