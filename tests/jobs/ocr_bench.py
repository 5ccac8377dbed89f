"""A bench to run the OCR job on: committed screenshots, a database of their capture sessions.

Readings are kept in one folder for the whole session of tests, so that each image is read once.
"""

from __future__ import annotations

import datetime as dt
import json
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import psycopg
import pytest
from tests.engine.workshop import Bench, take_steps

from backfill.chunks.chunk_commit import no_step
from backfill.jobs.registry import kind_of
from backfill.notebook.run_book import RunBook
from backfill.ocr.reader.pool import Outcome, read_images
from backfill.ocr.screen.reading import ImageReading
from backfill.ocr.text.dates import DateEvidence
from backfill.records.ledger import Ledger
from backfill.report import Reporter
from backfill.server.database import Database
from backfill.settings import EngineSettings
from backfill.steps.running import apply_run
from backfill.steps.standing import Applied
from backfill.steps.verify import Verification, verify_run
from backfill.workbook import Book, open_run
from backfill_lab.demo.sessions import DemoSession, create_schema, load_sessions, store_snapshot
from backfill_lab.demo.stored import FOLDER, StoredSession, stored_sessions

USER, OTHER = 501, 502
MORNING = dt.time(6, tzinfo=dt.UTC)
SCREENS: dict[str, StoredSession] = {session.name: session for session in stored_sessions()}
FIRST, SECOND, LONG = "plain-0205", "app-0108", "dash-0116"
TABLES = ("day_snapshot", "schedule_event", "schedule_notification")
CAPTURES = ("capture_session", "capture_image")

# What the files of a run hold.
OK_FIELDS = (
    "session_id", "user_id", "source_state", "schedule_date", "resolved_image_dates",
    "inherited_image_count", "image_count", "image_names", "image_details", "total_boxes",
    "shift_count", "shifts", "preview_event_count", "preview_event_types", "applied",
    "persisted_event_count", "persisted_event_types", "swallowed_event_count",
    "stored_notifications", "notifications", "detected_at", "warnings", "status",
)  # fmt: skip
IMAGE_FIELDS = (
    "sequence", "r2_key", "local_path", "sha256", "detected_date", "box_count", "entry_count",
    "ocr_ms", "cached",
)  # fmt: skip
SHIFT_FIELDS = (
    "start", "end", "customer_name", "customer_fingerprint", "street", "street_number",
    "postal_code", "postal_area", "city", "location_fingerprint", "shift_type", "raw_type_label",
)  # fmt: skip
FAILED_FIELDS = (
    "session_id", "user_id", "source_state", "image_count", "image_names", "status",
    "error_stage", "error_type", "error_message",
)  # fmt: skip
REPORT_FIELDS = (
    "started_at", "finished_at", "database_schema", "local_root", "output_dir", "apply",
    "store_notifications", "ocr_lang", "ocr_default_year", "selection", "sessions_total",
    "sessions_ok", "sessions_failed", "sessions_needing_review", "run_id", "plan_id", "sessions",
)  # fmt: skip


def session_id(name: str) -> uuid.UUID:
    return uuid.uuid5(uuid.NAMESPACE_URL, f"test:{name}")


def session_of(
    name: str, user_id: int = USER, *, images: Sequence[str] = (), hours: int = 0, **given: Any
) -> DemoSession:
    """Return a session of committed screenshots, sent on the morning of their day."""
    screen = SCREENS[given.pop("screen", name)]
    sent = dt.datetime.combine(screen.date, MORNING) + dt.timedelta(hours=hours)
    keys = tuple(images) or tuple(f"{screen.name}/{path.name}" for path in screen.images)
    return DemoSession(session_id(name), user_id, sent, keys, **given)


def load_three(dsn: str) -> None:
    """Two sessions of one user and one of another, no day stored yet."""
    load(dsn, [session_of(FIRST), session_of(SECOND), session_of(LONG, OTHER)])


def load_first(dsn: str) -> None:
    load(dsn, [session_of(FIRST)])


def load_chain(dsn: str) -> None:
    """Two sessions of one long day: the first shows the half of it, the second all."""
    half = session_of("half", OTHER, screen=LONG, images=["early/dash-0116-1.jpg"])
    load(dsn, [half, session_of(LONG, OTHER, hours=1)])


def load_none(dsn: str) -> None:
    load(dsn, [])


def load(dsn: str, sessions: Sequence[DemoSession]) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        create_schema(connection)
        load_sessions(connection, sessions)


@dataclass
class OcrBench(Bench):
    """Runs the OCR job on one database; `cache` is the folder of readings."""

    cache: Path = Path()
    root: Path = FOLDER

    def book(self, **given: Any) -> Book:
        """Open the OCR job's notebook, as its second cell does."""
        usual = {"local_root": str(self.root), "cache_dir": str(self.cache), "workers": 1}
        return open_run("ocr", self._with_runs({**usual, **given}))

    def apply_with(
        self, run_id: str, step: Callable[[str], None] = no_step, **engine: Any
    ) -> Applied:
        return apply_run(
            Database(self.dsn, is_embedded=False),
            self.folder(run_id),
            kind_of("ocr"),
            EngineSettings(**engine),
            Reporter(self.events.append, self.folder(run_id)),
            step,
        )

    def verify(self, run_id: str) -> Verification:
        ledger = Ledger(self.connection)
        return verify_run(ledger, ledger.get(run_id), kind_of("ocr"))

    def add(self, *sessions: DemoSession) -> None:
        load_sessions(self.connection, sessions)

    def store(
        self, name: str, payload: Sequence[object], source: str = "", user: int = USER
    ) -> None:
        """Store a day's snapshot as the live worker would have."""
        day = SCREENS[name].date
        store_snapshot(self.connection, user, day, payload, session_id(source or name))

    def stored(self) -> dict[str, list[str]]:
        """Return the tables that the job may write, byte for byte."""
        return {name: self.table(f"schedule_ingest.{name}") for name in TABLES}

    def captures(self) -> dict[str, list[str]]:
        """Return the tables that the job must never write."""
        return {name: self.table(f"schedule_ingest.{name}") for name in CAPTURES}

    def payload(self, name: str, user: int = USER) -> Any:
        """Return the stored snapshot of a screen's day."""
        return self.scalar(
            "SELECT snapshot_payload FROM schedule_ingest.day_snapshot"
            " WHERE user_id = %s AND schedule_date = %s",
            user,
            SCREENS[name].date,
        )

    def payload_or_none(self, name: str, user: int = USER) -> Any:
        """Return the stored snapshot of a screen's day, None when there is none."""
        rows = self.sql(
            "SELECT snapshot_payload FROM schedule_ingest.day_snapshot"
            " WHERE user_id = %s AND schedule_date = %s",
            user,
            SCREENS[name].date,
        )
        return rows[0][0] if rows else None

    def document(self, book: RunBook, name: str) -> dict[str, Any]:
        """Return a session's JSON file in the run's folder."""
        return self.folder(book.run_id).read_json(f"sessions/{session_id(name)}.json")


def take(bench: OcrBench, **given: Any) -> RunBook:
    """Take every step of the OCR notebook."""
    return cast(RunBook, take_steps(bench.book(**given)))


def essentials(shifts: Sequence[dict[str, Any]]) -> list[tuple[str, ...]]:
    """Return of each shift what the drawing says: times, client, place, type and label."""
    names = ("start", "end", "customer_name", "street", "street_number", "city", "shift_type")
    return [tuple(str(shift[name]) for name in names) for shift in shifts]


def truth(name: str) -> list[tuple[str, ...]]:
    """Return what a perfect reading of a committed session gives."""
    names = ("start", "end", "customer", "street", "number", "city", "type")
    return [tuple(shift[key] for key in names) for shift in SCREENS[name].shifts]


def stored_json(path: Path) -> dict[str, Any]:
    document = json.loads(path.read_text(encoding="utf-8"))
    assert isinstance(document, dict)
    return document


def alter_readings(monkeypatch: pytest.MonkeyPatch, alter: Any) -> None:
    """Hand every reading to `alter` before the job sees it."""

    def altered(paths: Iterable[Path], **given: Any) -> Iterator[Outcome]:
        for outcome in read_images(paths, **given):
            yield alter(outcome) if isinstance(outcome, ImageReading) else outcome

    monkeypatch.setattr("backfill.jobs.ocr.job.read_images", altered)


def in_2099(reading: ImageReading) -> ImageReading:
    """A day that nobody who runs these tests will call gone by."""
    return replace(reading, date=DateEvidence(2, 6, year=2099))
