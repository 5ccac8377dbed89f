"""Where a screen's content is: below the header, above the tab bar; its rules and card bars."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from backfill.ocr.bands import Band
from backfill.ocr.layout import Divider
from backfill.ocr.preprocess import Ink, Pixels

# Shares of the image's height within which header and tab bar may end or begin.
HEADER_MIN = 0.04
HEADER_MAX = 0.24
TAB_MIN = 0.86
SAME_COLOUR = 7
# Faint rules: contrast to the local background over most of a row.
RULE_CONTRAST = 5
RULE_SHARE = 0.6
BAR_CHROMA = 50


@dataclass(frozen=True, slots=True)
class Sheet:
    """The scrolled part of a screen in pixels, the rules across it and the number of card bars."""

    top: float
    bottom: float
    dividers: tuple[Divider, ...]
    bars: tuple[tuple[float, float], ...]


def find_sheet(colours: Pixels, ink: Ink) -> Sheet:
    """Return the sheet of an RGB image."""
    top = _header_bottom(colours)
    dividers = _find_rules(colours, ink)
    bars = _find_bars(colours, ink, top)
    return Sheet(top, float(ink.contrast.shape[0]), dividers, bars)


def tab_top(
    bands: tuple[Band, ...], shape: tuple[int, ...], dividers: tuple[Divider, ...]
) -> float:
    """Return where the tab bar begins: above the image's last line when that is three labels."""
    height, width = shape[:2]
    low = [band for band in bands if band.top > (TAB_MIN + 0.04) * height]
    if not low:
        return float(height)
    rows = [[b for b in low if abs(b.bottom - a.bottom) < 0.6 * (a.bottom - a.top)] for a in low]
    labels = max(rows, key=lambda row: (len(row), max(b.bottom for b in row)))
    spread = max(b.right for b in labels) - min(b.left for b in labels)
    if (
        len(labels) < 3
        or spread < 0.45 * width
        or any(b.right - b.left > width / 3.2 for b in labels)
    ):
        return float(height)
    first = min(band.top for band in labels)
    above = [rule.y for rule in dividers if TAB_MIN * height < rule.y < first]
    return max(above) if above else first - 4.5 * (labels[0].bottom - labels[0].top)


def _header_bottom(colours: Pixels) -> float:
    """Return the row at which the header's colour ends, 0 when the image has no such header."""
    height = colours.shape[0]
    rows = np.median(colours[: int(2 * HEADER_MAX * height), ::8], axis=1)
    first = np.median(rows[: max(1, height // 200)], axis=0)
    is_header = np.abs(rows - first).max(axis=1) <= SAME_COLOUR
    limit = int(HEADER_MAX * height)
    others = np.flatnonzero(~is_header[:limit])
    if not others.size:
        return 0.0
    # A strip of text may colour single rows; the header ends where the rest stays different.
    for row in others:
        ahead = is_header[row : row + max(4, height // 60)]
        if not ahead.any():
            return float(row) if row >= HEADER_MIN * height else 0.0
    return 0.0


def _find_rules(colours: Pixels, ink: Ink) -> tuple[Divider, ...]:
    """Return horizontal lines and edges that run over most of the image's width, one per pair."""
    few = np.ascontiguousarray(colours[:, ::4])
    grey = cv2.cvtColor(few, cv2.COLOR_RGB2GRAY).astype(np.int16)
    step = np.diff(grey, axis=0)
    # A rule darkens or lightens the whole row; text does both.
    darker, lighter = step <= -RULE_CONTRAST, step >= RULE_CONTRAST
    share = np.maximum(darker.mean(axis=1), lighter.mean(axis=1))
    width = colours.shape[1]
    lines = np.flatnonzero(share >= RULE_SHARE)
    rules: list[list[int]] = []
    for line in lines:
        if rules and line - rules[-1][-1] <= 1.1 * max(ink.letter_px, 8):
            rules[-1].append(int(line))
        else:
            rules.append([int(line)])
    return tuple(Divider(0.0, float(width), (rule[0] + rule[-1]) / 2 + 0.5) for rule in rules)


def _find_bars(colours: Pixels, ink: Ink, top: float) -> tuple[tuple[float, float], ...]:
    """Return top and bottom of each coloured upright bar: one per card."""
    # Every second pixel is enough for a bar, and a quarter of the work.
    few = np.ascontiguousarray(colours[::2, ::2])
    chroma = few.max(axis=2) - few.min(axis=2)
    mask = (chroma > BAR_CHROMA).astype(np.uint8)
    mask[: int(top) // 2] = 0
    count, _, boxes, _ = cv2.connectedComponentsWithStats(mask, connectivity=4)
    unit = (ink.letter_px or 1.0) / 2
    bars = []
    for _, y, wide, tall, area in boxes[1:count].tolist():
        if tall >= 3 * unit and wide <= unit and area >= 0.8 * wide * tall:
            bars.append((2.0 * y, 2.0 * (y + tall)))
    return tuple(sorted(bars))
