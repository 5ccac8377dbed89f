"""The OCR task: before its tables are looked at, and upon them; one session is one row."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
from psycopg import IsolationLevel

from backfill.display.pages import Shown
from backfill.errors import UsageError
from backfill.jobs.ocr import staged
from backfill.jobs.ocr.correction_sheet import read_corrected, warn_of_idle, write_corrections
from backfill.jobs.ocr.day_state import CHANGES_SCHEMA, chains_of, change_row
from backfill.jobs.ocr.document import cost_of_second_reader, event_types, planned_document
from backfill.jobs.ocr.files import LocatedSession, locate_images
from backfill.jobs.ocr.kind import OcrRuns
from backfill.jobs.ocr.output import write_planned
from backfill.jobs.ocr.reader import ReaderVersions, reader_facts
from backfill.jobs.ocr.reading_view import images_view
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
from backfill.jobs.ocr.staged import day_row, extracted_row, image_row, shift_rows
from backfill.jobs.ocr.tables import Tables, check_tables, is_demo, table_warnings
from backfill.jobs.ocr.views import corrections_view, diff_view
from backfill.jobs.ocr.written_before import tell_of_messages, tell_of_other_days
from backfill.ocr.day.notify import Notification, is_past
from backfill.ocr.day.session import (
    FAILED,
    CaptureSession,
    PlanStatus,
    SessionFailure,
    SessionPlan,
    SessionReading,
    StoredSnapshot,
)
from backfill.ocr.day.session_plan import plan_sessions
from backfill.ocr.day.session_reading import ReadImage
from backfill.ocr.failure import ImageFailure
from backfill.ocr.reader.images import ImageRoot
from backfill.ocr.reader.pool import Outcome, read_images
from backfill.ocr.text.vocabulary import known_towns
from backfill.plans.plan import planned_again
from backfill.plans.staging import Staging
from backfill.plans.worksheet import CORRECTIONS_FILE
from backfill.report import Reporter
from backfill.server.database import Database
from backfill.server.postgres import Connection, connect
from backfill.server.rights import Right
from backfill.skips import Skip
from backfill.steps.task import Decided, Preflight, Work
from backfill.workers.cluster import check_executor, open_executor
from backfill.workers.executor import Executor

JOB_NAME = "ocr"
IMAGES_BETWEEN_REPORTS = 25
DEMO_SCREENSHOTS = Path(__file__).resolve().parents[3] / "backfill_lab/demo/screenshots"


class OcrTask:
    """One run's OCR backfill, before its tables are looked at."""

    name = JOB_NAME
    parts_of_runs = OcrRuns
    staged: Mapping[str, str] = {"shifts": "key, schedule_date, place"}

    def __init__(self, chosen: OcrSettings) -> None:
        self._chosen = chosen
        self._tables = Tables(chosen.schema)

    @property
    def settings(self) -> dict[str, Any]:
        return self._chosen.as_json()

    def needed_rights(self, _connect: object) -> Sequence[Right]:
        """Capture tables are read and never written."""
        return self._tables.rights()

    def preflight(self, connection: Connection, *, writing: bool) -> tuple[OcrSessions, Preflight]:
        """Return the task upon its tables, and how many sessions are selected."""
        chosen, tables = self._chosen, self._tables
        notifying = chosen.store_notifications
        warnings = check_tables(connection, tables, writing=writing, notifying=notifying)
        check_selection(connection, tables, chosen.selection)
        root = self._local_root(connection)
        reader = reader_facts(chosen.engine_choice)
        facts = {
            "schema": tables.schema,
            "local root": str(ImageRoot(root).folder),
            "engine": "{engine} {version}, language data {language_data}".format(**reader),
            "read by": check_executor(
                chosen.scheduler, chosen.workers, ReaderVersions(chosen.engine_choice)
            ),
        }
        warnings += table_warnings(connection, tables, notifying=notifying)
        found = Preflight(
            count_by_user(connection, tables, chosen.selection),
            tuple(warnings),
            facts,
            ("session is selected", "sessions are selected"),
        )
        return OcrSessions(chosen, tables, root, reader), found

    def _local_root(self, connection: Connection) -> Path:
        """Return the folder of the images; without one, the demo's, on the demo's database only."""
        if self._chosen.local_root:
            return self._chosen.local_root
        if is_demo(connection, self._tables):
            return DEMO_SCREENSHOTS
        raise UsageError("Where are the downloaded images? Name their folder: --local-root DIR")


@dataclass(slots=True)
class OcrSessions:
    """The OCR task upon its tables: the sessions that were selected, once they are read."""

    chosen: OcrSettings
    tables: Tables
    root: Path
    reader: Mapping[str, str]
    sessions: Sequence[CaptureSession] = ()
    chains: Mapping[str, Any] = field(default_factory=dict)  # of the days that several write

    counted_kinds = ("updated", "unchanged", "skipped")
    listed_scopes = ()
    idle_words = ("session that is held back for that", "session, or a reading")

    @property
    def _users(self) -> list[int]:
        return sorted({session.user_id for session in self.sessions})

    @property
    def plan_scope(self) -> dict[str, Any]:
        return {"table": self.tables.written, "members": [str(user) for user in self._users]}

    def plan_target(self) -> dict[str, Any]:
        return {
            "schema": self.tables.schema,
            "notify_past": self.chosen.notify_past,
            "chains": self.chains,
            "reader": self.reader,
        }

    def plan_schema(self, _staging: Staging) -> pa.Schema:
        return CHANGES_SCHEMA

    def stage_rows(self, dsn: str, staging: Staging, reporter: Reporter) -> int:
        """Read sessions, snapshots and event keys as of one moment."""
        with connect(dsn, read_only=True) as connection:
            connection.isolation_level = IsolationLevel.REPEATABLE_READ
            with connection.transaction():
                self.sessions = select_sessions(connection, self.tables, self.chosen.selection)
                rows = map(extracted_row, self.sessions)
                staged.stage_tuples(staging, "extracted", staged.EXTRACTED, rows)
                snapshots = snapshots_of(connection, self.tables, self._users)
                staged.stage_tuples(staging, "snapshots", staged.SNAPSHOTS, snapshots)
                keys = event_keys_of(connection, self.tables, self._users)
                staged.stage_tuples(staging, "event_keys", staged.EVENT_KEYS, keys)
        return len(self.sessions)

    def plan_rows(self, work: Work) -> Iterator[Decided]:
        """Read every image, plan the sessions one upon the other, fill the staging tables."""
        chosen, staging = self.chosen, work.staging
        located = locate_images(ImageRoot(self.root), self.sessions)
        images = sum(len(session.paths) for session in located)
        with open_executor(
            chosen.scheduler,
            min(chosen.workers, max(images, 1)),
            ReaderVersions(chosen.engine_choice),
        ) as executor:
            outcomes = list(self._outcomes(located, executor, staging, work.reporter))
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
            options=chosen.options,
        )
        today = dt.datetime.now(dt.UTC).date()
        yield self._decided(plans, snapshots, today, work)
        self._tell(plans, work)
        work.counts = self._counts(plans, today)

    def _outcomes(
        self,
        located: Sequence[LocatedSession],
        executor: Executor,
        staging: Staging,
        reporter: Reporter,
    ) -> Iterator[SessionReading | SessionFailure]:
        """Yield what each session says, in order; only a few images are held at a time."""
        chosen = self.chosen
        paths = [path for session in located for path in session.paths]
        readings = read_images(
            paths,
            engine_factory=chosen.engine_choice,
            cache_folder=chosen.cache_dir,
            executor=executor,
        )
        towns = known_towns(chosen.towns)
        rows = staged.Rows(staging, "images", staged.IMAGES)
        done = 0
        for session in located:
            images = _with_readings(session, readings)
            outcome = read_corrected(
                session.session,
                images,
                chosen.corrections,
                default_year=chosen.default_year,
                towns=towns,
                warnings=session.warnings,
            )
            rows.add(*(image_row(session, image) for image in images))
            before, done = done, done + len(session.paths)
            if done // IMAGES_BETWEEN_REPORTS > before // IMAGES_BETWEEN_REPORTS:
                reporter.message(f"compute: {done:,} of {len(paths):,} images read")
            yield outcome
        rows.flush()

    def _decided(
        self,
        plans: Sequence[SessionPlan],
        snapshots: Mapping[Day, SnapshotRow],
        today: dt.date,
        work: Work,
    ) -> Decided:
        """Write the plans as rows of staging and as documents of the run's folder."""
        changes: list[dict[str, Any]] = []
        skips: list[tuple[int, Skip]] = []
        days = staged.Rows(work.staging, "days", staged.DAYS)
        shifts = staged.Rows(work.staging, "shifts", staged.SHIFTS)
        for position, plan in enumerate(plans):
            stored = self._to_store(plan, today)
            document = planned_document(plan, stored)
            write_planned(work.folder, document)
            days.add(day_row(position, plan, document))
            if skip := _skip_of(plan):
                skips.append((position, skip))
            else:
                changes.append(change_row(plan, position, snapshots, stored))
            if isinstance(plan.outcome, SessionReading):
                shifts.add(*shift_rows(plan.outcome))
        days.flush()
        shifts.flush()
        self.chains = chains_of(changes)
        rows = pa.Table.from_pylist(changes, schema=CHANGES_SCHEMA)
        questions = [question for plan in plans for question in plan.questions]
        used = {answer for plan in plans for _reason, answer in plan.answers}
        return Decided(rows, skips, questions, used)

    def _tell(self, plans: Sequence[SessionPlan], work: Work) -> None:
        """Say what met nothing, what earlier runs wrote, and where doubts are listed."""
        folder, reporter, corrections = work.folder, work.reporter, self.chosen.corrections
        warn_of_idle(plans, corrections, reporter)
        tell_of_other_days(plans, work.staging, folder, reporter)
        if self.chosen.store_notifications:
            tell_of_messages(plans, reporter)
        doubts = write_corrections(folder, plans, corrections)
        if doubts:
            reporter.advise(
                f"Doubts about what was read: {doubts:,}. Say what is right in "
                f"{folder.file(CORRECTIONS_FILE)}, then: "
                + planned_again(folder, "--corrections", folder.run_id)
            )

    def _to_store(self, plan: SessionPlan, today: dt.date) -> tuple[Notification, ...]:
        if not self.chosen.store_notifications:
            return ()
        reading = plan.outcome
        is_kept = self.chosen.notify_past or (
            isinstance(reading, SessionReading) and not is_past(reading.schedule_date, today)
        )
        return plan.notifications if is_kept else ()

    def _counts(self, plans: Sequence[SessionPlan], today: dt.date) -> dict[str, Any]:
        statuses = Counter(plan.status for plan in plans)
        failed, held = statuses[PlanStatus.FAILED], statuses[PlanStatus.HELD]
        readings = [plan.outcome for plan in plans if isinstance(plan.outcome, SessionReading)]
        events = [planned.event for plan in plans for planned in plan.events]
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
            "allowed": {"failed": self.chosen.max_failed, "held": self.chosen.max_held},
        }

    def diff_view(self, staging: Staging) -> Shown:
        return diff_view(staging) + corrections_view(staging)

    def picture(self, staging: Staging, _database: Database) -> Shown:
        """Return every session's shifts beside its images with the boxes that were read."""
        return images_view(staging)


def _value(row: SnapshotRow) -> StoredSnapshot:
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
        return Skip(key, scope, "", FAILED, plan.detail)
    if plan.held_reason:
        return Skip(key, scope, "", plan.held_reason, plan.detail)
    return None
