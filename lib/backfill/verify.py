"""Prove from the database that a run did what its plan says. Read-only.

Four independent looks: 1. the chain of checkpoints, with images and skips, is unbroken; 2. the
counts close; 3. every row that was written still holds what was written; 4. each value computed
again by another way is the same.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from backfill import image
from backfill.errors import VerifyFailed
from backfill.job import JobKind
from backfill.ledger import CHAIN_START, Ledger, RunRow, skips_digest
from backfill.status import RunStatus

SHOWN = 1_000
#: Computing again is row by row: of a larger run, every n-th row is enough to tell.
RECOMPUTED_ROWS = 200_000


@dataclass
class Verification:
    """What was looked at, and every disagreement that was found (rows: the first 1,000)."""

    run_id: str
    status: RunStatus
    chunks: int = 0
    rows: int = 0
    recomputed: int = 0
    notes: list[str] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    rows_changed: int = 0

    @property
    def is_proven(self) -> bool:
        return not self.findings

    def add_row(self, text: str) -> None:
        self.rows_changed += 1
        if self.rows_changed <= SHOWN:
            self.findings.append(text)


def verify_run(ledger: Ledger, run: RunRow, kind: JobKind) -> Verification:
    """Return what verification found; an empty `findings` is the proof."""
    found = Verification(run.run_id, run.status)
    images = _check_chain(ledger, run, found)
    _check_counts(ledger, run, found)
    if run.status is RunStatus.REVERTED:
        found.notes.append("The run was reverted; its rows hold their before-images again.")
        return found
    for chunk_no, sha256, content in images:
        _check_rows(ledger, run, kind, found, chunk_no, sha256, content)
    return found


def _check_chain(ledger: Ledger, run: RunRow, found: Verification) -> list[tuple[int, str, bytes]]:
    """Walk the checkpoints; return the images that are whole, one per chunk."""
    whole = []
    chain = CHAIN_START
    images = {number: (sha, content) for number, _rows, sha, content in ledger.images(run.run_id)}
    for number, checkpoint in enumerate(ledger.checkpoints(run.run_id), start=1):
        if checkpoint.chunk_no != number:
            found.findings.append(f"Checkpoint {number} is missing.")
        sha256, content = images.pop(checkpoint.chunk_no, ("", b""))
        skips = ledger.skips(run.run_id, checkpoint.chunk_no)
        expected = checkpoint.chained_to(run.run_id, chain, sha256, skips_digest(skips))
        if checkpoint.chain_hash != expected:
            found.findings.append(
                f"Chunk {checkpoint.chunk_no}: checkpoint, image or skips were changed after the "
                "commit (the chain of hashes breaks here)."
            )
        try:
            rows = image.decode(run.run_id, checkpoint.chunk_no, sha256, content)
        except (VerifyFailed, OSError, ValueError):
            found.findings.append(
                f"Chunk {checkpoint.chunk_no}: its image is not the one that was written."
            )
        else:
            whole.append((checkpoint.chunk_no, sha256, content))
            if rows.num_rows != checkpoint.updated:
                found.findings.append(
                    f"Chunk {checkpoint.chunk_no}: {checkpoint.updated} rows updated, but "
                    f"{rows.num_rows} in its image."
                )
        chain = checkpoint.chain_hash
        found.chunks += 1
    for number in images:
        found.findings.append(f"Chunk {number}: an image without a checkpoint.")
    return whole


def _check_counts(ledger: Ledger, run: RunRow, found: Verification) -> None:
    scanned = sum(checkpoint.scanned for checkpoint in ledger.checkpoints(run.run_id))
    if run.status is RunStatus.PLANNED:
        found.notes.append(f"Nothing was written yet. Apply it: backfill apply {run.run_id}")
    elif scanned != run.plan_rows:
        found.findings.append(
            f"The run is not complete: {scanned:,} of {run.plan_rows:,} rows have a checkpoint. "
            f"Go on: backfill resume {run.run_id}"
        )


def _check_rows(
    ledger: Ledger,
    run: RunRow,
    kind: JobKind,
    found: Verification,
    chunk_no: int,
    sha256: str,
    content: bytes,
) -> None:
    rows = image.decode(run.run_id, chunk_no, sha256, content)
    if not rows.num_rows:
        return
    keys = rows.column("key").to_pylist()
    for index, is_as_written, present in kind.look(ledger.connection, run.target, rows, "after"):
        if not is_as_written:
            now = "it was deleted" if present is None else f"it is now {present}"
            found.add_row(f"Row {keys[index]} (chunk {chunk_no}) is not as written: {now}.")
    found.rows += rows.num_rows
    if run.reverts:
        return
    stride = -(-run.plan_rows // RECOMPUTED_ROWS) or 1
    chosen = list(range(0, rows.num_rows, stride))
    for index, wrong in kind.recompute(run.target, rows.take(chosen)):
        found.add_row(f"Row {keys[chosen[index]]} (chunk {chunk_no}): {wrong}.")
    found.recomputed += len(chosen)
