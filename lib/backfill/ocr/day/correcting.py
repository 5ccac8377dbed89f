"""Apply a person's corrections to a session's reading: a correction beats what was read. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import asdict, replace

from backfill.ocr.day.aggregate import order_key
from backfill.ocr.day.correction import DATE, REMOVE, AppliedCorrection, Box, Correction
from backfill.ocr.day.session import Crop, SessionReading, ShiftEvidence
from backfill.ocr.doubts import IMAGE, SHIFT, image_doubt, is_settled
from backfill.ocr.shift import Shift
from backfill.ocr.text.vocabulary import ShiftType, find_labels, main_label

CORRECTED = "corrected"
#: Of the smaller card's height: from here on two boxes are about one card.
SAME_CARD = 0.5


def corrected_date(corrections: Sequence[Correction]) -> dt.date | None:
    """Return the day that a person says the session is about."""
    return next((dt.date.fromisoformat(c.right) for c in corrections if c.field == DATE), None)


def correct_reading(
    reading: SessionReading, corrections: Sequence[Correction], date_read: str
) -> SessionReading:
    """Return the reading with the corrections applied; those that meet nothing are left out.

    1. find each correction's shift, by the card's place on the image or by the times as read;
    2. change fields, compute fingerprints anew, settle each doubt whose fields a person looked at;
    3. take shifts out, put new ones in; 4. say of each what was read. `date_read` is the day that
    was read, empty when none was.
    """
    applied: list[AppliedCorrection] = []
    evidence = list(reading.evidence or [ShiftEvidence(0.0)] * len(reading.shifts))
    changes: dict[int, list[Correction]] = {}
    for correction in corrections:
        if correction.field == DATE:
            applied.append(AppliedCorrection(correction, "", date_read))
        elif correction.field == IMAGE:
            doubts = doubts_of_images(reading, _sequences(reading, correction))
            applied.append(AppliedCorrection(correction, "", ", ".join(doubts)))
        elif not correction.is_new and (at := _find(reading, evidence, correction)) is not None:
            changes.setdefault(at, []).append(correction)
            applied.append(_told(reading.shifts[at], correction))
    kept = [
        _change(shift, sure, changes.get(at, []))
        for at, (shift, sure) in enumerate(zip(reading.shifts, evidence, strict=True))
        if not any((c.field, c.right) == (SHIFT, REMOVE) for c in changes.get(at, []))
    ]
    for lines in _new_shifts(corrections):
        shift = _with(Shift(start="", end=""), lines)
        kept.append((shift, ShiftEvidence(100.0, (CORRECTED,))))
        applied += [AppliedCorrection(line, _name(shift), "") for line in lines]
    kept.sort(key=lambda row: order_key(row[0]))
    return replace(
        reading,
        shifts=tuple(row[0] for row in kept),
        evidence=tuple(row[1] for row in kept),
        review_reasons=_unsettled(reading, applied),
        corrections=tuple(applied),
    )


def _told(shift: Shift, correction: Correction) -> AppliedCorrection:
    read = _name(shift) if correction.field == SHIFT else str(getattr(shift, correction.field))
    return AppliedCorrection(correction, _name(shift), read)


def _find(
    reading: SessionReading, evidence: Sequence[ShiftEvidence], correction: Correction
) -> int | None:
    """Return the shift that a correction is about: by its card's place, else by its times."""
    if correction.box is not None and correction.image_sha256:
        sequences = {
            d.sequence for d in reading.image_details if d.sha256 == correction.image_sha256
        }
        scores = [
            max((_overlap(c, correction.box) for c in sure.crops if c.sequence in sequences),
                default=0.0)
            for sure in evidence
        ]  # fmt: skip
        best = max(scores, default=0.0)
        return scores.index(best) if best >= SAME_CARD else None
    wanted = correction.shift.replace("-", "–").split(" ")[0]
    found = [at for at, shift in enumerate(reading.shifts) if _name(shift) == wanted]
    return found[0] if len(found) == 1 else None


def _overlap(crop: Crop, box: Box) -> float:
    """Return how much of the lower of two boxes the other covers, 0…1, from top to bottom."""
    _left, top, _width, height = box
    common = min(crop.top + crop.height, top + height) - max(crop.top, top)
    return max(0.0, common) / max(1.0, min(crop.height, height))


def _change(
    shift: Shift, sure: ShiftEvidence, corrections: Sequence[Correction]
) -> tuple[Shift, ShiftEvidence]:
    if not corrections:
        return shift, sure
    looked_at = tuple(dict.fromkeys(correction.field for correction in corrections))
    told = replace(
        sure,
        review_reasons=tuple(r for r in sure.review_reasons if not is_settled(r, looked_at)),
        checks=(*sure.checks, CORRECTED),
        looked_at=looked_at,
    )
    return _with(shift, [c for c in corrections if c.field != SHIFT]), told


def _with(shift: Shift, corrections: Sequence[Correction]) -> Shift:
    """Return a shift with right values; what follows from them is computed anew."""
    values = asdict(shift) | {c.field: c.right for c in corrections if c.field != SHIFT}
    given = {c.field for c in corrections}
    if "raw_type_label" in given and "shift_type" not in given:
        matches = find_labels(values["raw_type_label"].split())
        if matches:
            values["shift_type"] = main_label(matches).shift_type.value
    if not values["shift_type"]:
        is_place = bool(values["street"] and values["street_number"])
        values["shift_type"] = (ShiftType.WORK if is_place else ShiftType.UNKNOWN).value
    return Shift(**values).identified()


def _new_shifts(corrections: Sequence[Correction]) -> list[list[Correction]]:
    groups: dict[tuple[str, str], list[Correction]] = {}
    for correction in corrections:
        if correction.is_new:
            groups.setdefault(correction.place[:2], []).append(correction)
    return list(groups.values())


def _unsettled(reading: SessionReading, applied: Sequence[AppliedCorrection]) -> tuple[str, ...]:
    """Return the doubts about whole images that nobody has looked at."""
    settled: set[str] = set()
    for told in applied:
        if told.correction.field == IMAGE:
            # A look settles what stood there to be looked at, not what is doubted since.
            seen = (told.correction.read or told.read).split(", ")
            sequences = _sequences(reading, told.correction)
            settled |= {image_doubt(sequence, doubt) for sequence in sequences for doubt in seen}
    return tuple(reason for reason in reading.review_reasons if reason not in settled)


def _sequences(reading: SessionReading, correction: Correction) -> list[int]:
    """Return the images that a correction is about: of its content, else all of the session."""
    return [
        detail.sequence
        for detail in reading.image_details
        if correction.image_sha256 in ("", detail.sha256)
    ]


def doubts_of_images(reading: SessionReading, sequences: Collection[int]) -> list[str]:
    """Return the doubts about images as a whole, each once."""
    prefixes = tuple(image_doubt(sequence, "") for sequence in sequences)
    reasons = (reason for reason in reading.review_reasons if reason.startswith(prefixes))
    return list(dict.fromkeys(reason.rpartition(": ")[2] for reason in reasons))


def _name(shift: Shift) -> str:
    return f"{shift.start}–{shift.end}"
