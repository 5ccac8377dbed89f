"""Why rows are left alone: the first reason that stands against a row, with what stood there."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa

from backfill.rows.columns import BEYOND_INT64, NEGATIVE_INFINITY, POSITIVE_INFINITY, Column
from backfill.skips import Skip, SkipReason
from backfill.utc.convert import LocalKind, in_range
from backfill.utc.pairs import (
    BoolArray,
    Columns,
    PairValues,
    Policy,
    field_of,
    is_end_before_start,
)
from backfill.utc.zone_choice import ZoneChoice

_UNDECIDED = (SkipReason.AMBIGUOUS_LOCAL_TIME, SkipReason.NONEXISTENT_LOCAL_TIME)


class Reasons:
    """The first reason that stands against each row; a row is skipped once, as a whole."""

    def __init__(self, rows: pa.Table, first_position: int, columns: Columns) -> None:
        self._rows = rows
        self._first_position = first_position
        self._columns = columns
        self.is_skipped: BoolArray = np.zeros(rows.num_rows, dtype=bool)
        self._found: list[tuple[int, str, SkipReason, str]] = []
        self._undecided: set[int] = set()

    def add(
        self, mask: BoolArray, reason: SkipReason, column: str, detail: Callable[[int], str]
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
        self._found.append((row, "", SkipReason.LEFT_BY_DECISION, detail))
        self.is_skipped[row] = True

    def skips(self) -> list[tuple[int, Skip]]:
        keys, scopes = self._rows.column("key"), self._rows.column("scope")
        return [
            (
                self._first_position + row,
                Skip(keys[row].as_py(), scopes[row].as_py() or "", column, reason, detail),
            )
            for row, column, reason, detail in sorted(self._found)
        ]


def collect_reasons(
    reasons: Reasons,
    rows: pa.Table,
    columns: Columns,
    pairs: list[PairValues],
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
        values = field_of(rows, "source", column.name)
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
            is_end_before_start(rows, columns, pairs),
            SkipReason.END_BEFORE_START,
            columns.walls[1].name if len(columns.walls) > 1 else "",
            lambda _row: "the end is before the start after conversion (--strict)",
        )


def _add_conversion_reasons(
    reasons: Reasons, rows: pa.Table, column: Column, pair: PairValues, choice: ZoneChoice
) -> None:
    values = field_of(rows, "source", column.name)
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
