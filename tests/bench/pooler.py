"""Our apply phase behind PgBouncer, whose transactions go over other sessions each time."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace

from tests.bench.contender import Contender, Measured, Setup
from tests.bench.writing import ours
from tests.server.pgbouncer import pooled

BEHIND_500 = "ours, chunk 500, behind a pooler"
BEHIND_AUTO = "ours, chunk auto, behind a pooler"
POOL_SIZE = 5


def behind(chunk_size: int | str) -> Contender:
    """Return our contender, in transaction mode of a pool of its own."""

    def work(setup: Setup) -> Measured:
        with pooled(setup.dsn, "transaction", POOL_SIZE) as dsn:
            os.environ["DATABASE_URL"] = dsn  # this process is the contender's alone
            return ours(chunk_size)(replace(setup, dsn=dsn))

    return work


CONTENDERS: Mapping[str, Contender] = {BEHIND_500: behind(500), BEHIND_AUTO: behind("auto")}
