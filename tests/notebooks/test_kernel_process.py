"""The process of a run's kernel ends without a word, whichever of its threads is the slower."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from subprocess import TimeoutExpired

import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from tests.deadline import DEADLINE_SECONDS

from backfill.notebook import kernel
from backfill.notebook.kernel import Kernel

#: The thread that was asked to end the kernel says so last. Here it reaches for its line while
#: the line still stands, and speaks when it is closed, or when that does not come.
LATE = """
import sys, threading
from ipykernel.iostream import IOPubThread
from ipykernel.kernelbase import Kernel

closed = threading.Event()
stop, line = IOPubThread.stop, IOPubThread._event_pipe.fget

def stopped(self):
    stop(self)
    closed.set()

def reached(self):
    pipe = line(self)
    ends = Kernel.instance()._shutdown_message is not None if Kernel.initialized() else False
    if ends and threading.current_thread().name == "Control":
        closed.wait(0.5)
    return pipe

IOPubThread.stop, IOPubThread._event_pipe = stopped, property(reached)
from backfill.kernel_process import main
main()
"""


def test_a_kernel_that_says_late_that_it_ends_says_no_more_than_that(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(kernel, "_command", lambda: [sys.executable, "-P", "-c", LATE])
    process = Kernel()
    client = BlockingKernelClient(connection_file=str(process.folder / "connection.json"))
    try:
        client.load_connection_file()
        client.start_channels(hb=False)  # a busy machine is slower than a heart that beats
        client.kernel_info(reply=True, timeout=DEADLINE_SECONDS)
        client.shutdown()
        with suppress(TimeoutExpired):
            process._process.wait(DEADLINE_SECONDS)
        ended = process.exit_code
    finally:
        client.stop_channels()
        process.close()

    assert (ended, capfd.readouterr().err) == (0, "")


def test_a_user_without_a_home_gets_one_for_the_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Mapping[str, str]] = []

    class Ended:
        def __init__(self, _command: object, env: Mapping[str, str], **_more: object) -> None:
            given.append(env)

        def poll(self) -> int:
            return 0

    def nowhere() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("backfill.notebook.kernel.subprocess.Popen", Ended)
    for home in (Path.home, nowhere):
        monkeypatch.setattr(Path, "home", home)
        Kernel().close()

    assert "HOME" not in given[0]
    assert Path(given[1]["HOME"]).name.startswith("backfill-kernel-")
