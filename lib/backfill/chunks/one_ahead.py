"""Chunks that go as planned, one statement each: the next is sent before the last one is answered.

Only once several went well: what stops or fails early, or is over soon, does so chunk by chunk.

The server begins a chunk the moment the one before it is committed, and the client's work on both
falls into that time. Never are more than two under way. The order holds by itself: a chunk that
fails leaves its transaction failed, in which the server refuses whatever comes behind; one whose
commit fails leaves no checkpoint, without which the next one has no hash to be chained to.

Not behind a pooler: PgBouncer 1.18 gives a server's session to others when the first chunk is
answered, also where half of the second one has gone there.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import psycopg

from backfill.chunks.chunk_commit import Committed, ReadyChunk
from backfill.chunks.chunk_statement import (
    SentChunk,
    Statements,
    answered,
    send_at_once,
)
from backfill.chunks.writing import ChunkWriter
from backfill.records.ranges import RangeClaim
from backfill.server.session import Session

#: The run's lease is renewed by the first chunk after so much of it has passed.
RENEWED_AFTER = 1 / 50
#: So many chunks in a row went as planned before one is sent ahead.
WENT_WELL = 8
#: Returns the chunk that comes next, if it may be sent before this one is answered.
Following = Callable[[], ReadyChunk | None]


def alone() -> None:
    """Return what follows a chunk that nothing is sent behind."""


@dataclass
class OneAhead:
    """Commits chunks over a connection, in order; `following` is what may be sent ahead."""

    writer: ChunkWriter
    _statements: Statements = field(default_factory=Statements)
    _renewed_at: float = -math.inf  # when the run's lease was, on a monotonic clock
    _went_well: int = 0  # so many chunks in a row; only then the next one is sent ahead
    _sent: SentChunk | None = None
    _outcome: Committed | Exception | None = None  # of the chunk that was sent, once it is known

    @property
    def is_under_way(self) -> bool:
        """Whether the next chunk was sent already."""
        return self._sent is not None

    def commit(
        self,
        connection: Session,
        claim: RangeClaim,
        ready: ReadyChunk,
        chain: str,
        following: Following = alone,
    ) -> Committed | None:
        """Commit a chunk, sent already or not; None when there is no single statement for it.

        Raises `NotAsPlanned` and whatever the server says: then nothing behind it was written.
        """
        went_well, self._went_well = self._went_well, 0
        sent = self._sent or self._send(connection, claim, ready, chain)
        if sent is None:
            return None
        assert sent.ready.wanted is ready.wanted
        self._sent = sent  # until it is answered, also where the next one can not be made
        may_send = went_well >= WENT_WELL and connection.is_own
        following_one = self._send_ahead(connection, claim, following) if may_send else None
        self._sent = None
        try:
            committed = self._answer(connection, sent)
        except BaseException:
            self._renewed_at = -math.inf
            raise
        self._sent, self._went_well = following_one, went_well + 1
        return committed

    def look(self, connection: Session) -> None:
        """Wait for the answer to a chunk that was sent ahead, to be told when it is its turn.

        From then on the connection is good for other questions.
        """
        if self._sent is None or self._outcome is not None:
            return
        try:
            self._outcome = answered(connection, self._sent)
        except Exception as error:  # raised again when it is that chunk's turn
            self._outcome = error

    def _send_ahead(
        self, connection: Session, claim: RangeClaim, following: Following
    ) -> SentChunk | None:
        if self._outcome is not None or (ready := following()) is None:
            return None
        with contextlib.suppress(psycopg.DataError):  # told when it is that chunk's turn
            return self._send(connection, claim, ready, None)
        return None

    def _send(
        self, connection: Session, claim: RangeClaim, ready: ReadyChunk, chain: str | None
    ) -> SentChunk | None:
        now = time.monotonic()
        renews = now - self._renewed_at >= claim.lease.seconds * RENEWED_AFTER
        if renews:
            self._renewed_at = now
        return send_at_once(
            connection, claim, ready, chain, self.writer, self._statements, renews=renews
        )

    def _answer(self, connection: Session, sent: SentChunk) -> Committed:
        outcome, self._outcome = self._outcome, None
        if isinstance(outcome, Exception):
            raise outcome
        return outcome or answered(connection, sent)
