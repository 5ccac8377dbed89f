"""Run a notebook without a browser: papermill executes it, signals reach it, its end is told true.

Papermill's own word for how a notebook ended is not used: what counts is what the kernel reported,
whether its process lived, and what the database says.
"""

from __future__ import annotations

import contextlib
import signal
import threading
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backfill.errors import ExitCode, StorageError, first_line, mend_of
from backfill.folder import NOTEBOOK_ENV, RUN_ID_ENV, RunFolder, notebooks_folder
from backfill.loading import give_back, not_yet, unseen
from backfill.notebook.kernel import KERNEL_NAME, Kernel, with_environment
from backfill.notebook.relay import Relay, Terminal
from backfill.notebook.run_signals import RunSignals, StoppedBefore
from backfill.report import RELAY_ENV

ENGINE_NAME = "backfill"
#: What jsonschema checks the form of addresses and durations with; the first takes a second and a
#: half to build. The notebook format asks for none of them.
FORM_CHECKS = ("rfc3987_syntax", "rfc3986_validator", "isoduration")
#: What papermill fetches notebooks from elsewhere with.
FETCHING = "requests"
#: From this part of a notebook on its kernel has its largest tables behind it, and the process that
#: waits may take some memory.
_FROM_WHERE = 2 / 3
#: When these are through, nothing more is loaded here until then.
_FIRST_CELLS = 5
_CELL = "Cell ["
#: What is said of a notebook of which every cell ran, where its run did not tell the end.
RAN_THROUGH = "The notebook ended"
NO_SUMMARY = "The notebook never called run.summary(): how its run ended, nobody has told."
#: What a cell printed may be still on its way this long after the cell has ended.
_OUTPUT_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Ended:
    """How a notebook ended: in the kernel's own words, or as it looks where that said none."""

    exit_code: int
    error: str
    summary: Mapping[str, Any]  # empty where the kernel told none
    has_told: bool
    kernel_pid: int | None
    what: str  # ended the notebook, and in which cell, where the kernel did not tell of it

    @property
    def is_stopped(self) -> bool:
        """Whether a signal ended it, which is no fault of the notebook's."""
        return bool(self.what) and self.error == f"{self.what}."

    @property
    def is_by_cell(self) -> bool:
        """Whether a cell ended it by what it says: to be mended, and not only typed again."""
        return self.what.startswith(_CELL)


@dataclass
class _Execution:
    """The notebook that this process executes: its client, its signals, and what goes on beside."""

    kernel: Kernel
    signals: RunSignals
    #: Begins when the kernel is at work on the last cells.
    meanwhile: threading.Thread
    #: What a person's own notebook may import from, as it does in JupyterLab.
    folders: Sequence[str] = ()
    client: Any = None
    cell: int = 0  # the number, as Jupyter shows it, of the last cell that began
    is_last: bool = False
    left_in: int = 0  # the number of the cell that asked its kernel to end, where one did
    failed: tuple[str, str] = ("", "")  # name and words of what a cell ended with, shown or not

    def before_cell(self, cell_index: int, **_kwargs: Any) -> None:
        """Called before a cell runs: the kernel is there."""
        self.signals.before_cell(self.kernel.pid)
        cells = self.client.nb.cells
        begins = cells[cell_index].cell_type == "code" and bool(cells[cell_index].source.strip())
        self.cell += begins
        self.is_last = cell_index == len(cells) - 1
        if cell_index < _FIRST_CELLS:
            give_back()  # of the preflight, and of loading: while the kernel works, we only wait
        is_late = cell_index >= _FROM_WHERE * len(cells)
        if is_late and self.meanwhile.ident is None:
            self.meanwhile.start()

    def after_cell(self, execute_reply: Any = None, **_kwargs: Any) -> None:
        """Called when a cell has run: `exit()` ends its kernel a while after it."""
        content = execute_reply["content"] if execute_reply else {}
        if any(each.get("source") == "ask_exit" for each in content.get("payload", ())):
            self.left_in = self.left_in or self.cell
        if content.get("status") == "error":
            self.failed = (content.get("ename", ""), content.get("evalue", ""))

    @property
    def raised(self) -> str:
        """The name of what a cell raised, where one did: papermill lets `sys.exit()` pass, and of a
        magic that is none nothing but a line on stderr is shown."""
        cells = self.client.nb.cells if self.client else []
        outputs = [output for cell in cells for output in cell.get("outputs", ())]
        return next((o.ename for o in outputs if o.output_type == "error"), self.failed[0])

    def what_ended(self, error: str) -> str:
        """Return what ended a notebook whose run did not tell of it; `error` is papermill's."""
        if raised := self.raised:
            return f"{_CELL}{self.cell}] of the notebook raised {raised}"
        if self.left_in:
            return f"{_CELL}{self.left_in}] of the notebook ended its kernel by exit()"
        if self.is_last and not error:
            return RAN_THROUGH
        code = self.kernel.exit_code
        if code is None or not self.cell:
            return "The notebook's kernel ended"
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return f"In cell [{self.cell}] of the notebook its kernel ended ({how})"


def run_notebook(
    name: str,
    folder: RunFolder,
    output: str,
    parameters: Mapping[str, Any],
    terminal: Terminal,
    meanwhile: Callable[[], None],
    signals: RunSignals,
    kernel: Kernel,
) -> Ended:
    """Execute `notebooks/<name>.ipynb` into `folder/output`; return how it ended.

    `meanwhile` is called in a thread while the kernel is at work on the last cells: this process
    only waits for it.
    """
    source = notebook_path(name)
    partial = folder.file(f"{output.removesuffix('.ipynb')}.partial.ipynb")
    terminal.run_id = folder.run_id
    terminal({"type": "start", "text": f"Run {folder.run_id} begins.", "notebook": name})
    relay = Relay(terminal)
    error = ""
    kernel.environment |= {
        RELAY_ENV: relay.address,
        RUN_ID_ENV: folder.run_id,
        NOTEBOOK_ENV: output,
    }
    beside = threading.Thread(target=meanwhile, name="meanwhile", daemon=True)
    own = [str(source.absolute().parent), str(Path.cwd())] if name.endswith(".ipynb") else []
    execution = _Execution(kernel, signals, beside, own)
    try:
        error = _execute(source, partial, parameters, execution)
    finally:
        signals.after_kernel()
        relay.close()
    with contextlib.suppress(FileNotFoundError):
        partial.chmod(0o600)
        partial.replace(folder.file(output))
    return _ended(folder.run_id, relay.outcome, execution, error)


def _ended(run_id: str, outcome: dict[str, Any] | None, execution: _Execution, error: str) -> Ended:
    """Return how a notebook ended, by its own word where it told one, and by what was met."""
    received = execution.signals.received
    if execution.raised == "KeyboardInterrupt" and received is None:
        received = signal.SIGINT  # somebody interrupted the kernel itself
    what = execution.what_ended(error)
    if outcome is None and what == RAN_THROUGH:
        error = NO_SUMMARY
    if received is not None:  # what a signal raises is no fault of the cell
        name = signal.Signals(received).name
        what = f"Run {run_id} was stopped by {name}"
        what += f" in cell [{execution.cell}] of the notebook" if execution.cell else ""
        error = f"{what}."
    document = outcome or {}
    code = _exit_code(outcome, error, received)
    return Ended(
        code,
        document.get("error") or error,
        document.get("summary") or {},
        outcome is not None,
        execution.signals.kernel_pid,
        what if code and not document.get("exit_code") else "",
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


def _execute(
    source: Path, partial: Path, parameters: Mapping[str, Any], execution: _Execution
) -> str:
    """Execute; return what went wrong, empty when every cell ran."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of jupyter's own parts; ours are in the notebook
        with unseen(*FORM_CHECKS), not_yet(FETCHING):
            import papermill
        from papermill.exceptions import PapermillExecutionError

        _register_engine(execution)
        try:
            papermill.execute_notebook(
                str(source),
                str(partial),
                parameters=dict(parameters),
                engine_name=ENGINE_NAME,
                kernel_name=KERNEL_NAME,
                language="python",  # a notebook need not say so
                progress_bar=False,
                cwd=str(Path.cwd()),  # as stock papermill does: paths mean what they mean here
            )
        except PapermillExecutionError as error:
            name, words = execution.failed if execution.failed[0] else (error.ename, error.evalue)
            return f"{name}: {words}".removesuffix(": ")
        except TimeoutError as error:  # an OSError, but none of a file
            return f"{type(error).__name__}: {first_line(error)}"
        except OSError as error:
            return (
                f"The notebook could not be written to {partial.parent}: {error.strerror}. What "
                f"is committed in the database stays committed. {mend_of(error)}, and go on."
            )
        except StoppedBefore:
            return "stopped between two cells"
        except Exception as error:  # the kernel died, or nbclient lost it
            return f"{type(error).__name__}: {error}"
    return ""


def _client_class(execution: _Execution) -> Any:
    from papermill.clientwrap import PapermillNotebookClient

    class SignalledClient(PapermillNotebookClient):  # type: ignore[misc]  # papermill has no types
        """Papermill's own client, which tells when the kernel is through with a cell."""

        def papermill_execute_cells(self) -> None:
            message_id = self.kc.execute(
                with_environment(execution.kernel.environment, execution.folders), silent=True
            )
            self.wait_for_reply(message_id)
            super().papermill_execute_cells()

        def process_message(self, msg: Any, cell: Any, cell_index: int) -> Any:
            if msg["msg_type"] == "status" and msg["content"]["execution_state"] == "idle":
                execution.signals.is_idle()
            return super().process_message(msg, cell, cell_index)

    return SignalledClient


def _register_engine(execution: _Execution) -> None:
    from papermill.engines import NBClientEngine, papermill_engines

    class SignalledEngine(NBClientEngine):  # type: ignore[misc]
        """Papermill's own engine, except that signals find its kernel."""

        @classmethod
        def execute_managed_notebook(
            cls, nb_man: Any, kernel_name: str, start_timeout: int = 60, **_kwargs: Any
        ) -> Any:
            client = _client_class(execution)(
                nb_man,
                km=execution.kernel.manager(),
                kernel_name=kernel_name,
                startup_timeout=start_timeout,
                timeout=None,
                iopub_timeout=_OUTPUT_SECONDS,
                raise_on_iopub_timeout=False,  # what is only shown fails no run
                log_output=False,
            )
            execution.client = client
            client.on_cell_start = execution.before_cell
            client.on_cell_executed = execution.after_cell
            try:
                return client.execute(cleanup_kc=True)
            finally:
                if execution.meanwhile.is_alive():
                    execution.meanwhile.join()

    papermill_engines.register(ENGINE_NAME, SignalledEngine)
