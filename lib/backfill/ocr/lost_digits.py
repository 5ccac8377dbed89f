"""Numbers of which recognition dropped a digit: their ink has more pieces than their text.

Tesseract reads 11 as 1 and 71 as 7 now and then, and is sure of it. A digit is one piece of ink;
where digits touch there are fewer pieces, never more.
"""

from __future__ import annotations

import re
from dataclasses import replace

from backfill.ocr.bands import SMALL_PIECE, Band
from backfill.ocr.preprocess import Piece
from backfill.ocr.words import Word

# The confidence of a number that its ink contradicts.
LOST = 40.0
# Of a letter's height: digits of one number stand nearer to each other than this.
NEAR = 0.45

_NUMBER = re.compile(r"\W*(?:\d{1,4}[^\W\d_]?|\d{1,2}[:.;]\d{2})\W*")


def doubt_lost_digits(row: tuple[Word, ...], band: Band, unit: float) -> tuple[Word, ...]:
    """Return the words of a band, numbers shorter than their ink with little confidence.

    `unit` is the height of a letter, in pixels of the image as are the boxes of the words.
    """
    if not any(_NUMBER.fullmatch(word.text) for word in row):
        return row
    tall = sorted(
        (p for p in band.pieces if p.height > SMALL_PIECE * unit), key=lambda piece: piece.left
    )
    return tuple(
        replace(word, confidence=min(word.confidence, LOST))
        if _NUMBER.fullmatch(word.text)
        and _count_ink(word, row, tall, unit) > sum(char.isalnum() for char in word.text)
        else word
        for word in row
    )


def _count_ink(word: Word, row: tuple[Word, ...], tall: list[Piece], unit: float) -> int:
    """Return how many pieces stand in the word's box, or beside it and in no other's."""
    free = [
        p for p in tall if not any(w.left <= _centre(p) <= w.right for w in row if w is not word)
    ]
    own = [p for p in free if word.left <= _centre(p) <= word.right]
    if not own:
        return 0
    left, right = own[0].left, own[-1].right
    for piece in reversed([p for p in free if p.right <= left + NEAR * unit and p not in own]):
        if left - piece.right < NEAR * unit:
            own.append(piece)
            left = piece.left
    for piece in [p for p in free if p.left >= right - NEAR * unit and p not in own]:
        if piece.left - right < NEAR * unit:
            own.append(piece)
            right = piece.right
    return len(own)


def _centre(piece: Piece) -> float:
    return piece.left + piece.width / 2
