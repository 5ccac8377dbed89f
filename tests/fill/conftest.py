"""Tables of any kind on a fresh database, and fills of them from a test's own process."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, LiteralString

import psycopg
import pytest
from tests.engine.workshop import nobody_looks

from backfill import workbook
from backfill.notebook.fill_run import FillRun

if TYPE_CHECKING:
    from tests.conftest import DatabaseFrom


@dataclass(frozen=True, slots=True)
class Tables:
    """A database to make tables in, and to fill them."""

    dsn: str
    connection: psycopg.Connection[tuple[Any, ...]]
    runs: Path

    def make(self, *statements: LiteralString) -> None:
        for statement in statements:
            self.connection.execute(statement)

    def rows(self, query: LiteralString) -> list[tuple[Any, ...]]:
        return self.connection.execute(query).fetchall()

    def fill(
        self,
        rows: object,
        table: str,
        targets: str | list[str],
        *,
        looks: bool = False,
        **options: Any,
    ) -> FillRun:
        """Plan a fill from a dataframe; its diff is made only for who `looks`."""
        with contextlib.nullcontext() if looks else nobody_looks():
            return workbook.fill(
                rows,
                table=table,
                set=targets,
                runs_dir=str(self.runs),
                dsn_env="TABLES_URL",
                **options,
            )


@pytest.fixture
def tables(
    database_from: DatabaseFrom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Tables]:
    dsn = database_from("bare", lambda _dsn: None)
    monkeypatch.setenv("TABLES_URL", dsn)
    with psycopg.connect(dsn, autocommit=True) as connection:
        yield Tables(dsn, connection, tmp_path / "runs")
