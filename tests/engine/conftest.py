"""The bench of the engine's tests: twelve pending events on a fresh database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from tests.engine.appliers import Appliers
from tests.engine.workshop import LISTENER, Bench, load_noons

if TYPE_CHECKING:
    from tests.conftest import DatabaseFrom


@pytest.fixture
def database(database_from: DatabaseFrom) -> str:
    """URL of a fresh database with twelve pending events, `e01` to `e12`."""
    return database_from("noons", load_noons)


@pytest.fixture
def bench(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setenv("DATABASE_URL", database)
    with psycopg.connect(database, autocommit=True) as connection:
        bench = Bench(database, tmp_path / "runs", connection)
        monkeypatch.setattr(LISTENER, lambda: bench.events.append)
        yield bench


@pytest.fixture
def appliers(bench: Bench) -> Iterator[Appliers]:
    """Other processes that apply runs of the bench."""
    others = Appliers(bench)
    yield others
    others.close()
