"""Applies a run in a process of its own, and stops at a named point until it is told to go on.

python applier_process.py '{"run_id": …, "runs": …, "settings": {…}, "point": …, "nth": …}'

It prints `reached` at the point and waits for a line; at the end it prints its exit code. Points
are those of a chunk's way, and `joined`: it is one of the run's appliers, and has no range yet.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from backfill.errors import BackfillError
from backfill.folder import RunFolder
from backfill.jobs.registry import kind_of
from backfill.report import Reporter
from backfill.server.database import Database
from backfill.settings import EngineSettings
from backfill.steps.running import apply_run


def main(command: dict[str, Any]) -> None:
    seen: list[str] = []
    counting = threading.Lock()
    goes_on = threading.Event()

    def meet(name: str) -> None:
        with counting:
            seen.append(name)
            met = seen.count(name)
        if name != command["point"] or met < command["nth"]:
            return
        if met == command["nth"]:
            print("reached", flush=True)
            sys.stdin.readline()
            goes_on.set()
        goes_on.wait()  # its other workers, who come to the point later

    def hear(event: Mapping[str, Any]) -> None:
        text = event.get("text", "")
        print(text, file=sys.stderr)
        if text.startswith("Joined the appliers"):
            meet("joined")

    exit_code = 0
    try:
        apply_run(
            Database(os.environ["DATABASE_URL"], is_embedded=False),
            RunFolder.of(Path(command["runs"]), command["run_id"]),
            kind_of("utc"),
            EngineSettings(**command["settings"]),
            Reporter(hear),
            meet,
        )
    except BackfillError as error:
        print(error, file=sys.stderr)
        exit_code = int(error.exit_code)
    print(exit_code, flush=True)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
