"""Compare what was read with what was drawn: exact shifts, dates and times, flags."""

from __future__ import annotations

import datetime as dt
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.drawn.days import Row
from tests.drawn.make import Session

from backfill.ocr.day.aggregate import aggregate_images, without_worse_twins
from backfill.ocr.day.session_reading import flags_of
from backfill.ocr.screen.reading import ImageReading
from backfill.ocr.shift import Shift
from backfill.ocr.text.dates import DateFailure, resolve_session_date
from backfill.ocr.text.normalise import normalise_entry

FIELDS_OF_SHIFT = 8


@dataclass(slots=True)
class Score:
    """Counts over sessions; `wrong_unflagged` are shifts that are wrong with nothing said."""

    truth: int = 0
    read: int = 0
    exact: int = 0
    timed: int = 0
    flags: int = 0
    flagged_shifts: int = 0
    wrong_unflagged: int = 0
    sessions: int = 0
    wrong_dates: int = 0
    misses: list[str] = field(default_factory=list)

    def add(self, other: Score) -> None:
        for name in (
            "truth", "read", "exact", "timed", "flags", "flagged_shifts", "wrong_unflagged",
            "sessions", "wrong_dates",
        ):  # fmt: skip
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.misses.extend(other.misses)

    @property
    def exact_f1(self) -> float:
        return 2 * self.exact / max(1, self.truth + self.read)

    @property
    def timed_f1(self) -> float:
        return 2 * self.timed / max(1, self.truth + self.read)


def score_session(session: Session, readings: list[ImageReading]) -> Score:
    """Return the score of one session, read as the job reads it."""
    created = session.day.date + dt.timedelta(days=1)
    try:
        date = resolve_session_date(tuple(r.date for r in readings), created).date
    except DateFailure:
        date = None
    images = without_worse_twins(tuple(r.entries for r in readings))
    rows = [[normalise_entry(e) for e in entries] for entries in images]
    day = aggregate_images(rows)
    flags = [
        flags_of(shift, [(images[s.image][s.row], rows[s.image][s.row]) for s in found])
        for shift, found in zip(day.shifts, day.sources, strict=True)
    ]
    score = Score(len(session.day.rows), len(day.shifts), sessions=1)
    score.wrong_dates = int(date != session.day.date)
    doubts = any(r.flags for r in readings) or date is None
    score.flags = sum(len(f) for f in flags)
    score.flagged_shifts = sum(map(bool, flags))
    _compare(score, session, list(zip(day.shifts, flags, strict=True)), date, has_doubts=doubts)
    return score


def _compare(
    score: Score,
    session: Session,
    read: Sequence[tuple[Shift, tuple[str, ...]]],
    date: dt.date | None,
    *,
    has_doubts: bool,
) -> None:
    """Count which shifts, each given with its flags, are rows of the day, and list the others."""
    is_dated = date == session.day.date
    open_rows = list(session.day.rows)
    # A row belongs to the shift that is exactly it before another of the same time.
    for shift, flags in sorted(read, key=lambda pair: not _is_any(pair[0], open_rows)):
        alike = [r for r in open_rows if (r.start, r.end) == (shift.start, shift.end)]
        row = next((r for r in alike if _is_any(shift, [r])), alike[0] if alike else None)
        score.timed += int(row is not None and is_dated)
        is_exact = row is not None and is_dated and _is_any(shift, [row])
        score.exact += int(is_exact)
        if row is not None:
            open_rows.remove(row)
        if not is_exact:
            score.wrong_unflagged += int(not flags and not has_doubts)
            score.misses.append(
                f"{session.name} {shift.start}-{shift.end} {_shift_fields(shift)} "
                f"{_fields(row) if row else 'no such row'} {flags or 'NOT FLAGGED'}"
            )
    for row in open_rows:
        is_silent = not has_doubts and not any(flags for _shift, flags in read)
        score.wrong_unflagged += int(is_silent)
        score.misses.append(f"{session.name} missing {row} {'NOT FLAGGED' if is_silent else ''}")


def _is_any(shift: Shift, rows: Sequence[Row]) -> bool:
    """Whether the shift is exactly one of the rows."""
    return any(
        (row.start, row.end) == (shift.start, shift.end) and _fields(row) == _shift_fields(shift)
        for row in rows
    )


def _fields(row: Row) -> tuple[str, ...]:
    return (
        *map(_plain, (row.customer, row.street, row.number, row.city)),
        row.shift_type,
        _plain(row.label),
    )


def _shift_fields(shift: Shift) -> tuple[str, ...]:
    return (
        *map(_plain, (shift.customer_name, shift.street, shift.street_number, shift.city)),
        shift.shift_type,
        _plain(shift.raw_type_label),
    )


def _plain(text: str) -> str:
    """Case, blanks and brackets are display; letters with their accents must be right."""
    folded = unicodedata.normalize("NFC", text).casefold()
    return "".join(char for char in folded if char.isalnum())
