"""Two writers: one of them writes, the other one is told so and writes nothing."""

from __future__ import annotations

import signal
from collections import Counter

from tests.chaos.selftest.case import case, cases
from tests.chaos.selftest.claims import equal, holds
from tests.chaos.selftest.world import World

CHUNK_SIZE = 25
LEASE_SECONDS = 2
_CLOCKS = {"ahead": 7, "behind": -7}  # hours


@cases("writers.refused", ("between_chunks", "after_update"))
def _two_at_once(point: str, world: World) -> None:
    """While one applies (it stands at {way}), a second one exits 4 and writes nothing."""
    run_id = world.plan().run_id
    task = world.start("apply", (point, 2), run_id=run_id, chunk_size=CHUNK_SIZE)
    before = world.table()

    second = world.apply(run_id, chunk_size=CHUNK_SIZE, lock_timeout_ms=300)

    second.exited(4, f"Run {run_id}", "backfill", whose="of the second")
    equal("table after the second was refused", world.table(), before)
    task.go()
    first = task.end()
    first.went_well("of the first")
    world.finds_nothing_wrong(run_id)


@case("writers.same_moment")
def _same_moment(world: World) -> None:
    """Of three appliers that start together one writes, once."""
    run_id = world.plan().run_id
    tasks = [world.start("apply", run_id=run_id, chunk_size=5) for _ in range(3)]
    codes = Counter(task.end().exit_code for task in tasks)

    # One that comes when all is written finds nothing to do, which is no refusal.
    holds(f"one wrote, the others were refused or came late: {codes}", set(codes) <= {0, 4})
    holds("one wrote", codes[0] >= 1)
    equal("verify", world.verify(run_id), [])
    promised = world.promised(chunk_size=5)
    world.has_left(run_id, promised)


@cases("writers.stopped", ("between_chunks", "before_fence", "after_update", "before_commit"))
def _stopped(point: str, world: World) -> None:
    """An applier that slept through its lease's end at {way} writes nothing more."""
    planned = world.planned(chunk_size=CHUNK_SIZE)
    run_id = planned.run_id
    task = planned.start((point, world.draw.randint(1, 3)), lease_seconds=LEASE_SECONDS)
    task.signal(signal.SIGSTOP)
    task.go()  # it reads this when it wakes
    world.wait_until(
        "SELECT lease_expires_at < clock_timestamp() FROM backfill.run WHERE run_id = %s", run_id
    )
    world.wait_until(
        "SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = current_database()"
        " AND application_name = 'backfill-workbook' AND state LIKE 'idle in transaction%%'"
    )
    second = planned.apply()
    after_second = world.imprint(run_id)
    task.signal(signal.SIGCONT)
    first = task.end()

    second.went_well("of the second")
    equal("what the second left", after_second, planned.promised)
    said = (f"Run {run_id} lost its lease", "Nothing more was written here")
    first.exited(4, *said, whose="of the first")
    planned.is_proven()


@cases("writers.clock", _CLOCKS)
def _wrong_clock(which: str, world: World) -> None:
    """A client whose clock is hours off has the same lease as any other."""
    hours = _CLOCKS[which]
    run_id = world.plan(_clock_hours=hours).run_id
    given = {"chunk_size": CHUNK_SIZE, "_clock_hours": hours}
    task = world.start("apply", ("between_chunks", 2), run_id=run_id, **given)
    seconds = float(
        world.scalar(
            "SELECT extract(epoch FROM lease_expires_at - clock_timestamp()) FROM backfill.run"
            " WHERE run_id = %s",
            run_id,
        )
    )
    holds(f"the lease ends by the database's clock, in {seconds:.0f} s", 30 < seconds <= 60)
    world.apply(run_id).exited(4, whose="of a second")
    task.go()
    first = task.end()

    first.went_well()
    equal("verify", world.verify(run_id), [])
    late = world.scalar(
        "SELECT count(*) FROM backfill.checkpoint WHERE run_id = %s"
        " AND abs(extract(epoch FROM committed_at - clock_timestamp())) > 600",
        run_id,
    )
    equal("checkpoints with a time that is not the database's", late, 0)
