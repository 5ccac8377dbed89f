"""Which sessions the OCR job takes: filters, and what can not be meant."""

from __future__ import annotations

import uuid
from typing import Any

import psycopg
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
        *[({"limit": n}, "--limit must be between 1 and") for n in (0, -1, 2**60)],
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


def test_triggers_that_apply_fires_are_named_and_no_others(first: OcrBench) -> None:
    first.sql(
        "CREATE FUNCTION schedule_ingest.ring() RETURNS trigger LANGUAGE plpgsql"
        " AS 'BEGIN RETURN NULL; END'"
    )
    for name, event in (
        ("ring_event", "INSERT ON schedule_ingest.schedule_event"),
        ("ring_payload", "UPDATE OF snapshot_payload ON schedule_ingest.day_snapshot"),
        ("ring_user", "UPDATE OF user_id ON schedule_ingest.day_snapshot"),
        ("ring_gone", "DELETE ON schedule_ingest.schedule_event"),
        ("ring_message", "INSERT ON schedule_ingest.schedule_notification"),
    ):
        first.sql(f"CREATE TRIGGER {name} AFTER {event} EXECUTE FUNCTION schedule_ingest.ring()")

    first.book().preflight()

    said = first.messages()
    assert "schedule_event has triggers that apply fires: ring_event. Make sure" in said
    assert "day_snapshot has triggers that apply fires: ring_payload. Make sure" in said
    assert "ring_message" not in said  # no message will be stored
    first.book(apply=True, store_notifications=True).preflight()
    assert "has triggers that apply fires: ring_message" in first.messages()


def test_a_published_snapshot_without_identity_is_refused(first: OcrBench) -> None:
    first.sql("ALTER TABLE schedule_ingest.day_snapshot REPLICA IDENTITY NOTHING")
    first.sql("CREATE PUBLICATION everything FOR TABLE schedule_ingest.day_snapshot")

    with pytest.raises(PreflightError, match=r"day_snapshot is published .* no replica identity"):
        first.book().preflight()


def test_rows_that_a_role_may_not_see_are_told_of(
    first: OcrBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    role = f"reader_{uuid.uuid4().hex[:8]}"
    first.sql(f"CREATE ROLE {role}")
    try:
        first.sql(f"GRANT USAGE ON SCHEMA schedule_ingest TO {role}")
        first.sql(f"GRANT SELECT ON ALL TABLES IN SCHEMA schedule_ingest TO {role}")
        first.sql("ALTER TABLE schedule_ingest.day_snapshot ENABLE ROW LEVEL SECURITY")
        as_role = psycopg.conninfo.make_conninfo(first.dsn, options=f"-c role={role}")
        monkeypatch.setenv("DATABASE_URL", as_role)

        first.book().preflight()

        assert "Row-level security is active on schedule_ingest.day_snapshot" in first.messages()
    finally:
        first.sql(f"DROP OWNED BY {role} CASCADE")
        first.sql(f"DROP ROLE {role}")


def test_no_session_at_all_is_no_error(empty: OcrBench) -> None:
    summary = empty.summary(take(empty, apply=True))

    assert (summary["sessions_total"], summary["exit_code"]) == (0, 0)
