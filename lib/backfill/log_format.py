"""The one format of a log that nobody watches: a JSON object a line, with when, how grave, of which
run, and what.

A person who pipes what a run says reads sentences. Machines are told apart by what they are told:
`--json`, `BACKFILL_LOG=json` for everything that an environment starts, or the systemd journal,
which says so itself.
"""

from __future__ import annotations

import datetime as dt
import json
import os
from collections.abc import Mapping
from typing import Any, TextIO

from backfill.errors import UsageError
from backfill.printing import say

LOG_ENV = "BACKFILL_LOG"
_FORMATS = ("json", "text")
#: systemd's own: device and inode of the journal's stream, where output goes there.
_JOURNAL_ENV = "JOURNAL_STREAM"


def check_log_format() -> None:
    """Raise `UsageError` for a format that there is not."""
    if (wanted := os.environ.get(LOG_ENV, "")) and wanted not in _FORMATS:
        raise UsageError(f"{LOG_ENV} is {wanted[:40]!r}: say json or text, or nothing.")


def is_for_machines(stream: TextIO | None) -> bool:
    """Return whether what is said on a stream is a log, though no option says so."""
    if wanted := os.environ.get(LOG_ENV):
        return wanted == "json"
    journal = os.environ.get(_JOURNAL_ENV)
    if not journal or stream is None:
        return False
    try:
        told = os.fstat(stream.fileno())
    except (OSError, ValueError):  # no file, or closed
        return False
    return journal == f"{told.st_dev}:{told.st_ino}"


def say_in_log(text: str, level: str, stream: TextIO | None, *, as_json: bool = False) -> None:
    """Print what no run says, in the format of everything else on that stream."""
    if as_json or is_for_machines(stream):
        text = log_line({"type": "message", "level": level, "text": text}, "")
    say(text, stream)


def log_line(event: Mapping[str, Any], run_id: str) -> str:
    """Return an event as every log of ours has it, a JSON object: when, how grave, of which run,
    what; then what the event says itself."""
    now = dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds")
    head = {
        "ts": event.get("ts", now),
        "level": event.get("level", "info"),
        "run_id": event.get("run_id", run_id),
        "event": event["type"],
    }
    return json.dumps({**event, **head}, ensure_ascii=False, default=str)
