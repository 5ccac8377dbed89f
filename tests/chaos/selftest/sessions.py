"""Kill -9 in the OCR job: sessions build on each other, each is a transaction of its own."""

from __future__ import annotations

from typing import Any

import psycopg
from tests.chaos.selftest.case import case
from tests.chaos.selftest.claims import equal, holds
from tests.chaos.selftest.kills import CHUNK_STEPS
from tests.chaos.selftest.world import World

from backfill_lab.demo.captures import load_captures

SESSIONS = 6
_TABLES = ("day_snapshot", "schedule_event", "schedule_notification", "capture_session")
#: What a clock or chance decides, in two runs of the same sessions.
_CLOCKS = (
    *("created_at", "updated_at", "detected_at"),
    *("event_id", "event_ids", "notification_id"),
)


def load_screenshots(connection: psycopg.Connection[Any]) -> None:
    """The demo's capture sessions, with the committed screenshots."""
    holds("the committed screenshots are there", load_captures(connection))


def _stored(world: World) -> list[list[str]]:
    """Return every row of the schedule system's tables, but for what a clock or chance decides."""
    return [
        world.column(
            f"SELECT (to_jsonb(t) - %s::text[])::text FROM schedule_ingest.{table} AS t ORDER BY 1",
            list(_CLOCKS),
        )
        for table in _TABLES
    ]


@case("kill.ocr")
def _kill_each_step(empty: World) -> None:
    """An OCR run killed at each step, one after the other, ends as a calm one; so does its
    revert."""
    with empty.sibling(load_screenshots) as calm:
        before = _stored(calm)
        calm_run = calm.start("ocr", limit=SESSIONS, apply=True).end()
        holds("the calm run ends well, or holds sessions back", calm_run.exit_code in (0, 7))
        promised = _stored(calm)
        checkpoints = calm.imprint(calm_run.run_id, "schedule_ingest.day_snapshot").checkpoints
    holds("something was written", promised != before)
    with empty.sibling(load_screenshots) as world:
        run_id = world.start("ocr", limit=SESSIONS).end().run_id
        for committed, step in enumerate(CHUNK_STEPS):
            world.kill("apply", step, 1 if committed == 0 else 2, run_id=run_id)
            world.let_lease_run_out(run_id)
        resumed = world.apply(run_id)

        equal("exit code", resumed.exit_code, calm_run.exit_code)
        equal("snapshots, events, messages and sessions", _stored(world), promised)
        left = world.imprint(run_id, "schedule_ingest.day_snapshot").checkpoints
        equal("checkpoints", left, checkpoints)
        world.finds_nothing_wrong(run_id)
        revert = world.revert(run_id).run_id
        for step in CHUNK_STEPS[:2]:
            world.kill("apply", step, 2, run_id=revert)
            world.let_lease_run_out(revert)
        reverted = world.apply(revert)
        reverted.went_well("of the revert")
        equal("all as before the run", _stored(world), before)
