"""Read the pending rows of a table into staging: key ranges, short transactions, Arrow.

1. Note the highest key: rows inserted behind it later are not chased. 2. Find the key that is a
page further on (an index-only walk). 3. Read the pending rows between the two. 4. Go on from
there, while the caller stores the page before. Each statement is a transaction of its own, on a
connection that the server keeps read-only.
Keys compare in their own column's order, so the primary key's index serves the walk whatever its
collation; values of the walk travel as session settings, since COPY takes no parameters.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import KW_ONLY, dataclass
from typing import Any

import pyarrow as pa
from psycopg import sql

from backfill.errors import DatabaseUnreachable
from backfill.next_command import next_command
from backfill.rows.values import arrow_type, struct_type
from backfill.server.arrow_session import ArrowSession, open_arrow
from backfill.server.dsn import redact
from backfill.server.joins import join_clauses, looked_up_value
from backfill.server.pending import pending_filter
from backfill.server.postgres import mend_of_limit, unreachable
from backfill.server.table import Table

PAGE_ROWS = 100_000
#: Classes of errors of a connection, not of what was asked.
_CONNECTIONS = ("08", "57P", "28", "3D")

#: Where a row lies: the oid of its table or partition, and its `ctid` as page * 65536 + line.
HEAP_COLUMNS = ("heap_relation", "heap_place")
_HEAP_PLACE = (
    sql.SQL("t.tableoid::bigint"),
    sql.SQL("(t.ctid::text::point)[0]::bigint * 65536 + (t.ctid::text::point)[1]::bigint"),
)


def extracted_schema(table: Table, *, has_places: bool = False) -> pa.Schema:
    """Return the columns of `extracted`.

    key text · scope text (NULL where the column is NULL) · source struct: source columns, then
    values looked up · before struct: target columns. With `has_places` also
    heap_relation, heap_place int64: where the row lay when it was read.
    """
    fields = [
        pa.field("key", pa.string()),
        pa.field("scope", pa.string()),
        pa.field("source", struct_type(table.source_fields)),
        pa.field("before", struct_type(table.targets)),
    ]
    places = [pa.field(name, pa.int64()) for name in HEAP_COLUMNS]
    return pa.schema([*fields, *places] if has_places else fields)


def row_columns(table: Table) -> list[sql.Composable]:
    """Return what is selected of a row `t`: key, scope, sources, values looked up, targets."""
    scope: sql.Composable = sql.SQL("NULL::text")
    if table.scope is not None:
        scope = sql.SQL("t.{}::text").format(sql.Identifier(table.scope.name))
    return [
        table.key.text_expression("t"),
        scope,
        *(c.read(sql.Identifier("t", c.name)) for c in table.sources),
        *(looked_up_value(value) for value in table.looked_up),
        *(c.read(sql.Identifier("t", c.name)) for c in table.targets),
    ]


def shaped(
    table: Table, columns: Sequence[pa.ChunkedArray], *, has_places: bool = False
) -> pa.Table:
    """Return what `row_columns` selected, and places, in the columns of `extracted`."""
    arrays = [column.combine_chunks() for column in columns]
    places = [arrays.pop() for _ in HEAP_COLUMNS][::-1] if has_places else []
    key, scope, *values = arrays
    sources = table.source_fields
    count = len(sources)
    read = [
        array.cast(arrow_type(column.type))
        for array, column in zip(values, (*sources, *table.targets), strict=True)
    ]
    return pa.table(
        {
            "key": key.cast(pa.string()),
            "scope": scope.cast(pa.string()),
            "source": pa.StructArray.from_arrays(read[:count], [c.name for c in sources]),
            "before": pa.StructArray.from_arrays(read[count:], [c.name for c in table.targets]),
            **dict(zip(HEAP_COLUMNS, places, strict=False)),
        },
        schema=extracted_schema(table, has_places=has_places),
    )


@dataclass(frozen=True, slots=True)
class PendingRows:
    """The rows of a table, within a scope, that miss a value they could have. Read-only.

    With `has_filled` also those that have one.
    """

    dsn: str
    table: Table
    members: Sequence[str] | None
    _: KW_ONLY
    skip_deleted: bool
    has_places: bool = False
    has_filled: bool = False

    def pages(self, page_rows: int = PAGE_ROWS, expected: int | None = None) -> Iterator[pa.Table]:
        """Yield the pending rows page by page, pages in key order, rows of a page in any.

        The next page is read meanwhile. With no more than a page of rows `expected`, the server
        looks for them in its own way: walking the key of a large table takes longer than that.
        """
        with _in_our_words(self.dsn), open_arrow(self.dsn, self._settings) as session:
            is_small = expected is not None and expected <= page_rows
            for page in _ahead(self._walk(session, None if is_small else page_rows)):
                if page.num_rows:
                    yield page

    def keys(self) -> set[str]:
        """Return the keys of all these rows, by one statement that walks nothing. Read-only."""
        return set(self._asked(self.table.key.text_expression("t")).to_pylist())

    def count(self) -> int:
        """Return how many they are, by one statement that walks nothing. Read-only."""
        return int(self._asked(sql.SQL("pg_catalog.count(*)"))[0].as_py())

    def _asked(self, what: sql.Composable) -> pa.ChunkedArray:
        query = sql.SQL("SELECT {what} FROM {relation} AS t WHERE {filter}").format(
            what=what, relation=self.table.relation.identifier, filter=self._filter
        )
        with (
            _in_our_words(self.dsn),
            open_arrow(self.dsn, self._settings) as session,
            session.transaction() as cursor,
        ):
            cursor.execute(self._text(query))
            return cursor.fetch_arrow_table().column(0)

    @property
    def _settings(self) -> dict[str, str]:
        return {"backfill.members": json.dumps(self.members or [], ensure_ascii=False)}

    @property
    def _filter(self) -> sql.Composable:
        return pending_filter(
            self.table,
            self.members,
            skip_deleted=self.skip_deleted,
            has_filled=self.has_filled,
        )

    def _walk(self, session: ArrowSession, page_rows: int | None) -> Iterator[pa.Table]:
        """Yield page after page up to the highest key; all as one page without `page_rows`."""
        with session.transaction() as cursor:
            last = self._highest(cursor)
        low: list[str] | None = None
        while last is not None:
            with session.transaction():
                high = self._page_end(session, low, last, page_rows) if page_rows else None
                page = self._read(session, low, high or last)
            yield page
            if high is None:
                return
            low = high

    def _highest(self, cursor: Any) -> list[str] | None:
        return self._one_key(
            cursor,
            sql.SQL("SELECT {keys} FROM {relation} AS t ORDER BY {descending} LIMIT 1").format(
                keys=self.table.key.texts("t"),
                relation=self.table.relation.identifier,
                descending=self.table.key.descending("t"),
            ),
        )

    def _page_end(
        self, session: ArrowSession, low: list[str] | None, last: list[str], page_rows: int
    ) -> list[str] | None:
        """Return the key `page_rows` further on, None when the highest key is nearer."""
        self._set_bounds(session, low, last)
        # From a key on, over one page of the index: no OFFSET into the whole table.
        query = sql.SQL(
            "SELECT {keys} FROM {relation} AS t WHERE {above} AND {below}"
            " ORDER BY {identifiers} LIMIT 1 OFFSET {skipped}"
        ).format(
            keys=self.table.key.texts("t"),
            relation=self.table.relation.identifier,
            above=self._above(low),
            identifiers=self.table.key.identifiers("t"),
            below=self._bounded("<", "high"),
            skipped=sql.Literal(page_rows - 1),
        )
        return self._one_key(session.cursor, query)

    def _read(self, session: ArrowSession, low: list[str] | None, high: list[str]) -> pa.Table:
        self._set_bounds(session, low, high)
        session.cursor.execute(self._text(self._select(low)))
        rows = session.cursor.fetch_arrow_table()
        return shaped(self.table, rows.columns, has_places=self.has_places)

    def _select(self, low: list[str] | None) -> sql.Composed:
        table = self.table
        return sql.SQL(
            "SELECT {columns} FROM {relation} AS t{joins} WHERE {above} AND {below} AND {filter}"
        ).format(
            columns=sql.SQL(", ").join(
                [*row_columns(table), *(_HEAP_PLACE if self.has_places else ())]
            ),
            relation=table.relation.identifier,
            joins=join_clauses(table),
            above=self._above(low),
            below=self._bounded("<=", "high"),
            filter=self._filter,
        )

    def _set_bounds(self, session: ArrowSession, low: list[str] | None, high: list[str]) -> None:
        session.set(
            {
                f"backfill.{name}{index}": text
                for name, bound in (("low", low), ("high", high))
                for index, text in enumerate(bound or [])
            }
        )

    def _above(self, low: list[str] | None) -> sql.Composable:
        if low is None:
            return sql.SQL("true")
        return self._bounded(">", "low")

    def _bounded(self, operator: str, name: str) -> sql.Composable:
        texts = [
            sql.SQL("current_setting({})").format(sql.Literal(f"backfill.{name}{index}"))
            for index in range(len(self.table.key.columns))
        ]
        return self.table.key.compared("t", operator, texts)

    def _one_key(self, cursor: Any, query: sql.Composed) -> list[str] | None:
        cursor.execute(self._text(query))
        row = cursor.fetchone()
        return [str(part) for part in row] if row else None

    def _text(self, query: sql.Composable) -> str:
        return query.as_string(None)


def _ahead(pages: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """Yield pages, each read in a thread while the caller works on the one before it."""
    with ThreadPoolExecutor(1, thread_name_prefix="next-page") as reader:
        following = reader.submit(next, pages, None)
        while (page := following.result()) is not None:
            following = reader.submit(next, pages, None)
            yield page


@contextlib.contextmanager
def _in_our_words(dsn: str) -> Iterator[None]:
    # For it `status` and `check` need not wait.
    import adbc_driver_manager

    try:
        yield
    except adbc_driver_manager.Error as error:
        raise _translated(dsn, error) from None


def _translated(dsn: str, error: Any) -> Exception:
    """Return the driver's error in our words; a connection that is lost has no SQLSTATE."""
    text = redact(str(error), dsn)
    if (error.sqlstate or _CONNECTIONS[0]).startswith(_CONNECTIONS):
        return unreachable(dsn, error)
    mend = mend_of_limit(error.sqlstate)
    return DatabaseUnreachable(
        f"The server refused to read: {text.strip()}. {mend}{mend and '. '}"
        f"Run: {next_command('doctor')}"
    )
