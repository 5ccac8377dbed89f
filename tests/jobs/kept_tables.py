"""Tables `t` as other programs keep them, and what must come of one."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from tests.engine.workshop import Bench


def utc(wall: str, zone: str) -> dt.datetime:
    return dt.datetime.fromisoformat(wall).replace(tzinfo=ZoneInfo(zone)).astimezone(dt.UTC)


@dataclass(frozen=True)
class Kept:
    """A table `t`, the lines of its specification below the table's name, and what is to come."""

    ddl: str
    spec: str
    expected: Mapping[int, tuple[Any, ...]]
    select: str = "SELECT id, u FROM t ORDER BY id"


PAIR = '[[pair]]\nwall = "w"\ntarget = "u"\n'


def planned(bench: Bench, tmp_path: Path, spec: str, **given: Any) -> Any:
    path = tmp_path / "t.toml"
    path.write_text(f'table = "t"\n{spec}', encoding="utf-8")
    return bench.plan(table=str(path), **given)


def is_read_proven_and_put_back(bench: Bench, tmp_path: Path, kept: Kept) -> None:
    """Make a table, write its instants, prove them, and have it as it was."""
    bench.sql(kept.ddl)
    before = bench.table("t")

    book = planned(bench, tmp_path, kept.spec, apply=True)

    assert {row[0]: row[1:] for row in bench.sql(kept.select)} == kept.expected
    proof = bench.verify(book.run_id)
    assert (proof.findings, proof.recomputed) == ([], proof.rows)
    bench.revert(book.run_id)
    assert bench.table("t") == before
