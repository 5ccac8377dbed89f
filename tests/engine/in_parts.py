"""What the tests of parts look at: rows written, parts kept, folder against database."""

from __future__ import annotations

from typing import Any

from tests.engine.workshop import Bench, noon_utc

from backfill.jobs.registry import kind_of
from backfill.records.ledger import Ledger
from backfill.steps.evidence_check import disagreements

ALL_NOONS = {f"e{day:02d}": noon_utc(day) for day in range(1, 13)}


def evidence(bench: Bench, run_id: str) -> list[str]:
    return disagreements(bench.folder(run_id), Ledger(bench.connection), kind_of)


def filled(bench: Bench) -> list[str]:
    return [key for key, (start, _end) in bench.filled().items() if start is not None]


def parts(bench: Bench, run_id: str) -> list[tuple[Any, ...]]:
    return bench.sql(
        "SELECT part_no, selection, rows FROM backfill.part WHERE run_id = %s ORDER BY part_no",
        run_id,
    )
