"""The options by which `check` and `grants` are told of the rows that another command was about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from backfill.errors import UsageError
from backfill.jobs.entry import Entry
from backfill.jobs.registry import JOBS, entry_of
from backfill.parameter import Kind, flags_of

_TASK = "task"


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
