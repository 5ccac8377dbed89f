"""The kernel of a run: it starts while the command still checks, and ends with it for sure.

Its process is there before anything of Jupyter is imported here: Python, the kernel's parts and
ours load beside the command's own. What only the command knows by then (where to report, which run)
it is told before the first cell. Nothing is listened to but files in a private folder.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backfill.errors import PreflightError
from backfill.loading import POOL_ENV, frugal, seldom_collected, without_pandas
from backfill.temporary import TemporaryFolder

KERNEL_NAME = "python3"
KERNEL_MODULE = "backfill.kernel_process"
#: The kernel of a run gives memory back to the system when a step is through.
KERNEL_MEMORY = {POOL_ENV: "system"}
#: A kernel ends itself when the process of this number is gone.
_PARENT_ENV = "JPY_PARENT_PID"
_PROFILES_ENV = "IPYTHONDIR"
_PORTS = ("shell_port", "iopub_port", "stdin_port", "control_port", "hb_port")
_OPTIONS = (
    "--log-level=50",  # its own remarks are not the run's
    "--HistoryManager.hist_file=:memory:",
)


class Kernel:
    """A kernel's process, which nobody may have use for yet."""

    def __init__(self) -> None:
        self._place = TemporaryFolder("kernel", has_sockets=True)
        self.folder = self._place.path
        # What it is to know before its first cell, by variable.
        self.environment: dict[str, str] = {}
        self._connection = self.folder / "connection.json"
        self._connection.write_text(json.dumps(self._addresses()), encoding="utf-8")
        own = {name: os.environ.get(name, value) for name, value in KERNEL_MEMORY.items()}
        # Evidence is made by what a notebook says: no profile, history or start-up file of a
        # person's takes part, and none that is broken or can not be written ends the run.
        own |= {_PROFILES_ENV: str(self.folder / "profiles"), _PARENT_ENV: str(os.getpid())}
        if not _has_home():  # a container's user of any number: Jupyter ends without one
            own["HOME"] = str(self.folder)
        self._process = subprocess.Popen(
            [*_command(), "-f", str(self._connection)],
            env={**os.environ, **own},
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C on the terminal is the command's to pass on
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """How its process ended, minus a signal's number; None while it lives."""
        return self._process.poll()

    def _addresses(self) -> dict[str, Any]:
        """Return how to reach it: sockets in a folder that is ours alone, messages signed."""
        return {
            "transport": "ipc",
            "ip": str(self.folder / "socket"),
            **{name: number for number, name in enumerate(_PORTS, start=1)},
            "key": secrets.token_hex(32),
            "signature_scheme": "hmac-sha256",
            "kernel_name": KERNEL_NAME,
        }

    def manager(self) -> Any:
        """Return Jupyter's manager of a kernel for this process."""
        from backfill.notebook.jupyter import manager_of

        return manager_of(self._process, self._connection, _command())

    def close(self) -> None:
        """End what is left of it at once: cells that have to end well have ended before."""
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
            self._process.wait()
        self._place.cleanup()


def _has_home() -> bool:
    try:
        return bool(Path.home())
    except RuntimeError:
        return False


def _command() -> list[str]:
    # Without the folder of the moment first in its path: a person's file may have a module's name.
    return [sys.executable, "-P", "-m", KERNEL_MODULE, *_OPTIONS]


def with_environment(values: Mapping[str, str], folders: Sequence[str] = ()) -> str:
    """Return code that gives a kernel these environment variables, and lets it import from folders.

    They come last: a person's file may have a module's name.
    """
    return (
        f"__import__('os').environ.update({dict(values)!r})\n"
        f"__import__('sys').path.extend({list(folders)!r})"
    )


@contextlib.contextmanager
def kernel_ahead() -> Iterator[Kernel]:
    """Yield a kernel that starts while the block still looks whether there is something to do.

    The block loads what it needs meanwhile, and so does without pandas.
    """
    _widen_limits()
    kernel = Kernel()
    try:
        with seldom_collected():
            frugal()
            without_pandas()
            yield kernel
    finally:
        kernel.close()


@dataclass(frozen=True, slots=True)
class _Limit:
    """What the system lets a process have of something."""

    number: int
    least: int  # with which a small run works
    enough: int
    says: str
    mend: str


_LIMITS = (
    _Limit(
        resource.RLIMIT_NOFILE,
        128,
        1024,
        "have {:,} files open at once; a run needs {:,}",
        "ulimit -n 1024",
    ),
    _Limit(
        resource.RLIMIT_AS,
        2_000_000_000,
        4_000_000_000,
        "use {:,} bytes of addresses; a run needs {:,} and more",
        "ulimit -v unlimited",
    ),
)


def _widen_limits() -> None:
    """Raise the limits of this process, and of those that it starts, to what a run needs.

    Raises `PreflightError` that names the mend where the system does not let it.
    """
    for limit in _LIMITS:
        soft, hard = resource.getrlimit(limit.number)
        if _is_less(soft, limit.enough):
            soft = hard if _is_less(hard, limit.enough) else limit.enough
            resource.setrlimit(limit.number, (soft, hard))
        if _is_less(soft, limit.least):
            raise PreflightError(
                f"This process may {limit.says.format(soft, limit.least)}. Mend, in the shell or "
                f"service that starts it: {limit.mend}"
            )


def _is_less(limit: int, than: int) -> bool:
    return limit != resource.RLIM_INFINITY and (than == resource.RLIM_INFINITY or limit < than)
