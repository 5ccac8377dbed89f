"""A command looks before its notebook begins, and the notebook does not look again."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from tests.fill.conftest import Tables
from tests.jobs.command_line import run_here

from backfill import workbook
from backfill.command import commands
from backfill.folder import RUN_ID_ENV, RunFolder
from backfill.jobs.registry import JOBS
from backfill.notebook.kernel import Kernel
from backfill.notebook.opened import OPENED_ENV, hand_over, handed_over
from backfill.notebook.relay import Terminal
from backfill.parameters import APPLY_PARAMETERS, defaults_of
from backfill.plans import plan
from backfill.steps.job import Job, Ready
from backfill.steps.task import Preflight


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
        for name, value in {**kernel.environment, RUN_ID_ENV: folder.run_id}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.delattr(Job, "preflight")
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
    assert os.environ.get(OPENED_ENV) is None


def test_a_plan_that_a_command_has_checked_is_checked_again_only_when_it_is_written(
    shop: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = pd.DataFrame({"id": [1, 2], "beds": [2, 3]})
    run_id = shop.fill(values, "room", ["beds"]).run_id

    def begin(
        _notebook: str,
        folder: RunFolder,
        _stem: str,
        parameters: dict[str, Any],
        _terminal: Terminal,
        kernel: Kernel,
    ) -> int:
        for name, value in {**kernel.environment, RUN_ID_ENV: folder.run_id}.items():
            monkeypatch.setenv(name, value)
        with monkeypatch.context() as patch:
            patch.delattr(plan, "load")
            book = workbook.open_plan(defaults_of(APPLY_PARAMETERS) | parameters)
        book.apply()
        raise Begun

    monkeypatch.setattr(commands, "run_notebook_of", begin)

    said = run_here(shop.dsn, shop.runs, "apply", run_id)

    assert "Begun" in str(said.summary["error"]), said.err
    assert shop.connection.execute("SELECT beds FROM room ORDER BY id").fetchall() == [(2,), (3,)]


def test_what_can_not_travel_or_was_of_other_parameters_is_looked_at_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel: Any = SimpleNamespace(folder=tmp_path, environment={})
    rows: Any = "what was resolved"
    found = Preflight({"h": 1})

    hand_over(kernel, {"fold": "skip"}, Ready(Job(task=lambda: "a stranger's"), rows, found))
    assert kernel.environment == {}

    ready = Ready(Job(task="travels"), rows, found)
    for looked_for, is_same in (({"fold": "skip"}, True), ({"fold": "later"}, False)):
        hand_over(kernel, looked_for, ready)
        monkeypatch.setenv(OPENED_ENV, kernel.environment[OPENED_ENV])
        opened = handed_over({"fold": "skip"}, Ready)
        assert (opened is not None and opened.preflight == found) is is_same
    assert handed_over({"fold": "skip"}, Ready) is None
