"""A small table `visits` with keys and types of its own, and its specification."""

from __future__ import annotations

from pathlib import Path

from tests.engine.workshop import Bench

SPEC = """
table = "{table}"
key = {key}
scope = "household_id"
zone = "tz"
pairs = [{{ wall = "start_at", target = "start_at_utc" }}]
"""


def spec(tmp_path: Path, table: str, key: str = '"id"') -> str:
    """Write a table specification; return its path."""
    path = tmp_path / "table.toml"
    path.write_text(SPEC.format(table=table, key=key))
    return str(path)


def make_table(bench: Bench, key: str, wall: str = "start_at bigint") -> None:
    """Create a small table `visits` with keys and types of its own."""
    bench.sql(
        f"CREATE TABLE visits ({key}, household_id text, {wall}, tz text, start_at_utc bigint)"
    )


def visit_starts(bench: Bench) -> list[object]:
    return [row[0] for row in bench.sql("SELECT start_at_utc FROM visits ORDER BY start_at")]
