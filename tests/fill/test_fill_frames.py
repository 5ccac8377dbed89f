"""Dataframes of every make: what they hold goes into the table, and what they mean by nothing."""

from __future__ import annotations

import datetime as dt
import decimal
import uuid
from typing import TYPE_CHECKING, Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from backfill.errors import PreflightError, UsageError

if TYPE_CHECKING:
    from tests.fill.conftest import Tables

DECIMALS = [decimal.Decimal("1.50"), decimal.Decimal("2.250"), None]


def frames() -> list[Any]:
    """Return the same three rows as pandas, polars, pyarrow and DuckDB have them."""
    arrow = pa.table({"id": [1, 2, 3], "price": ["1.50", "2.250", None], "n": [7, None, 9]})
    pandas = pd.DataFrame({"id": [1, 2, 3], "price": DECIMALS, "n": [7, None, 9]})
    return [
        arrow,
        pandas,
        pandas.set_index("id"),
        pl.from_arrow(arrow),
        duckdb.connect().from_arrow(arrow),
    ]


@pytest.mark.parametrize("number", range(5))
def test_the_same_rows_come_from_every_library(tables: Tables, number: int) -> None:
    tables.make(
        "CREATE TABLE ware (id bigint PRIMARY KEY, price numeric, n smallint)",
        "INSERT INTO ware SELECT generate_series(1, 3)",
    )

    run = tables.fill(frames()[number], "ware", ["price", "n"], allow_null=True)
    run.apply()

    assert tables.rows("SELECT price::text, n FROM ware ORDER BY id") == [
        ("1.50", 7),
        ("2.250", None),
        (None, 9),
    ]


def test_python_s_own_values_find_their_types(tables: Tables) -> None:
    tables.make(
        "CREATE TABLE thing (id uuid PRIMARY KEY, tags text[], facts jsonb, took interval,"
        " seen timestamptz, raw bytea, numbers jsonb)",
        "INSERT INTO thing (id) VALUES ('00000000-0000-0000-0000-000000000001')",
    )
    row = {
        "id": uuid.UUID(int=1),
        "tags": ["a,b", 'say "x"', None],
        "facts": {"size": 1.5, "of": [1, {"b": None}]},
        "took": dt.timedelta(hours=1, microseconds=5),
        "seen": dt.datetime(2024, 6, 1, 12, tzinfo=dt.timezone(dt.timedelta(hours=2))),
        "raw": b"\x00\xff",
        "numbers": [1, 2],
    }
    names = [name for name in row if name != "id"]

    tables.fill(pd.DataFrame([row]), "thing", names).apply()

    assert tables.rows(
        "SELECT tags, facts::text, took::text, seen = '2024-06-01 10:00+00', raw, numbers::text"
        " FROM thing"
    ) == [
        (
            ["a,b", 'say "x"', None],
            '{"of": [1, {"b": null}], "size": 1.5}',
            "01:00:00.000005",
            True,
            b"\x00\xff",
            "[1, 2]",
        )
    ]


@pytest.mark.parametrize(
    ("statement", "target", "says"),
    [
        (
            "CREATE TABLE t (id int PRIMARY KEY, v int GENERATED ALWAYS AS (id * 2) STORED)",
            "v",
            "is a generated column",
        ),
        (
            "CREATE TABLE t (id int PRIMARY KEY, v int GENERATED ALWAYS AS IDENTITY)",
            "v",
            "GENERATED ALWAYS AS IDENTITY",
        ),
        ("CREATE TABLE t (id int, v int)", "v", "has no primary key"),
        ("CREATE VIEW t AS SELECT 1 AS id, 2 AS v", "v", "is not a table"),
        ("CREATE TABLE t (id int PRIMARY KEY, value int)", "v", "no column v"),
    ],
)
def test_a_table_that_can_not_be_filled_is_refused_in_a_sentence(
    tables: Tables, statement: Any, target: str, says: str
) -> None:
    tables.make(statement)

    with pytest.raises(PreflightError, match=says):
        tables.fill(pd.DataFrame({"id": [1], "v": [2]}), "t", target)


def test_a_partitioned_table_is_filled_through_its_root(tables: Tables) -> None:
    tables.make(
        "CREATE TABLE log (day date, id int, v text, PRIMARY KEY (day, id))"
        " PARTITION BY RANGE (day)",
        "CREATE TABLE log_24 PARTITION OF log FOR VALUES FROM ('2024-01-01') TO ('2025-01-01')",
        "CREATE TABLE log_25 PARTITION OF log FOR VALUES FROM ('2025-01-01') TO ('2026-01-01')",
        "INSERT INTO log VALUES ('2024-05-01', 1), ('2025-05-01', 1)",
    )
    rows = pd.DataFrame({"day": ["2024-05-01", "2025-05-01"], "id": [1, 1], "v": ["a", "b"]})

    run = tables.fill(rows, "log", "v")
    run.apply()
    run.verify()

    assert tables.rows("SELECT v FROM log ORDER BY day") == [("a",), ("b",)]


def test_rows_that_are_no_dataframe_are_refused(tables: Tables) -> None:
    tables.make("CREATE TABLE t (id int PRIMARY KEY, v int)")

    with pytest.raises(UsageError, match="Rows of type list are not known"):
        tables.fill([1, 2], "t", "v")
