"""The demo: the commands a person would type, one after the other, on invented data.

Every step is the command line itself in a process of its own; what is printed here is what the
same command prints anywhere else, only shortened: repeated messages once, a few skips of many.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from backfill.errors import ExitCode
from backfill.folder import runs_dir
from backfill.log_format import sentence_of
from backfill.notebook.headless import notebook_path
from backfill.notebook.relay import Terminal
from backfill.server.embedded import EmbeddedServer, default_home
from backfill.stop import handled

SKIPS_SHOWN = 1  # of each reason
STOP_SECONDS = 60.0
# Of a summary, what the first look does not need; the command itself prints it.
_DETAILS = (
    "households",
    "plan_id",
    "planned_event_types",
    "persisted_event_types",
    "planned_swallowed_event_count",
    "swallowed_event_count",
    "planned_notifications",
    "stored_notifications",
    "sessions_snapshot_only",
    "sessions_needing_review",
)
_HELD = (int(ExitCode.OK), int(ExitCode.TOO_MANY_SKIPS))


class _Unexpected(Exception):
    """A step ended otherwise than it must: the tour ends with its exit code."""

    def __init__(self, exit_code: int) -> None:
        super().__init__(exit_code)
        self.exit_code = exit_code


def tour(terminal: Terminal) -> int:
    """Run the three jobs on the embedded database, from dry run to proof; return an exit code.

    `DATABASE_URL` is left out on purpose: the demo never touches another database. A server that
    ran before goes on running; one that the tour started is stopped.
    """
    terminal.most_skips = SKIPS_SHOWN
    walk = _Walk(terminal)
    try:
        with _sigterm_as_exit(), _embedded_server():
            _utc(walk)
            _ocr(walk)
            _fill(walk)
            _farewell(walk)
    except _Unexpected as error:
        terminal.message(
            f"The step above ended with exit code {error.exit_code}: the demo stops here. Look "
            "for the reason with: backfill doctor",
            "error",
        )
        return error.exit_code
    print(json.dumps({"demo": "done", "runs": list(walk.runs)}), flush=True)
    return int(ExitCode.OK)


def _utc(walk: _Walk) -> None:
    walk.say("An invented calendar, most of it without UTC times, and a dozen screenshots.")
    walk.take("db", "seed")
    walk.say("A dry run computes every value and freezes them as a plan. It writes nothing.")
    planned = walk.run_of(walk.take("utc"), "UTC values")
    walk.say("Apply writes exactly that plan, 500 rows to a transaction, each with a checkpoint.")
    applied = walk.take("apply", planned)
    walk.say("Verify reads every written row back and computes it again from its source columns.")
    walk.take("verify", planned)
    walk.say("Once more: nothing is left to write. The rows that were skipped stay pending.")
    again = walk.take("utc", "--apply")
    walk.run_of(again, "UTC values, once more")
    walk.require(applied["total_updated"] > 0 and again["total_updated"] == 0)
    walk.say("The run's folder and the database vouch for each other.")
    walk.take("evidence", "check", str(walk.folder_of(planned)))


def _ocr(walk: _Walk) -> None:
    walk.say("The second job reads screenshots of schedules again. A dry run first, as always.")
    walk.run_of(walk.take("ocr", may_end=_HELD), "screenshots")
    walk.say(
        "What can be trusted is written. A reading that contradicts itself is held back for a "
        "person, and exit code 7 says so."
    )
    applied = walk.take("ocr", "--apply", may_end=_HELD)
    run_id = walk.run_of(applied, "screenshots, applied")
    walk.take("verify", run_id)
    walk.say("Once more: the images are known by their content, and nothing is left to write.")
    again = walk.take("ocr", "--apply", may_end=_HELD)
    walk.run_of(again, "screenshots, once more")
    walk.require(applied["total_updated"] > 0 and again["total_updated"] == 0)
    walk.take("evidence", "check", str(walk.folder_of(run_id)))


def _fill(walk: _Walk) -> None:
    walk.say(
        "Any column of any table, with values of your own: here a notebook computes phone numbers "
        "of 3,000 invented customers. Copy it, change two lines, and it is yours."
    )
    notebook = str(notebook_path("06_fill_columns"))
    applied = walk.take("fill", "--notebook", notebook, "--apply")
    run_id = walk.run_of(applied, "phone numbers of customers")
    walk.take("verify", run_id)
    walk.say("And all of it taken back again.")
    undone = walk.take("revert", run_id, "--apply")
    walk.require(applied["total_updated"] == undone["total_updated"] > 0)


def _farewell(walk: _Walk) -> None:
    walk.say("The evidence, readable with no network and no tool of ours:")
    for run_id, about in walk.runs.items():
        page = walk.folder_of(run_id) / "notebook.html"
        walk.terminal.message(f"  {_short(page)}  {about}")
    walk.say(
        "To go on: backfill status · backfill lab · and to take a run back: "
        f"backfill revert {next(iter(walk.runs))}"
    )


@dataclass
class _Walk:
    """What was said and run so far; `runs` has a word about each run, by id."""

    terminal: Terminal
    runs: dict[str, str] = field(default_factory=dict)
    said: set[str] = field(default_factory=set)

    def say(self, text: str) -> None:
        """Say what comes next, in a sentence."""
        self.terminal.message(f"\n{text}")

    def run_of(self, summary: Mapping[str, Any], about: str) -> str:
        """Return the id of the run that a summary tells of, and remember it for the farewell."""
        run_id = str(summary["run_id"])
        self.runs[run_id] = about
        return run_id

    def folder_of(self, run_id: str) -> Path:
        return runs_dir() / run_id

    def require(self, is_as_promised: bool) -> None:
        if not is_as_promised:
            raise _Unexpected(int(ExitCode.VERIFY_FAILED))

    def take(self, *arguments: str, may_end: tuple[int, ...] = (0,)) -> dict[str, Any]:
        """Print the command, run it, show what it says; return its summary.

        Raises `_Unexpected` for any exit code that is not in `may_end`.
        """
        shown = [_short(Path(part)) if "/" in part else part for part in arguments]
        self.terminal.message(f"$ backfill {shlex.join(shown)}")
        with _process(arguments) as process:
            self._relay(process)
            output = process.stdout.read() if process.stdout else ""
        summary = _summary(output)
        brief = {name: value for name, value in summary.items() if name not in _DETAILS}
        self.terminal.message(json.dumps(brief, ensure_ascii=False))
        if process.returncode not in may_end:
            raise _Unexpected(process.returncode)
        return summary

    def _relay(self, process: subprocess.Popen[str]) -> None:
        """Pass the events of a command on to the terminal, each text once, as to a person."""
        for line in process.stderr or ():
            event = _event(line)
            if event.get("text") not in self.said:
                self.said.update([event["text"]] if "text" in event else [])
                self.terminal.say(event, is_answer=True)
        self.terminal.end()
        self.terminal.count_skips(is_answer=True)


@contextlib.contextmanager
def _process(arguments: tuple[str, ...]) -> Iterator[subprocess.Popen[str]]:
    """Run one command of ours; whatever ends the tour ends it too, after its current chunk."""
    process = subprocess.Popen(
        [sys.executable, "-m", "backfill", *arguments, "--json"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env=_environment(),
    )
    try:
        with process:
            yield process
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


def _environment() -> dict[str, str]:
    """Return our environment without anything that leads to another database."""
    return {
        name: value
        for name, value in os.environ.items()
        if name != "DATABASE_URL" and not name.startswith("PG")
    }


@contextlib.contextmanager
def _embedded_server() -> Iterator[None]:
    server = EmbeddedServer(default_home())
    has_run_before = server.is_running()
    server.start()
    try:
        yield
    finally:
        if not has_run_before:
            server.stop()


def _sigterm_as_exit() -> contextlib.AbstractContextManager[None]:
    def leave(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    return handled((signal.SIGTERM,), leave)


def _event(line: str) -> dict[str, Any]:
    """Return the event that a line of stderr holds; a line that is none is a message."""
    try:
        event = json.loads(line)
    except ValueError:
        event = None
    if isinstance(event, dict) and "type" in event:
        return {**event, "text": sentence} if (sentence := sentence_of(event)) else event
    return {"type": "message", "level": "info", "text": line.rstrip()}


def _summary(output: str) -> dict[str, Any]:
    """Return the summary of a command: the last line of its stdout."""
    lines = output.splitlines()
    try:
        document = json.loads(lines[-1]) if lines else {}
    except ValueError:
        document = {}
    return document if isinstance(document, dict) else {}


def _short(path: Path) -> str:
    """Return a path as a person would type it from here."""
    with contextlib.suppress(ValueError):
        return str(path.relative_to(Path.cwd()))
    return str(path)
