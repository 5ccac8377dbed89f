"""Solid shapes of a screen (portraits, emoji): what lies on them is not text.

Told by shape and colour, not by letters: as wide as tall, and thicker than any stroke. A shape
that is wider is a chip or a button, whose words count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt

from backfill.ocr import limits
from backfill.ocr.ink.masks import (
    Box,
    Mask,
    Piece,
    Pixels,
    above,
    brightest,
    chroma,
    count_levels,
    differs,
    find_shapes,
    halved,
    is_on,
)
from backfill.ocr.ink.preprocess import Ink, with_chips
from backfill.ocr.ink.tiles import Shape, both, find_tiles, shapes_like

Boxes = npt.NDArray[np.float64]

ANY_SHAPE = Shape(wide=(0.0, 1.45), full=(0.0, 1.0), smallest=0.0)
DISC = Shape(wide=(0.84, 1.19), full=(0.68, 0.96), smallest=1.45)


def without_pictures(colours: Pixels, grey: Pixels, ink: Ink) -> Ink:
    """Return the ink of an RGB image, also given in grey, without the pieces on a picture."""
    boxes, solid, blocks = _find_pictures(colours, grey, ink.letter_px)
    pieces = np.array(ink.pieces).reshape(-1, 6)
    boxes = np.array(
        [
            box
            for box in boxes.tolist()
            if not _is_hole(box, colours, ink, pieces) and not _holds_text(box, ink)
        ],
        dtype=np.float64,
    ).reshape(-1, 4)
    chips = [*solid, *(box for piece in ink.pieces if (box := _chip_of(piece, ink)))]
    chips += _rings(ink, chips)
    if chips or blocks:
        ink = with_chips(ink, grey, [*blocks, *chips])
    found = tuple((box[0], box[1], box[2], box[3]) for box in boxes.tolist())
    ink = ink.without_pieces_in(found)
    kept = tuple(p for p in ink.pieces if not _is_frame(p, ink))
    return replace(ink, pieces=kept, pictures=found, chips=tuple(chips))


def _holds_text(box: Sequence[float], ink: Ink) -> bool:
    """Whether a shape larger than a portrait has more on it than a button's sign: a small card."""
    margin = limits.PICTURE_MARGIN * ink.letter_px
    left, top, right, bottom = box
    if bottom - top - 2 * margin <= limits.TALLEST_PICTURE * ink.letter_px:
        return False
    # Its corners may be ink themselves, where the colour around them is the ground's.
    x, y, reach = (left + right) / 2, (top + bottom) / 2, limits.BUTTON_MIDDLE * (right - left)
    pieces = sum(
        abs(piece.centre - x) < reach and abs(piece.middle - y) < reach for piece in ink.pieces
    )
    return pieces > limits.BUTTON_PIECES


def _is_frame(piece: Piece, ink: Ink) -> bool:
    """Whether a piece is a hollow box: with sharp corners a sign that the font lacks, or a square.

    A box to be ticked is larger than a capital, and its corners may be round.
    """
    unit = ink.letter_px
    if not (
        limits.FRAME_TALL * unit < piece.height < 2.2 * unit
        and 0.3 < piece.width / piece.height < 1.2
    ):
        return False
    if piece.full > 0.6 or piece.height < 9:
        return False
    own = ink.labels[piece.top : piece.bottom, piece.left : piece.right] == piece.label
    line = max(1, round(piece.height / 12))
    is_square = limits.BOX_WIDE[0] < piece.width / piece.height < limits.BOX_WIDE[1]
    is_box = is_square and piece.height >= limits.BOX_TALL * unit
    least = limits.BOX_EDGE if is_box else limits.FRAME_EDGE
    # One edge after another: nearly every letter lacks the first.
    edges = (own[:, -line:].T, own[:line], own[-line:], own[:, :line].T)
    inside = own[line + 1 : -line - 1, line + 1 : -line - 1]
    return (
        all(np.count_nonzero(np.logical_or.reduce(edge)) / edge.shape[1] >= least for edge in edges)
        and inside.size > 0
        and float(inside.mean()) <= limits.FRAME_INSIDE
    )


def _chip_of(piece: Piece, ink: Ink) -> Box | None:
    """Return the box of a chip, whose words are holes in one piece of ink; None of other pieces.

    Above and below its words a chip is solid; no word, whose letters touch, is so twice.
    """
    unit = ink.letter_px
    if not (
        limits.CHIP_WIDE[0] * unit <= piece.width <= limits.CHIP_WIDE[1] * unit
        and limits.CHIP_TALL[0] * unit <= piece.height <= limits.CHIP_TALL[1] * unit
        and piece.full > limits.CHIP_FULL
    ):
        return None
    own = ink.labels[piece.top : piece.bottom, piece.left : piece.right] == piece.label
    solid = np.flatnonzero(own.mean(axis=1) >= limits.CHIP_ROW)
    if solid.size < 3 or solid[-1] - solid[0] < limits.CHIP_TALL[0] * unit:
        return None
    if _count_holes(own, unit) < limits.CHIP_LETTERS:
        return None  # a large letter with feet
    top, bottom = piece.top + float(solid[0]), piece.top + float(solid[-1]) + 1
    return float(piece.left), top, float(piece.right), bottom


def _rings(ink: Ink, chips: Sequence[Box]) -> list[Box]:
    """Return the boxes of outlines of a chip's size around letters, and not of the chips known.

    Where a chip is wider than the neighbourhood whose colour is the ground, only its rim is ink,
    and swallows the letters beside it.
    """
    unit = ink.letter_px
    found = []
    for piece in ink.pieces:
        if not (
            limits.CHIP_WIDE[0] * unit <= piece.width <= limits.CHIP_WIDE[1] * unit
            and limits.CHIP_SOLID_TALL * unit <= piece.height <= limits.CHIP_TALL[1] * unit
        ):
            continue
        inside = sum(
            piece.left < other.left
            and other.right < piece.right
            and piece.top < other.top
            and other.bottom < piece.bottom
            and other.height >= limits.CHIP_LETTER_TALL * unit
            for other in ink.pieces
        )
        box = (float(piece.left), float(piece.top), float(piece.right), float(piece.bottom))
        if inside >= limits.CHIP_LETTERS and not any(is_on(box, chip) for chip in chips):
            found.append(box)
    return found


def _count_holes(own: npt.NDArray[np.bool_], unit: float) -> int:
    """Return how many holes as high as letters a shape encloses."""
    wide = np.pad(~own, 1, constant_values=True).astype(np.uint8)
    _labels, found = find_shapes(np.asarray(wide, dtype=np.uint8), connectivity=4)
    # What begins at the rim is the blank around the shape.
    return sum(hole.left > 0 and hole.height >= limits.CHIP_LETTER_TALL * unit for hole in found)


def _find_chips(mask: Mask, unit: float, tallest: float) -> list[Box]:
    """Return the box of each solid shape with room for words in a mask of every second pixel.

    Its rows are solid nearly from its top to its foot; those of portraits side by side are not.
    """
    labels, found = find_shapes(mask, connectivity=4)
    chips = []
    for label, x, y, wide, tall, area in found:
        if not (
            limits.CHIP_WIDE[0] * unit <= 2 * wide <= limits.CHIP_WIDE[1] * unit
            and limits.CHIP_SOLID_TALL * unit <= 2 * tall <= tallest * unit
            and (wide >= limits.APART_WIDE * tall or 2 * tall > limits.CHIP_TALL[1] * unit)
            and area >= limits.CHIP_SOLID * wide * tall
        ):
            continue
        own = labels[y : y + tall, x : x + wide] == label
        rows = np.flatnonzero(own.mean(axis=1) >= limits.CHIP_ROW)
        if rows.size > 1 and rows[-1] - rows[0] >= limits.CHIP_ROWS * tall:
            chips.append((2.0 * x, 2.0 * y, 2.0 * (x + wide), 2.0 * (y + tall)))
    return chips


def _find_pictures(
    colours: Pixels, grey: Pixels, unit: float
) -> tuple[Boxes, list[Box], list[Box]]:
    """Return the boxes of solid shapes of a portrait's size, of chips, and of blocks."""
    few, full = halved(grey), halved(colours)
    sheet, cards = (cv2.absdiff(few, np.full(4, float(level))) for level in _backgrounds(few))
    dark = above(np.asarray(cv2.min(sheet, cards), dtype=np.uint8), limits.PICTURE_CONTRAST)
    pale = both(_differs(full, unit), _is_rare(full, few))
    gaudy = above(chroma(full), limits.CHROMA)
    thick = max(3, round(limits.THICKER_THAN_STROKES * unit / 2))
    discs, touches = (
        [shape for shape in found if _stands_apart(_grown(shape, unit), full, unit, least)]
        for found, least in (
            (_solid(pale, thick, unit, DISC), limits.PALE_CONTRAST / 2),
            # Between letters a colourful ground is a touch of colour, too: it is the ground's.
            (
                _solid(gaudy, max(2, round(limits.THICK_COLOUR * unit / 2)), unit),
                limits.PICTURE_CONTRAST,
            ),
        )
    )
    shapes = [*_solid(dark, thick, unit), *_without_overlapping(discs, pale), *touches]
    shapes += find_tiles(pale, full, unit)
    boxes = [_grown(shape, unit) for shape in shapes]
    chips = _find_chips(dark, unit, limits.CHIP_TALL[1])
    apart = [box for box in boxes if not any(is_on(box, chip) for chip in chips)]
    blocks = _find_blocks(np.asarray(cv2.bitwise_or(dark, gaudy)), few, unit)
    return np.array(apart, dtype=np.float64).reshape(-1, 4), chips, blocks


def _find_blocks(mask: Mask, few: Pixels, unit: float) -> list[Box]:
    """Return the boxes of even grounds of any height in a mask: a calendar's blocks, headers.

    Text stands at their very edge, and would be one with it. Blocks that touch are told apart.
    """
    step = cv2.morphologyEx(few, cv2.MORPH_GRADIENT, np.ones((2, 2), dtype=np.uint8))
    even = both(mask, 1 - above(np.asarray(step, dtype=np.uint8), limits.APART))
    # The step itself, on both sides, is of the block.
    return [
        (left - 2, top - 2, right + 2, bottom + 2)
        for left, top, right, bottom in _find_chips(even, unit, limits.BLOCK_TALL)
    ]


def _is_hole(
    box: Sequence[float], colours: Pixels, ink: Ink, pieces: npt.NDArray[np.int64]
) -> bool:
    """Whether a box is what a letter on a coloured ground leaves free: the inside of its bowl.

    `pieces` are the ink's, a row each. The ground is of the same colour right above and below the
    letter.
    """
    margin = limits.PICTURE_MARGIN * ink.letter_px
    left, top, right, bottom = box[0] + margin, box[1] + margin, box[2] - margin, box[3] - margin
    _label, x, y, width, height, _area = pieces.T
    holds = (x < left + 2) & (x + width > right - 2) & (y < top + 2) & (y + height > bottom - 2)
    holders = [ink.pieces[place] for place in np.flatnonzero(holds)]
    inside = colours[round(top) : max(round(bottom), round(top) + 1), round(left) : round(right)]
    if not holders or not inside.size:
        return False
    piece = min(holders, key=lambda p: p.height)
    own = np.median(inside.reshape(-1, 3), axis=0)
    reach, blank = round(0.3 * ink.letter_px), round(0.1 * ink.letter_px)
    columns = slice(piece.left, piece.right)
    strips = (
        colours[max(0, piece.top - reach) : max(0, piece.top - blank), columns],
        colours[piece.bottom + blank : piece.bottom + reach, columns],
    )
    return piece.height < limits.TALLEST_PIECE * ink.letter_px and all(
        strip.size and np.abs(np.median(strip.reshape(-1, 3), axis=0) - own).max() <= limits.APART
        for strip in strips
    )


def _differs(colours: Pixels, unit: float) -> Mask:
    """Return where any colour lies off the usual one of the neighbourhood."""
    small = (
        max(1, colours.shape[1] // limits.PALE_SHRINK),
        max(1, colours.shape[0] // limits.PALE_SHRINK),
    )
    around = max(3, round(limits.PALE_AROUND * unit / 2 / limits.PALE_SHRINK) | 1)
    usual = cv2.medianBlur(cv2.resize(colours, small, interpolation=cv2.INTER_AREA), around)
    size = (colours.shape[1], colours.shape[0])
    off = cv2.absdiff(colours, cv2.resize(usual, size, interpolation=cv2.INTER_NEAREST))
    return above(brightest(np.asarray(off, dtype=np.uint8)), limits.PALE_CONTRAST)


def _is_rare(colours: Pixels, grey: Pixels) -> Mask:
    """Return where the colour is none of the two that most of the screen has."""
    counts = count_levels(grey)
    rare = np.ones(grey.shape, dtype=np.uint8)
    for _ in range(2):
        level = int(counts.argmax())
        if counts[level] < limits.RARE * grey.size:
            break
        counts[max(0, level - 3) : level + 4] = 0
        some = np.flatnonzero(cv2.absdiff(grey, np.full(4, float(level))) <= 1)[::16]
        usual = np.median(colours.reshape(-1, 3)[some], axis=0).astype(np.uint8)
        rare = both(rare, differs(colours, usual, limits.PALE_CONTRAST))
    return rare


def _solid(mask: Mask, side: int, unit: float, like: Shape = ANY_SHAPE) -> list[Piece]:
    """Return what is solid and of a shape in a mask of every second pixel."""
    kernel = np.ones((side, side), dtype=np.uint8)
    solid = np.asarray(cv2.morphologyEx(mask, cv2.MORPH_OPEN, kernel), dtype=np.uint8)
    return shapes_like(solid, unit, like)


def _without_overlapping(discs: list[Piece], mask: Mask) -> list[Piece]:
    """Return the discs that are no part of a much wider shape of their mask.

    Portraits side by side may overlap; pale ones that do are told by nothing from a chip.
    """
    if not discs:
        return []
    labels, whole = find_shapes(mask, connectivity=4)
    widths = np.array([0, *(shape.width for shape in whole)])
    return [
        disc
        for disc in discs
        if widths[labels[disc.top : disc.bottom, disc.left : disc.right]].max()
        <= limits.APART_WIDE * disc.width
    ]


def _grown(piece: Piece, unit: float) -> Box:
    """Return the box of a shape in a mask of every second pixel, a margin wider."""
    margin = limits.PICTURE_MARGIN * unit
    return (
        2 * piece.left - margin, 2 * piece.top - margin,
        2 * piece.right + margin, 2 * piece.bottom + margin,
    )  # fmt: skip


def _stands_apart(box: Box, colours: Pixels, unit: float, least: float) -> bool:
    """Whether one colour lies above and below a box, `least` levels from the box's own.

    Where a neighbourhood's usual colour changes, at a card's corner, one of them is.
    """
    margin = limits.PICTURE_MARGIN * unit / 2
    left, top, right, bottom = (round(side / 2) for side in box)
    reach = max(2, round(0.5 * margin))
    third = max(1, (right - left) // 3)
    across = slice(left + third, right - third + 1)
    above, below = (
        colours[max(0, top - reach) : top + 1, across],
        colours[bottom : bottom + reach + 1, across],
    )
    inside = colours[round(top + margin) : round(bottom - margin), across]
    if not (above.size and below.size and inside.size):
        return False
    up, down, own = (np.median(part.reshape(-1, 3), axis=0) for part in (above, below, inside))
    return bool(
        np.abs(up - down).max() <= limits.PALE_CONTRAST
        and np.abs(inside.reshape(-1, 3) - up).max(axis=1).mean() > limits.PALE_CONTRAST
        and min(np.abs(own - up).max(), np.abs(own - down).max()) > least
    )


def _backgrounds(grey: Pixels) -> tuple[int, int]:
    """Return the brightness of the sheet and of the cards on it, perhaps the same.

    Told where cards stand: a header in the colour of the chips below it is no card. Cards a little
    brighter than a dark sheet would else be shreds of pictures in a noisy JPEG.
    """
    height = grey.shape[0]
    grey = grey[round(limits.HEADER_MAX * height) : round(limits.TAB_MIN * height)]
    counts = count_levels(grey)
    sheet = int(counts.argmax())
    counts[max(0, sheet - limits.APART) : sheet + limits.APART + 1] = 0
    cards = int(counts.argmax())
    share = (
        counts[max(0, cards - limits.APART // 4) : cards + limits.APART // 4 + 1].sum() / grey.size
    )
    return sheet, cards if share >= limits.CARDS_SHARE else sheet
