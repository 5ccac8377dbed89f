"""What lies within arrays, ranges and composites is fitted to its own type: what that rounds or
leaves out is said, what it would cut is left alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, LiteralString

import pandas as pd
import pyarrow as pa
import pytest
from tests.longer import longer_behind

if TYPE_CHECKING:
    from tests.fill.conftest import Tables

TYPES: tuple[LiteralString, ...] = (
    'CREATE TYPE berth AS (price numeric(7,1), since date, "the code" varchar(4))',
    "CREATE DOMAIN rate AS numeric(4,3) CHECK (VALUE < 3)",
    "CREATE DOMAIN berths AS berth[]",
    "CREATE TYPE span AS RANGE (subtype = float8)",
    "CREATE TYPE pier AS (name text, best berth, rates rate[], open tstzrange)",
)
#: By type: a text, what is stored (None: the row is left alone), what is said of which parts.
CASES: dict[LiteralString, list[tuple[str, str | None, list[str]]]] = {
    "real[]": [
        ("{0.25,123456789}", "{0.25,1.2345679e+08}", ["'123456789' is stored as '1.2345679e+08'"]),
        ("[0:1]={1,2}", "[0:1]={1,2}", []),
        ("{{1,NULL},{2,3}}", "{{1,NULL},{2,3}}", []),
    ],
    "money[]": [('{"12,50"}', None, []), ('{7,"$1,000.00"}', '{$7.00,"$1,000.00"}', [])],
    '"char"[]': [("{a,bc}", None, []), ("{a,b}", "{a,b}", [])],
    "rate[]": [
        ("{1.0005,2}", "{1.001,2.000}", ["'1.0005' is stored as '1.001'"]),
        ("{3}", None, []),
    ],
    "timestamp[]": [
        ('{"2031-02-03 10:00+04",NULL}', '{"2031-02-03 10:00:00",NULL}', ["10:00+04' is stored as"])
    ],
    "date[]": [
        ('{"Feb 3, 2031",NULL}', "{2031-02-03,NULL}", []),
        ("{2031-02-03,02/03/2031}", None, []),
        ("{20310203,1612121212}", None, []),
    ],
    "interval[]": [("{90}", "{00:01:30}", ["'90' names no unit: read as seconds"])],
    "jsonb[]": [(r'{"{\"a\": 1, \"a\": 2}"}', r'{"{\"a\": 2}"}', ["is stored as '{\"a\": 2}'"])],
    "span": [
        ("[0.5,12345678901234567890)", "[0.5,1.2345678901234567e+19)", ["1.2345678901234567e+19'"]),
        ("empty", "empty", []),
    ],
    "tsrange": [("[2031-02-03 10:00+04,)", '["2031-02-03 10:00:00",)', ["is stored as"])],
    "tstzrange[]": [
        (
            '{"[\\"2031-02-03 10:00\\",)"}',
            '{"[\\"2031-02-03 10:00:00+00\\",)"}',
            ["names no offset"],
        )
    ],
    "berth": [
        (
            '(10.25,"2031-02-03 08:00","a"" b")',
            '(10.3,2031-02-03,"a"" b")',
            ["10.3'", "2031-02-03'"],
        ),
        ("(10.2,02/03/2031,)", None, []),
        ("(,,)", "(,,)", []),
    ],
    "berths": [('{"(0.04,,)",NULL}', '{"(0.0,,)",NULL}', ["'0.04' is stored as '0.0'"])],
    "pier": [
        (
            r'("a, b","(1.26,,)","{1,1.0004}","[2031-02-03,)")',
            '("a, b","(1.3,,)","{1.000,1.000}","[""2031-02-03 00:00:00+00"",)")',
            ["'1.26' is stored", "'1.0004' is stored", "names no offset"],
        )
    ],
}


@pytest.mark.parametrize("kind", longer_behind(3, CASES))
def test_what_a_part_loses_is_said_and_what_would_be_cut_is_left_alone(
    tables: Tables, kind: LiteralString
) -> None:
    tables.make(
        *TYPES,
        f"CREATE TABLE quay (id int PRIMARY KEY, v {kind})",
        "INSERT INTO quay SELECT generate_series(1, 3)",
    )
    before = tables.rows("SELECT t::text FROM quay AS t ORDER BY id")
    given = pa.table({"id": range(1, len(CASES[kind]) + 1), "v": [case[0] for case in CASES[kind]]})

    run = tables.fill(given, "quay", "v")
    run.apply()
    run.verify()

    rows: list[Any] = tables.rows("SELECT v::text FROM quay ORDER BY id LIMIT 3")
    assert [row[0] for row in rows[: len(CASES[kind])]] == [case[1] for case in CASES[kind]]
    said = dict(zip(run.changes["key"], run.changes["warnings"].fillna(""), strict=True))
    for key, (_text, stored, parts) in enumerate(CASES[kind], 1):
        assert all(part in said[str(key)] for part in parts)
        assert stored is None or bool(parts) is bool(said[str(key)])
    left = set(zip(run.skips["key"], run.skips["reason"], strict=True))
    refused = [key for key, case in enumerate(CASES[kind], 1) if case[1] is None]
    assert left == {(str(key), "invalid_value") for key in refused}
    run.undo()
    assert tables.rows("SELECT t::text FROM quay AS t ORDER BY id") == before


def test_many_rows_with_the_same_parts_are_each_told(tables: Tables) -> None:
    tables.make(
        "CREATE TABLE quay (id int PRIMARY KEY, v real[], w text)",
        "INSERT INTO quay SELECT generate_series(1, 2000)",
    )
    lists = [[0.5, 16777217.0 if n % 2 else 2.0] for n in range(1, 2001)]

    run = tables.fill(pd.DataFrame({"id": range(1, 2001), "v": lists}), "quay", "v")

    said = run.changes.set_index(run.changes["key"].astype(int))["warnings"].fillna("")
    assert {bool(said[n]) for n in range(1, 2001, 2)} == {True}
    assert {bool(said[n]) for n in range(2, 2001, 2)} == {False}


def test_a_check_of_a_partition_or_of_a_table_that_inherits_is_asked_about_for_its_rows(
    tables: Tables,
) -> None:
    tables.make(
        "CREATE TABLE t (id int, side text, depth int, CHECK (depth < 90), PRIMARY KEY (id, side))"
        " PARTITION BY LIST (side)",
        "CREATE TABLE t_east PARTITION OF t FOR VALUES IN ('east')",
        "CREATE TABLE t_west (depth int, id int NOT NULL, side text NOT NULL,"
        " CONSTRAINT t_depth_check CHECK (depth < 90), CONSTRAINT shoal CHECK (depth > id))",
        "ALTER TABLE t ATTACH PARTITION t_west FOR VALUES IN ('west')",
        "CREATE TABLE mark (id int PRIMARY KEY, depth int)",
        "CREATE TABLE mark_of_old (age int, CONSTRAINT odd CHECK (depth % 2 = 1)) INHERITS (mark)",
        "INSERT INTO t SELECT n, s FROM generate_series(1, 3) n, unnest('{east,west}'::text[]) s",
        "INSERT INTO mark VALUES (1), (2)",
        "INSERT INTO mark_of_old VALUES (3), (4)",
    )
    given = [(1, "east", 1), (2, "east", 95), (1, "west", 1), (2, "west", 3), (3, "west", 3)]

    run = tables.fill(pd.DataFrame(given, columns=["id", "side", "depth"]), "t", "depth")

    said = dict(zip(run.skips["key"], run.skips["detail"], strict=True))
    assert said == {
        '["2", "east"]': 'new row for relation "t" violates check constraint "t_depth_check"',
        '["1", "west"]': 'new row for relation "t_west" violates check constraint "shoal"',
        '["3", "west"]': 'new row for relation "t_west" violates check constraint "shoal"',
    }
    run.apply()
    run.verify()
    filled = tables.rows("SELECT id, side FROM t WHERE depth IS NOT NULL ORDER BY side")
    assert filled == [(1, "east"), (2, "west")]

    marks = tables.fill(pd.DataFrame({"id": range(1, 5), "depth": [2, 2, 2, 3]}), "mark", "depth")

    assert list(marks.skips["key"]) == ["3"]
    assert marks.skips["reason"].tolist() == ["invalid_value"]


def test_a_check_that_is_not_enforced_refuses_nothing(tables: Tables) -> None:
    tables.make("CREATE TABLE mark (id int PRIMARY KEY, depth int)", "INSERT INTO mark VALUES (1)")
    if tables.connection.info.server_version < 180_000:
        return  # no other server has such a CHECK
    tables.make("ALTER TABLE mark ADD CHECK (depth < 90) NOT ENFORCED")

    run = tables.fill(pd.DataFrame({"id": [1], "depth": [95]}), "mark", "depth")
    run.apply()

    assert tables.rows("TABLE mark") == [(1, 95)]
