"""Runs to look at: made once by real commands on the demo's traps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from tests.conftest import DatabaseServer
from tests.engine.workshop import add_noons, load_traps
from tests.jobs.command_line import Said, run_here


@dataclass(frozen=True, slots=True)
class Told:
    """A dry run of one household that was applied later, then a run of all the rest."""

    dsn: str
    runs: Path
    dry: Said
    applied: Said
    rest: Said

    def folder(self, said: Said) -> Path:
        return self.runs / str(said.summary["run_id"])

    def page(self, said: Said, name: str = "notebook.html") -> str:
        return (self.folder(said) / name).read_text(encoding="utf-8")


def load_both(dsn: str) -> None:
    """The traps of one household, and plain events of another."""
    load_traps(dsn)
    with psycopg.connect(dsn, autocommit=True) as connection:
        add_noons(connection, 30, "hh_north", "n")


@pytest.fixture(scope="session")
def told(server: DatabaseServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    name = server.create(server.template("traps-and-noons", load_both))
    dsn, runs = server.dsn_of(name), tmp_path_factory.mktemp("told")
    try:
        dry = run_here(dsn, runs, "utc", "--household-id", "hh_demo", "--fold", "later")
        applied = run_here(dsn, runs, "apply", "latest", "--chunk-size", "10")
        rest = run_here(dsn, runs, "utc", "--apply", "--progress-interval", "1")
        yield Told(dsn, runs, dry, applied, rest)
    finally:
        server.drop(name)
