"""Kill -9 outside the chunks: while planning, while the folder is closed. Nothing stays half."""

from __future__ import annotations

import functools

from backfill.which_folder import run_folders
from backfill_lab.selftest.case import Case
from backfill_lab.selftest.claims import equal, holds, says
from backfill_lab.selftest.world import World

CHUNK_SIZE = 25
_PLANNING = {
    "reading": "backfill.plans.extract:PendingRows._read@after",
    "computing": "backfill.jobs.utc.blocks:compute_utc@after",
    "freezing_changes": "backfill.plans.plan:write_changes@after",
    "freezing_plan": "backfill.plans.plan:freeze@before",
}
_CLOSING = {
    "ending": "backfill.records.lease:leave@before",
    "ended": "backfill.records.lease:leave@after",
    "records": "backfill.archive.evidence:write_records@after",
    "manifest": "backfill.archive.evidence:_write_manifest@after",
    "sums": "backfill.records.ledger:Ledger.record_sums@before",
    "closed": "backfill.records.ledger:Ledger.record_sums@after",
}


def _kill_planning(point: str, world: World) -> None:
    with world.sibling() as calm:
        run = calm.plan(apply=True, chunk_size=CHUNK_SIZE)
        promised = calm.imprint(run.run_id)
        plan = calm.folder(run.run_id).file("changes.parquet").read_bytes()
    before = world.table()

    world.start("utc", (point, 1)).kill()
    (folder,) = run_folders(world.runs)
    refused = world.apply(folder.run_id)

    equal("table after the kill", world.table(), before)
    says(world.evidence(folder.run_id), "SHA256SUMS is not there", "backfill utc")
    equal("exit code of applying a plan that is not whole", refused.exit_code, 2)
    says(refused.error, "no run", "backfill ")
    again = world.plan(apply=True, chunk_size=CHUNK_SIZE)
    again.went_well()
    holds(
        "the same changes are planned again",
        world.folder(again.run_id).file("changes.parquet").read_bytes() == plan,
    )
    world.has_left(again.run_id, promised)


def _kill_registering(point: str, world: World) -> None:
    promised = world.promised(chunk_size=CHUNK_SIZE)

    world.start("utc", (point, 1)).kill()
    (folder,) = run_folders(world.runs)
    applied = world.apply(folder.run_id, chunk_size=CHUNK_SIZE)

    applied.went_well()
    world.has_left(folder.run_id, promised)
    equal("evidence check", world.evidence(folder.run_id), [])


def _kill_closing(point: str, world: World) -> None:
    promised = world.promised(chunk_size=CHUNK_SIZE)
    run_id = world.plan().run_id

    world.start("apply", (point, 1), run_id=run_id, chunk_size=CHUNK_SIZE).kill()
    is_closed = point == _CLOSING["closed"]
    found = world.evidence(run_id)
    if world.status(run_id) == "running":
        world.let_lease_run_out(run_id)
    resumed = world.apply(run_id, chunk_size=CHUNK_SIZE)

    equal("evidence check after the kill is silent", not found, is_closed)
    resumed.went_well()
    world.proves(run_id, promised)


def _kill_reverting(point: str, world: World) -> None:
    before = world.table()
    run_id = world.plan(apply=True).run_id
    written = world.table()

    world.start("revert", (point, 1), run_id=run_id, apply=True).kill()
    equal("table after the kill", world.table(), written)
    again = world.start("revert", run_id=run_id, apply=True).end()

    again.went_well()
    equal("table as before the run", world.table(), before)
    equal("status", world.status(run_id), "reverted")


def _kill_settling(point: str, world: World) -> None:
    before = world.table()
    run_id = world.plan(apply=True).run_id
    revert_id = world.plan_revert(run_id).run_id

    world.start("apply", (point, 1), run_id=revert_id).kill()
    if world.status(revert_id) == "running":
        world.let_lease_run_out(revert_id)
    again = world.apply(revert_id)

    again.went_well()
    equal("table as before the run", world.table(), before)
    equal("status of the run", world.status(run_id), "reverted")
    equal("evidence check", world.evidence(revert_id), [])


CASES = (
    *(
        Case(
            f"kill.plan.{name}",
            f"A plan killed while {name.replace('_', ' ')} left the table alone; planned again, "
            "it ends in the same bytes.",
            functools.partial(_kill_planning, point),
            is_quick=name == "freezing_plan",
        )
        for name, point in _PLANNING.items()
    ),
    *(
        Case(
            f"kill.plan.{name}",
            "A frozen plan can be applied, whether or not its row reached the database.",
            functools.partial(_kill_registering, f"backfill.records.ledger:Ledger.register@{when}"),
        )
        for name, when in (("before_its_row", "before"), ("after_its_row", "after"))
    ),
    *(
        Case(
            f"kill.close.{name}",
            "A folder that a kill kept from being closed says so, and is closed by applying again.",
            functools.partial(_kill_closing, point),
            is_quick=name == "sums",
        )
        for name, point in _CLOSING.items()
    ),
    *(
        Case(
            f"kill.revert.{name}",
            "A revert killed while it was planned changed nothing; a new one puts all back.",
            functools.partial(_kill_reverting, point),
        )
        for name, point in (
            ("reading", "backfill.workbook:plan_revert@before"),
            ("freezing_changes", "backfill.plans.plan:write_changes@after"),
        )
    ),
    *(
        Case(
            f"kill.revert.{name}",
            "A revert killed at its very end still leaves its run reverted when it is resumed.",
            functools.partial(_kill_settling, point),
        )
        for name, point in (
            ("ended", "backfill.records.lease:leave@after"),
            ("settling", "backfill.notebook.run_book:settle_reverted@before"),
            ("settled", "backfill.notebook.run_book:settle_reverted@after"),
            ("sums", "backfill.records.ledger:Ledger.record_sums@before"),
        )
    ),
)
