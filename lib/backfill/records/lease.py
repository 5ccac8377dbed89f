"""One writer at a time: a time-limited claim on a job's rows, by the database's clock.

The claim is the run's own row; appliers that join a run share it, and each has a seat in it (see
`seats`) and holds ranges of its own (see `ranges`). Tokens grow with every claim, of a run and of
its ranges, so a writer that slept through the end of its lease finds another token and writes
nothing (no session advisory locks: behind a pooler they strand). Two runs exclude each other when
their scopes overlap.
"""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, LiteralString

import psycopg

from backfill.errors import LeaseHeld
from backfill.next_command import next_command
from backfill.records.ledger import Ledger
from backfill.records.seats import (
    RENEWED_WHEN_PASSED,
    SEAT_RENEWED,
    free_all_seats,
    free_seat,
    holder_name,
    holders_at_work,
    is_worked_on,
    take_seat,
    wait_at_the_door,
)
from backfill.server.own_text import holdable
from backfill.server.postgres import Connection
from backfill.server.standby_wait import StandbyMissing
from backfill.status import RunStatus, check_transition, may_start


@dataclass(frozen=True, slots=True)
class Lease:
    """A claim that was granted: `token` must still stand in the run's row at every write."""

    run_id: str
    token: int
    seconds: int


@dataclass(frozen=True, slots=True)
class Fence:
    """What a chunk's transaction learns when it renews the lease."""

    is_cancel_requested: bool
    is_pause_requested: bool
    now: dt.datetime  # the database's clock, aware


def acquire(ledger: Ledger, run_id: str, seconds: int) -> Lease:
    """Claim the run's rows; raise `LeaseHeld` that names the holder and the way on.

    In one transaction: 1. look for a live lease on an overlapping scope; 2. fence off overlapping
    runs whose lease ran out; 3. take the next token.
    """
    try:
        return _claim(ledger, run_id, seconds)
    except psycopg.errors.LockNotAvailable:
        writing = [other["run_id"] for other in _running(ledger.connection, "")]
        raise LeaseHeld(
            f"Run {run_id} can not start: another run is writing a chunk right now, and has been "
            f"for as long as we wait for a lock. See: {next_command('status', *writing[:1])}"
        ) from None


def _claim(ledger: Ledger, run_id: str, seconds: int) -> Lease:
    connection = ledger.connection
    # A claim that no standby has yet is one all the same: what is committed next tells of it, where
    # the run's end is recorded.
    row = None
    with contextlib.suppress(StandbyMissing), connection.transaction():
        # Claims take turns, for the moment of claiming; ends with the transaction.
        connection.execute("SELECT FROM backfill.gate WHERE name = 'claim' FOR UPDATE")
        run = ledger.get(run_id)
        for other in _running(connection):
            if not overlaps(run.scope, other["scope"]):
                continue
            if not other["is_expired"]:
                raise LeaseHeld(_held_message(run_id, other))
            if other["run_id"] != run_id:
                _fence_off(connection, other["run_id"])
        if not may_start(run.status):
            check_transition(run_id, run.status, RunStatus.RUNNING)
        row = connection.execute(
            "UPDATE backfill.run SET status = 'running', lease_token = lease_token + 1,"
            " lease_expires_at = clock_timestamp() + make_interval(secs => %s),"
            " lease_holder = %s, cancel_requested = false, pause_requested = false, message = '',"
            " waiting = NULL, waiting_since = NULL,"
            " started_at = coalesce(started_at, clock_timestamp()), ended_at = NULL"
            " WHERE run_id = %s RETURNING lease_token",
            [seconds, holder_name(), run_id],
        ).fetchone()
        _fence_off_appliers(connection, run_id)
        take_seat(connection, run_id, seconds)
    assert row is not None
    return Lease(run_id, int(row[0]), seconds)


def join(connection: Connection, run_id: str, seconds: int) -> Lease | None:
    """Share the claim of a run that is running; None where nobody holds it.

    From then on the run goes on, whoever else leaves it.
    """
    row = None
    with contextlib.suppress(StandbyMissing), connection.transaction():
        wait_at_the_door(connection)
        row = connection.execute(
            "SELECT lease_token FROM backfill.run WHERE run_id = %s AND status = 'running'"
            " AND lease_expires_at > clock_timestamp()",
            [run_id],
        ).fetchone()
        if row is None:
            return None
        take_seat(connection, run_id, seconds)
    return Lease(run_id, int(row[0]), seconds) if row else None


def _running(
    connection: Connection, locked: LiteralString = "FOR NO KEY UPDATE"
) -> list[dict[str, Any]]:
    """Return the runs that are at work, the newest claim first.

    Not locked FOR UPDATE: the checkpoints of chunks under way refer to these rows.
    """
    rows = connection.execute(
        "SELECT run_id, scope, lease_holder, lease_expires_at < clock_timestamp(),"
        " greatest(0, ceil(extract(epoch FROM lease_expires_at - clock_timestamp())))::int,"
        " to_char(lease_expires_at AT TIME ZONE 'UTC', 'HH24:MI:SS')"
        f" FROM backfill.run WHERE status = 'running' ORDER BY lease_expires_at DESC {locked}"
    ).fetchall()
    names = ("run_id", "scope", "holder", "is_expired", "seconds_left", "expires_at")
    return [dict(zip(names, row, strict=True)) for row in rows]


def overlaps(scope: Mapping[str, Any], other_scope: Mapping[str, Any]) -> bool:
    """Return whether two scopes may meet on a row: same table, and a member in common.

    A scope without members (`null`) is the whole table. Reverts write to their job's table.
    """
    if scope.get("table") != other_scope.get("table"):
        return False
    members, others = scope.get("members"), other_scope.get("members")
    if members is None or others is None:
        return True
    return bool(set(members) & set(others))


def _held_message(run_id: str, other: Mapping[str, Any]) -> str:
    return (
        f"Run {other['run_id']} is writing to the same rows: its lease is held by "
        f"{other['holder']} for {other['seconds_left']} s more (until {other['expires_at']} UTC, "
        "renewed while it writes).\n"
        f"Watch it: {next_command('status', other['run_id'])} · stop it: "
        f"{next_command('cancel', other['run_id'])}{_join_hint(run_id, other)} · if its process is "
        f"dead, wait until the lease has run out, then: {next_command('apply', run_id)}"
    )


def _join_hint(run_id: str, other: Mapping[str, Any]) -> str:
    is_same = other["run_id"] == run_id
    return f" · write beside it: {next_command('apply', run_id, '--join')}" if is_same else ""


def _fence_off(connection: Connection, run_id: str) -> None:
    connection.execute(
        "UPDATE backfill.run SET status = 'interrupted', lease_token = lease_token + 1,"
        " message = 'its lease ran out and another run took over' WHERE run_id = %s",
        [run_id],
    )
    _fence_off_appliers(connection, run_id)


def _fence_off_appliers(connection: Connection, run_id: str) -> None:
    """Raise the token of every open range: waits for chunks under way, and lets none begin."""
    connection.execute(
        "UPDATE backfill.range SET lease_token = lease_token + 1, lease_expires_at = NULL,"
        " lease_holder = NULL WHERE run_id = %s AND ended_at IS NULL",
        [run_id],
    )
    free_all_seats(connection, run_id)


#: A common table expression for a writer of the run: its row while the claim stands.
RUN_STANDS = (
    "run AS (SELECT cancel_requested, pause_requested FROM backfill.run"
    "  WHERE run_id = %(run_id)s AND lease_token = %(run_token)s AND status = 'running')"
)
#: The same, and besides: `renewed` renews the lease when `passed` seconds of it have gone by,
#: `seated` that of its seat. The row is never waited for: others hold it too.
RUN_HELD = (
    RUN_STANDS + ", renewed AS (UPDATE backfill.run"
    "  SET lease_expires_at = clock_timestamp() + make_interval(secs => %(seconds)s)"
    "  WHERE run_id = (SELECT run_id FROM backfill.run WHERE run_id = %(run_id)s"
    "   AND lease_token = %(run_token)s AND status = 'running' AND lease_expires_at"
    "   <= clock_timestamp() + make_interval(secs => %(seconds)s - %(passed)s)"
    "   FOR NO KEY UPDATE SKIP LOCKED)), " + SEAT_RENEWED
)


def held_by(lease: Lease, *, is_alone: bool) -> dict[str, Any]:
    """Return the parameters of `RUN_HELD`; who is alone renews the run's lease each time."""
    passed = lease.seconds * RENEWED_WHEN_PASSED
    return {
        "run_id": lease.run_id,
        "run_token": lease.token,
        "seconds": lease.seconds,
        "passed": 0.0 if is_alone else passed,
        "holder": holder_name(),
        "seat_passed": passed,
    }


def stand_by(connection: Connection, lease: Lease) -> Fence:
    """Keep a run's lease and this process's seat in it while it holds no range of it.

    Raises `LeaseHeld` when the run is no longer this process's.
    """
    row = connection.execute(
        "WITH "
        + RUN_HELD
        + " SELECT cancel_requested, pause_requested, clock_timestamp() FROM run",
        held_by(lease, is_alone=False),
    ).fetchone()
    if row is None:
        raise LeaseHeld(lost_message(lease.run_id))
    return Fence(bool(row[0]), bool(row[1]), row[2])


def lost_message(run_id: str) -> str:
    """Say that a run is no longer this process's to write."""
    return (
        f"Run {run_id} lost its lease: another process took over, or somebody ended the "
        f"run. Nothing more was written here. See: {next_command('status', run_id)}"
    )


class Left(StrEnum):
    """How a process's part in a run ended."""

    ENDED = "ended"  # the run stands at the status that was given
    OTHERS_WORK_ON = "others work on"  # it runs on: other appliers have a seat in it
    LOST = "lost"  # it was not this process's any more


def leave(
    connection: Connection,
    lease: Lease,
    held: Mapping[int, int],
    status: RunStatus,
    message: str = "",
) -> Left:
    """End this process's part in a run: free its ranges and its seat, leave the run at `status`.

    `held` is token by range number. While other appliers work on, the run keeps running.
    """
    check_transition(lease.run_id, RunStatus.RUNNING, status)
    with connection.transaction():
        stands = connection.execute(
            "SELECT 1 FROM backfill.run WHERE run_id = %s AND lease_token = %s"
            " AND status = 'running' FOR NO KEY UPDATE",
            [lease.run_id, lease.token],
        ).fetchone()
        if stands is None:
            return Left.LOST
        connection.execute(
            "UPDATE backfill.range AS r SET lease_expires_at = NULL, lease_holder = NULL"
            " FROM unnest(%s::bigint[], %s::bigint[]) AS held(range_no, token)"
            " WHERE r.run_id = %s AND r.range_no = held.range_no AND r.lease_token = held.token",
            [list(held), list(held.values()), lease.run_id],
        )
        wait_at_the_door(connection)
        free_seat(connection, lease.run_id, holder_name())
        if _goes_on(connection, lease.run_id):
            return Left.OTHERS_WORK_ON
        connection.execute(
            "UPDATE backfill.run SET status = %s, message = %s, lease_expires_at = NULL,"
            " cancel_requested = false, pause_requested = false, ended_at = clock_timestamp()"
            " WHERE run_id = %s",
            [status.value, holdable(connection, message), lease.run_id],
        )
    return Left.ENDED


def _goes_on(connection: Connection, run_id: str) -> bool:
    """Whether others work on; then the run's row names one of them, where it names nobody there."""
    goes_on = is_worked_on(connection, run_id)
    if goes_on and (at_work := holders_at_work(connection, run_id)):
        connection.execute(
            "UPDATE backfill.run SET lease_holder = %s"
            " WHERE run_id = %s AND lease_holder <> ALL (%s)",
            [at_work[0], run_id, at_work],
        )
    return goes_on


def release_dead(connection: Connection, run_id: str, holder: str, message: str) -> bool:
    """Free what a process that we know to be dead held of a run; others may take it at once.

    Returns whether the run is interrupted by that: other appliers may work on.
    """
    with connection.transaction():
        running = connection.execute(
            "SELECT 1 FROM backfill.run WHERE run_id = %s AND status = 'running' FOR NO KEY UPDATE",
            [run_id],
        ).fetchone()
        if running is None:
            return False
        connection.execute(
            "UPDATE backfill.range SET lease_token = lease_token + 1, lease_holder = NULL,"
            " lease_expires_at = NULL WHERE run_id = %s AND lease_holder = %s AND ended_at IS NULL",
            [run_id, holder],
        )
        wait_at_the_door(connection)
        if not free_seat(connection, run_id, holder) or _goes_on(connection, run_id):
            return False
        connection.execute(
            "UPDATE backfill.run SET status = 'interrupted', message = %s, lease_expires_at = NULL,"
            " lease_token = lease_token + 1, ended_at = clock_timestamp() WHERE run_id = %s",
            [holdable(connection, message), run_id],
        )
    return True
