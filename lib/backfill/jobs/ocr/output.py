"""The files that a person asked for: one JSON document a session, and the report over all.

They stand in the run's folder (`sessions/`, `backfill_report.json`) and, where the run's options
name places, there as well. After an apply they are written again, from what the database says.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from backfill.archive.evidence import RUN_FILE
from backfill.errors import StorageError
from backfill.folder import FILE_MODE, FOLDER_MODE, RunFolder
from backfill.jobs.ocr.day_state import DayState
from backfill.jobs.ocr.document import applied_document
from backfill.plans.plan import CHANGES_FILE, Plan, read_skips
from backfill.records.ledger import Ledger
from backfill.regular_file import whole
from backfill.rows import image

SESSIONS_FOLDER = "sessions"
REPORT_FILE = "backfill_report.json"
EARLIER_FOLDER = "earlier"
_SESSION_FILE = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.json")
_LINE = (
    "session_id", "user_id", "source_state", "schedule_date", "status", "outcome", "held_reason",
    "error_stage", "error_type", "error_message", "image_count", "shift_count",
    "preview_event_count", "applied", "persisted_event_count", "swallowed_event_count",
    "stored_notifications",
)  # fmt: skip


def session_file(session_id: str) -> str:
    """Return the name of a session's document in the run's folder."""
    return f"{SESSIONS_FOLDER}/{session_id}.json"


def write_planned(folder: RunFolder, document: Mapping[str, Any]) -> None:
    """Write a session's document of the dry run into the run's folder."""
    folder.file(SESSIONS_FOLDER).mkdir(mode=FOLDER_MODE, exist_ok=True)
    name = session_file(document["session_id"])
    folder.write_json(name, {"run_id": folder.run_id, **document})


def write_output(folder: RunFolder, plan: Plan, ledger: Ledger | None) -> dict[str, Any]:
    """Write all documents and the report as the run stands; return counts for the summary."""
    parameters = folder.read_json(RUN_FILE)["parameters"]
    output_dir = Path(parameters["output_dir"]) if parameters.get("output_dir") else None
    if output_dir:
        _set_earlier_aside(output_dir, folder.run_id)
    lines = []
    totals: Counter[str] = Counter()
    types: Counter[str] = Counter()
    for document in _documents(folder, plan, ledger):
        name = session_file(document["session_id"])
        folder.write_json(name, document)
        if output_dir:
            _write(output_dir / f"{document['session_id']}.json", document)
        lines.append({key: document[key] for key in _LINE if key in document} | {"file": name})
        for key in ("persisted_event_count", "swallowed_event_count", "stored_notifications"):
            totals[key] += document.get(key, 0)
        types.update(document.get("persisted_event_types", {}))
    counts = {
        "persisted_event_count": totals["persisted_event_count"],
        "persisted_event_types": dict(sorted(types.items())),
        "swallowed_event_count": totals["swallowed_event_count"],
        "stored_notifications": totals["stored_notifications"],
    }
    report = _report(plan, ledger, parameters, counts, lines)
    folder.write_json(REPORT_FILE, report)
    if parameters.get("output_file"):
        _write(Path(parameters["output_file"]), report)
    return counts


def _documents(folder: RunFolder, plan: Plan, ledger: Ledger | None) -> Iterator[dict[str, Any]]:
    """Yield the sessions' documents in the order of the plan, as the run stands."""
    skips = dict(read_skips(folder))
    changes = folder.file(CHANGES_FILE)
    keys = pq.read_table(changes, columns=["position", "key"], partitioning=None).to_pydict()
    order = dict(zip(keys["position"], keys["key"], strict=True))
    order |= {position: skip.key for position, skip in skips.items()}
    done = sum(c.scanned for c in ledger.checkpoints(plan.run_id)) if ledger else 0
    written = dict(_written(plan.run_id, ledger)) if ledger else {}
    left_alone = {skip.key: skip for skip in ledger.skips(plan.run_id)} if ledger else {}
    for position, key in sorted(order.items()):
        document = folder.read_json(session_file(key))
        if position < done:
            document = applied_document(document, written.get(key), left_alone.get(key))
        yield document


def _written(run_id: str, ledger: Ledger) -> Iterator[tuple[str, DayState]]:
    for chunk_no, _rows, sha256, content in ledger.images(run_id):
        for row in image.decode(run_id, chunk_no, sha256, content).to_pylist():
            yield row["key"], DayState.of(row["after"])


def _report(
    plan: Plan,
    ledger: Ledger | None,
    parameters: Mapping[str, Any],
    counts: Mapping[str, Any],
    lines: list[dict[str, Any]],
) -> dict[str, Any]:
    settings = plan.settings
    started = dt.datetime.strptime(plan.run_id[:16], "%Y%m%dT%H%M%SZ").replace(tzinfo=dt.UTC)
    return {
        "started_at": started.isoformat(),
        "finished_at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "database_schema": settings["db_schema"],
        "local_root": settings["local_root"],
        "output_dir": parameters.get("output_dir") or SESSIONS_FOLDER,
        "apply": ledger is not None,
        "store_notifications": settings["store_notifications"],
        "ocr_lang": settings["ocr_lang"],
        "ocr_default_year": settings["ocr_default_year"],
        "selection": settings["selection"],
        **plan.counts["sessions"],
        **plan.counts["events"],
        **counts,
        "run_id": plan.run_id,
        "plan_id": plan.plan_id,
        "sessions": lines,
    }


def _set_earlier_aside(output_dir: Path, run_id: str) -> None:
    """Move session files of earlier runs into a folder of their own; foreign files stay."""
    with _storage(output_dir):
        output_dir.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        for path in sorted(output_dir.iterdir()):
            if not _SESSION_FILE.fullmatch(path.name) or not path.is_file():
                continue
            earlier = _run_of(path)
            if earlier and earlier != run_id:
                place = output_dir / EARLIER_FOLDER / earlier
                place.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
                path.replace(place / path.name)


def _run_of(path: Path) -> str:
    """Return the run that wrote a session file; empty for a file that is not ours."""
    with contextlib.suppress(OSError, ValueError):
        document = json.loads(path.read_text(encoding="utf-8"))
        run_id = document.get("run_id") if isinstance(document, dict) else None
        if isinstance(run_id, str) and re.fullmatch(r"[0-9A-Za-z-]+", run_id):
            return run_id
    return ""


def _write(path: Path, document: Mapping[str, Any]) -> None:
    """Write JSON, all of it or nothing."""
    with _storage(path):
        path.parent.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        with whole(path, FILE_MODE) as partial:
            text = json.dumps(document, indent=2, ensure_ascii=False, default=str)
            partial.write_text(f"{text}\n", encoding="utf-8")


@contextlib.contextmanager
def _storage(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"{path} can not be written: {error.strerror}. What is committed in the database stays "
            "committed, and the same files are in the run's folder. Mend it, or choose other "
            "places with --output-file and --output-dir."
        ) from error
