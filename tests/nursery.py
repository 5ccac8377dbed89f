"""Processes for tests that start at once: forked from one that has loaded everything already.

Half of what a short process costs is loading; a test that only needs a process of its own (with a
number of its own, its own signals, its own session of the database) gets one here. What starts as
a user starts it is tested where `subprocess` is used: tests/README.md says where.

`Hatched` is what `subprocess.Popen` is for `python -m MODULE …` and `python FILE …`. The nursery
itself is `python -m tests.nursery SOCKET`; it has one thread and ends when its stdin does.
"""

from __future__ import annotations

import array
import contextlib
import ctypes
import gc
import importlib
import json
import os
import select
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, Self

from tests.ends import Ends, Stream

ROOT = Path(__file__).parents[1]
#: Numbers are sent in so many bytes.
_SIZE: Final = 4
#: PR_SET_PDEATHSIG: the signal that a process gets when the one that forked it ends.
_SIGNAL_AT_ITS_END: Final = 1
#: Where the nursery of this process listens, once there is one; a child inherits it.
_address: list[str] = []
_own: list[Nursery] = []


@dataclass
class Nursery:
    """The process that the others are forked from."""

    folder: tempfile.TemporaryDirectory[str]
    process: subprocess.Popen[bytes]

    @classmethod
    def start(cls) -> Nursery:
        folder = tempfile.TemporaryDirectory(prefix="backfill-nursery-")
        path = str(Path(folder.name, "socket"))
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.nursery", path],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n", "the nursery did not start"
        _address[:] = [path]
        return cls(folder, process)

    def close(self) -> None:
        with self.process:
            assert self.process.stdin is not None
            self.process.stdin.close()
        self.folder.cleanup()


def close() -> None:
    """End the nursery of this process, if it ever had one."""
    while _own:
        _own.pop().close()
        _address.clear()


class Hatched:
    """A process that was forked from the nursery: what tests use of `subprocess.Popen`."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: str | Path | None = None,
        stdin: Stream = None,
        stdout: Stream = None,
        stderr: Stream = None,
        start_new_session: bool = False,
        text: bool = False,
    ) -> None:
        if not _address:
            _own.append(Nursery.start())
        self.args = list(command)
        self.returncode: int | None = None
        request = {
            "command": self.args[1:],
            "env": dict(os.environ if env is None else env),
            "cwd": str(Path.cwd() if cwd is None else cwd),
            "session": start_new_session,
            "mask": _mask(),
        }
        with contextlib.ExitStack() as stack:
            ends = [Ends.of(number, how) for number, how in enumerate((stdin, stdout, stderr))]
            if stderr == subprocess.STDOUT:
                ends[2].theirs = ends[1].theirs
            for end in ends:
                stack.callback(end.close_theirs)
            self._status = socket.socket(socket.AF_UNIX)
            self._status.connect(_address[0])
            body = json.dumps(request).encode()
            sent = array.array("i", [end.theirs for end in ends]).tobytes()
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, sent)]
            self._status.sendmsg([len(body).to_bytes(_SIZE, "big")], rights)
            self._status.sendall(body)
            self.pid = int.from_bytes(self._status.recv(_SIZE, socket.MSG_WAITALL), "big")
        self.stdin, self.stdout, self.stderr = (
            None if end.ours is None else os.fdopen(end.ours, mode + ("" if text else "b"))
            for end, mode in zip(ends, "wrr", strict=True)
        )

    def poll(self) -> int | None:
        """Return how it ended, None while it lives."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it has ended; return its exit code, the negative number of a signal."""
        if self.returncode is None:
            if not select.select([self._status], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
            told = self._status.recv(_SIZE, socket.MSG_WAITALL)
            assert told, "the nursery has ended"
            self._status.close()
            self.returncode = int.from_bytes(told, "big", signed=True)
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_raised: object) -> None:
        for stream in (self.stdin, self.stdout, self.stderr):
            if stream is not None:
                stream.close()
        self.wait()

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def communicate(self, timeout: float | None = None) -> tuple[Any, Any]:
        """Close its stdin, read what it says to the end, and wait for its own."""
        if self.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self.stdin.close()
        said: dict[int, Any] = {}

        def read(number: int, stream: IO[Any]) -> None:
            with stream:
                said[number] = stream.read()

        streams = {1: self.stdout, 2: self.stderr}
        readers = [
            threading.Thread(target=read, args=(number, stream), daemon=True)
            for number, stream in streams.items()
            if stream is not None and not stream.closed
        ]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join(timeout)
            if reader.is_alive():
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
        self.wait(timeout)
        return said.get(1), said.get(2)


def _mask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def run(
    command: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    cwd: str | Path | None = None,
    timeout: float | None = None,
) -> subprocess.CompletedProcess[str]:
    """Do what `subprocess.run` does: keep what is said, and look at no exit code."""
    pipe = subprocess.PIPE
    process = Hatched(command, env=env, cwd=cwd, stdout=pipe, stderr=pipe, text=True)
    out, err = process.communicate(timeout)
    return subprocess.CompletedProcess(process.args, process.wait(), out, err)


#: Stands for the module `subprocess` where the product starts a process of its own with `Popen`.
IN_PLACE_OF_SUBPROCESS = types.SimpleNamespace(
    Popen=Hatched, DEVNULL=subprocess.DEVNULL, PIPE=subprocess.PIPE
)


# -- the nursery's own process --------------------------------------------------------------------


#: What commands, kernels and appliers load, at their start and later.
_LOADED = (
    "duckdb ipykernel.ipkernel ipykernel.kernelapp papermill.clientwrap papermill.engines",
    "IPython.core.completerlib IPython.core.debugger IPython.core.logger IPython.core.oinspect",
    "IPython.extensions.storemagic ipykernel.debugger sqlite3 tornado.platform.asyncio",
    "faulthandler tornado.queues psutil numpy.ma pyarrow.acero pyarrow.dataset pyarrow.parquet",
    "adbc_driver_postgresql.dbapi mistune pygments.formatters.html cv2 PIL.ImageDraw PIL.ImageOps",
    "PIL.PngImagePlugin PIL.JpegImagePlugin backfill.ocr.reader.looks backfill.display.standalone",
    "backfill.cli backfill.jobs.fill.job backfill.jobs.ocr.job backfill.jobs.utc.job",
    "backfill.jobs.ocr.correction_sheet backfill.jobs.ocr.written_before backfill.jobs.tasks",
    "backfill.notebook.closing backfill.notebook.headless backfill.notebook.jupyter",
    "backfill.notebook.own_notebook backfill.notebook.rendering backfill.notebook.review",
    "backfill.steps.running backfill.workbook",
)


def _load() -> None:
    """Load what most of them load, as they do: without pandas, and without a debugger."""
    from backfill.loading import unseen, without_pandas
    from backfill.notebook.headless import FORM_CHECKS

    without_pandas()
    with unseen("debugpy", "polars", *FORM_CHECKS):
        for name in " ".join(_LOADED).split():
            importlib.import_module(name)
    from backfill.display.standalone import _templates
    from backfill.utc.spelling import abbreviations
    from backfill.versions import code_digest

    # What each run asks: the rules of 132 zones, what of us computes, what pages are made from.
    abbreviations()
    code_digest()
    for page in _templates().list_templates(["html"]):
        _templates().get_template(page)
    gc.collect()
    gc.freeze()


def serve(path: str) -> None:
    """Fork a process for each connection; tell there which, and later how it ended."""
    _load()
    wakes, woken = socket.socketpair()
    woken.setblocking(False)
    for deaf in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(deaf, signal.SIG_IGN)  # meant for the tests, whose end is its own
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(woken.fileno())
    told: dict[int, socket.socket] = {}
    with socket.socket(socket.AF_UNIX) as door, selectors.DefaultSelector() as look:
        door.bind(path)
        door.listen(64)
        for each in (door, wakes, sys.stdin):
            look.register(each, selectors.EVENT_READ)
        print("ready", flush=True)
        while True:
            ready = [key.fileobj for key, _events in look.select()]
            if sys.stdin in ready:
                return
            if wakes in ready:
                wakes.recv(4096)
                for pid, code in _ended():
                    with told.pop(pid) as status, contextlib.suppress(BrokenPipeError):
                        status.sendall(code.to_bytes(_SIZE, "big", signed=True))
            if door in ready:
                status = door.accept()[0]
                size, files, _flags, _from = socket.recv_fds(status, _SIZE, 3)
                asked = status.recv(int.from_bytes(size, "big"), socket.MSG_WAITALL)
                if not asked:  # who asked was killed before it could say for what
                    status.close()
                    continue
                request = json.loads(asked)
                if (pid := os.fork()) == 0:
                    signal.set_wakeup_fd(-1)
                    _prepare(request)
                    status.sendall(os.getpid().to_bytes(_SIZE, "big"))
                    look.close()
                    for other in (door, wakes, woken, status, *told.values()):
                        other.close()
                    _become(request, files)
                for file in files:
                    os.close(file)
                told[pid] = status


def _ended() -> Iterator[tuple[int, int]]:
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            yield pid, os.waitstatus_to_exitcode(status)


def _become(request: Mapping[str, Any], files: Sequence[int]) -> None:
    """Be the process that was asked for; end as a process of its own does."""
    import atexit

    code = 1
    try:
        _move_in(request, files)
        code = _run(request["command"])
        threading._shutdown()  # type: ignore[attr-defined]  # waits for threads that are no daemons
        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def _prepare(request: Mapping[str, Any]) -> None:
    """Do what must be done before anybody can send a signal, or kill its group."""
    ctypes.CDLL(None).prctl(_SIGNAL_AT_ITS_END, signal.SIGKILL)  # nothing outlives the tests
    if request["session"]:
        os.setsid()
    for number in (signal.SIGCHLD, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _move_in(request: Mapping[str, Any], files: Sequence[int]) -> None:
    os.umask(request["mask"])
    for number, file in enumerate(files):
        os.dup2(file, number)
    os.closerange(3, 64)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    sys.path[1:1] = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    sys.stdin = os.fdopen(0, encoding="utf-8")
    sys.stdout = os.fdopen(1, "w", 1 if os.isatty(1) else -1, "utf-8")
    sys.stderr = os.fdopen(2, "w", 1, "utf-8", "backslashreplace")
    from tests.pasted import record_here

    from backfill.notebook import kernel

    kernel.subprocess = IN_PLACE_OF_SUBPROCESS  # type: ignore[attr-defined,assignment]
    record_here()


def _run(command: Sequence[str]) -> int:
    """Run `[-P] -m MODULE …` or `FILE …` as Python does; return its exit code."""
    import runpy

    try:
        if is_safe := command[0] == "-P":
            del sys.path[0]
            command = command[1:]
        if command[0] == "-m":
            sys.argv = list(command[1:])
            if not is_safe:
                sys.path[0] = str(Path.cwd())
            runpy.run_module(command[1], run_name="__main__", alter_sys=True)
        else:
            sys.argv, sys.path[0] = list(command), str(Path(command[0]).parent)
            runpy.run_path(command[0], run_name="__main__")
    except SystemExit as ended:
        if ended.code is None or isinstance(ended.code, int):
            return (ended.code or 0) & 0xFF
        print(ended.code, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        traceback.print_exc()
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    from tests import nursery

    nursery._address[:] = [sys.argv[1]]
    nursery.serve(sys.argv[1])
