"""Embedded servers of the tests' own, ended and removed after each test."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from backfill.server.embedded import EmbeddedServer


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
