"""Connections to PostgreSQL: settings of a session, fingerprint of a database, safe messages."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import time
from collections.abc import Callable, Mapping
from typing import Any, LiteralString, TypeVar, cast

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import TupleRow

from backfill.display.counting import counted
from backfill.errors import DatabaseUnreachable, NoConnectionLeft, PreflightError, first_line
from backfill.next_command import next_command
from backfill.server.dsn import DSN_ENV, describe, redact
from backfill.server.session import (
    CLIENT_CHECK,
    Session,
    SessionCursor,
    SessionLimits,
    pinned,
    unhurried,
)
from backfill.server.standby_wait import StandbyMissing

Connection = psycopg.Connection[TupleRow]
T = TypeVar("T")

APPLICATION_NAME = "backfill-workbook"
CONNECT_TIMEOUT_SECONDS = 10
#: What a server says that is away, or here but not, or not yet, the one that writes.
AWAY = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    psycopg.errors.ReadOnlySqlTransaction,
)
ONLY_READS = "This server only reads now, as a standby does"
NAME_THE_PRIMARY = (
    f"Name the server that writes in {DSN_ENV}; of several hosts in one URL, "
    "target_session_attrs=read-write finds it"
)
_WATCHFULNESS: dict[str, Any] = {
    "connect_timeout": CONNECT_TIMEOUT_SECONDS,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,  # milliseconds
}
MINIMUM_SERVER_VERSION = 130000
#: How long one of our sessions that was closed may take to leave.
LEAVING_SECONDS = 1.0
_LOOK_AGAIN_SECONDS = 0.1
_IS_FULL = re.compile(
    "too many (connections for|clients already)|remaining connection slots|no more connections"
)
#: A severity, in the server's language: the server, or a pooler, has answered. Or it asked for a
#: password that nobody has given.
_LETS_NOBODY_IN = re.compile(
    r"failed: \w+:  |fe_sendauth|does not support SSL|is (?:not )?(?:read-only|in hot standby)"
)
#: Classes of errors of a server that is there: no room, a limit, its own files.
_OF_ROOM_AND_LIMITS = ("53", "54", "58")
#: What mends them, by SQLSTATE, where the server has no hint of its own.
_MENDS = {
    "53100": "Free some room on the server's disk",
    "53200": "Let the server have more memory, or say fewer --workers",
    "53400": "What is sorted in memory needs no such file: ALTER ROLE … SET work_mem = '256MB'; or "
    "raise it, as a superuser: ALTER ROLE … SET temp_file_limit = '20GB'",
}
#: What became of a statement that met such an error, and what to do about it.
_FAILED: Mapping[type[psycopg.Error], tuple[str, str]] = {
    psycopg.errors.LockNotAvailable: (
        "Others held a lock for too long",
        "Wait for them, or longer with --lock-timeout-ms N",
    ),
    psycopg.errors.QueryCanceled: (
        "A statement took too long",
        "Others may hold what it needs; wait for them, or longer with --statement-timeout-ms N",
    ),
    psycopg.errors.ReadOnlySqlTransaction: (ONLY_READS, NAME_THE_PRIMARY),
    StandbyMissing: ("The database was waited for in vain", ""),
    psycopg.errors.CharacterNotInRepertoire: (
        "Some text of the database is not UTF-8",
        "A database in SQL_ASCII takes any bytes; mend the text of these rows, then try again",
    ),
}
_BY_KEY = {
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_nestloop": "on",
    "enable_indexscan": "on",
    "enable_bitmapscan": "on",
    "jit": "off",  # compiling takes longer than a chunk
    "work_mem": "64MB",  # a chunk's arrays stay in memory
}


def connect(dsn: str, *, read_only: bool = False, limits: SessionLimits | None = None) -> Session:
    """Return a connection whose every transaction has our settings: see `session`.

    Raises `DatabaseUnreachable` with a message that shows no password.
    """
    try:
        opened = let_in(lambda: _opened(dsn))
    except psycopg.Error as error:
        raise unreachable(dsn, error) from None
    try:
        return _made_ready(opened, dsn, read_only, limits)
    except psycopg.Error as error:
        version = _version_of(opened)
        opened.close()
        return _with_time(dsn, read_only, limits, version, error)


def let_in(opens: Callable[[], T]) -> T:
    """Open a session; where no further one may be, wait a little for one that is just leaving.

    The server counts a session that was closed until its process has ended.
    """
    end = time.monotonic() + LEAVING_SECONDS
    while True:
        try:
            return opens()
        except Exception as error:  # psycopg's, or the other driver's
            if not is_full(error) or time.monotonic() >= end:
                raise
        time.sleep(_LOOK_AGAIN_SECONDS)


def _opened(dsn: str) -> Session:
    return Session.connect(
        dsn,
        autocommit=True,
        # Poolers hand the next transaction to another session, which has not prepared it.
        prepare_threshold=None,
        cursor_factory=SessionCursor,
        **_sent_at_the_start(dsn),
    )


def _made_ready(
    connection: Session, dsn: str, read_only: bool, limits: SessionLimits | None
) -> Session:
    version = _version_of(connection)
    if version < MINIMUM_SERVER_VERSION:
        connection.close()
        raise PreflightError(
            f"The server runs PostgreSQL {version // 10000}; "
            "13 is the oldest that works. Point DATABASE_URL at a newer server."
        )
    pins = pinned(version, limits or SessionLimits(), {"application_name": APPLICATION_NAME})
    connection.prepare_with(pins, read_only=read_only)
    _try_out(connection, dsn)
    return connection


def _with_time(
    dsn: str, read_only: bool, limits: SessionLimits | None, version: int, error: psycopg.Error
) -> Session:
    """Open once more, by ourselves from the start on: a role's time-out may end any first word.

    Poolers refuse to be told so; then what happened first is said.
    """
    try:
        connection = _opened(from_the_start(dsn, unhurried(version)))
    except psycopg.Error:
        raise unreachable(dsn, error) from None
    try:
        return _made_ready(connection, dsn, read_only, limits)
    except psycopg.Error as again:
        connection.close()
        raise unreachable(dsn, again) from None


def _version_of(connection: Session) -> int:
    """Return the server's version, also when it has ended the connection by now."""
    major = (connection.pgconn.parameter_status(b"server_version") or b"").split(b".")[0]
    return connection.pgconn.server_version or (int(major) * 10_000 if major.isdigit() else 0)


def from_the_start(dsn: str, settings: Mapping[str, str]) -> str:
    """Return the connection string of sessions that begin with these settings as well."""
    given = str(conninfo_to_dict(dsn).get("options") or os.environ.get("PGOPTIONS", ""))
    ours = (f"-c {name}={value}" for name, value in settings.items())
    return make_conninfo(dsn, options=" ".join([given, *ours]).strip())


def _try_out(connection: Session, dsn: str) -> None:
    """Begin a first transaction: whatever does not work here works nowhere.

    Raises `PreflightError` where transactions can not be had.
    """
    try:
        connection.settle(APPLICATION_NAME)
    except psycopg.errors.InvalidParameterValue:
        # Some servers' systems can not look for their clients: then nobody does.
        connection.drop_pin(CLIENT_CHECK)
        connection.settle(APPLICATION_NAME)
    except psycopg.errors.ProtocolViolation:  # what PgBouncer calls whatever it does not allow
        if not _answers_single_statements(dsn):
            raise
        connection.close()
        raise PreflightError(
            f"{describe(dsn)} is a pooler in statement mode, which allows no transactions: rows, "
            "their images and the checkpoint could not be written together. Use its session or "
            f"transaction mode (pool_mode), or name the server itself in {DSN_ENV}."
        ) from None


def _answers_single_statements(dsn: str) -> bool:
    try:
        with contextlib.closing(psycopg.connect(dsn, autocommit=True, **_watchfulness(dsn))) as c:
            c.execute("SELECT 1", prepare=False)
    except psycopg.Error:
        return False
    return True


def watchful(dsn: str) -> str:
    """Return the connection string with what `connect` adds, for other users of libpq."""
    return make_conninfo(dsn, **_sent_at_the_start(dsn))


def _sent_at_the_start(dsn: str) -> dict[str, Any]:
    """Return what a session of ours says of itself when it begins: what every pooler lets pass."""
    return {**_watchfulness(dsn), "client_encoding": "UTF8"}


def _watchfulness(dsn: str) -> dict[str, Any]:
    """Return what lets libpq notice a network that swallows packets, unless the URL says more.

    Without it a lost connection is noticed after a quarter of an hour, or never.
    """
    named = conninfo_to_dict(dsn)
    return {name: value for name, value in _WATCHFULNESS.items() if name not in named}


def find_rows_by_key(connection: Connection) -> None:
    """Have the planner of this session use the key's index, whatever it believes of a chunk.

    Comparing with before-images, it expects to find one row, and then may walk the whole table
    for each row of the chunk: measured 5.5 s instead of 8 ms for 500 of 70,000 rows.
    """
    if isinstance(connection, Session):
        connection.add_pins(_BY_KEY)
        return
    # A connection that others opened: never go on without, it would be a thousand times slower.
    for name, value in _BY_KEY.items():
        connection.execute("SELECT pg_catalog.set_config(%s, %s, false)", [name, value])


def is_full(error: Exception) -> bool:
    """Whether a limit on connections kept us out: the server's, a database's, a role's, a pooler's.

    By its words, since libpq tells no SQLSTATE of a connection that was not let in; in another
    language than English it is one more server that does not answer.
    """
    return _IS_FULL.search(str(error)) is not None


def unreachable(dsn: str, error: Exception) -> DatabaseUnreachable:
    """Return what happened and what to try, without the password."""
    said = redact(str(error), dsn).strip()
    if is_full(error):
        return NoConnectionLeft(
            f"No further connection to {describe(dsn)} may be had: {said.splitlines()[-1]}\n"
            "Others hold those that there are, or a limit is too low. Mend: end sessions that "
            "nobody needs, or raise the limit: ALTER ROLE … CONNECTION LIMIT N; ALTER DATABASE … "
            "CONNECTION LIMIT N; the server's max_connections, or the pooler's. Then run the same "
            "command again."
        )
    if _LETS_NOBODY_IN.search(said):
        what = "The server answers, and does not let this session in"
    else:
        what = "The database does not answer"
    return DatabaseUnreachable(
        f"{what}: {said}\nTried {describe(dsn)}. Check {DSN_ENV}, or run: {next_command('doctor')}"
    )


def check_limit(connection: Connection, needed: int, mend: str = "") -> None:
    """Raise `PreflightError` where role or database may not have so many connections at once.

    `mend` is what to do instead, a whole sentence. Read-only.
    """
    limits = connection.execute(
        "SELECT what, name, most FROM (SELECT 'ROLE', rolname, rolconnlimit FROM pg_roles"
        " WHERE rolname = session_user UNION ALL SELECT 'DATABASE', datname, datconnlimit"
        " FROM pg_database WHERE datname = current_database()) AS l(what, name, most)"
        " WHERE most BETWEEN 0 AND %s AND NOT EXISTS (SELECT FROM pg_roles"
        "  WHERE rolname = session_user AND rolsuper) ORDER BY most LIMIT 1",
        [needed - 1],
    ).fetchone()
    if limits is None:
        return
    what, name, most = limits
    spelt = sql.Identifier(name).as_string(None)
    raise PreflightError(
        f"{what.capitalize()} {name} may have {counted(most, 'connection')} at once, and this "
        f"needs {needed}: one for each writer, one that watches who waits for their locks, one for "
        "--wal-budget where that is given. "
        f"Mend, as its owner: ALTER {what} {spelt} CONNECTION LIMIT {needed};{mend and ' ' + mend}"
    )


def what_failed(error: psycopg.Error, step: str = "") -> str:
    """Say what became of a statement: a lock or a time limit missed is no lost database."""
    what, mend = next(
        (said for kind, said in _FAILED.items() if isinstance(error, kind)),
        ("The database was lost", ""),
    )
    if (error.sqlstate or "").startswith(_OF_ROOM_AND_LIMITS):
        what = "The server could not go on"
        mend = mend_of_limit(error.sqlstate or "", error.diag.message_hint)
    during = f" during {step}" if step else ""
    if isinstance(error, psycopg.errors.ReadOnlySqlTransaction):
        return f"{what}{during}. {mend}"
    return f"{what}{during}: {first_line(error)}{mend and '. '}{mend}"


def mend_of_limit(sqlstate: str, hint: str | None = None) -> str:
    """Return what mends a lack of room or a limit that is reached: the server's own hint, or ours.

    Without a full stop; empty for any other error.
    """
    return (hint or _MENDS.get(sqlstate, "")).rstrip(".")


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
