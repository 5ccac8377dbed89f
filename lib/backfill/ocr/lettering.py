"""Letters that recognition confused, put right, and names in their usual capitals."""

from __future__ import annotations

import re

from backfill.ocr.words import BULLET

_EDGE_PUNCTUATION = ".,;:!?()[]{}\"'’`´*_/\\•·»«=+|~-–—"
_INSIDE_NUMBER = {"I": "1", "l": "1", "|": "1", "O": "0", "o": "0"}
_DIGITS = str.maketrans(
    {"s": "5", "S": "5", "O": "0", "o": "0", "I": "1", "l": "1", "|": "1", "Z": "2"}
)
_NUMBER = re.compile(r"(?<=\s)(?=\S*\d)([\dsSOoIl|Z]{1,4})([A-Za-zÅÄÖåäö]?)(?=$|[\s,])")
# A name does not begin so: "lvar" is Ivar, "lllerstad" is Illerstad, "Lvar" is Ivar.
_SMALL_L = re.compile(r"(?<![^\s\-])(?:l(?=[^\W\d_aeiouyåäöj])|L(?=[bcdfghklmnpqrstvwxz]))")
# A street and its number without the blank between them.
_GLUED = re.compile(r"(?<=[^\W\d_]{3})(?=\d{1,4}[A-Za-z]?(?:$|[\s,]))")
# Streets end in -vägen (the way); -vågen (the wave) is what OCR makes of it.
_VAGEN = re.compile(r"(?<=[^\W\d_]{2})vågen\b")
# A capital as wide as two small letters of its shape is read as itself and one of them: Vvallmo.
_DOUBLED = re.compile(r"\b(?:(?<=\s)|(?<=^))([VWSCZX])(?=[vwsczx])(?i:\1)(?=[^\W\d_])")
_BAR = re.compile(r"(?<![^\s\-])\|(?=[^\W\d_])")


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


def repair_title(text: str) -> str:
    """Return the title with the capital I given back to its words, the bullet's blanks tidy."""
    tidy = re.sub(rf"\s*{BULLET}\s*", f" {BULLET} ", text).strip()
    return _DOUBLED.sub(r"\1", _SMALL_L.sub("I", _BAR.sub("I", tidy)))


def repair_address(text: str) -> str:
    """Return the address with digits in its house number and capitals in its street."""
    apart = _GLUED.sub(" ", text)
    numbered = _NUMBER.sub(lambda match: match[1].translate(_DIGITS) + match[2], apart)
    capitals = _DOUBLED.sub(r"\1", _SMALL_L.sub("I", _BAR.sub("I", numbered)))
    return _VAGEN.sub("vägen", capitals)
