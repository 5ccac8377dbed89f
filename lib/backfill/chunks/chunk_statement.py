"""One chunk, one statement: fence, rows, images, checkpoint and skips in a single round trip.

The client prepares everything for the outcome that the plan says, while the server works on the
chunk before. The checkpoint is inserted with the number of rows that were really written and kept:
when a row drifted, a trigger changed a value, the lease was lost or somebody asks the run to stop,
the table's own rule (scanned = updated + unchanged + drifted + skipped) fails the whole statement,
and nothing has happened. Such a chunk then takes the careful way of `chunk_commit`.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg
from psycopg import sql

from backfill.chunks.chunk_commit import (
    Committed,
    ReadyChunk,
    as_planned,
    skips_parameters,
    unchained,
)
from backfill.chunks.writing import ChunkUpdate, ChunkWriter
from backfill.records.checkpoint import CHAIN_SEPARATOR, Checkpoint, skips_digest
from backfill.records.ranges import FENCE, LIGHT_FENCE, RangeClaim, fence_parameters
from backfill.rows.binary_array import register
from backfill.rows.spelt import escaped
from backfill.server.lending import may_lend
from backfill.server.one_message import Packed
from backfill.server.session import Session
from backfill.server.table import Relation
from backfill.server.triggers_path import own_path_for_triggers

_GUARD = sql.SQL("(SELECT count(*) FROM fence) = 1")
_STATEMENT = sql.SQL(
    "WITH {fence}, fence AS (SELECT 1 FROM run, fenced WHERE NOT cancel_requested"
    "  AND NOT pause_requested),"
    " written AS ({update}),"
    " outcome AS MATERIALIZED (SELECT count(*) FILTER (WHERE is_kept) AS updated,"
    "  clock_timestamp() AS committed_at, (extract(epoch FROM clock_timestamp()"
    "   - statement_timestamp()) * 1000)::bigint AS elapsed_ms FROM written),"
    " checkpoint AS (INSERT INTO backfill.checkpoint (run_id, chunk_no, key_low, key_high,"
    "  scanned, updated, unchanged, drifted, skipped, elapsed_ms, chain_hash, committed_at,"
    "  range_no) SELECT %(run_id)s, %(chunk_no)s, %(key_low)s, %(key_high)s, %(scanned)s, updated,"
    "  %(unchanged)s, %(drifted)s, %(skipped)s, elapsed_ms, encode(sha256(convert_to("
    "   '[\"' || coalesce(nullif(%(chain)s::text, ''), (SELECT c.chain_hash"
    "    FROM backfill.checkpoint AS c WHERE c.run_id = %(run_id)s"
    "    AND c.chunk_no = %(chunk_no)s - 1)) || %(chain_before)s::text"
    "   || elapsed_ms::text || {separator}"
    "   || to_char(committed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"+00:00\"')"
    "   || %(chain_after)s::text, 'UTF8')), 'hex'),"
    "  committed_at, %(range_no)s FROM outcome RETURNING elapsed_ms, chain_hash, committed_at),"
    " image AS (INSERT INTO backfill.chunk_image (run_id, chunk_no, rows, sha256, image)"
    "  VALUES (%(run_id)s, %(chunk_no)s, %(image_rows)s, %(image_sha256)s, %(image)b)){skip}"
    " SELECT elapsed_ms, chain_hash, committed_at FROM checkpoint"
)
_SKIP = sql.SQL(
    ", skip AS (INSERT INTO backfill.skip (run_id, chunk_no, key, scope, column_name, reason,"
    "  detail) SELECT %(run_id)s, %(chunk_no)s, * FROM unnest(%(skip_key)s::text[],"
    "  %(skip_scope)s::text[], %(skip_column)s::text[], %(skip_reason)s::text[],"
    "  %(skip_detail)s::text[]))"
)


class NotAsPlanned(Exception):
    """The chunk's outcome would not be the plan's: nothing was written, look at it with care."""


_Shape = tuple[tuple[str, ...], bool, bool]


@dataclass
class Statements:
    """The statements of one writer over one connection, composed once, with `$1`, `$2`, …"""

    _known: dict[_Shape, tuple[bytes, tuple[str, ...]]] = field(default_factory=dict)

    def of(
        self, connection: Session, update: ChunkUpdate, *, skips: bool, renews: bool
    ) -> tuple[bytes, tuple[str, ...]]:
        """Return the statement and the names of its parameters in their order.

        What a chunk does not need is not in it: skips, and the renewal of the run's lease.
        """
        shape = (tuple(update.parameters), skips, renews)
        if shape not in self._known:
            guard = sql.SQL("{} AND {}").format(_GUARD, own_path_for_triggers(connection))
            text = _STATEMENT.format(
                fence=FENCE if renews else LIGHT_FENCE,
                update=update.compose(guard),
                separator=sql.Literal(CHAIN_SEPARATOR),
                skip=_SKIP if skips else sql.SQL(""),
            )
            self._known[shape] = _numbered(text)
        return self._known[shape]


@dataclass(frozen=True, slots=True)
class PackedChunk:
    """A chunk as the server is sent it, and the checkpoint that the plan foresees."""

    ready: ReadyChunk
    checkpoint: Checkpoint
    transaction: Packed
    relation: Relation | None  # that it writes to, where its writer says so


def packed(
    connection: Session,
    claim: RangeClaim,
    ready: ReadyChunk,
    chain: str | None,
    writer: ChunkWriter,
    statements: Statements,
    *,
    renews: bool = True,
) -> PackedChunk | None:
    """Return a chunk to be sent; None when its writer has no single statement for it.

    Whether or not it `renews` the run's lease, the range's is renewed, and both must stand.

    Only the last chunk of a range waits for the disk: a crash of the server may take back those
    before it, rows, image and checkpoint together.

    Without a `chain` it comes after the chunk whose number is one less, which may be under way
    still: the server looks up that one's hash. Where it was not committed there is no hash, a
    checkpoint without one is not stored, and nothing is written.
    """
    if not ready.wanted.num_rows:
        return None
    update = writer.as_update(ready.wanted)
    if update is None:
        return None
    register(connection)
    checkpoint = _planned(claim, ready)
    parameters = _parameters(claim, ready, checkpoint, chain, update)
    skips = bool(ready.chunk.skips)
    query, names = statements.of(connection, update, skips=skips, renews=renews)
    values = [parameters[name] for name in names]
    transaction = connection.packed_alone(query, values, waits=ready.is_last)
    return PackedChunk(ready, checkpoint, transaction, update.relation)


def send_together(connection: Session, chunks: Sequence[PackedChunk]) -> None:
    """Send chunks as one message, each a transaction of its own; each is to be `answered`.

    Several have one statement among them, planned once, where the pooler and the table allow it.
    """
    relation = chunks[0].relation
    if len(chunks) > 1 and connection.lends is None:
        connection.lends = relation is not None and may_lend(connection, relation)
    lends = len(chunks) > 1 and bool(connection.lends)
    connection.send_alone(*(chunk.transaction for chunk in chunks), lends=lends)


def answered(connection: Session, sent: PackedChunk) -> Committed:
    """Wait until a chunk is committed; raises `NotAsPlanned` and whatever the server says."""
    try:
        row = connection.answer_alone()
    except (psycopg.errors.CheckViolation, psycopg.errors.NotNullViolation) as error:
        if (error.diag.schema_name, error.diag.table_name) != ("backfill", "checkpoint"):
            raise
        raise NotAsPlanned from error
    assert row is not None
    elapsed_ms, chain_hash, committed_at = row
    checkpoint = replace(
        sent.checkpoint, elapsed_ms=elapsed_ms, chain_hash=chain_hash, committed_at=committed_at
    )
    return Committed(checkpoint, is_on_disk=sent.ready.is_last)


def _planned(claim: RangeClaim, ready: ReadyChunk) -> Checkpoint:
    """Return the checkpoint that the plan foresees, without what only the server knows."""
    return unchained(claim, ready.chunk, as_planned(ready), 0, dt.datetime.fromtimestamp(0, dt.UTC))


def _numbered(text: sql.Composable) -> tuple[bytes, tuple[str, ...]]:
    """Return a statement with numbered parameters, and their names."""
    names: dict[str, int] = {}

    def number(match: re.Match[str]) -> str:
        name = match.group(1)
        return "%" if name is None else f"${names.setdefault(name, len(names) + 1)}"

    # `%%` stands for itself: names of columns may hold it.
    numbered = re.sub(r"%(?:%|\((\w+)\)[sb])", number, escaped(text).as_string(None))
    return numbered.encode(), tuple(names)


def _parameters(
    claim: RangeClaim,
    ready: ReadyChunk,
    checkpoint: Checkpoint,
    chain: str | None,
    update: ChunkUpdate,
) -> dict[str, Any]:
    skips = ready.chunk.skips
    before, after = checkpoint.chain_frame(
        claim.run_id, "", ready.image.sha256, skips_digest(skips)
    )
    names = ("chunk_no", "key_low", "key_high", "scanned", "unchanged", "drifted", "skipped")
    return {
        **fence_parameters(claim, is_last=ready.is_last),
        **update.parameters,
        **{name: getattr(checkpoint, name) for name in names},
        "chain": chain or "",  # NULL would be a value of another type, and that another statement
        "chain_before": before.removeprefix('["'),
        "chain_after": after,
        "image_rows": ready.image.rows,
        "image_sha256": ready.image.sha256,
        "image": ready.image.content,
        **skips_parameters(skips),
    }
