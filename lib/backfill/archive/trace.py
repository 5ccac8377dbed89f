"""All that is known of one row in one run: from the run's folder, the ledger, and the row itself.

Read-only, and content with half of it: a folder without a database, a database without the folder.
"""

from __future__ import annotations

import contextlib
import csv
import datetime as dt
import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq

from backfill.archive.evidence import DRIFTED_FILE, SKIPS_FILE, SUMMARY_FILE
from backfill.archive.run_facts import read_rows
from backfill.chunks.writing import IMAGE_COLUMNS
from backfill.errors import BackfillError, StalePlan, StorageError, UsageError, first_line
from backfill.folder import RunFolder
from backfill.next_command import next_command
from backfill.plans import plan
from backfill.plans.plan import CHANGES_FILE, PLAN_FILE, Plan
from backfill.plans.staging import STAGING_FILE, look_into
from backfill.records.checkpoint import Checkpoint
from backfill.records.ledger import Ledger, RunRow
from backfill.records.planned import Planned
from backfill.rows import image
from backfill.rows.keys import spellings
from backfill.server.own_text import holdable
from backfill.server.postgres import Connection
from backfill.skips import Skip, SkipReason
from backfill.status import RunStatus
from backfill.which_folder import meant, run_folders

NEAR_KEYS = 3
#: What the lists in a folder say of a row: key, scope by its own name, column, reason, detail.
_LISTED_COLUMNS = 5
#: Of such a run each planned row was written, or is listed with why it was not.
_DONE = (RunStatus.SUCCEEDED, RunStatus.REVERTED)
_COMPARED_KEYS = 2_000


class Looks(Protocol):
    """What can look whether the database holds a row; every `JobKind` does."""

    def look(
        self, connection: Connection, target: Mapping[str, Any], rows: pa.Table, side: str
    ) -> Mapping[int, str | None]: ...


@dataclass(frozen=True, slots=True)
class FoundRun:
    """Where to look: the run's folder if there is one, the ledger if the database answers."""

    facts: Planned
    status: str
    folder: RunFolder | None
    ledger: Ledger | None
    notes: tuple[str, ...] = ()

    @property
    def run_id(self) -> str:
        return self.facts.run_id


@dataclass(frozen=True, slots=True)
class Trace:
    """One row of a run.

    `change` has the columns of `changes.parquet` (`why`, `rule`, `warnings` are None where only the
    ledger tells of it); `skip` is why it was left alone; `checkpoint` the chunk that took it;
    `is_written` whether it is among the rows that were written; `holds` whether the database has
    it as planned (None: not asked or no answer), `present` what it has instead, as JSON text.
    """

    source: FoundRun
    key: str
    change: dict[str, Any] | None = None
    skip: Skip | None = None
    checkpoint: Checkpoint | None = None
    is_written: bool = False
    holds: bool | None = None
    present: str | None = None
    notes: tuple[str, ...] = field(default=())

    @property
    def outcome(self) -> str:
        """What became of the row, in a sentence."""
        when = _chunk(self.checkpoint)
        if self.skip:
            is_drifted = self.skip.reason == SkipReason.DRIFTED
            what = "drifted, left alone" if is_drifted else f"left alone ({self.skip.reason})"
            return f"{what}{when}{self.skip.detail and ': '}{self.skip.detail}"
        if self.is_written:
            return f"written{when}"
        if self.change and self.change.get("kind") == "unchanged":
            return "unchanged: the database holds it already"
        return self._not_seen_written()

    def _not_seen_written(self) -> str:
        """What became of a planned row that no image of the ledger, if there is one, holds."""
        status = self.source.status
        if status == RunStatus.PLANNED:
            return f"planned, not written yet: {next_command('apply', self.source.run_id)}"
        if self.source.ledger is not None:
            return f"planned, not written: the run is {status}"
        if status in _DONE:
            return f"written, as the run's folder says: the run is {status}"
        return f"planned; the run is {status}: whether this row was written, its database tells"

    @property
    def now(self) -> str:
        """What the database has now, in a sentence."""
        if self.change is None and self.source.ledger is not None:
            return "not compared: nothing is planned for it"
        if self.holds is None:
            return "not known: the database was not asked"
        if self.holds:
            return "as planned"
        is_due = not self.is_written and self.skip is None
        if not self.present:
            return "nothing yet" if is_due else "gone"
        if is_due:
            return f"not written yet: {self.present}"
        is_reverted = self.source.status == RunStatus.REVERTED
        return f"{'put back, or edited since' if is_reverted else 'something else'}: {self.present}"

    def document(self, own: Mapping[str, Any]) -> dict[str, Any]:
        """Return what an explanation of the row tells whatever its job, with the job's `own`."""
        change, skip, checkpoint = self.change or {}, self.skip, self.checkpoint
        return {
            "run_id": self.source.run_id,
            "job": self.source.facts.job,
            "key": self.key,
            "outcome": self.outcome,
            "now": self.now,
            "rule": change.get("rule"),
            "warnings": change.get("warnings") or None,
            **own,
            "skip": {"column": skip.column, "reason": str(skip.reason), "detail": skip.detail}
            if skip
            else None,
            "chunk_no": checkpoint.chunk_no if checkpoint else None,
            "committed_at": checkpoint.committed_at if checkpoint else None,
            "notes": list(self.notes),
        }

    def staged(self, query: str) -> list[tuple[Any, ...]]:
        """Return what a query for the row's key finds in the run's working copy, if it is there."""
        folder = self.source.folder
        return look_into(folder.file(STAGING_FILE), query, self.key) if folder else []


def find_source(
    run_id: str, runs: Path, connection: Connection | None, problem: str = ""
) -> FoundRun:
    """Return where to look for a run by id, beginning or `latest`; `problem` is why there is no
    connection. Raises `UsageError` when neither database nor folder knows the run.
    """
    ledger = Ledger(connection) if connection is not None else None
    row: RunRow | None = None
    if ledger is not None:
        with contextlib.suppress(UsageError):
            row = ledger.get(run_id)
    folder = _folder(row.run_id if row else run_id, runs)
    if folder is None and row is None:
        raise UsageError(
            f"There is no run {run_id!r}"
            + (f" in {runs}, and the database was not asked: {problem}" if problem else "")
            + "."
            + f" List them with: {next_command('status')}"
        )
    notes = [] if ledger else [f"The database was not asked: {problem}"]
    frozen, problems = _plan(folder)
    notes += problems
    facts = frozen or row
    assert facts is not None or folder is not None
    if facts is None:
        raise UsageError(f"{problems[0]} Nothing else is known of run {run_id}.")
    if folder is None:
        notes.append(f"The run's folder is not in {runs}: this is what the database tells.")
    return FoundRun(
        facts,
        row.status.value if row else _status_in(folder),
        folder,
        ledger if row else None,
        tuple(notes),
    )


def _status_in(folder: RunFolder | None) -> str:
    """Return how the run ended as its folder tells, which may be all that there is of it."""
    with contextlib.suppress(StorageError):
        if folder is not None:
            return str(folder.read_json(SUMMARY_FILE).get("status"))
    return str(RunStatus.PLANNED)


def _folder(run_id: str, runs: Path) -> RunFolder | None:
    matching = meant(run_id, [folder.run_id for folder in run_folders(runs, PLAN_FILE)])
    return RunFolder(runs / matching[0]) if len(matching) == 1 else None


def _plan(folder: RunFolder | None) -> tuple[Plan | None, list[str]]:
    if folder is None:
        return None, []
    try:
        return plan.load(folder), []
    except StalePlan as error:
        return None, [f"The plan in the folder is not to be trusted: {error}"]


def trace_row(source: FoundRun, kind: Looks, key: str) -> Trace:
    """Return what is known of a row; raise `UsageError` with near keys when nothing is.

    A key of several columns may be spelt as a JSON list or as `a,b`.
    """
    for spelt in spellings(key):
        if trace := _trace(source, kind, spelt):
            return trace
    raise UsageError(_unknown(source, key))


def _trace(source: FoundRun, kind: Looks, key: str) -> Trace | None:
    if source.ledger is not None:  # a key that this database can not hold is kept spelt out
        key = holdable(source.ledger.connection, key)
    change = _planned_change(source, key)
    planned_skip = _planned_skip(source, key)
    chunk_no, skip = _ledger_skip(source, key) if source.ledger else (None, _listed(source, key))
    written = _written(source, key)
    if written is not None:
        chunk_no = written[0]
        change = change or written[1]
    if change is None and planned_skip is None and skip is None:
        return None
    # As the write left it: a trigger may have changed what the plan read.
    holds, present, problem = _present(source, kind, written[1] if written else change)
    return Trace(
        source,
        key,
        change,
        skip or planned_skip,
        _checkpoint(source, chunk_no),
        written is not None,
        holds,
        present,
        (*source.notes, *([problem] if problem else [])),
    )


def _planned_change(source: FoundRun, key: str) -> dict[str, Any] | None:
    if source.folder is None:
        return None
    try:
        changes = source.folder.file(CHANGES_FILE)
        rows = pq.read_table(changes, filters=[("key", "==", key)], partitioning=None)
    except (OSError, pa.ArrowException):
        return None
    change: dict[str, Any] | None = rows.to_pylist()[0] if rows.num_rows else None
    return change


def _planned_skip(source: FoundRun, key: str) -> Skip | None:
    if source.folder is None:
        return None
    try:
        skips = plan.read_skips(source.folder)
    except StalePlan:
        return None
    return next((skip for _position, skip in skips if skip.key == key), None)


def _ledger_skip(source: FoundRun, key: str) -> tuple[int | None, Skip | None]:
    assert source.ledger is not None
    row = source.ledger.connection.execute(
        "SELECT chunk_no, key, scope, column_name, reason, detail FROM backfill.skip"
        " WHERE run_id = %s AND key = %s ORDER BY column_name LIMIT 1",
        [source.run_id, key],
    ).fetchone()
    if row is None:
        return None, None
    return int(row[0]), Skip.of(*row[1:])


def _listed(source: FoundRun, key: str) -> Skip | None:
    """Return why the lists in the folder say that the row was left alone when it was written."""
    if source.folder is None:
        return None
    for name in (DRIFTED_FILE, SKIPS_FILE):
        for line in read_rows(source.folder, name):
            if line.get("key") == key and len(line) == _LISTED_COLUMNS:
                return Skip.of(*line.values())
    return None


def _written(source: FoundRun, key: str) -> tuple[int, dict[str, Any]] | None:
    """Return (chunk, row) of the chunk image that holds the key; likely chunks are asked first."""
    if source.ledger is None:
        return None
    connection = source.ledger.connection
    numbers = connection.execute(
        "SELECT chunk_no FROM backfill.checkpoint WHERE run_id = %s AND updated > 0 ORDER BY"
        ' key_low <= %s COLLATE "C" AND key_high >= %s COLLATE "C" DESC, chunk_no',
        [source.run_id, key, key],
    ).fetchall()
    for (chunk_no,) in numbers:
        stored = connection.execute(
            "SELECT sha256, image FROM backfill.chunk_image WHERE run_id = %s AND chunk_no = %s",
            [source.run_id, chunk_no],
            binary=True,
        ).fetchone()
        if stored is None:
            continue
        rows = image.decode(source.run_id, chunk_no, str(stored[0]), bytes(stored[1]))
        index = rows.column("key").to_pylist()
        if key in index:
            row: dict[str, Any] = rows.slice(index.index(key), 1).to_pylist()[0]
            return int(chunk_no), {"kind": None, "rule": None, "warnings": None, "why": None, **row}
    return None


def _checkpoint(source: FoundRun, chunk_no: int | None) -> Checkpoint | None:
    if source.ledger is None or chunk_no is None:
        return None
    done = source.ledger.checkpoints(source.run_id)
    return next((checkpoint for checkpoint in done if checkpoint.chunk_no == chunk_no), None)


def _present(
    source: FoundRun, kind: Looks, change: dict[str, Any] | None
) -> tuple[bool | None, str | None, str]:
    """Ask the database for the row as it is now: (as planned, what else it holds, problem)."""
    if source.ledger is None or change is None:
        return None, None, ""
    row = {name: change[name] for name in IMAGE_COLUMNS}
    try:
        schema = _schema(source)
        rows = pa.Table.from_pylist([row], schema=schema) if schema else None
        if rows is None:
            return None, None, ""
        differs = kind.look(source.ledger.connection, source.facts.target, rows, "after")
    except (psycopg.Error, BackfillError) as error:
        return None, None, f"The row could not be looked at: {first_line(error)}"
    return 0 not in differs, differs.get(0), ""


def _schema(source: FoundRun) -> pa.Schema | None:
    """Return the types of an image row, from the plan's file or from any image of the run."""
    if source.folder is not None:
        with contextlib.suppress(OSError, pa.ArrowException):
            schema = pq.read_schema(source.folder.file(CHANGES_FILE))
            return pa.schema([schema.field(name) for name in IMAGE_COLUMNS])
    if source.ledger is not None:
        for chunk_no, _rows, sha256, content in source.ledger.images(source.run_id):
            return image.decode(source.run_id, chunk_no, sha256, content).schema
    return None


def _unknown(source: FoundRun, key: str) -> str:
    keys = _known_keys(source)
    near = difflib.get_close_matches(key, keys, NEAR_KEYS, cutoff=0.4) or keys[:NEAR_KEYS]
    hint = f" Near: {', '.join(near)}." if near else ""
    return (
        f"Run {source.run_id} has no row {key!r}: it was not pending then, or there is none."
        f"{hint} List them: the column key of {CHANGES_FILE}, or skips.csv"
    )


def _known_keys(source: FoundRun) -> list[str]:
    keys: list[str] = []
    if source.folder is not None:
        with contextlib.suppress(OSError, pa.ArrowException, BackfillError, csv.Error):
            changes = source.folder.file(CHANGES_FILE)
            table = pq.read_table(changes, columns=["key"], partitioning=None)
            step = max(1, table.num_rows // _COMPARED_KEYS)
            keys += table.column("key").to_pylist()[::step]
            keys += [skip.key for _position, skip in plan.read_skips(source.folder)]
    if not keys and source.ledger is not None:
        for checkpoint in source.ledger.checkpoints(source.run_id):
            keys += [checkpoint.key_low, checkpoint.key_high]
    return list(dict.fromkeys(keys))[: 2 * _COMPARED_KEYS]


def _chunk(checkpoint: Checkpoint | None) -> str:
    if checkpoint is None:
        return ""
    at = checkpoint.committed_at.astimezone(dt.UTC).isoformat(timespec="seconds")
    return f" in chunk {checkpoint.chunk_no}, committed {at}"
