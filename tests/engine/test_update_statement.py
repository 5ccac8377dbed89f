"""The statement that writes a chunk finds its rows by the key, however large the table is."""

from __future__ import annotations

from typing import Any, cast

import psycopg
from tests.engine.workshop import NOON_MS, Bench

from backfill.chunks.compare_and_set import TableWriter
from backfill.jobs.utc.table_json import table_from_json
from backfill.plans.plan import ChunkReader, load
from backfill.server.postgres import connect, find_rows_by_key
from backfill.server.session import Session


class _Explained:
    """A session that answers an UPDATE with its plan; settings as the product's sessions have."""

    def __init__(self, session: Session) -> None:
        self.plan = ""
        self._execute = session.execute
        self._session = session
        cast(Any, session).execute = self._explain

    def _explain(self, query: Any, params: Any = None, **options: Any) -> Any:
        text = query if isinstance(query, str) else query.as_string(self._session)
        if "UPDATE" not in text:
            return self._execute(query, params, **options)
        lines = self._execute(cast(Any, f"EXPLAIN {text}"), params).fetchall()
        self.plan = "\n".join(line for (line,) in lines)
        raise psycopg.DataError("explained, not run")


def plan_of_update(bench: Bench, run_id: str, *, by_key: bool) -> str:
    """Return PostgreSQL's plan for writing a chunk of 500 rows."""
    frozen = load(bench.folder(run_id))
    chunk = ChunkReader(bench.folder(run_id), frozen).take(1, 500)
    with connect(bench.dsn) as connection:
        if by_key:
            find_rows_by_key(connection)
        explained = _Explained(connection)
        try:
            TableWriter(table_from_json(frozen.target["table"])).write(connection, chunk.changes)
        except psycopg.DataError:
            return explained.plan
    raise AssertionError("the writer sent no UPDATE")


def test_a_chunk_of_a_large_table_is_found_by_its_index(bench: Bench) -> None:
    bench.sql(
        "INSERT INTO events (id, household_id, title, start_at, tz) SELECT 'many' || n, 'hh_demo',"
        " 'Choir', %s + n * 60000::bigint, 'Europe/Stockholm' FROM generate_series(1, 20000) AS n",
        NOON_MS,
    )
    bench.sql("ANALYZE events")
    planned = bench.plan()

    assert "Index Scan" in plan_of_update(bench, planned.run_id, by_key=True)
    # Left alone, the planner walks the whole table: this is what the settings are for.
    assert "Seq Scan" in plan_of_update(bench, planned.run_id, by_key=False)
