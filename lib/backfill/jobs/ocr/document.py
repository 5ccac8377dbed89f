"""A session's JSON document: what was read, what would change, and what was written."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from backfill.jobs.ocr.day_state import DayState
from backfill.ocr.day.notify import Notification
from backfill.ocr.day.schedule_event import ScheduleEvent
from backfill.ocr.day.session import (
    CaptureSession,
    ImageDetail,
    PlanStatus,
    SessionFailure,
    SessionPlan,
    ShiftEvidence,
)
from backfill.ocr.shift import Shift
from backfill.skips import Skip, SkipReason

#: Why a session that is let through has no message.
WRITTEN_BEFORE = (
    "none: all that was read, or its events, are stored already, written by an earlier apply or "
    "the worker; a message is stored only together with its event"
)
_NO_EVIDENCE = ShiftEvidence(confidence=0.0)


def planned_document(plan: SessionPlan, stored: Collection[Notification]) -> dict[str, Any]:
    """Return a session's document as a dry run writes it; `stored` are the messages that apply
    will store.
    """
    if isinstance(plan.outcome, SessionFailure):
        return _failed(plan.outcome)
    reading = plan.outcome
    events = [planned.event for planned in (*plan.events, *plan.swallowed)] or plan.withheld
    evidence = reading.evidence or [_NO_EVIDENCE] * len(reading.shifts)
    document = {
        **_identity(plan.session),
        "schedule_date": reading.schedule_date.isoformat(),
        "resolved_image_dates": [date.isoformat() for date in reading.resolved_image_dates],
        "inherited_image_count": reading.inherited_image_count,
        **_images(plan.session, reading.image_details),
        "total_boxes": sum(detail.box_count for detail in reading.image_details),
        "shift_count": len(reading.shifts),
        "shifts": [_shift(*pair) for pair in zip(reading.shifts, evidence, strict=True)],
        "preview_event_count": len(events),
        "preview_event_types": event_types(events),
        "preview_events": [_event(event) for event in events],
        "applied": False,
        "persisted_event_count": 0,
        "persisted_event_types": {},
        "swallowed_event_count": len(plan.swallowed),
        "stored_notifications": 0,
        "notifications": [_notification(entry, stored) for entry in plan.notifications],
        "notifications_note": WRITTEN_BEFORE if plan.is_told_before else "",
        "detected_at": None,
        "contradictions": list(reading.contradictions),
        "warnings": list(reading.warnings),
        "decisions": [{"of": why.value, **answer.as_json()} for why, answer in plan.answers],
        "corrections": [corrected.as_json() for corrected in reading.corrections],
        "outcome": plan.status.value,
        "status": "held" if plan.status is PlanStatus.HELD else "ok",
    }
    if plan.held_reason:
        document |= {"held_reason": plan.held_reason.value, "held_detail": plan.detail}
    return document


def applied_document(
    document: Mapping[str, Any], after: DayState | None, skip: Skip | None
) -> dict[str, Any]:
    """Return the document after the session's transaction has committed.

    `after` is the state that was written (None: nothing had to be), `skip` why it was not.
    """
    if skip is not None:
        return _left_alone(document, skip)
    if document["status"] != "ok":
        return dict(document)
    events = after.events if after else ()
    stored = {entry.notification_id for entry in after.notifications} if after else set()
    planned = document["preview_event_count"]
    return {
        **document,
        "applied": True,
        "persisted_event_count": len(events),
        "persisted_event_types": dict(sorted(Counter(e.event_type for e in events).items())),
        "swallowed_event_count": planned - len(events),
        "stored_notifications": len(stored),
        "notifications": [
            {**entry, "stored": entry["notification_id"] in stored}
            for entry in document["notifications"]
        ],
        "detected_at": _instant(events[0].detected_at) if events else None,
    }


def event_types(events: Iterable[ScheduleEvent]) -> dict[str, int]:
    """Return how many events there are of each type."""
    return dict(sorted(Counter(event.event_type.value for event in events).items()))


def _left_alone(document: Mapping[str, Any], skip: Skip) -> dict[str, Any]:
    """A session that the plan would write, and that apply left alone."""
    if document["status"] != "ok":
        return dict(document)  # the plan says so already
    if skip.reason == SkipReason.DATABASE_ERROR:
        failure = {"error_stage": "database", "error_type": str(skip.reason)}
        return {**document, "status": "failed", **failure, "error_message": skip.detail}
    return {
        **document,
        "status": "held",
        "held_reason": str(skip.reason),
        "held_detail": skip.detail,
    }


def _identity(session: CaptureSession) -> dict[str, Any]:
    return {
        "session_id": str(session.id),
        "user_id": session.user_id,
        "source_state": session.state,
    }


def _images(session: CaptureSession, details: Sequence[ImageDetail]) -> dict[str, Any]:
    return {
        "image_count": len(session.images),
        "image_names": [image.r2_key for image in session.images],
        "image_details": [_image(detail) for detail in details],
    }


def _failed(failure: SessionFailure) -> dict[str, Any]:
    return {
        **_identity(failure.session),
        **_images(failure.session, failure.image_details),
        "applied": False,
        "status": "failed",
        "error_stage": failure.stage.value,
        "error_type": failure.error_type,
        "error_message": failure.error_message,
    }


def _image(detail: ImageDetail) -> dict[str, Any]:
    return {
        "sequence": detail.sequence,
        "r2_key": detail.r2_key,
        "local_path": detail.local_path,
        "sha256": detail.sha256,
        "detected_date": detail.detected_date.isoformat() if detail.detected_date else None,
        "box_count": detail.box_count,
        "entry_count": detail.entry_count,
        "ocr_ms": detail.ocr_ms,
        "cached": detail.is_cached,
    }


def _shift(shift: Shift, evidence: ShiftEvidence) -> dict[str, Any]:
    return {
        **shift.as_json(),
        "confidence": evidence.confidence,
        "checks": list(evidence.checks),
        "needs_review": evidence.needs_review,
        "review_reasons": list(evidence.review_reasons),
        "source_crops": list(map(asdict, evidence.crops)),
    }


def _event(event: ScheduleEvent) -> dict[str, Any]:
    return {"event_type": event.event_type.value, "old": event.old, "new": event.new}


def _notification(entry: Notification, stored: Collection[Notification]) -> dict[str, Any]:
    return {
        **asdict(entry),
        "will_be_stored": entry in stored,
        "stored": False,
    }


def _instant(text: str | None) -> str | None:
    """Return PostgreSQL's text of an instant as ISO 8601 in UTC."""
    return dt.datetime.fromisoformat(text).astimezone(dt.UTC).isoformat() if text else None


def cost_of_second_reader(plans: Sequence[SessionPlan]) -> dict[str, int]:
    """Return what the second reader was asked: images, lines, and lines whose doubt it settled."""
    asked = [d for plan in plans for d in plan.outcome.image_details if d.second_lines]
    return {
        "images": len(asked),
        "lines": sum(detail.second_lines for detail in asked),
        "settled": sum(detail.second_settled for detail in asked),
    }
