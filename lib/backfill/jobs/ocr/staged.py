"""The job's tables in the run's DuckDB file, for the steps after extract and for analysts.

extracted   a session: key, scope (user), state, created_at, image_count
snapshots   a stored day of a selected user
event_keys  a unique key of a stored event of a selected user
images      an image: where it lies, its size, what was read, how long that took, or its failure
shifts      a shift that was read: session, user, date, twelve fields, confidence, doubts
days        a session's plan: date, outcome, reason, events, and its JSON document
changes, skips   the engine's
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, fields
from typing import Any

import pyarrow as pa

from backfill.jobs.ocr.files import LocatedSession
from backfill.jobs.ocr.selection import Day, SnapshotRow
from backfill.ocr.day.schedule_event import EventKey
from backfill.ocr.day.session import CaptureSession, SessionPlan, SessionReading
from backfill.ocr.day.session_reading import ReadImage
from backfill.ocr.failure import ImageFailure
from backfill.ocr.screen.reading import ImageReading
from backfill.ocr.shift import Shift
from backfill.plans.staging import Staging

_WHOLE, _DAY = pa.int64(), pa.date32()
_INSTANT = pa.timestamp("us", tz="UTC")


def _texts(*names: str) -> list[pa.Field]:
    return [pa.field(name, pa.string()) for name in names]


EXTRACTED = pa.schema(
    [*_texts("key", "scope", "state"), ("created_at", _INSTANT), ("image_count", _WHOLE)]
)
SNAPSHOTS = pa.schema(
    [
        *(("user_id", _WHOLE), ("schedule_date", _DAY)),
        *_texts("payload", "source_session_id", "updated_at"),
        ("source_created_at", _INSTANT),
    ]
)
EVENT_KEYS = pa.schema(
    [
        *(("user_id", _WHOLE), ("schedule_date", _DAY)),
        *_texts("location_fingerprint", "event_type", "old_value_hash", "new_value_hash"),
    ]
)
IMAGES = pa.schema(
    [
        *_texts("key"),
        ("sequence", _WHOLE),
        *_texts("r2_key", "local_path", "sha256"),
        *(("width", _WHOLE), ("height", _WHOLE)),
        *_texts("words"),  # JSON: [text, left, top, width, height, confidence] each
        *(("entry_count", _WHOLE), ("ocr_ms", pa.float64()), ("cached", pa.bool_())),
        *_texts("error_stage", "error_type", "error_message"),
    ]
)
SHIFTS = pa.schema(
    [
        *_texts("key", "scope"),
        *(("schedule_date", _DAY), ("place", _WHOLE)),  # place 1 is the first of its day
        *_texts(*(field.name for field in fields(Shift))),
        ("confidence", pa.float64()),
        *_texts("checks", "review_reasons"),
        *_texts("crops"),  # JSON: [sequence, left, top, width, height] each
    ]
)
DAYS = pa.schema(
    [
        ("position", _WHOLE),
        *_texts("key", "scope", "outcome", "reason", "detail"),
        ("schedule_date", _DAY),
        *_texts("document"),
    ]
)


class Rows:
    """Rows on their way to a table: DuckDB takes many at once far faster than one by one."""

    def __init__(self, staging: Staging, table: str, schema: pa.Schema, most: int = 100) -> None:
        """No more than `most` rows are kept before they are passed on."""
        staging.create(table, schema)
        self._staging, self._table, self._schema, self._most = staging, table, schema, most
        self._rows: list[Mapping[str, Any]] = []

    def add(self, *rows: Mapping[str, Any]) -> None:
        """Keep rows, and pass them on when there are enough."""
        self._rows += rows
        if len(self._rows) >= self._most:
            self.flush()

    def flush(self) -> None:
        """Pass on what is kept."""
        self._staging.append(self._table, pa.Table.from_pylist(self._rows, schema=self._schema))
        self._rows = []


def stage_tuples(
    staging: Staging, table: str, schema: pa.Schema, rows: Iterable[Sequence[Any]]
) -> None:
    """Make a table of rows given in the order of the columns, a batch at a time."""
    staged = Rows(staging, table, schema, _BATCH_ROWS)
    for row in rows:
        staged.add(dict(zip(schema.names, row, strict=True)))
    staged.flush()


def stored_days(staging: Staging, days: set[Day]) -> tuple[dict[Day, SnapshotRow], list[EventKey]]:
    """Return the staged snapshots and event keys of the days that were read."""
    snapshots = {
        (row[0], row[1]): SnapshotRow(row[2], row[3], row[4], _aware(row[5]))
        for row in staging.rows(
            "SELECT user_id, schedule_date, payload, source_session_id, updated_at,"
            " epoch_us(source_created_at) FROM snapshots"
        )
        if (row[0], row[1]) in days
    }
    keys = [EventKey(*row) for row in staging.rows("FROM event_keys") if (row[0], row[1]) in days]
    return snapshots, keys


def _aware(microseconds: int | None) -> dt.datetime | None:
    """DuckDB would need pytz to return an aware datetime."""
    if microseconds is None:
        return None
    return dt.datetime.fromtimestamp(0, dt.UTC) + dt.timedelta(microseconds=microseconds)


_BATCH_ROWS = 5_000


def extracted_row(session: CaptureSession) -> tuple[Any, ...]:
    """Return a session's row of `extracted`."""
    images = len(session.images)
    return str(session.id), str(session.user_id), session.state, session.created_at, images


def image_row(session: LocatedSession, image: ReadImage) -> dict[str, Any]:
    """Return an image's row of `images`: what was read, or its failure."""
    reading = image.outcome if isinstance(image.outcome, ImageReading) else None
    failure = image.outcome if isinstance(image.outcome, ImageFailure) else None
    words = [
        [w.text, round(w.left), round(w.top), round(w.width), round(w.height), round(w.confidence)]
        for w in (reading.words if reading else ())
    ]
    return {
        "key": str(session.session.id),
        "sequence": image.image.sequence,
        "r2_key": image.image.r2_key,
        "local_path": image.local_path,
        "sha256": reading.sha256 if reading else None,
        "width": reading.width if reading else None,
        "height": reading.height if reading else None,
        "words": json.dumps(words, ensure_ascii=False),
        "entry_count": len(reading.entries) if reading else 0,
        "ocr_ms": reading.ocr_ms if reading else None,
        "cached": reading.is_cached if reading else None,
        "error_stage": failure.stage.value if failure else None,
        "error_type": failure.kind if failure else None,
        "error_message": failure.message if failure else None,
    }


def shift_rows(reading: SessionReading) -> Iterator[dict[str, Any]]:
    """Yield a session's rows of `shifts`."""
    pairs = zip(reading.shifts, reading.evidence, strict=True)
    for place, (shift, evidence) in enumerate(pairs, start=1):
        yield {
            "key": str(reading.session.id),
            "scope": str(reading.session.user_id),
            "schedule_date": reading.schedule_date,
            "place": place,
            **shift.as_json(),
            "confidence": evidence.confidence,
            "checks": ", ".join(evidence.checks),
            "review_reasons": ", ".join(evidence.review_reasons),
            "crops": json.dumps(list(map(astuple, evidence.crops))),
        }


def day_row(position: int, plan: SessionPlan, document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a session's row of `days`; `document` is its JSON file."""
    reading = plan.outcome
    return {
        "position": position,
        "key": str(plan.session.id),
        "scope": str(plan.session.user_id),
        "outcome": plan.status.value,
        "reason": plan.held_reason.value if plan.held_reason else "",
        "detail": plan.detail,
        "schedule_date": reading.schedule_date if isinstance(reading, SessionReading) else None,
        "document": json.dumps(document, ensure_ascii=False),
    }
