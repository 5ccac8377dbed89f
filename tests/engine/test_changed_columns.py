"""A column that gets another type between a plan and its apply, or before it is put back."""

from __future__ import annotations

import pytest
from psycopg import sql
from tests.engine.workshop import Bench

from backfill.errors import TooManyRefused

TYPED = "ALTER TABLE events ALTER start_at_utc TYPE {}, ALTER end_at_utc TYPE {}"


def alter(bench: Bench, kind: str) -> None:
    bench.sql(sql.SQL(TYPED).format(sql.SQL(kind), sql.SQL(kind)).as_string(None))


def test_a_type_that_keeps_less_is_named_and_no_trigger_is_blamed(bench: Bench) -> None:
    alter(bench, "numeric(20,3)")
    bench.sql("UPDATE events SET start_at = start_at + 1, end_at = end_at + 1")
    run_id = bench.plan().run_id
    alter(bench, "real")

    with pytest.raises(TooManyRefused):
        bench.apply_with(run_id)

    why = "public.events.start_at_utc is real now, and was numeric(20,3)"
    assert why in bench.messages()
    (detail,) = bench.sql("SELECT DISTINCT split_part(detail, ' for key', 1) FROM backfill.skip")[0]
    assert detail.startswith(why)
    assert detail.endswith("it stored another value than the plan's")
    assert "trigger" not in detail
    assert bench.filled()["e01"] == (None, None)


def test_a_type_that_keeps_all_is_told_of_and_every_row_is_written_and_put_back(
    bench: Bench,
) -> None:
    run_id = bench.plan().run_id
    before = bench.table()
    alter(bench, "numeric")

    applied = bench.apply_with(run_id)

    assert applied.counts.updated == 12
    assert "start_at_utc is numeric now, and was int8 when the plan was made" in bench.messages()
    bench.revert(run_id)
    assert bench.table() == before
