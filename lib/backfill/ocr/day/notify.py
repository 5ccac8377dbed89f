"""The messages that the bot would send about a session's events.

A message stored is a message sent to a person: nothing here stores one.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from backfill.ocr.day.schedule_event import EventType, PlannedEvent

# Events of one session and day from which one summary takes the place of single messages.
SUMMARY_THRESHOLD_DEFAULT = 3
UNKNOWN_LOCATION = "unknown location"
UNKNOWN_CUSTOMER = "unknown customer"

_Value = Mapping[str, str]


class NotificationType(StrEnum):
    """The closed set of `schedule_notification.notification_type`."""

    EVENT = "event"
    SUMMARY = "summary"


@dataclass(frozen=True, slots=True)
class Notification:
    """What is its own of one row of `schedule_notification`."""

    notification_id: str
    notification_type: str  # a NotificationType
    message: str
    event_ids: tuple[str, ...]


def write_notifications(
    events: Sequence[PlannedEvent], *, summary_threshold: int = SUMMARY_THRESHOLD_DEFAULT
) -> tuple[Notification, ...]:
    """Write the messages of the events of one session and day, in the order given."""
    if len(events) >= summary_threshold:
        day = events[0].schedule_date.isoformat()
        message = f"{len(events)} {'shift' if len(events) == 1 else 'shifts'} updated for {day}"
        return (_notification(events, NotificationType.SUMMARY, message),)
    return tuple(_notification([event], NotificationType.EVENT, _tell(event)) for event in events)


def is_past(schedule_date: dt.date, today: dt.date) -> bool:
    """Tell whether a message about this day would come after the day."""
    return schedule_date < today


def _notification(
    events: Sequence[PlannedEvent], kind: NotificationType, message: str
) -> Notification:
    first = events[0]
    event_ids = tuple(event.event_id for event in events)
    summary = ["summary"] if kind is NotificationType.SUMMARY else []
    parts = (first.user_id, first.schedule_date, first.source_session_id, *summary, *event_ids)
    digest = hashlib.sha256("|".join(map(str, parts)).encode("utf-8"))
    return Notification(digest.hexdigest(), kind.value, message, event_ids)


def _tell(planned: PlannedEvent) -> str:
    """Tell one event in a sentence, with the date in full and no gap where a field is empty."""
    day = planned.schedule_date.isoformat()
    old, new = planned.event.old or {}, planned.event.new or {}
    match planned.event.event_type:
        case EventType.ADDED:
            return f"New shift added on {day} {_range(new)}{_where(new)}"
        case EventType.REMOVED:
            return f"Shift removed on {day} {_range(old)}{_where(old)}"
        case EventType.TIME_CHANGED:
            shift = " ".join([_city(new) or _city(old) or _what(new), "shift"]).strip()
            return f"On {day} {shift} moved {_move(old, new)}"
        case EventType.RELOCATED:
            return f"On {day} {_field(new, 'start')} shift moved to {_address(new)}"
        case EventType.RETITLED:
            name = _field(new, "customer_name") or _field(new, "raw_type_label")
            return f"On {day} shift updated for {name or UNKNOWN_CUSTOMER}"
        case EventType.RECLASSIFIED:
            return f"On {day} job updated to {_job(new)}"
        case other:
            assert_never(other)


def _field(value: _Value, name: str) -> str:
    return " ".join(value.get(name, "").split())


def _city(value: _Value) -> str:
    return _field(value, "city") or _field(value, "postal_area")


def _what(value: _Value) -> str:
    return _field(value, "raw_type_label") or _field(value, "customer_name")


def _where(value: _Value) -> str:
    """Say " in CITY"; without a city name the job or the client instead."""
    if city := _city(value):
        return f" in {city}"
    if what := _what(value):
        return f": {what}"
    return f" in {UNKNOWN_LOCATION}"


def _address(value: _Value) -> str:
    door = f"{_field(value, 'street')} {_field(value, 'street_number')}".strip()
    return _city(value) or door or UNKNOWN_LOCATION


def _range(value: _Value) -> str:
    return f"{_field(value, 'start')}–{_field(value, 'end')}"


def _move(old: _Value, new: _Value) -> str:
    is_start_same = _field(old, "start") == _field(new, "start")
    is_end_same = _field(old, "end") == _field(new, "end")
    if is_end_same:
        return f"{_field(old, 'start')} → {_field(new, 'start')}"
    if is_start_same:
        return f"ends {_field(old, 'end')} → {_field(new, 'end')}"
    return f"{_range(old)} → {_range(new)}"


def _job(value: _Value) -> str:
    """Say the label, else the type in words: HOME_VISIT is "Home visit shift"."""
    shift_type = _field(value, "shift_type").replace("_", " ") or "unknown"
    return _field(value, "raw_type_label") or f"{shift_type.capitalize()} shift"
