"""Kill -9 outside the chunks: while planning, while the folder is closed. Nothing stays half."""

from __future__ import annotations

from tests.chaos.selftest.case import cases
from tests.chaos.selftest.claims import equal, holds, says
from tests.chaos.selftest.world import World

from backfill.which_folder import run_folders

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
_PLANNING_A_REVERT = {
    "reading": "backfill.workbook:plan_revert@before",
    "freezing_changes": "backfill.plans.plan:write_changes@after",
}
_ENDING_A_REVERT = {
    "ended": "backfill.records.lease:leave@after",
    "settling": "backfill.notebook.run_book:settle_reverted@before",
    "settled": "backfill.notebook.run_book:settle_reverted@after",
    "sums": "backfill.records.ledger:Ledger.record_sums@before",
}


@cases("kill.plan", _PLANNING)
def _kill_planning(when: str, world: World) -> None:
    """A plan killed while {words} left the table alone; planned again, it ends in the same
    bytes."""
    with world.sibling() as calm:
        run = calm.plan(apply=True, chunk_size=CHUNK_SIZE)
        promised = calm.imprint(run.run_id)
        plan = calm.folder(run.run_id).file("changes.parquet").read_bytes()
    before = world.table()

    world.kill("utc", _PLANNING[when])
    (folder,) = run_folders(world.runs)
    refused = world.apply(folder.run_id)

    equal("table after the kill", world.table(), before)
    says(world.evidence(folder.run_id), "SHA256SUMS is not there", "backfill utc")
    refused.exited(2, "no run", "backfill ", whose="of applying a plan that is not whole")
    again = world.plan(apply=True, chunk_size=CHUNK_SIZE)
    again.went_well()
    holds(
        "the same changes are planned again",
        world.folder(again.run_id).file("changes.parquet").read_bytes() == plan,
    )
    world.has_left(again.run_id, promised)


@cases("kill.plan", ("before_its_row", "after_its_row"))
def _kill_registering(when: str, world: World) -> None:
    """A frozen plan can be applied, whether or not its row reached the database."""
    point = f"backfill.records.ledger:Ledger.register@{when.removesuffix('_its_row')}"
    promised = world.promised(chunk_size=CHUNK_SIZE)

    world.kill("utc", point)
    (folder,) = run_folders(world.runs)
    applied = world.apply(folder.run_id, chunk_size=CHUNK_SIZE)

    applied.went_well()
    world.has_left(folder.run_id, promised)
    equal("evidence check", world.evidence(folder.run_id), [])


@cases("kill.close", _CLOSING)
def _kill_closing(when: str, world: World) -> None:
    """A folder that a kill kept from being closed says so, and is closed by applying again."""
    planned = world.planned(chunk_size=CHUNK_SIZE)

    planned.start((_CLOSING[when], 1)).kill()
    is_silent = not world.evidence(planned.run_id)
    world.let_lease_run_out(planned.run_id)

    equal("evidence check after the kill is silent", is_silent, when == "closed")
    planned.goes_on()


@cases("kill.revert", _PLANNING_A_REVERT)
def _kill_reverting(when: str, world: World) -> None:
    """A revert killed while it was planned changed nothing; a new one puts all back."""
    before = world.table()
    run_id = world.plan(apply=True).run_id
    written = world.table()

    world.kill("revert", _PLANNING_A_REVERT[when], run_id=run_id, apply=True)
    equal("table after the kill", world.table(), written)
    again = world.revert(run_id, apply=True)

    again.went_well()
    equal("table as before the run", world.table(), before)
    equal("status", world.status(run_id), "reverted")


@cases("kill.revert", _ENDING_A_REVERT)
def _kill_settling(when: str, world: World) -> None:
    """A revert killed at its very end still leaves its run reverted when it is resumed."""
    before = world.table()
    run_id = world.plan(apply=True).run_id
    revert_id = world.revert(run_id).run_id

    world.kill("apply", _ENDING_A_REVERT[when], run_id=revert_id)
    world.let_lease_run_out(revert_id)
    again = world.apply(revert_id)

    again.went_well()
    equal("table as before the run", world.table(), before)
    equal("status of the run", world.status(run_id), "reverted")
    equal("evidence check", world.evidence(revert_id), [])
