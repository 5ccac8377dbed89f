"""Six lines that are true however a run stands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from backfill.archive.headline import headline
from backfill.archive.run_facts import read_facts
from backfill.folder import RunFolder

RUN_ID = "20261122T234000Z-utc-3f9c1a"
PLAN = {
    "rows": 120,
    "changes": 100,
    "scope": {"table": "public.trips", "members": ["north"]},
    "settings": {},
}
PROOF = {"chunks": 2, "rows": 60, "recomputed": 120, "disagreements": 0}
PART = '"part_no","selection","rows","positions_sha256","approved_by","approved_at"\n'


def lines(
    tmp_path: Path,
    summary: dict[str, Any],
    plan: dict[str, Any] | None = None,
    updated: tuple[int, ...] = (),
    selection: str = "{}",
) -> dict[str, str]:
    """Return the lines of a folder with these files."""
    folder = RunFolder(tmp_path / RUN_ID)
    folder.create()
    run = {"job": "utc", "database": "the yard", "planned_by": "ida@desk"}
    folder.write_json("run.json", run)
    if plan is not None:
        folder.write_json("plan.json", plan)
    folder.write_json("summary.json", summary)
    if updated:
        quoted = selection.replace('"', '""')
        folder.write_text(
            "parts.csv",
            f'{PART}"1","{quoted}","{sum(updated)}","ab","olof@ops",'
            '"2026-11-23 00:01:02.5+00:00"\n',
        )
        head = "chunk_no,key_low,key_high,scanned,updated,unchanged,drifted,skipped,elapsed_ms"
        rows = [
            f"{n},a,b,{count},{count},0,0,0,5,cd,2026-11-23 00:0{n}:00+00:00"
            for n, count in enumerate(updated, start=1)
        ]
        folder.write_text("checkpoints.csv", "\n".join([f"{head},chain_hash,committed_at", *rows]))
    folder.write_text("SHA256SUMS", "")
    return {
        line.label: f"{line.text} {line.command}".strip() for line in headline(read_facts(folder))
    }


def test_a_dry_run(tmp_path: Path) -> None:
    told = lines(tmp_path, {"status": "planned", "dry_run": True, "total_scanned": 120}, PLAN)

    assert told["Changed"] == "nothing yet; 100 of 120 rows would be changed."
    assert told["Table"] == "public.trips, of north, in the yard."
    assert told["By"] == "planned by ida@desk, 2026-11-22 23:40:00 UTC."
    assert told["When"] == "not approved: nothing was written."
    assert told["Next"] == f"write exactly this plan: backfill apply {RUN_ID}"


def test_a_part(tmp_path: Path) -> None:
    summary = {"status": "paused", "dry_run": False, "total_scanned": 60, "verification": PROOF}

    told = lines(tmp_path, summary, PLAN, (20, 40), '{"canary": "50%"}')

    assert told["Changed"] == "60 rows were changed, of 120 planned; 60 are still to do."
    assert told["By"].endswith("; applied by olof@ops.")
    assert told["When"] == (
        "approved 2026-11-23 00:01:02 (a sample of 50%: 60 rows); applied 2026-11-23 00:01:00 to "
        "00:02:00 UTC in 2 chunks."
    )
    assert told["Verified"] == "yes: 60 rows read back, 120 values computed again, no disagreement."
    assert told["Next"] == f"go on after the last checkpoint: backfill resume {RUN_ID}"


def test_all_of_it(tmp_path: Path) -> None:
    summary = {"status": "succeeded", "dry_run": False, "total_scanned": 120, "verification": PROOF}

    told = lines(tmp_path, summary, PLAN, (100,))

    assert told["Changed"] == "100 rows were changed."
    undo = f"To undo it, unless that was done since: backfill revert {RUN_ID}"
    assert told["Next"] == f"nothing has to be done. {undo}"


def test_all_of_it_but_not_proven(tmp_path: Path) -> None:
    wrong = {**PROOF, "disagreements": 2, "first": "k1 holds another value."}
    summary = {"status": "succeeded", "dry_run": False, "total_scanned": 120, "verification": wrong}

    told = lines(tmp_path, summary, PLAN, (100,))

    assert told["Verified"].startswith("no: 2 disagreements (60 rows read back")
    assert told["Verified"].endswith("The first: k1 holds another value.")
    assert told["Next"] == f"see every disagreement: backfill verify {RUN_ID}"


def test_rows_that_were_so_already_are_no_changes(tmp_path: Path) -> None:
    summary = {"status": "succeeded", "dry_run": False, "total_scanned": 120, "total_unchanged": 20}

    told = lines(tmp_path, summary, PLAN, (100,))

    assert told["Changed"] == "100 rows were changed. 20 were so already."


def test_put_back_since(tmp_path: Path) -> None:
    summary = {"status": "reverted", "dry_run": False, "total_scanned": 120, "verification": PROOF}

    told = lines(tmp_path, summary, PLAN, (100,))

    assert told["Changed"] == "100 rows were changed, and put back since."
    assert told["Next"] == "nothing: its rows are as they were before it."


@pytest.mark.parametrize("is_dry", [True, False])
def test_what_puts_back(tmp_path: Path, is_dry: bool) -> None:
    status = "planned" if is_dry else "succeeded"
    summary = {"status": status, "dry_run": is_dry, "reverts": "20261101T000000Z-utc-aaaaaa"}

    told = lines(tmp_path, {**summary, "total_scanned": 120}, PLAN, () if is_dry else (100,))

    back = "put back to what they were before run 20261101T000000Z-utc-aaaaaa"
    done = f"100 rows were {back}."
    assert told["Changed"] == (f"nothing yet; 100 of 120 rows would be {back}." if is_dry else done)


@pytest.mark.parametrize("status", ["failed", "interrupted", "cancelled"])
def test_stopped_half_way(tmp_path: Path, status: str) -> None:
    summary = {
        "status": status,
        "dry_run": False,
        "total_scanned": 20,
        "error": "The disk is full.",
    }

    told = lines(tmp_path, summary, PLAN, (20,))

    assert told["Changed"] == "20 rows were changed, of 120 planned; 100 are still to do."
    assert told["Verified"] == "not recorded in this folder."
    assert told["Next"] == f"go on after the last checkpoint: backfill resume {RUN_ID}"


def test_failed_before_there_was_a_plan(tmp_path: Path) -> None:
    told = lines(tmp_path, {"status": "failed", "error": "There is no table trips."})

    assert told["Changed"] == "nothing: the run ended before its plan was frozen."
    assert told["Verified"] == "nothing to verify: nothing was written."
    assert told["Next"] == f"look how it stands: backfill status {RUN_ID}"


def test_a_plan_without_a_change(tmp_path: Path) -> None:
    plan = {**PLAN, "changes": 0}

    told = lines(tmp_path, {"status": "planned", "dry_run": True, "total_scanned": 120}, plan)

    assert told["Next"] == "nothing: there is nothing to write."


def test_a_plan_without_a_change_that_asks_something(tmp_path: Path) -> None:
    summary = {"status": "planned", "dry_run": True, "total_scanned": 120}
    folder = RunFolder(tmp_path / RUN_ID)
    folder.create()
    folder.write_text("questions.csv", "id,kind\n1,held\n")

    told = lines(tmp_path, summary, {**PLAN, "changes": 0})

    assert told["Next"].startswith("answer the 1 open question in decisions.csv")
    assert told["Next"].endswith("there is nothing to write.")


def test_a_plan_over_a_limit_is_not_simply_to_be_written(tmp_path: Path) -> None:
    summary = {"status": "planned", "dry_run": True, "total_scanned": 120, "exit_code": 7}

    told = lines(tmp_path, summary, PLAN)

    assert "more than this run's limits allow" in told["Next"]
    assert told["Next"].endswith(f"--max-failed: backfill apply {RUN_ID}")


def test_a_folder_that_can_not_be_read(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / RUN_ID)
    folder.create()
    folder.write_text("run.json", "{")
    folder.write_text("SHA256SUMS", "")

    told = {line.label: str(line) for line in headline(read_facts(folder))}

    assert "not known" in told["Changed"]
    assert len(told) == 6


def test_an_apply_that_had_nothing_to_write(tmp_path: Path) -> None:
    summary = {"status": "succeeded", "dry_run": False, "total_scanned": 120, "total_updated": 0}

    told = lines(tmp_path, summary, {**PLAN, "changes": 0})

    assert told["Changed"] == "nothing: no row had to be."
    assert told["Verified"] == "nothing to verify: nothing was written."
    assert told["Next"] == "nothing has to be done."
