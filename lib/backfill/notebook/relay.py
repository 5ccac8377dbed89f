"""Carries what a kernel reports to the terminal while it runs: a bar, or a log."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any, TextIO

from backfill.log_format import is_for_machines, is_log, log_line
from backfill.printing import say
from backfill.report import pace_of, paused, progress_line
from backfill.temporary import TemporaryFolder

_BAR_CELLS = 24
_LEAST_CELLS = 6
_PAUSES = ("pause", "go_on")
_MOVES = ("progress", "tick")
_ENDS = ("start", "end")  # what a log is searched by; a person has typed one, and reads the other
MOVE_SECONDS = 0.5
_NEVER = threading.Event()
_BACKLOG = 4
_COLOURS = {"error": "31", "warning": "33"}  # red and yellow, as everywhere
#: Of each reason, how many skips a quiet run names, and a screen; the others are counted.
SKIPS_SHOWN = 5
SKIPS_ON_SCREEN = 20


class Terminal:
    """Prints events on stderr: a bar and sentences on a terminal, lines of a log elsewhere.

    What answers a person is a sentence there too, unless all of it is to be a log.
    """

    def __init__(
        self, *, as_json: bool = False, quiet: bool = False, metrics_file: str | None = None
    ) -> None:
        self.as_json = as_json
        self.metrics_file = metrics_file
        self.run_id = ""  # of the run whose notebook is executed
        self._stream: TextIO | None = sys.stderr
        self._quiet = quiet
        self._is_all_log = as_json or is_for_machines(self._stream)
        self._is_log = as_json or is_log(self._stream)
        self._is_bar = self._stream is not None and self._stream.isatty() and not self._is_log
        self._has_bar = False
        self._last: Mapping[str, Any] = {}  # the progress that the bar shows
        self._skips: Counter[str] = Counter()  # by reason
        self.most_skips = SKIPS_SHOWN if quiet else SKIPS_ON_SCREEN if self._is_bar else None
        self._saying = threading.RLock()  # relays, and the clock that moves the bar
        self._shown: tuple[float, Mapping[str, Any]] = (0.0, {})  # when the bar was drawn, and what
        self._clock: threading.Thread | None = None

    def __call__(self, event: Mapping[str, Any]) -> None:
        """Say what happens on a run's way; advice to a person is an answer."""
        self.say(event, is_answer="advice" in event)

    def say(self, event: Mapping[str, Any], *, is_answer: bool) -> None:
        """Say something: a line of the log where there is one, or what answers a person."""
        with self._saying:
            self._say(event, as_log=self._is_all_log or (self._is_log and not is_answer))

    def _say(self, event: Mapping[str, Any], *, as_log: bool) -> None:
        kind, level = event["type"], event.get("level", "info")
        if kind == "outcome" or level == "debug" or (kind in _ENDS and not as_log):
            return
        if self._quiet and (kind in _MOVES or level == "info"):
            return
        if kind == "tick" and not self._is_bar:
            return
        if kind == "skip" and self._is_one_of_many(event["reason"]):
            return
        if self._is_bar and self._last and kind in _PAUSES:
            self._draw(paused(self._last, event))
        elif as_log:
            self._print(log_line(event, self.run_id))
        elif kind in _MOVES and not self._is_bar:
            self._print(progress_line(event))
        elif kind not in _MOVES:
            prefix = "warning: " if level == "warning" and kind != "skip" else ""
            self._print(self._coloured(f"{prefix}{event['text']}", level))
        else:
            self._last = event
            self._draw(event)

    def _coloured(self, text: str, level: str) -> str:
        code = _COLOURS.get(level)
        return f"\x1b[{code}m{text}\x1b[0m" if code and self._has_colour else text

    @property
    def _has_colour(self) -> bool:
        is_plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
        return bool(self._stream and self._stream.isatty() and not is_plain)

    def message(self, text: str, level: str = "info") -> None:
        """Answer the person who typed the command."""
        self.say({"type": "message", "level": level, "text": text}, is_answer=True)

    def log(self, text: str, level: str = "info") -> None:
        """Say what the command does on a run's way."""
        self({"type": "message", "level": level, "text": text})

    def _is_one_of_many(self, reason: str) -> bool:
        self._skips[reason] += 1
        return self.most_skips is not None and self._skips[reason] > self.most_skips

    def count_skips(self, *, is_answer: bool = False) -> None:
        """Say how many more skips there were than were named, in the form that those had."""
        for reason, number in self._skips.items():
            if self.most_skips is not None and number > self.most_skips:
                more = f"skipped {number - self.most_skips:,} more: {reason} ({number:,} in all)"
                text = f"{more}; each is in the run's skips.csv"
                event = {"type": "message", "level": "warning", "text": text}
                self.say(event, is_answer=is_answer)
        self._skips.clear()

    def end(self) -> None:
        if self._has_bar:
            say("", self._stream)
            self._has_bar = False

    def _print(self, line: str) -> None:
        self.end()
        say(line, self._stream)

    def _draw(self, event: Mapping[str, Any]) -> None:
        self._shown = (time.monotonic(), event)
        self._put(event)
        if self._clock is None:
            self._clock = threading.Thread(target=self._move, name="bar", daemon=True)
            self._clock.start()

    def _move(self) -> None:
        """Draw the bar again as time goes by, also while nothing is reported."""
        while not _NEVER.wait(MOVE_SECONDS):
            with self._saying:
                at, event = self._shown
                if self._has_bar and not event.get("waiting_for"):
                    self._put(aged(event, time.monotonic() - at))

    def _put(self, event: Mapping[str, Any]) -> None:
        width = shutil.get_terminal_size().columns - 1
        say(f"\r{bar_line(event, width, self._stream)}", self._stream, end="")
        self._has_bar = True


def aged(event: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    """Return a progress event as it looks so many seconds later: the time left has gone down."""
    left = {n: max(v - seconds, 0.0) for n, v in event.items() if n.startswith("seconds_left")}
    return {**event, **left}


def bar_line(event: Mapping[str, Any], width: int, stream: TextIO | None = None) -> str:
    """Return progress as a bar and what fits beside it: counts, rate, time left, why it waits.

    It fills the width, and so covers the line before. Where it is narrow the bar goes first: the
    time left is what a person looks for.
    """
    done, whole = event["scanned"], event["scanned"] + event["remaining"]
    share = done / whole if whole else 1.0
    figures = " · ".join([f"{share:.0%} {done:,} of {whole:,} rows", *pace_of(event)])
    cells = min(_BAR_CELLS, width - len(figures) - 1)
    if cells < _LEAST_CELLS:
        return figures[:width].ljust(width)
    return f"{_drawn(share, cells, stream)} {figures.ljust(width - cells - 1)}"


def _drawn(share: float, cells: int, stream: TextIO | None) -> str:
    """Return so many cells of a bar as rich draws it: with colour and fine parts where they are."""
    from rich.console import Console
    from rich.progress_bar import ProgressBar
    from rich.text import Text

    console = Console(file=stream or sys.stderr, width=cells)
    with console.capture() as drawn:
        console.print(ProgressBar(total=1.0, completed=share, width=cells), end="")
    text = drawn.get()
    return text + " " * (cells - Text.from_ansi(text).cell_len)  # without colour it ends early


class Relay:
    """Listens on a private socket; the last outcome that arrives is what a run ended with."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._folder = TemporaryFolder("relay", has_sockets=True)
        self.address = str(self._folder.path / "relay")
        self._server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._server.bind(self.address)
        self._server.listen(_BACKLOG)
        self._readers: list[threading.Thread] = []
        self.outcome: dict[str, Any] | None = None
        self._is_closing = False
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()

    def close(self) -> None:
        """Read what is still under way, then take the socket away."""
        self._is_closing = True
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as last:
            last.connect(self.address)  # wakes the acceptor
        self._acceptor.join(timeout=10)
        for reader in self._readers:
            reader.join(timeout=10)
        self._server.close()
        self._folder.cleanup()
        self._terminal.end()
        self._terminal.count_skips()

    def _accept(self) -> None:
        while True:
            channel, _ = self._server.accept()
            reader = threading.Thread(target=self._read, args=(channel,), daemon=True)
            reader.start()
            self._readers.append(reader)
            if self._is_closing:
                return

    def _read(self, channel: socket.socket) -> None:
        with channel, channel.makefile("r", encoding="utf-8") as lines:
            for line in lines:
                try:
                    event = json.loads(line)
                except ValueError:
                    continue  # cut off by a kill
                if event.get("type") == "outcome":
                    self.outcome = event
                else:
                    self._terminal(event)
