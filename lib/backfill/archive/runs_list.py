"""All runs, newest first: from the folders in `runs/`, and from the database where it answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from backfill.archive.run_facts import RunFacts, opened_at, read_facts
from backfill.folder import RUN_ID
from backfill.records.checkpoint import COUNTED
from backfill.records.ledger import RunRow
from backfill.status import RunStatus
from backfill.which_folder import run_folders

_PAGES = ("notebook.html", "apply*.html")


@dataclass(frozen=True, slots=True)
class ListedRun:
    """A run as a line of the list. `where` says which side knows of it; `opened_at` is in UTC."""

    run_id: str
    job: str
    status: str
    is_dry_run: bool
    reverts: str
    error: str
    where: str
    database: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)
    pages: tuple[str, ...] = ()
    reverted_by: str = ""

    @property
    def opened_at(self) -> str:
        return opened_at(self.run_id)

    def as_json(self) -> dict[str, Any]:
        """Return the line as `backfill runs --json` prints it."""
        return {
            "run_id": self.run_id,
            "job": self.job,
            "status": self.status,
            "opened_at": self.opened_at,
            "dry_run": self.is_dry_run,
            "database": self.database,
            **self.counts,
            "reverts": self.reverts or None,
            "reverted_by": self.reverted_by or None,
            "error": self.error or None,
            "pages": list(self.pages),
            "where": self.where,
        }


def list_runs(
    runs: Path,
    rows: Sequence[RunRow] | None = None,
    totals: Callable[[Sequence[str]], Iterable[Mapping[str, Any]]] = lambda _runs: (),
    most: int | None = None,
) -> list[ListedRun]:
    """Return the runs, newest first; at most `most` folders are read.

    `rows` are those of the database, whose word on a status counts; None: it was not asked.
    `totals` of its checkpoints are asked for runs whose folder does not tell them, or not now.
    """
    folders = run_folders(runs)[:most]
    listed = {folder.run_id: _of_folder(read_facts(folder, with_plan=False)) for folder in folders}
    if rows is not None:
        listed = {run_id: replace(run, where="folder only") for run_id, run in listed.items()}
        for row in rows:
            entry = listed.get(row.run_id)
            if entry is not None:
                listed[row.run_id] = _as_in_database(entry, row)
            elif RUN_ID.fullmatch(row.run_id):
                listed[row.run_id] = _of_row(row)
        _count(listed, rows, totals)
    _mark_reverted(listed)
    return sorted(listed.values(), key=_age, reverse=True)


def _age(run: ListedRun) -> tuple[str, bool, str]:
    """Order runs by the second they were opened in; who puts back another came after it."""
    return run.run_id.partition("Z")[0], bool(run.reverts), run.run_id


def matching(
    runs: Iterable[ListedRun], job: str | None = None, status: str | None = None
) -> list[ListedRun]:
    return [
        run for run in runs if (not job or run.job == job) and (not status or run.status == status)
    ]


def _of_folder(facts: RunFacts) -> ListedRun:
    pages = (path.name for pattern in _PAGES for path in sorted(facts.folder.path.glob(pattern)))
    return ListedRun(
        *(facts.run_id, facts.job, facts.status, facts.is_dry_run, facts.reverts),
        facts.trouble,
        "folder",
        str(facts.run.get("database") or ""),
        facts.counts,
        tuple(pages),
    )


def _as_in_database(run: ListedRun, row: RunRow) -> ListedRun:
    is_broken = run.status == "broken"
    return replace(
        run,
        is_dry_run=row.started_at is None,
        job=row.job,
        status=run.status if is_broken else row.status.value,
        reverts=row.reverts or "",
        where="folder and database",
    )


def _of_row(row: RunRow) -> ListedRun:
    facts = (row.run_id, row.job, row.status.value, row.started_at is None, row.reverts or "")
    return ListedRun(*facts, row.message, "database only")


def _count(
    listed: dict[str, ListedRun],
    rows: Sequence[RunRow],
    totals: Callable[[Sequence[str]], Iterable[Mapping[str, Any]]],
) -> None:
    """Take the counts of begun runs that were lost, killed or are at work from the database."""
    begun = [row for row in rows if row.started_at and row.run_id in listed]
    untold = [
        row.run_id
        for row in begun
        if row.status is RunStatus.RUNNING or not listed[row.run_id].counts
    ]
    for total in totals(untold) if untold else ():
        counts = {f"total_{name}": int(total[name]) for name in ("scanned", *COUNTED)}
        listed[total["run_id"]] = replace(listed[total["run_id"]], counts=counts)


def _mark_reverted(listed: dict[str, ListedRun]) -> None:
    """Say on each reverted run which run put it back."""
    for run in list(listed.values()):
        reverted = listed.get(run.reverts)
        if reverted and not run.is_dry_run and run.status == "succeeded":
            listed[run.reverts] = replace(reverted, status="reverted", reverted_by=run.run_id)
