"""A server whose commits wait for a synchronous standby that is gone: told, and not waited for."""

from __future__ import annotations

import contextlib
import math
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from tests.engine.appliers import ALL_NOONS, load_many
from tests.engine.workshop import LISTENER, Bench

from backfill.errors import BackfillError, DatabaseUnreachable, Interrupted
from backfill.jobs.registry import kind_of
from backfill.report import Reporter
from backfill.server import standby_wait
from backfill.server.database import Database
from backfill.server.embedded import EmbeddedServer
from backfill.server.postgres import connect
from backfill.server.standby_wait import StandbyMissing
from backfill.settings import EngineSettings
from backfill.steps.running import apply_run

#: The least to commit.
COMMITTED = "SELECT pg_logical_emit_message(true, 'probe', '')"


@pytest.fixture
def bench(server_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """Forty noons on a server of their own, which is soon asked to wait."""
    server = EmbeddedServer(server_folder / "alone", durable=False)
    monkeypatch.setattr(standby_wait, "LOOK_SECONDS", 0.2)
    monkeypatch.setattr(standby_wait._Looker, "_known_at", -math.inf)  # and back, for others
    try:
        server.start()
        load_many(server.dsn)
        monkeypatch.setenv("DATABASE_URL", server.dsn)
        with psycopg.connect(server.dsn, autocommit=True) as connection:
            bench = Bench(server.dsn, tmp_path / "runs", connection)
            monkeypatch.setattr(LISTENER, lambda: bench.events.append)
            yield bench
    finally:
        server.reset()


def ask_for(bench: Bench, standbys: str) -> None:
    """Have commits wait for a standby, or for none, and return when they do."""
    bench.connection.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{standbys}'".encode())
    bench.connection.execute("SELECT pg_reload_conf()")
    is_over = threading.Event()
    waiting = "-c synchronous_commit=on"
    with psycopg.connect(bench.dsn, autocommit=True, options=waiting) as probe:
        if not standbys:
            probe.execute(COMMITTED)  # answered when nobody is waited for any more
            return

        def commit() -> None:
            while not is_over.is_set():
                with contextlib.suppress(psycopg.errors.QueryCanceled):
                    probe.execute(COMMITTED)

        # The server's checkpointer tells all others of the setting, when it has heard of it.
        committing = threading.Thread(target=commit)
        committing.start()
        bench.wait_until(
            "SELECT coalesce(wait_event = 'SyncRep', false) FROM pg_stat_activity"
            f" WHERE pid = {probe.info.backend_pid}"
        )
        is_over.set()
        while committing.is_alive():
            bench.connection.execute("SELECT pg_cancel_backend(%s)", [probe.info.backend_pid])
            committing.join(0.05)


def stopped(bench: Bench, run_id: str, *, signals: bool = False) -> BackfillError:
    """Return what ends a run whose server is asked to wait while its third chunk is written."""
    seen: list[str] = []

    def step(name: str) -> None:
        seen.append(name)
        if name == "after_update" and seen.count(name) == 3:
            ask_for(bench, "far_away")
            if signals:
                signal.raise_signal(signal.SIGINT)

    with pytest.raises(BackfillError) as caught:
        apply_run(
            Database(bench.dsn, is_embedded=False),
            bench.folder(run_id),
            kind_of("utc"),
            EngineSettings(chunk_rows=5),
            Reporter(bench.events.append),
            step,
        )
    return caught.value


def test_a_run_whose_standby_is_gone_names_the_setting_and_goes_on_when_it_is_mended(
    bench: Bench,
) -> None:
    run_id = bench.plan().run_id

    error = stopped(bench, run_id)

    assert isinstance(error, DatabaseUnreachable)
    assert "synchronous_standby_names = 'far_away'" in str(error)
    assert "SELECT pg_reload_conf()" in str(error) and f"backfill resume {run_id}" in str(error)
    assert bench.status(run_id) == "failed"
    assert len(bench.checkpoints(run_id)) == 3  # the third chunk stands
    ask_for(bench, "")
    bench.apply(run_id)
    assert bench.status(run_id) == "succeeded" and bench.filled() == ALL_NOONS


def test_a_run_that_begins_while_its_standby_is_gone_ends_at_once_and_goes_on_when_it_is_mended(
    bench: Bench,
) -> None:
    run_id = bench.plan().run_id
    ask_for(bench, "far_away")

    with pytest.raises(DatabaseUnreachable, match="synchronous_standby_names = 'far_away'") as told:
        bench.apply(run_id)

    assert f"backfill resume {run_id}" in str(told.value)
    assert bench.status(run_id) == "failed" and bench.checkpoints(run_id) == []
    ask_for(bench, "")
    bench.apply(run_id)
    assert bench.status(run_id) == "succeeded" and bench.filled() == ALL_NOONS


def test_where_a_pooler_gives_nobody_a_session_to_look_a_commit_is_waited_for_no_longer(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_over = threading.Event()
    monkeypatch.setattr(standby_wait, "SLOW_SECONDS", 0.5)
    monkeypatch.setattr(
        standby_wait._Looker, "_waited_for", lambda _self: (is_over.wait(), ("", False))[1]
    )

    with connect(bench.dsn) as session:
        session.execute("CREATE TABLE public.noted (at int)")
        ask_for(bench, "far_away")
        with pytest.raises(StandbyMissing, match="gives nobody a session"):
            session.execute("INSERT INTO public.noted VALUES (1)")
        is_over.set()
        ask_for(bench, "")

        session.execute("INSERT INTO public.noted VALUES (2)")
        assert session.execute("SELECT at FROM public.noted ORDER BY at").fetchall() == [(1,), (2,)]


def test_the_first_interrupt_ends_a_run_that_waits_for_a_standby(bench: Bench) -> None:
    run_id = bench.plan().run_id

    error = stopped(bench, run_id, signals=True)

    assert isinstance(error, Interrupted | DatabaseUnreachable)
    assert f"backfill resume {run_id}" in str(error)
    assert bench.status(run_id) in ("interrupted", "failed")
    waiting = "SELECT count(*) = 0 FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
    bench.wait_until(waiting)  # nobody is left behind with locks
