"""Other ways to write chunks of 500, which were tried: `python -m tests.bench.tried`.

Each writes the same rows, one chunk a transaction, every row compared with what it was, and renews
a lease in each chunk, as the product does; no image, no checkpoint: what differs is the way alone.
In interleaved rounds on fresh copies; by the clock and by processor time of server and client.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pyarrow as pa
from tests.bench.server import Server

from backfill.rows.binary_array import BinaryArray, pack, register
from backfill.rows.columns import ColumnType
from backfill.server.one_message import OneMessage, Statement

CHUNK = 500
_TYPES = (ColumnType.TEXT, *4 * (ColumnType.BIGINT,))
_SET = "UPDATE public.events AS t SET start_at_utc = v.a0, end_at_utc = v.a1 FROM "
_WHERE = (
    " WHERE t.id = v.k AND t.start_at = v.s0 AND t.end_at = v.s1"
    " AND t.start_at_utc IS NULL AND t.end_at_utc IS NULL"
)
_UNPACKED = (
    "(SELECT unnest($1::text[]) AS k, unnest($2::bigint[]) AS s0, unnest($3::bigint[]) AS s1,"
    " unnest($4::bigint[]) AS a0, unnest($5::bigint[]) AS a1) AS v"
)
_TEMPORARY: LiteralString = (
    "CREATE TEMPORARY TABLE {} v (k text, s0 bigint, s1 bigint, a0 bigint, a1 bigint)"
)
_KEPT: LiteralString = _TEMPORARY.format("IF NOT EXISTS") + " ON COMMIT DELETE ROWS"
_EACH: LiteralString = _TEMPORARY.format("") + " ON COMMIT DROP"
_RENEW: LiteralString = "UPDATE public.lease SET renewed = renewed + 1 WHERE number = "
#: Time for a second commit to come along, in microseconds.
_DELAY = 200
_BY_KEY = ("enable_seqscan", "enable_hashjoin", "enable_mergejoin", "jit")

Connection = psycopg.Connection[tuple[Any, ...]]


def by_arrays(
    dsn: str, chunks: Sequence[pa.Table], sessions: int, leases: int, **more: str
) -> None:
    """Send each chunk as one message of arrays, over so many sessions in turn.

    Those that share a lease wait for one another, up to the commit.
    """
    with ExitStack() as stack:
        ways = [OneMessage(stack.enter_context(_opened(dsn, more)), True) for _ in range(sessions)]
        parts = [chunks] if leases == 1 else [chunks[n::leases] for n in range(leases)]
        in_turn = itertools.zip_longest(*parts)
        order = [chunk for chunks_of_turn in in_turn for chunk in chunks_of_turn if chunk]
        for number, (chunk, way) in enumerate(zip(order, itertools.cycle(ways), strict=False)):
            if way.is_under_way:
                way.answer()
            renew = f"{_RENEW}{number % leases}".encode()
            update = Statement((_SET + _UNPACKED + _WHERE).encode(), _arrays(chunk), is_kept=True)
            begin, renewed, commit = Statement(b"BEGIN"), Statement(renew, (), True), b"COMMIT"
            way.send([way.pack([begin, renewed, update, Statement(commit)], asked=2)])
        for way in ways:
            if way.is_under_way:
                way.answer()


def by_copy(dsn: str, chunks: Sequence[pa.Table], table: LiteralString) -> None:
    """Copy each chunk into a temporary table, and update from there."""
    update = (_SET + "v" + _WHERE).encode()
    with _opened(dsn, {}) as connection:
        for chunk in chunks:
            with connection.transaction():
                connection.execute(_RENEW + "0")
                connection.execute(table)
                with connection.cursor().copy("COPY v FROM STDIN") as copy:
                    copy.write(_lines(chunk))
                connection.execute(update)


def _arrays(chunk: pa.Table) -> list[BinaryArray]:
    return [pack(column, kind).whole for column, kind in zip(chunk.columns, _TYPES, strict=True)]


def _lines(chunk: pa.Table) -> str:
    rows = zip(*(column.to_pylist() for column in chunk.columns), strict=True)
    return "".join("\t".join(map(str, row)) + "\n" for row in rows)


def _opened(dsn: str, more: dict[str, str]) -> Connection:
    settings = dict.fromkeys((*_BY_KEY, "synchronous_commit"), "off") | more
    options = " ".join(f"-c {name}={value}" for name, value in settings.items())
    connection = psycopg.connect(dsn, autocommit=True, options=options)
    register(connection)
    return connection


Way = Callable[[str, Sequence[pa.Table]], None]
WAITS = {"synchronous_commit": "on"}
DELAYED = {**WAITS, "commit_delay": str(_DELAY), "commit_siblings": "1"}
WAYS: dict[str, Way] = {
    "arrays, one message a chunk": lambda d, c: by_arrays(d, c, 1, 1),
    "COPY into a temporary table, kept": lambda d, c: by_copy(d, c, _KEPT),
    "COPY into a temporary table, made for each chunk": lambda d, c: by_copy(d, c, _EACH),
    "two sessions in turn, one lease": lambda d, c: by_arrays(d, c, 2, 1),
    "two sessions in turn, a lease each": lambda d, c: by_arrays(d, c, 2, 2),
    "arrays, each commit waits for the disk": lambda d, c: by_arrays(d, c, 1, 1, **WAITS),
    "two sessions in turn, one lease, commits wait": lambda d, c: by_arrays(d, c, 2, 1, **WAITS),
    "two sessions in turn, a lease each, commits wait": lambda d, c: by_arrays(d, c, 2, 2, **WAITS),
    f"the same with commit_delay = {_DELAY}": lambda d, c: by_arrays(d, c, 2, 2, **DELAYED),
}


def planned(dsn: str) -> list[pa.Table]:
    """Return all rows in the order of their keys, cut into chunks; and make two leases."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        rows = connection.execute(
            "SELECT id, start_at, end_at, start_at - 3600000, end_at - 3600000 FROM events"
            " ORDER BY id"
        ).fetchall()
        connection.execute("CREATE TABLE lease (number int PRIMARY KEY, renewed bigint)")
        connection.execute("INSERT INTO lease VALUES (0, 0), (1, 0)")
    table = pa.table(list(zip(*rows, strict=True)), names=["k", "s0", "s1", "a0", "a1"])
    return [table.slice(first, CHUNK) for first in range(0, len(rows), CHUNK)]


def measured(dsn: str, way: Way) -> tuple[float, float, float]:
    """Return microseconds a row: by the clock, of the server's processes, of this one."""
    chunks = planned(dsn)
    with psycopg.connect(dsn, autocommit=True) as beside:
        postmaster = _parent_of(beside.info.backend_pid)
        others = _children(postmaster).keys()
        server, client, clock = _spent(postmaster), time.process_time(), time.perf_counter()
        way(dsn, chunks)
        clock, client = time.perf_counter() - clock, time.process_time() - client
        while _children(postmaster).keys() - others:  # until what it spent counts as the server's
            time.sleep(0.01)
        server = _spent(postmaster) - server
        found = beside.execute("SELECT count(*) - count(start_at_utc) FROM events").fetchone()
    assert found == (0,), f"{found} rows were not written"
    micro = 1e6 / sum(chunk.num_rows for chunk in chunks)
    return clock * micro, server * micro, client * micro


def _fields(pid: int | str) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()


def _parent_of(pid: int) -> int:
    return int(_fields(pid)[1])


def _children(postmaster: int) -> dict[int, int]:
    """Return the ticks of the processor that each process of a server has had, by its number."""
    ticks = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):  # it has ended meanwhile
                fields = _fields(folder.name)
                if int(fields[1]) == postmaster:
                    ticks[int(folder.name)] = sum(map(int, fields[11:13]))
    return ticks


def _spent(postmaster: int) -> float:
    """Return the processors' seconds of a server: of its processes, and of those that ended."""
    ticks = sum(map(int, _fields(postmaster)[11:15])) + sum(_children(postmaster).values())
    return ticks / os.sysconf("SC_CLK_TCK")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure every way in each round, and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", default=[""], help="ways that hold one of these texts")
    options = parser.parse_args(arguments)
    names = [name for name in WAYS if any(text in name for text in options.only)]
    taken: dict[str, list[tuple[float, float, float]]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory(prefix="backfill-tried-") as home:
        server = Server(Path(home))
        try:
            for number, name in itertools.product(range(options.rounds), names):
                print(f"round {number + 1}: {name}", file=sys.stderr, flush=True)
                taken[name].append(measured(server.fresh(options.rows), WAYS[name]))
        finally:
            server.close()
    print("| way, µs a row | clock | server | client |\n|---|--:|--:|--:|")
    for name, rounds in taken.items():
        columns = (f"{statistics.median(column):.1f}" for column in zip(*rounds, strict=True))
        print(f"| {name} | {' | '.join(columns)} |")


if __name__ == "__main__":
    main()
