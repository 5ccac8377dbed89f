"""The least rights that planning and applying of the OCR job need."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import psycopg
import pytest
from tests.jobs.ocr_bench import (
    CAPTURES,
    OcrBench,
    take,
)

from backfill.errors import (
    ExitCode,
    PreflightError,
)

pytestmark = pytest.mark.ocr


@pytest.fixture
def reader(three: OcrBench) -> Iterator[str]:
    """A role that may read everything, and write nothing but what each test grants."""
    role = f"reader_{uuid.uuid4().hex[:8]}"
    three.sql(f"CREATE ROLE {role} LOGIN PASSWORD 'unused'")
    three.sql(f"GRANT USAGE ON SCHEMA schedule_ingest TO {role}")
    three.sql(f"GRANT SELECT ON ALL TABLES IN SCHEMA schedule_ingest TO {role}")
    yield role
    three.sql(f"DROP OWNED BY {role} CASCADE")
    three.sql(f"DROP ROLE {role}")


def _as_role(bench: OcrBench, role: str, monkeypatch: pytest.MonkeyPatch) -> None:
    dsn = psycopg.conninfo.make_conninfo(bench.dsn, options=f"-c role={role}")
    monkeypatch.setenv("DATABASE_URL", dsn)


def test_a_dry_run_needs_no_right_to_write(
    three: OcrBench, reader: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _as_role(three, reader, monkeypatch)

    book = take(three)

    assert three.summary(book)["sessions_ok"] == 3
    assert f'GRANT INSERT ON schedule_ingest.schedule_event TO "{reader}"' in three.messages()


def test_apply_without_the_rights_is_refused_before_anything_is_read(
    three: OcrBench, reader: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _as_role(three, reader, monkeypatch)

    with pytest.raises(PreflightError, match="GRANT INSERT") as refused:
        take(three, apply=True)

    assert refused.value.exit_code == ExitCode.PREFLIGHT


def test_apply_and_revert_work_for_a_role_that_can_not_write_the_capture_tables(
    three: OcrBench, reader: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    three.sql(
        "GRANT INSERT, UPDATE, DELETE ON schedule_ingest.day_snapshot,"
        f" schedule_ingest.schedule_event, schedule_ingest.schedule_notification TO {reader}"
    )
    three.sql(f"GRANT CREATE ON DATABASE {three.connection.info.dbname} TO {reader}")
    before, captures = three.stored(), three.captures()
    _as_role(three, reader, monkeypatch)
    for table in CAPTURES:
        right = f"SELECT has_table_privilege('{reader}', 'schedule_ingest.{table}', 'UPDATE')"
        assert three.scalar(right) is False

    run = take(three, apply=True)
    assert three.verify(run.run_id).is_proven
    three.revert(run.run_id)

    assert (three.stored(), three.captures()) == (before, captures)
