"""What a short command loads: nothing that it has no use for, since a person waits for it."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from tests.deadline import DEADLINE_SECONDS
from tests.engine.workshop import Bench, load_noons

if TYPE_CHECKING:
    from tests.jobs.conftest import BenchFrom

LARGE = {"PIL", "cv2", "duckdb", "matplotlib", "numpy", "pandas", "papermill", "pyarrow"}
LOADED = f"""
import sys
from backfill import cli
try:
    code = cli.main(sys.argv[1:])
except SystemExit as end:
    code = end.code
print(*sorted({LARGE} & sys.modules.keys()), file=sys.stderr)
sys.exit(code)
"""


@pytest.fixture
def bench(bench_from: BenchFrom) -> Bench:
    return bench_from("noons", load_noons)


@pytest.mark.parametrize("arguments", [["--help"], ["status"], ["status", "latest"], ["doctor"]])
def test_a_command_that_only_tells_loads_no_large_library(
    bench: Bench, arguments: list[str]
) -> None:
    bench.run(chunk_size=5)
    ended = subprocess.run(
        [sys.executable, "-c", LOADED, *arguments],
        env={**os.environ, "BACKFILL_RUNS_DIR": str(bench.runs)},
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=False,
    )

    assert ended.returncode in (0, 3), ended.stderr  # 3: a machine that lacks something
    assert ended.stderr.splitlines()[-1] == ""
