"""How alike two short texts are, asked thousands of times an image and mostly answered at once."""

from __future__ import annotations

from difflib import SequenceMatcher
from functools import lru_cache

# Texts and words that an image brings; a run sees the same ones over and over.
REMEMBERED = 65_536


@lru_cache(maxsize=REMEMBERED)
def likeness(one: str, other: str, least: float) -> float:
    """Return `SequenceMatcher`'s ratio of two texts, 0…1; 0 where it is below `least`.

    What can not reach it is not compared: texts of very unequal length, or of other letters.
    """
    length = len(one) + len(other)
    if not length:
        return 1.0
    if 2 * min(len(one), len(other)) / length < least:
        return 0.0
    common = min(sum(map(_letters(other).__contains__, one)),
                 sum(map(_letters(one).__contains__, other)))  # fmt: skip
    if 2 * common / length < least:
        return 0.0
    ratio = SequenceMatcher(None, one, other, autojunk=False).ratio()
    return ratio if ratio >= least else 0.0


@lru_cache(maxsize=REMEMBERED)
def _letters(text: str) -> frozenset[str]:
    return frozenset(text)
