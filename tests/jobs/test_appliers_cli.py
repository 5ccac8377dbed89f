"""Several `backfill apply --join` on one run and one folder, as people start them."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

import psutil
import psycopg
import pytest
from tests.deadline import DEADLINE_SECONDS
from tests.engine.workshop import Bench, load_noons, noon_utc
from tests.jobs.command_line import COMMAND, environment, run_here
from tests.jobs.printed import Typed
from tests.nursery import Hatched
from tests.pasted import commands_in

from backfill.jobs.registry import kind_of
from backfill.records.ledger import Ledger
from backfill.steps.evidence_check import disagreements

if TYPE_CHECKING:
    from tests.jobs.conftest import BenchFrom

Process: TypeAlias = subprocess.Popen[str] | Hatched
Popen: TypeAlias = Callable[..., Process]
pytestmark = [pytest.mark.slow, pytest.mark.kill]
ALL_NOONS = {f"e{day:02d}": noon_utc(day) for day in range(1, 13)}
ALONE = ("--chunk-size", "1", "--lock-timeout-ms", "0")
JOIN = ("--join", *ALONE)
HELD_LEASES = "SELECT count(DISTINCT lease_holder) = 2 FROM backfill.range WHERE ended_at IS NULL"
#: How many processes are at work in the run.
SEATS = "SELECT (SELECT count(*) FROM backfill.applier WHERE lease_expires_at > clock_timestamp())"


@pytest.fixture
def bench(bench_from: BenchFrom) -> Bench:
    return bench_from("noons", load_noons)


def start(bench: Bench, run_id: str, *options: str, popen: Popen = Hatched) -> Process:
    return popen(
        [*COMMAND, "apply", run_id, *options],
        env=environment(bench.dsn, bench.runs),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextmanager
def two_appliers(bench: Bench, run_id: str, popen: Popen = Hatched) -> Iterator[list[Process]]:
    """Yield two commands, each of which waits in a chunk of its own until the block ends."""
    with in_their_chunks(bench) as processes:
        processes += [start(bench, run_id, *JOIN, popen=popen) for _ in range(2)]
        bench.wait_until(HELD_LEASES)
        yield processes


@contextmanager
def in_their_chunks(bench: Bench) -> Iterator[list[Process]]:
    """Let no command that the block starts write a row until the block ends."""
    with psycopg.connect(bench.dsn) as other:
        # Whoever takes a range stops at its first row; both get one before any is written.
        other.execute("SELECT FROM events FOR UPDATE")
        processes: list[Process] = []
        try:
            yield processes
            other.rollback()
        except BaseException:
            for process in processes:
                process.kill()
                print(*process.communicate(), sep="\n")  # why, in the test's report
            raise


def said(process: Process) -> tuple[int, dict[str, Any], str]:
    """Return exit code, summary and messages of a command that ends by itself."""
    out, err = process.communicate(timeout=DEADLINE_SECONDS)
    return process.wait(), json.loads(out.splitlines()[-1]), err


def assert_whole(bench: Bench, run_id: str) -> None:
    assert bench.filled() == ALL_NOONS
    assert bench.status(run_id) == "succeeded"
    assert bench.verify(run_id).findings == []
    assert disagreements(bench.folder(run_id), Ledger(bench.connection), kind_of) == []
    names = [path.name for path in bench.folder(run_id).path.iterdir()]
    assert not [name for name in names if "partial" in name]


def kernel_of(process: Process) -> psutil.Process:
    (kernel,) = (
        child
        for child in psutil.Process(process.pid).children(recursive=True)
        if "kernel_process" in " ".join(child.cmdline())
    )
    return kernel


def test_two_that_join_write_one_run_into_one_folder_each_with_a_notebook(bench: Bench) -> None:
    run_id = bench.plan().run_id

    with two_appliers(bench, run_id) as processes:
        pass
    ended = [said(process) for process in processes]

    assert [code for code, _, _ in ended] == [0, 0]
    assert [summary["total_updated"] for _, summary, _ in ended] == [12, 12]
    assert sum(f"Joined the appliers of run {run_id}." in err for _, _, err in ended) == 1
    assert_whole(bench, run_id)
    names = {path.name for path in bench.folder(run_id).path.iterdir()}
    assert {"apply.ipynb", "apply.html", "apply-2.ipynb", "apply-2.html"} <= names
    assert "apply-3.ipynb" not in names


@pytest.mark.long
def test_ranges_of_a_killed_kernel_are_free_at_once_and_the_other_goes_on(bench: Bench) -> None:
    run_id = bench.plan().run_id

    with two_appliers(bench, run_id, subprocess.Popen) as processes:
        kernel_of(processes[0]).kill()
        bench.wait_until("SELECT count(*) = 1 FROM backfill.range WHERE lease_token = 2")
    killed, other = (said(process) for process in processes)

    assert killed[0] == 1
    assert other[0] == 0
    assert (other[1]["status"], other[1]["total_updated"]) == ("succeeded", 12)
    assert_whole(bench, run_id)


def interrupt(process: Process) -> None:
    """Press Ctrl-C; return when it is known there."""
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    for line in process.stderr:
        if "Stopping after the current chunk" in line:
            break


@pytest.mark.long
def test_ctrl_c_to_one_of_two_leaves_the_run_to_the_other(bench: Bench) -> None:
    run_id = bench.plan().run_id

    with two_appliers(bench, run_id) as processes:
        interrupt(processes[0])
    code, summary, err = said(processes[0])

    assert code == 130
    assert "Other appliers go on with it" in err or summary["status"] == "succeeded"
    assert said(processes[1])[0] == 0
    assert_whole(bench, run_id)


@pytest.mark.pastes("steps.ending:Ending._stopped status")
def test_ctrl_c_to_the_first_leaves_the_run_to_one_that_waits_for_its_rows(bench: Bench) -> None:
    run_id = bench.plan().run_id

    with in_their_chunks(bench) as processes:
        processes.append(start(bench, run_id, *ALONE))
        bench.wait_until(f"{SEATS} = 1 AND EXISTS (SELECT FROM backfill.range)")
        processes.append(start(bench, run_id, *JOIN))
        bench.wait_until(f"{SEATS} = 2")
        interrupt(processes[0])
    (code, _, err), (other, summary, _) = (said(process) for process in processes)

    assert (code, other) == (130, 0)
    assert "Other appliers go on with it" in err
    assert (summary["status"], summary["total_updated"]) == ("succeeded", 12)
    assert run_id in Typed(bench).paste(commands_in(err, "status")).out
    assert_whole(bench, run_id)


def test_a_part_by_the_command_line_waits_for_the_next_and_names_it(bench: Bench) -> None:
    run_id = bench.plan().run_id

    first = run_here(bench.dsn, bench.runs, "apply", run_id, "--only", "key <= 'e04'")
    second = run_here(bench.dsn, bench.runs, "apply", run_id, "--canary", "50%")
    third = run_here(bench.dsn, bench.runs, "apply", run_id, "--workers", "2")

    assert (first.code, second.code, third.code) == (0, 0, 0)
    assert f"4 rows; 8 left: backfill apply {run_id}" in first.err
    assert (first.summary["status"], first.summary["remaining"]) == ("paused", 8)
    assert (second.summary["status"], second.summary["remaining"]) == ("paused", 4)
    assert (third.summary["status"], third.summary["remaining"]) == ("succeeded", 0)
    assert [part["rows"] for part in third.summary["parts"]] == [4, 4, 4]
    assert_whole(bench, run_id)


def test_a_bad_condition_exits_with_2_and_leaves_the_plan_as_it_was(bench: Bench) -> None:
    run_id = bench.plan().run_id

    refused = run_here(bench.dsn, bench.runs, "apply", run_id, "--only", "ruel = 'normal'")

    assert refused.code == 2
    assert "Columns: key, scope, kind, rule, warnings, household_id, zone" in refused.err
    assert bench.status(run_id) == "planned"
    applied = run_here(bench.dsn, bench.runs, "apply", run_id)
    assert applied.code == 0
    assert_whole(bench, run_id)


def test_the_job_with_several_workers_writes_and_proves_the_whole_plan(bench: Bench) -> None:
    ended = run_here(bench.dsn, bench.runs, "utc", "--apply", "--workers", "3", "--chunk-size", "1")

    assert ended.code == 0
    assert_whole(bench, str(ended.summary["run_id"]))
    assert bench.scalar("SELECT count(*) FROM backfill.range") == 12
