"""Which run a person means by a name: an id, the beginning of one, or `latest`."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

from backfill.errors import UsageError
from backfill.folder import RUN_ID, RunFolder
from backfill.next_command import next_command

LATEST = "latest"


def run_folders(runs: Path, holding: str = "", job: str = "") -> list[RunFolder]:
    """Return the folders in `runs` that have the name of a run, newest first.

    With `holding` those that hold a file of that name, with `job` those of one job.
    """
    with contextlib.suppress(OSError):
        names = sorted((p.name for p in runs.iterdir() if RUN_ID.fullmatch(p.name)), reverse=True)
        folders = [RunFolder(runs / name) for name in names if (runs / name).is_dir()]
        return [
            folder
            for folder in folders
            if job in ("", folder.job) and (not holding or folder.file(holding).is_file())
        ]
    return []


def meant(wanted: str, run_ids: Sequence[str]) -> list[str]:
    """Return which of these ids, the newest first, a name can mean: one, unless it is unclear."""
    if wanted == LATEST:
        return list(run_ids[:1])
    return (
        [wanted] if wanted in run_ids else [r for r in run_ids if wanted and r.startswith(wanted)]
    )


def find_folder(runs: Path, wanted: str, holding: str = "") -> RunFolder:
    """Return the folder that a name means; raise `UsageError` for none, or several."""
    matching = meant(wanted, [folder.run_id for folder in run_folders(runs, holding)])
    if len(matching) == 1:
        return RunFolder(runs / matching[0])
    held = f" with a {holding}" if holding else ""
    if matching:
        raise UsageError(ambiguous(wanted, matching))
    raise UsageError(
        f"There is no run {wanted!r}{held} in {runs}. List them: {next_command('runs')}"
    )


def ambiguous(wanted: str, matching: Sequence[str]) -> str:
    """Return the sentence for a name that could mean several runs."""
    return f"{wanted!r} is the beginning of several runs: {', '.join(matching)}. Name one in full."
