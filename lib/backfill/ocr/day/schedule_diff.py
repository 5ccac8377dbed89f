"""The stored schedule of a day against the one read now: which events lead from one to the other.

Where OCR.md §8 and the vectors leave room, or differ, this is what holds:

- A change of the label alone is no event; the day is listed as `snapshot_only`. (A vector wishes
  for `reclassified`; §8 says "label only" and is not contradicted anywhere on its page.)
- Two activities without a client differ by what they are, not by a name: Lunch that became
  Restid is `reclassified`, as the vector asks, not `retitled`.
- A stored type of the older worker equals what it means today (`older_types` in the vocabulary):
  OFFICE that is read as WORK is no event. OFFICE against HOME_VISIT is one: these are two words
  of one vocabulary. BREAK that is read as WORK is `reclassified`, also when the old reading was
  the mistake: the type of the shift does change for whoever reads the schedule.
- A place that was read worse before is the same place (`is_same_place`): no event.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from backfill.ocr.day.aggregate import nearest_pairs
from backfill.ocr.day.schedule_event import EventType, ScheduleEvent, make_event
from backfill.ocr.day.stored_shift import is_same_place, read_stored
from backfill.ocr.shift import Shift
from backfill.ocr.text.clock import canonical_time, range_distance
from backfill.ocr.text.vocabulary import ShiftType, is_same_type

_Pair = tuple[Shift, Shift]


@dataclass(frozen=True, slots=True)
class ScheduleDiff:
    """What leads from the stored schedule to the new one.

    `events` in the order: pairs of one identity, relocated, retitled, removed, added. `quiet`
    are pairs of one shift before and after whose change is no event (a label, a better spelling
    of the place).
    """

    events: tuple[ScheduleEvent, ...]
    quiet: tuple[tuple[Shift, Shift], ...]


def diff_schedules(stored: object, shifts: Sequence[Shift]) -> ScheduleDiff:
    """Compare a stored payload, of any shape, with the shifts read now.

    1. pair by (place, client), then by a place that was only read worse, nearest time first;
    2. by (client, start, end): another place; 3. by (place, start, end): another client;
    4. what is left was removed or added. The order of either list does not matter.
    """
    left = _Unpaired(sorted(read_stored(stored), key=_order_key), sorted(shifts, key=_order_key))
    identity = left.pair(
        lambda a, b: _has_same_client(a, b) and a.location_fingerprint == b.location_fingerprint
    )
    identity += left.pair(lambda a, b: _has_same_client(a, b) and is_same_place(a, b))
    relocated = left.pair(lambda a, b: _has_same_client(a, b) and _has_same_time(a, b))
    renamed = left.pair(lambda a, b: _has_same_time(a, b) and is_same_place(a, b))
    decided = [
        *((pair, _compare_identity(*pair)) for pair in identity),
        *((pair, EventType.RELOCATED) for pair in relocated),
        *((pair, _compare_renamed(*pair)) for pair in renamed),
    ]
    return ScheduleDiff(
        events=(
            *(make_event(kind, *pair) for pair, kind in decided if kind is not None),
            *(make_event(EventType.REMOVED, shift, None) for shift in left.old),
            *(make_event(EventType.ADDED, None, shift) for shift in left.new),
        ),
        quiet=tuple(pair for pair, kind in decided if kind is None and pair[0] != pair[1]),
    )


class _Unpaired:
    """Shifts before and after that have no partner yet."""

    def __init__(self, old: list[Shift], new: list[Shift]) -> None:
        self.old = old
        self.new = new

    def pair(self, belongs: Callable[[Shift, Shift], bool]) -> list[_Pair]:
        """Take out pairs that belong together, the nearest first, in the order of the old."""
        partner = nearest_pairs(self.old, self.new, belongs, _rank)
        pairs = [(self.old[old], self.new[new]) for old, new in sorted(partner.items())]
        taken = set(partner.values())
        self.old = [shift for index, shift in enumerate(self.old) if index not in partner]
        self.new = [shift for index, shift in enumerate(self.new) if index not in taken]
        return pairs


def _order_key(shift: Shift) -> tuple[str, ...]:
    """The order of the stored fingerprints; the vectors fix it for removed shifts."""
    return (
        shift.location_fingerprint,
        shift.customer_fingerprint,
        shift.start,
        shift.end,
        repr(shift),
    )


def _rank(before: Shift, after: Shift) -> tuple[int, ...]:
    """The nearest time first, then the most alike."""
    return (
        range_distance((before.start, before.end), (after.start, after.end)),
        not _has_same_name(before, after),
        not is_same_type(before.shift_type, after.shift_type),
        before != after,
    )


def _has_same_client(before: Shift, after: Shift) -> bool:
    return before.customer_fingerprint == after.customer_fingerprint


def _has_same_time(before: Shift, after: Shift) -> bool:
    return (canonical_time(before.start), canonical_time(before.end)) == (
        canonical_time(after.start),
        canonical_time(after.end),
    )


def _has_same_name(before: Shift, after: Shift) -> bool:
    """Compare written names; an activity that was stored with its label as a name has none."""
    if not before.customer_name and not after.customer_name:
        return True
    return _written_name(before) == _written_name(after)


def _written_name(shift: Shift) -> str:
    return " ".join((shift.customer_name or shift.raw_type_label or shift.shift_type).split())


def _compare_identity(before: Shift, after: Shift) -> EventType | None:
    if not _has_same_time(before, after):
        return EventType.TIME_CHANGED
    if not _has_same_name(before, after):
        return EventType.RETITLED
    return _compare_type(before, after)


def _compare_renamed(before: Shift, after: Shift) -> EventType | None:
    """One place and time, another client: renamed, unless both are activities."""
    is_activity = not before.customer_name and not after.customer_name
    if is_activity or _is_same_activity(before, after):
        return _compare_type(before, after)
    return EventType.RETITLED


def _is_same_activity(before: Shift, after: Shift) -> bool:
    """An activity that the older worker stored with part of its title as a client's name."""
    is_activity = after.shift_type not in {ShiftType.WORK, ShiftType.UNKNOWN}
    return is_activity and not after.customer_name and before.shift_type == after.shift_type


def _compare_type(before: Shift, after: Shift) -> EventType | None:
    if is_same_type(before.shift_type, after.shift_type):
        return None
    return EventType.RECLASSIFIED
