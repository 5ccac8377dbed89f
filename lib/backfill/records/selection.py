"""What an approval covers, in words: a condition in SQL, a sample, or everything that is left."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from backfill.errors import UsageError

_PERCENT = re.compile(r"(\d+(?:\.\d+)?) *%")


@dataclass(frozen=True, slots=True)
class Selection:
    """`only` is a condition in SQL, `canary` a share (`1%`) or number of rows; empty: all left."""

    only: str = ""
    canary: str = ""

    def __post_init__(self) -> None:
        if self.canary:
            sample_rows(self.canary, 1)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Selection:
        return cls(str(document.get("only", "")), str(document.get("canary", "")))

    def as_json(self) -> dict[str, str]:
        named = {"only": self.only, "canary": self.canary}
        return {name: value for name, value in named.items() if value}

    @property
    def is_all(self) -> bool:
        return not (self.only or self.canary)

    def __str__(self) -> str:
        if self.is_all:
            return "everything left"
        sample = f"a sample of {self.canary}" if self.canary else ""
        return " of ".join(text for text in (sample, self.only) if text)


def sample_rows(canary: str, rows: int) -> int:
    """Return how many of `rows` rows a sample takes: at least one, at most all."""
    share = _PERCENT.fullmatch(canary.strip())
    if share and 0 < float(share[1]) <= 100:
        return min(rows, math.ceil(rows * float(share[1]) / 100))
    if canary.strip().isdigit() and int(canary) > 0:
        return min(rows, int(canary))
    raise UsageError(
        f"The canary must be a share like 1% or a number of rows like 100; it is {canary!r}."
    )
