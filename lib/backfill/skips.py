"""Rows left alone on purpose: the engine's reasons beside a job's own, and the record of a skip."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class SkipReason(StrEnum):
    """Why a row of any job was left alone; the value is what is stored in `backfill.skip`."""

    DRIFTED = "drifted"
    DATABASE_ERROR = "database_error"
    VETOED = "vetoed"
    LOCKED = "locked"
    # Of values that somebody brings, whatever the task.
    MISSING_ROW = "missing_row"
    NO_VALUE = "no_value"
    ALREADY_FILLED = "already_filled"
    INVALID_VALUE = "invalid_value"


#: Rows that were to be written, and that the database did not write.
NOT_WRITTEN = frozenset({SkipReason.DATABASE_ERROR, SkipReason.VETOED, SkipReason.LOCKED})


class OwnReason(str):
    """A reason of a job's own, as it is read back, or as a task of somebody else's tells it."""

    __slots__ = ()

    @property
    def value(self) -> str:
        return str(self)


Reason = StrEnum | OwnReason  # of the engine's and a job's own set, or as a text


def reason_of(text: str) -> Reason:
    """Return the reason that a text names: the engine's, else a job's own."""
    try:
        return SkipReason(text)
    except ValueError:
        return OwnReason(text)


@dataclass(frozen=True, slots=True)
class Skip:
    """One row left alone.

    `key` is the plain text of the row's key, `column` the column that could not be computed
    (empty when the whole row is meant), `detail` says what stood there.
    """

    key: str
    scope: str
    column: str
    reason: Reason
    detail: str

    @classmethod
    def of(cls, key: str, scope: str, column: str, reason: str, detail: str) -> Skip:
        """Return the skip that such texts tell of."""
        return cls(key, scope, column, reason_of(reason), detail)

    def texts(self) -> tuple[str, ...]:
        """Return it as files and tables have it, in the order of `SKIP_FIELDS`."""
        return self.key, self.scope, self.column, self.reason.value, self.detail


SKIP_FIELDS = tuple(Skip.__dataclass_fields__)
