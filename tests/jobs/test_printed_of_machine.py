"""Commands for the embedded database and JupyterLab, printed where there is no other, pasted."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any, cast

import psycopg
import pytest
from tests.engine.workshop import Bench
from tests.jobs.printed import Typed, printed
from tests.pasted import commands_in

from backfill.command import doctor
from backfill.errors import DatabaseUnreachable, PreflightError
from backfill.notebook import lab
from backfill.server.embedded import EmbeddedServer, default_home
from backfill.server.embedded_binaries import find_binaries
from backfill_lab.demo import seed

pytestmark = pytest.mark.slow


@pytest.fixture
def machine(tmp_path: Path) -> Typed:
    """A machine on which nobody has named a database."""
    return Typed(Bench("", tmp_path / "runs", cast(Any, None)))


@pytest.mark.pastes(
    "server.database:open_database db stop",
    "command.machine:run_db db stop",
    "command.doctor:_database db stop",
    "demo.seed:seed db url",
    "demo.seed:seed db reset",
    "demo.seed:seed db reset 2",
    "server.embedded:EmbeddedServer._failure db stop",
    "server.embedded:EmbeddedServer._failure db reset",
    "server.embedded_binaries:find_binaries db reset",
)
def test_the_embedded_database_is_seeded_stopped_and_emptied_by_what_is_printed(
    machine: Typed, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = EmbeddedServer(default_home())
    unnamed = machine.type("status")
    (to_stop,) = commands_in(unnamed.err, "db")
    machine.type("db", "seed")
    assert "hh_demo" in machine.type("status").out

    with psycopg.connect(server.dsn, autocommit=True) as connection:
        connection.execute("INSERT INTO events (id, household_id) VALUES ('x', 'ours')")
        refused = machine.type("db", "seed")
        assert refused.code == 3
        url, reset = commands_in(refused.err, "db")
        assert machine.paste(url).out.strip() == server.dsn
        connection.execute("CREATE VIEW of_theirs AS SELECT id FROM events")
        monkeypatch.setattr(seed, "_not_ours", lambda _connection: [])
        with pytest.raises(PreflightError) as depends:
            seed.seed(connection)
        assert commands_in(str(depends.value)) == [reset]

    with monkeypatch.context() as patch:
        patch.setattr(doctor, "_connect", raise_lost)
        broken = machine.type("doctor")
    failed = str(server._failure("did not start", "no words"))
    started = machine.type("db", "start")
    with pytest.raises(PreflightError) as no_server:
        find_binaries(12)
    stops = [c for said in (broken, started) for c in commands_in(said.out + said.err, "db")]
    assert {*stops, to_stop, commands_in(failed)[0]} == {to_stop}
    assert commands_in(failed)[1] == commands_in(str(no_server.value), "db")[0] == reset

    machine.paste(to_stop)
    assert not server.is_running() and server.data.is_dir()
    machine.paste(reset)
    assert not server.data.exists()


def raise_lost(*_arguments: object) -> None:
    raise DatabaseUnreachable("It does not answer.")


@pytest.mark.pastes("notebook.lab:copy_notebooks lab --notebooks-dir DIR")
def test_notebooks_that_can_not_be_copied_are_copied_elsewhere_by_what_is_printed(
    machine: Typed, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(lab, "_database", lambda _terminal: contextlib.nullcontext())
    monkeypatch.setattr(lab, "_run", lambda *_given: 0)
    (tmp_path / "a file").touch()

    refused = machine.type("lab", "--notebooks-dir", str(tmp_path / "a file"))
    machine.paste(printed(refused, "lab"), DIR=str(tmp_path / "elsewhere"))

    assert refused.code == 1
    assert (tmp_path / "elsewhere" / "01_utc_backfill.ipynb").is_file()
