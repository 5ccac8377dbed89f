"""Words that their ink contradicts or puts right: other digits, a bullet, a blank between two.

Tesseract reads 11 as 1, 71 as 7, 17 as 11, 15B as 158 and Tallstigen as Talistigen now and then, or
leaves out a line's first word, and is sure of it. A digit is one piece of ink; where digits touch
there are fewer pieces, one of them wide, never more. What tells two shapes apart in every font is
said at `stroke_of` and `has_corners`.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from backfill.ocr import limits
from backfill.ocr.bands import Band
from backfill.ocr.checks import known_words
from backfill.ocr.masks import Piece
from backfill.ocr.noise import plain
from backfill.ocr.preprocess import Ink
from backfill.ocr.words import BULLET, Word

Shape = npt.NDArray[np.bool_]


_ROUND = frozenset("0689")
# An i beside an l may be either; letters with rings and dots of their own are not counted.
_STROKES = re.compile(r"[a-z]*(?:[il]{2}|Il)[a-z]*", re.IGNORECASE)
_LETTERS = re.compile(r"[^\W\d_]+")
# "+3" counts colleagues, and its sign is a piece of ink.
_NUMBER = re.compile(r"[^\w+]*(?:\d{1,4}[^\W\d_]?|\d{1,2}[:.;]\d{2})\W*")
# What a bullet is read as, blurred or small.
LIKE_A_BULLET = frozenset("-–—eoOQ0®©*.°+=»«:;")
# A capital I that is read as l hides that a name begins: Perlllner, Åsalvarsdal.
_HIDDEN_START = re.compile(r"(?<=[a-zåäö]{2})[lI|](?=[bcdfghklmnpqrstvwxz][a-zåäö])")


class Stroke(StrEnum):
    """The two digits that are one stroke."""

    ONE = "1"
    SEVEN = "7"


def doubt_by_ink(row: tuple[Word, ...], band: Band, ink: Ink) -> tuple[Word, ...]:
    """Return the words of a band, marked where its ink contradicts them or vouches for a number."""
    tall = sorted(
        (p for p in band.pieces if p.height > limits.SMALL_PIECE * ink.letter_px),
        key=lambda piece: piece.left,
    )
    beside = _beside_unread(row, tall, ink.letter_px)
    return tuple(
        _marked(word, False if word in beside else _agrees(word, row, band, tall, ink))
        for word in row
    )


def _marked(word: Word, agrees: bool | None) -> Word:
    if agrees is False:
        return replace(word, confidence=min(word.confidence, limits.CONTRADICTED), ink_agrees=False)
    return replace(word, ink_agrees=True) if agrees else word


def _beside_unread(row: tuple[Word, ...], tall: list[Piece], unit: float) -> set[Word]:
    """Return the words nearest to ink that stands apart from all words, if there is a letter's."""
    reach = limits.BESIDE_WORDS * unit
    unread = [
        p for p in tall if not any(w.left - reach <= _centre(p) <= w.right + reach for w in row)
    ]
    if not row or sum(piece.width for piece in unread) < limits.UNREAD_WIDE * unit:
        return set()
    return {min(row, key=lambda word: _distance(word, piece)) for piece in unread}


def _distance(word: Word, piece: Piece) -> float:
    return max(word.left - _centre(piece), _centre(piece) - word.right)


def _has_other_dots(word: Word, band: Band, unit: float) -> bool:
    """Whether a word of i and l side by side has more dots than its ink, or fewer.

    Where its ink has none at all, small print has joined them to their letters.
    """
    if not _STROKES.fullmatch(word.text):
        return False
    limit = band.top + limits.DOTS_ABOVE * (band.bottom - band.top)
    dots = [
        piece
        for piece in band.pieces
        if piece.height <= limits.SMALL_PIECE * unit
        and piece.middle < limit
        and word.left <= _centre(piece) <= word.right
    ]
    return bool(dots) and len(dots) != sum(word.text.count(char) for char in "ij")


def _holds_blank(word: Word, tall: list[Piece], ink: Ink) -> bool:
    """Whether a word's ink stands in two parts: a blank between two words was not read."""
    if not _LETTERS.fullmatch(word.text):
        return False
    pieces = [p for p in tall if word.left <= _centre(p) <= word.right]
    reach = itertools.accumulate((p.right for p in pieces), max)
    gaps = sorted(after.left - end for after, end in zip(pieces[1:], reach, strict=False))
    if len(gaps) < limits.LETTERS_OF_TWO - 1:
        return False
    return gaps[-1] >= limits.BLANK_WIDE * ink.letter_px and gaps[-1] >= limits.BLANK_MORE * max(
        gaps[-2], 1
    )


def _agrees(
    word: Word, row: tuple[Word, ...], band: Band, tall: list[Piece], ink: Ink
) -> bool | None:
    """Return whether its ink agrees with a word; None where that can not be told.

    It can not of touching digits, nor of words whose dots say nothing else.
    """
    if not _NUMBER.fullmatch(word.text):
        is_other = _has_other_dots(word, band, ink.letter_px) or _holds_blank(word, tall, ink)
        return False if is_other else None
    said = [char for char in word.text if char.isalnum()]
    pieces = _pieces_of(word, row, tall, ink.letter_px)
    if len(pieces) < len(said):
        return None if _may_touch(pieces, said) else False
    if len(pieces) > len(said):
        return False
    return not any(_is_another(char, piece, ink) for char, piece in zip(said, pieces, strict=True))


def _may_touch(pieces: list[Piece], said: list[str]) -> bool:
    """Whether a piece is wide enough for two of a number's digits, or nothing of it was found."""
    if not pieces:
        return True
    tall = max(piece.height for piece in pieces)
    wide = limits.TWO_ONES_WIDE if "11" in "".join(said) else limits.TWO_DIGITS_WIDE
    last_wide = limits.LETTER_BEHIND_WIDE if said[-1].isalpha() else wide
    return pieces[-1].width > last_wide * tall or any(p.width > wide * tall for p in pieces[:-1])


def _is_another(char: str, piece: Piece, ink: Ink) -> bool:
    """Whether a piece of ink is surely not this letter or digit."""
    if piece.height < limits.SMALLEST_SHAPE_PX:
        return False
    if char in tuple(Stroke):
        return stroke_of(shape_of(piece, ink)) != char
    return char in _ROUND and has_corners(shape_of(piece, ink))


def _pieces_of(word: Word, row: tuple[Word, ...], tall: list[Piece], unit: float) -> list[Piece]:
    """Return the pieces in the word's box, and those beside it that are in no other's."""
    free = [
        p for p in tall if not any(w.left <= _centre(p) <= w.right for w in row if w is not word)
    ]
    runs: list[list[Piece]] = []
    for piece in free:
        if runs and piece.left - runs[-1][-1].right < limits.NEAR_DIGITS * unit:
            runs[-1].append(piece)
        else:
            runs.append([piece])
    return [
        piece
        for run in runs
        if any(word.left <= _centre(p) <= word.right for p in run)
        for piece in run
    ]


def shape_of(piece: Piece, ink: Ink) -> Shape:
    """Return where a piece is at least half as dark as its darkest, cut to what is so dark."""
    box = np.s_[piece.top : piece.bottom, piece.left : piece.right]
    dark = np.where(ink.labels[box] == piece.label, ink.contrast[box], 0)
    shape = dark >= limits.HALF_DARK * dark.max()
    rows, columns = np.flatnonzero(shape.any(axis=1)), np.flatnonzero(shape.any(axis=0))
    return np.asarray(shape[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1], dtype=np.bool_)


def stroke_of(shape: Shape) -> Stroke:
    """Return which of 1 and 7 a shape is, if it is one of them.

    A 7 has a bar on top and stands on its left, a 1 stands on its right or amid its foot.
    """
    height, width = shape.shape
    bar_left, bar_right = _span(shape[: max(1, round(limits.BAR_ROWS * height))])
    foot_left, foot_right = _span(shape[-max(1, round(limits.FOOT_ROWS * height)) :])
    is_seven = (
        width >= limits.SEVEN_WIDE * height
        and bar_right - bar_left >= limits.BAR_WIDE * width
        and foot_right - foot_left <= limits.FOOT_WIDE * width
        and (foot_left + foot_right) / 2 <= limits.FOOT_MIDDLE * width
    )
    return Stroke.SEVEN if is_seven else Stroke.ONE


def has_corners(shape: Shape) -> bool:
    """Return whether both corners on the left are ink, as of B and D, and of no 8 or 0."""
    height, width = shape.shape
    tall, wide = (
        max(1, round(limits.CORNER_TALL * height)),
        max(1, round(limits.CORNER_WIDE * width)),
    )
    corners = shape[:tall, :wide], shape[-tall:, :wide]
    return all(float(corner.mean()) >= limits.CORNER_FULL for corner in corners)


def is_dot(piece: Piece, ink: Ink) -> bool:
    """Whether a piece is as wide as tall, and full: no letter, no dash."""
    shape = shape_of(piece, ink)
    height, width = shape.shape
    low, high = sorted((height, width))
    return high <= limits.DOT_WIDE * low + 0.5 and float(shape.mean()) > limits.DOT_FULL


def _span(rows: Shape) -> tuple[int, int]:
    """Return the columns from the first to behind the last that these rows ink."""
    inked = np.flatnonzero(rows.any(axis=0))
    return (int(inked[0]), int(inked[-1]) + 1) if inked.size else (0, 0)


def _centre(piece: Piece) -> float:
    return piece.left + piece.width / 2


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
