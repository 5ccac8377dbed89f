"""Fill a database with the invented demo, and take it out again."""

from __future__ import annotations

from collections.abc import Callable

from backfill.server.postgres import Connection, scalar
from backfill_lab.demo.events import Encoding, drop_events, load_events

SEEDED = "Seeded the demo: 20,000 invented events, and a dozen invented capture sessions."


def seed_if_empty(connection: Connection, say: Callable[[str], None]) -> None:
    """Load the demo unless the database has an events table already."""
    if scalar(connection, "SELECT to_regclass('public.events') IS NULL"):
        seed(connection)
        say(SEEDED)


def seed(connection: Connection, encoding: Encoding = "epoch_ms") -> None:
    """Load the demo anew: the same rows each time, nothing of an earlier run left."""
    from backfill_lab.demo.captures import (
        load_captures,  # of images, for which `status` need not wait
    )

    drop_events(connection)
    connection.execute("DROP SCHEMA IF EXISTS backfill CASCADE")
    load_events(connection, encoding=encoding)
    load_captures(connection)
