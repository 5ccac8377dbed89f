"""The bench of the tests of the jobs: each test names the data that its database starts with."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import psycopg
import pytest
from tests.engine.workshop import LISTENER, Bench
from tests.jobs.ocr_bench import OcrBench, load_chain, load_first, load_none, load_three

if TYPE_CHECKING:
    from tests.conftest import DatabaseFrom

BenchFrom: TypeAlias = Callable[[str, Callable[[str], None]], Bench]
OcrBenchFrom: TypeAlias = Callable[[str, Callable[[str], None]], OcrBench]


@pytest.fixture
def bench_from(
    database_from: DatabaseFrom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[BenchFrom]:
    """Make a bench on a fresh copy of a template: `bench_from("traps", load_traps)`."""
    with ExitStack() as stack:

        def make(template: str, loader: Callable[[str], None]) -> Bench:
            dsn = database_from(template, loader)
            monkeypatch.setenv("DATABASE_URL", dsn)
            connection = stack.enter_context(psycopg.connect(dsn, autocommit=True))
            bench = Bench(dsn, tmp_path / "runs", connection)
            monkeypatch.setattr(LISTENER, lambda: bench.events.append)
            return bench

        yield make


@pytest.fixture
def main(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let a test call the command line in this process; put back what it changes of it."""
    before, mask = signal.getsignal(signal.SIGPIPE), os.umask(0o022)
    yield
    signal.signal(signal.SIGPIPE, before)
    os.umask(mask)


@pytest.fixture
def ocr_from(
    database_from: DatabaseFrom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, readings: Path
) -> Iterator[OcrBenchFrom]:
    """Make a bench of the OCR job: `ocr_from("three", load_three)`."""
    with ExitStack() as stack:

        def make(template: str, loader: Callable[[str], None]) -> OcrBench:
            dsn = database_from(f"ocr-{template}", loader)
            monkeypatch.setenv("DATABASE_URL", dsn)
            connection = stack.enter_context(psycopg.connect(dsn, autocommit=True))
            bench = OcrBench(dsn, tmp_path / "runs", connection, cache=readings)
            monkeypatch.setattr(LISTENER, lambda: bench.events.append)
            return bench

        yield make


@pytest.fixture
def three(ocr_from: OcrBenchFrom) -> OcrBench:
    return ocr_from("three", load_three)


@pytest.fixture
def first(ocr_from: OcrBenchFrom) -> OcrBench:
    return ocr_from("first", load_first)


@pytest.fixture
def chain(ocr_from: OcrBenchFrom) -> OcrBench:
    return ocr_from("chain", load_chain)


@pytest.fixture
def empty(ocr_from: OcrBenchFrom) -> OcrBench:
    return ocr_from("none", load_none)
