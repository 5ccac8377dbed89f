"""What one session writes, all of it or nothing: guarded, once, and back again byte for byte."""

from __future__ import annotations

import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests import nursery
from tests.jobs.ocr_bench import (
    FIRST,
    LONG,
    OTHER,
    SECOND,
    OcrBench,
    alter_readings,
    essentials,
    session_id,
    take,
    truth,
)
from tests.longer import longer, longer_behind

from backfill.errors import ExitCode, Interrupted, RowsDrifted
from backfill.ocr.screen.reading import ImageReading
from backfill.ocr.text.dates import DateEvidence
from backfill.skips import SkipReason

pytestmark = pytest.mark.ocr

KILLED_APPLIER = Path(__file__).with_name("killed_ocr_applier.py")
OLD_DAY = [
    {"start": "01:10", "end": "02:20", "customer_name": "Åsa Ö", "note": {"b": 1.50, "a": None}},
    {"end": "03:30", "start": "02:20", "raw_type_label": "Lunch"},
]


def in_2099(reading: ImageReading) -> ImageReading:
    return replace(reading, date=DateEvidence(2, 6, year=2099))


# -- revert ------------------------------------------------------------------------------------


def test_a_revert_restores_the_old_snapshot_byte_for_byte(first: OcrBench) -> None:
    first.store(FIRST, OLD_DAY)
    before = first.stored()
    run = take(first, apply=True)
    assert first.stored() != before

    first.revert(run.run_id)

    assert first.stored() == before
    assert first.status(run.run_id) == "reverted"


def test_a_revert_deletes_what_was_not_there_before(three: OcrBench) -> None:
    before = three.stored()
    run = take(three, apply=True)

    three.revert(run.run_id)

    assert three.stored() == before == {name: [] for name in before}


def test_a_revert_puts_a_day_of_several_sessions_back_in_the_other_order(chain: OcrBench) -> None:
    chain.store(LONG, OLD_DAY, user=OTHER)
    chain.sql("UPDATE schedule_ingest.day_snapshot SET source_session_id = gen_random_uuid()")
    before = chain.stored()
    run = take(chain, apply=True, accept_review=True, allow_removals=True)
    assert chain.summary(run)["total_updated"] == 2

    dry = chain.revert(run.run_id, apply=False)
    revert = chain.revert(run.run_id)

    assert chain.summary(dry)["total_updated"] == chain.summary(revert)["total_updated"] == 2
    assert chain.stored() == before
    assert chain.verify(revert.run_id).is_proven


def test_a_revert_of_a_revert_writes_the_same_again(first: OcrBench) -> None:
    first.store(FIRST, OLD_DAY)
    run = take(first, apply=True)
    written = first.stored()
    revert = first.revert(run.run_id)

    again = first.revert(revert.run_id)

    assert first.stored() == written
    assert first.status(run.run_id) == "succeeded"
    assert first.verify(again.run_id).is_proven


def test_a_revert_takes_pending_messages_back_and_lists_the_sent_ones(
    first: OcrBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    alter_readings(monkeypatch, in_2099)
    run = take(first, apply=True, store_notifications=True, summary_threshold=9)
    messages = "schedule_ingest.schedule_notification"
    (sent,) = first.sql(
        f"UPDATE {messages} SET status = 'sent', sent_at = now() WHERE notification_id ="
        f" (SELECT min(notification_id) FROM {messages}) RETURNING notification_id"
    )

    revert = first.revert(run.run_id)

    assert first.sql(f"SELECT notification_id, status FROM {messages}") == [(sent[0], "sent")]
    assert sent[0] in revert.changes["warnings"][0]
    assert f"sent already, left: {sent[0]}" in first.messages()
    assert first.stored()["schedule_event"] == []


def test_a_day_edited_since_is_not_reverted(first: OcrBench) -> None:
    run = take(first, apply=True)
    first.sql("UPDATE schedule_ingest.day_snapshot SET snapshot_payload = '[]'")
    edited = first.stored()

    with pytest.raises(RowsDrifted) as ended:
        first.revert(run.run_id)

    assert ended.value.exit_code == ExitCode.STALE
    assert first.stored() == edited


# -- guards ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "edit",
    [
        'UPDATE schedule_ingest.day_snapshot SET snapshot_payload = \'[{"start": "09:00"}]\'',
        "UPDATE schedule_ingest.day_snapshot SET source_session_id = gen_random_uuid()",
        "DELETE FROM schedule_ingest.day_snapshot",
    ],
)
def test_a_day_that_changed_since_it_was_read_is_left_alone(first: OcrBench, edit: str) -> None:
    first.store(FIRST, OLD_DAY)
    planned = take(first)
    first.sql(edit)
    edited = first.stored()

    with pytest.raises(RowsDrifted):
        first.apply(planned.run_id)

    assert first.stored() == edited
    assert first.skips(planned.run_id) == {str(session_id(FIRST)): ("", SkipReason.DRIFTED.value)}
    document = first.document(planned, FIRST)
    assert (document["status"], document["held_reason"]) == ("held", "drifted")
    assert document["persisted_event_count"] == 0


def test_a_day_that_got_a_snapshot_since_is_left_alone(first: OcrBench) -> None:
    planned = take(first)
    first.store(FIRST, OLD_DAY)
    edited = first.stored()

    with pytest.raises(RowsDrifted):
        first.apply(planned.run_id)

    assert first.stored() == edited


def test_a_day_that_was_only_touched_is_no_drift(first: OcrBench) -> None:
    first.store(FIRST, OLD_DAY)
    planned = take(first)
    first.sql("UPDATE schedule_ingest.day_snapshot SET updated_at = updated_at + interval '1 h'")

    first.apply(planned.run_id)

    assert essentials(first.payload(FIRST)) == truth(FIRST)


def test_an_event_that_is_known_is_swallowed_and_counted_as_such(first: OcrBench) -> None:
    take(first, apply=True)
    first.sql("DELETE FROM schedule_ingest.day_snapshot")
    first.sql("UPDATE schedule_ingest.schedule_event SET event_id = gen_random_uuid()")
    known = first.stored()["schedule_event"]

    planned = first.summary(take(first))
    applied = take(first, apply=True)

    assert (planned["planned_event_count"], planned["planned_swallowed_event_count"]) == (0, 3)
    summary = first.summary(applied)
    assert (summary["persisted_event_count"], summary["swallowed_event_count"]) == (0, 3)
    assert first.stored()["schedule_event"] == known
    first.revert(applied.run_id)
    assert first.stored()["schedule_event"] == known


def test_an_event_that_appears_meanwhile_is_swallowed_and_not_reverted(first: OcrBench) -> None:
    take(first, apply=True)
    first.sql("CREATE TABLE kept AS TABLE schedule_ingest.schedule_event")
    first.sql("TRUNCATE schedule_ingest.day_snapshot, schedule_ingest.schedule_event")
    planned = take(first)
    first.sql("INSERT INTO schedule_ingest.schedule_event SELECT * FROM kept LIMIT 1")
    foreign = first.stored()["schedule_event"]

    first.apply(planned.run_id)

    document = first.document(planned, FIRST)
    assert (document["persisted_event_count"], document["swallowed_event_count"]) == (2, 1)
    first.revert(planned.run_id)
    assert first.stored()["schedule_event"] == foreign


# -- verify ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "edit",
    longer_behind(
        3,
        [
            "UPDATE schedule_ingest.day_snapshot SET snapshot_payload = '[]'",
            "DELETE FROM schedule_ingest.day_snapshot",
            "UPDATE schedule_ingest.schedule_event SET new_value_hash = 'x' || new_value_hash",
            'UPDATE schedule_ingest.schedule_event SET new_value = new_value || \'{"city": "x"}\'',
            "DELETE FROM schedule_ingest.schedule_event",
        ],
    ),
)
def test_verify_sees_every_edit(first: OcrBench, edit: str) -> None:
    run = take(first, apply=True)
    assert first.verify(run.run_id).is_proven

    first.sql(edit)

    assert not first.verify(run.run_id).is_proven


def test_verify_sees_an_edit_of_a_day_of_several_sessions(chain: OcrBench) -> None:
    run = take(chain, apply=True, accept_review=True)
    half = chain.sql("SELECT new_value FROM schedule_ingest.schedule_event")[0][0]
    assert half is not None

    chain.sql("UPDATE schedule_ingest.day_snapshot SET snapshot_payload = '[]'")

    assert len(chain.verify(run.run_id).findings) == 2


# -- kill --------------------------------------------------------------------------------------


@pytest.mark.kill
@pytest.mark.parametrize(
    ("point", "nth", "committed"),
    [
        ("before_commit", 3, 2),
        ("after_commit", 2, 2),
        *longer(("between_chunks", 2, 1), ("after_update", 2, 1)),
    ],
)
def test_a_killed_apply_is_gone_on_with_to_the_same_end(
    three: OcrBench, point: str, nth: int, committed: int
) -> None:
    planned = take(three)

    killed = nursery.run(
        [sys.executable, str(KILLED_APPLIER), planned.run_id, str(three.runs), point, str(nth)]
    )

    assert killed.returncode == -signal.SIGKILL
    three.wait_until_alone()
    assert len(three.checkpoints(planned.run_id)) == committed
    assert len(three.stored()["day_snapshot"]) == committed
    three.let_lease_run_out(planned.run_id)
    three.apply(planned.run_id)
    for name, user in ((FIRST, 501), (SECOND, 501), (LONG, OTHER)):
        assert essentials(three.payload(name, user)) == truth(name)
    events = three.scalar("SELECT count(*) FROM schedule_ingest.schedule_event")
    assert events == sum(len(truth(name)) for name in (FIRST, SECOND, LONG))
    assert three.verify(planned.run_id).is_proven


def test_an_interrupted_run_tells_which_sessions_were_written(
    three: OcrBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned = take(three)
    committed: list[str] = []

    def stop(name: str) -> None:
        committed.append(name)
        if committed.count("after_commit") == 1 and name == "between_chunks":
            raise Interrupted("Interrupted.")

    with pytest.raises(Interrupted):
        three.apply_with(planned.run_id, stop)

    assert three.status(planned.run_id) == "interrupted"
    assert len(three.checkpoints(planned.run_id)) == 1
    three.apply(planned.run_id)
    report = three.folder(planned.run_id).read_json("backfill_report.json")
    assert [line["applied"] for line in report["sessions"]] == [True, True, True]


def test_one_session_is_one_transaction_whatever_the_chunk_size(three: OcrBench) -> None:
    planned = take(three)

    three.apply_with(planned.run_id, chunk_rows=500)

    assert [row[3] for row in three.checkpoints(planned.run_id)] == [1, 1, 1]


def test_the_image_tells_what_was_written(first: OcrBench) -> None:
    run = take(first, apply=True)

    ((chunk_no, rows, _sha256, _content),) = first.images(run.run_id)

    assert (chunk_no, rows) == (1, 1)
    changes: Any = run.changes
    assert list(changes["key"]) == [str(session_id(FIRST))]
    assert list(changes["scope"]) == ["501"]
    assert list(changes["kind"]) == ["changed"]
