"""What is kept of an image while its text is read: its colours, made small, and where ink is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from backfill.ocr import limits
from backfill.ocr.ink.masks import Box, Piece, Pixels
from backfill.ocr.words import Word, span_of


@dataclass(frozen=True, slots=True)
class Scene:
    """What is kept of an image while its text is read, so that it is small.

    `colours` is the RGB image `SHRINK` times smaller, `inked` are the boxes, from top to bottom, of
    each piece of ink that may be text or a picture; `letter_px` as in `Ink`.
    """

    colours: Pixels
    inked: tuple[Box, ...]
    letter_px: float


def scene_of(colours: Pixels, pieces: Iterable[Piece], letter_px: float) -> Scene:
    """Return what is needed of an image later on; `pieces` are all its ink, pictures too."""
    size = (max(1, colours.shape[1] // limits.SHRINK), max(1, colours.shape[0] // limits.SHRINK))
    # Of whole blocks only: the mean of a block is told three times as fast as that of parts.
    blocks = colours[: limits.SHRINK * size[1], : limits.SHRINK * size[0]]
    small = np.asarray(cv2.resize(blocks, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    inked = tuple(
        (float(piece.left), float(piece.top), float(piece.right), float(piece.bottom))
        for piece in sorted(pieces, key=lambda piece: piece.top)
        if piece.height >= limits.INKED_TALL[0] * letter_px
        and piece.width <= limits.FRAME_WIDE * colours.shape[1]
        and (
            piece.height <= limits.INKED_TALL[1] * letter_px
            or piece.width > limits.NARROW * letter_px
        )
    )
    return Scene(small, inked, letter_px)


def difference(one: npt.NDArray[np.int16], other: npt.NDArray[np.int16]) -> int:
    """Return the levels by which two colours, or rows of colours, differ at most."""
    return int(np.abs(one - other).max())


def is_near(one: npt.NDArray[np.int16], other: npt.NDArray[np.int16]) -> bool:
    return difference(one, other) <= limits.OTHER_COLOUR


def part_behind(scene: Scene, words: Sequence[Word]) -> Pixels:
    left, top, right, bottom = span_of(words)
    rows = slice(int(top / limits.SHRINK), int(bottom / limits.SHRINK) + 1)
    return scene.colours[rows, int(left / limits.SHRINK) : int(right / limits.SHRINK) + 1]


def commonest(part: Pixels) -> npt.NDArray[np.int16]:
    """Return the colour that most pixels have, as an array of three."""
    red, green, blue = part.reshape(-1, 3).T.astype(np.int32)
    shades, counts = np.unique(red << 16 | green << 8 | blue, return_counts=True)
    # Shades that differ by less than four are one colour, and its median is told.
    _colours, of = np.unique(shades & 0xFCFCFC, return_inverse=True)
    is_own = of == np.bincount(of, weights=counts).argmax()
    own, counts = shades[is_own], counts[is_own]
    amid = (counts.sum() - 1) // 2, counts.sum() // 2
    medians = []
    for values in (own >> 16, own >> 8 & 255, own & 255):
        order = np.argsort(values)
        medians.append(values[order][np.searchsorted(counts[order].cumsum(), amid, "right")].mean())
    return np.asarray(medians, dtype=np.int16)
