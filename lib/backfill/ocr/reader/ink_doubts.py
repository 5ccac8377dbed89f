"""Words that their ink contradicts: it has more digits than the text, or says another.

Tesseract reads 11 as 1, 71 as 7, 17 as 11, 15B as 158 and Tallstigen as Talistigen now and then, or
leaves out a line's first word, and is sure of it. A digit is one piece of ink; where digits touch
there are fewer pieces, one of them wide, never more. What tells two shapes apart in every font is
said at `stroke_of` and `has_corners`.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from backfill.ocr import limits
from backfill.ocr.ink.accents import NAME, Marks
from backfill.ocr.ink.bands import Band
from backfill.ocr.ink.masks import Piece
from backfill.ocr.ink.preprocess import Ink
from backfill.ocr.screen.checks import known_words
from backfill.ocr.text.noise import plain
from backfill.ocr.words import Word

Shape = npt.NDArray[np.bool_]


_ROUND = frozenset("0689")
# An i beside an l may be either; letters with rings and dots of their own are not counted.
_STROKES = re.compile(r"[a-z]*(?:[il]{2}|Il)[a-z]*", re.IGNORECASE)
# No word, but the head of one whose blank is none.
_TWO_STROKES = re.compile(r"[Il|]{2}")
_LETTERS = re.compile(r"[^\W\d_]+")
# "+3" counts colleagues, and its sign is a piece of ink.
_NUMBER = re.compile(r"[^\w+]*(?:\d{1,4}[^\W\d_]?|\d{1,2}[:.;]\d{1,2})\W*")


class Stroke(StrEnum):
    """The two digits that are one stroke."""

    ONE = "1"
    SEVEN = "7"


def doubt_by_ink(row: tuple[Word, ...], band: Band, ink: Ink) -> tuple[Word, ...]:
    """Return the words of a band, marked where its ink contradicts them or vouches for a number."""
    marks = Marks.of(_joined(row), band, ink)
    beside = _beside_unread(marks.row, marks.tall, ink.letter_px)
    return tuple(
        word
        if word.ink_agrees
        else _marked(word, False if word in beside else _agrees(word, marks))
        for word in marks.row
    )


def agrees_with(text: str, word: Word, marks: Marks) -> bool | None:
    """Return whether the ink of a word agrees with this text for it; None where none can tell."""
    told = replace(word, text=text)
    row = tuple(told if other is word else other for other in marks.row)
    return _agrees(told, Marks.of(row, marks.band, marks.ink))


def _joined(row: tuple[Word, ...]) -> tuple[Word, ...]:
    """Return the words, two strokes joined with the word behind them: Il vägen, for Ilvägen."""
    joined = list(row[:1])
    for word in row[1:]:
        last = joined[-1]
        if _TWO_STROKES.fullmatch(last.text) and word.text[:1].islower():
            joined[-1] = replace(
                word, text=last.text + word.text, left=last.left, width=word.right - last.left,
                confidence=min(last.confidence, word.confidence), ink_agrees=True,
            )  # fmt: skip
        else:
            joined.append(word)
    return tuple(joined)


def _marked(word: Word, agrees: bool | None) -> Word:
    if agrees is False:
        return replace(word, confidence=min(word.confidence, limits.CONTRADICTED), ink_agrees=False)
    return replace(word, ink_agrees=True) if agrees else word


def _beside_unread(row: tuple[Word, ...], tall: Sequence[Piece], unit: float) -> set[Word]:
    """Return the words nearest to ink that stands apart from all words, if there is a letter's."""
    reach = limits.BESIDE_WORDS * unit
    unread = [
        p for p in tall if not any(w.left - reach <= p.centre <= w.right + reach for w in row)
    ]
    if not row or sum(piece.width for piece in unread) < limits.UNREAD_WIDE * unit:
        return set()
    return {min(row, key=lambda word: _distance(word, piece)) for piece in unread}


def _distance(word: Word, piece: Piece) -> float:
    return max(word.left - piece.centre, piece.centre - word.right)


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
        and word.left <= piece.centre <= word.right
    ]
    return bool(dots) and len(dots) != sum(word.text.count(char) for char in "ij")


def _has_more_letters(word: Word, own: list[Piece]) -> bool:
    """Whether a word's ink has more letters than its text: they may touch, and never part."""
    beside = any(after.right <= before.right for before, after in itertools.pairwise(own))
    return (
        bool(NAME.fullmatch(word.text))
        and not beside  # over one another: a ring, or a letter that fell apart
        and len(own) > sum(char.isalpha() for char in word.text)
    )


def _holds_blank(word: Word, own: list[Piece], unit: float) -> bool:
    """Whether a word's ink stands in two parts: a blank between two words was not read."""
    if not _LETTERS.fullmatch(word.text):
        return False
    reach = itertools.accumulate((p.right for p in own), max)
    gaps = sorted(after.left - end for after, end in zip(own[1:], reach, strict=False))
    if len(gaps) < limits.LETTERS_OF_TWO - 1:
        return False
    return gaps[-1] >= limits.BLANK_WIDE * unit and gaps[-1] >= limits.BLANK_MORE * max(gaps[-2], 1)


def _agrees(word: Word, marks: Marks) -> bool | None:
    """Return whether its ink agrees with a word; None where that can not be told.

    It can not of touching digits, nor of words whose dots say nothing else.
    """
    band, ink, own = marks.band, marks.ink, marks.own[word]
    unit = ink.letter_px
    if not _NUMBER.fullmatch(word.text):
        if _is_borne_out(word):
            return None
        is_other = (
            _has_other_dots(word, band, unit)
            or _holds_blank(word, own, unit)
            or marks.differ(word)
            or _has_more_letters(word, own)
        )
        return False if is_other else None
    said = [char for char in word.text if char.isalnum()]
    pieces = _pieces_of(word, marks.row, marks.tall, unit)
    if len(pieces) < len(said):
        return None if _may_touch(pieces, said) else False
    if len(pieces) > len(said):
        return False
    return not any(
        _is_another(char, piece, band, ink) for char, piece in zip(said, pieces, strict=True)
    )


def _is_borne_out(word: Word) -> bool:
    """Whether a sure word is a long one of the vocabulary: two that agree need no ink."""
    letters = plain(word.text)
    is_long = len(letters) >= limits.FUZZY_LETTERS_MIN
    return is_long and word.confidence >= limits.SURE and letters in known_words()


def _may_touch(pieces: list[Piece], said: list[str]) -> bool:
    """Whether a piece is wide enough for two of a number's digits, or nothing of it was found."""
    if not pieces:
        return True
    tall = max(piece.height for piece in pieces)
    wide = limits.TWO_ONES_WIDE if "11" in "".join(said) else limits.TWO_DIGITS_WIDE
    last_wide = limits.LETTER_BEHIND_WIDE if said[-1].isalpha() else wide
    return pieces[-1].width > last_wide * tall or any(p.width > wide * tall for p in pieces[:-1])


def _is_another(char: str, piece: Piece, band: Band, ink: Ink) -> bool:
    """Whether a piece of ink is surely not this letter or digit."""
    if piece.height < limits.SMALLEST_SHAPE_PX:
        return False
    if char in tuple(Stroke):
        return stroke_of(shape_of(piece, band, ink)) != char
    return char in _ROUND and has_corners(shape_of(piece, band, ink))


def _pieces_of(
    word: Word, row: tuple[Word, ...], tall: Sequence[Piece], unit: float
) -> list[Piece]:
    """Return the pieces in the word's box, and those beside it that are in no other's."""
    free = [p for p in tall if not any(w.left <= p.centre <= w.right for w in row if w is not word)]
    runs: list[list[Piece]] = []
    for piece in free:
        if runs and piece.left - runs[-1][-1].right < limits.NEAR_DIGITS * unit:
            runs[-1].append(piece)
        else:
            runs.append([piece])
    return [
        piece
        for run in runs
        if any(word.left <= p.centre <= word.right for p in run)
        for piece in run
    ]


def shape_of(piece: Piece, band: Band, ink: Ink) -> Shape:
    """Return where a piece is at least half as dark as its darkest, cut to what is so dark."""
    dark = band.darkness(piece, ink)
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


def _span(rows: Shape) -> tuple[int, int]:
    """Return the columns from the first to behind the last that these rows ink."""
    inked = np.flatnonzero(rows.any(axis=0))
    return (int(inked[0]), int(inked[-1]) + 1) if inked.size else (0, 0)
