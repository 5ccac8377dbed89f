"""Text that is far fainter than the rest of its screen: a card that is greyed out is a card."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from backfill.ocr import limits
from backfill.ocr.bands import Band
from backfill.ocr.masks import Pixels, find_shapes
from backfill.ocr.preprocess import Ink


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
