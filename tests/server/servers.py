"""What tests ask of a server's processes, and how another process starts one."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from pathlib import Path

import psutil
import psycopg

from backfill.server.embedded import EmbeddedServer

START_AND_TELL_PID = """
import sys
from pathlib import Path
from backfill.server.embedded import EmbeddedServer
server = EmbeddedServer(Path(sys.argv[1]), durable=False)
server.start()
print((server.data / "postmaster.pid").read_text().split()[0], flush=True)
"""
THEN_WAIT = START_AND_TELL_PID + "sys.stdin.read()\n"


def pid_of(server: EmbeddedServer) -> int:
    return int((server.data / "postmaster.pid").read_text().split()[0])


def ask(server: EmbeddedServer, query: str) -> object:
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        row = connection.execute(query.encode()).fetchone()
        return row[0] if row else None


def process_exists(pid: int) -> bool:
    """Count a zombie as existing, other than the code under test."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def is_alive(pid: int) -> bool:
    """Count a zombie as dead: whoever inherits a killed server's orphans may never reap them."""
    return bool(psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)


def start_in_another_process(home: Path, script: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script, str(home)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def unprivileged_users() -> list[pwd.struct_passwd]:
    return [user for user in pwd.getpwall() if user.pw_name in ("postgres", "nobody")]
