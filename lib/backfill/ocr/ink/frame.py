"""A screen that a viewer of pictures shows: smaller, on one even colour, below the viewer's clock.

What is cut off holds nothing but that: another look's margins are as even, but its heading stands
in them, or its cards do not fill what they enclose.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from backfill.ocr import limits
from backfill.ocr.ink.masks import Pixels, differs


class Frame(NamedTuple):
    """Where the screen that is shown lies, in pixels."""

    left: int
    top: int
    right: int
    bottom: int


def find_frame(colours: Pixels) -> Frame | None:
    """Return the screen within an RGB image; None where it is the whole of it.

    1. Even columns at both sides have one colour; 2. between them a block of rows has another one
    at both its ends; 3. outside that block nothing is drawn but at the very top.
    """
    height, width = colours.shape[:2]
    off = differs(colours, colours[-1, 0], limits.OTHER_COLOUR).view(np.bool_)
    columns = np.flatnonzero(off.mean(axis=0) >= limits.FRAMED_TALL)
    if not columns.size:
        return None
    left, right = int(columns[0]), int(columns[-1]) + 1
    # A JPEG smears the frame's edges, on both sides.
    smear, inner = limits.SMEARED_ROWS, limits.EDGE_PX
    rows = np.flatnonzero(off[:, min(left + inner, width - 1)] & off[:, max(right - inner, 0)])
    if not rows.size:
        return None
    found = Frame(left, int(rows[0]), right, int(rows[-1]) + 1)
    outside = off.copy()
    outside[: round(limits.STATUS_SHARE * height)] = False
    outside[found.top - smear : found.bottom + smear, left - smear : right + smear] = False
    is_framed = smear < left and right < width - smear and smear < found.top
    is_block = rows.size >= limits.FRAMED_EVEN * (found.bottom - found.top)
    return found if is_framed and is_block and not outside.any() else None
