"""Rows of a lookup that count at the same time: told of, or refused where nobody says which."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.engine.workshop import load_nothing
from tests.jobs.conftest import BenchFrom
from tests.jobs.kept_tables import PAIR, planned, utc
from tests.longer import longer_behind

from backfill.errors import PreflightError

SEOUL, DILI = "'Asia/Seoul'", "'Asia/Dili'"
LOOKUP = '[[lookup]]\nname = "stay"\ntable = "stay"\nby = "crew"\nkey = "crew"\n'
DATES = ("begun date, gone date", 'from = "begun"\nuntil = "gone"\nuntil_day = "included"\n')
MOMENTS = ("begun timestamp, gone timestamp", 'from = "begun"\nuntil = "gone"\n')
RANGE = ("held daterange", 'from = "held"\n')
#: What bounds a stay, the stays of a crew, and how many of them are told of.
STAYS = {
    "one that never ended": (
        DATES,
        [f"'2026-01-01', NULL, {SEOUL}", f"'2026-03-01', '2026-06-30', {DILI}"],
        1,
    ),
    "one that ends on the day before": (
        DATES,
        [f"'2026-01-01', '2026-03-01', {SEOUL}", f"'2026-03-02', NULL, {DILI}"],
        0,
    ),
    "two that say the same": (
        DATES,
        [f"'2026-01-01', '2026-05-01', {DILI}", f"'2026-03-02', NULL, {DILI}"],
        0,
    ),
    "one that never counts": (
        MOMENTS,
        [f"'2026-03-02', '2026-01-01', {SEOUL}", f"'2026-01-01', NULL, {DILI}"],
        0,
    ),
    "one within another, and one behind": (
        MOMENTS,
        [
            f"NULL, '2026-05-01', {SEOUL}",
            f"'2026-02-01', '2026-02-02', {SEOUL}",
            f"'2026-03-01', NULL, {DILI}",
        ],
        1,
    ),
    "ranges that meet": (
        RANGE,
        [f"'[2026-01-01,2026-06-30)', {SEOUL}", f"'[2026-03-29,)', {DILI}", f"'empty', {SEOUL}"],
        1,
    ),
    "ranges that follow each other": (
        RANGE,
        [f"'[2026-01-01,2026-03-30)', {SEOUL}", f"'[2026-03-30,)', {DILI}", f"'empty', {SEOUL}"],
        0,
    ),
}


@pytest.mark.parametrize("name", longer_behind(3, STAYS))
def test_periods_that_meet_are_told_of_where_they_differ_and_the_last_one_counts(
    bench_from: BenchFrom, tmp_path: Path, name: str
) -> None:
    bench = bench_from("nothing", load_nothing)
    (columns, bounds), stays, told = STAYS[name]
    bench.sql(f"CREATE TABLE stay (crew text, {columns}, tz text)")
    bench.sql("INSERT INTO stay VALUES " + ", ".join(f"('x', {stay})" for stay in stays))
    bench.sql("CREATE TABLE t (id int PRIMARY KEY, crew text, w timestamp, u timestamptz)")
    bench.sql("INSERT INTO t VALUES (1, 'x', '2026-04-01 08:00')")

    planned(bench, tmp_path, f'zone = "stay.tz"\n{LOOKUP}{bounds}{PAIR}', apply=True)

    assert bench.sql("SELECT u FROM t") == [(utc("2026-04-01 08:00", "Asia/Dili"),)]
    said = f"has {told} row in public.stay that begin"
    assert (said in bench.messages()) is bool(told)
    assert ("while an earlier one still does" in bench.messages()) is bool(told)


@pytest.mark.parametrize(
    ("form", "stays"),
    [
        (RANGE, ["'[2026-01-01,2026-06-30)', 'Asia/Seoul'", "'[2026-01-01,)', 'Asia/Dili'"]),
        (MOMENTS, ["NULL, '2026-06-30', 'Asia/Seoul'", "'-infinity', NULL, 'Asia/Dili'"]),
    ],
)
def test_periods_of_one_beginning_are_refused(
    bench_from: BenchFrom, tmp_path: Path, form: tuple[str, str], stays: list[str]
) -> None:
    bench = bench_from("nothing", load_nothing)
    bench.sql(f"CREATE TABLE stay (crew text, {form[0]}, tz text)")
    bench.sql("INSERT INTO stay VALUES " + ", ".join(f"('x', {stay})" for stay in stays))
    bench.sql("CREATE TABLE t (id int PRIMARY KEY, crew text, w timestamp, u timestamptz)")

    with pytest.raises(PreflightError, match="which of them is meant nobody says"):
        planned(bench, tmp_path, f'zone = "stay.tz"\n{LOOKUP}{form[1]}{PAIR}')
