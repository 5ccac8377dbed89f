"""What was read, beside what it was read from: each day with its images, and cut-outs of doubts.

Pictures are downscaled and carried in the page itself; everything that was read is escaped.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from backfill.display.pages import Shown, escape, framed, note, section, table
from backfill.jobs.ocr.crops import cut_markup, thumbnail
from backfill.jobs.ocr.pictures import confidence_picture, days_picture
from backfill.ocr import limits
from backfill.ocr.day.correcting import CORRECTED
from backfill.ocr.day.session_reading import DURATION_AGREES, SEEN_TWICE
from backfill.ocr.doubts import explained
from backfill.plans.staging import Staging

_HELD = "held"  # outcome of a day that waits for a person
SHOWN_SESSIONS = 100
SHOWN_SHIFTS = 400  # of all sessions: a page never shows more than a thousand rows
SHOWN_CROPS = 60
_SHIFT = ("start", "end", "customer_name", "raw_type_label", "street", "street_number", "city")
_COLUMNS = ", ".join(f'"{name}"' for name in _SHIFT)
_VOUCHES = {
    DURATION_AGREES: "the duration on its card agrees with its times",
    SEEN_TWICE: "several images show it",
    CORRECTED: "a person looked at it",
}


def images_view(staging: Staging) -> Shown:
    """Return the days that wait for a person, timelines, confidence by field, each other day's
    shifts beside its images, and cut-outs of what was read with doubt or low confidence."""
    held, others = _days(staging)
    held = section("held", held)  # a page has it first
    return held + days_picture(staging) + confidence_picture(staging) + others + _doubts(staging)


def _days(staging: Staging) -> tuple[Shown, Shown]:
    """Return the days that are held back, and all others."""
    rows = staging.rows(
        "SELECT key, scope, coalesce(schedule_date::text, 'no date'), outcome, reason, detail,"
        " sum(coalesce(listed, 0)) OVER (ORDER BY outcome <> 'held', position) FROM days"
        " LEFT JOIN (SELECT key, count(*) AS listed FROM shifts GROUP BY key) USING (key)"
        " ORDER BY outcome <> 'held', position"
    )
    held, others = Shown("", ""), Shown("", "")
    for place, (key, user, date, outcome, reason, detail, sum_of_shifts) in enumerate(
        rows[:SHOWN_SESSIONS]
    ):
        why = ": ".join(said for said in (reason, detail) if said)
        heading = f"Session {key}, user {user}, {date}: {outcome}" + (f" ({why})" if why else "")
        has_room = place == 0 or sum_of_shifts <= SHOWN_SHIFTS
        if outcome == _HELD:
            held += _held_day(staging, key, heading, has_room=has_room)
        else:
            others += _day(staging, key, heading, has_room=has_room)
    if more := len(rows[SHOWN_SESSIONS:]):
        others += note(f"{more:,} more sessions are in the tables shifts and images.")
    return held, others


def _held_day(staging: Staging, key: str, heading: str, *, has_room: bool) -> Shown:
    """Return a day that waits for a person: each shift beside the cut-out that it was read from."""
    rows = staging.rows(
        f"SELECT key, {_COLUMNS}, confidence, review_reasons, checks, crops FROM shifts"
        " WHERE key = ? ORDER BY place LIMIT ?",
        [key, SHOWN_CROPS],
    )
    if not rows or not has_room:
        return _day(staging, key, heading, has_room=has_room)
    lines = [(row, _why(row[-3], row[-2])) for row in rows]
    listed = _beside_crops(staging, f"Shifts read ({len(rows)}), each beside its image", lines)
    markup = f'<p class="backfill heading">{escape(heading)}</p>{listed.markup}'
    return Shown(markup, f"{heading}\n{listed.text}")


def _day(staging: Staging, key: str, heading: str, *, has_room: bool) -> Shown:
    """Return a day: its heading, its images with how they were read, its shifts beside them.

    Without room for more rows on the page the shifts are counted only.
    """
    shifts = staging.rows(
        f"SELECT {_COLUMNS}, confidence, review_reasons FROM shifts WHERE key = ? ORDER BY place",
        [key],
    )
    listed = (
        table(
            f"Shifts read ({len(shifts)})",
            ["time", "client", "job", "address", "confidence", "doubts"],
            [(*_told(row[: len(_SHIFT)]), *row[len(_SHIFT) :]) for row in shifts],
        )
        if has_room
        else note(f"{len(shifts)} shifts: see the table shifts, a page holds no more rows.")
    )
    images = staging.rows(
        "SELECT sequence, r2_key, local_path, words, entry_count, ocr_ms, cached FROM images"
        " WHERE key = ? ORDER BY sequence",
        [key],
    )
    pictures = "".join(_image(*row) for row in images)
    markup = (
        f'<p class="backfill heading">{escape(heading)}</p><div class="backfill beside">'
        f'<div class="pictures">{pictures}</div>{listed.markup}</div>'
    )
    return Shown(markup, f"{heading}\n{listed.text}")


def _image(
    sequence: int,
    r2_key: str,
    path: str,
    words: str,
    entries: int,
    ocr_ms: float | None,
    is_cached: bool | None,
) -> str:
    read = "not read" if ocr_ms is None else f"{ocr_ms:,.0f} ms{', cached' if is_cached else ''}"
    count = len(json.loads(words))
    return (
        f'<figure class="backfill">{thumbnail(sequence, r2_key, path, words)}<figcaption>'
        f"image {sequence}: {count} words, {entries} shifts, {read}</figcaption></figure>"
    )


def _told(shift: Sequence[str]) -> Iterator[str]:
    start, end, client, job, street, number, city = shift
    yield f"{start}–{end}"
    yield client
    yield job
    yield ", ".join(said for said in (f"{street} {number}".strip(), city) if said)


def _doubts(staging: Staging) -> Shown:
    """Return a cut-out of every shift that is doubted, or whose confidence is low, with what was
    read and why it is doubted, or what vouches for it."""
    rows = staging.rows(
        f"SELECT key, {_COLUMNS}, confidence, review_reasons, checks, crops FROM shifts"
        " WHERE (review_reasons <> '' OR confidence < ?)"  # those of held days stand there
        " AND key NOT IN (SELECT key FROM days WHERE outcome = ?)"
        " ORDER BY review_reasons = '', confidence, key, place",
        [limits.SURE, _HELD],
    )
    if not rows:
        return note("On the days that are not held no shift is in doubt, or of low confidence.")
    doubted = sum(bool(row[-3]) for row in rows)
    caption = (
        f"Shifts to look at: {doubted:,} in doubt, {len(rows) - doubted:,} of low confidence "
        f"(below {limits.SURE:.0f}) that a check vouches for; {min(len(rows), SHOWN_CROPS):,} shown"
    )
    lines = [(row, _why(row[-3], row[-2])) for row in rows[:SHOWN_CROPS]]
    return _beside_crops(staging, caption, lines)


def _beside_crops(
    staging: Staging, caption: str, lines: Sequence[tuple[Sequence[Any], Sequence[str]]]
) -> Shown:
    """Return shifts as a table: the cut-out, what was read, and a line for each doubt."""
    head = "".join(
        f'<th scope="col">{name}</th>' for name in ("crop", "what was read", "confidence", "why")
    )
    text = table(
        caption,
        ["session", "time", "client", "why"],
        [(row[0], f"{row[1]}–{row[2]}", row[3], "; ".join(why)) for row, why in lines],
    ).text
    return Shown(framed(caption, head, "".join(_doubt(staging, *line) for line in lines)), text)


def _why(reasons: str, checks: str) -> list[str]:
    """Return each doubt as a sentence, or what vouches for a shift without one."""
    if reasons:
        return [explained(reason) for reason in reasons.split(", ")]
    vouching = [_VOUCHES[check] for check in checks.split(", ") if check in _VOUCHES]
    return [f"no doubt: {'; '.join(vouching)}" if vouching else "words of it are not sure"]


def _doubt(staging: Staging, row: Sequence[Any], why: Sequence[str]) -> str:
    key, confidence, crops = row[0], row[-4], json.loads(row[-1])
    picture = _crop(staging, key, crops[0]) if crops else ""
    read = " · ".join(said for said in _told(row[1 : 1 + len(_SHIFT)]) if said)
    return (
        f'<tr><td class="crop">{picture}</td><td data-label="read">{escape(read)}</td>'
        f'<td class="number" data-label="confidence">{escape(str(confidence))}</td>'
        f'<td data-label="why">{"<br>".join(map(escape, why))}</td></tr>'
    )


def _crop(staging: Staging, key: str, crop: Sequence[float]) -> str:
    sequence, *box = crop
    of_image = "SELECT local_path FROM images WHERE key = ? AND sequence = ?"
    rows = staging.rows(of_image, [key, int(sequence)])
    return cut_markup(rows[0][0], box, f"image {int(sequence)}") if rows else ""
