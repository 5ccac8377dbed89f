"""Words put right by their ink: a bullet read as a letter, two names read as one word."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace

from backfill.ocr import limits
from backfill.ocr.bands import Band
from backfill.ocr.checks import known_words
from backfill.ocr.ink_doubts import is_dot
from backfill.ocr.masks import Piece
from backfill.ocr.noise import plain
from backfill.ocr.preprocess import Ink
from backfill.ocr.words import Word

BULLET = "•"
# What a bullet is read as, blurred or small.
LIKE_A_BULLET = frozenset("-–—eoOQ0®©*.°+=»«:;")
# A capital I that is read as l hides that a name begins: Perlllner, Åsalvarsdal.
_HIDDEN_START = re.compile(r"(?<=[a-zåäö]{2})[lI|](?=[bcdfghklmnpqrstvwxz][a-zåäö])")


def mend_by_ink(word: Word, band: Band, ink: Ink) -> tuple[Word, ...]:
    """Return the word as its ink shows it, or the two words that a blank in its ink divides."""
    if word.text in LIKE_A_BULLET:
        inked = _pieces_in(word, band)
        is_bullet = len(inked) == 1 and is_dot(inked[0], ink)
        return (replace(word, text=BULLET),) if is_bullet else (word,)
    starts = [match.start() for match in _HIDDEN_START.finditer(word.text)]
    is_known = plain(word.text) in known_words()
    if starts and not is_known and (blank := _blank_in(word, band, ink.letter_px)):
        return _divided(word, band, ink.letter_px, blank, starts)
    return (word,)


def _divided(
    word: Word, band: Band, unit: float, blank: tuple[int, int], starts: list[int]
) -> tuple[Word, ...]:
    """Return the word divided before the start nearest to the blank, whole if none is near.

    Where no letters touch, as many of them stand before the start as pieces before the blank.
    """
    left, right = blank
    share = ((left + right) / 2 - word.left) / word.width
    at = min(starts, key=lambda start: abs(start / len(word.text) - share))
    tall = [p for p in _pieces_in(word, band) if p.height > limits.SMALL_PIECE * unit]
    if len(tall) == len(word.text):
        at = sum(piece.right <= left for piece in tall)
    if at not in starts or abs(at / len(word.text) - share) > limits.ASTRAY:
        return (word,)
    return (
        replace(word, text=word.text[:at], width=left - word.left),
        replace(word, text=word.text[at:], left=float(right), width=word.right - right),
    )


def _blank_in(word: Word, band: Band, unit: float) -> tuple[int, int] | None:
    """Return where the widest blank in a word's ink begins and ends, if it is one of words."""
    pieces = _pieces_in(word, band)
    reach = itertools.accumulate((piece.right for piece in pieces), max)
    blanks = sorted(
        (after.left - end, end, after.left)
        for end, after in zip(reach, pieces[1:], strict=False)
        if after.left > end
    )
    if not blanks:
        return None
    width, begin, end = blanks[-1]
    usual = blanks[-2][0] if len(blanks) > 1 else 0
    return (begin, end) if width >= max(limits.WORD_BLANK * unit, limits.WIDER * usual) else None


def _pieces_in(word: Word, band: Band) -> list[Piece]:
    """Return the pieces of ink in the word's box, from left to right."""
    return sorted(
        (p for p in band.pieces if word.left <= p.left + p.width / 2 <= word.right),
        key=lambda piece: piece.left,
    )
