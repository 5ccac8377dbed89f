"""JupyterLab on copies of `notebooks/`, with the kernel of this environment and the database ready.

The copies are the user's: a save there changes no file of the product. Beside them stands a file of
what was copied (name to SHA-256): a copy that nobody edited follows the product.

Lives as long as JupyterLab does; what it started, it ends: JupyterLab, its kernels, and the
embedded PostgreSQL unless that ran before or somebody else is connected to it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from backfill.errors import StorageError
from backfill.folder import notebooks_folder, runs_dir
from backfill.next_command import next_command
from backfill.notebook.kernel import KERNEL_NAME
from backfill.notebook.relay import Terminal
from backfill.server.database import Database, open_database
from backfill.server.embedded import EmbeddedServer, default_home
from backfill.server.embedded_process import wait_until
from backfill.server.postgres import scalar
from backfill.stop import SIGNALS, handled
from backfill.temporary import TemporaryFolder
from backfill_lab.demo.seed import seed_if_empty

FIRST_NOTEBOOK = "00_start_here"
# Its address is a critical message; what is below an error is Jupyter talking to its developers.
COMMAND = (sys.executable, "-m", "jupyter", "lab", "--log-level=ERROR")
_QUIET_KERNEL = "--log-level=40"
LEAVE_SECONDS = 5.0
END_SECONDS = 10.0


def open_lab(options: Sequence[str], terminal: Terminal, notebooks: Path | None = None) -> int:
    """Run JupyterLab on the user's own copies until Ctrl-C or its own end; return its exit code."""
    copies = copy_notebooks(notebooks or Path.cwd() / FOLDER_NAME)
    with _database(terminal), (place := TemporaryFolder("lab")):
        write_settings(place.path, copies.folder)
        if copies.edited:
            terminal.message(f"Left as you edited them: {', '.join(copies.edited)}.")
        terminal.message(
            f"JupyterLab opens {copies.folder / FIRST_NOTEBOOK}.ipynb in your browser; these are "
            "copies of your own. Ctrl-C ends it."
        )
        return _run([*COMMAND, *options], environment(place.name), place.lock)


def write_settings(place: Path, notebooks: Path) -> None:
    """Write kernel and settings of this JupyterLab; nothing goes into the user's home."""
    kernel = place / "kernels" / KERNEL_NAME
    kernel.mkdir(parents=True)
    _write(
        kernel / "kernel.json",
        {
            "argv": [
                *(sys.executable, "-m", "ipykernel_launcher", _QUIET_KERNEL),
                *("-f", "{connection_file}"),
            ],
            "display_name": "Python 3",
            "language": "python",
            "metadata": {"debugger": True},
        },
    )
    _write(
        place / "jupyter_lab_config.json",
        {
            "ServerApp": {
                "root_dir": str(notebooks),
                "answer_yes": True,
                "allow_root": hasattr(os, "geteuid") and os.geteuid() == 0,
            },
            # Nothing is fetched from the network, and nobody is asked whether it may be.
            "LabApp": {
                "news_url": None,
                "extension_manager": "readonly",
                "log_level": "ERROR",
                "default_url": f"/lab/tree/{FIRST_NOTEBOOK}.ipynb",
            },
        },
    )
    notification = {"fetchNews": "false", "checkForUpdates": False}
    (place / "labconfig").mkdir()
    _write(
        place / "labconfig" / "default_setting_overrides.json",
        {"@jupyterlab/apputils-extension:notification": notification},
    )


def _write(path: Path, document: Mapping[str, object]) -> None:
    path.write_text(json.dumps(document), encoding="utf-8")


def environment(place: str) -> dict[str, str]:
    """Return the environment in which our kernel and settings come before others' of that name."""
    names = ("JUPYTER_PATH", "JUPYTER_CONFIG_PATH")
    paths = {name: [place, *filter(None, [os.environ.get(name)])] for name in names}
    # A kernel works in the folder of its notebook: runs stay where the command has them.
    runs = {"BACKFILL_RUNS_DIR": str(runs_dir())}
    return {**os.environ, **runs, **{name: os.pathsep.join(path) for name, path in paths.items()}}


@contextlib.contextmanager
def _database(terminal: Terminal) -> Iterator[None]:
    """Have the database ready; stop the embedded one afterwards if nobody else needs it.

    Raises `DatabaseUnreachable` when it does not answer: better now than in a notebook's cell.
    """
    server = EmbeddedServer(default_home())
    was_running = server.is_running()
    database = open_database(terminal.message)
    with database.connect(read_only=True):
        pass
    seed_if_empty(database, terminal.message)
    try:
        yield
    finally:
        if database.is_embedded and not was_running and server.is_running():
            if _is_alone(database):
                server.stop()
                terminal.message("JupyterLab and the embedded PostgreSQL are stopped.")
            else:
                terminal.message("The embedded PostgreSQL stays: somebody else is connected to it.")


def _is_alone(database: Database) -> bool:
    """Whether nobody is connected; kernels that just ended may take a moment to be gone."""
    with database.connect(read_only=True) as connection:
        query = (
            "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
            " AND pid <> pg_backend_pid()"
        )
        return wait_until(lambda: scalar(connection, query) == 0, LEAVE_SECONDS)


def _run(command: Sequence[str], environment: Mapping[str, str], held: int) -> int:
    """Run JupyterLab to its end; a signal ends it as its own menu would, kernels included.

    Ended while a kernel is just starting it may wait for that one for ever: then it is killed, and
    its kernels, who look for their parent, end themselves. What is `held` is held while it lives.
    """
    lab = subprocess.Popen(command, env=environment, pass_fds=[held])
    patience = threading.Timer(END_SECONDS, lab.kill)
    patience.daemon = True

    def end(_number: int, _frame: FrameType | None) -> None:
        # On a terminal Ctrl-C reached it as well: then this is the second time, and harmless.
        lab.terminate()
        if not patience.ident:
            patience.start()

    with handled(SIGNALS, end):
        try:
            code = lab.wait()
            return 0 if patience.ident else code  # somebody wished it to end, and it did
        finally:
            patience.cancel()


FOLDER_NAME = "backfill-notebooks"
COPIED_FILE = ".copied.json"


@dataclass(frozen=True, slots=True)
class OwnCopies:
    """Where the copies are, and the names of those that differ from the product's by an edit."""

    folder: Path
    edited: tuple[str, ...]


def copy_notebooks(folder: Path) -> OwnCopies:
    """Bring every notebook of the product into `folder`; never write over an edited copy.

    Raises:
        StorageError: the folder can not be written, or the product's notebooks are missing.
    """
    edited = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        copied = _copied(folder)
        for source in sorted(notebooks_folder().glob("*.ipynb")):
            ours = source.read_bytes()
            copy = folder / source.name
            theirs = copy.read_bytes() if copy.is_file() else None
            if theirs is not None and _digest(theirs) not in {
                copied.get(source.name),
                _digest(ours),
            }:
                edited.append(source.name)
                continue
            if theirs != ours:
                copy.write_bytes(ours)
            copied[source.name] = _digest(ours)
        (folder / COPIED_FILE).write_text(json.dumps(copied, indent=1), encoding="utf-8")
    except OSError as error:
        raise StorageError(
            f"The notebooks can not be copied to {folder}: {error.strerror}. "
            f"Name another folder: {next_command('lab', '--notebooks-dir', 'DIR')}"
        ) from None
    return OwnCopies(folder, tuple(edited))


def _copied(folder: Path) -> dict[str, str]:
    try:
        document = json.loads((folder / COPIED_FILE).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
