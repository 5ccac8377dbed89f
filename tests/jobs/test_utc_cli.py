"""The command line as a person meets it: the demand's seven proofs, signals, and lies."""

from __future__ import annotations

import json
import signal
import stat
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from tests.engine.workshop import Bench, load_noons, load_traps, noon_utc
from tests.jobs.command_line import Said, run, run_apart, run_here, stop_in_chunk
from tests.reference.run_files import unlisted

from backfill import cli
from backfill.archive.evidence import evidence_files
from backfill.folder import RunFolder
from backfill.records.ledger import Ledger
from backfill.steps.evidence_check import disagreements

if TYPE_CHECKING:
    from tests.conftest import DatabaseServer
    from tests.jobs.conftest import BenchFrom

DEMANDED_KEYS = ["household_id", "total_scanned", "total_updated", "total_skipped", "elapsed_ms"]
pytestmark = pytest.mark.slow


@dataclass(frozen=True, slots=True)
class Story:
    """A dry run, its apply and the same apply again, on the demo's traps."""

    dsn: str
    runs: Path
    before: list[str]
    dry: Said
    between: list[str]
    wet: Said
    again: Said

    def folder(self, said: Said) -> Path:
        return self.runs / str(said.summary["run_id"])


@pytest.fixture(scope="module")
def story(server: DatabaseServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    name = server.create(server.template("traps-epoch_ms", load_traps))
    dsn, runs = server.dsn_of(name), tmp_path_factory.mktemp("story")
    apply = ("utc", "--apply", "--chunk-size", "20", "--progress-interval", "20")
    try:
        with psycopg.connect(dsn, autocommit=True) as connection:
            bench = Bench(dsn, runs, connection)
            before = bench.table()
            dry = run(dsn, runs, "utc", "--household-id", "hh_demo", "--dry-run")
            between = bench.table()
            wet = run(dsn, runs, *apply)
            again = run_here(dsn, runs, *apply)
        yield Story(dsn, runs, before, dry, between, wet, again)
    finally:
        server.drop(name)


@pytest.fixture
def bench(bench_from: BenchFrom) -> Bench:
    """A bench with twelve pending events."""
    return bench_from("noons", load_noons)


# -- the demand's evidence ----------------------------------------------------------------------


def test_evidence_1_the_log_of_a_run_has_the_counts_before_and_after(story: Story) -> None:
    assert story.wet.code == 0
    scanned, updated = (story.wet.summary[f"total_{name}"] for name in ("scanned", "updated"))
    assert f"{scanned} rows are pending before the run." in story.wet.err
    assert f"{scanned - updated} rows are pending after the run." in story.wet.err
    assert updated > 20


def test_a_dry_run_ends_with_the_command_that_writes_its_plan(story: Story) -> None:
    run_id = story.dry.summary["run_id"]
    way_on = f"nothing was written. To write exactly this plan: backfill apply {run_id}"

    assert way_on in story.dry.err
    assert "To write exactly this plan" not in story.wet.err


def test_evidence_2_the_dry_run_reports_in_json_and_changes_nothing(story: Story) -> None:
    summary = story.dry.summary

    assert story.dry.code == 0
    assert list(summary)[:5] == DEMANDED_KEYS
    assert summary["household_id"] == "hh_demo"
    assert summary["dry_run"] is True
    assert summary["status"] == "planned"
    assert summary["total_scanned"] == summary["total_updated"] + summary["total_skipped"]
    assert story.between == story.before


@pytest.mark.long
def test_evidence_3_interrupted_after_a_chunk_the_same_command_resumes(bench: Bench) -> None:
    arguments = ("utc", "--apply", "--chunk-size", "5")

    stopped = stop_in_chunk(bench, 2, signal.SIGINT, *arguments, as_typed=True)
    run_id = str(bench.scalar("SELECT run_id FROM backfill.run"))

    assert stopped.code == 130
    assert f"Run {run_id} was stopped by SIGINT after chunk 2 (10 of 12 rows)." in stopped.err
    assert f"backfill resume {run_id}" in stopped.err
    assert stopped.summary["status"] == "interrupted"
    assert bench.scalar("SELECT count(*) FROM events WHERE start_at_utc IS NULL") == 2

    resumed = run(bench.dsn, bench.runs, *arguments)

    assert resumed.code == 0
    assert resumed.summary["run_id"] == run_id
    assert (resumed.summary["total_scanned"], resumed.summary["total_updated"]) == (12, 12)
    assert [c[3] for c in bench.checkpoints(run_id)] == [5, 5, 2]
    assert bench.filled() == {f"e{day:02d}": noon_utc(day) for day in range(1, 13)}
    assert disagreements(bench.folder(run_id), Ledger(bench.connection)) == []


def test_evidence_4_the_second_run_updates_nothing(story: Story) -> None:
    assert story.again.code == 0
    assert story.again.summary["total_updated"] == 0
    assert story.again.summary["total_skipped"] == story.wet.summary["total_skipped"] == 23


def test_evidence_5_the_flags_are_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.build_parser().parse_args(["utc", "--help"])

    assert ended.value.code == 0
    said = capsys.readouterr().out
    for flag in ("--dry-run", "--chunk-size", "--progress-interval", "--household-id", "--apply"):
        assert flag in said
    assert "exit codes: 0 ok" in said


def test_evidence_6_every_skipped_row_has_its_line_with_a_reason(story: Story) -> None:
    lines = [line for line in story.wet.err.splitlines() if line.startswith("skipped ")]

    assert len(lines) == 23
    assert (
        "skipped trap-tz-junk-01 tz: invalid_timezone ('Mars/Olympus_Mons' is not an IANA name)"
        in lines
    )


def test_evidence_7_checkpoints_are_in_the_database(story: Story) -> None:
    with psycopg.connect(story.dsn) as connection:
        rows = connection.execute(
            "SELECT chunk_no, scanned, updated + skipped FROM backfill.checkpoint"
            " WHERE run_id = %s ORDER BY chunk_no",
            [story.wet.summary["run_id"]],
        ).fetchall()

    assert rows == [(1, 20, 20), (2, 20, 20), (3, len(story.before) - 42, len(story.before) - 42)]


# -- what a run says and leaves -----------------------------------------------------------------


def test_progress_is_json_lines_on_stderr(story: Story) -> None:
    total = story.wet.summary["total_scanned"]

    assert [(e["scanned"], e["remaining"]) for e in story.wet.progress] == [
        (0, total),
        (20, total - 20),
        (40, total - 40),
        (total, 0),
    ]
    assert {*("type", "run_id", "scanned", "updated", "skipped", "remaining", "elapsed_ms")} <= set(
        story.wet.progress[0]
    )


def test_the_summary_is_the_last_line_of_stdout_and_the_only_one(story: Story) -> None:
    for said in (story.dry, story.wet, story.again):
        assert len(said.out.splitlines()) == 1
        assert str(said.summary["run_id"]) in said.err


def test_the_folder_holds_the_executed_notebook_and_its_page(story: Story) -> None:
    folder = story.folder(story.wet)

    cells = json.loads((folder / "notebook.ipynb").read_text())["cells"]
    assert all(cell["execution_count"] for cell in cells if cell["cell_type"] == "code")
    page = (folder / "notebook.html").read_text()
    assert "http://" not in page
    assert "https://" not in page
    assert "<svg" in page
    assert "trap-fold-start-01" in page
    modes = {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert (modes, stat.S_IMODE(folder.stat().st_mode)) == ({0o600}, 0o700)


def test_the_reference_describes_every_file_of_a_run(story: Story) -> None:
    for said in (story.dry, story.wet):
        assert unlisted(evidence_files(RunFolder(story.folder(said)))) == []


def test_the_folder_of_each_run_agrees_with_the_database(story: Story) -> None:
    with psycopg.connect(story.dsn, autocommit=True) as connection:
        for said in (story.dry, story.wet, story.again):
            folder = Bench(story.dsn, story.runs, connection).folder(said.summary["run_id"])
            assert disagreements(folder, Ledger(connection)) == []
    checked = subprocess.run(
        ["sha256sum", "-c", "--quiet", "SHA256SUMS"],
        cwd=story.folder(story.wet),
        check=False,
        capture_output=True,
    )
    assert checked.returncode == 0


def test_the_dry_runs_folder_holds_no_other_household(story: Story) -> None:
    for path in story.folder(story.dry).iterdir():
        assert b"hh_north" not in path.read_bytes(), path.name


def test_check_counts_what_is_still_pending(
    story: Story, main: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", story.dsn)

    assert cli.main(["check"]) == 8

    pending = json.loads(capsys.readouterr().out)
    assert pending["total_pending"] == 23
    assert pending["pending"] == {"hh_demo": 13, "hh_north": 7, "hh_south": 3}


def test_status_names_the_run_and_what_is_pending(
    story: Story, main: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", story.dsn)
    run_id = story.wet.summary["run_id"]

    assert cli.main(["status", run_id, "--json"]) == 0

    document = json.loads(capsys.readouterr().out)
    assert (document["status"], document["updated"]) == (
        "succeeded",
        story.wet.summary["total_updated"],
    )
    assert sum(document["left_alone"].values()) == 23


def test_a_dry_run_is_applied_later_and_taken_back_by_commands(
    bench: Bench, main: None, capsys: pytest.CaptureFixture[str]
) -> None:
    before = bench.table()
    run_id = bench.plan().run_id

    applied = run_apart(bench.dsn, bench.runs, "apply", run_id[:-2])
    assert (applied.code, applied.summary["total_updated"]) == (0, 12)
    assert applied.summary["run_id"] == run_id
    assert cli.main(["verify", run_id]) == 0
    assert json.loads(capsys.readouterr().out)["verified"] is True
    for wanted in (str(bench.runs / run_id), run_id[:-2], "latest"):
        assert cli.main(["evidence", "check", wanted]) == 0
        assert json.loads(capsys.readouterr().out)["run_id"] == run_id
    assert cli.main(["revert", run_id, "--apply"]) == 0
    assert bench.table() == before
    names = {path.name for path in (bench.runs / run_id).iterdir()}
    assert {"apply.ipynb", "apply.html"} <= names
