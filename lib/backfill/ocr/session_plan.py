"""What a run will do with the sessions it has read, each planned on top of the one before."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from backfill.decisions import Answer, Answers, Question
from backfill.ocr.aggregate import order_key
from backfill.ocr.checks import TITLE_UNSURE
from backfill.ocr.doubts import explained, is_settled
from backfill.ocr.identity import fold_text
from backfill.ocr.notify import SUMMARY_THRESHOLD_DEFAULT, write_notifications
from backfill.ocr.schedule_diff import ScheduleDiff, diff_schedules
from backfill.ocr.schedule_event import EventKey, PlannedEvent, identify_events
from backfill.ocr.session import (
    ACCEPT,
    HOLD,
    CaptureSession,
    HeldReason,
    PlanStatus,
    SessionFailure,
    SessionPlan,
    SessionReading,
    ShiftEvidence,
    StoredSnapshot,
)
from backfill.ocr.shift import Shift
from backfill.ocr.stored_shift import read_stored

SnapshotKey = tuple[int, dt.date]
# A reading with fewer than this part of the stored shifts removes nothing by itself.
SUSPICIOUS_PART = 0.5


@dataclass(frozen=True, slots=True)
class PlanOptions:
    """What a person allows beyond the rules that protect data.

    `accept_review` accepts shifts that need review and images that contradict each other.
    `answers` are what persons said of single sessions. `summary_threshold` counts events of one
    session.
    """

    allow_older: bool = False
    allow_removals: bool = False
    accept_review: bool = False
    answers: Answers = field(default_factory=Answers)
    summary_threshold: int = SUMMARY_THRESHOLD_DEFAULT


def plan_sessions(
    outcomes: Sequence[SessionReading | SessionFailure],
    snapshots: Mapping[SnapshotKey, StoredSnapshot],
    *,
    stored_event_keys: Collection[EventKey] = (),
    options: PlanOptions | None = None,
) -> list[SessionPlan]:
    """Plan sessions in the order of their creation; apply does what the plans say, no more.

    `snapshots` and `stored_event_keys` are what the database holds for the users and dates of
    the readings; sessions of one user and date are planned against each other's results.
    """
    options = options or PlanOptions()
    present = dict(snapshots)
    keys = set(stored_event_keys)
    plans: list[SessionPlan] = []
    clients = _clients(outcomes, snapshots)
    for outcome in sorted(outcomes, key=lambda outcome: outcome.session.order_key):
        if isinstance(outcome, SessionFailure):
            plans.append(_plan_failure(outcome))
            continue
        day = (outcome.session.user_id, outcome.schedule_date)
        plan = _plan_reading(_doubted(outcome, clients), present.get(day), keys, options)
        plans.append(plan)
        keys.update(planned.unique_key for planned in plan.events)
        if plan.after is not None:
            session = outcome.session
            present[day] = StoredSnapshot(list(plan.after), session.id, session.created_at)
    return plans


def make_payload(reading: SessionReading) -> tuple[dict[str, str], ...]:
    """Return the snapshot payload: twelve fields a shift, in chronological order."""
    return tuple(shift.as_json() for shift in sorted(reading.shifts, key=order_key))


def _clients(
    outcomes: Sequence[SessionReading | SessionFailure],
    snapshots: Mapping[SnapshotKey, StoredSnapshot],
) -> frozenset[str]:
    """Return the clients, of two words or more, that are stored or were read without a doubt."""
    read = (
        shift.customer_name
        for outcome in outcomes
        if isinstance(outcome, SessionReading)
        for shift, evidence in zip(outcome.shifts, outcome.evidence, strict=False)
        if TITLE_UNSURE not in evidence.review_reasons
    )
    stored = (
        shift.customer_name
        for snapshot in snapshots.values()
        for shift in read_stored(snapshot.payload)
    )
    return frozenset(fold_text(name) for name in (*read, *stored) if " " in name)


def _doubted(reading: SessionReading, clients: Collection[str]) -> SessionReading:
    """Return the reading, its clients doubted that are a known one's with a word before it.

    No single screen tells a word that says something of its card ("Dropped") from a first name.
    """

    def doubt(shift: Shift, evidence: ShiftEvidence) -> ShiftEvidence:
        words, reasons = fold_text(shift.customer_name).split(), evidence.review_reasons
        is_longer = any(" ".join(words[at:]) in clients for at in range(1, len(words) - 1))
        if not is_longer or is_settled(TITLE_UNSURE, evidence.looked_at):
            return evidence
        return replace(evidence, review_reasons=tuple(dict.fromkeys((*reasons, TITLE_UNSURE))))

    return replace(reading, evidence=tuple(map(doubt, reading.shifts, reading.evidence)))


def _plan_failure(failure: SessionFailure) -> SessionPlan:
    detail = f"{failure.stage}: {failure.error_message}"
    return SessionPlan(failure.session, PlanStatus.FAILED, failure, detail=detail)


def _plan_reading(
    reading: SessionReading,
    before: StoredSnapshot | None,
    keys: Collection[EventKey],
    options: PlanOptions,
) -> SessionPlan:
    session, after = reading.session, make_payload(reading)
    stored = before.payload if before else []
    if _is_same_payload(stored, after):
        return SessionPlan(session, PlanStatus.UNCHANGED, reading, before=before)
    diff = diff_schedules(stored, reading.shifts)
    review = _review(reading, _reasons_to_hold(reading, before, options), options.answers)
    if review.held:
        reason, detail = review.held[0]
        return SessionPlan(
            session,
            PlanStatus.HELD,
            reading,
            held_reason=reason,
            detail=detail,
            before=before,
            withheld=diff.events,
            quiet=diff.quiet,
            questions=review.questions,
            answers=review.answers,
        )
    events, swallowed = _divide_events(reading, diff, keys)
    return SessionPlan(
        session,
        PlanStatus.OK if diff.events else PlanStatus.SNAPSHOT_ONLY,
        reading,
        before=before,
        after=after,
        events=events,
        swallowed=swallowed,
        quiet=diff.quiet,
        answers=review.answers,
        notifications=write_notifications(events, summary_threshold=options.summary_threshold),
    )


@dataclass(frozen=True, slots=True)
class _Review:
    """The reasons that still hold a session back, and what was said of them."""

    held: tuple[tuple[HeldReason, str], ...]
    questions: tuple[Question, ...]
    answers: tuple[tuple[HeldReason, Answer], ...]


def _review(
    reading: SessionReading, reasons: Sequence[tuple[HeldReason, str]], answers: Answers
) -> _Review:
    held, questions, said = [], [], []
    for reason, detail in reasons:
        question = _question(reading, reason, detail)
        answer = answers.find(question)
        if answer is None:
            questions.append(question)
        else:
            said.append((reason, answer))
        if answer is None or answer.decision != ACCEPT:
            held.append((reason, f"{detail}; decided: {answer}" if answer else detail))
    return _Review(tuple(held), tuple(questions), tuple(said))


def _question(reading: SessionReading, reason: HeldReason, detail: str) -> Question:
    return Question(
        kind=reason.value,
        key=str(reading.session.id),
        scope=str(reading.session.user_id),
        local_date=reading.schedule_date.isoformat(),
        read=detail.rpartition("; ")[0],
        candidates=f"{ACCEPT} | {HOLD}",
        applied=HOLD,
    )


def _is_same_payload(stored: object, after: Sequence[Mapping[str, str]]) -> bool:
    """Compare what is stored with what would be; the order of the shifts does not matter."""
    if not isinstance(stored, Sequence) or isinstance(stored, str | bytes):
        return False
    return sorted(map(_canonical_json, stored)) == sorted(map(_canonical_json, after))


def _canonical_json(value: object) -> str:
    return json.dumps(value, sort_keys=True, default=repr)


def _reasons_to_hold(
    reading: SessionReading, before: StoredSnapshot | None, options: PlanOptions
) -> list[tuple[HeldReason, str]]:
    """Return every reason with what to do about it, the one that decides first."""
    reasons: list[tuple[HeldReason, str]] = []
    if before is not None and not options.allow_older and is_stale(reading.session, before):
        detail = (
            f"the snapshot comes from the newer session {before.source_session_id};"
            " --allow-older overwrites it"
        )
        reasons.append((HeldReason.STALE_SESSION, detail))
    if not options.accept_review and reading.contradictions:
        told = "; ".join(contradiction.detail for contradiction in reading.contradictions)
        reasons.append((HeldReason.CONTRADICTING_IMAGES, f"{told}; or give --accept-review"))
    if not options.accept_review and reading.all_review_reasons:
        detail = (
            f"{'; '.join(map(explained, reading.all_review_reasons))}; correct it (--corrections),"
            " accept it (--decisions) or give --accept-review"
        )
        reasons.append((HeldReason.NEEDS_REVIEW, detail))
    old_count = len(read_stored(before.payload)) if before else 0
    is_suspicious = is_suspicious_removal(old_count, len(reading.shifts))
    if is_suspicious and not options.allow_removals:
        detail = (
            f"{len(reading.shifts)} shifts were read where {old_count} are stored;"
            " --allow-removals removes the others"
        )
        reasons.append((HeldReason.SUSPICIOUS_REMOVAL, detail))
    return reasons


def _divide_events(
    reading: SessionReading, diff: ScheduleDiff, keys: Collection[EventKey]
) -> tuple[tuple[PlannedEvent, ...], tuple[PlannedEvent, ...]]:
    """Return the events that will be inserted, and those that the unique key swallows."""
    seen = set(keys)
    inserted: list[PlannedEvent] = []
    swallowed: list[PlannedEvent] = []
    session = reading.session
    for planned in identify_events(
        session.user_id, reading.schedule_date, str(session.id), diff.events
    ):
        (swallowed if planned.unique_key in seen else inserted).append(planned)
        seen.add(planned.unique_key)
    return tuple(inserted), tuple(swallowed)


def is_stale(session: CaptureSession, before: StoredSnapshot) -> bool:
    """Tell whether a session is older than the one its day's snapshot comes from.

    Sessions are ordered by creation, then id, as the run reads them. A source session that no
    longer exists has no age (None) and holds nothing back.
    """
    created_at = before.source_session_created_at
    return created_at is not None and session.order_key < (created_at, before.source_session_id)


def is_suspicious_removal(old_count: int, new_count: int) -> bool:
    """Tell whether a reading would remove all, or more than half, of the stored shifts."""
    return old_count > 0 and (new_count == 0 or new_count < old_count * SUSPICIOUS_PART)
