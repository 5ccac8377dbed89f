"""Mend what OCR confuses where the place says what must stand: house numbers, capitals."""

from __future__ import annotations

import re

from backfill.ocr.ink_mends import BULLET

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
