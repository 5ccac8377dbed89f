"""Rows that change while a run is under way: written as approved, or listed, never lost."""

from __future__ import annotations

import csv
import threading
from collections.abc import Callable

import psycopg
import pyarrow.parquet as pq
from tests.chaos.selftest.case import case
from tests.chaos.selftest.claims import equal, holds
from tests.chaos.selftest.world import NOON_MS, NOON_UTC_MS, READ, World

from backfill.records.ledger import Ledger
from backfill.rows import image
from backfill_lab.demo.events import load_events

CHUNK_SIZE = 20
CROWD_ROWS = 4_000
NEIGHBOUR_PAUSE_SECONDS = 0.002


def load_crowd(connection: psycopg.Connection[object]) -> None:
    """Enough rows to edit while they are written."""
    load_events(connection, rows=CROWD_ROWS)


def _add(world: World, *keys: str) -> None:
    for key in keys:
        world.sql(
            "INSERT INTO events (id, household_id, title, start_at, tz)"
            " VALUES (%s, 'hh_demo', 'new', %s, 'Europe/Stockholm')",
            key,
            NOON_MS,
        )


def _planned_keys(world: World, run_id: str) -> list[str]:
    table = pq.read_table(world.folder(run_id).file("changes.parquet"), columns=["key"])
    keys: list[str] = table.column("key").to_pylist()
    return keys


def _values(world: World, *keys: str) -> dict[str, tuple[int | None, int | None]]:
    rows = world.sql(
        "SELECT id, start_at_utc, end_at_utc FROM events WHERE id = ANY (%s) ORDER BY id",
        list(keys),
    )
    return {key: (start, end) for key, start, end in rows}


def _drifted(world: World, run_id: str) -> list[str]:
    """Return the keys that the database lists as drifted, and that the folder lists as well."""
    keys = world.column(
        "SELECT key FROM backfill.skip WHERE run_id = %s AND reason = 'drifted' ORDER BY key",
        run_id,
    )
    with world.folder(run_id).file("drifted.csv").open(encoding="utf-8", newline="") as stream:
        equal("drifted.csv", sorted(row["key"] for row in csv.DictReader(stream)), sorted(keys))
    return keys


@case("moving.while_reading")
def _while_reading(world: World) -> None:
    """Rows that come, change and go while the plan reads are planned as they stand, or not."""
    some = world.column(
        "SELECT id FROM events WHERE start_at_utc IS NULL AND tz = 'Europe/Stockholm' ORDER BY id"
    )
    edited, deleted = world.draw.sample(some, 2)
    task = world.start("utc", (READ, 1), apply=True, chunk_size=CHUNK_SIZE)
    _add(world, "!first", "~last")
    world.sql("UPDATE events SET start_at = %s, end_at = NULL WHERE id = %s", NOON_MS, edited)
    world.sql("DELETE FROM events WHERE id = %s", deleted)
    task.go()
    ended = task.end()

    ended.went_well()
    promised = {"!first": (NOON_UTC_MS, None), "~last": (None, None), edited: (NOON_UTC_MS, None)}
    equal("rows that came and changed", _values(world, *promised), promised)
    holds("the deleted row is not planned", deleted not in _planned_keys(world, ended.run_id))
    equal("verify", world.verify(ended.run_id), [])


def _change_some(world: World, keys: list[str]) -> tuple[list[str], dict[str, str]]:
    """Edit, delete and fill rows of a plan; return those that must be listed, and all their rows
    as they must stay."""
    wall, zone, filled, gone, title = world.draw.sample(keys, 5)
    world.sql("UPDATE events SET start_at = start_at + 60000 WHERE id = %s", wall)
    world.sql("UPDATE events SET tz = 'Asia/Tokyo' WHERE id = %s", zone)
    world.sql("UPDATE events SET start_at_utc = 1 WHERE id = %s", filled)
    world.sql("DELETE FROM events WHERE id = %s", gone)
    world.sql("UPDATE events SET title = 'does not matter' WHERE id = %s", title)
    _add(world, "!first", "~last")
    stay = [wall, zone, filled, "!first", "~last"]
    rows = world.sql("SELECT id, e::text FROM events AS e WHERE id = ANY (%s)", stay)
    return sorted([wall, zone, filled, gone]), dict(rows)


def _moved(world: World, disturb: Callable[[str], tuple[list[str], dict[str, str]]]) -> None:
    run_id = world.plan().run_id
    listed, stay = disturb(run_id)
    ended = world.apply(run_id, chunk_size=CHUNK_SIZE)

    ended.exited(5, "4 rows were left alone", "drifted.csv")
    equal("rows listed as drifted", _drifted(world, run_id), listed)
    rows: dict[str, str] = dict(
        world.sql("SELECT id, e::text FROM events AS e WHERE id = ANY (%s)", list(stay))
    )
    equal("edited and new rows", rows, stay)
    equal("drifted rows in the summary", ended.summary["total_drifted"], 4)
    world.finds_nothing_wrong(run_id)


@case("moving.between_plan_and_apply")
def _between_plan_and_apply(world: World) -> None:
    """Rows edited, filled or deleted after the plan are listed and keep what they hold."""
    _moved(world, lambda run_id: _change_some(world, _planned_keys(world, run_id)))


@case("moving.while_applying")
def _while_applying(world: World) -> None:
    """Rows edited, filled or deleted during the apply are listed and keep what they hold."""

    def disturb(run_id: str) -> tuple[list[str], dict[str, str]]:
        task = world.start("apply", ("between_chunks", 3), run_id=run_id, chunk_size=CHUNK_SIZE)
        high = world.scalar("SELECT max(key_high) FROM backfill.checkpoint")
        left = [key for key in _planned_keys(world, run_id) if key > high]
        changed = _change_some(world, left)
        task.go()
        task.end().exited(5, whose="of the disturbed apply")
        return changed

    _moved(world, disturb)


@case("moving.zone_of_household")
def _zone_of_household(world: World) -> None:
    """A household that moves to another zone makes the rows that used its zone drift."""
    run_id = world.plan().run_id
    changes = pq.read_table(world.folder(run_id).file("changes.parquet")).to_pylist()
    used = sorted(
        row["key"] for row in changes if row["source"]["household.tz"] == "Europe/Stockholm"
    )
    world.sql("UPDATE household SET tz = 'Asia/Tokyo' WHERE id = 'hh_demo'")
    before = _values(world, *used)
    ended = world.apply(run_id, chunk_size=CHUNK_SIZE)

    ended.exited(5)
    holds("some rows used the household's zone", used)
    equal("rows listed as drifted", sorted(_drifted(world, run_id)), used)
    equal("their values", _values(world, *used), before)


@case("moving.before_revert")
def _before_revert(world: World) -> None:
    """A revert puts back all rows but those edited since, which it lists."""
    before: dict[str, str] = dict(world.sql("SELECT id, e::text FROM events AS e"))
    run_id = world.plan(apply=True).run_id
    edited, gone, title = world.draw.sample(_planned_keys(world, run_id), 3)
    world.sql("UPDATE events SET start_at_utc = 7 WHERE id = %s", edited)
    world.sql("DELETE FROM events WHERE id = %s", gone)
    world.sql("UPDATE events SET title = 'does not matter' WHERE id = %s", title)
    revert = world.revert(run_id, apply=True)

    revert.exited(5, "2 rows were left alone")
    equal("rows listed as drifted", _drifted(world, revert.run_id), sorted([edited, gone]))
    equal("the edited value", world.scalar(
        "SELECT start_at_utc FROM events WHERE id = %s", edited), 7)  # fmt: skip
    after: dict[str, str] = dict(world.sql("SELECT id, e::text FROM events AS e"))
    touched = {edited, gone, title}
    equal(
        "all other rows",
        {key: row for key, row in after.items() if key not in touched},
        {key: row for key, row in before.items() if key not in touched},
    )
    equal("status of the run", world.status(run_id), "succeeded")


class _Neighbours:
    """Sessions that insert, edit and delete pending rows until they are told to stop."""

    def __init__(self, world: World) -> None:
        self._stop = threading.Event()
        self.statements = 0
        self._threads = [
            threading.Thread(target=self._work, args=(world.dsn, statement), daemon=True)
            for statement in (
                "INSERT INTO events (id, household_id, title, start_at, tz)"
                f" VALUES ('new-' || %s, 'hh_demo', 'new', {NOON_MS}, 'Europe/Stockholm')",
                "UPDATE events SET start_at = start_at %% 4000000000000 + 60000"
                " WHERE start_at_utc IS NULL"
                " AND end_at_utc IS NULL AND id = (SELECT id FROM events WHERE start_at_utc IS NULL"
                " ORDER BY md5(%s || id) LIMIT 1)",
                "DELETE FROM events WHERE start_at_utc IS NULL AND end_at_utc IS NULL"
                " AND id = (SELECT id FROM events WHERE start_at_utc IS NULL"
                " ORDER BY md5(id || %s) LIMIT 1)",
                "UPDATE events SET title = 'edited' WHERE id = (SELECT id FROM events"
                " ORDER BY md5(id || %s) LIMIT 1)",
            )
        ]

    def _work(self, dsn: str, statement: str) -> None:
        with psycopg.connect(dsn, autocommit=True, application_name="neighbour") as connection:
            number = 0
            while not self._stop.wait(NEIGHBOUR_PAUSE_SECONDS):
                number += 1
                connection.execute(statement.encode(), [str(number)])
                self.statements += 1

    def __enter__(self) -> _Neighbours:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


@case("moving.crowd")
def _crowd(_world: World) -> None:
    """Among busy neighbours a run ends, and every row is written, listed or newer than it."""
    with _world.sibling(load_crowd) as world:
        before = set(world.column("SELECT id FROM events"))
        with _Neighbours(world) as neighbours:
            run_id = world.plan().run_id
            ended = world.apply(run_id, chunk_size=CHUNK_SIZE, progress_interval=500)
        planned = set(_planned_keys(world, run_id))
        written: set[str] = set()
        for chunk_no, _rows, sha256, content in Ledger(world.connection).images(run_id):
            rows = image.decode(run_id, chunk_no, sha256, content)
            written |= set(rows.column("key").to_pylist())
        listed = set(world.column("SELECT key FROM backfill.skip"))
        pending = set(
            world.column(
                "SELECT id FROM events WHERE (start_at IS NOT NULL AND start_at_utc IS NULL)"
                " OR (end_at IS NOT NULL AND end_at_utc IS NULL)"
            )
        )

        holds(f"the neighbours were busy: {neighbours.statements}", neighbours.statements > 200)
        ended.exited(5, "rows were left alone")
        equal(
            "planned rows that were neither written nor listed", planned - written - listed, set()
        )
        equal("rows that were written and listed", written & listed, set())
        equal("pending rows of old that nobody lists", (pending & before) - listed, set())
        world.finds_nothing_wrong(run_id)
