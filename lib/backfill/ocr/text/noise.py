"""Texts of a screen that belong to no shift: the app's own words, counters, scraps of pictures.

The words themselves are data, in `interface.toml` beside this module: a closed list.
"""

from __future__ import annotations

import functools
import itertools
import re
import tomllib
import unicodedata
from importlib.resources import files

from backfill.ocr import limits
from backfill.ocr.text.likeness import likeness
from backfill.ocr.text.vocabulary import known_towns

# "v. 7"
_SHORT_WEEK = re.compile(r"^\W*(?:v{1,2}|kw|uke?)\W{0,3}\d{1,2}\W*$", re.IGNORECASE)
# A number on its own: a count, or the year of a heading that goes on below.
_COUNTER = re.compile(r"^[\W_]*(?:\+?\s*\d{1,3}|20\d\d)[\W_]*$")
# A way between two shifts, "20 min • 12 km"; with its minutes or alone.
_WAY = re.compile(
    r"\W*(?:\d{1,3}\s?(?:min|m|h|tim)\b\W*){0,2}\d{1,3}(?:[.,]\d)?\s?km\b\W*", re.IGNORECASE
)
# "▸ Klara (2)", its number perhaps apart.
_COUNTED = re.compile(r"[^\d()\[\]+]*[(\[]\d{1,3}[)\]]\W*")
# A text that goes on where it can not be seen.
_CUT = re.compile(r"…|\.{2,}\s*$|\.\s\.\s?\.?\s*$")


@functools.lru_cache(maxsize=4096)
def plain(text: str) -> str:
    """Return the text's letters a–z and digits, accents stripped, lower case."""
    stripped = unicodedata.normalize("NFKD", text).casefold()
    return "".join(char for char in stripped if char.isascii() and char.isalnum())


@functools.cache
def _interface() -> dict[str, list[str | list[str]]]:
    text = files("backfill.ocr.text").joinpath("interface.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


@functools.cache
def words_of(meaning: str) -> tuple[str, ...]:
    """Return the app's words of one meaning, plain."""
    return tuple(plain(word) for word in _interface()[meaning] if isinstance(word, str))


@functools.cache
def names_of(kind: str) -> tuple[tuple[str, ...], ...]:
    """Return the names of weekdays or months in their order, each in all languages, plain."""
    return tuple(tuple(map(plain, names)) for names in _interface()[kind])


@functools.lru_cache(maxsize=4096)
def is_like(text: str, words: tuple[str, ...], similar: float = limits.SIMILAR) -> bool:
    """Whether the text is one of the words, or so near to one that OCR explains it."""
    letters = plain(text)
    if len(letters) < 4:
        return letters in words
    return any(
        abs(len(letters) - len(word)) <= 3 and likeness(letters, word, similar) for word in words
    )


def is_farewell(text: str) -> bool:
    """Whether the text is the day's last line ("Thank you for today!")."""
    letters, farewells = plain(text), words_of("farewell")
    return any(word in letters for word in farewells) or is_like(text, farewells)


def is_tab(text: str) -> bool:
    """Whether the text is a label of the tab bar; exactly, since "Kontor" is a job."""
    return plain(text) in words_of("tabs")


@functools.lru_cache(maxsize=4096)
def is_collaborators(text: str) -> bool:
    """Whether the text is the heading above the colleagues' pictures."""
    return is_like(re.sub(r"[\d+]", "", text), words_of("collaborators"))


def is_on_time(text: str) -> bool:
    """Whether the text is the small state below the times, and no town (Kalmar is like "klar")."""
    is_state = is_like(text, words_of("state")) or plain(text) in words_of("settled")
    return is_state and not known_towns().find_town(text)


def heads_count(text: str) -> bool:
    """Whether the text tells how many entries stand below a heading, or are folded up."""
    return bool(_COUNTED.fullmatch(text)) and not is_collaborators(text)


@functools.lru_cache(maxsize=4096)
def is_worn_state(text: str) -> bool:
    """Whether a text that stands where only a state does is one, however it was read."""
    letters, states = plain(text), words_of("state")
    is_part = len(letters) > 2 and any(
        letters in state or likeness(letters, state, limits.SIMILAR_SHORT) for state in states
    )
    return is_part or is_like(text, states, limits.SIMILAR_WORN)


def is_around(text: str) -> bool:
    """Whether the text is a word of the app that stands around the cards."""
    return plain(text) in words_of("around")


def is_cancelled(text: str) -> bool:
    """Whether a word of the text says that its card is called off."""
    return any(_says_cancelled(word) for word in text.split()) or _says_cancelled(text)


def _says_cancelled(text: str) -> bool:
    return (
        len(plain(text)) > 4
        and plain(text) not in words_of("not_cancelled")
        and is_like(text, words_of("cancelled"), limits.SIMILAR_MEANING)
    )


def is_of_others(text: str) -> bool:
    """Whether the text heads shifts that are open, or a colleague's ("Annas pass")."""
    words = text.split()
    is_somebodys = (
        1 < len(words) <= limits.HEADING_WORDS
        and plain(words[-1]) in (*words_of("counted"), *words_of("schedules"))
        and not any(char.isdigit() for char in text)
        and not is_around(text)
        and not _heads_own(words)
    )
    return is_somebodys or (
        len(plain(text)) > 7 and is_like(text, words_of("others"), limits.SIMILAR_MEANING)
    )


def _heads_own(words: list[str]) -> bool:
    """Whether words head a person's own shifts: Dina uppdrag, Dagens schema."""
    letters = [plain(word) for word in words]
    is_list = letters[-1:] and letters[-1] in (*words_of("counted"), *words_of("schedules"))
    return bool(is_list and letters[:-1]) and {*letters[:-1]} <= {*words_of("own")}


def says_whose(text: str, *, may_be_client: bool) -> bool:
    """Whether a line above the cards names somebody, or says that some shifts only are shown.

    "Annas schema", "Visar: Anna Ek"; "Anna Ek" alone where it may be no client's.
    """
    words = [word.strip(":,–-'’") for word in text.split() if sum(map(str.isalpha, word)) > 1]
    letters = [plain(word) for word in words]
    if not letters or any(word in words_of("views") for word in letters):
        return bool(letters)
    if letters[-1] in (*words_of("counted"), *words_of("schedules")):
        owner = letters[-2] if len(letters) > 1 else ""
        return owner[-1:] in {*"sxz"} and owner not in words_of("own") and not is_around(text)
    is_short = not may_be_client and 1 < len(words) <= limits.HEADING_WORDS
    return is_short and all(map(_is_name, words)) and not known_towns().find_town(" ".join(words))


def _is_name(word: str) -> bool:
    """Whether a word may be a person's name: a capital, small letters, and no word of the app."""
    is_written = all(part.istitle() for part in word.split("-")) and word.replace("-", "").isalpha()
    return is_written and plain(word) not in _all_words()


@functools.cache
def _all_words() -> frozenset[str]:
    """Return the app's words of all meanings, plain."""
    names = itertools.chain.from_iterable(_interface().values())
    alike = ([name] if isinstance(name, str) else name for name in names)
    return frozenset(map(plain, itertools.chain.from_iterable(alike)))


def is_notice(text: str) -> bool:
    """Whether a title begins with a word that says something of its card ("Obs", "Ny", "Ej")."""
    first = plain(text.split(" ", maxsplit=1)[0])
    return any(first in words_of(meaning) for meaning in ("notices", "negations", "provisional"))


def is_provisional(text: str) -> bool:
    """Whether a text above the cards says that they may not be so: a draft, or of yesterday."""
    words = [plain(word) for word in text.split()]
    # "Ej fastställt", "Schemat är inte publicerat"; not so "Glöm inte att checka in".
    is_denied = any(
        word in words_of("negations") and before in ("", *words_of("copulas"))
        for before, word in itertools.pairwise(("", *words))
    )
    is_old = all(any(word in words_of(of) for word in words) for of in ("ago", "day_units"))
    return is_denied or is_old or any(word in words_of("provisional") for word in words)


def is_all_day(text: str) -> bool:
    """Whether the text stands where a card without times has them ("Heldag")."""
    return plain(text) in words_of("all_day")


def is_cut_short(text: str) -> bool:
    """Whether an ellipsis says that the text goes on."""
    return bool(_CUT.search(text))


def is_counter(text: str) -> bool:
    """Whether the text is a lone digit, "+3" or "2025"."""
    return bool(_COUNTER.match(text))


def is_scrap(text: str) -> bool:
    """Whether the text is a single character or holds no letter and no digit."""
    return sum(char.isalnum() for char in text) <= 1


def is_week(text: str) -> bool:
    """Whether the text is the line "Week 34" below the date, its number readable or not."""
    words = text.split()
    return (1 <= len(words) <= 2 and is_like(words[0], words_of("week"))) or bool(
        _SHORT_WEEK.match(text)
    )


@functools.lru_cache(maxsize=4096)
def is_noise(text: str) -> bool:
    """Whether a text on its own belongs to no shift."""
    return not heads_count(text) and (
        is_scrap(text)
        or is_counter(text)
        or is_on_time(text)
        or is_collaborators(text)
        or is_week(text)
        or _WAY.fullmatch(text) is not None
        or _heads_own(text.split())
        or plain(text) in words_of("clock")
    )


def cut_collaborators(text: str) -> str:
    """Return the text without a "Collaborators +3" at its end."""
    words = text.split()
    for index, word in enumerate(words):
        if is_collaborators(word):
            return " ".join(words[:index])
    return text
