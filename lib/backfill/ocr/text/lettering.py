"""Letters that recognition confused, put right, and names in their usual capitals."""

from __future__ import annotations

import re

#: A capital and a small letter that differ in size alone.
SAME_SHAPED = "COSUVWXZÖØÜ"
_EDGE_PUNCTUATION = ".,;:!?()[]{}\"'’`´*_/\\•·»«=+|~-–—"
_INSIDE_NUMBER = {"I": "1", "l": "1", "|": "1", "O": "0", "o": "0"}
# A name does not begin so: "lvar" is Ivar, "lllerstad" is Illerstad, "Lvar" is Ivar.
_SMALL_L = re.compile(r"(?<![^\s\-])(?:l(?=[^\W\d_aeiouyåäöj])|L(?=[bcdfghklmnpqrstvwxz]))")


def clean_words(text: str) -> list[str]:
    """Split at blanks, drop punctuation at the edges and words without letter or digit."""
    cleaned = (_strip_edges(word) for word in text.split())
    return [word for word in cleaned if any(char.isalnum() for char in word)]


def repair_letters(word: str) -> str:
    """Put right what cannot stand in a word of letters.

    `|` and a capital I after another letter become l (unless the word is all capitals), 0 becomes
    o, 1 becomes i. A word that is rather a number stays as it is.
    """
    letters = sum(char.isalpha() for char in word)
    if letters < 2 or letters < sum(char.isdigit() for char in word):
        return word
    has_lower = any(char.islower() for char in word)
    repaired = (_repair_letter(word, index, has_lower) for index in range(len(word)))
    return "".join(repaired)


def repair_number(word: str) -> str:
    """Put right the letters that stand for digits in a house number (3I6 → 316)."""
    head = re.match(r"[0-9IlOo|]*[0-9]", word)
    if head is None:
        return word
    digits = "".join(_INSIDE_NUMBER.get(char, char) for char in head.group())
    return digits + word[head.end() :]


def capitalise(text: str) -> str:
    """Give every word one capital; also after a hyphen, and after a one-letter prefix (O'Brien)."""
    return " ".join(
        "-".join(_capitalise_part(part) for part in word.split("-")) for word in text.split()
    )


def _strip_edges(word: str) -> str:
    # A bar or a trailing dot can be part of the word: |ngrid, K.
    is_initial = len(word) == 2 and word[0].isalpha() and word[1] == "."
    if is_initial:
        return word
    if word.startswith("|") and len(word) > 2 and word[1].isalpha():
        return "|" + word[1:].strip(_EDGE_PUNCTUATION)
    return word.strip(_EDGE_PUNCTUATION)


def _repair_letter(word: str, index: int, has_lower: bool) -> str:
    char = word[index]
    starts = index == 0 or word[index - 1] == "-"
    if char == "|":
        return "I" if starts else "l"
    if char == "I":
        return "l" if has_lower and not starts and word[index - 1].isalpha() else char
    if char == "0":
        return "o" if has_lower else "O"
    if char == "1":
        return "i" if has_lower else "I"
    return char


def _capitalise_part(part: str) -> str:
    if len(part) > 2 and part[1] in "'’":
        return part[0].upper() + part[1] + part[2:].capitalize()
    return part[:1].upper() + part[1:].lower()


def repair_capitals(text: str) -> str:
    """Return the text with the capital I given back to its words."""
    return _SMALL_L.sub("I", text)
