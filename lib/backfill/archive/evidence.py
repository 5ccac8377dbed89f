"""Close a run's folder so that a third party can prove it, and check a folder that was closed.

The folder's SHA256SUMS covers every file but itself and the staging database (a working copy of
what the other files hold); the digest of the sums stands in the run's row: archive and database
vouch for each other.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from backfill.display.eye import NotShown
from backfill.errors import StorageError
from backfill.folder import PARTIAL_SUFFIX, RunFolder, sha256_of
from backfill.plans.plan import CHANGES_FILE, PLAN_FILE
from backfill.plans.plan import SKIPS_FILE as PLAN_SKIPS_FILE
from backfill.plans.staging import STAGING_FILE
from backfill.records.checkpoint import Checkpoint
from backfill.records.ledger import Ledger
from backfill.records.parts import PART_COLUMNS, parts_of
from backfill.records.ranges import ranges_of
from backfill.skips import Skip, SkipReason

SUMS_FILE = "SHA256SUMS"
MANIFEST_FILE = "manifest.json"
SUMMARY_FILE = "summary.json"
RUN_FILE = "run.json"
CHECKPOINTS_FILE = "checkpoints.csv"
SKIPS_FILE = "skips.csv"
DRIFTED_FILE = "drifted.csv"
PARTS_FILE = "parts.csv"
RANGES_FILE = "ranges.csv"
_RANGE_COLUMNS = ("range_no", "part_no", "row_low", "row_high", "first_chunk_no")
_STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
_PREDICATE_TYPE = "urn:backfill-workbook:run:v1"
_TEXT_SUFFIXES = (".json", ".jsonl", ".csv", ".ipynb", ".html", ".txt")
_FROZEN = (PLAN_FILE, CHANGES_FILE, PLAN_SKIPS_FILE)
_SHORTEST_SECRET = 4
_PIECE_BYTES = 1_000_000
#: What a person fills in after the folder was closed; the plan that takes it in keeps its own copy.
WORKSHEETS = ("decisions.csv", "corrections.csv")


def evidence_files(folder: RunFolder) -> list[str]:
    """Return the names of the files that the sums cover, sorted; subfolders included."""
    names = [
        path.relative_to(folder.path).as_posix()
        for path in folder.path.rglob("*")
        if path.is_file() or path.is_symlink()
    ]
    return sorted(
        name
        for name in names
        if name not in (SUMS_FILE, *WORKSHEETS)
        and not name.startswith(STAGING_FILE)
        and PARTIAL_SUFFIX not in name
    )


def write_records(
    folder: RunFolder, ledger: Ledger | None, scope_name: str, planned: Iterable[Skip]
) -> None:
    """Write what the database knows of the run: checkpoints, skips, drifted rows.

    Without a ledger row (a dry run that may not write one) the plan's own skips are all there is.
    """
    skips: Sequence[Skip] = []
    checkpoints: Sequence[Checkpoint] = []
    if ledger is not None and ledger.exists():
        checkpoints = ledger.checkpoints(folder.run_id)
        skips = ledger.skips(folder.run_id)
    drifted = [skip for skip in skips if skip.reason == SkipReason.DRIFTED]
    left_alone = {(skip.key, skip.column): skip for skip in planned}
    left_alone |= {
        (skip.key, skip.column): skip for skip in skips if skip.reason != SkipReason.DRIFTED
    }
    folder.write_text(SKIPS_FILE, skips_csv(left_alone.values(), scope_name))
    for name, text in approved_csv(folder.run_id, ledger).items():
        folder.write_text(name, text)
    if checkpoints:
        folder.write_text(CHECKPOINTS_FILE, checkpoints_csv(checkpoints))
        folder.write_text(DRIFTED_FILE, skips_csv(drifted, scope_name))


def add_not_shown(folder: RunFolder, missed: Sequence[NotShown]) -> None:
    """Add to `run.json` what could not be shown; nothing of it twice."""
    if not missed or not folder.file(RUN_FILE).exists():
        return
    run = folder.read_json(RUN_FILE)
    entries = list(run.get("not_shown") or [])
    added = [entry for entry in (each.as_json() for each in missed) if entry not in entries]
    folder.write_json(RUN_FILE, {**run, "not_shown": [*entries, *added]})


def approved_csv(run_id: str, ledger: Ledger | None) -> dict[str, str]:
    """Return what the database knows of a run's parts and ranges, as CSV by file name."""
    if ledger is None or not ledger.has_ranges():
        return {}
    parts = parts_of(ledger.connection, run_id)
    if not parts:
        return {}
    lines = [
        {**part.as_json(), "selection": json.dumps(part.selection, ensure_ascii=False)}
        for part in parts
    ]
    ranges = [asdict(entry) for entry in ranges_of(ledger.connection, run_id)]
    return {
        PARTS_FILE: _csv_of(PART_COLUMNS, lines),
        RANGES_FILE: _csv_of(_RANGE_COLUMNS, ranges),
    }


def _csv_of(names: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    return _csv(names, ([row[name] for name in names] for row in rows))


def _csv(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def skips_csv(skips: Iterable[Skip], scope_name: str) -> str:
    """Return rows left alone as CSV, in the order given."""
    header = ("key", scope_name, "column", "reason", "detail")
    return _csv(header, (skip.texts() for skip in skips))


def checkpoints_csv(checkpoints: Sequence[Checkpoint], names: Sequence[str] = ()) -> str:
    """Return checkpoints as CSV: the columns of `backfill.checkpoint`, times in UTC."""
    names = names or list(Checkpoint.__dataclass_fields__)
    return _csv_of(names, map(asdict, checkpoints))


def close(folder: RunFolder, ledger: Ledger | None, password: str | None) -> str:
    """Write manifest and sums over the folder as it stands; return the digest of the sums.

    Raises `StorageError` when a file that must not be changed holds the live password.
    """
    remove_secret(folder, password)
    digests = _write_manifest(folder)
    sums = {
        name: digests.get(name) or sha256_of(folder.file(name)) for name in evidence_files(folder)
    }
    text = "".join(f"{digest}  {name}\n" for name, digest in sums.items())
    folder.write_text(SUMS_FILE, text)
    digest = hashlib.sha256(text.encode()).hexdigest()
    if ledger is not None and ledger.exists():
        ledger.record_sums(folder.run_id, digest)
    return digest


def remove_secret(folder: RunFolder, password: str | None) -> list[str]:
    """Take the live password out of every text file of the folder; return their names."""
    if not password or len(password) < _SHORTEST_SECRET:
        return []
    pattern = re.compile(rb"(?<![A-Za-z0-9])" + re.escape(password.encode()) + rb"(?![A-Za-z0-9])")
    cleaned = []
    sheets = [name for name in WORKSHEETS if folder.file(name).is_file()]
    for name in (*evidence_files(folder), *sheets):
        if not _may_hold(folder.file(name), password.encode()):
            continue
        content = folder.file(name).read_bytes()
        if not pattern.search(content):
            continue
        if name in _FROZEN or not name.endswith(_TEXT_SUFFIXES):
            raise StorageError(
                f"{folder.file(name)} holds the database's password. The folder was not closed: "
                "delete it, change the password, and plan again."
            )
        with folder.writing(name) as partial:
            partial.write_bytes(pattern.sub(b"***", content))
        cleaned.append(name)
    return cleaned


def _may_hold(path: Path, secret: bytes) -> bool:
    """Whether a file holds these bytes, wherever. Memory: a piece, however large the file is."""
    with path.open("rb") as stream:
        tail = b""
        while piece := stream.read(_PIECE_BYTES):
            if secret in tail + piece:
                return True
            tail = piece[1 - len(secret) :]
    return False


def _write_manifest(folder: RunFolder) -> dict[str, str]:
    """Write what every other file's SHA-256 is; return that by name."""
    names = [name for name in evidence_files(folder) if name != MANIFEST_FILE]
    run = folder.read_json(RUN_FILE) if folder.file(RUN_FILE).exists() else {}
    sums = {name: sha256_of(folder.file(name)) for name in names}
    materials = [
        {"name": name, "version": version} for name, version in run.get("versions", {}).items()
    ]
    materials.append({"name": "database", "fingerprint": run.get("database_fingerprint")})
    folder.write_json(
        MANIFEST_FILE,
        {
            "_type": _STATEMENT_TYPE,
            "subject": [
                {"name": name, "digest": {"sha256": digest}} for name, digest in sums.items()
            ],
            "predicateType": _PREDICATE_TYPE,
            "predicate": {
                "run_id": folder.run_id,
                "parameters": run.get("settings", {}),
                "materials": materials,
                "outcome": _outcome(folder),
                "not_covered": [
                    f"{STAGING_FILE}: the working copy that analysts query; every row of it that "
                    "matters is in the other files",
                    f"{', '.join(WORKSHEETS)}: sheets for a person to fill in; questions.csv holds "
                    "what was asked, and decisions_used.csv what was taken in",
                ],
            },
        },
    )
    return sums


def _outcome(folder: RunFolder) -> Mapping[str, Any]:
    if not folder.file(SUMMARY_FILE).exists():
        return {"status": "unfinished"}
    summary = folder.read_json(SUMMARY_FILE)
    return {"status": summary.get("status"), "exit_code": summary.get("exit_code")}
