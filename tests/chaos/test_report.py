"""The suite itself: what it reports, and that it can fail."""

from __future__ import annotations

import json
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.chaos.selftest import command
from tests.chaos.selftest.case import Case
from tests.chaos.selftest.claims import Disproved, equal, holds, says, silent_about
from tests.chaos.selftest.command import HTML_FILE, JSON_FILE, write_report
from tests.chaos.selftest.suite import CASES, Result, choose, run_case
from tests.chaos.selftest.world import Stage, World

from backfill.cli import main
from backfill.command import machine
from backfill.errors import UsageError
from backfill.report import Reporter

BAIT = "<script>alert(1)</script> https://example.org/ http://example.org/"


def fail(_world: World) -> None:
    raise Disproved(BAIT)


def draw(world: World) -> None:
    raise Disproved(str(world.draw.random()))


def hold(world: World) -> None:
    equal("households", world.scalar("SELECT count(*) FROM household"), 3)


BROKEN = Case("made.up", BAIT, fail)
RESULTS = [Result(CASES[0], 7, 1234), Result(BROKEN, 7, 1, f"Disproved: {BAIT}")]


def test_names_are_unique_and_promises_are_sentences() -> None:
    names = [case.name for case in CASES]

    assert len(set(names)) == len(names) > 80
    assert [case.name for case in CASES if not case.promise.endswith(".")] == []
    assert [case.name for case in CASES if not case.promise[0].isupper()] == []


def test_a_case_is_chosen_by_its_name_or_its_group() -> None:
    chosen = [case.name for case in choose(["writers.clock", "kill.ocr"])]

    assert chosen == ["kill.ocr", "writers.clock.ahead", "writers.clock.behind"]
    assert choose([]) == list(CASES)
    with pytest.raises(UsageError, match=r"no case 'writers.cl'.*--list"):
        choose(["writers.cl"])


def test_the_report_is_private_names_each_case_and_no_address(tmp_path: Path) -> None:
    folder = tmp_path / "selftest-x"

    write_report(folder, RESULTS, seed=7)

    document = json.loads((folder / JSON_FILE).read_text(encoding="utf-8"))
    assert (document["status"], document["failed"]) == ("failed", ["made.up"])
    assert (document["cases"], document["passed"], document["seed"]) == (2, 1, 7)
    assert [entry["outcome"] for entry in document["results"]] == ["passed", "failed"]
    assert document["results"][1]["error"] == f"Disproved: {BAIT}"
    page = (folder / HTML_FILE).read_text(encoding="utf-8")
    assert "&lt;script&gt;" in page
    assert CASES[0].name in page
    silent_about(page, "<script", "http://", "https://")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


def test_a_promise_that_fails_is_told_and_the_world_goes_away(stage: Stage) -> None:
    result = run_case(stage, BROKEN, 7)

    assert (result.outcome, result.error) == ("failed", f"Disproved: {BAIT}")
    assert run_case(stage, Case("made.up", "It holds.", hold), 7).outcome == "passed"


def test_a_seed_brings_the_same_chances_back(stage: Stage) -> None:
    case = Case("made.up", "Chance.", draw)

    first, again, other = (run_case(stage, case, seed).error for seed in (7, 7, 8))

    assert first == again != other


def test_the_command_exits_6_when_a_promise_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "run_cases", lambda *_: RESULTS)
    told: list[Any] = []

    code, summary = command.selftest(tmp_path, [], 7, Reporter(told.append))

    assert code == 6
    assert summary["failed"] == ["made.up"]
    assert Path(summary["report"]).is_dir()
    monkeypatch.setattr(command, "run_cases", lambda *_: RESULTS[:1])
    assert command.selftest(tmp_path, [], 7, Reporter(told.append))[0] == 0


def test_what_a_case_starts_hears_signals_also_where_nohup_keeps_them_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[str] = []
    ask = "import signal; print(signal.getsignal(signal.SIGHUP).name)"

    def start_one(*_: object) -> list[Result]:
        heard.append(subprocess.check_output([sys.executable, "-c", ask], text=True).strip())
        return RESULTS[:1]

    monkeypatch.setattr(command, "run_cases", start_one)
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        command.selftest(tmp_path, [], 7, Reporter(lambda _: None))
        signal.raise_signal(signal.SIGHUP)  # the suite itself goes on
    finally:
        signal.signal(signal.SIGHUP, before)

    assert heard == ["SIG_DFL"]


def test_without_a_checkout_it_is_said_where_the_cases_are(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(machine, "project_root", lambda: None)

    code = main(["selftest", "--chaos"])

    assert code == 2
    assert "come with the sources" in capsys.readouterr().err


def test_the_list_names_every_case_and_runs_none(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["selftest", "--chaos", "--list"])

    listed = json.loads(capsys.readouterr().out.splitlines()[-1])["cases"]
    assert code == 0
    assert [entry["case"] for entry in listed] == [case.name for case in CASES]


@pytest.mark.parametrize("arguments", [["--case", "nothing.such"], ["--seed", "-1"]])
def test_what_cannot_be_meant_is_refused(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code: object = main(["selftest", "--chaos", "--runs-dir", str(tmp_path), *arguments])
    except SystemExit as end:  # the parser's own word
        code = end.code

    assert code == 2
    assert "Traceback" not in capsys.readouterr().err


def test_a_claim_tells_what_was_found_and_what_was_promised() -> None:
    with pytest.raises(Disproved, match=r"rows: found \[3\], promised \[4\]"):
        equal("rows", [1, 3], [1, 4])
    with pytest.raises(Disproved, match="it is there: found 0"):
        holds("it is there", 0)
    with pytest.raises(Disproved, match="'resume' was promised, but it says: nothing"):
        says(["nothing"], "resume")
    with pytest.raises(Disproved, match="'pw' must not be said"):
        silent_about("the pw", "pw")
