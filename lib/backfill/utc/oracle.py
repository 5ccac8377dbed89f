"""What the standard library says about one wall time: slow, and by another road than `convert`.

Tests and verify hold the conversion against it. Both read the same bytes of the pinned `tzdata`.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from backfill.utc.convert import LocalKind

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Kind, and the instants for fold=0 and fold=1 in microseconds since 1970."""

    kind: LocalKind
    fold0_us: int
    fold1_us: int


def judge(wall: dt.datetime, zone: ZoneInfo) -> Verdict:
    """Classify a naive wall time by both fold values and by the way there and back.

    One instant, or two of which one alone comes back: normal. Two that come back: fold. Two of
    which neither does: gap. `zoneinfo` gives two where one is false in the last hours of its list
    of transitions, as in America/Nuuk on 2023-10-28 at 23:30.

    Raises:
        OverflowError: an instant falls outside years 1..9999.
    """
    fold0_us, fold1_us = (
        to_us(wall) - _offset_us(wall.replace(tzinfo=zone, fold=fold)) for fold in (0, 1)
    )
    if fold0_us == fold1_us:
        return Verdict(LocalKind.NORMAL, fold0_us, fold1_us)
    returns = [us for us in (fold0_us, fold1_us) if us + offset_at(us, zone) == to_us(wall)]
    if len(returns) == 1:
        return Verdict(LocalKind.NORMAL, returns[0], returns[0])
    return Verdict(LocalKind.FOLD if returns else LocalKind.GAP, fold0_us, fold1_us)


def offset_at(instant_us: int, zone: ZoneInfo) -> int:
    """Return the offset that holds at an instant, in microseconds east of UTC."""
    return _offset_us((_EPOCH + instant_us * _MICROSECOND).astimezone(zone))


def to_us(wall: dt.datetime) -> int:
    """Return a naive wall time, read as if it were UTC, in microseconds since 1970."""
    return (wall.replace(tzinfo=dt.UTC) - _EPOCH) // _MICROSECOND


def to_wall(wall_us: int) -> dt.datetime:
    """Return the naive wall time; the inverse of `to_us`."""
    return (_EPOCH + wall_us * _MICROSECOND).replace(tzinfo=None)


def _offset_us(moment: dt.datetime) -> int:
    return (moment.utcoffset() or dt.timedelta()) // _MICROSECOND
