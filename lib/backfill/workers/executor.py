"""Where work runs: in this process, or in processes of this machine that may be killed.

A piece of work is a function that a worker can import and arguments that can be pickled. The same
protocol is kept by a cluster (`backfill.workers.cluster`): results do not depend on who runs the
work.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.util
import os
import select
import signal
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, Protocol, TypeVar, cast

from backfill.errors import UsageError
from backfill.temporary import TemporaryFolder

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

WORKERS_MAX = 256
# Pieces handed to each worker ahead of the one that is awaited.
AHEAD = 2
ATTEMPTS = 2
PIPE_SECONDS = 0.05
PIPE_BYTES = 65_536


class WorkerKilled(Exception):
    """The worker of a piece of work was killed, perhaps by another piece; `str` tells how often."""


class Work(Protocol[T_co]):
    """A piece of work under way."""

    def result(self) -> T_co:
        """Wait for the result; raise what the function raised, or WorkerKilled."""
        ...


class Executor(Protocol):
    """What runs pieces of work."""

    @property
    def workers(self) -> int:
        """How many pieces run at once, 1 or more; a cluster may grow and shrink."""
        ...

    def is_true_everywhere(self, question: Callable[..., bool], /, *arguments: object) -> bool:
        """Ask every worker, for it may run on another machine; True where all run on this one."""
        ...

    def submit(self, function: Callable[..., T], *arguments: object) -> Work[T]: ...

    def alone(self, function: Callable[..., T], *arguments: object) -> T:
        """Do what may have killed a worker where it takes no other piece along.

        Raises WorkerKilled when it kills its worker again.
        """
        ...

    def close(self) -> None:
        """Give up what is under way and leave no process behind."""
        ...


def in_order(executor: Executor, pieces: Iterable[Callable[[], Work[T]]]) -> Iterator[T]:
    """Yield the result of each piece in order, with a bounded number of them under way.

    Calling a piece begins it. Raises WorkerKilled.
    """
    window: deque[Work[T]] = deque()
    for begin in pieces:
        window.append(begin())
        while len(window) > AHEAD * executor.workers:
            yield window.popleft().result()
    while window:
        yield window.popleft().result()


def default_workers() -> int:
    """Return the number of cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def local_executor(workers: int) -> Executor:
    """Return processes of this machine, or for one worker this process; raises UsageError."""
    if not 1 <= workers <= WORKERS_MAX:
        raise UsageError(f"--workers must be from 1 to {WORKERS_MAX}, not {workers}.")
    return InThisProcess() if workers == 1 else Processes(workers)


class InThisProcess:
    """Does each piece at once."""

    workers = 1

    def is_true_everywhere(self, _question: Callable[..., bool], *_arguments: object) -> bool:
        return True

    def submit(self, function: Callable[..., T], *arguments: object) -> Work[T]:
        future: Future[T] = Future()
        future.set_result(function(*arguments))
        return future

    def alone(self, function: Callable[..., T], *arguments: object) -> T:
        return function(*arguments)

    def close(self) -> None:
        """Nothing is under way."""


class Processes:
    """Processes of this machine, started by the first piece, started anew when one is killed."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._pool: ProcessPoolExecutor | None = None
        self._under_way: dict[_Piece[Any], None] = {}  # in the order of their beginning

    def is_true_everywhere(self, _question: Callable[..., bool], *_arguments: object) -> bool:
        return True

    def submit(self, function: Callable[..., T], *arguments: object) -> Work[T]:
        piece = _Piece(self, function, arguments)
        self._begin(piece)
        self._under_way[piece] = None
        return piece

    def alone(self, function: Callable[..., T], *arguments: object) -> T:
        for _ in range(ATTEMPTS):
            pool = _new_pool(1)
            try:
                return pool.submit(function, *arguments).result()
            except BrokenProcessPool:
                continue
            finally:
                _shut_down(pool)
        raise WorkerKilled(f"its process was killed {ATTEMPTS} times")

    def close(self) -> None:
        self._under_way.clear()
        self._shut_down()

    def end(self, piece: _Piece[Any]) -> None:
        """Forget a piece whose result was taken."""
        self._under_way.pop(piece, None)

    def restart(self) -> None:
        """Give the broken processes up, and begin again what they had under way."""
        self._shut_down()
        for piece in self._under_way:
            if not piece.is_done:
                self._begin(piece)

    def _begin(self, piece: _Piece[Any]) -> None:
        for _ in range(ATTEMPTS):
            self._pool = self._pool or _new_pool(self.workers)
            try:
                piece.future = self._pool.submit(piece.function, *piece.arguments)
                return
            except BrokenProcessPool as error:
                piece.future = Future()
                piece.future.set_exception(error)
                self.restart()

    def _shut_down(self) -> None:
        if self._pool:
            _shut_down(self._pool)
        self._pool = None


class _Piece(Work[T]):
    """A piece of work with all it takes to begin it again."""

    future: Future[T]

    def __init__(
        self, executor: Processes, function: Callable[..., T], arguments: tuple[object, ...]
    ) -> None:
        self.function = function
        self.arguments = arguments
        self._executor = executor

    @property
    def is_done(self) -> bool:
        is_broken = self.future.done() and isinstance(self.future.exception(), BrokenProcessPool)
        return self.future.done() and not is_broken

    def result(self) -> T:
        self._executor.end(self)
        try:
            return self.future.result()
        except BrokenProcessPool:
            self._executor.restart()
            raise WorkerKilled("its process was killed") from None


def _new_pool(workers: int) -> ProcessPoolExecutor:
    # spawn: nothing of the parent (threads, connections, kernel) is copied into the workers.
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(workers, mp_context=context, initializer=_start_worker)


def _shut_down(pool: ProcessPoolExecutor) -> None:
    """End the pool's processes, also when one was killed while a piece was on its way to it."""
    if sys.version_info[:3] < (3, 11, 5):
        _empty_pipe(cast(Any, pool))
    pool.shutdown(wait=True, cancel_futures=True)


def _empty_pipe(pool: Any) -> None:
    """Read what was meant for the processes of a broken pool, until its manager has ended.

    Python before 3.11.5 (Debian 12 has 3.11.2) would wait for ever to write to a pipe that no
    process reads any more: https://github.com/python/cpython/issues/94777
    """
    manager = pool._executor_manager_thread
    if not pool._broken or manager is None:
        return
    with contextlib.suppress(OSError):  # the pipe is closed: nobody writes to it
        pipe = os.dup(pool._call_queue._reader.fileno())
        try:
            while manager.is_alive():
                is_readable = bool(select.select([pipe], [], [], PIPE_SECONDS)[0])
                if is_readable and not os.read(pipe, PIPE_BYTES):
                    break
        finally:
            os.close(pipe)


def _start_worker() -> None:
    """Leave Ctrl-C to the parent, and end with it even when it is killed, files and all."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    place = TemporaryFolder("worker")  # also of what the programs and libraries it uses leave
    multiprocessing.util.Finalize(place, place.cleanup, exitpriority=0)
    tempfile.tempdir = place.name
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
