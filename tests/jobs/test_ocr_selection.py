"""Which sessions the OCR job takes: filters, and what can not be meant."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from tests.jobs.ocr_bench import (
    FIRST,
    LONG,
    OTHER,
    SCREENS,
    SECOND,
    USER,
    OcrBench,
    session_id,
    take,
)

from backfill.errors import (
    ExitCode,
    PreflightError,
    UsageError,
)

pytestmark = pytest.mark.ocr


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"session_id": [str(session_id(LONG)).upper()]}, [LONG]),
        ({"user_id": USER}, [FIRST, SECOND]),
        ({"user_id": str(OTHER)}, [LONG]),
        ({"states": "failed"}, []),
        ({"from_date": SCREENS[SECOND].date.isoformat()}, [SECOND]),
        ({"to_date": SCREENS[LONG].date.isoformat()}, [LONG]),
        ({"limit": 2}, [LONG, FIRST]),
        ({"user_id": USER, "limit": 1}, [FIRST]),
    ],
)
def test_filters_are_anded_and_the_oldest_come_first(
    three: OcrBench, given: dict[str, Any], expected: list[str]
) -> None:
    book = three.book(**given)
    book.preflight()
    book.extract()

    rows = book.duckdb.sql("SELECT key FROM extracted").fetchall()

    assert [row[0] for row in rows] == [str(session_id(name)) for name in expected]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"session_id": ["no-uuid"]}, "is not a session id"),
        ({"session_id": [str(uuid.UUID(int=7))]}, "does not exist"),
        ({"session_id": [str(session_id(LONG))], "states": "failed"}, "is in state done"),
        ({"session_id": [str(session_id(LONG))], "user_id": USER}, "belongs to user 502"),
        ({"session_id": [str(session_id(LONG))], "from_date": "2030-01-01"}, "before --from-date"),
        ({"states": "finished"}, "is no state"),
        ({"states": "done,pending"}, "has no such state"),
        ({"states": ","}, "names no state"),
        ({"from_date": "2026-02-30"}, "is not a date"),
        ({"to_date": "20260203"}, "is not a date"),
        ({"from_date": "2026-02-03", "to_date": "2026-02-02"}, "is after --to-date"),
        ({"user_id": "somebody"}, "is not a whole number"),
        ({"limit": 0}, "--limit must be 1 or more"),
        ({"store_notifications": True}, "--store-notifications needs --apply"),
        ({"ocr_lang": "klingon"}, "is not known"),
        ({"ocr_default_year": 20}, "--ocr-default-year"),
        ({"local_root": "/nowhere/at/all"}, "is not a folder"),
        ({"local_root": ""}, "--local-root DIR"),
        ({"summary_threshold": 0}, "--summary-threshold"),
    ],
)
def test_what_can_not_be_meant_is_refused(
    three: OcrBench, given: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message) as refused:
        take(three, **given)

    assert refused.value.exit_code == ExitCode.USAGE


def test_language_data_that_is_not_installed_is_a_preflight_error(first: OcrBench) -> None:
    with pytest.raises(PreflightError, match="apt-get install tesseract-ocr-fin"):
        take(first, ocr_lang="fi")


@pytest.mark.parametrize(
    ("ddl", "message"),
    [
        ("DROP SCHEMA schedule_ingest CASCADE", "There is no schema"),
        ("DROP TABLE schedule_ingest.schedule_event", "There is no table"),
        ("ALTER TABLE schedule_ingest.capture_image RENAME r2_key TO k", "has no column r2_key"),
    ],
)
def test_another_schema_is_a_preflight_error(first: OcrBench, ddl: str, message: str) -> None:
    first.sql(ddl)

    with pytest.raises(PreflightError, match=message):
        take(first)


def test_no_session_at_all_is_no_error(empty: OcrBench) -> None:
    summary = empty.summary(take(empty, apply=True))

    assert (summary["sessions_total"], summary["exit_code"]) == (0, 0)
