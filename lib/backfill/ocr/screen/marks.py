"""What is drawn at words and changes what they mean: a line through them, a chip's ground, grey.

A text that is struck through is called off. Words on a chip beside a title are a state of the
card, and no part of the client's name, however they would go on in one line. A card that is greyed
out is a card: text that is far fainter than the rest is not passed over.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from backfill.ocr import limits
from backfill.ocr.ink.bands import Band
from backfill.ocr.ink.masks import Box, Pixels, above, find_shapes, is_on
from backfill.ocr.ink.preprocess import Ink
from backfill.ocr.screen.checks import CANCELLED, TEXT_CUT_SHORT, UNKNOWN_TEXT, known_words
from backfill.ocr.shift import Entry
from backfill.ocr.text.cells import is_time_part
from backfill.ocr.text.noise import is_around, is_noise, is_worn_state, plain
from backfill.ocr.text.timetext import is_number, is_unit
from backfill.ocr.words import Rows, Word

_WHOLE_TIME = re.compile(r"\d\d[:.]\d\d")


def strokes_over(ink: Ink, bands: Sequence[Band]) -> tuple[Box, ...]:
    """Return where a shape much taller than its line goes through a run of text, or ends there.

    A pen's stroke takes the letters that it touches along; what is left of a word is no word.
    """
    reach = round(limits.OVER_TEXT_NEAR * ink.letter_px)
    is_tall = np.zeros(ink.label_count, dtype=np.bool_)
    is_tall[[p.label for p in ink.pieces if p.height > limits.OVER_TEXT_TALL * ink.letter_px]] = (
        True
    )
    found: list[Box] = []
    for band in bands:
        left = max(0, band.left - reach)
        part = is_tall[ink.labels[band.top : band.bottom, left : band.right + reach]]
        own = [p for p in band.pieces if is_tall[p.label]]  # of a heading
        columns = np.flatnonzero(part.any(axis=0))
        if columns.size and not own:
            found.append((left + columns[0], band.top, left + columns[-1] + 1, band.bottom))
    return tuple(found)


def with_marks(
    entries: Sequence[Entry],
    bands: Sequence[Band],
    rows: Rows,
    ink: Ink,
    inked: Sequence[Box],
    strokes: Sequence[Box] = (),
) -> tuple[Entry, ...]:
    """Return the entries, doubted where words are struck through, on a chip, or end at a shape.

    `inked` are the boxes of all ink, also of what is no text, `strokes` those of `strokes_over`. A
    chip without words is a bar that somebody drew over them.
    """
    words = [word for row in rows for word in row]
    shapes = [
        *(box for box in inked if box[3] - box[1] > limits.OVER_TEXT_TALL * ink.letter_px),
        *(chip for chip in ink.chips if not any(_is_on(word, chip) for word in words)),
    ]
    reach = limits.OVER_TEXT_NEAR * ink.letter_px
    struck = {
        word
        for band, row in zip(bands, rows, strict=True)
        for left, right in strikes(ink.contrast, band, ink.letter_px)
        for word in row
        if any(char.isalnum() for char in word.text)  # a long dash is no line through it
        and min(word.right, right) - max(word.left, left) > 0.5 * word.width
    }
    slivers = {
        row[-1]
        for band, row in zip(bands, rows, strict=True)
        if row and _ends_in_sliver(band, row[-1], ink.letter_px)
    }
    odd = _with_odd_chips(entries, words, ink)
    return tuple(
        _flagged(
            entry,
            (UNKNOWN_TEXT,) * (entry in odd)
            + (CANCELLED,) * any(word in struck for word in entry.words)
            + (TEXT_CUT_SHORT,) * any(word in slivers for word in entry.words)
            + (UNKNOWN_TEXT,) * _has_words_on_chip(entry, ink.chips)
            + (TEXT_CUT_SHORT,) * any(_is_cut_by(w, b, reach) for w in entry.words for b in shapes)
            + (TEXT_CUT_SHORT,)
            * any(_is_crossed(w, b, reach) for w in entry.words for b in strokes)
            + (TEXT_CUT_SHORT,) * any(_is_too_tall(w, entry.words, inked) for w in entry.words),
        )
        for entry in entries
    )


def _with_odd_chips(entries: Sequence[Entry], words: Sequence[Word], ink: Ink) -> list[Entry]:
    """Return the entries with a chip whose words none of them has, or none was read of.

    Chips without words on several cards are part of how they look; portraits side by side are none.
    """
    used = {word for entry in entries for word in entry.words}
    odd: list[Entry] = []
    bare: list[Entry] = []
    for chip in ink.chips:
        top, bottom = chip[1] - ink.letter_px, chip[3] + ink.letter_px
        beside = [
            entry
            for entry in entries
            if any(top < word.bottom and word.top < bottom for word in entry.words)
        ]
        inside = [word for word in words if _is_on(word, chip)]
        if any(word not in used and _may_be_a_state(word.text) for word in inside):
            odd += beside
        elif not inside and not any(is_on(picture, chip) for picture in ink.pictures):
            bare += beside
    return odd + (bare if len(bare) == 1 else [])


def _may_be_a_state(text: str) -> bool:
    is_known = is_worn_state(text) or is_around(text)
    return len(plain(text)) > limits.SCRAP and _says_something(text) and not is_known


def strikes(contrast: Pixels, band: Band, unit: float) -> list[tuple[int, int]]:
    """Return left and right of each line drawn through a run of text.

    It goes on over the blanks between letters, which no stroke of a letter does, and lies amid
    the run, not at its foot.
    """
    tall, wide = band.bottom - band.top, round(limits.STRIKE_WIDE * unit)
    if band.right - band.left < wide:
        return []
    top = band.top + round(limits.STRIKE_ROWS[0] * tall)
    bottom = band.top + round(limits.STRIKE_ROWS[1] * tall) + 1
    part = above(contrast[top:bottom, band.left : band.right], limits.INK_CONTRAST)
    # What is beyond the run is no ink: else a wide letter at its end would go on there.
    kernel = np.ones((1, wide), dtype=np.uint8)
    lines = cv2.morphologyEx(
        part, cv2.MORPH_OPEN, kernel, borderType=cv2.BORDER_CONSTANT, borderValue=(0.0,) * 4
    )
    columns = np.flatnonzero(np.asarray(lines).any(axis=0))
    thickest = max(2, limits.STRIKE_THICK * unit)  # what is thicker is a solid shape
    if not columns.size or int((np.asarray(lines) > 0).sum(axis=0).max()) > thickest:
        return []
    breaks = np.flatnonzero(np.diff(columns) > 1)
    starts, ends = columns[np.r_[0, breaks + 1]], columns[np.r_[breaks, columns.size - 1]]
    return [
        (band.left + int(start), band.left + int(end))
        for start, end in zip(starts, ends, strict=True)
    ]


def _flagged(entry: Entry, flags: tuple[str, ...]) -> Entry:
    return replace(entry, flags=tuple(dict.fromkeys((*entry.flags, *flags)))) if flags else entry


def _is_cut_by(word: Word, box: Box, reach: float) -> bool:
    """Whether a word ends or begins at a shape much taller than its line, or below its edge.

    A button, a head of a chat, a ring that somebody drew may hide what stands there. What is part
    of a look leaves a blank before its text. Of a whole time of day nothing is hidden.
    """
    left, top, right, bottom = box
    is_open = _WHOLE_TIME.fullmatch(word.text) is None
    return (
        is_open
        and top < word.middle < bottom
        and any(word.left - reach < edge < word.right + reach for edge in (left, right))
    )


def _is_crossed(word: Word, stroke: Box, reach: float) -> bool:
    left, top, right, bottom = stroke
    is_beside = left < word.right + reach and word.left - reach < right
    return is_beside and top < word.middle < bottom and not _WHOLE_TIME.fullmatch(word.text)


def _ends_in_sliver(band: Band, last: Word, unit: float) -> bool:
    """Whether a run ends, a blank behind its last word, in what its box left of the next sign."""
    if len(band.pieces) < 2:
        return False
    *others, piece = sorted(band.pieces, key=lambda p: p.left)
    return (
        piece.left >= last.right
        and piece.left - max(p.right for p in others) > limits.LETTER_GAP * unit
        and piece.height > limits.SLIVER_TALL * piece.width
    )


def _is_too_tall(word: Word, words: Sequence[Word], inked: Sequence[Box]) -> bool:
    """Whether a lone letter is taller than all others of its line: a ring that lies over it."""
    if not re.fullmatch(r"[A-IK-PR-Z]", word.text):
        return False
    line = [w for w in words if w.top < word.middle < w.bottom]
    own, others = (
        [
            bottom - top
            for left, top, right, bottom in inked
            if any(w.left <= (left + right) / 2 <= w.right for w in found)
            and word.top < (top + bottom) / 2 < word.bottom
        ]
        for found in ([word], [w for w in line if w is not word])
    )
    return bool(own and others) and max(own) > limits.LONE_TALL * max(others)


def _has_words_on_chip(entry: Entry, chips: Sequence[Box]) -> bool:
    """Whether some of a card's words that nobody knows stand on a chip, and others do not."""
    texts = [word for word in entry.words if _says_something(word.text)]
    inside = [word for word in texts if any(_is_on(word, chip) for chip in chips)]
    return len(inside) < len(texts) and any(
        plain(word.text) not in known_words() for word in inside
    )


def _says_something(text: str) -> bool:
    is_length = is_number(text) or is_unit(text) or is_time_part(text)
    return any(char.isalpha() for char in text) and not is_length and not is_noise(text)


def _is_on(word: Word, chip: Box) -> bool:
    left, top, right, bottom = chip
    return left <= word.left + word.width / 2 <= right and top <= word.middle <= bottom


def holds_faint_text(ink: Ink, bands: Sequence[Band], top: float, bottom: float) -> bool:
    """Whether the sheet between two rows shows text that is far fainter than its other text."""
    contrast = ink.contrast.copy()
    for left, upper, right, lower in ink.pictures:
        # The rim of a pale disc is no row of letters.
        contrast[max(0, round(upper)) : round(lower), max(0, round(left)) : round(right)] = 0
    rows = slice(round(top), round(bottom))
    peaks = [int(_part(ink.contrast, band).max()) for band in bands]
    dark = float(np.percentile(peaks, 90)) if peaks else 0.0
    is_faint_band = any(
        peak < limits.FAINT_SHARE * dark
        and band.right - band.left > limits.FAINT_WIDE * ink.letter_px
        and top < band.top
        and band.bottom < bottom
        for peak, band in zip(peaks, bands, strict=True)
    )
    return is_faint_band or _holds_line(
        contrast[rows], ink.letter_px, max(limits.INK_CONTRAST, limits.FAINTEST * dark)
    )


def _part(contrast: Pixels, band: Band) -> Pixels:
    return contrast[band.top : band.bottom, band.left : band.right]


def _holds_line(contrast: Pixels, unit: float, darkest: float) -> bool:
    """Whether letters stand in a row, none darker than that, that no darker ink is near to."""
    if not unit or not contrast.size:
        return False
    strong = (contrast > darkest).astype(np.uint8)
    near = cv2.dilate(strong, np.ones((2 * limits.NEAR_INK_PX + 1,) * 2, dtype=np.uint8))
    faint = ((contrast > limits.FAINTEST_CONTRAST) & (near == 0)).astype(np.uint8)
    letters = [
        (left, top + tall / 2, left + wide)
        for _label, left, top, wide, tall, area in find_shapes(faint, connectivity=8)[1]
        if limits.FAINT_TALL[0] * unit <= tall <= limits.FAINT_TALL[1] * unit
        and wide <= limits.FAINT_LETTER_WIDE * unit
        and area >= 0.05 * unit * unit
    ]
    return any(_line_from(first, letters, unit) >= limits.FAINT_LETTERS for first in letters)


def _line_from(
    first: tuple[float, float, float], letters: Sequence[tuple[float, float, float]], unit: float
) -> int:
    """Return how many letters follow one another from the first on, each near to the last."""
    reach, count = first[2], 1
    for left, middle, right in sorted(letters):
        if (
            left >= reach - 1
            and left - reach < limits.FAINT_BLANK * unit
            and abs(middle - first[1]) < limits.FAINT_LEVEL * unit
        ):
            reach, count = right, count + 1
    return count
