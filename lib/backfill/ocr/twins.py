"""Cards that several images of a session show: one that is cut or misread gives way to its twin."""

from __future__ import annotations

from collections.abc import Sequence

from backfill.ocr import limits
from backfill.ocr.checks import CUT_OFF, DURATION_MISMATCH
from backfill.ocr.likeness import likeness
from backfill.ocr.noise import plain
from backfill.ocr.shift import Entry


def without_worse_twins(images: Sequence[Sequence[Entry]]) -> tuple[tuple[Entry, ...], ...]:
    """Return each image's entries without those that another image shows better.

    A card that an edge cuts gives way to a whole one of the same times; a card whose times its
    duration contradicts to one of the same title whose times it proves.
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
    return DURATION_MISMATCH in entry.flags and any(_is_proven_twin(entry, o) for o in others)


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
