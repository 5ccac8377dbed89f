"""Where a screen's content is: below the header, above the tab bar; its rules and card bars."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from backfill.ocr import limits
from backfill.ocr.ink.bands import Band
from backfill.ocr.ink.masks import Pixels, above, chroma, find_shapes, halved
from backfill.ocr.ink.preprocess import Ink
from backfill.ocr.screen.anchors import Divider
from backfill.ocr.words import Word


@dataclass(frozen=True, slots=True)
class Bar:
    """The coloured upright bar of one card, in pixels."""

    left: float
    top: float
    right: float
    bottom: float

    def crosses(self, y: float) -> bool:
        """Whether the bar goes on well above and below a row."""
        margin = (self.bottom - self.top) * limits.BAR_END
        return self.top + margin < y < self.bottom - margin


@dataclass(frozen=True, slots=True)
class Sheet:
    """The scrolled part of a screen in pixels, the rules across it and the bars of its cards."""

    top: float
    bottom: float
    dividers: tuple[Divider, ...]
    bars: tuple[Bar, ...]


def find_sheet(colours: Pixels, grey: Pixels, ink: Ink, top: float) -> Sheet:
    """Return the sheet of an RGB image, also given in grey, below the header that ends at `top`."""
    bars = _find_bars(colours, ink, top)
    rules = _without_crossed(_find_rules(grey, ink), bars)
    return Sheet(top, float(ink.contrast.shape[0]), rules, bars)


def _without_crossed(rules: tuple[Divider, ...], bars: tuple[Bar, ...]) -> tuple[Divider, ...]:
    """Return the rules without those in the midst of a card, as its bar tells.

    A JPEG made twice draws such lines. A bar that crosses several rules is not one card's.
    """
    crossed = [
        [rule for rule in rules if rule.left <= bar.left <= rule.right and bar.crosses(rule.y)]
        for bar in bars
    ]
    false = [only for found in crossed if len(found) == 1 for only in found]
    return tuple(rule for rule in rules if rule not in false)


def without_bars(ink: Ink, sheet: Sheet) -> Ink:
    """Return the ink without the cards' bars, which beside small text may pass for letters."""
    return ink.without_pieces_in((bar.left, bar.top, bar.right, bar.bottom) for bar in sheet.bars)


def tab_top(bands: tuple[Band, ...], shape: tuple[int, ...], sheet: Sheet) -> float:
    """Return where the tab bar begins: above the image's last line when that is three labels.

    A card's times, title and duration on one line are no labels: a bar or a colon tells.
    """
    height, width = shape[:2]
    low = [band for band in bands if band.top > limits.TAB_MIN * height]
    if not low:
        return float(height)
    rows = [[b for b in low if abs(b.bottom - a.bottom) < 0.6 * (a.bottom - a.top)] for a in low]
    rows.sort(key=lambda row: max(b.bottom for b in row))
    labels = next((row for row in reversed(rows) if _are_labels(row, width, sheet.bars)), None)
    if labels is None:
        return float(height)
    first = min(band.top for band in labels)
    above = [rule.y for rule in sheet.dividers if limits.TAB_MIN * height < rule.y < first]
    return max(above) if above else first - 4.5 * (labels[0].bottom - labels[0].top)


def _are_labels(row: list[Band], width: int, bars: tuple[Bar, ...]) -> bool:
    """Whether the runs of a line are a tab bar's: three or more short ones, far apart."""
    spread = max(b.right for b in row) - min(b.left for b in row)
    return (
        len(row) >= 3
        and spread >= 0.45 * width
        and not any(b.right - b.left > width / 3.2 or _has_colon(b) for b in row)
        and not any(bar.top < b.bottom and b.top < bar.bottom for b in row for bar in bars)
    )


def _has_colon(band: Band) -> bool:
    """Whether two dots stand above one another in the run."""
    limit = limits.COLON_DOT * (band.bottom - band.top)
    dots = [p for p in band.pieces if max(p.height, p.width) <= limit]
    return any(
        abs(upper.left - lower.left) <= limit / 2 and upper.bottom < lower.top
        for upper, lower in itertools.permutations(dots, 2)
    )


def header_bottom(colours: Pixels) -> float:
    """Return the row at which the header's colour ends, 0 when the image has no such header."""
    height = colours.shape[0]
    rows = np.median(colours[: int(2 * limits.HEADER_MAX * height), ::16], axis=1)
    first = np.median(rows[: max(1, height // 200)], axis=0)
    is_header = np.abs(rows - first).max(axis=1) <= limits.SAME_COLOUR
    limit = int(limits.HEADER_MAX * height)
    others = np.flatnonzero(~is_header[:limit])
    if not others.size:
        return 0.0
    # A strip of text may colour single rows; the header ends where the rest stays different.
    for row in others:
        ahead = is_header[row : row + max(4, height // 60)]
        if not ahead.any():
            below = colours[row : row + height // 20][ahead.size :]
            if _comes_again(is_header[row:], height) or _goes_on_beside(below, first):
                return 0.0  # it is the page itself, between its cards
            return _edge_of(rows, first, int(row)) if row >= limits.HEADER_MIN * height else 0.0
    return 0.0


def _comes_again(is_header: npt.NDArray[np.bool_], height: int) -> bool:
    """Whether rows further down have the colour again, more of them than a rule has."""
    window = max(6, height // 200)
    runs = np.convolve(is_header.astype(np.int32), np.ones(window, dtype=np.int32), "valid")
    return bool((runs == window).any())


def _goes_on_beside(below: Pixels, header: npt.NDArray[np.float64]) -> bool:
    """Whether a rim of the rows below has the colour still: cards leave it free, no sheet does.

    Below its upper corners, which may be round.
    """
    rims = np.median(below[:, [1, -2]], axis=0)
    return bool((np.abs(rims - header).max(axis=1) <= limits.SAME_COLOUR).any())


def _edge_of(rows: npt.NDArray[np.float64], header: npt.NDArray[np.float64], row: int) -> float:
    """Return the first row from `row` on that is no longer rather the header's colour.

    A JPEG made twice smears an edge over some eight rows.
    """
    ahead = rows[row : row + max(2 * limits.SMEARED_ROWS, rows.shape[0] // 30)]
    sheet = np.median(ahead, axis=0)
    is_nearer = np.abs(ahead - header).max(axis=1) < np.abs(ahead - sheet).max(axis=1)
    return float(row + (int(np.argmin(is_nearer[: limits.SMEARED_ROWS])) if is_nearer[0] else 0))


def _find_rules(whole: Pixels, ink: Ink) -> tuple[Divider, ...]:
    """Return horizontal lines and edges that run over most of a column's width, one per pair."""
    height, width = whole.shape
    # The mean of some pixels beside one another keeps a rule and loses what a JPEG adds.
    few = (max(1, width // 4), height)
    grey = np.asarray(cv2.resize(whole, few, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    columns = 2 if width > limits.TWO_COLUMNS * height else 1
    bounds = [place * grey.shape[1] // columns for place in range(columns + 1)]
    return tuple(
        Divider(4.0 * left, min(4.0 * right, float(width)), y)
        for left, right in itertools.pairwise(bounds)
        for y in _rules_of_column(grey[:, left:right], 1.1 * max(ink.letter_px, 8))
    )


def _rules_of_column(grey: Pixels, pair_px: float) -> list[float]:
    # A rule darkens or lightens the whole row; text does both.
    share = np.maximum(_share_brighter(grey[:-1], grey[1:]), _share_brighter(grey[1:], grey[:-1]))
    lines = np.flatnonzero(share >= limits.RULE_SHARE)
    # Others are the foot of a line of narrow letters.
    is_even = _are_even(grey[lines]) & _are_even(grey[lines + 1])
    rules: list[list[int]] = []
    for line in lines[is_even].tolist():
        if rules and line - rules[-1][-1] <= pair_px:
            rules[-1].append(line)
        else:
            rules.append([line])
    return [(rule[0] + rule[-1]) / 2 + 0.5 for rule in rules]


def _are_even(rows: Pixels) -> npt.NDArray[np.bool_]:
    """Return for each row whether most of it has one brightness."""
    medians = np.median(rows, axis=1, keepdims=True).astype(np.int16)
    is_near = np.abs(rows.astype(np.int16) - medians) <= limits.EVEN
    return np.asarray(is_near.mean(axis=1) >= limits.RULE_SHARE)


def _share_brighter(one: Pixels, other: Pixels) -> npt.NDArray[np.float64]:
    """Return for each row the share of pixels that are brighter in `one` by a rule's contrast."""
    brighter = (cv2.subtract(one, other) >= limits.RULE_CONTRAST).view(np.uint8)
    counts = cv2.reduce(brighter, 1, cv2.REDUCE_SUM, dtype=cv2.CV_32S)
    shares: npt.NDArray[np.float64] = np.asarray(counts, dtype=np.float64)[:, 0] / one.shape[1]
    return shares


def _find_bars(colours: Pixels, ink: Ink, top: float) -> tuple[Bar, ...]:
    """Return each coloured upright bar: one per card."""
    mask = above(chroma(halved(colours)), limits.BAR_CHROMA)
    mask[: int(top) // 2] = 0
    unit = (ink.letter_px or 1.0) / 2
    bars = [
        Bar(2.0 * x, 2.0 * y, 2.0 * (x + wide), 2.0 * (y + tall))
        for _label, x, y, wide, tall, area in find_shapes(mask, connectivity=4)[1]
        if tall >= limits.CARD_BAR_TALL * unit
        and wide <= unit
        and area >= limits.BAR_FULL * wide * tall
    ]
    return tuple(sorted(bars, key=lambda bar: (bar.top, bar.left)))


def bands_of_sheet(
    bands: tuple[Band, ...], sheet: Sheet, ink: Ink
) -> tuple[tuple[Band, ...], Sheet]:
    """Return the bands between header and tab bar that neither of them cuts, and those bounds."""
    bottom = tab_top(bands, ink.contrast.shape, sheet)
    first = _heading_top(bands, sheet, ink)
    whole = tuple(
        band
        for band in bands
        if (first <= band.top < band.bottom <= sheet.top or not is_cut(band, sheet.top, ink))
        and (band.top + band.bottom) / 2 < bottom - 0.3 * ink.letter_px
    )
    return whole, replace(sheet, bottom=bottom)


def _heading_top(bands: tuple[Band, ...], sheet: Sheet, ink: Ink) -> float:
    """Return where a large heading above the sheet begins, infinity where there is none.

    A white header and the white page below it end together, at the first card: what stands there
    in large letters may be the date.
    """
    tall = [
        band
        for band in bands
        if band.bottom <= sheet.top and band.bottom - band.top >= limits.HEADING * ink.letter_px
    ]
    headings = (
        band.top
        for band in tall
        if sum(len(b.pieces) for b in tall if b.top < band.bottom and band.top < b.bottom)
        >= limits.HEADING_LETTERS
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
    near = blank[-round(limits.BLANK_ABOVE * ink.letter_px) :]
    return int(near.max(initial=0)) > limits.INK_CONTRAST
