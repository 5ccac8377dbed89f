"""What the second reader says of lines in doubt, put to the vote with what Tesseract read."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from difflib import SequenceMatcher

from backfill.ocr import limits
from backfill.ocr.bands import Band
from backfill.ocr.checks import known_words
from backfill.ocr.engine import EngineFailure, LineReader
from backfill.ocr.montage import Cut, cut_lines
from backfill.ocr.noise import plain
from backfill.ocr.preprocess import Ink
from backfill.ocr.timetext import is_number
from backfill.ocr.words import BULLET, Row, Rows, Word

LINE = Cut(letter_px=30.0, squeeze=1.0, faint_squeeze=1.0, padding=0.5, spread=0.0)
_DASHES = re.compile("[–—]")
_BULLETS = frozenset("•·●∙")
# Signs that readers see or not, and that decide nothing.
_TRIFLES = re.compile(r"[^\w:+&()-]")


def ask_second(
    reader: LineReader,
    ink: Ink,
    bands: Sequence[Band],
    rows: Rows,
    losers: Mapping[int, Row],
    doubtful: Sequence[int],
) -> tuple[Rows, dict[int, Row]]:
    """Return the rows with the doubtful ones decided by what the second reader says of them.

    Beside them what it says of rows that it reads otherwise, for the checks to choose. `losers`
    are Tesseract's other readings. A reader that fails leaves every doubt as it is.
    """
    try:
        texts = reader.lines(cut_lines(ink, [bands[index] for index in doubtful], LINE))
    except EngineFailure:
        return rows, {}
    decided, told = list(rows), {}
    for index, text in zip(doubtful, texts, strict=True):
        decided[index] = vote(rows[index], losers.get(index, ()), text, bands[index])
        if _key("".join(word.text for word in decided[index])) != _key(text) and text:
            told[index] = tuple(_placed(text.split(), bands[index], limits.CONTESTED))
    return tuple(decided), told


def vote(row: Row, other: Row, text: str, band: Band) -> Row:
    """Return the row as both readers, the vocabulary and the grammar of times bear it out."""
    said = [word for word in row if word.text != BULLET]
    bullets = [word for word in row if word.text == BULLET]
    heard = [part for part in _DASHES.sub("-", text).split() if part not in _BULLETS]
    is_read = any(char.isalnum() for word in said for char in word.text)
    if not heard or (not is_read and sum(map(str.isalnum, "".join(heard))) < limits.FEWEST_LETTERS):
        return row
    if not said:
        return _side_by_side([*_placed(heard, band, limits.CONTESTED), *bullets])
    if _key("".join(w.text for w in said)) == _key("".join(heard)):
        kept = said if len(said) >= len(heard) else _placed_like(heard, said)
        return _side_by_side([*map(_sure, kept), *bullets])
    others = {_key(word.text) for word in other}
    matcher = SequenceMatcher(
        None, [_key(word.text) for word in said], list(map(_key, heard)), autojunk=False
    )
    decided: list[Word] = []
    for kind, one, one_end, two, two_end in matcher.get_opcodes():
        mine, yours = said[one:one_end], heard[two:two_end]
        if kind == "equal":
            decided += map(_sure, mine)
        elif len(mine) == len(yours):
            decided += [_decide(w, t, others) for w, t in zip(mine, yours, strict=True)]
        elif _key("".join(w.text for w in mine)) == _key("".join(yours)):
            decided += map(_sure, mine if len(mine) >= len(yours) else _placed_like(yours, mine))
        else:
            decided += [replace(w, confidence=min(w.confidence, limits.CONTESTED)) for w in mine]
    return _side_by_side([*decided, *bullets])


def _decide(word: Word, text: str, others: set[str]) -> Word:
    """Return a word that the readers read differently, as the better evidence has it."""
    told = replace(word, text=text, ink_agrees=None)
    if _key(text) in others:
        return _sure(told)
    is_known = plain(text) in known_words() and plain(text) != plain(word.text)
    if is_known and plain(word.text) not in known_words():
        return _sure(told)
    if is_number(text) and not is_number(word.text):
        return replace(told, confidence=limits.CONTESTED)
    if is_number(word.text) and not is_number(text):
        return replace(word, confidence=min(word.confidence, limits.CONTESTED))
    weaker = told if word.confidence < limits.SURE or word.is_contradicted else word
    return replace(weaker, confidence=min(word.confidence, limits.CONTESTED))


def _sure(word: Word) -> Word:
    return replace(word, confidence=max(limits.AGREED, word.confidence), ink_agrees=True)


def _key(text: str) -> str:
    """Return what must be the same for two readings to agree: letters with case and accents."""
    return _TRIFLES.sub("", text)


def _placed_like(texts: Sequence[str], words: Sequence[Word]) -> list[Word]:
    """Return words of these texts over the place of others, as wide as their letters are many."""
    left, right = words[0].left, max(word.right for word in words)
    whole = sum(map(len, texts)) + len(texts) - 1
    placed, done = [], 0
    for text in texts:
        start = left + (right - left) * done / whole
        width = (right - left) * len(text) / whole
        placed.append(replace(words[0], text=text, left=round(start, 1), width=round(width, 1)))
        done += len(text) + 1
    return placed


def _placed(texts: Sequence[str], band: Band, confidence: float) -> list[Word]:
    """Return words over the whole of a run in which nothing was read before."""
    box = Word(
        "", float(band.left), float(band.top), float(band.right - band.left),
        float(band.bottom - band.top), confidence,
    )  # fmt: skip
    return _placed_like(texts, [box])


def _side_by_side(words: Sequence[Word]) -> Row:
    return tuple(sorted(words, key=lambda word: word.left))
