"""Which runs of text lie on the sheet, between header and tab bar, cut by neither."""

from __future__ import annotations

import math
from dataclasses import replace

import cv2
import numpy as np

from backfill.ocr import limits
from backfill.ocr.bands import Band
from backfill.ocr.preprocess import Ink
from backfill.ocr.sheet import Sheet, tab_top
from backfill.ocr.words import Word


def bands_of_sheet(
    bands: tuple[Band, ...], sheet: Sheet, ink: Ink
) -> tuple[tuple[Band, ...], Sheet]:
    """Return the bands between header and tab bar that neither of them cuts, and those bounds."""
    bottom = tab_top(bands, ink.contrast.shape, sheet)
    first = _heading_top(bands, sheet, ink)
    whole = tuple(
        band
        for band in bands
        if (band.top >= first or not is_cut(band, sheet.top, ink))
        and (band.top + band.bottom) / 2 < bottom - 0.3 * ink.letter_px
    )
    return whole, replace(sheet, bottom=bottom)


def _heading_top(bands: tuple[Band, ...], sheet: Sheet, ink: Ink) -> float:
    """Return where a large heading above the sheet begins, infinity where there is none.

    A white header and the white page below it end together, at the first card: what stands there
    in large letters may be the date.
    """
    headings = (
        band.top
        for band in bands
        if band.bottom <= sheet.top
        and band.bottom - band.top >= limits.HEADING * ink.letter_px
        and len(band.pieces) >= limits.HEADING_LETTERS
    )
    return min(headings, default=math.inf)


def is_cut(run: Band | Word, top: float, ink: Ink) -> bool:
    """Whether the run of text is a header's that ends at `top`, or what it leaves of a cut line.

    Tall letters that touch the header are lost in its edge: no row is blank between it and what is
    left of their line. The blank of a ring above its A is less than a line's.
    """
    if not top or run.top > top + limits.CUT_LINE * ink.letter_px:
        return False
    if run.top <= top + max(limits.EDGE_PX, limits.TOUCHING * ink.letter_px):
        return True
    left, right = round(run.left), round(run.right)
    above = ink.contrast[round(top) : round(run.top) + 2, left:right]
    # The header's edge itself may leave a few rows; a ring or a dot is never as wide as the line.
    blank = above[limits.EDGE_PX : max(limits.EDGE_PX, above.shape[0] - 3)]
    if (
        blank.shape[0]
        and int(blank[-round(limits.BLANK_ABOVE * ink.letter_px) :].max()) > limits.INK_CONTRAST
    ):
        return True
    _, labels = cv2.connectedComponents(
        (above > limits.INK_CONTRAST).astype(np.uint8), connectivity=8
    )
    ends = set(np.unique(labels[0]).tolist()) & set(np.unique(labels[-1]).tolist())
    return bool(ends - {0})
