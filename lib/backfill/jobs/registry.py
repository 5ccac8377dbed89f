"""The one place where a backfill is registered; everything else is made from its entry: also the
options by which `check` and `grants` are told of the rows that another command was about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from backfill.errors import UsageError
from backfill.jobs.entry import Entry, Tables
from backfill.jobs.fill.entry import ENTRY as FILL
from backfill.jobs.ocr.entry import ENTRY as OCR
from backfill.jobs.utc.entry import ENTRY as UTC
from backfill.parameter import Kind, flags_of

if TYPE_CHECKING:
    from backfill.steps.kind import JobKind

JOBS: Mapping[str, Entry] = {entry.name: entry for entry in (UTC, OCR, FILL)}
#: What the job does with them whose tables a file may describe.
TABLES: Tables = next(entry.tables for entry in JOBS.values() if entry.tables)
_TASK = "task"


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


def asked_of(entry: Entry, values: Mapping[str, Any]) -> list[str]:
    """Return the options that name a job, and which of its rows and rules are meant."""
    return [*_named(entry.command), *rows_of(entry, values)]


def rows_of(entry: Entry, values: Mapping[str, Any]) -> list[str]:
    """Return those of them that the job's own command takes as well."""
    asked = [parameter for parameter in entry.parameters if parameter.name in entry.asked_by]
    return flags_of(asked, values)


def asked_again(words: Sequence[str]) -> list[str]:
    """Return them out of the words that made a plan; none for a task that is not here."""
    name = words[1] if words[:1] == [_TASK] and len(words) > 1 else (*words, "")[0]
    try:
        entry = entry_of(name)
    except UsageError:
        return []
    asked = {flag: p for p in entry.parameters if p.name in entry.asked_by for flag in p.flags}
    found = _named(entry.command)
    for place, word in enumerate(words):
        flag, is_whole, _value = word.partition("=")
        if flag in asked:
            single = bool(is_whole) or asked[flag].kind is Kind.FLAG
            found += words[place : place + (1 if single else 2)]
    return found


def _named(command: Sequence[str]) -> list[str]:
    name = command[-1] if command else ""
    return [] if not name or name == next(iter(JOBS)) else ["--job", name]
