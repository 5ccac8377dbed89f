"""Cards that look unlike all others of their screen: what is off, open or another's has no word.

An app tells so by a colour, a sign before the client, or paleness. What it means nobody knows;
that it means something says the screen itself, on which all other clients' cards look alike.
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from backfill.ocr import limits
from backfill.ocr.ink.masks import Box, Pixels
from backfill.ocr.ink.scene import Scene, commonest, difference, is_near, part_behind
from backfill.ocr.screen.checks import OTHER_COLOUR, PALER, SIGN_BEFORE
from backfill.ocr.screen.sheet import Bar
from backfill.ocr.shift import Entry
from backfill.ocr.text.lettering import clean_words
from backfill.ocr.text.noise import is_like, is_on_time, plain, words_of
from backfill.ocr.text.timetext import parse_clock
from backfill.ocr.text.vocabulary import find_labels, main_label
from backfill.ocr.words import Row, Rows, Word, span_of

_Colour = npt.NDArray[np.int16]


@dataclass(frozen=True, slots=True, eq=False)
class _Look:
    """How one client's card looks: its ground, what is in the column of bars, its job.

    `colours` are two, each told on its own: of ground and bar, and of the most colourful text.
    `signs` are the boxes of what is no word left of its lines, `sign` is that right before one.
    `hatched`: of its rows or columns, in how many much beside text is of another colour.
    Two are alike where no colour differs by `OTHER_COLOUR`, unlike where one does by `OTHER_LOOK`.
    """

    colours: tuple[_Colour, _Colour]
    signs: tuple[Box, ...]
    sign: Box | None
    job: str
    hatched: float

    def has_sign_like(self, sign: Box) -> bool:
        """Whether a sign stands as near, or where this one does sideways, as boxes to be ticked."""
        return self.sign is not None or any(
            min(sign[2], b[2]) - max(sign[0], b[0]) > (sign[2] - sign[0]) / 2 for b in self.signs
        )


def with_set_apart(
    entries: tuple[Entry, ...], scene: Scene, bars: Sequence[Bar], rows: Rows = ()
) -> tuple[Entry, ...]:
    """Return the entries, those doubted that are paler than others, or look as no other does.

    A state among the words of `rows` on such cards alone says what their look does: Klar, Pågår.
    """
    clients = [entry for entry in entries if entry.address and entry.words]
    middles = [(bar.left + bar.right) / 2 for bar in bars]
    column = statistics.median(middles) if bars else _odd_column(clients, scene)
    looks = {id(entry): _look_of(entry, scene, column) for entry in clients}
    rest = [entry for entry in entries if entry.words and not entry.address]
    is_motley = _are_motley([commonest(part_behind(scene, entry.words)) for entry in rest])
    darkest = max((_darkest(entry) for entry in entries), default=0.0)

    def doubts(entry: Entry) -> tuple[str, ...]:
        if _darkest(entry) < limits.FAINT_CARD * darkest:
            return (PALER,)
        return _doubts_of(looks.get(id(entry)), looks.values(), is_motley=is_motley)

    found = [doubts(entry) for entry in entries]
    usual = {
        state
        for entry, doubt in zip(entries, found, strict=True)
        if not doubt
        for state in _states(entry, rows)
    }
    told = [bool(states := _states(entry, rows)) and not states & usual for entry in entries]
    return tuple(
        replace(entry, flags=(*entry.flags, *(d for d in doubt if not is_told or d == SIGN_BEFORE)))
        for entry, doubt, is_told in zip(entries, found, told, strict=True)
    )


def _states(entry: Entry, rows: Rows) -> set[str]:
    """Return the states of a shift that stand alone, beside words of its card."""
    if not entry.words:
        return set()
    _left, top, _right, bottom = span_of(entry.words)
    texts = (" ".join(word.text for word in row) for row in rows if _is_within(row, top, bottom))
    return {plain(text) for text in texts if is_on_time(text)}


def _is_within(row: Row, top: float, bottom: float) -> bool:
    return bool(row) and top < row[0].middle < bottom


def _odd_column(clients: Sequence[Entry], scene: Scene) -> float | None:
    """Return where left of their texts some cards have a bar of another colour, None without."""
    spans = [span_of(entry.words) for entry in clients]
    end = int(min((span[0] for span in spans), default=0) / limits.SHRINK) - 1
    beside = [
        np.median(
            scene.colours[int(top / limits.SHRINK) : int(low / limits.SHRINK) + 1, :end], axis=0
        )
        for _left, top, _right, low in spans
    ]
    if len(beside) < limits.FEWEST_ALIKE or end < 1:
        return None
    differing = np.ptp(np.stack(beside), axis=0).max(axis=1)
    odd = np.flatnonzero(differing >= limits.OTHER_LOOK)
    is_bar = 0 < odd.size * limits.SHRINK <= scene.letter_px
    return float(limits.SHRINK * int(differing.argmax())) if is_bar else None


def _darkest(entry: Entry) -> float:
    return max((word.contrast for word in entry.words), default=0.0)


def _are_motley(grounds: Sequence[_Colour]) -> bool:
    """Whether cards have grounds of several colours: a screen that adorns them so says nothing."""
    pairs = itertools.combinations(grounds, 2)
    return any(difference(a, b) >= limits.OTHER_LOOK for a, b in pairs)


def _doubts_of(own: _Look | None, looks: Collection[_Look], *, is_motley: bool) -> tuple[str, ...]:
    """Return in what a client's card differs where all others, two at least, are alike.

    Who gives each job a colour gives another job another one, and none to two jobs.
    `is_motley`: the other cards of the screen are of several colours.
    """
    others = [other for other in looks if other is not own]
    if own is None or len(others) < limits.FEWEST_ALIKE:
        return ()
    is_unlike = any(
        all(is_near(told, first) for told in rest) and difference(mine, first) >= limits.OTHER_LOOK
        for mine, first, *rest in zip(own.colours, *(o.colours for o in others), strict=True)
    )
    jobs = {other.job for other in others}
    is_told = not is_motley and (own.job in jobs or len(jobs) > 1)
    # What a JPEG smears beside text is smeared on all cards.
    least = max(limits.HATCHED[1], *(limits.MORE_HATCHED * other.hatched for other in others))
    is_hatched = own.hatched > least
    return (
        *(OTHER_COLOUR,) * ((is_unlike and is_told) or is_hatched),
        *(SIGN_BEFORE,)
        * (own.sign is not None and not any(o.has_sign_like(own.sign) for o in others)),
    )


def _look_of(entry: Entry, scene: Scene, column: float | None) -> _Look:
    """Return how a card looks; `column` is the middle of the bars that any cards have."""
    part = part_behind(scene, entry.words)
    ground = commonest(part)
    bar = ground
    if column is not None:
        _left, top, _right, bottom = span_of(entry.words)
        rows = slice(int(top / limits.SHRINK), int(bottom / limits.SHRINK) + 1)
        beside = scene.colours[rows, int(column / limits.SHRINK)][:, None]
        bar = np.median(beside, axis=(0, 1)).astype(np.int16)
    labels = find_labels(clean_words(entry.title))
    job = main_label(labels).display if labels else ""
    hatched = _hatched(entry.words, part, ground)
    signs, sign = _signs(entry.words, scene)
    colours = np.concatenate((ground, bar)), _ink(entry.words, scene, ground)
    return _Look(colours, signs, sign, job, hatched)


def _ink(words: Sequence[Word], scene: Scene, ground: _Colour) -> _Colour:
    """Return by how much each colour of the most colourful word differs from its ground.

    In levels of a text that differs by `INK_LEVELS` where it does most: bold or thin, it is one.
    """
    found = [np.zeros(3, dtype=np.float64)]
    for word in words:
        off = part_behind(scene, (word,)).reshape(-1, 3).mean(axis=0) - ground
        most = np.abs(off).max()
        if sum(map(str.isalnum, word.text)) >= limits.INK_LETTERS and most > limits.OTHER_COLOUR:
            found.append(limits.INK_LEVELS * off / most)
    return max(found, key=np.ptp).astype(np.int16)


def _hatched(words: Sequence[Word], part: Pixels, ground: _Colour) -> float:
    """Return in how many rows or columns of a card, the fewer, much is of another colour.

    `part` of the scene is its ground, of which words are left out.
    """
    left, top, _right, _bottom = (int(side / limits.SHRINK) for side in span_of(words))
    is_free = np.ones(part.shape[:2], dtype=np.bool_)
    for word in words:
        x, y = int(word.left / limits.SHRINK) - left, int(word.top / limits.SHRINK) - top
        wide, tall = (int(size / limits.SHRINK) + 3 for size in (word.width, word.height))
        is_free[max(0, y - 1) : y + tall, max(0, x - 1) : x + wide] = False
    is_other = is_free & (np.abs(part.astype(np.int16) - ground).max(axis=2) > limits.OTHER_COLOUR)
    # A portrait or a shade is in some rows and columns only.
    lines = [(is_other.sum(axis=n), is_free.sum(axis=n)) for n in (0, 1)]
    shares = [others[free > 2] / free[free > 2] for others, free in lines]
    return min(float(np.mean(share > limits.HATCHED[0])) if share.size else 0.0 for share in shares)


def _signs(words: Sequence[Word], scene: Scene) -> tuple[tuple[Box, ...], Box | None]:
    """Return the boxes of ink that is no word, left of a card's lines; and one right before one."""
    firsts = [
        word
        for word in words
        if not any(w.left < word.left and w.top < word.middle < w.bottom for w in words)
    ]
    found = [
        (word.left - box[2], box)
        for word in firsts
        for box in scene.inked
        if box[1] < word.middle < box[3]
        and box[2] <= word.left
        and box[3] - box[1] < limits.COVER_TALL * scene.letter_px
    ]
    near = [box for gap, box in found if gap < limits.SIGN_BEFORE * scene.letter_px]
    return tuple(box for _gap, box in found), near[0] if near else None


def shows_everybody(rows: Rows, entries: Sequence[Entry], scene: Scene) -> bool:
    """Whether a switch above the cards stands at others' shifts, as its halves' grounds tell.

    One half says everybody, or the other one says the person's own, and the first is another's.
    The half that is on is filled with a strong colour, or cut out of what the other one lies on.
    """
    end = min((word.top for entry in entries for word in entry.words), default=0.0)
    for row in (row for row in rows if row and row[0].bottom < end):
        text = " ".join(word.text for word in row)
        beside = [
            o for o in rows if o and o is not row and row[0].top < o[0].middle < row[0].bottom
        ]
        # The bars of a signal, beside the clock of the phone, may be read as "all".
        has_clock = any(parse_clock(word.text) for other in (row, *beside) for word in other)
        is_half = len(plain(text)) > limits.SCRAP and not any(map(str.isdigit, text))
        is_others = is_like(text, words_of("everybody"), limits.SIMILAR_MEANING) or (
            is_half and any(plain(other[0].text) in words_of("own") for other in beside)
        )
        if has_clock or not is_others:
            continue
        level = slice(int(row[0].top / limits.SHRINK), int(row[0].bottom / limits.SHRINK) + 1)
        page = commonest(scene.colours[level, :2])
        own = difference(commonest(part_behind(scene, row)), page)
        for other in beside:
            off = difference(commonest(part_behind(scene, other)), page)
            if (own >= limits.SWITCHED > off) or (
                own <= limits.OTHER_COLOUR < off < limits.SWITCHED
            ):
                return True
    return False
