"""Texts of a screen that belong to no shift: the app's own words, counters, scraps of pictures."""

from __future__ import annotations

import functools
import re
import unicodedata
from difflib import SequenceMatcher

SIMILAR = 0.78

_COLLABORATORS = ("collaborators", "kollegor", "medarbetare", "kollega")
_ON_TIME = ("ontime", "itid", "late", "sen", "started", "startad")
_FAREWELL = ("thankyoufortoday", "tackforidag")
_WEEK = ("week", "vecka")
_TABS = ("schedule", "helphub", "account", "schema", "hjalp", "konto")
# "v. 7"
_SHORT_WEEK = re.compile(r"^\W*v{1,2}\W{0,3}\d{1,2}\W*$", re.IGNORECASE)
_COUNTER = re.compile(r"^[\W_]*\+?\s*\d{1,3}[\W_]*$")


@functools.lru_cache(maxsize=4096)
def plain(text: str) -> str:
    """Return the text's letters a–z and digits, accents stripped, lower case."""
    stripped = unicodedata.normalize("NFKD", text).casefold()
    return "".join(char for char in stripped if char.isascii() and char.isalnum())


@functools.lru_cache(maxsize=4096)
def is_like(text: str, words: tuple[str, ...]) -> bool:
    """Whether the text is one of the words, or so near to one that OCR explains it."""
    letters = plain(text)
    if len(letters) < 4:
        return letters in words
    return any(
        abs(len(letters) - len(word)) <= 3
        and SequenceMatcher(None, letters, word).ratio() >= SIMILAR
        for word in words
    )


def is_farewell(text: str) -> bool:
    """Whether the text is the day's last line ("Thank you for today!")."""
    letters = plain(text)
    return any(word in letters for word in _FAREWELL) or is_like(text, _FAREWELL)


def is_tab(text: str) -> bool:
    """Whether the text is a label of the tab bar; exactly, since "Kontor" is a job."""
    return plain(text) in _TABS


def is_collaborators(text: str) -> bool:
    """Whether the text is the heading above the colleagues' pictures."""
    return is_like(re.sub(r"[\d+]", "", text), _COLLABORATORS)


def is_on_time(text: str) -> bool:
    """Whether the text is the small state below the times."""
    return is_like(text, _ON_TIME)


def is_counter(text: str) -> bool:
    """Whether the text is a lone digit or "+3"."""
    return bool(_COUNTER.match(text))


def is_scrap(text: str) -> bool:
    """Whether the text is a single character or holds no letter and no digit."""
    return sum(char.isalnum() for char in text) <= 1


def is_week(text: str) -> bool:
    """Whether the text is the line "Week 34" below the date, its number readable or not."""
    words = text.split()
    return (1 <= len(words) <= 2 and is_like(words[0], _WEEK)) or bool(_SHORT_WEEK.match(text))


def is_noise(text: str) -> bool:
    """Whether a text on its own belongs to no shift."""
    return (
        is_scrap(text)
        or is_counter(text)
        or is_on_time(text)
        or is_collaborators(text)
        or is_week(text)
    )


def cut_collaborators(text: str) -> str:
    """Return the text without a "Collaborators +3" at its end."""
    words = text.split()
    for index, word in enumerate(words):
        if is_collaborators(word):
            return " ".join(words[:index])
    return text
