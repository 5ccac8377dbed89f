"""Printing that nobody needs to read: a run goes on when whoever watched it has left."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import TextIO


def say(text: str, stream: TextIO | None, end: str = "\n") -> bool:
    """Print a text at once; return whether somebody could read it.

    A pipe that nobody reads, a disk that is full: what is said is lost, what is done goes on.
    """
    if stream is None:
        return False
    try:
        print(text, end=end, file=stream, flush=True)
    except (OSError, ValueError):  # ValueError: it is closed
        _deafen(stream)
        return False
    return True


def open_closed() -> None:
    """Give a process that was started without them (`>&-`) its three streams, to nowhere.

    Else the next file or socket to be opened takes their place, and what is printed goes into it.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            nowhere = os.open(os.devnull, os.O_RDWR)  # the lowest number that is free: this one
            os.set_inheritable(nowhere, True)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115


def let_out() -> None:
    """Write what waits to be printed, so that a full disk under it is known before the end.

    Raises:
        OSError: it can not be written; that nobody reads it is no error.
    """
    if sys.stdout is not None:
        try:
            sys.stdout.flush()
        except BrokenPipeError:
            leave_unread()


def leave_unread() -> None:
    """Let what is still to be printed go nowhere, so that Python's own end says nothing of it."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
                continue
            _deafen(stream)


def _deafen(stream: TextIO) -> None:
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, stream.fileno())
        finally:
            os.close(nowhere)
