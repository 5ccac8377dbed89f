"""Values that somebody has, by the command line: a Parquet file over a whole table."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from tests.bench.contender import Contender, Measured, Setup
from tests.bench.whole import apply_seconds, run_backfill

FILL = "fill from Parquet, chunk auto"
PLAN = "fill from Parquet, the plan alone"


def _values(setup: Setup, path: Path) -> None:
    """Write a file with a value for every event: its wall time, as if that were UTC."""
    with setup.connect() as connection:
        rows = connection.execute("SELECT id, start_at FROM events WHERE start_at IS NOT NULL")
        keys, values = zip(*rows.fetchall(), strict=True)
    columns = {"id": pa.array(map(str, keys)), "start_at_utc": pa.array(values)}
    pq.write_table(pa.table(columns), path)


def fill_with(*words: str) -> Contender:
    """Return the contender that runs fill with some more words; `apply_s` is its detail."""

    def work(setup: Setup) -> Measured:
        with tempfile.TemporaryDirectory() as runs:
            path = Path(runs) / "values.parquet"
            _values(setup, path)
            command = ["fill", "--table", "events", "--set", "start_at_utc", "--overwrite"]
            command += ["--values", str(path), "--runs-dir", runs, "--json", *words]
            with setup.measuring(setup.rows) as measured:
                events, measured.peak_mb = run_backfill(command)
            if "--apply" in words:
                measured.detail = {"apply_s": apply_seconds(events)}
        return measured

    return work


CONTENDERS: Mapping[str, Contender] = {
    PLAN: fill_with("--dry-run"),
    FILL: fill_with("--apply", "--chunk-size", "auto"),
}
