"""Solid shapes of a screen (portraits, emoji, buttons): what lies on them is not text."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from backfill.ocr.preprocess import Ink, Pixels

# Of a letter's height: no stroke of a letter is as thick, no portrait is larger.
THICKER_THAN_STROKES = 1.25
TALLEST = 6.0
WIDEST = 16.0
MARGIN = 0.3
CONTRAST = 25
# Further from the sheet's brightness, and with this share of all pixels: the brightness of cards.
APART = 12
CARDS_SHARE = 0.08


def without_pictures(grey: Pixels, ink: Ink) -> Ink:
    """Return the ink without the pieces that lie on a picture."""
    boxes = _find_pictures(grey, ink.letter_px)
    if not boxes.size:
        return ink
    x = np.array([piece.left + piece.width / 2 for piece in ink.pieces])
    y = np.array([piece.middle for piece in ink.pieces])
    on_picture = np.zeros(len(ink.pieces), dtype=np.bool_)
    for left, top, right, bottom in boxes:
        on_picture |= (left <= x) & (x <= right) & (top <= y) & (y <= bottom)
    kept = tuple(p for p, is_on in zip(ink.pieces, on_picture, strict=True) if not is_on)
    return replace(ink, pieces=kept)


def _find_pictures(grey: Pixels, unit: float) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Return left, top, right, bottom of each solid shape of a portrait's size."""
    # Every second pixel is enough for a solid shape, and a quarter of the work.
    size = (grey.shape[1] // 2, grey.shape[0] // 2)
    few = np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_NEAREST), dtype=np.uint8)
    sheet, cards = (np.full_like(few, brightness) for brightness in _backgrounds(few))
    nearest = cv2.min(cv2.absdiff(few, sheet), cv2.absdiff(few, cards))
    differs = (nearest > CONTRAST).astype(np.uint8)
    side = max(3, round(THICKER_THAN_STROKES * unit / 2))
    solid = cv2.morphologyEx(differs, cv2.MORPH_OPEN, np.ones((side, side), dtype=np.uint8))
    count, _, found, _ = cv2.connectedComponentsWithStats(solid, connectivity=8)
    margin = MARGIN * unit
    boxes = [
        (x - margin, y - margin, x + wide + margin, y + tall + margin)
        for x, y, wide, tall in (2 * found[1:count, :4]).tolist()
        if tall <= TALLEST * unit and wide <= WIDEST * unit
    ]
    return np.array(boxes, dtype=np.float64).reshape(-1, 4)


def _backgrounds(grey: Pixels) -> tuple[int, int]:
    """Return the brightness of the sheet and of the cards on it, perhaps the same.

    Cards a little brighter than a dark sheet would else be shreds of pictures in a noisy JPEG.
    """
    counts = np.bincount(grey.ravel(), minlength=256)
    sheet = int(counts.argmax())
    counts[max(0, sheet - APART) : sheet + APART + 1] = 0
    cards = int(counts.argmax())
    share = counts[max(0, cards - APART // 4) : cards + APART // 4 + 1].sum() / grey.size
    return sheet, cards if share >= CARDS_SHARE else sheet
