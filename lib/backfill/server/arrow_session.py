"""The other driver's sessions: rows as Arrow, in transactions that set what they rely on.

What `session` does for psycopg. The driver prepares each statement without a name, and looks at it
before it runs it: between BEGIN and COMMIT a pooler keeps all of that on one session. It reads by
COPY, except where something in between ends a session that does so.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from backfill.errors import PreflightError
from backfill.loading import unseen
from backfill.server.dsn import describe
from backfill.server.postgres import APPLICATION_NAME, connect, from_the_start, let_in, watchful
from backfill.server.session import HURRIED, OUR_PATH, Session, SessionLimits, pinned, unhurried
from backfill.server.settings_query import settings_query

_READING = {
    "application_name": APPLICATION_NAME,
    "work_mem": "64MB",  # a page's rows are found through a bitmap
}
_LIMITS = SessionLimits(statement_timeout_ms=0)
_UNQUOTED = {"quote_all_identifiers": "off"}
_A_SECOND_MS = 1_000
_AUTOCOMMIT = "adbc.connection.autocommit"
_BY_COPY = "adbc.postgresql.use_copy"


class ArrowSession:
    """A read-only connection; `cursor` works within `transaction` only."""

    def __init__(
        self, connection: Any, cursor: Any, settings: Mapping[str, str], *, copies: bool = True
    ) -> None:
        self.cursor = cursor
        if not copies:  # then an answer lies in memory whole
            cursor.adbc_statement.set_options(**{_BY_COPY: "false"})
        self._connection = connection
        self._settings = dict(settings)
        self._version: int | None = None

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Any]:
        """Yield the cursor in a transaction; `settings` and all that we rely on hold in it."""
        handle = self._connection.adbc_connection
        handle.set_options(**{_AUTOCOMMIT: "false"})  # BEGIN, as a simple message
        try:
            self._prepare()
            yield self.cursor
        finally:
            handle.set_options(**{_AUTOCOMMIT: "true"})  # COMMIT

    def set(self, settings: Mapping[str, str]) -> None:
        """Set names of ours for the rest of the transaction."""
        if settings:
            self._fetch(settings_query(settings))

    def _prepare(self) -> None:
        self.cursor.execute(
            "SET TRANSACTION ISOLATION LEVEL READ COMMITTED, READ ONLY, NOT DEFERRABLE"
        )
        self.cursor.execute(f"SET LOCAL search_path TO {OUR_PATH}")
        if self._version is None:
            # As a number: the driver may not know what text is yet.
            query = "SELECT pg_catalog.current_setting('server_version_num')::pg_catalog.int4"
            [(number,)] = self._fetch(query)
            self._version = number if isinstance(number, int) else int.from_bytes(number)
        pins = pinned(self._version, _LIMITS, {**_READING, **self._settings})
        self._fetch(settings_query({n: v for n, v in pins.items() if n != "client_encoding"}))

    def _fetch(self, query: str) -> list[tuple[Any, ...]]:
        self.cursor.execute(query)
        return list(self.cursor.fetchall())


@contextlib.contextmanager
def open_arrow(dsn: str, settings: Mapping[str, str]) -> Iterator[ArrowSession]:
    """Yield a session whose transactions have `settings` too. Raises the driver's own errors."""
    opened, copies = _connected(dsn)
    with opened as connection, connection.cursor() as cursor:
        yield ArrowSession(connection, cursor, settings, copies=copies)


def _connected(dsn: str) -> tuple[Any, bool]:
    """Return a connection whose driver knows the server's types, and that may stand idle, and
    whether COPY passes through it.

    It learns them when it connects, by the names of functions, and knows none of those that a
    role's `quote_all_identifiers` has put in quotes; and a role's time-outs may not leave it the
    time. Poolers refuse to be asked for more than they know of.
    """
    # For it `status` and `check` need not wait.
    import adbc_driver_manager

    try:
        connection = _opened(dsn)
    except adbc_driver_manager.Error as error:
        return _with_time(dsn, error), True
    try:
        needed = _needed_settings(connection)
    except adbc_driver_manager.Error as error:
        connection.close()
        if uncopied := _without_copies(dsn):
            return uncopied, False
        return _with_time(dsn, error), True
    if not needed:
        return connection, True
    try:
        again = _opened(from_the_start(dsn, needed))
    except adbc_driver_manager.Error:
        if _UNQUOTED.items() <= needed.items():
            connection.close()
            raise
        return connection, True  # a pooler: there nobody ends our sessions either
    connection.close()
    return again, True


def _opened(dsn: str) -> Any:
    with unseen("polars"):  # where it is: it has no part in a run
        import adbc_driver_postgresql.dbapi

    address = watchful(dsn)
    return let_in(lambda: adbc_driver_postgresql.dbapi.connect(address, autocommit=True))


def _without_copies(dsn: str) -> Any | None:
    """Return a connection that is good but for COPY; None where that was not what it ended of.

    The driver prepares it, and pgpool-II 4.3 ends with a session that does so.
    """
    import adbc_driver_manager

    connection = _opened(dsn)
    with contextlib.suppress(adbc_driver_manager.Error):
        if not _needed_settings(connection, copies=False):
            return connection
    connection.close()
    return None


def _with_time(dsn: str, error: Exception) -> Any:
    """Open once more, with the time that it takes; raise `error` where that makes no difference."""
    import adbc_driver_manager

    with connect(dsn, read_only=True) as session:
        version = session.info.server_version
        hurried = _time_outs(session)
    try:
        return _opened(from_the_start(dsn, {**_UNQUOTED, **unhurried(version)}))
    except adbc_driver_manager.Error:
        if not hurried:
            raise error from None
    raise PreflightError(
        f"Rows can not be read: {hurried} ends the driver's first statement, and what stands "
        f"between here and the server ({describe(dsn)}) does not let it be set aside. Give the "
        "role or database a second or more, or name the server itself in DATABASE_URL."
    ) from None


def _needed_settings(connection: Any, *, copies: bool = True) -> dict[str, str]:
    """Return what must be otherwise from the start on."""
    session = ArrowSession(connection, connection.cursor(), {}, copies=copies)
    with contextlib.closing(session.cursor), session.transaction() as cursor:
        # As numbers: the driver may not know what text is yet.
        cursor.execute("SELECT 'known'::text, current_setting('server_version_num')::int4")
        [(text, version)] = cursor.fetchall()
        if text != "known":
            return {**_UNQUOTED, **unhurried(int.from_bytes(version))}
        cursor.execute(HURRIED)
        return {name: "0" for name, _value in cursor.fetchall()}


def _time_outs(connection: Session) -> str:
    """Return the time-outs of the role's own sessions that leave no time, in words."""
    rows = connection.execute(HURRIED).fetchall()
    return " and ".join(f"{name} = {ms} ms" for name, ms in rows if int(ms) < _A_SECOND_MS)
