"""Tables of strangers that leave something open: warned of, proven, or refused with the mend."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.engine.workshop import Bench, load_nothing
from tests.jobs.command_line import run_here
from tests.jobs.conftest import BenchFrom
from tests.jobs.test_strangers_tables import utc

from backfill.errors import PreflightError, UsageError


def planned(bench: Bench, tmp_path: Path, text: str, **given: Any) -> Any:
    path = tmp_path / "table.toml"
    path.write_text(text, encoding="utf-8")
    return bench.plan(table=str(path), **given)


@pytest.mark.parametrize("said", ["", 'target_unit = "ms"\n'])
def test_a_unit_that_nobody_told_is_warned_of_and_one_that_was_said_is_not(
    bench_from: BenchFrom, tmp_path: Path, said: str
) -> None:
    bench = bench_from("nothing", load_nothing)
    bench.sql(
        "CREATE TABLE beat (id int PRIMARY KEY, t_wall bigint, t_utc bigint);"
        "INSERT INTO beat VALUES (1, 1775275440, NULL);"
    )
    pair = '[[pair]]\nwall = "t_wall"\nunit = "s"\ntarget = "t_utc"\n'

    planned(bench, tmp_path, f'table = "beat"\nzone = "=Asia/Manila"\n{pair}{said}')

    assert ("t_utc gets milliseconds: no filled row tells" in bench.messages()) is (not said)


def test_repair_replaces_a_target_that_holds_no_date_and_proves_it(
    bench_from: BenchFrom, tmp_path: Path
) -> None:
    bench = bench_from("nothing", load_nothing)
    bench.sql(
        "CREATE TABLE due (id int PRIMARY KEY, at_wall timestamp, at_utc timestamptz"
        " NOT NULL DEFAULT '-infinity', other_wall timestamp, other_utc timestamptz);"
        "INSERT INTO due VALUES (1, '2026-04-04 04:04', DEFAULT, '-infinity'),"
        " (2, '2026-04-04 04:04', 'epoch', '2026-04-04 04:04');"
    )
    text = (
        'table = "due"\nzone = "=Asia/Manila"\nmissing = ["-infinity"]\n'
        '[[pair]]\nwall = "at_wall"\ntarget = "at_utc"\n'
        '[[pair]]\nwall = "other_wall"\ntarget = "other_utc"\n'
    )

    planned(bench, tmp_path, text)
    checked = run_here(
        bench.dsn, bench.runs, "check", "--deep", "--table", str(tmp_path / "table.toml")
    )
    book = planned(bench, tmp_path, text, repair=True)
    bench.apply(book.run_id)

    assert (checked.code, checked.summary["total_differing"]) == (8, 2)
    assert "2 sampled rows is not NULL and holds no instant" in bench.messages()
    meant = utc("2026-04-04 04:04", "Asia/Manila")
    assert bench.sql("SELECT at_utc, other_utc FROM due ORDER BY id") == [
        (meant, None),
        (meant, meant),
    ]
    assert bench.verify(book.run_id).findings == []


@pytest.mark.parametrize(
    ("ddl", "text", "told"),
    [
        (
            "CREATE TABLE m (id int PRIMARY KEY, w timestamp, u timestamptz)",
            'zone = "=Asia/Manila"\nmissing = ["never"]\n[[pair]]\nwall = "w"\ntarget = "u"\n',
            "no wall column of public.m can hold it",
        ),
        (
            "CREATE TABLE m (id int PRIMARY KEY, w bigint, u_utc_ns bigint)",
            'zone = "=Asia/Manila"\n[[pair]]\nwall = "w"\ntarget = "u_utc_ns"\n',
            'target_unit = "ns"',
        ),
        (
            "CREATE TABLE m (id int PRIMARY KEY, w timestamp, o text, u timestamptz);"
            "INSERT INTO m VALUES (1, '2026-01-01', '330', NULL)",
            'offset = { column = "o" }\n',
            "holds numbers as text, like '330'",
        ),
        (
            "CREATE TABLE m (id int PRIMARY KEY, w timestamp, o int, u timestamptz);"
            "INSERT INTO m VALUES (1, '2026-01-01 10:00', 180, '2026-01-01 13:00+00'),"
            " (2, '2026-01-01', 60, NULL)",
            'offset = { column = "o", unit = "minutes" }\n',
            'offset = { column = "o", unit = "minutes_west" }',
        ),
        (
            "CREATE TABLE m (id int PRIMARY KEY, d text, t text, u timestamptz);"
            "INSERT INTO m VALUES (1, '13.02.2026', '9.30', NULL)",
            'zone = "=Asia/Manila"\n[[pair]]\nwall = ["d", "t"]\ntarget = "u"\n',
            'format = "%d.%m.%Y %H.%M"',
        ),
        (
            "CREATE TABLE m (id int PRIMARY KEY, w timestamp, u timestamptz);"
            "CREATE FUNCTION ours(int) RETURNS bool LANGUAGE sql AS 'SELECT $1 > 2'",
            'zone = "=Asia/Manila"\nwhere = "ours(id)"\n[[pair]]\nwall = "w"\ntarget = "u"\n',
            "with their schema, like app.is_live(kind)",
        ),
        (
            "CREATE TABLE m (id int PRIMARY KEY, w timestamp, u timestamptz)",
            'zone = "=Asia/Manila"\nwhere = "id>3) OR (true"\n[[pair]]\nwall = "w"\ntarget = "u"\n',
            'syntax error at or near ")"',
        ),
    ],
)
def test_what_would_be_read_wrongly_or_not_at_all_is_refused_with_its_mend(
    bench_from: BenchFrom, tmp_path: Path, ddl: str, text: str, told: str
) -> None:
    bench = bench_from("nothing", load_nothing)
    bench.sql(ddl)
    pair = "" if "[[pair]]" in text else '[[pair]]\nwall = "w"\ntarget = "u"\n'

    with pytest.raises((PreflightError, UsageError)) as refused:
        planned(bench, tmp_path, f'table = "m"\n{pair}{text}')

    assert told in str(refused.value)
