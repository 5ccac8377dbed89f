"""Names of days and months, whole or short, exact or nearly, in every language of the apps."""

from __future__ import annotations

import functools
import re

from backfill.ocr import limits
from backfill.ocr.likeness import likeness
from backfill.ocr.noise import names_of, plain, words_of

TOKEN = re.compile(r"[^\W\d_]+|\d+")


def weekday_of(text: str) -> int | None:
    """Return 0…6 of a text that is a weekday's name, whole or short, Monday first."""
    return exactly(plain(text), "weekdays")


def day_of(text: str) -> int | None:
    digits = text.translate(str.maketrans("OoIlSB", "001158"))
    return int(digits) if digits.isdecimal() and 1 <= int(digits) <= 31 else None


def index_of(token: str, kind: str) -> int | None:
    """Return the index of the weekday or month that the token is, exactly or nearly."""
    letters = plain(token)
    index = exactly(letters, kind)
    if index is not None or len(letters) < 4:
        return index
    scores = [
        (max(likeness(letters, name, limits.SIMILAR_NAME) for name in names), index)
        for index, names in enumerate(names_of(kind))
    ]
    best, index = max(scores)
    is_clear = sum(score == best for score, _ in scores) == 1
    return index if best >= limits.SIMILAR_NAME and is_clear else None


def exactly(letters: str, kind: str) -> int | None:
    both = zip(names_of(kind), names_of(f"{kind}_short"), strict=True)
    return next((at for at, names in enumerate(both) if letters in (*names[0], *names[1])), None)


def is_day_first(text: str) -> bool:
    """Whether a date's weekday is named in a language that writes the day before the month."""
    return not any(plain(token) in _english_days() for token in TOKEN.findall(text))


@functools.cache
def _english_days() -> frozenset[str]:
    """Return the names of days that are English, or may be."""
    english = {names[0] for names in names_of("weekdays")}
    return frozenset({*english, *(name[:3] for name in english), *(name[:4] for name in english)})


@functools.cache
def relative_words() -> frozenset[str]:
    return frozenset((*words_of("today"), *words_of("other_days")))
