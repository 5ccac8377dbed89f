"""Whole runs by the command line: a first one, a second over filled rows, and the start."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.bench.contender import Contender, Measured, Setup
from tests.bench.stages import Sampler, as_detail, server_pid, stages

RUN = "whole run, chunk auto"
SECOND = "second run over the filled rows"
HELP, STATUS = "backfill --help", "backfill status"
POLL_SECONDS = 0.05
STARTS = 5


def whole(setup: Setup) -> Measured:
    """Run the job, then run it again.

    Detail: `apply_s`, the time from the first progress event to the last; `html_mb`, the largest
    page of the run; `second_s`, the second run; `start_s`, a run without any row to read; the
    stages of the first run, as `stages.as_detail` names them.
    """
    with setup.connect() as connection:
        server = server_pid(connection.info.backend_pid)
    with tempfile.TemporaryDirectory() as runs:
        command = ["utc", "--apply", "--chunk-size", "auto", "--runs-dir", runs, "--json"]
        begin = time.time()
        with setup.measuring(setup.rows) as measured:
            events, sampler = run_sampled(command, server=server)
        measured.peak_mb = sampler.peak_mb
        pages = [path.stat().st_size for path in Path(runs).rglob("*.html")]
        notebook = next(Path(runs).glob("*/notebook.ipynb"))
        found = stages(notebook, sampler, begin, begin + measured.seconds)
        measured.detail = {"apply_s": apply_seconds(events), "html_mb": max(pages) / 1e6}
        measured.detail |= as_detail(found)
        started = time.perf_counter()
        _events, measured.detail["second_peak_mb"] = run_backfill(command)
        measured.detail["second_s"] = time.perf_counter() - started
        with setup.connect() as connection:
            connection.execute("TRUNCATE events")
        started = time.perf_counter()
        run_backfill(command)
        measured.detail["start_s"] = time.perf_counter() - started
    return measured


def apply_seconds(events: list[str]) -> float:
    """Return the time between the first and the last progress event of the apply phase."""
    marks = [json.loads(line) for line in events if line.startswith('{"type": "progress"')]
    marks = [mark["elapsed_ms"] for mark in marks if mark.get("phase", "apply") == "apply"]
    return float(marks[-1] - marks[0]) / 1000


def run_backfill(
    arguments: list[str], *, allowed: tuple[int, ...] = (0,), shares_once: bool = False
) -> tuple[list[str], float]:
    """Run a command; return its lines on stderr, and the peak memory of all its processes in MB.

    `shares_once`: pages that processes share count once.

    Raises RuntimeError for an exit code that is not allowed.
    """
    lines, sampler = run_sampled(arguments, allowed=allowed, shares_once=shares_once)
    return lines, sampler.peak_mb


def run_sampled(
    arguments: list[str],
    *,
    allowed: tuple[int, ...] = (0,),
    server: int | None = None,
    shares_once: bool = False,
) -> tuple[list[str], Sampler]:
    """Run a command as `run_backfill` does; return what was seen of it and the server as well."""
    command = [sys.executable, "-m", "backfill", *arguments]
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=said)
        sampler = Sampler(process.pid, server, shares_once=shares_once)
        while process.poll() is None:
            sampler.look()
            time.sleep(POLL_SECONDS)
        said.seek(0)
        lines = said.read().splitlines()
    if process.returncode not in allowed:
        raise RuntimeError(f"{' '.join(arguments)}: exit code {process.returncode}: {lines[-3:]}")
    return lines, sampler


def start_of(*arguments: str) -> Callable[[Setup], Measured]:
    """Return the contender that starts the command line some times; seconds are the median."""

    def work(setup: Setup) -> Measured:
        seconds = []
        for _ in range(STARTS):
            started = time.perf_counter()
            subprocess.run(
                [sys.executable, "-m", "backfill", *arguments],
                capture_output=True,
                check=True,
                env={**os.environ, "DATABASE_URL": setup.dsn},
            )
            seconds.append(time.perf_counter() - started)
        return Measured(setup.rows, statistics.median(seconds))

    return work


CONTENDERS: Mapping[str, Contender] = {
    RUN: whole,
    HELP: start_of("--help"),
    STATUS: start_of("status"),
}
