"""The command line as a person meets it: the demand's seven proofs, signals, and lies."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from tests.deadline import DEADLINE_SECONDS
from tests.engine.workshop import Bench, load_noons, load_traps, noon_utc

from backfill import cli
from backfill.archive.evidence import evidence_files
from backfill.archive.run_files import unlisted
from backfill.folder import RunFolder
from backfill.notebook import headless
from backfill.records.ledger import Ledger
from backfill.steps.evidence_check import disagreements

if TYPE_CHECKING:
    from tests.conftest import DatabaseServer
    from tests.jobs.conftest import BenchFrom

COMMAND = [sys.executable, "-m", "backfill"]
DEMANDED_KEYS = ["household_id", "total_scanned", "total_updated", "total_skipped", "elapsed_ms"]
COMMAND_LINE_NEEDS = ("PATH", "HOME", "LANG", "BACKFILL_EMBEDDED_DIR", "VIRTUAL_ENV")
pytestmark = pytest.mark.slow


@dataclass(frozen=True, slots=True)
class Said:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str

    @property
    def summary(self) -> dict[str, Any]:
        """The last line of stdout."""
        found: dict[str, Any] = json.loads(self.out.splitlines()[-1])
        return found

    @property
    def progress(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.err.splitlines() if line.startswith('{"type"')]


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


def environment(dsn: str, runs: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in COMMAND_LINE_NEEDS if name in os.environ}
    return {**kept, "DATABASE_URL": dsn, "BACKFILL_RUNS_DIR": str(runs)}


def run(dsn: str, runs: Path, *arguments: str) -> Said:
    ended = subprocess.run(
        [*COMMAND, *arguments],
        env=environment(dsn, runs),
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=False,
    )
    return Said(ended.returncode, ended.stdout, ended.stderr)


def run_here(dsn: str, runs: Path, *arguments: str) -> Said:
    """Run a command in this process: half as dear as one of its own."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.ExitStack() as stack:
        patch.setenv("DATABASE_URL", dsn)
        patch.setenv("BACKFILL_RUNS_DIR", str(runs))
        stack.callback(signal.signal, signal.SIGPIPE, signal.getsignal(signal.SIGPIPE))
        stack.enter_context(contextlib.redirect_stdout(out))
        stack.enter_context(contextlib.redirect_stderr(err))
        code = cli.main(arguments)
    return Said(code, out.getvalue(), err.getvalue())


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


@pytest.fixture
def main(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let a test call the command line in this process; put back what it changes of it."""
    before, mask = signal.getsignal(signal.SIGPIPE), os.umask(0o022)
    yield
    signal.signal(signal.SIGPIPE, before)
    os.umask(mask)


# -- the demand's evidence ----------------------------------------------------------------------


def test_evidence_1_the_log_of_a_run_has_the_counts_before_and_after(story: Story) -> None:
    assert story.wet.code == 0
    scanned, updated = (story.wet.summary[f"total_{name}"] for name in ("scanned", "updated"))
    assert f"{scanned} rows are pending before the run." in story.wet.err
    assert f"{scanned - updated} rows are pending after the run." in story.wet.err
    assert updated > 20


def test_evidence_2_the_dry_run_reports_in_json_and_changes_nothing(story: Story) -> None:
    summary = story.dry.summary

    assert story.dry.code == 0
    assert list(summary)[:5] == DEMANDED_KEYS
    assert summary["household_id"] == "hh_demo"
    assert summary["dry_run"] is True
    assert summary["status"] == "planned"
    assert summary["total_scanned"] == summary["total_updated"] + summary["total_skipped"]
    assert story.between == story.before


def test_evidence_3_interrupted_after_a_chunk_the_same_command_resumes(bench: Bench) -> None:
    arguments = ("utc", "--apply", "--chunk-size", "5")

    stopped = stop_in_chunk(bench, 2, signal.SIGINT, *arguments)
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

    applied = run(bench.dsn, bench.runs, "apply", run_id[:-2])
    assert (applied.code, applied.summary["total_updated"]) == (0, 12)
    assert applied.summary["run_id"] == run_id
    assert cli.main(["verify", run_id]) == 0
    assert json.loads(capsys.readouterr().out)["verified"] is True
    assert cli.main(["evidence", "check", str(bench.runs / run_id)]) == 0
    assert cli.main(["revert", run_id, "--apply"]) == 0
    assert bench.table() == before
    names = {path.name for path in (bench.runs / run_id).iterdir()}
    assert {"apply.ipynb", "apply.html"} <= names


# -- signals and kills --------------------------------------------------------------------------


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
    notebook = json.loads(headless.notebook_path("01_utc_backfill").read_text())
    (cell,) = (c for c in notebook["cells"] if "".join(c["source"]) == "run.apply()")
    cell["source"] = ["import sys\n", "sys.exit(0)"]
    (tmp_path / "liar.ipynb").write_text(json.dumps(notebook))
    monkeypatch.setattr(headless, "notebook_path", lambda _name: tmp_path / "liar.ipynb")

    code = cli.main(["utc", "--apply"])

    summary = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert code == 1
    assert summary["status"] == "planned"
    assert set(bench.filled().values()) == {(None, None)}
    folder = bench.folder(summary["run_id"])
    assert folder.read_json("summary.json")["exit_code"] == 1
    assert disagreements(folder, Ledger(bench.connection)) == []


# -- bad input ----------------------------------------------------------------------------------


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> Said:
    """Run a command in this process that is refused before a notebook starts."""
    code = cli.main(arguments)
    said = capsys.readouterr()
    return Said(code, said.out, said.err)


def test_an_unknown_household_is_refused_with_near_misses(
    bench: Bench, main: None, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refused(capsys, "utc", "--household-id", "hh_nroth")

    assert said.code == 2
    assert "There is no household 'hh_nroth' in this database. Near: hh_north" in said.err
    assert said.summary["status"] == "refused"
    assert not bench.runs.exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("utc", "--default-tz", "europe/london"),
        ("utc", "--fold", "perhaps"),
        ("utc", "--gap", "perhaps"),
        ("utc", "--chunk-size", "0"),
        ("utc", "--progress-interval", "-1"),
        ("apply", "20990101T000000Z-utc-000000"),
        ("pause", "latest"),
    ],
)
def test_a_bad_option_exits_with_2(
    bench: Bench, main: None, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    assert refused(capsys, *arguments).code == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ("utc", "--chunk-size", "2.5.1", "--progress-interval", "many"),
        ("utc", "--apply", "--dry-run"),
        ("nonsense",),
        (),
        ("utc", "--no-such-flag"),
    ],
)
def test_a_bad_command_line_exits_with_2_and_names_the_help(
    capsys: pytest.CaptureFixture[str], main: None, arguments: tuple[str, ...]
) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)

    assert ended.value.code == 2
    assert "--help" in capsys.readouterr().err


def test_an_unknown_option_names_the_help_of_its_command(
    capsys: pytest.CaptureFixture[str], main: None
) -> None:
    with pytest.raises(SystemExit):
        cli.main(["ocr", "--ocr-langs", "sv"])

    assert "there is no --ocr-langs sv\nSee: backfill ocr --help" in capsys.readouterr().err


def test_an_unreachable_database_exits_with_1_and_shows_no_password(
    tmp_path: Path,
    main: None,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(
        "DATABASE_URL", f"postgresql://me:hunter2secret@/calendar?host={tmp_path}/nowhere"
    )

    said = refused(capsys, "utc")

    assert said.code == 1
    assert "The database does not answer" in said.err
    assert "database calendar at" in said.err
    assert "hunter2secret" not in said.err + said.out


def test_a_password_on_the_command_line_reaches_no_message(
    tmp_path: Path,
    main: None,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DATABASE_URL", "unused")
    url = f"host={tmp_path} password='hunter2 secret' dbname=calendar"

    said = refused(capsys, "status", "--database-url", url)

    assert said.code == 1
    assert "hunter2" not in said.err + said.out


def test_a_runs_folder_that_can_not_be_written_is_refused(
    bench: Bench, main: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("in the way")

    said = refused(capsys, "utc", "--apply", "--runs-dir", str(tmp_path / "file"))

    assert said.code == 1
    assert "can not be written" in said.err
    assert "--runs-dir DIR" in said.err
    assert set(bench.filled().values()) == {(None, None)}


def test_a_plan_edited_by_hand_exits_with_5(
    bench: Bench, main: None, capsys: pytest.CaptureFixture[str]
) -> None:
    book = bench.plan()
    path = book.folder.file("plan.json")
    path.write_text(path.read_text().replace("hh_demo", "hh_dema"))

    said = refused(capsys, "apply", book.run_id)

    assert said.code == 5
    assert "plan.json" in said.err


def test_what_the_preflight_refuses_exits_with_3(
    bench: Bench, main: None, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.sql("ALTER TABLE events DROP CONSTRAINT events_pkey")

    said = refused(capsys, "utc")

    assert said.code == 3
    assert "ALTER TABLE public.events ADD PRIMARY KEY (id);" in said.err


def test_a_tampered_run_exits_with_6(
    bench: Bench, main: None, capsys: pytest.CaptureFixture[str]
) -> None:
    run_id = bench.run().run_id
    bench.sql("UPDATE events SET end_at_utc = 1 WHERE id = 'e03'")

    said = refused(capsys, "verify", run_id)

    assert said.code == 6
    assert "Row e03 (chunk 1) is not as written" in said.err
    assert said.summary["disagreements"] == 1


def test_a_tampered_folder_exits_with_6(
    bench: Bench, main: None, capsys: pytest.CaptureFixture[str]
) -> None:
    book = bench.run()
    book.folder.file("skips.csv").write_text("")

    said = refused(capsys, "evidence", "check", str(book.folder.path))

    assert said.code == 6
    assert "skips.csv was changed after the folder was closed" in said.err


def test_cancel_of_a_planned_run_keeps_it_from_being_forgotten(
    bench: Bench, main: None, capsys: pytest.CaptureFixture[str]
) -> None:
    run_id = bench.plan().run_id

    assert refused(capsys, "cancel", run_id).code == 0

    assert bench.status(run_id) == "cancelled"


def test_the_database_url_option_is_stronger_than_the_environment(
    bench: Bench, main: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = make_conninfo(bench.dsn)
    monkeypatch.setenv("DATABASE_URL", "host=/nowhere")

    said = refused(capsys, "check", "--database-url", url)

    assert (said.code, said.summary["total_pending"]) == (8, 12)


# -- how a run is stopped -----------------------------------------------------------------------


def stop_in_chunk(bench: Bench, chunk: int, number: signal.Signals, *arguments: str) -> Said:
    """Run a command of five rows a chunk, and signal it while it waits inside a chunk.

    SIGKILL goes to the kernel, anything else to the command itself. The chunk waits for a row
    that another session holds, and gets it when the signal has been sent; after SIGKILL it never
    does: the command must end all the same.
    """
    row = f"e{chunk * 5 - 2:02d}"
    with psycopg.connect(bench.dsn) as other:
        other.execute("SELECT FROM events WHERE id = %s FOR UPDATE", [row])
        process = subprocess.Popen(
            [*COMMAND, *arguments, "--lock-timeout-ms", "0"],
            env=environment(bench.dsn, bench.runs),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        bench.wait_for_lock_wait()
        if number == signal.SIGKILL:
            for child in psutil.Process(process.pid).children(recursive=True):
                if "ipykernel_launcher" in " ".join(child.cmdline()):
                    child.kill()
            out, err = process.communicate(timeout=DEADLINE_SECONDS)
            return Said(process.returncode, out, err)
        process.send_signal(number)
        wait_until_passed_on(process)
        other.rollback()
    out, err = process.communicate(timeout=DEADLINE_SECONDS)
    return Said(process.returncode, out, err)


def wait_until_passed_on(process: subprocess.Popen[str]) -> None:
    """Wait until the command says that it has passed the signal on to its kernel."""
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("warning: Stopping after the current chunk"):
            return
