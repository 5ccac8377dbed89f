"""Ask the server about many rows at once, and find those that it refuses by halving.

A statement that fails for one row fails whole: the rows are halved until the ones at fault stand
alone. Where none is at fault, that is one statement.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

import psycopg

T = TypeVar("T")

#: No row is to blame for these: the connection, a time limit, a right, a name that is not there.
_NOBODY_S_FAULT = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    psycopg.errors.InsufficientPrivilege,
    psycopg.errors.SyntaxErrorOrAccessRuleViolation,
)


def in_bulk(
    ask: Callable[[int, int], T],
    first: int,
    behind: int,
    refused: Callable[[int, str], None],
) -> Iterator[T]:
    """Yield what `ask(first, behind)` returns for stretches of rows, in order.

    Rows that the server refuses are left out, and told to `refused` with the server's words.
    """
    waiting = [(first, behind)]
    while waiting:
        low, high = waiting.pop()
        if low == high:
            continue
        try:
            answer = ask(low, high)
        except _NOBODY_S_FAULT:
            raise
        except psycopg.Error as error:
            if high - low == 1:
                refused(low, words_of(error))
                continue
            middle = (low + high) // 2
            waiting += [(middle, high), (low, middle)]
        else:
            yield answer


def words_of(error: psycopg.Error) -> str:
    """Return what the server said, in one line."""
    said = error.diag.message_primary or str(error).strip() or repr(error)
    return " ".join(said.split())
