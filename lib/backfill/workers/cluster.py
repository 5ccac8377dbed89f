"""Work on a Dask cluster: the same pieces in the same order, on workers that compute the same.

A worker's versions are compared before the first piece and again with each piece, for workers come
and go: what differs from this machine is refused, because results must not depend on the worker.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import functools
import importlib
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar
from urllib.parse import urlsplit

from backfill.errors import BackfillError, ClusterLost, PreflightError, UsageError, first_line
from backfill.workers.executor import Executor, Work, WorkerKilled, local_executor

T = TypeVar("T")
VersionsOf = Callable[[], Mapping[str, str]]

HERE = ("", "auto")
SCHEMES = ("tcp", "tls")
CONNECT_SECONDS = 10.0
# For the first worker to say hello: it may be starting, or starting anew after it was killed.
HELLO_SECONDS = 10.0
WATCH_SECONDS = 2.0
WORKERLESS_SECONDS = 60.0
CLOSE_SECONDS = 5.0
LARGE_PIECES = {"distributed.admin.large-graph-warning-threshold": "100MB"}
INSTALL = "pip install 'backfill-workbook[dask]'"


def check_scheduler(address: str) -> str:
    """Return the address of a Dask scheduler, empty for this machine; raise UsageError."""
    if address in HERE:
        return ""
    try:
        parts = urlsplit(address)
        is_whole = parts.scheme in SCHEMES and bool(parts.hostname) and bool(parts.port)
    except ValueError:
        is_whole = False
    if not is_whole or "@" in address or parts.path or parts.query or parts.fragment:
        raise UsageError(
            f"--scheduler {address!r} is not the address of a Dask scheduler. Write it as "
            "tcp://HOST:8786, or tls://HOST:8786 with the certificates in Dask's own "
            "configuration (distributed.comm.tls); a password has no place in it."
        )
    return address


@contextlib.contextmanager
def open_executor(scheduler: str, workers: int, versions_of: VersionsOf) -> Iterator[Executor]:
    """Open what runs the work: a Dask cluster, or without `scheduler` processes here.

    `versions_of` says, here and on each worker, the versions of all that decides a result. The
    work that is under way when the block ends is given up.

    Raises UsageError; PreflightError when the cluster does not answer or computes otherwise.
    """
    executor = _connect(scheduler, versions_of) if scheduler else local_executor(workers)
    try:
        yield executor
    finally:
        executor.close()


def check_executor(scheduler: str, workers: int, versions_of: VersionsOf) -> str:
    """Return where work will run, in words; raises as `open_executor` does."""
    if not scheduler:
        return "this process" if workers == 1 else f"{workers} processes of this machine"
    with open_executor(scheduler, workers, versions_of) as executor:
        return f"{executor.workers} threads of the Dask cluster {scheduler}"


class Cluster:
    """The executor of a Dask cluster; made by `open_executor`."""

    def __init__(self, address: str, client: Any, runner: Any, versions_of: VersionsOf) -> None:
        self.address = address
        self._client = client
        self._runner = runner
        self._versions_of = versions_of
        self._expected = dict(versions_of())
        # pure=False: the same piece may be done again, each time for real.
        self._executor: concurrent.futures.Executor = client.get_executor(pure=False)
        self._threads = 0
        self._last_seen = self._asked = time.monotonic()

    @property
    def workers(self) -> int:
        """How many pieces run at once: the threads of all workers, as of a moment ago."""
        if not self._threads or time.monotonic() - self._asked > WATCH_SECONDS:
            self.watch()
        return max(self._threads, 1)

    def is_true_everywhere(self, question: Callable[..., bool], *arguments: object) -> bool:
        """Ask every worker; one that fails to answer says no."""
        with self._translated():
            answers = self._client.run(question, *arguments, on_error="return")
        return all(answer is True for answer in answers.values())

    def submit(self, function: Callable[..., T], *arguments: object) -> Work[T]:
        """Begin a piece of work on whichever worker is free."""
        import dask

        # One image may weigh more than what Dask warns of; it is sent once, as it must be.
        with self._translated(), dask.config.set(LARGE_PIECES):
            future = self._executor.submit(
                _do_checked, self._versions_of, self._expected, function, arguments
            )
        return _Piece(self, future)

    def alone(self, function: Callable[..., T], *arguments: object) -> T:
        """Do the piece and wait for it; Dask tries it on several workers before it gives up."""
        return self.submit(function, *arguments).result()

    def check_workers(self) -> None:
        """Compare every worker's versions with those of this machine.

        Raises PreflightError that names the worker and what differs.
        """
        with contextlib.suppress(TimeoutError):
            self._client.wait_for_workers(1, timeout=HELLO_SECONDS)
        answers = self._client.run(_versions_or_error, self._versions_of, on_error="return")
        if not answers:
            raise PreflightError(
                f"The Dask scheduler {self.address} has no worker. Start some, on each machine: "
                f"dask worker {self.address}"
            )
        for worker, versions in sorted(answers.items()):
            if isinstance(versions, BaseException):
                raise PreflightError(
                    f"The Dask worker {worker} can not run this work: {_sentence(versions)} "
                    "Install the same checkout and requirements.lock there, and restart it."
                )
            _compare(worker, self._expected, versions)

    def watch(self) -> None:
        """Ask how many workers there are; raise ClusterLost when none came for too long."""
        with self._translated():
            self._threads = sum(self._client.nthreads().values())
        self._asked = time.monotonic()
        if self._threads:
            self._last_seen = self._asked
        elif self._asked - self._last_seen > WORKERLESS_SECONDS:
            raise ClusterLost(
                f"The Dask scheduler {self.address} had no worker for {WORKERLESS_SECONDS:.0f} "
                f"seconds. Nothing was written. Start some (dask worker {self.address}) and type "
                "the command again: images that were read are not read again."
            )

    def close(self) -> None:
        """Cancel what is under way and leave; the cluster stays up."""
        if self._client.status == "running":
            with contextlib.suppress(Exception):  # it went away this moment: nothing to cancel
                self._executor.shutdown(wait=False, cancel_futures=True)
        with contextlib.suppress(Exception):  # whoever leaves needs no answer
            self._client.close(timeout=CLOSE_SECONDS)
        self._runner.stop()

    def lost(self, error: BaseException) -> ClusterLost:
        """Return the error of a scheduler that went away."""
        return ClusterLost(
            f"The connection to the Dask scheduler {self.address} was lost ({_sentence(error)}) "
            "Nothing was written. Type the command again when it is back, or without --scheduler: "
            "images that were read are not read again."
        )

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except BackfillError:
            raise
        except (OSError, RuntimeError, TimeoutError) as error:
            raise self.lost(error) from error


class _Piece(Work[T]):
    """A piece of work under way on a cluster."""

    def __init__(self, cluster: Cluster, future: concurrent.futures.Future[T]) -> None:
        self._cluster = cluster
        self._future = future

    def result(self) -> T:
        from distributed import KilledWorker

        while not self._future.done():
            concurrent.futures.wait([self._future], timeout=WATCH_SECONDS)
            if not self._future.done():
                self._cluster.watch()
        try:
            return self._future.result()
        except KilledWorker as error:
            raise WorkerKilled(
                f"its worker was killed {error.allowed_failures + 1} times"
            ) from None
        except concurrent.futures.CancelledError as error:
            raise self._cluster.lost(error) from error


def _connect(address: str, versions_of: VersionsOf) -> Cluster:
    try:
        dask: Any = importlib.import_module("distributed")  # it has no types for strict mypy
    except ImportError as error:
        raise PreflightError(
            f"--scheduler needs the package distributed, which is not installed: {INSTALL}"
        ) from error
    security = dask.Security().get_connection_args("client")
    if address.startswith("tls:") and not security["ssl_context"]:
        raise PreflightError(
            f"--scheduler {address}: Dask knows no certificate to use. Name them in its "
            "configuration: distributed.comm.tls.ca-file, distributed.comm.tls.client.cert and .key"
        )
    # A loop of our own: it ends with us also when the client could not be made.
    runner = dask.utils.LoopRunner()
    runner.start()
    try:
        _knock(address, runner.loop, dask.core.connect, security)
        client = dask.Client(
            address, timeout=CONNECT_SECONDS, loop=runner.loop, set_as_default=False
        )
    except (OSError, ImportError, RuntimeError, ValueError, AssertionError) as error:
        runner.stop()
        raise PreflightError(
            f"The Dask scheduler {address} did not answer within {CONNECT_SECONDS:.0f} seconds: "
            f"{_sentence(error)} Start it (dask scheduler), or leave --scheduler out."
        ) from error
    cluster = Cluster(address, client, runner, versions_of)
    try:
        cluster.check_workers()
    except BaseException:
        cluster.close()
        raise
    return cluster


def _knock(address: str, loop: Any, connect: Any, security: Mapping[str, Any]) -> None:
    """Fail at once, and with the reason, where nobody listens, or with the deadline.

    Dask's own deadline does not count for the greeting: it would wait for ever for a server that
    says nothing.
    """
    parts = urlsplit(address)
    socket.create_connection((parts.hostname, parts.port), CONNECT_SECONDS).close()
    greeting = asyncio.run_coroutine_threadsafe(
        connect(address, timeout=CONNECT_SECONDS, **security), loop.asyncio_loop
    )
    try:
        comm = greeting.result(CONNECT_SECONDS)
    except TimeoutError:
        greeting.cancel()
        raise OSError("it takes connections but says nothing") from None
    loop.add_callback(comm.abort)


def _sentence(error: BaseException) -> str:
    return f"{first_line(error).rstrip('.')}."


# -- on the worker ------------------------------------------------------------------------------


@functools.lru_cache(maxsize=8)
def _versions_here(versions_of: VersionsOf) -> Mapping[str, str]:
    return versions_of()


def _versions_or_error(versions_of: VersionsOf) -> Mapping[str, str] | BackfillError:
    try:
        return _versions_here(versions_of)
    except BackfillError as error:
        return error


def _do_checked(
    versions_of: VersionsOf,
    expected: Mapping[str, str],
    function: Callable[..., T],
    arguments: tuple[object, ...],
) -> T:
    """Do a piece of work, on a worker that computes as the machine that asks does."""
    from distributed import get_worker

    _compare(get_worker().address, expected, _versions_here(versions_of))
    return function(*arguments)


def _compare(worker: str, expected: Mapping[str, str], present: Mapping[str, str]) -> None:
    differing = [
        f"{name} {present.get(name, 'missing')} (here: {version})"
        for name, version in expected.items()
        if present.get(name) != version
    ]
    if differing:
        raise PreflightError(
            f"The Dask worker {worker} computes with other versions than this machine: "
            f"{', '.join(differing)}. Results must not depend on the worker: install the same "
            "checkout and requirements.lock there, and restart it."
        )
