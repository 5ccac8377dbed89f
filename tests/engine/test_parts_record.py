"""What is kept of parts, for verify, revert, status and the folder; runs from before them."""

from __future__ import annotations

import secrets

import pytest
from psycopg.conninfo import make_conninfo
from tests.engine.in_parts import ALL_NOONS, evidence, filled
from tests.engine.workshop import NOON_MS, Bench
from tests.longer import longer

from backfill.command.status_view import status_document, status_text
from backfill.errors import Interrupted, PreflightError, UsageError


@pytest.mark.parametrize(
    "change",
    [
        "selection = '{}'",
        *longer("selection = jsonb_build_object('only', 'key <= ''e05''')"),
        "approved_by = 'somebody else'",
        *longer("approved_at = approved_at + interval '1 second'"),
        *longer("positions_sha256 = md5(positions_sha256)"),
    ],
)
def test_verify_and_evidence_check_find_a_changed_part(bench: Bench, change: str) -> None:
    run_id = bench.plan().run_id
    bench.apply(run_id, only="key <= 'e04'")
    bench.apply(run_id)
    assert evidence(bench, run_id) == []

    bench.sql(f"UPDATE backfill.part SET {change} WHERE part_no = 1")

    assert "Chunk 1: " in bench.verify(run_id).findings[0]
    assert "record of its range or part" in bench.verify(run_id).findings[0]
    assert "parts.csv and the database differ." in evidence(bench, run_id)


def test_verify_finds_a_part_whose_count_was_changed(bench: Bench) -> None:
    run_id = bench.plan().run_id
    bench.apply(run_id, only="key <= 'e04'")

    bench.sql("UPDATE backfill.part SET rows = 5")

    assert "Part 1: it covers 5 rows, its ranges end at 4." in bench.verify(run_id).findings


def test_a_run_applied_in_part_is_reverted(bench: Bench) -> None:
    before = bench.table()
    run_id = bench.plan().run_id
    bench.apply(run_id, only="key IN ('e02', 'e07')", chunk_size=1)
    bench.apply(run_id, only="key IN ('e03', 'e01')", chunk_size=1)

    bench.revert(run_id)

    assert bench.table() == before
    assert bench.status(run_id) == "reverted"


def test_a_revert_applied_in_part_does_not_mark_its_run_as_reverted(bench: Bench) -> None:
    run_id = bench.run().run_id
    revert_id = bench.revert(run_id, apply=False).run_id

    bench.apply(revert_id, only="key <= 'e04'")
    assert bench.status(run_id) == "succeeded"
    bench.apply(revert_id)

    assert bench.status(run_id) == "reverted"
    assert filled(bench) == []


def test_status_tells_the_parts_and_who_approved_them(bench: Bench) -> None:
    run_id = bench.plan().run_id
    bench.apply(run_id, only="key <= 'e04'")

    document = status_document(bench.connection, run_id)

    assert [(part["part_no"], part["rows"]) for part in document["parts"]] == [(1, 4)]
    assert "Part 1 (key <= 'e04'): 4 rows, approved by " in status_text(document)
    assert document["remaining"] == 8


def test_the_folder_keeps_what_was_approved(bench: Bench) -> None:
    run_id = bench.plan().run_id
    bench.apply(run_id, canary="2")

    folder = bench.folder(run_id)
    assert '"1","{""canary"": ""2""}","2"' in folder.file("parts.csv").read_text()
    assert folder.file("ranges.csv").read_text().splitlines()[1] == '"1","1","0","2","1"'
    assert "parts.csv" in folder.file("SHA256SUMS").read_text()


def test_verify_knows_runs_of_the_version_without_parts(bench: Bench) -> None:
    run_id = bench.plan().run_id
    make_old(bench, run_id, "applied whole")

    assert bench.verify(run_id).findings == []
    assert status_document(bench.connection, run_id)["parts"] == []


def test_a_run_that_an_earlier_version_began_is_finished(bench: Bench) -> None:
    run_id = bench.plan().run_id
    make_old(bench, run_id, "stopped half way")
    with pytest.raises(UsageError, match="begun as a whole, by an earlier version"):
        bench.apply_with(run_id, only="key > 'e08'")

    bench.apply_with(run_id, workers=2, chunk_rows=2)

    assert bench.filled() == ALL_NOONS
    assert [c[0] for c in bench.checkpoints(run_id)][:4] == [1, 2, 3, 6]
    assert bench.verify(run_id).findings == []


def test_a_role_that_may_not_bring_old_tables_up_to_date_is_told_who_may(bench: Bench) -> None:
    run_id = bench.plan().run_id
    make_old(bench, run_id, "stopped half way")
    role = f"backfill_old_{secrets.token_hex(4)}"
    bench.sql(f"CREATE ROLE {role} LOGIN")
    for right in ("USAGE ON SCHEMA backfill", "ALL ON ALL TABLES IN SCHEMA backfill, public"):
        bench.sql(f"GRANT {right} TO {role}")
    bench.dsn = make_conninfo(bench.dsn, user=role)

    try:
        with pytest.raises(PreflightError, match=r"earlier version.*owner.*backfill grants"):
            bench.apply_with(run_id)
    finally:
        bench.sql(f"DROP OWNED BY {role}")
        bench.sql(f"DROP ROLE {role}")

    assert len(filled(bench)) == 4


def make_old(bench: Bench, run_id: str, how: str) -> None:
    """Leave the database as the version before parts and ranges would have."""

    def pause(name: str) -> None:
        if name == "after_commit" and len(bench.checkpoints(run_id)) == 2:
            bench.sql("UPDATE backfill.run SET pause_requested = true")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("backfill.records.parts.Part.chain_start", lambda *_: "0" * 64)
        if how == "applied whole":
            bench.apply_with(run_id)
        else:
            with pytest.raises(Interrupted):
                bench.apply_with(run_id, pause, chunk_rows=2)
    bench.sql("ALTER TABLE backfill.checkpoint DROP COLUMN range_no")
    bench.sql("DROP TABLE backfill.range, backfill.part, backfill.applier")


def test_the_summary_of_a_run_in_one_piece_is_as_before(bench: Bench) -> None:
    bench.sql("UPDATE events SET start_at = %s WHERE id = 'e01'", NOON_MS)

    assert "parts" not in bench.summary(bench.run())
