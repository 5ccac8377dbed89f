"""Fit new values to their columns before the plan is frozen: what the server would refuse, it
refuses now.

Values go to the server in bulk and come back as it would store them, with its scale and precision.
What type, length, domain, NOT NULL or a CHECK of the table refuses is told row by row. Read-only:
nothing is written to ask.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.compute as pc
from psycopg import sql

from backfill.plans.held import STRICT, how_refused, is_whole
from backfill.plans.parts import Told, parts_of
from backfill.plans.table_checks import Check, checks_of
from backfill.rows.binary_array import pack_texts, register
from backfill.rows.others_texts import (
    TEXTS,
    WHOLE,
    are_untold,
    has_commas,
    how_untold,
    how_written,
    remarkable,
    wholes,
)
from backfill.rows.spelt import Spelt
from backfill.rows.texts import array_texts, texts_of
from backfill.rows.values import places_of
from backfill.server.catalog_columns import CatalogColumn
from backfill.server.in_bulk import in_bulk, rows_of
from backfill.server.postgres import Connection
from backfill.server.table import Table

#: Types whose lists are spelt as JSON: pgvector's, and texts, as dicts are there.
_LISTS_AS_JSON = ("vector", "halfvec", *TEXTS)
#: A function of the server takes no more than a hundred arguments.
_MOST_PAIRS = 50


def column_texts(values: pa.Array | pa.ChunkedArray, column: CatalogColumn) -> pa.Array:
    """Return values as texts for their column: JSON, bytes, arrays and whole numbers as it has
    them."""
    as_json = column.is_json or column.kind in _LISTS_AS_JSON
    texts = texts_of(values, as_json=as_json, as_bytes=column.kind)
    if column.kind in WHOLE:
        return wholes(texts)
    return array_texts(texts) if column.kind.startswith("_") else texts


@dataclass(slots=True)
class Fitted:
    """Values as the server stores them, by column; refused rows with column and the server's
    words; what a person should know of a row's value, and which rows' lost something on the way."""

    values: dict[str, pa.Array]
    refused: dict[int, tuple[str, str]] = field(default_factory=dict)
    remarks: dict[int, str] = field(default_factory=dict)
    lost: set[int] = field(default_factory=set)

    def remark(self, row: int, text: str) -> None:
        """Say something of a row, behind what is said already."""
        self.remarks[row] = "; ".join(filter(None, (self.remarks.get(row), text)))


class Fitting:
    """Asks about the values of one table's targets."""

    def __init__(
        self,
        connection: Connection,
        table: Table,
        columns: Mapping[str, CatalogColumn],
        *,
        is_part: bool = False,
    ) -> None:
        """`is_part`: the columns are of the types of what lies within those of the table."""
        register(connection)
        self._connection = connection
        self._table = table
        self._columns = [columns[column.name] for column in table.targets]
        self.unchecked: list[str] = []  # constraints that could not be asked about
        with_parts = () if is_part else self._columns
        self._parts = parts_of(connection, table.relation, with_parts, self._fit_part)
        checks = () if is_part else checks_of(connection, table)
        self._checks = [check for check in checks if self._can_ask(check)]
        self._known: dict[str, dict[str, str]] = {column.name: {} for column in self._columns}

    def _can_ask(self, check: Check) -> bool:
        """Whether this role can evaluate the constraint; else the rows themselves will tell."""
        try:
            self._connection.execute(self._query([check]), self._parameters(_NO_ROWS, 0, 0))
        except psycopg.Error:
            self.unchecked.append(check.name)
            return False
        return True

    def fit(self, keys: Sequence[pa.Array], values: Mapping[str, pa.Array]) -> Fitted:
        """Return the values of some rows as the server would store them.

        `keys` are the texts of each key column, `values` texts by target.
        """
        fitted = Fitted(dict(values))
        rows = len(keys[0])
        self._look_for_nulls(fitted)
        self._look_for_untold_dates(fitted)
        self._look_for_known(fitted)
        asked = [row for row in range(rows) if row not in fitted.refused]
        if not asked:
            return fitted
        chosen = pa.array(asked, pa.int64())
        batch = _Rows(
            [part.take(chosen) for part in keys],
            [values[column.name].take(chosen) for column in self._columns],
        )
        stored: dict[int, Sequence[Any]] = {}

        def ask(low: int, high: int) -> list[Sequence[Any]]:
            parameters = self._parameters(batch, low, high)
            stored_rows = rows_of(self._connection, self._query(self._checks), parameters)
            return [(low + row[0], *row[1:]) for row in stored_rows]

        refused: dict[int, str] = {}
        for answer in in_bulk(ask, len(asked), refused.__setitem__):
            stored |= {row[0]: row[1:] for row in answer}
        for place, words in refused.items():
            fitted.refused[asked[place]] = self._blamed(batch, place, words)
        self._take(fitted, asked, stored, batch)
        self._remark_readings(fitted, batch, asked)
        for column, texts in zip(self._columns, batch.values, strict=True):
            if (parts := self._parts.get(column.name)) is not None:
                refused_parts, remarks = parts.told(texts)
                for place, words in refused_parts.items():
                    fitted.refused.setdefault(asked[place], (column.name, words))
                for place, words in remarks.items():
                    fitted.remark(asked[place], words)
        return fitted

    def _fit_part(self, part: CatalogColumn, texts: pa.Array) -> Told:
        refused, fitted = fit_part(self._connection, self._table, part, texts)
        return refused, fitted.remarks

    def _look_for_nulls(self, fitted: Fitted) -> None:
        for column in self._columns:
            values = fitted.values[column.name]
            if column.is_not_null and values.null_count:
                words = (
                    f'null value in column "{column.name}" of relation '
                    f'"{self._table.relation.name}" violates not-null constraint'
                )
                for row in places_of(values.is_null()):
                    fitted.refused.setdefault(row, (column.name, words))
            for row in places_of(pc.match_substring(values, "\0").fill_null(fill_value=False)):
                words = (
                    'invalid byte sequence for encoding "UTF8": 0x00, or what is no UTF-8: bytes,'
                    " or half of a pair of surrogates"
                )
                fitted.refused.setdefault(row, (column.name, words))

    def _look_for_untold_dates(self, fitted: Fitted) -> None:
        for column in (column for column in self._columns if column.name not in self._parts):
            values = fitted.values[column.name]
            for row in are_untold(values, column.kind):
                fitted.refused.setdefault(row, (column.name, how_untold(values[row].as_py())))
            for row in has_commas(values, column.kind):
                words = how_written(column.kind, values[row].as_py()).removeprefix("; ")
                fitted.refused.setdefault(row, (column.name, words))

    def _look_for_known(self, fitted: Fitted) -> None:
        """A value that was refused once is refused again: many rows hold the same one."""
        for column in self._columns:
            refused = self._known[column.name]
            if not refused:
                continue
            values = fitted.values[column.name]
            again = pc.is_in(values, value_set=pa.array(list(refused), pa.string()))
            for row in places_of(again):
                fitted.refused.setdefault(row, (column.name, refused[values[row].as_py()]))

    def _blamed(self, batch: _Rows, place: int, words: str) -> tuple[str, str]:
        """Return the column that a refused row is to be blamed on, and the server's words."""
        for index, column in enumerate(self._columns):
            alone = [pa.nulls(1, pa.string()) for _ in self._columns]
            alone[index] = batch.values[index].slice(place, 1)
            said: dict[int, str] = {}
            query = self._query([], only=index)
            parameters = self._parameters(_Rows([], alone), 0, 1)
            ask = partial(rows_of, self._connection, query, parameters)
            list(in_bulk(lambda *_rows, ask=ask: ask(), 1, said.__setitem__))
            if said:
                value = alone[index][0].as_py()
                words = said[0]
                if value is not None:
                    words += how_written(column.kind, value)
                    self._known[column.name][value] = words
                return column.name, words
        return self._columns[0].name, words

    def _take(
        self,
        fitted: Fitted,
        asked: Sequence[int],
        stored: Mapping[int, Sequence[Any]],
        batch: _Rows,
    ) -> None:
        """Put in what the server would store where that differs, and name failing checks."""
        changed: dict[str, dict[int, str | None]] = {column.name: {} for column in self._columns}
        for place, (failed, *parts) in stored.items():
            row = asked[place]
            if failed is not None:
                fitted.refused[row] = self._check_words(self._checks[int(failed)])
                continue
            for index, column in enumerate(self._columns):
                text, is_same = parts[2 * index], parts[2 * index + 1]
                changed[column.name][row] = text
                if is_same is False:
                    fitted.lost.add(row)
                    was = batch.values[index][place].as_py()
                    if words := how_refused(column, was, str(text)):
                        fitted.refused.setdefault(row, (column.name, words))
                    fitted.remark(row, f"{column.name}: {was!r} is stored as {text!r}")
        for name, texts in changed.items():
            if texts:
                fitted.values[name] = _replaced(fitted.values[name], texts)

    def _remark_readings(self, fitted: Fitted, batch: _Rows, asked: Sequence[int]) -> None:
        for column, values in zip(self._columns, batch.values, strict=True):
            for found, says in remarkable(values, column.kind):
                for place in places_of(found):
                    fitted.remark(asked[place], f"{column.name}: {values[place].as_py()!r} {says}")

    def _check_words(self, check: Check) -> tuple[str, str]:
        target = next(column.name for column in self._columns if column.name in check.columns)
        words = f'new row for relation "{check.relation}" violates check constraint "{check.name}"'
        return target, words

    def _parameters(self, batch: _Rows, low: int, high: int) -> dict[str, Any]:
        keys = len(self._table.key.columns) if batch is _NO_ROWS else len(batch.keys)
        names = [*(f"k{i}" for i in range(keys)), *(f"a{i}" for i in range(len(self._columns)))]
        columns = [*batch.keys, *batch.values] or [_EMPTY] * len(names)
        return {
            name: pack_texts(column.slice(low, high - low)).whole
            for name, column in zip(names, columns, strict=True)
        }

    def _query(self, checks: Sequence[Check], only: int | None = None) -> sql.Composed:
        """Return the statement; its rows: ord, failed check, then text and is-same by target.

        Only rows of which something is to be told come back.
        """
        numbers = range(len(self._columns)) if only is None else [only]
        keys = [] if only is not None else range(len(self._table.key.columns))
        names = [*(f"k{i}" for i in keys), *(f"a{i}" for i in range(len(self._columns)))]
        stored = [self._stored(index) for index in numbers]
        read = [self._columns[i].as_text().read(v) for i, v in zip(numbers, stored, strict=True)]
        same = [self._same(i, v) for i, v in zip(numbers, stored, strict=True)]
        values = [sql.SQL("{}, {}").format(*pair) for pair in zip(read, same, strict=True)]
        # Of some types, what is no value may have its text all the same.
        news = [
            sql.SQL("{} IS DISTINCT FROM v.{}{}").format(
                text,
                sql.Identifier(f"a{i}"),
                sql.SQL(" OR NOT {}").format(is_same)
                if self._columns[i].kind in ("json", *STRICT)
                else sql.SQL(""),
            )
            for i, text, is_same in zip(numbers, read, same, strict=True)
        ]
        failed, joined = self._checked(checks, stored)
        return sql.SQL(
            "SELECT (v.ord - 1)::int, {failed}, {values}"
            " FROM unnest({arrays}) WITH ORDINALITY AS v({names}, ord){records}{joined}"
            " WHERE ({failed} IS NOT NULL OR {news})"
        ).format(
            failed=failed,
            values=sql.SQL(", ").join(values),
            arrays=sql.SQL(", ").join(
                sql.SQL("{}::text[]").format(sql.Placeholder(name)) for name in names
            ),
            names=sql.SQL(", ").join(sql.Identifier(name) for name in names),
            records=self._records(numbers),
            joined=joined,
            news=sql.SQL(" OR ").join(news),
        )

    def _stored(self, index: int) -> sql.Composable:
        """Return the SQL for a value as its column would hold it."""
        column = self._columns[index]
        if column.is_plain_text:
            return sql.SQL("v.{}").format(sql.Identifier(f"a{index}"))
        if column.is_json:
            kind = Spelt(column.declared)
            return sql.SQL("v.{}::{}").format(sql.Identifier(f"a{index}"), kind)
        return sql.SQL("n.{}").format(sql.Identifier(f"a{index}"))

    def _records(self, numbers: Sequence[int] | range) -> sql.Composable:
        """Return the join by which types' own input reads the values, with their modifiers.

        A cast would cut off what is too long; the input of a type refuses it, as an UPDATE does.
        """
        columns = {i: self._columns[i] for i in numbers}
        own = [i for i, c in columns.items() if not (c.is_plain_text or c.is_json)]
        if not own:
            return sql.SQL("")
        pairs = [
            sql.SQL("{}::text, v.{}").format(sql.Literal(f"a{i}"), sql.Identifier(f"a{i}"))
            for i in own
        ]
        objects = sql.SQL(" || ").join(
            sql.SQL("jsonb_build_object({})").format(
                sql.SQL(", ").join(pairs[first : first + _MOST_PAIRS])
            )
            for first in range(0, len(pairs), _MOST_PAIRS)
        )
        kinds = sql.SQL(", ").join(
            sql.SQL("{} {}").format(sql.Identifier(f"a{i}"), sql.SQL(self._columns[i].declared))
            for i in own
        )
        return sql.SQL(" CROSS JOIN LATERAL jsonb_to_record({}) AS n({})").format(objects, kinds)

    def _same(self, index: int, stored: sql.Composable) -> sql.Composable:
        """Return the SQL for whether the column holds all of the value: false where it rounds."""
        column = self._columns[index]
        if column.name in self._parts:  # each of them is asked about by itself
            return sql.SQL("true")
        return is_whole(column, sql.SQL("v.{}").format(sql.Identifier(f"a{index}")), stored)

    def _checked(
        self, checks: Sequence[Check], stored: Sequence[sql.Composable]
    ) -> tuple[sql.Composable, sql.Composable]:
        """Return the SQL for the first check that fails, and the joins that it needs."""
        if not checks:
            return sql.SQL("NULL::text"), sql.SQL("")
        targets = {column.name: value for column, value in zip(self._columns, stored, strict=True)}
        others = sorted({name for check in checks for name in check.columns} - set(targets))
        in_parts = any(check.part for check in checks)
        row = sql.SQL(", ").join(
            [
                *(sql.SQL("{} AS {}").format(v, sql.Identifier(n)) for n, v in targets.items()),
                *(sql.SQL("t.{n} AS {n}").format(n=sql.Identifier(name)) for name in others),
                *([sql.SQL("t.tableoid AS tableoid")] if in_parts else []),
            ]
        )
        cases = sql.SQL(" ").join(
            sql.SQL("WHEN {}({}) IS FALSE THEN {}::text").format(
                sql.SQL(f"tableoid = {check.part} AND " if check.part else ""),
                sql.SQL(check.condition.replace("%", "%%")),
                sql.Literal(str(number)),
            )
            for number, check in enumerate(checks)
        )
        join: sql.Composable = sql.SQL("")
        if others or in_parts:
            places = [sql.Identifier("v", f"k{i}") for i in range(len(self._table.key.columns))]
            join = sql.SQL(" LEFT JOIN {} AS t ON {}").format(
                self._table.relation.identifier, self._table.key.equals("t", places)
            )
        how = sql.SQL(
            " CROSS JOIN LATERAL (SELECT CASE {} END AS failed FROM (SELECT {}) AS {}) AS c"
        ).format(cases, row, sql.Identifier(self._table.relation.name))
        return sql.SQL("c.failed"), sql.Composed([join, how])


@dataclass(frozen=True, slots=True)
class _Rows:
    """Texts of the rows to ask about: by key column, and by target."""

    keys: list[pa.Array]
    values: list[pa.Array]


_EMPTY = pa.array([], pa.string())
_NO_ROWS = _Rows([], [])


def fit_part(
    connection: Connection, table: Table, part: CatalogColumn, texts: pa.Array
) -> tuple[dict[int, str], Fitted]:
    """Fit texts to the type of what lies within a column; return which are refused, too."""
    alone = replace(table, targets=(part.as_text(),))
    no_keys = [pa.nulls(len(texts), pa.string()) for _ in table.key.columns]
    fitting = Fitting(connection, alone, {part.name: part}, is_part=True)
    fitted = fitting.fit(no_keys, {part.name: texts})
    return {row: words for row, (_name, words) in fitted.refused.items()}, fitted


def _replaced(values: pa.Array, texts: Mapping[int, str | None]) -> pa.Array:
    mask = [False] * len(values)
    for row in texts:
        mask[row] = True
    new = pa.array([texts[row] for row in sorted(texts)], pa.string())
    return pc.replace_with_mask(values, pa.array(mask), new)
