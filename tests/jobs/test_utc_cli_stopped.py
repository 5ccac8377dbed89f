"""A command that is stopped, or whose kernel dies: an honest code, and the way on."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from tests.engine.workshop import Bench, load_noons, noon_utc
from tests.jobs.command_line import run_here, stop_in_chunk

from backfill import cli
from backfill.notebook import headless
from backfill.records.ledger import Ledger
from backfill.steps.evidence_check import disagreements

if TYPE_CHECKING:
    from tests.jobs.conftest import BenchFrom

pytestmark = pytest.mark.slow


@pytest.fixture
def bench(bench_from: BenchFrom) -> Bench:
    """A bench with twelve pending events."""
    return bench_from("noons", load_noons)


def exit_instead_of(step: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the command line execute a notebook that exits with 0 where it should take a step."""
    notebook = json.loads(headless.notebook_path("01_utc_backfill").read_text())
    (cell,) = (c for c in notebook["cells"] if "".join(c["source"]) == step)
    cell["source"] = ["import sys\n", "sys.exit(0)"]
    (folder / "short.ipynb").write_text(json.dumps(notebook))
    monkeypatch.setattr(headless, "notebook_path", lambda _name: folder / "short.ipynb")


@pytest.mark.kill
def test_sigterm_ends_the_run_after_its_chunk_with_its_own_code(bench: Bench) -> None:
    stopped = stop_in_chunk(bench, 1, signal.SIGTERM, "utc", "--apply", "--chunk-size", "5")

    run_id = str(bench.scalar("SELECT run_id FROM backfill.run"))
    assert stopped.code == 143
    assert "stopped by SIGTERM after chunk 1 (5 of 12 rows)." in stopped.err
    assert f"Go on with: backfill resume {run_id}" in stopped.err
    assert stopped.summary["status"] == bench.status(run_id) == "interrupted"
    assert disagreements(bench.folder(run_id), Ledger(bench.connection)) == []


@pytest.mark.kill
def test_a_killed_kernel_is_told_as_a_failure_and_the_run_goes_on(bench: Bench) -> None:
    killed = stop_in_chunk(bench, 2, signal.SIGKILL, "utc", "--apply", "--chunk-size", "5")

    run_id = str(bench.scalar("SELECT run_id FROM backfill.run"))
    assert killed.code == 1
    assert f"backfill resume {run_id}" in killed.err
    assert bench.status(run_id) == killed.summary["status"] == "interrupted"
    # The chunk still waited for its row: the server looked for its client, and ended it.
    assert len(bench.checkpoints(run_id)) == 1
    assert disagreements(bench.folder(run_id), Ledger(bench.connection)) == []
    bench.apply(run_id, chunk_size=5)
    assert bench.filled() == {f"e{day:02d}": noon_utc(day) for day in range(1, 13)}


@pytest.mark.kill
def test_a_notebook_that_exits_with_0_half_way_is_not_believed(
    bench: Bench,
    main: None,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    exit_instead_of("run.apply()", tmp_path, monkeypatch)

    code = cli.main(["utc", "--apply"])

    summary = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert code == 1
    assert summary["status"] == "planned"
    assert set(bench.filled().values()) == {(None, None)}
    folder = bench.folder(summary["run_id"])
    assert folder.read_json("summary.json")["exit_code"] == 1
    assert disagreements(folder, Ledger(bench.connection)) == []


def test_a_notebook_that_ends_before_there_is_a_plan_names_no_run_to_resume(
    bench: Bench,
    main: None,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    exit_instead_of("run.extract()", tmp_path, monkeypatch)

    code = cli.main(["utc"])

    said = capsys.readouterr().err
    assert code == 1
    assert "raised SystemExit before the plan was frozen: nothing was written. See " in said
    assert "mend the notebook, and type the command again." in said
    assert "backfill resume" not in said


def test_a_locked_table_is_told_as_what_it_is(bench: Bench) -> None:
    with psycopg.connect(bench.dsn) as other:
        other.execute("LOCK TABLE events IN ACCESS EXCLUSIVE MODE")
        said = run_here(bench.dsn, bench.runs, "utc", "--lock-timeout-ms", "100")

    assert said.code == 1
    assert "Others held a lock for too long: canceling statement due to lock timeout." in said.err
    assert "database was lost" not in said.err
