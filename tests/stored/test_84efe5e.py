"""Plans, images and ledger rows of an earlier version are shown, verified, reverted, applied."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import psycopg
import pytest
from tests.engine.workshop import LISTENER, Bench

from backfill import cli

if TYPE_CHECKING:
    from tests.conftest import DatabaseFrom

STORED = Path(__file__).with_name("84efe5e")
APPLIED, FROZEN = "20261129T175807Z-utc-34c2bd", "20261129T175808Z-utc-66cd11"
#: Of the database that the runs were planned on: the copy here is another one.
FINGERPRINT = "d7f6a2810103037a"
LEDGER = "SELECT run_id, status, plan_rows FROM backfill.run ORDER BY run_id"


def load_stored(dsn: str) -> None:
    script = (STORED / "database.sql").read_text(encoding="utf-8")
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(cast(Any, script))


@pytest.fixture
def bench(
    database_from: DatabaseFrom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Bench]:
    dsn = database_from("stored-84efe5e", load_stored)
    monkeypatch.setenv("DATABASE_URL", dsn)
    for module in ("running", "revert"):
        name = f"backfill.steps.{module}.database_fingerprint"
        monkeypatch.setattr(name, lambda _connection: FINGERPRINT)
    monkeypatch.chdir(tmp_path)
    shutil.copytree(STORED / "runs", tmp_path / "runs")
    with psycopg.connect(dsn, autocommit=True) as connection:
        stored = Bench(dsn, tmp_path / "runs", connection)
        monkeypatch.setattr(LISTENER, lambda: stored.events.append)
        yield stored


def filled(bench: Bench) -> list[tuple[Any, ...]]:
    return bench.sql(
        "SELECT right(clinic::text, 1), count(*) FROM clinic.visit"
        " WHERE arrives_utc IS NOT NULL GROUP BY 1 ORDER BY 1"
    )


def test_its_runs_are_shown(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["status"]) == 0
    shown = capsys.readouterr().out

    assert APPLIED in shown and FROZEN in shown and "succeeded" in shown


def test_its_evidence_holds(bench: Bench) -> None:
    assert cli.main(["evidence", "check", str(bench.runs / APPLIED)]) == 0


def test_what_it_wrote_is_verified_and_reverted(bench: Bench) -> None:
    assert filled(bench) == [("a", 6)]
    assert bench.verify(APPLIED).findings == []

    bench.revert(APPLIED)

    assert filled(bench) == []
    assert bench.sql("SELECT count(*) FROM clinic.visit WHERE leaves_utc IS NOT NULL") == [(0,)]


def test_what_it_froze_is_applied_verified_and_reverted(bench: Bench) -> None:
    before = bench.table("clinic.visit")

    bench.apply(FROZEN)

    assert filled(bench) == [("a", 6), ("b", 12)]
    assert bench.verify(FROZEN).findings == []
    # London is an hour behind its summer time from the last Sunday of March on.
    arrival = bench.sql(
        "SELECT arrives_utc AT TIME ZONE 'UTC' = arrives_local - interval '1 hour'"
        " FROM clinic.visit WHERE room = 'B' AND visit_no = 13"
    )
    assert arrival == [(True,)]
    bench.revert(FROZEN)
    assert bench.table("clinic.visit") == before
