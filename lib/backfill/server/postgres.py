"""Connections to PostgreSQL: settings of a session, fingerprint of a database, safe messages."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from dataclasses import dataclass
from typing import Any, LiteralString, cast

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import TupleRow

from backfill.errors import DatabaseUnreachable, PreflightError, UsageError

Connection = psycopg.Connection[TupleRow]

APPLICATION_NAME = "backfill-workbook"
CONNECT_TIMEOUT_SECONDS = 10
_WATCHFULNESS: dict[str, Any] = {
    "connect_timeout": CONNECT_TIMEOUT_SECONDS,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,  # milliseconds
}
MINIMUM_SERVER_VERSION = 130000
#: Servers from here on can look for their client while a statement of it runs or waits.
_LOOKS_FOR_CLIENTS_VERSION = 140000
CLIENT_CHECK_MS = 1_000
DSN_ENV = "DATABASE_URL"

_PASSWORD_IN_URL = re.compile(r"(://[^:/@\s]*:)[^@\s]+@")
_PASSWORD_IN_PAIRS = re.compile(r"(password\s*=\s*)('(?:[^'\\]|\\.)*'|\S+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """How long a statement of ours may wait for a lock, and run, in milliseconds; and how long a
    transaction may stand open without one (0: ever). A process that was stopped in the middle of
    a chunk must not hold its rows locked for longer than its lease lasts.
    """

    lock_timeout_ms: int = 5_000
    statement_timeout_ms: int = 60_000
    idle_in_transaction_ms: int = 0


def connect(
    dsn: str, *, read_only: bool = False, limits: SessionLimits | None = None
) -> Connection:
    """Return an autocommit connection with our session settings.

    Raises `DatabaseUnreachable` with a message that shows no password.
    """
    try:
        connection = psycopg.connect(
            dsn,
            autocommit=True,
            application_name=APPLICATION_NAME,
            **_watchfulness(dsn),
        )
        _prepare_session(connection, read_only, limits or SessionLimits())
    except psycopg.Error as error:
        raise DatabaseUnreachable(unreachable_message(dsn, error)) from None
    if connection.info.server_version < MINIMUM_SERVER_VERSION:
        connection.close()
        raise PreflightError(
            f"The server runs PostgreSQL {connection.info.server_version // 10000}; "
            "13 is the oldest that works. Point DATABASE_URL at a newer server."
        )
    _notice_dead_clients(connection)
    return connection


def watchful(dsn: str) -> str:
    """Return the connection string with what `connect` adds, for other users of libpq."""
    return make_conninfo(dsn, **_watchfulness(dsn))


def _watchfulness(dsn: str) -> dict[str, Any]:
    """Return what lets libpq notice a network that swallows packets, unless the URL says more.

    Without it a lost connection is noticed after a quarter of an hour, or never.
    """
    named = conninfo_to_dict(dsn)
    return {name: value for name, value in _WATCHFULNESS.items() if name not in named}


def _prepare_session(connection: Connection, read_only: bool, limits: SessionLimits) -> None:
    connection.execute(
        "SELECT set_config('lock_timeout', %s, false),"
        " set_config('statement_timeout', %s, false),"
        " set_config('idle_in_transaction_session_timeout', %s, false),"
        # A checkpoint that we have seen committed must survive a crash of the server.
        " set_config('synchronous_commit', CASE current_setting('synchronous_commit')"
        "  WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END, false),"
        " set_config('TimeZone', 'UTC', false),"
        " set_config('default_transaction_read_only', %s, false)",
        [
            str(limits.lock_timeout_ms),
            str(limits.statement_timeout_ms),
            str(limits.idle_in_transaction_ms),
            "on" if read_only else "off",
        ],
    )


def _notice_dead_clients(connection: Connection) -> None:
    """Have the server end our statement when this process is gone, also while it waits for a lock.

    Else the statement of a killed process holds its range, and waits on, for as long as
    `statement_timeout` lets it. Some servers' systems can not do it: then that is what happens.
    """
    if connection.info.server_version >= _LOOKS_FOR_CLIENTS_VERSION:
        with contextlib.suppress(psycopg.errors.InvalidParameterValue):
            connection.execute(
                "SELECT set_config('client_connection_check_interval', %s, false)",
                [str(CLIENT_CHECK_MS)],
            )


def find_rows_by_key(connection: Connection) -> None:
    """Have the planner of this session use the key's index, whatever it believes of a chunk.

    Comparing with before-images, it expects to find one row, and then may walk the whole table
    for each row of the chunk: measured 5.5 s instead of 8 ms for 500 of 70,000 rows.
    """
    connection.execute(
        "SELECT set_config('enable_seqscan', 'off', false),"
        " set_config('enable_hashjoin', 'off', false),"
        " set_config('enable_mergejoin', 'off', false),"
        " set_config('jit', 'off', false),"  # compiling takes longer than a chunk
        " set_config('work_mem', '64MB', false)"  # a chunk's arrays stay in memory
    )


def unreachable_message(dsn: str, error: Exception) -> str:
    """Return what happened and what to try, without the password."""
    return (
        f"The database does not answer: {redact(str(error), dsn).strip()}\n"
        f"Tried {describe(dsn)}. Check {DSN_ENV}, or run: backfill doctor"
    )


def describe(dsn: str) -> str:
    """Return host, port and database of a connection string: never user secrets."""
    try:
        parts = conninfo_to_dict(dsn)
    except psycopg.Error:
        return "a connection string that libpq can not read"
    if parts.get("service"):
        return f"service={parts['service']}"
    host = parts.get("host") or parts.get("hostaddr") or "the local socket"
    port = f":{parts['port']}" if parts.get("port") else ""
    return f"database {parts.get('dbname') or parts.get('user') or '(default)'} at {host}{port}"


def check_dsn(dsn: str) -> None:
    """Raise `UsageError` unless libpq can read the connection string."""
    try:
        conninfo_to_dict(dsn)
    except psycopg.Error:
        raise UsageError(
            f"{DSN_ENV} is not a connection string that libpq understands "
            "(postgresql://user@host/database, or service=NAME)."
        ) from None


def password_of(dsn: str) -> str | None:
    """Return the live password, for scanning files: never print it."""
    try:
        password = conninfo_to_dict(dsn).get("password")
    except psycopg.Error:
        password = None
    return str(password) if password else os.environ.get("PGPASSWORD") or None


def redact(text: str, dsn: str = "") -> str:
    """Return `text` with every password in it replaced."""
    text = _PASSWORD_IN_URL.sub(r"\1***@", text)
    text = _PASSWORD_IN_PAIRS.sub(r"\1***", text)
    password = password_of(dsn) if dsn else None
    return text.replace(password, "***") if password else text


def what_failed(error: psycopg.Error, step: str = "") -> str:
    """Say what became of a statement: a lock or a time limit missed is no lost database."""
    reason = (str(error).strip() or repr(error)).splitlines()[0]
    during = f" during {step}" if step else ""
    if isinstance(error, psycopg.errors.LockNotAvailable):
        return (
            f"Others held a lock for too long{during}: {reason}. Wait for them, or longer with "
            "--lock-timeout-ms N"
        )
    if isinstance(error, psycopg.errors.QueryCanceled):
        return (
            f"A statement took too long{during}: {reason}. Others may hold what it needs; wait for "
            "them, or longer with --statement-timeout-ms N"
        )
    return f"The database was lost{during}: {reason}"


def database_fingerprint(connection: Connection) -> str:
    """Return a short hash that tells this database from any other, also behind the same URL.

    Read-only. The cluster's system identifier and the database's oid and name; a restored or
    renamed copy differs. Where the identifier may not be read, the server's start is not used
    either: it would change with every restart.
    """
    row = connection.execute(
        "SELECT oid::text, datname FROM pg_database WHERE datname = current_database()"
    ).fetchone()
    parts = [system_identifier(connection), *(str(part) for part in row or ())]
    return hashlib.sha256("|".join(parts).encode()).hexdigest()[:16]


def system_identifier(connection: Connection) -> str:
    """Return the cluster's identifier, or the empty string where the role may not read it."""
    try:
        row = connection.execute(
            "SELECT system_identifier::text FROM pg_control_system()"
        ).fetchone()
    except psycopg.errors.InsufficientPrivilege:
        return ""
    return str(row[0]) if row else ""


def scalar(connection: Connection, query: LiteralString | sql.Composable, *values: Any) -> Any:
    """Return the first column of the first row, or None."""
    row = connection.execute(cast(Any, query), values or None).fetchone()
    return row[0] if row else None
