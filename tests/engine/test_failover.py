"""A standby takes over: waited for until it writes; and a plan that is made on it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest
from tests.engine.appliers import ALL_NOONS, load_many
from tests.engine.replication import standby_of
from tests.engine.workshop import LISTENER, Bench
from tests.jobs.command_line import run_here
from tests.jobs.printed import Typed
from tests.pasted import commands_in

from backfill.chunks import patience
from backfill.errors import DatabaseUnreachable
from backfill.jobs.registry import kind_of
from backfill.report import Reporter
from backfill.server.database import Database
from backfill.server.embedded import EmbeddedServer
from backfill.server.session import Session, SessionLimits
from backfill.settings import EngineSettings
from backfill.steps.running import apply_run


@dataclass
class Pair:
    """A primary with forty pending noons, and its standby."""

    bench: Bench
    standby: str

    def wait_for_replay(self) -> None:
        self.bench.wait_until(
            "SELECT count(*) = 1 FROM pg_stat_replication WHERE replay_lsn >= sent_lsn"
            " AND replay_lsn >= pg_current_wal_lsn()"
        )


@pytest.fixture
def pair(server_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pair]:
    primary = EmbeddedServer(server_folder / "leader", durable=False)
    home = server_folder / "follower"
    try:
        primary.start()
        load_many(primary.dsn)
        monkeypatch.setenv("DATABASE_URL", primary.dsn)
        with (
            psycopg.connect(primary.dsn, autocommit=True) as connection,
            standby_of(primary, home),
        ):
            bench = Bench(primary.dsn, tmp_path / "runs", connection)
            monkeypatch.setattr(LISTENER, lambda: bench.events.append)
            yield Pair(bench, EmbeddedServer(home).dsn)
    finally:
        primary.reset()
        shutil.rmtree(home, ignore_errors=True)


@dataclass(frozen=True)
class Address(Database):
    """An address that leads to the standby from a moment on; it is promoted a little later."""

    standby: str = ""
    moved: list[str] = field(default_factory=list)

    def connect(self, *, read_only: bool = False, limits: SessionLimits | None = None) -> Session:
        if not self.moved:
            return super().connect(read_only=read_only, limits=limits)
        self.moved.append("asked")
        if len(self.moved) == 4:
            with psycopg.connect(self.standby, autocommit=True) as there:
                there.execute("SELECT pg_promote(wait => false)")
        return Database(self.standby, is_embedded=False).connect(read_only=read_only, limits=limits)


def test_a_failover_in_the_middle_of_a_run_is_waited_for_until_the_standby_writes(
    pair: Pair,
) -> None:
    bench = pair.bench
    run_id = bench.plan().run_id
    address = Address(bench.dsn, False, pair.standby)
    seen: list[str] = []

    def fail_over(name: str) -> None:
        seen.append(name)
        if name == "between_chunks" and seen.count(name) == 3:
            pair.wait_for_replay()
            address.moved.append("moved")
            bench.sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'backfill-workbook'"
            )

    applied = apply_run(
        address,
        bench.folder(run_id),
        kind_of("utc"),
        EngineSettings(chunk_rows=5),
        Reporter(bench.events.append),
        fail_over,
    )

    assert applied.status == "succeeded" and applied.counts.updated == len(ALL_NOONS)
    assert "connected again" in bench.messages()
    with psycopg.connect(pair.standby) as there:
        filled = there.execute("SELECT id, start_at_utc, end_at_utc FROM events").fetchall()
        chunks = there.execute("SELECT sum(updated), count(*) FROM backfill.checkpoint").fetchall()
    assert {key: (start, end) for key, start, end in filled} == ALL_NOONS
    assert chunks == [(len(ALL_NOONS), 8)]


@pytest.mark.pastes("steps.planning:Planning._register apply")
def test_a_plan_made_on_a_standby_is_applied_on_its_primary(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = pair.bench
    pair.wait_for_replay()
    monkeypatch.setenv("DATABASE_URL", pair.standby)

    run = bench.plan()

    assert "as a standby does: the plan is in its folder only" in bench.messages()
    assert bench.summary(run)["status"] == "planned"
    assert Typed(bench).paste(commands_in(bench.messages(), "apply")).code == 0
    assert bench.filled() == ALL_NOONS and bench.status(run.run_id) == "succeeded"


def test_an_apply_that_begins_while_the_address_leads_to_a_standby_waits_until_that_writes(
    pair: Pair,
) -> None:
    bench = pair.bench
    run_id = bench.plan().run_id
    pair.wait_for_replay()
    address = Address(bench.dsn, False, pair.standby, moved=["before it began"])

    applied = apply_run(
        address,
        bench.folder(run_id),
        kind_of("utc"),
        EngineSettings(),
        Reporter(bench.events.append),
    )

    assert "only reads now, as a standby does: waiting until it writes" in bench.messages()
    assert applied.status == "succeeded" and applied.counts.updated == len(ALL_NOONS)


@pytest.mark.pastes("steps.first_session:first_session apply")
def test_an_apply_on_a_standby_ends_with_what_to_name_and_so_does_every_command_that_writes(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = pair.bench
    run_id = bench.plan().run_id
    pair.wait_for_replay()
    monkeypatch.setattr(patience, "RECONNECT_SECONDS", 0.0)
    monkeypatch.setenv("DATABASE_URL", pair.standby)

    with pytest.raises(DatabaseUnreachable, match="nothing was written") as refused:
        bench.apply(run_id)
    with pytest.raises(DatabaseUnreachable, match="only reads now"):
        bench.run()
    cancelled = run_here(pair.standby, bench.runs, "cancel", run_id)

    assert cancelled.code == 1
    assert "only reads now" in cancelled.err and "target_session_attrs" in cancelled.err
    assert bench.status(run_id) == "planned" and bench.filled() != ALL_NOONS
    assert Typed(bench).paste(commands_in(str(refused.value), "apply")).code == 0
    assert bench.filled() == ALL_NOONS
