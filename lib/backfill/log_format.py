"""The one format of a log that nobody watches: a JSON object a line, with when, how grave, of which
run, and what.

Without a terminal all that a run says on its way is a log. What answers the person who typed (an
error, what to type next) stays a sentence there, unless `--json`, `BACKFILL_LOG=json` or the
systemd journal, which says so itself, ask for one format of everything. `BACKFILL_LOG=text` keeps
sentences.
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
    """Return whether all that is said on a stream is a log, though no option says so."""
    if wanted := os.environ.get(LOG_ENV):
        return wanted == "json"
    journal = os.environ.get(_JOURNAL_ENV)
    if not journal or stream is None:
        return False
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):  # no file, or closed
        return False
    return journal == f"{status.st_dev}:{status.st_ino}"


def is_log(stream: TextIO | None) -> bool:
    """Return whether what happens on the way of a run is a line of a log on a stream."""
    if stream is None or is_for_machines(stream):
        return True
    return not stream.isatty() and os.environ.get(LOG_ENV) != "text"


def say_in_log(text: str, level: str, stream: TextIO | None, *, as_json: bool = False) -> None:
    """Print what no run says, in the format of everything else on that stream."""
    if as_json or is_for_machines(stream):
        text = log_line({"type": "message", "level": level, "text": text}, "")
    say(text, stream)


def log_line(event: Mapping[str, Any], run_id: str) -> str:
    """Return an event as every log of ours has it, a JSON object: when, how grave, of which run,
    what, its sentence; and what the event says itself."""
    now = dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds")
    head = {
        "ts": event.get("ts", now),
        "level": event.get("level", "info"),
        "run_id": event.get("run_id", run_id),
        "event": event["type"],
    }
    if "text" not in event:  # a line of progress begins with its type: scripts know it by that
        return json.dumps({**event, **head}, ensure_ascii=False, default=str)
    rest = {name: value for name, value in event.items() if name not in ("text", *head)}
    said = {**head, "message": event["text"], **rest}
    return json.dumps(said, ensure_ascii=False, default=str)


def sentence_of(line: Mapping[str, Any]) -> str:
    """Return the sentence of a line of a log; earlier versions had another name for it."""
    return str(line.get("message") or line.get("text") or "")
