"""From a screenshot's pixels to dark text on white, whatever its colours, and its text pieces."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from backfill.ocr import limits
from backfill.ocr.ink.masks import Labels, Piece, Pixels, above, find_shapes


@dataclass(frozen=True, slots=True)
class Ink:
    """The ink of one image.

    `contrast` is how far each pixel lies from its local background (0 = background), `labels`
    gives each pixel its piece's label (0 … `label_count` - 1), `letter_px` is the median height of
    a letter. `pictures` are the boxes (left, top, right, bottom) of portraits and the like, on
    which nothing is text, `chips` those of grounds of another colour on which text stands.
    """

    contrast: Pixels
    labels: Labels
    label_count: int
    pieces: tuple[Piece, ...]
    letter_px: float
    pictures: tuple[tuple[float, float, float, float], ...] = ()
    chips: tuple[tuple[float, float, float, float], ...] = ()

    def without_pieces_in(self, boxes: Iterable[Sequence[float]]) -> Ink:
        """Return the ink without the pieces whose middle is in a box: left, top, right, bottom."""
        _label, left, top, width, height, _area = np.array(self.pieces).reshape(-1, 6).T
        x, y = left + width / 2, top + height / 2
        is_in = np.zeros(len(self.pieces), dtype=np.bool_)
        for left_px, top_px, right_px, bottom_px in boxes:
            is_in |= (left_px <= x) & (x <= right_px) & (top_px <= y) & (y <= bottom_px)
        return replace(self, pieces=tuple(itertools.compress(self.pieces, (~is_in).tolist())))

    def without_labels(self) -> Ink:
        """Return what is still asked once the runs of text are found: a batch of images waits."""
        return replace(self, labels=np.zeros((0, 0), dtype=np.uint16), pieces=())


def flatten(grey: Pixels, header_px: int = 0) -> Pixels:
    """Return the contrast to the local median background, so that dark mode looks like light.

    `header_px` are the rows of a header in a colour of its own: beside its edge a line of text
    would tip the median to the other colour.
    """
    edge = header_px + limits.EDGE_PX
    if not header_px or edge >= grey.shape[0]:
        return _flatten_part(grey)
    return np.concatenate((_flatten_part(grey[:edge]), _flatten_part(grey[edge:])))


def _flatten_part(grey: Pixels) -> Pixels:
    height, width = grey.shape
    small_size = (
        max(1, width // limits.BACKGROUND_SHRINK),
        max(1, height // limits.BACKGROUND_SHRINK),
    )
    small = cv2.resize(grey, small_size, interpolation=cv2.INTER_NEAREST)
    small = cv2.medianBlur(small, limits.BACKGROUND_KERNEL)
    background = cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST)
    return np.asarray(cv2.absdiff(grey, background), dtype=np.uint8)


def find_ink(grey: Pixels, header_px: int = 0) -> Ink:
    """Return the pieces of ink of a grey image, whose header is so high."""
    return _pieces_of(flatten(grey, header_px))


def with_chips(ink: Ink, grey: Pixels, chips: Sequence[tuple[float, ...]]) -> Ink:
    """Return the ink with what is written on chips: solid boxes (left, top, right, bottom).

    There the background is the chip's own colour, and the chip itself is no ink.
    """
    contrast = ink.contrast.copy()
    for left, top, right, bottom in chips:
        box = slice(max(0, round(top)), round(bottom)), slice(max(0, round(left)), round(right))
        own = int(np.median(grey[box])) if grey[box].size else 0
        contrast[box] = cv2.absdiff(grey[box], np.full_like(grey[box], own))
        rim = max(1, round(limits.CHIP_RIM * ink.letter_px))
        edge = np.ones(contrast[box].shape, dtype=np.bool_)
        edge[rim:-rim, rim:-rim] = False
        contrast[box][edge] = 0
    found = _pieces_of(contrast)
    return replace(found, letter_px=ink.letter_px)


def _pieces_of(contrast: Pixels) -> Ink:
    labels, found = find_shapes(above(contrast, limits.INK_CONTRAST), connectivity=8)
    return Ink(contrast, labels, len(found) + 1, tuple(found), _letter_height(found))


def _letter_height(pieces: Sequence[Piece]) -> float:
    """Return the median height of the pieces that may be letters, 0 when there is none."""
    heights = [
        piece.height
        for piece in pieces
        if 7 <= piece.height <= 120 and piece.width <= 2.5 * piece.height and piece.area >= 12
    ]
    return float(statistics.median(heights)) if heights else 0.0
