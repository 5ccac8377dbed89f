"""Rows left alone on purpose: a closed set of reasons, and the record of one skip."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class SkipReason(StrEnum):
    """Why a row was left alone; the value is what is stored in `backfill.skip`."""

    MISSING_TIMEZONE = "missing_timezone"
    INVALID_TIMEZONE = "invalid_timezone"
    MISSING_WALL_TIME = "missing_wall_time"
    INVALID_TIMESTAMP = "invalid_timestamp"
    AMBIGUOUS_LOCAL_TIME = "ambiguous_local_time"
    NONEXISTENT_LOCAL_TIME = "nonexistent_local_time"
    END_BEFORE_START = "end_before_start"
    OFFSET_IN_TEXT = "offset_in_text"
    LEFT_BY_DECISION = "left_by_decision"
    DRIFTED = "drifted"
    DATABASE_ERROR = "database_error"
    VETOED = "vetoed"
    LOCKED = "locked"
    # Of values that somebody brings, whatever the task.
    MISSING_ROW = "missing_row"
    NO_VALUE = "no_value"
    ALREADY_FILLED = "already_filled"
    INVALID_VALUE = "invalid_value"
    # The OCR job's: a capture session that failed, or is held back for a person.
    SESSION_FAILED = "session_failed"
    STALE_SESSION = "stale_session"
    SUSPICIOUS_REMOVAL = "suspicious_removal"
    NEEDS_REVIEW = "needs_review"
    CONTRADICTING_IMAGES = "contradicting_images"


#: Rows that were to be written, and that the database did not write.
NOT_WRITTEN = frozenset({SkipReason.DATABASE_ERROR, SkipReason.VETOED, SkipReason.LOCKED})


class OwnReason(str):
    """A reason of a task that somebody else wrote."""

    __slots__ = ()

    @property
    def value(self) -> str:
        return str(self)


Reason = SkipReason | OwnReason


def reason_of(text: str) -> Reason:
    """Return the reason that a text names: one of ours, else a task's own."""
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
