"""`make bench-scale`: what it costs to let processes or a Dask cluster do the work.

The same screenshots, and the same blocks of rows, by this process, by two processes of this
machine and by a real Dask cluster of two workers here; interleaved rounds, medians, ratios first.
Prints a table and writes JSON into `runs/bench-scale-…/`.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from tests.cluster.dask_cluster import dask_cluster

from backfill.folder import runs_dir
from backfill.jobs.ocr.reader import ReaderVersions
from backfill.jobs.utc.blocks import compute_blocks
from backfill.ocr.engines.engine_choice import EngineChoice
from backfill.ocr.reader.pool import read_images
from backfill.ocr.screen.reading import ImageReading
from backfill.plans.staging import BATCH_ROWS, Staging
from backfill.rows.columns import Column, ColumnType
from backfill.utc.described import Columns, Encoding, Pair, Target, ZoneLink, reading_of
from backfill.utc.pairs import Policy
from backfill.utc.zone_choice import ZonePolicy
from backfill.versions import computing_versions
from backfill.workers.cluster import open_executor
from backfill.workers.executor import Executor, InThisProcess, local_executor
from backfill_lab.demo.stored import stored_sessions

WORKERS = 2
ZONES = ("Europe/Stockholm", "America/New_York", "Asia/Tokyo", "Europe/London")
WALLS = (Column("start_at", ColumnType.BIGINT), Column("end_at", ColumnType.BIGINT))
CHAIN = (ZoneLink(field="tz"), ZoneLink(field="household.tz", is_looked_up=True))
COLUMNS = Columns(
    tuple(
        Pair(
            wall.name,
            (wall,),
            reading_of(Encoding.EPOCH_MS),
            Target(Column(f"{wall.name}_utc", ColumnType.BIGINT)),
            CHAIN,
        )
        for wall in WALLS
    ),
    (*WALLS, Column("tz", ColumnType.TEXT)),
    ("household.tz",),
    is_span=True,
)
POLICY = Policy(ZonePolicy(None, False))
Place = Callable[[], AbstractContextManager[Executor]]
Seconds = dict[str, list[float]]


def main() -> None:
    """Measure images and blocks, print, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=12)
    parser.add_argument("--rows", type=int, default=20 * BATCH_ROWS)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, dask_cluster(Path(folder), WORKERS) as cluster:
        images = measure_images(cluster.address, options.images, options.rounds)
        blocks = measure_blocks(cluster.address, options.rows, options.rounds)
    staged = measure_staging(options.rows)
    figures = {
        "images": images | {"count": options.images},
        "blocks": blocks | {"rows": options.rows},
        "staging": staged,
        "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
    say(f"staging alone reads and stores {staged['rows_per_s']:,.0f} rows/s: no executor passes it")
    say(f"peak memory of this process {figures['peak_rss_mb']} MB")
    target = runs_dir("") / f"bench-scale-{dt.datetime.now(dt.UTC):%Y%m%dT%H%M%S}"
    target.mkdir(parents=True)
    (target / "scale.json").write_text(json.dumps(figures, indent=2) + "\n")
    say(f"figures: {target / 'scale.json'}")


def measure_images(address: str, count: int, rounds: int) -> dict[str, Any]:
    """Return seconds per place for the committed screenshots, nothing cached."""
    choice = EngineChoice()
    paths = [path for session in stored_sessions() for path in session.images]
    paths = [paths[number % len(paths)] for number in range(count)]
    weight = sum(path.stat().st_size for path in paths) / count
    say(f"{count} screenshots, {weight / 1000:.0f} kB each on average, Tesseract by command")

    def read(executor: Executor, *, is_sent: bool) -> None:
        items = [path.read_bytes() for path in paths] if is_sent else paths
        for outcome in read_images(items, engine_factory=choice, executor=executor):
            assert isinstance(outcome, ImageReading), outcome

    def on_dask() -> AbstractContextManager[Executor]:
        return open_executor(address, 0, ReaderVersions(choice))

    seconds = interleaved(
        rounds,
        {
            "this process": (here, lambda executor: read(executor, is_sent=False)),
            "processes": (processes, lambda executor: read(executor, is_sent=False)),
            "dask, shared": (on_dask, lambda executor: read(executor, is_sent=False)),
            "dask, sent": (on_dask, lambda executor: read(executor, is_sent=True)),
        },
    )
    return told(seconds, count, "images/s")


def measure_blocks(address: str, rows: int, rounds: int) -> dict[str, Any]:
    """Return seconds per place for computing blocks of rows as the UTC job does."""
    say(f"{rows:,} rows in blocks of {BATCH_ROWS:,}, computed and packed, not stored")
    block = one_block()

    def compute(executor: Executor) -> None:
        count = rows // BATCH_ROWS
        done = compute_blocks((block for _ in range(count)), COLUMNS, POLICY, executor)
        assert sum(result.changes.num_rows for result in done) == count * BATCH_ROWS

    seconds = interleaved(
        rounds,
        {
            "this process": (here, compute),
            "processes": (processes, compute),
            "dask": (lambda: open_executor(address, 0, computing_versions), compute),
        },
    )
    return told(seconds, rows, "rows/s")


def measure_staging(rows: int) -> dict[str, float]:
    """Return how many rows a second DuckDB reads, and takes as changes: the job's own part."""
    block = one_block()
    (result,) = compute_blocks([block], COLUMNS, POLICY, InThisProcess())
    count = max(rows // BATCH_ROWS, 1)
    with tempfile.TemporaryDirectory() as folder:
        staging = Staging(Path(folder) / "bench.duckdb")
        staging.create("extracted", block.schema)
        staging.create("changes", result.changes.schema)
        for _ in range(count):
            staging.append("extracted", block)
        started = time.perf_counter()
        for _block in staging.read("SELECT * FROM extracted ORDER BY key", block.schema):
            staging.append("changes", result.changes)
        seconds = time.perf_counter() - started
        staging.close()
    return {"seconds": seconds, "rows_per_s": count * BATCH_ROWS / seconds}


def one_block() -> pa.Table:
    """Return invented extracted rows: two wall times, four zones, fifty households."""
    chance = np.random.default_rng(1)
    start = 1_700_000_000_000 + chance.integers(0, 10**11, BATCH_ROWS)
    zone = np.array(ZONES)[chance.integers(0, len(ZONES), BATCH_ROWS)]
    source = pa.StructArray.from_arrays(
        [
            pa.array(start),
            pa.array(start + 3_600_000),
            pa.array(zone),
            pa.array(["Europe/Stockholm"] * BATCH_ROWS),
        ],
        ["start_at", "end_at", "tz", "household.tz"],
    )
    empty = pa.nulls(BATCH_ROWS, pa.int64())
    before = pa.StructArray.from_arrays([empty, empty], ["start_at_utc", "end_at_utc"])
    return pa.table(
        {
            "key": [f"ev-{number:012d}" for number in range(BATCH_ROWS)],
            "scope": [f"hh_{number % 50}" for number in range(BATCH_ROWS)],
            "source": source,
            "before": before,
        }
    )


def here() -> AbstractContextManager[Executor]:
    return closing(local_executor(1))


def processes() -> AbstractContextManager[Executor]:
    return closing(local_executor(WORKERS))


def interleaved(
    rounds: int, contenders: dict[str, tuple[Place, Callable[[Executor], None]]]
) -> Seconds:
    """Let every contender work once a round; return its seconds, opening the place included."""
    seconds: Seconds = {name: [] for name in contenders}
    for number in range(rounds):
        for name in turned(list(contenders), number):
            place, work = contenders[name]
            started = time.perf_counter()
            with place() as executor:
                work(executor)
            seconds[name].append(time.perf_counter() - started)
    return seconds


def turned(names: list[str], number: int) -> Iterator[str]:
    """Yield the names, each round another one first."""
    for place in range(len(names)):
        yield names[(place + number) % len(names)]


def told(seconds: Seconds, amount: int, unit: str) -> dict[str, Any]:
    """Print the medians, the ratio to this process first; return them."""
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    first = medians["this process"]
    say(f"{'where':14} {'× this process':>14} {'seconds':>9} {unit:>12}")
    for name, median in medians.items():
        say(f"{name:14} {first / median:14.2f} {median:9.2f} {amount / median:12,.1f}")
    return {"seconds": seconds, "medians": medians}


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
