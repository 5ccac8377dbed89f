"""Writing: our apply phase, what a user would write instead, and the bound.

A contender that takes minutes for a million rows is measured on a sample of them.
"""

from __future__ import annotations

import datetime as dt
import tempfile
import time
from collections.abc import Mapping
from typing import Any
from unittest import mock
from zoneinfo import ZoneInfo

import psycopg
from psycopg import sql
from tests.bench.contender import Contender, Measured, Setup
from tests.bench.server import Connection

from backfill.jobs.utc.entry import UTC_PARAMETERS
from backfill.rows import image

BOUND = "bound: one UPDATE of everything"
OURS_500 = "ours, chunk 500"
OURS_AUTO = "ours, chunk auto"
OURS_500_BY_TWO = "ours, chunk 500, two workers"
OURS_AUTO_BY_TWO = "ours, chunk auto, two workers"
IMAGELESS_500 = "without images, chunk 500"
IMAGELESS_AUTO = "without images, chunk auto"
EXECUTEMANY = "executemany, 500"
STATEMENT_PER_ROW = "statement per row, 500"
COMMIT_PER_ROW = "commit per row"
SAMPLE_ROWS = 50_000
SMALL_SAMPLE_ROWS = 2_000
STEPS = ("preflight", "extract", "compute", "diff", "plan", "apply", "verify", "summary")
UPDATE_ROW = "UPDATE events SET start_at_utc = %s, end_at_utc = %s WHERE id = %s"

_LOCAL_TO_UTC = (
    "(extract(epoch FROM to_timestamp({} / 1000.0) AT TIME ZONE 'UTC' AT TIME ZONE"
    " coalesce(nullif(btrim(e.tz), ''), 'Europe/Stockholm')) * 1000)::bigint"
)
KEYSET_PAGE = (
    "WITH page AS (SELECT id FROM events WHERE id > %s ORDER BY id LIMIT 500),"
    " done AS (UPDATE events e SET start_at_utc = "
    + _LOCAL_TO_UTC.format("start_at")
    + ", end_at_utc = "
    + _LOCAL_TO_UTC.format("end_at")
    + " FROM page WHERE e.id = page.id) SELECT max(id) FROM page"
)


def bound(setup: Setup) -> Measured:
    """One statement, no conversion: the least that writing these rows can take."""
    with (
        psycopg.connect(setup.dsn, autocommit=True) as connection,
        setup.measuring(setup.rows) as m,
    ):
        connection.execute(
            "UPDATE events SET start_at_utc = start_at - 3600000, end_at_utc = end_at - 3600000"
        )
    return m


def ours(chunk_size: int | str, **more: Any) -> Contender:
    """Return the contender that takes every step of a run; it counts the apply phase alone.

    Its detail is the seconds of every step.
    """

    def work(setup: Setup) -> Measured:
        from backfill.workbook import Book

        values = {parameter.name: parameter.default for parameter in UTC_PARAMETERS}
        detail: dict[str, float] = {}
        measured = Measured(setup.rows)
        with tempfile.TemporaryDirectory() as runs:
            values |= {"household_id": [], "apply": True, "chunk_size": chunk_size} | more
            values |= {"runs_dir": runs, "progress_interval": 0}
            book = Book("utc", values)
            for step in STEPS:
                started = time.perf_counter()
                if step == "apply":
                    with setup.measuring(setup.rows) as measured:
                        book.apply()
                else:
                    getattr(book, step)()
                detail[step] = time.perf_counter() - started
        measured.detail = detail
        return measured

    return work


def without_images(chunk_size: int | str) -> Contender:
    """Return our contender with nothing in its before-images: what they cost. Never an option."""

    def empty(_rows: Any) -> image.Image:
        return image.Image(0, "0" * 64, b"")

    def work(setup: Setup) -> Measured:
        steps = tuple(step for step in STEPS if step not in ("diff", "verify", "summary"))
        with mock.patch.object(image, "encode", empty), mock.patch(f"{__name__}.STEPS", steps):
            return ours(chunk_size)(setup)

    return work


def keyset_loop(setup: Setup) -> Measured:
    """The loop that a careful person writes in SQL: no diff, no images, the later of two."""
    with setup.connect() as connection, setup.measuring(setup.rows) as measured:
        last: str | None = ""
        while last is not None:
            row = connection.execute(KEYSET_PAGE, [last]).fetchone()
            connection.commit()
            last = row[0] if row else None
    return measured


def executemany(setup: Setup) -> Measured:
    """psycopg's pipeline of single-row statements, 500 to a transaction."""
    with setup.connect() as connection:
        rows = _planned(connection, setup.rows)
        with setup.measuring(len(rows)) as measured:
            for place in range(0, len(rows), 500):
                connection.cursor().executemany(UPDATE_ROW, rows[place : place + 500])
                connection.commit()
    return measured


def statement_per_row(setup: Setup) -> Measured:
    """A statement per row, 500 to a transaction."""
    with setup.connect() as connection:
        rows = _planned(connection, min(setup.rows, SAMPLE_ROWS))
        with setup.measuring(len(rows)) as measured:
            for place, row in enumerate(rows):
                connection.execute(UPDATE_ROW, row)
                if place % 500 == 499:
                    connection.commit()
            connection.commit()
    return measured


def commit_per_row(setup: Setup) -> Measured:
    """A transaction per row: nobody would wait for more than a sample."""
    with psycopg.connect(setup.dsn, autocommit=True) as connection:
        rows = _planned(connection, min(setup.rows, SMALL_SAMPLE_ROWS))
        with setup.measuring(len(rows)) as measured:
            for row in rows:
                connection.execute(UPDATE_ROW, row)
    return measured


def pandas_apply(setup: Setup) -> Measured:
    """A dataframe, `apply` with `zoneinfo`, a statement per row: a first notebook."""
    import pandas as pd

    with setup.connect() as connection, setup.measuring(min(setup.rows, SAMPLE_ROWS)) as measured:
        cur = connection.execute(_PENDING.format(limit=sql.Literal(measured.rows)))
        rows = pd.DataFrame(cur.fetchall(), columns=["id", "start_at", "end_at", "tz"])
        rows["tz"] = rows["tz"].fillna("Europe/Stockholm")
        for name in ("start_at", "end_at"):
            rows[f"{name}_utc"] = rows.apply(
                lambda row, n=name: _to_utc(int(row[n]), row["tz"]), axis=1
            )
        for row in rows[["start_at_utc", "end_at_utc", "id"]].to_numpy().tolist():
            connection.execute(UPDATE_ROW, row)
        connection.commit()
    return measured


def fetchall(setup: Setup) -> Measured:
    """Everything in one list, `zoneinfo` in a loop, one executemany, one commit."""
    with setup.connect() as connection, setup.measuring(setup.rows) as measured:
        rows = connection.execute(_PENDING.format(limit=sql.Literal(setup.rows))).fetchall()
        changes = [(_to_utc(row[1], row[3]), _to_utc(row[2], row[3]), row[0]) for row in rows]
        connection.cursor().executemany(UPDATE_ROW, changes)
        connection.commit()
    return measured


_PENDING = sql.SQL("SELECT id, start_at, end_at, tz FROM events ORDER BY id LIMIT {limit}")
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def _to_utc(wall_ms: int, tz: str | None) -> int:
    zone = ZoneInfo(tz or "Europe/Stockholm")
    local = _EPOCH + dt.timedelta(milliseconds=wall_ms)
    return round((local.replace(tzinfo=zone) - _EPOCH) / dt.timedelta(milliseconds=1))


def _planned(connection: Connection, limit: int) -> list[tuple[int, int, str]]:
    cur = connection.execute(_PENDING.format(limit=sql.Literal(limit)))
    return [(start - 3_600_000, end - 3_600_000, key) for key, start, end, _zone in cur]


CONTENDERS: Mapping[str, Contender] = {
    BOUND: bound,
    OURS_500: ours(500),
    "ours, chunk 5,000": ours(5_000),
    OURS_AUTO: ours("auto"),
    OURS_500_BY_TWO: ours(500, workers=2),
    OURS_AUTO_BY_TWO: ours("auto", workers=2),
    IMAGELESS_500: without_images(500),
    IMAGELESS_AUTO: without_images("auto"),
    "keyset loop in SQL, 500": keyset_loop,
    EXECUTEMANY: executemany,
    "fetchall, zoneinfo, executemany": fetchall,
    STATEMENT_PER_ROW: statement_per_row,
    "pandas apply, statement per row": pandas_apply,
    COMMIT_PER_ROW: commit_per_row,
}
