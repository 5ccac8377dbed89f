"""Maps and photos among the shapes of a screen: solid, of many colours up to the rim."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from backfill.ocr import limits
from backfill.ocr.ink.masks import Mask, Piece, Pixels, differs, find_shapes


@dataclass(frozen=True, slots=True)
class Shape:
    """Least and most of a shape's width, of its height, and of its box's share that it fills.

    `smallest` is its least height, of a letter's.
    """

    wide: tuple[float, float]
    full: tuple[float, float]
    smallest: float


TILE = Shape(wide=(0.8, 1.7), full=(0.75, 1.0), smallest=3.5)


def find_tiles(mask: Mask, colours: Pixels, unit: float) -> list[Piece]:
    """Return the maps and photos in a mask of every second pixel: solid, of many colours.

    Even the rim has several, where a chip's, or a card's, has one. The ways across a map may have
    the colour of the ground, the blanks of a text all have.
    """
    whole = mask
    for way, by in zip((cv2.MORPH_OPEN, cv2.MORPH_CLOSE), limits.TILE, strict=True):
        kernel = np.ones((max(3, round(by * unit / 2)),) * 2, dtype=np.uint8)
        whole = np.asarray(cv2.morphologyEx(whole, way, kernel), dtype=np.uint8)
    tiles = []
    for tile in shapes_like(whole, unit, TILE):
        y, x = max(1, tile.height // 8), max(1, tile.width // 8)  # corners may be round
        top, left = max(0, tile.top - 4), max(0, tile.left - 4)
        around = colours[top : tile.bottom + 4, left : tile.right + 4]
        ground = np.median(np.concatenate((*around[[0, -1]], *around[:, [0, -1]])), axis=0)
        inside = colours[tile.top : tile.bottom, tile.left : tile.right]
        rim = np.concatenate((*inside[[2, -3], x:-x], *inside[y:-y, [2, -3]])).astype(np.int16)
        off = np.abs(rim - np.median(rim, axis=0)).max(axis=1) > limits.PICTURE_CONTRAST
        own = mask[tile.top : tile.bottom, tile.left : tile.right]
        is_solid = both(own, differs(inside, ground, limits.PALE_CONTRAST)).mean() >= TILE.full[0]
        if is_solid and off.mean() >= limits.TILE_RIM:
            tiles.append(tile)
    return tiles


def shapes_like(mask: Mask, unit: float, like: Shape) -> list[Piece]:
    return [
        piece
        for piece in find_shapes(mask, connectivity=8)[1]
        if like.wide[0] <= piece.width / piece.height <= like.wide[1]
        and like.full[0] <= piece.full <= like.full[1]
        and like.smallest * unit <= 2 * piece.height <= limits.TALLEST_BUTTON * unit
    ]


def both(one: Mask, other: Mask) -> Mask:
    return np.asarray(cv2.bitwise_and(one, other), dtype=np.uint8)
