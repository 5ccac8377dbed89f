"""Remove what can be had again of old runs: working copies, leftovers, caches of jobs.

What proves a run stays for ever: the plan, the changes, the record, the sums and all they cover.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from backfill.archive.evidence import SUMS_FILE
from backfill.archive.run_facts import opened_at
from backfill.errors import StorageError
from backfill.folder import PARTIAL_SUFFIX
from backfill.plans.staging import STAGING_FILE
from backfill.which_folder import run_folders


@dataclass(frozen=True, slots=True)
class Pruned:
    """How many files went, or would go, and how many bytes they held."""

    files: int
    bytes: int
    runs: int


def prune(
    runs: Path, caches: Iterable[Path], keep_days: int, now: dt.datetime, *, dry_run: bool
) -> Pruned:
    """Remove what can be had again of closed runs that are older than `keep_days` days."""
    before = now - dt.timedelta(days=keep_days)
    files = [path for folder in _old(runs, before) for path in _of_run(folder)]
    touched = {path.parent for path in files}
    files += [path for cache in caches for path in _kept_in(cache, before)]
    size = 0
    for path in files:
        try:
            size += path.stat().st_size
            if not dry_run:
                path.unlink()
        except FileNotFoundError:
            continue
        except OSError as error:
            raise StorageError(f"{path} could not be removed: {error.strerror}.") from error
    return Pruned(len(files), size, len(touched))


def _old(runs: Path, before: dt.datetime) -> Iterator[Path]:
    for folder in run_folders(runs):
        opened = dt.datetime.fromisoformat(opened_at(folder.run_id))
        if opened < before and folder.file(SUMS_FILE).is_file():  # one that is open is at work
            yield folder.path


def _of_run(folder: Path) -> Iterator[Path]:
    yield from folder.glob(f"{STAGING_FILE}*")
    yield from folder.glob(f"*{PARTIAL_SUFFIX}")


def _kept_in(cache: Path, before: dt.datetime) -> Iterator[Path]:
    if cache.is_dir():
        for path in cache.rglob("*"):
            if path.is_file() and path.stat().st_mtime < before.timestamp():
                yield path
