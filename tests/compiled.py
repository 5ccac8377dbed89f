"""Modules of tests, compiled once: of the processes of one session, each compiles a share.

In a clean clone each process would rewrite and compile all of them for itself, at the same time.
"""

from __future__ import annotations

import contextlib
import os
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path

import pytest
from _pytest.assertion import rewrite

TESTS = Path(__file__).parent


def compile_share(config: pytest.Config) -> None:
    """Compile every nth module below `tests/` that is not yet, where one of n workers calls."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "").removeprefix("gw")
    whole = config.args_source is pytest.Config.ArgsSource.TESTPATHS
    if not worker or not whole or sys.dont_write_bytecode:
        return
    count = int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
    for path in sorted(TESTS.rglob("*.py"))[int(worker) % count :: count]:
        with contextlib.suppress(SyntaxError, ValueError):  # told when it is collected
            if path.name.startswith("test_"):
                _rewrite(path, config)
            elif path.name != "conftest.py":
                SourceFileLoader(path.stem, str(path)).get_code(path.stem)


def _rewrite(path: Path, config: pytest.Config) -> None:
    """Do what pytest does before it runs a module, but for running it."""
    folder = rewrite.get_cache_dir(path)
    kept = folder / f"{path.stem}{rewrite.PYC_TAIL}"
    if rewrite._read_pyc(path, kept) is None and rewrite.try_makedirs(folder):
        told, code = rewrite._rewrite_test(path, config)
        rewrite._write_pyc(config.stash[rewrite.assertstate_key], code, told, kept)
