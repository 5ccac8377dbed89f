"""Applies a run and dies at a named point: started by tests as a process of its own.

python killed_applier.py RUN_ID RUNS_DIR POINT NTH [CONDITION [CHUNK_ROWS]]

With `none` for a point it waits to be killed, and writes each chunk in one statement, the next
one sent ahead as soon as one went well.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from backfill.chunks import one_ahead
from backfill.chunks.chunk_commit import no_step
from backfill.folder import RunFolder
from backfill.jobs.registry import kind_of
from backfill.report import Reporter
from backfill.server.database import Database
from backfill.settings import EngineSettings
from backfill.steps.running import apply_run


def main(run_id: str, runs: str, point: str, nth: str, only: str = "", rows: str = "5") -> None:
    seen: list[str] = []

    def die(name: str) -> None:
        seen.append(name)
        if name == point and seen.count(point) == int(nth):
            os.kill(os.getpid(), signal.SIGKILL)

    if point == "none":
        one_ahead.WENT_WELL = 1
    apply_run(
        Database(os.environ["DATABASE_URL"], is_embedded=False),
        RunFolder.of(Path(runs), run_id),
        kind_of("utc"),
        EngineSettings(chunk_rows=int(rows), only=only),
        Reporter(lambda _event: None),
        no_step if point == "none" else die,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
