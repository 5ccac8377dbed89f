"""Applies a run that waits for a query: started by `test_polite_pace.py` as a process of its own.

python waiting_applier.py RUN_ID RUNS_DIR QUERY
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from backfill.errors import BackfillError
from backfill.folder import RunFolder
from backfill.jobs.registry import kind_of
from backfill.politeness.signals import Signal
from backfill.politeness.throttle import Limit, Throttle
from backfill.report import Reporter
from backfill.server.database import Database
from backfill.settings import EngineSettings
from backfill.steps.running import apply_run


def main(run_id: str, runs: str, query: str) -> int:
    throttle = Throttle({Signal.GO_WHEN: Limit(pause=0)}, go_when=query)
    try:
        apply_run(
            Database(os.environ["DATABASE_URL"], is_embedded=False),
            RunFolder.of(Path(runs), run_id),
            kind_of("utc"),
            EngineSettings(chunk_rows=5, throttle=throttle),
            Reporter(lambda _event: None),
        )
    except BackfillError as error:
        return int(error.exit_code)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
