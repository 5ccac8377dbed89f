"""Places of a plan's rows, in order: those of a part, or all of them. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Places = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Positions:
    """`chosen` holds the places, rising; None stands for every place from 0 to before `rows`."""

    rows: int
    chosen: Places | None = None

    @classmethod
    def every(cls, rows: int) -> Positions:
        return cls(rows)

    @classmethod
    def of(cls, chosen: Places) -> Positions:
        """Return these places, put in order."""
        places = np.sort(chosen.astype(np.int64))
        return cls(len(places), places)

    @classmethod
    def from_stretches(cls, stretches: Iterable[Sequence[int]]) -> Positions:
        """Return the places of stretches: first place, and the one behind the last."""
        places = [np.arange(low, high, dtype=np.int64) for low, high in stretches]
        return cls.of(np.concatenate(places) if places else np.array([], dtype=np.int64))

    def with_places(self, places: Iterable[int]) -> Positions:
        """Return chosen places with others added."""
        assert self.chosen is not None
        return Positions.of(np.union1d(self.chosen, np.fromiter(places, dtype=np.int64)))

    def without(self, places: Places) -> Positions:
        """Return chosen places but for some of them."""
        assert self.chosen is not None
        return Positions.of(np.setdiff1d(self.chosen, places))

    def marked(self, rows: int) -> NDArray[np.bool_]:
        """Return a mask over the `rows` rows of the whole plan."""
        mask = np.zeros(rows, dtype=bool)
        mask[slice(0, self.rows) if self.chosen is None else self.chosen] = True
        return mask

    def ends(self, low: int, high: int) -> tuple[int, int]:
        """Return the first place and the one behind the last of rows `low` to before `high`."""
        if self.chosen is None:
            return low, high
        return int(self.chosen[low]), int(self.chosen[high - 1]) + 1

    def within(self, places: Places) -> NDArray[np.bool_]:
        """Return which of some places, rising, are among these."""
        if self.chosen is None:
            return (places >= 0) & (places < self.rows)
        nearest = np.minimum(np.searchsorted(self.chosen, places), max(self.rows - 1, 0))
        return (
            np.asarray(self.chosen[nearest] == places) if self.rows else np.zeros(len(places), bool)
        )

    @property
    def sha256(self) -> str:
        """A hash of the places: of the stretches without a hole, so that all rows cost nothing."""
        text = ";".join(f"{first}-{last}" for first, last in self.stretches())
        return hashlib.sha256(text.encode()).hexdigest()

    def stretches(self) -> list[tuple[int, int]]:
        """Return the stretches without a hole: first place, and the one behind the last."""
        if self.chosen is None:
            return [(0, self.rows)] if self.rows else []
        if not self.rows:
            return []
        breaks = np.flatnonzero(np.diff(self.chosen) != 1)
        firsts = self.chosen[np.concatenate([[0], breaks + 1])]
        lasts = self.chosen[np.concatenate([breaks, [self.rows - 1]])] + 1
        return list(zip(firsts.tolist(), lasts.tolist(), strict=True))
