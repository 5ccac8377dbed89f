"""As whom the embedded server runs: PostgreSQL refuses to run as root.

As root, in this order:

1. If another user owns the data, the server runs as that user.
2. A user namespace shows root to the server as an ordinary user; the files stay root's.
3. Where namespaces are forbidden (most containers), the server runs as an existing unprivileged
   user who owns the data and keeps one capability of root: to pass folders that are closed to
   others, so that no folder's mode is ever changed.
"""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from backfill.errors import PreflightError
from backfill.server.embedded_binaries import Binaries

UNPRIVILEGED_USERS = ("postgres", "nobody")
KEPT_VARIABLES = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TMPDIR")
# Proves that the account may write to the home and run the program, before anything is made.
PROBE = 'mkdir "$1/probe" && rmdir "$1/probe" && exec "$2" --version'


@dataclass(frozen=True, slots=True)
class Account:
    """The command that wraps the server's, and who owns its files as seen from here."""

    wrapper: tuple[str, ...]
    uid: int
    gid: int

    def take(self, path: Path) -> None:
        """Make this account the owner of `path` and all below it; only root ever has to."""
        if os.geteuid() != 0 or path.lstat().st_uid == self.uid:
            return
        os.chown(path, self.uid, self.gid, follow_symlinks=False)
        for folder, folders, files in os.walk(path):
            for name in folders + files:
                os.chown(Path(folder, name), self.uid, self.gid, follow_symlinks=False)


def choose_account(home: Path, data: Path, binaries: Binaries) -> Account:
    """Return the account to run the server as; creates nothing that stays.

    Raises:
        PreflightError: the data is another user's, or no unprivileged account can be had.
    """
    for account in _candidates(data.stat().st_uid if data.exists() else os.geteuid()):
        if _works(account, home, binaries):
            return account
    raise PreflightError(
        f"PostgreSQL ({binaries.postgres}) cannot run here with data in {home}: it refuses to run "
        "as root, and neither a user namespace (unshare) nor another user (setpriv) can be used. "
        "Mend: run the command as an ordinary user, or point DATABASE_URL at another server"
    )


def server_environment() -> Mapping[str, str]:
    """Return the server's environment: no secret and no PG* variable of ours reaches it."""
    kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    return {"PATH": os.defpath, "LC_ALL": "C"} | kept


def _candidates(data_owner: int) -> Iterator[Account]:
    uid, gid = os.geteuid(), os.getegid()
    if uid != 0:
        if data_owner != uid:
            raise PreflightError(
                f"The embedded database belongs to user {data_owner}, not to you ({uid}). Mend: "
                "run as that user, or set BACKFILL_EMBEDDED_DIR to a folder of your own"
            )
        # Without an entry in passwd (as in `docker run --user`) initdb does not work.
        yield Account((), uid, gid) if _is_known(uid) else _in_namespace()
    elif data_owner != 0:
        yield _as_user(
            data_owner, pwd.getpwuid(data_owner).pw_gid if _is_known(data_owner) else data_owner
        )
    else:
        yield _in_namespace()
        someone = _unprivileged()
        yield _as_user(someone.pw_uid, someone.pw_gid)


def _in_namespace() -> Account:
    someone = _unprivileged()
    wrapper = ("unshare", f"--map-user={someone.pw_uid}", f"--map-group={someone.pw_gid}", "--")
    return Account(wrapper, os.geteuid(), os.getegid())


def _as_user(uid: int, gid: int) -> Account:
    wrapper = (
        "setpriv",
        f"--reuid={uid}",
        f"--regid={gid}",
        "--clear-groups",
        "--inh-caps=-all,+dac_override",
        "--ambient-caps=-all,+dac_override",
        # Without this bit access(2), with which initdb looks for postgres, ignores the capability.
        "--securebits=+no_setuid_fixup",
        "--",
    )
    return Account(wrapper, uid, gid)


def _works(account: Account, home: Path, binaries: Binaries) -> bool:
    if not account.wrapper:
        return True
    probe = [*account.wrapper, "sh", "-c", PROBE, "sh", str(home), str(binaries.postgres)]
    try:
        done = subprocess.run(
            probe, env=server_environment(), cwd="/", capture_output=True, check=False
        )
    except OSError:
        return False
    return done.returncode == 0


def _is_known(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def _unprivileged() -> pwd.struct_passwd:
    users = {user.pw_name: user for user in pwd.getpwall() if user.pw_uid != 0}
    for name in UNPRIVILEGED_USERS:
        if name in users:
            return users[name]
    if not users:
        raise PreflightError(
            "PostgreSQL refuses to run as root and this machine has no other user. "
            "Mend: point DATABASE_URL at another server"
        )
    return next(iter(users.values()))
