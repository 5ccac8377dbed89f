"""What happened to one shift, as `schedule_event` stores it."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple

from backfill.ocr.shift import Shift

# Any fixed id does; changing it would give stored events other ids on the next run.
_EVENT_NAMESPACE = uuid.UUID("b5e0a4c3-6f0d-5b51-9d2e-3c7f1a86d4e2")


class EventType(StrEnum):
    """The closed set of `schedule_event.event_type`."""

    ADDED = "shift_added"
    REMOVED = "shift_removed"
    TIME_CHANGED = "shift_time_changed"
    RELOCATED = "shift_relocated"
    RETITLED = "shift_retitled"
    RECLASSIFIED = "shift_reclassified"


@dataclass(frozen=True, slots=True)
class ScheduleEvent:
    """One change of one shift; `old` and `new` hold exactly the twelve fields, or None."""

    event_type: EventType
    old: Mapping[str, str] | None
    new: Mapping[str, str] | None
    location_fingerprint: str
    customer_fingerprint: str
    old_value_hash: str
    new_value_hash: str


class EventKey(NamedTuple):
    """The unique key of `schedule_event`: the database keeps one event of each."""

    user_id: int
    schedule_date: dt.date
    location_fingerprint: str
    event_type: str
    old_value_hash: str
    new_value_hash: str


@dataclass(frozen=True, slots=True)
class PlannedEvent:
    """An event with its row's id, its day and the session it comes from."""

    event_id: str
    user_id: int
    schedule_date: dt.date
    source_session_id: str
    event: ScheduleEvent

    @property
    def unique_key(self) -> EventKey:
        event = self.event
        return EventKey(
            self.user_id,
            self.schedule_date,
            event.location_fingerprint,
            event.event_type.value,
            event.old_value_hash,
            event.new_value_hash,
        )


def value_hash(value: Mapping[str, object] | None) -> str:
    """Return the SHA-256 (hex) of compact JSON with sorted keys; of `null` for none."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def make_event(event_type: EventType, old: Shift | None, new: Shift | None) -> ScheduleEvent:
    """Return the event of one shift, under the new shift's fingerprints if there is one."""
    known = new or old
    if known is None:
        raise ValueError("an event needs a shift, before or after")
    before = old.as_json() if old else None
    after = new.as_json() if new else None
    return ScheduleEvent(
        event_type=event_type,
        old=before,
        new=after,
        location_fingerprint=known.location_fingerprint,
        customer_fingerprint=known.customer_fingerprint,
        old_value_hash=value_hash(before),
        new_value_hash=value_hash(after),
    )


def identify_events(
    user_id: int,
    schedule_date: dt.date,
    source_session_id: str,
    events: Sequence[ScheduleEvent],
) -> tuple[PlannedEvent, ...]:
    """Give every event its id: the same day, session and change give the same id on every run."""
    planned = (
        PlannedEvent("", user_id, schedule_date, source_session_id, event) for event in events
    )
    return tuple(replace(event, event_id=_event_id(event)) for event in planned)


def _event_id(planned: PlannedEvent) -> str:
    name = "|".join(map(str, (*planned.unique_key, planned.source_session_id)))
    return str(uuid.uuid5(_EVENT_NAMESPACE, name))
