"""Read screenshots: pixels → bands → words → entries and date, with a second look in doubt."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import NamedTuple

import cv2
import numpy as np

from backfill.ocr import limits
from backfill.ocr.engines.engine import Engine, EngineFailure, LineReader, Page, read_pages
from backfill.ocr.failure import ImageFailure, Stage, UnreadableImage
from backfill.ocr.ink.bands import Band, find_bands, holds_letters, with_labels
from backfill.ocr.ink.frame import Frame, find_frame
from backfill.ocr.ink.pictures import without_pictures
from backfill.ocr.ink.preprocess import Ink, find_ink
from backfill.ocr.ink.scene import scene_of
from backfill.ocr.reader.candidates import differ, hear, settle
from backfill.ocr.reader.images import Pixels, load_pixels
from backfill.ocr.reader.looks import (
    ask_second,
    doubtful_bands,
    holds_unsure_name,
    look_again,
    look_first,
    rows_of_names,
    show,
)
from backfill.ocr.screen.checks import FAINT_TEXT, SMALL_LETTERS, WHOSE
from backfill.ocr.screen.list_end import uncut
from backfill.ocr.screen.marks import holds_faint_text, strokes_over, with_marks
from backfill.ocr.screen.reading import ImageReading, SecondCost, Tail
from backfill.ocr.screen.set_apart import shows_everybody, with_set_apart
from backfill.ocr.screen.sheet import Sheet, bands_of_sheet, find_sheet, header_bottom, without_bars
from backfill.ocr.screen.unseen import find_unseen
from backfill.ocr.screen.view import View, interpret
from backfill.ocr.shift import Entry
from backfill.ocr.text.noise import is_worn_state
from backfill.ocr.words import Row, Rows, Word

_Steps = Generator[Page, list[Word], ImageReading]


def read_batch(batch: Sequence[bytes], engine: Engine) -> list[ImageReading | ImageFailure]:
    """Return what each image says, or why it can not be read, in their order.

    The images take their steps together: what the engine is to read of them, it reads in one go.
    The result is the same as of each alone; `ocr_ms` is an equal share of the time.
    """
    started = time.perf_counter()
    outcomes: dict[int, ImageReading | ImageFailure] = {}
    waiting: dict[int, tuple[_Steps, Page]] = {}
    reader = engine if isinstance(engine, LineReader) else None

    def go_on(number: int, steps: _Steps, words: list[Word] | None) -> None:
        try:
            waiting[number] = steps, (next(steps) if words is None else steps.send(words))
        except StopIteration as end:
            outcomes[number] = end.value

    for number, data in enumerate(batch):
        try:
            go_on(number, _read_pixels(load_pixels(data), reader), None)
        except UnreadableImage as error:
            outcomes[number] = error.failure
    while waiting:
        under_way, waiting = waiting, {}
        pages = read_pages(engine, [page for _steps, page in under_way.values()])
        for (number, (steps, _page)), words in zip(under_way.items(), pages, strict=True):
            if isinstance(words, EngineFailure):
                outcomes[number] = ImageFailure(Stage.OCR, "ocr_failed", str(words))
            else:
                go_on(number, steps, words)
    share_ms = round((time.perf_counter() - started) * 1000 / max(len(batch), 1), 1)
    return [_finished(outcomes[number], data, share_ms) for number, data in enumerate(batch)]


def _finished(
    outcome: ImageReading | ImageFailure, data: bytes, share_ms: float
) -> ImageReading | ImageFailure:
    if isinstance(outcome, ImageFailure):
        return outcome
    return replace(outcome, sha256=hashlib.sha256(data).hexdigest(), ocr_ms=share_ms)


def _read_pixels(pixels: Pixels, reader: LineReader | None) -> _Steps:
    """Yield each picture that the engine is to read, be sent its words, return the reading."""
    height, width = pixels.shape[:2]
    if min(height, width) < limits.SMALLEST_PX:
        return ImageReading("", width, height, (), ())
    frame = find_frame(pixels) or Frame(0, 0, width, height)
    pixels, grey, scale = _scaled(
        np.ascontiguousarray(pixels[frame.top : frame.bottom, frame.left : frame.right])
    )
    top = header_bottom(pixels)
    ink = find_ink(grey, round(top))
    scene = scene_of(pixels, ink.pieces, ink.letter_px)
    ink = without_pictures(pixels, grey, ink)
    sheet = find_sheet(pixels, grey, ink, top)
    ink = without_bars(ink, sheet)
    del pixels, grey  # while the engine reads, a batch of images waits here
    all_bands = find_bands(ink)
    bands, sheet = bands_of_sheet(all_bands, sheet, ink)
    bands = tuple(band for band in bands if holds_letters(band, ink))
    strokes = strokes_over(ink, bands)
    bands, ink = with_labels(bands, ink), ink.without_labels()
    if not bands:
        return ImageReading("", width, height, (), ())
    rows, view, second = yield from _looked_at(ink, bands, sheet, reader)
    unsaid = _without_read(all_bands, bands, rows, view.entries)
    is_faint = holds_faint_text(ink, unsaid, sheet.top, sheet.bottom)
    words = tuple(_unscaled(word, scale, frame) for row in rows for word in row)
    unseen = find_unseen(scene, view, [word for row in rows for word in row], ink.pictures)
    whole = uncut(view.entries, is_ended=unseen.tail != Tail.EDGE, is_begun=view.date is not None)
    marked = with_marks(whole, bands, rows, ink, scene.inked, strokes)
    entries = tuple(
        replace(entry, words=tuple(_unscaled(word, scale, frame) for word in entry.words))
        for entry in with_set_apart(marked, scene, sheet.bars, rows)
    )
    flags = (*view.flags, *unseen.flags, *(FAINT_TEXT,) * is_faint)
    is_small = scale > 1 and ink.letter_px < limits.TOLD_LETTERS
    flags += (SMALL_LETTERS,) * (is_small and bool(entries))
    flags += (WHOSE,) * shows_everybody(rows, view.entries, scene)
    hidden = tuple(one for one in unseen.hidden if one.doubt not in view.flags)
    return ImageReading(
        "", width, height, words, entries, view.date, view.farewell, flags, unseen.tail, view.told,
        second, view.hours, hidden,
    )  # fmt: skip


class _Looked(NamedTuple):
    """The runs' words, what they say, and what the second reader was asked."""

    rows: Rows
    view: View
    second: SecondCost = SecondCost()


def _looked_at(
    ink: Ink, bands: tuple[Band, ...], sheet: Sheet, reader: LineReader | None
) -> Generator[Page, list[Word], _Looked]:
    """Return what all looks at the runs make of them; yields pages, is sent their words."""
    rows = yield from look_first(ink, bands)
    view = interpret(rows, sheet, ink)
    doubtful = doubtful_bands(rows, view)
    if not doubtful:
        return _Looked(rows, view)
    # The same reader errs the same way twice: a name in doubt is shown to the other at once, and
    # what both say is not looked at again.
    names = rows_of_names(rows, view)
    unsure = [at for at in doubtful if at in names and holds_unsure_name(rows[at])]
    said = show(reader, ink, bands, unsure) if reader else {}
    lost: dict[int, Row] = {}
    if again := [at for at in doubtful if at not in said or differ(rows[at], said[at])]:
        heard = yield from look_again(ink, bands, again)
        rows, lost = hear(rows, lost, heard)
        rows, view = settle(rows, lost, sheet, ink)
    asked = doubtful_bands(rows, view)
    if reader is None or not (asked or said):
        return _Looked(rows, view)
    heard = ask_second(reader, ink, bands, rows, asked, names, said)
    told, others = hear(rows, lost, heard)
    told, told_view = settle(told, others, sheet, ink)
    if told_view.contradicted > view.contradicted:
        return _Looked(rows, view)
    left = doubtful_bands(told, told_view)
    return _Looked(told, told_view, SecondCost(len(heard.rows), len(set(asked) - set(left))))


def _without_read(
    all_bands: Sequence[Band], bands: Sequence[Band], rows: Rows, entries: Sequence[Entry]
) -> list[Band]:
    """Return the bands without pale ones that were read: small states ("on time"), a card's text.

    An app sets off the times or the address of a card so.
    """
    of_cards = {word for entry in entries for word in entry.words}
    read = {
        band
        for band, row in zip(bands, rows, strict=True)
        if (row and of_cards.issuperset(row)) or is_worn_state(" ".join(word.text for word in row))
    }
    return [band for band in all_bands if band not in read]


def _scaled(pixels: Pixels) -> tuple[Pixels, Pixels, float]:
    """Return the picture in colours and in grey, and the factor by which both were scaled.

    The shorter side is at most as long as is of use, and no letters are smaller than readers want
    them. Colours only tell bars and header.
    """
    grey = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
    short, long = sorted(pixels.shape[:2])
    working_px = (
        limits.WORKING_PX_TABLET if short > limits.TWO_COLUMNS * long else limits.WORKING_PX
    )
    scale = min(1.0, working_px / short)
    if short <= limits.SMALL_PICTURE:
        large = _resized(grey, limits.ENLARGE, cv2.INTER_CUBIC)
        if find_ink(large).letter_px < limits.ENLARGE * limits.SMALL_LETTERS:
            return _resized(pixels, limits.ENLARGE, cv2.INTER_NEAREST), large, limits.ENLARGE
    if scale == 1.0:
        return pixels, grey, scale
    colours = _resized(pixels, scale, cv2.INTER_NEAREST)
    return colours, _resized(grey, scale, cv2.INTER_AREA), scale


def _resized(pixels: Pixels, scale: float, method: int) -> Pixels:
    size = (round(pixels.shape[1] * scale), round(pixels.shape[0] * scale))
    return np.asarray(cv2.resize(pixels, size, interpolation=method), dtype=np.uint8)


def _unscaled(word: Word, scale: float, frame: Frame) -> Word:
    """Return the word with its box in pixels of the image as it was given, its frame as well."""
    if scale == 1.0 and not (frame.left or frame.top):
        return word
    left, top, width, height = (
        round(number / scale, 1) for number in (word.left, word.top, word.width, word.height)
    )
    return replace(word, left=frame.left + left, top=frame.top + top, width=width, height=height)
