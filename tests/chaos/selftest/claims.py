"""Claims about an end state: each says what was found and what was promised."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

SHOWN_CHARACTERS = 600


class Disproved(AssertionError):
    """A promise does not hold. Not an `assert`: `python -O` must not make a suite pass."""


def equal(what: str, found: Any, promised: Any) -> None:
    if found != promised:
        if isinstance(found, list) and isinstance(promised, list):
            found, promised = _differing(found, promised)
        raise Disproved(f"{what}: found {_short(found)}, promised {_short(promised)}")


def holds(what: str, found: object) -> None:
    if not found:
        raise Disproved(f"{what}: found {_short(found)}")


def says(text: str | Iterable[str], *parts: str) -> None:
    """Raise `Disproved` unless every part stands in the text."""
    whole = text if isinstance(text, str) else "\n".join(text)
    for part in parts:
        if part not in whole:
            raise Disproved(f"{part!r} was promised, but it says: {_short(whole)}")


def silent_about(text: str, *parts: str) -> None:
    """Raise `Disproved` when one of the parts stands in the text."""
    for part in parts:
        if part in text:
            where = text.index(part)
            around = text[max(0, where - 60) :][-SHOWN_CHARACTERS:]
            raise Disproved(f"{part!r} must not be said, but it stands in: {around!r}")


def _differing(found: list[Any], promised: list[Any]) -> tuple[list[Any], list[Any]]:
    """Return what stands in one list only, both whole when that says nothing."""
    more = [entry for entry in found if entry not in promised]
    less = [entry for entry in promised if entry not in found]
    return (more, less) if more or less else (found, promised)


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"
