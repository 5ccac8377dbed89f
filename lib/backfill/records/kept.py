"""What was said last of how a run is written: whoever goes on with it writes it the same way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from psycopg.types.json import Jsonb

from backfill.parameters import APPLY_PARAMETERS, KEPT_DEFAULTS, settled
from backfill.records.ledger import Ledger
from backfill.server.postgres import Connection, scalar


def kept_of(ledger: Ledger, run_id: str) -> dict[str, Any]:
    """Return by parameter what was said when the run was last begun; empty for one that was not.

    Read-only, also on the tables of an earlier version.
    """
    if not ledger.exists():
        return {}
    kept = scalar(
        ledger.connection,
        "SELECT to_jsonb(r) -> 'kept' FROM backfill.run AS r WHERE run_id = %s",
        run_id,
    )
    return dict(kept or {})


def kept_with(
    ledger: Ledger, run_id: str, planned: Mapping[str, Any], said: Mapping[str, Any]
) -> dict[str, Any]:
    """Return how a run is to be written: as planned, as said since, as it is `said` now.

    A job's own limits are in its plan: None, unless they were said when the run was begun. Raises
    `UsageError` for what somebody wrote into a plan's file that can not be meant.
    """
    stored = kept_of(ledger, run_id)
    kept = settled(KEPT_DEFAULTS, planned, stored, said)
    limits = settled(stored, said)
    kept |= {name: limits.get(name) for name in ("max_failed", "max_held")}
    return {p.name: p.check(kept[p.name]) for p in APPLY_PARAMETERS if p.name in kept}


def keep(connection: Connection, run_id: str, kept: Mapping[str, Any]) -> None:
    """Have the run keep this; for whoever has just claimed it."""
    connection.execute(
        "UPDATE backfill.run SET kept = %s WHERE run_id = %s AND kept <> %s",
        [Jsonb(dict(kept)), run_id, Jsonb(dict(kept))],
    )
