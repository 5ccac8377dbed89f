"""What PostgreSQL tells of its load, as rows of data: unit, sentence, name and query of a signal.

Each query is read-only, for any version from 13 on, and returns one row: the value (0 where there
is nothing), whose value it is, and, in place of NULL, why it can not be known. A role that may
not see other sessions gets NULLs from the server: that is not "nothing there".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import LiteralString

from backfill.politeness.quantity import Unit


class Signal(StrEnum):
    """What is watched. The values stand in `backfill.run.paused_ms` and in events."""

    LOCK_WAITERS = "lock_waiters"
    REPLAY_LAG = "replay_lag"
    REPLAY_BYTES = "replay_bytes"
    TRANSACTION_AGE = "transaction_age"
    WAL_RATE = "wal_rate"
    CONNECTIONS = "connections"
    CONNECTIONS_SHARE = "connections_share"
    VACUUM = "vacuum"
    GO_WHEN = "go_when"
    WINDOW = "window"
    WAL_BUDGET = "wal_budget"


@dataclass(frozen=True, slots=True)
class About:
    """What there is to know of a signal.

    `unit` is that of its readings and limits; `sentence` tells a person of a reading above its
    limit, with {value}, {limit} and {detail}; `name` stands in `--wait-while` and `--critical`, in
    `--max-NAME` where that is a parameter, and may limit several that tell the same in different
    units. `query` may use %(ours)s, what our sessions are called, %(tables)s, each `schema.name`,
    and %(standbys)s; the value of a counter only grows, its reading is the growth a second.
    """

    unit: Unit
    sentence: str
    name: str = ""
    query: LiteralString = ""
    is_counter: bool = False


_MAY_SEE: LiteralString = (
    "'this role may not see other sessions. Mend: GRANT pg_read_all_stats TO '"
    " || quote_ident(current_user) || ';'"
)
# By pg_locks, which every role sees in full; our own sessions may wait for one another.
_LOCK_WAITERS: LiteralString = """
    SELECT count(DISTINCT w.pid)::float8, '', NULL
    FROM pg_locks AS w JOIN pg_stat_activity AS a ON a.pid = w.pid
    WHERE NOT w.granted AND a.application_name <> %(ours)s AND EXISTS (
        SELECT FROM unnest(pg_blocking_pids(w.pid)) AS b(pid)
        JOIN pg_stat_activity AS o ON o.pid = b.pid
        WHERE o.application_name = %(ours)s AND o.datname = current_database())"""
_STANDBYS: LiteralString = """
    WITH standby AS (
        SELECT application_name AS name, state, extract(epoch FROM replay_lag)::float8 AS seconds,
            pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)::float8 AS behind
        FROM pg_stat_replication WHERE state IS DISTINCT FROM 'backup'),
    """
# One that still catches up has no lag that can be told in time, one that has replayed all has none.
_SECONDS: LiteralString = """lags AS (
        SELECT name, CASE WHEN behind <= 0 THEN 0 WHEN seconds IS NOT NULL THEN seconds
            WHEN state = 'streaming' THEN 0 ELSE 'Infinity' END AS lag
        FROM standby WHERE behind IS NOT NULL)"""
_BYTES: LiteralString = """lags AS (
        SELECT name, greatest(behind, 0) AS lag FROM standby WHERE behind IS NOT NULL)"""
# Several standbys may have one name.
_FURTHEST: LiteralString = (
    """
    SELECT coalesce(max(lag), 0), (array_agg(name ORDER BY lag DESC))[1],
        CASE WHEN EXISTS (SELECT FROM standby WHERE state IS NULL) THEN """
    + _MAY_SEE
    + """ ELSE (
            SELECT format('no standby %%s replays from this server (there are: %%s)',
                string_agg(r.name, ', ' ORDER BY at),
                coalesce((SELECT string_agg(DISTINCT name, ', ') FROM lags), 'none'))
            FROM unnest(%(standbys)s::text[]) WITH ORDINALITY AS r(name, at)
            WHERE r.name NOT IN (SELECT name FROM lags) HAVING count(*) > 0) END
    FROM lags"""
)
_TRANSACTION_AGE: LiteralString = (
    """
    SELECT coalesce(extract(epoch FROM clock_timestamp() - min(began))::float8, 0),
        (array_agg(who ORDER BY began))[1], CASE WHEN bool_or(is_hidden) THEN """
    + _MAY_SEE
    + """ END
    FROM (
        SELECT xact_start, format('process %%s, %%s, %%s', pid,
            coalesce(nullif(application_name, ''), usename), state), backend_type IS NULL
        FROM pg_stat_activity
        WHERE datname = current_database() AND application_name IS DISTINCT FROM %(ours)s
            AND backend_type IS DISTINCT FROM 'autovacuum worker'
            AND (xact_start IS NOT NULL OR backend_type IS NULL)
        UNION ALL
        SELECT prepared, 'prepared transaction ' || gid, false
        FROM pg_prepared_xacts WHERE database = current_database()) AS t(began, who, is_hidden)"""
)
_VACUUM: LiteralString = (
    """
    SELECT count(*)::float8, string_agg(v.relid::regclass::text, ', '),
        CASE WHEN bool_or(v.relid IS NULL) THEN """
    + _MAY_SEE
    + """ END
    FROM pg_stat_progress_vacuum AS v
    WHERE v.datname = current_database() AND (v.relid IS NULL OR EXISTS (
        SELECT FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE n.nspname || '.' || c.relname = ANY (%(tables)s) AND (c.oid = v.relid
            OR c.oid IN (SELECT relid FROM pg_partition_ancestors(v.relid)))))"""
)
_WAL: LiteralString = "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::float8, '', NULL"
_CONNECTIONS: LiteralString = "SELECT count(datid)::float8, '', NULL FROM pg_stat_activity"
_SHARE: LiteralString = (
    "SELECT round(100.0 * count(datid) / current_setting('max_connections')::int, 1)::float8,"
    " '', NULL FROM pg_stat_activity"
)
_BEHIND = "standby {detail} is {value} behind (limit {limit})"

#: A new signal is a line of `Signal` and one here.
SIGNALS: Mapping[Signal, About] = {
    Signal.LOCK_WAITERS: About(
        Unit.COUNT,
        "{value} sessions wait for a lock of ours (limit {limit})",
        "lock-waiters",
        _LOCK_WAITERS,
    ),
    Signal.REPLAY_LAG: About(Unit.SECONDS, _BEHIND, "replay-lag", _STANDBYS + _SECONDS + _FURTHEST),
    Signal.REPLAY_BYTES: About(Unit.BYTES, _BEHIND, "replay-lag", _STANDBYS + _BYTES + _FURTHEST),
    Signal.TRANSACTION_AGE: About(
        Unit.SECONDS,
        "a transaction is {value} old (limit {limit}): {detail}",
        "transaction-age",
        _TRANSACTION_AGE,
    ),
    Signal.WAL_RATE: About(
        Unit.BYTES,
        "the server writes {value} of WAL a second (limit {limit})",
        "wal-rate",
        _WAL,
        is_counter=True,
    ),
    Signal.CONNECTIONS: About(
        Unit.COUNT, "{value} connections are open (limit {limit})", "connections", _CONNECTIONS
    ),
    Signal.CONNECTIONS_SHARE: About(
        Unit.PERCENT, "{value} of all connections are open (limit {limit})", "connections", _SHARE
    ),
    Signal.VACUUM: About(Unit.COUNT, "a vacuum is at work on {detail}", query=_VACUUM),
    Signal.GO_WHEN: About(Unit.COUNT, "--go-when does not say true"),
    Signal.WINDOW: About(Unit.COUNT, "outside the window {detail}"),
    Signal.WAL_BUDGET: About(
        Unit.SECONDS, "the WAL budget of {detail} a second is spent for {value}"
    ),
}
