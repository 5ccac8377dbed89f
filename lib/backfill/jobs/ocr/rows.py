"""What is known of a session as rows of the staging tables (see `staged`). Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from backfill.jobs.ocr.files import LocatedSession
from backfill.ocr.failure import ImageFailure
from backfill.ocr.reading import ImageReading
from backfill.ocr.session import CaptureSession, SessionPlan, SessionReading
from backfill.ocr.session_reading import ReadImage


def extracted_row(session: CaptureSession) -> tuple[Any, ...]:
    """Return a session's row of `extracted`."""
    images = len(session.images)
    return str(session.id), str(session.user_id), session.state, session.created_at, images


def image_row(session: LocatedSession, image: ReadImage) -> dict[str, Any]:
    """Return an image's row of `images`: what was read, or its failure."""
    reading = image.outcome if isinstance(image.outcome, ImageReading) else None
    failure = image.outcome if isinstance(image.outcome, ImageFailure) else None
    words = [
        [w.text, round(w.left), round(w.top), round(w.width), round(w.height), round(w.confidence)]
        for w in (reading.words if reading else ())
    ]
    return {
        "key": str(session.session.id),
        "sequence": image.image.sequence,
        "r2_key": image.image.r2_key,
        "local_path": image.local_path,
        "sha256": reading.sha256 if reading else None,
        "width": reading.width if reading else None,
        "height": reading.height if reading else None,
        "words": json.dumps(words, ensure_ascii=False),
        "entry_count": len(reading.entries) if reading else 0,
        "ocr_ms": reading.ocr_ms if reading else None,
        "cached": reading.is_cached if reading else None,
        "error_stage": failure.stage.value if failure else None,
        "error_type": failure.kind if failure else None,
        "error_message": failure.message if failure else None,
    }


def shift_rows(reading: SessionReading) -> Iterator[dict[str, Any]]:
    """Yield a session's rows of `shifts`."""
    pairs = zip(reading.shifts, reading.evidence, strict=True)
    for place, (shift, evidence) in enumerate(pairs, start=1):
        yield {
            "key": str(reading.session.id),
            "scope": str(reading.session.user_id),
            "schedule_date": reading.schedule_date,
            "place": place,
            **shift.as_json(),
            "confidence": evidence.confidence,
            "checks": ", ".join(evidence.checks),
            "review_reasons": ", ".join(evidence.review_reasons),
            "crops": json.dumps(
                [[c.image_sequence, c.left, c.top, c.width, c.height] for c in evidence.crops]
            ),
        }


def day_row(position: int, plan: SessionPlan, document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a session's row of `days`; `document` is its JSON file."""
    reading = plan.outcome
    return {
        "position": position,
        "key": str(plan.session.id),
        "scope": str(plan.session.user_id),
        "outcome": plan.status.value,
        "reason": plan.held_reason.value if plan.held_reason else "",
        "detail": plan.detail,
        "schedule_date": reading.schedule_date if isinstance(reading, SessionReading) else None,
        "document": json.dumps(document, ensure_ascii=False),
    }
