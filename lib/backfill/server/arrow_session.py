"""The other driver's sessions: rows as Arrow, in transactions that set what they rely on.

What `session` does for psycopg. The driver prepares each statement without a name, and looks at it
before it runs it: between BEGIN and COMMIT a pooler keeps all of that on one session.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from typing import Any

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from backfill.server.postgres import APPLICATION_NAME, watchful
from backfill.server.session import OUR_PATH, SessionLimits, pinned, settings_query

_READING = {
    "application_name": APPLICATION_NAME,
    "work_mem": "64MB",  # a page's rows are found through a bitmap
}
_LIMITS = SessionLimits(statement_timeout_ms=0)
_UNQUOTED = "quote_all_identifiers=off"
_AUTOCOMMIT = "adbc.connection.autocommit"


class ArrowSession:
    """A read-only connection; `cursor` works within `transaction` only."""

    def __init__(self, connection: Any, cursor: Any, settings: Mapping[str, str]) -> None:
        self.cursor = cursor
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
    with _connected(dsn) as connection, connection.cursor() as cursor:
        yield ArrowSession(connection, cursor, settings)


def _connected(dsn: str) -> Any:
    """Return a connection whose driver knows the server's types, and that may stand idle.

    It learns them when it connects, by the names of functions, and knows none of those that a
    role's `quote_all_identifiers` has put in quotes. Poolers refuse to be asked for more than they
    know of; but then nobody ends our sessions either.
    """
    # It imports pandas, for which `status` and `check` need not wait.
    import adbc_driver_manager
    import adbc_driver_postgresql.dbapi

    connection = adbc_driver_postgresql.dbapi.connect(watchful(dsn), autocommit=True)
    needed = _needed_options(connection)
    if not needed:
        return connection
    given = str(conninfo_to_dict(dsn).get("options") or os.environ.get("PGOPTIONS", ""))
    options = " ".join([given, *(f"-c {option}" for option in needed)])
    try:
        again = adbc_driver_postgresql.dbapi.connect(
            make_conninfo(watchful(dsn), options=options), autocommit=True
        )
    except adbc_driver_manager.Error:
        if _UNQUOTED in needed:
            connection.close()
            raise
        return connection
    connection.close()
    return again


def _needed_options(connection: Any) -> list[str]:
    """Return what must be otherwise from the start on."""
    session = ArrowSession(connection, connection.cursor(), {})
    with contextlib.closing(session.cursor), session.transaction() as cursor:
        cursor.execute(
            "SELECT 'known'::text, coalesce(current_setting('idle_session_timeout', true), '0')"
        )
        [(known, idle)] = cursor.fetchall()
    needed = [] if known == "known" else [_UNQUOTED]
    return needed if idle in ("0", b"0") else [*needed, "idle_session_timeout=0"]
