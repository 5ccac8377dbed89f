"""A random table of random types with random values: plan and apply give the values, revert the
rows as they were; to the last digit, bit and microsecond."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from psycopg import sql

if TYPE_CHECKING:
    from tests.fill.conftest import Tables

#: Types and texts of values that the server reads; what they are afterwards, the server says.
VALUES: dict[str, tuple[str, ...]] = {
    "smallint": ("0", "-32768", "32767"),
    "integer": ("1", "-2147483648", "2147483647"),
    "bigint": ("9223372036854775807", "-9223372036854775808", "0"),
    "numeric": (
        "1.50",
        "1.5",
        "-0.00000000000000000001",
        "123456789012345678901234567890.10",
        "NaN",
    ),
    "numeric(9,3)": ("1.500", "-999999.999", "0.000"),
    "real": ("0.1", "-0", "3.4e+38", "NaN", "1e-45"),
    "double precision": ("0.1", "-0", "2.2250738585072014e-308", "Infinity", "0.30000000000000004"),
    "boolean": ("true", "false"),
    "text": ("", " ", "a'b\"c\\d", "ÅÄÖ 漢字 🙂", "NULL", "{}", "x" * 3000, "tab\tline\nend\r"),
    "varchar(5)": ("", "five5", "ÅÄÖ", "a b"),
    "char(6)": ("a", "abcdef", ""),
    '"char"': ("x", "7"),
    "name": ("some_name",),
    "uuid": ("123e4567-e89b-12d3-a456-426614174000", "00000000-0000-0000-0000-000000000000"),
    "date": ("2024-02-29", "0044-03-15 BC", "infinity", "9999-12-31"),
    "time": ("00:00:00", "23:59:59.999999", "24:00:00"),
    "timetz": ("12:00:00.5+05:30", "00:00:00-12"),
    "timestamp": ("2024-02-29 12:00:00.000001", "infinity", "294276-12-31 23:59:59.999999"),
    "timestamp(3)": ("2024-02-29 12:00:00.125",),
    "timestamptz": ("2024-03-31 02:30:00.123456+02", "-infinity", "0001-01-01 00:00:00 BC"),
    "interval": ("1 mon", "30 days", "-1 year 2 days 03:04:05.000006", "00:00:00"),
    "jsonb": ('{"a": [1, 2.50, null], "b": "x"}', "null", "[]", '"text"', "1.10"),
    "json": ('{"b": 1,   "a": 2}', "[ ]", "null"),
    "bytea": ("\\x", "\\x00ff10", "\\xdeadbeef"),
    "bit(5)": ("10101", "00000"),
    "bit varying(9)": ("", "1", "101010101"),
    "inet": ("10.0.0.1/8", "::1", "10.0.0.1"),
    "cidr": ("10.0.0.0/8",),
    "macaddr": ("08:00:2b:01:02:03",),
    "money": ("$1,234.50",),
    "mood": ("sad", "it's fine", "HAPPY"),
    "short_text": ("ab", "abc"),
    "short_texts": ("{ab,abc}", "{}"),
    "integer[]": ("{}", "{1,NULL,3}", "{{1,2},{3,4}}", "[2:3]={7,8}"),
    "text[]": ('{"a,b","NULL",NULL,""}', "{}"),
    "numeric(5,2)[]": ("{1.50,2.00}",),
    "int4range": ("[1,5)", "empty", "(,3)"),
    "tstzrange": ('["2024-01-01 00:00:00+00","2024-02-01 00:00:00+00")',),
    "point": ("(1.5,-2)",),
    "tsvector": ("'a':1 'b':2",),
    "pair": ('(1,"a b")', "(,)"),
}
#: Those that PostgreSQL can put into an index, as keys must be.
KEYS = (
    *("integer", "bigint", "numeric", "double precision", "text", "varchar(5)", "char(6)", "uuid"),
    *("date", "time", "timestamp", "timestamptz", "interval", "jsonb", "bytea", "bit(5)", "inet"),
    *("mood", "short_text", "boolean", "name", "macaddr"),
)
TYPES = (
    "CREATE TYPE mood AS ENUM ('sad', 'it''s fine', 'HAPPY')",
    "CREATE DOMAIN short_text AS varchar(3) CHECK (VALUE <> 'bad')",
    "CREATE DOMAIN short_texts AS short_text[]",
    "CREATE TYPE pair AS (a int, b text)",
)
_NAMES = itertools.count()
Texts = Sequence[str | None]


@dataclass(frozen=True)
class Case:
    """Types of key, source and targets; texts by row: key, source, present and new ones."""

    key: tuple[str, ...]
    source: str
    targets: tuple[str, ...]
    keys: tuple[Texts, ...]
    sources: Texts
    present: tuple[Texts, ...]
    new: tuple[Texts, ...]


def _unequal(kind: str) -> Texts:
    """Return values of which PostgreSQL calls no two equal."""
    same = {"numeric": {"1.5"}, "interval": {"30 days"}}
    return [value for value in VALUES[kind] if value not in same.get(kind, set())]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    key = tuple(draw(st.lists(st.sampled_from(KEYS), min_size=1, max_size=2)))
    targets = tuple(draw(st.lists(st.sampled_from(sorted(VALUES)), min_size=3, max_size=9)))
    source = draw(st.sampled_from(sorted(VALUES)))
    spaces = list(itertools.product(*(_unequal(kind) for kind in key)))
    keys = draw(st.lists(st.sampled_from(spaces), min_size=1, max_size=5, unique=True))

    def column(kind: str) -> Texts:
        choice = st.one_of(st.none(), st.sampled_from(VALUES[kind]))
        return tuple(draw(st.lists(choice, min_size=len(keys), max_size=len(keys))))

    return Case(
        key,
        source,
        targets,
        tuple(zip(*keys, strict=True)),
        column(source),
        tuple(column(kind) for kind in targets),
        tuple(column(kind) for kind in targets),
    )


def make(tables: Tables, case: Case) -> str:
    """Make a table of the case, its rows with the present values; return its name."""
    name = f"t{next(_NAMES)}"
    kinds = {
        **{f"k{i}": kind for i, kind in enumerate(case.key)},
        "s": case.source,
        **{f"v {i}": kind for i, kind in enumerate(case.targets)},
    }
    columns = [sql.SQL("{} {}").format(sql.Identifier(n), sql.SQL(k)) for n, k in kinds.items()]
    keys = sql.SQL(", ").join(sql.Identifier(f"k{i}") for i in range(len(case.key)))
    tables.connection.execute(
        sql.SQL("CREATE TABLE {} ({}, PRIMARY KEY ({}))").format(
            sql.Identifier(name), sql.SQL(", ").join(columns), keys
        )
    )
    places = sql.SQL(", ").join(sql.SQL("%s::{}").format(sql.SQL(k)) for k in kinds.values())
    insert = sql.SQL("INSERT INTO {} VALUES ({}) ON CONFLICT DO NOTHING").format(
        sql.Identifier(name), places
    )
    for row in zip(*case.keys, case.sources, *case.present, strict=True):
        tables.connection.execute(insert, row)
    return name


def texts(tables: Tables, name: str, columns: Sequence[str]) -> list[tuple[str | None, ...]]:
    listed = sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier(c)) for c in columns)
    query = sql.SQL("SELECT {} FROM {} ORDER BY 1, 2").format(listed, sql.Identifier(name))
    return tables.connection.execute(query).fetchall()


@pytest.mark.slow
@given(cases())
@settings(
    max_examples=5,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],  # shrinking takes a run of the engine each
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_apply_gives_the_values_and_revert_the_rows_as_they_were(
    tables: Tables, case: Case
) -> None:
    if not tables.rows("SELECT 1 FROM pg_type WHERE typname = 'mood'"):
        tables.make(*TYPES)
    name = make(tables, case)
    keys = [f"k{i}" for i in range(len(case.key))]
    targets = [f"v {i}" for i in range(len(case.targets))]
    before = texts(tables, name, [*keys, "s", *targets])
    given_rows = dict(
        zip([*keys, *targets], [pa.array(c) for c in (*case.keys, *case.new)], strict=True)
    )
    rows = pa.table(given_rows | {"s": pa.array(case.sources)})

    run = tables.fill(rows, name, targets, overwrite=True, allow_null=True)
    run.apply()
    run.verify()

    assert run.skips.to_dict("records") == []
    wanted = make(tables, replace(case, present=case.new))
    assert texts(tables, name, [*keys, *targets]) == texts(tables, wanted, [*keys, *targets])
    run.undo()
    assert texts(tables, name, [*keys, "s", *targets]) == before
