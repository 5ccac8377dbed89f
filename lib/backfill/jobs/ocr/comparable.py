"""An OCR run as a table of texts: sessions, shifts, events; and what explains differences."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from backfill.archive.run_facts import RunFacts
from backfill.folder import RunFolder
from backfill.jobs.ocr.output import SESSIONS_FOLDER
from backfill.ocr.shift import Shift
from backfill.steps.laid_out import causes_of_writing
from backfill.steps.task import Cause

if TYPE_CHECKING:
    import duckdb

_FINGERPRINTS = ("customer_fingerprint", "location_fingerprint")
_SHIFT_FIELDS = tuple(f.name for f in fields(Shift) if f.name not in _FINGERPRINTS)
_SESSION_FIELDS = ("schedule_date", "status", "outcome", "held_reason", "error_stage", "error_type")
_NAMES = (
    *("what", "key", "scope", "images", "doubts", "old", "new"),
    *_SESSION_FIELDS,
    *_SHIFT_FIELDS,
)
_SCHEMA = pa.schema([pa.field(name, pa.string()) for name in _NAMES])
_BATCH_SESSIONS = 500


def lay_out(connection: duckdb.DuckDBPyConnection, folder: RunFolder, name: str) -> None:
    """Make the table `name`: a row for each session, each shift and each event of it."""
    connection.register("incoming", _SCHEMA.empty_table())
    connection.execute(f"CREATE TABLE {name} AS FROM incoming")
    batch: list[dict[str, Any]] = []
    paths = sorted(folder.file(SESSIONS_FOLDER).glob("*.json"))
    for place, path in enumerate(paths, start=1):
        batch += _rows(json.loads(path.read_text(encoding="utf-8")))
        if place % _BATCH_SESSIONS == 0 or place == len(paths):
            connection.register("incoming", pa.Table.from_pylist(batch, schema=_SCHEMA))
            connection.execute(f"INSERT INTO {name} FROM incoming")
            batch = []
    connection.unregister("incoming")


def _rows(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    session = str(document["session_id"])
    images = ", ".join(str(image.get("sha256"))[:12] for image in document.get("image_details", ()))
    shared = {"scope": str(document["user_id"]), "images": images}
    yield {
        **shared,
        "what": "session",
        "key": session,
        **{name: document[name] for name in _SESSION_FIELDS if document.get(name)},
    }
    seen: Counter[str] = Counter()
    for shift in document.get("shifts", ()):
        # Two shifts of one day may begin together: the second one is numbered.
        key = f"{session} {document.get('schedule_date', '')} {shift['start']}"
        seen[key] += 1
        yield {
            **shared,
            "what": "shift",
            "key": key if seen[key] == 1 else f"{key} ({seen[key]})",
            "doubts": ", ".join(shift.get("review_reasons", ())),
            **{name: shift.get(name, "") for name in _SHIFT_FIELDS},
        }
    for event in document.get("preview_events", ()):
        old, new = event.get("old") or {}, event.get("new") or {}
        start = (new or old).get("start", "")
        key = f"{session} {document.get('schedule_date', '')} {event['event_type']} {start}"
        seen[key] += 1
        yield {
            **shared,
            "what": "event",
            "key": key if seen[key] == 1 else f"{key} ({seen[key]})",
            "old": _line(old),
            "new": _line(new),
        }


def _line(shift: Mapping[str, Any]) -> str:
    return " ".join(str(shift[name]) for name in _SHIFT_FIELDS if shift.get(name))


def causes(before: RunFacts, after: RunFacts) -> Iterator[Cause]:
    """Yield what may explain a difference, the surest first."""
    a, b = (facts.plan.get("settings") or {} for facts in (before, after))
    if a.get("selection") != b.get("selection"):
        yield Cause(
            "(a.key IS NULL OR b.key IS NULL) AND split_part(coalesce(a.key, b.key), ' ', 1)"
            " NOT IN (SELECT x.key FROM a AS x JOIN b AS y USING (key) WHERE x.what = 'session')",
            "selection of the sessions",
        )
    yield from causes_of_writing(before, after)
    yield Cause("a.images IS DISTINCT FROM b.images AND a.key = b.key", "the image files differ")
    readers = [(facts.plan.get("target") or {}).get("reader") or {} for facts in (before, after)]
    read = [
        f"{name}: {readers[0].get(name)} → {readers[1].get(name)}"
        for name in dict.fromkeys([*readers[0], *readers[1]])
        if readers[0].get(name) != readers[1].get(name)
    ]
    settings = [
        f"{name}: {_short(a.get(name))} → {_short(b.get(name))}"
        for name in dict.fromkeys([*a, *b])
        if name not in ("selection", "decisions", "local_root") and a.get(name) != b.get(name)
    ]
    if a.get("decisions") != b.get("decisions"):
        settings.insert(0, "decisions of persons")
    if read:
        yield Cause("coalesce(a.what, b.what) = 'shift'", "; ".join(read))
    if read or settings:
        yield Cause("coalesce(a.what, b.what) <> ''", "; ".join([*settings, *read]))
    yield Cause(
        "coalesce(a.what, b.what) IN ('event', 'session')",
        "the stored days are others than before: something wrote them between the runs",
    )


def _short(value: Any) -> str:
    return str(value)[:80]
