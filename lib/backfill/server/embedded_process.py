"""The embedded server's processes, as the operating system shows them.

A process id alone proves nothing: it may be a zombie's, or reused. Every process of one server
carries the server's cluster name in its command line, and that is what counts.
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

POLL_SECONDS = 0.02
# Fast shutdown, then immediate shutdown, then the end; each with its deadline in seconds.
STOP_SIGNALS = ((signal.SIGINT, 30.0), (signal.SIGQUIT, 10.0), (signal.SIGKILL, 10.0))
ORPHAN_SECONDS = 5.0


def wait_until(is_met: Callable[[], bool], seconds: float) -> bool:
    """Return whether the condition came true within `seconds`."""
    deadline = time.monotonic() + seconds
    while not is_met():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def postmaster_pid(data: Path, cluster: str) -> int | None:
    """Return the id in `postmaster.pid` if that process lives and is this server. Read-only."""
    fields = _pid_file(data)
    if not fields or not fields[0].isdecimal():
        return None
    pid = int(fields[0])
    return pid if _belongs(command_line(pid), cluster) else None


def is_ready(data: Path) -> bool:
    """Return whether the server that wrote `postmaster.pid` accepts connections. Read-only."""
    fields = _pid_file(data)
    return len(fields) > 7 and fields[7] == "ready"


def stop_processes(data: Path, cluster: str) -> None:
    """End the server and whatever it left behind; return at once where nothing runs."""
    for signal_number, seconds in STOP_SIGNALS:
        pid = postmaster_pid(data, cluster)
        if pid is None:
            break
        with suppress(ProcessLookupError):
            os.kill(pid, signal_number)
        wait_until(partial(_has_ended, pid, cluster), seconds)
    end_orphans(cluster)


def end_orphans(cluster: str) -> bool:
    """Wait for backends whose postmaster was killed, then kill them; return whether all ended."""
    if wait_until(lambda: not _processes(cluster), ORPHAN_SECONDS):
        return True
    for pid in _processes(cluster):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return wait_until(lambda: not _processes(cluster), ORPHAN_SECONDS)


@contextmanager
def file_lock(path: Path, seconds: float) -> Iterator[int]:
    """Hold an exclusive lock on `path`; yield its descriptor, which a child may inherit.

    Raises:
        TimeoutError: others still hold it after `seconds`.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if os.geteuid() == 0:
            owner = path.parent.stat()
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
        if not wait_until(lambda: _try_lock(descriptor), seconds):
            raise TimeoutError(str(path))
        yield descriptor
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _pid_file(data: Path) -> list[str]:
    try:
        text = (data / "postmaster.pid").read_text(errors="replace")
    except OSError:
        return []
    return [line.strip() for line in text.splitlines()]


def _belongs(command_line: str, cluster: str) -> bool:
    # The postmaster has the setting in its arguments, its children have the name in their title.
    is_postmaster = f"cluster_name={cluster}" in command_line
    return is_postmaster or command_line.startswith(f"postgres: {cluster}: ")


def _processes(cluster: str) -> list[int]:
    return [pid for pid, command_line in _all_processes() if _belongs(command_line, cluster)]


def _all_processes() -> Iterator[tuple[int, str]]:
    if sys.platform == "linux":
        pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]
        yield from ((pid, command_line(pid)) for pid in pids)
    else:
        yield from _ps("-ax")


def command_line(pid: int) -> str:
    """Return the command line of a living process, or nothing if it is gone or a zombie."""
    if sys.platform != "linux":
        return next((command for _, command in _ps("-p", str(pid))), "")
    try:
        # The kernel shows a zombie's command line as empty (proc(5)).
        raw = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return ""
    return raw.replace(b"\0", b" ").decode(errors="replace")


def _ps(*selection: str) -> Iterator[tuple[int, str]]:
    command = ["ps", *selection, "-ww", "-o", "pid=,stat=,command="]
    output = subprocess.run(command, capture_output=True, text=True, check=False)
    for line in output.stdout.splitlines():
        pid, state, *rest = line.split(maxsplit=2)
        yield int(pid), "" if state.startswith("Z") else "".join(rest)


def _has_ended(pid: int, cluster: str) -> bool:
    """Return whether the process is over; where it is our child, leave no zombie of it."""
    if _belongs(command_line(pid), cluster):
        return False
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return True
