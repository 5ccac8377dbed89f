"""The record of a run in its folder: what it was, how it ended, and the sums over all of it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from backfill.archive import evidence
from backfill.archive.runs_index import rebuild_index
from backfill.display.eye import NotShown
from backfill.folder import RunFolder
from backfill.plans import plan
from backfill.plans.plan import Plan
from backfill.records.ledger import Ledger
from backfill.records.parts import approver
from backfill.server.database import Database
from backfill.server.dsn import password_of
from backfill.settings import EngineSettings
from backfill.status import RunStatus
from backfill.steps.kind import JobKind
from backfill.steps.standing import Applied, planned_counts
from backfill.versions import code_digest, versions

#: So many entries of a list stand in a command's last line.
MOST_TOLD = 100


def summary_document(
    frozen: Plan, kind: JobKind, applied: Applied | None, started: float
) -> dict[str, Any]:
    """Return the summary with the demand's keys first; `started` is a monotonic time.

    A dry run counts what it would update; the apply of its plan gives the same numbers.
    """
    counts, by_scope = planned_counts(frozen)
    status = RunStatus.PLANNED
    if applied is not None:
        counts, by_scope, status = applied.counts, applied.by_scope, applied.status
    elapsed_ms = round((time.monotonic() - started) * 1000)
    if applied is not None:  # a resumed run's earlier stretches count as well
        elapsed_ms = max(elapsed_ms, applied.elapsed_ms)
    ordered: dict[str, Any] = {}
    for name, value in kind.summary(frozen, counts, by_scope).items():
        ordered[name] = value
        if name == "total_skipped":
            ordered["elapsed_ms"] = elapsed_ms
    ordered.setdefault("elapsed_ms", elapsed_ms)
    # Of each member of the scope, where there are several: at the end, with the time as well.
    by_member = {name: ordered.pop(name) for name, v in [*ordered.items()] if isinstance(v, list)}
    ordered |= {
        "dry_run": applied is None,
        "status": status.value,
        "run_id": frozen.run_id,
        "plan_id": frozen.plan_id,
    }
    if applied is not None and applied.paused_ms:
        ordered["paused_ms"] = applied.paused_ms
    if applied is not None and any(part.selection for part in applied.parts):
        ordered["parts"] = [part.as_json() for part in applied.parts]
        ordered["remaining"] = frozen.rows - counts.scanned
    if frozen.reverts:
        ordered["reverts"] = frozen.reverts
    for name, members in by_member.items():
        ordered[name] = [{**part, "elapsed_ms": elapsed_ms} for part in members]
    return ordered


def last_line(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a command's last line tells of a summary.

    Of a long list the first hundred entries and, as `NAME_in_all`, how many there are;
    `summary.json` in the run's folder has them all.
    """
    line: dict[str, Any] = {}
    for name, value in document.items():
        if name == "exit_code":
            continue
        line[name] = value
        if isinstance(value, list) and len(value) > MOST_TOLD:
            line |= {name: value[:MOST_TOLD], f"{name}_in_all": len(value)}
    return line


def write_run_file(
    folder: RunFolder,
    *,
    job: str,
    settings: Mapping[str, Any],
    command: Sequence[str],
    parameters: Mapping[str, Any],
    engine: EngineSettings,
    database: Database,
    frozen: Plan | None,
) -> None:
    """Write `run.json`: settings, versions of everything that computes, fingerprints."""
    computed_by = versions()
    folder.write_json(
        evidence.RUN_FILE,
        {
            "run_id": folder.run_id,
            "job": job,
            "database": database.name,
            "planned_by": approver(),
            "command": list(command),
            "parameters": {k: v for k, v in parameters.items() if k != "runs_dir"},
            "settings": settings,
            "engine": engine.as_json(),
            "settings_fingerprint": frozen.settings_fingerprint if frozen else None,
            "database_fingerprint": frozen.database_fingerprint if frozen else None,
            "plan_id": frozen.plan_id if frozen else None,
            "tzdata_version": computed_by["tzdata"],
            "versions": computed_by,
            "code": code_digest(),
        },
    )


def finish(
    folder: RunFolder,
    database: Database,
    scope_name: str,
    document: Mapping[str, Any],
    has_plan: bool,
    not_shown: Sequence[NotShown] = (),
    notebook: str = "",
) -> None:
    """Write summary and records, and close the folder; make the page of all runs anew.

    Where a command executes the `notebook`, that page waits for the notebook's own.
    """
    named = {**document}
    if notebook:
        named["notebook"] = notebook
    planned = [skip for _place, skip in plan.read_skips(folder)] if has_plan else []
    with folder.closing(), database.connect() as connection:
        folder.write_json(evidence.SUMMARY_FILE, named)
        evidence.add_not_shown(folder, not_shown)
        ledger = Ledger(connection)
        evidence.write_records(folder, ledger, scope_name, planned)
        evidence.close(folder, ledger, password_of(database.dsn))
    if not notebook:
        rebuild_index(folder.path.parent)
