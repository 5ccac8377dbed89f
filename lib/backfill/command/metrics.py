"""What Prometheus reads of a command's end: a text file for its textfile collector."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from backfill.regular_file import check_target, whole

_RESULTS = ("scanned", "updated", "unchanged", "skipped", "drifted")


def check_metrics_file(path: str | None) -> None:
    """Raise `UsageError` before a run begins whose end could be written nowhere."""
    if path:
        check_target("--metrics-file", Path(path))


def write_metrics(
    path: str | None,
    document: Mapping[str, Any],
    exit_code: int,
    job: str,
    say: Callable[[str, str], None],
) -> None:
    """Write a run's end where `--metrics-file` says; a reader sees the old file or the new one.

    A file that can not be written is said: it makes no run another.
    """
    if not path:
        return
    try:
        with whole(Path(path)) as partial:
            partial.write_text("".join(_lines(document, exit_code, job)), encoding="utf-8")
    except OSError as error:
        say(f"--metrics-file {path} could not be written: {error.strerror}.", "error")


def _lines(document: Mapping[str, Any], exit_code: int, job: str) -> Iterator[str]:
    labels = {"job": job}
    run = {**labels, "run_id": document.get("run_id", ""), "status": document.get("status", "")}
    yield from _metric("run_info", "The run that ended last.", [(run, 1)])
    yield from _metric("exit_code", "Exit code of the command.", [(labels, exit_code)])
    yield from _metric("end_timestamp_seconds", "When it ended.", [(labels, time.time())])
    if "elapsed_ms" in document:
        seconds = float(document["elapsed_ms"]) / 1000
        yield from _metric("duration_seconds", "How long the run took.", [(labels, seconds)])
    counts = [
        ({**labels, "result": name}, document[f"total_{name}"])
        for name in _RESULTS
        if isinstance(document.get(f"total_{name}"), int)
    ]
    yield from _metric("rows", "Rows of the run, by what became of them.", counts)
    pending = document.get("pending")
    if isinstance(pending, Mapping):
        by_scope = [({**labels, "scope": scope}, count) for scope, count in pending.items()]
        yield from _metric("pending_rows", "Rows that are pending, by scope.", by_scope)
        total = [(labels, document["total_pending"])]
        yield from _metric("pending_rows_total", "Rows that are pending.", total)


def _metric(name: str, says: str, samples: list[tuple[dict[str, Any], Any]]) -> Iterator[str]:
    if not samples:
        return
    yield f"# HELP backfill_{name} {says}\n# TYPE backfill_{name} gauge\n"
    for labels, value in samples:
        shown = ",".join(f'{label}="{_escaped(str(text))}"' for label, text in labels.items())
        yield f"backfill_{name}{{{shown}}} {value!r}\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
