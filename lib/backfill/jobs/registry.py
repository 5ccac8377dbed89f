"""The one place where a backfill is registered; everything else is made from its entry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from backfill.jobs.entry import Entry
from backfill.jobs.fill.entry import ENTRY as FILL
from backfill.jobs.ocr.entry import ENTRY as OCR
from backfill.jobs.utc.entry import ENTRY as UTC

if TYPE_CHECKING:
    from backfill.steps.kind import JobKind

JOBS: Mapping[str, Entry] = {entry.name: entry for entry in (UTC, OCR, FILL)}


def entry_of(name: str) -> Entry:
    """Return the entry of one that ships, or of a task by its name or `module:attribute`.

    Raises `UsageError` for a task that is not there.
    """
    if name in JOBS:
        return JOBS[name]
    from backfill.jobs.tasks import find_task

    return find_task(name).entry(name)


def kind_of(name: str) -> JobKind:
    """Return what can be done for runs of a job, by the job's name.

    Of a task that is not installed here all is known that its runs' rows tell.
    """
    if name in JOBS:
        return JOBS[name].kind()
    from backfill.jobs.tasks import installed_kind

    return installed_kind(name)
