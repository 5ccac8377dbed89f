"""The small set of screenshots that is part of the package, with what a perfect reading gives."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "screenshots"
TRUTH = "truth.json"


@dataclass(frozen=True, slots=True)
class StoredSession:
    """One committed session: its images in order, and the shifts a perfect reading gives.

    Each shift has start, end, customer, street, number, city, type and label.
    """

    name: str
    date: dt.date
    images: tuple[Path, ...]
    shifts: tuple[dict[str, str], ...]


def stored_sessions(folder: Path = FOLDER) -> tuple[StoredSession, ...]:
    """Return the committed sessions, in the order of their names."""
    truths = [
        (path.parent, json.loads(path.read_text(encoding="utf-8")))
        for path in sorted(folder.glob(f"*/{TRUTH}"))
    ]
    return tuple(
        StoredSession(
            place.name,
            dt.date.fromisoformat(truth["date"]),
            tuple(place / name for name in truth["images"]),
            tuple(truth["shifts"]),
        )
        for place, truth in truths
    )
