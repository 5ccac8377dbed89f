"""Instants where a column has room for less: fewer digits, fewer letters, a shorter time."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.engine.workshop import Bench, load_nothing, utc
from tests.jobs.command_line import run_here
from tests.jobs.conftest import BenchFrom
from tests.longer import longer_behind

from backfill.errors import PreflightError, UsageError

PAIR = '[[pair]]\nwall = "w"\ntarget = "u"\n'
DUBLIN = f'table = "t"\nzone = "=Europe/Dublin"\n{PAIR}'


def planned(bench: Bench, tmp_path: Path, spec: str, **given: Any) -> Any:
    path = tmp_path / "t.toml"
    path.write_text(spec, encoding="utf-8")
    return bench.plan(table=str(path), **given)


@pytest.mark.parametrize(
    ("kind", "more", "walls", "expected"),
    longer_behind(
        3,
        [
            ("timestamptz(0)", "", ["2026-08-02 11:30:00.7"], [utc("2026-08-02 10:30:00")]),
            ("timestamp(2)", "", ["1969-08-02 11:30:00.129"], ["1969-08-02 10:30:00.12"]),
            ("varchar(23)", "", ["2026-08-02 11:30:00.129"], ["2026-08-02T10:30:00.12Z"]),
            ("char(20)", "", ["2026-08-02 11:30:00.129"], ["2026-08-02T10:30:00Z"]),
            (
                "numeric(9)",
                'target_unit = "s"\n',
                ["1991-08-02 11:30", "2026-08-02"],
                [681129000, None],
            ),
            (
                "numeric(10,1)",
                'target_unit = "s"\n',
                ["2026-08-02", "1991-08-02"],
                [None, 681087600],
            ),
        ],
    ),
)
def test_an_instant_is_planned_as_its_column_can_hold_it(
    bench_from: BenchFrom,
    tmp_path: Path,
    kind: str,
    more: str,
    walls: list[str],
    expected: list[object],
) -> None:
    bench = bench_from("nothing", load_nothing)
    bench.sql(f"CREATE TABLE t (id serial PRIMARY KEY, w timestamp, u {kind})")
    for wall in walls:
        bench.sql("INSERT INTO t (w) VALUES (%s)", wall)
    before = bench.table("t")

    book = planned(bench, tmp_path, DUBLIN + more, apply=True)

    shown = "u" if "numeric" in kind or "tz" in kind else "u::text"
    assert [row[0] for row in bench.sql(f"SELECT {shown} FROM t ORDER BY id")] == expected
    assert all(
        reason == "invalid_timestamp" for _column, reason in bench.skips(book.run_id).values()
    )
    proof = bench.verify(book.run_id)
    assert (proof.findings, proof.recomputed) == ([], proof.rows)
    bench.revert(book.run_id)
    assert bench.table("t") == before


@pytest.mark.parametrize("kind", ["timestamptz(0)", "numeric(12,1)"])
def test_what_others_rounded_is_no_other_value(
    bench_from: BenchFrom, tmp_path: Path, kind: str
) -> None:
    bench = bench_from("nothing", load_nothing)
    unit = 'target_unit = "s"\n' if "numeric" in kind else ""
    value = "extract(epoch FROM at)" if "numeric" in kind else "at"
    bench.sql(
        f"CREATE TABLE t (id int PRIMARY KEY, w timestamp, u {kind});"
        f"INSERT INTO t SELECT i, at AT TIME ZONE 'UTC', {value} FROM generate_series(1, 9) AS i,"
        " LATERAL (SELECT timestamptz '2026-01-31 04:00Z' + i * interval '0.17 s' AS at) AS at;"
        "UPDATE t SET u = u + (CASE WHEN pg_typeof(u)::text = 'numeric' THEN '60' ELSE '60 s' END)"
        f"::{'numeric' if 'numeric' in kind else 'interval'} WHERE id = 4"
    )
    spec = f'table = "t"\nzone = "=Europe/London"\n{PAIR}{unit}'
    planned(bench, tmp_path, spec)

    checked = run_here(
        bench.dsn, bench.runs, "check", "--deep", "--table", str(tmp_path / "t.toml")
    )

    assert (checked.code, checked.summary["total_differing"]) == (8, 1)


def test_an_instant_in_a_text_is_cut_down_and_proven(bench_from: BenchFrom, tmp_path: Path) -> None:
    bench = bench_from("nothing", load_nothing)
    bench.sql(
        "CREATE TABLE t (id int PRIMARY KEY, w text, u bigint);"
        "INSERT INTO t VALUES (1, '2026-08-02T11:30:00.75+05:45', NULL)"
    )
    spec = DUBLIN + 'target_unit = "s"\noffset_in_text = "use"\n'

    book = planned(bench, tmp_path, spec, apply=True)

    assert bench.sql("SELECT u FROM t") == [(1785649500,)]
    assert bench.verify(book.run_id).findings == []


@pytest.mark.parametrize(
    ("kind", "told"),
    [("real", "keeps about seven digits"), ("varchar(16)", "has room for 16 letters")],
)
def test_a_column_that_can_hold_no_instant_is_refused(
    bench_from: BenchFrom, tmp_path: Path, kind: str, told: str
) -> None:
    bench = bench_from("nothing", load_nothing)
    bench.sql(f"CREATE TABLE t (id int PRIMARY KEY, w timestamp, u {kind})")

    with pytest.raises(PreflightError, match=told):
        planned(bench, tmp_path, DUBLIN)


WALLS = (
    "2026-03-31 23:15",
    "2026-04-01 00:00",
    "2026-09-30 23:15",
    "2026-10-01 00:00",
    "2011-02-01",
)
BOUNDED: Mapping[str, tuple[str, str, list[str]]] = {
    "days, of which the last one counts, and an open beginning": (
        "begun date, gone date",
        'from = "begun"\nuntil = "gone"\n',
        ["NULL, '2026-03-31'", "'2026-04-01', '2026-09-30'"],
    ),
    "days that are the next one's first": (
        "begun date, gone date",
        'from = "begun"\nuntil = "gone"\n',
        ["'-infinity', '2026-04-01'", "'2026-04-01', '2026-09-30'"],
    ),
    "moments": (
        "begun timestamp(0), gone timestamptz",
        'from = "begun"\nuntil = "gone"\n',
        ["NULL, '2026-04-01Z'", "'2026-04-01', '2026-10-01Z'"],
    ),
    "ranges of days": (
        "during daterange",
        'from = "during"\n',
        ["'(,2026-04-01)'", "'[2026-04-01,2026-09-30]'"],
    ),
    "ranges of moments": (
        "during tstzrange",
        'from = "during"\n',
        ["'(,2026-04-01Z)'", "'[2026-04-01Z,2026-10-01Z)'"],
    ),
}


@pytest.mark.parametrize("kind", longer_behind(3, BOUNDED))
def test_a_row_of_a_lookup_counts_as_long_as_it_says(
    bench_from: BenchFrom, tmp_path: Path, kind: str
) -> None:
    wall = "text" if kind == "moments" else "timestamp"
    columns, bounds, values = BOUNDED[kind]
    bench = bench_from("nothing", load_nothing)
    bench.sql(f"CREATE TABLE stay (crew text, {columns}, tz text)")
    for value, zone in zip(values, ("Asia/Tokyo", "Asia/Kolkata"), strict=True):
        bench.sql(f"INSERT INTO stay VALUES ('x', {value}, '{zone}')")
    bench.sql(f"CREATE TABLE t (id serial PRIMARY KEY, crew text, w {wall}, u timestamptz)")
    for at in WALLS:
        bench.sql("INSERT INTO t (crew, w) VALUES ('x', %s)", at)
    lookup = f'[[lookup]]\nname = "stay"\ntable = "stay"\nby = "crew"\nkey = "crew"\n{bounds}'

    book = planned(bench, tmp_path, f'table = "t"\nzone = "stay.tz"\n{lookup}{PAIR}', apply=True)

    assert [row[0] for row in bench.sql("SELECT u FROM t ORDER BY id")] == [
        utc("2026-03-31 14:15"),
        utc("2026-03-31 18:30"),
        utc("2026-09-30 17:45"),
        None,
        utc("2011-01-31 15:00"),
    ]
    assert bench.skips(book.run_id) == {"4": ("stay.tz", "missing_timezone")}
    assert bench.verify(book.run_id).findings == []


@pytest.mark.parametrize(
    ("day", "second", "last", "told"),
    [
        ("", "2026-09-13", "Asia/Tokyo", "counts to the end of the day in gone, though 1 row ends"),
        ("", "2026-09-14", "Asia/Tokyo", ""),
        ("", "2026-10-02", "Asia/Tokyo", "counts to the end of the day in gone. If it no longer"),
        ('until_day = "included"\n', "2026-09-13", "Asia/Tokyo", ""),
        ('until_day = "excluded"\n', "2026-09-13", None, ""),
    ],
)
def test_whether_the_last_day_of_a_lookup_counts_is_said_or_asked(
    bench_from: BenchFrom, tmp_path: Path, day: str, second: str, last: str | None, told: str
) -> None:
    bench = bench_from("nothing", load_nothing)
    bench.sql("CREATE TABLE stay (crew text, begun date, gone date, tz text)")
    rows = f"('x', '2026-01-01', '2026-09-13', 'Asia/Seoul'), ('x', '{second}', '2026-11-20', %s)"
    bench.sql(f"INSERT INTO stay VALUES {rows}", "Asia/Tokyo")
    bench.sql("CREATE TABLE t (id int PRIMARY KEY, crew text, w timestamp, u timestamptz)")
    bench.sql("INSERT INTO t VALUES (1, 'x', '2026-11-20 08:00')")
    lookup = '[[lookup]]\nname = "stay"\ntable = "stay"\nby = "crew"\nkey = "crew"\n'
    bounds = f'from = "begun"\nuntil = "gone"\n{day}'

    planned(bench, tmp_path, f'table = "t"\nzone = "stay.tz"\n{lookup}{bounds}{PAIR}', apply=True)

    assert bench.sql("SELECT u FROM t") == [(utc("2026-11-19 23:00") if last else None,)]
    assert ("until_day" in bench.messages()) is bool(told)
    assert told in bench.messages()


@pytest.mark.parametrize(
    ("gone", "bounds", "says"),
    [
        ("timestamp", 'until = "gone"\nuntil_day = "excluded"\n', "a moment needs no such word"),
        ("date", 'until = "gone"\nuntil_day = "open"\n', '"included" or "excluded"'),
        ("date", 'until_day = "excluded"\n', "goes with until"),
    ],
)
def test_what_is_said_of_a_last_day_that_can_not_be_meant_is_refused(
    bench_from: BenchFrom, tmp_path: Path, gone: str, bounds: str, says: str
) -> None:
    bench = bench_from("nothing", load_nothing)
    bench.sql(f"CREATE TABLE stay (crew text, begun date, gone {gone}, tz text)")
    bench.sql("CREATE TABLE t (id int PRIMARY KEY, crew text, w timestamp, u timestamptz)")
    lookup = '[[lookup]]\nname = "stay"\ntable = "stay"\nby = "crew"\nkey = "crew"\n'

    with pytest.raises((UsageError, PreflightError), match=says):
        spec = f'table = "t"\nzone = "stay.tz"\n{lookup}from = "begun"\n{bounds}{PAIR}'
        planned(bench, tmp_path, spec)


def test_an_end_that_nobody_named_is_told_of_and_one_without_a_beginning_refused(
    bench_from: BenchFrom, tmp_path: Path
) -> None:
    bench = bench_from("nothing", load_nothing)
    bench.sql(
        'CREATE TABLE stay (crew text, begun date, total date, "validThru" date, tz text);'
        "CREATE TABLE t (id int PRIMARY KEY, crew text, w timestamp, u timestamptz)"
    )
    lookup = '[[lookup]]\nname = "stay"\ntable = "stay"\nby = "crew"\nkey = "crew"\n'
    spec = f'table = "t"\nzone = "stay.tz"\n{lookup}'

    planned(bench, tmp_path, f'{spec}from = "begun"\n{PAIR}')
    with pytest.raises(UsageError, match="until goes with from"):
        planned(bench, tmp_path, f'{spec}until = "validThru"\n{PAIR}')
    with pytest.raises(PreflightError, match="counts until crew, which is text: name a date"):
        planned(bench, tmp_path, f'{spec}from = "begun"\nuntil = "crew"\n{PAIR}')

    assert 'until = "validThru"' in bench.messages()
