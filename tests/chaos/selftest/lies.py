"""Notebooks that lie: signals, killed kernels, killed papermill. The record tells the truth."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psycopg
from tests.chaos.selftest.actor import environment
from tests.chaos.selftest.case import case
from tests.chaos.selftest.claims import equal, holds, says, silent_about
from tests.chaos.selftest.tampering import every_file_is_watched
from tests.chaos.selftest.world import World, wait_for

from backfill.folder import project_root
from backfill.server.dsn import DSN_ENV
from backfill.server.embedded_process import command_line
from backfill.which_folder import run_folders

CHUNK_SIZE = 20
END_SECONDS = 300.0
PROC = Path("/proc")


class Program:
    """A command of ours, or stock papermill, as a process of its own."""

    def __init__(self, world: World, module: str, *arguments: str, **more: str) -> None:
        self._errors = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115  see end
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env={
                **environment(),
                DSN_ENV: world.dsn,
                "BACKFILL_RUNS_DIR": str(world.runs),
                **more,
            },
            text=True,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the program alone, as `kill` does; a terminal would reach its kernel."""
        self._process.send_signal(number)

    def said(self) -> str:
        """Return what it has written to stderr so far."""
        descriptor = self._errors.fileno()
        return os.pread(descriptor, os.fstat(descriptor).st_size, 0).decode(errors="replace")

    def end(self) -> tuple[int, str, str]:
        """Return exit code, stdout and stderr."""
        try:
            out, _ = self._process.communicate(timeout=END_SECONDS)
        finally:
            if self._process.poll() is None:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.communicate()
        with self._errors:
            return self._process.returncode, out, self.said()

    def kernels(self) -> list[int]:
        """Return the ids of the kernels below it: ours, or the one that Jupyter itself starts."""
        return [
            pid
            for pid in children_of(self.pid)
            if any(name in command_line(pid) for name in ("kernel_process", "ipykernel_launcher"))
        ]


def children_of(pid: int) -> list[int]:
    """Return the ids of all processes below one."""
    parents = dict(_parents())
    pids = [pid]
    for above in pids:
        pids += [child for child, parent in parents.items() if parent == above]
    return pids[1:]


def _parents() -> Iterator[tuple[int, int]]:
    """Yield each process and its parent; small machines have /proc and no ps."""
    for entry in PROC.glob("[0-9]*"):
        with contextlib.suppress(OSError):
            # The name stands in brackets and may hold anything; behind it are state and parent.
            fields = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()
            yield int(entry.name), int(fields[1])
    if not PROC.is_dir():
        listed = subprocess.run(
            ["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True
        ).stdout
        for line in listed.splitlines():
            child, parent = line.split()
            yield int(child), int(parent)


def run(world: World, *arguments: str, **more: str) -> tuple[int, dict[str, Any], str]:
    """Run one command to its end; return exit code, the summary and stderr."""
    code, out, err = Program(world, "backfill", *arguments, **more).end()
    return code, json.loads(out.splitlines()[-1]), err


_APPLY = ("utc", "--apply", "--chunk-size", "5", "--lock-timeout-ms", "0")


def _standing(
    world: World, module: str = "backfill", arguments: Sequence[str] = _APPLY, **more: str
) -> tuple[Program, int, psycopg.Connection[Any]]:
    """Return a program whose apply waits for a row in the middle of the plan, the id of its
    kernel, and the session that has locked the row."""
    other = world.other_session()
    other.execute(
        "SELECT FROM events WHERE id = (SELECT id FROM events WHERE start_at_utc IS NULL"
        " AND start_at IS NOT NULL AND tz LIKE 'Europe/S%%' ORDER BY id OFFSET 3 LIMIT 1)"
        " FOR UPDATE"
    )
    program = Program(world, module, *arguments, **more)
    world.wait_until_it_waits()
    (kernel,) = program.kernels()
    return program, kernel, other


def _calm(world: World) -> list[str]:
    with world.sibling() as calm:
        calm.plan(apply=True)
        return calm.table()


def _resumed(world: World, run_id: str, promised: list[str]) -> None:
    code, summary, err = run(world, "resume", run_id)
    silent_about(err, "Traceback")
    equal("exit code of the resume", (code, summary["status"]), (0, "succeeded"))
    equal("table", world.table(), promised)
    world.finds_nothing_wrong(run_id)


def _interrupted_run(world: World, program: Program, exit_code: int, *said: str) -> str:
    """Raise `Disproved` unless a program ends so, and its run is interrupted; return the run."""
    code, out, err = program.end()
    summary = json.loads(out.splitlines()[-1])
    run_id = summary["run_id"]

    equal("exit code", code, exit_code)
    says(err, *said, f"backfill resume {run_id}")
    silent_about(err, "Traceback")
    equal("status of the summary", summary["status"], "interrupted")
    _is_interrupted(world, run_id, exit_code)
    return str(run_id)


def _is_interrupted(world: World, run_id: str, exit_code: int) -> None:
    summary = world.folder(run_id).read_json("summary.json")
    equal("summary.json", (summary["status"], summary["exit_code"]), ("interrupted", exit_code))
    equal("status", world.status(run_id), "interrupted")
    equal("evidence check", world.evidence(run_id), [])


def _signalled(number: signal.Signals, exit_code: int, world: World) -> None:
    promised = _calm(world)
    program, _kernel, lock = _standing(world)
    program.signal(number)
    wait_for("it was heard", lambda: "once more kills it" in program.said())
    lock.rollback()
    run_id = _interrupted_run(world, program, exit_code, f"stopped by {number.name}")
    equal("lease", world.sql("SELECT lease_expires_at FROM backfill.run"), [(None,)])
    _resumed(world, run_id, promised)


@case("lies.interrupted")
def _interrupted(world: World) -> None:
    """Ctrl-C ends the run after its chunk: exit 130, interrupted, and it goes on."""
    _signalled(signal.SIGINT, 130, world)


@case("lies.terminated")
def _terminated(world: World) -> None:
    """SIGTERM ends the run after its chunk: exit 143, interrupted, and it goes on."""
    _signalled(signal.SIGTERM, 143, world)


@case("lies.hung_up")
def _hung_up(world: World) -> None:
    """SIGHUP ends the run after its chunk: exit 143, interrupted, and it goes on."""
    _signalled(signal.SIGHUP, 143, world)


@case("lies.interrupted_twice")
def _interrupted_twice(world: World) -> None:
    """A second Ctrl-C kills the kernel: exit 130, interrupted, and it goes on."""
    promised = _calm(world)
    program, kernel, lock = _standing(world)
    program.signal(signal.SIGINT)
    wait_for("the first one was heard", lambda: "once more kills it" in program.said())
    program.signal(signal.SIGINT)
    wait_for("the kernel is gone", lambda: kernel not in program.kernels())
    lock.rollback()
    _resumed(world, _interrupted_run(world, program, 130), promised)


@case("lies.kernel_killed")
def _kernel_killed(world: World) -> None:
    """A killed kernel is no success: exit 1, interrupted, and it goes on."""
    promised = _calm(world)
    program, kernel, lock = _standing(world)
    os.kill(kernel, signal.SIGKILL)
    lock.rollback()
    run_id = _interrupted_run(world, program, 1, "kernel ended", "before the run did")
    _resumed(world, run_id, promised)


def _program_killed(module: str, world: World) -> None:
    """Kill whatever executes the notebook; its kernel is an orphan, and ends by itself."""
    promised = _calm(world)
    arguments = _APPLY if module == "backfill" else _papermill(world)
    program, kernel, lock = _standing(world, module, arguments)
    program.signal(signal.SIGKILL)
    code, _out, _err = program.end()
    lock.rollback()
    wait_for("the orphan has ended", lambda: not command_line(kernel))
    (folder,) = run_folders(world.runs)
    is_done = world.status(folder.run_id) == "succeeded"
    world.let_lease_run_out(folder.run_id)

    equal("exit code", code, -signal.SIGKILL)
    holds("the folder does not claim success before it is closed", is_done or world.evidence(
        folder.run_id))  # fmt: skip
    _resumed(world, folder.run_id, promised)


@case("lies.command_killed")
def _command_killed(world: World) -> None:
    """A killed command leaves a folder that says so, and goes on."""
    _program_killed("backfill", world)


@case("lies.papermill_killed")
def _papermill_killed(world: World) -> None:
    """Stock papermill killed: the folder says so, and the run goes on."""
    _program_killed("papermill", world)


def _papermill(world: World) -> list[str]:
    root = project_root()
    assert root is not None
    world.runs.mkdir(parents=True, exist_ok=True)
    output = f"{world.runs}.out.ipynb"
    return [
        str(root / "notebooks" / "01_utc_backfill.ipynb"),
        output,
        *("--cwd", str(root / "notebooks"), "--no-progress-bar"),
        *("-p", "apply", "True", "-p", "chunk_size", "5", "-p", "lock_timeout_ms", "0"),
    ]


@case("lies.papermill_interrupted")
def _papermill_interrupted(world: World) -> None:
    """Stock papermill interrupted: the run is interrupted, whatever papermill says."""
    promised = _calm(world)
    program, kernel, lock = _standing(world, "papermill", _papermill(world))
    os.kill(kernel, signal.SIGINT)
    lock.rollback()
    program.end()
    (folder,) = run_folders(world.runs)

    _is_interrupted(world, folder.run_id, 130)
    _resumed(world, folder.run_id, promised)


@case("lies.truncated")
def _truncated(world: World) -> None:
    """Any byte of any file of a run with its notebook, or half of the notebook: it is named."""
    code, summary, _err = run(world, *_APPLY)
    run_id = summary["run_id"]
    equal("exit code", code, 0)
    names = every_file_is_watched(world, run_id)
    for name in ("notebook.ipynb", "notebook.html", "manifest.json", "summary.json"):
        holds(f"{name} is one of the files", name in names)
    path = world.folder(run_id).file("notebook.ipynb")
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    says(
        world.evidence(run_id),
        "notebook.ipynb was changed",
        "notebook.ipynb is not a notebook, or was cut off",
    )
    code, _summary, err = run(world, "evidence", "check", str(path.parent))
    equal("exit code of evidence check", code, 6)
    says(err, "notebook.ipynb")


@case("lies.strange_texts")
def _strange_texts(world: World) -> None:
    """HTML from the database stays text; the password is in no file, output or process list."""
    bait = "<script>alert(1)</script><img src=x onerror=alert(2)>"
    home = f"hh {bait} https://example.org/"
    secret = f"pw{world.draw.getrandbits(80):x}"
    world.sql("INSERT INTO household (id, name, tz) VALUES (%s, %s, %s)", home, bait, bait)
    world.sql(
        "INSERT INTO events (id, household_id, title, start_at, tz) SELECT %s || n, %s, %s,"
        " 1748865600000, CASE n WHEN 1 THEN %s WHEN 2 THEN 'Europe/Stockholm' END"
        " FROM generate_series(1, 3) AS n",
        bait, home, bait, bait,
    )  # fmt: skip
    dsn = world.dsn.replace("postgres@", f"postgres:{secret}@")
    program, _kernel, lock = _standing(world, **{DSN_ENV: dsn})
    shown = "\n".join(command_line(pid) for pid in (program.pid, *children_of(program.pid)))
    lock.rollback()
    code, out, err = program.end()
    run_id = json.loads(out.splitlines()[-1])["run_id"]

    equal("exit code", code, 0)
    page = world.folder(run_id).file("notebook.html").read_text(encoding="utf-8")
    silent_about(page, "<script", "<img src=x", "http://", "https://")
    says(page, "&lt;script&gt;alert(1)")
    silent_about(f"{shown}{out}{err}", secret)
    for path in world.folder(run_id).path.rglob("*"):
        if path.is_file():
            silent_about(path.read_bytes().decode("latin-1"), secret)
    equal("evidence check", world.evidence(run_id), [])
