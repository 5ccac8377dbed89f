"""Several screenshots of one day, joined into one schedule.

The screenshots of a long day overlap, so a card may stand on two of them, read a little
differently each time, or cut off at an edge.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from backfill.ocr import limits
from backfill.ocr.identity import customer_fingerprint, fold_text
from backfill.ocr.screen.checks import CUT_OFF, DURATION_MISMATCH
from backfill.ocr.screen.reading import ImageReading, name_of
from backfill.ocr.shift import Entry, Shift
from backfill.ocr.text.clock import range_distance, unroll_range, write_minutes
from backfill.ocr.text.likeness import likeness
from backfill.ocr.text.noise import plain
from backfill.ocr.text.vocabulary import ShiftType, known_towns
from backfill.ocr.words import span_of


@dataclass(frozen=True, slots=True)
class Source:
    """Where a shift was read: image and row, counted from 0 in the order given."""

    image: int
    row: int


@dataclass(frozen=True, slots=True)
class DaySchedule:
    """One session's shifts in chronological order; `sources` has an entry for every shift.

    `contradictions` say why two rows of different images cannot both be right.
    """

    shifts: tuple[Shift, ...]
    sources: tuple[tuple[Source, ...], ...]
    contradictions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Reading:
    """A shift so far, and the rows it was read from."""

    shift: Shift
    sources: tuple[Source, ...]


def aggregate_images(images: Sequence[Sequence[Shift]]) -> DaySchedule:
    """Join the shifts of a session's images, given in `sequence` order.

    Rows of one image are never merged with each other: each shift takes at most one row of every
    image, the nearest in time.
    """
    readings: list[_Reading] = []
    for image, rows in enumerate(images):
        readings = _join_image(readings, rows, image)
    readings.sort(key=lambda reading: order_key(reading.shift))
    return DaySchedule(
        shifts=tuple(reading.shift for reading in readings),
        sources=tuple(reading.sources for reading in readings),
        contradictions=tuple(_find_contradictions(readings)),
    )


def order_key(shift: Shift) -> tuple[int, int, str, str, str]:
    """Chronological; shifts of one time in the order of their fingerprints."""
    first, last = unroll_range(shift.start, shift.end)
    return (
        first,
        last,
        shift.location_fingerprint,
        shift.customer_fingerprint,
        repr(shift),
    )


def nearest_pairs(
    ones: Sequence[Shift],
    others: Sequence[Shift],
    belongs: Callable[[Shift, Shift], bool],
    distance: Callable[[Shift, Shift], tuple[int, ...]],
) -> dict[int, int]:
    """Return pairs that belong together, as places: the nearest first, each shift once."""
    ranked = sorted(
        (distance(one, other), place, number)
        for place, one in enumerate(ones)
        for number, other in enumerate(others)
        if belongs(one, other)
    )
    partner: dict[int, int] = {}
    for _distance, place, number in ranked:
        if place not in partner and number not in partner.values():
            partner[place] = number
    return partner


def _join_image(readings: Sequence[_Reading], rows: Sequence[Shift], image: int) -> list[_Reading]:
    shifts = [reading.shift for reading in readings]
    partner = nearest_pairs(shifts, rows, _is_same_shift, _closeness)
    joined = list(readings)
    for place, number in partner.items():
        joined[place] = _merge(readings[place], rows[number], Source(image, number))
    return joined + [
        _Reading(row, (Source(image, number),))
        for number, row in enumerate(rows)
        if number not in partner.values()
    ]


def _closeness(one: Shift, other: Shift) -> tuple[int, ...]:
    """Sort key: the smaller, the more surely two rows are the same shift."""
    return (
        _distance(one, other),
        one.customer_fingerprint != other.customer_fingerprint,
        one.location_fingerprint != other.location_fingerprint,
    )


def _distance(one: Shift, other: Shift) -> int:
    return range_distance((one.start, one.end), (other.start, other.end))


def _is_same_shift(one: Shift, other: Shift) -> bool:
    if not _may_be_same_client(one, other):
        return False
    is_same_client = one.customer_fingerprint == other.customer_fingerprint
    if _distance(one, other) <= limits.SAME_TIME_MINUTES:
        has_place = bool(one.street or one.city or one.postal_area)
        is_same_place = has_place and one.location_fingerprint == other.location_fingerprint
        return is_same_place or (is_same_client and one.shift_type == other.shift_type)
    return is_same_client and _is_inside(one, other)


def _may_be_same_client(one: Shift, other: Shift) -> bool:
    """Tell a name cut off or misread from another client."""
    if one.customer_fingerprint == other.customer_fingerprint:
        return True
    mine, yours = fold_text(one.customer_name), fold_text(other.customer_name)
    if not mine or not yours:
        # An activity and a client's visit are two things, even at one address.
        return one.shift_type == other.shift_type
    if mine.startswith(yours) or yours.startswith(mine):
        return True
    return bool(likeness(mine, yours, limits.FUZZY_SIMILARITY_MIN))


def _is_inside(one: Shift, other: Shift) -> bool:
    """Tell whether one range lies inside the other, whichever."""
    mine = unroll_range(one.start, one.end)
    yours = unroll_range(other.start, other.end, near=mine[0])
    first, last = max(mine[0], yours[0]), min(mine[1], yours[1])
    return (first, last) in (mine, yours)


def _merge(reading: _Reading, row: Shift, source: Source) -> _Reading:
    """Earliest start, latest end, longer name, most complete address, highest type."""
    one = reading.shift
    mine = unroll_range(one.start, one.end)
    yours = unroll_range(row.start, row.end, near=mine[0])
    typed = min((one, row), key=lambda shift: (_type_rank(shift), -len(shift.raw_type_label)))
    named = max((one, row), key=lambda shift: len(shift.customer_name))
    placed = max((one, row), key=_address_completeness)
    merged = replace(
        placed,
        start=write_minutes(min(mine[0], yours[0])),
        end=write_minutes(max(mine[1], yours[1])),
        customer_name=named.customer_name,
        customer_fingerprint=customer_fingerprint(
            named.customer_name, typed.raw_type_label, typed.shift_type
        ),
        shift_type=typed.shift_type,
        raw_type_label=typed.raw_type_label,
    )
    return _Reading(merged, (*reading.sources, source))


def _type_rank(shift: Shift) -> int:
    ranks = list(ShiftType)
    known = ShiftType(shift.shift_type) if shift.shift_type in ranks else ShiftType.UNKNOWN
    return ranks.index(known)


def _address_completeness(shift: Shift) -> tuple[bool, bool, bool, bool, int, bool]:
    """A town that is known counts more than a longer street; a town unknown counts least."""
    return (
        bool(shift.street),
        bool(shift.street_number),
        bool(shift.postal_code),
        bool(known_towns().find_town(shift.city)),
        len(shift.street),
        bool(shift.city),
    )


def _find_contradictions(readings: Sequence[_Reading]) -> list[str]:
    return [
        detail
        for one, other in itertools.combinations(readings, 2)
        if _come_from_different_images(one, other)
        and (detail := _contradiction(one.shift, other.shift))
    ]


def _come_from_different_images(one: _Reading, other: _Reading) -> bool:
    """Rows that stand on one image together are the schedule's own doing, no contradiction."""
    images = {source.image for source in one.sources}
    return images.isdisjoint(source.image for source in other.sources)


def _contradiction(one: Shift, other: Shift) -> str:
    """Say why two shifts of different images cannot both be right; empty when they can."""
    is_same_client = one.customer_fingerprint == other.customer_fingerprint
    if is_same_client and _overlap(one, other):
        return (
            f"one client at {one.start}–{one.end} and at {other.start}–{other.end},"
            " which overlap: look at both images"
        )
    are_two_visits = one.customer_name and other.customer_name and not is_same_client
    is_same_time = _distance(one, other) <= limits.SAME_TIME_MINUTES
    if are_two_visits and is_same_time:
        return f"two clients at {one.start}–{one.end}: look at both images"
    return ""


def _overlap(one: Shift, other: Shift) -> bool:
    mine = unroll_range(one.start, one.end)
    yours = unroll_range(other.start, other.end, near=mine[0])
    return max(mine[0], yours[0]) < min(mine[1], yours[1])


def without_worse_twins(images: Sequence[Sequence[Entry]]) -> tuple[tuple[Entry, ...], ...]:
    """Return each image's entries without those that another image shows better.

    A card that an edge cuts, or of which something hides a part, gives way to a whole one of the
    same times; a card whose times its duration contradicts to one of the same title whose times it
    proves.
    """
    return tuple(
        tuple(entry for entry in entries if not _has_better_twin(entry, images, place))
        for place, entries in enumerate(images)
    )


def _has_better_twin(entry: Entry, images: Sequence[Sequence[Entry]], place: int) -> bool:
    others = [other for number, rows in enumerate(images) if number != place for other in rows]
    if CUT_OFF in entry.flags:
        whole = [other for other in others if CUT_OFF not in other.flags]
        return any((entry.start, entry.end) == (other.start, other.end) for other in whole)
    if any(_is_part_of(entry, other) for other in others):
        return True
    return DURATION_MISMATCH in entry.flags and any(_is_proven_twin(entry, o) for o in others)


def _is_part_of(entry: Entry, other: Entry) -> bool:
    """Whether a card without a doubt has the times and texts of a doubted one, and more of them.

    Of one place a title counts that is nearly the same: an edge cut the heads of its letters.
    """
    if not entry.flags or other.flags or (entry.start, entry.end) != (other.start, other.end):
        return False
    place, title = plain(entry.address + entry.location), plain(entry.title)
    is_same_place = bool(place) and place == plain(other.address + other.location)
    return _words_of(entry) < _words_of(other) or (
        is_same_place and _are_alike(title, plain(other.title))
    )


def _words_of(entry: Entry) -> frozenset[str]:
    text = " ".join((entry.title, entry.address, entry.location))
    return frozenset(map(plain, text.split())) - {""}


def _is_proven_twin(entry: Entry, other: Entry) -> bool:
    """Whether a card without a doubt says the same but for one of the times."""
    return (
        not other.flags
        and other.duration_minutes == entry.duration_minutes
        and (other.start == entry.start) != (other.end == entry.end)
        and _are_alike(plain(entry.title), plain(other.title))
    )


def _are_alike(one: str, other: str) -> bool:
    return bool(likeness(one, other, limits.SAME_TITLE))


def joined_at_edges(readings: Sequence[ImageReading]) -> list[ImageReading]:
    """Return the readings, in each the first card whole that another shows to begin with its times.

    That one's lower edge cuts it below them, so that nothing of it stands above.
    """
    joined = []
    for reading in readings:
        begun = {hour for other in readings if other is not reading for hour in other.hours}
        first = min(reading.entries, key=lambda entry: span_of(entry.words)[1], default=None)
        is_whole = first and len(reading.entries) > 1 and name_of(first) in begun
        entries = tuple(
            replace(entry, flags=tuple(flag for flag in entry.flags if flag != CUT_OFF))
            if is_whole and entry is first
            else entry
            for entry in reading.entries
        )
        joined.append(replace(reading, entries=entries))
    return joined
