"""Words of a command line as a message may show them: never what may be part of a password."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence

from backfill.parameter import did_you_mean

_PLAIN = re.compile(r"[\w.,:+%=-]{1,60}")
_OPTION = re.compile(r"--[a-z][a-z-]{0,40}")
_HIDDEN = "what was given"


def shown_word(word: str) -> str:
    """Return a word for a message, or that it is not shown: an address may hold a password."""
    is_plain = _PLAIN.fullmatch(word) and "://" not in word
    return repr(word) if is_plain else _HIDDEN


def unknown_words(
    words: Sequence[str],
    flags: Sequence[str],
    others: Mapping[str, Collection[str]],
    *,
    has_address: bool,
) -> str:
    """Return what to say of words that no command takes; `others` are all commands' options.

    `has_address`: the line holds an address, of which a blank may have parted a password.
    """
    option = next((word.partition("=")[0] for word in words if word.startswith("--")), "")
    if _OPTION.fullmatch(option):
        takers = [name for name, options in others.items() if option in options]
        its = f" It is an option of backfill {takers[0]}." if len(takers) == 1 else ""
        return (
            f"there is no {option} here.{its}"
            if its
            else f"there is no {option}.{did_you_mean(option, flags)}"
        )
    first = words[0]
    if has_address or not (_PLAIN.fullmatch(first) and "://" not in first):
        return (
            "there is a word too many, which is not shown since it may be part of a password. "
            "Quote what has blanks in it; a password belongs into DATABASE_URL"
        )
    return f"there is no place for {' '.join(words) if len(words) < 4 else first!r}"


def counted_in(low: int, high: int) -> Callable[[str], int]:
    """Return what reads a whole number between two bounds, both included."""

    def read(text: str) -> int:
        number = int(text[:20])
        if not low <= number <= high:
            raise ValueError(text)
        return number

    read.__name__ = f"a whole number from {low} to {high}"
    return read
