"""What becomes of each row of a task: a change with its rule, unchanged, or a skip. Pure but for
the fitting, which asks the server."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from backfill.errors import PreflightError
from backfill.plans.fitting import Fitted, Fitting, column_texts
from backfill.plans.keyed_rows import struct_from, struct_of
from backfill.rows.values import field_of, in_one, places_of, schema_of_changes
from backfill.server.catalog_columns import CatalogColumn
from backfill.server.table import Table
from backfill.skips import Skip, SkipReason
from backfill.steps.task import CHAIN, Task, part
from backfill.steps.task_table import Resolved

Mask = NDArray[np.bool_]

#: What a source is to those who compute, by the type below all domains; any other is its text.
_TYPED: dict[str, pa.DataType] = {
    **dict.fromkeys(("int2", "int4", "int8"), pa.int64()),
    **dict.fromkeys(("float4", "float8"), pa.float64()),
    "bool": pa.bool_(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us"),
    "timestamptz": pa.timestamp("us", "UTC"),
}


def plain_schema(table: Table, note: pa.StructType) -> pa.Schema:
    """Return the columns of the plan of a table whose values travel as texts."""
    return schema_of_changes(
        struct_of(column.name for column in table.sources),
        struct_of(column.name for column in table.targets),
        note,
    )


def typed(block: pa.Table, resolved: Resolved) -> pa.Table:
    """Return rows with sources and present values in types that compute with ease.

    Where a value has none there, like a timestamp of `infinity`, its column stays text.
    """
    table = resolved.table
    for name, columns in (("source", table.sources), ("before", table.targets)):
        if not columns:
            continue
        struct = block.column(name).combine_chunks()
        fields = [column.name for column in columns]
        arrays = [_typed(pc.struct_field(struct, [f]), resolved.columns[f]) for f in fields]
        made = pa.StructArray.from_arrays(arrays, fields)
        block = block.set_column(block.column_names.index(name), name, made)
    return block


def _typed(texts: pa.Array, column: CatalogColumn) -> pa.Array:
    kind = _TYPED.get(column.kind)
    if kind is None:
        return texts
    try:
        return texts.cast(kind)
    except pa.ArrowInvalid:
        return texts


def decide_rows(
    task: Task,
    resolved: Resolved,
    block: pa.Table,
    computed: pa.Table,
    fitting: Fitting,
    *,
    first: int,
    note: pa.StructType,
) -> tuple[pa.Table, list[tuple[int, Skip]]]:
    """Return what becomes of a block's rows: those to write or found as planned, and those left
    alone; `first` is the place of its first one."""
    left = _LeftAlone(block, computed)
    after = _after(computed, resolved)
    if not part(task, "allow_null"):
        _leave_nulls(after, left)
    open_rows = left.open_rows()
    chosen = pa.array(open_rows, pa.int64())
    asked = {name: texts.take(chosen) for name, texts in after.items()}
    keys = resolved.table.key.split(block.column("key").take(chosen))
    fitted = fitting.fit(keys, asked) if open_rows else Fitted(asked)
    for row, (column, words) in fitted.refused.items():
        left.leave(open_rows[row], SkipReason.INVALID_VALUE, words, column)
    values = _values(block, _put_back(after, fitted, open_rows), resolved)
    if not part(task, "overwrite"):
        _leave_filled(values, left)
    remarks = {open_rows[row]: text for row, text in fitted.remarks.items()}
    changes = _changes(block, computed, values, remarks, first, note, resolved.table)
    changes = changes.take(pa.array(left.open_rows(), pa.int64()))
    if chain := part(task, "chain"):
        changes = _chained(changes, chain)
    return changes, left.skips(block, first)


class _LeftAlone:
    """Why rows of a block get no value; the first reason of a row counts."""

    def __init__(self, block: pa.Table, computed: pa.Table) -> None:
        rows = block.num_rows
        self._reasons = _texts(block, "skip", rows)
        self.details = _texts(block, "detail", rows)
        self._columns = [""] * rows
        own = zip(_texts(computed, "skip", rows), _texts(computed, "detail", rows), strict=True)
        for row, (reason, detail) in enumerate(own):
            if reason is not None:
                self.leave(row, reason, detail)

    def leave(self, row: int, reason: str, detail: str | None, column: str = "") -> None:
        if self._reasons[row] is None:
            self._reasons[row], self.details[row] = str(reason), detail
            self._columns[row] = column

    def open_rows(self) -> list[int]:
        """Return the rows that may get a value."""
        return [row for row, reason in enumerate(self._reasons) if reason is None]

    def skips(self, block: pa.Table, first: int) -> list[tuple[int, Skip]]:
        keys, scopes = (block.column(name).to_pylist() for name in ("key", "scope"))
        facts = zip(keys, scopes, self._columns, self._reasons, self.details, strict=True)
        return [
            (first + row, Skip.of(key, scope or "", column, reason, detail or ""))
            for row, (key, scope, column, reason, detail) in enumerate(facts)
            if reason is not None
        ]


def _texts(rows: pa.Table, name: str, count: int) -> list[str | None]:
    if name not in rows.column_names:
        return [None] * count
    return [None if value is None else str(value) for value in rows.column(name).to_pylist()]


def _after(computed: pa.Table, resolved: Resolved) -> dict[str, pa.Array]:
    after = {}
    kind = computed.schema.field("after").type if "after" in computed.column_names else pa.null()
    in_struct = [field.name for field in kind] if pa.types.is_struct(kind) else []
    for column in resolved.table.targets:
        if column.name in in_struct:  # first: a target may itself be named after, rule or skip
            values = field_of(computed, "after", column.name)
        elif column.name in computed.column_names:
            values = computed.column(column.name)
        else:
            raise PreflightError(
                f"What was computed has no column {column.name}. It has: "
                f"{', '.join(computed.column_names)}."
            )
        after[column.name] = column_texts(values, resolved.columns[column.name])
    return after


def _leave_nulls(after: dict[str, pa.Array], left: _LeftAlone) -> None:
    for name, values in after.items():
        for row in places_of(values.is_null()):
            left.leave(row, SkipReason.NO_VALUE, left.details[row], name)


def _put_back(
    after: dict[str, pa.Array], fitted: Fitted, open_rows: Sequence[int]
) -> dict[str, pa.Array]:
    """Return all rows' texts, those that were fitted as the server has them."""
    mask = np.zeros(len(next(iter(after.values()))), dtype=bool)
    mask[list(open_rows)] = True
    return {
        name: pc.replace_with_mask(texts, pa.array(mask), fitted.values[name])
        for name, texts in after.items()
    }


def _same(before: pa.Array, after: pa.Array, *, is_json: bool) -> Mask:
    if is_json:
        pairs = zip(before.to_pylist(), after.to_pylist(), strict=True)
        return np.array([_json(b) == _json(a) for b, a in pairs], dtype=bool)
    equal = pc.equal(before, after).fill_null(fill_value=False)
    both = pc.and_(before.is_null(), after.is_null())
    return np.asarray(pc.or_(equal, both))


def _json(text: str | None) -> Any:
    """Return what is equal where jsonb is: by a number's value, and a number is no truth."""
    if text is None:
        return None
    try:
        return ("json", json.loads(text, parse_float=_number, parse_int=_number))
    except ValueError:
        return ("text", text)


def _number(digits: str) -> tuple[Decimal]:
    return (Decimal(digits),)


@dataclass(frozen=True, slots=True)
class _Values:
    """By target: present and new texts, where they are the same, and where one was there."""

    before: dict[str, pa.Array]
    after: dict[str, pa.Array]
    same: dict[str, Mask]
    full: dict[str, Mask]

    def unchanged(self) -> Mask:
        return np.asarray(np.logical_and.reduce(list(self.same.values())))

    def overwritten(self) -> Mask:
        return np.asarray(np.logical_or.reduce([self.full[n] & ~self.same[n] for n in self.same]))

    def cleared(self) -> Mask:
        """Where every value that changes becomes NULL."""
        nulls = {name: np.asarray(self.after[name].is_null()) for name in self.after}
        return np.asarray(np.logical_and.reduce([self.same[n] | nulls[n] for n in self.same]))


def _values(block: pa.Table, after: dict[str, pa.Array], resolved: Resolved) -> _Values:
    before = {name: field_of(block, "before", name) for name in after}
    same = {
        name: _same(before[name], after[name], is_json=resolved.columns[name].kind == "json")
        for name in after
    }
    full = {name: np.asarray(before[name].is_valid()) for name in after}
    return _Values(before, after, same, full)


def _leave_filled(values: _Values, left: _LeftAlone) -> None:
    for name, before in values.before.items():
        for row in np.flatnonzero(values.full[name] & ~values.same[name]).tolist():
            detail = f"it holds {before[row].as_py()!r}"
            left.leave(row, SkipReason.ALREADY_FILLED, detail, name)


def _changes(
    block: pa.Table,
    computed: pa.Table,
    values: _Values,
    remarks: dict[int, str],
    first: int,
    note: pa.StructType,
    table: Table,
) -> pa.Table:
    rows = block.num_rows
    unchanged, overwritten = values.unchanged(), values.overwritten()
    kinds = np.where(unchanged, "unchanged", np.where(overwritten, "changed", "added"))
    rules = np.where(overwritten, np.where(values.cleared(), "cleared", "overwritten"), "filled")
    rules = np.where(unchanged, "unchanged", rules)
    own = _texts(computed, "rule", rows)
    named = [own[row] or str(rules[row]) for row in range(rows)]
    return pa.table(
        {
            "position": pa.array(np.arange(first, first + rows), pa.int64()),
            "key": block.column("key"),
            "scope": block.column("scope"),
            "kind": pa.array(kinds.tolist(), pa.string()),
            "rule": pa.array(named, pa.string()),
            "warnings": pa.array([remarks.get(row, "") for row in range(rows)], pa.string()),
            "source": block.column("source"),
            "before": struct_from(values.before, rows),
            "after": struct_from(values.after, rows),
            "why": _why(block, computed, note),
        }
    ).cast(plain_schema(table, note))


def _chained(changes: pa.Table, chain: Callable[[dict[str, Any]], str]) -> pa.Table:
    """Return changes with what each builds on among its notes."""
    whys = changes.column("why").to_pylist()
    links = [str(chain(row)) for row in changes.to_pylist()]
    whys = [{**why, CHAIN: link} for why, link in zip(whys, links, strict=True)]
    field = changes.schema.field("why")
    place = changes.schema.get_field_index("why")
    return changes.set_column(place, field, pa.array(whys, field.type))


def _why(block: pa.Table, computed: pa.Table, note: pa.StructType) -> pa.StructArray:
    """Return what came along with a row: the detail, and its notes."""
    arrays = []
    for field in note:
        if field.name == "detail" and "detail" in computed.column_names:
            array = computed.column("detail").cast(pa.string())
        elif field.name not in ("detail", CHAIN) and "note" in block.column_names:
            array = field_of(block, "note", field.name)
        else:
            array = pa.nulls(block.num_rows, pa.string())
        arrays.append(in_one(array))
    return pa.StructArray.from_arrays(arrays, fields=list(note))
