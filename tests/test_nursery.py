"""A process from the nursery is one as Python starts it: how it ends, what it sees, who it is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests import nursery
from tests.deadline import DEADLINE_SECONDS

ENDS = {
    "well": "print('done')",
    "with a code": "import sys; print('so far'); sys.exit(7)",
    "with words": "import sys; sys.exit('No room left')",
    "by an error": "print('before', flush=True); raise LookupError('Kiruna')",
    "by Ctrl-C": "raise KeyboardInterrupt",
    "killed": "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
    "at exit": "import atexit; atexit.register(print, 'last'); print('first')",
    "after its threads": "import threading, time\n"
    "threading.Thread(target=lambda: (time.sleep(0.01), print('thread'))).start()",
}


@pytest.mark.parametrize("code", ENDS.values(), ids=ENDS)
def test_it_ends_and_speaks_as_one_that_was_started(tmp_path: Path, code: str) -> None:
    file = tmp_path / "way.py"
    file.write_text(code)
    line = [sys.executable, str(file)]
    env = {**os.environ, "PYTHONIOENCODING": "utf-8"}

    started = subprocess.run(line, capture_output=True, text=True, env=env, check=False)
    hatched = nursery.run(line, env=env, timeout=DEADLINE_SECONDS)

    assert hatched.returncode == started.returncode
    assert hatched.stdout == started.stdout
    assert hatched.stderr.splitlines()[-1:] == started.stderr.splitlines()[-1:]


def test_it_sees_the_folder_the_variables_and_the_words_that_it_was_given(tmp_path: Path) -> None:
    file = tmp_path / "look.py"
    file.write_text(
        "import os, sys\n"
        "print(os.getcwd(), sorted(os.environ), sys.argv[1:], sys.path[0], __name__)\n"
    )

    said = nursery.run([sys.executable, str(file), "å", "--b"], env={"ONLY": "this"}, cwd=tmp_path)

    seen = f"{tmp_path} ['ONLY'] ['å', '--b'] {tmp_path} __main__"
    assert said.stdout.strip() == seen, said.stderr


def test_a_group_of_its_own_can_be_killed_as_soon_as_it_is_known(tmp_path: Path) -> None:
    file = tmp_path / "wait.py"
    file.write_text("import sys; sys.stdin.read()")

    for _ in range(20):
        process = nursery.Hatched(
            [sys.executable, str(file)], stdin=subprocess.PIPE, start_new_session=True
        )
        os.killpg(process.pid, signal.SIGKILL)
        with process:
            assert process.wait(DEADLINE_SECONDS) == -signal.SIGKILL
