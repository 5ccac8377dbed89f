"""Several appliers on one plan, and plans approved in parts: killed, stolen from, all at once."""

from __future__ import annotations

import signal

from tests.chaos.selftest.case import case, cases
from tests.chaos.selftest.claims import equal, holds
from tests.chaos.selftest.kills import CHUNK_STEPS
from tests.chaos.selftest.world import Planned, World

CHUNK_SIZE = 5
LEASE_SECONDS = 2
#: A condition that leaves holes: every second row or so of the calendar.
ONLY = "ascii(right(key, 1)) % 2 = 0"


def _planned(world: World, **given: int) -> Planned:
    """Return a plan that several are to write, and what one leaves that cuts it as they do."""
    return world.planned(join=True, chunk_size=CHUNK_SIZE, **given)


@cases("sharing.killed", CHUNK_STEPS)
def _killed(point: str, world: World) -> None:
    """Of two appliers one is killed at {way}: the other takes its ranges over, and the run ends in
    the bytes of a calm one."""
    planned = _planned(world)
    victim = planned.start((point, world.draw.randint(1, 3)))
    other = planned.start(("between_chunks", 1))
    victim.kill()
    world.sql(
        "UPDATE backfill.range SET lease_expires_at = clock_timestamp() - interval '1 second'"
        " WHERE lease_holder LIKE %s AND ended_at IS NULL",
        f"%:{victim.pid}",
    )
    other.go()

    other.end().went_well()
    planned.is_proven()


@cases("sharing.stopped", ("before_fence", "before_commit"))
def _stopped(point: str, world: World) -> None:
    """An applier that slept at {way} until another took its range over writes nothing more."""
    planned = _planned(world, lease_seconds=LEASE_SECONDS)
    sleeper = planned.start((point, 2))
    other = planned.start(("between_chunks", 1))
    sleeper.signal(signal.SIGSTOP)
    sleeper.go()  # it reads this when it wakes
    other.go()
    ended = other.end()
    after_other = world.imprint(planned.run_id)
    sleeper.signal(signal.SIGCONT)
    woken = sleeper.end()

    ended.went_well("of the other")
    equal("what the other left", after_other, planned.promised)
    said = (f"Run {planned.run_id}", "Nothing more was written here")
    woken.exited(4, *said, whose="of the one that slept")
    planned.is_proven()


@case("sharing.same_moment")
def _same_moment(world: World) -> None:
    """Three appliers that join together write each row once, and each tells the whole run."""
    planned = _planned(world)
    tasks = [planned.start() for _ in range(3)]
    ends = [task.end() for task in tasks]

    equal("exit codes", [ended.exit_code for ended in ends], [0, 0, 0])
    equal(
        "each tells the whole run",
        {ended.summary["total_scanned"] for ended in ends},
        {sum(row[3] for row in planned.promised.checkpoints)},
    )
    planned.is_proven()


@cases("sharing", ("pause", "cancel"))
def _asked_to_stop(what: str, world: World) -> None:
    """A request to {way} stops two appliers within a chunk; the run goes on from there."""
    planned = _planned(world)
    run_id = planned.run_id
    tasks = [planned.start(("between_chunks", 2)) for _ in range(2)]
    world.sql(f"UPDATE backfill.run SET {what}_requested = true")
    for task in tasks:
        task.go()
    equal("exit codes", [task.end().exit_code for task in tasks], [130, 130])
    equal("status", world.status(run_id), {"pause": "paused", "cancel": "cancelled"}[what])
    holds("it stopped half way", world.chunks(run_id) < len(planned.promised.checkpoints))
    resumed = world.apply(run_id, workers=2, chunk_size=CHUNK_SIZE)

    resumed.went_well("of the resume")
    equal("table", world.table(), planned.promised.table)
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
    world.kill("apply", point, nth, run_id=run_id, only=ONLY, chunk_size=CHUNK_SIZE)
    world.let_lease_run_out(run_id)
    resumed = world.apply(run_id, chunk_size=CHUNK_SIZE)

    resumed.went_well()
    equal("the part, and nothing of the rest", world.imprint(run_id), promised)
    equal("status", world.status(run_id), "paused")
    equal("verify of the part", world.verify(run_id), [])
    world.apply(run_id, chunk_size=CHUNK_SIZE).went_well("of the rest")
    world.proves(run_id, whole)
