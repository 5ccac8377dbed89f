"""A standby that replays from a primary: real servers, in folders that the caller removes."""

from __future__ import annotations

import contextlib
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
from tests.deadline import DEADLINE_SECONDS

from backfill.server.embedded import EmbeddedServer
from backfill.server.embedded_account import choose_account
from backfill.server.embedded_binaries import find_binaries
from backfill.server.embedded_process import wait_until
from backfill.server.embedded_socket import make_socket_folder

STANDBY = "far"


@contextlib.contextmanager
def standby_of(primary: EmbeddedServer, home: Path) -> Iterator[str]:
    """Start a standby named `far`; yield the URL of its database `postgres`."""
    home.mkdir(mode=0o700)
    server = EmbeddedServer(home)
    binaries = find_binaries()
    source = f"host={primary.socket_folder} port=5432 user=postgres"
    copy = [str(binaries.folder / "pg_basebackup"), "-d", source, "-D", str(server.data)]
    subprocess.run([*copy, "-R", "-c", "fast"], check=True, capture_output=True, cwd="/")
    account = choose_account(home, server.data, binaries)
    make_socket_folder(home, account)
    account.take(server.data)
    settings = {
        "listen_addresses": "",
        "cluster_name": server._cluster,  # by which a later session finds what a kill left behind
        "unix_socket_directories": f'"{server.socket_folder}"',
        "primary_conninfo": f"{source} application_name={STANDBY}",
        "wal_receiver_status_interval": "1s",
        "max_connections": "100",
        "hot_standby": "on",
    }
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    command = [*account.wrapper, str(binaries.postgres), "-D", str(server.data), *options]
    with (home / "log").open("wb") as log, subprocess.Popen(command, stderr=log) as process:
        try:
            dsn = server.dsn_of("postgres")
            assert wait_until(lambda: answers(dsn), DEADLINE_SECONDS), (home / "log").read_text()
            yield dsn
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(DEADLINE_SECONDS)


def answers(dsn: str) -> bool:
    try:
        psycopg.connect(dsn).close()
    except psycopg.OperationalError:
        return False
    return True
