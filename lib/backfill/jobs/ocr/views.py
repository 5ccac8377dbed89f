"""What a person sees of an OCR diff: sessions, each day beside its images, doubts, events, timing.

Pictures are downscaled and carried in the page itself; everything that was read is escaped.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from backfill.display.pages import NOTHING, Shown, escape, framed, note, part, table
from backfill.jobs.ocr.crops import cut_out, picture_markup, thumbnail
from backfill.jobs.ocr.pictures import confidence_picture, days_picture
from backfill.plans.staging import Staging

SHOWN_SESSIONS = 100
SHOWN_SHIFTS = 400  # of all sessions: a page never shows more than a thousand rows
SHOWN_CROPS = 60
SHOWN_EVENTS = 100
_TIMES = ("start", "end", "customer_name", "street", "street_number", "city", "raw_type_label")
_COLUMNS = ", ".join(f'"{name}"' for name in _TIMES)


def diff_view(staging: Staging) -> Shown:
    """Return the sessions, the diff of each day, events by type, messages, failures, timing."""
    documents = _documents(staging)
    shown = _sessions(documents)
    shown += _events(documents)
    shown += _event_types(documents)
    shown += _messages(documents)
    return part("diff", shown) + part("skips", _failures(staging)) + _timing(staging)


def images_view(staging: Staging) -> Shown:
    """Return the days' timelines, confidence by field, each day's shifts beside its images, and
    crops of what was read with doubt."""
    pictures = days_picture(staging) + confidence_picture(staging)
    return pictures + _days(staging) + _doubts(staging)


def _documents(staging: Staging) -> list[dict[str, Any]]:
    rows = staging.connection.cursor().execute("SELECT document FROM days ORDER BY position")
    return [json.loads(row[0]) for row in rows.fetchall()]


def _sessions(documents: Sequence[dict[str, Any]]) -> Shown:
    rows = [
        (
            document["session_id"],
            str(document["user_id"]),
            document["source_state"],
            document.get("schedule_date", ""),
            document["image_count"],
            document.get("shift_count", 0),
            document.get("preview_event_count", 0),
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
    if not rows:
        return NOTHING
    return table(
        f"What happened to each day ({len(rows):,} events, {min(len(rows), SHOWN_EVENTS):,} shown)",
        ["date", "user", "session's outcome", "event", "stored", "read"],
        sorted(rows)[:SHOWN_EVENTS],
        rest="All of them: preview_events in the files of sessions/",
    )


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
    if not rows:
        return NOTHING
    return table(
        f"Messages about these events ({len(rows):,}); a stored message is sent to the person",
        ["user", "date", "message", "will be stored"],
        rows,
        rest="All of them: notifications in the files of sessions/",
        most=SHOWN_EVENTS,
    )


def _failures(staging: Staging) -> Shown:
    rows = [
        (d["error_stage"], d["error_type"], d["session_id"], d["error_message"])
        for d in _documents(staging)
        if d["status"] == "failed"
    ]
    if not rows:
        return NOTHING
    return table(
        f"Failed sessions by stage ({len(rows):,} sessions)",
        ["stage", "kind", "session", "what happened"],
        sorted(rows),
        rest="All of them: backfill_report.json",
        most=SHOWN_EVENTS,
    )


def _timing(staging: Staging) -> Shown:
    rows = staging.connection.cursor().execute(
        "SELECT CASE WHEN cached THEN 'from the cache' ELSE 'read now' END, count(*),"
        " round(sum(ocr_ms) / 1000, 2), round(median(ocr_ms)), round(max(ocr_ms))"
        " FROM images WHERE ocr_ms IS NOT NULL GROUP BY 1 ORDER BY 1"
    )
    slowest = staging.connection.cursor().execute(
        "SELECT r2_key, ocr_ms, len(from_json(words, '[\"JSON\"]')), entry_count FROM images"
        " WHERE ocr_ms IS NOT NULL ORDER BY ocr_ms DESC, r2_key LIMIT 10"
    )
    return table(
        "Images and their reading times (a cached image shows the time it took when it was read)",
        ["how", "images", "total (s)", "median (ms)", "longest (ms)"],
        rows.fetchall(),
    ) + table(
        "The slowest images (10 at most)",
        ["image", "reading (ms)", "boxes", "shifts"],
        slowest.fetchall(),
    )


def _days(staging: Staging) -> Shown:
    rows = (
        staging.connection.cursor()
        .execute(
            "SELECT key, scope, schedule_date::text, outcome,"
            " sum(coalesce(listed, 0)) OVER (ORDER BY position) FROM days LEFT JOIN"
            " (SELECT key, count(*) AS listed FROM shifts GROUP BY key) USING (key)"
            " ORDER BY position"
        )
        .fetchall()
    )
    shown = Shown("", "")
    fitting = [row for row in rows[:SHOWN_SESSIONS] if row[4] <= SHOWN_SHIFTS] or rows[:1]
    for key, user, date, outcome, _shifts in fitting:
        shown += _day(staging, key, f"Session {key}, user {user}, {date or 'no date'}: {outcome}")
    if more := len(rows) - len(fitting):
        shown += note(f"{more:,} more sessions are in the tables shifts and images.")
    return shown


def _day(staging: Staging, key: str, caption: str) -> Shown:
    shifts = staging.connection.cursor().execute(
        f"SELECT {_COLUMNS}, confidence, review_reasons FROM shifts WHERE key = ? ORDER BY place",
        [key],
    )
    listed = table(caption, [*_TIMES, "confidence", "doubts"], shifts.fetchall())
    images = staging.connection.cursor().execute(
        "SELECT sequence, r2_key, local_path, words FROM images WHERE key = ? ORDER BY sequence",
        [key],
    )
    pictures = "".join(thumbnail(*row) for row in images.fetchall())
    markup = (
        '<div class="backfill" style="display:flex;flex-wrap:wrap;gap:1em;align-items:flex-start">'
        f'<div>{pictures}</div><div style="min-width:0">{listed.markup}</div></div>'
    )
    return Shown(markup, listed.text)


def _doubts(staging: Staging) -> Shown:
    """Return a crop of every shift with a doubt, with what was read and why it is doubted."""
    rows = (
        staging.connection.cursor()
        .execute(
            'SELECT key, start, "end", customer_name, raw_type_label, street, street_number, city,'
            " confidence, review_reasons, crops FROM shifts WHERE review_reasons <> ''"
            " ORDER BY confidence, key, place"
        )
        .fetchall()
    )
    if not rows:
        return note("No shift was read with a doubt.")
    lines = "".join(_doubt(staging, row) for row in rows[:SHOWN_CROPS])
    caption = f"Shifts to look at ({len(rows):,}, {min(len(rows), SHOWN_CROPS):,} shown)"
    header = ("crop", "what was read", "confidence", "why")
    head = "".join(f'<th scope="col">{name}</th>' for name in header)
    markup = framed(caption, head, lines)
    text = table(caption, ["session", "start", "end", "client", "doubts"],
                 [(*row[:4], row[9]) for row in rows]).text  # fmt: skip
    return Shown(markup, text)


def _doubt(staging: Staging, row: Sequence[Any]) -> str:
    key, values, confidence, reasons = row[0], row[1:8], row[8], row[9]
    crops = json.loads(row[10])
    picture = _crop(staging, key, crops[0]) if crops else ""
    read = " · ".join(str(value) for value in values if value)
    return (
        f"<tr><td>{picture}</td><td>{escape(read)}</td>"
        f'<td class="number">{escape(str(confidence))}</td><td>{escape(reasons)}</td></tr>'
    )


def _crop(staging: Staging, key: str, crop: Sequence[float]) -> str:
    sequence, left, top, width, height = crop
    found = (
        staging.connection.cursor()
        .execute(
            "SELECT local_path FROM images WHERE key = ? AND sequence = ?", [key, int(sequence)]
        )
        .fetchone()
    )
    cut = cut_out(found[0], (left, top, width, height)) if found else None
    return picture_markup(cut, f"image {int(sequence)}") if cut else ""
