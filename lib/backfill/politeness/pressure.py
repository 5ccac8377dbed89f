"""What PostgreSQL tells of its load, one signal a function. Read-only, on any version from 13 on.

Each returns readings, or raises `Unreadable` that says what is missing. A role that may not see
other sessions gets NULLs from the server: that is not "nothing there".
"""

from __future__ import annotations

import datetime as dt
import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import psycopg

from backfill.politeness.throttle import Reading, Signal, Throttle
from backfill.politeness.window import Window
from backfill.server.postgres import APPLICATION_NAME, Connection, scalar
from backfill.server.session import on_own_path

#: The WAL rate is the mean over this time.
RATE_SECONDS = 5.0
_MAY_SEE = "this role may not see other sessions. Mend: GRANT pg_read_all_stats TO CURRENT_USER;"

Reader = Callable[[Connection], list[Reading]]


class Unreadable(Exception):
    """A signal that can not be read now; the text says why, and what mends it."""


def lock_waiters(connection: Connection) -> list[Reading]:
    """Count sessions of others that wait for a lock which one of our sessions holds.

    By `pg_locks`, which every role sees in full; our own sessions may wait for one another.
    """
    count = scalar(
        connection,
        "SELECT count(DISTINCT w.pid) FROM pg_locks AS w"
        " JOIN pg_stat_activity AS a ON a.pid = w.pid"
        " WHERE NOT w.granted AND a.application_name <> %s AND EXISTS (SELECT"
        "  FROM unnest(pg_blocking_pids(w.pid)) AS b(pid)"
        "  JOIN pg_stat_activity AS o ON o.pid = b.pid"
        "  WHERE o.application_name = %s AND o.datname = current_database())",
        APPLICATION_NAME,
        APPLICATION_NAME,
    )
    return [Reading(Signal.LOCK_WAITERS, float(count))]


def replay_lag(required: Sequence[str]) -> Reader:
    """Return a reader of the furthest lag, in time and in bytes, of all replaying standbys.

    Standbys are known by their `application_name`. One that still catches up has no lag that can
    be told in time: it counts as infinite. One that has replayed all has none.
    """

    def read(connection: Connection) -> list[Reading]:
        rows = connection.execute(
            "SELECT application_name, state, extract(epoch FROM replay_lag)::float8,"
            " pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)::float8"
            " FROM pg_stat_replication WHERE state IS DISTINCT FROM 'backup'"
        ).fetchall()
        if any(state is None for _name, state, _seconds, _bytes in rows):
            raise Unreadable(_MAY_SEE)
        lags = [_Lag(str(name), *rest) for name, *rest in rows if rest[2] is not None]
        names = {lag.standby for lag in lags}
        missing = [name for name in required if name not in names]
        if missing:
            raise Unreadable(
                f"no standby {', '.join(missing)} replays from this server "
                f"(there are: {', '.join(sorted(names)) or 'none'})"
            )
        slowest = max(lags, key=lambda lag: lag.seconds, default=_NO_LAG)
        furthest = max(lags, key=lambda lag: lag.behind, default=_NO_LAG)
        return [
            Reading(Signal.REPLAY_LAG, slowest.seconds, slowest.standby),
            Reading(Signal.REPLAY_BYTES, max(furthest.behind, 0.0), furthest.standby),
        ]

    return read


@dataclass(frozen=True, slots=True)
class _Lag:
    """A row of `pg_stat_replication`; several standbys may have one name."""

    standby: str
    state: str
    replay_seconds: float | None
    behind: float  # bytes

    @property
    def seconds(self) -> float:
        if self.behind <= 0:
            return 0.0
        if self.replay_seconds is None:
            return 0.0 if self.state == "streaming" else math.inf
        return self.replay_seconds


_NO_LAG = _Lag("", "streaming", None, 0.0)


def transaction_age(connection: Connection) -> list[Reading]:
    """Find the oldest transaction of others in this database, prepared ones included."""
    row = connection.execute(
        "SELECT coalesce(bool_or(backend_type IS NULL), false) FROM pg_stat_activity"
        " WHERE datname = current_database()"
    ).fetchone()
    if row and row[0]:
        raise Unreadable(_MAY_SEE)
    found = connection.execute(
        "SELECT extract(epoch FROM clock_timestamp() - began)::float8, who FROM ("
        "  SELECT xact_start, format('process %%s, %%s, %%s', pid,"
        "   coalesce(nullif(application_name, ''), usename), state) FROM pg_stat_activity"
        "   WHERE datname = current_database() AND application_name <> %s"
        "   AND backend_type NOT LIKE 'autovacuum%%' AND xact_start IS NOT NULL"
        "  UNION ALL SELECT prepared, 'prepared transaction ' || gid FROM pg_prepared_xacts"
        "   WHERE database = current_database()) AS t(began, who) ORDER BY began LIMIT 1",
        [APPLICATION_NAME],
    ).fetchone()
    if found is None:
        return [Reading(Signal.TRANSACTION_AGE, 0.0)]
    return [Reading(Signal.TRANSACTION_AGE, float(found[0]), str(found[1]))]


def wal_rate() -> Reader:
    """Return a reader of the bytes of WAL that the server writes a second, whoever causes them."""
    seen: deque[tuple[float, float]] = deque()

    def read(connection: Connection) -> list[Reading]:
        row = connection.execute(
            "SELECT extract(epoch FROM clock_timestamp())::float8,"
            " pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::float8"
        ).fetchone()
        assert row is not None
        seen.append((float(row[0]), float(row[1])))
        while len(seen) > 2 and seen[-1][0] - seen[1][0] >= RATE_SECONDS:
            seen.popleft()
        (began, first), (ended, last) = seen[0], seen[-1]
        return [Reading(Signal.WAL_RATE, (last - first) / max(ended - began, 0.001))]

    return read


def connections(connection: Connection) -> list[Reading]:
    """Count the sessions on all databases of the server, also as a share of its maximum."""
    row = connection.execute(
        "SELECT count(datid)::float8, current_setting('max_connections')::float8"
        " FROM pg_stat_activity"
    ).fetchone()
    assert row is not None
    return [
        Reading(Signal.CONNECTIONS, row[0]),
        Reading(Signal.CONNECTIONS_SHARE, round(100 * row[0] / row[1], 1)),
    ]


def vacuum_of(tables: Sequence[str]) -> Reader:
    """Return a reader of the vacuums, automatic or not, on the tables or their partitions.

    `tables` are spelt `schema.name`, as a run's scope has them.
    """

    def read(connection: Connection) -> list[Reading]:
        rows = connection.execute(
            "SELECT v.relid::regclass::text, v.relid IS NULL FROM pg_stat_progress_vacuum AS v"
            " WHERE v.datname = current_database() AND (v.relid IS NULL OR EXISTS (SELECT"
            "  FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace"
            "  WHERE n.nspname || '.' || c.relname = ANY (%s) AND (c.oid = v.relid"
            "   OR c.oid IN (SELECT relid FROM pg_partition_ancestors(v.relid)))))",
            [list(tables)],
        ).fetchall()
        if any(is_hidden for _name, is_hidden in rows):
            raise Unreadable(_MAY_SEE)
        return [Reading(Signal.VACUUM, float(len(rows)), ", ".join(str(row[0]) for row in rows))]

    return read


def go_when(query: str) -> Reader:
    """Return a reader of the user's own query: one boolean, true while the run may write.

    It runs alone in a read-only transaction that is rolled back. What it says in an error is
    shown, the query is not: it may hold what is nobody's business.
    """

    def read(connection: Connection) -> list[Reading]:
        with connection.transaction(force_rollback=True):
            connection.execute("SET TRANSACTION READ ONLY")
            with on_own_path(connection):
                cur = connection.execute(cast(Any, query), binary=True)  # one statement, no more
            rows = cur.fetchmany(2) if cur.description else []
        if len(rows) != 1 or len(rows[0]) != 1 or not isinstance(rows[0][0], bool | None):
            raise Unreadable("--go-when must return one row with one boolean")
        return [Reading(Signal.GO_WHEN, 0.0 if rows[0][0] else 1.0)]

    return read


def window_of(window: Window | None) -> Reader:
    """Return a reader of whether the window is closed, by the database's clock."""

    def read(connection: Connection) -> list[Reading]:
        now: dt.datetime = scalar(connection, "SELECT clock_timestamp()")
        is_open = window is None or window.is_open(now)
        return [Reading(Signal.WINDOW, 0.0 if is_open else 1.0, str(window))]

    return read


@dataclass(frozen=True, slots=True)
class Source:
    """A reader, and the signals that are unknown while it fails."""

    signals: tuple[Signal, ...]
    read: Reader


def sources_of(throttle: Throttle, tables: Sequence[str]) -> list[Source]:
    """Return what must be read so that every signal with a limit is known."""
    known: list[tuple[tuple[Signal, ...], Callable[[], Reader]]] = [
        ((Signal.LOCK_WAITERS,), lambda: lock_waiters),
        ((Signal.REPLAY_LAG, Signal.REPLAY_BYTES), lambda: replay_lag(throttle.standbys)),
        ((Signal.TRANSACTION_AGE,), lambda: transaction_age),
        ((Signal.WAL_RATE,), wal_rate),
        ((Signal.CONNECTIONS, Signal.CONNECTIONS_SHARE), lambda: connections),
        ((Signal.VACUUM,), lambda: vacuum_of(tables)),
        ((Signal.GO_WHEN,), lambda: go_when(throttle.go_when)),
        ((Signal.WINDOW,), lambda: window_of(throttle.window)),
    ]
    return [
        Source(signals, make())
        for signals, make in known
        if any(signal in throttle.limits for signal in signals)
    ]


def explain_failure(error: Exception) -> str:
    """Return one line that tells a person why a signal could not be read."""
    if isinstance(error, psycopg.Error) and error.diag.message_primary:
        return error.diag.message_primary
    return (str(error).strip() or type(error).__name__).splitlines()[0]
