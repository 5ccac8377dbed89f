"""The small set of screenshots that is part of the package: writing it, and finding it again.

`python -m backfill_lab.demo.screens.store` draws the set anew; needed only when the look changes.
"""

from __future__ import annotations

import datetime as dt
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backfill_lab.demo.screens.make import Session, make_session

FOLDER = Path(__file__).parent.parent / "screenshots"
TRUTH = "truth.json"
# Seeds whose sessions together show every label, both languages, dark and light, chat and phone.
SEEDS = (108, 116, 150, 156, 158, 174, 182, 183, 184, 197, 205, 211)


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


def store_session(session: Session, folder: Path) -> Path:
    """Write one session's images and truth under `folder`; return its own folder."""
    place = folder / session.name
    place.mkdir(parents=True, exist_ok=True)
    names = []
    for number, image in enumerate(session.images, start=1):
        name = f"{session.name}-{number}{session.suffix}"
        (place / name).write_bytes(image)
        names.append(name)
    text = json.dumps(_truth(session, names), ensure_ascii=False, indent=1)
    (place / TRUTH).write_text(text + "\n", encoding="utf-8")
    return place


def _truth(session: Session, names: list[str]) -> dict[str, Any]:
    return {
        "date": session.day.date.isoformat(),
        "style": session.look.style.name,
        "language": session.look.language,
        "is_dark": session.look.is_dark,
        "scale": session.scale,
        "images": names,
        "shifts": [
            {
                "start": row.start,
                "end": row.end,
                "customer": row.customer,
                "street": row.street,
                "number": row.number,
                "city": row.city,
                "type": row.shift_type,
                "label": row.label,
            }
            for row in session.day.rows
        ],
    }


def main() -> None:
    """Draw the whole set anew."""
    for seed in SEEDS:
        sys.stdout.write(f"{store_session(make_session(seed), FOLDER)}\n")


if __name__ == "__main__":
    main()
