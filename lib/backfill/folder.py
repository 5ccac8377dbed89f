"""A run's folder: private, and each file either whole or absent."""

from __future__ import annotations

import contextlib
import datetime as dt
import fcntl
import hashlib
import itertools
import json
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backfill.errors import StorageError, UsageError
from backfill.next_command import RUNS_DIR, remember_option
from backfill.regular_file import opened, read_document

#: How the command line tells a notebook's kernel the run id that it chose, and the executed
#: notebook's name in the run's folder, which it closes once more.
RUN_ID_ENV = "BACKFILL_RUN_ID"
NOTEBOOK_ENV = "BACKFILL_NOTEBOOK"
#: What is wrong with a name that is none.
NOT_UNICODE = "not in UTF-8: name another, or set PYTHONUTF8=1 or a locale of UTF-8"
FOLDER_MODE = 0o700
FILE_MODE = 0o600
PARTIAL_SUFFIX = ".partial"
#: Less than this is next to no room.
_NO_ROOM_BYTES = 1_000_000
_CLOSING_LOCK = f".closing{PARTIAL_SUFFIX}"
RUN_ID = re.compile(r"\d{8}T\d{6}Z-[a-z][a-z0-9_]*-[0-9a-f]{6}")


def new_run_id(job: str) -> str:
    """Return an id like `20261122T234000Z-utc-3f9c1a`, of this moment."""
    stamp = dt.datetime.now(dt.UTC).strftime("%Y%m%dT%H%M%SZ")
    return f"{stamp}-{job}-{secrets.token_hex(3)}"


def project_root() -> Path | None:
    """Return the folder that holds `notebooks/`, when we run from a checkout."""
    root = Path(__file__).resolve().parents[2]
    return root if (root / "notebooks").is_dir() else None


def notebooks_folder() -> Path:
    """Return where the product's notebooks are: the checkout's, else those in the wheel."""
    root = project_root()
    return root / "notebooks" if root else Path(__file__).resolve().parent / "notebooks"


def runs_dir(option: str | os.PathLike[str] | None = None) -> Path:
    """Return where runs live: the option, `BACKFILL_RUNS_DIR`, or `runs/` beside `notebooks/`."""
    named = option or os.environ.get("BACKFILL_RUNS_DIR")
    if named:
        try:
            runs = Path(named).expanduser().resolve()
        except (RuntimeError, OSError) as error:  # links in a circle, ~ of nobody
            raise UsageError(f"The folder of the runs, {named}, is no path: {error}.") from None
    else:
        runs = (project_root() or Path.cwd()) / "runs"
    if not is_unicode(str(runs)):  # its name stands in every record of a run
        raise UsageError(f"The folder of the runs, {str(runs)!a}, is {NOT_UNICODE}.")
    return runs


def has_temporary_folder() -> bool:
    """Return whether any of the folders for temporary files has room for one."""
    try:
        tempfile.gettempdir()
    except FileNotFoundError:
        return False
    return True


def is_temporary_full() -> bool:
    """Return whether the folder for temporary files has next to no room."""
    return shutil.disk_usage(tempfile.gettempdir()).free < _NO_ROOM_BYTES


def is_unicode(text: str) -> bool:
    """Return whether a text came from bytes that the system's encoding of names knows."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def named_runs(option: str | os.PathLike[str] | None) -> Path:
    """Return where runs live, and have the commands printed from here on say so where they must.

    For a notebook, which may be told of another folder than the command line would take.
    """
    runs = runs_dir(option)
    if runs != runs_dir():
        remember_option(RUNS_DIR, str(runs))
    return runs


@dataclass(frozen=True, slots=True)
class RunFolder:
    """`runs/<run_id>/`, and how files get into it."""

    path: Path

    @classmethod
    def of(cls, runs: Path, run_id: str) -> RunFolder:
        """Return the folder of a run id, which must be one of ours: no way out of `runs`."""
        if not RUN_ID.fullmatch(run_id):
            raise UsageError(f"{run_id!r} is not a run id (like 20261122T234000Z-utc-3f9c1a).")
        return cls(runs / run_id)

    @property
    def run_id(self) -> str:
        return self.path.name

    @property
    def job(self) -> str:
        """The job's name as the id tells it; `revert` for a run that puts back another."""
        return self.run_id.split("-")[1]

    def create(self) -> None:
        """Make the folder, private; raise `StorageError` that names the mend."""
        try:
            self.path.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
            self.path.chmod(FOLDER_MODE)
            probe = self.path / f".probe{PARTIAL_SUFFIX}"
            probe.touch(mode=FILE_MODE)
            probe.unlink(missing_ok=True)  # two appliers that begin at once use one name
        except OSError as error:
            raise StorageError(
                f"The folder {self.path} can not be written: {error.strerror}. Nothing was done "
                "in the database. Free or mend it, or choose another with --runs-dir DIR."
            ) from error

    def file(self, name: str) -> Path:
        return self.path / name

    @contextlib.contextmanager
    def writing(self, name: str) -> Iterator[Path]:
        """Yield a partial path; rename it to `name` when the block ends well.

        Two processes that write the same file, like appliers that begin at once, do so one after
        the other. Raises `StorageError` when the disk refuses; the old file, if any, stays.
        """
        partial = self.path / f"{name}{PARTIAL_SUFFIX}"
        try:
            with _locked(partial.with_name(f".{partial.name}"), fcntl.LOCK_EX):
                partial.unlink(missing_ok=True)
                partial.touch(mode=FILE_MODE)
                try:
                    yield partial
                    _flush(partial)
                    partial.replace(self.path / name)
                finally:
                    with contextlib.suppress(OSError):
                        partial.unlink(missing_ok=True)
        except OSError as error:
            raise StorageError(
                f"The file {self.path / name} could not be written: {error.strerror or error}. "
                "What is committed in the database stays committed."
            ) from error

    @contextlib.contextmanager
    def closing(self) -> Iterator[None]:
        """Keep other processes from closing the folder while the block runs: sums are over all."""
        with _locked(self.file(_CLOSING_LOCK), fcntl.LOCK_EX):
            yield

    @contextlib.contextmanager
    def own_name(self, stem: str) -> Iterator[str]:
        """Yield `apply`, or `apply-2`, …: a notebook's name that no other process has or had.

        What an earlier try left is evidence and stays; one that is still at work keeps its name.
        """
        for number in itertools.count(1):
            name = stem if number == 1 else f"{stem}-{number}"
            with contextlib.ExitStack() as held:
                lock = self.file(f".{name}{PARTIAL_SUFFIX}")
                try:
                    held.enter_context(_locked(lock, fcntl.LOCK_EX | fcntl.LOCK_NB))
                except BlockingIOError:
                    continue
                if not self.file(f"{name}.ipynb").exists():
                    yield name
                    return

    def write_text(self, name: str, text: str) -> None:
        with self.writing(name) as partial:
            partial.write_text(text, encoding="utf-8")

    def write_json(self, name: str, document: Mapping[str, Any]) -> None:
        """Write a document as readable JSON, UTF-8, in the order of its keys."""
        self.write_text(
            name, json.dumps(document, indent=2, ensure_ascii=False, default=str) + "\n"
        )

    def read_json(self, name: str) -> dict[str, Any]:
        """Return a JSON document of the folder; raise `StorageError` when it is not there."""
        try:
            document = json.loads(read_document(self.file(name)))
        except (OSError, ValueError) as error:
            raise StorageError(f"{self.file(name)} can not be read: {error}") from error
        if not isinstance(document, dict):
            raise StorageError(f"{self.file(name)} does not hold a JSON object.")
        return document

    def append_line(self, name: str, line: str) -> None:
        """Add a line to a log; one write call, so that a kill leaves whole lines."""
        try:
            descriptor = os.open(self.file(name), os.O_WRONLY | os.O_APPEND | os.O_CREAT, FILE_MODE)
            try:
                os.write(descriptor, f"{line}\n".encode())
            finally:
                os.close(descriptor)
        except OSError as error:
            raise StorageError(
                f"The file {self.file(name)} could not be written: {error.strerror}. What is "
                "committed stays committed."
            ) from error


@contextlib.contextmanager
def _locked(path: Path, how: int) -> Iterator[None]:
    """Hold a lock on a file while the block runs; a process that dies lets go of it."""
    while True:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, FILE_MODE)
        except OSError as error:
            raise StorageError(f"{path.parent} can not be written: {error.strerror}.") from error
        try:
            fcntl.flock(descriptor, how)
            # Whoever held it before has removed it: what we have locked may be no file any more.
            if not _is_named(descriptor, path):
                continue
            try:
                yield
            finally:
                path.unlink(missing_ok=True)
            return
        finally:
            os.close(descriptor)


def _is_named(descriptor: int, path: Path) -> bool:
    """Whether an open file is the one that has this name now; it may go at any moment."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _flush(path: Path) -> None:
    """Bring a file to the disk before it gets its name: a crash must not leave it empty."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    path.chmod(FILE_MODE)


def sha256_of(path: Path) -> str:
    with opened(path) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
