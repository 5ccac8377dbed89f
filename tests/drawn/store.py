"""Writes the small set of screenshots that is part of the package; the demo finds it again.

`python -m tests.drawn.store` draws the set anew; needed only when the look changes.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from tests.drawn.make import Session, make_session

from backfill_lab.demo.stored import FOLDER, TRUTH

# Seeds whose sessions together show every label, both languages, dark and light, chat and phone.
SEEDS = (108, 116, 150, 156, 158, 174, 182, 183, 184, 197, 205, 211)


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
