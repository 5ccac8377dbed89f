"""What other programs keep times and zones in: their own counts, several columns, JSON, words."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from tests.engine.workshop import load_nothing
from tests.jobs.conftest import BenchFrom
from tests.jobs.kept_tables import PAIR, Kept, is_read_proven_and_put_back, planned, utc
from tests.longer import longer_behind

from backfill.errors import RowsDrifted

KEPT = {
    "days of a spreadsheet": Kept(
        "CREATE TABLE t (id int PRIMARY KEY, w double precision, u timestamptz);"
        "INSERT INTO t VALUES (1, 46298.1041666667), (2, 46298), (3, 46023.9999999), (4, -1e9);",
        f'zone = "=Europe/Oslo"\n{PAIR}unit = "excel"\n',
        {
            1: (utc("2026-10-03 02:30", "Europe/Oslo"),),
            2: (utc("2026-10-03 00:00", "Europe/Oslo"),),
            3: (utc("2026-01-01 23:59:59.991", "Europe/Oslo"),),
            4: (None,),
        },
    ),
    "names that begin as a path does": Kept(
        'CREATE TABLE t (id int PRIMARY KEY, ".w" timestamp, "[u]" timestamptz);'
        "INSERT INTO t VALUES (4, '2026-02-07 17:45'), (5, NULL);",
        'zone = "=Africa/Cairo"\n[[pair]]\nwall = ".w"\ntarget = "[u]"\n',
        {4: (utc("2026-02-07 17:45", "Africa/Cairo"),), 5: (None,)},
        'SELECT id, "[u]" FROM t',
    ),
    "Julian days, and days since 1970 as text": Kept(
        "CREATE TABLE t (id int PRIMARY KEY, w numeric(12,4), u timestamptz, d text, v text);"
        "INSERT INTO t VALUES (1, 2461216.8750, NULL, '20635.25', NULL);",
        f'zone = "=Asia/Tbilisi"\n{PAIR}unit = "julian"\n'
        '[[pair]]\nwall = "d"\ntarget = "v"\nunit = "days"\n',
        {1: (utc("2026-06-25 09:00", "Asia/Tbilisi"), "2026-07-01T02:00:00Z")},
        "SELECT id, u, v FROM t",
    ),
    ".NET's ticks, and milliseconds as text": Kept(
        "CREATE TABLE t (id int PRIMARY KEY, w bigint, u timestamp, d varchar(20), v bigint);"
        "INSERT INTO t VALUES (1, 639186660001234567, NULL, ' 1783069200123 ', NULL);",
        f'zone = "=America/Bogota"\n{PAIR}unit = "ticks"\n'
        '[[pair]]\nwall = "d"\ntarget = "v"\nunit = "ms"\n',
        {1: (dt.datetime(2026, 7, 3, 14, 0, 0, 123456, tzinfo=None), 1783087200123)},  # noqa: DTZ001
        "SELECT id, u, v FROM t",
    ),
    "micro- and nanoseconds and ticks in numeric and in text": Kept(
        "CREATE TABLE t (id int PRIMARY KEY, w numeric(20,0), u numeric(20,0), d text,"
        " v numeric(24,0), e varchar(40), x timestamptz, f numeric, y text);"
        "INSERT INTO t VALUES (1, 1783069200123456, NULL, ' 1783069200123456789 ', NULL,"
        " '639186660001234567', NULL, 1783069200123456.9, NULL),"
        " (2, 1e19, NULL, '99999999999999999999999', NULL, 'none', NULL, -1, NULL);",
        f'zone = "=America/Lima"\n{PAIR}unit = "us"\ntarget_unit = "us"\n'
        '[[pair]]\nwall = "d"\ntarget = "v"\nunit = "ns"\ntarget_unit = "ns"\n'
        '[[pair]]\nwall = "e"\ntarget = "x"\nunit = "ticks"\n'
        '[[pair]]\nwall = "f"\ntarget = "y"\nunit = "us"\n',
        {
            1: (
                1783087200123456,
                1783087200123456000,
                utc("2026-07-03 09:00:00.123456", "America/Lima"),
                "2026-07-03T14:00:00.123456Z",
            ),
            2: (None, None, None, None),
        },
        "SELECT id, u, v, x, y FROM t",
    ),
    "a condition in capitals, and with names in quotes": Kept(
        "CREATE TABLE t (id int PRIMARY KEY, w timestamp, u timestamptz, gone_at date,"
        ' "Kind (old)" text, "say ""so"" x" int);'
        "INSERT INTO t SELECT i, '2026-05-06 07:08', NULL, CASE i WHEN 2 THEN now() END,"
        " CASE i WHEN 3 THEN 'y' ELSE 'x' END, i % 4 FROM generate_series(1, 4) AS i;",
        """where = 'GONE_AT IS NULL AND "Kind (old)" <> $$y$$ AND T."say ""so"" x" > 0'\n"""
        f'zone = "=Asia/Yerevan"\n{PAIR}',
        {1: (utc("2026-05-06 07:08", "Asia/Yerevan"),), 2: (None,), 3: (None,), 4: (None,)},
    ),
    "a date and a time in numbers without their zeros": Kept(
        "CREATE TABLE t (id int PRIMARY KEY, d int, c smallint, u timestamptz);"
        "INSERT INTO t VALUES (1, 20261004, 130), (2, 20261004, 2345), (3, 20261004, 0),"
        " (4, 20261004, 2460), (5, 20261301, 800);",
        'zone = "=Australia/Adelaide"\n[[pair]]\nwall = ["d", "c"]\ntarget = "u"\n'
        'format = "%Y%m%d %H%M"\n',
        {
            1: (utc("2026-10-04 01:30", "Australia/Adelaide"),),
            2: (utc("2026-10-04 23:45", "Australia/Adelaide"),),
            3: (utc("2026-10-04 00:00", "Australia/Adelaide"),),
            4: (None,),
            5: (None,),
        },
    ),
    "centuries since 1900, years and days of the year in numbers": Kept(
        "CREATE TABLE t (id int PRIMARY KEY, d numeric(6,0), c int, u timestamptz);"
        "INSERT INTO t VALUES (1, 126303, 23000), (2, 99365, 235959), (3, 0, 0), (4, 126366, 1);",
        'zone = "=America/Boise"\nmissing = ["0"]\n[[pair]]\nwall = ["d", "c"]\ntarget = "u"\n'
        'format = "%C%y%j %H%M%S"\n',
        {
            1: (utc("2026-10-30 02:30", "America/Boise"),),
            2: (utc("1999-12-31 23:59:59", "America/Boise"),),
            3: (None,),
            4: (None,),
        },
    ),
    "minutes since midnight": Kept(
        "CREATE TABLE t (id int PRIMARY KEY, d date, m smallint, u timestamptz, e text, s int,"
        " v timestamptz); INSERT INTO t VALUES (1, '2026-03-29', 150, NULL, '2026-03-29', 86400),"
        " (2, '2026-07-01', 1439, NULL, '20260701', 1), (3, '2026-07-01', -1, NULL, NULL, 1);",
        'zone = "=Europe/Sofia"\n[[pair]]\nwall = ["d", "m"]\ntarget = "u"\nunit = "min"\n'
        '[[pair]]\nwall = ["e", "s"]\ntarget = "v"\nunit = "s"\n',
        {
            1: (utc("2026-03-29 02:30", "Europe/Sofia"), utc("2026-03-30 00:00", "Europe/Sofia")),
            2: (
                utc("2026-07-01 23:59", "Europe/Sofia"),
                utc("2026-07-01 00:00:01", "Europe/Sofia"),
            ),
            3: (None, None),
        },
        "SELECT id, u, v FROM t ORDER BY id",
    ),
    "hours with a fraction, shares of a day, counts as text, beside dates in digits": Kept(
        "CREATE TABLE t (id int PRIMARY KEY, d date, h float8, u timestamptz, e int, s numeric,"
        " v timestamptz, f text, x text, y timestamptz); INSERT INTO t VALUES"
        " (1, '2026-03-29', 2.5, NULL, 20260701, 0.385416666667, NULL, '29.3.2026', '9000', NULL),"
        " (2, '2026-07-01', 16.983333333333334, NULL, 20260701, 1, NULL, '1.7.2026', '33300.25',"
        " NULL), (3, '2026-07-01', -1, NULL, 20260701, -0.5, NULL, '1.7.2026', '9:15', NULL);",
        'zone = "=Europe/Sofia"\n[[pair]]\nwall = ["d", "h"]\ntarget = "u"\nunit = "h"\n'
        '[[pair]]\nwall = ["e", "s"]\ntarget = "v"\nunit = "days"\nformat = "%Y%m%d"\n'
        '[[pair]]\nwall = ["f", "x"]\ntarget = "y"\nunit = "s"\nformat = "%d.%m.%Y"\n',
        {
            1: (
                utc("2026-03-29 02:30", "Europe/Sofia"),
                utc("2026-07-01 09:15", "Europe/Sofia"),
                utc("2026-03-29 02:30", "Europe/Sofia"),
            ),
            2: (
                utc("2026-07-01 16:59", "Europe/Sofia"),
                utc("2026-07-02 00:00", "Europe/Sofia"),
                utc("2026-07-01 09:15:00.25", "Europe/Sofia"),
            ),
            3: (None, None, None),
        },
        "SELECT id, u, v, y FROM t ORDER BY id",
    ),
    "digits of dates and clocks that a program kept with a fraction": Kept(
        "CREATE TABLE t (id int PRIMARY KEY, d float8, c numeric(8,1), u timestamptz, w text,"
        " v timestamptz); INSERT INTO t VALUES (1, 20260329, 230.0, NULL, '20260329.0', NULL),"
        " (2, 20260701, 5.0, NULL, '20260701', NULL), (3, 20260701, 5.5, NULL, '2026.0', NULL);",
        'zone = "=Europe/Sofia"\n[[pair]]\nwall = ["d", "c"]\ntarget = "u"\n'
        'format = "%Y%m%d %H%M"\n[[pair]]\nwall = "w"\ntarget = "v"\nformat = "%Y%m%d"\n',
        {
            1: (utc("2026-03-29 02:30", "Europe/Sofia"), utc("2026-03-29", "Europe/Sofia")),
            2: (utc("2026-07-01 00:05", "Europe/Sofia"), utc("2026-07-01", "Europe/Sofia")),
            3: (None, None),
        },
        "SELECT id, u, v FROM t ORDER BY id",
    ),
    "days to add to a date and a time": Kept(
        "CREATE TABLE t (id int PRIMARY KEY, d date, c time, plus smallint, u timestamptz);"
        "INSERT INTO t VALUES (1, '2026-10-23', '02:30', 2), (2, '2026-10-25', '02:30', 0),"
        " (3, '2026-10-26', '23:00', -1), (4, '2026-10-25', '02:30', NULL);",
        'zone = "=Europe/Vilnius"\n[[pair]]\nwall = ["d", "c", "plus"]\ntarget = "u"\n',
        {
            1: (utc("2026-10-25 02:30", "Europe/Vilnius"),),
            2: (utc("2026-10-25 02:30", "Europe/Vilnius"),),
            3: (utc("2026-10-25 23:00", "Europe/Vilnius"),),
            4: (None,),
        },
    ),
    "a time of day that comes after another one's midnight": Kept(
        "CREATE TABLE t (id int PRIMARY KEY, d date, a time, b time, u timestamptz, v timestamptz,"
        " e char(8), f char(4), g char(4), x timestamptz);"
        "INSERT INTO t VALUES (1, '2026-10-31', '22:00', '06:30', NULL, NULL, '20261031', '2130',"
        " '0130'), (2, '2026-10-31', '08:00', '08:00', NULL, NULL, '20261231', '0100', '0100'),"
        " (3, '2026-10-31', '23:00', NULL, NULL, NULL, '20261031', 'late', '0130');",
        'zone = "=America/Chicago"\n[[pair]]\nwall = ["d", "a"]\ntarget = "u"\n'
        '[[pair]]\nwall = ["d", "b"]\nafter = "a"\ntarget = "v"\n'
        '[[pair]]\nwall = ["e", "g"]\nafter = "f"\ntarget = "x"\nformat = "%Y%m%d %H%M"\n',
        {
            1: (
                utc("2026-10-31 22:00", "America/Chicago"),
                utc("2026-11-01 06:30", "America/Chicago"),
                utc("2026-11-01 01:30", "America/Chicago"),
            ),
            2: (
                utc("2026-10-31 08:00", "America/Chicago"),
                utc("2026-10-31 08:00", "America/Chicago"),
                utc("2026-12-31 01:00", "America/Chicago"),
            ),
            3: (None, None, None),
        },
        "SELECT id, u, v, x FROM t ORDER BY id",
    ),
    "months in Polish and in French": Kept(
        "CREATE TABLE t (id int PRIMARY KEY, w text, u timestamptz, f text, v timestamptz);"
        "INSERT INTO t VALUES (1, '7 PAŹDZIERNIKA 2026 14:05', NULL, 'le 1er août 2026 à 9h30',"
        " NULL), (2, '1 maja 2026 00:00', NULL, 'le 2er juill. 2026 à 21h05', NULL);",
        f'zone = "=Europe/Warsaw"\n{PAIR}format = "%d %b %Y %H:%M"\nmonths = "pl"\n'
        '[[pair]]\nwall = "f"\ntarget = "v"\nformat = "le %der %b %Y à %Hh%M"\nmonths = "fr"\n',
        {
            1: (utc("2026-10-07 14:05", "Europe/Warsaw"), utc("2026-08-01 09:30", "Europe/Warsaw")),
            2: (utc("2026-05-01 00:00", "Europe/Warsaw"), utc("2026-07-02 21:05", "Europe/Warsaw")),
        },
        "SELECT id, u, v FROM t",
    ),
    "months that are another's in English, after a word that begins like one": Kept(
        "CREATE TABLE t (id int PRIMARY KEY, w text, u timestamptz, f text, v timestamptz);"
        "INSERT INTO t VALUES (1, '3 maaliskuuta 2026 08:00', NULL, 'mar. 4 août 2026 8:00', NULL),"
        " (2, '3 Marrask. 2026 08:00', NULL, 'mar. 3 mars 2026 08:00', NULL);",
        f'zone = "=UTC"\n{PAIR}format = "%d %b %Y %H:%M"\nmonths = "fi"\n'
        '[[pair]]\nwall = "f"\ntarget = "v"\nformat = "%a %d %b %Y %H:%M"\nmonths = "fr"\n',
        {
            1: (utc("2026-03-03 08:00", "UTC"), utc("2026-08-04 08:00", "UTC")),
            2: (utc("2026-11-03 08:00", "UTC"), utc("2026-03-03 08:00", "UTC")),
        },
        "SELECT id, u, v FROM t ORDER BY id",
    ),
    "a lookup by two columns, and one onward from there": Kept(
        "CREATE TABLE region (code text PRIMARY KEY, tz text);"
        "INSERT INTO region VALUES ('n', 'Europe/Helsinki'), ('s', 'Africa/Harare');"
        "CREATE TABLE depot (firm int, no text, region text, PRIMARY KEY (no, firm));"
        "INSERT INTO depot VALUES (1, '1', 'n'), (1, '2', 's'), (2, '1', 's');"
        "CREATE TABLE t (id int PRIMARY KEY, firm smallint, depot int, w timestamp,"
        " u timestamptz); INSERT INTO t VALUES (1, 1, 1, '2026-03-01 08:00'),"
        " (2, 2, 1, '2026-03-01 08:00'), (3, 2, 2, '2026-03-01 08:00'),"
        " (4, 1, NULL, '2026-03-01 08:00');",
        'zone = ["region.tz", "=Asia/Dili"]\n[[lookup]]\nname = "depot"\ntable = "depot"\n'
        'by = ["firm", "depot"]\nkey = ["firm", "no"]\n[[lookup]]\nname = "region"\n'
        f'table = "region"\nby = "depot.region"\nkey = "code"\n{PAIR}',
        {
            1: (utc("2026-03-01 08:00", "Europe/Helsinki"),),
            2: (utc("2026-03-01 08:00", "Africa/Harare"),),
            3: (utc("2026-03-01 08:00", "Asia/Dili"),),
            4: (utc("2026-03-01 08:00", "Asia/Dili"),),
        },
    ),
    "a lookup among settings of every kind, by a constant": Kept(
        "CREATE TABLE setting (tenant int, name varchar(20), value text);"
        "INSERT INTO setting VALUES (1, 'clock', 'Asia/Tehran'), (1, 'colour', 'red'),"
        " (2, 'clock', ''), (3, 'colour', 'blue'), (0, 'clock', 'Asia/Dubai');"
        "CREATE TABLE t (id int PRIMARY KEY, tenant int, w timestamp, u timestamptz);"
        "INSERT INTO t SELECT i, i, '2026-03-01 08:00' FROM generate_series(1, 3) AS i;",
        'zone = ["own.value", "all.value"]\n[[lookup]]\nname = "own"\ntable = "setting"\n'
        'by = ["tenant", "=clock"]\nkey = ["tenant", "name"]\n[[lookup]]\nname = "all"\n'
        f'table = "setting"\nby = ["=0", "=clock"]\nkey = ["tenant", "name"]\n{PAIR}',
        {
            1: (utc("2026-03-01 08:00", "Asia/Tehran"),),
            2: (utc("2026-03-01 08:00", "Asia/Dubai"),),
            3: (utc("2026-03-01 08:00", "Asia/Dubai"),),
        },
    ),
    "summer time or not, where a clock shows an hour twice": Kept(
        "CREATE TABLE t (id int PRIMARY KEY, w timestamp, summer boolean, u timestamptz);"
        "INSERT INTO t VALUES (1, '2026-10-25 02:10', true), (2, '2026-10-25 02:10', false),"
        " (3, '2026-10-25 02:10', NULL), (4, '2026-07-01 02:10', false);",
        f'zone = "=Europe/Zagreb"\n{PAIR}offset = {{ column = "summer", as = "fold" }}\n',
        {
            1: (utc("2026-10-25 00:10", "UTC"),),
            2: (utc("2026-10-25 01:10", "UTC"),),
            3: (utc("2026-10-25 00:10", "UTC"),),
            4: (utc("2026-07-01 00:10", "UTC"),),
        },
    ),
    "zones within JSON, of the row and of a lookup, and in an array": Kept(
        "CREATE TABLE firm (id int PRIMARY KEY, settings json);"
        "INSERT INTO firm VALUES (1, '{\"clock\": {\"it''s\": \"Asia/Yangon\"}}'), (2, '{}');"
        "CREATE TABLE t (id int PRIMARY KEY, firm int, meta jsonb, legs text[], w timestamp,"
        " u timestamptz, a timestamp, v timestamptz);"
        "INSERT INTO t VALUES (1, 1, '{\"tz\": null}', '{Asia/Baku,Asia/Muscat}',"
        " '2026-03-01 08:00', NULL, '2026-03-01 08:00'), (2, 1, '{\"tz\": \"Asia/Kabul\"}',"
        " '{Asia/Baku}', '2026-03-01 08:00', NULL, '2026-03-01 08:00');",
        "zone = [\"meta->>'tz'\", \"firm.settings -> 'clock' ->> 'it''s'\"]\n[[lookup]]\n"
        f'name = "firm"\ntable = "firm"\nby = "firm"\nkey = "id"\n{PAIR}'
        '[[pair]]\nwall = "a"\ntarget = "v"\nzone = ["legs[2]", "legs[1]"]\n',
        {
            1: (utc("2026-03-01 08:00", "Asia/Yangon"), utc("2026-03-01 08:00", "Asia/Muscat")),
            2: (utc("2026-03-01 08:00", "Asia/Kabul"), utc("2026-03-01 08:00", "Asia/Baku")),
        },
        "SELECT id, u, v FROM t ORDER BY id",
    ),
}


@pytest.mark.parametrize("name", longer_behind(2, KEPT))
def test_a_table_gets_its_instants_and_the_run_its_proof_and_its_undo(
    bench_from: BenchFrom, tmp_path: Path, name: str
) -> None:
    is_read_proven_and_put_back(bench_from("nothing", load_nothing), tmp_path, KEPT[name])


def test_a_zone_within_json_that_changes_before_the_apply_is_drift(
    bench_from: BenchFrom, tmp_path: Path
) -> None:
    bench = bench_from("nothing", load_nothing)
    bench.sql(
        "CREATE TABLE t (id int PRIMARY KEY, meta jsonb, w timestamp, u timestamptz);"
        "INSERT INTO t VALUES (1, '{\"tz\": \"Asia/Baku\"}', '2026-03-01 08:00'),"
        " (2, '{\"tz\": \"Asia/Baku\"}', '2026-03-01 08:00');"
    )
    book = planned(bench, tmp_path, f"zone = \"meta->>'tz'\"\n{PAIR}")
    bench.sql('UPDATE t SET meta = meta || \'{"tz": "Asia/Dili"}\' WHERE id = 1')
    bench.sql("UPDATE t SET meta = meta || '{\"seen\": true}' WHERE id = 2")

    with pytest.raises(RowsDrifted):
        bench.apply(book.run_id)

    assert bench.sql("SELECT u FROM t ORDER BY id") == [
        (None,),
        (utc("2026-03-01 08:00", "Asia/Baku"),),
    ]
