"""The command line of a test: in a process of its own or in this one, also stopped half way."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, LiteralString

import psutil
import psycopg
import pytest
from tests import nursery
from tests.deadline import DEADLINE_SECONDS
from tests.engine.workshop import Bench
from tests.pasted import RENDERED_ENV

from backfill import cli
from backfill.log_format import sentence_of

COMMAND = [sys.executable, "-m", "backfill"]
COMMAND_LINE_NEEDS = (
    *("PATH", "HOME", "LANG", "TMPDIR", "BACKFILL_EMBEDDED_DIR", "VIRTUAL_ENV", RENDERED_ENV),
)


@dataclass(frozen=True, slots=True)
class Said:
    """How a command ended, and what it said: `log` as it was, `err` in sentences."""

    code: int
    out: str
    log: str

    @property
    def err(self) -> str:
        return "".join(f"{_sentence(line)}\n" for line in self.log.splitlines())

    @property
    def events(self) -> list[dict[str, Any]]:
        """The lines of the log; what answers a person is none of them."""
        return [json.loads(line) for line in self.log.splitlines() if line.startswith("{")]

    @property
    def summary(self) -> dict[str, Any]:
        """The last line of stdout."""
        found: dict[str, Any] = json.loads(self.out.splitlines()[-1])
        return found

    @property
    def progress(self) -> list[dict[str, Any]]:
        return [event for event in self.events if event["type"] == "progress"]


def _sentence(line: str) -> str:
    event = json.loads(line) if line.startswith("{") else {}
    prefix = "warning: " if event.get("level") == "warning" and event["type"] != "skip" else ""
    return f"{prefix}{sentence_of(event)}" if sentence_of(event) else line


def environment(dsn: str, runs: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in COMMAND_LINE_NEEDS if name in os.environ}
    return {**kept, "DATABASE_URL": dsn, "BACKFILL_RUNS_DIR": str(runs)}


def run(dsn: str, runs: Path, *arguments: str) -> Said:
    """Run a command as a user starts it."""
    ended = subprocess.run(
        [*COMMAND, *arguments],
        env=environment(dsn, runs),
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=False,
    )
    return Said(ended.returncode, ended.stdout, ended.stderr)


def run_apart(dsn: str, runs: Path, *arguments: str) -> Said:
    """Run a command in a process of its own, from the nursery."""
    ended = nursery.run(
        [*COMMAND, *arguments], env=environment(dsn, runs), timeout=DEADLINE_SECONDS
    )
    return Said(ended.returncode, ended.stdout, ended.stderr)


def run_here(dsn: str, runs: Path, *arguments: str) -> Said:
    """Run a command in this process, with a kernel from the nursery: as cheap as can be."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.ExitStack() as stack:
        patch.setenv("DATABASE_URL", dsn)
        patch.setenv("BACKFILL_RUNS_DIR", str(runs))
        patch.setattr("backfill.notebook.kernel.subprocess", nursery.IN_PLACE_OF_SUBPROCESS)
        stack.callback(signal.signal, signal.SIGPIPE, signal.getsignal(signal.SIGPIPE))
        stack.enter_context(contextlib.redirect_stdout(out))
        stack.enter_context(contextlib.redirect_stderr(err))
        code = cli.main(arguments)
    return Said(code, out.getvalue(), err.getvalue())


def stop_in_chunk(
    bench: Bench,
    chunk: int,
    number: signal.Signals,
    *arguments: str,
    lock: LiteralString = "",
    as_typed: bool = False,
) -> Said:
    """Run a command of five rows a chunk, and signal it while it waits inside a chunk.

    SIGKILL goes to the kernel, anything else to the command itself. The chunk waits for a row
    that another session holds, and gets it when the signal has been sent; after SIGKILL it never
    does: the command must end all the same. `lock` locks a row of another table instead. Where
    the kernel is to be found, or `as_typed` says so, the command starts as a user starts it.
    """
    is_real = as_typed or number == signal.SIGKILL
    popen: Callable[..., subprocess.Popen[str] | nursery.Hatched]
    popen = subprocess.Popen if is_real else nursery.Hatched
    row = f"e{chunk * 5 - 2:02d}"
    with psycopg.connect(bench.dsn) as other:
        if lock:
            other.execute(lock)
        else:
            other.execute("SELECT FROM events WHERE id = %s FOR UPDATE", [row])
        process = popen(
            [*COMMAND, *arguments, "--lock-timeout-ms", "0"],
            env=environment(bench.dsn, bench.runs),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        bench.wait_for_lock_wait()
        if number == signal.SIGKILL:
            for child in psutil.Process(process.pid).children(recursive=True):
                if "kernel_process" in " ".join(child.cmdline()):
                    child.kill()
            out, err = process.communicate(timeout=DEADLINE_SECONDS)
            return Said(process.wait(), out, err)
        process.send_signal(number)
        wait_until_passed_on(process)
        other.rollback()
    out, err = process.communicate(timeout=DEADLINE_SECONDS)
    return Said(process.wait(), out, err)


def wait_until_passed_on(process: subprocess.Popen[str] | nursery.Hatched) -> None:
    """Wait until the command says that it has passed the signal on to its kernel."""
    assert process.stderr is not None
    for line in process.stderr:
        if "Stopping after the current chunk" in line:
            return
