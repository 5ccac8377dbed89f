"""One byte changed, in any file of a run or any row of its record: somebody names it."""

from __future__ import annotations

from pathlib import Path

import psycopg
from tests.chaos.selftest.case import case
from tests.chaos.selftest.claims import Disproved, equal, holds, says
from tests.chaos.selftest.world import World

from backfill.archive.evidence import SUMS_FILE, evidence_files
from backfill.jobs.registry import kind_of
from backfill.records.ledger import Ledger
from backfill.steps.verify import Verification, verify_run

CHUNK_SIZE = 20


def flip(path: Path, place: int) -> None:
    """Change one bit of one byte of a file."""
    content = bytearray(path.read_bytes())
    content[place % len(content)] ^= 1
    path.write_bytes(bytes(content))


def every_file_is_watched(world: World, run_id: str) -> list[str]:
    """Change each file of a run in turn; raise `Disproved` when nobody notices."""
    folder = world.folder(run_id)
    equal("evidence check before", world.evidence(run_id), [])
    names = [*evidence_files(folder), SUMS_FILE]
    for name in names:
        path = folder.file(name)
        before = path.read_bytes()
        if not before:
            continue
        flip(path, world.draw.randrange(len(before)))
        says(world.evidence(run_id), name)
        path.unlink()
        says(world.evidence(run_id), name)
        path.write_bytes(before)
        path.chmod(0o600)
    folder.file("added.txt").write_text("new", encoding="utf-8")
    says(world.evidence(run_id), "added.txt is not listed")
    folder.file("added.txt").unlink()
    equal("evidence check after all is as it was", world.evidence(run_id), [])
    return names


@case("tampering.files")
def _files(world: World) -> None:
    """One byte changed in any file of a run: evidence check names the file."""
    run_id = world.plan(apply=True, chunk_size=CHUNK_SIZE).run_id
    names = every_file_is_watched(world, run_id)

    for name in ("plan.json", "changes.parquet", "plan_skips.csv", "checkpoints.csv", "run.json"):
        holds(f"{name} is one of the files", name in names)


@case("tampering.plan")
def _changed_plan(world: World) -> None:
    """A plan of which any byte was changed is refused with exit code 5."""
    run_id = world.plan().run_id
    before = world.table()
    for name in ("plan.json", "changes.parquet", "plan_skips.csv"):
        path = world.folder(run_id).file(name)
        content = path.read_bytes()
        flip(path, world.draw.randrange(len(content)))
        world.apply(run_id).exited(5, f"run {run_id}", "new plan", whose=f"with another {name}")
        path.write_bytes(content)
    equal("table", world.table(), before)
    world.apply(run_id).went_well("of the plan as it was")


_CHECKPOINT = (
    "key_low = key_low || 'x'",
    "key_high = key_high || 'x'",
    "scanned = scanned + 1, updated = updated + 1",
    "updated = updated - 1, unchanged = unchanged + 1",
    "updated = updated - 1, drifted = drifted + 1",
    "updated = updated - 1, skipped = skipped + 1",
    "elapsed_ms = elapsed_ms + 1",
    "chain_hash = md5(chain_hash)",
    "committed_at = committed_at + interval '1 microsecond'",
)
_IMAGE = (
    "image = set_byte(image, {place}, get_byte(image, {place}) # 1)",
    "sha256 = md5(sha256)",
    "rows = rows + 1",
)
_SKIP = (
    "key = key || 'x'",
    "scope = scope || 'x'",
    "column_name = column_name || 'x'",
    "reason = 'drifted'",
    "detail = detail || '.'",
    "chunk_no = chunk_no + 1",
)


@case("tampering.record")
def _rows(world: World) -> None:
    """Any column of any checkpoint, image or skip changed: verify names the chunk."""
    run_id = world.plan(apply=True, chunk_size=CHUNK_SIZE).run_id
    equal("verify before", world.verify(run_id), [])
    chunk = world.draw.randint(2, world.chunks(run_id) - 1)
    size = world.scalar("SELECT length(image) FROM backfill.chunk_image WHERE chunk_no = %s", chunk)
    place = str(world.draw.randrange(size))
    of_chunk = f"WHERE run_id = '{run_id}' AND chunk_no = {chunk}"
    one_skip = (
        "WHERE (run_id, key, column_name) = (SELECT run_id, key, column_name FROM backfill.skip"
        " WHERE reason <> 'drifted' ORDER BY md5(key) LIMIT 1)"
    )
    statements = [
        *(f"UPDATE backfill.checkpoint SET {change} {of_chunk}" for change in _CHECKPOINT),
        *(
            f"UPDATE backfill.chunk_image SET {change.replace('{place}', place)} {of_chunk}"
            for change in _IMAGE
        ),
        *(f"UPDATE backfill.skip SET {change} {one_skip}" for change in _SKIP),
        f"DELETE FROM backfill.chunk_image {of_chunk}",
        f"DELETE FROM backfill.skip {one_skip}",
        f"INSERT INTO backfill.skip VALUES ('{run_id}', {chunk}, 'k', 's', '', 'drifted', '')",
    ]
    for statement in statements:
        findings = _verified_after(world, run_id, statement).findings
        holds(f"verify notices: {statement}", findings)
        says(findings, "hunk ")

    last = f"WHERE run_id = '{run_id}' AND chunk_no = {world.chunks(run_id)}"
    tables = ("chunk_image", "skip", "checkpoint")
    drop_last = [f"DELETE FROM backfill.{table} {last}" for table in tables]
    says(_verified_after(world, run_id, *drop_last).findings, "The run is not complete")
    equal("verify after all is as it was", world.verify(run_id), [])


def _verified_after(world: World, run_id: str, *statements: str) -> Verification:
    """Return what verify finds after some statements, and take them back."""
    with world.connection.transaction() as transaction:
        for statement in statements:
            world.sql(statement)
        ledger = Ledger(world.connection)
        run = ledger.get(run_id)
        proof = verify_run(ledger, run, kind_of(run.job))
        raise psycopg.Rollback(transaction)
    return proof


@case("tampering.rows")
def _written_rows(world: World) -> None:
    """Any written row changed or deleted since: verify counts each, and names the first."""
    run_id = world.plan(apply=True).run_id
    key = world.scalar(
        "SELECT id FROM events WHERE id = ANY (SELECT id FROM events WHERE start_at_utc IS NOT"
        " NULL AND tz = 'Europe/Stockholm') ORDER BY md5(id) LIMIT 1"
    )
    written = world.column(
        "SELECT id FROM events WHERE tz = 'Asia/Tokyo' AND start_at_utc IS NOT NULL"
    )
    holds("rows to change", key and written)
    for statement in (
        "UPDATE events SET start_at_utc = start_at_utc + 1 WHERE start_at_utc IS NOT NULL",
        "UPDATE events SET start_at = start_at + 1 WHERE start_at_utc IS NOT NULL",
        "UPDATE events SET tz = 'Asia/Seoul' WHERE start_at_utc IS NOT NULL",
        "DELETE FROM events WHERE start_at_utc IS NOT NULL",
    ):
        proof = _verified_after(world, run_id, statement)
        rows = world.scalar("SELECT sum(rows) FROM backfill.chunk_image")
        if proof.disagreements != rows:
            raise Disproved(f"{statement}: {proof.disagreements} of {rows} rows were noticed")
        for finding in proof.findings:
            says(finding, "is not as written")
