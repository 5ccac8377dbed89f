"""Killed behind a pooler, rewritten tables, a table moved under the run: the same end each time."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.conftest import DatabaseFrom
from tests.deadline import DEADLINE_SECONDS
from tests.engine import killed_applier
from tests.engine.workshop import LISTENER, PAUSE, Bench, add_noons, load_empty
from tests.server.pgbouncer import Onlooker, pooled

KILLS = 40
PREFIXES = "abcdefghijkl"
ROWS_EACH = 99
ROWS_TO_KILL = 990  # some thirty chunks for each kill: the run must outlive all of them

pytestmark = pytest.mark.chaos


def load_hundreds(dsn: str, rows_each: int = ROWS_EACH) -> None:
    """Fill a template with about twelve hundred pending events."""
    load_empty(dsn)
    with psycopg.connect(dsn, autocommit=True) as connection:
        for prefix in PREFIXES:
            add_noons(connection, rows_each, prefix=prefix)


def load_thousands(dsn: str) -> None:
    load_hundreds(dsn, ROWS_TO_KILL)


@contextlib.contextmanager
def bench_at(dsn: str, runs: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setenv("DATABASE_URL", dsn)
    with psycopg.connect(dsn, autocommit=True) as connection:
        bench = Bench(dsn, runs, connection)
        monkeypatch.setattr(LISTENER, lambda: bench.events.append)
        yield bench


def undisturbed(dsn: str, runs: Path, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return what is left of a run that nobody disturbs, on a database of its own."""
    with bench_at(dsn, runs, monkeypatch) as bench:
        run_id = bench.plan().run_id
        bench.apply_with(run_id, chunk_rows=5)
        return traces(bench, run_id)


def traces(bench: Bench, run_id: str) -> list[Any]:
    """Return table, checkpoints and images: what must not depend on what happened on the way."""
    return [bench.table(), bench.checkpoints(run_id), bench.images(run_id), bench.status(run_id)]


def kill_somewhere(bench: Bench, run_id: str, dsn: str, draw: random.Random) -> None:
    """Start an applier behind the pooler, and kill it at a moment of its chunks' way."""
    count = "SELECT count(*) FROM backfill.checkpoint"
    before = bench.scalar(count) + draw.randrange(20)  # in the first message of several, or later
    process = subprocess.Popen(
        [sys.executable, killed_applier.__file__, run_id, str(bench.runs), "none", "0"],
        env={**os.environ, "DATABASE_URL": dsn},
        stderr=subprocess.PIPE,
    )
    try:
        bench.wait_until(f"SELECT ({count}) > {before}", while_=lambda: process.poll() is None)
        PAUSE.wait(draw.uniform(0, 0.01))
    finally:
        process.send_signal(signal.SIGKILL)
    _out, said = process.communicate(timeout=DEADLINE_SECONDS)
    assert process.returncode == -signal.SIGKILL, said
    bench.let_lease_run_out(run_id)
    bench.sql("UPDATE backfill.range SET lease_expires_at = NULL WHERE ended_at IS NULL")


def test_killed_at_forty_moments_behind_a_pooler_it_ends_as_if_undisturbed_and_no_name_is_seen(
    database_from: DatabaseFrom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = undisturbed(
        database_from("thousands", load_thousands), tmp_path / "calm", monkeypatch
    )
    draw = random.Random(40)
    direct = database_from("thousands", load_thousands)
    with (
        pooled(direct, "transaction", 2) as dsn,
        bench_at(direct, tmp_path / "runs", monkeypatch) as bench,
    ):
        run_id = bench.plan().run_id
        onlooker = Onlooker(dsn)
        with onlooker.at_work():
            for _ in range(KILLS):
                kill_somewhere(bench, run_id, dsn, draw)
        assert onlooker.found == [] and onlooker.looks

        assert bench.status(run_id) == "running"  # killed each time before its end
        monkeypatch.setenv("DATABASE_URL", dsn)
        Bench(dsn, bench.runs, bench.connection).apply_with(run_id, chunk_rows=5)

        assert traces(bench, run_id) == expected
        assert bench.verify(run_id).is_proven


def test_vacuum_full_and_cluster_beside_a_run_change_nothing(
    database_from: DatabaseFrom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = undisturbed(database_from("hundreds", load_hundreds), tmp_path / "calm", monkeypatch)
    dsn = database_from("hundreds", load_hundreds)
    is_over = threading.Event()
    rewritten = []

    def rewrite() -> None:
        with psycopg.connect(dsn, autocommit=True) as other:
            while not is_over.is_set():
                for statement in ("VACUUM FULL events", "CLUSTER events USING events_pkey"):
                    other.execute(statement.encode())
                    rewritten.append(statement)

    with bench_at(dsn, tmp_path / "runs", monkeypatch) as bench:
        run_id = bench.plan().run_id
        beside = threading.Thread(target=rewrite)
        beside.start()
        try:
            bench.apply_with(run_id, chunk_rows=5)
        finally:
            is_over.set()
            beside.join()

        assert rewritten
        assert traces(bench, run_id) == expected
        assert bench.verify(run_id).is_proven
