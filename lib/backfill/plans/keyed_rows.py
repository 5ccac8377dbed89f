"""Rows of any table as a plan needs them: by keys that somebody brings, or by a condition.

Columns of what is read, all values as the server's own text:
    key      text of the row's key; of a row that is not there, the key as it was given
    scope    text, the table
    source   struct of the source columns as they are now
    before   struct of the target columns as they are now
    skip     text, why the row can get no value: missing_row, drifted; else NULL
    detail   text, more about it
Read-only; each statement is a transaction of its own.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from psycopg import sql

from backfill.errors import UsageError
from backfill.plans.fitting import fit_part
from backfill.plans.held import is_meant
from backfill.plans.parts import Told, parts_of
from backfill.rows.binary_array import pack_texts, register
from backfill.rows.spelt import condition
from backfill.server.catalog_columns import CatalogColumn, lack_equality
from backfill.server.in_bulk import in_bulk
from backfill.server.plain_table import columns_sql
from backfill.server.postgres import Connection, find_rows_by_key
from backfill.server.session import on_own_path
from backfill.server.table import Table
from backfill.skips import SkipReason

PAGE_ROWS = 20_000
SHOWN_KEYS = 5
NO_COLUMN = "none"  # the field of a struct that would have none


def rows_schema(table: Table) -> pa.Schema:
    """Return the columns that this module reads."""
    return pa.schema(
        [
            pa.field("key", pa.string()),
            pa.field("scope", pa.string()),
            pa.field("source", struct_of(column.name for column in table.sources)),
            pa.field("before", struct_of(column.name for column in table.targets)),
            pa.field("skip", pa.string()),
            pa.field("detail", pa.string()),
        ]
    )


def struct_of(names: Any) -> pa.StructType:
    """Return the type of a struct of texts; one without a field can not be kept in a file."""
    fields = [pa.field(name, pa.string()) for name in names]
    return pa.struct(fields or [pa.field(NO_COLUMN, pa.string())])


def struct_from(columns: Mapping[str, pa.Array], rows: int) -> pa.StructArray:
    """Return columns of texts as one struct."""
    kind = struct_of(columns)
    arrays = list(columns.values()) or [pa.nulls(rows, pa.string())]
    return pa.StructArray.from_arrays(arrays, fields=list(kind))


def rows_where(
    connection: Connection, table: Table, where: str = "", page_rows: int = PAGE_ROWS
) -> Iterator[pa.Table]:
    """Yield the rows that fulfil a condition in SQL (empty: all), a page at a time, by key.

    In the condition the table's columns go by their names, or by `table.column`.
    """
    name = table.relation.name
    keys = [sql.Identifier(name, column.name) for column in table.key.columns]
    select = sql.SQL(
        "SELECT {key}, {columns}, {walked} FROM {relation} AS {alias} WHERE {above} AND {where}"
        " ORDER BY {keys} LIMIT {rows}"
    )
    low: Sequence[str] = ()
    while True:
        above: sql.Composable = sql.SQL("true")
        if low:
            texts = [sql.Placeholder(f"k{index}") for index in range(len(low))]
            above = table.key.compared(name, ">", texts)
        query = select.format(
            key=table.key.text_expression(name),
            columns=columns_sql(name, (*table.sources, *table.targets)),
            walked=sql.SQL(", ").join(sql.SQL("{}::text").format(key) for key in keys),
            relation=table.relation.identifier,
            alias=sql.Identifier(name),
            above=above,
            where=condition(where or "true"),
            keys=sql.SQL(", ").join(keys),
            rows=sql.Literal(page_rows),
        )
        with connection.transaction(), on_own_path(connection):
            rows = connection.execute(
                query, {f"k{i}": text for i, text in enumerate(low)}
            ).fetchall()
        if rows:
            key_texts, *columns = zip(*rows, strict=True)
            yield _shaped(table, key_texts, columns[: -len(keys)])
        if len(rows) < page_rows:
            return
        low = rows[-1][-len(keys) :]


def _shaped(
    table: Table,
    keys: Sequence[Any],
    values: Sequence[Sequence[Any]],
    skips: Sequence[str | None] = (),
    details: Sequence[str | None] = (),
) -> pa.Table:
    """Return rows as this module reads them; `values` are sources and targets, by column."""
    rows, count = len(keys), len(table.sources)
    names = [column.name for column in (*table.sources, *table.targets)]
    arrays = [
        (name, pa.array(column, pa.string())) for name, column in zip(names, values, strict=True)
    ]
    columns = {
        "key": keys,
        "scope": [str(table.relation)] * rows,
        "source": struct_from(dict(arrays[:count]), rows),
        "before": struct_from(dict(arrays[count:]), rows),
        "skip": skips or [None] * rows,
        "detail": details or [None] * rows,
    }
    return pa.table(columns, schema=rows_schema(table))


@dataclass(frozen=True, slots=True)
class Match:
    """How rows are found: by which columns, and which values that came along must be equal."""

    keys: tuple[CatalogColumn, ...]
    sources: tuple[CatalogColumn, ...] = ()


class KeyedRows:
    """Finds the rows that keys name; the same rows in the same order, also where there is none."""

    def __init__(self, connection: Connection, table: Table, match: Match) -> None:
        register(connection)
        self._connection = connection
        self._table = table
        self._match = match
        columns = (*match.keys, *match.sources)
        self._by_text = lack_equality(connection, columns)
        self._parts = parts_of(connection, table.relation, columns, self._fit_part)
        if {column.name for column in match.keys} == {c.name for c in table.key.columns}:
            find_rows_by_key(connection)  # else each page of keys walks the whole table

    def read(self, given: Mapping[str, pa.Array]) -> pa.Table:
        """Return the rows of some keys; `given` holds texts by column: keys and sources.

        Raises `UsageError` when a key finds several rows of the table.
        """
        rows = len(next(iter(given.values())))
        matches: list[Sequence[Any]] = []
        refused: dict[int, str] = {}

        def ask(low: int, high: int) -> list[Sequence[Any]]:
            answer = self._ask(given, low, high, self._match.sources)
            return answer if not low else [(low + row[0], *row[1:]) for row in answer]

        for answer in in_bulk(ask, rows, refused.__setitem__):
            matches += answer
        if len(matches) + len(refused) > rows:
            counts = Counter(row[0] for row in matches)
            self._refuse(given, [row for row, times in counts.items() if times > 1])
        if refused:
            by_row = {row[0]: row for row in (*matches, *self._found_by_key(given, refused))}
            width = 4 + len(self._table.sources) + len(self._table.targets)
            matches = [by_row.get(row, _nothing(row, width)) for row in range(rows)]
        if self._parts:
            self._leave_unlike(given, matches, refused)
        return self._judged(given, matches, refused)

    def _leave_unlike(
        self,
        given: Mapping[str, pa.Array],
        matches: list[Sequence[Any]],
        refused: dict[int, str],
    ) -> None:
        """Unmatch rows found by a value of which the type does not keep all that lies within."""
        sources = [source.name for source in self._match.sources]
        for name, parts in self._parts.items():
            told, _remarks = parts.told(given[name])
            for row in told:
                found = matches[row]
                if name not in sources:
                    refused[row], matches[row] = told[row], _nothing(row, len(found))
                elif found[2] and found[3] is None:
                    matches[row] = (*found[:3], sources.index(name), *found[4:])

    def _fit_part(self, part: CatalogColumn, texts: pa.Array) -> Told:
        refused, fitted = fit_part(self._connection, self._table, part, texts)
        is_float = part.kind.startswith("float")  # that is the nearest one, as by itself
        lost = {} if is_float else {row: fitted.remarks[row] for row in fitted.lost}
        return lost | refused, {}

    def _found_by_key(
        self, given: Mapping[str, pa.Array], refused: Mapping[int, str]
    ) -> Iterator[Sequence[Any]]:
        """Yield the rows that are there, but for which a source was given that its column can not
        hold: that one differs."""
        for row in refused if self._match.sources else ():
            for _ord, key, there, _differing, *values in self._tried(given, row, ()) or ():
                bad = (
                    place
                    for place, source in enumerate(self._match.sources)
                    if self._tried(given, row, (source,)) is None
                )
                yield (row, key, there, next(bad, 0) if there else None, *values)

    def _tried(
        self, given: Mapping[str, pa.Array], row: int, sources: tuple[CatalogColumn, ...]
    ) -> list[Sequence[Any]] | None:
        """Return what `_ask` finds for one row, None where the server refuses it."""
        answers = in_bulk(
            lambda _low, _high: self._ask(given, row, row + 1, sources),
            1,
            lambda _row, _words: None,
        )
        return next(answers, None)

    def _ask(
        self,
        given: Mapping[str, pa.Array],
        low: int,
        high: int,
        sources: tuple[CatalogColumn, ...],
    ) -> list[Sequence[Any]]:
        names = [column.name for column in (*self._match.keys, *sources)]
        parameters = {
            f"p{index}": pack_texts(given[name].slice(low, high - low)).whole
            for index, name in enumerate(names)
        }
        places = [sql.SQL("v.") + sql.Identifier(f"p{index}") for index in range(len(names))]
        keys = len(self._match.keys)
        query = sql.SQL(
            "SELECT (v.ord - 1)::int, {key}, {there}, {differing}, {columns}"
            " FROM unnest({arrays}) WITH ORDINALITY AS v({names}, ord)"
            " LEFT JOIN {relation} AS t ON {join} ORDER BY v.ord"
        ).format(
            key=self._table.key.text_expression("t"),
            # A composite with a NULL in it is neither NULL nor NOT NULL.
            there=sql.SQL("t.{} IS DISTINCT FROM NULL").format(
                sql.Identifier(self._table.key.columns[0].name)
            ),
            differing=self._differing(sources, places[keys:]),
            columns=columns_sql("t", (*self._table.sources, *self._table.targets)),
            arrays=sql.SQL(", ").join(
                sql.SQL("{}::text[]").format(sql.Placeholder(name)) for name in parameters
            ),
            names=sql.SQL(", ").join(sql.Identifier(name) for name in parameters),
            relation=self._table.relation.identifier,
            join=sql.SQL(" AND ").join(self._meant(places[:keys])),
        )
        answer: list[Sequence[Any]] = list(self._connection.execute(query, parameters))
        return answer

    def _meant(self, places: Sequence[sql.Composable]) -> Iterator[sql.Composable]:
        """Yield the conditions under which a row is the one that a key names."""
        for column, place in zip(self._match.keys, places, strict=True):
            if column.kind == "json" or column.name in self._by_text:  # else, its index may be used
                yield sql.SQL("NOT {}").format(self._differs(column, place))
                continue
            yield column.as_key().equals("t", place)
            if (same := is_meant(column, place, column.sql_type.cast(place))) is not None:
                yield same

    def _differing(
        self, sources: tuple[CatalogColumn, ...], places: Sequence[sql.Composable]
    ) -> sql.Composable:
        """Return the SQL for the first source that is not as it was given, None for none."""
        if not places:
            return sql.SQL("NULL::int")
        cases = sql.SQL(" ").join(
            sql.SQL("WHEN {} OR NOT {} THEN {}").format(
                self._differs(column, place),
                is_meant(column, place, column.sql_type.cast(place)) or sql.SQL("true"),
                sql.Literal(index),
            )
            for index, (column, place) in enumerate(zip(sources, places, strict=True))
        )
        return sql.SQL("CASE {} END").format(cases)

    def _differs(self, column: CatalogColumn, place: sql.Composable) -> sql.Composable:
        differs = column.differs("t", place, by_text=column.name in self._by_text)
        return sql.SQL("({})").format(differs)

    def _judged(
        self,
        given: Mapping[str, pa.Array],
        matches: Sequence[Sequence[Any]],
        refused: Mapping[int, str],
    ) -> pa.Table:
        rows = len(matches)
        _ords, texts, there, differing, *values = zip(*matches, strict=True)
        keys: list[Any] = list(texts)
        skips: list[Any] = [None] * rows
        details: list[Any] = [None] * rows
        asked = [] if all(there) else self._given_keys(given)
        for row in (row for row in range(rows) if not there[row]):
            keys[row], skips[row] = asked[row], SkipReason.MISSING_ROW.value
            details[row] = refused.get(row, "")
        sources = [column.name for column in self._table.sources]
        for row in (row for row in range(rows) if there[row] and differing[row] is not None):
            name = self._match.sources[differing[row]].name
            skips[row] = SkipReason.DRIFTED.value
            was, now = given[name][row].as_py(), values[sources.index(name)][row]
            details[row] = f"{name} was {_shown(was)}, now it is {_shown(now)}"
        return _shaped(self._table, keys, values, skips, details)

    def _given_keys(self, given: Mapping[str, pa.Array]) -> list[str]:
        parts = [given[column.name].to_pylist() for column in self._match.keys]
        if len(parts) == 1:
            return [str(part) for part in parts[0]]
        return [json.dumps(row, ensure_ascii=False) for row in zip(*parts, strict=True)]

    def _refuse(self, given: Mapping[str, pa.Array], rows: Sequence[int]) -> None:
        keys = self._given_keys(given)
        named = list(dict.fromkeys(keys[row] for row in rows))
        listed = ", ".join(column.name for column in self._match.keys)
        raise UsageError(
            f"The key ({listed}) is not unique in {self._table.relation}: {first_keys(named)}. "
            "Name columns that tell its rows apart with --key."
        )


def _nothing(row: int, width: int) -> Sequence[Any]:
    """Return what is found of a key that the table lacks."""
    return (row, None, False, *[None] * (width - 3))


def first_keys(keys: Sequence[str]) -> str:
    """Return the first five of some keys, as a message names them."""
    rest = f" and {len(keys) - SHOWN_KEYS:,} more" if len(keys) > SHOWN_KEYS else ""
    return ", ".join(map(repr, keys[:SHOWN_KEYS])) + rest


def _shown(text: str | None) -> str:
    return "NULL" if text is None else repr(text)
