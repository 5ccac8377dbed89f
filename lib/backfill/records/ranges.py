"""Ranges of a part: consecutive rows that one applier writes, so that several can work at once.

A range has a lease, a chain of checkpoints and numbers for its chunks of its own. Its row's token
is the fence of every chunk: whoever takes the range, or the whole run, raises it, and the applier
that held it before writes nothing more.
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from psycopg import sql
from psycopg.rows import class_row, dict_row
from psycopg.types.json import Jsonb

from backfill.errors import LeaseHeld
from backfill.next_command import next_command
from backfill.records.lease import RUN_HELD, RUN_STANDS, Fence, Lease, held_by, lost_message
from backfill.records.seats import holder_name
from backfill.server.postgres import Connection, scalar

if TYPE_CHECKING:  # numpy behind it: `status` does without
    from backfill.records.positions import Positions


@dataclass(frozen=True, slots=True)
class Range:
    """Rows `row_low` to before `row_high` of a part, counted from 0; a row of `backfill.range`."""

    range_no: int
    part_no: int
    row_low: int
    row_high: int
    first_chunk_no: int
    lease_token: int = 0
    lease_expires_at: dt.datetime | None = None
    lease_holder: str | None = None
    ended_at: dt.datetime | None = None

    @property
    def rows(self) -> int:
        return self.row_high - self.row_low

    @property
    def has_ended(self) -> bool:
        return self.ended_at is not None


@dataclass(frozen=True, slots=True)
class RangeClaim:
    """A range that an applier holds, in a run that it claimed or joined."""

    lease: Lease
    range: Range
    #: Whether no other range of the run is open: then each chunk renews the run's lease as well.
    is_alone: bool = True

    @property
    def run_id(self) -> str:
        return self.lease.run_id


_COLUMNS = sql.SQL(", ").join(sql.Identifier(field.name) for field in fields(Range))


def cut(low: int, high: int, count: int) -> list[tuple[int, int]]:
    """Cut rows `low` to before `high` into at most `count` stretches of nearly equal size. Pure."""
    rows = high - low
    count = max(1, min(count, rows))
    edges = [low + rows * index // count for index in range(count + 1)]
    return [(first, last) for first, last in itertools.pairwise(edges) if first < last]


def ranges_of(connection: Connection, run_id: str) -> list[Range]:
    """Return the run's ranges in order. Read-only."""
    with connection.cursor(row_factory=class_row(Range)) as cur:
        cur.execute(
            sql.SQL("SELECT {} FROM backfill.range WHERE run_id = %s ORDER BY range_no").format(
                _COLUMNS
            ),
            [run_id],
        )
        return cur.fetchall()


@dataclass(frozen=True, slots=True)
class Done:
    """How far a range is; `chain_hash` is that of its last checkpoint, empty without one.

    `locked` are places in the plan that were passed over, to be tried again at the range's end.
    """

    scanned: int
    chunks: int
    chain_hash: str
    locked: Positions

    @property
    def passed(self) -> int:
        """Rows behind which the range goes on."""
        return self.scanned + self.locked.rows


def done_of(connection: Connection, run_id: str, stretch: Range) -> Done:
    """Return how far the range's checkpoints are. Read-only."""
    row = connection.execute(
        "SELECT coalesce(sum(scanned), 0)::bigint, count(*)::bigint,"
        " coalesce((array_agg(chain_hash ORDER BY chunk_no DESC))[1], ''),"
        " (SELECT locked FROM backfill.range WHERE run_id = %s AND range_no = %s)"
        " FROM backfill.checkpoint WHERE run_id = %s AND range_no = %s",
        [run_id, stretch.range_no] * 2,
    ).fetchone()
    assert row is not None
    from backfill.records.positions import Positions  # numpy: `status` does without

    return Done(row[0], row[1], row[2], Positions.from_stretches(row[3] or []))


def pass_over(connection: Connection, claim: RangeClaim, locked: Positions) -> None:
    """Record the rows that the range is to come back to: it has not ended before it did.

    For a chunk's transaction, which holds the lock on the range's row.
    """
    connection.execute(
        "UPDATE backfill.range SET locked = %s,"
        " ended_at = CASE WHEN %s THEN NULL ELSE ended_at END WHERE run_id = %s AND range_no = %s",
        [Jsonb(locked.stretches()), locked.rows > 0, claim.run_id, claim.range.range_no],
    )


def progress_of(connection: Connection, run_id: str) -> list[dict[str, Any]]:
    """Return how far each range is and who holds it, as `status` tells it. Read-only."""
    with connection.cursor(row_factory=dict_row) as cur:
        cur.execute(
            "SELECT r.range_no, r.part_no, r.row_high - r.row_low AS rows,"
            " coalesce(sum(c.scanned), 0)::bigint AS scanned, r.ended_at IS NOT NULL AS has_ended,"
            " CASE WHEN r.ended_at IS NULL AND r.lease_expires_at > clock_timestamp()"
            "  THEN r.lease_holder END AS holder"
            " FROM backfill.range AS r LEFT JOIN backfill.checkpoint AS c USING (run_id, range_no)"
            " WHERE r.run_id = %s GROUP BY r.run_id, r.range_no ORDER BY r.range_no",
            [run_id],
        )
        return cur.fetchall()


def open_ranges(
    connection: Connection,
    run_id: str,
    part_no: int,
    rows_before: int,
    stretches: Sequence[tuple[int, int]],
) -> None:
    """Add ranges of a part; `rows_before` counts the rows of earlier parts.

    The first chunk's number is that of the range's first row among all rows of the run: chunks
    of any size can never meet another range's numbers.
    """
    last = scalar(
        connection,
        "SELECT coalesce(max(range_no), 0) FROM backfill.range WHERE run_id = %s",
        run_id,
    )
    for number, (low, high) in enumerate(stretches, start=int(last) + 1):
        connection.execute(
            "INSERT INTO backfill.range (run_id, range_no, part_no, row_low, row_high,"
            " first_chunk_no) VALUES (%s, %s, %s, %s, %s, %s)",
            [run_id, number, part_no, low, high, rows_before + low + 1],
        )


def shorten(connection: Connection, run_id: str, range_no: int, row_high: int) -> None:
    """Let a range that nobody holds end earlier: what it loses goes into new ranges."""
    connection.execute(
        "UPDATE backfill.range SET row_high = %s WHERE run_id = %s AND range_no = %s",
        [row_high, run_id, range_no],
    )


def take_range(connection: Connection, lease: Lease) -> RangeClaim | None:
    """Take a range that is free, or whose lease ran out; None when each is held or has ended.

    Two that ask at once get two ranges: a row that the other has locked is passed over.
    """
    with (
        connection.transaction(),
        connection.cursor(row_factory=class_row(Range)) as cur,
    ):
        cur.execute(
            sql.SQL(
                "UPDATE backfill.range SET lease_token = lease_token + 1, lease_holder = %s,"
                " lease_expires_at = clock_timestamp() + make_interval(secs => %s)"
                " WHERE (run_id, range_no) = (SELECT run_id, range_no FROM backfill.range"
                "  WHERE run_id = %s AND ended_at IS NULL"
                "  AND (lease_expires_at IS NULL OR lease_expires_at < clock_timestamp())"
                "  AND EXISTS (SELECT FROM backfill.run AS r WHERE r.run_id = %s"
                "   AND r.lease_token = %s AND r.status = 'running')"
                "  ORDER BY range_no LIMIT 1 FOR UPDATE SKIP LOCKED)"
                " RETURNING {}"
            ).format(_COLUMNS),
            [holder_name(), lease.seconds, lease.run_id, lease.run_id, lease.token],
        )
        stretch = cur.fetchone()
        if stretch is None:
            return None
        others = scalar(
            connection,
            "SELECT count(*) FROM backfill.range WHERE run_id = %s AND ended_at IS NULL",
            lease.run_id,
        )
    return RangeClaim(lease, stretch, is_alone=int(others) == 1)


#: Common table expressions: `run` and `fenced` have one row each while the claim holds, and with
#: them the lock on the range's row is held until the commit.
_FENCED = (
    ", fenced AS (UPDATE backfill.range"
    "  SET lease_expires_at = clock_timestamp() + make_interval(secs => %(seconds)s),"
    "  ended_at = CASE WHEN %(is_last)s THEN clock_timestamp() ELSE ended_at END"
    "  WHERE run_id = %(run_id)s AND range_no = %(range_no)s AND lease_token = %(token)s"
    "  RETURNING 1)"
)
FENCE = sql.SQL(RUN_HELD + _FENCED)
#: The same where the run's lease was renewed a moment ago: it costs the server less.
LIGHT_FENCE = sql.SQL(RUN_STANDS + _FENCED)


def fence_parameters(claim: RangeClaim, *, is_last: bool) -> dict[str, Any]:
    """Return what `FENCE` asks for; `LIGHT_FENCE` asks for less."""
    return {
        **held_by(claim.lease, is_alone=claim.is_alone),
        "is_last": is_last,
        "range_no": claim.range.range_no,
        "token": claim.range.lease_token,
    }


def renew_range(connection: Connection, claim: RangeClaim, *, is_last: bool = False) -> Fence:
    """Renew the lease of a range, and its run's when that is due; raise `LeaseHeld` if lost.

    Inside a chunk's transaction the lock on the range's row is held until the commit: nobody can
    take range or run in between. The run's row is never waited for, since others hold it too.
    With `is_last` the range has ended when the transaction commits.
    """
    row = connection.execute(
        sql.SQL(
            "WITH {} SELECT cancel_requested, pause_requested, clock_timestamp() FROM run, fenced"
        ).format(FENCE),
        fence_parameters(claim, is_last=is_last),
    ).fetchone()
    if row is None:
        raise LeaseHeld(_lost_message(connection, claim))
    return Fence(bool(row[0]), bool(row[1]), row[2])


def _lost_message(connection: Connection, claim: RangeClaim) -> str:
    is_running = scalar(
        connection,
        "SELECT lease_token = %s AND status = 'running' FROM backfill.run WHERE run_id = %s",
        claim.lease.token,
        claim.run_id,
    )
    if not is_running:
        return lost_message(claim.run_id)
    return (
        f"Run {claim.run_id} goes on without this applier: the lease of range "
        f"{claim.range.range_no} ran out, and another one took it over. Nothing more was written "
        f"here. See: {next_command('status', claim.run_id)}"
    )
