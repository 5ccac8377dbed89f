"""Where the embedded server's Unix socket lies: in its home, or nearer where the path is too long.

The kernel allows a socket's path about a hundred bytes only.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

from backfill.errors import PreflightError
from backfill.server.embedded_account import Account

PORT = 5432
SOCKET_FILE = f".s.PGSQL.{PORT}"
# macOS allows 104 bytes with the closing NUL, Linux 108.
SOCKET_PATH_BYTES = 103


def socket_folder(home: Path) -> Path:
    """Return `home/socket`, or a folder of the temp folder that is named from `home`. Read-only."""
    near = home / "socket"
    if _fits(near):
        return near
    name = f"backfill-{hashlib.sha256(os.fsencode(home)).hexdigest()[:16]}"
    if _record(home).exists():
        recorded = Path(_record(home).read_text(encoding="utf-8"))
        # Another name belongs to the home that this one was copied from.
        if recorded.name == name:
            return recorded
    temporary = Path(tempfile.gettempdir(), name)
    return temporary if _fits(temporary) else Path("/tmp", name)


def make_socket_folder(home: Path, account: Account) -> None:
    """Create the socket's folder for `account` alone; record it when it is not in the home.

    Raises:
        PreflightError: someone else made that folder, or may enter it.
    """
    folder = socket_folder(home)
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    is_private = stat.S_ISDIR(status.st_mode) and stat.S_IMODE(status.st_mode) & 0o077 == 0
    if not is_private or status.st_uid not in (os.geteuid(), account.uid):
        raise PreflightError(
            f"The socket folder {folder} is not private to you. Mend: remove it, or set "
            "BACKFILL_EMBEDDED_DIR to a path shorter than 80 bytes"
        )
    account.take(folder)
    if folder.parent != home:
        _record(home).write_text(str(folder), encoding="utf-8")


def remove_socket(home: Path) -> None:
    """Remove what a stopped server left: its socket, and the folder if that is not in the home."""
    folder = socket_folder(home)
    for name in (SOCKET_FILE, f"{SOCKET_FILE}.lock"):
        (folder / name).unlink(missing_ok=True)
    if _record(home).exists():
        with suppress(OSError):
            folder.rmdir()
        _record(home).unlink()


def _record(home: Path) -> Path:
    return home / "socket_folder"


def _fits(folder: Path) -> bool:
    return len(os.fsencode(folder / SOCKET_FILE)) <= SOCKET_PATH_BYTES
