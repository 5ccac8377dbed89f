"""UTC values computed on a Dask cluster, and in processes: the same plan, whatever happens."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from tests.cluster.dask_cluster import DaskCluster
from tests.cluster.engines import DeadlyOnce
from tests.deadline import DEADLINE_SECONDS
from tests.engine.workshop import Bench, load_traps
from tests.jobs.conftest import bench_from  # noqa: F401  (a fixture)

from backfill.jobs.utc.blocks import compute_blocks
from backfill.plans.extract import extracted_schema
from backfill.utc.compute import Computed
from backfill.versions import computing_versions
from backfill.workers.cluster import open_executor
from backfill.workers.executor import InThisProcess, local_executor

pytestmark = pytest.mark.cluster

BLOCK_ROWS = 4


@pytest.fixture
def bench(bench_from: Callable[[str, Callable[[str], None]], Bench]) -> Bench:  # noqa: F811
    return bench_from("traps", load_traps)


def test_the_plan_is_the_same_bytes_whoever_computes(bench: Bench, cluster: DaskCluster) -> None:
    here = bench.plan()
    on_dask = bench.plan(scheduler=cluster.address)

    assert planned(bench, here.run_id) == planned(bench, on_dask.run_id)
    assert cluster.address in (bench.folder(on_dask.run_id).file("run.json")).read_text()


def planned(bench: Bench, run_id: str) -> tuple[bytes, bytes, str]:
    folder = bench.folder(run_id)
    return (
        folder.file("changes.parquet").read_bytes(),
        folder.file("skips.csv").read_bytes(),
        folder.read_json("plan.json")["settings_fingerprint"],
    )


@pytest.fixture
def job(bench: Bench) -> tuple[Any, list[pa.Table]]:
    """A job after its extract, and the extracted rows in small blocks."""
    book = bench.book()
    book.preflight()
    book.extract()
    planning: Any = book._planning
    query = "SELECT key, scope, source, before FROM extracted ORDER BY key"
    rows = pa.concat_tables(
        planning.staging.read(query, extracted_schema(planning.ready.rows.table))
    )
    starts = range(0, rows.num_rows, BLOCK_ROWS)
    return planning.ready.rows, [rows.slice(start, BLOCK_ROWS) for start in starts]


def told(results: Iterator[Computed]) -> list[Any]:
    """Return what was computed as plain values."""
    return [
        (
            computed.changes.to_pylist(),
            computed.skips,
            computed.folds,
            computed.gaps,
            computed.questions,
        )
        for computed in results
    ]


def test_blocks_come_back_in_their_order_from_a_cluster(
    job: tuple[Any, list[pa.Table]], cluster: DaskCluster
) -> None:
    utc, blocks = job
    policy = utc.chosen.policy
    right = told(compute_blocks(blocks, utc.columns, policy, InThisProcess()))

    with open_executor(cluster.address, 0, computing_versions) as executor:
        found = told(compute_blocks(blocks, utc.columns, policy, executor))

    assert len(found) > 10
    assert found == right


@pytest.mark.kill
@pytest.mark.slow
@pytest.mark.parametrize("place", ["dask", "processes"])
def test_a_block_whose_worker_is_killed_is_computed_again(
    job: tuple[Any, list[pa.Table]], cluster: DaskCluster, tmp_path: Path, place: str
) -> None:
    utc, blocks = job
    policy = utc.chosen.policy
    right = told(compute_blocks(blocks[:6], utc.columns, policy, InThisProcess()))
    deadly = replace(policy, answers=DeadlyOnce(policy.answers, str(tmp_path / "killed")))

    if place == "dask":
        with open_executor(cluster.address, 0, computing_versions) as executor:
            found = told(compute_blocks(blocks[:6], utc.columns, deadly, executor))
    else:
        with closing(local_executor(2)) as executor:
            found = told(compute_blocks(blocks[:6], utc.columns, deadly, executor))

    assert (tmp_path / "killed").exists()
    assert found == right


def test_only_a_bounded_number_of_blocks_is_under_way(
    job: tuple[Any, list[pa.Table]], cluster: DaskCluster
) -> None:
    utc, blocks = job
    taken: list[int] = []

    def counted() -> Iterator[pa.Table]:
        for number, block in enumerate(blocks):
            taken.append(number)
            yield block

    with open_executor(cluster.address, 0, computing_versions) as executor:
        computing = compute_blocks(counted(), utc.columns, utc.chosen.policy, executor)
        next(computing)
        # Two for each thread ahead of the one that is awaited.
        assert len(taken) <= 2 * executor.workers + 1 < len(blocks)


@pytest.mark.slow
def test_the_command_line_computes_on_a_cluster_from_its_kernel(
    bench: Bench, cluster: DaskCluster
) -> None:
    def backfill(*options: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "backfill", "utc", "--runs-dir", str(bench.runs), *options],
            env={**os.environ, "DATABASE_URL": bench.dsn},
            capture_output=True,
            text=True,
            timeout=DEADLINE_SECONDS,
            check=False,
        )

    done = backfill("--scheduler", cluster.address)
    refused = backfill("--scheduler", "tcp://127.0.0.1:1")

    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout.splitlines()[-1])
    page = (bench.runs / summary["run_id"] / "notebook.html").read_text()
    assert f"2 threads of the Dask cluster {cluster.address}" in page
    assert refused.returncode == 3
    assert "The Dask scheduler tcp://127.0.0.1:1 did not answer" in refused.stderr
    assert "Traceback" not in refused.stderr
