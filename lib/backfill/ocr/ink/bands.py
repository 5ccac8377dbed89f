"""Find the runs of text on a screen: letters close together on one line, whatever they say."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Sequence, Set
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
import numpy.typing as npt

from backfill.ocr import limits
from backfill.ocr.ink.masks import Labels, Piece, Pixels
from backfill.ocr.ink.preprocess import Ink

_NO_LABELS = np.zeros((0, 0), dtype=np.uint16)


@dataclass(frozen=True, slots=True)
class Band:
    """One run of text on one line: its box in pixels of the image and its pieces of ink.

    `labels` gives each pixel of the box the label of its piece, 0 where none of them is.
    """

    left: int
    top: int
    right: int
    bottom: int
    pieces: tuple[Piece, ...]
    bullets: tuple[Piece, ...] = ()
    labels: Labels = field(default_factory=lambda: _NO_LABELS, repr=False, compare=False)

    def shape(self, piece: Piece) -> npt.NDArray[np.bool_]:
        """Return which pixels of its box are a piece's own."""
        top, left = piece.top - self.top, piece.left - self.left
        labels = self.labels[top : top + piece.height, left : left + piece.width]
        return np.asarray(labels == piece.label, dtype=np.bool_)

    def darkness(self, piece: Piece, ink: Ink) -> Pixels:
        """Return how dark a piece is in each pixel of its box, 0 where it is not."""
        box = np.s_[piece.top : piece.bottom, piece.left : piece.right]
        return np.where(self.shape(piece), ink.contrast[box], np.uint8(0))


def find_bands(ink: Ink) -> tuple[Band, ...]:
    """Return the runs of text, from top to bottom.

    Letters are joined sideways across blanks between words; dots and commas go to the nearest
    run; what is too tall or too wide for a letter (bars, pictures, rules) is left out.
    """
    unit = ink.letter_px
    if not unit:
        return ()
    letters = [p for p in ink.pieces if _is_letter(p, unit)]
    letters = _with_heading(letters, ink.pieces, unit)
    small = [p for p in ink.pieces if _is_small(p, unit)]
    groups = _join_sideways(letters, ink.contrast.shape[:2], unit)
    bands = _absorb_accents([_band_of(group) for group in groups])
    bands = _attach_small(bands, small, unit)
    bands = _without_faint(bands, ink.contrast)
    parts = [part for band in bands for part in _split_at_icon(band)]
    discs = {p for part in parts for p in part.pieces if _is_disc(p, ink)}
    bands = [_without_bullets(part, discs, unit) for part in parts]
    return tuple(sorted(bands, key=lambda band: (band.top, band.left)))


def with_labels(bands: Sequence[Band], ink: Ink) -> tuple[Band, ...]:
    """Return the bands, each with the labels of its own pieces: all that is asked of them later."""
    is_own = np.zeros(ink.label_count, dtype=np.bool_)
    labelled = []
    for band in bands:
        own = [piece.label for piece in band.pieces]
        is_own[own] = True
        labels = ink.labels[band.top : band.bottom, band.left : band.right]
        labelled.append(replace(band, labels=np.where(is_own[labels], labels, 0)))
        is_own[own] = False
    return tuple(labelled)


def _is_letter(piece: Piece, unit: float) -> bool:
    return (
        limits.SMALL_PIECE * unit < piece.height < limits.TALLEST_PIECE * unit
        and _is_no_outline(piece, unit)
        and min(piece.width, piece.height) < limits.LONGEST_STROKE * unit
        and piece.area > 0.04 * unit * unit
        and not _is_shape(piece, unit)
    )


def _with_heading(letters: list[Piece], pieces: Sequence[Piece], unit: float) -> list[Piece]:
    """Return the letters, with those of a heading that are as large as portraits or their discs.

    One after another: what stands beside letters of its size is a letter.
    """
    others = [
        p
        for p in pieces
        if limits.LARGE_LETTER * unit < p.height < limits.TALLEST_HEADING * unit
        and _is_no_outline(p, unit)
        and not _is_letter(p, unit)
    ]
    while found := [p for p in others if _stands_among(p, letters)]:
        letters = [*letters, *found]
        others = [p for p in others if p not in found]
    return letters


def _stands_among(piece: Piece, letters: list[Piece]) -> bool:
    """Whether a piece has letters of its size beside it, on its line; some touch one another."""
    beside = sum(
        max(1, round(other.width / other.height))
        for other in letters
        if other.height > limits.OF_HEADING * piece.height
        and piece.top < other.middle < piece.bottom
        and max(other.left - piece.right, piece.left - other.right)
        < limits.HEADING_REACH * piece.height
    )
    return beside >= limits.HEADING_BESIDE


def _is_no_outline(piece: Piece, unit: float) -> bool:
    """Whether a piece is short, or a word whose letters touch; a button's outline is hollow."""
    return piece.width < limits.LONGEST_LETTER * unit or (
        piece.width < limits.LONGEST_WORD * unit and piece.full > limits.WORD_FULL
    )


def _is_shape(piece: Piece, unit: float) -> bool:
    """Whether it is a portrait's disc, perhaps with initials, or a card's bar: no letter is so."""
    is_disc = (
        piece.height > limits.DISC_TALL * unit and piece.width > limits.DISC_WIDE * piece.height
    )
    is_bar = piece.height > limits.BAR_TALL * unit and piece.width < 0.6 * unit
    return (is_disc and piece.full > limits.DISC_FULL) or (is_bar and piece.full > limits.BAR_FULL)


def _is_small(piece: Piece, unit: float) -> bool:
    return (
        piece.height <= limits.SMALL_PIECE * unit and piece.width < 1.5 * unit and piece.area >= 2
    )


def _join_sideways(letters: list[Piece], shape: tuple[int, ...], unit: float) -> list[list[Piece]]:
    """Return letters by line: their cores, stretched sideways, that touch one another."""
    canvas = np.zeros(shape, dtype=np.uint8)
    for piece in letters:
        trim = 0.25 * piece.height
        # Blanks of a large heading are larger.
        reach = limits.GAP_OF_WORDS * max(unit, 0.75 * piece.height) / 2
        cv2.rectangle(
            canvas,
            (round(piece.left - reach), round(piece.top + trim)),
            (round(piece.right + reach), round(piece.bottom - trim)),
            255,
            -1,
        )
    # Fewer lines than 65,536 fit on a screen, and short labels are written faster.
    _, labels = cv2.connectedComponents(canvas, connectivity=4, ltype=cv2.CV_16U)
    groups: dict[int, list[Piece]] = {}
    for piece in letters:
        x, y = piece.left + piece.width // 2, round(piece.middle)
        groups.setdefault(int(labels[y, x]), []).append(piece)
    return list(groups.values())


def _band_of(pieces: list[Piece]) -> Band:
    return Band(
        min(p.left for p in pieces),
        min(p.top for p in pieces),
        max(p.right for p in pieces),
        max(p.bottom for p in pieces),
        tuple(sorted(pieces, key=lambda p: (p.left, p.top))),
    )


def _absorb_accents(bands: list[Band]) -> list[Band]:
    """Return the bands with the rings and dots of a large heading's letters joined to it."""
    kept: list[Band] = []
    for band in sorted(bands, key=lambda band: band.left - band.right):
        height = band.bottom - band.top
        for index, host in enumerate(kept):
            is_within = host.left <= band.left and band.right <= host.right
            if is_within and (
                min(band.bottom, host.bottom) - max(band.top, host.top) > 0.3 * height
            ):
                kept[index] = _band_of([*host.pieces, *band.pieces])
                break
        else:
            kept.append(band)
    return kept


def _attach_small(bands: list[Band], small: list[Piece], unit: float) -> list[Band]:
    """Return the bands with the dots, commas, hyphens and bullets that belong to them."""
    extra: dict[int, list[Piece]] = {}
    rights = [band.right for band in bands]
    # From left to right: dots behind a bullet that ends a run belong to it, too.
    for piece in sorted(small, key=lambda piece: piece.left):
        near = [
            (distance, index)
            for index, band in enumerate(bands)
            if band.left - unit <= piece.left <= rights[index] + unit
            and (distance := max(band.top - piece.middle, piece.middle - band.bottom, 0.0))
            < limits.SMALL_REACH * unit
        ]
        if len(near) > 1:
            near = [(_off_letters(piece, bands[index], unit), index) for _, index in near]
        best = min(near)[1] if near else -1
        if best >= 0:
            extra.setdefault(best, []).append(piece)
            if piece.height <= limits.ELLIPSIS_DOT * unit or piece.height == piece.width:
                rights[best] = max(rights[best], piece.right)
    return [
        _band_of([*band.pieces, *extra[i]]) if i in extra else band for i, band in enumerate(bands)
    ]


def _off_letters(piece: Piece, band: Band, unit: float) -> float:
    """Return how far above or below the letters of a run a small piece lies, where it lies.

    The tail of a g reaches down beside the dots of the Ö in the next line, and a run may end right
    before them; no letter of theirs is near.
    """
    near = [p for p in band.pieces if p.left - unit / 2 <= piece.centre <= p.right + unit / 2]
    return min((max(p.top - piece.bottom, piece.top - p.bottom, 0) for p in near), default=unit)


def _without_faint(bands: list[Band], contrast: Pixels) -> list[Band]:
    """Return the bands without what is far fainter than text: round corners of dark cards."""
    peaks = [int(contrast[b.top : b.bottom, b.left : b.right].max()) for b in bands]
    faint = limits.FAINTEST * float(np.percentile(peaks, 90)) if peaks else 0.0
    return [band for band, peak in zip(bands, peaks, strict=True) if peak >= faint]


def _split_at_icon(band: Band) -> list[Band]:
    """Return what stands before and after each icon: a clock, a pin, a portrait's outline."""
    pieces = band.pieces
    for index, sign in enumerate(pieces):
        if not limits.ICON_WIDE[0] < sign.width / sign.height < limits.ICON_WIDE[1]:
            continue
        after = [p for p in pieces[index + 1 :] if p.right > sign.right]
        before = [p for p in pieces[:index] if p.left < sign.left]
        blank = min((p.left for p in after), default=sign.right) - sign.right
        is_apart = len(after) > 1 and all(sign.left - p.right >= 0.3 * sign.height for p in before)
        if is_apart and (
            (blank >= 0.3 * sign.height and _reaches_over(sign, after))
            or (blank >= 0.15 * sign.width and _is_clock(sign, after, pieces))
        ):
            rest = _split_at_icon(_band_of(after))
            return [_band_of(before), *rest] if before else rest
    return [band]


def _reaches_over(sign: Piece, after: list[Piece]) -> bool:
    """Whether a piece is taller than its line, above and below: no letter is.

    The tail of a Q reaches below the line, and the tails of other letters do.
    """
    letters = [p for p in after if p.height > limits.LETTER_OF_SIGN * sign.height]
    above, below = (share * sign.height for share in limits.ICON_REACH)
    return (
        len(letters) > 1
        and sign.top + above <= min(p.top for p in letters)
        and sign.bottom - max(below, limits.TALLER_PX)
        >= statistics.median(p.bottom for p in letters)
    )


def _is_clock(ring: Piece, after: list[Piece], pieces: tuple[Piece, ...]) -> bool:
    """Whether a ring before a duration holds a clock's hands."""
    return (
        _is_ring(ring)
        and len(after) <= limits.ICON_LETTERS
        and any(
            ring.left < p.left < p.right < ring.right and ring.top < p.top < p.bottom < ring.bottom
            for p in pieces
        )
    )


def _is_ring(piece: Piece) -> bool:
    is_round = 0.8 < piece.width / piece.height < 1.25
    return is_round and piece.area < 0.6 * piece.width * piece.height


def _is_disc(piece: Piece, ink: Ink) -> bool:
    """Whether a piece as large as a letter is round and solid, as no letter is."""
    if not (
        limits.SMALL_PIECE * ink.letter_px < piece.height < limits.DISC_TALL * ink.letter_px
        and limits.BOX_WIDE[0] < piece.width / piece.height < limits.BOX_WIDE[1]
    ):
        return False
    rows, columns = np.ogrid[-1 : 1 : piece.height * 1j, -1 : 1 : piece.width * 1j]
    dark = ink.contrast[piece.top : piece.bottom, piece.left : piece.right]
    core = dark[np.hypot(rows, columns) <= limits.DISC_CORE]
    is_round = limits.ROUND_FULL[0] < piece.full < limits.ROUND_FULL[1]
    return is_round and int(core.min()) >= limits.DISC_DARK * int(core.max())


def holds_letters(band: Band, ink: Ink) -> bool:
    """Whether a run is more than a disc: alone it is a mark on a map, or a light."""
    return not all(_is_disc(piece, ink) for piece in band.pieces)


def _without_bullets(band: Band, discs: Set[Piece], unit: float) -> Band:
    """Return the band with its bullets taken out of the ink: OCR reads them as », = or nothing.

    `discs` may be bullets that are as large as letters.
    """
    letters = [
        p
        for p in band.pieces
        if p not in discs and (p.height > limits.LARGEST_BULLET * unit or _is_ring(p))
    ]
    if len(letters) < 2:
        return band
    top = statistics.median(p.top for p in letters)
    bottom = statistics.median(p.bottom for p in letters)
    bullets = [
        p
        for p in band.pieces
        if (p in discs or 0.12 * unit <= p.height <= limits.LARGEST_BULLET * unit)
        and 0.75 < p.width / p.height < 1.33
        and p.full > limits.ROUND_FULL[0]
        and top + 0.2 * unit < p.middle < bottom - max(0.22 * unit, 0.22 * (bottom - top))
        and _is_apart(p, band.pieces, unit)
    ]
    if not bullets:
        return band
    rest = _band_of([p for p in band.pieces if p not in bullets])
    return replace(rest, bullets=tuple(bullets))


def _is_apart(piece: Piece, others: tuple[Piece, ...], unit: float) -> bool:
    """Whether there is a blank on both sides; a bullet may begin the second line of a title."""
    near = 0.28 * unit
    return not any(
        p.left < piece.right + near and p.right > piece.left - near
        for p in others
        if p is not piece
    )


def dots_at_end(band: Band, unit: float) -> tuple[Piece, ...]:
    """Return the dots of an ellipsis that ends the run, none where there is none.

    Three dots or more of one size stand evenly at the foot of the line, right of all letters.
    """
    letters = [p for p in band.pieces if p.height > limits.SMALL_PIECE * unit]
    if not letters:
        return ()
    foot = statistics.median(p.bottom for p in letters)
    right = max(p.right for p in letters)
    dots = [
        p
        for p in band.pieces
        if p.left >= right - 1
        and p.height <= limits.ELLIPSIS_DOT * unit
        and p.width <= 1.6 * p.height
        and p.middle > foot - limits.ELLIPSIS_FOOT * unit
    ]
    steps = [after.left - before.left for before, after in itertools.pairwise(dots)]
    is_even = len(dots) >= 3 and max(steps) <= min(steps) + max(2.0, 0.12 * unit)
    return tuple(dots) if is_even else ()
