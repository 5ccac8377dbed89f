"""What a command that runs a notebook costs beside its work: a few rows, whole processes."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.bench.contender import Contender, Measured, Setup

COMMANDS = "commands that run a notebook, 50 rows"
ROWS = 50
TIMES = 5
_FEW = "DELETE FROM events WHERE id NOT IN (SELECT id FROM events ORDER BY id LIMIT %s)"


def commands(setup: Setup) -> Measured:
    """Plan, apply and put back a few rows, some times; the seconds are those of all commands.

    Detail: `dry_s`, `apply_s` and `revert_s`, medians of one command's time from outside, and with
    `_cpu` their processor time in all processes.
    """
    with setup.connect() as connection:
        connection.execute(_FEW, [ROWS])
    seconds: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as name:
        runs = Path(name)
        with setup.measuring(ROWS) as measured:
            for _ in range(TIMES):
                _timed(setup, "dry", ["utc"], runs, seconds)
                run_id = max(path.name for path in runs.glob("*-utc-*"))
                _timed(setup, "apply", ["apply", run_id], runs, seconds)
                _timed(setup, "revert", ["revert", run_id, "--apply"], runs, seconds)
    measured.detail = {name: statistics.median(each) for name, each in seconds.items()}
    return measured


def _timed(
    setup: Setup, name: str, words: Sequence[str], runs: Path, seconds: dict[str, list[float]]
) -> None:
    """Run one command, and add what it took to the lists of that name."""
    command = [sys.executable, "-m", "backfill", *words, "--runs-dir", str(runs)]
    environment = {**os.environ, "DATABASE_URL": setup.dsn}
    before, started = _cpu_seconds(), time.perf_counter()
    subprocess.run(command, env=environment, capture_output=True, check=True)
    seconds.setdefault(f"{name}_s", []).append(time.perf_counter() - started)
    seconds.setdefault(f"{name}_cpu", []).append(_cpu_seconds() - before)


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


CONTENDERS: Mapping[str, Contender] = {COMMANDS: commands}
