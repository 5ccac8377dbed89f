"""A job says in a sentence what was doubtful about a run, and nothing before it knows."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from backfill.jobs.registry import kind_of


@pytest.mark.parametrize(
    ("job", "summary", "says"),
    [
        ("ocr", {}, ""),
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
    job: str, summary: dict[str, Any], says: str
) -> None:
    facts = cast(Any, SimpleNamespace(plan={}, summary=summary))

    assert kind_of(job).doubts(facts) == says
