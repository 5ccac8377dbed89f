"""Many rows whose keys lie close together are found by one walk along their stretch of the index.

Looking each of twenty thousand keys up alone costs the server twice the time, where hardly any
other row lies between them. Whether that is so, its planner is asked first.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import pyarrow as pa
import pyarrow.compute as pc
from psycopg import sql
from psycopg.pq import TransactionStatus

from backfill.rows.keys import KeyColumn
from backfill.server.postgres import Connection
from backfill.server.table import Table

#: Fewer rows are looked up one by one in no time.
LEAST_ROWS = 5_000
#: Walking over a row that is not ours costs a third of looking one of ours up.
MOST_WALKED = 2
_WHOLE_NUMBERS = ("int8", "int4", "int2")
#: Types whose texts, compared byte by byte, are in or near the order of the type's own index.
_AS_TEXT = ("text", "varchar", "uuid", "date")


#: Takes rows and a condition on `t`; returns what is told of some of them, by their place.
Look = Callable[[pa.Table, sql.Composable], dict[int, str | None]]


def look_together(
    connection: Connection, table: Table, rows: pa.Table, look: Look
) -> dict[int, str | None]:
    """Return what `look` tells of rows, having found them in the cheaper way.

    Whatever it tells of a row that was found along the stretch, it tells once more by the row's
    key alone: the order of the key's type may be another one than ours.
    """
    anywhere = sql.SQL("true")
    stretch = _dense_stretch(connection, table, rows.column("key"))
    if stretch is None:
        return look(rows, anywhere)
    with _walking(connection):
        suspects = [*look(rows, stretch)]
    if not suspects:
        return {}
    differing = look(rows.take(suspects), anywhere)
    return {suspects[place]: present for place, present in differing.items()}


def _dense_stretch(
    connection: Connection, table: Table, keys: pa.ChunkedArray
) -> sql.Composable | None:
    """Return the condition that a row `t` lies between the ends of the keys, or None.

    None where too few keys are asked for, a transaction is open, or the server expects too many
    other rows there.
    """
    is_idle = connection.info.transaction_status == TransactionStatus.IDLE
    if len(keys) < LEAST_ROWS or table.key.is_composite or not is_idle:
        return None
    column = table.key.columns[0]
    ends = _ends(column, keys)
    if ends is None:
        return None
    low, high = ([sql.Literal(end)] for end in ends)
    between = sql.SQL("{} AND {}").format(
        table.key.compared("t", ">=", low), table.key.compared("t", "<=", high)
    )
    query = sql.SQL("EXPLAIN (FORMAT JSON) SELECT FROM {} AS t WHERE {}")
    ((explained,),) = connection.execute(
        query.format(table.relation.identifier, between)
    ).fetchall()
    walked = explained[0]["Plan"]["Plan Rows"]
    return between if walked <= MOST_WALKED * len(keys) else None


def _ends(column: KeyColumn, keys: pa.ChunkedArray) -> tuple[str, str] | None:
    """Return the lowest and the highest key, None for a type whose order texts do not tell."""
    name = column.type_name.removeprefix("pg_catalog.").strip('"')
    if name not in (*_WHOLE_NUMBERS, *_AS_TEXT):
        return None
    ends = pc.min_max(keys.cast(pa.int64()) if name in _WHOLE_NUMBERS else keys).as_py()
    return str(ends["min"]), str(ends["max"])


@contextlib.contextmanager
def _walking(connection: Connection) -> Iterator[None]:
    """In one transaction, let the server bring a walk and the rows asked for together."""
    with connection.transaction():
        connection.execute("SELECT pg_catalog.set_config('enable_hashjoin', 'on', true)")
        yield
