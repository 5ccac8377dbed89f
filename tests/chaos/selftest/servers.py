"""Lose the server: sessions ended, network cut, server killed, disk full, no connection left."""

from __future__ import annotations

import contextlib
import os
import signal

import psycopg
from tests.chaos.selftest.actor import Outcome
from tests.chaos.selftest.case import case, cases
from tests.chaos.selftest.claims import Disproved, equal, holds, says
from tests.chaos.selftest.proxy import Proxy, proxy_to
from tests.chaos.selftest.world import READ, Planned, World, wait_for

from backfill.server.embedded_socket import SOCKET_FILE

CHUNK_SIZE = 10
ENOUGH_CUTS = 200
_IT_TRIES_AGAIN = ("backfill.chunks.patience:PatientCommitter._back_off@before", 2)


def _proxy(world: World) -> contextlib.AbstractContextManager[Proxy]:
    return proxy_to(world.stage.server.socket_folder / SOCKET_FILE)


def _end_sessions(world: World) -> None:
    world.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
        " AND datname = current_database() AND application_name = 'backfill-workbook'"
    )


def _connected_again(planned: Planned, ended: Outcome) -> None:
    """Raise `Disproved` unless the run lost its connection, said so, and is written all the
    same."""
    ended.went_well()
    says(ended.messages, "The connection was lost; connected again.")
    planned.is_proven()


@cases("server.session_ended", ("between_chunks", "after_update", "before_commit"))
def _session_ended(point: str, world: World) -> None:
    """A session ended at {way} is replaced, and the run ends in the same bytes."""
    planned = world.planned(chunk_size=CHUNK_SIZE)
    task = planned.start((point, world.draw.randint(1, 5)))
    _end_sessions(world)
    task.go()
    _connected_again(planned, task.end())


@case("server.session_ended.reading")
def _session_ended_reading(world: World) -> None:
    """A session ended while reading ends the plan with a message; the next plan is whole."""
    promised = world.promised(chunk_size=CHUNK_SIZE)
    before = world.table()
    task = world.start("utc", (READ, 1))
    _end_sessions(world)
    task.go()

    task.end().exited(1, "backfill doctor")
    equal("table", world.table(), before)
    again = world.plan(apply=True, chunk_size=CHUNK_SIZE)
    again.went_well("again")
    world.proves(again.run_id, promised)


def _commit_unknown(is_delivered: bool, world: World) -> None:
    planned = world.planned(chunk_size=CHUNK_SIZE)
    with _proxy(world) as proxy:
        nth = world.draw.randint(1, 5)
        task = planned.start(("before_commit", nth), _dsn=proxy.dsn(world.dsn))
        proxy.cut_at(b"COMMIT", is_delivered=is_delivered)
        task.go()
        ended = task.end()
        holds("the commit was cut off", proxy.is_cut)
    _connected_again(planned, ended)


@case("server.commit_unknown.arrived")
def _commit_unknown_arrived(world: World) -> None:
    """A commit that got through, its answer lost, is not done twice."""
    _commit_unknown(True, world)


@case("server.commit_unknown.lost")
def _commit_unknown_lost(world: World) -> None:
    """A commit that never arrived is done again."""
    _commit_unknown(False, world)


@case("server.immediate_stop")
def _immediate_stop(world: World) -> None:
    """A server stopped at once and started again costs the open chunk only."""
    server = world.stage.server
    planned = world.planned(chunk_size=CHUNK_SIZE)
    task = planned.start(("after_update", world.draw.randint(2, 5)))
    world.connection.close()
    pid = int((server.data / "postmaster.pid").read_text(encoding="ascii").splitlines()[0])
    os.kill(pid, signal.SIGQUIT)  # as `immediate` and a power cut of the machine's software do
    wait_for("the server is gone", lambda: not server.is_running())
    task.go()
    server.start()
    world.reconnect()
    _connected_again(planned, task.end())


@case("server.network.unplugged")
def _unplugged(world: World) -> None:
    """An unplugged network is waited for."""
    planned = world.planned(chunk_size=CHUNK_SIZE)
    with _proxy(world) as proxy:
        dsn = proxy.dsn(world.dsn)
        task = planned.start(("after_update", 3), _IT_TRIES_AGAIN, _dsn=dsn)
        proxy.unplug()
        task.go()
        task.reached()  # it tries again, and will for a while
        proxy.plug()
        task.go()
        ended = task.end()

    ended.went_well()
    planned.is_proven()


@case("server.network.stalled")
def _stalled(world: World) -> None:
    """A network that stands still costs the lease; the woken writer writes nothing."""
    planned = world.planned(chunk_size=CHUNK_SIZE)
    with _proxy(world) as proxy:
        dsn = proxy.dsn(world.dsn)
        task = planned.start(("after_update", 3), lease_seconds=2, _dsn=dsn)
        proxy.stall()
        task.go()
        world.wait_until(
            "SELECT lease_expires_at < clock_timestamp() FROM backfill.run WHERE run_id = %s",
            planned.run_id,
        )
        second = planned.apply(lock_timeout_ms=20_000)
        proxy.flow()
        first = task.end()

    second.went_well("of the second")
    first.exited(4, "lost its lease", whose="of the first")
    planned.is_proven()


@case("server.network.cuts")
def _cuts(world: World) -> None:
    """Cut after any number of bytes, over and over, the run ends in the same bytes."""
    planned = world.planned(chunk_size=CHUNK_SIZE)
    whole = _bytes_of_an_apply(world)
    cuts = 0
    with _proxy(world) as proxy:
        for _ in range(ENOUGH_CUTS):
            proxy.cut_after(world.draw.randint(100, whole))
            ended = planned.apply(_dsn=proxy.dsn(world.dsn))
            cuts += proxy.is_cut
            world.let_lease_run_out(planned.run_id)
            if ended.exit_code == 0 and cuts > 10:
                break
            holds(
                f"a cut ends in 0, or in 1 with a message: {ended.exit_code} {ended.error}",
                ended.exit_code == 0 or (ended.exit_code == 1 and "backfill" in ended.error),
            )
        else:
            raise Disproved(f"the run was not done after {ENOUGH_CUTS} tries")
    planned.goes_on()


def _bytes_of_an_apply(world: World) -> int:
    """Return the most bytes that one connection of an undisturbed apply sends."""
    with world.sibling() as calm, _proxy(calm) as proxy:
        run_id = calm.plan().run_id
        ended = calm.apply(run_id, chunk_size=CHUNK_SIZE, _dsn=proxy.dsn(calm.dsn))
        ended.went_well()
        return proxy.most_sent


@case("server.disk_full.folder")
def _full_folder(world: World) -> None:
    """A run's folder without room stops the run, which then goes on.

    No file may grow beyond a few hundred bytes: so does a disk without room refuse.
    """
    planned = world.planned(chunk_size=CHUNK_SIZE)
    refused = planned.apply(progress_interval=1, _file_bytes=world.draw.randint(1, 2_000))

    # Where it stopped depends on the room: to apply is right for a run that has begun or not.
    refused.exited(1, "could not be written", f"backfill apply {planned.run_id}")
    status = world.status(planned.run_id)
    holds("the run says that it is not done", status in ("failed", "interrupted"))
    planned.goes_on()


@case("server.disk_full.planning")
def _full_folder_planning(world: World) -> None:
    """Without room for the plan nothing is written to the table."""
    before = world.table()
    refused = world.plan(_file_bytes=world.draw.randint(1, 20_000), apply=True)

    refused.exited(1, "could not be written")
    equal("table", world.table(), before)
    again = world.plan(apply=True, chunk_size=CHUNK_SIZE)
    again.went_well("again")


@case("server.disk_full.database")
def _full_database(world: World) -> None:
    """A database without room stops the run, not row by row, and it goes on.

    The server's own error of a full disk, raised in the middle of a chunk.
    """
    planned = world.planned(chunk_size=CHUNK_SIZE)
    world.sql(
        "CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " IF OLD.id = (SELECT key_low FROM backfill.checkpoint ORDER BY chunk_no LIMIT 1)"
        " THEN RETURN NEW; END IF;"
        " IF (SELECT count(*) FROM backfill.checkpoint) < 3 THEN RETURN NEW; END IF;"
        " RAISE EXCEPTION 'could not extend file: No space left on device'"
        " USING ERRCODE = 'disk_full'; END $$"
    )
    world.sql(
        "CREATE TRIGGER full_disk BEFORE UPDATE ON events FOR EACH ROW EXECUTE FUNCTION no_room()"
    )
    refused = planned.apply()

    resume = f"backfill resume {planned.run_id}"
    refused.exited(1, "No space left on device", "after chunk 3", resume)
    equal("status", world.status(planned.run_id), "failed")
    equal("chunks committed", world.chunks(planned.run_id), 3)
    world.sql("DROP TRIGGER full_disk ON events")
    planned.goes_on()


@case("server.no_connections")
def _no_connections(world: World) -> None:
    """Out of connections: a new applier is told, a running one waits for one."""
    planned = world.planned(chunk_size=CHUNK_SIZE)
    task = planned.start(("after_update", 3), _IT_TRIES_AGAIN)
    _end_sessions(world)
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(psycopg.OperationalError):
            while True:
                stack.enter_context(psycopg.connect(world.dsn))
        refused = world.apply(planned.run_id)
        task.go()
        task.reached()
    task.go()
    ended = task.end()

    said = ("too many clients already", "Then run the same command again")
    refused.exited(1, *said, whose="of one that finds no connection")
    ended.went_well()
    planned.is_proven()


@case("server.forgot_chunks")
def _forgetful_server(world: World) -> None:
    """A server that lost confirmed chunks is told of; the run goes on from what is there.

    A standby that was promoted without the last chunks: they were confirmed, and are gone.
    """
    planned = world.planned(chunk_size=CHUNK_SIZE)
    world.sql("CREATE TABLE as_it_was AS SELECT id, start_at_utc, end_at_utc FROM events")
    task = planned.start(("between_chunks", 4))
    world.sql(
        "UPDATE events AS e SET start_at_utc = w.start_at_utc, end_at_utc = w.end_at_utc"
        " FROM as_it_was AS w, backfill.checkpoint AS c"
        " WHERE w.id = e.id AND c.chunk_no = 3 AND e.id BETWEEN c.key_low AND c.key_high"
    )
    for table in ("skip", "chunk_image", "checkpoint"):
        world.sql(f"DELETE FROM backfill.{table} WHERE chunk_no = 3")
    _end_sessions(world)
    task.go()

    said = ("without chunks of run", "2 of 3 are there", f"backfill resume {planned.run_id}")
    task.end().exited(1, *said)
    planned.goes_on()
