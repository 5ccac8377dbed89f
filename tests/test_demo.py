"""`backfill demo`: the whole way, on the embedded database and no other, any number of times."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from backfill.server.embedded import HOME_ENV, EmbeddedServer

ELSEWHERE = "postgresql://me:hunter-2secret@127.0.0.1:1/elsewhere"


def demo() -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "backfill", "demo"],
        env={**os.environ, "DATABASE_URL": ELSEWHERE},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.long
@pytest.mark.ocr
def test_demo_shows_every_command_twice_and_leaves_the_server_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BACKFILL_CACHE_DIR", str(tmp_path / "cache"))
    server = EmbeddedServer(Path(os.environ[HOME_ENV]))

    first = demo()
    is_running_after_first = server.is_running()
    server.start()
    second = demo()
    is_running_after_second = server.is_running()

    assert first.returncode == 0, first.stderr
    assert second.returncode == 0, second.stderr
    assert not is_running_after_first
    assert is_running_after_second
    check_what_was_shown(first, tmp_path / "runs")
    check_what_was_shown(second, tmp_path / "runs")


def check_what_was_shown(done: subprocess.CompletedProcess[str], folder: Path) -> None:
    runs = json.loads(done.stdout.splitlines()[-1])["runs"]
    commands = [line for line in done.stderr.splitlines() if line.startswith("$ backfill ")]
    assert commands[:4] == [
        "$ backfill db seed",
        "$ backfill utc",
        f"$ backfill apply {runs[0]}",
        f"$ backfill verify {runs[0]}",
    ]
    assert [line.split()[2] for line in commands[4:]] == [
        "utc",
        "evidence",
        "ocr",
        "ocr",
        "verify",
        "ocr",
        "evidence",
        "fill",
        "verify",
        "revert",
    ]
    left_alone = [line for line in done.stderr.splitlines() if line.startswith("skipped trap-")]
    assert sorted(line.split()[3] for line in left_alone) == [  # one row for each reason
        *("invalid_timestamp", "invalid_timezone", "missing_timezone", "missing_wall_time"),
    ]
    assert "Traceback" not in done.stderr
    assert all((folder / run / "notebook.html").is_file() for run in runs)
    assert all(str(folder / run) in done.stderr for run in runs)


@pytest.mark.long
def test_demo_stops_with_the_exit_code_of_a_step_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    occupied = tmp_path / "occupied"
    occupied.write_text("not a folder", encoding="utf-8")
    monkeypatch.setenv("BACKFILL_RUNS_DIR", str(occupied))

    done = demo()

    assert done.returncode == 1
    assert "can not be written" in done.stderr
    assert "the demo stops here" in done.stderr
    assert "backfill apply" not in done.stderr
    assert not EmbeddedServer(Path(os.environ[HOME_ENV])).is_running()
