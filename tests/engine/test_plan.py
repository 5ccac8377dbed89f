"""What was approved is what is written: a plan that was changed, or does not fit, is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.engine.workshop import NOON_MS, Bench, load_noons
from tests.longer import longer_behind

from backfill.errors import StalePlan
from backfill.folder import RunFolder
from backfill.plans import plan
from backfill.steps.task import Recomputed

if TYPE_CHECKING:
    from tests.conftest import DatabaseFrom


def edit_scope(folder: RunFolder) -> None:
    document = folder.read_json("plan.json")
    document["scope"]["members"] = ["hh_north"]
    folder.write_json("plan.json", document)


def edit_count(folder: RunFolder) -> None:
    document = folder.read_json("plan.json")
    document["changes"] += 1
    folder.write_json("plan.json", document)


def edit_changes(folder: RunFolder) -> None:
    path = folder.file("changes.parquet")
    changes = pq.read_table(path)
    place = changes.schema.get_field_index("key")
    keys = ["e99", *changes.column("key").to_pylist()[1:]]
    pq.write_table(changes.set_column(place, "key", pa.array(keys)), path)


def edit_skips(folder: RunFolder) -> None:
    path = folder.file("plan_skips.csv")
    path.write_text(path.read_text() + '"12","e13","hh_demo","tz","missing_timezone",""\n')


def cut_off(folder: RunFolder) -> None:
    path = folder.file("plan.json")
    path.write_text(path.read_text()[:100])


def forget_changes(folder: RunFolder) -> None:
    folder.file("changes.parquet").unlink()


def rename_run(folder: RunFolder) -> None:
    document = folder.read_json("plan.json")
    document["run_id"] = "20260101T000000Z-utc-abcdef"
    folder.write_json("plan.json", document)


@pytest.mark.parametrize(
    ("edit", "named"),
    [
        (edit_scope, "plan.json"),
        (edit_count, "plan.json"),
        (edit_changes, "changes.parquet"),
        (edit_skips, "plan_skips.csv"),
        (cut_off, "plan.json"),
        (forget_changes, "changes.parquet"),
        (rename_run, "plan.json"),
    ],
)
def test_a_plan_edited_by_hand_is_refused_and_the_file_named(
    bench: Bench, edit: Callable[[RunFolder], None], named: str
) -> None:
    run_id = bench.plan().run_id
    edit(bench.folder(run_id))

    with pytest.raises(StalePlan, match=named) as refused:
        bench.apply_with(run_id)

    assert int(refused.value.exit_code) == 5
    assert "Make a new plan: backfill utc" in str(refused.value)
    assert bench.status(run_id) == "planned"
    assert set(bench.filled().values()) == {(None, None)}


def test_a_revert_that_was_edited_is_to_be_planned_as_a_revert(bench: Bench) -> None:
    run_id = bench.run().run_id
    revert = bench.revert(run_id, apply=False)
    edit_changes(bench.folder(revert.run_id))

    with pytest.raises(StalePlan, match=f"Make a new plan: backfill revert {run_id}"):
        bench.apply_with(revert.run_id)


def test_a_plan_rehashed_after_an_edit_is_not_the_one_that_the_database_knows(
    bench: Bench,
) -> None:
    run_id = bench.plan().run_id
    folder = bench.folder(run_id)
    document = folder.read_json("plan.json")
    document["settings"]["fold"] = "later"
    document["plan_id"] = plan.plan_id_of(document)
    folder.write_json("plan.json", document)

    with pytest.raises(StalePlan, match="its plan differs"):
        bench.apply_with(run_id)

    assert set(bench.filled().values()) == {(None, None)}


def test_another_database_behind_the_same_url_is_refused(
    bench: Bench, database_from: DatabaseFrom, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = bench.plan().run_id
    other = database_from("noons", load_noons)

    bench.dsn = other
    with pytest.raises(StalePlan, match="its database differs") as refused:
        bench.apply_with(run_id)

    assert "Nothing was written" in str(refused.value)
    with psycopg.connect(other) as connection:
        rows = connection.execute("SELECT count(*) FROM events WHERE start_at_utc IS NOT NULL")
        assert rows.fetchone() == (0,)


def test_a_run_is_refused_when_the_time_zone_data_changed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = bench.plan().run_id
    monkeypatch.setattr("backfill.steps.running.tzdata_version", lambda: "2031.1")

    with pytest.raises(StalePlan, match=r"\(tzdata\) differs.*now it is 2031\.1"):
        bench.apply_with(run_id)


def test_an_update_of_the_time_zone_data_hinders_no_revert(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = bench.table()
    run_id = bench.run().run_id
    monkeypatch.setattr("backfill.steps.running.tzdata_version", lambda: "2031.1")

    bench.revert(run_id)

    assert bench.table() == before


def test_a_plan_of_another_version_is_written_where_this_one_computes_the_same(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def recompute(_target: object, rows: pa.Table) -> Recomputed:
        return Recomputed(rows.num_rows, [(2, "wrong")])

    run_id = bench.plan().run_id
    with monkeypatch.context() as patch:
        patch.setattr("backfill.jobs.utc.kind.recompute", recompute)
        patch.setattr("backfill.steps.running.code_digest", lambda: "of today")
        with pytest.raises(StalePlan, match=r"otherwise: row e03: wrong\. Nothing .* backfill utc"):
            bench.apply_with(run_id)
        assert bench.status(run_id) == "planned"
        patch.undo()
        patch.setattr("backfill.steps.running.code_digest", lambda: "of today")
        bench.apply_with(run_id)

    assert bench.status(run_id) == "succeeded"


def test_a_run_is_refused_when_its_settings_are_not_those_of_its_row(bench: Bench) -> None:
    run_id = bench.plan().run_id
    bench.sql("UPDATE backfill.run SET settings_fingerprint = 'another'")

    with pytest.raises(StalePlan, match="its settings differs"):
        bench.apply_with(run_id)


def test_equal_rows_and_settings_give_an_equal_plan(bench: Bench) -> None:
    first, second = bench.plan(), bench.plan()

    plans = [bench.folder(book.run_id).read_json("plan.json") for book in (first, second)]
    assert plans[0]["plan_id"] == plans[1]["plan_id"]
    assert plans[0].pop("run_id") != plans[1].pop("run_id")
    assert plans[0] == plans[1]


@pytest.mark.parametrize(
    "settings",
    longer_behind(
        3,
        [
            {"fold": "later"},
            {"gap": "skip"},
            {"default_tz": "Asia/Tokyo"},
            {"strict": True},
            {"skip_deleted": True},
            {"household_id": "hh_demo"},
        ],
    ),
)
def test_every_setting_that_decides_a_value_is_in_the_fingerprint(
    bench: Bench, settings: dict[str, object]
) -> None:
    plain = bench.folder(bench.plan().run_id).read_json("plan.json")

    other = bench.folder(bench.plan(**settings).run_id).read_json("plan.json")

    assert plain["settings_fingerprint"] != other["settings_fingerprint"]
    assert plain["plan_id"] != other["plan_id"]


def test_settings_that_only_decide_how_to_write_are_not_in_the_fingerprint(bench: Bench) -> None:
    plain = bench.folder(bench.plan().run_id).read_json("plan.json")

    other = bench.folder(bench.plan(chunk_size=3, lease_seconds=9).run_id).read_json("plan.json")

    assert plain["plan_id"] == other["plan_id"]


def test_the_changes_file_has_its_documented_columns_and_a_row_per_change(bench: Bench) -> None:
    bench.sql("UPDATE events SET tz = 'Nowhere' WHERE id = 'e03'")

    book = bench.plan()

    changes = pq.read_table(book.folder.file("changes.parquet"))
    assert changes.column_names == [
        *("position", "key", "scope", "kind", "rule"),
        *("warnings", "source", "before", "after", "why"),
    ]
    assert changes.column("position").to_pylist() == [0, 1, 3, 4, 5, 6, 7, 8, 9, 10, 11]
    assert set(changes.column("kind").to_pylist()) == {"added"}


def test_a_cell_that_is_run_again_after_the_plan_leaves_the_plan_alone(bench: Bench) -> None:
    book = bench.plan()
    changes = book.folder.file("changes.parquet")
    before = changes.stat()
    bench.add_event("e99", start_at=NOON_MS, tz="Europe/Stockholm")

    for again in (book.extract, book.compute, book.plan):
        again()

    assert changes.stat().st_mtime_ns == before.st_mtime_ns
    bench.apply_with(book.run_id)
    assert bench.filled()["e99"] == (None, None)


def test_the_analysts_tables_stay_when_the_plan_has_given_its_memory_back(bench: Bench) -> None:
    book = bench.plan()

    tables = {row[0] for row in book.duckdb.sql("SHOW TABLES").fetchall()}
    late = book.duckdb.sql(
        "SELECT key, why.zone FROM changes WHERE why.start_at_kind = 'normal'"
        " ORDER BY position DESC LIMIT 2"
    )

    assert {"extracted", "changes", "skips", "questions"} <= tables
    assert late.fetchall() == [("e12", "Europe/Stockholm"), ("e11", "Europe/Stockholm")]
    assert len(book.extracted) == len(book.changes) == 12


def test_a_dry_run_writes_nothing_but_its_own_record(bench: Bench) -> None:
    before = [bench.table(), bench.table("household")]

    book = bench.plan()

    assert [bench.table(), bench.table("household")] == before
    counted = bench.sql(
        "SELECT (SELECT count(*) FROM backfill.checkpoint), (SELECT count(*) FROM backfill.skip),"
        " (SELECT count(*) FROM backfill.chunk_image)"
    )
    assert counted == [(0, 0, 0)]
    assert bench.status(book.run_id) == "planned"


def test_a_dry_run_fires_no_trigger_of_the_users_tables(bench: Bench) -> None:
    bench.sql(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'a dry run wrote'; END $$"
    )
    for table in ("events", "household"):
        bench.sql(
            f"CREATE TRIGGER refuse BEFORE INSERT OR UPDATE OR DELETE ON {table}"
            " EXECUTE FUNCTION refuse()"
        )

    summary = bench.summary(bench.plan())

    assert (summary["total_updated"], summary["exit_code"]) == (12, 0)
