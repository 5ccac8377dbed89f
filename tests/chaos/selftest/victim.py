"""A process that runs the engine and can be met at any named point: `python -m …victim`.

It takes one JSON command a line on stdin and answers with JSON lines on stdout. At a point that a
command names, it says so and waits for a line: whoever started it can then kill it, stop it, edit
rows below it or take its server away, at a moment that is exactly known.

A point is the name of a step of a chunk (`after_update`), or a function of ours before or after
which to wait (`backfill.archive.evidence:close@before`). Faults live here, never in production
code.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import functools
import importlib
import json
import os
import resource
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TextIO
from unittest import mock

from backfill import workbook
from backfill.notebook.run_book import RunBook
from backfill.server.dsn import DSN_ENV
from backfill.steps.running import apply_run

_STEPS = ("preflight", "extract", "compute", "diff", "plan", "apply", "verify", "summary")


class _Points:
    """Counts visits of the points, and waits at those that the command names."""

    def __init__(self, stdout: TextIO, wanted: list[dict[str, Any]]) -> None:
        self._stdout = stdout
        self._wanted = [(str(entry["point"]), int(entry["nth"])) for entry in wanted]
        self._visits: Counter[str] = Counter()

    @property
    def functions(self) -> set[str]:
        """The functions to wrap, as `module:name`."""
        return {point.split("@")[0] for point, _nth in self._wanted if ":" in point}

    def visit(self, point: str) -> None:
        self._visits[point] += 1
        if (point, self._visits[point]) in self._wanted:
            say(self._stdout, {"reached": point})
            if not sys.stdin.readline():
                os._exit(1)  # whoever started us is gone

    def wrapped(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            self.visit(f"{name}@before")
            value = function(*args, **kwargs)
            self.visit(f"{name}@after")
            return value

        return call


def say(stdout: TextIO, document: Mapping[str, Any]) -> None:
    print(json.dumps(document, ensure_ascii=False, default=str), file=stdout, flush=True)


def main() -> None:
    """Answer commands until stdin ends."""
    stdout = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a full disk is an error, not a death
    say(stdout, {"ready": os.getpid()})
    for line in sys.stdin:
        say(stdout, {"ended": _obey(stdout, json.loads(line))})


def _obey(stdout: TextIO, command: Mapping[str, Any]) -> dict[str, Any]:
    """Carry out one command; return its outcome, as the command line would tell it."""
    os.environ[DSN_ENV] = command["dsn"]
    points = _Points(stdout, command["meet"])
    events: list[Mapping[str, Any]] = []
    error = ""
    with contextlib.ExitStack() as stack:
        stack.enter_context(_faults(points, events))
        if hours := command.get("clock_hours"):
            stack.enter_context(_wrong_clock(float(hours)))
        if limit := command.get("file_bytes"):
            stack.enter_context(_small_files(int(limit)))
        try:
            _VERBS[command["verb"]](command["values"])
        except (Exception, KeyboardInterrupt) as caught:  # whatever it is, its case is told of it
            error = f"{type(caught).__name__}: {caught}"
    outcomes = [event for event in events if event["type"] == "outcome"]
    outcome = outcomes[-1] if outcomes else {"exit_code": 1, "error": error, "summary": {}}
    return {**outcome, "events": [event for event in events if event["type"] != "outcome"]}


@contextlib.contextmanager
def _faults(points: _Points, events: list[Mapping[str, Any]]) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        steps = functools.partial(apply_run, step=points.visit)
        stack.enter_context(mock.patch("backfill.notebook.run_book.apply_run", steps))
        stack.enter_context(
            mock.patch("backfill.notebook.show.listener_from_environment", lambda: events.append)
        )
        for name in points.functions:
            owner, attribute = _owner(name)
            original = owner.__dict__[attribute]
            stack.enter_context(mock.patch.object(owner, attribute, points.wrapped(name, original)))
        yield


def _owner(name: str) -> tuple[Any, str]:
    """Return what holds a function, and the function's name there."""
    module, _, path = name.partition(":")
    owner: Any = importlib.import_module(module)
    *parents, attribute = path.split(".")
    for parent in parents:
        owner = getattr(owner, parent)
    return owner, attribute


@contextlib.contextmanager
def _wrong_clock(hours: float) -> Iterator[None]:
    seconds = hours * 3600
    real_time, real_monotonic = time.time, time.monotonic

    class WrongDatetime(dt.datetime):
        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> Any:
            return dt.datetime.fromtimestamp(real_time() + seconds, tz)

    with (
        mock.patch("time.time", lambda: real_time() + seconds),
        mock.patch("time.monotonic", lambda: real_monotonic() + seconds),
        mock.patch("datetime.datetime", WrongDatetime),
    ):
        yield


@contextlib.contextmanager
def _small_files(limit: int) -> Iterator[None]:
    """Let no file grow beyond `limit` bytes: what a full disk does to a file that grows."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def _take_steps(book: RunBook) -> None:
    for name in _STEPS:
        if hasattr(book, name):
            getattr(book, name)()


def _plan(job: str, values: dict[str, Any]) -> None:
    _take_steps(workbook.open_run(job, values))


def _apply(values: dict[str, Any]) -> None:
    _take_steps(workbook.open_plan({**values, "apply": True}))


def _revert(values: dict[str, Any]) -> None:
    _take_steps(workbook.open_revert(values))


_VERBS: dict[str, Callable[[dict[str, Any]], None]] = {
    "utc": functools.partial(_plan, "utc"),
    "ocr": functools.partial(_plan, "ocr"),
    "apply": _apply,
    "revert": _revert,
}

if __name__ == "__main__":
    main()
