"""Thousands of members of a scope: what is said of them stays short, and says how many."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.engine.workshop import NOON_MS, Bench

from backfill import cli


def test_a_check_tells_the_fullest_hundred_and_how_many_there_are(
    bench: Bench, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.sql("CREATE TABLE stays (id int PRIMARY KEY, guest int, wall bigint, utc bigint)")
    bench.sql(
        f"INSERT INTO stays SELECT n, least(n, 20000), {NOON_MS} FROM generate_series(1, 20003) n"
    )
    spec = tmp_path / "stays.toml"
    spec.write_text(
        'table = "stays"\nkey = "id"\nscope = "guest"\nzone = "=Asia/Kolkata"\n'
        'pairs = [{ wall = "wall", target = "utc" }]\n'
    )

    code = cli.main(["check", "--table", str(spec)])

    told = capsys.readouterr()
    last = json.loads(told.out.splitlines()[-1])
    assert (code, last["total_pending"], last["pending_scopes"]) == (8, 20_003, 20_000)
    assert (len(last["pending"]), last["pending"]["20000"]) == (100, 4)
    assert "19,900 more" in told.err
    assert len(told.err.splitlines()) < 110
