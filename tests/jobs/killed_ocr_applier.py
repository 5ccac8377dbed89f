"""Applies an OCR run and dies at a named point: started by `test_ocr_writer.py` as a process.

python killed_ocr_applier.py RUN_ID RUNS_DIR POINT NTH
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from backfill.folder import RunFolder
from backfill.jobs.registry import kind_of
from backfill.report import Reporter
from backfill.server.database import Database
from backfill.settings import EngineSettings
from backfill.steps.running import apply_run


def main(run_id: str, runs: str, point: str, nth: str) -> None:
    seen: list[str] = []

    def die(name: str) -> None:
        seen.append(name)
        if name == point and seen.count(point) == int(nth):
            os.kill(os.getpid(), signal.SIGKILL)

    apply_run(
        Database(os.environ["DATABASE_URL"], is_embedded=False),
        RunFolder.of(Path(runs), run_id),
        kind_of("ocr"),
        EngineSettings(),
        Reporter(lambda _event: None),
        die,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
