"""Why rows are left alone: the first reason that stands against a row, with what stood there."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

import numpy as np
import pyarrow as pa

from backfill.rows.columns import BEYOND_INT64, NEGATIVE_INFINITY, POSITIVE_INFINITY
from backfill.rows.values import BoolArray, field_of
from backfill.skips import Skip
from backfill.utc.convert import LocalKind, in_range
from backfill.utc.described import Columns, OffsetUse, Pair
from backfill.utc.doubts import zone_at
from backfill.utc.pairs import PairValues, Policy, has_instant, is_end_before_start, is_waiting
from backfill.utc.zone_choice import ZoneChoice


class UtcReason(StrEnum):
    """Why a row of the UTC job is left alone, beside the engine's reasons."""

    MISSING_TIMEZONE = "missing_timezone"
    INVALID_TIMEZONE = "invalid_timezone"
    MISSING_WALL_TIME = "missing_wall_time"
    INVALID_TIMESTAMP = "invalid_timestamp"
    AMBIGUOUS_LOCAL_TIME = "ambiguous_local_time"
    NONEXISTENT_LOCAL_TIME = "nonexistent_local_time"
    END_BEFORE_START = "end_before_start"
    OFFSET_IN_TEXT = "offset_in_text"
    LEFT_BY_DECISION = "left_by_decision"


_UNDECIDED = (UtcReason.AMBIGUOUS_LOCAL_TIME, UtcReason.NONEXISTENT_LOCAL_TIME)


class Reasons:
    """The first reason that stands against each row; a row is skipped once, as a whole."""

    def __init__(self, rows: pa.Table) -> None:
        self._rows = rows
        self.is_skipped: BoolArray = np.zeros(rows.num_rows, dtype=bool)
        self._found: list[tuple[int, str, UtcReason, str]] = []
        self._undecided: set[int] = set()

    def add(
        self, mask: BoolArray, reason: UtcReason, column: str, detail: Callable[[int], str]
    ) -> None:
        for row in np.flatnonzero(mask & ~self.is_skipped):
            if reason in _UNDECIDED:
                self._undecided.add(int(row))
            self._found.append((int(row), column, reason, detail(int(row))))
        self.is_skipped |= mask

    def is_undecided(self, row: int) -> bool:
        """Whether a row is skipped for a gap or fold: by policy or by decision."""
        return row in self._undecided

    def skip_by_decision(self, row: int, detail: str) -> None:
        """Leave a row alone because a person said so."""
        self._found.append((row, "", UtcReason.LEFT_BY_DECISION, detail))
        self.is_skipped[row] = True

    def leave_alone(self, mask: BoolArray, detail: str) -> None:
        """Leave rows alone because a person said so of all of them."""
        self.add(mask, UtcReason.LEFT_BY_DECISION, "", lambda _row: detail)

    def skips(self) -> list[tuple[int, Skip]]:
        keys, scopes = self._rows.column("key"), self._rows.column("scope")
        return [
            (
                row,
                Skip(keys[row].as_py(), scopes[row].as_py() or "", column, reason, detail),
            )
            for row, column, reason, detail in sorted(self._found)
        ]


def collect_reasons(
    reasons: Reasons,
    rows: pa.Table,
    columns: Columns,
    pairs: list[PairValues],
    policy: Policy,
) -> None:
    first = columns.pairs[0].label
    if columns.is_span:
        reasons.add(
            pairs[0].wall.is_null & is_waiting(pairs),
            UtcReason.MISSING_WALL_TIME,
            first,
            lambda _row: f"{first} is NULL while another column waits for its UTC value",
        )
    for pair, values in zip(columns.pairs, pairs, strict=True):
        _add_wall_reasons(reasons, rows, pair, values)
    for pair, values in zip(columns.pairs, pairs, strict=True):
        choice, needs_zone = values.choice, values.is_pending & ~values.is_free
        detail = _zone_detail(pair, choice)
        for mask, reason in (
            (choice.is_missing, UtcReason.MISSING_TIMEZONE),
            (choice.is_invalid, UtcReason.INVALID_TIMEZONE),
        ):
            reasons.add(needs_zone & mask, reason, pair.zone_name, detail)
    for pair, values in zip(columns.pairs, pairs, strict=True):
        _add_conversion_reasons(reasons, rows, pair, values)
    if policy.is_strict:
        reasons.add(
            is_end_before_start(columns, pairs),
            UtcReason.END_BEFORE_START,
            columns.pairs[1].label if len(columns.pairs) > 1 else "",
            lambda _row: "the end is before the start after conversion (--strict)",
        )


def _zone_detail(pair: Pair, choice: ZoneChoice) -> Callable[[int], str]:
    if pair.offset and pair.offset.use is OffsetUse.ZONE and not pair.chain:
        return lambda _row: f"{pair.offset.column if pair.offset else ''} holds no offset"
    return choice.detail


def _add_wall_reasons(reasons: Reasons, rows: pa.Table, pair: Pair, values: PairValues) -> None:
    shows = _shows(rows, pair)
    weekday = ", or not on that day of the week" if "%a" in pair.reading.form.lower() else ""
    reasons.add(
        values.is_pending & ~values.wall.is_valid,
        UtcReason.INVALID_TIMESTAMP,
        pair.label,
        shows(f"is no wall time in years 1 to 9999{weekday}"),
    )
    if values.wall.has_offset is not None and not pair.reading.uses_offset:
        reasons.add(
            values.is_pending & values.wall.has_offset,
            UtcReason.OFFSET_IN_TEXT,
            pair.label,
            shows('is an instant: it names its offset. To take it: offset_in_text = "use"'),
        )


def _add_conversion_reasons(
    reasons: Reasons, rows: pa.Table, pair: Pair, values: PairValues
) -> None:
    shows = _shows(rows, pair)
    for kind, reason, says in (
        (LocalKind.FOLD, UtcReason.AMBIGUOUS_LOCAL_TIME, "happens twice in"),
        (LocalKind.GAP, UtcReason.NONEXISTENT_LOCAL_TIME, "never happens in"),
    ):
        reasons.add(
            values.is_pending & values.is_undecided & (values.candidates.kind == kind.code),
            reason,
            pair.label,
            _names_zone(shows, says, values.choice),
        )
    reasons.add(
        values.is_pending & ~in_range(values.utc_us) & values.has_zone,
        UtcReason.INVALID_TIMESTAMP,
        pair.label,
        shows("has no instant in years 1 to 9999"),
    )
    name = pair.target.column.name
    reasons.add(
        values.is_pending & ~has_instant(values, pair.target) & values.has_zone,
        UtcReason.INVALID_TIMESTAMP,
        pair.label,
        shows(f"has an instant that does not fit into {name}"),
    )


def _shows(rows: pa.Table, pair: Pair) -> Callable[[str], Callable[[int], str]]:
    """Return how to say something of a row's wall time, which is shown as it stands there."""

    def tell(row: int) -> str:
        values = (field_of(rows, "source", wall.name) for wall in pair.walls)
        return f"{pair.label} {' '.join(_plain(value, row) for value in values)}"

    return lambda says: lambda row: f"{tell(row)} {says}"


def _names_zone(
    shows: Callable[[str], Callable[[int], str]], says: str, choice: ZoneChoice
) -> Callable[[int], str]:
    return lambda row: f"{shows(says)(row)} {zone_at(choice, row)}"


def _plain(values: pa.Array, row: int) -> str:
    value = values[row]
    if value.is_valid is False:
        return "NULL"
    if pa.types.is_timestamp(values.type):
        number = value.value
        special = {
            POSITIVE_INFINITY: "infinity",
            NEGATIVE_INFINITY: "-infinity",
            BEYOND_INT64: "beyond 294246",
        }
        return special.get(number) or str(np.datetime64(number, "us"))
    return str(value.as_py())
