"""Tables as others keep them, by a stranger's way: guessed, mended by hand, planned and applied."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from tests.engine.workshop import load_nothing
from tests.jobs.conftest import BenchFrom
from tests.longer import longer_behind

from backfill.jobs.utc.guess.specification import guess_spec
from backfill.jobs.utc.guess.toml import as_toml
from backfill.server.table_look import look_at


def utc(wall: str, zone: str) -> dt.datetime:
    local = dt.datetime.fromisoformat(wall).replace(tzinfo=ZoneInfo(zone))
    return local.astimezone(dt.UTC)


def seconds(wall: str, zone: str) -> int:
    return int(utc(wall, zone).timestamp())


@dataclass(frozen=True)
class Shape:
    """A table, what a person changes in the guess (None: nothing), and what is to come of it.

    `says` are pieces of the guess.
    """

    table: str
    ddl: str
    expected: Mapping[Any, Any]
    select: str
    says: tuple[str, ...] = ()
    changes: tuple[tuple[str, str], ...] = ()
    default_tz: str = ""


SHAPES = {
    "two zones behind two foreign keys": Shape(
        '"Trip"',
        'CREATE TABLE "Zones" ("Code" smallint PRIMARY KEY, "MsName" varchar(60));'
        "INSERT INTO \"Zones\" VALUES (4, 'Tokyo Standard Time'), (9, 'Egypt Standard Time');"
        'CREATE TABLE "Trip" ("No" int PRIMARY KEY, "FromZone" smallint REFERENCES "Zones",'
        ' "ToZone" smallint REFERENCES "Zones", "FromLocal" timestamp, "ToLocal" timestamp,'
        ' "FromUtc" timestamptz, "ToUtc" timestamptz);'
        "INSERT INTO \"Trip\" VALUES (1, 4, 9, '2026-05-01 22:10', '2026-05-02 05:00');",
        {1: (utc("2026-05-01 22:10", "Asia/Tokyo"), utc("2026-05-02 05:00", "Africa/Cairo"))},
        'SELECT "No", "FromUtc", "ToUtc" FROM "Trip"',
        says=('zone_names = ["iana", "windows"]', "its name goes with FromLocal"),
    ),
    "counts that say their unit by name": Shape(
        "tick",
        "CREATE TABLE tick (id int PRIMARY KEY, olson text, at_local_micros bigint,"
        " at_utc_micros bigint, seen_local double precision, seen_utc double precision);"
        "INSERT INTO tick VALUES (1, 'Asia/Kolkata', 1767225600000123, NULL, 1767225600.25, NULL);",
        {1: (1767205800000123, 1767205800.25)},
        "SELECT id, at_utc_micros, seen_utc FROM tick",
        says=('target_unit = "us"  # guess: because of its name', 'target_unit = "s"  # guess'),
    ),
    "a day and a time in texts": Shape(
        "pickup",
        "CREATE TABLE pickup (id int PRIMARY KEY, pickup_date char(8), pickup_time char(4),"
        " due_date varchar(10), due_time varchar(8), tz text, pickup_utc text, due_utc text);"
        "INSERT INTO pickup VALUES (1, '20260331', '0745', '3/31/2026', '7:05 PM',"
        " 'America/Bogota'), (2, '20260401', '2400', '4/13/2026', '12:00 AM', 'Asia/Amman');",
        {
            1: ("2026-03-31T12:45:00Z", "2026-04-01T00:05:00Z"),
            2: ("2026-04-01T21:00:00Z", "2026-04-12T21:00:00Z"),
        },
        "SELECT id, pickup_utc, due_utc FROM pickup",
        says=('wall = ["pickup_date", "pickup_time"]', 'format = "%m/%d/%Y %I:%M %p"'),
    ),
    "weeks, ordinal days, and offsets written out": Shape(
        "rota",
        "CREATE TABLE rota (id int PRIMARY KEY, begins_local text, gmt_off text,"
        " begins_utc timestamptz);"
        "INSERT INTO rota VALUES (1, '2027-W01-1T06:00', '+0100'), (2, '2026-365', 'UTC-3'),"
        " (3, '2026W281T0600', '+5:45'), (4, '2026-07-06 06:00', 'Z');",
        {
            1: (utc("2027-01-04 05:00", "UTC"),),
            2: (utc("2026-12-31 03:00", "UTC"),),
            3: (utc("2026-07-06 00:15", "UTC"),),
            4: (utc("2026-07-06 06:00", "UTC"),),
        },
        "SELECT id, begins_utc FROM rota",
        says=('offset = { column = "gmt_off", as = "zone" }',),
    ),
    "minutes as text": Shape(
        "ping",
        "CREATE TABLE ping (id int PRIMARY KEY, seen_local timestamp, utc_offset_min text,"
        " seen_utc timestamptz);"
        "INSERT INTO ping VALUES (1, '2026-02-03 10:00', '-180'), (2, '2026-02-03 10:00', '60');",
        {1: (utc("2026-02-03 13:00", "UTC"),), 2: (utc("2026-02-03 09:00", "UTC"),)},
        "SELECT id, seen_utc FROM ping",
        says=('unit = "minutes"',),
    ),
    "minutes west, as browsers have them": Shape(
        "visit",
        "CREATE TABLE visit (id int PRIMARY KEY, at_local timestamp, tz_offset int, at_utc"
        " timestamptz); INSERT INTO visit VALUES (1, '2026-02-03 10:00', 300, NULL),"
        " (2, '2026-02-03 10:00', -330, NULL);",
        {1: (utc("2026-02-03 15:00", "UTC"),), 2: (utc("2026-02-03 04:30", "UTC"),)},
        "SELECT id, at_utc FROM visit",
        changes=(('unit = "minutes"', 'unit = "minutes_west"'),),
    ),
    "no word of local or utc": Shape(
        '"Room Plan".meeting',
        'CREATE SCHEMA "Room Plan"; CREATE TABLE "Room Plan".meeting (id int PRIMARY KEY,'
        " opens timestamp, opens_ts timestamptz, opens_time_zone text, closes timestamp,"
        " closes_ts timestamptz, closes_time_zone text);"
        "INSERT INTO \"Room Plan\".meeting VALUES (1, '2026-08-01 08:00', NULL, 'Asia/Dhaka',"
        " '2026-08-01 08:00', NULL, 'Africa/Lagos');",
        {1: (utc("2026-08-01 08:00", "Asia/Dhaka"), utc("2026-08-01 08:00", "Africa/Lagos"))},
        'SELECT id, opens_ts, closes_ts FROM "Room Plan".meeting',
        says=('zone = "opens_time_zone"', 'zone = "closes_time_zone"'),
    ),
    "times that mean none, in decimals": Shape(
        "gauge",
        "CREATE TABLE gauge (id int PRIMARY KEY, t_local numeric, tz text, t_utc numeric);"
        "INSERT INTO gauge VALUES (1, 0.00, 'Asia/Baku'), (2, 0, 'Asia/Baku'),"
        " (3, 1751360400.50, 'Asia/Baku');",
        {1: (None,), 2: (None,), 3: (seconds("2025-07-01 09:00", "Asia/Baku") + 0.5,)},
        "SELECT id, t_utc::float8 FROM gauge",
        changes=(('missing = ["0", "0.00"]', 'missing = ["1970-01-01"]'),),
    ),
    "a database that knew no NULL: zeros, blanks, the end of the calendar": Shape(
        "loan",
        "CREATE TABLE loan (id int PRIMARY KEY, tz text, out_local varchar(19),"
        " out_utc timestamptz, due_local timestamp, due_utc timestamptz);"
        "INSERT INTO loan VALUES (1, 'Asia/Hovd', '2026-05-01 09:00:00', NULL, '9999-12-31'),"
        " (2, 'Asia/Hovd', '0000-00-00 00:00:00', NULL, '2026-05-02 10:00'),"
        " (3, 'Asia/Hovd', ' ', NULL, '0001-01-01'), (4, 'Asia/Hovd', '0000-05-01', NULL, NULL),"
        " (5, 'Asia/Hovd', '2026-05-01T09:00', NULL, '2026-05-02 10:00');",
        {
            1: (utc("2026-05-01 09:00", "Asia/Hovd"), None),
            2: (None, utc("2026-05-02 10:00", "Asia/Hovd")),
            3: (None, None),
            4: (None, None),
            5: (utc("2026-05-01 09:00", "Asia/Hovd"), utc("2026-05-02 10:00", "Asia/Hovd")),
        },
        "SELECT id, out_utc, due_utc FROM loan",
        says=('"0000-00-00 00:00:00"', '"9999-12-31 00:00:00"'),
    ),
    "a date and two times whose instants are named a letter otherwise": Shape(
        "class",
        "CREATE TABLE class (id int PRIMARY KEY, date date, start_time time, end_time time,"
        " starts_at timestamptz, ends_at timestamptz, tz text, made timestamptz DEFAULT now());"
        "INSERT INTO class VALUES (1, '2026-05-01', '09:00', '10:30', NULL, NULL, 'Asia/Hovd');",
        {1: (utc("2026-05-01 09:00", "Asia/Hovd"), utc("2026-05-01 10:30", "Asia/Hovd"))},
        "SELECT id, starts_at, ends_at FROM class",
    ),
    "two ends of a way that are named otherwise than their times": Shape(
        "leg",
        "CREATE TABLE port (code char(3) PRIMARY KEY, tz text);"
        "INSERT INTO port VALUES ('AAA', 'Pacific/Tahiti'), ('BBB', 'Asia/Hovd');"
        "CREATE TABLE leg (no int PRIMARY KEY, day date, origin char(3) REFERENCES port,"
        " destination char(3) REFERENCES port, std time, sta time, std_utc timestamptz,"
        " sta_utc timestamptz, utc_offset_minutes int);"
        "INSERT INTO leg VALUES (1, '2026-05-01', 'AAA', 'BBB', '08:00', '23:00');",
        {1: (utc("2026-05-01 08:00", "Pacific/Tahiti"), utc("2026-05-01 23:00", "Asia/Hovd"))},
        "SELECT no, std_utc, sta_utc FROM leg",
    ),
    "days to add to an arrival, which is another day there": Shape(
        "hop",
        "CREATE TABLE port (code char(3) PRIMARY KEY, tz text);"
        "INSERT INTO port VALUES ('AAA', 'Pacific/Tahiti'), ('BBB', 'Asia/Hovd');"
        "CREATE TABLE hop (no int PRIMARY KEY, day date, dep char(3) REFERENCES port,"
        " arr char(3) REFERENCES port, dep_time time, arr_time time, arr_day_offset smallint,"
        " dep_utc timestamptz, arr_utc timestamptz, rest_days int);"
        "INSERT INTO hop VALUES (1, '2026-05-01', 'AAA', 'BBB', '22:00', '07:00', 2);",
        {1: (utc("2026-05-01 22:00", "Pacific/Tahiti"), utc("2026-05-03 07:00", "Asia/Hovd"))},
        "SELECT no, dep_utc, arr_utc FROM hop",
        says=('wall = ["day", "arr_time", "arr_day_offset"]', 'wall = ["day", "dep_time"]'),
    ),
    "a zone deep in JSON, a local time, an instant, and one that says no more than time": Shape(
        "alarm",
        "CREATE TABLE phone (id int PRIMARY KEY, prefs jsonb);"
        'INSERT INTO phone VALUES (1, \'{"lang": "sv", "it\'\'s": {"tz": "Asia/Hovd"}}\');'
        "CREATE TABLE alarm (id int PRIMARY KEY, phone int REFERENCES phone, ts timestamp,"
        " ts_utc timestamp, ts_local timestamp);"
        "INSERT INTO alarm VALUES (1, 1, now(), NULL, '2026-05-01 09:00');",
        {1: (utc("2026-05-01 09:00", "Asia/Hovd"),)},
        "SELECT id, ts_utc AT TIME ZONE 'UTC' FROM alarm",
        says=("phone.prefs->'it''s'->>'tz'",),
    ),
    "two times of which neither begins anything": Shape(
        "bus",
        "CREATE TABLE bus (id int PRIMARY KEY, planned_local timestamp, planned_utc timestamptz,"
        " actual_local timestamp, actual_utc timestamptz, tz text);"
        "INSERT INTO bus VALUES (1, NULL, NULL, '2026-05-01 09:00', NULL, 'Asia/Hovd');",
        {1: (None, utc("2026-05-01 09:00", "Asia/Hovd"))},
        "SELECT id, planned_utc, actual_utc FROM bus",
    ),
    "two ways into one table, of which nobody knows whose they are": Shape(
        "trek",
        "CREATE TABLE hut (id int PRIMARY KEY, tz text);"
        "INSERT INTO hut VALUES (1, 'Asia/Hovd'), (2, 'Asia/Dili');"
        "CREATE TABLE trek (no int PRIMARY KEY, hut_a int REFERENCES hut, hut_b int REFERENCES hut,"
        " sets_off_local timestamp, sets_off_utc timestamptz);"
        "INSERT INTO trek VALUES (1, 1, 2, '2026-05-01 08:00');",
        {1: (utc("2026-05-01 08:00", "Asia/Dili"),)},
        "SELECT no, sets_off_utc FROM trek",
        says=("which is whose?", '"hut.tz" (by hut_a) or "hut_2.tz" (by hut_b)'),
        changes=(('zone = ""', 'zone = "hut_2.tz"'),),
    ),
    "two shifts' ends, and two ways to a zone of which one is taken": Shape(
        "duty",
        "CREATE TABLE desk (id int PRIMARY KEY, tz text); INSERT INTO desk VALUES (1, 'Asia/Hovd');"
        "CREATE TABLE clerk (id int PRIMARY KEY, desk int REFERENCES desk,"
        ' prefs jsonb DEFAULT \'{"tz": "Asia/Dili", "old": "Asia/Baku"}\');'
        "INSERT INTO clerk VALUES (7, 1);"
        'CREATE TABLE duty (id int PRIMARY KEY, clerk int REFERENCES clerk, "⏰ day" date,'
        ' "⏰ start" time, "⏰ start\n(UTC)" timestamptz);'
        "INSERT INTO duty VALUES (1, 7, '2026-05-01', '09:00');",
        {1: (utc("2026-05-01 09:00", "Asia/Dili"),)},
        'SELECT id, "⏰ start\n(UTC)" FROM duty',
        says=("# public.clerk.prefs->>'old' holds time zones, too",),
    ),
    "texts at the moment a lookup begins to count": Shape(
        "watch",
        "CREATE TABLE ship_zone (ship text, since timestamp, tz text);"
        "INSERT INTO ship_zone VALUES ('B', '2026-01-01', 'Europe/Oslo'),"
        " ('B', '2026-06-01', 'America/Halifax');"
        "CREATE TABLE watch (id int PRIMARY KEY, ship text, begins_local text,"
        " begins_utc timestamptz);"
        "INSERT INTO watch VALUES (1, 'B', '2026-06-01'), (2, 'B', '20260531T2359'),"
        " (3, 'B', '2026-06-01 00:00'), (4, 'B', 'soon');",
        {
            1: (utc("2026-06-01", "America/Halifax"),),
            2: (utc("2026-05-31 23:59", "Europe/Oslo"),),
            3: (utc("2026-06-01", "America/Halifax"),),
            4: (None,),
        },
        "SELECT id, begins_utc FROM watch",
        changes=(
            ('zone = ""', 'zone = "place.tz"'),
            (
                "pairs = [",
                'lookup = [{ name = "place", table = "ship_zone", by = "ship", key = "ship",'
                ' from = "since" }]\npairs = [',
            ),
        ),
    ),
    "days first, halves of the day and weeks, where a lookup begins to count": Shape(
        "log",
        "CREATE TABLE place_zone (place int, since date, tz text);"
        "INSERT INTO place_zone VALUES (1, '2026-01-01', 'Europe/Oslo'),"
        " (1, '2026-06-01', 'America/Halifax');"
        "CREATE TABLE log (id int PRIMARY KEY, place int, a_local text, a_utc timestamptz,"
        " b_local text, b_utc timestamptz, c_local text, c_utc timestamptz);"
        "INSERT INTO log VALUES (1, 1, '31.05.2026 23:59', NULL, 'May 31, 2026 11:59 PM', NULL,"
        " '2026-W22-7', NULL), (2, 1, '01.06.2026 00:00', NULL, 'June 1, 2026 12:00 AM', NULL,"
        " '2026-W23-1', NULL), (3, 1, '40.13.2026 00:00', NULL, 'Mai 1, 2026 12:00 AM', NULL,"
        " 'x', NULL);",
        {
            1: (
                utc("2026-05-31 23:59", "Europe/Oslo"),
                utc("2026-05-31 23:59", "Europe/Oslo"),
                utc("2026-05-31 00:00", "Europe/Oslo"),
            ),
            2: (utc("2026-06-01 00:00", "America/Halifax"),) * 3,
            3: (None,) * 3,
        },
        "SELECT id, a_utc, b_utc, c_utc FROM log",
        says=('format = "%b %d, %Y %I:%M %p"', 'format = "%d.%m.%Y %H:%M"'),
        changes=(
            (
                'zone = ""',
                'zone = "site.tz"\nlookup = [{ name = "site", table = "place_zone", by = "place",'
                ' key = "place", from = "since" }]',
            ),
            ('target = "c_utc"', 'target = "c_utc"\nformat = "%G-W%V-%u"'),
        ),
    ),
}


@pytest.mark.parametrize("name", longer_behind(2, SHAPES))
def test_a_strangers_table_is_guessed_and_gets_its_instants(
    bench_from: BenchFrom, tmp_path: Path, name: str
) -> None:
    shape = SHAPES[name]
    bench = bench_from("nothing", load_nothing)
    bench.sql(shape.ddl)

    guess = as_toml(guess_spec(*look_at(bench.connection, shape.table)))
    for piece in shape.says:
        assert piece in guess, guess
    for before, after in shape.changes:
        assert before in guess
        guess = guess.replace(before, after)
    path = tmp_path / "table.toml"
    path.write_text(guess, encoding="utf-8")
    book = bench.run(table=str(path))

    found = {row[0]: row[1:] for row in bench.sql(shape.select)}
    assert found == shape.expected
    assert bench.verify(book.run_id).findings == []
