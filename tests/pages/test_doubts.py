"""A job says in a sentence what was doubtful about a run, and nothing before it knows."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from backfill.folder import RunFolder
from backfill.jobs.registry import kind_of


@pytest.mark.parametrize(
    ("job", "summary", "says"),
    [
        ("ocr", {}, ""),
        ("utc", {}, ""),
        ("utc", {"status": "failed", "total_scanned": 0}, ""),
        (
            "utc",
            {"folds": 1_000, "gaps": 2},
            "Doubtful: 1,000 wall times happened twice (fold: earlier), 2 never happened (gap: "
            "shift_forward); 0 were decided by a person.",
        ),
        (
            "ocr",
            {"sessions_total": 3, "sessions_held": 2, "planned_event_types": {"added": 1_000}},
            "Doubtful: 0 sessions failed, 2 are held back for a person, 0 need a review. "
            "Events: added 1,000.",
        ),
        ("fill", {"total_scanned": 3}, ""),
    ],
)
def test_a_job_tells_what_was_doubtful_about_a_run(
    tmp_path: Path, job: str, summary: dict[str, Any], says: str
) -> None:
    folder = RunFolder(tmp_path)
    facts = cast(Any, SimpleNamespace(planned=lambda _: {}, summary=summary, folder=folder))

    assert kind_of(job).doubts(facts) == says
