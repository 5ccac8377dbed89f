"""Several appliers of one plan: processes that stand where a test wants them."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.deadline import DEADLINE_SECONDS
from tests.engine.workshop import Bench, load_noons, noon_utc
from tests.nursery import Hatched

from backfill.errors import Interrupted

PROCESS = Path(__file__).with_name("applier_process.py")
ROWS = 40
ALL_NOONS = {f"e{day:02d}": noon_utc(day) for day in range(1, ROWS + 1)}


def load_many(dsn: str) -> None:
    """Fill a template with forty pending events."""
    load_noons(dsn, ROWS)


class Applier:
    """Another process that applies the run."""

    def __init__(
        self, bench: Bench, run_id: str, point: str = "", nth: int = 1, **settings: Any
    ) -> None:
        command = {
            "run_id": run_id,
            "runs": str(bench.runs),
            "settings": {"chunk_rows": 2, **settings},
            "point": point,
            "nth": nth,
        }
        self.process = Hatched(
            [sys.executable, str(PROCESS), json.dumps(command)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "DATABASE_URL": bench.dsn},
        )

    @property
    def name(self) -> str:
        """The name under which it holds leases."""
        return f"{socket.gethostname()}:{self.process.pid}"

    def reached(self) -> None:
        """Wait until it stands at its point."""
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "reached\n", self.process.communicate()[1]

    def go_on(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def stopped_by(self, number: signal.Signals) -> tuple[int, str]:
        """Send a signal to one that stands at a point; return its exit code and what it said."""
        self.process.send_signal(number)
        self.go_on()
        return self.ended()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(timeout=DEADLINE_SECONDS)

    def ended(self) -> tuple[int, str]:
        """Return its exit code and what it said."""
        said, errors = self.process.communicate(timeout=DEADLINE_SECONDS)
        return int(said.split()[-1]), errors


@dataclass
class Appliers:
    """Appliers of one bench; what is left of them is killed at the end of the test."""

    bench: Bench
    started: list[Applier] = field(default_factory=list)

    def start(self, run_id: str, point: str = "", nth: int = 1, **settings: Any) -> Applier:
        """Start one that stops at the n-th of a point, if one is named."""
        applier = Applier(self.bench, run_id, point, nth, **settings)
        self.started.append(applier)
        return applier

    def standing(self, run_id: str, point: str, nth: int = 1, **settings: Any) -> Applier:
        """Return one that stands at the n-th of a point."""
        applier = self.start(run_id, point, nth, **settings)
        applier.reached()
        return applier

    def close(self) -> None:
        for applier in self.started:
            applier.process.kill()
            applier.process.communicate()


def nothing_is_heard_of(bench: Bench, applier: Applier) -> None:
    """Do what a minute does to the leases of an applier, but not to the run's."""
    bench.wait_until(
        "SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = current_database()"
        " AND application_name = 'backfill-workbook' AND state = 'active'"
    )
    for table in ("range", "applier"):
        holder = {"range": "lease_holder", "applier": "holder"}[table]
        bench.sql(
            f"UPDATE backfill.{table} SET lease_expires_at = clock_timestamp() - interval '1 s'"
            f" WHERE {holder} LIKE %s AND lease_expires_at IS NOT NULL",
            f"%:{applier.process.pid}",
        )


def ranges(bench: Bench, run_id: str) -> list[tuple[Any, ...]]:
    return bench.sql(
        "SELECT range_no, row_low, row_high, first_chunk_no, ended_at IS NOT NULL"
        " FROM backfill.range WHERE run_id = %s ORDER BY range_no",
        run_id,
    )


def assert_whole(bench: Bench, run_id: str) -> None:
    """Every row is written once, counts close over all ranges, and verify proves it."""
    assert bench.filled() == ALL_NOONS
    assert bench.scalar("SELECT sum(scanned)::int FROM backfill.checkpoint") == ROWS
    assert bench.scalar("SELECT sum(rows)::int FROM backfill.chunk_image") == ROWS
    assert bench.status(run_id) == "succeeded"
    assert bench.verify(run_id).findings == []


def pause_after_first_chunk(bench: Bench, run_id: str, **settings: Any) -> None:
    def ask(name: str) -> None:
        if name == "after_commit":
            bench.sql("UPDATE backfill.run SET pause_requested = true")

    lock = threading.Lock()

    def alone(name: str) -> None:
        with lock:
            ask(name)

    with pytest.raises(Interrupted):
        bench.apply_with(run_id, alone, chunk_rows=2, **settings)
