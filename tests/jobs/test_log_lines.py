"""The log where nobody watches: each line a record with its time, its weight and its run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.engine.workshop import Bench, load_noons
from tests.jobs.command_line import COMMAND, environment, run_here

from backfill.notebook.relay import Terminal
from backfill.report import Reporter
from backfill.skips import Skip

if TYPE_CHECKING:
    from tests.jobs.conftest import BenchFrom


@pytest.fixture
def bench(bench_from: BenchFrom) -> Bench:
    """A bench with twelve pending events."""
    return bench_from("noons", load_noons)


def test_every_line_of_the_log_says_when_how_grave_and_of_which_run(
    capsys: pytest.CaptureFixture[str],
) -> None:
    terminal = Terminal(as_json=True)
    terminal.run_id = "R"

    terminal.message("Something is odd.", "warning")
    terminal({"type": "progress", "run_id": "R", "scanned": 1, "remaining": 0})

    first, second = map(json.loads, capsys.readouterr().err.splitlines())
    assert (first["level"], first["run_id"], first["event"]) == ("warning", "R", "message")
    assert first["message"] == "Something is odd."
    assert (second["type"], second["event"], second["level"]) == ("progress", "progress", "info")
    assert first["ts"].endswith("+00:00")


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (("verify", "20990101T000000Z-utc-000000"), 2),
        (("utc", "--fold", "maybe"), 2),
        (("staus",), 2),
    ],
)
def test_where_nobody_watches_refusals_and_mistakes_are_lines_of_the_log(
    bench: Bench, command: tuple[str, ...], code: int
) -> None:
    declared = {**environment(bench.dsn, bench.runs), "BACKFILL_LOG": "json"}

    ended = subprocess.run(
        [*COMMAND, *command], env=declared, capture_output=True, text=True, check=False
    )

    assert ended.returncode == code
    (line,) = map(json.loads, ended.stderr.splitlines())
    assert (line["level"], line["event"], line["run_id"]) == ("error", "message", "")
    assert line["ts"].endswith("+00:00")


def test_the_journal_of_systemd_gets_the_log_and_another_pipe_answers_in_sentences(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("BACKFILL_LOG", raising=False)
    said = []
    for name in ("journal", "other"):
        with (tmp_path / name).open("w+") as stream:
            its = os.fstat(stream.fileno())
            if name == "journal":
                monkeypatch.setenv("JOURNAL_STREAM", f"{its.st_dev}:{its.st_ino}")
            monkeypatch.setattr(sys, "stderr", stream)
            Terminal().message("Twelve rows are pending.")
            stream.seek(0)
            said.append(stream.read())

    assert json.loads(said[0])["message"] == "Twelve rows are pending."
    assert said[1] == "Twelve rows are pending.\n"


@pytest.mark.slow
def test_all_that_happens_on_a_runs_way_is_one_log_where_nobody_watches(bench: Bench) -> None:
    bench.add_event('odd "key" ö', household_id="hh", start_at=0, tz="Mars/Olympus")

    said = run_here(bench.dsn, bench.runs, "utc", "--apply", "--chunk-size", "5")

    run_id = said.summary["run_id"]
    assert all({"ts", "level", "run_id", "event"} <= line.keys() for line in said.events)
    assert {line["run_id"] for line in said.events} == {run_id}
    kinds = [line["event"] for line in said.events]
    assert (kinds[0], kinds[-1]) == ("start", "end")
    assert {"message", "skip", "progress"} <= set(kinds)
    (skip,) = (line for line in said.events if line["event"] == "skip")
    assert (skip["key"], skip["reason"]) == ('odd "key" ö', "invalid_timezone")
    assert "ö" in next(line for line in said.log.splitlines() if '"skip"' in line)
    end = said.events[-1]
    assert (end["status"], end["exit_code"], end["total_updated"]) == ("succeeded", 0, 12)
    kept = (bench.runs / run_id / "progress.jsonl").read_text(encoding="utf-8").splitlines()
    assert set(kinds) - {json.loads(line)["type"] for line in kept} == {"start", "end"}
    answers = [line for line in said.log.splitlines() if not line.startswith("{")]
    assert answers == [f"Evidence: {bench.runs / run_id}"]


def test_one_who_wants_sentences_gets_them_of_progress_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BACKFILL_LOG", "text")
    counts = {"scanned": 500, "updated": 480, "skipped": 20, "drifted": 0, "remaining": 500}
    terminal = Terminal()

    terminal({"type": "start", "text": "Run R begins."})
    terminal({"type": "progress", "phase": "apply", **counts})
    terminal({"type": "skip", "level": "warning", "reason": "no_value", "text": "skipped 7"})

    assert capsys.readouterr().err.splitlines() == [
        "apply: 500 of 1,000 rows (480 updated, 20 skipped, 0 drifted)",
        "skipped 7",
    ]


def test_the_number_of_other_skips_is_told_in_the_form_that_the_first_had(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for is_answer in (True, False):
        terminal = Terminal()
        terminal.most_skips = 1
        for skip in (Skip.of(str(key), "", "phone", "no_value", "") for key in range(3)):
            Reporter(partial(terminal.say, is_answer=is_answer)).skips([skip])
        terminal.count_skips(is_answer=is_answer)

    *sentences, named, counted = capsys.readouterr().err.splitlines()
    assert sentences == [
        "skipped row 0 phone: no_value",
        "warning: skipped 2 more: no_value (3 in all); each is in the run's skips.csv",
    ]
    assert json.loads(named)["event"] == "skip"
    assert json.loads(counted)["message"].startswith("skipped 2 more: no_value (3 in all)")


def test_advice_is_a_sentence_to_copy_from_unless_all_is_to_be_a_log(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for terminal in (Terminal(), Terminal(as_json=True)):
        Reporter(terminal).advise("To do so: backfill utc")

    first, second = capsys.readouterr().err.splitlines()
    assert first == "To do so: backfill utc"
    assert json.loads(second)["message"] == first


def test_a_format_of_the_log_that_there_is_not_is_refused(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BACKFILL_LOG", "xml")

    said = run_here(bench.dsn, bench.runs, "runs")

    assert (said.code, said.summary["error"]) == (
        2,
        "BACKFILL_LOG is 'xml': say json or text, or nothing.",
    )


def test_what_a_pipe_is_told_of_progress_is_in_the_form_of_the_log_as_well(
    capsys: pytest.CaptureFixture[str],
) -> None:
    terminal = Terminal()
    counts = {"scanned": 500, "updated": 480, "skipped": 20, "remaining": 0, "elapsed_ms": 7}

    terminal({"type": "progress", "run_id": "R", **counts})

    line = json.loads(capsys.readouterr().err)
    assert (line["type"], line["event"], line["level"], line["run_id"]) == (
        *("progress", "progress", "info", "R"),
    )
    assert line.items() >= counts.items()
    assert line["ts"].endswith("+00:00")
