"""Reading files that people name: regular ones of a bounded size, so that no read waits for ever.

A pipe, a device or a file that never ends would hang a command that may hold a lease.
"""

from __future__ import annotations

import contextlib
import io
import os
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


def is_special(path: Path) -> bool:
    """Return whether a path is a pipe, a device or a socket: it may never end, or not be a file."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def check_target(flag: str, path: Path) -> None:
    """Raise `UsageError` for what can not become a file: its name would be taken from it."""
    if path.is_dir():
        raise UsageError(f"{flag}: {path} is a folder. Name a file in it.")
    if is_special(path):
        raise UsageError(f"{flag}: {path} is a pipe or a device. Name a file.")


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
