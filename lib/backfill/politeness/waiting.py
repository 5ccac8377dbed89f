"""What a run's row says while the run waits, and how long it has waited for what."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from psycopg.types.json import Jsonb

from backfill.politeness.signals import Signal
from backfill.records.lease import Lease
from backfill.server.postgres import Connection


def note_waiting(connection: Connection, claim: Lease, reason: str, seconds: float) -> None:
    """Say on the run's row why it waits, and that it has for so many seconds."""
    connection.execute(
        "UPDATE backfill.run SET waiting = %s,"
        " waiting_since = clock_timestamp() - make_interval(secs => %s)"
        " WHERE run_id = %s AND lease_token = %s AND status = 'running'",
        [reason, seconds, claim.run_id, claim.token],
    )


def note_waited(connection: Connection, claim: Lease, paused_ms: Mapping[Signal, int]) -> None:
    """Say that the run waits no more, and add what it waited, in milliseconds by signal.

    Also after the lease was released: what was waited stays true.
    """
    connection.execute(
        "UPDATE backfill.run SET waiting = NULL, waiting_since = NULL,"
        " paused_ms = paused_ms || (SELECT coalesce(jsonb_object_agg(key, value::bigint"
        "  + coalesce((paused_ms ->> key)::bigint, 0)), '{}') FROM jsonb_each_text(%s))"
        " WHERE run_id = %s AND lease_token = %s",
        [
            Jsonb({signal.value: ms for signal, ms in paused_ms.items()}),
            claim.run_id,
            claim.token,
        ],
    )


@dataclass(frozen=True, slots=True)
class Waiting:
    """Why a run waits now, since when, and how long it has waited before: milliseconds by signal.

    What a writer that was killed left behind still stands there: it says why that one waited.
    """

    reason: str | None = None
    since: dt.datetime | None = None
    paused_ms: dict[str, int] = field(default_factory=dict)


def waiting_of(connection: Connection, runs: Sequence[str]) -> dict[str, Waiting]:
    """Return how runs wait, by run id. Read-only, also on the tables of an earlier version."""
    rows = connection.execute(
        "SELECT run_id, row ->> 'waiting', (row ->> 'waiting_since')::timestamptz,"
        " coalesce(row -> 'paused_ms', '{}')"
        " FROM (SELECT run_id, to_jsonb(r) - 'settings' - 'summary' AS row FROM backfill.run AS r"
        "  WHERE run_id = ANY (%s)) AS r",
        [list(runs)],
    ).fetchall()
    return {run_id: Waiting(reason, since, paused) for run_id, reason, since, paused in rows}
