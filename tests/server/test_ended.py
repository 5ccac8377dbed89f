"""The embedded PostgreSQL is killed in every way and stopped: it comes back, or leaves no trace."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from tests.deadline import DEADLINE_SECONDS
from tests.server.servers import (
    THEN_WAIT,
    ask,
    is_alive,
    pid_of,
    process_exists,
    start_in_another_process,
)

from backfill.server import embedded_process
from backfill.server.embedded import EmbeddedServer
from backfill.server.embedded_process import wait_until
from backfill.server.embedded_socket import SOCKET_FILE


def test_server_outlives_its_killed_starter(home: Path) -> None:
    starter = start_in_another_process(home, THEN_WAIT)
    assert starter.stdout is not None
    pid = int(starter.stdout.readline())

    starter.kill()
    starter.communicate(timeout=DEADLINE_SECONDS)

    server = EmbeddedServer(home, durable=False)
    server.start()
    assert pid_of(server) == pid
    assert ask(server, "SELECT 1") == 1


def test_starter_killed_before_the_server_is_ready_does_no_harm(home: Path) -> None:
    starter = start_in_another_process(home, THEN_WAIT)
    server = EmbeddedServer(home, durable=False)
    assert wait_until((home / "data.partial").exists, DEADLINE_SECONDS)

    starter.kill()
    starter.communicate(timeout=DEADLINE_SECONDS)
    server.start()

    assert ask(server, "SELECT 1") == 1
    assert not (home / "data.partial").exists()


@pytest.mark.kill
def test_committed_row_survives_kill_of_postgres(home: Path) -> None:
    server = EmbeddedServer(home)
    server.start()
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS value")

    os.kill(pid_of(server), signal.SIGKILL)
    assert wait_until(lambda: not server.is_running(), DEADLINE_SECONDS)
    server.start()

    assert ask(server, "SELECT value FROM kept") == 7


@pytest.mark.kill
def test_zombie_is_not_a_running_server(started: EmbeddedServer) -> None:
    pid = pid_of(started)

    os.kill(pid, signal.SIGKILL)

    assert wait_until(lambda: not started.is_running(), DEADLINE_SECONDS)
    assert process_exists(pid), "this process has not waited for its child, so it is a zombie"
    assert os.waitpid(pid, 0)[0] == pid


@pytest.mark.kill
def test_busy_backend_of_a_killed_server_is_ended_before_the_next_start(
    started: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded_process, "ORPHAN_SECONDS", 0.3)
    with closing(psycopg.connect(started.dsn, autocommit=True)) as busy:
        orphan = busy.info.backend_pid
        busy.pgconn.send_query(b"SELECT count(*) FROM generate_series(1, 1000000000000)")
        running = f"SELECT state FROM pg_stat_activity WHERE pid = {orphan}"
        assert wait_until(lambda: ask(started, running) == "active", DEADLINE_SECONDS)

        os.kill(pid_of(started), signal.SIGKILL)
        assert wait_until(lambda: not started.is_running(), DEADLINE_SECONDS)
        started.start()

        assert ask(started, "SELECT 1") == 1
        assert not is_alive(orphan)


def test_stop_leaves_no_process_no_zombie_and_no_socket(started: EmbeddedServer) -> None:
    pid = pid_of(started)
    with closing(psycopg.connect(started.dsn)) as connection:
        backend = connection.info.backend_pid
        connection.execute("CREATE TABLE uncommitted (value int)")

        started.stop()
    assert not started.is_running()
    assert not process_exists(pid)
    assert not process_exists(backend)
    assert list(started.socket_folder.iterdir()) == []


@pytest.mark.kill
def test_stop_ends_a_server_that_ignores_polite_signals(
    started: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    impatient = ((signal.SIGINT, 0.2), (signal.SIGQUIT, 0.2), (signal.SIGKILL, 10.0))
    monkeypatch.setattr(embedded_process, "STOP_SIGNALS", impatient)
    monkeypatch.setattr(embedded_process, "ORPHAN_SECONDS", 0.3)
    pid = pid_of(started)
    os.kill(pid, signal.SIGSTOP)

    started.stop()

    assert not started.is_running()
    assert not process_exists(pid)
    assert list(started.socket_folder.iterdir()) == []


def test_stop_and_reset_without_a_home_make_none(tmp_path: Path) -> None:
    server = EmbeddedServer(tmp_path / "never")

    server.stop()
    server.reset()

    assert not server.is_running()
    assert not server.home.exists()


def test_reset_gives_an_empty_database_again(started: EmbeddedServer) -> None:
    with psycopg.connect(started.dsn, autocommit=True) as connection:
        connection.execute("CREATE TABLE gone (value int)")

    started.reset()
    assert not started.data.exists()
    started.start()

    assert ask(started, "SELECT to_regclass('gone')") is None


def test_pid_file_that_names_a_foreign_process_is_not_believed(started: EmbeddedServer) -> None:
    pid_file = started.data / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    started.stop()
    with subprocess.Popen(["sleep", "600"]) as foreign:
        pid_file.write_text("\n".join([str(foreign.pid), *lines[1:]]))

        assert not started.is_running()
        started.start()

        assert ask(started, "SELECT 1") == 1
        assert foreign.poll() is None
        foreign.kill()


def test_server_whose_socket_was_removed_is_started_again(started: EmbeddedServer) -> None:
    (started.socket_folder / SOCKET_FILE).unlink()

    started.start()

    assert ask(started, "SELECT 1") == 1
