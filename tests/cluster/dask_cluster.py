"""A real Dask cluster of processes of its own: one scheduler, workers that may be killed."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from tests.deadline import DEADLINE_SECONDS

ROOT = Path(__file__).parents[2]
#: Never set: its wait is a pause between two looks.
PAUSE = threading.Event()


@dataclass
class DaskCluster:
    """A scheduler on a port of its own, and the workers that were started."""

    folder: Path
    scheduler: subprocess.Popen[bytes]
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def address(self) -> str:
        return str(json.loads((self.folder / "scheduler.json").read_text())["address"])

    def add_worker(
        self, *options: str, environment: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a worker of one thread, below a nanny that starts it anew when it is killed."""
        worker = _start(
            self.folder,
            "distributed.cli.dask_worker",
            *("--scheduler-file", "scheduler.json", "--nthreads", "1", "--no-dashboard"),
            *("--local-directory", str(self.folder), "--memory-limit", "0", *options),
            environment=environment,
        )
        self.workers.append(worker)
        return worker

    def wait_for_workers(self, count: int) -> None:
        """Wait until so many workers have said hello, and those that are gone are forgotten."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        with connected(self.address) as client:
            while len(client.nthreads()) != count:
                assert time.monotonic() < deadline, self.logs()
                PAUSE.wait(0.02)

    def end(self, *processes: subprocess.Popen[bytes]) -> None:
        """Terminate schedulers or workers, with all below them; kill what does not go."""
        below: list[psutil.Process] = []
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                below += psutil.Process(process.pid).children(recursive=True)
            process.terminate()
        for process in processes:
            try:
                process.wait(timeout=3)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        _gone, alive = psutil.wait_procs(below, timeout=5)
        for child in alive:
            child.kill()

    def logs(self) -> str:
        """Return what the processes printed, for a failing test to show."""
        return "\n".join(path.read_text() for path in sorted(self.folder.glob("*.log")))


def connected(address: str) -> Any:
    """Return a client of a scheduler, as a context."""
    distributed: Any = importlib.import_module("distributed")  # it has no types for strict mypy
    return distributed.Client(address, set_as_default=False)


@contextlib.contextmanager
def dask_cluster(folder: Path, workers: int) -> Iterator[DaskCluster]:
    """Start a scheduler and workers; end them all."""
    folder.mkdir(parents=True, exist_ok=True)
    scheduler = _start(
        folder,
        "distributed.cli.dask_scheduler",
        *("--host", "127.0.0.1", "--port", "0", "--no-dashboard"),
        *("--scheduler-file", "scheduler.json"),
    )
    cluster = DaskCluster(folder, scheduler)
    try:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not _is_whole(folder / "scheduler.json"):
            assert time.monotonic() < deadline and scheduler.poll() is None, cluster.logs()
            PAUSE.wait(0.02)
        for _ in range(workers):
            cluster.add_worker()
        if workers:
            cluster.wait_for_workers(workers)
        yield cluster
    finally:
        cluster.end(*cluster.workers, scheduler)


def _start(
    folder: Path, module: str, *arguments: str, environment: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    paths = [(environment or {}).get("PYTHONPATH", ""), str(ROOT)]
    with (folder / f"{module.rsplit('.', 1)[-1]}.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=folder,
            env={
                **os.environ,
                # Two lost workers are enough to call a piece of work deadly; the usual is four.
                "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1",
                **(environment or {}),
                "PYTHONPATH": os.pathsep.join(path for path in paths if path),
            },
            stdout=log,
            stderr=subprocess.STDOUT,
        )


def _is_whole(path: Path) -> bool:
    """Whether a file that another process is writing holds its last brace already."""
    return path.exists() and path.read_text(encoding="utf-8").rstrip().endswith("}")
