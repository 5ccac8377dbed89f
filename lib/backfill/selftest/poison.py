"""Rows and tables that resist: refused rows, rewriting triggers, held locks, odd keys and names."""

from __future__ import annotations

import functools
import json
import threading
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from backfill.demo.events import load_events
from backfill.selftest.case import Case
from backfill.selftest.claims import equal, holds, says
from backfill.selftest.world import World

MANY_ROWS = 10_000
CHUNK_SIZE = 20
NOON_MS = 1_748_865_600_000  # 2025-06-02 12:00 by the wall
NOON_UTC_MS = 1_748_858_400_000  # the same in Stockholm, in UTC
DAY_MS = 86_400_000
ODD_TEXTS = (
    *("a", "A", "á", "Ä", "Z", "z", "_", " ", "  lead", "tail ", '"', "it's", "a\nb", "a\tb"),
    *("a\rb", "\\", "\\x00", "%s", "{}", "NULL", "null", "[1]", "🙂", "ß", "ss", "Ω", "0", "00"),
    *("1", "10", "2", ";--", "a,b", "$1", "e\u0301", "é", "\u2028", "<script>", "=1+1", "﷽"),
)


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

        equal("exit code", (ended.exit_code, ended.error), (0, ""))
        skipped = world.sql("SELECT key, reason, detail FROM backfill.skip ORDER BY key")
        equal("rows skipped", [row[0] for row in skipped], keys)
        equal("reasons", {row[1] for row in skipped}, {"database_error"})
        for row in skipped:
            says(row[2], detail)
        for key in keys:
            says(ended.messages, f"skipped {key}")
        count = "SELECT count(*) FROM events WHERE start_at_utc = %s + id::bigint * 60000"
        equal("rows written", world.scalar(count, NOON_UTC_MS), MANY_ROWS - 3)
        left = "SELECT id FROM events WHERE start_at_utc IS NULL ORDER BY id"
        equal("rows left alone", [row[0] for row in world.sql(left)], keys)
        equal("verify", world.verify(ended.run_id), [])
        equal("evidence check", world.evidence(ended.run_id), [])


def _held_lock(world: World) -> None:
    run_id = world.plan().run_id
    key = world.scalar(
        "SELECT min(id) FROM events WHERE start_at_utc IS NULL AND tz = 'Europe/Stockholm'"
    )
    other = world.other_session()
    other.execute("SELECT FROM events WHERE id = %s FOR UPDATE", [key])
    ended = world.apply(run_id, chunk_size=CHUNK_SIZE, lock_timeout_ms=30)

    equal("exit code", (ended.exit_code, ended.error), (0, ""))
    found = world.sql("SELECT key, reason FROM backfill.skip WHERE reason = 'database_error'")
    equal("rows skipped", found, [(key, "database_error")])
    equal("verify", world.verify(run_id), [])
    other.rollback()
    again = world.plan(apply=True)
    equal("rows of the next run", again.summary["total_updated"], 1)
    holds("the row is filled", world.scalar(
        "SELECT start_at_utc IS NOT NULL FROM events WHERE id = %s", key))  # fmt: skip


def _deadlock(world: World) -> None:
    with world.sibling() as calm:
        promised = calm.imprint(calm.plan(apply=True).run_id)
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
    world.wait_until(
        "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        " AND datname = current_database() AND application_name = 'backfill-workbook'"
    )
    cross = threading.Thread(
        target=lambda: other.execute("LOCK TABLE events IN SHARE ROW EXCLUSIVE MODE")
    )
    cross.start()
    cross.join(timeout=30)
    other.rollback()
    ended = task.end()

    equal("exit code", (ended.exit_code, ended.error), (0, ""))
    equal("table, checkpoints, images and skips", world.imprint(run_id), promised)
    deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    world.wait_until(deadlocks)


# -- other tables ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Shape:
    """A table to fill: key columns with their types, and the SQL of what else is odd."""

    name: str = "calendar"
    keys: tuple[tuple[str, str], ...] = (("id", "text"),)
    scope: str = "house"
    zone: str = "tz"
    wall: str = "wall"
    target: str = "utc"
    tail: str = ""


def _spec(world: World, shape: _Shape) -> str:
    """Write the table's specification; return its path."""
    document = {
        "table": shape.name,
        "key": [name for name, _type in shape.keys],
        "scope": shape.scope,
        "zone": shape.zone,
        "pairs": [[shape.wall, shape.target]],
    }
    # A TOML string is written like a JSON one.
    lines = [f"{name} = {json.dumps(value)}" for name, value in document.items()]
    path = Path(f"{world.runs}.toml")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


def _create(world: World, shape: _Shape, key_values: list[tuple[object, ...]]) -> None:
    columns = [
        sql.SQL("{} {} NOT NULL").format(sql.Identifier(name), sql.SQL(kind))
        for name, kind in shape.keys
    ]
    columns += [
        sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(kind))
        for name, kind in (
            (shape.scope, "text NOT NULL"),
            (shape.zone, "text"),
            (shape.wall, "bigint"),
            (shape.target, "bigint"),
        )
    ]
    names = [*(name for name, _type in shape.keys), shape.scope, shape.zone, shape.wall]
    world.connection.execute(
        sql.SQL("CREATE TABLE {} ({}, PRIMARY KEY ({})) {}").format(
            sql.Identifier(shape.name),
            sql.SQL(", ").join(columns),
            sql.SQL(", ").join(sql.Identifier(name) for name, _type in shape.keys),
            sql.SQL(shape.tail),
        )
    )
    if "PARTITION" in shape.tail:
        for number in range(3):
            world.connection.execute(
                sql.SQL("CREATE TABLE {} PARTITION OF {} FOR VALUES WITH (MODULUS 3, REMAINDER {})")
                .format(
                    sql.Identifier(f"{shape.name}_{number}"),
                    sql.Identifier(shape.name),
                    sql.Literal(number),
                )
            )  # fmt: skip
    for n, values in enumerate(key_values):
        row = (*values, "<house>", "Europe/Stockholm", NOON_MS + n * DAY_MS)
        world.connection.execute(
            sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
                sql.Identifier(shape.name),
                sql.SQL(", ").join(map(sql.Identifier, names)),
                sql.SQL(", ").join(map(sql.Literal, row)),
            )
        )


def _filled(world: World, shape: _Shape) -> tuple[int, int]:
    """Return how many rows hold exactly what their wall time means, and how many there are."""
    row = world.connection.execute(
        sql.SQL("SELECT count(*) FILTER (WHERE {} = {} - 7200000), count(*) FROM {}").format(
            sql.Identifier(shape.target), sql.Identifier(shape.wall), sql.Identifier(shape.name)
        )
    ).fetchone()
    assert row is not None
    return int(row[0]), int(row[1])


def _whole_life(world: World, shape: _Shape, key_values: list[tuple[object, ...]]) -> None:
    """Plan, be killed, resume, run again, revert: on a table of that shape."""
    # Summer days only: the offset is two hours throughout.
    key_values = key_values[:60]
    _create(world, shape, key_values)
    spec = _spec(world, shape)
    quoted = sql.Identifier(shape.name).as_string(None)
    before = world.table(quoted)
    planned = world.plan(table=spec)
    equal("exit code of the plan", (planned.exit_code, planned.error), (0, ""))
    run_id = planned.run_id
    task = world.start("apply", ("before_commit", 3), run_id=run_id, chunk_size=7)
    task.reached()
    task.kill()
    world.let_lease_run_out(run_id)
    resumed = world.apply(run_id, chunk_size=7)

    equal("exit code", (resumed.exit_code, resumed.error), (0, ""))
    equal("rows filled, and all rows", _filled(world, shape), (len(key_values),) * 2)
    equal("verify", world.verify(run_id), [])
    again = world.plan(table=spec, apply=True)
    equal("rows of a second run", again.summary["total_scanned"], 0)
    revert = world.start("revert", run_id=run_id, apply=True).end()
    equal("exit code of the revert", (revert.exit_code, revert.error), (0, ""))
    equal("table after the revert", world.table(quoted), before)


def _uuid_keys(world: World) -> None:
    keys: list[tuple[object, ...]] = [(f"{world.draw.getrandbits(128):032x}",) for _ in range(60)]
    _whole_life(world, _Shape(keys=(("id", "uuid"),)), keys)


def _bigint_keys(world: World) -> None:
    numbers = {
        -(2**63),
        2**63 - 1,
        0,
        -1,
        *(world.draw.randrange(-(2**40), 2**40) for _ in range(50)),
    }
    keys: list[tuple[object, ...]] = [(number,) for number in numbers]
    _whole_life(world, _Shape(keys=(("id", "bigint"),)), keys)


def _text_keys(world: World) -> None:
    found = world.sql(
        "SELECT DISTINCT ON (collprovider, collname) quote_ident(collname) FROM pg_collation"
        " WHERE collencoding IN (-1, 6) AND collname <> 'default'"
    )
    keys: list[tuple[object, ...]] = [(text,) for text in ODD_TEXTS]
    holds("this server has several collations", len(found) > 1)
    for (collation,) in found:
        try:
            world.sql(f"SELECT 'a' < 'b' COLLATE {collation}")
        except psycopg.errors.FeatureNotSupported:
            continue  # in the catalog of a server that was built without it
        world.draw.shuffle(keys)
        _whole_life(world, _Shape(keys=(("id", f"text COLLATE {collation}"),)), keys)
        world.sql("DROP TABLE calendar")


def _composite_keys(world: World) -> None:
    keys: list[tuple[object, ...]] = [(text, n % 3) for n, text in enumerate(ODD_TEXTS)]
    keys += [(text, n % 3 + 7) for n, text in enumerate(ODD_TEXTS[:15])]
    _whole_life(world, _Shape(keys=(("part one", "text"), ('two"', "integer"))), keys)


def _odd_names(world: World) -> None:
    shape = _Shape(
        name='we"ird; DROP TABLE household; --',
        keys=(("id'; --", "text"),),
        scope='sc"ope',
        zone="zo{}ne",
        wall="wall {} ?",
        target="ut\\c $1",
    )
    _whole_life(world, shape, [(text,) for text in ODD_TEXTS])
    equal("the other tables", world.scalar("SELECT count(*) FROM household"), 3)
    refused = world.plan(table=_spec(world, _Shape(zone="100%")))
    equal("exit code of a name that the driver can not take", refused.exit_code, 2)
    says(refused.error, "percent sign", "RENAME")


def _partitions(world: World) -> None:
    shape = _Shape(tail="PARTITION BY HASH (id)")
    _whole_life(world, shape, [(text,) for text in ODD_TEXTS])


def _row_security(world: World) -> None:
    shape = _Shape()
    _create(world, shape, [(text,) for text in ODD_TEXTS])
    role = f"reader_{world.draw.getrandbits(32):x}"
    world.sql(f"CREATE ROLE {role} LOGIN")
    world.sql(f"GRANT ALL ON calendar TO {role}")
    world.sql(f"GRANT CREATE ON DATABASE {psycopg.conninfo.conninfo_to_dict(world.dsn)['dbname']}"
              f" TO {role}")  # fmt: skip
    world.sql("ALTER TABLE calendar ENABLE ROW LEVEL SECURITY")
    world.sql("CREATE POLICY a_few ON calendar USING (id < 'b')")
    visible = world.scalar("SELECT count(*) FROM calendar WHERE id < 'b'")
    dsn = world.dsn.replace("postgres@", f"{role}@")
    try:
        ended = world.plan(table=_spec(world, shape), apply=True, _dsn=dsn)
        equal("exit code", (ended.exit_code, ended.error), (0, ""))
        says(ended.messages, "Row-level security is active", "BYPASSRLS")
        equal("rows filled", _filled(world, shape)[0], visible)
    finally:
        world.sql(f"DROP OWNED BY {role} CASCADE")
        world.sql(f"DROP ROLE {role}")


def _not_a_table(world: World) -> None:
    _create(world, _Shape(), [("a",)])
    world.sql("CREATE VIEW looks_like_one AS SELECT * FROM calendar")
    refused = world.plan(table=_spec(world, _Shape(name="looks_like_one")))

    equal("exit code", refused.exit_code, 3)
    says(refused.error, "looks_like_one is not a table", "Name the table under it")


def _generated(world: World) -> None:
    _create(world, _Shape(), [("a",)])
    world.sql("ALTER TABLE calendar DROP COLUMN utc")
    world.sql("ALTER TABLE calendar ADD utc bigint GENERATED ALWAYS AS (wall) STORED")
    refused = world.plan(table=_spec(world, _Shape()))

    equal("exit code", refused.exit_code, 3)
    says(refused.error, "utc is a generated column", "Take it out of the table specification")


CASES = (
    Case(
        "poison.constraint",
        "Three rows of 10,000 that violate a constraint are listed; the others are written.",
        functools.partial(_refused_rows, "", "violates check constraint"),
    ),
    Case(
        "poison.trigger_raises",
        "Three rows of 10,000 for which a trigger raises are listed; the others are written.",
        functools.partial(_refused_rows, "RAISE EXCEPTION 'not on my watch';", "not on my watch"),
    ),
    Case(
        "poison.trigger_rewrites",
        "Three rows of 10,000 whose value a trigger rewrites are listed, and not rewritten.",
        functools.partial(
            _refused_rows, "NEW.start_at_utc := 1;", "a trigger or rule stored another value"
        ),
    ),
    Case(
        "poison.held_lock",
        "A row that somebody holds locked is listed; the next run writes it.",
        _held_lock,
        is_quick=True,
    ),
    Case("poison.deadlock", "A deadlock is tried again.", _deadlock),
    Case("poison.keys.uuid", "Keys of type uuid: killed, resumed, reverted.", _uuid_keys),
    Case("poison.keys.bigint", "Keys of type bigint: killed, resumed, reverted.", _bigint_keys),
    Case(
        "poison.keys.text",
        "Odd texts as keys in every collation that the server has: killed, resumed, reverted.",
        _text_keys,
    ),
    Case(
        "poison.keys.composite",
        "Keys of two columns: killed, resumed, reverted.",
        _composite_keys,
        is_quick=True,
    ),
    Case(
        "poison.names",
        "Tables and columns whose names hold quotes and SQL: killed, resumed, reverted.",
        _odd_names,
        is_quick=True,
    ),
    Case("poison.partitions", "A partitioned table: killed, resumed, reverted.", _partitions),
    Case(
        "poison.row_security",
        "Row-level security: the rows that the role sees are written, and a warning says so.",
        _row_security,
    ),
    Case("poison.view", "A view is refused with exit code 3.", _not_a_table),
    Case("poison.generated", "A generated target column is refused with exit code 3.", _generated),
)
