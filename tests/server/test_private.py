"""The embedded PostgreSQL is its user's alone: its data, its socket, its account."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from tests.server.servers import START_AND_TELL_PID, ask, pid_of, unprivileged_users

from backfill.errors import PreflightError
from backfill.server.embedded import EmbeddedServer
from backfill.server.embedded_socket import SOCKET_FILE

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has this difficulty")


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
