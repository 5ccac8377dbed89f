"""What persons said about sessions, taken in: corrections applied, what meets nothing told of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from backfill.jobs.ocr.correction_sheet import idle_corrections
from backfill.ocr.correcting import correct_reading, corrected_date
from backfill.ocr.correction import Corrections
from backfill.ocr.reading import ImageReading
from backfill.ocr.session import CaptureSession, SessionFailure, SessionPlan, SessionReading
from backfill.ocr.session_reading import ReadImage, read_session
from backfill.report import Reporter


def read_corrected(
    session: CaptureSession, images: Sequence[ReadImage], corrections: Corrections, **given: Any
) -> SessionReading | SessionFailure:
    """Return what a session says, with what a person said is right; `given` as `read_session`."""
    outcome = read_session(session, images, **given)
    shas = [i.outcome.sha256 for i in images if isinstance(i.outcome, ImageReading)]
    about = corrections.about(str(session.id), shas)
    if not about:
        return outcome
    day = corrected_date(about)
    date_read = outcome.schedule_date.isoformat() if isinstance(outcome, SessionReading) else ""
    if day is not None:
        outcome = read_session(session, images, date=day, **given)
    if isinstance(outcome, SessionFailure):
        return outcome
    return correct_reading(outcome, about, date_read)


def warn_of_idle(
    plans: Sequence[SessionPlan], corrections: Corrections, reporter: Reporter
) -> None:
    """Say which corrections met nothing: a misspelt one must not pass unseen."""
    for line in idle_corrections(plans, corrections):
        reporter.message(
            f"The correction of {line.field} in line {line.line} meets no shift of the sessions "
            "read: it has no effect. Look at image_sha256, session_id, shift and box.",
            "warning",
        )
    for plan in plans:
        for told in getattr(plan.outcome, "corrections", ()):
            if not told.is_as_expected:
                reporter.message(
                    f"Session {plan.session.id}, {told.shift}: {told.correction.field} is read as "
                    f"{told.read!r} now, not {told.correction.read!r} as when it was corrected; "
                    f"{told.correction.right!r} counts.",
                    "warning",
                )
