"""The hashes by which a stored place or client is known again.

Rows already stored carry these hashes, so they are kept bit for bit: another letter here would
make every stored shift look moved or renamed.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from functools import lru_cache

SEPARATOR = "|"
# Folded; OCR.md §6 lists them. The display side uses the same list through the vocabulary.
COMPANY_WORDS = frozenset({"ab", "hb", "stadservice", "stadtjanst", "stadning"})

_NOT_ALPHANUMERIC = re.compile(r"[^a-z0-9]")
# Shapes that recognition confuses.
_LOOKALIKES = str.maketrans({"0": "o", "1": "l", "i": "l", "|": "l"})


def fold_text(text: str) -> str:
    """Strip accents (NFKD) and case; everything else stays."""
    decomposed = unicodedata.normalize("NFKD", text)
    return "".join(char for char in decomposed if not unicodedata.combining(char)).casefold()


def fold_word(text: str) -> str:
    """Fold and keep only a–z and 0–9."""
    return _NOT_ALPHANUMERIC.sub("", fold_text(text))


@lru_cache(maxsize=4096)
def fold_place(text: str) -> str:
    """Fold a part of an address so that letters and digits of one shape become one."""
    return _NOT_ALPHANUMERIC.sub("", fold_text(text).translate(_LOOKALIKES))


def location_fingerprint(street: str, number: str, postal_area: str, city: str) -> str:
    """Hash an address; postal code and writing do not matter, SHA-256 in hex."""
    parts = (street, number, postal_area or city)
    return _sha256(SEPARATOR.join(fold_place(part) for part in parts))


def customer_fingerprint(customer_name: str, raw_type_label: str, shift_type: str) -> str:
    """Hash who a shift is for: the name, else the label, else the type; SHA-256 in hex.

    The longest word counts in full (the first on a tie), the others by their first letters in
    sorted order, so that "Sjölund K." is "Karin Sjölund".
    """
    anchor = customer_name or raw_type_label or shift_type
    folded = (fold_word(word) for word in anchor.split())
    words = [word for word in folded if word and word not in COMPANY_WORDS]
    if not words:
        return _sha256("")
    longest = max(range(len(words)), key=lambda index: len(words[index]))
    initials = sorted(word[0] for index, word in enumerate(words) if index != longest)
    return _sha256(f"{words[longest]}{SEPARATOR}{''.join(initials)}")


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()
