"""Lay the runs of text of an image under one another, for one call of the engine."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from backfill.ocr import limits
from backfill.ocr.engines.engine import Page, Script
from backfill.ocr.ink.bands import Band, dots_at_end
from backfill.ocr.ink.masks import Piece, Pixels
from backfill.ocr.ink.preprocess import Ink
from backfill.ocr.reader.ink_doubts import doubt_by_ink
from backfill.ocr.words import BULLET, Rows, Word

ELLIPSIS = "…"


@dataclass(frozen=True, slots=True)
class Cut:
    """How runs are cut: letters of `letter_px`, the width of dark text times `squeeze`.

    Recognition costs time by width: 0.8 saves a fifth of it and reads bold text the same. Fainter
    text is squeezed by `faint_squeeze`, less: with 0.8 the 7 of a house number is read as 1. Short
    text is not squeezed, but its letters pushed apart by `spread` of their height: a phone's
    narrow 11 is read as N. `is_all_spread`: so is the rest.
    """

    letter_px: float = 20.0
    squeeze: float = 0.8
    faint_squeeze: float = 0.9
    padding: float = limits.PADDING
    spread: float = 0.1
    is_all_spread: bool = False


@dataclass(frozen=True, slots=True)
class Placed:
    """A run in the montage: its row there, and how to get from there to the image."""

    band: Band
    row_top: float
    row_bottom: float
    x: float
    scale: float
    contrast: float


@dataclass(frozen=True, slots=True)
class Montage:
    """Runs of text under one another, dark on white; runs that look the same stand there once.

    `ink` is that of the image from which they were cut.
    """

    image: Pixels
    placed: tuple[Placed, ...]
    ink: Ink


Look = Generator[Page, list[Word], Rows]


def read_bands(
    ink: Ink, bands: Sequence[Band], script: Script = Script.TEXT, cut: Cut | None = None
) -> Look:
    """Return the words of each band. Yields the page that is to be read, is sent its words."""
    if not bands:
        return ()
    montage = make_montage(ink, tuple(bands), cut)
    return words_of_bands(montage, (yield Page(montage.image, script)))


def make_montage(ink: Ink, bands: tuple[Band, ...], cut: Cut | None = None) -> Montage:
    """Return the bands in the order given, each scaled to letters of one height."""
    cut = cut or Cut()
    peaks = [_peak(ink, band) for band in bands]
    faint = limits.FAINT * max(peaks, default=0.0)
    crops = [
        _cut(ink, band, cut, peak, is_faint=peak < faint)
        for band, peak in zip(bands, peaks, strict=True)
    ]
    firsts = _first_alike(crops)
    blank = round(limits.ROW_BLANK * cut.letter_px)
    shown = [crop for index, crop in enumerate(crops) if firsts[index] == index]
    width = max((crop.pixels.shape[1] for crop in shown), default=1) + 2 * blank
    height = sum(crop.pixels.shape[0] + blank for crop in shown) + blank
    canvas = np.full((height, width), 255, dtype=np.uint8)
    placed: list[Placed] = []
    y = blank
    for index, (band, crop) in enumerate(zip(bands, crops, strict=True)):
        x = blank - crop.left * crop.scale
        if firsts[index] != index:
            twin = placed[firsts[index]]
            placed.append(replace(twin, band=band, x=x, contrast=crop.contrast))
            continue
        bottom = y + crop.pixels.shape[0]
        canvas[y:bottom, blank : blank + crop.pixels.shape[1]] = crop.pixels
        rows = (y - blank / 2, bottom + blank / 2)
        placed.append(Placed(band, *rows, x, crop.scale, crop.contrast))
        y = bottom + blank
    return Montage(canvas, tuple(placed), ink)


def cut_lines(ink: Ink, bands: Sequence[Band], cut: Cut) -> list[Pixels]:
    """Return each band as a picture of its own, dark on white."""
    return [_cut(ink, band, cut, _peak(ink, band), is_faint=False).pixels for band in bands]


def words_of_bands(montage: Montage, words: list[Word]) -> Rows:
    """Return for each placed band its words, in pixels of the image, from left to right."""
    rows = []
    for place in montage.placed:
        own = [
            _back(word, place) for word in words if place.row_top <= word.middle < place.row_bottom
        ]
        if own:
            own.extend(_bullet_word(piece, place) for piece in place.band.bullets)
            own.extend(_ellipsis_word(place, own, montage.ink.letter_px))
        row = _side_by_side(sorted(own, key=lambda word: word.left))
        rows.append(doubt_by_ink(row, place.band, montage.ink))
    return tuple(rows)


def _side_by_side(words: list[Word]) -> tuple[Word, ...]:
    """Return the words of a row, none reaching over the next: boxes may span the whole row."""
    cut = [
        replace(word, width=after.left - word.left) if word.left < after.left < word.right else word
        for word, after in itertools.pairwise(words)
    ]
    return (*cut, *words[-1:])


def _back(word: Word, place: Placed) -> Word:
    """Return the word in pixels of the image, as high as its band."""
    return replace(
        word,
        left=round((word.left - place.x) / place.scale, 1),
        top=float(place.band.top),
        width=round(word.width / place.scale, 1),
        height=float(place.band.bottom - place.band.top),
        contrast=place.contrast,
    )


def _bullet_word(piece: Piece, place: Placed) -> Word:
    band = place.band
    height = float(band.bottom - band.top)
    return Word(
        BULLET, float(piece.left), float(band.top), float(piece.width), height,
        contrast=place.contrast,
    )  # fmt: skip


def _ellipsis_word(place: Placed, words: list[Word], unit: float) -> list[Word]:
    """Return the ellipsis that ends the run and that was not read, if there is one."""
    dots = dots_at_end(place.band, unit)
    if not dots or any(".." in word.text or ELLIPSIS in word.text for word in words):
        return []
    left, right = float(dots[0].left), float(dots[-1].right)
    last = words[0]
    return [Word(ELLIPSIS, left, last.top, right - left, last.height, contrast=place.contrast)]


@dataclass(frozen=True, slots=True)
class _Crop:
    """A band's own ink, dark on white; its left in the image, its sideways scale, its contrast."""

    pixels: Pixels
    left: float
    scale: float
    contrast: float


def _peak(ink: Ink, band: Band) -> float:
    """Return how far the band's darkest ink lies from its background."""
    contrast = ink.contrast[band.top : band.bottom, band.left : band.right]
    inked = contrast[contrast > limits.INK_CONTRAST]
    place = int(0.95 * (inked.size - 1))
    return float(np.partition(inked, place)[place]) if inked.size else 1.0


def _own_ink(band: Band, top: int, bottom: int, left: int, right: int) -> npt.NDArray[np.bool_]:
    """Return where in a box around the band its own pieces are."""
    own = np.zeros((bottom - top, right - left), dtype=np.bool_)
    own[band.top - top : band.bottom - top, band.left - left : band.right - left] = band.labels > 0
    return own


def _cut(ink: Ink, band: Band, cut: Cut, peak: float, *, is_faint: bool) -> _Crop:
    unit = ink.letter_px
    is_short = band.right - band.left < limits.SHORT * unit
    squeeze = 1.0 if is_short else cut.faint_squeeze if is_faint else cut.squeeze
    letters = [float(p.height) for p in band.pieces if p.height > limits.SMALL_PIECE * unit]
    tall = statistics.median(letters or [unit])
    scale = cut.letter_px / (tall if tall > 1.5 * unit else unit)
    pad = round(cut.padding * unit)
    top, bottom = max(0, band.top - pad), min(ink.contrast.shape[0], band.bottom + pad)
    left, right = max(0, band.left - pad), min(ink.contrast.shape[1], band.right + pad)
    own = _own_ink(band, top, bottom, left, right)
    halo = cv2.dilate(own.astype(np.uint8), np.ones((5, 5), dtype=np.uint8))
    darkness = (255 - np.clip(np.arange(256) * (255.0 / peak), 0, 255)).astype(np.uint8)
    dark = np.where(halo, cv2.LUT(ink.contrast[top:bottom, left:right], darkness), np.uint8(255))
    wide = scale * squeeze
    if is_short or cut.is_all_spread:
        dark = _spread(dark, own, unit, max(1, round(cut.spread * unit)))
    size = (max(1, round(dark.shape[1] * wide)), max(1, round(dark.shape[0] * scale)))
    method = cv2.INTER_AREA if scale < 0.8 else cv2.INTER_CUBIC
    pixels = np.asarray(cv2.resize(dark, size, interpolation=method), dtype=np.uint8)
    return _Crop(pixels, left, wide * dark.shape[1] / own.shape[1], round(peak, 1))


def _spread(dark: Pixels, own: npt.NDArray[np.bool_], unit: float, by: int) -> Pixels:
    """Return the picture with `by` white columns more between letters; blanks stay as they are."""
    inked = np.flatnonzero(own.any(axis=0))
    gaps = np.diff(inked)
    between = np.flatnonzero((gaps > 1) & (gaps < limits.LETTER_GAP * unit))
    middles = inked[between] + gaps[between] // 2
    return np.insert(dark, np.repeat(middles, by), 255, axis=1)


def _first_alike(crops: list[_Crop]) -> list[int]:
    """Return for each crop the index of the first that shows the same picture, or its own."""
    firsts: list[int] = []
    by_shape: dict[tuple[int, ...], list[int]] = {}
    for index, crop in enumerate(crops):
        others = by_shape.setdefault(crop.pixels.shape, [])
        twin = next((i for i in others if _is_alike(crops[i].pixels, crop.pixels)), index)
        if twin == index:
            others.append(index)
        firsts.append(twin)
    return firsts


def _is_alike(one: Pixels, other: Pixels) -> bool:
    difference = cv2.blur(np.asarray(cv2.absdiff(one, other)), (3, 3))
    return bool(difference.max() <= limits.SAME_PICTURE)
