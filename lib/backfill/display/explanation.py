"""What an explanation is: a document for scripts, and the same to look at."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from backfill.display.pages import Shown, note, table


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a value is what it is: `document` is plain JSON, `shown` says the same to a person."""

    document: dict[str, Any]
    shown: Shown

    def _repr_html_(self) -> str:
        return self.shown.markup

    def __repr__(self) -> str:
        return self.shown.text


def facts(caption: str, rows: Iterable[tuple[str, Any]]) -> Shown:
    """Return named facts as a table; those that are None or empty are left out."""
    told = [(name, value) for name, value in rows if value not in (None, "", [], ())]
    return table(caption, ["fact", "value"], told)


def remarks(notes: Iterable[str]) -> Shown:
    """Return what could not be told, as notes."""
    shown = Shown("", "")
    for text in notes:
        shown += note(text, "warning")
    return shown
