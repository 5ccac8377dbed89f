"""Tables of other shapes: odd keys and names, partitions, row-level security, views.

Each that can be filled lives a whole life: planned, killed, resumed, run again, reverted.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql
from tests.chaos.selftest.case import case
from tests.chaos.selftest.claims import equal, holds, says
from tests.chaos.selftest.world import NOON_MS, World

DAY_MS = 86_400_000
ODD_TEXTS = (
    *("a", "A", "á", "Ä", "Z", "z", "_", " ", "  lead", "tail ", '"', "it's", "a\nb", "a\tb"),
    *("a\rb", "\\", "\\x00", "%s", "{}", "NULL", "null", "[1]", "🙂", "ß", "ss", "Ω", "0", "00"),
    *("1", "10", "2", ";--", "a,b", "$1", "e\u0301", "é", "\u2028", "<script>", "=1+1", "﷽"),
)


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
    """Make the table of a shape, with a row of a day of its own for each key."""
    typed = [
        *((name, f"{kind} NOT NULL") for name, kind in shape.keys),
        *((shape.scope, "text NOT NULL"), (shape.zone, "text")),
        *((shape.wall, "bigint"), (shape.target, "bigint")),
    ]
    columns = [sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(kind)) for name, kind in typed]
    table, keys = sql.Identifier(shape.name), _names(name for name, _type in shape.keys)
    world.connection.execute(
        sql.SQL("CREATE TABLE {} ({}, PRIMARY KEY ({})) {}").format(
            table, sql.SQL(", ").join(columns), keys, sql.SQL(shape.tail)
        )
    )
    if "PARTITION" in shape.tail:
        _create_partitions(world, shape)
    names = _names(name for name, _type in typed[:-1])
    for n, values in enumerate(key_values):
        row = (*values, "<house>", "Europe/Stockholm", NOON_MS + n * DAY_MS)
        world.connection.execute(
            sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
                table, names, sql.SQL(", ").join(map(sql.Literal, row))
            )
        )


def _names(names: Iterable[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, names))


def _create_partitions(world: World, shape: _Shape) -> None:
    for number in range(3):
        world.connection.execute(
            sql.SQL("CREATE TABLE {} PARTITION OF {} FOR VALUES WITH (MODULUS 3, REMAINDER {})")
            .format(
                sql.Identifier(f"{shape.name}_{number}"),
                sql.Identifier(shape.name),
                sql.Literal(number),
            )
        )  # fmt: skip


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
    planned.went_well("of the plan")
    run_id = planned.run_id
    world.kill("apply", "before_commit", 3, run_id=run_id, chunk_size=7)
    world.let_lease_run_out(run_id)
    resumed = world.apply(run_id, chunk_size=7)

    resumed.went_well()
    equal("rows filled, and all rows", _filled(world, shape), (len(key_values),) * 2)
    equal("verify", world.verify(run_id), [])
    again = world.plan(table=spec, apply=True)
    equal("rows of a second run", again.summary["total_scanned"], 0)
    world.revert(run_id, apply=True).went_well("of the revert")
    equal("table after the revert", world.table(quoted), before)


@case("shapes.keys.uuid")
def _uuid_keys(world: World) -> None:
    """Keys of type uuid: killed, resumed, reverted."""
    keys: list[tuple[object, ...]] = [(f"{world.draw.getrandbits(128):032x}",) for _ in range(60)]
    _whole_life(world, _Shape(keys=(("id", "uuid"),)), keys)


@case("shapes.keys.bigint")
def _bigint_keys(world: World) -> None:
    """Keys of type bigint: killed, resumed, reverted."""
    numbers = {
        -(2**63),
        2**63 - 1,
        0,
        -1,
        *(world.draw.randrange(-(2**40), 2**40) for _ in range(50)),
    }
    keys: list[tuple[object, ...]] = [(number,) for number in numbers]
    _whole_life(world, _Shape(keys=(("id", "bigint"),)), keys)


@case("shapes.keys.text")
def _text_keys(world: World) -> None:
    """Odd texts as keys in every collation that the server has: killed, resumed, reverted."""
    collations = world.sql(
        "SELECT DISTINCT ON (collprovider, collname) quote_ident(collname) FROM pg_collation"
        " WHERE collencoding IN (-1, 6) AND collname <> 'default'"
    )
    keys: list[tuple[object, ...]] = [(text,) for text in ODD_TEXTS]
    holds("this server has several collations", len(collations) > 1)
    for (collation,) in collations:
        try:
            world.sql(f"SELECT 'a' < 'b' COLLATE {collation}")
        except psycopg.errors.FeatureNotSupported:
            continue  # in the catalog of a server that was built without it
        world.draw.shuffle(keys)
        _whole_life(world, _Shape(keys=(("id", f"text COLLATE {collation}"),)), keys)
        world.sql("DROP TABLE calendar")


@case("shapes.keys.composite")
def _composite_keys(world: World) -> None:
    """Keys of two columns: killed, resumed, reverted."""
    keys: list[tuple[object, ...]] = [(text, n % 3) for n, text in enumerate(ODD_TEXTS)]
    keys += [(text, n % 3 + 7) for n, text in enumerate(ODD_TEXTS[:15])]
    _whole_life(world, _Shape(keys=(("part one", "text"), ('two"', "integer"))), keys)


@case("shapes.names")
def _odd_names(world: World) -> None:
    """Tables and columns whose names hold quotes and SQL: killed, resumed, reverted."""
    shape = _Shape(
        name='we"ird; DROP TABLE household; --',
        keys=(("id'; --", "text"),),
        scope='sc"ope %',
        zone="100% zo{}ne %s",
        wall="wall {} ?",
        target="ut\\c $1",
    )
    _whole_life(world, shape, [(text,) for text in ODD_TEXTS])
    equal("the other tables", world.scalar("SELECT count(*) FROM household"), 3)


@case("shapes.partitions")
def _partitions(world: World) -> None:
    """A partitioned table: killed, resumed, reverted."""
    shape = _Shape(tail="PARTITION BY HASH (id)")
    _whole_life(world, shape, [(text,) for text in ODD_TEXTS])


@case("shapes.row_security")
def _row_security(world: World) -> None:
    """Row-level security: the rows that the role sees are written, and a warning says so."""
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
        ended.went_well()
        says(ended.messages, "Row-level security is active", "BYPASSRLS")
        equal("rows filled", _filled(world, shape)[0], visible)
    finally:
        world.sql(f"DROP OWNED BY {role} CASCADE")
        world.sql(f"DROP ROLE {role}")


@case("shapes.view")
def _not_a_table(world: World) -> None:
    """A view is refused with exit code 3."""
    _create(world, _Shape(), [("a",)])
    world.sql("CREATE VIEW looks_like_one AS SELECT * FROM calendar")
    refused = world.plan(table=_spec(world, _Shape(name="looks_like_one")))

    refused.exited(3, "looks_like_one is not a table", "Name the table under it")


@case("shapes.generated")
def _generated(world: World) -> None:
    """A generated target column is refused with exit code 3."""
    _create(world, _Shape(), [("a",)])
    world.sql("ALTER TABLE calendar DROP COLUMN utc")
    world.sql("ALTER TABLE calendar ADD utc bigint GENERATED ALWAYS AS (wall) STORED")
    refused = world.plan(table=_spec(world, _Shape()))

    refused.exited(3, "utc is a generated column", "Take it out of the table specification")
