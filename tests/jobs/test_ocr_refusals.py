"""What the database refuses or keeps costs the session at fault, and no other."""

from __future__ import annotations

import psycopg
import pytest
from tests.jobs.ocr_bench import FIRST, LONG, OTHER, SECOND, OcrBench, essentials, session_id, take
from tests.jobs.ocr_bench import truth as drawn

from backfill.errors import PreflightError, RowsLeft, TooManySkips

pytestmark = pytest.mark.ocr

SECOND_ID = session_id(SECOND)


def the_others_are_written(bench: OcrBench) -> None:
    assert essentials(bench.payload(FIRST)) == drawn(FIRST)
    assert essentials(bench.payload(LONG, OTHER)) == drawn(LONG)
    assert bench.payload_or_none(SECOND) is None


@pytest.mark.parametrize("table", ["day_snapshot", "schedule_event"])
def test_a_session_whose_commit_fails_is_skipped_and_the_others_go_on(
    three: OcrBench, table: str
) -> None:
    three.sql(
        "CREATE FUNCTION object() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        f" IF NEW.source_session_id = '{SECOND_ID}' THEN"
        "  RAISE EXCEPTION 'the month is closed'; END IF;"
        " RETURN NULL; END $$;"
        f"CREATE CONSTRAINT TRIGGER objector AFTER INSERT ON schedule_ingest.{table}"
        " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION object();"
    )

    planned = take(three, max_failed=0)
    with pytest.raises(TooManySkips, match="1 session failed, 1 of them when they were written"):
        three.apply(planned.run_id)
    run = three.apply(planned.run_id, max_failed=1)

    the_others_are_written(three)
    assert three.skips(run.run_id) == {str(SECOND_ID): ("", "database_error")}
    document = three.document(run, SECOND)
    assert document["status"] == "failed"
    assert "the month is closed" in document["error_message"]
    assert three.verify(run.run_id).is_proven


def test_a_session_that_a_trigger_keeps_from_its_day_is_vetoed(three: OcrBench) -> None:
    three.sql(
        "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        f" RETURN CASE WHEN NEW.source_session_id = '{SECOND_ID}' THEN NULL ELSE NEW END; END $$;"
        "CREATE TRIGGER keeper BEFORE INSERT ON schedule_ingest.day_snapshot"
        " FOR EACH ROW EXECUTE FUNCTION keep();"
    )
    planned = take(three)

    with pytest.raises(RowsLeft):
        three.apply(planned.run_id)

    the_others_are_written(three)
    assert three.skips(planned.run_id) == {str(SECOND_ID): ("", "vetoed")}
    assert three.document(planned, SECOND)["held_reason"] == "vetoed"


def test_a_day_that_stays_locked_is_skipped_as_locked(three: OcrBench) -> None:
    three.store(SECOND, [])
    planned = take(three, accept_review=True, allow_removals=True, allow_older=True)

    with psycopg.connect(three.dsn) as other:
        other.execute("SELECT FROM schedule_ingest.day_snapshot FOR UPDATE")
        applied = three.apply_with(planned.run_id, lock_timeout_ms=10)

    assert (applied.counts.updated, applied.counts.skipped) == (2, 1)
    assert three.skips(planned.run_id) == {str(SECOND_ID): ("", "locked")}


def test_a_column_that_is_gone_stops_the_run_before_its_first_session(three: OcrBench) -> None:
    planned = take(three)
    three.sql("ALTER TABLE schedule_ingest.schedule_event DROP COLUMN old_value_hash")

    with pytest.raises(PreflightError, match="old_value_hash"):
        three.apply_with(planned.run_id)

    assert three.status(planned.run_id) == "failed"
    assert three.checkpoints(planned.run_id) == []
