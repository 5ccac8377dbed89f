"""The sheet of corrections: read from CSV, taken in, and written with a crop beside every doubtful
field.

corrections.csv        what was corrected, then what is in doubt, with an empty `right`
corrections_used.csv   the corrections that the plan took in; evidence
crops/                 the cut-outs that `crop` names
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from backfill.display.eye import attempt
from backfill.errors import UsageError
from backfill.folder import FOLDER_MODE, RunFolder
from backfill.jobs.ocr.crops import as_jpeg, cut_out
from backfill.ocr.day.correcting import correct_reading, corrected_date, doubts_of_images
from backfill.ocr.day.correction import (
    DATE,
    FIELDS,
    Correction,
    Corrections,
    check_right,
    read_box,
    write_box,
)
from backfill.ocr.day.session import (
    CaptureSession,
    HeldReason,
    ImageDetail,
    SessionFailure,
    SessionPlan,
    SessionReading,
    ShiftEvidence,
)
from backfill.ocr.day.session_reading import ReadImage, read_session
from backfill.ocr.doubts import IMAGE, SHIFT, explained, fields_of
from backfill.ocr.failure import Stage
from backfill.ocr.screen.reading import ImageReading
from backfill.ocr.shift import Shift
from backfill.ocr.text.vocabulary import Towns
from backfill.plans.sheet_csv import write_sheet
from backfill.plans.worksheet import CORRECTIONS_FILE, CORRECTIONS_USED_FILE, rows_in
from backfill.report import Reporter

CROPS_FOLDER = "crops"
HEADER = (
    *("image_sha256", "session_id", "schedule_date", "shift", "box", "field", "read", "right"),
    *("crop", "why", "candidates", "by", "at", "note"),
)
_NEEDED = ("field", "right")
_KNOWN = (*FIELDS, SHIFT, IMAGE, DATE)
#: What may be said of a whole image or shift, as `right`; of any other field its value.
_CANDIDATES = {
    IMAGE: "confirm: no shift is missing",
    SHIFT: "confirm: all of it is right as read | remove: there is no such shift",
}
_WHOLE = (0.0, 0.0, float("inf"), float("inf"))


def load_corrections(path: Path, towns: Towns) -> Corrections:
    """Read a corrections CSV; raise `UsageError` that names the line.

    A line without a right value is a doubt that nobody has looked at yet.
    """
    what = f"--corrections {path}"
    lines = [
        _correction(what, line, cells, towns)
        for line, cells in rows_in(path, _NEEDED, "--corrections")
        if cells.get("right", "").strip()
    ]
    try:
        return Corrections(lines)
    except UsageError as error:
        text = str(error)
        raise UsageError(f"{what}, {text[0].lower()}{text[1:]}") from None


def _correction(what: str, line: int, cells: dict[str, str], towns: Towns) -> Correction:
    plain = {name: value.strip() for name, value in cells.items()}
    name = plain["field"]
    try:
        if name not in _KNOWN:
            raise UsageError(f"{name!r} is no field; use one of {', '.join(_KNOWN)}.")
        if not (plain.get("image_sha256") or plain.get("session_id")):
            raise UsageError("neither image_sha256 nor session_id says what is corrected.")
        if name not in (DATE, IMAGE) and not (plain.get("shift") or plain.get("box")):
            raise UsageError("neither shift nor box says which shift is corrected.")
        return Correction(
            field=name,
            right=check_right(name, plain["right"], towns),
            image_sha256=plain.get("image_sha256", "").lower(),
            session_id=plain.get("session_id", "").lower(),
            shift=plain.get("shift", ""),
            box=read_box(plain.get("box", "")),
            line=line,
            **{key: plain.get(key, "") for key in ("read", "by", "at", "note")},
        )
    except UsageError as error:
        raise UsageError(f"{what}, line {line}: {error}") from None


def write_corrections(
    folder: RunFolder, plans: Sequence[SessionPlan], corrections: Corrections
) -> int:
    """Write the sheets and crops of a run; return how many lines wait for a person."""
    doubts = [
        row | {"candidates": _CANDIDATES.get(row["field"], "")}
        for plan in plans
        for row in _doubts(folder, plan)
    ]
    used = [{**line.as_json(), "crop": _crop_name(line)} for line in corrections.lines]
    folder.write_text(CORRECTIONS_FILE, write_sheet(HEADER, [*used, *doubts]))
    if used:
        for plan in plans:
            _write_used_crops(folder, plan)
        folder.write_text(CORRECTIONS_USED_FILE, write_sheet(HEADER, used))
    return len(doubts)


def _doubts(folder: RunFolder, plan: SessionPlan) -> Iterator[dict[str, str]]:
    if isinstance(plan.outcome, SessionFailure):
        yield from _date_doubt(plan.outcome)
    elif any(question.kind == HeldReason.NEEDS_REVIEW for question in plan.questions):
        for detail in plan.outcome.image_details:
            yield from _image_doubt(folder, plan.outcome, detail)
        for shift, sure in zip(plan.outcome.shifts, plan.outcome.evidence, strict=True):
            yield from _shift_doubts(folder, plan.outcome, shift, sure)


def _date_doubt(failure: SessionFailure) -> Iterator[dict[str, str]]:
    if failure.stage is Stage.DATE and failure.image_details:
        yield {
            "image_sha256": failure.image_details[0].sha256,
            "session_id": str(failure.session.id),
            "field": DATE,
            "why": failure.error_message,
        }


def _image_doubt(
    folder: RunFolder, reading: SessionReading, detail: ImageDetail
) -> Iterator[dict[str, str]]:
    """Yield the line of an image that is doubted as a whole, with the image as its crop."""
    doubts = ", ".join(doubts_of_images(reading, [detail.sequence]))
    if doubts:
        correction = Correction(
            IMAGE, "", image_sha256=detail.sha256, session_id=str(reading.session.id), read=doubts
        )
        yield _row(folder, reading, correction, detail.local_path, doubts.split(", "))


def _shift_doubts(
    folder: RunFolder, reading: SessionReading, shift: Shift, sure: ShiftEvidence
) -> Iterator[dict[str, str]]:
    fields = dict.fromkeys(
        name for why in sure.review_reasons for name in fields_of(why) if name not in sure.looked_at
    )
    details = {detail.sequence: detail for detail in reading.image_details}
    crop = sure.crops[0] if sure.crops else None
    box = (crop.left, crop.top, crop.width, crop.height) if crop else None
    detail = details[crop.sequence] if crop else None
    for name in fields:
        correction = Correction(
            field=name,
            right="",
            image_sha256=detail.sha256 if detail else "",
            session_id=str(reading.session.id),
            shift=f"{shift.start}–{shift.end}",
            box=box,
            read=getattr(shift, name) if name != SHIFT else f"{shift.start}–{shift.end}",
        )
        doubts = [why for why in sure.review_reasons if name in fields_of(why)]
        yield _row(folder, reading, correction, detail.local_path if detail else "", doubts)


def _row(
    folder: RunFolder,
    reading: SessionReading,
    correction: Correction,
    path: str,
    doubts: Iterable[str],
) -> dict[str, str]:
    """Return a line with its crop, and each doubt with what it means and what settles it."""
    if path:
        _write_crop(folder, correction, path)
    return {
        **correction.as_json(),
        "schedule_date": reading.schedule_date.isoformat(),
        "crop": _crop_name(correction),
        "why": "; ".join(map(explained, doubts)),
    }


def _write_used_crops(folder: RunFolder, plan: SessionPlan) -> None:
    if not isinstance(plan.outcome, SessionReading):
        return
    paths = {detail.sha256: detail.local_path for detail in plan.outcome.image_details}
    for corrected in plan.outcome.corrections:
        if path := paths.get(corrected.correction.image_sha256):
            _write_crop(folder, corrected.correction, path)


def _crop_name(correction: Correction) -> str:
    if not correction.image_sha256 or (correction.box is None and correction.field != IMAGE):
        return ""
    place = hashlib.sha256(write_box(correction.box).encode()).hexdigest()[:8]
    if correction.field == IMAGE:
        place = IMAGE
    return f"{CROPS_FOLDER}/{correction.image_sha256[:12]}-{place}.jpg"


def _write_crop(folder: RunFolder, correction: Correction, path: str) -> None:
    name = _crop_name(correction)
    if not name or folder.file(name).exists():
        return
    cut = attempt(f"The cut-out {name}", lambda: _cut(path, correction), lambda _missed: None)
    if cut is None:
        return
    folder.file(CROPS_FOLDER).mkdir(mode=FOLDER_MODE, exist_ok=True)
    with folder.writing(name) as partial:
        partial.write_bytes(cut)


def _cut(path: str, correction: Correction) -> bytes | None:
    cut = cut_out(path, correction.box or _WHOLE)
    return None if cut is None else as_jpeg(cut)


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
    made = [(plan, done) for plan in plans for done in getattr(plan.outcome, "corrections", ())]
    met = {done.correction for _plan, done in made}
    for line in corrections.lines:
        if line not in met:
            reporter.message(
                f"The correction of {line.field} in line {line.line} meets no shift of the "
                "sessions read: it has no effect. Look at image_sha256, session_id, shift and box.",
                "warning",
            )
    for plan, done in made:
        line = done.correction
        if not done.is_as_expected:
            reporter.message(
                f"Session {plan.session.id}, {done.shift}: {line.field} is read as {done.read!r} "
                f"now, not {line.read!r} as when it was corrected; {line.right!r} counts.",
                "warning",
            )
