"""Verify proves a run from the database, or names what does not agree."""

from __future__ import annotations

import psycopg
import pytest
from tests.engine.workshop import Bench
from tests.longer import longer_behind

from backfill.errors import Interrupted, PreflightError, VerifyFailed
from backfill.jobs.registry import kind_of
from backfill.records.ledger import Ledger
from backfill.server.database import Database
from backfill.steps.verify import SHOWN, verify_run


@pytest.fixture
def run_id(bench: Bench) -> str:
    """A run of three chunks with one skip, applied."""
    bench.sql("UPDATE events SET tz = 'Nowhere' WHERE id = 'e07'")
    return bench.run(chunk_size=5).run_id


def findings(bench: Bench, run_id: str) -> list[str]:
    return bench.verify(run_id).findings


def test_an_untouched_run_is_proven(bench: Bench, run_id: str) -> None:
    found = bench.verify(run_id)

    assert found.findings == []
    assert (found.chunks, found.rows, found.recomputed) == (3, 11, 11)


def test_verify_writes_nothing(bench: Bench, run_id: str) -> None:
    before = [bench.table(), bench.table("backfill.run"), bench.table("backfill.checkpoint")]
    bench.sql("SET default_transaction_read_only = on")

    found = bench.verify(run_id)

    bench.sql("SET default_transaction_read_only = off")
    assert found.findings == []
    assert [
        bench.table(),
        bench.table("backfill.run"),
        bench.table("backfill.checkpoint"),
    ] == before


@pytest.mark.parametrize(
    "tampering",
    longer_behind(
        2,
        [
            "UPDATE backfill.checkpoint SET key_low = 'e00' WHERE chunk_no = 2",
            "UPDATE backfill.checkpoint SET key_high = 'e0a' WHERE chunk_no = 2",
            "UPDATE backfill.checkpoint SET elapsed_ms = elapsed_ms + 1 WHERE chunk_no = 2",
            "UPDATE backfill.checkpoint SET updated = 3, skipped = 2 WHERE chunk_no = 2",
            "UPDATE backfill.checkpoint SET committed_at = committed_at + interval '1 microsecond'"
            " WHERE chunk_no = 2",
            "UPDATE backfill.checkpoint SET chain_hash = repeat('0', 64) WHERE chunk_no = 2",
        ],
    ),
)
def test_a_changed_checkpoint_is_named(bench: Bench, run_id: str, tampering: str) -> None:
    bench.sql(tampering)

    assert findings(bench, run_id)[0].startswith("Chunk 2: checkpoint, image or skips were changed")


def test_a_dropped_checkpoint_is_named(bench: Bench, run_id: str) -> None:
    bench.sql("DELETE FROM backfill.chunk_image WHERE chunk_no = 2")
    bench.sql("DELETE FROM backfill.checkpoint WHERE chunk_no = 2")

    found = findings(bench, run_id)

    assert found[0] == "Checkpoint 2 is missing."
    assert found[1].startswith("Chunk 3: checkpoint, image or skips were changed")
    assert found[2] == "Chunk 2: skips without a checkpoint."
    assert (
        f"The run is not complete: 7 of 12 rows have a checkpoint. Go on: backfill resume {run_id}"
        in found
    )


def test_one_changed_byte_of_an_image_is_named(bench: Bench, run_id: str) -> None:
    bench.sql(
        "UPDATE backfill.chunk_image"
        " SET image = set_byte(image, length(image) - 30, get_byte(image, length(image) - 30) # 1)"
        " WHERE chunk_no = 2"
    )

    assert findings(bench, run_id) == ["Chunk 2: its image is not the one that was written."]


def test_an_image_replaced_together_with_its_hash_breaks_the_chain(
    bench: Bench, run_id: str
) -> None:
    bench.sql(
        "UPDATE backfill.chunk_image AS i SET image = o.image, sha256 = o.sha256, rows = o.rows"
        " FROM backfill.chunk_image AS o WHERE o.chunk_no = 1 AND i.chunk_no = 2"
    )

    found = findings(bench, run_id)

    assert found[0].startswith("Chunk 2: checkpoint, image or skips were changed")
    assert "Chunk 2: 4 rows updated, but 5 in its image." in found


def test_a_changed_number_of_rows_of_an_image_is_named(bench: Bench, run_id: str) -> None:
    bench.sql("UPDATE backfill.chunk_image SET rows = rows + 1 WHERE chunk_no = 2")

    assert findings(bench, run_id)[0] == "Chunk 2: its image is not the one that was written."


def test_a_skip_of_a_chunk_that_never_was_is_named(bench: Bench, run_id: str) -> None:
    bench.sql(
        "INSERT INTO backfill.skip SELECT run_id, 9, 'e01', scope, '', reason, detail"
        " FROM backfill.skip"
    )

    assert findings(bench, run_id) == ["Chunk 9: skips without a checkpoint."]


def test_a_missing_image_is_named(bench: Bench, run_id: str) -> None:
    bench.sql("DELETE FROM backfill.chunk_image WHERE chunk_no = 3")

    assert "Chunk 3: its image is not the one that was written." in findings(bench, run_id)


@pytest.mark.parametrize(
    "tampering",
    longer_behind(
        2,
        [
            "UPDATE backfill.skip SET key = 'e08'",
            "UPDATE backfill.skip SET reason = 'missing_timezone'",
            "UPDATE backfill.skip SET detail = detail || ' '",
            "UPDATE backfill.skip SET chunk_no = 1",
            "DELETE FROM backfill.skip",
        ],
    ),
)
def test_a_changed_skip_is_named(bench: Bench, run_id: str, tampering: str) -> None:
    bench.sql(tampering)

    assert any("image or skips were changed" in text for text in findings(bench, run_id))


def test_a_row_that_holds_something_else_is_named_with_its_present_value(
    bench: Bench, run_id: str
) -> None:
    bench.sql("UPDATE events SET end_at_utc = 5 WHERE id = 'e02'")

    (found,) = findings(bench, run_id)

    assert found.startswith("Row e02 (chunk 1) is not as written: it is now {")
    assert '"end_at_utc": 5' in found


def test_a_deleted_row_is_named(bench: Bench, run_id: str) -> None:
    bench.sql("DELETE FROM events WHERE id = 'e02'")

    assert findings(bench, run_id) == ["Row e02 (chunk 1) is not as written: it was deleted."]


def test_rows_read_back_over_several_connections_are_told_in_the_order_of_the_chunks(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = bench.run(chunk_size=1).run_id
    bench.sql("UPDATE events SET end_at_utc = 5 WHERE id <> 'e06'")
    monkeypatch.setattr("backfill.steps.read_back.READ_BACK_ROWS", 2)
    ledger = Ledger(bench.connection)

    with Database(bench.dsn, is_embedded=False).lookers() as lookers:
        found = verify_run(ledger, ledger.get(run_id), kind_of("utc"), lookers)

    assert (found.rows, found.recomputed) == (12, 12)
    assert [text.split()[1] for text in found.findings] == [
        f"e{day:02d}" for day in range(1, 13) if day != 6
    ]


def test_a_server_that_goes_away_while_rows_are_read_back_ends_the_verification(
    bench: Bench, run_id: str
) -> None:
    ledger = Ledger(bench.connection)
    run = ledger.get(run_id)

    with Database(bench.dsn, is_embedded=False).lookers() as lookers:
        for looker in lookers:
            bench.sql("SELECT pg_terminate_backend(%s)", looker.info.backend_pid)
        with pytest.raises(psycopg.OperationalError):
            verify_run(ledger, run, kind_of("utc"), lookers)


def test_a_run_that_stopped_half_way_is_not_proven(bench: Bench) -> None:
    run_id = bench.plan().run_id

    def pause(name: str) -> None:
        if name == "after_commit":
            bench.sql("UPDATE backfill.run SET pause_requested = true")

    with pytest.raises(Interrupted):
        bench.apply_with(run_id, pause, chunk_rows=5)

    assert findings(bench, run_id) == [
        f"The run is not complete: 5 of 12 rows have a checkpoint. Go on: backfill resume {run_id}"
    ]


def test_a_value_that_the_rules_do_not_give_is_found_by_computing_it_again(bench: Bench) -> None:
    run_id = bench.plan().run_id
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("backfill.plans.plan.sha256_of", lambda _path: "0" * 64)
        wrong_plan(bench, run_id)
        bench.apply_with(run_id)
        with pytest.raises(VerifyFailed, match=r"Row e01 .* And 23 more\."):
            bench.apply(run_id)

    found = bench.verify(run_id)

    assert (found.disagreements, len(found.findings)) == (24, SHOWN)
    assert found.findings[0].startswith("Row e01 (chunk 1): start_at_utc is ")


def test_the_notebooks_verify_fails_with_its_own_exit_code(bench: Bench, run_id: str) -> None:
    bench.sql("UPDATE events SET end_at_utc = 5 WHERE id = 'e02'")

    with pytest.raises(VerifyFailed, match=f"Run {run_id} is not proven: Row e02") as failed:
        bench.apply(run_id)

    assert int(failed.value.exit_code) == 6


def wrong_plan(bench: Bench, run_id: str) -> None:
    """Replace the frozen changes by some that are an hour late, hashes and all."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from backfill.plans import plan

    folder = bench.folder(run_id)
    changes = pq.read_table(folder.file(plan.CHANGES_FILE))
    late = [
        {name: value + 3_600_000 for name, value in row.items()}
        for row in changes.column("after").to_pylist()
    ]
    place = changes.schema.get_field_index("after")
    changes = changes.set_column(
        place, changes.schema.field("after"), pa.array(late, changes.schema.field("after").type)
    )
    pq.write_table(changes, folder.file(plan.CHANGES_FILE))
    document = folder.read_json(plan.PLAN_FILE)
    document["changes_sha256"] = document["skips_sha256"] = "0" * 64
    document["plan_id"] = plan.plan_id_of(document)
    folder.write_json(plan.PLAN_FILE, document)
    bench.sql("UPDATE backfill.run SET plan_id = %s", document["plan_id"])


@pytest.mark.parametrize(
    ("change", "back", "says"),
    [
        ("RENAME start_at_utc TO utc", "RENAME utc TO start_at_utc", "start_at_utc does not exist"),
        ("RENAME TO past_events", "", r"public\.events\W does not exist"),
    ],
)
def test_a_table_that_is_not_what_it_was_is_told_and_the_run_is_proven_once_it_is(
    bench: Bench, change: str, back: str, says: str
) -> None:
    run_id = bench.run().run_id
    bench.sql(f"ALTER TABLE events {change}")

    with pytest.raises(PreflightError, match=f"{says}.* not what it was"):
        bench.verify(run_id)
    with pytest.raises(PreflightError, match=f"{says}.* not what it was"):
        bench.revert(run_id)

    if back:
        bench.sql(f"ALTER TABLE events {back}")
        assert bench.verify(run_id).is_proven
        bench.revert(run_id)
        assert set(bench.filled().values()) == {(None, None)}
