"""Signals to a command that executes a notebook: whenever one comes, the run ends and says so.

1. Before the notebook's first cell nothing has begun: the kernel is ended, and that is it. 2. While
a cell runs a signal is the kernel's: it ends its chunk. One that finds the kernel between two cells
is lost on it: then no further cell begins. 3. When the kernel has ended, the command closes the
run's folder first. The second signal kills: the kernel, or what the command still does.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

from backfill.stop import SIGNALS, handled

_TOLD = {
    "before": "Stopping before the notebook begins; once more stops at once.",
    "cells": "Stopping after the current chunk; once more kills it.",
    "after": "The run has ended: closing its folder first. Once more leaves it open.",
}

#: How long a kernel that has been interrupted may be idle without having answered.
IDLE_SECONDS = 3.0


class StoppedBefore(Exception):
    """A signal came before a cell, which has not begun."""


class Stopped(KeyboardInterrupt):
    """SIGTERM or SIGHUP to a command in which nothing is open: carries its number."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


class RunSignals:
    """What one command was sent while it executes a notebook, and where it is."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._place = "before"
        self._is_idle = threading.Event()
        self.received: int | None = None
        self.kernel_pid: int | None = None

    def before_cell(self, pid: int) -> None:
        """Note the kernel's process; raise `StoppedBefore` if a signal came before the cell.

        From here on signals are the kernel's.
        """
        self.kernel_pid = pid
        if self.received is not None:
            self._place = "after"
            raise StoppedBefore
        self._place = "cells"
        self._is_idle.clear()

    def is_idle(self) -> None:
        """Note that the kernel says to be through with a cell: its answer is under way."""
        self._is_idle.set()

    def after_kernel(self) -> None:
        """From here on the command works alone, on the run's folder."""
        self._place = "after"

    def handle(self, number: int, _frame: FrameType | None) -> None:
        is_second = self.received is not None
        place = self._place
        if place == "after":
            self._say(_TOLD[place])
            self._place = "once more"
            return
        if place == "once more" or (place == "before" and is_second):
            raise Stopped(number)
        self.received = number
        if place == "cells" and self.kernel_pid is not None:
            self._send(self.kernel_pid, signal.SIGKILL if is_second else number)
            if not is_second:
                threading.Thread(target=self._watch, args=(self.kernel_pid,), daemon=True).start()
        self._say(
            "Killed: the open transaction is lost, committed chunks stay."
            if is_second
            else _TOLD[place]
        )

    def _watch(self, pid: int) -> None:
        """End a kernel that a signal met just where it answers: it is idle, and no answer comes."""
        self._is_idle.wait()
        threading.Event().wait(IDLE_SECONDS)
        if self._place == "cells" and self._is_idle.is_set():
            self._send(pid, signal.SIGKILL)

    def _send(self, pid: int, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


@contextlib.contextmanager
def listening(say: Callable[[str], None]) -> Iterator[RunSignals]:
    """Yield what hears SIGINT, SIGTERM and SIGHUP while the block runs."""
    heard = RunSignals(say)
    with handled(SIGNALS, heard.handle):
        yield heard


def stoppable() -> contextlib.AbstractContextManager[None]:
    """Raise `Stopped` where SIGTERM or SIGHUP meets the block, as Ctrl-C raises its like."""

    def stop(number: int, _frame: FrameType | None) -> None:
        raise Stopped(number)

    return handled((signal.SIGTERM, signal.SIGHUP), stop)
