"""Signals that end a run: they take effect between chunks, or at once where nothing is open."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from types import FrameType

from backfill.errors import BackfillError, Interrupted, Terminated

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
Handler = Callable[[int, FrameType | None], object] | signal.Handlers


@contextlib.contextmanager
def handled(numbers: Iterable[signal.Signals], handler: Handler) -> Iterator[None]:
    """Have signals handled while the block runs; a hang-up that `nohup` keeps away stays away.

    Outside the main thread nothing can be installed: there they stay as they are.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {
        number: signal.signal(number, handler)
        for number in numbers
        if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


class Halted(BackfillError):
    """Another worker of this process stopped with an error, which is the one to tell."""


class StopSignals:
    """Remembers a signal to a run; raises it at once unless a chunk is being written."""

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id
        self.received: int | None = None
        self._shields = 0  # workers that write a chunk just now, and whoever waits for them
        self._counting = threading.Lock()
        self._is_halted = False

    def check(self) -> None:
        """Raise `Interrupted` or `Terminated` if a signal arrived, `Halted` after `halt`."""
        if self.received is not None:
            raise self.error()
        if self._is_halted:
            raise Halted(f"Run {self._run_id} was stopped.")

    @property
    def is_asked(self) -> bool:
        return self.received is not None or self._is_halted

    def halt(self) -> None:
        """Have every worker of this process stop after its chunk."""
        self._is_halted = True

    def error(self) -> BackfillError:
        name = signal.Signals(self.received or signal.SIGINT).name
        message = f"Run {self._run_id} was stopped by {name}."
        is_interrupt = self.received in (None, signal.SIGINT)
        return Interrupted(message) if is_interrupt else Terminated(message)

    @contextlib.contextmanager
    def shielded(self) -> Iterator[None]:
        """Hold signals back while the block runs: the current chunk ends first."""
        with self._counting:
            self._shields += 1
        try:
            yield
        finally:
            with self._counting:
                self._shields -= 1

    def handle(self, number: int, _frame: FrameType | None) -> None:
        if self.received is not None:
            return  # heeded already: the run's end is being written
        self.received = number
        if not self._shields:
            raise self.error()


@contextlib.contextmanager
def stop_signals(run_id: str) -> Iterator[StopSignals]:
    """Yield what listens to SIGINT, SIGTERM and SIGHUP while the block runs.

    Outside the main thread nothing can be installed: then only pause and cancel end a run.
    """
    stop = StopSignals(run_id)
    with handled(SIGNALS, stop.handle):
        yield stop


class Interrupts:
    """Signals to a notebook's kernel outside of `stop_signals`: each interrupts the cell that runs.

    SIGTERM and SIGHUP do what Ctrl-C does, where a kernel would die of them; one that comes between
    two cells is kept for the next. Which it was stands in `received`. A driver that waits for the
    server in C hears of Ctrl-C alone: so a thread turns the others into that.
    """

    def __init__(self) -> None:
        self.received: int | None = None

    def listen(self) -> None:
        """Heed them from now on, for the rest of this process."""
        if threading.current_thread() is not threading.main_thread():
            return
        self._heard, sender = socket.socketpair()
        sender.setblocking(False)
        signal.set_wakeup_fd(sender.detach(), warn_on_full_buffer=False)
        # Until a child has forgotten them, no signal reaches it: it would be told to the run.
        os.register_at_fork(
            before=partial(signal.pthread_sigmask, signal.SIG_BLOCK, SIGNALS),
            after_in_child=_forget,
            after_in_parent=partial(signal.pthread_sigmask, signal.SIG_UNBLOCK, SIGNALS),
        )
        for number in SIGNALS:
            if number != signal.SIGINT:  # the kernel sees to that one
                signal.signal(number, _no_handler)
        threading.Thread(target=self._turn, name="signals", daemon=True).start()

    def check(self) -> None:
        """Raise `KeyboardInterrupt` if a signal came between two cells."""
        if self.received is not None:
            raise KeyboardInterrupt

    def over(self) -> contextlib.AbstractContextManager[None]:
        """Heed no more of them while the block writes down how the run ended."""
        return handled(SIGNALS, signal.SIG_IGN)

    @property
    def name(self) -> str:
        return signal.Signals(self.received or signal.SIGINT).name

    def _turn(self) -> None:
        while numbers := self._heard.recv(1):
            number = numbers[0]
            if number == signal.SIGINT or number not in SIGNALS or self.received is not None:
                continue
            self.received = number
            if signal.getsignal(number) is _no_handler:  # else `stop_signals` sees to it
                os.kill(os.getpid(), signal.SIGINT)  # ignored where no cell runs


def _forget() -> None:
    """Let a process that a cell forks die of a signal to it, and tell nobody: a pool's workers do.

    What wakes the thread is shared with it, so it would end the run as well.
    """
    signal.set_wakeup_fd(-1)
    for number in SIGNALS:
        if signal.getsignal(number) is _no_handler:
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


def _no_handler(_number: int, _frame: FrameType | None) -> None:
    """Python's own part of a signal that `Interrupts` turns into another."""
