"""Sessions of screenshots with what is true of them, and what became of each when it was read.

A session is read as the job reads it and then planned: what counts is what a person is asked, and
what would be written without asking.
"""

from __future__ import annotations

import datetime as dt
import json
import unicodedata
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from backfill.ocr.day import meaning
from backfill.ocr.day.session import (
    CaptureImage,
    CaptureSession,
    PlanStatus,
    SessionPlan,
    SessionReading,
)
from backfill.ocr.day.session_plan import plan_sessions
from backfill.ocr.day.session_reading import ReadImage, read_session
from backfill.ocr.reader.pool import Outcome
from backfill.ocr.screen import checks
from backfill.ocr.shift import Shift
from backfill.ocr.text.clock import canonical_time

UNAVAILABLE = "UNAVAILABLE"
# Nobody can tell from pictures that do not show a day's end that it ends there.
_END_NOT_SHOWN = {checks.CUT_BELOW, meaning.DAY_GOES_ON}
# One is displayed as the other (OCR.md, settled details).
_SAME_LABEL = {"VAB": "Vård av barn"}


@dataclass(frozen=True, slots=True)
class TrueImage:
    """One image of a session: its place in the session, its name, its bytes."""

    sequence: int
    name: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class TrueSession:
    """A session whose shifts are known; `date` is None where no single date can be right.

    `cancelled` are start and end of cards that are called off: to be left out, or UNAVAILABLE.
    `must_be_read`: asking a person about it counts against the reader.
    """

    name: str
    created_at: dt.datetime
    date: dt.date | None
    images: tuple[TrueImage, ...]
    shifts: tuple[Shift, ...]
    cancelled: tuple[tuple[str, str], ...] = ()
    must_be_read: bool = True
    group: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one session, and how much of it is right."""

    session: TrueSession
    status: PlanStatus
    date: dt.date | None
    shifts: tuple[Shift, ...]
    reason: str
    exact: int
    timed: int

    @property
    def is_right(self) -> bool:
        """Whether all that was read is true, and nothing is missing."""
        return self.exact == len(self.shifts) == len(self.session.shifts)

    @property
    def is_written(self) -> bool:
        """Whether it is written without asking."""
        return self.status not in (PlanStatus.HELD, PlanStatus.FAILED)

    @property
    def is_silently_wrong(self) -> bool:
        return self.is_written and not self.is_right

    @property
    def wrong(self) -> int:
        """How many shifts are wrong, lost or of nobody."""
        return max(len(self.shifts), len(self.session.shifts)) - self.exact

    @property
    def doubts(self) -> tuple[str, ...]:
        """The kinds of its doubts, each once."""
        parts = dict.fromkeys(self.reason.split("; "))
        return tuple(part.split(": ")[-1].split(" (")[0] for part in parts if part)

    @property
    def is_held_for_its_end(self) -> bool:
        return self.is_held_though_right and set(self.doubts) <= _END_NOT_SHOWN

    @property
    def is_held_though_right(self) -> bool:
        return not self.is_written and self.is_right and self.session.must_be_read


def load_truth(folder: Path) -> list[TrueSession]:
    """Return the sessions of a folder with a `truth.json`, in their order."""
    told = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
    return [_session(value, folder) for value in told["sessions"]]


def _session(value: Mapping[str, Any], folder: Path) -> TrueSession:
    names = Shift.__dataclass_fields__
    date = value["schedule_date"]
    return TrueSession(
        value["name"],
        dt.datetime.fromisoformat(value["created_at"]),
        dt.date.fromisoformat(date) if date else None,
        tuple(
            TrueImage(image["sequence"], image["file"], (folder / image["file"]).read_bytes())
            for image in value["images"]
        ),
        tuple(Shift(**{name: shift[name] for name in names}) for shift in value["shifts"]),
        tuple((start, end) for start, end in value.get("cancelled", ())),
        must_be_read=value.get("allowed", ["read"]) == ["read"],
        group=folder.name,
    )


def judge(session: TrueSession, outcomes: Sequence[Outcome]) -> Verdict:
    """Return what becomes of a session whose images were read so."""
    row = CaptureSession(
        uuid.uuid5(uuid.NAMESPACE_URL, session.name),
        1,
        "done",
        session.created_at,
        tuple(CaptureImage(uuid.uuid4(), i.sequence, i.name) for i in session.images),
    )
    images = [
        ReadImage(image, image.r2_key, outcome)
        for image, outcome in zip(row.images, outcomes, strict=True)
    ]
    plan = plan_sessions([read_session(row, images)], {})[0]
    return _verdict(session, plan)


def _verdict(session: TrueSession, plan: SessionPlan) -> Verdict:
    reading = plan.outcome
    if not isinstance(reading, SessionReading):
        reason = f"{reading.stage}: {reading.error_type}"
        return Verdict(session, plan.status, None, (), reason, 0, 0)
    shifts = tuple(s for s in reading.shifts if not _is_called_off(s, session))
    exact, timed = _count(session, shifts, reading.schedule_date)
    told = (*reading.all_review_reasons, *reading.contradictions)
    return Verdict(
        session, plan.status, reading.schedule_date, shifts, "; ".join(told), exact, timed
    )


def _is_called_off(shift: Shift, session: TrueSession) -> bool:
    return shift.shift_type == UNAVAILABLE and (shift.start, shift.end) in session.cancelled


def _count(session: TrueSession, shifts: Sequence[Shift], date: dt.date | None) -> tuple[int, int]:
    """Return how many shifts are wholly right, and how many have the right date and times."""
    if date != session.date:
        return 0, 0
    truth, read = Counter(map(told_of, session.shifts)), Counter(map(told_of, shifts))
    times = Counter(map(times_of, session.shifts)), Counter(map(times_of, shifts))
    return (truth & read).total(), (times[0] & times[1]).total()


def times_of(shift: Shift) -> tuple[str, str]:
    """Return start and end, the end of a day as its first minute."""
    return canonical_time(shift.start), canonical_time(shift.end)


def told_of(shift: Shift) -> tuple[str, ...]:
    """Return what must be right of a shift, without what is only its display.

    Client and town count with their case (but that after a hyphen), the street without, the number
    without blanks, the label by its letters.
    """
    return (
        *times_of(shift),
        _cased(shift.customer_name),
        shift.street.casefold(),
        "".join(shift.street_number.split()).casefold(),
        _cased(shift.city),
        shift.shift_type,
        _letters(_SAME_LABEL.get(shift.raw_type_label, shift.raw_type_label)),
    )


def _cased(text: str) -> str:
    parts = unicodedata.normalize("NFC", text).split("-")
    return "-".join([parts[0], *(part[:1].upper() + part[1:] for part in parts[1:])])


def _letters(text: str) -> str:
    return "".join(char for char in text.casefold() if char.isalpha())


@dataclass(slots=True)
class Tally:
    """The figures of a set of sessions."""

    verdicts: list[Verdict] = field(default_factory=list)

    def _sum(self, name: str) -> int:
        return sum(getattr(verdict, name) for verdict in self.verdicts)

    @property
    def truth(self) -> int:
        return sum(len(verdict.session.shifts) for verdict in self.verdicts)

    @property
    def read(self) -> int:
        return sum(len(verdict.shifts) for verdict in self.verdicts)

    @property
    def exact_f1(self) -> float:
        return 2 * self._sum("exact") / max(1, self.truth + self.read)

    @property
    def timed_f1(self) -> float:
        return 2 * self._sum("timed") / max(1, self.truth + self.read)

    @property
    def silently_wrong(self) -> int:
        """How many sessions would be written though something is wrong."""
        return self._sum("is_silently_wrong")

    @property
    def held_though_right(self) -> int:
        return self._sum("is_held_though_right")

    def count(self, status: PlanStatus) -> int:
        return sum(verdict.status is status for verdict in self.verdicts)

    @property
    def reasons(self) -> Counter[str]:
        """The doubts of all sessions that are not written, by their kind."""
        return Counter(doubt for verdict in self.verdicts for doubt in verdict.doubts)

    @property
    def silently_wrong_shifts(self) -> int:
        return sum(verdict.wrong for verdict in self.verdicts if verdict.is_silently_wrong)

    @property
    def held_for_the_end(self) -> int:
        return self._sum("is_held_for_its_end")

    @property
    def is_of_traps(self) -> bool:
        """Whether some of it may be asked about, so that only what is silently wrong counts."""
        return not all(verdict.session.must_be_read for verdict in self.verdicts)


def lines_of(name: str, tally: Tally) -> Iterator[str]:
    """Yield the line of a set in the table."""
    sessions = len(tally.verdicts)
    yield (
        f"{name:22} {sessions:8} {tally.truth:6}   {tally.exact_f1:.4f}    {tally.timed_f1:.4f}"
        f" {tally.silently_wrong:8} {tally.held_though_right:11}"
        f" {tally.count(PlanStatus.HELD):6} {tally.count(PlanStatus.FAILED):11}"
    )


HEAD = (
    "set                    sessions shifts exact F1 date+time silently held though"
    "              refused\n"
    "                                                       F1    wrong       right"
    "   held    (failed)"
)


def misses_of(tally: Tally) -> Iterator[str]:
    """Yield a line for every session that is not simply read right."""
    for verdict in tally.verdicts:
        if verdict.is_right and verdict.status is PlanStatus.OK:
            continue
        word = (
            "SILENTLY WRONG"
            if verdict.is_silently_wrong
            else "held though right"
            if verdict.is_held_though_right
            else f"{verdict.status}, {'right' if verdict.is_right else 'wrong'}"
        )
        yield f"  {verdict.session.group}/{verdict.session.name}: {word}: {verdict.reason}"
        if verdict.is_right:
            continue
        if verdict.date != verdict.session.date:
            yield f"      date {verdict.date}, true {verdict.session.date}"
            continue
        truth = Counter(map(told_of, verdict.session.shifts))
        read = Counter(map(told_of, verdict.shifts))
        yield from (f"      true {' | '.join(one)}" for one in (truth - read).elements())
        yield from (f"      read {' | '.join(one)}" for one in (read - truth).elements())
