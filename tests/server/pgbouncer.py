"""PgBouncer before a server of the tests: its own configuration, a Unix socket, no TCP."""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import psycopg
from tests.deadline import DEADLINE_SECONDS

from backfill.server.embedded_account import choose_account
from backfill.server.embedded_binaries import find_binaries
from backfill.server.embedded_process import wait_until

PORT = 6432
NAMES = "SELECT name FROM pg_catalog.pg_prepared_statements"
_SETTINGS = """\
[databases]
* = {target}
[pgbouncer]
listen_addr =
listen_port = {port}
unix_socket_dir = {folder}
auth_type = trust
auth_file = {folder}/users
pool_mode = {mode}
default_pool_size = {size}
max_client_conn = 500
server_lifetime = 3600
ignore_startup_parameters = extra_float_digits
"""


@contextlib.contextmanager
def pooled(dsn: str, mode: str, size: int, roles: tuple[str, ...] = ("postgres",)) -> Iterator[str]:
    """Yield the URL of the same database behind a PgBouncer with a pool of `size`."""
    program = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"
    parts = urlsplit(dsn)
    host = parse_qs(parts.query).get("host", [parts.hostname or ""])[0]
    target = f"host={host} port={parts.port or 5432}"
    with tempfile.TemporaryDirectory(prefix="bouncer-", dir="/tmp") as name:
        folder = Path(name)
        folder.joinpath("users").write_text("".join(f'"{role}" ""\n' for role in roles))
        text = _SETTINGS.format(target=target, port=PORT, folder=folder, mode=mode, size=size)
        folder.joinpath("ini").write_text(text)
        account = choose_account(folder, folder, find_binaries())
        account.take(folder)
        command = [*account.wrapper, program, str(folder / "ini")]
        with (
            folder.joinpath("log").open("wb") as log,
            subprocess.Popen(command, stdout=log, stderr=log, cwd="/") as process,
        ):
            try:
                path = folder / f".s.PGSQL.{PORT}"
                listens = wait_until(lambda: _listens(path), DEADLINE_SECONDS)
                assert listens, (folder / "log").read_text()
                role = quote(parts.username or roles[0])
                yield f"postgresql://{role}@/{parts.path[1:]}?host={folder}&port={PORT}"
            finally:
                process.send_signal(signal.SIGINT)
                process.wait(DEADLINE_SECONDS)


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(path)) == 0


def admin(dsn: str) -> psycopg.Connection[tuple[object, ...]]:
    """Return a connection to the bouncer's own database."""
    return psycopg.connect(dsn, dbname="pgbouncer", autocommit=True, prepare_threshold=None)


@dataclass
class Onlooker:
    """An application in the same pool that does nothing but look which names its session has."""

    dsn: str
    found: list[Any] = field(default_factory=list)
    looks: int = 0

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        is_over = threading.Event()
        begun = threading.Event()

        def look() -> None:
            with psycopg.connect(self.dsn, autocommit=True, prepare_threshold=None) as connection:
                while not is_over.is_set():
                    with contextlib.suppress(psycopg.errors.QueryCanceled):
                        self.found += connection.execute(NAMES).fetchall()
                        self.looks += 1
                    begun.set()

        looking = threading.Thread(target=look)
        looking.start()
        begun.wait()
        try:
            yield
        finally:
            is_over.set()
            looking.join()
