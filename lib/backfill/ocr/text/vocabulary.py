"""The words the OCR job knows: labels with their shift types, towns, words of an address.

The words themselves are data, in `vocabulary.toml` beside this module.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, lru_cache
from importlib.resources import files

from backfill.ocr import limits
from backfill.ocr.identity import fold_place, fold_word
from backfill.ocr.text.likeness import likeness


class ShiftType(StrEnum):
    """What a shift is; in the order in which one type outranks the next."""

    WORK = "WORK"
    UNAVAILABLE = "UNAVAILABLE"
    TRAINING = "TRAINING"
    LEAVE = "LEAVE"
    ADMIN = "ADMIN"
    MEETING = "MEETING"
    TRAVEL = "TRAVEL"
    BREAK = "BREAK"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class Label:
    """One known label: folded words to match, the spelling to show, its shift type."""

    words: tuple[str, ...]
    display: str
    shift_type: ShiftType

    @property
    def joined(self) -> str:
        return "".join(self.words)


@dataclass(frozen=True, slots=True)
class LabelMatch:
    """Where a label stands in a list of words: `words[start:stop]`."""

    start: int
    stop: int
    label: Label
    is_exact: bool


@dataclass(frozen=True, slots=True)
class Towns:
    """Known towns, found whatever their case, accents or look-alike letters."""

    display_by_key: Mapping[str, str]
    words_max: int

    def find_town(self, text: str) -> str:
        """Return the town in its own letters, or an empty text when it is not known."""
        return self.display_by_key.get(fold_place(text), "")

    def split_head(self, words: Sequence[str]) -> tuple[str, Sequence[str]]:
        """Split a town off the front of an address: the town (or an empty text), the rest."""
        for count in range(min(self.words_max, len(words)), 0, -1):
            if town := self.find_town(" ".join(words[:count])):
                return town, words[count:]
        return "", words


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Everything in `vocabulary.toml`, ready to match; labels with the longest first."""

    labels: tuple[Label, ...]
    older_types: Mapping[str, str]
    street_tails: frozenset[str]
    door_words: frozenset[str]
    short_words: frozenset[str]
    street_words: Mapping[str, str]
    towns: tuple[str, ...]
    work_stems: tuple[str, ...]


@cache
def load_vocabulary() -> Vocabulary:
    """Return the package's own words (read once; they are part of the program)."""
    data = tomllib.loads(
        files("backfill.ocr.text").joinpath("vocabulary.toml").read_text(encoding="utf-8")
    )
    labels = [
        Label(_fold_words(writing), display, ShiftType(shift_type))
        for shift_type, table in data["labels"].items()
        for writing, display in _writings(table)
    ]
    labels.sort(key=lambda label: (-len(label.words), -len(label.joined), label.joined))
    address = data["address"]
    return Vocabulary(
        labels=tuple(labels),
        older_types=data["older_types"],
        street_tails=frozenset(fold_word(word) for word in address["street_tails"]),
        door_words=frozenset(fold_word(word) for word in address["door_words"]),
        short_words=frozenset(address["short_words"]),
        street_words={fold_word(word): word for word in address["street_words"]},
        towns=tuple(address["towns"]),
        work_stems=tuple(fold_word(stem) for stem in data["work"]["stems"]),
    )


def known_towns(extra: Iterable[str] = ()) -> Towns:
    """Return the known towns and `extra` ones; an extra spelling of a known town wins."""
    return _known_towns(tuple(name.strip() for name in extra))


def find_labels(words: Iterable[str]) -> Sequence[LabelMatch]:
    """Find known labels in a text's words, in the order in which they stand there.

    First exact ones, the longest first; then, among the words still free, writings similar
    enough to a label of five letters or more, the most similar first.
    """
    return _find_labels(tuple(words))


@lru_cache(maxsize=8192)
def _find_labels(words: tuple[str, ...]) -> tuple[LabelMatch, ...]:
    folded = [fold_word(word) for word in words]
    free = [bool(word) for word in folded]
    found: list[LabelMatch] = []
    for match in [*_exact_matches(folded), *_fuzzy_matches(folded)]:
        span = slice(match.start, match.stop)
        if all(free[span]):
            free[span] = [False] * (match.stop - match.start)
            found.append(match)
    return tuple(sorted(found, key=lambda match: match.start))


def main_label(matches: Sequence[LabelMatch]) -> Label:
    """Return the label that decides the type: the longest, the first on a tie."""
    return max(matches, key=lambda match: len(match.label.joined)).label


def is_same_type(stored: str, today: str) -> bool:
    """Tell whether a stored shift type means today's.

    The old worker's words count as what they mean now; two of its words are two types. A type
    that was never stored contradicts nothing.
    """
    return stored in {"", today} or load_vocabulary().older_types.get(stored) == today


@cache
def _known_towns(extra: tuple[str, ...]) -> Towns:
    names = [*load_vocabulary().towns, *extra]
    display_by_key = {fold_place(name): name for name in names if fold_place(name)}
    return Towns(display_by_key, max(len(name.split()) for name in display_by_key.values()))


def _writings(table: dict[str, object]) -> list[tuple[str, str]]:
    names, also = table["names"], table.get("also", {})
    assert isinstance(names, list) and isinstance(also, dict)
    return [(name, name) for name in names] + list(also.items())


def _fold_words(text: str) -> tuple[str, ...]:
    return tuple(folded for word in text.split() if (folded := fold_word(word)))


def _exact_matches(folded: Sequence[str]) -> list[LabelMatch]:
    return [
        LabelMatch(start, start + len(label.words), label, is_exact=True)
        for label in load_vocabulary().labels
        for start in range(len(folded) - len(label.words) + 1)
        if tuple(folded[start : start + len(label.words)]) == label.words
    ]


def _fuzzy_matches(folded: Sequence[str]) -> list[LabelMatch]:
    """Spans may have a word more or less than the label: recognition loses and adds blanks."""
    scored: list[tuple[float, LabelMatch]] = []
    spans = [
        (start, stop, joined)
        for count in range(1, len(folded) + 1)
        for start, stop in _spans(len(folded), count)
        if len(joined := "".join(folded[start:stop])) >= limits.FUZZY_LETTERS_MIN
    ]
    for label in load_vocabulary().labels:
        known = label.joined
        if len(known) < limits.FUZZY_LETTERS_MIN:
            continue
        for start, stop, joined in spans:
            if abs(stop - start - len(label.words)) > 1:
                continue
            if score := likeness(joined, known, limits.FUZZY_SIMILARITY_MIN):
                scored.append((score, LabelMatch(start, stop, label, is_exact=False)))
    scored.sort(key=lambda pair: (-pair[0], pair[1].start, pair[1].stop, pair[1].label.joined))
    return [match for _, match in scored]


def _spans(length: int, count: int) -> Iterable[tuple[int, int]]:
    """Return start and stop of every run of `count` places among `length`."""
    return ((start, start + count) for start in range(length - count + 1))
