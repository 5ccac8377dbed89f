"""Output that nobody reads, files that never end, locks that nobody lets go of: nothing hangs."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from tests.deadline import DEADLINE_SECONDS
from tests.engine.workshop import Bench, load_noons, noon_utc
from tests.jobs.command_line import COMMAND, environment, run_here
from tests.longer import longer

from backfill import cli
from backfill.command import requests
from backfill.errors import StalePlan, UsageError
from backfill.notebook.relay import SKIPS_SHOWN, Terminal
from backfill.plans import plan

if TYPE_CHECKING:
    from tests.jobs.conftest import BenchFrom


@pytest.fixture
def bench(bench_from: BenchFrom) -> Bench:
    """A bench with twelve pending events."""
    return bench_from("noons", load_noons)


@pytest.mark.slow
def test_a_run_whose_output_nobody_reads_is_written_to_its_end(bench: Bench) -> None:
    process = subprocess.Popen(
        [*COMMAND, "utc", "--apply", "--chunk-size", "1", "--progress-interval", "1"],
        env=environment(bench.dsn, bench.runs),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()

    code = process.wait(DEADLINE_SECONDS)

    assert code == 0
    run_id = str(bench.scalar("SELECT run_id FROM backfill.run"))
    assert bench.status(run_id) == "succeeded"
    assert bench.filled() == {f"e{day:02d}": noon_utc(day) for day in range(1, 13)}
    assert bench.folder(run_id).file("SHA256SUMS").is_file()


@pytest.mark.slow
def test_a_list_that_nobody_reads_to_its_end_is_no_bug(bench: Bench) -> None:
    ended = subprocess.run(
        ["sh", "-c", f"'{COMMAND[0]}' -m backfill status | true"],
        env=environment(bench.dsn, bench.runs),
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=True,
    )

    assert "Traceback" not in ended.stderr
    assert "error" not in ended.stderr.lower()


def skip(number: int, reason: str) -> dict[str, str]:
    return {
        "type": "skip",
        "level": "warning",
        "reason": reason,
        "text": f"skipped e{number}: {reason} (why)",
    }


def test_a_quiet_run_names_a_few_skips_of_each_reason_and_counts_the_rest(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BACKFILL_LOG", "text")
    terminal = Terminal(quiet=True)
    for number in range(20_000):
        terminal(skip(number, "invalid_timezone"))
    terminal(skip(1, "missing_timezone"))

    terminal.count_skips()

    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == SKIPS_SHOWN + 2
    assert lines[-2] == "skipped e1: missing_timezone (why)"
    assert lines[-1] == (
        "warning: skipped 19,995 more: invalid_timezone (20,000 in all); each is in the run's "
        "skips.csv"
    )


def test_without_quiet_each_skip_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal()
    for number in range(50):
        terminal(skip(number, "invalid_timezone"))

    terminal.count_skips()

    assert len(capsys.readouterr().err.splitlines()) == 50


@pytest.mark.parametrize("option", ["--decisions", "--table", "--go-when-file"])
def test_a_pipe_or_a_device_is_refused_as_a_file(bench: Bench, tmp_path: Path, option: str) -> None:
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)

    for path in (str(pipe), "/dev/zero"):
        said = run_here(bench.dsn, bench.runs, "utc", option, path)

        assert said.code == 2
        assert "no regular file" in said.err
        assert said.summary["status"] == "refused"


@pytest.mark.parametrize(
    "words",
    [
        ("utc", "--metrics-file"),
        ("check", "--deep", "--output"),
        ("compare", "RUN", "RUN", "--output"),
        ("ocr", "--local-root", ".", "--output-file"),
    ],
)
def test_what_is_no_file_is_never_replaced_by_one(
    bench: Bench, tmp_path: Path, words: tuple[str, ...]
) -> None:
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    run_id = bench.plan().run_id if "RUN" in words else ""

    for path in (pipe, tmp_path):
        given = [run_id if word == "RUN" else word for word in words]
        said = run_here(bench.dsn, bench.runs, *given, str(path))
        assert said.code == 2, said.err

    assert pipe.is_fifo()


def test_a_notebook_that_is_a_pipe_is_refused(bench: Bench, tmp_path: Path) -> None:
    pipe = tmp_path / "own.ipynb"
    os.mkfifo(pipe)

    said = run_here(bench.dsn, bench.runs, "fill", "--notebook", str(pipe))

    assert (said.code, "no regular file" in said.err) == (2, True)


def test_a_sheet_larger_than_anybody_writes_is_refused(bench: Bench, tmp_path: Path) -> None:
    huge = tmp_path / "decisions.csv"
    with huge.open("wb") as stream:
        stream.truncate(200_000_000)  # a hole: it takes no room

    said = run_here(bench.dsn, bench.runs, "utc", "--decisions", str(huge))

    assert said.code == 2
    assert "larger than" in said.err


@pytest.mark.parametrize("name", [plan.PLAN_FILE, plan.CHANGES_FILE, plan.SKIPS_FILE])
def test_a_plan_with_a_pipe_for_a_file_is_refused(bench: Bench, name: str) -> None:
    folder = bench.folder(bench.plan().run_id)
    folder.file(name).unlink()
    os.mkfifo(folder.file(name))

    with pytest.raises(StalePlan, match="no regular file"):
        plan.load(folder)


def test_cancel_returns_while_others_hold_the_record_locked(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = bench.plan().run_id
    monkeypatch.setattr(requests, "TRY_MS", 20)
    monkeypatch.setattr(requests, "WHOLE_SECONDS", 0.1)
    with psycopg.connect(bench.dsn) as other:
        other.execute("LOCK TABLE backfill.run IN EXCLUSIVE MODE")

        said = run_here(bench.dsn, bench.runs, "cancel", run_id)

        assert said.code == 1
        assert "others have held a lock" in said.err
        assert f"backfill cancel {run_id}" in said.err
    assert run_here(bench.dsn, bench.runs, "cancel", run_id).code == 0
    assert bench.status(run_id) == "cancelled"


@pytest.mark.parametrize(
    "arguments",
    [
        *(("ocr", "--limit", "-1"), ("ocr", "--limit", "0"), ("utc", "--chunk-time", "nan")),
        *(("utc", "--chunk-time", "inf"), ("utc", "--max-skips", "-2"), ("utc", "--workers", "0")),
        *(("utc", "--chunk-size", "9" * 30), ("utc", "--max-refused", "1.5")),
        *(("ocr", "--summary-threshold", "0"), ("ocr", "--max-failed", "-7")),
        *(("utc", "--max-connections", "0"), ("utc", "--statement-timeout-ms", "-1")),
        *(("revert", "R", "--progress-interval", "-5"), ("apply", "R", "--workers", "65")),
    ],
)
def test_a_number_out_of_bounds_is_refused(bench: Bench, arguments: tuple[str, ...]) -> None:
    said = run_here(bench.dsn, bench.runs, *arguments)

    assert said.code == 2
    assert "must be" in said.err


@pytest.mark.parametrize(
    "arguments",
    [
        *(("utc", "--a"), ("utc", "--app"), ("utc", "--tab", "x"), ("status", "--js")),
        *(("runs", "--limit", "-1"), ("utc", "--lease-seconds", "0"), ("utcc",), ("selftest",)),
        *(("revert", "R", "--appl"), ("apply", "R", "--max-skip", "3"), ("utc", "--applyy")),
    ],
)
def test_no_option_is_abbreviated_and_no_word_guessed(
    bench: Bench, arguments: tuple[str, ...]
) -> None:
    with pytest.raises(SystemExit) as ended:
        run_here(bench.dsn, bench.runs, *arguments)

    assert ended.value.code == 2
    assert set(bench.filled().values()) == {(None, None)}


def test_a_bad_kept_setting_of_a_plans_file_is_refused(bench: Bench) -> None:
    folder = bench.folder(bench.plan(chunk_size=4).run_id)
    document = folder.read_json(plan.PLAN_FILE)
    document["kept"] = {"chunk_size": -4}
    folder.write_json(plan.PLAN_FILE, document)

    with pytest.raises(UsageError, match="--chunk-size must be between 1 and 100000"):
        bench.apply(folder.run_id)


def test_what_is_said_anew_counts_and_is_kept_from_then_on(bench: Bench) -> None:
    run_id = bench.plan(chunk_size=4, max_skips=7).run_id

    book = bench.apply(run_id, chunk_size=6)

    assert book.settings.chunk_rows == 6
    assert book.settings.max_skips == 7
    assert bench.scalar("SELECT kept FROM backfill.run") == {"chunk_size": 6, "max_skips": 7}
    assert [row[3] for row in bench.checkpoints(run_id)] == [6, 6]


@pytest.mark.parametrize("command", ["status", *longer("doctor", "runs", "grants")])
def test_a_full_disk_under_the_output_is_said_in_a_sentence(bench: Bench, command: str) -> None:
    full = Path("/dev/full")
    if not full.exists():
        full = Path(os.devnull)  # of other systems: no disk to fill, and nothing to say
    with full.open("w") as output:
        ended = subprocess.run(
            [*COMMAND, command],
            env=environment(bench.dsn, bench.runs),
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
            timeout=DEADLINE_SECONDS,
            check=False,
        )

    assert "Traceback" not in ended.stderr
    if full.name == "full":
        assert (ended.returncode, "No space left on device" in ended.stderr) == (1, True)


@pytest.mark.slow
@pytest.mark.parametrize("closed", ["<&- >&- 2>&-", *longer(">&-", "2>&-")])
def test_a_run_started_without_its_streams_is_planned_all_the_same(
    bench: Bench, closed: str
) -> None:
    ended = subprocess.run(
        ["sh", "-c", f"'{COMMAND[0]}' -m backfill utc {closed}"],
        env=environment(bench.dsn, bench.runs),
        timeout=DEADLINE_SECONDS,
        check=False,
    )

    assert ended.returncode == 0
    assert bench.scalar("SELECT status FROM backfill.run") == "planned"


def test_a_folder_that_is_gone_and_a_name_that_is_empty_are_told(
    bench: Bench,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(SystemExit, match="2"):
        cli.main(["status", "--runs-dir", ""])
    assert "argument --runs-dir: the value is empty" in capsys.readouterr().err
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()

    said = run_here(bench.dsn, bench.runs, "status")

    assert said.code == 2
    assert said.err == "The folder that you are in is gone. cd to another, and again.\n"
