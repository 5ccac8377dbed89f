"""The corrections of a run, each with its crop beside it."""

from __future__ import annotations

import json
from typing import Any

from backfill.display.pages import NOTHING, Shown, escape, framed, table
from backfill.jobs.ocr.crops import cut_out, picture_markup
from backfill.ocr.correction import read_box
from backfill.plans.staging import Staging

SHOWN_CORRECTIONS = 200
_HEADER = ("crop", "session", "shift", "field", "read", "right", "by", "at", "note")


def corrections_view(staging: Staging) -> Shown:
    """Return what was corrected: read, right, who and when, with the cut-out of the card."""
    rows = staging.connection.cursor().execute("SELECT key, document FROM days ORDER BY position")
    told = [
        (key, line)
        for key, document in rows.fetchall()
        for line in json.loads(document).get("corrections", ())
    ]
    if not told:
        return NOTHING
    shown = told[:SHOWN_CORRECTIONS]
    caption = f"Corrections in place of what was read ({len(told):,}, {len(shown):,} shown)"
    head = "".join(f'<th scope="col">{name}</th>' for name in _HEADER)
    body = "".join(_row(staging, key, line) for key, line in shown)
    text = table(caption, _HEADER[1:], [_cells(key, line) for key, line in shown]).text
    return Shown(framed(caption, head, body), text)


def _row(staging: Staging, key: str, line: dict[str, Any]) -> str:
    cells = "".join(f"<td>{escape(cell)}</td>" for cell in _cells(key, line))
    return f"<tr><td>{_picture(staging, key, line)}</td>{cells}</tr>"


def _cells(key: str, line: dict[str, Any]) -> tuple[str, ...]:
    read = line["read"]
    if not line["is_as_expected"]:
        read += f" (when it was corrected: {line['read_when_corrected']})"
    named = (str(line[name]) for name in ("shift", "field"))
    return (key, *named, read, *(str(line[name]) for name in ("right", "by", "at", "note")))


def _picture(staging: Staging, key: str, line: dict[str, Any]) -> str:
    box = read_box(line["box"])
    found = (
        staging.connection.cursor()
        .execute(
            "SELECT local_path FROM images WHERE key = ? AND sha256 = ?",
            [key, line["image_sha256"]],
        )
        .fetchone()
    )
    cut = cut_out(found[0], box) if found and box else None
    return picture_markup(cut, f"{line['shift']} as it stands on the image") if cut else ""
