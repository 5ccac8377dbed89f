"""The inverse of a run: byte for byte, from the database alone, nobody trampled."""

from __future__ import annotations

import shutil
from typing import Any

import pytest
from tests.engine.workshop import Bench, noon_utc
from tests.longer import longer_behind

from backfill.errors import BackfillError, RowsDrifted, UsageError
from backfill.records.ledger import Ledger

ALL_NOONS = {f"e{day:02d}": noon_utc(day) for day in range(1, 13)}


def mix_in_filled_rows(bench: Bench) -> None:
    """Some rows have a value of their own already; a revert must keep it."""
    bench.sql("UPDATE events SET start_at_utc = 5 WHERE id = 'e02'")
    bench.sql("UPDATE events SET end_at_utc = 6 WHERE id = 'e03'")
    bench.sql("UPDATE events SET start_at_utc = 7, end_at_utc = 8 WHERE id = 'e04'")
    bench.sql("UPDATE events SET end_at = NULL WHERE id = 'e05'")


def test_a_reverted_run_leaves_the_table_as_it_was(bench: Bench) -> None:
    mix_in_filled_rows(bench)
    before = bench.table()
    run_id = bench.run(chunk_size=5).run_id
    assert bench.table() != before

    book = bench.revert(run_id)

    assert bench.table() == before
    assert bench.status(run_id) == "reverted"
    summary = bench.summary(book)
    assert (summary["total_updated"], summary["reverts"]) == (11, run_id)
    assert (summary["status"], summary["exit_code"]) == ("succeeded", 0)


def test_a_revert_is_a_dry_run_by_default(bench: Bench) -> None:
    run_id = bench.run().run_id
    after = bench.table()

    book = bench.revert(run_id, apply=False)

    assert bench.table() == after
    summary = bench.summary(book)
    assert (summary["dry_run"], summary["status"]) == (True, "planned")
    assert (summary["total_scanned"], summary["total_updated"]) == (12, 12)
    assert bench.status(run_id) == "succeeded"


def test_a_planned_revert_is_applied_like_any_plan(bench: Bench) -> None:
    before = bench.table()
    run_id = bench.run().run_id
    planned = bench.revert(run_id, apply=False)

    bench.apply(planned.run_id)

    assert bench.table() == before
    assert bench.status(run_id) == "reverted"


def test_a_revert_has_an_id_of_its_own(bench: Bench) -> None:
    run_id = bench.run().run_id

    revert_id = bench.revert(run_id).run_id

    assert "-revert-" in revert_id
    assert bench.sql("SELECT run_id, reverts FROM backfill.run ORDER BY reverts NULLS FIRST") == [
        (run_id, None),
        (revert_id, run_id),
    ]


@pytest.mark.parametrize(
    "edit",
    longer_behind(
        2,
        [
            "UPDATE events SET start_at_utc = 1 WHERE id = 'e03'",
            "UPDATE events SET start_at = 1 WHERE id = 'e03'",
            "UPDATE events SET tz = 'Asia/Tokyo' WHERE id = 'e03'",
        ],
    ),
)
def test_rows_edited_since_are_listed_and_left_alone(bench: Bench, edit: str) -> None:
    run_id = bench.run().run_id
    bench.sql(edit)
    edited = bench.sql("SELECT e::text FROM events AS e WHERE id = 'e03'")

    with pytest.raises(RowsDrifted) as drifted:
        bench.revert(run_id)

    assert int(drifted.value.exit_code) == 5
    assert bench.sql("SELECT e::text FROM events AS e WHERE id = 'e03'") == edited
    revert_id = newest(bench)
    assert bench.skips(revert_id) == {"e03": ("", "drifted")}
    assert bench.folder(revert_id).file("drifted.csv").read_text().count('"e03"') == 1
    assert {key for key, (start, _) in bench.filled().items() if start} == {"e03"}
    assert bench.status(run_id) == "succeeded"


def test_a_row_edited_between_the_reverts_plan_and_apply_is_left_alone(bench: Bench) -> None:
    run_id = bench.run().run_id
    planned = bench.revert(run_id, apply=False)
    bench.sql("UPDATE events SET end_at_utc = 1 WHERE id = 'e03'")

    with pytest.raises(RowsDrifted):
        bench.apply(planned.run_id)

    assert bench.filled()["e03"] == (noon_utc(3)[0], 1)
    assert bench.filled()["e04"] == (None, None)


def test_a_deleted_row_is_listed_by_the_revert(bench: Bench) -> None:
    run_id = bench.run().run_id
    bench.sql("DELETE FROM events WHERE id = 'e03'")

    with pytest.raises(RowsDrifted):
        bench.revert(run_id)

    detail = bench.scalar("SELECT detail FROM backfill.skip WHERE key = 'e03'")
    assert detail == "the row was deleted"


def test_edits_of_other_columns_and_households_do_not_hinder_a_revert(bench: Bench) -> None:
    bench.sql("UPDATE events SET tz = NULL WHERE id = 'e02'")
    run_id = bench.run().run_id
    bench.sql("UPDATE events SET title = 'Edited' WHERE id = 'e03'")
    bench.sql("UPDATE household SET tz = 'Asia/Tokyo'")

    bench.revert(run_id)

    assert set(bench.filled().values()) == {(None, None)}
    assert bench.scalar("SELECT title FROM events WHERE id = 'e03'") == "Edited"


def test_a_row_put_back_by_hand_counts_as_unchanged(bench: Bench) -> None:
    run_id = bench.run().run_id
    bench.sql("UPDATE events SET start_at_utc = NULL, end_at_utc = NULL WHERE id = 'e03'")

    summary = bench.summary(bench.revert(run_id))

    assert (summary["total_updated"], summary["total_unchanged"]) == (11, 1)
    assert bench.status(run_id) == "reverted"


def test_a_revert_of_a_revert_writes_the_values_again(bench: Bench) -> None:
    run_id = bench.run().run_id
    revert_id = bench.revert(run_id).run_id

    bench.revert(revert_id)

    assert bench.filled() == ALL_NOONS
    assert (bench.status(run_id), bench.status(revert_id)) == ("succeeded", "reverted")
    assert bench.verify(run_id).findings == []


def test_a_reverted_run_can_be_done_anew(bench: Bench) -> None:
    run_id = bench.run().run_id
    bench.revert(run_id)

    again = bench.run()

    assert again.run_id != run_id
    assert bench.filled() == ALL_NOONS


def test_a_run_is_reverted_when_all_of_runs_is_gone(bench: Bench) -> None:
    mix_in_filled_rows(bench)
    before = bench.table()
    run_id = bench.run(chunk_size=5).run_id
    shutil.rmtree(bench.runs)

    bench.revert(run_id)

    assert bench.table() == before


def test_an_interrupted_run_is_reverted_as_far_as_it_came(bench: Bench) -> None:
    before = bench.table()
    run_id = bench.plan().run_id

    def pause(name: str) -> None:
        if name == "after_commit":
            bench.sql("UPDATE backfill.run SET pause_requested = true")

    with pytest.raises(BackfillError):
        bench.apply_with(run_id, pause, chunk_rows=5)

    summary = bench.summary(bench.revert(run_id))

    assert summary["total_updated"] == 5
    assert bench.table() == before


def test_a_running_run_is_not_reverted(bench: Bench) -> None:
    run_id = bench.plan().run_id
    refused: list[str] = []

    def try_revert(name: str) -> None:
        if name == "before_fence" and not refused:
            with pytest.raises(UsageError, match="backfill cancel") as error:
                bench.revert(run_id)
            refused.append(str(error.value))

    bench.apply_with(run_id, try_revert)

    assert refused[0].startswith(f"Run {run_id} is running. Stop it first")


def test_a_run_that_wrote_nothing_has_an_empty_revert(bench: Bench) -> None:
    bench.sql("UPDATE events SET tz = 'Nowhere'")
    run_id = bench.run().run_id

    summary = bench.summary(bench.revert(run_id))

    assert (summary["total_scanned"], summary["status"]) == (0, "succeeded")


def test_a_reverted_run_can_not_be_reverted_again(bench: Bench) -> None:
    run_id = bench.run().run_id
    bench.revert(run_id)
    before = bench.table()

    summary = bench.summary(bench.revert(run_id))

    assert (summary["total_updated"], summary["total_unchanged"]) == (0, 12)
    assert bench.table() == before


def test_latest_means_the_newest_run_that_changed_a_row(bench: Bench) -> None:
    before = bench.table()
    wrote = bench.run().run_id
    found_nothing = bench.run().run_id
    bench.plan()

    ledger = Ledger(bench.connection)
    assert ledger.get("latest", has_started=True).run_id == found_nothing
    book = bench.revert("latest", apply=False)

    assert bench.summary(book)["reverts"] == wrote
    assert f"puts back  run {wrote}" in repr(book)
    bench.revert(wrote)
    assert bench.table() == before


def test_latest_never_means_the_run_that_is_reverting(bench: Bench) -> None:
    run_id = bench.run().run_id

    book = bench.revert("latest", apply=False)

    assert bench.summary(book)["reverts"] == run_id


def newest(bench: Bench) -> str:
    found: Any = bench.scalar("SELECT run_id FROM backfill.run ORDER BY planned_at DESC LIMIT 1")
    return str(found)
