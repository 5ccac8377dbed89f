"""One chunk, one transaction: all of it or nothing.

1. renew the lease, which also fences off every other writer; 2. compare-and-set the chunk's rows;
3. store their before- and after-images; 4. append the checkpoint and the skips; 5. commit. Nothing
about progress is true before the commit.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

import psycopg
import pyarrow as pa
import pyarrow.compute as pc

from backfill.chunks.writing import Written, image_of
from backfill.errors import BackfillError, Interrupted
from backfill.plans.plan import Chunk
from backfill.records.checkpoint import Checkpoint, Counts, skips_digest
from backfill.records.lease import Fence
from backfill.records.positions import Positions
from backfill.records.ranges import RangeClaim, pass_over, renew_range
from backfill.rows import image
from backfill.server.postgres import Connection
from backfill.server.standby_wait import StandbyMissing
from backfill.skips import SKIP_FIELDS, Skip, SkipReason
from backfill.status import RunStatus

Step = Callable[[str], None]
#: Writes changes inside the open transaction: the job's writer, or a careful one around it.
Write = Callable[[Connection, pa.Table], Written]


def no_step(_name: str) -> None:
    """Called at each named point of a chunk's way; tests put a fault in its place."""


class StopRequested(BackfillError):
    """Pause or cancel was asked for: carries the status that the run ends with."""

    exit_code = Interrupted.exit_code

    def __init__(self, status: RunStatus) -> None:
        super().__init__(status.value)
        self.status = status


@dataclass(frozen=True, slots=True)
class ReadyChunk:
    """A chunk with all that can be done for it before the server is asked.

    `wanted` is the changes that are to be written, `image` what it comes to if all of them are;
    with `is_last` its range ends with it.
    """

    chunk: Chunk
    wanted: pa.Table
    image: image.Image
    is_last: bool

    def numbered(self, number: int) -> ReadyChunk:
        return replace(self, chunk=replace(self.chunk, number=number))

    def without(self, places: Collection[int]) -> ReadyChunk:
        """Return the chunk without some of its changes, named by their places in the plan."""
        if not places:
            return self
        gone = pa.array(list(places), pa.int64())
        changes, wanted = (
            rows.filter(pc.invert(pc.is_in(rows.column("position"), gone)))
            for rows in (self.chunk.changes, self.wanted)
        )
        chunk = replace(self.chunk, changes=changes, rows=self.chunk.rows - len(places))
        return ReadyChunk(chunk, wanted, image.encode(image_of(wanted)), self.is_last)

    def halves(self) -> tuple[ReadyChunk, ReadyChunk]:
        """Return two chunks that together are this one; the second has its number too."""
        places = self.wanted.column("position").to_pylist()
        cut = len(places) // 2
        changes = self.chunk.changes
        is_first = pc.is_in(changes.column("position"), pa.array(places[:cut], pa.int64()))
        first = Chunk(self.chunk.number, self.chunk.start, cut, changes.filter(is_first), ())
        wanted = self.wanted.slice(0, cut)
        return (
            ReadyChunk(first, wanted, image.encode(image_of(wanted)), is_last=False),
            self.without(places[:cut]),
        )


@dataclass(frozen=True, slots=True)
class Behind:
    """What a chunk comes after in its range: the last checkpoint's hash, and the rows passed over.

    `is_sweep`: the chunk is of rows that were passed over before, and `locked` those behind it.
    """

    chain: str
    locked: Positions
    is_sweep: bool = False


@dataclass(frozen=True, slots=True)
class Committed:
    """What a chunk left: its checkpoint, and the rows that drifted or were refused only now.

    Without a checkpoint every row of it is `locked`: the places in the plan to come back to. Unless
    it `is_on_disk`, a crash of the server may still take it back.
    """

    checkpoint: Checkpoint | None
    left_alone: tuple[Skip, ...] = ()
    locked: tuple[int, ...] = ()
    is_on_disk: bool = True


class CommitRefused(Exception):
    """The server refused at the commit what it had taken before: carries its error."""

    def __init__(self, error: psycopg.Error) -> None:
        super().__init__(str(error))
        self.error = error


def commit_chunk(
    connection: Connection,
    claim: RangeClaim,
    ready: ReadyChunk,
    behind: Behind,
    write: Write,
    step: Step,
) -> Committed:
    """Write one chunk in a transaction of its own.

    Raises `LeaseHeld`, `StopRequested`, `RefusedRow`, `CommitRefused` and whatever the server says.
    """
    started = time.monotonic()
    step("before_fence")
    is_at_commit = False
    try:
        with connection.transaction():
            fence = renew_range(connection, claim, is_last=ready.is_last)
            check_requests(fence)
            written = _write(connection, ready, write)
            step("after_update")
            checkpoint = None
            left = ready.without(written.locked)
            if left.chunk.rows:
                checkpoint = _record(connection, claim, left, written, behind.chain, fence, started)
            if behind.is_sweep or written.locked:
                pass_over(connection, claim, behind.locked.with_places(written.locked))
            step("before_commit")
            is_at_commit = True
    except psycopg.Error as error:
        is_answer = not (
            connection.closed or connection.broken or isinstance(error, StandbyMissing)
        )
        if is_at_commit and is_answer:
            raise CommitRefused(error) from error
        raise
    step("after_commit")
    return Committed(checkpoint, (*written.drifted, *written.skipped), written.locked)


def check_requests(fence: Fence) -> None:
    """Raise `StopRequested` when somebody asked the run to pause or to be cancelled."""
    if fence.is_cancel_requested:
        raise StopRequested(RunStatus.CANCELLED)
    if fence.is_pause_requested:
        raise StopRequested(RunStatus.PAUSED)


def _write(connection: Connection, ready: ReadyChunk, write: Write) -> Written:
    idle = ready.chunk.changes.num_rows - ready.wanted.num_rows
    if not ready.wanted.num_rows:
        return Written(image_of(ready.wanted), idle)
    written = write(connection, ready.wanted)
    return replace(written, unchanged=written.unchanged + idle)


def _record(
    connection: Connection,
    claim: RangeClaim,
    ready: ReadyChunk,
    written: Written,
    chain: str,
    fence: Fence,
    started: float,
) -> Checkpoint:
    """Append checkpoint, image and skips; `started` is a monotonic time."""
    chunk = ready.chunk
    counts = counts_of(
        chunk,
        updated=written.updated,
        unchanged=written.unchanged,
        drifted=len(written.drifted),
        skipped=len(written.skipped),
    )
    is_as_planned = written.image.equals(image_of(ready.wanted))
    stored = ready.image if is_as_planned else image.encode(written.image)
    skips = (*chunk.skips, *written.drifted, *written.skipped)
    elapsed_ms = round((time.monotonic() - started) * 1000)
    bare = unchained(claim, chunk, counts, elapsed_ms, fence.now)
    chain_hash = bare.chained_to(claim.run_id, chain, stored.sha256, skips_digest(skips))
    checkpoint = replace(bare, chain_hash=chain_hash)
    _insert(connection, claim.run_id, checkpoint, stored, skips)
    return checkpoint


def as_planned(ready: ReadyChunk) -> Counts:
    """Return the counts of a chunk that goes as its plan says."""
    idle = ready.chunk.changes.num_rows - ready.wanted.num_rows
    return counts_of(ready.chunk, updated=ready.wanted.num_rows, unchanged=idle)


def counts_of(
    chunk: Chunk, *, updated: int, unchanged: int, drifted: int = 0, skipped: int = 0
) -> Counts:
    """Return the chunk's counts, with what its plan skips; they sum to its rows."""
    known_drift = sum(skip.reason == SkipReason.DRIFTED for skip in chunk.skips)
    counts = Counts(
        updated=updated,
        unchanged=unchanged,
        drifted=drifted + known_drift,
        skipped=len(chunk.skips) - known_drift + skipped,
    )
    assert counts.scanned == chunk.rows, f"chunk {chunk.number}: {counts} is not {chunk.rows}"
    return counts


def unchained(
    claim: RangeClaim, chunk: Chunk, counts: Counts, elapsed_ms: int, now: dt.datetime
) -> Checkpoint:
    low, high = chunk.keys
    return Checkpoint(
        chunk_no=chunk.number,
        key_low=low,
        key_high=high,
        **counts.by_name(),
        elapsed_ms=elapsed_ms,
        chain_hash="",
        committed_at=now,
        range_no=claim.range.range_no,
    )


def _insert(
    connection: Connection,
    run_id: str,
    checkpoint: Checkpoint,
    stored: image.Image,
    skips: tuple[Skip, ...],
) -> None:
    names = Checkpoint.__dataclass_fields__
    connection.execute(
        "INSERT INTO backfill.checkpoint (run_id, chunk_no, key_low, key_high, scanned,"
        " updated, unchanged, drifted, skipped, elapsed_ms, chain_hash, committed_at,"
        " range_no) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        [run_id, *(getattr(checkpoint, name) for name in names)],
    )
    connection.execute(
        "INSERT INTO backfill.chunk_image (run_id, chunk_no, rows, sha256, image)"
        " VALUES (%s, %s, %s, %s, %b)",
        [run_id, checkpoint.chunk_no, stored.rows, stored.sha256, stored.content],
    )
    if skips:
        connection.execute(
            "INSERT INTO backfill.skip (run_id, chunk_no, key, scope, column_name, reason,"
            " detail) SELECT %(run_id)s, %(chunk_no)s, * FROM unnest(%(skip_key)s::text[],"
            " %(skip_scope)s::text[], %(skip_column)s::text[], %(skip_reason)s::text[],"
            " %(skip_detail)s::text[])",
            {"run_id": run_id, "chunk_no": checkpoint.chunk_no, **skips_parameters(skips)},
        )


def skips_parameters(skips: tuple[Skip, ...]) -> dict[str, list[str]]:
    """Return the columns of skips as named parameters."""
    rows = [skip.texts() for skip in skips]
    return {f"skip_{name}": [row[i] for row in rows] for i, name in enumerate(SKIP_FIELDS)}
