"""Rows that resist: refused by a constraint or a trigger, rewritten, locked, in a deadlock."""

from __future__ import annotations

import threading

import psycopg
from psycopg import sql
from tests.chaos.selftest.case import case
from tests.chaos.selftest.claims import equal, holds, says
from tests.chaos.selftest.world import NOON_MS, NOON_UTC_MS, WAIT_SECONDS, World

from backfill_lab.demo.events import load_events

MANY_ROWS = 10_000
CHUNK_SIZE = 20


def load_many(connection: psycopg.Connection[object]) -> None:
    """Ten thousand Stockholm noons, one a minute; no trap among them."""
    load_events(connection, rows=0)
    connection.execute(
        "INSERT INTO events (id, household_id, title, start_at, tz)"
        " SELECT lpad(n::text, 5, '0'), 'hh_demo', 'Choir', %s + n * 60000::bigint,"
        " 'Europe/Stockholm' FROM generate_series(1, %s) AS n",
        [NOON_MS, MANY_ROWS],
    )


TRIGGER = """
CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.id = ANY (TG_ARGV::text[]) THEN
        {body}
    END IF;
    RETURN NEW;
END $$
"""


def _add_trigger(world: World, body: str, keys: list[str]) -> None:
    world.sql(TRIGGER.replace("{body}", body))
    arguments = sql.SQL(", ").join(sql.Literal(key) for key in keys)
    world.connection.execute(
        sql.SQL(
            "CREATE TRIGGER meddler BEFORE UPDATE ON events FOR EACH ROW"
            " EXECUTE FUNCTION meddle({})"
        ).format(arguments)
    )


def _refused_rows(body: str, detail: str, here: World) -> None:
    with here.sibling(load_many) as world:
        keys = sorted(f"{n:05}" for n in here.draw.sample(range(1, MANY_ROWS + 1), 3))
        if body:
            _add_trigger(world, body, keys)
        else:
            bad = [NOON_UTC_MS + int(key) * 60_000 for key in keys]
            listed = sql.SQL(", ").join(map(sql.Literal, bad))
            world.connection.execute(
                sql.SQL("ALTER TABLE events ADD CHECK (start_at_utc NOT IN ({}))").format(listed)
            )
        ended = world.plan(apply=True)

        ended.went_well()
        skipped = world.sql("SELECT key, reason, detail FROM backfill.skip ORDER BY key")
        equal("rows skipped", [row[0] for row in skipped], keys)
        equal("reasons", {row[1] for row in skipped}, {"database_error"})
        for row in skipped:
            says(row[2], detail)
        for key in keys:
            says(ended.messages, f" {key}: database_error")
        count = "SELECT count(*) FROM events WHERE start_at_utc = %s + id::bigint * 60000"
        equal("rows written", world.scalar(count, NOON_UTC_MS), MANY_ROWS - 3)
        left = "SELECT id FROM events WHERE start_at_utc IS NULL ORDER BY id"
        equal("rows left alone", world.column(left), keys)
        world.finds_nothing_wrong(ended.run_id)


@case("poison.constraint")
def _constraint(world: World) -> None:
    """Three rows of 10,000 that violate a constraint are listed; the others are written."""
    _refused_rows("", "violates check constraint", world)


@case("poison.trigger_raises")
def _trigger_raises(world: World) -> None:
    """Three rows of 10,000 for which a trigger raises are listed; the others are written."""
    _refused_rows("RAISE EXCEPTION 'not on my watch';", "not on my watch", world)


@case("poison.trigger_rewrites")
def _trigger_rewrites(world: World) -> None:
    """Three rows of 10,000 whose value a trigger rewrites are listed, and not rewritten."""
    _refused_rows("NEW.start_at_utc := 1;", "a trigger or rule stored another value", world)


@case("poison.held_lock")
def _held_lock(world: World) -> None:
    """A row that somebody holds locked is listed; the next run writes it."""
    run_id = world.plan().run_id
    key = world.scalar(
        "SELECT min(id) FROM events WHERE start_at_utc IS NULL AND tz = 'Europe/Stockholm'"
    )
    other = world.other_session()
    other.execute("SELECT FROM events WHERE id = %s FOR UPDATE", [key])
    ended = world.apply(run_id, chunk_size=CHUNK_SIZE, lock_timeout_ms=30)

    ended.exited(5)
    skipped = world.sql("SELECT key, reason FROM backfill.skip WHERE reason = 'locked'")
    equal("rows skipped", skipped, [(key, "locked")])
    equal("verify", world.verify(run_id), [])
    other.rollback()
    again = world.plan(apply=True)
    equal("rows of the next run", again.summary["total_updated"], 1)
    holds("the row is filled", world.scalar(
        "SELECT start_at_utc IS NOT NULL FROM events WHERE id = %s", key))  # fmt: skip


@case("poison.deadlock")
def _deadlock(world: World) -> None:
    """A deadlock is tried again."""
    promised = world.promised()
    run_id = world.plan().run_id
    world.sql("CREATE TABLE turnstile (id int PRIMARY KEY)")
    world.sql("INSERT INTO turnstile VALUES (1)")
    world.sql(
        "CREATE FUNCTION pass() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " PERFORM 1 FROM turnstile FOR UPDATE; RETURN NEW; END $$"
    )
    # An update takes its own row first and the turnstile then; the neighbour the other way round.
    world.sql("CREATE TRIGGER turn AFTER UPDATE ON events FOR EACH ROW EXECUTE FUNCTION pass()")
    other = world.other_session()
    other.execute("SET deadlock_timeout = '10min'")
    other.execute("SELECT FROM turnstile FOR UPDATE")
    task = world.start("apply", run_id=run_id)
    world.wait_until_it_waits()
    cross = threading.Thread(
        target=lambda: other.execute("LOCK TABLE events IN SHARE ROW EXCLUSIVE MODE")
    )
    cross.start()
    cross.join(timeout=WAIT_SECONDS)
    other.rollback()
    ended = task.end()

    ended.went_well()
    world.has_left(run_id, promised)
    deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    world.wait_until(deadlocks)
