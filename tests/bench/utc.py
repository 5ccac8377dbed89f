"""`make bench`: our way beside what a user would write instead, and beside the bound.

Everything runs in one process on one throw-away embedded server, in interleaved rounds on fresh
copies of the same database; medians, and ratios first. Prints a table, writes JSON and an SVG
plot into `runs/bench-…/`. Seconds of a shared machine mean little; ratios of one call do.
"""

from __future__ import annotations

import argparse
import datetime as dt
import io
import json
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import psycopg
from psycopg import sql

from backfill.demo.events import load_events
from backfill.embedded import EmbeddedServer
from backfill.folder import runs_dir
from backfill.parameters import UTC_PARAMETERS
from backfill.utc.convert import classify
from backfill.utc.oracle import judge
from backfill.utc.zones import zone_info
from backfill.workbook import Book

Connection = psycopg.Connection[tuple[Any, ...]]

BOUND = "bound: one server-side UPDATE"
SAMPLE_ROWS = 2_000
PENDING = "start_at_utc IS NULL OR (end_at IS NOT NULL AND end_at_utc IS NULL)"


@dataclass
class Figures:
    """Seconds (and WAL bytes) per contender, one entry per round."""

    rows: int
    seconds: dict[str, list[float]] = field(default_factory=dict)
    wal_bytes: dict[str, list[int]] = field(default_factory=dict)

    def add(self, name: str, seconds: float, wal_bytes: int = 0) -> None:
        self.seconds.setdefault(name, []).append(seconds)
        self.wal_bytes.setdefault(name, []).append(wal_bytes)

    def median(self, name: str) -> float:
        return statistics.median(self.seconds[name])


class Bench:
    """A server with a template database of `rows` pending events and fresh copies of it."""

    def __init__(self, home: Path, rows: int) -> None:
        self.server = EmbeddedServer(home)
        self.server.start()
        self.rows = rows
        self._admin = psycopg.connect(self.server.dsn_of("postgres"), autocommit=True)
        self._admin.execute("CREATE DATABASE bench_template")
        with psycopg.connect(self.server.dsn_of("bench_template"), autocommit=True) as connection:
            load_events(connection, rows=rows)
            connection.execute("DELETE FROM events WHERE starts_with(id, 'trap')")
            connection.execute("DELETE FROM events WHERE NOT (" + PENDING + ")")
            connection.execute("UPDATE household SET tz = 'Europe/Stockholm'")
            connection.execute("VACUUM FULL ANALYZE events")
            row = connection.execute("SELECT count(*) FROM events").fetchone()
            self.pending = int(row[0]) if row else 0

    def fresh(self) -> str:
        """Return the DSN of a fresh copy, with nothing left to flush."""
        self._admin.execute("DROP DATABASE IF EXISTS bench WITH (FORCE)")
        self._admin.execute("CREATE DATABASE bench TEMPLATE bench_template")
        self._admin.execute("CHECKPOINT")
        return self.server.dsn_of("bench")

    def close(self) -> None:
        self._admin.close()
        self.server.stop()

    def measure(self, figures: Figures, name: str, work: Callable[[str], float]) -> None:
        """Run one contender on a fresh copy; `work` returns its own seconds."""
        dsn = self.fresh()
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("SELECT count(*) FROM events")
            before = _wal(connection)
            seconds = work(dsn)
            figures.add(name, seconds, _wal(connection) - before)


def _wal(connection: Connection) -> int:
    row = connection.execute("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')").fetchone()
    return int(row[0]) if row else 0


def bound(dsn: str) -> float:
    with psycopg.connect(dsn, autocommit=True) as connection:
        started = time.perf_counter()
        connection.execute(
            "UPDATE events SET start_at_utc = start_at - 3600000,"
            " end_at_utc = end_at - 3600000 WHERE " + PENDING
        )
        return time.perf_counter() - started


def ours(
    chunk_size: int | str, phases: dict[str, list[float]] | None = None
) -> Callable[[str], float]:
    """Return the contender that applies by chunks; it counts the apply phase alone."""

    def work(dsn: str) -> float:
        os.environ["DATABASE_URL"] = dsn
        values = {parameter.name: parameter.default for parameter in UTC_PARAMETERS}
        with tempfile.TemporaryDirectory() as runs:
            values |= {
                "household_id": [],
                "apply": True,
                "chunk_size": chunk_size,
                "runs_dir": runs,
                "progress_interval": 0,
            }
            book = Book("utc", values)
            taken = {}
            for name in ("preflight", "extract", "compute", "plan", "apply", "verify", "summary"):
                started = time.perf_counter()
                getattr(book, name)()
                taken[name] = time.perf_counter() - started
            if phases is not None:
                for name, seconds in taken.items():
                    phases.setdefault(name, []).append(seconds)
        return taken["apply"]

    return work


def _planned(connection: Connection, limit: int) -> list[tuple[int | None, int | None, str]]:
    return [
        (start, end, key)
        for key, start, end in connection.execute(
            sql.SQL(
                "SELECT id, start_at - 3600000, end_at - 3600000 FROM events ORDER BY id LIMIT {}"
            ).format(sql.Literal(limit))
        )
    ]


UPDATE_ROW = "UPDATE events SET start_at_utc = %s, end_at_utc = %s WHERE id = %s"


def statement_per_row(dsn: str) -> float:
    with psycopg.connect(dsn) as connection:
        rows = _planned(connection, 10**9)
        started = time.perf_counter()
        for place, row in enumerate(rows):
            connection.execute(UPDATE_ROW, row)
            if place % 500 == 499:
                connection.commit()
        connection.commit()
        return time.perf_counter() - started


def executemany(dsn: str) -> float:
    with psycopg.connect(dsn) as connection:
        rows = _planned(connection, 10**9)
        started = time.perf_counter()
        for place in range(0, len(rows), 500):
            connection.cursor().executemany(UPDATE_ROW, rows[place : place + 500])
            connection.commit()
        return time.perf_counter() - started


def commit_per_row(pending: int) -> Callable[[str], float]:
    """Measured on a sample, scaled up: nobody would wait for the whole."""

    def work(dsn: str) -> float:
        with psycopg.connect(dsn, autocommit=True) as connection:
            rows = _planned(connection, SAMPLE_ROWS)
            started = time.perf_counter()
            for row in rows:
                connection.execute(UPDATE_ROW, row)
            return (time.perf_counter() - started) * pending / len(rows)

    return work


def keyset_in_sql(dsn: str) -> float:
    """The loop that a careful person writes in SQL: no diff, no images, the later of two."""
    with psycopg.connect(dsn) as connection:
        started = time.perf_counter()
        last = ""
        while True:
            row = connection.execute(
                "WITH page AS (SELECT id FROM events WHERE id > %s ORDER BY id LIMIT 500),"
                " done AS (UPDATE events e SET start_at_utc = (extract(epoch FROM"
                " to_timestamp(start_at / 1000.0) AT TIME ZONE 'UTC' AT TIME ZONE"
                " coalesce(nullif(btrim(e.tz), ''), 'Europe/Stockholm')) * 1000)::bigint,"
                " end_at_utc = (extract(epoch FROM to_timestamp(end_at / 1000.0) AT TIME ZONE"
                " 'UTC' AT TIME ZONE coalesce(nullif(btrim(e.tz), ''), 'Europe/Stockholm'))"
                " * 1000)::bigint FROM page WHERE e.id = page.id)"
                " SELECT max(id) FROM page",
                [last],
            ).fetchone()
            connection.commit()
            if row is None or row[0] is None:
                return time.perf_counter() - started
            last = row[0]


def conversion(rows: int) -> dict[str, float]:
    """Return rows per second of converting with gap and fold class: ours, and `zoneinfo`."""
    rng = np.random.default_rng(7)
    zones = ["Europe/Stockholm", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe"]
    walls = rng.integers(1_420_070_400_000_000, 1_900_000_000_000_000, rows)
    codes = rng.integers(0, len(zones), rows)
    classify(walls[:10], codes[:10], zones)
    started = time.perf_counter()
    classify(walls, codes, zones)
    ours_rate = rows / (time.perf_counter() - started)
    sample = min(rows, 20_000)
    infos: list[ZoneInfo] = [zone_info(zone) for zone in zones]
    epoch = dt.datetime(1970, 1, 1, tzinfo=dt.UTC).replace(tzinfo=None)
    locals_ = [epoch + dt.timedelta(microseconds=int(wall)) for wall in walls[:sample]]
    started = time.perf_counter()
    for local, code in zip(locals_, codes[:sample], strict=True):
        judge(local, infos[code])
    return {"ours": ours_rate, "zoneinfo": sample / (time.perf_counter() - started)}


def run(rows: int, rounds: int) -> dict[str, Any]:
    """Return all figures for one size."""
    with tempfile.TemporaryDirectory() as home:
        bench = Bench(Path(home), rows)
        figures = Figures(bench.pending)
        phases: dict[str, list[float]] = {}
        contenders: dict[str, Callable[[str], float]] = {
            BOUND: bound,
            "ours, chunk 500": ours(500, phases),
            "ours, chunk 5,000": ours(5_000),
            "ours, chunk auto": ours("auto"),
            "keyset loop in SQL, 500": keyset_in_sql,
            "executemany, 500": executemany,
            "statement per row, 500": statement_per_row,
            "commit per row": commit_per_row(bench.pending),
        }
        try:
            for _ in range(rounds):
                for name, work in contenders.items():
                    bench.measure(figures, name, work)
        finally:
            bench.close()
    return _document(figures, phases, conversion(min(rows * 4, 1_000_000)))


def _document(
    figures: Figures, phases: dict[str, list[float]], rates: dict[str, float]
) -> dict[str, Any]:
    least = figures.median(BOUND)
    return {
        "rows": figures.rows,
        "of_the_bound": {name: round(least / figures.median(name), 3) for name in figures.seconds},
        "seconds": {name: round(figures.median(name), 3) for name in figures.seconds},
        "wal_bytes_per_row": {
            name: round(statistics.median(values) / figures.rows)
            for name, values in figures.wal_bytes.items()
        },
        "phases_s": {name: round(statistics.median(v), 3) for name, v in phases.items()},
        "conversion_rows_per_s": {name: round(rate) for name, rate in rates.items()},
        "conversion_ratio": round(rates["ours"] / rates["zoneinfo"], 1),
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def print_table(document: dict[str, Any]) -> None:
    print(f"\n{document['rows']:,} rows (medians; 1.0 = the bound)")
    print(f"{'':32} {'of the bound':>12} {'seconds':>9} {'WAL B/row':>10}")
    for name, ratio in document["of_the_bound"].items():
        print(
            f"{name:32} {ratio:12.2f} {document['seconds'][name]:9.2f}"
            f" {document['wal_bytes_per_row'][name]:10,}"
        )
    print(f"phases of a whole run, chunk 500 (s): {document['phases_s']}")
    print(f"conversion with class, ours / zoneinfo: {document['conversion_ratio']} ×")
    print(f"peak memory of this process: {document['peak_memory_mb']} MB")


def plot(documents: list[dict[str, Any]]) -> str:
    """Return an SVG of each contender's share of the bound."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    document = documents[-1]
    drawing = Figure(figsize=(8, 4))
    FigureCanvasSVG(drawing)
    axes = drawing.add_subplot()
    names = list(document["of_the_bound"])[::-1]
    axes.barh(names, [document["of_the_bound"][name] for name in names], color="#0072b2")
    axes.set_xlabel(f"speed, 1 = one server-side UPDATE of {document['rows']:,} rows")
    drawing.tight_layout()
    stream = io.StringIO()
    drawing.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    return stream.getvalue()


def main() -> None:
    """Run the sizes that were asked for and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    documents = []
    for rows in options.rows:
        documents.append(run(rows, options.rounds))
        print_table(documents[-1])
    folder = runs_dir() / f"bench-{dt.datetime.now(dt.UTC):%Y%m%dT%H%M%SZ}"
    folder.mkdir(parents=True)
    (folder / "bench.json").write_text(json.dumps(documents, indent=2) + "\n", encoding="utf-8")
    (folder / "bench.svg").write_text(plot(documents), encoding="utf-8")
    print(f"figures: {folder}")


if __name__ == "__main__":
    main()
