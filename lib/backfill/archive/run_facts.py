"""What a run's folder says of the run; a folder that can not be read is a fact as well."""

from __future__ import annotations

import contextlib
import csv
import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backfill.archive.evidence import CHECKPOINTS_FILE, RUN_FILE, SUMMARY_FILE, SUMS_FILE
from backfill.errors import BackfillError
from backfill.folder import RUN_ID, RunFolder
from backfill.plans.plan import PLAN_FILE
from backfill.records.checkpoint import COUNTED, Checkpoint
from backfill.which_folder import find_folder

NOT_CLOSED = "not closed"  # by its folder alone nobody knows whether it still runs
_COUNTS = ("total_scanned", "total_updated", "total_unchanged", "total_drifted", "total_skipped")


@dataclass(frozen=True, slots=True)
class RunFacts:
    """`run.json`, `plan.json` and `summary.json` of one folder; empty where there is none."""

    folder: RunFolder
    run: Mapping[str, Any]
    plan: Mapping[str, Any]
    summary: Mapping[str, Any]
    problems: tuple[str, ...] = ()
    is_closed: bool = True

    @property
    def run_id(self) -> str:
        return self.folder.run_id

    @property
    def job(self) -> str:
        """The job, of a revert that of the run which it reverts."""
        return str(self.run.get("job") or self.plan.get("job") or self.folder.job)

    @property
    def opened_at(self) -> str:
        """When the run was opened, in UTC, as its id says it."""
        return opened_at(self.run_id)

    @property
    def status(self) -> str:
        """The status as of the folder's last closing; `broken` when its files can not be read."""
        if self.problems:
            return "broken"
        if not self.is_closed or "status" not in self.summary:
            return NOT_CLOSED
        return str(self.summary["status"])

    @property
    def is_dry_run(self) -> bool:
        return bool(self.summary.get("dry_run", True))

    @property
    def counts(self) -> dict[str, int]:
        """The demand's totals; an empty dictionary for a run that came to none."""
        totals = {name: self.summary.get(name) for name in _COUNTS}
        return {name: value for name, value in totals.items() if isinstance(value, int)}

    @property
    def reverts(self) -> str:
        return str(self.summary.get("reverts") or self.plan.get("reverts") or "")

    def planned(self, part: str) -> Mapping[str, Any]:
        """Return a part of the plan, like `settings`; empty where there is none."""
        found = self.plan.get(part)
        return found if isinstance(found, Mapping) else {}

    @property
    def scope(self) -> list[str] | None:
        """The members of the scope; None for all."""
        members = self.planned("scope").get("members")
        return [str(member) for member in members] if isinstance(members, list) else None

    @property
    def trouble(self) -> str:
        """Why the run stopped, in one line; empty where it did not."""
        return " ".join(str(self.summary.get("error") or "; ".join(self.problems)).split())


def opened_at(run_id: str) -> str:
    """Return the instant in a run's id, like 2026-11-20T08:00:00Z: as written, it may be none."""
    day, time = run_id[:8], run_id[9:15]
    return f"{day[:4]}-{day[4:6]}-{day[6:]}T{time[:2]}:{time[2:4]}:{time[4:]}Z"


def read_facts(folder: RunFolder, *, with_plan: bool = True) -> RunFacts:
    """Return what the folder says, without the plan if so asked. Never raises for what is in it."""
    problems: list[str] = []
    names = (RUN_FILE, PLAN_FILE, SUMMARY_FILE)
    documents: dict[str, dict[str, Any]] = {name: {} for name in names}
    for name in names if with_plan else (RUN_FILE, SUMMARY_FILE):
        if folder.file(name).exists() or name == RUN_FILE:
            try:
                documents[name] = folder.read_json(name)
            except BackfillError as error:
                problems.append(str(error).replace(f"{folder.path}/", ""))
    is_closed = folder.file(SUMS_FILE).exists()
    if not is_closed and problems and not any(folder.file(n).exists() for n in documents):
        problems = []  # just opened, or killed before it wrote a word
    return RunFacts(
        folder,
        documents[RUN_FILE],
        documents[PLAN_FILE],
        documents[SUMMARY_FILE],
        tuple(problems),
        is_closed,
    )


def facts_of(runs: Path, wanted: str) -> RunFacts:
    """Return what the folder says of a run: its id, the beginning, `latest`, or a path to it."""
    path = Path(wanted).expanduser()
    if RUN_ID.fullmatch(path.name) and path.name != wanted and path.is_dir():
        return read_facts(RunFolder(path.resolve()))
    return read_facts(find_folder(runs, wanted))


def read_rows(folder: RunFolder, name: str) -> Iterator[dict[str, str]]:
    """Yield the rows of a CSV file of the folder; none when it is not there or is broken."""
    csv.field_size_limit(2**31 - 1)
    with (
        contextlib.suppress(OSError, ValueError, csv.Error),
        folder.file(name).open(encoding="utf-8", newline="") as stream,
    ):
        yield from csv.DictReader(stream)


def read_checkpoints(folder: RunFolder) -> list[Checkpoint]:
    """Return the checkpoints of `checkpoints.csv`; none when it is not there or is broken."""
    with contextlib.suppress(KeyError, ValueError, TypeError):
        return [_checkpoint(row) for row in read_rows(folder, CHECKPOINTS_FILE)]
    return []


def _checkpoint(row: Mapping[str, str]) -> Checkpoint:
    numbers = ("chunk_no", "scanned", *COUNTED, "elapsed_ms")
    values: dict[str, Any] = {name: int(row[name]) for name in numbers}
    values |= {name: row[name] for name in ("key_low", "key_high", "chain_hash")}
    return Checkpoint(**values, committed_at=dt.datetime.fromisoformat(row["committed_at"]))
