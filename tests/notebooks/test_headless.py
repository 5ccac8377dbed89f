"""What a command does before and around its notebook's kernel."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.deadline import DEADLINE_SECONDS
from tests.notebooks.copied import run_notebook

from backfill.cli import main
from backfill.command import commands
from backfill.errors import ExitCode
from backfill.folder import RunFolder
from backfill.notebook import headless
from backfill.notebook.headless import FORM_CHECKS, NO_SUMMARY
from backfill.notebook.kernel import Kernel, kernel_ahead
from backfill.notebook.relay import Relay, Terminal

if TYPE_CHECKING:
    from tests.conftest import DatabaseFrom

WAITS_FOR_IT = """
import threading, time
from pathlib import Path
deadline = time.monotonic() + {seconds}
while not Path({path!r}).exists():
    assert time.monotonic() < deadline
    threading.Event().wait(0.01)
"""
IMPORTS_THEM = "import jsonschema._format, sys; print(*(n for n in {0} if n in sys.modules))"


def test_the_checks_of_forms_are_still_what_the_notebook_format_would_import() -> None:
    said = subprocess.run(
        [sys.executable, "-c", IMPORTS_THEM.format(FORM_CHECKS)],
        capture_output=True,
        text=True,
        check=True,
    )

    assert said.stdout.split() == [*FORM_CHECKS], "the way around it is no longer needed"


@pytest.mark.slow
def test_what_is_done_meanwhile_is_done_while_the_kernel_works_on_the_last_cells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = tmp_path / "made"
    waiting = WAITS_FOR_IT.format(seconds=DEADLINE_SECONDS, path=str(made))
    cell: dict[str, object] = {"cell_type": "code", "outputs": [], "execution_count": None}
    tagged = {**cell, "id": "a", "metadata": {"tags": ["parameters"]}, "source": "place = 1"}
    cells = [
        tagged,
        {**cell, "id": "b", "metadata": {}, "source": "place"},
        {**cell, "id": "c", "metadata": {}, "source": waiting},
    ]
    document = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (tmp_path / "waits.ipynb").write_text(json.dumps(document), encoding="utf-8")
    monkeypatch.setattr(headless, "notebook_path", lambda name: tmp_path / f"{name}.ipynb")
    folder = RunFolder.of(tmp_path, "20261122T234000Z-utc-3f9c1a")
    folder.create()

    ended = run_notebook("waits", folder, {}, output="waits.ipynb", meanwhile=made.mkdir)

    assert ended.error == NO_SUMMARY  # every cell ran
    assert made.is_dir()


def test_a_kernel_that_nobody_needs_is_gone_at_once_with_its_folder() -> None:
    with kernel_ahead() as kernel:
        pid, folder = kernel.pid, kernel.folder
        assert folder.stat().st_mode & 0o077 == 0

    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert not folder.exists()


def test_a_refused_command_leaves_no_kernel_and_a_wrong_one_starts_none(
    database_from: DatabaseFrom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_from("nothing", lambda _dsn: None))
    monkeypatch.setenv("BACKFILL_RUNS_DIR", str(tmp_path))
    started: list[Kernel] = []

    @contextlib.contextmanager
    def watched() -> Iterator[Kernel]:
        with kernel_ahead() as kernel:
            started.append(kernel)
            yield kernel

    monkeypatch.setattr(commands, "kernel_ahead", watched)

    with pytest.raises(SystemExit):
        main(["utc", "--sideways"])
    with pytest.raises(SystemExit):
        main(["utc", "--help"])
    assert main(["utc", "--fold", "sideways"]) == ExitCode.USAGE
    assert main(["status"]) == ExitCode.OK
    assert started == []
    assert main(["apply", "20261122T234000Z-utc-3f9c1a"]) != ExitCode.OK
    (kernel,) = started
    with pytest.raises(ProcessLookupError):
        os.kill(kernel.pid, 0)


def test_sockets_lie_where_their_path_is_short_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = tmp_path / ("much_too_long_for_a_socket_" * 3)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))

    with kernel_ahead() as kernel, contextlib.closing(Relay(Terminal(quiet=True))) as relay:
        assert len(f"{kernel.folder}/socket-5") < 100
        assert len(relay.address) < 100
