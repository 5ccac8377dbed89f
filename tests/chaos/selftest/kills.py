"""Kill -9 at every named point of a run's way: it goes on, and ends in the same bytes."""

from __future__ import annotations

from tests.chaos.selftest.case import cases
from tests.chaos.selftest.claims import equal, says
from tests.chaos.selftest.world import World

CHUNK_STEPS = ("between_chunks", "before_fence", "after_update", "before_commit", "after_commit")


def _drift(world: World) -> None:
    """Edit a row after the plan was frozen."""
    world.sql(
        "UPDATE events SET start_at = start_at + 60000 WHERE id ="
        " (SELECT min(id) FROM events WHERE start_at_utc IS NULL AND start_at IS NOT NULL"
        "  AND tz = 'Europe/Stockholm')"
    )


@cases("kill.apply", CHUNK_STEPS)
def _kill_apply(point: str, world: World) -> None:
    """An apply killed at {way} resumes to the bytes of a calm run."""
    chunk_size = world.draw.randint(7, 40)
    with world.sibling() as calm:
        calm_run = calm.plan().run_id
        _drift(calm)
        calm.apply(calm_run, chunk_size=chunk_size).exited(5, whose="of the calm run")
        chunks = calm.chunks(calm_run)
        promised = calm.imprint(calm_run)
    nth = world.draw.randint(1, chunks)
    run_id = world.plan().run_id
    _drift(world)

    world.kill("apply", point, nth, run_id=run_id, chunk_size=chunk_size)
    equal("chunks committed", world.chunks(run_id), nth if point == "after_commit" else nth - 1)
    says(world.evidence(run_id), "summary.json says planned, the database says running")
    world.let_lease_run_out(run_id)
    resumed = world.apply(run_id, chunk_size=chunk_size)

    resumed.exited(5, "1 row was left alone: it was edited", "drifted.csv")
    world.proves(run_id, promised)


@cases("kill.revert", CHUNK_STEPS)
def _kill_revert(point: str, world: World) -> None:
    """A revert killed at {way} resumes to the bytes of a calm one."""
    chunk_size = world.draw.randint(7, 40)
    before = world.table()
    with world.sibling() as calm:
        calm_run = calm.plan(apply=True, chunk_size=chunk_size).run_id
        calm_revert = calm.revert(calm_run).run_id
        calm.apply(calm_revert, chunk_size=chunk_size)
        chunks = calm.chunks(calm_revert)
        promised = calm.imprint(calm_revert)
    nth = world.draw.randint(1, chunks)
    run_id = world.plan(apply=True, chunk_size=chunk_size).run_id
    revert_id = world.revert(run_id).run_id

    world.kill("apply", point, nth, run_id=revert_id, chunk_size=chunk_size)
    world.let_lease_run_out(revert_id)
    resumed = world.apply(revert_id, chunk_size=chunk_size)

    resumed.went_well()
    world.has_left(revert_id, promised)
    equal("table as before the run", world.table(), before)
    statuses = (world.status(run_id), world.status(revert_id))
    equal("status of run and revert", statuses, ("reverted", "succeeded"))
    equal("verify", world.verify(revert_id), [])
