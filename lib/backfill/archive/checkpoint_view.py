"""A run's chunks as a picture and a table: how long each took, and how many rows a second."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from backfill.display.charts import throughput
from backfill.display.counting import counted
from backfill.display.pages import NOTHING, Shown, figure, section, table
from backfill.records.checkpoint import Checkpoint, Counts
from backfill.records.ledger import Ledger
from backfill.server.database import Database

SHOWN_CHUNKS = 100


def applied_view(database: Database, run_id: str, counts: Counts) -> Shown:
    """Return what a run has written, with its chunks as the database holds them. Read-only."""
    return pace_of_run(database, run_id) + table(
        f"Applied run {run_id} ({counted(counts.scanned, 'row')})",
        ["updated", "unchanged", "drifted", "skipped"],
        [(counts.updated, counts.unchanged, counts.drifted, counts.skipped)],
    )


def pace_of_run(database: Database, run_id: str) -> Shown:
    """Return the picture of a run's chunks, as the database holds them. Read-only."""
    with database.connect(read_only=True) as connection:
        return section("pace", pace_picture(Ledger(connection).checkpoints(run_id)))


def pace_picture(checkpoints: Sequence[Checkpoint]) -> Shown:
    """Return time and throughput by chunk, with the chunks as the table behind; no run, nothing."""
    if not checkpoints:
        return NOTHING
    rows = sum(checkpoint.scanned for checkpoint in checkpoints)
    elapsed_ms = sum(checkpoint.elapsed_ms for checkpoint in checkpoints)
    typical = median(checkpoint.elapsed_ms for checkpoint in checkpoints)
    longest = max(checkpoints, key=lambda checkpoint: checkpoint.elapsed_ms)
    svg = throughput(
        "Time and throughput of the run's chunks",
        f"{len(checkpoints):,} chunks, {rows:,} rows in {elapsed_ms / 1000:.1f} s of writing. "
        f"Half of the chunks took {typical:,.0f} ms or less; the longest is chunk "
        f"{longest.chunk_no:,} with {longest.elapsed_ms:,} ms.",
        [(checkpoint.scanned, checkpoint.elapsed_ms) for checkpoint in checkpoints],
    )
    # No speed of the whole: chunks overlap, and what lies between them is in none.
    caption = f"{counted(len(checkpoints), 'chunk')}, {counted(rows, 'row')}; " + (
        f"half of the chunks took {typical:,.0f} ms or less"
    )
    return figure(svg, caption, chunks_table(checkpoints))


def chunks_table(checkpoints: Sequence[Checkpoint]) -> Shown:
    return table(
        f"Chunks as committed ({len(checkpoints):,}), times in UTC",
        ["chunk", "rows", "updated", "unchanged", "drifted", "skipped", "ms", "committed at"],
        [
            (
                *(c.chunk_no, c.scanned, c.updated, c.unchanged, c.drifted, c.skipped),
                *(c.elapsed_ms, str(c.committed_at)),
            )
            for c in checkpoints
        ],
        rest="All of them: checkpoints.csv, or the table backfill.checkpoint",
        most=SHOWN_CHUNKS,
    )
