"""The folders for temporary files: each is held by who made it, and swept when nobody holds it.

A process that is killed can not take its folder away. The system takes its lock, though: who makes
the next folder finds those that nobody holds, and removes them.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
import shutil
import tempfile
import weakref
from pathlib import Path

_PREFIX = "backfill-"
_HELD = ".held"
#: A socket's path has room for about a hundred bytes, of which our names take forty.
_LONGEST_PARENT = 60


class TemporaryFolder(tempfile.TemporaryDirectory[str]):
    """A private folder that goes with the object, or after a kill when the next one is made.

    One for sockets lies elsewhere where the usual folder's path is too long for them.
    """

    def __init__(self, purpose: str, *, has_sockets: bool = False) -> None:
        usual = tempfile.gettempdir()
        is_long = has_sockets and len(os.fsencode(usual)) > _LONGEST_PARENT
        parent = "/tmp" if is_long else usual
        _sweep(parent)
        super().__init__(prefix=f"{_PREFIX}{purpose}-", dir=parent, ignore_cleanup_errors=True)
        self.path = Path(self.name)
        # Locked before it has its name: whoever finds the name without a lock finds a dead folder.
        unnamed = self.path / f"{_HELD}.new"
        self.lock = os.open(unnamed, os.O_RDWR | os.O_CREAT, 0o600)
        weakref.finalize(self, os.close, self.lock)
        with contextlib.suppress(OSError):  # a file system without locks: nobody sweeps it
            fcntl.flock(self.lock, fcntl.LOCK_EX)
            unnamed.rename(self.path / _HELD)


@functools.cache
def _sweep(parent: str) -> None:
    """Remove what killed processes left in a folder, once for each process of ours."""
    for left in Path(parent).glob(f"{_PREFIX}*/{_HELD}"):
        with contextlib.suppress(OSError):  # another account's, or another sweeps it
            lock = os.open(left, os.O_RDWR | os.O_NOFOLLOW)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(left.parent, ignore_errors=True)
            finally:
                os.close(lock)
