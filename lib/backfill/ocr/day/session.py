"""Capture sessions: as stored, as read, and as planned. Values only."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from backfill.decisions import Answer, Question, Words
from backfill.errors import PreflightError
from backfill.ocr.day.correction import AppliedCorrection
from backfill.ocr.day.notify import Notification
from backfill.ocr.day.schedule_event import PlannedEvent, ScheduleEvent
from backfill.ocr.failure import Stage
from backfill.ocr.shift import Shift
from backfill.skips import OwnReason


class PlanStatus(StrEnum):
    """What a plan does with a session."""

    OK = "ok"
    UNCHANGED = "unchanged"
    SNAPSHOT_ONLY = "snapshot_only"
    HELD = "held"
    FAILED = "failed"


class HeldReason(StrEnum):
    """Why a session is held back for a person."""

    STALE_SESSION = "stale_session"
    NEEDS_REVIEW = "needs_review"
    CONTRADICTING_IMAGES = "contradicting_images"
    SUSPICIOUS_REMOVAL = "suspicious_removal"


FAILED = OwnReason("session_failed")

ACCEPT, HOLD = "accept", "hold"
#: What a person can answer about a held session, by reason.
WORDS: Words = {reason.value: (ACCEPT, HOLD) for reason in HeldReason}


@dataclass(frozen=True, slots=True)
class CaptureImage:
    """A row of `capture_image`."""

    id: uuid.UUID
    sequence: int
    r2_key: str


@dataclass(frozen=True, slots=True)
class CaptureSession:
    """A row of `capture_session` with its images in `sequence` order; `created_at` is aware."""

    id: uuid.UUID
    user_id: int
    state: str
    created_at: dt.datetime
    images: tuple[CaptureImage, ...] = ()

    def __post_init__(self) -> None:
        if self.created_at.tzinfo is None:
            raise PreflightError(
                f"session {self.id}: created_at has no time zone; "
                "is capture_session.created_at a timestamptz?"
            )

    @property
    def order_key(self) -> tuple[dt.datetime, uuid.UUID]:
        """Sessions are read, planned and applied in this order."""
        return self.created_at, self.id


@dataclass(frozen=True, slots=True)
class Crop:
    """Where in the session's image of that number a value was read, in the image's pixels."""

    sequence: int
    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class ShiftEvidence:
    """How sure one shift is: lowest word confidence 0…100, the checks, where it was read.

    `looked_at` are the fields that a person has corrected or confirmed.
    """

    confidence: float
    checks: tuple[str, ...] = ()
    review_reasons: tuple[str, ...] = ()
    crops: tuple[Crop, ...] = ()
    looked_at: tuple[str, ...] = ()

    @property
    def needs_review(self) -> bool:
        return bool(self.review_reasons)


@dataclass(frozen=True, slots=True)
class ImageDetail:
    """What became of one image; `detected_date` is None when it carries no date of its own.

    `second_lines` are the lines in doubt that the second reader read, `second_settled` those whose
    doubt it settled.
    """

    sequence: int
    r2_key: str
    local_path: str
    sha256: str
    detected_date: dt.date | None
    box_count: int
    entry_count: int
    ocr_ms: float
    is_cached: bool
    second_lines: int = 0
    second_settled: int = 0


@dataclass(frozen=True, slots=True)
class SessionReading:
    """A session that was read: its day, its shifts, and what a person should know about them.

    `evidence` is empty or has an entry for every shift. `review_reasons` are the session's own;
    those of single shifts stand in `evidence`.
    """

    session: CaptureSession
    schedule_date: dt.date
    shifts: tuple[Shift, ...]
    resolved_image_dates: tuple[dt.date, ...] = ()
    inherited_image_count: int = 0
    contradictions: tuple[str, ...] = ()
    review_reasons: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    evidence: tuple[ShiftEvidence, ...] = ()
    corrections: tuple[AppliedCorrection, ...] = ()
    image_details: tuple[ImageDetail, ...] = field(default=(), repr=False)

    @property
    def all_review_reasons(self) -> tuple[str, ...]:
        """The session's reasons and those of its shifts, each named by its times."""
        return (
            *self.review_reasons,
            *(
                f"{shift.start}–{shift.end}: {reason}"
                for shift, evidence in zip(self.shifts, self.evidence, strict=False)
                for reason in evidence.review_reasons
            ),
        )


@dataclass(frozen=True, slots=True)
class SessionFailure:
    """A session that could not be read."""

    session: CaptureSession
    stage: Stage
    error_type: str
    error_message: str
    image_details: tuple[ImageDetail, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class StoredSnapshot:
    """A row of `day_snapshot`: the payload as the database gives it, and its source session.

    `source_session_created_at` is None when that session no longer exists.
    """

    payload: object
    source_session_id: uuid.UUID
    source_session_created_at: dt.datetime | None


@dataclass(frozen=True, slots=True)
class SessionPlan:
    """What apply will do for one session.

    `before` is the snapshot that must still stand (None: no row), after the sessions planned
    earlier; `after` the payload to store, None when the snapshot is left alone. `events` will be
    inserted; `swallowed` repeat a unique key and will not. `withheld` are the events of a held
    session. `questions` say why it is held, as far as nobody has answered; `answers` what a person
    said of each reason.
    """

    session: CaptureSession
    status: PlanStatus
    outcome: SessionReading | SessionFailure = field(repr=False)
    held_reason: HeldReason | None = None
    detail: str = ""
    before: StoredSnapshot | None = None
    after: tuple[Mapping[str, str], ...] | None = None
    events: tuple[PlannedEvent, ...] = ()
    swallowed: tuple[PlannedEvent, ...] = ()
    withheld: tuple[ScheduleEvent, ...] = ()
    questions: tuple[Question, ...] = ()
    answers: tuple[tuple[HeldReason, Answer], ...] = ()
    notifications: tuple[Notification, ...] = ()

    @property
    def is_told_before(self) -> bool:
        """Whether it is let through and has no event left to tell of: all were stored before."""
        is_let_through = self.status not in (PlanStatus.HELD, PlanStatus.FAILED)
        is_same = self.status is PlanStatus.UNCHANGED or bool(self.swallowed)
        return is_let_through and is_same and not self.events

    @property
    def is_writing(self) -> bool:
        """Tell whether apply writes anything for this session."""
        return self.status in {PlanStatus.OK, PlanStatus.SNAPSHOT_ONLY}
