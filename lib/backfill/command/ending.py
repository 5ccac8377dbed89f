"""How a command ends: the summary as one JSON object, and on a terminal first as a person reads."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from backfill.printing import say

#: What the demand names, in its order.
DEMANDED = ("household_id", "total_scanned", "total_updated", "total_skipped", "elapsed_ms")
_COUNTS = (
    ("total_scanned", "rows scanned"),
    ("total_updated", "updated"),
    ("total_unchanged", "unchanged already"),
    ("total_skipped", "skipped"),
    ("total_drifted", "drifted"),
    ("sessions_failed", "sessions failed"),
    ("sessions_held", "sessions held back"),
)


def print_ending(document: Mapping[str, Any], *, as_json: bool) -> None:
    """Print a run's summary: in full, or for a person with the demanded keys as the last line."""
    is_watched = sys.stdout is not None and sys.stdout.isatty()
    has_all = all(name in document for name in DEMANDED)
    if as_json or not is_watched or not has_all:
        say(json.dumps(document, ensure_ascii=False, default=str), sys.stdout)
        return
    say("\n".join(readable(document)), sys.stdout)
    short = {name: document[name] for name in DEMANDED}
    say(json.dumps(short, ensure_ascii=False, default=str), sys.stdout)


def readable(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield a run's summary as lines for a person, none longer than 80."""
    what = "a dry run, nothing was written" if document.get("dry_run") else document.get("status")
    yield f"Run {document.get('run_id')}: {what}"
    would = "would be " if document.get("dry_run") else ""
    for name, says in _COUNTS:
        count = document.get(name)
        if isinstance(count, int) and (count or name in DEMANDED):
            yield f"  {count:>12,}  {would if says == 'updated' else ''}{says}"
    yield f"  {int(document['elapsed_ms']) / 1000:>10.1f} s  in all"
