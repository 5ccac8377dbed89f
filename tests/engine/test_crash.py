"""The server is killed and comes back without the commits that it did not have on its disk yet.

Rows, image and checkpoint of a chunk are lost or kept together; what was reported is never lost.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.deadline import DEADLINE_SECONDS
from tests.engine.workshop import Bench, load_noons, noon_utc
from tests.server.servers import pid_of

from backfill.jobs.registry import kind_of
from backfill.politeness.pace import Breathe, Pace
from backfill.report import Reporter
from backfill.server.database import Database
from backfill.server.embedded import EmbeddedServer
from backfill.server.embedded_process import wait_until
from backfill.settings import EngineSettings
from backfill.steps.running import apply_run

pytestmark = [pytest.mark.kill, pytest.mark.slow]

ROWS = 60
ALL_NOONS = {f"e{day:02d}": noon_utc(day) for day in range(1, ROWS + 1)}
#: Nothing goes to the disk but what a commit waits for.
LAZY = {
    "wal_writer_delay": "10s",
    "wal_writer_flush_after": "1GB",
    "bgwriter_lru_maxpages": "0",
    "wal_buffers": "16MB",
    "autovacuum": "off",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    server = EmbeddedServer(tmp_path_factory.mktemp("crash") / "server", settings=LAZY)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def crashing(
    server: EmbeddedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Bench]:
    name = f"crash_{tmp_path.name}".lower()
    with psycopg.connect(server.dsn, autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{name}"')
    dsn = server.dsn_of(name)
    load_noons(dsn, ROWS)
    monkeypatch.setenv("DATABASE_URL", dsn)
    with closing(psycopg.connect(dsn, autocommit=True)) as connection:
        bench = Bench(dsn, tmp_path / "runs", connection)
        yield bench
        bench.connection.close()


class Died(BaseException):
    """The applier's process is gone as well."""


@dataclass
class Crash(Pace):
    """A pace that kills the server before its n-th chunk, and starts it again."""

    server: EmbeddedServer
    bench: Bench
    before: int
    then: Callable[[], None] = lambda: None
    seen: int = 0
    kept: list[int] = field(default_factory=list)

    def before_chunk(self, _breathe: Breathe, /) -> None:
        self.seen += 1
        if self.seen != self.before:
            return
        os.kill(pid_of(self.server), signal.SIGKILL)
        assert wait_until(lambda: not self.server.is_running(), DEADLINE_SECONDS)
        self.server.start()
        self.bench.connection.close()
        self.bench.connection = psycopg.connect(self.bench.dsn, autocommit=True)
        self.kept.append(
            self.bench.scalar("SELECT coalesce(sum(scanned), 0) FROM backfill.checkpoint")
        )
        filled = self.bench.scalar("SELECT count(start_at_utc) FROM events")
        images = self.bench.scalar("SELECT coalesce(sum(rows), 0) FROM backfill.chunk_image")
        assert filled == images == self.kept[-1]
        self.then()

    def lets_follow(self) -> bool:
        return False

    def after_chunk(self, _rows: int, _seconds: float, /) -> None:
        return

    def close(self) -> None:
        return


def apply_and_crash(bench: Bench, run_id: str, crash: Crash, **engine: Any) -> None:
    apply_run(
        Database(bench.dsn, is_embedded=False),
        bench.folder(run_id),
        kind_of("utc"),
        EngineSettings(chunk_rows=5, **engine),
        Reporter(bench.events.append, bench.folder(run_id)),
        pace=crash,
    )


def die() -> None:
    raise Died


def is_whole(bench: Bench, run_id: str) -> None:
    assert bench.filled() == ALL_NOONS
    assert [(row[0], row[3]) for row in bench.checkpoints(run_id)] == [
        (number, 5) for number in range(1, 13)
    ]
    assert bench.status(run_id) == "succeeded"
    assert bench.verify(run_id).findings == []


def test_chunks_that_a_crash_takes_back_are_written_again_by_the_same_applier(
    server: EmbeddedServer, crashing: Bench
) -> None:
    run_id = crashing.plan().run_id
    crash = Crash(server, crashing, before=8)

    apply_and_crash(crashing, run_id, crash)

    assert crash.kept[0] < 35  # else this proves nothing
    is_whole(crashing, run_id)
    assert "without its last" in crashing.messages()
    assert crashing.events[-1]["scanned"] == ROWS


def test_an_applier_that_dies_with_the_server_is_gone_on_with_to_the_same_bytes(
    server: EmbeddedServer, crashing: Bench
) -> None:
    run_id = crashing.plan().run_id
    crash = Crash(server, crashing, before=11, then=die)

    with pytest.raises(Died):
        apply_and_crash(crashing, run_id, crash)

    assert crash.kept[0] < 50
    crashing.apply_with(run_id, chunk_rows=5)
    is_whole(crashing, run_id)


def test_what_was_reported_is_never_taken_back(server: EmbeddedServer, crashing: Bench) -> None:
    run_id = crashing.plan().run_id
    crash = Crash(server, crashing, before=8, then=die)

    with pytest.raises(Died):
        apply_and_crash(crashing, run_id, crash, progress_interval_rows=20)

    reported = [event["scanned"] for event in crashing.events if event["type"] == "progress"]
    assert reported[-1] == 20
    assert 20 <= crash.kept[0] < 35


def test_a_run_that_has_ended_is_on_the_disk(server: EmbeddedServer, crashing: Bench) -> None:
    run_id = crashing.plan().run_id
    crashing.apply_with(run_id, chunk_rows=7, progress_interval_rows=0)

    Crash(server, crashing, before=1).before_chunk(lambda: None)

    assert crashing.filled() == ALL_NOONS
    assert crashing.status(run_id) == "succeeded"
    assert crashing.verify(run_id).findings == []
