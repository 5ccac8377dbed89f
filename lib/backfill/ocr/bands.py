"""Cut the text lines out of an image and lay them under one another for one call of the engine."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from backfill.ocr.preprocess import Ink, Piece, Pixels
from backfill.ocr.words import Word

# Of a letter's height.
GAP_OF_WORDS = 1.25
SMALL_PIECE = 0.55
TALLEST_PIECE = 2.5
PADDING = 0.45
ROW_BLANK = 0.7
LETTER_TARGET_PX = 24.0
BULLET = "•"


@dataclass(frozen=True, slots=True)
class Band:
    """One run of text on one line: its box in pixels of the image and its pieces of ink."""

    left: int
    top: int
    right: int
    bottom: int
    pieces: tuple[Piece, ...]
    bullets: tuple[Piece, ...] = ()


@dataclass(frozen=True, slots=True)
class Placed:
    """A band in the montage: the row it stands in, and how to get back to the image."""

    band: Band
    row_top: int
    row_bottom: int
    x: float
    y: float
    scale: float
    contrast: float


@dataclass(frozen=True, slots=True)
class Montage:
    """All bands of an image under one another, dark on white."""

    image: Pixels
    placed: tuple[Placed, ...]


def find_bands(ink: Ink) -> tuple[Band, ...]:
    """Return the runs of text, from top to bottom.

    Letters are joined sideways across blanks between words; dots and commas go to the nearest
    run; what is too tall or too wide for a letter (bars, pictures, rules) is left out.
    """
    unit = ink.letter_px
    if not unit:
        return ()
    letters = [p for p in ink.pieces if _is_letter(p, unit)]
    small = [p for p in ink.pieces if _is_small(p, unit)]
    groups = _join_sideways(letters, ink.contrast.shape[:2], unit)
    bands = [_band_of(group) for group in groups]
    bands = _attach_small(bands, small, unit)
    bands = [_without_bullets(_without_icon(band), unit) for band in bands]
    return tuple(sorted(bands, key=lambda band: (band.top, band.left)))


def make_montage(ink: Ink, bands: tuple[Band, ...], target_px: float = LETTER_TARGET_PX) -> Montage:
    """Return the bands, each scaled to letters of `target_px`, one under another."""
    crops = [_cut(ink, band, target_px) for band in bands]
    blank = round(ROW_BLANK * target_px)
    width = max((crop.pixels.shape[1] for crop in crops), default=1) + 2 * blank
    height = sum(crop.pixels.shape[0] + blank for crop in crops) + blank
    canvas = np.full((height, width), 255, dtype=np.uint8)
    placed, y = [], blank
    for band, crop in zip(bands, crops, strict=True):
        bottom = y + crop.pixels.shape[0]
        canvas[y:bottom, blank : blank + crop.pixels.shape[1]] = crop.pixels
        x0, y0 = blank - crop.left * crop.scale, y - crop.top * crop.scale
        rows = (y - blank // 2, bottom + blank // 2)
        placed.append(Placed(band, *rows, x0, y0, crop.scale, crop.contrast))
        y = bottom + blank
    return Montage(canvas, tuple(placed))


def words_of_image(montage: Montage, words: list[Word]) -> tuple[tuple[Word, ...], ...]:
    """Return for each placed band its words, in pixels of the image, from left to right."""
    rows: list[list[Word]] = [[] for _ in montage.placed]
    for word in words:
        for index, place in enumerate(montage.placed):
            if place.row_top <= word.middle < place.row_bottom:
                rows[index].append(_back(word, place))
                break
    for place, row in zip(montage.placed, rows, strict=True):
        row.extend(_bullet_word(piece, place.band) for piece in place.band.bullets if row)
    return tuple(tuple(sorted(row, key=lambda word: word.left)) for row in rows)


def _bullet_word(piece: Piece, band: Band) -> Word:
    height = float(band.bottom - band.top)
    return Word(BULLET, float(piece.left), float(band.top), float(piece.width), height)


def _back(word: Word, place: Placed) -> Word:
    """Return the word in pixels of the image; its line's height, so that one line is one height."""
    return replace(
        word,
        left=round((word.left - place.x) / place.scale, 1),
        top=float(place.band.top),
        width=round(word.width / place.scale, 1),
        height=float(place.band.bottom - place.band.top),
        contrast=place.contrast,
    )


def _is_letter(piece: Piece, unit: float) -> bool:
    return (
        SMALL_PIECE * unit < piece.height < TALLEST_PIECE * unit
        and piece.width < 8 * unit
        and piece.area > 0.08 * unit * unit
    )


def _is_small(piece: Piece, unit: float) -> bool:
    return piece.height <= SMALL_PIECE * unit and piece.width < 1.5 * unit and piece.area >= 2


def _join_sideways(letters: list[Piece], shape: tuple[int, ...], unit: float) -> list[list[Piece]]:
    """Return letters by line: their cores, stretched sideways, that touch one another."""
    canvas = np.zeros(shape, dtype=np.uint8)
    reach = GAP_OF_WORDS * unit / 2
    for piece in letters:
        trim = 0.25 * piece.height
        cv2.rectangle(
            canvas,
            (round(piece.left - reach), round(piece.top + trim)),
            (round(piece.right + reach), round(piece.bottom - trim)),
            255,
            -1,
        )
    _, labels = cv2.connectedComponents(canvas, connectivity=4)
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


def _attach_small(bands: list[Band], small: list[Piece], unit: float) -> list[Band]:
    """Return the bands with the dots, commas, hyphens and bullets that belong to them."""
    extra: dict[int, list[Piece]] = {}
    for piece in small:
        best, best_distance = -1, 0.55 * unit
        for index, band in enumerate(bands):
            if not band.left - unit <= piece.left <= band.right + unit:
                continue
            distance = max(band.top - piece.middle, piece.middle - band.bottom, 0.0)
            if distance < best_distance:
                best, best_distance = index, distance
        if best >= 0:
            extra.setdefault(best, []).append(piece)
    return [_band_of([*band.pieces, *extra.get(i, [])]) for i, band in enumerate(bands)]


def _without_icon(band: Band) -> Band:
    """Return the band without a clock icon: a ring at its left, taller than all letters."""
    ring, rest = band.pieces[0], band.pieces[1:]
    is_ring = 0.8 < ring.width / ring.height < 1.25 and ring.area < 0.6 * ring.width * ring.height
    outside = [p for p in rest if p.left >= ring.right]
    if not is_ring or not 1 < len(outside) <= 9:
        return band
    if ring.height < 1.12 * max(p.height for p in outside) or outside[0].left - ring.right < 3:
        return band
    return _band_of(outside)


def _without_bullets(band: Band, unit: float) -> Band:
    """Return the band with its bullets taken out of the ink: OCR reads them as », = or nothing."""
    letters = [p for p in band.pieces if p.height > SMALL_PIECE * unit]
    if len(letters) < 2:
        return band
    top = float(np.median([p.top for p in letters]))
    bottom = float(np.median([p.bottom for p in letters]))
    bullets = [
        p
        for p in band.pieces
        if p not in letters
        and 0.12 * unit <= p.height
        and 0.75 < p.width / p.height < 1.33
        and p.area > 0.62 * p.width * p.height
        and top + 0.2 * unit < p.middle < bottom - 0.22 * unit
        and _is_apart(p, band.pieces, unit)
    ]
    if not bullets:
        return band
    rest = _band_of([p for p in band.pieces if p not in bullets])
    return replace(rest, bullets=tuple(bullets))


def _is_apart(piece: Piece, others: tuple[Piece, ...], unit: float) -> bool:
    """Whether there is a blank on both sides, and letters before it."""
    near = 0.28 * unit
    return any(p.right <= piece.left for p in others) and not any(
        p.left < piece.right + near and p.right > piece.left - near
        for p in others
        if p is not piece
    )


@dataclass(frozen=True, slots=True)
class _Crop:
    """A band's own ink, dark on white; where it was cut, how it was scaled, how dark it was."""

    pixels: Pixels
    left: float
    top: float
    scale: float
    contrast: float


def _cut(ink: Ink, band: Band, target_px: float) -> _Crop:
    unit = ink.letter_px
    tall = float(
        np.median([float(p.height) for p in band.pieces if p.height > SMALL_PIECE * unit] or [unit])
    )
    scale = target_px / (tall if tall > 1.5 * unit else unit)
    pad = round(PADDING * unit)
    top, bottom = max(0, band.top - pad), min(ink.contrast.shape[0], band.bottom + pad)
    left, right = max(0, band.left - pad), min(ink.contrast.shape[1], band.right + pad)
    contrast = ink.contrast[top:bottom, left:right]
    own = np.isin(ink.labels[top:bottom, left:right], [p.label for p in band.pieces])
    halo = cv2.dilate(own.astype(np.uint8), np.ones((5, 5), dtype=np.uint8))
    peak = max(1.0, float(np.percentile(contrast[own], 95)))
    shown = np.clip(contrast * (255.0 / peak), 0, 255) * halo
    dark = (255 - shown).astype(np.uint8)
    interpolation = cv2.INTER_AREA if scale < 0.8 else cv2.INTER_CUBIC
    size = (max(1, round(dark.shape[1] * scale)), max(1, round(dark.shape[0] * scale)))
    pixels = np.asarray(cv2.resize(dark, size, interpolation=interpolation), dtype=np.uint8)
    return _Crop(pixels, left, top, scale, round(peak, 1))
