"""A throw-away server, a template of pending events for each size, and fresh copies of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from backfill.server.embedded import EmbeddedServer
from backfill_lab.demo.events import load_events

Connection = psycopg.Connection[tuple[Any, ...]]
NAME = "bench"
#: What somebody with ten million rows gives a server; with the demo's 64 MB and 512 MB a table that
#: large is read from the disk again and again, and written whole after each of many checkpoints.
SETTINGS = {"shared_buffers": "2GB", "max_wal_size": "12GB", "checkpoint_timeout": "30min"}

#: Keys, zones and times as the demo has them, made by the server: ten million in a minute or two.
#: Keys are hashes: the order of the table has nothing to do with the order of the key.
_EVENTS = """
INSERT INTO events (id, household_id, title, start_at, end_at, tz, rrule, created_at, updated_at)
SELECT 'evt-' || left(hash, 16), CASE WHEN zone IS NULL THEN 'hh_demo' ELSE household END,
    (ARRAY['Invented visit', 'Invented call', 'Invented meal'])[1 + number % 3], start_at,
    start_at + 900000 * (1 + number % 24), zone, CASE WHEN number % 9 = 0 THEN 'FREQ=WEEKLY' END,
    start_at - 86400000, start_at - 3600000
FROM (
    SELECT number, hash,
        1420070400000 + 900000 * (abs(hashint8extended(number, 1)) % 490000) AS start_at,
        (ARRAY['Europe/Stockholm', 'America/New_York', 'Asia/Kathmandu', 'Australia/Lord_Howe',
               'America/Sao_Paulo', 'Europe/London', 'Asia/Tokyo', NULL])[1 + number % 8] AS zone,
        (SELECT array_agg(id ORDER BY id) FROM household)[1 + number % 3] AS household
    FROM (SELECT number, md5(number::text) AS hash
          FROM generate_series(1, {rows}) AS numbers(number)) AS hashed
) AS invented
"""


@dataclass
class Server:
    """Databases to measure on: every contender gets a fresh copy of the same template."""

    home: Path
    _made: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._embedded = EmbeddedServer(self.home, settings=SETTINGS)
        self._embedded.start()
        self._admin = psycopg.connect(self._embedded.dsn_of("postgres"), autocommit=True)

    def dsn_of(self, name: str) -> str:
        return self._embedded.dsn_of(name)

    def template(self, rows: int) -> str:
        """Return the name of the database of `rows` pending events; it is made once."""
        if rows not in self._made:
            name = f"template_{rows}"
            self._admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
            with psycopg.connect(self.dsn_of(name), autocommit=True) as connection:
                _load(connection, rows)
            self._made[rows] = name
        return self._made[rows]

    def fresh(self, rows: int) -> str:
        """Return the DSN of a fresh copy, with its pages read once and nothing left to flush."""
        template = self.template(rows)
        name = sql.Identifier(NAME)
        self._admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))
        self._admin.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(name, sql.Identifier(template))
        )
        self._admin.execute("CHECKPOINT")
        with psycopg.connect(self.dsn_of(NAME), autocommit=True) as connection:
            connection.execute("SELECT count(*) FROM events WHERE title <> ''")
        return self.dsn_of(NAME)

    def close(self) -> None:
        self._admin.close()
        self._embedded.stop()


def _load(connection: Connection, rows: int) -> None:
    """Fill the demo's tables with pending events only."""
    load_events(connection, rows=0)
    connection.execute("UPDATE household SET tz = 'Europe/Stockholm'")
    connection.execute(sql.SQL(_EVENTS).format(rows=sql.Literal(rows)))
    connection.execute("VACUUM (ANALYZE) events")


def wal_bytes(connection: Connection) -> int:
    """Return how far the server's log has come, in bytes."""
    row = connection.execute(
        "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')"
    ).fetchone()
    return int(row[0]) if row else 0
