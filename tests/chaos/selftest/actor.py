"""The other end of a victim: starts it, meets it at a point, kills it, hears how it ended."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.chaos.selftest.claims import Disproved, equal, says

ROOT = Path(__file__).parents[3]
VICTIM = "tests.chaos.selftest.victim"
DEADLINE_SECONDS = 300.0
_HIDDEN = ("DATABASE_URL", "TEST_DATABASE_URL", "BACKFILL_RELAY", "BACKFILL_RUN_ID")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended, as its caller sees it: `exit_code` is minus the signal after a kill."""

    exit_code: int
    error: str = ""
    summary: dict[str, Any] = field(default_factory=dict)
    events: tuple[dict[str, Any], ...] = ()

    @property
    def run_id(self) -> str:
        return str(self.summary["run_id"])

    def went_well(self, whose: str = "") -> None:
        """Raise `Disproved` unless the exit code is 0."""
        equal(f"exit code {whose}".strip(), (self.exit_code, self.error), (0, ""))

    def exited(self, code: int, *said: str, whose: str = "") -> None:
        """Raise `Disproved` unless this is the exit code, and the error says each part."""
        equal(f"exit code {whose} ({self.error})".strip(), self.exit_code, code)
        says(self.error, *said)

    @property
    def messages(self) -> str:
        """All that was said, one line each."""
        return "\n".join(str(event["text"]) for event in self.events if "text" in event)


class Actor:
    """One victim process; it obeys one command after the other until it is killed."""

    def __init__(self) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  closed with the process
        self._process = subprocess.Popen(
            [sys.executable, "-m", VICTIM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env={**environment(), "PYTHONPATH": str(ROOT)},
            cwd=Path.home() if Path.home().is_dir() else "/",
            start_new_session=True,
        )
        self._rest = b""
        self._is_ready = False

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def command(self, document: Mapping[str, Any]) -> None:
        if not self._is_ready:
            self.hear()
            self._is_ready = True
        self.write(json.dumps(document))

    def write(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n".encode())
        self._process.stdin.flush()

    def hear(self, seconds: float = DEADLINE_SECONDS) -> dict[str, Any] | None:
        """Return the next thing it says; None when it died."""
        assert self._process.stdout is not None
        deadline = time.monotonic() + seconds
        descriptor = self._process.stdout.fileno()
        while b"\n" not in self._rest:
            left = deadline - time.monotonic()
            if left <= 0:
                raise Disproved(f"nothing was heard for {seconds:.0f} s; it said: {self.errors()}")
            if not select.select([descriptor], [], [], left)[0]:
                continue
            content = os.read(descriptor, 65_536)
            if not content:
                self._process.wait(timeout=seconds)
                return None
            self._rest += content
        line, _, self._rest = self._rest.partition(b"\n")
        document: dict[str, Any] = json.loads(line)
        return document

    def signal(self, number: signal.Signals) -> None:
        os.killpg(self.pid, number)

    def errors(self) -> str:
        """Return the end of what it wrote to stderr."""
        self._errors.seek(0)
        return self._errors.read().decode(errors="replace")[-2_000:]

    def close(self) -> int:
        """Kill it if it lives; return its exit code."""
        if self.is_alive:
            self.signal(signal.SIGKILL)
        code = self._process.wait(timeout=DEADLINE_SECONDS)
        for stream in (self._process.stdin, self._process.stdout, self._errors):
            if stream is not None and not stream.closed:
                try:
                    stream.close()
                except BrokenPipeError:
                    continue
        return code


def environment() -> dict[str, str]:
    """Return this process's environment without anything that leads to a user's database."""
    return {
        name: value
        for name, value in os.environ.items()
        if name not in _HIDDEN and not name.startswith("PG")
    }


class Actors:
    """Victims in waiting: starting one takes a second, so the next one starts ahead."""

    def __init__(self) -> None:
        self._idle: list[Actor] = []

    def take(self) -> Actor:
        actor = self._idle.pop(0) if self._idle else Actor()
        if not self._idle:
            self._idle.append(Actor())
        return actor

    def give_back(self, actor: Actor) -> None:
        if actor.is_alive:
            self._idle.insert(0, actor)
        else:
            actor.close()

    def close(self) -> None:
        for actor in self._idle:
            actor.close()
        self._idle.clear()


class Task:
    """One command under way in a victim."""

    def __init__(self, actors: Actors, document: Mapping[str, Any]) -> None:
        self._actors = actors
        self._actor = actors.take()
        self._has_ended = False
        self._actor.command(document)

    @property
    def pid(self) -> int:
        return self._actor.pid

    def reached(self) -> str:
        """Wait until the command stands at a point that was asked for; return its name."""
        heard = self._actor.hear()
        if heard is None or "reached" not in heard:
            raise Disproved(f"the point was never reached: {heard}; {self._actor.errors()}")
        return str(heard["reached"])

    def go(self) -> None:
        self._actor.write("go")

    def signal(self, number: signal.Signals) -> None:
        self._actor.signal(number)

    def kill(self) -> Outcome:
        """Kill the process tree; what it was doing is lost."""
        self._has_ended = True
        return Outcome(self._actor.close())

    def abandon(self) -> None:
        """Kill it unless it has ended: a case that failed leaves nobody behind."""
        if not self._has_ended:
            self.kill()

    def end(self, seconds: float = DEADLINE_SECONDS) -> Outcome:
        """Wait for the end of the command, past every point on its way."""
        while True:
            heard = self._actor.hear(seconds)
            if heard is None:
                self._has_ended = True
                return Outcome(self._actor.close(), "the process died")
            if "ended" in heard:
                self._has_ended = True
                self._actors.give_back(self._actor)
                outcome = heard["ended"]
                return Outcome(
                    int(outcome["exit_code"]),
                    str(outcome.get("error") or ""),
                    dict(outcome.get("summary") or {}),
                    tuple(outcome["events"]),
                )
            self.go()
