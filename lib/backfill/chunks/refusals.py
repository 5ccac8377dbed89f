"""How many rows a run may leave because the database refuses them, before it stops as failed.

One row that a rule of the database forbids is left alone. An error of the class that says that
statement, table or role are wrong, for every row, or refusals of more than a share of the rows
mean that the plan does not fit the database: going on would only skip the rest.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

import psycopg

from backfill.errors import BackfillError, EveryRowRefused, TooManyRefused, first_line
from backfill.server.standby_wait import StandbyMissing

#: Rows that were tried before a share of them says something.
SHARE_OF_ROWS = 100
#: Rows one after the other, each refused because of what is wrong with more than a row.
_STRIKES = 3
#: Syntax error or access rule violation: undefined column, wrong type, missing right, …
_CLASS_42 = "42"
#: Where the server checks a single row against a policy, which is of class 42 as well.
_ROW_CHECK = "ExecWithCheckOptions"
#: Wrong with server or session, whatever the row.
_OF_THE_SERVER = (
    psycopg.errors.ReadOnlySqlTransaction,
    psycopg.errors.InsufficientResources,
    StandbyMissing,
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A row that the database refused, and what it said."""

    key: str
    error: Exception


def is_of_class_42(error: Exception) -> bool:
    """Whether the server says that a name, a type or a right is wrong."""
    return isinstance(error, psycopg.Error) and (error.sqlstate or "").startswith(_CLASS_42)


def is_hopeless(error: Exception) -> bool:
    """Whether an error is of the statement, the role or the server: no row would fare better.

    What a function of the user's raises (it has a context), or a policy checks, is of the row.
    """
    if isinstance(error, _OF_THE_SERVER):
        return True
    if not isinstance(error, psycopg.Error) or not is_of_class_42(error):
        return False
    return not error.diag.context and error.diag.source_function != _ROW_CHECK


@dataclass
class Refusals:
    """Counts what the workers of a process tried and what was refused; `most` is the share.

    Chunks of less than a hundred rows are judged together.
    """

    most: float
    _tried: int = 0
    _refused: int = 0
    _strikes: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def judge(self, chunk_no: int, tried: int, refused: Sequence[Refusal]) -> None:
        """Raise for a chunk that must not be committed; before the commit, so that it is not."""
        if not refused:
            return
        said = first_line(refused[0].error)
        with self._lock:
            of_class = sum(is_of_class_42(refusal.error) for refusal in refused)
            if of_class == tried and (tried > 1 or self._strikes + 1 >= _STRIKES):
                raise EveryRowRefused(
                    f"the server refused every row of chunk {chunk_no} for the same kind of "
                    f"reason: {said}"
                )
            rows, left = tried, len(refused)
            if tried < SHARE_OF_ROWS:
                rows, left = rows + self._tried, left + self._refused
            if rows >= SHARE_OF_ROWS and left > self.most * rows:
                raise _too_many(chunk_no, rows, left, self.most, said)

    def record(self, tried: int, refused: Sequence[Refusal] = ()) -> None:
        with self._lock:
            of_class = sum(is_of_class_42(refusal.error) for refusal in refused)
            self._strikes = self._strikes + 1 if tried and of_class == tried else 0
            self._tried += tried
            self._refused += len(refused)
            if self._tried >= SHARE_OF_ROWS:
                self._tried = self._refused = 0


def _too_many(chunk_no: int, rows: int, left: int, most: float, said: str) -> BackfillError:
    return TooManyRefused(
        f"the server refused {left:,} of {rows:,} rows up to chunk {chunk_no}, more than "
        f"--max-refused {most:g} allows; the first: {said}"
    )
