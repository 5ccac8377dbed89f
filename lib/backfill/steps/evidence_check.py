"""Check a closed folder: do hashes, notebook, plan and database tell the same story? Read-only."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from backfill.archive.evidence import (
    CHECKPOINTS_FILE,
    MANIFEST_FILE,
    SUMMARY_FILE,
    SUMS_FILE,
    approved_csv,
    checkpoints_csv,
    evidence_files,
)
from backfill.errors import BackfillError, StalePlan, StorageError
from backfill.folder import RunFolder, sha256_of
from backfill.next_command import next_command
from backfill.plans import plan
from backfill.records.checkpoint import Checkpoint
from backfill.records.ledger import Ledger
from backfill.records.parts import parts_of
from backfill.status import RunStatus
from backfill.steps.choosing import Choosing
from backfill.steps.kind import JobKind


def disagreements(
    folder: RunFolder, ledger: Ledger | None, kind_of: Callable[[str], JobKind] | None = None
) -> list[str]:
    """Return one sentence for each thing that does not agree; empty when all do.

    Without a ledger the folder alone is looked at. With `kind_of`, which finds a job by its name,
    the rows of each part are chosen again.
    """
    wrong = [*_sums(folder), *_manifest(folder), *_plan(folder), *_notebook(folder)]
    if ledger is not None:
        wrong += [*_database(folder, ledger), *_parts(folder, ledger, kind_of)]
    return wrong


def _sums(folder: RunFolder) -> Iterator[str]:
    try:
        lines = folder.file(SUMS_FILE).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        again = next_command(*plan.planned_by(folder))
        is_frozen = folder.file(plan.PLAN_FILE).exists()
        mend = f"Close it with: {next_command('apply', folder.run_id)}"
        yield (
            f"{SUMS_FILE} is not there: the run's folder was never closed, because its process "
            f"was killed or is still at work. "
            + (mend if is_frozen else f"Its plan was not frozen; make a new one: {again}")
        )
        return
    listed = dict(_sum_entry(line) for line in lines if line)
    vouched = _vouched(folder) or {}
    for name, digest in listed.items():
        path = _inside(folder, name)
        if path is None:
            yield f"{SUMS_FILE} lists {name!r}, which is no file of this folder."
        elif not path.is_file() or path.is_symlink():
            yield f"{name} is listed in {SUMS_FILE} but is not there."
        elif (found := sha256_of(path)) == vouched.get(name) != digest:
            yield (
                f"{SUMS_FILE} was changed after the folder was closed: {name} is as "
                f"{MANIFEST_FILE} has it, its line there is not."
            )
        elif found != digest:
            yield f"{name} was changed after the folder was closed: its SHA-256 differs."
    for name in evidence_files(folder):
        if name not in listed:
            yield f"{name} is not listed in {SUMS_FILE}: it was added after the folder was closed."


def _inside(folder: RunFolder, name: str) -> Path | None:
    parts = PurePosixPath(name).parts
    is_inside = parts and not name.startswith("/") and ".." not in parts and "\0" not in name
    return folder.file(name) if is_inside else None


def _sum_entry(line: str) -> tuple[str, str]:
    digest, _, name = line.partition("  ")
    return name, digest


def _manifest(folder: RunFolder) -> Iterator[str]:
    if not folder.file(MANIFEST_FILE).exists():
        yield f"{MANIFEST_FILE} is not there."
        return
    digests = _vouched(folder)
    if digests is None:
        yield f"{MANIFEST_FILE} can not be read as an in-toto statement."
        return
    for name, digest in digests.items():
        path = _inside(folder, str(name))
        if path is None or not path.is_file() or sha256_of(path) != digest:
            yield f"{name} is not the file that {MANIFEST_FILE} vouches for."


def _vouched(folder: RunFolder) -> dict[str, str] | None:
    """Return the digests that the manifest has, by file; None where it can not be read."""
    try:
        subjects = folder.read_json(MANIFEST_FILE)["subject"]
        return {subject["name"]: subject["digest"]["sha256"] for subject in subjects}
    except (StorageError, KeyError, TypeError):
        return None


def _plan(folder: RunFolder) -> Iterator[str]:
    if not folder.file(plan.PLAN_FILE).exists():
        return
    try:
        plan.load(folder)
    except BackfillError as error:
        yield str(error).split(". Make a new plan")[0] + "."


def _notebook(folder: RunFolder) -> Iterator[str]:
    try:
        summary = folder.read_json(SUMMARY_FILE)
    except StorageError:
        yield f"{SUMMARY_FILE} is not there: the run's end was never recorded."
        return
    recorded = summary.get("notebook")
    if recorded is None:
        return  # Run outside the command line: no executed notebook is archived, and none claimed.
    name = str(recorded)
    if name not in evidence_files(folder):
        yield f"{SUMMARY_FILE} names {name}, which is not there."
        return
    try:
        document = json.loads(folder.file(name).read_text(encoding="utf-8"))
        is_whole = notebook_ended_well(document)
    except (ValueError, KeyError, TypeError, AttributeError):
        yield f"{name} is not a notebook, or was cut off."
        return
    if is_whole != (summary.get("exit_code") == 0):
        ran = "ran to its end" if is_whole else "has a cell that failed or never ran"
        yield f"{name} {ran}, but {SUMMARY_FILE} says exit code {summary.get('exit_code')}."


def notebook_ended_well(document: Any) -> bool:
    """Return whether every code cell was executed and none shows an error.

    Papermill's own metadata is not asked: it calls interrupted runs completed.
    """
    cells = [cell for cell in document["cells"] if cell["cell_type"] == "code" and _text(cell)]
    return bool(cells) and all(
        cell.get("execution_count") is not None
        and not any(output.get("output_type") == "error" for output in cell["outputs"])
        for cell in cells
    )


def _text(cell: dict[str, Any]) -> str:
    source = cell["source"]
    return ("".join(source) if isinstance(source, list) else str(source)).strip()


def _database(folder: RunFolder, ledger: Ledger) -> Iterator[str]:
    run = ledger.find(folder.run_id)
    if run is None:
        if folder.file(plan.PLAN_FILE).exists():
            alone = next_command("evidence", "check", str(folder.path), "--without-database")
            yield (
                f"The database has no run {folder.run_id}. Is DATABASE_URL the run's database? To "
                f"check the folder alone: {alone}"
            )
        return
    yield from _against_row(folder, run.plan_id, run.status, run.sums_sha256)
    stored = ledger.checkpoints(folder.run_id)
    path = folder.file(CHECKPOINTS_FILE)
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    # A folder that an earlier version closed has no column for ranges.
    names = [n for n in Checkpoint.__dataclass_fields__ if f'"{n}"' in text.partition("\n")[0]]
    if (checkpoints_csv(stored, names) if stored else "") != text:
        yield f"{CHECKPOINTS_FILE} and the table backfill.checkpoint differ."


def _parts(
    folder: RunFolder, ledger: Ledger, kind_of: Callable[[str], JobKind] | None
) -> Iterator[str]:
    """Each part still chooses the rows that were approved; together they are the plan."""
    for name, text in approved_csv(folder.run_id, ledger).items():
        # A folder that an earlier version closed has no parts.
        if folder.file(name).exists() and folder.file(name).read_text("utf-8") != text:
            yield f"{name} and the database differ."
    parts = parts_of(ledger.connection, folder.run_id) if ledger.has_ranges() else []
    run = ledger.find(folder.run_id) if parts else None
    if run is None or kind_of is None:
        return
    try:
        Choosing(folder, kind_of(run.job), plan.load(folder)).rows_of(parts)
    except StalePlan as error:
        if str(error).startswith("Part "):  # else it is said of the plan already
            yield str(error).split(" Nothing was written")[0]
    rows = sum(part.rows for part in parts)
    if run.status is RunStatus.SUCCEEDED and rows != run.plan_rows:
        yield f"The parts cover {rows:,} of the plan's {run.plan_rows:,} rows."


def _against_row(
    folder: RunFolder, plan_id: str, status: RunStatus, sums_sha256: str | None
) -> Iterator[str]:
    try:
        frozen = folder.read_json(plan.PLAN_FILE)
        summary = folder.read_json(SUMMARY_FILE)
    except StorageError as error:
        yield str(error)
        return
    if frozen.get("plan_id") != plan_id:
        yield f"{plan.PLAN_FILE} and the database name different plans."
    recorded = summary.get("status")
    # A later revert is a run of its own: it changes this run's row, and not its folder.
    if recorded != status and not (
        recorded == RunStatus.SUCCEEDED and status is RunStatus.REVERTED
    ):
        yield f"{SUMMARY_FILE} says {recorded}, the database says {status}."
    path = folder.file(SUMS_FILE)
    if path.exists() and hashlib.sha256(path.read_bytes()).hexdigest() != sums_sha256:
        yield f"The digest of {SUMS_FILE} is not the one that the database holds."
