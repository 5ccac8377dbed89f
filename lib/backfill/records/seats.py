"""Who is at work in a run: each process that applies it has a seat there, of its own lease.

A seat is held from the moment that a process claims or joins the run until it leaves: also before
it has a range of rows, between two of them, and while it waits for one. So whoever leaves knows
whether the run goes on. Of a process that died nothing is heard, and its seat is free when the
lease of it has run out.
"""

from __future__ import annotations

import os
import socket

from backfill.server.postgres import Connection, scalar

#: Leases that are not one range's are renewed only when this part of them has passed.
RENEWED_WHEN_PASSED = 1 / 3
#: A common table expression: renews this process's seat when that is due. The row is never waited
#: for: another worker of the same process may hold it.
SEAT_RENEWED = (
    "seated AS (UPDATE backfill.applier"
    "  SET lease_expires_at = clock_timestamp() + make_interval(secs => %(seconds)s)"
    "  WHERE (run_id, holder) = (SELECT run_id, holder FROM backfill.applier"
    "   WHERE run_id = %(run_id)s AND holder = %(holder)s AND lease_expires_at"
    "   <= clock_timestamp() + make_interval(secs => %(seconds)s - %(seat_passed)s)"
    "   FOR NO KEY UPDATE SKIP LOCKED))"
)


def holder_name() -> str:
    """Return who holds a lease: host and process, for people."""
    return f"{socket.gethostname()}:{os.getpid()}"


def wait_at_the_door(connection: Connection) -> None:
    """Let nobody come or go until this transaction ends: what is read now stays true so long."""
    connection.execute("SELECT FROM backfill.gate WHERE name = 'door' FOR UPDATE")


def take_seat(connection: Connection, run_id: str, seconds: int) -> None:
    """Begin to be at work in a run, for `seconds` or until that is renewed."""
    connection.execute(
        "INSERT INTO backfill.applier (run_id, holder, lease_expires_at)"
        " VALUES (%s, %s, clock_timestamp() + make_interval(secs => %s))"
        " ON CONFLICT (run_id, holder) DO UPDATE SET lease_expires_at = EXCLUDED.lease_expires_at",
        [run_id, holder_name(), seconds],
    )


def free_seat(connection: Connection, run_id: str, holder: str) -> bool:
    return bool(
        connection.execute(
            "UPDATE backfill.applier SET lease_expires_at = NULL"
            " WHERE run_id = %s AND holder = %s AND lease_expires_at IS NOT NULL",
            [run_id, holder],
        ).rowcount
    )


def free_all_seats(connection: Connection, run_id: str) -> None:
    """Free every seat: for whoever takes the whole run over."""
    connection.execute(
        "UPDATE backfill.applier SET lease_expires_at = NULL"
        " WHERE run_id = %s AND lease_expires_at IS NOT NULL",
        [run_id],
    )


def holders_at_work(connection: Connection, run_id: str) -> list[str]:
    """Return who is at work in a run, in order of names. Read-only."""
    rows = connection.execute(
        "SELECT holder FROM backfill.applier"
        " WHERE run_id = %s AND lease_expires_at > clock_timestamp() ORDER BY holder",
        [run_id],
    ).fetchall()
    return [str(holder) for (holder,) in rows]


def is_worked_on(connection: Connection, run_id: str, *, but_for: str = "") -> bool:
    """Return whether rows are left that some process, `but_for` one, is there to write. Read-only.

    Where all ranges have ended there are none, whoever has a seat yet.
    """
    return bool(
        scalar(
            connection,
            "SELECT EXISTS (SELECT FROM backfill.range WHERE run_id = %s AND ended_at IS NULL)"
            " AND EXISTS (SELECT FROM backfill.applier WHERE run_id = %s"
            "  AND lease_expires_at > clock_timestamp() AND holder <> %s)",
            run_id,
            run_id,
            but_for,
        )
    )
