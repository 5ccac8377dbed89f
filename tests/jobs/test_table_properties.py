"""Random specifications on a real database, each held against `zoneinfo`."""

from __future__ import annotations

import datetime as dt
import random
from pathlib import Path

import pytest
from tests.engine.workshop import load_nothing
from tests.jobs.conftest import BenchFrom
from tests.longer import longer_behind

from backfill.utc.zone_names import zone_info

ZONES = ("Europe/Lisbon", "America/St_Johns", "Asia/Kathmandu", "Pacific/Chatham", "Africa/Cairo")
#: Column type of the wall, how SQL makes it of a timestamp, entries of the pair.
WALLS = (
    ("timestamp", "w", ""),
    ("date", "w::date", ""),
    ("text", "to_char(w, 'YYYY-MM-DD HH24:MI:SS')", ""),
    ("text", "to_char(w, 'DD.MM.YYYY HH24:MI:SS')", 'format = "%d.%m.%Y %H:%M:%S"'),
    ("char(30)", "to_char(w, 'YYYYMMDD\"T\"HH24MISS')", ""),
    ("bigint", "extract(epoch FROM w)::bigint", 'unit = "s"'),
    ("bigint", "extract(epoch FROM w)::bigint * 1000000", 'unit = "us"'),
    ("bigint", "to_char(w, 'YYYYMMDDHH24MISS')::bigint", 'format = "%Y%m%d%H%M%S"'),
    ("numeric", "extract(epoch FROM w)::numeric", 'unit = "s"'),
)
#: Column type of the target, how SQL reads an instant from it in seconds, entries of the pair.
TARGETS = (
    ("timestamptz", "extract(epoch FROM u)", ""),
    ("timestamp", "extract(epoch FROM u)", ""),
    ("bigint", "u / 1000.0", ""),
    ("integer", "u", 'target_unit = "s"'),
    ("numeric(20,1)", "u", 'target_unit = "s"'),
    ("text", "extract(epoch FROM u::timestamptz)", ""),
)
#: How a row finds its zone: the column's type and chain, with what SQL fills it with.
CHAINS = (
    ("text", '["tz", "=Europe/Lisbon"]'),
    ("varchar(40)", '["place.tz", "tz"]'),
    ("zone_label", '["tz", "place.tz", "=Asia/Kathmandu"]'),
    ("char(40)", '"tz"'),
)
LOOKUP = '[[lookup]]\nname = "place"\ntable = "place"\nby = "place"\nkey = "id"\n'
ROWS = 60


def expected(row: tuple[object, ...], chain: str) -> float | None:
    """Return the instant in seconds by another road, None without a zone."""
    wall, own, other = row
    values = {"tz": own, "place.tz": other}
    links = [link.strip(' "[]') for link in chain.split(",")]
    for link in links:
        name = link[1:] if link.startswith("=") else values[link]
        if name and str(name).strip():
            assert isinstance(wall, dt.datetime)
            return wall.replace(tzinfo=zone_info(str(name).strip())).timestamp()
    return None


@pytest.mark.parametrize("seed", longer_behind(3, range(5)))
def test_a_random_specification_gives_the_instants_of_zoneinfo(
    bench_from: BenchFrom, tmp_path: Path, seed: int
) -> None:
    draw = random.Random(seed)
    wall_type, made, wall_entry = draw.choice(WALLS)
    target_type, read, target_entry = draw.choice(TARGETS)
    zone_type, chain = draw.choice(CHAINS)
    bench = bench_from("nothing", load_nothing)
    labels = ", ".join(f"'{zone}'" for zone in ZONES)
    bench.sql(
        f"CREATE TYPE zone_label AS ENUM ({labels});"
        "CREATE TABLE place (id int PRIMARY KEY, tz text);"
        "INSERT INTO place VALUES (0, NULL), (1, 'Pacific/Chatham'), (2, 'Africa/Cairo');"
        f"CREATE TABLE t (id int PRIMARY KEY, moment timestamp, tz {zone_type}, place int,"
        f" wall {wall_type}, u {target_type})"
    )
    for number in range(ROWS):
        moment = dt.datetime(2001, 1, 1, tzinfo=None) + dt.timedelta(  # noqa: DTZ001  wall time
            days=draw.randrange(9000), seconds=draw.randrange(86_400)
        )
        if wall_type == "date":
            moment = moment.replace(hour=0, minute=0, second=0)
        zone = draw.choice((*ZONES, None))
        bench.sql(
            "INSERT INTO t (id, moment, tz, place) VALUES (%s, %s, %s, %s)",
            *(number, moment, zone, draw.choice((0, 1, 2, None))),
        )
    bench.sql(
        f"UPDATE t SET wall = {made.replace('w', 'moment', 1) if made == 'w' else made_of(made)}"
    )
    path = tmp_path / "t.toml"
    path.write_text(
        f'table = "t"\nzone = {chain}\n{LOOKUP}[[pair]]\nwall = "wall"\ntarget = "u"\n'
        f"{wall_entry}\n{target_entry}\n",
        encoding="utf-8",
    )

    book = bench.run(table=str(path), gap="shift_forward")

    rows = bench.sql(
        f"SELECT t.moment, t.tz::text, p.tz, ({read})::float8 FROM t"
        " LEFT JOIN place AS p ON p.id = t.place ORDER BY t.id"
    )
    assert [row[3] for row in rows] == [expected(row[:3], chain) for row in rows]
    assert bench.verify(book.run_id).findings == []


def made_of(expression: str) -> str:
    """Return the expression over the column `moment`."""
    if expression == "w":
        return "moment"
    return (
        expression.replace("(w,", "(moment,")
        .replace("w::", "moment::")
        .replace("FROM w)", "FROM moment)")
    )
