"""Reading every pending row into DuckDB: ours, and what a user would write instead."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import adbc_driver_postgresql.dbapi  # noqa: F401  a run imports it once, not for each page
import duckdb
import pyarrow as pa
from tests.bench.contender import Contender, Measured, Setup

from backfill.folder import RunFolder
from backfill.jobs.registry import JOBS
from backfill.jobs.utc.entry import UTC_PARAMETERS
from backfill.report import Reporter
from backfill.server.database import Database
from backfill.settings import engine_settings
from backfill.steps.planning import Planning

OURS = "ours, into DuckDB"
CURSOR = "server-side cursor, into DuckDB"
BATCH_ROWS = 10_000
#: What the job reads of a row: key, scope, default zone, sources, targets.
QUERY = (
    "SELECT e.id, e.household_id, h.tz, e.start_at, e.end_at, e.tz, e.start_at_utc, e.end_at_utc"
    " FROM events e JOIN household h ON h.id = e.household_id"
    " WHERE e.start_at_utc IS NULL OR (e.end_at IS NOT NULL AND e.end_at_utc IS NULL)"
)
SCHEMA = pa.schema(
    [
        *(pa.field(name, pa.string()) for name in ("id", "household_id", "default_tz")),
        *(pa.field(name, pa.int64()) for name in ("start_at", "end_at")),
        pa.field("tz", pa.string()),
        *(pa.field(name, pa.int64()) for name in ("start_at_utc", "end_at_utc")),
    ]
)


def ours(setup: Setup) -> Measured:
    values: dict[str, Any] = {parameter.name: parameter.default for parameter in UTC_PARAMETERS}
    values |= {"household_id": []}
    with tempfile.TemporaryDirectory() as runs:
        folder = RunFolder(Path(runs))
        job = JOBS["utc"].make(values)
        planning = Planning(
            job, Database(setup.dsn, is_embedded=False), folder, Reporter(lambda _event: None)
        )
        planning.preflight(engine_settings(values), writing=False)
        with setup.measuring(setup.rows) as measured:
            read = planning.extract()
        assert read == setup.rows, f"{read} of {setup.rows} rows read"
        planning.close()
    return measured


def cursor(setup: Setup) -> Measured:
    """Ten thousand rows at a time through a named cursor, into DuckDB by way of Arrow."""
    with tempfile.TemporaryDirectory() as folder, setup.connect() as connection:
        staging = duckdb.connect(f"{folder}/staging.duckdb")
        with setup.measuring(setup.rows) as measured, connection.cursor("walk") as cur:
            cur.execute(QUERY + " ORDER BY e.id")
            is_first = True
            while rows := cur.fetchmany(BATCH_ROWS):
                _store(staging, rows, is_first=is_first)
                is_first = False
        staging.close()
    return measured


def cursor_only(setup: Setup) -> Measured:
    """The same cursor with the rows thrown away: what the reading alone takes."""
    with (
        setup.connect() as connection,
        setup.measuring(setup.rows) as measured,
        connection.cursor("walk") as cur,
    ):
        cur.execute(QUERY + " ORDER BY e.id")
        while cur.fetchmany(BATCH_ROWS):
            pass
    return measured


def fetchall(setup: Setup) -> Measured:
    """All rows as one list, one dataframe, one table."""
    import pandas as pd

    with tempfile.TemporaryDirectory() as folder, setup.connect() as connection:
        staging = duckdb.connect(f"{folder}/staging.duckdb")
        with setup.measuring(setup.rows) as measured:
            rows = connection.execute(QUERY + " ORDER BY e.id").fetchall()
            incoming = pd.DataFrame(rows, columns=SCHEMA.names)
            staging.register("incoming", incoming)
            staging.execute("CREATE TABLE extracted AS SELECT * FROM incoming")
        staging.close()
    return measured


def _store(
    staging: duckdb.DuckDBPyConnection, rows: list[tuple[Any, ...]], *, is_first: bool
) -> None:
    columns = list(zip(*rows, strict=True))
    incoming = pa.table(
        [pa.array(c, f.type) for c, f in zip(columns, SCHEMA, strict=True)], schema=SCHEMA
    )
    staging.register("incoming", incoming)
    verb = "CREATE TABLE extracted AS" if is_first else "INSERT INTO extracted"
    staging.execute(f"{verb} SELECT * FROM incoming")
    staging.unregister("incoming")


CONTENDERS: Mapping[str, Contender] = {
    OURS: ours,
    CURSOR: cursor,
    "server-side cursor, rows thrown away": cursor_only,
    "fetchall, dataframe, into DuckDB": fetchall,
}
