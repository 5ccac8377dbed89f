"""What a run says while it works: progress events and messages, to whoever listens.

Under the command line a relay carries them from the kernel to the terminal; in JupyterLab a line
updates in place; the run's folder keeps every progress event.
"""

from __future__ import annotations

import functools
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from backfill.folder import RunFolder

if TYPE_CHECKING:  # psycopg behind them: `--help` does without
    from backfill.ledger import Counts
    from backfill.skips import Skip

RELAY_ENV = "BACKFILL_RELAY"
PROGRESS_FILE = "progress.jsonl"

Listener = Callable[[Mapping[str, Any]], None]


class Reporter:
    """Sends events to a listener, and progress to the run's folder."""

    def __init__(self, listener: Listener, folder: RunFolder | None = None) -> None:
        self._listener = listener
        self._folder = folder
        self._started = time.monotonic()
        self._telling = threading.Lock()  # workers of one process share a reporter

    def message(self, text: str, level: str = "info") -> None:
        """Say one line to a person."""
        self._tell({"type": "message", "level": level, "text": text})

    def skip(self, skip: Skip) -> None:
        """Say which row was left alone, and why: one line for each."""
        column = f" {skip.column}" if skip.column else ""
        self._tell(
            {
                "type": "skip",
                "level": "warning",
                "text": f"skipped {skip.key}{column}: {skip.reason} ({skip.detail})",
                "key": skip.key,
                "scope": skip.scope,
                "column": skip.column,
                "reason": skip.reason.value,
                "detail": skip.detail,
            }
        )

    def progress(
        self, run_id: str, counts: Counts, remaining: int, *, phase: str = "apply", why: str = ""
    ) -> None:
        """Say how far a run is; kept in the run's folder. `elapsed_ms` is this stretch's."""
        event: dict[str, Any] = {
            "type": "progress",
            "run_id": run_id,
            "phase": phase,
            "scanned": counts.scanned,
            "updated": counts.updated,
            "unchanged": counts.unchanged,
            "drifted": counts.drifted,
            "skipped": counts.skipped,
            "remaining": remaining,
            "elapsed_ms": round((time.monotonic() - self._started) * 1000),
        }
        if why:
            event["waiting_for"] = why
        self._keep(event)

    def pause(self, run_id: str, signal: str, reason: str) -> None:
        """Say that a run waits, and why; kept in the run's folder."""
        self._keep(
            {
                "type": "pause",
                "level": "warning",
                "run_id": run_id,
                "signal": signal,
                "reason": reason,
                "text": f"Waiting: {reason}.",
            }
        )

    def go_on(self, run_id: str, signal: str, paused_ms: int) -> None:
        """Say that a run waits no more; kept in the run's folder."""
        self._keep(
            {
                "type": "go_on",
                "run_id": run_id,
                "signal": signal,
                "paused_ms": paused_ms,
                "text": f"Going on after {paused_ms / 1000:.1f} s.",
            }
        )

    def _keep(self, event: Mapping[str, Any]) -> None:
        if self._folder:
            self._folder.append_line(PROGRESS_FILE, json.dumps(event))
        self._tell(event)

    def outcome(self, document: Mapping[str, Any]) -> None:
        """Hand the end of the run to whoever started the notebook."""
        self._tell({"type": "outcome", **document})

    def _tell(self, event: Mapping[str, Any]) -> None:
        with self._telling:
            self._listener(event)


def print_event(event: Mapping[str, Any]) -> None:
    """Print an event as a line of text on stderr: what a person reads in a log."""
    if event["type"] == "progress":
        print(progress_line(event), file=sys.stderr, flush=True)
    elif "text" in event:
        print(event["text"], file=sys.stderr, flush=True)


def progress_line(event: Mapping[str, Any]) -> str:
    """Return a progress event as a sentence with its rate and time left."""
    done, remaining = event["scanned"], event["remaining"]
    seconds = max(event["elapsed_ms"] / 1000, 0.001)
    rate = done / seconds
    left = f", about {remaining / rate:.0f} s left" if remaining and rate else ""
    waiting = f", waiting: {event['waiting_for']}" if event.get("waiting_for") else ""
    return (
        f"{event['phase']}: {done:,} of {done + remaining:,} rows "
        f"({event['updated']:,} updated, {event['skipped']:,} skipped, "
        f"{event['drifted']:,} drifted), {rate:,.0f} rows/s{left}{waiting}"
    )


@functools.cache
def listener_from_environment() -> Listener | None:
    """Return what sends events to the process that started this kernel, or None.

    One channel for the life of the kernel: events arrive in the order they were sent.
    """
    address = os.environ.get(RELAY_ENV)
    if not address:
        return None
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        channel.connect(address)
    except OSError:
        return None  # Its owner is gone; the record in the database and folder goes on.
    return _Relay(channel)


class _Relay:
    """Writes each event as a JSON line; a listener that went away is not an error."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel: socket.socket | None = channel

    def __call__(self, event: Mapping[str, Any]) -> None:
        if self._channel is None:
            return
        try:
            self._channel.sendall(json.dumps(event, default=str).encode() + b"\n")
        except OSError:
            self._channel.close()
            self._channel = None
