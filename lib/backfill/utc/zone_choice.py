"""Which zone a row is in: its own, else a default; an unknown name is never replaced in silence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from backfill.utc.zones import is_zone, near_misses


class ZoneSource(StrEnum):
    """Where a row's zone came from."""

    EVENT = "event"
    DEFAULT = "default_tz"
    LOOKUP = "lookup"
    FALLBACK = "fallback"


class _Verdict(StrEnum):
    MISSING = "missing"
    INVALID = "invalid"


@dataclass(frozen=True, slots=True)
class ZonePolicy:
    """`default` stands in for a blank zone before the looked-up one does."""

    default: str | None = None
    is_fallback_on_invalid: bool = False


@dataclass(frozen=True, slots=True)
class ZoneChoice:
    """One entry per row; `codes` index `zones` and are -1 where there is no zone to use."""

    zones: list[str]
    codes: NDArray[np.int64]
    sources: NDArray[np.int64]
    is_missing: NDArray[np.bool_]
    is_invalid: NDArray[np.bool_]
    detail: Callable[[int], str]

    @property
    def uses_lookup(self) -> NDArray[np.bool_]:
        """Whether the row's zone is the looked-up one, by default or as a fallback."""
        return self.sources >= _LOOKUP_FROM

    @property
    def is_fallback(self) -> NDArray[np.bool_]:
        return np.isin(self.sources, [_CODES[ZoneSource.FALLBACK], _FALLBACK_TO_LOOKUP])

    def names(self) -> pa.Array:
        """Return each row's zone, NULL where there is none."""
        codes = pa.array(self.codes, mask=self.codes < 0)
        return pa.DictionaryArray.from_arrays(codes, pa.array(self.zones, pa.string())).cast(
            pa.string()
        )

    def source_names(self) -> pa.Array:
        """Return where each row's zone came from."""
        codes = pa.array(self.sources, mask=self.codes < 0)
        return pa.DictionaryArray.from_arrays(codes, pa.array(_SOURCE_NAMES)).cast(pa.string())


_SOURCE_NAMES = [
    ZoneSource.EVENT,
    ZoneSource.DEFAULT,
    ZoneSource.FALLBACK,
    ZoneSource.LOOKUP,
    ZoneSource.FALLBACK,
]
_CODES = {ZoneSource.EVENT: 0, ZoneSource.DEFAULT: 1, ZoneSource.FALLBACK: 2, ZoneSource.LOOKUP: 3}
_LOOKUP_FROM = 3
_FALLBACK_TO_LOOKUP = 4


def choose_zones(own: pa.Array, looked_up: pa.Array | None, policy: ZonePolicy) -> ZoneChoice:
    """Choose each row's zone from its own column, the default, and the looked-up default.

    Works on the distinct pairs of values: a table has few of them, whatever its length.
    """
    own_codes, own_names = _encode(own)
    if looked_up is None:
        looked_up = pa.nulls(len(own), pa.string())
    default_codes, default_names = _encode(looked_up)
    pair_codes = own_codes * len(default_names) + default_codes
    pairs, inverse = np.unique(pair_codes, return_inverse=True)
    zones: list[str] = []
    numbers: dict[str, int] = {}
    decided = np.empty((len(pairs), 4), dtype=np.int64)
    details: list[str] = []
    for index, pair in enumerate(pairs):
        own_name = own_names[int(pair) // len(default_names)]
        default_name = default_names[int(pair) % len(default_names)]
        zone, source, verdict, detail = _choose(own_name, default_name, policy)
        if zone is not None and zone not in numbers:
            numbers[zone] = len(zones)
            zones.append(zone)
        decided[index] = (
            -1 if zone is None else numbers[zone],
            source,
            verdict is _Verdict.MISSING,
            verdict is _Verdict.INVALID,
        )
        details.append(detail)
    rows = decided[inverse]
    return ZoneChoice(
        zones,
        rows[:, 0],
        rows[:, 1],
        rows[:, 2].astype(bool),
        rows[:, 3].astype(bool),
        lambda row: details[inverse[row]],
    )


def _encode(values: pa.Array) -> tuple[NDArray[np.int64], list[str | None]]:
    encoded = values.dictionary_encode(null_encoding="encode")
    codes = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return codes, encoded.dictionary.to_pylist() or [None]


def _choose(
    own: str | None, looked_up: str | None, policy: ZonePolicy
) -> tuple[str | None, int, _Verdict | None, str]:
    """Return (zone, source code, verdict, detail) for one pair of values."""
    name = (own or "").strip()
    if name and is_zone(name):
        return name, _CODES[ZoneSource.EVENT], None, ""
    if name and not policy.is_fallback_on_invalid:
        return None, 0, _Verdict.INVALID, _unknown(own or "")
    zone, is_looked_up, verdict, detail = _default(looked_up, policy)
    if name:
        source = _FALLBACK_TO_LOOKUP if is_looked_up else _CODES[ZoneSource.FALLBACK]
        # The row's own name is what is wrong with it, whatever the default lacks.
        return zone, source, _Verdict.INVALID if zone is None else None, _unknown(own or "")
    source = _CODES[ZoneSource.LOOKUP if is_looked_up else ZoneSource.DEFAULT]
    return zone, source, verdict, detail


def _default(
    looked_up: str | None, policy: ZonePolicy
) -> tuple[str | None, bool, _Verdict | None, str]:
    if policy.default:
        return policy.default, False, None, ""
    name = (looked_up or "").strip()
    if not name:
        return None, True, _Verdict.MISSING, "neither the row nor its default has a time zone"
    if not is_zone(name):
        return None, True, _Verdict.INVALID, f"the default zone {_unknown(looked_up or '')}"
    return name, True, None, ""


def _unknown(name: str) -> str:
    close = near_misses(name)
    hint = f"; near: {', '.join(close)}" if close else ""
    return f"{name!r} is not an IANA name{hint}"
