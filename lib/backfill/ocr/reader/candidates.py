"""Candidates for what a run of text says, and the one place that decides between them.

A run has a candidate of each look at it: Tesseract's first, its second at letters cut otherwise,
and that of the second reader, which is of another make. Evidence for a candidate is another that
says the same, a word of the vocabulary, the grammar of times, its own ink, and the checks of its
card. Two independent pieces make a word sure. With fewer the better one stays, and a person is
asked; a score alone proves nothing.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher

from backfill.ocr import limits
from backfill.ocr.ink.accents import Marks
from backfill.ocr.ink.bands import Band
from backfill.ocr.ink.preprocess import Ink
from backfill.ocr.reader.ink_doubts import agrees_with
from backfill.ocr.screen.checks import is_doubtful, known_words
from backfill.ocr.screen.sheet import Sheet
from backfill.ocr.screen.view import View, interpret
from backfill.ocr.text.day_names import index_of
from backfill.ocr.text.lettering import SAME_SHAPED
from backfill.ocr.text.likeness import likeness
from backfill.ocr.text.noise import plain
from backfill.ocr.text.timetext import is_number
from backfill.ocr.words import BULLET, Row, Rows, Word

_DASHES = re.compile("[–—-]+")
_BULLETS = frozenset("•·●∙")
# Signs that readers see or not, and that decide nothing.
_TRIFLES = re.compile(r"[^\w:+&()-]")
_SAME_SHAPE = str.maketrans(SAME_SHAPED, SAME_SHAPED.lower())
_BARE = str.maketrans("øØłŁıđĐ", "oOlLidD")
_STROKES = "Il1|"  # one stroke in many fonts


@dataclass(frozen=True, slots=True)
class Heard:
    """What one look makes of the runs that are in doubt, by their index.

    `backing` is what bears out a reader of another make, by the same index, None for the same
    reader: what two makes say is sure, also against the ink.
    """

    rows: Mapping[int, Row]
    backing: Mapping[int, Backing] | None = None


@dataclass(frozen=True, slots=True)
class Backing:
    """What there is for a reader of another make: itself, shown the run otherwise, and the ink.

    `letters` are those that the first reader can say; any, where there are none of them.
    """

    again: Row = ()
    ink: Marks | None = None
    letters: frozenset[str] = frozenset()

    def bears_out(self, mine: Word, yours: Word, others: Iterable[str]) -> bool:
        """Whether a word that the first reader says otherwise is sure all the same.

        The other reader says so twice, the ink does not contradict it, and the first could not
        say it or shows no difference: its other readings, `others`, count as well. Or it is a
        number whose ink speaks for it and against the first one's.
        """
        if self.ink is None or _key(yours.text) not in _keys(self.again):
            return False
        agrees = agrees_with(yours.text, mine, self.ink)
        is_odd = is_doubtful(replace(yours, confidence=limits.AGREED, ink_agrees=True))
        if is_odd or agrees is False:
            return False
        # A letter without its mark it may have read rightly.
        is_bare = _key(mine.text) == _key(_without_marks(yours.text))
        is_weak = mine.is_contradicted or mine.confidence < limits.SURE
        pattern = re.compile("".join(map(self._as_first_reads, _key(yours.text))))
        is_same = any(map(pattern.fullmatch, (_key(mine.text), *others)))
        return (is_same and (is_weak or not is_bare)) or (bool(agrees) and mine.is_contradicted)

    def confirms(self, mine: Word, yours: Word) -> bool:
        """Whether the other reader, shown the run otherwise, says what the first one does.

        Not where the ink speaks against it, nor what it said before the first could not say.
        """
        return (
            not is_foreign([yours], self.letters)
            and not mine.is_contradicted
            and _key(mine.text) in _keys(self.again)
        )

    def is_unheard(self, word: Word) -> bool:
        """Whether the ink has what neither reader says: a bar through an o."""
        return self.ink is not None and self.ink.is_unheard(word)

    def _as_first_reads(self, char: str) -> str:
        """Return a pattern of what a letter may be to the first reader: ä for ü, oe for æ."""
        if char in _STROKES:
            return f"[{_STROKES}]"
        return ".{1,2}" if _is_foreign(char, self.letters) else re.escape(char)


def hear(rows: Rows, lost: Mapping[int, Row], heard: Heard) -> tuple[Rows, dict[int, Row]]:
    """Return the rows, decided with what was heard of them, and for each the candidate that lost.

    `lost` are those of before: witnesses for what an independent reader says.
    """
    decided, losers = list(rows), dict[int, Row]()
    for index, new in heard.rows.items():
        backing = heard.backing[index] if heard.backing is not None else None
        decided[index] = decide(rows[index], new, lost.get(index, ()), backing)
        for row in (rows[index], new):
            if row and differ(row, decided[index]):
                losers[index] = row
    return tuple(decided), losers


def settle(rows: Rows, losers: Mapping[int, Row], sheet: Sheet, ink: Ink) -> tuple[Rows, View]:
    """Return the rows and their view, taking of two readings of a time what the checks bear out.

    Start, end and duration prove one another: that says more than how sure the engine was.
    """
    view = interpret(rows, sheet, ink)
    for index, loser in losers.items():
        if not view.contradicted:
            break
        others = (*rows[:index], loser, *rows[index + 1 :])
        other_view = interpret(others, sheet, ink)
        if len(other_view.entries) == len(view.entries) and (
            other_view.contradicted < view.contradicted
        ):
            rows, view = others, other_view
    return rows, view


def decide(best: Row, new: Row, lost: Row = (), backing: Backing | None = None) -> Row:
    """Return the row as its candidates, the vocabulary and the grammar of times bear it out.

    `backing` is that of a reader of another make.
    """
    said, heard, is_independent = _said(best), _said(new), backing is not None
    if not heard:
        return best
    if not any(char.isalnum() for word in said for char in word.text):
        is_enough = sum(map(str.isalnum, _text(heard))) >= limits.FEWEST_LETTERS
        told = tuple(map(_contested, new)) if is_independent else new
        return told if is_enough or not said else best
    witnesses = {_key(word.text) for word in lost}
    matcher = SequenceMatcher(None, _keys(said), _keys(heard), autojunk=False)
    decided = [word for word in best if word.text == BULLET]
    for kind, one, one_end, two, two_end in matcher.get_opcodes():
        mine, yours = said[one:one_end], heard[two:two_end]
        if kind == "equal":
            decided += [
                _contested(word)
                if backing and backing.is_unheard(word)
                else _agreed(word, is_independent=is_independent)
                if is_independent or _are_sure(word, same)
                else word
                for word, same in zip(mine, yours, strict=True)
            ]
        elif not mine:
            # Ink beside a word was not read, and another reader says what it is.
            beside = [*said[max(0, one - 1) : one], *said[one : one + 1]]
            if is_independent and any(word.is_contradicted for word in beside):
                decided += map(_contested, yours)
        elif "".join(_keys(mine)) == "".join(_keys(yours)):
            decided += _divided(mine, yours, witnesses, backing)
        elif len(mine) == len(yours):
            decided += [
                _better(*pair, witnesses, backing) for pair in zip(mine, yours, strict=True)
            ]
        else:
            is_told = is_number(_text(yours)) and not is_number(_text(mine))
            is_told |= _tells_month(yours) and not _tells_month(mine)
            decided += map(_contested, placed_like(yours, mine) if is_told else mine)
    return tuple(sorted(decided, key=lambda word: word.left))


def _divided(
    mine: Sequence[Word], yours: Sequence[Word], witnesses: set[str], backing: Backing | None
) -> Iterable[Word]:
    """Return words of the same letters, but other blanks.

    A blank is lost more often than one is read where there is none; the same reader loses it twice.
    One that only the other reader sees, in a word that the first is sure of, it must see twice, and
    then a person is asked; so is one between letters where one look of the first reader alone
    sees it.
    """
    are_of_letters = all(any(map(str.isalpha, word.text)) for word in mine)
    if backing and len(mine) > len(yours) and witnesses.issuperset(_keys(yours)) and are_of_letters:
        return map(_contested, mine)
    if backing and len(yours) > len(mine) and not any(map(is_doubtful, mine)):
        if {*_keys(yours)} <= {*_keys(backing.again)}:
            return map(_contested, placed_like(yours, mine))
        return (_agreed(word, is_independent=True) for word in mine)
    words = mine if len(mine) >= len(yours) else placed_like(yours, mine)
    return (_agreed(word, is_independent=True) if backing else _contested(word) for word in words)


def _better(mine: Word, yours: Word, witnesses: set[str], backing: Backing | None) -> Word:
    """Return a word that two candidates say differently, as the better evidence has it."""
    is_independent = backing is not None
    told = replace(mine, text=yours.text, ink_agrees=None) if is_independent else yours
    mine_known, yours_known = (plain(word.text) in known_words() for word in (mine, yours))
    if _key(yours.text) in witnesses or (yours_known and not mine_known):
        return _agreed(told, is_independent=True)
    is_borne_out = backing and backing.bears_out(mine, yours, witnesses)
    if backing and (is_borne_out or backing.confirms(mine, yours)):
        return _agreed(told if is_borne_out else mine, is_independent=True)
    if mine_known and not yours_known and _is_like_label(mine, yours):
        return _agreed(mine, is_independent=True)
    if _tells_month([yours]) and not _tells_month([mine]):
        return _contested(told)
    if is_number(yours.text) != is_number(mine.text):
        winner = told if is_number(yours.text) else mine
        return _contested(winner) if is_independent else winner
    least = limits.SURE if is_independent else yours.confidence
    is_weaker = mine.is_contradicted or mine.confidence < least
    return _contested(told if is_weaker else mine)


def _tells_month(words: Sequence[Word]) -> bool:
    """Whether a word is the name of a month, or nearly."""
    return any(index_of(word.text, "months") is not None for word in words)


def _is_like_label(known: Word, other: Word) -> bool:
    """Whether a long word of a label was misread by the other reader: no name is so like one."""
    letters = plain(known.text)
    like = likeness(letters, plain(other.text), limits.FUZZY_SIMILARITY_MIN)
    return len(letters) >= limits.FUZZY_TITLE_LETTERS_MIN and like > 0.0


def _are_sure(one: Word, other: Word) -> bool:
    """Whether two looks of one engine that say the same prove it: it errs the same way twice."""
    low, high = sorted((one.confidence, other.confidence))
    return low >= limits.SURE_OF_WORSE and high >= limits.SURE_OF_BETTER


def _agreed(word: Word, *, is_independent: bool) -> Word:
    """Return the word believed; what its ink contradicts stays in doubt for the same reader."""
    if word.is_contradicted and not is_independent:
        return word
    told = replace(word, confidence=max(limits.AGREED, word.confidence))
    return replace(told, ink_agrees=True) if is_independent else told


def _contested(word: Word) -> Word:
    return replace(word, confidence=min(word.confidence, limits.CONTESTED))


def _said(row: Sequence[Word]) -> list[Word]:
    return [word for word in row if word.text not in _BULLETS]


def _text(words: Sequence[Word]) -> str:
    return " ".join(word.text for word in words)


def differ(one: Row, other: Row) -> bool:
    """Whether two candidates for a run say something else."""
    return _keys(_said(one)) != _keys(_said(other))


def is_foreign(row: Sequence[Word], letters: frozenset[str]) -> bool:
    """Whether a reader says a letter that the first one, which has these, lacks."""
    return any(_is_foreign(char, letters) for word in row for char in word.text)


def _is_foreign(char: str, letters: frozenset[str]) -> bool:
    return char.isalpha() and not char.isascii() and bool(letters) and char not in letters


def _keys(words: Sequence[Word]) -> list[str]:
    return [_key(word.text) for word in words]


def _key(text: str) -> str:
    """Return what must be the same for two candidates to agree: letters with case and accents.

    The case of a letter whose two differ in size alone decides nothing.
    """
    return _TRIFLES.sub("", _DASHES.sub("-", text)).translate(_SAME_SHAPE)


def _without_marks(text: str) -> str:
    return "".join(unicodedata.normalize("NFD", char)[0] for char in text.translate(_BARE))


def placed_like(texts: Sequence[Word], words: Sequence[Word]) -> list[Word]:
    """Return words of these texts over the place of others, as wide as their letters are many."""
    left, right = words[0].left, max(word.right for word in words)
    whole = sum(len(word.text) for word in texts) + len(texts) - 1
    placed, done = [], 0
    for text in texts:
        start = left + (right - left) * done / whole
        width = (right - left) * len(text.text) / whole
        placed.append(
            replace(words[0], text=text.text, left=round(start, 1), width=round(width, 1))
        )
        done += len(text.text) + 1
    return placed


def words_of_line(text: str, band: Band) -> Row:
    """Return the words of a reader that tells no places, over the whole of their run."""
    box = Word(
        "", float(band.left), float(band.top), float(band.right - band.left),
        float(band.bottom - band.top), limits.SURE,
    )  # fmt: skip
    texts = [replace(box, text=_in_capitals(part)) for part in _DASHES.sub("-", text).split()]
    return tuple(placed_like([word for word in texts if word.text not in _BULLETS], [box]))


def _in_capitals(text: str) -> str:
    """Return a word in capitals where all letters are whose two differ in more than size."""
    told = [char for char in text if char.isalpha() and char.upper() not in SAME_SHAPED]
    return text.upper() if len(told) > 1 and all(map(str.isupper, told)) else text
