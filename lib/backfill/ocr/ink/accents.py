"""Marks above, below and through letters: whether the ink of a word has those that its text tells.

An engine knows the letters of its language, and reads another as the one of them that looks most
alike: Tõnisson as Tönisson, Søren as Sören, Ágnes as Ågnes, Çelik as Celik, sure of it. What tells
them apart is drawn: how many pieces a mark has, whether it is round, wide, tall or slanted, and
whether a letter reaches over the line of its neighbours.
"""

from __future__ import annotations

import functools
import itertools
import re
import statistics
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from backfill.ocr import limits
from backfill.ocr.ink.bands import Band
from backfill.ocr.ink.masks import Piece
from backfill.ocr.ink.preprocess import Ink
from backfill.ocr.words import Word

#: A word of letters alone, with hyphens.
NAME = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*[.,]?")
_DOTS, _RING, _ACUTE, _GRAVE = "\u0308", "\u030a", "\u0301", "\u0300"
_HOOKS = frozenset("\u0326\u0327\u0328")  # below a letter: ţ, ş, ę
_PIECES = {_DOTS: 2, "\u030b": 2}
_LOW = frozenset("acemnorsuvwxz")  # as tall as an x
_ON_LINE = frozenset("abcdehiklmnorstuvwxABCDEFGHIKLMNOPRSTUVWXYZ")  # nothing below the line
_NARROW = frozenset("EFLIiltfr")  # never as wide as they are tall
_CAPITALS = frozenset("ABCDEFGHIKLMNOPRSTUVWXYZ")
_VOWELS = frozenset("AOUaou")
_HOLED = frozenset("abdeopqADOPQR")  # enclose a blank in every font; ü, read as ä, does not


class _Letter(NamedTuple):
    """A letter of a word, without its mark, the mark, and the ink of the letter."""

    char: str
    mark: str
    piece: Piece


@dataclass(frozen=True, slots=True)
class _Line:
    """What the letters of a run that have no marks tell: 0 where there is none of them."""

    low: float
    capital: float
    foot: float

    def usual(self, char: str) -> float:
        """Return how tall a letter is without its mark, 0 where nothing tells."""
        return self.low if char in _LOW else self.capital if char in _CAPITALS else 0.0


@dataclass(frozen=True)
class Marks:
    """The words of a run of text, from which letters' ink each of them was read, and all its ink.

    `tall` are the run's pieces as tall as letters, `own` those within a word, from left to right.
    """

    row: tuple[Word, ...]
    tall: Sequence[Piece]
    own: Mapping[Word, list[Piece]]
    band: Band
    ink: Ink

    @classmethod
    def of(cls, row: tuple[Word, ...], band: Band, ink: Ink) -> Marks:
        """Return the words of a run with their ink."""
        least = limits.SMALL_PIECE * ink.letter_px
        tall = sorted((p for p in band.pieces if p.height > least), key=lambda piece: piece.left)
        own = {word: [p for p in tall if word.left <= p.centre <= word.right] for word in row}
        return cls(row, tall, own, band, ink)

    def differ(self, word: Word) -> bool:
        """Whether the ink of a name surely has other marks than its text tells."""
        if not NAME.fullmatch(word.text):
            return False
        band, ink, own = self.band, self.ink, self.own[word]
        above = _above(word, band, own, ink.letter_px)
        told = [pair for pair in _parted(word.text) if pair[1] and pair[1] not in _HOOKS]
        shared = list(zip(told, _shared([mark for _char, mark in told], above), strict=False))
        is_joined = not above and any(mark == _DOTS for _char, mark in told)
        if is_joined or len(above) > sum(_PIECES.get(mark, 1) for _char, mark in told):
            return True  # small print joins all marks to their letters: an i may be an l as well
        if any(
            _is_other_mark(mark, pieces, band, ink) or _is_u_or_none(char, pieces, own, ink)
            for (char, mark), pieces in shared
        ):
            return True
        if self._first_stands_out(word):
            return True
        letters = _letters(word, own) or _marked_head(word, own)
        return any(
            _has_pale_mark(letter, own, ink)
            or (letter.mark not in ("", *_HOOKS) and self._is_bare(letter, word))
            for letter in letters
        ) or any(
            _is_other_letter(
                letter, [m for m in above if _is_over(m, letter.piece)], self._line, band, ink
            )
            for letter in letters
        )

    def is_unheard(self, word: Word) -> bool:
        """Whether readers say what is not there, a dot above an ı, or leave out what is: ø, İ."""
        if not NAME.fullmatch(word.text):
            return False
        letters = _letters(word, self.own[word])
        is_tall = word.text[:1] == "i" and self._first_stands_out(word)
        return is_tall or any(
            _has_bar(letter, self.band) or (letter.mark == "." and self._is_bare(letter, word))
            for letter in letters
        )

    def _is_bare(self, letter: _Letter, word: Word) -> bool:
        """Whether a letter is as low as those without marks, and nothing stands above it.

        Told to have one, it is another: ø for ö, ı for i.
        """
        piece = letter.piece
        usual = self._line.low if letter.char == "i" else self._line.usual(letter.char)
        is_low = limits.SMALLEST_SHAPE_PX <= piece.height < limits.UNMARKED_TALL * usual
        # Slanted print has its marks right of their letters, but not beyond the next.
        own, aside = self.own[word], round(limits.MARK_REACH * piece.height)
        left = max((p.right for p in own if p.right <= piece.left), default=0)
        right = min((p.left for p in own if p.left >= piece.right), default=piece.right + aside)
        left, right = max(left + 1, piece.left - aside), min(right - 1, piece.right + aside)
        around = piece._replace(left=left, width=max(piece.width, right - left))
        return is_low and _is_blank_above(around, self.ink)

    @functools.cached_property
    def _line(self) -> _Line:
        letters = [letter for word in self.row for letter in _letters(word, self.own[word])]

        def middle(places: list[int]) -> float:
            return statistics.median(places) if len(places) >= limits.FEWEST_PLAIN else 0.0

        return _Line(
            middle([x.piece.height for x in letters if x.char in _LOW and not x.mark]),
            max((x.piece.height for x in letters if x.char in _CAPITALS and not x.mark), default=0),
            middle([x.piece.bottom for x in letters if x.char in _ON_LINE]),
        )

    def _first_stands_out(self, word: Word) -> bool:
        """Whether a word's first letter is taller than the line's capitals, or as tall and small.

        A ring that touches its A makes it taller; what was read as a small letter is a capital with
        a mark: ovre, for Övre.
        """
        char, mark = _parted(word.text)[0]
        is_small = char in _LOW or char == "i"
        least = limits.CAPITAL_TALL if is_small else limits.MARKED_TALL
        own = self.own[word]
        others = [
            self.own[other][0].height
            for other in self.row
            if other is not word and other.text[:1] in _CAPITALS and self.own[other]
        ]
        # Letters that touch are taller than each of them: Lj.
        is_alone = char in "AOUE" or is_small or bool(_letters(word, own))
        is_asked = mark in ("", ".") and is_alone and (char in _CAPITALS or is_small)
        if not own or not others or not is_asked:
            return False
        is_taller = is_small or own[0].height - max(others) >= limits.TALLER_PX
        return is_taller and own[0].height > least * max(others)


def _parted(text: str) -> list[tuple[str, str]]:
    """Return each letter without its mark, and the mark: a dot for i and j, "" for none."""
    parted = []
    for char in text:
        if char.isalnum():
            parts = unicodedata.normalize("NFD", char)
            parted.append((parts[0], parts[1:2] or ("." if char in "ij" else "")))
    return parted


def _letters(word: Word, own: Sequence[Piece]) -> list[_Letter]:
    """Return the letters of a name with their ink, nothing where some of them touch."""
    parted = _parted(word.text) if NAME.fullmatch(word.text) else []
    if len(parted) != len(own) or any(b.right <= a.right for a, b in itertools.pairwise(own)):
        return []
    return [_Letter(char, mark, piece) for (char, mark), piece in zip(parted, own, strict=True)]


def _marked_head(word: Word, own: Sequence[Piece]) -> list[_Letter]:
    """Return the first letter of a word whose others touch, if it has or may have lost a mark."""
    (char, mark), *others = _parted(word.text)
    is_one = bool(own) and own[0].width < limits.ONE_LETTER_WIDE * own[0].height
    is_asked = (mark and mark != ".") or (char in "AOU" and (others[:1] or [("", "")])[0][1] == "")
    return [_Letter(char, mark, own[0])] if is_one and is_asked else []


def _above(word: Word, band: Band, own: Sequence[Piece], unit: float) -> list[Piece]:
    """Return the small pieces above a word's letters, from left to right."""
    limit = band.top + limits.DOTS_ABOVE * (band.bottom - band.top)
    return sorted(
        (
            piece
            for piece in band.pieces
            if limits.MARK_TALL * unit <= piece.height <= limits.SMALL_PIECE * unit
            and piece.middle < limit
            and word.left <= piece.centre <= word.right
            and any(
                p.left < piece.right and piece.left < p.right and p.middle > piece.bottom
                for p in own
            )
        ),
        key=lambda piece: piece.centre,
    )


def _is_over(mark: Piece, letter: Piece) -> bool:
    return letter.left < mark.centre < letter.right


def _below(letter: Piece, band: Band, unit: float) -> list[Piece]:
    return [
        piece
        for piece in band.pieces
        if limits.MARK_TALL * unit <= piece.height <= limits.SMALL_PIECE * unit
        and piece.top >= letter.bottom - 1
        and _is_over(piece, letter)
    ]


def _shared(told: Sequence[str], above: Sequence[Piece]) -> list[Sequence[Piece]]:
    """Return the pieces of each told mark: as many as it has, or one if all have one."""
    counts = [_PIECES.get(mark, 1) for mark in told]
    if len(above) == len(told):
        counts = [1] * len(told)
    ends = list(itertools.accumulate(counts))
    parts = [above[end - count : end] for end, count in zip(ends, counts, strict=True)]
    return parts if sum(counts) == len(above) else []


def _is_u_or_none(char: str, mark: Sequence[Piece], own: Sequence[Piece], ink: Ink) -> bool:
    """Whether a letter below two dots is open on top, as a ü is, and is told to be another.

    Or the other way round. It is seen also where letters touch.
    """
    left, right = min(p.left for p in mark), max(p.right for p in mark)
    below = [p for p in own if p.left < right and left < p.right]
    is_asked = char in "aouAOU" and right - left > limits.ROUND_MARK * mark[0].height
    if not below or not is_asked:
        return False
    letter = max(below, key=lambda p: min(p.right, right) - max(p.left, left))
    side = round((right - left) * limits.OFF_MIDDLE)
    rows = slice(letter.top, letter.top + max(1, round(limits.ARCH * letter.height)))
    amid = ink.contrast[rows, left + side : max(right - side, left + side + 1)]
    whole = ink.contrast[letter.top : letter.bottom, left:right]
    is_open = float(amid.max(axis=0).min()) < limits.ARCH_DARK * float(whole.max())
    return is_open != (char in "uU")


def _is_other_mark(mark: str, pieces: Sequence[Piece], band: Band, ink: Ink) -> bool:
    """Whether pieces of ink are surely not the mark."""
    if min(piece.height for piece in pieces) < limits.SMALLEST_MARK_PX:
        return False
    one, tall = pieces[0], min(piece.height for piece in pieces)
    wide = max(piece.width for piece in pieces)
    slant = min((_slant(piece, band, ink) for piece in pieces), key=abs)
    if mark == _DOTS and len(pieces) == 2:  # ő
        is_leaning = tall >= limits.LEANING_PX and slant > limits.LEANING
        return tall > limits.TALL_MARK * wide or is_leaning
    if mark == _DOTS:
        is_round = wide < limits.ROUND_MARK * tall
        is_other = is_round or abs(slant) > limits.LEANING or _is_whole(one, band, ink)
        return is_other and not _has_neighbour(one, band)
    if mark == _RING:
        return wide > limits.WIDE_MARK * tall or abs(slant) > limits.SLANTED
    if mark in (_ACUTE, _GRAVE):
        return (slant if mark == _ACUTE else -slant) < limits.NOT_SLANTED
    return mark == "." and tall > limits.SMALLEST_MARK_PX and abs(slant) > limits.SLANTED


def _has_neighbour(mark: Piece, band: Band) -> bool:
    """Whether a piece stands beside a mark: the other of two dots, too low perhaps to count."""
    reach = 2 * mark.height
    return any(
        piece is not mark
        and mark.left - reach < piece.centre < mark.right + reach
        and piece.top < mark.bottom
        and piece.bottom > mark.top
        and piece.height <= 2 * mark.height
        for piece in band.pieces
    )


def _weight(piece: Piece, band: Band, ink: Ink) -> npt.NDArray[np.float64]:
    return band.darkness(piece, ink).astype(np.float64)


def _slant(piece: Piece, band: Band, ink: Ink) -> float:
    """Return how a piece leans: 1 is a line that rises to the right, -1 one that falls."""
    weight = _weight(piece, band, ink)
    y, x = np.mgrid[: piece.height, : piece.width]
    whole = weight.sum()
    y, x = y - (y * weight).sum() / whole, x - (x * weight).sum() / whole
    spread = float(np.sqrt((x * x * weight).sum() * (y * y * weight).sum()))
    return -float((x * y * weight).sum()) / spread if spread else 0.0


def _is_whole(piece: Piece, band: Band, ink: Ink) -> bool:
    """Whether a mark is as dark amid as at its sides: a wave or a bar, no two dots that touch."""
    columns = _weight(piece, band, ink).sum(axis=0)
    third = max(1, round(len(columns) / 3))
    sides = min(columns[:third].max(), columns[-third:].max())
    return bool(columns[third:-third].min(initial=np.inf) > limits.AMID * sides)


def _has_pale_mark(letter: _Letter, own: Sequence[Piece], ink: Ink) -> bool:
    """Whether something stands above a letter that is told to have no mark: Overgaard, for Öv…."""
    return (
        letter.char in _VOWELS
        and not letter.mark
        and letter.piece.height >= limits.SMALLEST_SHAPE_PX
        and not _is_blank_above(letter.piece, ink, own)
    )


def _is_blank_above(piece: Piece, ink: Ink, own: Sequence[Piece] = ()) -> bool:
    """Whether nothing stands above a letter, not even too pale or small to be a piece of ink.

    Where another of the word's `own` reaches over it, as a T does, that is not asked.
    """
    top = max(0, piece.top - round(limits.MARK_REACH * piece.height))
    left = max((p.right for p in own if p.left < piece.left < p.right), default=piece.left)
    right = min((p.left for p in own if p.left < piece.right < p.right), default=piece.right)
    above = ink.contrast[top : piece.top - 1, left:right]
    itself = ink.contrast[piece.top : piece.bottom, piece.left : piece.right]
    if not above.size:
        return bool(own)
    return int(above.max()) < limits.BLANK_SHARE * int(itself.max())


def _is_other_letter(
    letter: _Letter, above: Sequence[Piece], line: _Line, band: Band, ink: Ink
) -> bool:
    """Whether the ink of one letter surely has another mark than is told, or is another letter."""
    char, mark, piece = letter
    usual = line.usual(char)
    is_hanging = (
        char in _ON_LINE and line.foot and (piece.bottom - line.foot > limits.HANGS * piece.height)
    )
    is_below = bool(_below(piece, band, ink.letter_px))
    is_hooked = is_below or bool(is_hanging)  # ç, ş, ę
    if mark in _HOOKS:
        return bool(above) or (bool(line.foot) and not is_hooked)
    if mark and mark != "." and not above and usual:
        return is_below
    is_joined = (
        bool(usual)
        and char in _LOW
        and (piece.height > max(limits.MARKED_TALL * usual, usual + limits.TALLER_PX - 1))
    )
    is_wide = char in _NARROW and piece.width > limits.NARROW_WIDE * piece.height  # Æ
    is_bare_other = not mark and (bool(above) or is_joined)
    holes = _holes(piece, band) if char in _HOLED else 1
    is_open = char in _HOLED and not holes and piece.height >= limits.SMALLEST_SHAPE_PX
    return is_bare_other or is_hooked or is_wide or is_open or _has_bar(letter, band)


def _has_bar(letter: _Letter, band: Band) -> bool:
    """Whether what was read as an o has two blanks: ø."""
    return letter.char in "oO" and not letter.mark and _holes(letter.piece, band) > 1


def _holes(piece: Piece, band: Band) -> int:
    """Return how many blanks a letter encloses."""
    blank = np.pad((~band.shape(piece)).astype(np.uint8), 1, constant_values=1)
    return int(cv2.connectedComponents(blank, connectivity=4)[0]) - 2
