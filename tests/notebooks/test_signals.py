"""A signal at any moment of a command ends it: 130 or 143, and it says by what and how to go on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from tests import nursery
from tests.deadline import DEADLINE_SECONDS
from tests.longer import longer, longer_behind
from tests.notebooks.copied import run_notebook, with_extra_cell

from backfill.folder import RunFolder
from backfill.notebook import headless
from backfill.notebook.closing import close_folder
from backfill.notebook.run_signals import RunSignals, Stopped
from backfill_lab.demo.events import load_events

if TYPE_CHECKING:
    from tests.conftest import DatabaseFrom

RUN_ID = "20261122T234000Z-utc-3f9c1a"
LOCKS = """
import os, psycopg
other = psycopg.connect(os.environ["DATABASE_URL"])
_ = other.execute("LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
"""
SENDS = "import os, signal; os.kill({}, signal.{})"
IS_WAITING = (
    "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    " AND datname = current_database()"
)

pytestmark = pytest.mark.kill


def load_calendar(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        load_events(connection, rows=90)


@pytest.fixture
def database(database_from: DatabaseFrom, monkeypatch: pytest.MonkeyPatch) -> str:
    dsn = database_from("ninety_events", load_calendar)
    monkeypatch.setenv("DATABASE_URL", dsn)
    return dsn


def executed(
    notebook: Path, tmp_path: Path, signals: RunSignals | None = None, *, as_typed: bool = False
) -> tuple[headless.Ended, dict[str, Any]]:
    """Run a notebook to its end, and close its folder; return both ends.

    Its kernel starts as a user's does, or comes from the nursery.
    """
    folder = RunFolder.of(tmp_path / "runs", RUN_ID)
    folder.create()
    parameters = {"apply": True, "runs_dir": str(tmp_path / "runs")}
    with pytest.MonkeyPatch.context() as patch:
        if not as_typed:
            patch.setattr("backfill.notebook.kernel.subprocess", nursery.IN_PLACE_OF_SUBPROCESS)
        ended = run_notebook(str(notebook), folder, parameters, signals)
    return ended, close_folder(folder, "notebook", ended)


def wait_for_lock(dsn: str) -> None:
    deadline = threading.Event()
    with psycopg.connect(dsn, autocommit=True) as connection:
        for _ in range(int(DEADLINE_SECONDS / 0.02)):
            row = connection.execute(IS_WAITING).fetchone()
            if row and row[0]:
                return
            deadline.wait(0.02)
    raise AssertionError("nobody waits for a lock")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "step", "table", "code", "status"),
    [
        (signal.SIGHUP, "verify", "backfill.chunk_image", 143, "succeeded"),
        (signal.SIGTERM, "extract", "events", 143, "failed"),
        *longer((signal.SIGINT, "verify", "backfill.chunk_image", 130, "succeeded")),
    ],
)
def test_a_signal_in_a_step_that_writes_nothing_ends_the_run_in_its_own_words(
    database: str,
    tmp_path: Path,
    number: signal.Signals,
    step: str,
    table: str,
    code: int,
    status: str,
) -> None:
    notebook = with_extra_cell(tmp_path, f"run.{step}()", LOCKS.format(table=table))

    def stop() -> None:
        wait_for_lock(database)
        os.kill(os.getpid(), number)

    stopper = threading.Thread(target=stop)
    stopper.start()
    ended, summary = executed(notebook, tmp_path, as_typed=number == signal.SIGINT)
    stopper.join()

    assert ended.exit_code == code
    assert ended.has_told
    assert f"Run {RUN_ID} was stopped by {number.name} during {step}." in ended.error
    assert summary["status"] == status


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "code"), [("SIGINT", 130), *longer(("SIGTERM", 143), ("SIGHUP", 143))]
)
def test_a_signal_between_two_cells_is_not_lost(
    database: str, tmp_path: Path, name: str, code: int
) -> None:
    assert database
    notebook = with_extra_cell(tmp_path, "run.extract()", SENDS.format(os.getpid(), name))

    ended, summary = executed(notebook, tmp_path, as_typed=name == "SIGINT")

    assert ended.exit_code == code
    assert f"Run {RUN_ID} was stopped by {name}" in ended.error
    assert "plan_id" not in summary


@pytest.mark.slow
def test_what_ctrl_c_raises_in_a_persons_own_cell_is_no_fault_of_the_cell(
    database: str, tmp_path: Path
) -> None:
    sends = SENDS.format(os.getpid(), "SIGINT")
    waits = f"import threading\n{sends}\nthreading.Event().wait(60)"
    notebook = with_extra_cell(tmp_path, "run.extract()", waits)

    ended, _summary = executed(notebook, tmp_path)

    assert ended.exit_code == 130
    assert ended.what == f"Run {RUN_ID} was stopped by SIGINT in cell [5] of the notebook"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("step", "code", "what"),
    longer_behind(
        2,
        [
            (
                "run.summary()",
                "raise LookupError('no')",
                "Cell [{}] of the notebook raised LookupError",
            ),
            (
                "run.preflight()",
                "__import__('sys').exit()",
                "Cell [{}] of the notebook raised SystemExit",
            ),
            ("run.preflight()", "exit()", "Cell [{}] of the notebook ended its kernel by exit()"),
            (
                "run.preflight()",
                "__import__('os')._exit(3)",
                "In cell [{}] of the notebook its kernel ended (exit code 3)",
            ),
        ],
    ),
)
def test_a_cell_that_ends_the_notebook_is_named_with_what_it_did(
    database: str, tmp_path: Path, step: str, code: str, what: str
) -> None:
    assert database
    notebook = with_extra_cell(tmp_path, step, code)
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    codes = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]

    ended, summary = executed(notebook, tmp_path)

    assert ended.exit_code == 1
    assert ended.what == what.format(codes.index(code) + 2)  # one cell is papermill's
    assert ended.has_told is (not step)
    assert summary["error"]


def test_a_signal_before_the_first_cell_ends_the_kernel_and_nothing_has_begun(
    database: str, tmp_path: Path
) -> None:
    assert database
    said: list[str] = []
    signals = RunSignals(said.append)
    signals.handle(signal.SIGHUP, None)

    ended, summary = executed(headless.notebook_path("01_utc_backfill"), tmp_path, signals)

    assert ended.exit_code == 143
    assert ended.error == f"Run {RUN_ID} was stopped by SIGHUP."
    assert said == ["Stopping before the notebook begins; once more stops at once."]
    assert summary["status"] == "failed"


def test_a_signal_while_the_folder_is_closed_waits_and_the_next_one_does_not() -> None:
    said: list[str] = []
    signals = RunSignals(said.append)
    signals.before_cell(os.getpid())
    signals.after_kernel()

    signals.handle(signal.SIGTERM, None)

    assert said == ["The run has ended: closing its folder first. Once more leaves it open."]
    assert signals.received is None
    with pytest.raises(Stopped, match="SIGTERM"):
        signals.handle(signal.SIGTERM, None)


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 143)])
def test_a_signal_while_the_command_still_checks_ends_it_in_words(
    database: str, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    popen: Callable[..., subprocess.Popen[str] | nursery.Hatched]
    popen = subprocess.Popen if number == signal.SIGTERM else nursery.Hatched
    with psycopg.connect(database) as other:
        other.execute("LOCK TABLE events IN ACCESS EXCLUSIVE MODE")
        command = popen(
            [sys.executable, "-m", "backfill", "utc", "--lock-timeout-ms", "0"],
            env={**os.environ, "BACKFILL_RUNS_DIR": str(tmp_path / "runs")},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        wait_for_lock(database)
        command.send_signal(number)
        _out, err = command.communicate(timeout=DEADLINE_SECONDS)

    assert command.returncode == code
    assert f"Stopped by {number.name}. Nothing is half done." in err
    assert "Traceback" not in err
    assert not (tmp_path / "runs").exists()


@pytest.mark.long
@pytest.mark.slow
def test_a_hang_up_that_nohup_keeps_away_stops_nothing(database: str, tmp_path: Path) -> None:
    with psycopg.connect(database) as other:
        other.execute("LOCK TABLE events IN ACCESS EXCLUSIVE MODE")
        command = subprocess.Popen(
            ["nohup", sys.executable, "-m", "backfill", "utc", "--lock-timeout-ms", "0"],
            env={**os.environ, "BACKFILL_RUNS_DIR": str(tmp_path / "runs")},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        wait_for_lock(database)
        command.send_signal(signal.SIGHUP)
        other.rollback()
        out, err = command.communicate(timeout=DEADLINE_SECONDS)

    assert command.returncode == 0, err
    assert json.loads(out.splitlines()[-1])["status"] == "planned"
