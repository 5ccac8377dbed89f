"""Prove from the database that a run did what its plan says. Read-only.

Four independent looks: 1. the chain of checkpoints, with images and skips, is unbroken; 2. the
counts close; 3. every row that was written still holds what was written; 4. each value computed
again by another way is the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from backfill.errors import VerifyFailed
from backfill.image import Image, decode
from backfill.job import JobKind
from backfill.ledger import CHAIN_START, Checkpoint, Ledger, RunRow, skips_digest
from backfill.skips import Skip
from backfill.status import RunStatus

SHOWN = 1_000
#: Computing again is row by row: of a larger run, every n-th row is enough to tell.
RECOMPUTED_ROWS = 200_000
#: Rows of small chunks are read back together.
READ_BACK_ROWS = 20_000


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


@dataclass(frozen=True, slots=True)
class _Chunk:
    """What the database has of one chunk; None for what is missing."""

    number: int
    checkpoint: Checkpoint | None
    stored: Image | None


def verify_run(ledger: Ledger, run: RunRow, kind: JobKind) -> Verification:
    """Return what verification found; an empty `findings` is the proof.

    Memory: 20,000 rows or one chunk's image, and the checkpoints.
    """
    found = Verification(run.run_id, run.status)
    is_reverted = run.status is RunStatus.REVERTED
    skipping = set(ledger.skipping_chunks(run.run_id))
    read_back = _ReadBack(ledger, run, kind, found)
    chain = CHAIN_START
    for chunk in _chunks(ledger, run.run_id):
        rows = _check_image(run, chunk, found)
        if chunk.checkpoint is None:
            found.findings.append(f"Checkpoint {chunk.number} is missing.")
            continue
        skips = ledger.skips(run.run_id, chunk.number) if chunk.number in skipping else []
        _check_link(run, chunk.checkpoint, chunk.stored, skips, chain, found)
        chain = chunk.checkpoint.chain_hash
        if rows is not None and not is_reverted:
            read_back.add(chunk.number, rows)
    read_back.look()
    _check_counts(ledger, run, found)
    if is_reverted:
        found.notes.append("The run was reverted; its rows hold their before-images again.")
    return found


def _chunks(ledger: Ledger, run_id: str) -> Iterator[_Chunk]:
    """Yield chunk 1, 2, … up to the last that left a checkpoint or an image."""
    checkpoints = {checkpoint.chunk_no: checkpoint for checkpoint in ledger.checkpoints(run_id)}
    done = 0
    for number, rows, sha256, content in ledger.images(run_id):
        for missed in range(done + 1, number):
            yield _Chunk(missed, checkpoints.get(missed), None)
        yield _Chunk(number, checkpoints.get(number), Image(rows, sha256, content))
        done = number
    for missed in range(done + 1, max(checkpoints, default=0) + 1):
        yield _Chunk(missed, checkpoints.get(missed), None)


def _check_image(run: RunRow, chunk: _Chunk, found: Verification) -> pa.Table | None:
    """Return the rows of a chunk's image, or None where it is not what was written."""
    try:
        if chunk.stored is not None:
            rows = decode(run.run_id, chunk.number, chunk.stored.sha256, chunk.stored.content)
            if rows.num_rows == chunk.stored.rows:
                return rows
    except (VerifyFailed, OSError, ValueError):
        pass  # said below, for every way in which it can be wrong
    if chunk.stored is not None or chunk.checkpoint is not None:
        found.findings.append(f"Chunk {chunk.number}: its image is not the one that was written.")
    return None


def _check_link(
    run: RunRow,
    checkpoint: Checkpoint,
    stored: Image | None,
    skips: list[Skip],
    chain: str,
    found: Verification,
) -> None:
    """Hold a checkpoint against the one before it, its image and its skips."""
    found.chunks += 1
    sha256 = stored.sha256 if stored else ""
    expected = checkpoint.chained_to(run.run_id, chain, sha256, skips_digest(skips))
    if checkpoint.chain_hash != expected:
        found.findings.append(
            f"Chunk {checkpoint.chunk_no}: checkpoint, image or skips were changed after the "
            "commit (the chain of hashes breaks here)."
        )
    if stored and stored.rows != checkpoint.updated:
        found.findings.append(
            f"Chunk {checkpoint.chunk_no}: {checkpoint.updated} rows updated, but "
            f"{stored.rows} in its image."
        )


def _check_counts(ledger: Ledger, run: RunRow, found: Verification) -> None:
    """Hold the sum of the checkpoints against the plan, and look for skips of no chunk."""
    done = ledger.checkpoints(run.run_id)
    scanned = sum(checkpoint.scanned for checkpoint in done)
    numbers = {checkpoint.chunk_no for checkpoint in done}
    for number in sorted(set(ledger.skipping_chunks(run.run_id)) - numbers):
        found.findings.append(f"Chunk {number}: skips without a checkpoint.")
    if run.status is RunStatus.PLANNED:
        found.notes.append(f"Nothing was written yet. Apply it: backfill apply {run.run_id}")
    elif scanned != run.plan_rows:
        found.findings.append(
            f"The run is not complete: {scanned:,} of {run.plan_rows:,} rows have a checkpoint. "
            f"Go on: backfill resume {run.run_id}"
        )


class _ReadBack:
    """Rows that were written, looked at many chunks at a time."""

    def __init__(self, ledger: Ledger, run: RunRow, kind: JobKind, found: Verification) -> None:
        self._ledger = ledger
        self._run = run
        self._kind = kind
        self._found = found
        self._chunks: list[tuple[int, pa.Table]] = []
        self._waiting = 0

    def add(self, chunk_no: int, rows: pa.Table) -> None:
        """Take a chunk's rows; look when there are enough."""
        if rows.num_rows:
            self._chunks.append((chunk_no, rows))
            self._waiting += rows.num_rows
        if self._waiting >= READ_BACK_ROWS:
            self.look()

    def look(self) -> None:
        """Compare the waiting rows with the database, and compute them again."""
        chunks, self._chunks, self._waiting = self._chunks, [], 0
        if not chunks:
            return
        rows = pa.concat_tables([rows for _number, rows in chunks])
        numbers = np.repeat(
            [number for number, _rows in chunks], [rows.num_rows for _number, rows in chunks]
        )
        connection, target = self._ledger.connection, self._run.target
        for row, present in self._kind.look(connection, target, rows, "after").items():
            now = "it was deleted" if present is None else f"it is now {present}"
            self._tell(rows, numbers, row, f"is not as written: {now}.")
        self._found.rows += rows.num_rows
        if self._run.reverts:
            return
        stride = -(-self._run.plan_rows // RECOMPUTED_ROWS) or 1
        chosen = np.arange(0, rows.num_rows, stride)
        for index, wrong in self._kind.recompute(target, rows.take(pa.array(chosen))):
            self._tell(rows, numbers, int(chosen[index]), f"{wrong}.", mark=":")
        self._found.recomputed += len(chosen)

    def _tell(
        self, rows: pa.Table, numbers: NDArray[np.int64], row: int, what: str, mark: str = ""
    ) -> None:
        key = rows.column("key")[row].as_py()
        self._found.add_row(f"Row {key} (chunk {numbers[row]}){mark} {what}")
