"""A notebook whose kernel leaves early, or whose output claims an end it did not have."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from tests.notebooks.copied import run_notebook, with_extra_cell

from backfill.folder import RunFolder
from backfill.notebook import headless
from backfill.notebook.closing import close_folder
from backfill.records.ledger import Ledger
from backfill.server.postgres import connect
from backfill.steps.evidence_check import disagreements
from backfill_lab.demo.events import load_events

if TYPE_CHECKING:
    from tests.conftest import DatabaseFrom

RUN_ID = "20261122T234000Z-utc-3f9c1a"


def load_calendar(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        load_events(connection, rows=150)


@pytest.fixture
def database(database_from: DatabaseFrom) -> str:
    return database_from("calendar", load_calendar)


@pytest.mark.slow
@pytest.mark.chaos
@pytest.mark.parametrize(
    ("place", "source"),
    [
        ("run.apply()", "import sys; sys.exit(0)"),
        ("run.verify()", "import os; os._exit(0)"),
        ("run.summary()", "raise SystemExit(0)"),
    ],
)
def test_a_notebook_that_leaves_early_with_success_is_no_success(
    database: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    place: str,
    source: str,
) -> None:
    copied = with_extra_cell(tmp_path, place, source)
    monkeypatch.setattr(headless, "notebook_path", lambda _name: copied)
    monkeypatch.setenv("DATABASE_URL", database)
    folder = RunFolder.of(tmp_path / "runs", RUN_ID)
    folder.create()

    parameters = {"apply": True, "runs_dir": str(tmp_path / "runs")}
    ended = run_notebook("01_utc_backfill", folder, parameters)
    summary = close_folder(folder, "notebook", ended)

    assert ended.exit_code != 0
    assert folder.read_json("summary.json")["exit_code"] == ended.exit_code
    with connect(database) as connection:
        ledger = Ledger(connection)
        run = ledger.find(RUN_ID)
        assert run is not None
        assert summary["status"] == run.status.value
        assert disagreements(folder, ledger) == []


@pytest.mark.slow
@pytest.mark.chaos
def test_a_notebook_with_its_outputs_painted_over_does_not_agree(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied = with_extra_cell(tmp_path, "run.apply()", "1 / 0")
    monkeypatch.setattr(headless, "notebook_path", lambda _name: copied)
    monkeypatch.setenv("DATABASE_URL", database)
    folder = RunFolder.of(tmp_path / "runs", RUN_ID)
    folder.create()
    parameters = {"apply": True, "runs_dir": str(tmp_path / "runs")}
    ended = run_notebook("01_utc_backfill", folder, parameters)
    close_folder(folder, "notebook", ended)
    with connect(database) as connection:
        assert disagreements(folder, Ledger(connection)) == []

        path = folder.file("notebook.ipynb")
        document = json.loads(path.read_text(encoding="utf-8"))
        for number, cell in enumerate(document["cells"]):
            if cell["cell_type"] == "code":
                cell |= {"outputs": [], "execution_count": number + 1}
        path.write_text(json.dumps(document), encoding="utf-8")

        assert "notebook.ipynb ran to its end, but summary.json says exit code 1." in disagreements(
            folder, Ledger(connection)
        )
