"""A command looks before its notebook begins, and the notebook does not look again."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from tests.fill.conftest import Tables
from tests.jobs.command_line import run_here

from backfill import workbook
from backfill.command import commands
from backfill.folder import RUN_ID_ENV, RunFolder
from backfill.jobs.fill.job import FillJob
from backfill.jobs.registry import JOBS
from backfill.notebook.kernel import Kernel
from backfill.notebook.relay import Terminal
from backfill.parameters import defaults_of
from backfill.steps.job import Job


class Begun(Exception):
    """Where papermill would execute the notebook."""


@pytest.fixture
def shop(tables: Tables, tmp_path: Path) -> Tables:
    tables.make(
        "CREATE TABLE household (id text PRIMARY KEY, tz text)",
        "CREATE TABLE events (id text PRIMARY KEY, household_id text, start_at bigint,"
        " end_at bigint, tz text, start_at_utc bigint, end_at_utc bigint)",
        "INSERT INTO events VALUES ('a', 'h', 0, NULL, 'Asia/Kathmandu')",
        "CREATE TABLE room (id int PRIMARY KEY, beds int)",
        "INSERT INTO room VALUES (1), (2)",
    )
    (tmp_path / "rooms.csv").write_text("id,beds\n1,2\n2,3\n")
    return tables


@pytest.mark.parametrize(
    ("arguments", "total"),
    [
        (("utc", "--household-id", "h", "--chunk-size", "7"), 1),
        (("fill", "--table", "room", "--set", "beds", "--values", "rooms.csv"), 2),
        (("fill", "--table", "room", "--set", "beds", "--query", "FROM 'rooms.csv'"), 2),
    ],
)
def test_what_a_command_has_looked_at_is_not_looked_at_again(
    shop: Tables,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    total: int,
) -> None:
    monkeypatch.chdir(tmp_path)

    def begin(
        _notebook: str,
        folder: RunFolder,
        _stem: str,
        parameters: dict[str, Any],
        _terminal: Terminal,
        kernel: Kernel,
    ) -> int:
        """Do what the kernel does, of which the preflight must not be a part."""
        for name, value in {**kernel.told, RUN_ID_ENV: folder.run_id}.items():
            monkeypatch.setenv(name, value)
        for job in (Job, FillJob):
            monkeypatch.delattr(job, "preflight")
        declared = defaults_of(JOBS[arguments[0]].parameters)
        run = workbook.open_run(arguments[0], declared | parameters)
        shown = repr(run.preflight())
        run.extract()
        run.compute()
        run.plan()
        assert run.run_id == folder.run_id
        assert f"{total} row" in shown
        raise Begun

    monkeypatch.setattr(commands, "run_notebook_of", begin)

    said = run_here(shop.dsn, shop.runs, *arguments)

    assert "Begun" in str(said.summary["error"]), said.err
    assert os.environ.get("BACKFILL_OPENED") is None
