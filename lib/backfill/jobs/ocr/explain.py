"""Why a day is what it is: the images with their boxes, the words, the parse, checks, the diff."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from backfill.archive.evidence import RUN_FILE
from backfill.archive.trace import Trace
from backfill.display.explanation import Explanation, facts, remarks
from backfill.display.pages import Shown, table
from backfill.errors import StorageError
from backfill.jobs.ocr.crops import BoxedWord, cut_markup, is_inside, thumbnail
from backfill.jobs.ocr.output import session_file
from backfill.jobs.ocr.settings import default_cache_dir
from backfill.ocr.reader.cache import find_reading
from backfill.ocr.shift import Entry


def explain_session(trace: Trace) -> Explanation:
    """Return how a session's day came about, from what was traced; nothing is read by OCR again."""
    session = _session(trace)
    images = _images(trace, session)
    change = trace.change or {}
    stored = _stored(change)
    document: dict[str, Any] = {
        "run_id": trace.source.run_id,
        "job": trace.source.facts.job,
        "key": trace.key,
        "user_id": session.get("user_id") or change.get("scope"),
        "schedule_date": session.get("schedule_date")
        or (change.get("source") or {}).get("schedule_date"),
        "outcome": trace.outcome,
        "now": trace.now,
        "planned": session.get("outcome") or session.get("status"),
        "held_reason": session.get("held_reason"),
        "error": session.get("error_message"),
        "decisions": session.get("decisions", []),
        "corrections": session.get("corrections", []),
        "warnings": session.get("warnings", []),
        "images": [{k: v for k, v in image.items() if k != "words"} for image in images],
        "shifts": [_shift(shift, session, images) for shift in session.get("shifts", stored)],
        "events": session.get("preview_events") or _events(change),
        "notifications": [n["message"] for n in session.get("notifications", [])],
        "reader": trace.source.facts.target.get("reader"),
        "notes": [*trace.notes, *_missing(session, images)],
    }
    return Explanation(document, _view(document, images))


def _session(trace: Trace) -> dict[str, Any]:
    """Return the session's JSON file of the run's folder, empty where that is gone."""
    if trace.source.folder is None:
        return {}
    with contextlib.suppress(StorageError):
        return trace.source.folder.read_json(session_file(trace.key))
    return {}


def _stored(change: Mapping[str, Any]) -> list[dict[str, Any]]:
    payload = (change.get("after") or {}).get("payload")
    return json.loads(payload) if payload else []


def _events(change: Mapping[str, Any]) -> list[dict[str, Any]]:
    events = json.loads((change.get("after") or {}).get("events") or "[]")
    return [
        {"event_type": e["event_type"], "old": e["old_value"], "new": e["new_value"]}
        for e in events
    ]


def _images(trace: Trace, session: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the images with the words and the parse that were kept of them."""
    staged = _staged_words(trace)
    cache = _cache_dir(trace)
    reader = trace.source.facts.target.get("reader") or {}
    images = []
    for detail in session.get("image_details", []):
        image = {name: detail[name] for name in ("sequence", "r2_key", "local_path", "sha256")}
        reading = find_reading(cache, reader, detail["sha256"]) if detail["sha256"] else None
        words = staged.get(detail["sequence"])
        entries: tuple[Entry, ...] = ()
        if reading is not None:
            entries = reading.entries
            words = [
                [w.text, *(round(v) for v in (w.left, w.top, w.width, w.height)), w.confidence]
                for w in reading.words
            ]
        images.append({**image, "words": words, "entries": [_parse(entry) for entry in entries]})
    return images


def _parse(entry: Entry) -> dict[str, Any]:
    """Return one card as it was taken apart, before its letters were mended."""
    lefts, tops = [w.left for w in entry.words], [w.top for w in entry.words]
    return {
        "times": f"{entry.start}–{entry.end}",
        "title": entry.title,
        "location": entry.location,
        "address": entry.address,
        "duration_minutes": entry.duration_minutes,
        "flags": list(entry.flags),
        "corner": [round(min(lefts), 1), round(min(tops), 1)] if entry.words else None,
    }


def _staged_words(trace: Trace) -> dict[int, list[BoxedWord]]:
    """Return the words of each image from the run's working copy, where that is there."""
    rows = trace.staged("SELECT sequence, words FROM images WHERE key = ?")
    return {int(sequence): json.loads(words) for sequence, words in rows}


def _cache_dir(trace: Trace) -> Path:
    named = ""
    if trace.source.folder is not None:
        with contextlib.suppress(StorageError):
            named = trace.source.folder.read_json(RUN_FILE)["parameters"].get("cache_dir", "")
    return Path(named) if named else default_cache_dir()


def _missing(session: Mapping[str, Any], images: Sequence[Mapping[str, Any]]) -> list[str]:
    if not session:
        return [
            "Images, words and checks are told by the session's file in the run's folder, which is "
            "not there: shown is what the database holds of the change."
        ]
    gone = [str(image["local_path"]) for image in images if not Path(image["local_path"]).is_file()]
    notes = [f"The image {path} is not there any more." for path in gone]
    if any(image["words"] is None for image in images):
        notes.append("Not every word is kept: neither working copy nor cache has the reading.")
    return notes


def _shift(
    shift: Mapping[str, Any], session: Mapping[str, Any], images: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    by_sequence = {image["sequence"]: image for image in images}
    boxes = []
    words: list[dict[str, Any]] = []
    parses = []
    for crop in shift.get("source_crops", []):
        image = by_sequence.get(crop["sequence"])
        if image is None:
            continue
        box = [crop[name] for name in ("left", "top", "width", "height")]
        boxes.append({"image": image["local_path"], "sequence": crop["sequence"], "box": box})
        words += [
            {"text": word[0], "box": word[1:5], "confidence": word[5], "sequence": crop["sequence"]}
            for word in image["words"] or ()
            if is_inside(word, box)
        ]
        parses += [entry for entry in image["entries"] if entry["corner"] == box[:2]]
    fields = {name: value for name, value in shift.items() if name != "source_crops"}
    return {
        **fields,
        "boxes": boxes,
        "words": words,
        "parses": parses,
        "events": [
            event
            for event in session.get("preview_events", [])
            if any(_is_same(event[side], shift) for side in ("old", "new"))
        ],
    }


def _is_same(event_side: Mapping[str, str] | None, shift: Mapping[str, Any]) -> bool:
    return event_side is not None and all(shift[name] == v for name, v in event_side.items())


def _view(document: Mapping[str, Any], images: Sequence[Mapping[str, Any]]) -> Shown:
    shown = facts(
        f"Session {document['key']} of run {document['run_id']}",
        [
            ("user", str(document["user_id"])),
            ("day", document["schedule_date"]),
            ("what became of it", document["outcome"]),
            ("in the database now", document["now"]),
            ("error", document["error"]),
            ("warnings", "; ".join(document["warnings"])),
            *(("decided", _decision(line)) for line in document["decisions"]),
            *(("corrected", _correction(line)) for line in document["corrections"]),
            *(("event", _event(event)) for event in document["events"]),
            *(("message", message) for message in document["notifications"]),
            *(("image", image["local_path"]) for image in document["images"]),
        ],
    )
    pictures = "".join(
        thumbnail(i["sequence"], i["r2_key"], i["local_path"], json.dumps(i["words"] or []))
        for i in images
    )
    shown += Shown(pictures, "")
    for place, shift in enumerate(document["shifts"], start=1):
        shown += _shift_view(place, shift)
    return shown + remarks(document["notes"])


def _shift_view(place: int, shift: Mapping[str, Any]) -> Shown:
    address = f"{shift['street']} {shift['street_number']}, {shift['city']}".strip(" ,")
    checks = shift.get("checks", [])
    shown = facts(
        f"Shift {place}: {shift['start']}–{shift['end']} {shift['customer_name']}".rstrip(),
        [
            ("label", shift["raw_type_label"]),
            ("type", shift["shift_type"]),
            ("address", address),
            ("checks passed", ", ".join(checks)),
            ("checks failed", ", ".join(shift.get("review_reasons", []))),
            ("confidence of its surest card", str(shift.get("confidence", ""))),
            *(("read on", _box(box)) for box in shift["boxes"]),
            *(("card as read", _card(parse)) for parse in shift["parses"]),
            *(("event", _event(event)) for event in shift["events"]),
        ],
    )
    for box in shift["boxes"]:
        says = f"shift {place} on image {box['sequence']}"
        shown += Shown(cut_markup(box["image"], box["box"], says), "")
    if not shift["words"]:
        return shown
    return shown + table(
        f"Words of shift {place} ({len(shift['words'])})",
        ["word", "confidence", "image", "left", "top", "width", "height"],
        [(w["text"], round(w["confidence"]), w["sequence"], *w["box"]) for w in shift["words"]],
    )


def _box(box: Mapping[str, Any]) -> str:
    left, top, width, height = box["box"]
    return f"{box['image']}, left {left} top {top} width {width} height {height} px"


def _card(parse: Mapping[str, Any]) -> str:
    parts = (parse["times"], parse["title"], parse["location"], parse["address"])
    text = " / ".join(str(part).replace("\n", " | ") for part in parts if part)
    flags = f" ({', '.join(parse['flags'])})" if parse["flags"] else ""
    return f"{text}{flags}"


def _event(event: Mapping[str, Any]) -> str:
    sides = [_line(event[side]) for side in ("old", "new") if event[side]]
    return f"{event['event_type']}: {' → '.join(sides)}"


def _line(value: Mapping[str, str]) -> str:
    parts = (f"{value['start']}–{value['end']}", value["customer_name"], value["raw_type_label"])
    return " ".join(part for part in parts if part)


def _decision(line: Mapping[str, str]) -> str:
    return f"{line['of']}: {line['decision']}{_by(line)}"


def _correction(line: Mapping[str, Any]) -> str:
    return f"{line['field']}: read {line['read']!r}, right {line['right']!r}{_by(line)}"


def _by(line: Mapping[str, str]) -> str:
    who = ", ".join(line[name] for name in ("by", "at") if line.get(name))
    return f" ({who})" if who else ""
