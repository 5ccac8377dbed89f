"""What became of a chunk whose answer never came: its checkpoint is there, or it is not."""

from __future__ import annotations

import psycopg

from backfill.errors import BackfillError
from backfill.next_command import next_command
from backfill.records.checkpoint import Checkpoint, Counts
from backfill.records.ledger import Ledger
from backfill.records.ranges import RangeClaim, renew_range
from backfill.server.postgres import Connection


class LostChunks(BackfillError):
    """The server forgot commits; what is left is consistent, and a resume goes on from there.

    `missing` chunks are gone; 0 where others are in their place.
    """

    missing = 0


class TailLost(Exception):
    """The server crashed before it had the last chunks of a range on its disk: write them again."""

    def __init__(self, chunks: int, counts: Counts) -> None:
        super().__init__(f"{chunks} chunks")
        self.chunks, self.counts = chunks, counts


def look_for(
    connection: Connection, claim: RangeClaim, number: int, chain: str
) -> Checkpoint | None:
    """Return the checkpoint of a range's next chunk, None when it is not committed.

    Raises `LostChunks` when the server lost some that it had confirmed: a standby that was
    promoted too early, or a crash without durable commits.
    """
    with connection.transaction():
        # Takes the row lock behind which a commit still under way would stand.
        renew_range(connection, claim)
        done = [
            checkpoint
            for checkpoint in Ledger(connection).checkpoints(claim.run_id)
            if checkpoint.range_no == claim.range.range_no
        ]
    before = [checkpoint for checkpoint in done if checkpoint.chunk_no < number]
    missing = number - claim.range.first_chunk_no - len(before)
    if missing or (before and before[-1].chain_hash != chain):
        lost = LostChunks(
            f"The server came back without chunks of run {claim.run_id} that it had confirmed: "
            f"{len(before)} of {len(before) + missing} are there. Go on from what it has: "
            f"{next_command('resume', claim.run_id)}"
        )
        lost.missing = missing
        raise lost
    return next((c for c in done if c.chunk_no == number), None)


def is_there(error: Exception) -> bool:
    """Whether the chunk that could not be written has a checkpoint already."""
    return isinstance(error, psycopg.errors.UniqueViolation) and (
        (error.diag.schema_name, error.diag.table_name) == ("backfill", "checkpoint")
    )


def flush(connection: Connection) -> None:
    """Wait until everything that was committed before is on the server's disk.

    A commit that waits takes those before it along; a message is the least to commit.
    """
    connection.execute("SELECT pg_catalog.pg_logical_emit_message(true, 'backfill', '')")
