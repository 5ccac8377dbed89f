"""Masks of an image, 1 where a pixel is of a kind and 0 elsewhere, and the shapes in them.

OpenCV tells the boxes of connected shapes too, but looks at every pixel for that, at those of no
shape as well: eight times what the shapes themselves cost. Here only the ends of their runs count.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, cast

import cv2
import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.uint8]
Pixels = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int32] | npt.NDArray[np.uint16]
# Left, top, right, bottom.
Box = tuple[float, float, float, float]


class Piece(NamedTuple):
    """One connected shape of a mask: its label, its box in the mask's pixels, and how many."""

    label: int
    left: int
    top: int
    width: int
    height: int
    area: int

    @property
    def right(self) -> int:
        return self.left + self.width

    @property
    def bottom(self) -> int:
        return self.top + self.height

    @property
    def centre(self) -> float:
        return self.left + self.width / 2

    @property
    def middle(self) -> float:
        return self.top + self.height / 2

    @property
    def full(self) -> float:
        """The share of its box that it fills."""
        return self.area / (self.width * self.height)


def find_shapes(mask: Mask, *, connectivity: int) -> tuple[Labels, list[Piece]]:
    """Return the label of each pixel of a mask, and its shapes in the order of their labels.

    `connectivity`: 8 joins what touches at a corner, 4 does not.
    """
    height, width = mask.shape
    # A blank before the first row and behind each, so that every run ends on its own.
    flat = np.zeros(height * (width + 1) + 1, dtype=np.uint8)
    flat[1:].reshape(height, width + 1)[:, :width] = mask
    edges = np.flatnonzero(flat[1:] != flat[:-1])
    if not edges.size:
        return np.zeros(mask.shape, dtype=np.uint16), []
    row, left = np.divmod(edges[::2], width + 1)
    right = edges[1::2] - row * (width + 1)
    # No label has less than a run. Short ones are written faster, and a batch of images keeps them.
    kind = cv2.CV_16U if row.size < np.iinfo(np.uint16).max else cv2.CV_32S
    # Of OpenCV's ways the fastest for corners that touch; for the others all are alike.
    way = cv2.CCL_BBDT if connectivity == 8 else cv2.CCL_SAUF
    count, found = cv2.connectedComponentsWithAlgorithm(mask, connectivity, kind, way)
    labels = cast(Labels, found)
    own = labels[row, left]
    sides = np.empty((count, 6), dtype=np.int64)
    sides[:, 0] = np.arange(count)
    sides[:, 1] = width
    np.minimum.at(sides[:, 1], own, left)
    sides[own[::-1], 2] = row[::-1]  # what is written last stays: the uppermost run
    sides[:, 3] = 0
    np.maximum.at(sides[:, 3], own, right)
    sides[own, 4] = row + 1
    sides[:, 5] = np.bincount(own, weights=right - left, minlength=count)
    sides[:, 3:5] -= sides[:, 1:3]
    return labels, list(map(Piece._make, sides[1:].tolist()))


def halved(pixels: Pixels) -> Pixels:
    """Return every second pixel: enough for a solid shape, and a quarter of the work."""
    size = (pixels.shape[1] // 2, pixels.shape[0] // 2)
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_NEAREST), dtype=np.uint8)


def brightest(colours: Pixels) -> Pixels:
    """Return the largest of each pixel's three colours."""
    return _of_three(colours, cv2.max)


def chroma(colours: Pixels) -> Pixels:
    """Return how far the colours of each pixel lie apart."""
    darkest = _of_three(colours, cv2.min)
    return np.asarray(cv2.subtract(brightest(colours), darkest), dtype=np.uint8)


def above(values: Pixels, limit: float) -> Mask:
    """Return where a value is above the limit."""
    is_above: Mask = (values > limit).view(np.uint8)
    return is_above


def differs(colours: Pixels, colour: npt.NDArray[np.generic], by: int) -> Mask:
    """Return where any of the three colours lies further than `by` from those of one colour."""
    off = cv2.absdiff(colours, np.array((*map(float, colour), 0.0)))
    return above(brightest(np.asarray(off, dtype=np.uint8)), by)


def count_levels(grey: Pixels) -> npt.NDArray[np.int64]:
    """Return how many pixels have each brightness, 0 to 255."""
    counts = cv2.calcHist([grey], [0], None, [256], [0, 256])
    return np.asarray(counts, dtype=np.int64).ravel()


def _of_three(colours: Pixels, choose: Callable[..., object]) -> Pixels:
    red, green, blue = cv2.split(colours)
    return np.asarray(choose(choose(red, green), blue), dtype=np.uint8)


def is_on(box: Box, other: Box) -> bool:
    """Whether the middle of a box lies on another: a part of it that its letters cut off."""
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    return other[0] <= x <= other[2] and other[1] <= y <= other[3]
