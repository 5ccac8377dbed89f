"""The OCR job as the engine sees it: preflight, extract, compute; one session is one row."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from psycopg import IsolationLevel

from backfill.decisions import Answers
from backfill.display.pages import Shown
from backfill.errors import UsageError
from backfill.folder import RunFolder
from backfill.jobs.ocr import staged
from backfill.jobs.ocr.correction_sheet import write_corrections
from backfill.jobs.ocr.correction_view import corrections_view
from backfill.jobs.ocr.day_state import CHANGES_SCHEMA, chains_of, change_row
from backfill.jobs.ocr.document import cost_of_second_reader, event_types, planned_document
from backfill.jobs.ocr.files import LocatedSession, locate_images
from backfill.jobs.ocr.kind import OcrKind
from backfill.jobs.ocr.output import write_planned
from backfill.jobs.ocr.reader import ReaderVersions, reader_facts
from backfill.jobs.ocr.reading_view import images_view
from backfill.jobs.ocr.review import read_corrected, warn_of_idle
from backfill.jobs.ocr.rows import day_row, extracted_row, image_row, shift_rows, skip_row
from backfill.jobs.ocr.selection import (
    Day,
    SnapshotRow,
    check_selection,
    count_by_user,
    event_keys_of,
    select_sessions,
    snapshots_of,
)
from backfill.jobs.ocr.settings import OcrSettings
from backfill.jobs.ocr.table_warnings import table_warnings
from backfill.jobs.ocr.tables import Tables, check_tables, is_demo, missing_grants
from backfill.jobs.ocr.views import diff_view
from backfill.jobs.ocr.written_before import tell_of_messages, tell_of_other_days
from backfill.ocr.failure import ImageFailure
from backfill.ocr.images import ImageRoot
from backfill.ocr.notify import Notification, is_past
from backfill.ocr.pool import Outcome, read_images
from backfill.ocr.session import (
    CaptureSession,
    PlanStatus,
    SessionFailure,
    SessionPlan,
    SessionReading,
    StoredSnapshot,
)
from backfill.ocr.session_plan import plan_sessions
from backfill.ocr.session_reading import ReadImage
from backfill.ocr.vocabulary import known_towns
from backfill.plans.plan import planned_again, write_changes
from backfill.plans.staging import Staging
from backfill.plans.worksheet import CORRECTIONS_FILE, QUESTIONS_SCHEMA, questions_table
from backfill.report import Reporter
from backfill.server.database import Database
from backfill.server.grants import Right
from backfill.server.postgres import Connection, connect
from backfill.server.session import Session
from backfill.skips import Skip, SkipReason
from backfill.steps.job import Computation, Job, JobKind, Preflight
from backfill.workers.cluster import check_executor, open_executor
from backfill.workers.executor import Executor

JOB_NAME = "ocr"
IMAGES_BETWEEN_REPORTS = 25
DEMO_SCREENSHOTS = Path(__file__).resolve().parents[3] / "backfill_lab/demo/screenshots"


class OcrJob(Job):
    """One run's OCR backfill."""

    name = JOB_NAME

    def __init__(self, settings: OcrSettings) -> None:
        self._settings = settings
        self._tables = Tables(settings.schema)
        self._sessions: list[CaptureSession] = []
        self._chains: dict[str, Any] = {}
        self._reader: dict[str, str] = {}

    @property
    def kind(self) -> JobKind:
        return OcrKind()

    def rights(self, connect: Callable[[], Session]) -> Sequence[Right]:
        """Capture tables are read and never written."""
        return self._tables.rights()

    @property
    def scope(self) -> dict[str, Any]:
        users = sorted({session.user_id for session in self._sessions})
        return {"table": self._tables.written, "members": [str(user) for user in users]}

    @property
    def settings(self) -> dict[str, Any]:
        return self._settings.as_json()

    @property
    def answers(self) -> Answers:
        return self._settings.options.answers

    def target(self) -> dict[str, Any]:
        return {
            "schema": self._tables.schema,
            "notify_past": self._settings.notify_past,
            "chains": self._chains,
            "reader": self._reader,
        }

    def preflight(self, connection: Connection, *, writing: bool) -> Preflight:
        settings = self._settings
        notifying = settings.store_notifications
        check_tables(connection, self._tables, writing=writing, notifying=notifying)
        check_selection(connection, self._tables, settings.selection)
        root = ImageRoot(self._local_root(connection)).folder
        self._reader = reader_facts(settings.engine_choice)
        runs_on = check_executor(
            settings.scheduler, settings.workers, ReaderVersions(settings.engine_choice)
        )
        grants = missing_grants(connection, self._tables, writing=True, notifying=notifying)
        warnings = table_warnings(connection, self._tables, notifying=notifying)
        if grants:
            warnings.append(f"To apply, this role will need: {' '.join(grants)}")
        return Preflight(
            count_by_user(connection, self._tables, settings.selection),
            tuple(warnings),
            {
                "schema": self._tables.schema,
                "local root": str(root),
                "engine": "{engine} {version}, language data {language_data}".format(
                    **self._reader
                ),
                "read by": runs_on,
            },
            ("session is selected", "sessions are selected"),
        )

    def _local_root(self, connection: Connection) -> Path:
        """Return the folder of the images; without one, the demo's, on the demo's database only."""
        if self._settings.local_root:
            return self._settings.local_root
        if is_demo(connection, self._tables):
            return DEMO_SCREENSHOTS
        raise UsageError("Where are the downloaded images? Name their folder: --local-root DIR")

    def extract(self, dsn: str, staging: Staging, reporter: Reporter) -> int:
        for table, schema in (
            ("extracted", staged.EXTRACTED),
            ("snapshots", staged.SNAPSHOTS),
            ("event_keys", staged.EVENT_KEYS),
        ):
            staging.create(table, schema)
        with connect(dsn, read_only=True) as connection:
            self._root = self._local_root(connection)
            connection.isolation_level = IsolationLevel.REPEATABLE_READ
            with connection.transaction():
                self._read(connection, staging)
        return len(self._sessions)

    def _read(self, connection: Connection, staging: Staging) -> None:
        """Read sessions, snapshots and event keys as of one moment."""
        tables = self._tables
        self._sessions = select_sessions(connection, tables, self._settings.selection)
        users = sorted({session.user_id for session in self._sessions})
        staged.append_tuples(
            staging, "extracted", staged.EXTRACTED, map(extracted_row, self._sessions)
        )
        staged.append_tuples(
            staging, "snapshots", staged.SNAPSHOTS, snapshots_of(connection, tables, users)
        )
        staged.append_tuples(
            staging, "event_keys", staged.EVENT_KEYS, event_keys_of(connection, tables, users)
        )

    def changes_schema(self) -> pa.Schema:
        return CHANGES_SCHEMA

    def compute(self, staging: Staging, folder: RunFolder, reporter: Reporter) -> Computation:
        """Read every image, plan the sessions one upon the other, fill the staging tables."""
        staging.create("skips", staged.SKIPS)
        staging.create("questions", QUESTIONS_SCHEMA)
        settings = self._settings
        located = locate_images(ImageRoot(self._root), self._sessions)
        images = sum(len(session.paths) for session in located)
        with open_executor(
            settings.scheduler,
            min(settings.workers, max(images, 1)),
            ReaderVersions(settings.engine_choice),
        ) as executor:
            outcomes = list(self._outcomes(located, executor, staging, reporter))
        days = {
            (outcome.session.user_id, outcome.schedule_date)
            for outcome in outcomes
            if isinstance(outcome, SessionReading)
        }
        snapshots, keys = staged.stored_days(staging, days)
        plans = plan_sessions(
            outcomes,
            {day: _value(row) for day, row in snapshots.items()},
            stored_event_keys=keys,
            options=settings.options,
        )
        return self._stage(plans, snapshots, staging, folder, reporter)

    def _outcomes(
        self,
        located: Sequence[LocatedSession],
        executor: Executor,
        staging: Staging,
        reporter: Reporter,
    ) -> Iterator[SessionReading | SessionFailure]:
        """Yield what each session says, in order; only a few images are held at a time."""
        settings = self._settings
        paths = [path for session in located for path in session.paths]
        readings = read_images(
            paths,
            engine_factory=settings.engine_choice,
            cache_folder=settings.cache_dir,
            executor=executor,
        )
        towns = known_towns(settings.towns)
        rows = staged.Rows(staging, "images", staged.IMAGES)
        done = 0
        for session in located:
            images = _with_readings(session, readings)
            outcome = read_corrected(
                session.session,
                images,
                settings.corrections,
                default_year=settings.default_year,
                towns=towns,
                warnings=session.warnings,
            )
            rows.add(*(image_row(session, image) for image in images))
            before, done = done, done + len(session.paths)
            if done // IMAGES_BETWEEN_REPORTS > before // IMAGES_BETWEEN_REPORTS:
                reporter.message(f"compute: {done:,} of {len(paths):,} images read")
            yield outcome
        rows.flush()

    def _stage(
        self,
        plans: Sequence[SessionPlan],
        snapshots: Mapping[Day, SnapshotRow],
        staging: Staging,
        folder: RunFolder,
        reporter: Reporter,
    ) -> Computation:
        """Write the plans as rows of staging and as documents of the run's folder."""
        changes: list[dict[str, Any]] = []
        skips: list[tuple[int, Skip]] = []
        by_scope: Counter[tuple[str, str]] = Counter()
        today = dt.datetime.now(dt.UTC).date()
        days = staged.Rows(staging, "days", staged.DAYS)
        shifts = staged.Rows(staging, "shifts", staged.SHIFTS)
        for position, plan in enumerate(plans):
            stored = self._to_store(plan, today)
            document = planned_document(plan, stored)
            write_planned(folder, document)
            days.add(day_row(position, plan, document))
            if skip := _skip_of(plan):
                skips.append((position, skip))
                reporter.skips([skip])
                by_scope[(skip.scope, "skipped")] += 1
            else:
                row = change_row(plan, position, snapshots, stored)
                changes.append(row)
                kind = "updated" if row["kind"] == "changed" else "unchanged"
                by_scope[(row["scope"], kind)] += 1
            if isinstance(plan.outcome, SessionReading):
                shifts.add(*shift_rows(plan.outcome))
        days.flush()
        shifts.flush()
        rows = pa.Table.from_pylist(changes, schema=CHANGES_SCHEMA)
        write_changes(folder, [rows], CHANGES_SCHEMA)
        staged.append_rows(staging, "skips", staged.SKIPS, (skip_row(*skip) for skip in skips))
        questions = [question for plan in plans for question in plan.questions]
        staging.append("questions", questions_table(questions))
        corrections = self._settings.corrections
        warn_of_idle(plans, self.answers, corrections, reporter)
        tell_of_other_days(plans, staging, folder, reporter)
        if self._settings.store_notifications:
            tell_of_messages(plans, reporter)
        doubts = write_corrections(folder, plans, corrections)
        if doubts:
            reporter.message(
                f"Doubts about what was read: {doubts:,}. Say what is right in "
                f"{folder.file(CORRECTIONS_FILE)}, then: "
                + planned_again(folder, "--corrections", folder.run_id)
            )
        self._chains = chains_of(changes)
        writing = sum(plan.is_writing for plan in plans)
        return Computation(len(plans), writing, len(skips), self._counts(plans, by_scope, today))

    def _to_store(self, plan: SessionPlan, today: dt.date) -> tuple[Notification, ...]:
        if not self._settings.store_notifications:
            return ()
        return tuple(
            entry
            for entry in plan.notifications
            if self._settings.notify_past or not is_past(entry.schedule_date, today)
        )

    def _counts(
        self, plans: Sequence[SessionPlan], by_scope: Counter[tuple[str, str]], today: dt.date
    ) -> dict[str, Any]:
        statuses = Counter(plan.status for plan in plans)
        failed, held = statuses[PlanStatus.FAILED], statuses[PlanStatus.HELD]
        readings = [plan.outcome for plan in plans if isinstance(plan.outcome, SessionReading)]
        events = [planned.event for plan in plans for planned in plan.events]
        kinds = ("updated", "unchanged", "skipped")
        return {
            "sessions": {
                "sessions_total": len(plans),
                "sessions_ok": len(plans) - failed - held,
                "sessions_failed": failed,
                "sessions_needing_review": sum(bool(r.all_review_reasons) for r in readings),
                "sessions_held": held,
                "sessions_unchanged": statuses[PlanStatus.UNCHANGED],
                "sessions_snapshot_only": statuses[PlanStatus.SNAPSHOT_ONLY],
                "second_reader": cost_of_second_reader(plans),
            },
            "events": {
                "planned_event_count": len(events),
                "planned_event_types": event_types(events),
                "planned_swallowed_event_count": sum(len(plan.swallowed) for plan in plans),
                "planned_notifications": sum(len(self._to_store(p, today)) for p in plans),
            },
            "allowed": {"failed": self._settings.max_failed, "held": self._settings.max_held},
            "by_scope": {
                scope: {kind: by_scope[(scope, kind)] for kind in kinds}
                for scope in sorted({name for name, _kind in by_scope})
            },
        }

    def diff_view(self, staging: Staging) -> Shown:
        """Return what a person reads before approving."""
        return diff_view(staging) + corrections_view(staging)

    def picture(self, staging: Staging, database: Database) -> Shown:
        """Return every session's shifts beside its images with the boxes that were read."""
        return images_view(staging)


def _value(row: SnapshotRow) -> StoredSnapshot:
    import uuid

    return StoredSnapshot(
        json.loads(row.payload), uuid.UUID(row.source_session_id), row.source_created_at
    )


def _with_readings(session: LocatedSession, readings: Iterator[Outcome]) -> list[ReadImage]:
    """Return the session's images with their outcomes, taking from `readings` what is its own."""
    is_complete = bool(session.paths)
    images = []
    for located in session.images:
        outcome: Outcome
        if isinstance(located.found, ImageFailure):
            outcome = located.found
        elif is_complete:
            outcome = next(readings)
        else:
            continue  # another image is missing: this one was not read
        images.append(ReadImage(located.image, located.local_path, outcome))
    return images


def _skip_of(plan: SessionPlan) -> Skip | None:
    key, scope = str(plan.session.id), str(plan.session.user_id)
    if plan.status is PlanStatus.FAILED:
        return Skip(key, scope, "", SkipReason.SESSION_FAILED, plan.detail)
    if plan.held_reason:
        return Skip(key, scope, "", SkipReason(plan.held_reason.value), plan.detail)
    return None
