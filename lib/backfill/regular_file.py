"""Files that people name, read and written: regular ones, so that nothing waits for ever.

A pipe, a device or a file that never ends would hang a command that may hold a lease. What is
written is there in whole, or not at all.
"""

from __future__ import annotations

import contextlib
import io
import os
import secrets
import shlex
import stat
from collections.abc import Iterator
from pathlib import Path

from backfill.errors import UsageError

#: Documents, sheets of decisions, table specifications, queries: far more than a person writes.
DOCUMENT_BYTES = 64 * 1024 * 1024
_MB = 1_000_000


class NotRegular(OSError):
    """What was named is no regular file, or larger than any of its kind; `strerror` says so."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(0, reason, str(path))


def read_document(path: Path, most_bytes: int = DOCUMENT_BYTES) -> bytes:
    """Return a file's content; raise `OSError`, `NotRegular` for what is no file of that size."""
    with opened(path) as stream:
        content = stream.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise NotRegular(path, f"It is larger than {most_bytes // _MB} MB")
    return content


def document_text(flag: str, path: Path, kind: str = "UTF-8 text") -> str:
    """Return a file's text; raise `UsageError` for what can not be read, or is not of that kind."""
    try:
        return read_document(path).decode("utf-8")
    except OSError as error:
        raise UsageError(f"{flag} {path}: {error.strerror}.".lstrip()) from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{flag} {path} is not {kind}: {error}.".lstrip()) from None


def is_special(path: Path) -> bool:
    """Return whether a path is a pipe, a device or a socket: it may never end, or not be a file."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def check_target(flag: str, path: Path, *, makes_folder: bool = False) -> None:
    """Raise `UsageError`, before anything is done, for what can not become a file.

    Its folder must be there, unless whoever writes it `makes_folder`.
    """
    if path.name == "-":  # elsewhere that is stdout
        raise UsageError(f"{flag}: - is no file's name, and on stdout stands the summary.")
    try:
        is_folder = stat.S_ISDIR(path.stat().st_mode)
    except FileNotFoundError:
        is_folder = False
    except OSError as error:  # a name that is too long, links in a circle, a file for a folder
        raise UsageError(f"{flag}: {path} can be no file: {error.strerror}.") from None
    if is_folder:
        raise UsageError(f"{flag}: {path} is a folder. Name a file in it.")
    if is_special(path):
        raise UsageError(f"{flag}: {path} is a pipe or a device. Name a file.")
    if not makes_folder and not (path.parent.is_dir() and os.access(path.parent, os.W_OK)):
        raise UsageError(
            f"{flag}: there is no folder {path.parent} that can be written. "
            f"Make it: mkdir -p {shlex.quote(str(path.parent))}"
        )


@contextlib.contextmanager
def whole(path: Path, mode: int = 0o666) -> Iterator[Path]:
    """Yield a file beside `path` that takes its place when the block ends well, and else goes.

    A reader sees the old file or the new one. `mode` is what the umask takes from.
    """
    partial = path.with_name(f".{secrets.token_hex(4)}.partial")
    os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode))
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextlib.contextmanager
def opened(path: Path) -> Iterator[io.BufferedReader]:
    """Yield a regular file, open for reading; raise `OSError`, `NotRegular` for anything else."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as stream:
        mode = os.fstat(stream.fileno()).st_mode
        if stat.S_ISDIR(mode):
            raise NotRegular(path, "It is a folder")
        if not stat.S_ISREG(mode):
            raise NotRegular(path, "It is no regular file (a pipe or a device)")
        yield stream
