"""How a command ends: the summary as one JSON object, and on a terminal first as a person reads."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from backfill.display.on_terminal import is_watched, print_shown
from backfill.display.pages import Shown
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


#: What the short line of other runs holds: which run, and what was counted.
_SHORT = ("run_id", "job", "total_scanned", "total_updated", "total_skipped", "elapsed_ms")


def print_ending(document: Mapping[str, Any], *, as_json: bool) -> None:
    """Print a run's summary: in full, or for a person with its chief keys as the last line."""
    if as_json or not is_watched() or "total_scanned" not in document:
        print_summary(document)
        return
    say("\n".join(readable(document)), sys.stdout)
    has_demanded = all(name in document for name in DEMANDED)
    chief = DEMANDED if has_demanded else _SHORT
    print_summary({name: document[name] for name in chief if name in document})


def print_verified(document: Mapping[str, Any], *, as_json: bool) -> None:
    """Print what verify found: in full, or for a person with its verdict as the last line."""
    if as_json or not is_watched():
        print_summary(document)
        return
    say("\n".join(_proof(document)), sys.stdout)
    print_summary({name: document[name] for name in ("run_id", "verified")})


def print_refusal(document: Mapping[str, Any], *, as_json: bool) -> None:
    """Print why nothing was done; a person has read the sentence already."""
    is_short = is_watched() and not as_json
    print_summary({k: v for k, v in document.items() if k != "error"} if is_short else document)


def print_result(document: Mapping[str, Any], shown: Shown, *, as_json: bool) -> None:
    """Print what was asked for: a document, tables on a terminal, or text."""
    if as_json:
        print_summary(document)
    elif is_watched():
        print_shown(shown)
    else:
        print(shown.text, flush=True)


def print_summary(document: Mapping[str, Any]) -> None:
    """Print the last line of stdout."""
    say(json.dumps(document, ensure_ascii=False, default=str), sys.stdout)


def _proof(document: Mapping[str, Any]) -> Iterator[str]:
    yield f"Run {document['run_id']} is {'' if document['verified'] else 'not '}proven"
    yield f"  {document['rows']:>12,}  rows read back"
    if document["recomputed"]:
        yield f"  {document['recomputed']:>12,}  of them computed again"
    yield f"  {document['disagreements']:>12,}  disagreements"


def readable(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield a run's summary as lines for a person, none longer than 80."""
    what = "a dry run, nothing was written" if document.get("dry_run") else document.get("status")
    yield f"Run {document.get('run_id')}: {what}"
    would = "would be " if document.get("dry_run") else ""
    for name, says in _COUNTS:
        count = document.get(name)
        if isinstance(count, int) and (count or name in DEMANDED):
            yield f"  {count:>12,}  {would if says == 'updated' else ''}{says}"
    if "elapsed_ms" in document:
        yield f"  {int(document['elapsed_ms']) / 1000:>10.1f} s  in all"
