"""What a person sees of an OCR diff: sessions, the diff of each day, events, messages, failures,
timing. Everything that was read is escaped.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from backfill.display.pages import NOTHING, Shown, escape, framed, section, table
from backfill.jobs.ocr.crops import cut_markup
from backfill.ocr.day.correction import read_box
from backfill.plans.staging import Staging

SHOWN_EVENTS = 100


def diff_view(staging: Staging) -> Shown:
    """Return the sessions, the diff of each day, events by type, messages, failures, timing."""
    documents = _documents(staging)
    shown = _sessions(documents) + _events(documents)
    shown += _event_types(documents) + _messages(documents)
    return section("diff", shown) + section("skips", _failures(documents)) + _timing(staging)


def _documents(staging: Staging) -> list[dict[str, Any]]:
    rows = staging.rows("SELECT document FROM days ORDER BY position")
    return [json.loads(document) for (document,) in rows]


def _sessions(documents: Sequence[dict[str, Any]]) -> Shown:
    rows = [
        (
            *(document["session_id"], str(document["user_id"]), document["source_state"]),
            *(document.get("schedule_date", ""), document["image_count"]),
            *(document.get("shift_count", 0), document.get("preview_event_count", 0)),
            document.get("outcome", document["status"]),
            document.get("held_reason") or document.get("error_type", ""),
            document.get("held_detail")
            or document.get("error_message")
            or "; ".join(document.get("warnings", ())),
        )
        for document in documents
    ]
    header = ["session", "user", "state", "date", "images", "shifts", "events", "outcome",
              "reason", "detail"]  # fmt: skip
    return table(
        f"Sessions ({len(rows):,})", header, rows, rest="All: the table days", most=SHOWN_EVENTS
    )


def _events(documents: Sequence[dict[str, Any]]) -> Shown:
    rows = [
        (
            document["schedule_date"],
            str(document["user_id"]),
            document["outcome"],
            event["event_type"],
            _shift_line(event["old"]),
            _shift_line(event["new"]),
        )
        for document in documents
        for event in document.get("preview_events", ())
    ]
    shown = min(len(rows), SHOWN_EVENTS)
    return _listed(
        f"What happened to each day ({len(rows):,} events, {shown:,} shown)",
        ["date", "user", "session's outcome", "event", "stored", "read"],
        sorted(rows)[:SHOWN_EVENTS],
        "preview_events in the files of sessions/",
    )


def _listed(
    caption: str, header: Sequence[str], rows: Sequence[tuple[Any, ...]], where: str
) -> Shown:
    """Return rows as a table that says where all of them are; of none, nothing."""
    rest = f"All of them: {where}"
    return table(caption, header, rows, rest=rest, most=SHOWN_EVENTS) if rows else NOTHING


def _shift_line(shift: dict[str, str] | None) -> str:
    if shift is None:
        return "—"
    parts = [f"{shift['start']}–{shift['end']}", shift["customer_name"], shift["raw_type_label"]]
    parts.append(f"{shift['street']} {shift['street_number']} {shift['city']}".strip())
    return " · ".join(part for part in parts if part)


def _event_types(documents: Sequence[dict[str, Any]]) -> Shown:
    counts: Counter[tuple[str, str]] = Counter()
    for document in documents:
        for event_type, count in document.get("preview_event_types", {}).items():
            counts[(event_type, document["status"])] += count
    if not counts:
        return NOTHING
    rows = [
        (event_type, counts[(event_type, "ok")], counts[(event_type, "held")])
        for event_type in sorted({name for name, _status in counts})
    ]
    return table(
        f"Events by type ({sum(counts.values()):,} events)",
        ["event", "to write or known", "of held sessions"],
        rows,
    )


def _messages(documents: Sequence[dict[str, Any]]) -> Shown:
    rows = [
        (
            str(document["user_id"]),
            document["schedule_date"],
            entry["message"],
            "yes" if entry["will_be_stored"] else "no",
        )
        for document in documents
        for entry in document.get("notifications", ())
    ]
    return _listed(
        f"Messages about these events ({len(rows):,}); a stored message is sent to the person",
        ["user", "date", "message", "will be stored"],
        rows,
        "notifications in the files of sessions/",
    )


def _failures(documents: Sequence[dict[str, Any]]) -> Shown:
    rows = [
        (d["error_stage"], d["error_type"], d["session_id"], d["error_message"])
        for d in documents
        if d["status"] == "failed"
    ]
    return _listed(
        f"Failed sessions by stage ({len(rows):,} sessions)",
        ["stage", "kind", "session", "what happened"],
        sorted(rows),
        "backfill_report.json",
    )


def _timing(staging: Staging) -> Shown:
    rows = staging.rows(
        "SELECT CASE WHEN cached THEN 'from the cache' ELSE 'read now' END, count(*),"
        " round(sum(ocr_ms) / 1000, 2), round(median(ocr_ms)), round(max(ocr_ms))"
        " FROM images WHERE ocr_ms IS NOT NULL GROUP BY 1 ORDER BY 1"
    )
    slowest = staging.rows(
        "SELECT r2_key, ocr_ms, len(from_json(words, '[\"JSON\"]')), entry_count FROM images"
        " WHERE ocr_ms IS NOT NULL ORDER BY ocr_ms DESC, r2_key LIMIT 10"
    )
    return table(
        "Images and their reading times (images that are read together have equal shares of the "
        "time; a cached one shows what it took when it was read)",
        ["how", "images", "total (s)", "median (ms)", "longest (ms)"],
        rows,
    ) + table(
        "The slowest images (10 at most)",
        ["image", "reading (ms)", "boxes", "shifts"],
        slowest,
    )


SHOWN_CORRECTIONS = 200
_HEADER = ("crop", "session", "shift", "field", "read", "right", "by", "at", "note")


def corrections_view(staging: Staging) -> Shown:
    """Return what was corrected: read, right, who and when, with the cut-out of the card."""
    corrected = [
        (document["session_id"], line)
        for document in _documents(staging)
        for line in document.get("corrections", ())
    ]
    if not corrected:
        return NOTHING
    shown = corrected[:SHOWN_CORRECTIONS]
    caption = f"Corrections in place of what was read ({len(corrected):,}, {len(shown):,} shown)"
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
    of_image = "SELECT local_path FROM images WHERE key = ? AND sha256 = ?"
    rows = staging.rows(of_image, [key, line["image_sha256"]])
    says = f"{line['shift']} as it stands on the image"
    return cut_markup(rows[0][0], box, says) if rows and box else ""
