"""The sessions that write a plan: the first waits for a server that writes, and is handed on."""

from __future__ import annotations

import time

from backfill.chunks import patience
from backfill.chunks.patience import Connect
from backfill.errors import DatabaseUnreachable
from backfill.next_command import next_command
from backfill.report import Reporter
from backfill.server.database import Database
from backfill.server.postgres import NAME_THE_PRIMARY, ONLY_READS, find_rows_by_key, scalar
from backfill.server.session import Session
from backfill.settings import EngineSettings

_LOOK_AGAIN_SECONDS = 0.5


def connector(database: Database, settings: EngineSettings) -> Connect:
    """Return what opens sessions that find rows by key and run triggers on their own path."""

    def connect() -> Session:
        connection = database.connect(limits=settings.limits)
        find_rows_by_key(connection)
        connection.run_triggers_on_own_path()
        return connection

    return connect


def first_session(connect: Connect, run_id: str, reporter: Reporter) -> Session:
    """Return a session of a server that writes; one that only reads is waited for.

    During a failover the address leads to a standby for a moment. Raises `DatabaseUnreachable`.
    """
    end = time.monotonic() + patience.RECONNECT_SECONDS
    is_told = False
    while True:
        connection = connect()
        if not scalar(connection, "SELECT pg_is_in_recovery()"):
            return connection
        connection.close()
        if time.monotonic() >= end:
            raise DatabaseUnreachable(
                f"{ONLY_READS}: run {run_id} was not begun, nothing was written. "
                f"{NAME_THE_PRIMARY}. Then: {next_command('apply', run_id)}"
            )
        if not is_told:
            reporter.message(f"{ONLY_READS}: waiting until it writes.", "warning")
            is_told = True
        time.sleep(_LOOK_AGAIN_SECONDS)


def handing_out(connection: Session, connect: Connect) -> Connect:
    """Return what hands out a connection that is there before it opens any other."""
    there = [connection]

    def connected() -> Session:
        try:
            return there.pop()
        except IndexError:
            return connect()

    return connected
