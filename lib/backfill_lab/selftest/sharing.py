"""Several appliers on one plan, and plans approved in parts: killed, stolen from, all at once."""

from __future__ import annotations

import signal

from backfill_lab.selftest.actor import Task
from backfill_lab.selftest.case import case, cases
from backfill_lab.selftest.claims import equal, holds, says
from backfill_lab.selftest.kills import CHUNK_STEPS
from backfill_lab.selftest.world import Imprint, World

CHUNK_SIZE = 5
LEASE_SECONDS = 2
#: A condition that leaves holes: every second row or so of the calendar.
ONLY = "ascii(right(key, 1)) % 2 = 0"


def _calm(world: World) -> Imprint:
    """Return what one applier leaves that cuts the plan as several do."""
    with world.sibling() as calm:
        run_id = calm.plan().run_id
        equal("exit code of the calm run", _join(calm, run_id).end().exit_code, 0)
        return calm.imprint(run_id)


def _join(world: World, run_id: str, *points: tuple[str, int], lease_seconds: int = 60) -> Task:
    return world.start(
        "apply",
        *points,
        run_id=run_id,
        join=True,
        chunk_size=CHUNK_SIZE,
        lease_seconds=lease_seconds,
    )


@cases("sharing.killed", CHUNK_STEPS)
def _killed(point: str, world: World) -> None:
    """Of two appliers one is killed at {way}: the other takes its ranges over, and the run ends in
    the bytes of a calm one."""
    promised = _calm(world)
    run_id = world.plan().run_id
    victim = _join(world, run_id, (point, world.draw.randint(1, 3)))
    other = _join(world, run_id, ("between_chunks", 1))
    victim.kill()
    world.sql(
        "UPDATE backfill.range SET lease_expires_at = clock_timestamp() - interval '1 second'"
        " WHERE lease_holder LIKE %s AND ended_at IS NULL",
        f"%:{victim.pid}",
    )
    other.go()
    ended = other.end()

    ended.went_well()
    world.proves(run_id, promised)


@cases("sharing.stopped", ("before_fence", "before_commit"))
def _stopped(point: str, world: World) -> None:
    """An applier that slept at {way} until another took its range over writes nothing more."""
    promised = _calm(world)
    run_id = world.plan().run_id
    sleeper = _join(world, run_id, (point, 2), lease_seconds=LEASE_SECONDS)
    other = _join(world, run_id, ("between_chunks", 1), lease_seconds=LEASE_SECONDS)
    sleeper.signal(signal.SIGSTOP)
    sleeper.go()  # it reads this when it wakes
    other.go()
    ended = other.end()
    after_other = world.imprint(run_id)
    sleeper.signal(signal.SIGCONT)
    woken = sleeper.end()

    ended.went_well("of the other")
    equal("what the other left", after_other, promised)
    equal("exit code of the one that slept", woken.exit_code, 4)
    says(woken.error, f"Run {run_id}", "Nothing more was written here")
    world.proves(run_id, promised)


@case("sharing.same_moment", is_quick=True)
def _same_moment(world: World) -> None:
    """Three appliers that join together write each row once, and each tells the whole run."""
    promised = _calm(world)
    run_id = world.plan().run_id
    tasks = [_join(world, run_id) for _ in range(3)]
    ends = [task.end() for task in tasks]

    equal("exit codes", [ended.exit_code for ended in ends], [0, 0, 0])
    equal(
        "each tells the whole run",
        {ended.summary["total_scanned"] for ended in ends},
        {sum(row[3] for row in promised.checkpoints)},
    )
    world.proves(run_id, promised)


@cases("sharing", ("pause", "cancel"))
def _asked_to_stop(what: str, world: World) -> None:
    """A request to {way} stops two appliers within a chunk; the run goes on from there."""
    promised = _calm(world)
    run_id = world.plan().run_id
    tasks = [_join(world, run_id, ("between_chunks", 2)) for _ in range(2)]
    world.sql(f"UPDATE backfill.run SET {what}_requested = true")
    for task in tasks:
        task.go()
    equal("exit codes", [task.end().exit_code for task in tasks], [130, 130])
    equal("status", world.status(run_id), {"pause": "paused", "cancel": "cancelled"}[what])
    holds("it stopped half way", world.chunks(run_id) < len(promised.checkpoints))
    resumed = world.apply(run_id, workers=2, chunk_size=CHUNK_SIZE)

    resumed.went_well("of the resume")
    equal("table", world.imprint(run_id).table, promised.table)
    world.finds_nothing_wrong(run_id)


@cases("parts.killed", CHUNK_STEPS)
def _killed_in_part(point: str, world: World) -> None:
    """An apply of a part that is killed at {way} resumes to that part, and no more."""
    with world.sibling() as calm:
        calm_id = calm.plan().run_id
        calm.apply(calm_id, only=ONLY, chunk_size=CHUNK_SIZE)
        promised = calm.imprint(calm_id)
        chunks = calm.chunks(calm_id)
        calm.apply(calm_id, chunk_size=CHUNK_SIZE)
        whole = calm.imprint(calm_id)
    run_id = world.plan().run_id
    nth = world.draw.randint(1, chunks)
    world.start("apply", (point, nth), run_id=run_id, only=ONLY, chunk_size=CHUNK_SIZE).kill()
    world.let_lease_run_out(run_id)
    resumed = world.apply(run_id, chunk_size=CHUNK_SIZE)

    resumed.went_well()
    equal("the part, and nothing of the rest", world.imprint(run_id), promised)
    equal("status", world.status(run_id), "paused")
    equal("verify of the part", world.verify(run_id), [])
    equal("exit code of the rest", world.apply(run_id, chunk_size=CHUNK_SIZE).exit_code, 0)
    world.proves(run_id, whole)
