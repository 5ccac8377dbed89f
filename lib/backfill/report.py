"""What a run says while it works: progress events and messages, to whoever listens.

Under the command line a relay carries them from the kernel to the terminal; in JupyterLab a line
updates in place; the run's folder keeps every progress event.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from backfill.errors import StorageError
from backfill.folder import RunFolder
from backfill.log_format import log_line
from backfill.skips import SKIP_FIELDS, Skip
from backfill.time_left import Forecast, TimeLeft

if TYPE_CHECKING:  # psycopg behind them: `--help` does without
    from backfill.records.checkpoint import Counts

RELAY_ENV = "BACKFILL_RELAY"
PROGRESS_FILE = "progress.jsonl"
TICK_SECONDS = 1.0

Listener = Callable[[Mapping[str, Any]], None]


class Reporter:
    """Sends events to a listener, and progress to the run's folder."""

    def __init__(self, listener: Listener, folder: RunFolder | None = None) -> None:
        self._listener = listener
        self._folder = folder
        self._started = time.monotonic()
        self._told_at = 0.0  # seconds after that, of the last word on progress
        self._telling = threading.Lock()  # workers of one process share a reporter
        self._time_left = TimeLeft()

    def message(self, text: str, level: str = "info") -> None:
        """Say one line to a person; kept in the run's folder."""
        self._say({"type": "message", "level": level, "text": text})

    def advise(self, text: str, level: str = "info") -> None:
        """Say what a person may type next: a sentence to copy from, wherever it is read."""
        self._say({"type": "message", "level": level, "text": text, "advice": True})

    def _say(self, event: Mapping[str, Any]) -> None:
        with contextlib.suppress(StorageError):  # what can not be kept is said all the same
            self._log(event)
        self._tell(event)

    def skips(self, skips: Iterable[Skip]) -> None:
        """Say which rows were left alone, and why: one line for each; kept in the run's folder."""
        events = [_skip_event(skip) for skip in skips]
        if events:
            with contextlib.suppress(StorageError):
                self._log(*events)
        for event in events:
            self._tell(event)

    def progress(self, run_id: str, counts: Counts, remaining: int) -> None:
        """Say how far a run is, how fast, and how long it will take; kept in the run's folder.

        `elapsed_ms` is this stretch's.
        """
        self._told_at = seconds = time.monotonic() - self._started
        self._time_left.see(seconds, counts.scanned)
        self._keep(self._progress("progress", run_id, counts, remaining))

    def tick(self, run_id: str, counts: Counts, remaining: int) -> None:
        """Say between two reports how far a run is, once a second: a bar moves, no log grows."""
        seconds = time.monotonic() - self._started
        if seconds - self._told_at >= TICK_SECONDS:
            self._told_at = seconds
            self._tell(self._progress("tick", run_id, counts, remaining))

    def _progress(self, kind: str, run_id: str, counts: Counts, remaining: int) -> dict[str, Any]:
        forecast = self._time_left.forecast(remaining)
        return {
            "type": kind,
            "run_id": run_id,
            "phase": "apply",
            **counts.by_name(),
            "remaining": remaining,
            "elapsed_ms": round((time.monotonic() - self._started) * 1000),
            **(_foretold(forecast) if forecast else {}),
        }

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
        self._time_left.pause(paused_ms / 1000)
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
        self._log(event)
        self._tell(event)

    def _log(self, *events: Mapping[str, Any]) -> None:
        """Add events to the folder's log, all of them at once."""
        if self._folder:
            lines = (log_line(event, self._folder.run_id) for event in events)
            self._folder.append_line(PROGRESS_FILE, "\n".join(lines))

    def outcome(self, document: Mapping[str, Any]) -> None:
        """Hand the end of the run to whoever started the notebook."""
        self._tell({"type": "outcome", **document})

    def _tell(self, event: Mapping[str, Any]) -> None:
        with self._telling:
            self._listener(event)


def _skip_event(skip: Skip) -> dict[str, Any]:
    key = f"row {skip.key}" if skip.key.isdecimal() else skip.key  # a number reads like a count
    column = f" {skip.column}" if skip.column else ""
    detail = f" ({skip.detail})" if skip.detail else ""
    return {
        "type": "skip",
        "level": "warning",
        "text": f"skipped {key}{column}: {skip.reason}{detail}",
        **dict(zip(SKIP_FIELDS, skip.texts(), strict=True)),
    }


def _foretold(forecast: Forecast) -> dict[str, float]:
    return {
        "rows_per_s": round(forecast.rows_per_s, 1),
        "seconds_left": round(forecast.seconds, 1),
        "seconds_left_low": round(forecast.low, 1),
        "seconds_left_high": round(forecast.high, 1),
    }


def print_event(event: Mapping[str, Any]) -> None:
    """Print an event as a line of text on stderr: what a person reads in a log."""
    if event["type"] == "progress":
        print(progress_line(event), file=sys.stderr, flush=True)
    elif "text" in event:
        print(event["text"], file=sys.stderr, flush=True)


def progress_line(event: Mapping[str, Any]) -> str:
    """Return a progress event as a sentence with its rate, the time left, and why it waits."""
    done, remaining = event["scanned"], event["remaining"]
    parts = [
        f"{event['phase']}: {done:,} of {done + remaining:,} rows ({event['updated']:,} updated, "
        f"{event['skipped']:,} skipped, {event['drifted']:,} drifted)",
        *pace_of(event),
    ]
    return ", ".join(parts)


def pace_of(event: Mapping[str, Any]) -> list[str]:
    """Return what a progress event says of rate, time left and waiting: each where it is known."""
    parts = []
    if "rows_per_s" in event:
        names = ("rows_per_s", "seconds_left", "seconds_left_low", "seconds_left_high")
        forecast = Forecast(*(float(event[name]) for name in names))
        parts.append(f"{forecast.rows_per_s:,.0f} rows/s")
        if event["remaining"]:
            parts.append(str(forecast))
    if event.get("waiting_for"):
        parts.append(f"waiting: {event['waiting_for']}")
    return parts


def paused(progress: Mapping[str, Any], event: Mapping[str, Any]) -> dict[str, Any]:
    """Return the last progress as it looks while a run waits (`pause`), or again does (`go_on`)."""
    shown = {name: value for name, value in progress.items() if name != "waiting_for"}
    return {**shown, "waiting_for": event["reason"]} if event["type"] == "pause" else shown


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
