"""What earlier runs wrote of the sessions at hand: days that they stand on no more, messages.

A day that a person corrects after an apply leaves the other day as it was written: a run changes
the day it plans, and no other. So it is told, with the command that takes it back.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from backfill.archive.evidence import CHECKPOINTS_FILE
from backfill.display.counting import counted
from backfill.folder import RunFolder
from backfill.next_command import next_command
from backfill.ocr.day.session import SessionPlan, SessionReading
from backfill.plans.plan import CHANGES_FILE
from backfill.plans.staging import Staging, parquet_rows
from backfill.report import Reporter

#: Folders of earlier runs that are looked into, the newest first.
RUNS_LOOKED_AT = 200


@dataclass(frozen=True, slots=True)
class OtherDay:
    """A day that stores what a session, planned for another day now, said earlier."""

    session_id: str
    day: dt.date
    planned: dt.date


def tell_of_other_days(
    plans: Sequence[SessionPlan], staging: Staging, folder: RunFolder, reporter: Reporter
) -> None:
    """Say which days still hold what was written of a session whose date is another one now."""
    for other in _other_days(plans, staging):
        run_id = _run_that_wrote(folder, other)
        taken_back = (
            f"It was written by run {run_id}. What taking that run back changes: "
            f"{next_command('revert', run_id)}; to do it: "
            f"{next_command('revert', run_id, '--apply')}. Then plan again."
            if run_id
            else "No run in this folder wrote it; find the one that did: "
            f"{next_command('runs', '--job', 'ocr')}, or mend that day by hand."
        )
        reporter.advise(
            f"Session {other.session_id} is planned for {other.planned}; {other.day} still holds "
            f"what it was read as before, and this run leaves that day alone. {taken_back}",
            "warning",
        )


def tell_of_messages(plans: Sequence[SessionPlan], reporter: Reporter) -> None:
    """Say why a run that stores messages has none of sessions that were written before."""
    as_stored = [plan for plan in plans if plan.is_told_before]
    if as_stored:
        named = ", ".join(str(plan.session.id) for plan in as_stored[:5])
        reporter.message(
            f"{counted(len(as_stored), 'session')} ({named}{'…' * (len(as_stored) > 5)}): "
            "no messages are stored. Their days hold all that was read, or their events are "
            "stored already, written by an earlier apply or the worker, and a message is stored "
            "only together with its event. Where messages are still wanted, take that "
            "run back first and apply with --store-notifications."
        )


def _other_days(plans: Sequence[SessionPlan], staging: Staging) -> Iterator[OtherDay]:
    stored: dict[str, list[dt.date]] = {}
    for session, day in staging.rows(
        "SELECT source_session_id, schedule_date FROM snapshots"
        " WHERE source_session_id IN (SELECT key FROM extracted) ORDER BY ALL"
    ):
        stored.setdefault(session, []).append(day)
    for plan in plans:
        if isinstance(plan.outcome, SessionReading):
            key, planned = str(plan.session.id), plan.outcome.schedule_date
            yield from (
                OtherDay(key, day, planned) for day in stored.get(key, ()) if day != planned
            )


def _run_that_wrote(folder: RunFolder, other: OtherDay) -> str:
    """Return the newest applied run beside this one that wrote a session's day, else nothing."""
    others = sorted(
        (path for path in folder.path.parent.iterdir() if path.name != folder.run_id), reverse=True
    )
    for path in others[:RUNS_LOOKED_AT]:
        if (path / CHECKPOINTS_FILE).is_file() and _writes(path / CHANGES_FILE, other):
            return path.name
    return ""


def _writes(changes: Path, other: OtherDay) -> bool:
    try:
        with duckdb.connect() as connection:
            row = connection.execute(
                f"SELECT count(*) FROM {parquet_rows(changes)} WHERE key = ? AND kind = 'changed'"
                " AND source.schedule_date = ?",
                [other.session_id, other.day.isoformat()],
            ).fetchone()
    except duckdb.Error:
        return False  # a folder of another job, or of half a run
    return bool(row and row[0])
