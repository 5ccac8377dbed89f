"""What a run will do with the sessions it has read, each planned on top of the one before."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from backfill.decisions import Answers, Question
from backfill.ocr.day.aggregate import order_key
from backfill.ocr.day.notify import SUMMARY_THRESHOLD_DEFAULT, write_notifications
from backfill.ocr.day.schedule_diff import ScheduleDiff, diff_schedules
from backfill.ocr.day.schedule_event import EventKey, PlannedEvent, identify_events
from backfill.ocr.day.session import (
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
from backfill.ocr.day.stored_shift import read_stored
from backfill.ocr.doubts import explained, is_settled
from backfill.ocr.identity import fold_text
from backfill.ocr.screen.checks import TITLE_UNSURE
from backfill.ocr.shift import Shift

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
            detail = f"{outcome.stage}: {outcome.error_message}"
            plans.append(SessionPlan(outcome.session, PlanStatus.FAILED, outcome, detail=detail))
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


def _plan_reading(
    reading: SessionReading,
    before: StoredSnapshot | None,
    keys: Collection[EventKey],
    options: PlanOptions,
) -> SessionPlan:
    after = make_payload(reading)
    stored = before.payload if before else []
    plan = SessionPlan(reading.session, PlanStatus.UNCHANGED, reading, before=before)
    if _is_same_payload(stored, after):
        return plan
    diff = diff_schedules(stored, reading.shifts)
    reasons = _reasons_to_hold(reading, before, options)
    questions = {reason: _question(reading, reason, detail) for reason, detail in reasons}
    found = ((reason, options.answers.find(asked)) for reason, asked in questions.items())
    answers = {reason: answer for reason, answer in found if answer is not None}
    held = [
        (reason, f"{detail}; decided: {answers[reason]}" if reason in answers else detail)
        for reason, detail in reasons
        if reason not in answers or answers[reason].decision != ACCEPT
    ]
    plan = replace(plan, answers=tuple(answers.items()))
    if held:
        return replace(
            plan,
            status=PlanStatus.HELD,
            held_reason=held[0][0],
            detail=held[0][1],
            withheld=diff.events,
            questions=tuple(asked for why, asked in questions.items() if why not in answers),
        )
    events, swallowed = _divide_events(reading, diff, keys)
    return replace(
        plan,
        status=PlanStatus.OK if diff.events else PlanStatus.SNAPSHOT_ONLY,
        after=after,
        events=events,
        swallowed=swallowed,
        notifications=write_notifications(events, summary_threshold=options.summary_threshold),
    )


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
    count, old_count = len(reading.shifts), len(read_stored(before.payload)) if before else 0
    told = "; ".join(reading.contradictions)
    doubts = "; ".join(map(explained, reading.all_review_reasons))
    rows = (
        (
            HeldReason.STALE_SESSION,
            before is not None and not options.allow_older and is_stale(reading.session, before),
            f"the snapshot comes from the newer session {before and before.source_session_id};"
            " --allow-older overwrites it",
        ),
        (
            HeldReason.CONTRADICTING_IMAGES,
            told and not options.accept_review,
            f"{told}; or give --accept-review",
        ),
        (
            HeldReason.NEEDS_REVIEW,
            doubts and not options.accept_review,
            f"{doubts}; correct it (--corrections), accept it (--decisions) or give"
            " --accept-review",
        ),
        (
            HeldReason.SUSPICIOUS_REMOVAL,
            is_suspicious_removal(old_count, count) and not options.allow_removals,
            f"{count} shifts were read where {old_count} are stored;"
            " --allow-removals removes the others",
        ),
    )
    return [(reason, detail) for reason, is_held, detail in rows if is_held]


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
