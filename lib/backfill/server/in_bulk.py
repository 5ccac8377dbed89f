"""Ask the server about many rows at once, and find those that it refuses by halving.

A statement that fails for one row fails whole: the rows are halved until the ones at fault stand
alone. Where none is at fault, that is one statement.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import psycopg
from psycopg import sql

from backfill.errors import NamesNotFound
from backfill.server.postgres import Connection
from backfill.server.session import on_own_path

T = TypeVar("T")

#: No row is to blame for these: the connection, a time limit, a right, a name that is not there.
_NOBODY_S_FAULT = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    psycopg.errors.InsufficientPrivilege,
    psycopg.errors.SyntaxErrorOrAccessRuleViolation,
)
#: SQLSTATEs among the operational errors that a value or a row's trigger may bring about: too long
#: for an index or a tsvector, a stack too deep, a row changed under its own update; and whatever
#: functions in other languages raise.
_OF_A_ROW = ("54000", "54001", "27", "2F", "38", "39")


def may_be_of_a_row(error: BaseException) -> bool:
    """Whether an operational error is one that another row need not meet."""
    return isinstance(error, psycopg.Error) and (error.sqlstate or "").startswith(_OF_A_ROW)


def in_bulk(
    ask: Callable[[int, int], T],
    rows: int,
    refused: Callable[[int, str], None],
) -> Iterator[T]:
    """Yield what `ask(first, behind)` returns for stretches of so many rows, in order.

    Rows that the server refuses are left out, and told to `refused` with the server's words.
    """
    waiting = [(0, rows)]
    while waiting:
        low, high = waiting.pop()
        if low == high:
            continue
        try:
            answer = ask(low, high)
        except psycopg.Error as error:
            if isinstance(error, _NOBODY_S_FAULT) and not may_be_of_a_row(error):
                raise
            if high - low == 1:
                refused(low, words_of(error))
                continue
            middle = (low + high) // 2
            waiting += [(middle, high), (low, middle)]
        else:
            yield answer


def words_of(error: psycopg.Error) -> str:
    said = error.diag.message_primary or str(error).strip() or repr(error)
    return " ".join(said.split())


def rows_of(
    connection: Connection, query: sql.Composed, parameters: dict[str, Any]
) -> list[Sequence[Any]]:
    """Return what a query gives in which the user's own functions are called, as by a CHECK.

    Where they find names by the search_path, that is the role's own, as when rows are written.
    """
    try:
        return list(connection.execute(query, parameters))
    except NamesNotFound:
        with connection.transaction(), on_own_path(connection):
            return list(connection.execute(query, parameters))
