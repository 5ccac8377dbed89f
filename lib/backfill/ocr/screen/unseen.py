"""What a screen may hide: a card below something, room for one where none was read, a day cut off.

A card that is not read leaves no text. What is left are a shape that lies over the list, a blank
in the rhythm of the cards, ink below the last of them. Told by size and place alone, whatever is
drawn there.
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from backfill.ocr import limits
from backfill.ocr.ink.masks import Box, Mask, Piece, differs, find_shapes, is_on
from backfill.ocr.ink.scene import Scene, commonest, difference, is_near, part_behind
from backfill.ocr.screen.checks import COVERED, ROOM_BETWEEN, STRAY_TEXT
from backfill.ocr.screen.list_end import foot_of, is_ended, is_ended_before
from backfill.ocr.screen.reading import Hidden, Tail, name_of
from backfill.ocr.screen.view import View
from backfill.ocr.shift import Entry
from backfill.ocr.text.clock import minutes_of
from backfill.ocr.text.day_names import names_day
from backfill.ocr.text.noise import is_all_day, is_of_others
from backfill.ocr.text.vocabulary import find_labels
from backfill.ocr.words import Word, span_of

Span = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Unseen:
    """Doubts about what an image may hide, and where; and how its cards end."""

    flags: tuple[str, ...]
    tail: Tail
    hidden: tuple[Hidden, ...] = ()


def find_unseen(
    scene: Scene, view: View, words: Collection[Word], pictures: Iterable[Box]
) -> Unseen:
    """Return what the image may hide beside the cards that were read.

    `words` are all that were read, `pictures` the boxes of portraits and the like.

    1. blanks between two cards, or the heading and a card, that are as high as a card more; 2. a
    shape over the list that holds no card; 3. ink right below the last card.
    """
    entries = sorted(view.entries, key=lambda entry: _span(entry.words)[0])
    if not entries or not scene.letter_px or _are_beside(entries):
        return Unseen(view.of_strays, view.tail)
    spans = [_span(entry.words) for entry in entries]
    flags = view.of_strays
    boxes = list(pictures)
    filled = _joined((
        *((word.top, word.bottom) for word in words),
        *((top, bottom) for _left, top, _right, bottom in boxes),
    ))  # fmt: skip
    # What floats over the right half leaves the text of a card below it to be seen.
    buttons = [box for box in boxes if box[0] > limits.SHRINK * scene.colours.shape[1] / 2]
    blanks = [_widest_blank(filled, gap) for gap in _gaps(view, spans)]
    # Beside a scale of hours a blank is free time.
    rooms = _rooms(entries, spans, blanks, scene.letter_px) if view.scale_y is None else []
    hidden = [_hidden(ROOM_BETWEEN, entries, place) for place in rooms]
    foot = max(foot_of(scene, spans, view.bottom), view.scale_y or 0.0)
    unit = scene.letter_px
    blank = max(*blanks[1:], limits.CARD_BLANK * unit, 0.0) + limits.NEXT_LINE * unit
    end = view.farewell_y if view.farewell_y is not None else foot + blank
    usual = _usual_colours(scene, view, entries)
    masks = [_differing(scene, view, colour) for colour in usual]
    covers = _covers(scene, [*masks, *_off_page(scene, foot + blank, view.bottom)], view)
    grounds = [
        mask
        for at, mask in enumerate(masks)
        if not any(is_near(usual[at], colour) for colour in usual[:at])
    ]
    if any(_holds_bars(scene, mask, words) for mask in grounds):
        hidden.append(Hidden(ROOM_BETWEEN))
    flags = _without_messages(flags, view, covers, spans[-1][1], scene.letter_px)
    # Beside a scale of hours a blank is free time.
    pairs = itertools.pairwise(spans if view.scale_y is None else ())
    between = [
        (foot_of(scene, [upper], (upper[1] + lower[0]) / 2), lower[0]) for upper, lower in pairs
    ]
    rest = (foot, view.bottom)
    below = [box for box in covers if box[1] >= foot]
    is_over = bool(below and between) and is_ended_before(scene, between, rest, below)
    over = [
        _place_of(box, view, entries, spans, words)
        for box in covers
        if box[1] < end and not (is_over and box in below)
    ]
    hidden += [_hidden(COVERED, entries, place) for place in over if place is not None]
    flags += tuple(dict.fromkeys(one.doubt for one in hidden))
    if STRAY_TEXT in flags and all(word.top > spans[-1][1] for word in view.strays):
        hidden.append(_hidden(STRAY_TEXT, entries, len(entries)))
    ends = view.tail is Tail.FAREWELL or is_over or is_ended(scene, between, rest, buttons)
    return Unseen(flags, view.tail if ends else Tail.EDGE, tuple(hidden))


def _joined(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Return the rows that any of the spans covers, from top to bottom."""
    found: list[Span] = []
    for top, bottom in sorted(spans):
        if found and top <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], bottom)
        else:
            found.append((top, bottom))
    return tuple(found)


def _span(words: Sequence[Word]) -> Span:
    _left, top, _right, bottom = span_of(words)
    return top, bottom


def _are_beside(entries: Sequence[Entry]) -> bool:
    """Whether cards stand beside one another: rows then say nothing of one column."""
    spans = [_span(entry.words) for entry in entries]
    return any(lower[0] < upper[1] for upper, lower in itertools.pairwise(spans))


def _gaps(view: View, spans: Sequence[Span]) -> list[Span]:
    """Return the rows above each card: from the heading, or from the card before."""
    first = (view.top if view.date is not None else spans[0][0], spans[0][0])
    return [first, *((upper[1], lower[0]) for upper, lower in itertools.pairwise(spans))]


def _rooms(
    entries: Sequence[Entry], spans: Sequence[Span], blanks: Sequence[float], unit: float
) -> list[int]:
    """Return above which cards a blank has room for one, that the cards around leave time for."""
    lowest = min(bottom - top for top, bottom in spans)
    found = []
    for place, blank in enumerate(blanks):
        others = [b for at, b in enumerate(blanks[1:], 1) if at != place]
        limit = (
            limits.USUAL_BLANKS * statistics.median(others) + limits.LOWEST_CARD * lowest
            if others
            else limits.WIDE_BLANK * unit
        )
        least = limits.HEADING_BLANK if not place else limits.CARD_BLANK
        has_time = not place or _leaves_time(entries[place - 1], entries[place])
        if has_time and blank >= max(limit, least * unit):
            found.append(place)
    return found


def _hidden(doubt: str, entries: Sequence[Entry], place: int) -> Hidden:
    """Return the doubt about what may be hidden above a card, or below the last."""
    names = ["", *map(name_of, entries), ""]
    return Hidden(doubt, names[place], names[place + 1])


def _leaves_time(upper: Entry, lower: Entry) -> bool:
    return minutes_of(lower.start) != minutes_of(upper.end) % (24 * 60)


def _widest_blank(filled: Sequence[Span], rows: Span) -> float:
    edges = [rows[0]]
    for top, bottom in filled:
        if bottom > rows[0] and top < rows[1]:
            edges += [max(top, rows[0]), min(bottom, rows[1])]
    edges.append(rows[1])
    return max(edges[at + 1] - edges[at] for at in range(0, len(edges), 2))


def _without_messages(
    flags: tuple[str, ...], view: View, covers: Sequence[Box], foot: float, unit: float
) -> tuple[str, ...]:
    """Return the flags without those of words that are messages, but for a card cut below."""
    end = view.bottom - limits.NEAR_BOTTOM * unit
    whole = [word for word in view.strays if word.top <= foot or word.bottom <= end]
    if _are_messages(view.strays, covers):
        return tuple(flag for flag in flags if flag not in view.of_strays)
    return tuple(f for f in flags if f != STRAY_TEXT or not _are_messages(whole, covers))


def _are_messages(strays: Sequence[Word], covers: Sequence[Box]) -> bool:
    """Whether words that no card has stand in shapes over the list, and say nothing of a shift."""
    texts = " ".join(word.text for word in strays)
    return (
        all(any(top <= word.middle <= low for _l, top, _r, low in covers) for word in strays)
        and not any(char.isdigit() for char in texts)
        and not any(match.is_exact for match in find_labels(texts.split()))
        and not any(is_of_others(word.text) or is_all_day(word.text) for word in strays)
        and not is_of_others(texts)
    )


def _differing(scene: Scene, view: View, colour: npt.NDArray[np.int16]) -> Mask:
    """Return where the list has another colour than this one."""
    mask = differs(scene.colours, colour, limits.OTHER_COLOUR)
    mask[: round(view.top / limits.SHRINK)] = 0
    mask[round(view.bottom / limits.SHRINK) :] = 0
    return mask


def _off_page(scene: Scene, next_y: float, bottom: float) -> list[Mask]:
    """Return where rows below the last card are unlike a rim whose colour changes little by little.

    Such a rim is the page's, from where a next card would be down to the list's end.
    """
    first, last = int(next_y / limits.SHRINK), round(bottom / limits.SHRINK)
    found = []
    for rim in (scene.colours[:, :4], scene.colours[:, -4:]):
        own = np.median(rim[:last], axis=1).astype(np.int16)
        edges = np.flatnonzero(np.abs(np.diff(own, axis=0)).max(axis=1) >= limits.RULE_CONTRAST)
        begin = int(edges.max(initial=-1)) + 1
        if begin <= first < last and difference(own[begin], own[-1]) > 1:
            mask = np.ones(scene.colours.shape[:2], dtype=np.uint8)
            off = np.abs(scene.colours[begin:last].astype(np.int16) - own[begin:, None])
            mask[begin:last] = off.max(axis=2) > limits.OTHER_COLOUR
            found.append(mask)
    return found


def _covers(scene: Scene, masks: Sequence[Mask], view: View) -> list[Box]:
    """Return the box of each wide shape on the list, in pixels.

    It has another colour than the sheet and than what lies behind the cards.
    """
    other, px = np.bitwise_and.reduce(masks), float(limits.SHRINK)
    rows = round(view.top / px), round(view.bottom / px)
    # A line of text that touches the shape is lower, a word of it narrower.
    tall = max(2, round(limits.NEXT_LINE * scene.letter_px / limits.SHRINK))
    wide = max(2, round(limits.COVER_WIDE / 2 * scene.colours.shape[1]))
    mask = np.asarray(cv2.morphologyEx(other, cv2.MORPH_CLOSE, np.ones((3, 3))), dtype=np.uint8)
    mask = np.asarray(cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((tall, wide))), dtype=np.uint8)
    return [
        (px * shape.left, px * shape.top, px * shape.right, px * shape.bottom)
        for shape in find_shapes(mask, connectivity=4)[1]
        if shape.width >= limits.COVER_WIDE * scene.colours.shape[1]
        and px * shape.height >= limits.COVER_TALL * scene.letter_px
        and shape.full >= limits.COVER_FULL
        and not _is_page(scene, shape, *rows)
    ]


def _is_page(scene: Scene, shape: Piece, first: int, last: int) -> bool:
    """Whether a shape between two rows is the page, whose colour changes little by little.

    It begins or ends nowhere abruptly, or changes on its way down to the last row.
    """
    columns = scene.colours[:, shape.left : shape.right].astype(np.int16)
    own = np.median(columns, axis=1).astype(np.int16)
    steps = np.median(np.abs(np.diff(columns, axis=0)).max(axis=2), axis=1)
    around = 3  # rows over which a JPEG or a blur may smear an edge
    is_open = any(
        steps[row - around : row + around].max() < limits.RULE_CONTRAST
        for row in (shape.top, shape.bottom)
        if max(first, 0) + around < row < min(last, len(columns)) - around
    )
    upper, lower = shape.top + shape.height // 4, min(shape.bottom, len(columns)) - around
    return is_open or (
        shape.bottom + around >= min(last, len(columns))
        and difference(own[upper], own[lower]) > 1
        and steps[upper:lower].max(initial=0) <= limits.OTHER_COLOUR
    )


def _holds_bars(scene: Scene, mask: Mask, words: Collection[Word]) -> bool:
    """Whether bars stand under one another in the place of lines that were not loaded."""
    unit = scene.letter_px / limits.SHRINK
    px = limits.SHRINK
    middles = [((word.left + word.width / 2) / px, word.middle / px) for word in words]
    bars = [
        shape
        for shape in find_shapes(mask, connectivity=4)[1]
        if limits.UNLOADED_TALL[0] * unit <= shape.height <= limits.UNLOADED_TALL[1] * unit
        and shape.width >= limits.UNLOADED_WIDE * unit
        and shape.full >= limits.UNLOADED_FULL
        and not any(
            shape.left <= x <= shape.right and shape.top <= y <= shape.bottom for x, y in middles
        )
    ]
    return any(
        abs(lower.left - upper.left) <= 1
        and 0 < lower.top - upper.bottom < limits.LINES_APART * unit
        for upper, lower in itertools.permutations(bars, 2)  # other columns' bars stand between
    )


def _usual_colours(
    scene: Scene, view: View, entries: Sequence[Entry]
) -> list[npt.NDArray[np.int16]]:
    """Return the colours behind the heading and each card, of most blanks, and of most of all.

    A blank between cards shows the sheet, but for one that something lies over. So do the screen's
    head and foot, where the page has no colour of its own there.
    """
    top, bottom = round(view.top / limits.SHRINK), round(view.bottom / limits.SHRINK)
    parts = [part_behind(scene, entry.words) for entry in entries]
    parts += [scene.colours[top:bottom], scene.colours[:top], scene.colours[bottom:]]
    if view.date is not None:
        parts.append(scene.colours[max(0, top - round(scene.letter_px / limits.SHRINK)) : top])
    spans = [_span(entry.words) for entry in entries]
    beside = scene.colours[int(spans[0][0] / limits.SHRINK) : int(spans[-1][1] / limits.SHRINK)]
    parts += [beside[:, :1], beside[:, -1:]]
    colours = [commonest(part) for part in parts if part.size]
    return colours


def _place_of(
    box: Box, view: View, entries: Sequence[Entry], spans: Sequence[Span], words: Collection[Word]
) -> int | None:
    """Return above which card another may lie below a shape, that was not read and has time left.

    A day's name heads its cards. Above the first of them, on a screen without a heading, another
    screen shows what is there.
    """
    _left, top, _right, bottom = box
    if view.date is None and bottom <= spans[0][0]:
        return None
    inside = {w for w in words if is_on((w.left, w.top, w.right, w.bottom), box)}
    if names_day(inside) or any(word in inside for entry in entries for word in entry.words):
        return None
    # A shape may touch the last line of the card above it.
    place = sum(span[1] <= (top + bottom) / 2 for span in spans)
    is_amid = 0 < place < len(entries)
    return None if is_amid and not _leaves_time(entries[place - 1], entries[place]) else place
