"""What killed sessions of tests leave is removed by the next one, and nothing of any that lives."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.chaos.selftest import server_folder as rooms
from tests.chaos.selftest.server_folder import server_folder

PREFIX = "backfill-try-"


@pytest.fixture(autouse=True)
def parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(rooms, "_MEMORY", tmp_path)
    return tmp_path


@pytest.fixture
def nobody() -> int:
    """The number of a process that is over."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    return ended.pid


def test_what_a_killed_session_left_goes(parent: Path, nobody: int) -> None:
    left = parent / f"{PREFIX}{nobody}-x"
    (left / "server" / "data").mkdir(parents=True)

    with server_folder(PREFIX, 0) as folder:
        assert sorted(parent.iterdir()) == [folder]
    assert not list(parent.iterdir())


def test_a_session_that_has_no_number_here_keeps_its_folder(parent: Path, nobody: int) -> None:
    elsewhere = parent / f"{PREFIX}{nobody}-x"
    elsewhere.mkdir()
    lock = os.open(elsewhere, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)  # as a process of another container holds it

    with server_folder(PREFIX, 0):
        assert elsewhere.is_dir()
    os.close(lock)


def test_a_session_holds_its_folder(parent: Path) -> None:
    with server_folder(PREFIX, 0) as folder:
        lock = os.open(folder, os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(lock)
