"""A PostgreSQL server of our own, for the demo, the tests and whoever has no DATABASE_URL.

Everything lies below one folder, the home: `data/` (the cluster), `log/server.log`, `socket/`
and two lock files. The server listens on a Unix socket only and outlives the process that
started it. Its state is on disk alone, so any process can find, use and stop it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from backfill.errors import BackfillError, DatabaseUnreachable, PreflightError
from backfill.next_command import next_command
from backfill.server.embedded_account import Account, choose_account, server_environment
from backfill.server.embedded_binaries import Binaries, find_binaries
from backfill.server.embedded_process import (
    end_orphans,
    file_lock,
    is_ready,
    postmaster_pid,
    stop_processes,
    wait_until,
)
from backfill.server.embedded_socket import (
    PORT,
    SOCKET_FILE,
    make_socket_folder,
    remove_socket,
    socket_folder,
)

HOME_ENV = "BACKFILL_EMBEDDED_DIR"
DATABASE = "backfill"
TOUR_DATABASE = "tour"
SUPERUSER = "postgres"
START_SECONDS = 60.0
LOCK_SECONDS = 120.0
LOG_TAIL_LINES = 12

SETTINGS: Mapping[str, str] = {
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "max_connections": "60",
    "shared_buffers": "64MB",
    "max_wal_size": "512MB",
    # In the data folder: containers often have 64 MB of /dev/shm, and a kill leaves files there.
    "dynamic_shared_memory_type": "mmap",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "lc_messages": "C",
    "log_min_messages": "warning",
    "logging_collector": "off",
    "update_process_title": "on",
}
NOT_DURABLE: Mapping[str, str] = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
}


@dataclass(frozen=True, slots=True)
class EmbeddedServer:
    """The server whose home is a folder; a value without state, as many as you like.

    Attributes:
        home: made on first start; everything below it is the server's.
        durable: False gives up crash safety for speed; for tests only.
        settings: more server settings, stronger than ours; they count from the next start.
    """

    home: Path
    durable: bool = True
    settings: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "home", self.home.expanduser().resolve())

    @property
    def dsn(self) -> str:
        """Return the URL of the database `backfill`, for psycopg and ADBC alike."""
        return self.dsn_of(DATABASE)

    def dsn_of(self, database: str) -> str:
        """Return the URL of another database of this server."""
        folder = quote(str(self.socket_folder), safe="")
        return f"postgresql://{SUPERUSER}@/{quote(database, safe='')}?host={folder}&port={PORT}"

    @property
    def data(self) -> Path:
        return self.home / "data"

    @property
    def log(self) -> Path:
        return self.home / "log" / "server.log"

    @property
    def socket_folder(self) -> Path:
        return socket_folder(self.home)

    def is_running(self) -> bool:
        """Return whether the server lives; a zombie or a reused process id does not. Read-only."""
        try:
            return self.data.is_dir() and postmaster_pid(self.data, self._cluster) is not None
        except OSError as error:
            raise self._unusable(error) from error

    def start(self) -> None:
        """Start the server unless it runs; on first use create its data and its database.

        Raises:
            PreflightError: no server programs, no rights, another user's or version's data.
            DatabaseUnreachable: the server ended or stayed silent; the message has its log.
        """
        with self._locked() as lock:
            if self._is_ready():
                return
            self._end()
            binaries = find_binaries(self._data_major())
            account = choose_account(self.home, self.data, binaries)
            make_socket_folder(self.home, account)
            if not self.data.exists():
                self._create_data(binaries, account, lock)
            self._launch(binaries, account)

    def stop(self) -> None:
        """Shut the server down, with force after a deadline; leave no process and no socket."""
        if self.home.is_dir():
            with self._locked():
                self._end()

    def reset(self) -> None:
        """Stop the server and delete its data and log; only the lock file stays."""
        if not self.home.is_dir():
            return
        with self._locked():
            self._end()
            for path in (self.data, self._partial_data, self.log.parent, self.home / "socket"):
                shutil.rmtree(path, ignore_errors=not path.exists())

    @property
    def _cluster(self) -> str:
        # The inode follows a folder that is moved, and tells a copy from its original.
        folder = self.data.stat()
        digest = hashlib.sha256(f"{folder.st_dev}:{folder.st_ino}".encode()).hexdigest()
        return f"backfill_{digest[:16]}"

    @property
    def _partial_data(self) -> Path:
        return self.home / "data.partial"

    @contextmanager
    def _locked(self) -> Iterator[int]:
        try:
            self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
            with file_lock(self.home / "start.lock", LOCK_SECONDS) as lock:
                yield lock
        except TimeoutError as error:
            raise PreflightError(
                f"Another process has been starting or stopping the embedded database in "
                f"{self.home} for {LOCK_SECONDS:.0f} s. Mend: end that process and try again"
            ) from error
        except OSError as error:
            raise self._unusable(error) from error

    def _unusable(self, error: OSError) -> PreflightError:
        return PreflightError(
            f"Cannot use {self.home} for the embedded database: {error}. Mend: set {HOME_ENV} "
            "to a folder of your own with 200 MB free, or DATABASE_URL to another server"
        )

    def _is_ready(self) -> bool:
        """Wait for a server that another process began to start; tell if it can be used."""
        wait_until(lambda: not self.is_running() or is_ready(self.data), START_SECONDS)
        return self.is_running() and (self.socket_folder / SOCKET_FILE).exists()

    def _end(self) -> None:
        if self.data.is_dir():
            stop_processes(self.data, self._cluster)
        remove_socket(self.home)

    def _data_major(self) -> int | None:
        if not self.data.exists():
            return None
        return int((self.data / "PG_VERSION").read_text(encoding="ascii").split(".")[0])

    def _create_data(self, binaries: Binaries, account: Account, lock: int) -> None:
        """Create the cluster and its database beside their place, then move them there.

        The programs inherit the lock: when this process is killed, the next one waits for them.
        """
        partial = self._partial_data
        shutil.rmtree(partial, ignore_errors=not partial.exists())
        partial.mkdir(mode=0o700)
        account.take(partial)
        initdb = [str(binaries.initdb), "-D", str(partial)]
        create = [f"--username={SUPERUSER}", "--auth=trust", "--encoding=UTF8", "--no-sync"]
        self._run(account, lock, [*initdb, *create, *_locale_options(binaries)])
        single = [str(binaries.postgres), "--single", "-F", "-D", str(partial)]
        exit_on_error = ["-c", "exit_on_error=on", "-c", "log_checkpoints=off", "template1"]
        self._run(account, lock, [*single, *exit_on_error], f"CREATE DATABASE {DATABASE}\n")
        if self.durable:
            self._run(account, lock, [*initdb, "--sync-only"])
        partial.rename(self.data)

    def _run(self, account: Account, lock: int, command: list[str], text: str = "") -> None:
        done = subprocess.run(
            [*account.wrapper, *command],
            input=text,
            capture_output=True,
            text=True,
            env=server_environment(),
            cwd="/",
            pass_fds=(lock,),
            check=False,
        )
        if done.returncode != 0:
            raise self._failure("could not be created", done.stdout + done.stderr)

    def _launch(self, binaries: Binaries, account: Account) -> None:
        """Start `postgres` as a direct child in a session of its own and wait until it is ready.

        The server inherits a file lock, which the kernel frees when its last process has ended:
        a second server on the same data is impossible, even from another container.
        """
        if not end_orphans(self._cluster):
            raise self._failure("left processes behind that cannot be ended", "")
        account.take(self.data)
        self.log.parent.mkdir(mode=0o700, exist_ok=True)
        try:
            with file_lock(self.home / "server.lock", LOCK_SECONDS / 10) as lock:
                (self.data / "postmaster.pid").unlink(missing_ok=True)
                with self.log.open("ab") as log:
                    log_start = log.tell()
                    process = subprocess.Popen(
                        [*account.wrapper, *self._command(binaries)],
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=log,
                        env=server_environment(),
                        cwd="/",
                        start_new_session=True,
                        pass_fds=(lock,),
                    )
        except TimeoutError as error:
            raise self._failure("is in use, perhaps from another container", "") from error
        self._wait_ready(process, log_start)

    def _wait_ready(self, process: subprocess.Popen[bytes], log_start: int) -> None:
        try:
            wait_until(lambda: process.poll() is not None or is_ready(self.data), START_SECONDS)
            has_ended = process.poll() is not None
            if not has_ended and is_ready(self.data):
                return
            if not has_ended:
                self._end()
            with self.log.open("rb") as log:
                log.seek(log_start)
                raise self._failure("did not start", log.read().decode(errors="replace"))
        finally:
            if process.returncode is None:
                # The server is meant to outlive us; without this Popen warns that it does.
                process.returncode = 0

    def _command(self, binaries: Binaries) -> list[str]:
        ours = {
            **SETTINGS,
            **({} if self.durable else NOT_DURABLE),
            **self.settings,
            "unix_socket_directories": f'"{self.socket_folder}"',
            "cluster_name": self._cluster,
        }
        options = [part for name, value in ours.items() for part in ("-c", f"{name}={value}")]
        return [str(binaries.postgres), "-D", str(self.data), *options]

    def _failure(self, what: str, output: str) -> BackfillError:
        tail = "\n".join(f"  {line}" for line in output.splitlines()[-LOG_TAIL_LINES:])
        free_mb = shutil.disk_usage(self.home).free // 1_000_000
        return DatabaseUnreachable(
            f"The embedded database in {self.home} {what}. Its last words ({self.log}):\n"
            f"{tail or '  (none)'}\n"
            f"The disk has {free_mb} MB free. Mend: free some space if that is little; else try "
            f"again after: {next_command('db', 'stop')}. To start afresh, which deletes the "
            f"embedded data: {next_command('db', 'reset')}"
        )


def ensure_running(home: Path | None = None) -> str:
    """Start the embedded server in `home` (default: `default_home()`) if needed; return its URL."""
    server = EmbeddedServer(default_home() if home is None else home)
    server.start()
    return server.dsn


def is_made() -> bool:
    """Return whether there is an embedded database, at work or stopped."""
    return EmbeddedServer(default_home()).data.is_dir()


def tour_dsn() -> str:
    """Return the URL of the tour's database for whoever pastes its commands; none, no text."""
    server = EmbeddedServer(default_home())
    if not is_made():
        return ""
    server.start()
    return server.dsn_of(TOUR_DATABASE)


def default_home() -> Path:
    """Return `BACKFILL_EMBEDDED_DIR`, else `.embedded` beside `notebooks/`, else a user folder."""
    if override := os.environ.get(HOME_ENV):
        return Path(override)
    project = Path(__file__).resolve().parents[3]
    if (project / "notebooks").is_dir():
        return project / ".embedded"
    return Path.home() / ".local" / "share" / "backfill-workbook" / "embedded"


def _locale_options(binaries: Binaries) -> list[str]:
    if binaries.major >= 17:
        return ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    # Older servers have the C library's locales only, and macOS has no C.UTF-8.
    return ["--locale=C", *(["--lc-ctype=C.UTF-8"] if sys.platform == "linux" else [])]
