"""Sessions that depend on nothing that others set, and leave nothing behind for others.

Roles, databases, URLs and poolers may set what they like: each transaction of ours begins with all
that we rely on, for that transaction only. So a pooler may give every transaction to another of
its server's sessions. No statement is prepared beyond its transaction, none runs outside of one.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, LiteralString, Self

import psycopg
from psycopg import sql
from psycopg.abc import RV, PQGen
from psycopg.pq import TransactionStatus
from psycopg.rows import TupleRow
from psycopg.types.json import set_json_dumps

from backfill.rows.spelt import escaped
from backfill.server.lost_names import lost_names
from backfill.server.one_message import OneMessage, Packed, Statement, chained
from backfill.server.settings_query import settings_query
from backfill.server.standby_wait import StandbyMissing, StandbyWait

#: Where names are looked for once tables are resolved: nobody else can put a function there.
OUR_PATH = "pg_catalog, pg_temp"
CLIENT_CHECK = "client_connection_check_interval"
CLIENT_CHECK_MS = 1_000
#: Settings that came with a version of the server, by its number.
_SINCE = {CLIENT_CHECK: 140000, "idle_session_timeout": 140000, "transaction_timeout": 170000}
#: What may end a transaction of ours before the query that sets everything has been understood.
_URGENT = ("statement_timeout", "transaction_timeout")
#: What may end a session of ours before its first transaction.
_OF_SESSIONS = (*_URGENT, "idle_session_timeout", "idle_in_transaction_session_timeout")
#: Time-outs of the role's own sessions that may end one of ours before it has set its own.
HURRIED = """\
SELECT name, reset_val FROM pg_catalog.pg_settings
WHERE name IN ('statement_timeout', 'transaction_timeout', 'idle_in_transaction_session_timeout')
 AND reset_val::pg_catalog.int8 BETWEEN 1 AND 999
 OR name = 'idle_session_timeout' AND reset_val <> '0'
"""

#: How values are spelt, and what a statement of ours means: whatever role and database say.
_MEANING = {
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "client_encoding": "UTF8",
    "extra_float_digits": "1",
    "standard_conforming_strings": "on",
    "escape_string_warning": "off",
    "bytea_output": "hex",
    "quote_all_identifiers": "off",
    "array_nulls": "on",
    "transform_null_equals": "off",
    "row_security": "on",
    "xmloption": "content",
    "xmlbinary": "base64",
    "lc_monetary": "C",
    "lc_numeric": "C",
    "lc_time": "C",
    "exit_on_error": "off",
    "client_min_messages": "warning",
}


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """How long a statement of ours may wait for a lock, and run, in milliseconds; and how long a
    transaction may stand open without one (0: ever). A process that was stopped in the middle of
    a chunk must not hold its rows locked for longer than its lease lasts.
    """

    lock_timeout_ms: int = 5_000
    statement_timeout_ms: int = 60_000
    idle_in_transaction_ms: int = 0


def pinned(
    version: int, limits: SessionLimits, more: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return every setting that a transaction of ours has, on a server of that version."""
    values = {
        **_MEANING,
        "lock_timeout": str(limits.lock_timeout_ms),
        "statement_timeout": str(limits.statement_timeout_ms),
        "idle_in_transaction_session_timeout": str(limits.idle_in_transaction_ms),
        "transaction_timeout": "0",
        # Have the server end our statement when this process is gone, also while it waits for a
        # lock: else it holds its range, and waits on, for as long as its time-out lets it.
        CLIENT_CHECK: str(CLIENT_CHECK_MS),
        **(more or {}),
    }
    return {name: value for name, value in values.items() if version >= _SINCE.get(name, 0)}


def unhurried(version: int) -> dict[str, str]:
    """Return the settings with which a session of ours lives for as long as we want it."""
    return {name: "0" for name in _OF_SESSIONS if version >= _SINCE.get(name, 0)}


def _set(name: str, value: str, how: LiteralString = "") -> str:
    spelt = sql.SQL("SET {}{} TO {}").format(sql.SQL(how), sql.Identifier(name), sql.Literal(value))
    return spelt.as_string(None)


def _path_query(path: str) -> str:
    spelt = sql.Literal(path).as_string(None)
    return f"SELECT pg_catalog.set_config('search_path', {spelt}, true)"


def _spelt(query: Any, params: Any) -> Any:
    """Return a statement in whose names the driver takes no percent sign for a value's place."""
    is_searched = params is not None and isinstance(query, sql.Composable)
    return escaped(query) if is_searched else query


class SessionCursor(psycopg.Cursor[Any]):
    """A cursor whose statements each run in a transaction of ours."""

    def execute(self, query: Any, params: Any = None, **named: Any) -> Self:
        with self._in_transaction():
            try:
                return super().execute(_spelt(query, params), params, **named)
            except psycopg.errors.ProgrammingError as error:
                reads = isinstance(self.connection, Session) and self.connection.reads_on_our_path
                raise (lost_names(error) if reads else None) or error from None

    def executemany(self, query: Any, params_seq: Any, **named: Any) -> None:
        with self._in_transaction():
            super().executemany(_spelt(query, params_seq), params_seq, **named)

    @contextlib.contextmanager
    def copy(self, *args: Any, **named: Any) -> Iterator[psycopg.Copy]:
        with self._in_transaction(), super().copy(*args, **named) as copy:
            yield copy

    def _in_transaction(self) -> contextlib.AbstractContextManager[None]:
        connection = self.connection
        assert isinstance(connection, Session)
        return connection.in_transaction()


class Session(psycopg.Connection[TupleRow]):
    """A connection that sets what it relies on in each transaction; opened by `postgres.connect`.

    Like an autocommit connection otherwise: a statement on its own is a transaction of its own.
    """

    #: What each transaction begins with; and the role's own path, where its triggers are to run.
    _pins: Mapping[str, str]
    _is_read_only: bool
    triggers_path: str | None
    _own_path: str | None
    #: Does nobody else get this session of the server? Then it was set up once, for good.
    is_own: bool
    #: May the server have statements by name for one message? None: nobody has looked yet.
    lends: bool | None
    _message: OneMessage

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._pins, self._is_read_only, self.is_own, self.lends = {}, True, False, None
        self.triggers_path = self._own_path = None
        self._is_on_own_path = False
        self._message = OneMessage(self, keeps=False)
        self._standbys = StandbyWait(self)
        # Letters as they are: to jsonb of a SQL_ASCII database nobody can spell them as numbers.
        set_json_dumps(partial(json.dumps, ensure_ascii=False), self)

    def wait(self, gen: PQGen[RV], *args: Any, **named: Any) -> RV:
        return super().wait(self._standbys.watched(gen), *args, **named)

    def prepare_with(self, pins: Mapping[str, str], *, read_only: bool) -> None:
        """Say what every transaction from now on begins with."""
        self._pins, self._is_read_only = dict(pins), read_only

    def settle(self, name: str) -> None:
        """Where no pooler stands between, be seen under that name also between transactions.

        And be left alone there: a role's time-outs would end us while we compute, or begin.
        """
        row = self.execute("SELECT pg_backend_pid()").fetchone()
        assert row is not None
        if row[0] != self.info.backend_pid:  # a pooler's own number: others get this session next
            return
        # A session that is nobody else's may keep a statement that is prepared by name.
        self._message.keeps = True
        self.is_own = True
        # All of them, unasked: the view that tells which are set makes a row of every setting
        # there is, which takes the server as long as all else that we do at the start.
        settings = {"application_name": name, **unhurried(self.info.server_version)}
        self._simply("; ".join(_set(setting, value) for setting, value in settings.items()))

    def add_pins(self, pins: Mapping[str, str]) -> None:
        """Say what every transaction from now on begins with as well."""
        self._pins = {**self._pins, **pins}

    def drop_pin(self, name: str) -> None:
        """Leave a setting as it is, that this server does not have."""
        self._pins = {pin: value for pin, value in self._pins.items() if pin != name}

    def run_triggers_on_own_path(self) -> None:
        """Have triggers of the user's tables look for names where the role's own sessions do.

        Our statements are understood before that, on our path: see `own_path_for_triggers`. What
        is deferred runs at the commit.
        """
        self.triggers_path = self.own_path

    @property
    def own_path(self) -> str:
        """Where a session of this role looks for names unless told otherwise."""
        if self._own_path is None:
            row = self.execute(
                "SELECT reset_val FROM pg_catalog.pg_settings WHERE name = 'search_path'"
            ).fetchone()
            self._own_path = str(row[0]) if row else ""
        return self._own_path

    @property
    def reads_on_our_path(self) -> bool:
        """Whether what a statement calls looks for names on our path now."""
        return self.triggers_path is None and not self._is_on_own_path

    def use_own_path(self) -> None:
        """From now on in this transaction, look for names as the role's own sessions do.

        But first among the server's own, also where the role's path puts them last.
        """
        path = ", ".join(part for part in ("pg_catalog", self.own_path) if part)
        self._simply(_path_query(path))
        self._is_on_own_path = True

    def use_our_path(self) -> None:
        """From now on in this transaction, look for names where only we do."""
        self._simply(f"SET LOCAL search_path TO {OUR_PATH}")
        self._is_on_own_path = False

    def create_database(self, name: str) -> None:
        """Create a database: the one statement of ours that no transaction can hold."""
        query = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
        self._simply(query.as_string(None))

    @contextlib.contextmanager
    def transaction(  # type: ignore[override]
        self, savepoint_name: str | None = None, force_rollback: bool = False
    ) -> Iterator[None]:
        """Begin a transaction of ours; inside of one, a savepoint."""
        if self._is_idle:
            with self._outermost(force_rollback):
                yield
        else:
            with super().transaction(savepoint_name, force_rollback):
                yield

    def packed_alone(self, query: bytes, values: Sequence[Any], *, waits: bool = True) -> Packed:
        """Return a statement with `$1`, `$2`, … and the transaction of its own around it.

        Unless it `waits`, a crash may take the commit back, whole.
        """
        *first, settings = self._first_statements(
            is_read_only=self._is_read_only, waits=waits, plans_once=not self.is_own
        )
        kept = Statement(settings.encode(), is_kept=True), Statement(query, values, is_kept=True)
        statements = [*(Statement(text.encode()) for text in first), *kept, Statement(b"COMMIT")]
        return self._message.pack(statements, asked=len(first) + 1)

    def send_alone(self, *transactions: Packed, lends: bool = False) -> None:
        """Send transactions as one message; then `answer_alone` for each.

        More may be sent before. Where one fails, the server refuses those behind it; in another
        message not where it was the commit that failed. With `lends`, which is for sessions that
        others get, the server has their statements by name until the message ends.
        """
        self._message.send(chained(transactions) if lends else transactions, lends=lends)

    def answer_alone(self) -> tuple[Any, ...] | None:
        """Return the first row of what was sent first; once that failed, nothing has an answer."""
        try:
            with self._standbys.at_commit():
                return self._message.answer()
        except StandbyMissing:
            self._take_the_rest()
            raise
        finally:
            if not self._message.is_under_way:
                self._roll_back()

    def _take_the_rest(self) -> None:
        """Wait for what was sent behind; the server would go on with it, whoever has left."""
        while self._message.is_under_way:
            with contextlib.suppress(psycopg.Error), self._standbys.at_commit():
                self._message.answer()

    def in_transaction(self) -> contextlib.AbstractContextManager[None]:
        """Return the transaction that a statement runs in: the one that is open, or its own."""
        return self._outermost() if self._is_idle else contextlib.nullcontext()

    @property
    def _is_idle(self) -> bool:
        return self.pgconn.transaction_status == TransactionStatus.IDLE

    @contextlib.contextmanager
    def _outermost(self, force_rollback: bool = False) -> Iterator[None]:
        try:
            self._begin()
            yield
            if not force_rollback:
                self._commit()
        finally:  # after a commit there is nothing to roll back
            self._roll_back()

    def _begin(self) -> None:
        """Begin, and set everything, in one message to the server."""
        self._is_on_own_path = False
        try:
            self._simply(self._beginning(is_read_only=self._is_read_only))
        except psycopg.errors.FeatureNotSupported:
            # A standby begins no transaction that may write; one that reads tells the rest.
            self._roll_back()
            self._simply(self._beginning(is_read_only=True))

    def _beginning(self, *, is_read_only: bool) -> str:
        return "; ".join(self._first_statements(is_read_only=is_read_only))

    def _first_statements(
        self, *, is_read_only: bool, waits: bool = True, plans_once: bool = False
    ) -> list[str]:
        level = (self.isolation_level or psycopg.IsolationLevel.READ_COMMITTED).name
        urgent = () if self.is_own else [name for name in _URGENT if name in self._pins]
        return [
            f"BEGIN ISOLATION LEVEL {level.replace('_', ' ')}"
            f" READ {'ONLY' if is_read_only else 'WRITE'} NOT DEFERRABLE",
            *(_set(name, self._pins[name], "LOCAL ") for name in urgent),
            self._settings(waits=waits, plans_once=plans_once),
        ]

    def _settings(self, *, waits: bool, plans_once: bool) -> str:
        values = {"search_path": OUR_PATH, **self._pins}
        if plans_once:  # left to itself the server plans a statement five times before it may
            values["plan_cache_mode"] = "force_generic_plan"
        return settings_query(values, waits=waits)

    def _commit(self) -> None:
        end = "COMMIT"
        is_failed = self.pgconn.transaction_status == TransactionStatus.INERROR
        if self.triggers_path is not None and not is_failed:
            end = f"{_path_query(self.triggers_path)}; COMMIT"
        with self._standbys.at_commit():
            self._simply(end)

    def _roll_back(self) -> None:
        """Leave no transaction open; a connection that will not listen is given up."""
        status = self.pgconn.transaction_status
        if status == TransactionStatus.ACTIVE:
            self.close()
        elif self._message.has_lent:
            with contextlib.suppress(psycopg.Error):
                self._message.roll_back()
        elif status in (TransactionStatus.INTRANS, TransactionStatus.INERROR):
            with contextlib.suppress(psycopg.Error):
                self._simply("ROLLBACK")

    def _simply(self, statements: str) -> None:
        """Run statements without parameters in one message."""
        psycopg.Cursor(self).execute(statements.encode())


@contextlib.contextmanager
def on_own_path(connection: psycopg.Connection[TupleRow]) -> Iterator[None]:
    """Look for names as the role's own sessions do, within a transaction that is open.

    For what the user wrote, and for rows whose triggers may name tables without their schema.
    The server's own functions come first all the same.
    """
    if not isinstance(connection, Session):
        yield
        return
    connection.use_own_path()
    yield
    connection.use_our_path()
