"""A key of any type is found, and walked, by its index: no cast or operator stands in its way."""

from __future__ import annotations

from typing import Any, cast

import pytest
from psycopg import sql
from tests.engine.test_column_types import TYPES
from tests.engine.workshop import Bench

from backfill.rows.keys import Key
from backfill.server.catalog_columns import columns_of
from backfill.server.postgres import connect, find_rows_by_key
from backfill.server.session import Session
from backfill.server.table import Relation

ALONE = [(kind,) for kind in TYPES]
TOGETHER = [("integer", "text"), ("uuid", "char(5)"), ("mood", "bigint", "date")]
CITEXT = [("shop.citext",), ("shop.citext", "integer"), ("text", "shop.citext")]
#: Everything that may be asked of a key, for a table called `t`.
ASKED = (
    "SELECT FROM unnest(ARRAY['a', 'b'], ARRAY['a', 'b'], ARRAY['a', 'b']) AS v(k0, k1, k2)"
    " JOIN {relation} AS t ON {equal}",
    "SELECT FROM {relation} AS t WHERE {above} AND {below} ORDER BY {order} LIMIT 1 OFFSET 9",
    "SELECT count(*) FROM {relation} AS t WHERE {above} AND {below}",
)


def plans(session: Session, relation: Relation, key: Key) -> list[str]:
    """Return how the server would answer what is asked of a key."""
    columns = range(len(key.columns))
    # A subquery: the planner must not read a bound that is no value of the type.
    bounds: list[sql.Composable] = [
        sql.SQL(f"(SELECT current_setting('backfill.low{n}', true))") for n in columns
    ]
    parts: dict[str, sql.Composable] = {
        "relation": relation.identifier,
        "equal": key.equals("t", [sql.SQL(f"v.k{n}") for n in columns]),
        "above": key.compared("t", ">", bounds),
        "below": key.compared("t", "<=", bounds),
        "order": key.identifiers("t"),
    }
    found = []
    for asked in ASKED:
        query = sql.SQL("EXPLAIN ") + sql.SQL(cast(Any, asked)).format(**parts)
        found.append("\n".join(line for (line,) in session.execute(query).fetchall()))
    return found


@pytest.mark.parametrize("kinds", [ALONE, TOGETHER, CITEXT], ids=["alone", "together", "citext"])
def test_rows_are_found_and_walked_by_the_keys_own_index(
    bench: Bench, kinds: list[tuple[str, ...]]
) -> None:
    bench.sql("CREATE SCHEMA shop")
    bench.sql("CREATE EXTENSION citext WITH SCHEMA shop")
    bench.sql("CREATE DOMAIN outer_code AS char(4)")
    bench.sql("CREATE TYPE mood AS ENUM ('low', 'high')")
    by_other_means = []
    with connect(bench.dsn) as session:
        find_rows_by_key(session)
        # The tables are empty, where anything is cheap: leave only what the index can do.
        session.add_pins({"enable_sort": "off", "enable_bitmapscan": "off"})
        for number, types in enumerate(kinds):
            names = [f"k{n}" for n in range(len(types))]
            columns = ", ".join(f"{n} {kind}" for n, kind in zip(names, types, strict=True))
            bench.sql(f"CREATE TABLE t{number} ({columns}, PRIMARY KEY ({', '.join(names)}))")
            relation = Relation("public", f"t{number}")
            known = columns_of(bench.connection, relation)
            key = Key(tuple(known[name].as_key() for name in names))
            by_other_means += [
                f"{types}: {plan}"
                for plan in plans(session, relation, key)
                if "Index Cond" not in plan or "Seq Scan" in plan or "Sort" in plan
            ]
    assert by_other_means == []
