"""One contender, in a process of its own: `python -m tests.bench.contender NAME --rows N`.

A process of its own has a peak memory of its own, and leaves nothing warm for the next. It prints
one line of JSON. The database is the one that DATABASE_URL names.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from importlib import import_module
from pathlib import Path

import psycopg
from tests.bench.server import Connection, wal_bytes

from backfill.folder import project_root


@dataclass(slots=True)
class Measured:
    """What one contender took: `seconds` for `rows` rows, the server's log, its peak memory."""

    rows: int
    seconds: float = 0.0
    wal_bytes: int = 0
    peak_mb: float = 0.0
    detail: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Setup:
    """What a contender is given."""

    dsn: str
    rows: int

    def connect(self) -> Connection:
        return psycopg.connect(self.dsn)

    @contextmanager
    def measuring(self, rows: int) -> Iterator[Measured]:
        """Time the block, and count what it wrote to the server's log."""
        measured = Measured(rows)
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            written = wal_bytes(connection)
            started = time.perf_counter()
            yield measured
            measured.seconds = time.perf_counter() - started
            measured.wal_bytes = wal_bytes(connection) - written


Contender = Callable[[Setup], Measured]


def run(group: str, name: str, dsn: str, rows: int) -> Measured:
    """Run a contender of a group (a module of `tests.bench`) in its own process."""
    command = [sys.executable, "-m", "tests.bench.contender", group, name, "--rows", str(rows)]
    environment = {**os.environ, "DATABASE_URL": dsn}
    done = subprocess.run(
        command, env=environment, cwd=project_root(), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{group}, {name}: {done.stderr.strip()}")
    return Measured(**json.loads(done.stdout.splitlines()[-1]))


def peak_mb() -> float:
    """Return the most memory that this process ever held, in MB.

    Where Linux tells it: `ru_maxrss` counts the parent's, which forked us, as ours.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        for line in status.read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    unit = 1024 * 1024 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def main() -> None:
    """Run the contender that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("group")
    parser.add_argument("name")
    parser.add_argument("--rows", type=int, required=True)
    options = parser.parse_args()
    contenders: Mapping[str, Contender] = import_module(f"tests.bench.{options.group}").CONTENDERS
    measured = contenders[options.name](Setup(os.environ.get("DATABASE_URL", ""), options.rows))
    measured.peak_mb = measured.peak_mb or peak_mb()
    print(json.dumps(asdict(measured)))


if __name__ == "__main__":
    main()
