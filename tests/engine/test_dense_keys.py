"""Thousands of rows are looked at together where their keys lie close, and nothing is missed."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from psycopg import sql
from tests.engine.workshop import Bench

from backfill.chunks import dense_keys
from backfill.chunks.compare_and_set import TableWriter
from backfill.rows.keys import Key
from backfill.server.catalog_columns import columns_of
from backfill.server.postgres import connect, find_rows_by_key
from backfill.server.table import Relation, Table

#: A key's type, and the SQL of the key of row n of 6,000.
DENSE = {
    "bigint": "n + 10000",
    "text": "'key-' || lpad(n::text, 5, '0')",
    "varchar(20)": "(ARRAY['a', 'B', 'ä', 'Z'])[1 + n % 4] || n",
    "uuid": "md5(n::text)::uuid",
    "date": "date '0008-01-01 BC' + n",  # whose texts are in another order than the days
}
SPARSE = {
    "bigint": "n * 1000",
    "numeric": "n",
    "timestamptz": "timestamptz '2001-01-01 00:00Z' + n * interval '1 hour'",
}


def looked_at(bench: Bench, key_type: str, key: str) -> tuple[dict[str, Any], list[str]]:
    """Return what is told of 6,000 rows, three of which are not as they should be, by key; and the
    conditions by which they were looked for."""
    bench.sql(f"CREATE TABLE place (k {key_type} PRIMARY KEY, was text, is_now text)")
    bench.sql(f"INSERT INTO place SELECT {key}, n, n * 2 FROM generate_series(1, 6000) AS n")
    bench.sql("ANALYZE place")
    relation = Relation("public", "place")
    known = columns_of(bench.connection, relation)
    table = Table(
        relation,
        Key((known["k"].as_key(),)),
        (known["is_now"].as_column(),),
        (known["was"].as_column(),),
    )
    rows = bench.connection.execute(
        'SELECT k::text, was, is_now FROM place ORDER BY k::text COLLATE "C"'
    ).fetchall()
    keys, was, is_now = zip(*rows, strict=True)
    changes = pa.table(
        {
            "key": pa.chunked_array([keys]),
            "source": pa.StructArray.from_arrays([pa.array(was)], ["was"]),
            "after": pa.StructArray.from_arrays([pa.array(is_now)], ["is_now"]),
        }
    )
    bench.sql("UPDATE place SET is_now = 'other' WHERE was = '17'")
    bench.sql("UPDATE place SET was = NULL WHERE was = '4000'")
    bench.sql("DELETE FROM place WHERE was = '6000'")

    asked: list[str] = []

    class Watched(TableWriter):
        def _differing(self, connection: Any, side: str, rows: pa.Table, near: Any) -> Any:
            asked.append(sql.SQL("{}").format(near).as_string(None))
            return super()._differing(connection, side, rows, near)

    with connect(bench.dsn) as connection:
        find_rows_by_key(connection)
        found = Watched(table).look(connection, changes, "after")
        (hash_join,) = connection.execute("SHOW enable_hashjoin").fetchone() or ("",)
    assert hash_join == "off"  # for what comes after
    return {was[row]: present for row, present in found.items()}, asked


@pytest.mark.parametrize("key_type", DENSE)
def test_rows_that_lie_close_are_looked_at_along_their_stretch(bench: Bench, key_type: str) -> None:
    found, asked = looked_at(bench, key_type, DENSE[key_type])

    assert set(found) == {"17", "4000", "6000"}
    assert found["6000"] is None
    assert '"other"' in str(found["17"]) and "null" in str(found["4000"])
    assert "<=" in asked[0] and asked[1:] == ["true"]  # what was told is looked at once more


@pytest.mark.parametrize("key_type", SPARSE)
def test_of_other_keys_each_is_looked_up_alone(
    bench: Bench, key_type: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dense_keys, "MOST_WALKED", 0.5)

    found, asked = looked_at(bench, key_type, SPARSE[key_type])

    assert set(found) == {"17", "4000", "6000"}
    assert asked == ["true"]
