"""What `backfill status` shows: runs with progress and rate, and what is pending. Read-only."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from backfill.command.runs_table import Cells, run_line
from backfill.display.counting import counted
from backfill.display.eye import attempt
from backfill.errors import BackfillError, first_line
from backfill.jobs.entry import PendingCounts
from backfill.jobs.registry import TABLES
from backfill.next_command import next_command
from backfill.politeness.waiting import Waiting, waiting_of
from backfill.records.ledger import Ledger, RunRow
from backfill.records.parts import Selection, parts_of
from backfill.records.ranges import progress_of
from backfill.records.seats import holders_at_work
from backfill.server.postgres import Connection
from backfill.status import RESUMABLE, RunStatus
from backfill.time_left import rows_per_s

#: A chunk's time is kept in whole milliseconds: of shorter ones no rate can be told.
_TIMED_MS = 5
MOST_SCOPES = 100
_TOTALS = ("chunks", "scanned", "updated", "unchanged", "drifted", "skipped", "elapsed_ms")


def status_document(
    connection: Connection, wanted: str | None, table: str | None = None
) -> dict[str, Any]:
    """Return one run, or the newest ones and the pending rows of every member of the scope.

    `table` names the TOML of another table than the one that ships.
    """
    count = TABLES.pending(table or "")
    ledger = Ledger(connection)
    if wanted:
        run = ledger.get(wanted)
        totals = _totals(ledger, [run]).get(run.run_id, {})
        document = _run(run, totals, waiting_of(connection, [run.run_id])[run.run_id])
        reasons: dict[str, int] = {}
        for skip in ledger.skips(run.run_id):
            reasons[str(skip.reason)] = reasons.get(str(skip.reason), 0) + 1
        return {
            **document,
            **_in_parts(ledger, run, document),
            "left_alone": reasons,
            "settings": run.settings,
        }
    runs = ledger.runs()
    totals = _totals(ledger, runs)
    waits = waiting_of(connection, [run.run_id for run in runs]) if runs else {}
    return {
        "runs": [_run(run, totals.get(run.run_id, {}), waits[run.run_id]) for run in runs],
        "pending": attempt(
            "What is pending",
            lambda: _pending(connection, TABLES.job, count),
            lambda missed: {TABLES.job: None, "why": missed.why},
        ),
    }


def _in_parts(ledger: Ledger, run: RunRow, document: dict[str, Any]) -> dict[str, Any]:
    """Return parts and ranges of a run, its appliers, and the rate of all of them together."""
    if not ledger.has_ranges():
        return {"parts": [], "ranges": [], "appliers": []}
    parts = [part.as_json() for part in parts_of(ledger.connection, run.run_id)]
    ranges = progress_of(ledger.connection, run.run_id)
    held = [entry["holder"] for entry in ranges if entry["holder"]]
    is_running = run.status is RunStatus.RUNNING and ledger.is_current()
    at_work = holders_at_work(ledger.connection, run.run_id) if is_running else []
    shown: dict[str, Any] = {"parts": parts, "ranges": ranges, "appliers": at_work}
    if document["rows_per_s"] and len(held) > 1:
        shown["rows_per_s"] = document["rows_per_s"] * len(held)
        shown["seconds_left"] = round(document["remaining"] / shown["rows_per_s"], 1)
    return shown


def _totals(ledger: Ledger, runs: list[RunRow]) -> dict[str, dict[str, Any]]:
    if not runs:
        return {}
    return {row["run_id"]: row for row in ledger.totals_by_run([run.run_id for run in runs])}


def _run(run: RunRow, totals: dict[str, Any], waiting: Waiting) -> dict[str, Any]:
    counted = {name: int(totals.get(name) or 0) for name in _TOTALS}
    remaining = max(run.plan_rows - counted["scanned"], 0)
    is_timed = counted["elapsed_ms"] >= _TIMED_MS * max(counted["chunks"], 1)
    rate = rows_per_s(counted["scanned"], counted["elapsed_ms"] / 1000) if is_timed else None
    is_running = run.status is RunStatus.RUNNING
    is_expired = bool(
        is_running and run.lease_expires_at and run.lease_expires_at < dt.datetime.now(dt.UTC)
    )
    return {
        "run_id": run.run_id,
        "job": run.job,
        "status": run.status.value,
        "scope": run.scope,
        **counted,
        "remaining": remaining,
        "rows_per_s": round(rate) if rate else None,
        "seconds_left": round(remaining / rate, 1) if rate and is_running else None,
        "lease_holder": run.lease_holder if is_running else None,
        "lease_expires_at": run.lease_expires_at if is_running else None,
        "lease_expired": is_expired,
        "waiting": waiting.reason if is_running and not is_expired else None,
        "waiting_since": waiting.since if is_running and not is_expired else None,
        "paused_ms": waiting.paused_ms,
        "reverts": run.reverts,
        "message": run.message,
        "planned_at": run.planned_at,
        "started_at": run.started_at,
        "ended_at": run.ended_at,
        "next": _next_command(run, is_expired),
    }


def _next_command(run: RunRow, is_expired: bool) -> str:
    if run.started_at is None and run.status in (RunStatus.PLANNED, RunStatus.CANCELLED):
        return next_command("apply", run.run_id)
    if run.status in RESUMABLE or is_expired:
        return next_command("resume", run.run_id)
    if run.status is RunStatus.RUNNING:
        return next_command("cancel", run.run_id)
    return next_command("verify", run.run_id)


def _pending(
    connection: Connection, name: str, count: Callable[[Connection], PendingCounts]
) -> dict[str, Any]:
    """Return pending rows by member of the scope, of the fullest hundred, or why they are not
    known."""
    try:
        pending = count(connection)
    except (BackfillError, psycopg.Error) as error:  # of a role that may not look, among others
        return {name: None, "why": first_line(error)}
    fullest = sorted(pending.rows.items(), key=lambda entry: -entry[1])[:MOST_SCOPES]
    return {
        name: dict(fullest) if len(pending.rows) > MOST_SCOPES else pending.rows,
        f"{name}_total": sum(pending.rows.values()),
        f"{name}_scopes": len(pending.rows),
        "hidden": pending.hidden,
    }


@dataclass(frozen=True, slots=True)
class ShownPending:
    """Pending rows of a document, as people see them."""

    heading: str
    rows: Sequence[tuple[str, int]]
    beyond: str  # a sentence on members that are not shown
    warnings: Sequence[str]


def shown_pending(pending: Mapping[str, Any], most: int) -> ShownPending | str:
    """Return the fullest members of the scope, or why nobody knows."""
    counts = pending.get(TABLES.job)
    if counts is None:
        return f"Pending rows are not known: {pending.get('why', '')}"
    fullest = sorted(counts.items(), key=lambda entry: -entry[1] * (len(counts) > most))[:most]
    more = pending[f"{TABLES.job}_scopes"] - len(fullest)
    return ShownPending(
        f"{pending[f'{TABLES.job}_total']:,}",
        [(member or f"({TABLES.no_member})", count) for member, count in fullest],
        f"… {more:,} more; a dry run's summary.json has all: {next_command(TABLES.job)}"
        if more > 0
        else "",
        pending.get("hidden") or (),
    )


def cells_of(run: Mapping[str, Any]) -> Cells:
    """Return a run of the document as a row of a list."""
    whole = run["scanned"] + run["remaining"]
    rows = whole if run["scanned"] == whole else f"{run['scanned']:,} of {whole:,}"
    return Cells(run["run_id"], run["status"], "", (rows, run["updated"], run["skipped"]))


def status_text(document: dict[str, Any]) -> str:
    if "runs" not in document:
        return "\n".join(_lines(document))
    lines = [
        run_line(cells_of(run)) + (f"  waiting: {run['waiting']}" if run["waiting"] else "")
        for run in document["runs"]
    ] or [f"There are no runs yet. Make a dry run: {next_command(TABLES.job)}"]
    pending = shown_pending(document["pending"], MOST_SCOPES)
    if isinstance(pending, str):
        return "\n".join([*lines, "", pending])
    lines += ["", f"Pending rows ({pending.heading}):"]
    lines += [f"  {member}: {count:,}" for member, count in pending.rows]
    lines += [f"  {pending.beyond}"] * bool(pending.beyond)
    lines += [f"  Warning: {text}" for text in pending.warnings]
    return "\n".join(lines)


def _lines(run: dict[str, Any]) -> list[str]:
    lines = [f"Run {run['run_id']} ({run['job']}) is {run['status']}."]
    if run["message"]:
        lines.append(run["message"])
    lines.append(
        f"{run['scanned']:,} of {run['scanned'] + run['remaining']:,} rows in "
        f"{counted(run['chunks'], 'chunk')}: {run['updated']:,} updated, "
        f"{run['unchanged']:,} unchanged, {run['drifted']:,} drifted, {run['skipped']:,} skipped."
    )
    if run["rows_per_s"]:
        left = f", about {run['seconds_left']} s left" if run["seconds_left"] else ""
        lines.append(f"{run['rows_per_s']:,} rows/s{left}.")
    if run["lease_holder"]:
        state = "has run out" if run["lease_expired"] else f"lasts until {run['lease_expires_at']}"
        lines.append(f"Its lease is held by {run['lease_holder']} and {state}.")
    if run["waiting"]:
        lines.append(f"It waits since {run['waiting_since']:%H:%M:%S} UTC: {run['waiting']}.")
    if run["paused_ms"]:
        waited = ", ".join(f"{name} {ms / 1000:.1f} s" for name, ms in run["paused_ms"].items())
        lines.append(f"Waited so far: {waited}.")
    lines += _part_lines(run)
    lines += [f"Left alone, {reason}: {count:,}" for reason, count in run["left_alone"].items()]
    return [*lines, f"Next: {run['next']}"]


def _part_lines(run: dict[str, Any]) -> list[str]:
    """Return a line for each part of a run that has several, and who writes which ranges."""
    lines = [
        f"Part {part['part_no']} ({Selection.from_json(part['selection'])}): {part['rows']:,} "
        f"rows, approved by {part['approved_by']} at {part['approved_at']:%Y-%m-%d %H:%M} UTC."
        for part in run["parts"]
        if len(run["parts"]) > 1 or part["selection"]
    ]
    if len(run["ranges"]) > 1:
        ended = sum(entry["has_ended"] for entry in run["ranges"])
        lines.append(f"{ended} of {len(run['ranges'])} ranges have ended.")
        lines += [
            f"Range {entry['range_no']}: {entry['scanned']:,} of {entry['rows']:,} rows, held by "
            f"{entry['holder']}."
            for entry in run["ranges"]
            if entry["holder"]
        ]
    return lines
