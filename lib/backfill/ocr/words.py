"""What an OCR engine returns: words with a box and a confidence."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

#: Between a client and the job there, however it was read.
BULLET = "•"


@dataclass(frozen=True, slots=True)
class Word:
    """One word (or one line of text) of an image.

    `left`, `top`, `width`, `height` in pixels of the original image, origin top left;
    `confidence` 0…100; `contrast` is how far the darkest ink lies from its background, 0…255, and
    0 where nobody measured it (titles are darker than addresses); `ink_agrees` whether its
    ink says the same, None where that cannot be told.
    """

    text: str
    left: float
    top: float
    width: float
    height: float
    confidence: float = 100.0
    contrast: float = 0.0
    ink_agrees: bool | None = None

    @property
    def is_contradicted(self) -> bool:
        """Whether its ink says something else."""
        return self.ink_agrees is False

    @property
    def right(self) -> float:
        return self.left + self.width

    @property
    def bottom(self) -> float:
        return self.top + self.height

    @property
    def middle(self) -> float:
        """Vertical middle in pixels."""
        return self.top + self.height / 2


# The words of one run of text, from left to right; and the runs of an image, in their order.
Row = tuple[Word, ...]
Rows = tuple[Row, ...]


def span_of(words: Collection[Word]) -> tuple[float, float, float, float]:
    """Return left, top, right and bottom of words, of which there must be one."""
    return (
        min([word.left for word in words]),
        min([word.top for word in words]),
        max([word.left + word.width for word in words]),
        max([word.top + word.height for word in words]),
    )
