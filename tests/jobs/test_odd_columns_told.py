"""Columns that leave something open: refused or told of, with the line that explains them."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.engine.workshop import load_nothing
from tests.jobs.conftest import BenchFrom
from tests.jobs.kept_tables import PAIR, planned, utc

from backfill.errors import PreflightError, UsageError
from backfill.jobs.utc.guess.specification import guess_spec
from backfill.jobs.utc.guess.toml import as_toml
from backfill.server.table_look import look_at


@pytest.mark.parametrize(
    ("columns", "values", "spec", "told"),
    [
        ("w double precision", "46298.25", "", 'unit = "excel"'),
        ("w numeric(14,4)", "2461216.8750", "", 'unit = "julian"'),
        ("w bigint", "639186660001234567", "", 'unit = "ns" or unit = "ticks"'),
        ("w text", "'1783069200'", "", 'unit = "s"'),
        ("w text, plus text", "'2026-01-01'", 'months = "sv"\n', "goes with the format"),
        ("w int, c int", "20260101, 930", '["w", "c"]', 'format = "%Y%m%d %H%M%S"'),
        ("w date, c time, x text", "now(), now(), 1", '["w", "c", "x"]', "counts days to add"),
        ("w date, c time, x int", "now(), now(), 1", '["w", "c"]\nafter = "x"', "the same type"),
        (
            "w int, c int",
            "20260101, 930",
            '["w", "c"]\nunit = "s"\nformat = "%Y%m%d %H%M"',
            "date's",
        ),
        ("w date, c time", "now(), now()", '["w", "c"]\nunit = "s"', "Take it out"),
        ("w int", "230", 'unit = "s"\n', 'wall = ["…", "w"] with unit = "s"'),
        ("w numeric", "0.25", 'unit = "excel"\n', 'wall = ["…", "w"] with unit = "s"'),
        ("w float8", "235959", 'unit = "s"\n', "a format of both"),
        ("w timestamp", "'1899-12-30 09:15'", "", '("w"::time) STORED'),
        ("w text", "'1900-01-01 09:15'", "", '("w"::time) STORED'),
        ("w date, c timestamp", "now(), now()", '["w", "c"]', '("c"::time) STORED'),
        ("w timestamp, c time", "now(), now()", 'after = "c"\n', "after is of a date and a time"),
    ],
)
def test_numbers_that_nobody_explained_are_refused_with_the_line_that_does(
    bench_from: BenchFrom, tmp_path: Path, columns: str, values: str, spec: str, told: str
) -> None:
    bench = bench_from("nothing", load_nothing)
    bench.sql(f"CREATE TABLE t (id int PRIMARY KEY, {columns}, u timestamptz)")
    bench.sql(f"INSERT INTO t SELECT 1, {values}")
    pair = PAIR.replace('"w"', spec) if spec.startswith("[") else PAIR + spec

    with pytest.raises((PreflightError, UsageError)) as refused:
        planned(bench, tmp_path, f'zone = "=Asia/Manila"\n{pair}')

    assert told in str(refused.value)
    assert "migration" not in str(refused.value)


@pytest.mark.parametrize(
    ("zone", "told"),
    [
        ("meta", "zone = \"meta->>'tz'\""),
        ("legs", 'zone = "legs[1]"'),
        ("name->>'tz'", "leads into json, jsonb or an array only"),
    ],
)
def test_a_zone_column_of_many_values_asks_which(
    bench_from: BenchFrom, tmp_path: Path, zone: str, told: str
) -> None:
    bench = bench_from("nothing", load_nothing)
    bench.sql(
        "CREATE TABLE t (id int PRIMARY KEY, meta jsonb, legs text[], name text, w timestamp,"
        " u timestamptz)"
    )

    with pytest.raises(PreflightError) as refused:
        planned(bench, tmp_path, f'zone = "{zone}"\n{PAIR}')

    assert told in str(refused.value)


def test_texts_that_nothing_reads_are_told_of_and_the_names_of_their_months_known(
    bench_from: BenchFrom, tmp_path: Path
) -> None:
    bench = bench_from("nothing", load_nothing)
    bench.sql(
        "CREATE TABLE t (id int PRIMARY KEY, w text, tz text, u timestamptz, v_local date,"
        " v_utc timestamptz, other_utc timestamptz);"
        "INSERT INTO t VALUES (1, '3 augusti 2026 07:15', '(GMT+02:00) Kyiv'),"
        " (2, '4 maj 2026 07:15', '(GMT-05:00) Lima'), (3, '9 okt 2026 07:15', 'Lima');"
    )
    pair = f'zone = "tz"\nzone_names = ["rails"]\n{PAIR}'

    with pytest.raises(PreflightError) as refused:
        planned(bench, tmp_path, pair)
    planned(bench, tmp_path, f'{pair}format = "%d/%m/%Y"\n')
    planned(bench, tmp_path, f'{pair}format = "%d %b %Y %H:%M"\nmonths = "sv"\n', apply=True)

    assert 'format = "%d %b %Y %H:%M" and months = "da" (or sv' in str(refused.value)
    assert "3 of 3 sampled texts can not be read in the format %d/%m/%Y" in bench.messages()
    assert bench.sql("SELECT u FROM t ORDER BY id") == [
        (utc("2026-08-03 07:15", "Europe/Kyiv"),),
        (utc("2026-05-04 07:15", "America/Lima"),),
        (utc("2026-10-09 07:15", "America/Lima"),),
    ]


def test_the_guess_knows_numbers_words_and_keys_of_several_columns(
    bench_from: BenchFrom,
) -> None:
    bench = bench_from("nothing", load_nothing)
    bench.sql(
        "CREATE TABLE yard (firm int, no int, tz text, PRIMARY KEY (firm, no));"
        "INSERT INTO yard VALUES (1, 1, '(GMT+02:00) Kyiv');"
        "CREATE TABLE firm (id int PRIMARY KEY, settings jsonb);"
        'INSERT INTO firm VALUES (1, \'{"clock": "Asia/Dhaka", "theme": "dark"}\');'
        "CREATE TABLE t (id int PRIMARY KEY, firm int, yard_no int, due_date int,"
        " due_time numeric(7, 1), due_utc timestamptz, begun_local float, begun_utc timestamp,"
        " seen_local text, seen_utc timestamptz, said_local varchar, said_utc timestamptz,"
        " lone_utc timestamptz, FOREIGN KEY (firm, yard_no) REFERENCES yard,"
        " FOREIGN KEY (firm) REFERENCES firm);"
        "INSERT INTO t VALUES (1, 1, 1, 20261231, 73000, NULL, 46298.25, NULL, '1783069200123',"
        " NULL, '15 août 2026 09:00', NULL), (2, 1, 1, 20260101, 0, NULL, 46298.5, NULL,"
        " '1783069200124', NULL, '1 févr. 2026 09:00', NULL);"
    )

    guess = as_toml(guess_spec(*look_at(bench.connection, "t")))

    for piece in (
        'by = ["firm", "yard_no"]\nkey = ["firm", "no"]\n',
        'zone_names = ["iana", "rails"]',
        'wall = ["due_date", "due_time"]',
        'format = "%Y%m%d %H%M%S"',
        """"firm.settings->>'clock'\"""",
        'unit = "excel"',
        'unit = "ms"',
        'format = "%d %b %Y %H:%M"',
        'months = "fr"',
        "# lone_utc sounds like an instant, and no wall time is named like it",
    ):
        assert piece in guess, guess


@pytest.mark.parametrize("is_turned", [False, True])
def test_an_end_that_is_earlier_than_its_start_on_one_date_is_told_with_the_line_that_mends_it(
    bench_from: BenchFrom, tmp_path: Path, is_turned: bool
) -> None:
    bench = bench_from("nothing", load_nothing)
    bench.sql(
        "CREATE TABLE t (id int PRIMARY KEY, day date, on_at time, off_at time, u timestamptz,"
        " v timestamptz);"
        "INSERT INTO t SELECT i, '2026-05-01', '14:00', '19:15' FROM generate_series(1, 9) AS i;"
        "UPDATE t SET off_at = '00:45' WHERE id = 6;"
        "UPDATE t SET off_at = '13:58' WHERE id = 7;"  # the clock of another machine
    )
    pairs = [("on_at", "u"), ("off_at", "v")]
    listed = [f'[[pair]]\nwall = ["day", "{w}"]\ntarget = "{u}"\n' for w, u in pairs]
    spec = 'zone = "=Asia/Manila"\n' + "".join(reversed(listed) if is_turned else listed)

    planned(bench, tmp_path, spec)

    (warning,) = [text for text in bench.messages().splitlines() if "off_at is earlier" in text]
    assert "on 1 of 9 sampled rows" in warning
    assert "like row 6: 14:00:00 and 00:45:00" in warning
    assert warning.endswith('after = "on_at"')


@pytest.mark.parametrize(("one", "other"), [("opens", "closes"), ("timeOn", "time_off")])
def test_ends_that_are_all_earlier_than_their_starts_are_told_by_their_names(
    bench_from: BenchFrom, tmp_path: Path, one: str, other: str
) -> None:
    bench = bench_from("nothing", load_nothing)
    bench.sql(
        f'CREATE TABLE t (id int PRIMARY KEY, day date, "{one}" time, "{other}" time,'
        " u timestamptz, v timestamptz);"
        "INSERT INTO t SELECT i, '2026-05-01', '21:00', '04:30' FROM generate_series(1, 3) AS i"
    )
    pairs = [
        f'[[pair]]\nwall = ["day", "{w}"]\ntarget = "{u}"\n' for w, u in ((one, "u"), (other, "v"))
    ]

    planned(bench, tmp_path, f'zone = "=Asia/Manila"\n{"".join(pairs)}')

    assert (
        f"on 3 of 3 sampled rows {other} is earlier than {one} of the same day" in bench.messages()
    )
    assert f'after = "{one}"' in bench.messages()


def test_a_time_of_day_goes_with_the_date_that_is_named_most_like_it(bench_from: BenchFrom) -> None:
    bench = bench_from("nothing", load_nothing)
    bench.sql(
        "CREATE TABLE lent (id int PRIMARY KEY, check_in_date date, check_in_time time,"
        " check_out_date date, check_out_time time, check_in_utc timestamptz,"
        " check_out_utc timestamptz);"
        "CREATE TABLE seen (id int PRIMARY KEY, tour_date date, tour_paid_date date,"
        " tour_start_time time, tour_start_utc timestamptz);"
        "CREATE TABLE due (id int PRIMARY KEY, tour_sent_date date, tour_paid_date date,"
        " tour_start_time time, tour_start_utc timestamptz)"
    )

    lent, seen, due = (
        as_toml(guess_spec(*look_at(bench.connection, name))) for name in ("lent", "seen", "due")
    )

    assert 'wall = ["check_in_date", "check_in_time"]' in lent
    assert 'wall = ["check_out_date", "check_out_time"]' in lent
    assert 'wall = ["tour_date", "tour_start_time"]' in seen
    assert "FILL IN: no two columns are named alike" in due


def test_an_arrival_before_its_departure_asks_for_the_days_to_add(
    bench_from: BenchFrom, tmp_path: Path
) -> None:
    bench = bench_from("nothing", load_nothing)
    bench.sql(
        "CREATE TABLE t (id int PRIMARY KEY, day date, a time, b time, u timestamptz,"
        " v timestamptz); INSERT INTO t VALUES (1, '2026-05-01', '08:00', '07:10'),"
        " (2, '2026-05-01', '22:00', '06:00'), (3, '2026-05-01', '09:00', '08:10')"
    )
    pairs = (("a", "u", "Asia/Manila"), ("b", "v", "Asia/Bangkok"))
    spec = "".join(
        f'[[pair]]\nwall = ["day", "{w}"]\ntarget = "{u}"\nzone = "={zone}"\n'
        for w, u, zone in pairs
    )

    planned(bench, tmp_path, spec)

    (warning,) = [text for text in bench.messages().splitlines() if "b is earlier than a" in text]
    assert "on 1 of 3 sampled rows" in warning
    assert "like row 2: 22:00:00 and 06:00:00" in warning
    assert warning.endswith('counts the days to add: wall = ["day", "b", "…"]')
