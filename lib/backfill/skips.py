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

#: What stands behind each reason, and what a person can do, for the reference.
SKIP_MEANS = {
    SkipReason.MISSING_TIMEZONE: "neither row nor household has a zone: `--default-tz ZONE`",
    SkipReason.INVALID_TIMEZONE: "the zone is no IANA name; mend it, or `--fallback-on-invalid-tz`",
    SkipReason.MISSING_WALL_TIME: "the first wall time is NULL while another waits for its value",
    SkipReason.INVALID_TIMESTAMP: "no date and time of the years 1 to 9999",
    SkipReason.AMBIGUOUS_LOCAL_TIME: "the wall time happened twice, and the policy says skip",
    SkipReason.NONEXISTENT_LOCAL_TIME: "the wall time never happened, and the policy says skip",
    SkipReason.END_BEFORE_START: "after conversion the end is before the start (`--strict`)",
    SkipReason.OFFSET_IN_TEXT: 'the text names its own offset: `offset_in_text = "use"`',
    SkipReason.LEFT_BY_DECISION: "a person decided so; the detail names who, and when",
    SkipReason.DRIFTED: "the row was edited after it was read; the next run looks at it anew",
    SkipReason.DATABASE_ERROR: "the database refused this row: a trigger, a constraint, a policy",
    SkipReason.VETOED: "a policy, trigger or rule left the row as it was, without an error",
    SkipReason.LOCKED: "others held a lock on it, also when it was tried again at the run's end",
    SkipReason.MISSING_ROW: "the table has no row of that key",
    SkipReason.NO_VALUE: "the new value is NULL: `--allow-null` writes it all the same",
    SkipReason.ALREADY_FILLED: "the target holds another value: `--overwrite`",
    SkipReason.INVALID_VALUE: "type, length, domain or a CHECK refuses it; the detail has the "
    "server's words",
    SkipReason.SESSION_FAILED: "the session could not be read; its detail names stage and image",
    SkipReason.STALE_SESSION: "a newer session wrote that day already: `--allow-older`",
    SkipReason.SUSPICIOUS_REMOVAL: "more than half of a day would go: `--allow-removals`",
    SkipReason.NEEDS_REVIEW: "a check failed, a person must look: `--accept-review`",
    SkipReason.CONTRADICTING_IMAGES: "two images of the session tell different things",
}


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
