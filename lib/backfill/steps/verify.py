"""Prove from the database that a run did what its plan says. Read-only.

Four independent looks: 1. the chain of each range's checkpoints, with images and skips, is unbroken
from the record of what was approved; 2. the counts of ranges, parts and plan close; 3. every row
that was written still holds what was written; 4. each value computed again by another way is the
same.
"""

from __future__ import annotations

import contextlib
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from backfill.errors import VerifyFailed
from backfill.next_command import next_command
from backfill.records.checkpoint import CHAIN_START, Checkpoint, skips_digest
from backfill.records.ledger import Ledger, RunRow
from backfill.records.parts import Part, parts_of
from backfill.records.ranges import Range, ranges_of
from backfill.rows.image import Image, decode
from backfill.server.database import LOOKERS
from backfill.server.postgres import Connection
from backfill.skips import Skip
from backfill.status import RunStatus
from backfill.steps.kind import JobKind
from backfill.steps.read_back import READ_BACK_ROWS, ReadBack

#: Rows that are not as written; the others are counted.
SHOWN = 20


@dataclass
class Verification:
    """What was looked at, and every disagreement that was found (rows: the first 20)."""

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

    @property
    def rows_left_out(self) -> int:
        return max(0, self.rows_changed - SHOWN)

    @property
    def disagreements(self) -> int:
        return len(self.findings) + self.rows_left_out

    def as_json(self) -> dict[str, int | str]:
        """Return what the summary keeps of it, with the first disagreement."""
        document: dict[str, int | str] = {
            **{"chunks": self.chunks, "rows": self.rows, "recomputed": self.recomputed},
            "disagreements": self.disagreements,
        }
        return document | ({"first": self.findings[0]} if self.findings else {})

    def add_row(self, text: str) -> None:
        self.rows_changed += 1
        if self.rows_changed <= SHOWN:
            self.findings.append(text)


@dataclass(frozen=True, slots=True)
class _Chunk:
    """What the database has of one chunk; None for what is missing.

    `starts` is what the chain may begin with, for the first chunk of a range.
    """

    number: int
    range_no: int
    starts: tuple[str, ...]
    checkpoint: Checkpoint | None
    stored: Image | None


def lookers_wanted(run: RunRow) -> int:
    """Return over how many connections a run is read back: of a small one, all is read at once."""
    return LOOKERS if run.plan_rows > READ_BACK_ROWS else 0


def verify_run(
    ledger: Ledger, run: RunRow, kind: JobKind, lookers: Sequence[Connection] = ()
) -> Verification:
    """Return what verification found; an empty `findings` is the proof.

    Rows are read back over `lookers`, at once over each, or else over the ledger's connection.
    Memory: 20,000 rows or one chunk's image for each and one more, and the checkpoints.
    """
    proof = Verification(run.run_id, run.status)
    is_reverted = run.status is RunStatus.REVERTED
    skipping = set(ledger.skipping_chunks(run.run_id))
    stretches = _stretches(ledger, run, proof)
    chain = ""
    with contextlib.closing(
        ReadBack(lookers or [ledger.connection], run, kind, proof.add_row)
    ) as read_back:
        for chunk in _chunks(ledger, run.run_id, stretches):
            rows = _check_image(run, chunk, proof)
            if (checkpoint := chunk.checkpoint) is None:
                proof.findings.append(f"Checkpoint {chunk.number} is missing.")
                continue
            proof.chunks += 1
            skips = ledger.skips(run.run_id, chunk.number) if chunk.number in skipping else []
            proof.findings += _check_link(run, chunk, checkpoint, skips, chunk.starts or (chain,))
            chain = checkpoint.chain_hash
            if rows is not None and not is_reverted:
                read_back.add(chunk.number, rows)
        read_back.finish()
    proof.rows, proof.recomputed = read_back.rows, read_back.recomputed
    _check_counts(ledger, run, stretches, proof)
    if proof.rows_changed:
        more = f"… and {proof.rows_left_out:,} rows more. " if proof.rows_left_out else ""
        proof.notes.append(
            f"{more}To list all rows that are not as written, with nothing written: "
            f"{next_command('revert', run.run_id)}"
        )
    if is_reverted:
        proof.notes.append("The run was reverted; its rows hold their before-images again.")
    return proof


@dataclass(frozen=True, slots=True)
class _Stretch:
    """A range, and what its chain of checkpoints may begin with."""

    range: Range
    starts: tuple[str, ...]


def _stretches(ledger: Ledger, run: RunRow, proof: Verification) -> list[_Stretch]:
    """Return the run's ranges in the order of their chunks; those of a part must cover it."""
    if not ledger.has_ranges():
        return [_whole(run)]
    parts = {part.part_no: part for part in parts_of(ledger.connection, run.run_id)}
    ranges = ranges_of(ledger.connection, run.run_id)
    if not ranges:
        return [_whole(run)]
    for part in parts.values():
        own = [entry for entry in ranges if entry.part_no == part.part_no]
        proof.findings += _check_cover(part, own)
    # A run that an earlier version began has a chain that begins with nothing.
    return [
        _Stretch(
            entry,
            (
                parts[entry.part_no].chain_start(entry),
                *([CHAIN_START] if entry.range_no == entry.part_no == 1 else []),
            ),
        )
        for entry in sorted(ranges, key=lambda entry: entry.first_chunk_no)
    ]


def _whole(run: RunRow) -> _Stretch:
    """Return the one range of a run of an earlier version."""
    return _Stretch(Range(1, 1, 0, max(run.plan_rows, 1), 1), (CHAIN_START,))


def _check_cover(part: Part, ranges: Sequence[Range]) -> Iterator[str]:
    row = 0
    for entry in sorted(ranges, key=lambda entry: entry.row_low):
        if entry.row_low != row:
            yield (
                f"Range {entry.range_no}: it begins at row {entry.row_low:,} of part "
                f"{part.part_no}, where row {row:,} was due."
            )
        row = entry.row_high
    if row != part.rows:
        yield f"Part {part.part_no}: it covers {part.rows:,} rows, its ranges end at {row:,}."


def _chunks(ledger: Ledger, run_id: str, stretches: Sequence[_Stretch]) -> Iterator[_Chunk]:
    """Yield the chunks of each range, up to its last that left a checkpoint or an image."""
    checkpoints = {checkpoint.chunk_no: checkpoint for checkpoint in ledger.checkpoints(run_id)}
    images = ledger.images(run_id)
    ahead = next(images, None)
    for stretch, behind in _with_ends(stretches):
        number, starts = stretch.range.first_chunk_no, stretch.starts
        last = max((n for n in checkpoints if number <= n < behind), default=0)
        while number <= last or (ahead and ahead[0] < behind):
            stored = None
            if ahead and ahead[0] == number:
                stored = Image(*ahead[1:])
                ahead = next(images, None)
            yield _Chunk(number, stretch.range.range_no, starts, checkpoints.get(number), stored)
            number, starts = number + 1, ()


def _with_ends(stretches: Sequence[_Stretch]) -> Iterator[tuple[_Stretch, int]]:
    """Yield each range with the number behind its last possible chunk."""
    firsts = [stretch.range.first_chunk_no for stretch in stretches]
    return zip(stretches, [*firsts[1:], sys.maxsize], strict=True)


def _check_image(run: RunRow, chunk: _Chunk, proof: Verification) -> pa.Table | None:
    """Return the rows of a chunk's image, or None where it is not what was written."""
    try:
        if chunk.stored is not None:
            rows = decode(run.run_id, chunk.number, chunk.stored.sha256, chunk.stored.content)
            if rows.num_rows == chunk.stored.rows:
                return rows
    except (VerifyFailed, OSError, ValueError):
        pass  # said below, for every way in which it can be wrong
    if chunk.stored is not None or chunk.checkpoint is not None:
        proof.findings.append(f"Chunk {chunk.number}: its image is not the one that was written.")
    return None


def _check_link(
    run: RunRow, chunk: _Chunk, checkpoint: Checkpoint, skips: list[Skip], chains: tuple[str, ...]
) -> Iterator[str]:
    """Hold a checkpoint against what came before it, its range, its image and its skips."""
    stored = chunk.stored
    sha256 = stored.sha256 if stored else ""
    digest = skips_digest(skips)
    expected = [checkpoint.chained_to(run.run_id, chain, sha256, digest) for chain in chains]
    if checkpoint.chain_hash not in expected or checkpoint.range_no != chunk.range_no:
        what = "checkpoint, image or skips"
        if chunk.starts:
            what = "checkpoint, image, skips, or the record of its range or part"
        yield (
            f"Chunk {checkpoint.chunk_no}: {what} were changed after the commit (the chain of "
            "hashes breaks here)."
        )
    if stored and stored.rows != checkpoint.updated:
        yield (
            f"Chunk {checkpoint.chunk_no}: {checkpoint.updated} rows updated, but "
            f"{stored.rows} in its image."
        )


def _check_counts(
    ledger: Ledger, run: RunRow, stretches: Sequence[_Stretch], proof: Verification
) -> None:
    """Hold the sums of the checkpoints against ranges and plan; look for skips of no chunk."""
    done = ledger.checkpoints(run.run_id)
    scanned = sum(checkpoint.scanned for checkpoint in done)
    numbers = {checkpoint.chunk_no for checkpoint in done}
    for number in sorted(set(ledger.skipping_chunks(run.run_id)) - numbers):
        proof.findings.append(f"Chunk {number}: skips without a checkpoint.")
    approved = sum(stretch.range.rows for stretch in stretches)
    if run.status is RunStatus.PLANNED:
        apply_it = next_command("apply", run.run_id)
        proof.notes.append(f"Nothing was written yet. Apply it: {apply_it}")
    elif run.status is RunStatus.PAUSED and scanned == approved < run.plan_rows:
        proof.notes.append(
            f"{scanned:,} of {run.plan_rows:,} rows are applied, as was approved; the others are "
            f"in no part yet. Go on: {next_command('apply', run.run_id)}"
        )
    elif scanned != run.plan_rows:
        proof.findings.append(
            f"The run is not complete: {scanned:,} of {run.plan_rows:,} rows have a checkpoint. "
            f"Go on: {next_command('resume', run.run_id)}"
        )
    # A range holds no more rows than it should, and no fewer once the run is through.
    by_range: Counter[int] = Counter()
    for checkpoint in done:
        by_range[checkpoint.range_no] += checkpoint.scanned
    for stretch in stretches:
        written, rows = by_range[stretch.range.range_no], stretch.range.rows
        is_short = run.status is RunStatus.SUCCEEDED and run.plan_rows and written < rows
        if written > rows or is_short:
            proof.findings.append(
                f"Range {stretch.range.range_no}: {written:,} rows have a checkpoint, it holds "
                f"{rows:,}."
            )
