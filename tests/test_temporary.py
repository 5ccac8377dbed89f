"""What killed processes leave in the folder for temporary files, and who takes it away."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from tests.deadline import DEADLINE_SECONDS
from tests.jobs.command_line import COMMAND
from tests.structure.test_layers import LIB

HOLDS = "import backfill.temporary as t, sys, time; f = t.TemporaryFolder('test'); print(f.name)"
WAITS = "; sys.stdout.flush(); time.sleep(600)"
WORKS = """
import os, signal, tempfile
from backfill.workers.executor import Processes
if __name__ == "__main__":
    pool = Processes(1)
    print(pool.submit(tempfile.gettempdir).result(), flush=True)
    os.kill(os.getpid(), signal.SIGKILL) if {killed} else pool.close()
"""


def python(program: str, place: Path) -> list[str]:
    """Run a program whose folder for temporary files is `place`, and return the lines it prints."""
    ended = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "TMPDIR": str(place)},
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=False,
    )
    assert ended.returncode in (0, -signal.SIGKILL), ended.stderr
    return ended.stdout.splitlines()


def wait_until_empty(place: Path) -> list[str]:
    """Return what is left in a folder when the processes that had it have had time to end."""
    until = time.monotonic() + DEADLINE_SECONDS
    while (left := sorted(path.name for path in place.iterdir())) and time.monotonic() < until:
        python(HOLDS, place)
    return left


@pytest.mark.kill
def test_who_is_killed_leaves_a_folder_that_the_next_sweeps_and_who_lives_keeps_its_own(
    tmp_path: Path,
) -> None:
    other = tmp_path / "backfill-of-another-edition"
    other.mkdir()
    made = []
    for _ in range(2):
        process = subprocess.Popen(
            [sys.executable, "-c", HOLDS + WAITS],
            env={**os.environ, "TMPDIR": str(tmp_path)},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        made.append((process, Path(process.stdout.readline().strip())))
    (killed, left), (living, kept) = made
    killed.kill()
    killed.communicate()
    assert left.exists()

    (new,) = python(HOLDS, tmp_path)

    assert [left.exists(), kept.exists(), Path(new).exists()] == [False, True, False]
    assert other.exists()
    living.kill()
    living.communicate()


@pytest.mark.kill
def test_a_worker_takes_with_it_what_programs_it_started_left_also_when_it_is_killed(
    tmp_path: Path,
) -> None:
    (place,) = python(WORKS.format(killed=False), tmp_path)
    assert Path(place).parent == tmp_path
    assert list(tmp_path.iterdir()) == []

    (place,) = python(WORKS.format(killed=True), tmp_path)

    assert Path(place).parent == tmp_path
    assert wait_until_empty(tmp_path) == []


@pytest.mark.kill
def test_a_killed_command_leaves_nothing_after_the_next() -> None:
    with (
        tempfile.TemporaryDirectory(dir="/tmp") as near,  # sockets lie in it
        socket.create_server(("127.0.0.1", 0)) as silent,
    ):
        place = Path(near)
        command = subprocess.Popen(
            [*COMMAND, "utc"],
            env={
                **os.environ,
                "TMPDIR": near,
                "DATABASE_URL": f"postgresql://nobody@127.0.0.1:{silent.getsockname()[1]}/nowhere",
            },
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while not list(place.glob("backfill-*/connection.json")):
            assert command.poll() is None
            time.sleep(0.01)
        command.kill()
        command.wait()
        assert list(place.iterdir()) != []

        assert wait_until_empty(place) == []


def test_one_module_makes_the_folders_for_temporary_files() -> None:
    makers = re.compile(r"\b(mkdtemp|TemporaryDirectory)\b")
    found = {
        str(path.relative_to(LIB)): path
        for path in LIB.rglob("*.py")
        if makers.search(path.read_text(encoding="utf-8"))
    }

    # Tesseract's lies in that of its worker.
    assert sorted(found) == ["backfill/ocr/engines/tesseract.py", "backfill/temporary.py"]
