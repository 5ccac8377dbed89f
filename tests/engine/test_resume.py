"""A run that was killed goes on and ends in the same bytes as one that was not."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from tests import nursery
from tests.deadline import DEADLINE_SECONDS
from tests.engine.workshop import NOON_MS, Bench, Row, load_noons
from tests.longer import longer, longer_behind

from backfill.errors import Interrupted, LeaseHeld, StalePlan, Terminated, VerifyFailed

if TYPE_CHECKING:
    from tests.conftest import DatabaseFrom

APPLIER = Path(__file__).with_name("killed_applier.py")
# Where the process dies, and how many of the three chunks are committed by then.
POINTS = (
    ("between_chunks", 1, 0),
    ("before_fence", 2, 1),
    ("after_update", 1, 0),
    ("before_commit", 2, 1),
    ("after_commit", 3, 3),
    *longer(("after_update", 3, 2), ("after_commit", 2, 2)),
)


def spoil(bench: Bench) -> None:
    """Give the run a skip, a drifted row and a filled row as well."""
    bench.sql("UPDATE events SET tz = 'Nowhere' WHERE id = 'e03'")
    bench.sql("UPDATE events SET start_at_utc = 0 WHERE id = 'e07'")


def plan_with_drift(bench: Bench) -> str:
    spoil(bench)
    run_id = bench.plan().run_id
    bench.sql("UPDATE events SET start_at = %s WHERE id = 'e09'", NOON_MS)
    return run_id


def kill_at(bench: Bench, run_id: str, point: str, nth: int) -> int:
    """Apply in a process that kills itself; return what its parent sees."""
    command = [sys.executable, str(APPLIER), run_id, str(bench.runs), point, str(nth)]
    return nursery.run(command, timeout=DEADLINE_SECONDS).returncode


def outcome(bench: Bench, run_id: str) -> tuple[list[str], list[Row], list[Row], list[Row]]:
    """Everything a run leaves in the database, but for what a clock decides."""
    skips = bench.sql(
        "SELECT chunk_no, key, scope, column_name, reason, detail FROM backfill.skip"
        " WHERE run_id = %s ORDER BY key",
        run_id,
    )
    return bench.table(), bench.checkpoints(run_id), bench.images(run_id), skips


@pytest.fixture
def undisturbed(
    database_from: DatabaseFrom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[list[str], list[Row], list[Row], list[Row]]:
    """What a run of the same rows leaves that nobody kills."""
    dsn = database_from("noons", load_noons)
    with psycopg.connect(dsn, autocommit=True) as connection, monkeypatch.context() as patch:
        patch.setenv("DATABASE_URL", dsn)
        bench = Bench(dsn, tmp_path / "undisturbed", connection)
        run_id = plan_with_drift(bench)
        bench.apply_with(run_id, chunk_rows=5)
        return outcome(bench, run_id)


@pytest.mark.kill
@pytest.mark.parametrize(("point", "nth", "committed"), longer_behind(3, POINTS))
def test_a_run_killed_at_any_point_resumes_to_the_same_bytes(
    bench: Bench,
    undisturbed: tuple[list[str], list[Row], list[Row], list[Row]],
    point: str,
    nth: int,
    committed: int,
) -> None:
    run_id = plan_with_drift(bench)

    assert kill_at(bench, run_id, point, nth) == -signal.SIGKILL
    bench.wait_until_alone()
    assert len(bench.checkpoints(run_id)) == committed
    assert bench.status(run_id) == "running"
    bench.let_lease_run_out(run_id)
    applied = bench.apply_with(run_id, chunk_rows=5)

    assert outcome(bench, run_id) == undisturbed
    assert (applied.counts.scanned, applied.counts.updated) == (12, 10)
    assert (applied.counts.drifted, applied.counts.skipped) == (1, 1)
    assert bench.verify(run_id).findings == []


@pytest.mark.kill
def test_a_revert_killed_before_its_commit_resumes_to_the_same_bytes(bench: Bench) -> None:
    before = bench.table()
    run_id = bench.run(chunk_size=5).run_id
    revert_id = bench.revert(run_id, apply=False).run_id

    assert kill_at(bench, revert_id, "before_commit", 2) == -signal.SIGKILL
    bench.wait_until_alone()
    bench.let_lease_run_out(revert_id)
    bench.apply(revert_id, chunk_size=5)

    assert bench.table() == before
    assert bench.status(run_id) == "reverted"


@pytest.mark.kill
def test_a_killed_runs_lease_keeps_others_out_until_it_runs_out(bench: Bench) -> None:
    run_id = bench.plan().run_id
    kill_at(bench, run_id, "before_commit", 2)
    bench.wait_until_alone()

    with pytest.raises(LeaseHeld, match=r"wait until the lease has run out"):
        bench.apply(run_id)

    bench.let_lease_run_out(run_id)
    bench.apply(run_id, chunk_size=5)
    assert bench.status(run_id) == "succeeded"


def test_resume_refuses_a_plan_whose_folder_is_gone(bench: Bench, tmp_path: Path) -> None:
    run_id = bench.plan().run_id

    with pytest.raises(StalePlan, match="--runs-dir"):
        bench.apply(run_id, runs_dir=str(tmp_path / "elsewhere"))

    assert bench.status(run_id) == "planned"


def test_a_stopped_run_whose_folder_is_gone_is_left_and_a_new_plan_finds_the_rest(
    bench: Bench,
) -> None:
    def stop_after_two_chunks(step: str) -> None:
        if step == "before_fence" and len(bench.checkpoints(run_id)) == 2:
            raise Interrupted("stopped by the test")

    run_id = bench.plan().run_id
    with pytest.raises(Interrupted):
        bench.apply_with(run_id, stop_after_two_chunks, chunk_rows=5)
    shutil.rmtree(bench.folder(run_id).path)

    second = bench.run()

    assert second.run_id != run_id
    assert bench.summary(second)["total_updated"] == 2
    assert f"backfill revert {run_id}" in bench.messages()
    assert bench.status(run_id) == "interrupted"


@pytest.mark.kill
@pytest.mark.parametrize("point", ["between_chunks", "after_update"])
def test_a_signal_names_the_run_and_its_place_wherever_it_comes(bench: Bench, point: str) -> None:
    seen: list[str] = []

    def send(step: str) -> None:
        seen.append(step)
        if step == point and seen.count(point) == 2:
            os.kill(os.getpid(), signal.SIGHUP)

    run_id = bench.plan().run_id
    with pytest.raises(Terminated) as stopped:
        bench.apply_with(run_id, send, chunk_rows=5)

    chunk, rows = (1, 5) if point == "between_chunks" else (2, 10)
    told = f"Run {run_id} was stopped by SIGHUP after chunk {chunk} ({rows} of 12 rows)."
    assert str(stopped.value).startswith(told)
    assert f"backfill resume {run_id}" in str(stopped.value)


def test_an_automatic_chunk_size_goes_on_with_what_earlier_chunks_have_taught(
    bench: Bench,
) -> None:
    run_id = bench.plan().run_id
    bench.apply(run_id, canary=3, chunk_size="auto")
    bench.sql("UPDATE backfill.checkpoint SET elapsed_ms = 100000 WHERE run_id = %s", run_id)

    with pytest.raises(VerifyFailed):  # which notices what this test did to the record
        bench.apply(run_id, chunk_size="auto")

    assert [
        row[0]
        for row in bench.sql(
            "SELECT scanned FROM backfill.checkpoint WHERE run_id = %s ORDER BY chunk_no", run_id
        )
    ][:3] == [3, 1, 1]
