"""Run a notebook without a browser: papermill executes it, signals reach it, its end is told true.

Papermill's own word for how a notebook ended is not used: what counts is what the kernel reported,
whether its process lived, and what the database says.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from backfill.errors import ExitCode, StorageError
from backfill.folder import NOTEBOOK_ENV, RUN_ID_ENV, RunFolder, notebooks_folder
from backfill.notebook.relay import Relay, Terminal
from backfill.report import RELAY_ENV

ENGINE_NAME = "backfill"
KERNEL_NAME = "python3"
#: jsonschema builds a parser of addresses in a second and a half when this is there. Only formats
#: ask for it, and the notebook format has none.
SLOW_GRAMMAR = "rfc3987_syntax"
#: The kernel of a run gives memory back to the system when a step is through.
KERNEL_MEMORY = {"ARROW_DEFAULT_MEMORY_POOL": "system"}
#: From this part of a notebook on its kernel has its largest tables behind it, and the process that
#: waits may take some memory.
_FROM_WHERE = 2 / 3
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a notebook ended: the kernel's own words, or None when it never got to say any."""

    outcome: dict[str, Any] | None
    exit_code: int
    signal: int | None
    kernel_pid: int | None
    error: str = ""


class _Execution:
    """The one notebook that this process executes: its client, and the signal it was sent."""

    client: Any = None
    signal: int | None = None
    kernel_pid: int | None = None
    #: Begins when the kernel is at work on the last cells.
    meanwhile = threading.Thread()

    @classmethod
    def pid(cls) -> int | None:
        manager = getattr(cls.client, "km", None)
        provisioner = getattr(manager, "provisioner", None)
        pid = getattr(provisioner, "pid", None)
        return int(pid) if pid else None


def run_notebook(
    name: str,
    folder: RunFolder,
    output: str,
    parameters: Mapping[str, Any],
    terminal: Terminal,
    meanwhile: Callable[[], None] = lambda: None,
) -> Ended:
    """Execute `notebooks/<name>.ipynb` into `folder/output`; return how it ended.

    The first SIGINT, SIGTERM or SIGHUP is passed to the kernel, which ends its chunk; a second one
    kills it, which loses the open transaction and nothing else. `meanwhile` is called in a
    thread while the kernel is at work on the last cells: this process only waits for it.
    """
    source = notebook_path(name)
    partial = folder.file(f"{output.removesuffix('.ipynb')}.partial.ipynb")
    terminal.run_id = folder.run_id
    relay = Relay(terminal)
    error = ""
    environment = {RELAY_ENV: relay.address, RUN_ID_ENV: folder.run_id, NOTEBOOK_ENV: output}
    environment |= {name: os.environ.get(name, value) for name, value in KERNEL_MEMORY.items()}
    _Execution.meanwhile = threading.Thread(target=meanwhile, name="meanwhile", daemon=True)
    try:
        with _environment(environment), _forwarded_signals(terminal):
            error = _execute(source, partial, parameters)
    finally:
        relay.close()
    with contextlib.suppress(FileNotFoundError):
        partial.chmod(0o600)
        partial.replace(folder.file(output))
    outcome = relay.outcome
    return Ended(
        outcome,
        _exit_code(outcome, error, _Execution.signal),
        _Execution.signal,
        _Execution.kernel_pid,
        error,
    )


def notebook_path(name: str) -> Path:
    """Return a notebook of the product, or a person's own by its path; raise `StorageError`."""
    path = notebooks_folder() / f"{name}.ipynb"
    if name.endswith(".ipynb"):
        path = Path(name)
    if not path.is_file():
        raise StorageError(
            f"The notebook {path} is not there. In a checkout: git checkout -- notebooks; else "
            "install the package anew: pip install --force-reinstall --no-deps backfill-workbook"
        )
    return path


def _exit_code(outcome: Mapping[str, Any] | None, error: str, received: int | None) -> int:
    """A notebook that never told its end did not succeed, whatever papermill says."""
    if outcome is not None and (not error or outcome["exit_code"]):
        return int(outcome["exit_code"])
    if received == signal.SIGINT:
        return int(ExitCode.INTERRUPTED)
    if received in (signal.SIGTERM, signal.SIGHUP):
        return int(ExitCode.TERMINATED)
    return int(ExitCode.UNEXPECTED)


def _execute(source: Path, partial: Path, parameters: Mapping[str, Any]) -> str:
    """Execute; return what went wrong, empty when every cell ran."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of jupyter's own parts; ours are in the notebook
        with _unseen(SLOW_GRAMMAR):
            import papermill
        from papermill.exceptions import PapermillExecutionError

        _register_engine()
        try:
            papermill.execute_notebook(
                str(source),
                str(partial),
                parameters=dict(parameters),
                engine_name=ENGINE_NAME,
                kernel_name=KERNEL_NAME,
                progress_bar=False,
                cwd=str(Path.cwd()),  # as stock papermill does: paths mean what they mean here
            )
        except PapermillExecutionError as error:
            return f"{error.ename}: {error.evalue}"
        except OSError as error:
            return (
                f"The notebook could not be written to {partial.parent}: {error.strerror}. What "
                "is committed in the database stays committed. Free some room and go on."
            )
        except Exception as error:  # the kernel died, or nbclient lost it
            return f"{type(error).__name__}: {error}"
    return ""


@contextlib.contextmanager
def _unseen(module: str) -> Iterator[None]:
    """Let imports in the block believe that a module is not installed."""
    if module in sys.modules:
        yield
        return
    sys.modules[module] = None  # type: ignore[assignment]  # what makes an import of it fail
    try:
        yield
    finally:
        del sys.modules[module]


def _register_engine() -> None:
    from papermill.clientwrap import PapermillNotebookClient
    from papermill.engines import NBClientEngine, papermill_engines

    class SignalledEngine(NBClientEngine):  # type: ignore[misc]  # papermill has no types
        """Papermill's own engine, except that signals find its kernel."""

        @classmethod
        def execute_managed_notebook(
            cls, nb_man: Any, kernel_name: str, start_timeout: int = 60, **_kwargs: Any
        ) -> Any:
            client = PapermillNotebookClient(
                nb_man,
                kernel_name=kernel_name,
                startup_timeout=start_timeout,
                timeout=None,
                log_output=False,
                extra_arguments=["--log-level=50"],  # its own remarks are not the run's
            )
            _Execution.client = client
            _Execution.signal = None
            client.on_cell_start = _at_work
            try:
                return client.execute()
            finally:
                if _Execution.meanwhile.is_alive():
                    _Execution.meanwhile.join()

    papermill_engines.register(ENGINE_NAME, SignalledEngine)


def _at_work(cell_index: int, **_kwargs: Any) -> None:
    """Called when a cell starts: the kernel is there."""
    _Execution.kernel_pid = _Execution.pid() or _Execution.kernel_pid
    is_late = cell_index >= _FROM_WHERE * len(_Execution.client.nb.cells)
    if is_late and _Execution.meanwhile.ident is None:
        _Execution.meanwhile.start()


@contextlib.contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextlib.contextmanager
def _forwarded_signals(terminal: Terminal) -> Iterator[None]:
    def forward(number: int, _frame: FrameType | None) -> None:
        pid = _Execution.pid()
        is_second = _Execution.signal is not None
        _Execution.signal = number
        if pid is None:
            raise KeyboardInterrupt
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL if is_second else number)
        terminal.message(
            "Killed: the open transaction is lost, committed chunks stay."
            if is_second
            else "Stopping after the current chunk; once more kills it.",
            "warning",
        )

    _Execution.signal = None
    _Execution.kernel_pid = None
    before = {number: signal.signal(number, forward) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
