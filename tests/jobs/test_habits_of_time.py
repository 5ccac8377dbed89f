"""Times as other programs keep them: read as they are meant, or told of before anything is planned.

What is not sure is refused with the line that mends it, or said in a warning that names a row.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from tests.engine.workshop import load_nothing
from tests.jobs.conftest import BenchFrom
from tests.jobs.kept_tables import PAIR, Kept, is_read_proven_and_put_back, planned, utc
from tests.longer import longer_behind

from backfill.errors import PreflightError, UsageError
from backfill.jobs.utc.guess.specification import guess_spec
from backfill.jobs.utc.guess.toml import as_toml
from backfill.server.table_look import look_at


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


KEPT = {
    "digits of a clock as offsets, as numbers and as text": Kept(
        "CREATE TABLE t (id int PRIMARY KEY, w timestamp, o smallint, u timestamptz, p text,"
        " v timestamptz); INSERT INTO t VALUES (1, '2026-03-01 10:00', 545, NULL, '-230', NULL),"
        " (2, '2026-03-01 10:00', -930, NULL, '100', NULL),"
        " (3, '2026-03-01 10:00', 575, NULL, '+1245', NULL);",
        f'{PAIR}offset = {{ column = "o", unit = "hhmm" }}\n',
        {1: (at("2026-03-01 04:15"),), 2: (at("2026-03-01 19:30"),), 3: (None,)},
    ),
    "offsets as typography and small letters have them": Kept(
        "CREATE TABLE t (id int PRIMARY KEY, w timestamp, o text, u timestamptz);"
        "INSERT INTO t SELECT g, '2026-03-01 10:00', o FROM unnest(ARRAY['\u221209:30', 'utc+4',"
        " 'Gmt\u20132', 'z', '+04:75', '\u201404:00']) WITH ORDINALITY AS a(o, g);",
        f'{PAIR}offset = {{ column = "o" }}\n',
        {
            1: (at("2026-03-01 19:30"),),
            2: (at("2026-03-01 06:00"),),
            3: (at("2026-03-01 12:00"),),
            4: (at("2026-03-01 10:00"),),
            5: (None,),
            6: (None,),
        },
    ),
    "the passes of a fold in the order of decimals": Kept(
        "CREATE TABLE t (id int PRIMARY KEY, w timestamp, o numeric(6,2), u timestamptz);"
        "INSERT INTO t VALUES (1, '2026-10-25 02:10', 9.75), (2, '2026-10-25 02:40', 9.80),"
        " (3, '2026-10-25 02:10', 10.05), (4, '2026-10-25 02:40', 100);",
        f'zone = "=Europe/Vienna"\n{PAIR}fold_by = "o"\n',
        {
            1: (at("2026-10-25 00:10"),),
            2: (at("2026-10-25 00:40"),),
            3: (at("2026-10-25 01:10"),),
            4: (at("2026-10-25 01:40"),),
        },
    ),
    "counts since 1601 and since 2001": Kept(
        "CREATE TABLE t (id int PRIMARY KEY, w bigint, u timestamptz, x bigint, v timestamptz,"
        " y double precision, z timestamptz); INSERT INTO t VALUES"
        " (1, 134169246000001239, NULL, 13416924600000123, NULL, 794143799.5, NULL),"
        " (2, -9223372036854775808, NULL, 9223372036854775807, NULL, -1e18, NULL);",
        f'zone = "=Asia/Kolkata"\n{PAIR}unit = "filetime"\n'
        '[[pair]]\nwall = "x"\ntarget = "v"\nunit = "webkit"\n'
        '[[pair]]\nwall = "y"\ntarget = "z"\nunit = "cocoa"\n',
        {
            1: (
                utc("2026-03-02 11:30:00.000123", "Asia/Kolkata"),
                utc("2026-03-02 11:30:00.000123", "Asia/Kolkata"),
                utc("2026-03-02 11:29:59.5", "Asia/Kolkata"),
            ),
            2: (None, None, None),
        },
        "SELECT id, u, v, z FROM t ORDER BY id",
    ),
    "days that begin at six in the morning, as types, texts and digits": Kept(
        "CREATE TABLE t (id int PRIMARY KEY, day date, w time, u timestamptz, d text, c text,"
        " v timestamptz, n int, m int, x timestamptz); INSERT INTO t VALUES"
        " (1, '2026-03-28', '06:00', NULL, '28/03/2026', '5:59', NULL, 20260328, 559, NULL),"
        " (2, '2026-03-28', '05:59:59.5', NULL, '28/03/2026', '06:00', NULL, 20260328, 600, NULL),"
        " (3, '2026-03-28', '00:00', NULL, '28/03/2026', '26:30', NULL, 20260328, 0, NULL);",
        'zone = "=Europe/Zagreb"\n[[pair]]\nwall = ["day", "w"]\ntarget = "u"\nafter = "=06:00"\n'
        '[[pair]]\nwall = ["d", "c"]\ntarget = "v"\nafter = "=06:00"\nformat = "%d/%m/%Y %H:%M"\n'
        '[[pair]]\nwall = ["n", "m"]\ntarget = "x"\nafter = "=06:00"\nformat = "%Y%m%d %H%M"\n',
        {
            1: (at("2026-03-28 05:00"), at("2026-03-29 03:59"), at("2026-03-29 03:59")),
            2: (at("2026-03-29 03:59:59.5"), at("2026-03-28 05:00"), at("2026-03-28 05:00")),
            3: (at("2026-03-28 23:00"), at("2026-03-29 01:30"), at("2026-03-28 23:00")),
        },
        "SELECT id, u, v, x FROM t ORDER BY id",
    ),
    "halves of the day as browsers and Spanish write them": Kept(
        "CREATE TABLE t (id int PRIMARY KEY, w text, u timestamptz);"
        "INSERT INTO t VALUES (1, '3/10/2026, 3:05\u202fPM'), (2, '3/10/2026, 12:05 a. m.'),"
        " (3, '3/10/2026,\u00a03:05 p.\u00a0m.'), (4, '3/10/2026, 3:05 PN');",
        f'zone = "=America/Lima"\n{PAIR}format = "%d/%m/%Y, %I:%M %p"\n',
        {
            1: (at("2026-10-03 20:05"),),
            2: (at("2026-10-03 05:05"),),
            3: (at("2026-10-03 20:05"),),
            4: (None,),
        },
    ),
    "dates that are on another day of the week than they say": Kept(
        "CREATE TABLE t (id int PRIMARY KEY, w text, u timestamptz);"
        "INSERT INTO t VALUES (1, 'Sat 03.10.2026 15:00'), (2, 'Tue 03.10.2026 15:00'),"
        " (3, 'Saturday 03.10.2026 15:00'), (4, 'Sa 03.10.2026 15:00');",
        f'zone = "=Europe/Riga"\n{PAIR}format = "%A %d.%m.%Y %H:%M"\n',
        {
            1: (at("2026-10-03 12:00"),),
            2: (None,),
            3: (at("2026-10-03 12:00"),),
            4: (at("2026-10-03 12:00"),),
        },
    ),
    "timestamps at midnight as dates, and intervals of days where a lookup begins to count": Kept(
        "CREATE TABLE berth (boat int, since date, tz text); INSERT INTO berth VALUES"
        " (3, '2026-01-01', 'Asia/Tokyo'), (3, '2026-05-01', 'Europe/Riga');"
        "CREATE TABLE t (id int PRIMARY KEY, boat int, day timestamp, w interval, u timestamptz);"
        "INSERT INTO t VALUES (1, 3, '2026-04-30', '23:59'), (2, 3, '2026-04-30', '1 day 00:30'),"
        " (3, 3, '2026-04-29', '48:30'), (4, 3, '2026-04-30 08:00', '01:00'),"
        " (5, 3, '-infinity', '01:00');",
        'zone = "berth.tz"\n[[lookup]]\nname = "berth"\ntable = "berth"\nby = "boat"\n'
        'key = "boat"\nfrom = "since"\n[[pair]]\nwall = ["day", "w"]\ntarget = "u"\n',
        {
            1: (at("2026-04-30 14:59"),),
            2: (at("2026-04-30 21:30"),),
            3: (at("2026-04-30 21:30"),),
            4: (None,),
            5: (None,),
        },
    ),
    "ranges of a lookup that are empty, and bounds within them and without": Kept(
        "CREATE TABLE berth (boat int, held tsrange, tz text); INSERT INTO berth VALUES"
        " (3, 'empty', 'Asia/Tokyo'), (3, '[2026-01-01,2026-02-01 12:00]', 'Europe/Riga'),"
        " (3, '(2026-03-01 12:00,)', 'Europe/Lisbon');"
        "CREATE TABLE t (id int PRIMARY KEY, boat int, w timestamp, u timestamptz);"
        "INSERT INTO t VALUES (1, 3, '2026-02-01 12:00'), (2, 3, '2026-02-14'),"
        " (3, 3, '2026-03-01 12:00'), (4, 3, '2026-03-01 12:01');",
        'zone = "berth.tz"\n[[lookup]]\nname = "berth"\ntable = "berth"\nby = "boat"\n'
        f'key = "boat"\nfrom = "held"\n{PAIR}',
        {
            1: (at("2026-02-01 10:00"),),
            2: (None,),
            3: (None,),
            4: (at("2026-03-01 12:01"),),
        },
    ),
}


@pytest.mark.parametrize("name", longer_behind(2, KEPT))
def test_times_of_other_programs_are_read_proven_and_put_back(
    bench_from: BenchFrom, tmp_path: Path, name: str
) -> None:
    is_read_proven_and_put_back(bench_from("nothing", load_nothing), tmp_path, KEPT[name])


def test_texts_that_count_on_have_two_orders_and_decide_no_fold(
    bench_from: BenchFrom, tmp_path: Path
) -> None:
    bench = bench_from("nothing", load_nothing)
    bench.sql(
        "CREATE TABLE t (id int PRIMARY KEY, w timestamp, s text, o text, u timestamptz);"
        "INSERT INTO t VALUES (1, '2026-10-25 02:10', 'a', 'rec9'),"
        " (2, '2026-10-25 02:10', 'a', 'rec10'),"
        " (3, '2026-10-25 02:10', 'b', 'rec-9'), (4, '2026-10-25 02:10', 'b', 'rec-A');"
    )
    spec = f'zone = "=Europe/Vienna"\n{PAIR}fold_by = "o"\nseries = "s"\n'

    book = planned(bench, tmp_path, spec, apply=True)

    earlier, later = at("2026-10-25 00:10"), at("2026-10-25 01:10")
    assert bench.sql("SELECT u FROM t ORDER BY id") == [
        (earlier,),
        (earlier,),
        (earlier,),
        (later,),
    ]
    asked = (bench.runs / book.run_id / "questions.csv").read_text(encoding="utf-8")
    assert asked.count('"fold"') == 2


DELETED = "CREATE TABLE t (id int PRIMARY KEY, w timestamp, u timestamptz, gone {});"
ROWS = "INSERT INTO t SELECT g, '2026-03-01', NULL, {} FROM generate_series(1, 4) AS g"
UTC = f'zone = "=UTC"\n{PAIR}'


@pytest.mark.parametrize(
    ("kind", "values"),
    longer_behind(
        3,
        [
            ("boolean NOT NULL", "g > 2"),
            ("boolean", "CASE g WHEN 1 THEN NULL ELSE g > 2 END"),
            ("timestamptz", "CASE WHEN g > 2 THEN now() END"),
            ("varchar(9)", "CASE WHEN g > 2 THEN 'mara' END"),
        ],
    ),
)
def test_rows_that_are_not_deleted_are_written_whatever_says_so(
    bench_from: BenchFrom, tmp_path: Path, kind: str, values: str
) -> None:
    bench = bench_from("nothing", load_nothing)
    bench.sql(DELETED.format(kind) + ROWS.format(values))

    planned(bench, tmp_path, f'deleted = "gone"\n{UTC}', apply=True, skip_deleted=True)

    assert bench.sql("SELECT id FROM t WHERE u IS NOT NULL ORDER BY 1") == [(1,), (2,)]


@pytest.mark.parametrize(
    ("kind", "values", "told"),
    [
        ("int", "(g > 2)::int", "where = \"gone = '0'\""),
        ("text NOT NULL", "CASE WHEN g > 2 THEN 'x' ELSE '' END", "where = \"gone = ''\""),
        ("date", "CASE WHEN g > 2 THEN now() ELSE '9999-12-31' END", "gone = '9999-12-31'"),
        (
            "timestamp NOT NULL",
            "CASE WHEN g > 2 THEN now() ELSE 'infinity' END",
            "gone = 'infinity'",
        ),
        ("timestamp NOT NULL", "now()", "gone is NOT NULL"),
    ],
)
def test_a_column_of_deleted_rows_that_all_rows_fill_is_refused_with_its_condition(
    bench_from: BenchFrom, tmp_path: Path, kind: str, values: str, told: str
) -> None:
    bench = bench_from("nothing", load_nothing)
    bench.sql(DELETED.format(kind) + ROWS.format(values))

    with pytest.raises(PreflightError) as refused:
        planned(bench, tmp_path, f'deleted = "gone"\n{UTC}', skip_deleted=True)

    assert told in str(refused.value)


@pytest.mark.parametrize(
    ("columns", "rows", "spec", "told"),
    [
        (
            "w text",
            "'03.02.2026 02:30 PM'",
            f'{UTC}format = "%d.%m.%Y %H:%M %p"',
            "%I for the hour",
        ),
        ("w text", "'03.02.2026 02:30'", f'{UTC}format = "%d.%m.%Y %I:%M"', "and no %p"),
        (
            "w timestamp, o int",
            "'2026-03-01', (ARRAY[430, -230, 1000])[1 + g % 3]",
            f'{PAIR}offset = {{ column = "o", unit = "minutes" }}',
            'unit = "hhmm"',
        ),
        (
            "w timestamp, o text",
            "'2026-03-01', (ARRAY['60', '-90', '330'])[1 + g % 3]",
            f'{PAIR}offset = {{ column = "o", unit = "hhmm" }}',
            'unit = "minutes"',
        ),
        (
            "w timestamp, o interval",
            "'2026-03-01'",
            f'{UTC}fold_by = "o"',
            "fold_by names a number",
        ),
        ("w timestamp, o mood", "'2026-03-01'", f'{UTC}fold_by = "o"', "fold_by names a number"),
        ("w timestamp", "'2026-03-01'", f'where = "Random() < 0.9"\n{UTC}', "calls random()"),
        (
            "w date, o time",
            "'2026-03-01'",
            f'{UTC}after = "=06:00"',
            "after is of a date and a time",
        ),
        (
            "w date, o time",
            "'2026-03-01', '09:00'",
            'zone = "=UTC"\n[[pair]]\nwall = ["w", "o"]\ntarget = "u"\nafter = "=6"\n',
            'like "=06:00"',
        ),
        ("w tsrange", "'empty'", UTC, 'GENERATED ALWAYS AS (lower("w")) STORED'),
        ("w timestamp[]", "'{}'", UTC, 'GENERATED ALWAYS AS (("w")[1]) STORED'),
        (
            "w bigint",
            "1772359200000 / CASE WHEN g < 14 THEN 1 ELSE 1000 END",
            UTC,
            "in the first days of 1970",
        ),
    ],
)
def test_what_a_specification_can_not_mean_is_refused_with_what_mends_it(
    bench_from: BenchFrom, tmp_path: Path, columns: str, rows: str, spec: str, told: str
) -> None:
    bench = bench_from("nothing", load_nothing)
    bench.sql(
        f"CREATE TYPE mood AS ENUM ('b', 'a'); CREATE TABLE t (id int PRIMARY KEY, u timestamptz,"
        f" {columns}); INSERT INTO t SELECT g, NULL, {rows} FROM generate_series(1, 25) AS g;"
    )

    with pytest.raises((PreflightError, UsageError)) as refused:
        planned(bench, tmp_path, spec)

    assert told in str(refused.value)


def test_a_day_is_guessed_for_a_time_only_where_its_name_tells(bench_from: BenchFrom) -> None:
    bench = bench_from("nothing", load_nothing)
    bench.sql(
        "CREATE TABLE call (id int PRIMARY KEY, born_on date, day date, starts time,"
        " starts_utc timestamptz);"
        "CREATE TABLE duty (id int PRIMARY KEY, signed_on date, relief_date date, starts time,"
        " starts_utc timestamptz);"
        "CREATE TABLE sailing (id int PRIMARY KEY, out_date int, out_time smallint,"
        " out_utc timestamptz);"
        "INSERT INTO sailing VALUES (1, 20260301, 905, NULL), (2, 20260302, 2355, NULL);"
    )

    call, duty, sailing = (
        as_toml(guess_spec(*look_at(bench.connection, name)))
        for name in ("call", "duty", "sailing")
    )

    assert 'wall = ["day", "starts"]' in call
    assert "signed_on" not in duty.split("times:")[0]
    assert "FILL IN: no two columns are named alike" in duty
    assert 'wall = ["out_date", "out_time"]' in sailing
    assert 'format = "%Y%m%d %H%M"' in sailing


LOOKUP = '[[lookup]]\nname = "hub"\ntable = "hub"\nby = "hub"\nkey = "id"\n'


@pytest.mark.parametrize(
    ("columns", "rows", "spec", "told"),
    [
        (
            "w timestamp, hub text",
            "NULL, '2026-03-01', CASE g WHEN 1 THEN '07' WHEN 2 THEN '7' END",
            f'zone = ["hub.tz", "=UTC"]\n{LOOKUP}{PAIR}',
            "finds no row in public.hub for 1 sampled row, like hub = '07' (their types differ",
        ),
        (
            "w timestamp",
            "CASE WHEN g < 3 THEN timestamptz '2026-03-01 05:00Z' END, '2026-03-01'",
            f'zone = "=Asia/Tokyo"\n{PAIR}',
            "u of 2 of 2 sampled rows that are filled is another instant than w gives, like row",
        ),
        (
            "w timestamp",
            "CASE WHEN g < 3 THEN timestamptz '2026-03-01 15:00Z' + g * interval '1 h' END,"
            " '2026-03-02 01:00'",
            f'zone = "=Asia/Tokyo"\n{PAIR}',
            "u of 1 of 2 sampled rows that are filled is another instant than w gives, like row",
        ),
        (
            "business_date text, w text",
            "NULL, '01.03.2026', (g - 1) * 8 || ':30'",
            'zone = "=Asia/Tokyo"\n[[pair]]\nwall = ["business_date", "w"]\ntarget = "u"\n'
            'format = "%d.%m.%Y %H:%M"\n',
            "on 1 of 3 sampled rows w is in the small hours, like row 1: 2026-03-01 00:30",
        ),
        (
            "w timestamp, hub int",
            "NULL, '2026-03-01', 7",
            f'zone = "hub.tz"\n{LOOKUP}from = "since"\n{PAIR}',
            "hub counts by since, which is timestamp with time zone: as UTC shows it",
        ),
        ("w date", "NULL, '2026-03-01'", UTC, "w is a day without a time: its midnight is taken"),
        (
            "w text",
            "NULL, '2026-03-01T10:00:00Z'",
            f'{UTC}format = "%Y-%m-%dT%H:%M:%SZ"\n',
            "what says UTC is taken for wall time",
        ),
    ],
)
def test_what_may_not_be_meant_is_planned_and_said(
    bench_from: BenchFrom, tmp_path: Path, columns: str, rows: str, spec: str, told: str
) -> None:
    bench = bench_from("nothing", load_nothing)
    bench.sql(
        "CREATE TABLE hub (id int PRIMARY KEY, tz text, since timestamptz);"
        "INSERT INTO hub VALUES (7, 'Asia/Seoul', '2026-01-01');"
        f"CREATE TABLE t (id int PRIMARY KEY, u timestamptz, {columns});"
        f"INSERT INTO t SELECT g, {rows} FROM generate_series(1, 3) AS g;"
    )

    planned(bench, tmp_path, spec)

    assert told in bench.messages()
