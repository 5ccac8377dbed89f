"""A session's change as the engine keeps it: the state of a user's day before and after.

Both states have the same columns, so that writing a run, reverting it and reverting that is one
movement from `before` to `after`:

    payload            text, `snapshot_payload` as JSON; NULL: there is no snapshot
    source_session_id  text, the session that the snapshot comes from
    updated_at         text, as PostgreSQL writes it; NULL: whenever it is written
    events             text, JSON list of the rows of `schedule_event` that this session's change
                       brings with it (each a `StoredEvent`); `[]` in the other state
    notifications      text, JSON list of rows of `schedule_notification`, the same way
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa

from backfill.jobs.ocr.selection import Day, SnapshotRow
from backfill.ocr.day.notify import Notification
from backfill.ocr.day.schedule_event import PlannedEvent
from backfill.ocr.day.session import SessionPlan, SessionReading
from backfill.rows.values import schema_of_changes

_TEXT = pa.string()
STATE = pa.struct(
    [
        pa.field(name, _TEXT)
        for name in ("payload", "source_session_id", "updated_at", "events", "notifications")
    ]
)
SOURCE = pa.struct([pa.field(name, _TEXT) for name in ("schedule_date", "state", "images")])
WHY = pa.struct(
    [
        pa.field("shifts", pa.int64()),
        pa.field("events", pa.int64()),
        pa.field("swallowed", pa.int64()),
        pa.field("snapshot_only", pa.bool_()),
        pa.field("decision", _TEXT),
        pa.field("corrections", pa.int64()),
        pa.field("confidence", pa.float64()),  # 0 to 100, of the least certain shift
    ]
)
CHANGES_SCHEMA = schema_of_changes(SOURCE, STATE, WHY)


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """A row of `schedule_event`; `detected_at` None means the moment of writing."""

    event_id: str
    event_type: str
    location_fingerprint: str
    customer_fingerprint: str
    old_value_hash: str
    new_value_hash: str
    old_value: Mapping[str, str] | None
    new_value: Mapping[str, str] | None
    detected_at: str | None = None


@dataclass(frozen=True, slots=True)
class DayState:
    """The value of a `before` or `after` struct."""

    payload: str | None
    source_session_id: str | None
    updated_at: str | None
    events: tuple[StoredEvent, ...] = ()
    notifications: tuple[Notification, ...] = ()

    @classmethod
    def of(cls, struct: Mapping[str, Any]) -> DayState:
        """Return the state that a row's struct holds."""
        return cls(
            struct["payload"],
            struct["source_session_id"],
            struct["updated_at"],
            tuple(StoredEvent(**value) for value in json.loads(struct["events"])),
            tuple(
                Notification(**{**value, "event_ids": tuple(value["event_ids"])})
                for value in json.loads(struct["notifications"])
            ),
        )

    def as_struct(self) -> dict[str, Any]:
        return {
            "payload": self.payload,
            "source_session_id": self.source_session_id,
            "updated_at": self.updated_at,
            "events": _json([asdict(event) for event in self.events]),
            "notifications": _json([asdict(entry) for entry in self.notifications]),
        }

    @property
    def digest(self) -> str:
        """What tells the snapshot's content from any other: payload and source session."""
        return snapshot_digest(self.payload, self.source_session_id)


def snapshot_digest(payload: str | None, source_session_id: str | None) -> str:
    """Return a hash of a snapshot; of equal JSON it is equal, however that is written."""
    value = None if payload is None else json.loads(payload)
    text = json.dumps([value, source_session_id], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def change_row(
    plan: SessionPlan,
    position: int,
    snapshots: Mapping[Day, SnapshotRow],
    notifications: Sequence[Notification],
) -> dict[str, Any]:
    """Return a session that was read as a row of `changes`: to write, or unchanged.

    `notifications` are those of the plan's that will be stored.
    """
    reading = plan.outcome
    assert isinstance(reading, SessionReading)
    before = _before(plan, snapshots.get((plan.session.user_id, reading.schedule_date)))
    after = _after(plan, notifications) or before
    return {
        "position": position,
        "key": str(plan.session.id),
        "scope": str(plan.session.user_id),
        "kind": "changed" if plan.is_writing else "unchanged",
        "rule": plan.status.value,
        "warnings": "; ".join(reading.warnings),
        "source": {
            "schedule_date": reading.schedule_date.isoformat(),
            "state": plan.session.state,
            "images": _json([[d.sequence, d.sha256] for d in reading.image_details]),
        },
        "before": before.as_struct(),
        "after": after.as_struct(),
        "why": _why(plan, reading),
    }


def _why(plan: SessionPlan, reading: SessionReading) -> dict[str, Any]:
    return {
        "shifts": len(reading.shifts),
        "events": len(plan.events),
        "swallowed": len(plan.swallowed),
        "snapshot_only": plan.is_writing and not (plan.events or plan.swallowed),
        "corrections": len(reading.corrections),
        "decision": "; ".join(f"{reason}: {answer}" for reason, answer in plan.answers) or None,
        "confidence": min((e.confidence for e in reading.evidence), default=None),
    }


def _after(plan: SessionPlan, notifications: Sequence[Notification]) -> DayState | None:
    """Return the state that a session writes, None where it writes none."""
    if not plan.is_writing or plan.after is None:
        return None
    return DayState(
        _json(plan.after),
        str(plan.session.id),
        None,
        tuple(_stored_event(event) for event in plan.events),
        tuple(notifications),
    )


def _before(plan: SessionPlan, read: SnapshotRow | None) -> DayState:
    """Return the state that must still stand: as the database wrote it, or as an earlier session
    of this run will have written it.
    """
    if plan.before is None:
        return DayState(None, None, None)
    source = str(plan.before.source_session_id)
    payload = _json(plan.before.payload)
    if read and snapshot_digest(read.payload, read.source_session_id) == snapshot_digest(
        payload, source
    ):
        return DayState(read.payload, read.source_session_id, read.updated_at)
    return DayState(payload, source, None)


def _stored_event(planned: PlannedEvent) -> StoredEvent:
    event = planned.event
    return StoredEvent(
        planned.event_id,
        event.event_type.value,
        event.location_fingerprint,
        event.customer_fingerprint,
        event.old_value_hash,
        event.new_value_hash,
        event.old,
        event.new,
    )


def chains_of(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return, for each day that several sessions of the plan write, its states one after another.

    By session id: its place (1 is the first), and the digests of the day's states, the one before
    the run at 0. A day that one session writes needs no chain.
    """
    days: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in rows:
        if row["kind"] == "changed":
            days.setdefault((row["scope"], row["source"]["schedule_date"]), []).append(row)
    chains = {}
    for writing in days.values():
        if len(writing) > 1:
            first = DayState.of(writing[0]["before"]).digest
            states = [first, *(DayState.of(row["after"]).digest for row in writing)]
            for place, row in enumerate(writing, start=1):
                chains[row["key"]] = {"place": place, "states": states}
    return chains


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
