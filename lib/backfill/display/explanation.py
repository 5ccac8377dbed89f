"""What an explanation is: a document for scripts, and the same to look at."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from backfill.display.eye import NotShown
from backfill.display.inline import inlined
from backfill.display.pages import Shown, note, table


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a value is what it is: `document` is plain JSON, `shown` says the same to a person."""

    document: dict[str, Any]
    shown: Shown

    def _repr_html_(self) -> str:
        return inlined(self.shown.markup)

    def __repr__(self) -> str:
        return self.shown.text


def unexplained(run_id: str, key: str, missed: NotShown) -> Explanation:
    """Return what stands in the place of an explanation that can not be shown."""
    why = note(
        f"Why {key} has its values can not be shown ({missed.why}). Its row in changes.parquet or "
        f"skips.csv of run {run_id} holds the facts.",
        "warning",
    )
    return Explanation({"run_id": run_id, "key": key, "not_shown": [missed.as_json()]}, why)


def facts(caption: str, rows: Iterable[tuple[str, Any]]) -> Shown:
    """Return named facts as a table; those that are None or empty are left out."""
    given = [(name, value) for name, value in rows if value not in (None, "", [], ())]
    return table(caption, ["fact", "value"], given)


def remarks(notes: Iterable[str]) -> Shown:
    """Return what could not be told, as notes."""
    shown = Shown("", "")
    for text in notes:
        shown += note(text, "warning")
    return shown
