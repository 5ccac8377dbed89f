"""A first specification of another table, from the catalog, as docs/other-tables.md shows it."""

from __future__ import annotations

import datetime as dt
import json
import re
import tomllib
from pathlib import Path

import psycopg
import pytest
from tests.conftest import Connection, DatabaseFrom

from backfill import cli
from backfill.errors import UsageError
from backfill.jobs.utc.examine import examine_table
from backfill.jobs.utc.guess.specification import guess_spec
from backfill.jobs.utc.guess.toml import as_toml
from backfill.jobs.utc.spec_file import load_spec
from backfill.server.postgres import connect
from backfill.server.table_look import SAMPLE_LETTERS, look_at

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "other-tables.md").read_text(encoding="utf-8")


def block(language: str, text: str = PAGE) -> str:
    found = re.search(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert found
    return found[1]


def load_visits(dsn: str) -> None:
    with psycopg.connect(dsn) as connection:
        connection.execute(block("sql").encode())


@pytest.fixture
def database(database_from: DatabaseFrom, monkeypatch: pytest.MonkeyPatch) -> str:
    dsn = database_from("visits", load_visits)
    monkeypatch.setenv("DATABASE_URL", dsn)
    return dsn


def init_table(*arguments: str) -> int:
    return cli.main(["init-table", *arguments])


def guessed_from(connection: Connection, ddl: str, name: str) -> str:
    connection.execute(ddl.encode())
    return as_toml(guess_spec(*look_at(connection, name)))


def test_the_first_specification_is_the_one_in_the_docs(
    database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "visit.toml"

    assert init_table("visit", "--output", str(path)) == 0

    assert path.read_text(encoding="utf-8") == block("toml")
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (said["guesses"], said["to_fill_in"]) == (5, [])


@pytest.mark.slow
def test_a_guessed_specification_fills_a_table_with_a_composite_key(
    database: str, connection: Connection, tmp_path: Path
) -> None:
    path = tmp_path / "visit.toml"
    init_table("visit", "--output", str(path))

    assert cli.main(["utc", "--table", str(path), "--apply", "--quiet"]) == 0

    rows = connection.execute(
        "SELECT arrives_utc, leaves_utc FROM visit ORDER BY clinic_id, visit_no"
    ).fetchall()
    assert rows == [
        (utc(2026, 7, 1, 7, 0), utc(2026, 7, 1, 7, 30)),
        (utc(2026, 1, 15, 14, 0), None),
        (utc(2026, 7, 1, 0, 0), utc(2026, 7, 1, 1, 15)),
        (None, None),
    ]
    assert cli.main(["check", "--table", str(path)]) == 8


def utc(*parts: int) -> dt.datetime:
    year, month, day, hour, minute = parts
    return dt.datetime(year, month, day, hour, minute, tzinfo=dt.UTC)


def test_a_file_that_is_there_is_not_overwritten(
    database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "visit.toml"
    path.write_text("mine", encoding="utf-8")

    assert init_table("visit", "--output", str(path)) == 2

    assert path.read_text(encoding="utf-8") == "mine"
    assert "is there already and stays as it is" in capsys.readouterr().err


def test_what_can_not_be_guessed_is_marked_and_refused_until_filled_in(
    connection: Connection, tmp_path: Path
) -> None:
    path = tmp_path / "note.toml"
    ddl = "CREATE TABLE note (id bigint PRIMARY KEY, written timestamp, told text)"
    path.write_text(guessed_from(connection, ddl, "note"), encoding="utf-8")

    text = path.read_text(encoding="utf-8")
    assert re.findall(r"^(\w+) = .*FILL IN", text, re.MULTILINE) == ["zone", "pairs"]
    with pytest.raises(UsageError, match=r"a name is empty. Fill it in, where it says FILL IN"):
        load_spec(path)


def test_a_column_of_zones_is_known_by_its_values_whatever_its_name(
    connection: Connection,
) -> None:
    ddl = (
        "CREATE TABLE trip (id bigint PRIMARY KEY, tenant_id text, place text, label text,"
        " starts_wall text, starts_utc bigint, deleted_at timestamptz);"
        "INSERT INTO trip (id, place, label) SELECT n, 'Asia/Tokyo', 'trip ' || n"
        " FROM generate_series(1, 5) AS n"
    )

    spec = tomllib.loads(guessed_from(connection, ddl, "trip"))

    assert (spec["zone"], spec["scope"], spec["deleted"]) == (["place"], "tenant_id", "deleted_at")
    assert spec["pairs"] == [{"wall": "starts_wall", "target": "starts_utc"}]


def test_two_zone_columns_go_to_the_walls_that_are_named_like_them(connection: Connection) -> None:
    ddl = (
        "CREATE TABLE leg (id int PRIMARY KEY, dep_tz text, arr_tz text, dep_local timestamp,"
        " arr_local timestamp, dep_utc timestamptz, arr_utc timestamptz)"
    )

    spec = tomllib.loads(guessed_from(connection, ddl, "leg"))

    assert "zone" not in spec
    assert [(pair["wall"], pair["zone"], pair["target"]) for pair in spec["pair"]] == [
        ("dep_local", "dep_tz", "dep_utc"),
        ("arr_local", "arr_tz", "arr_utc"),
    ]


def test_zones_behind_foreign_keys_become_lookups(connection: Connection) -> None:
    ddl = (
        "CREATE TABLE city (id int PRIMARY KEY, timezone text, country text);"
        "CREATE TABLE hall (id int PRIMARY KEY, city_id int REFERENCES city);"
        "CREATE TABLE concert (id int PRIMARY KEY, hall_id int REFERENCES hall, day date,"
        " begins time, begins_utc timestamptz);"
        "INSERT INTO city VALUES (1, 'Europe/Prague', 'CZ')"
    )

    text = guessed_from(connection, ddl, "concert")
    spec = tomllib.loads(text)

    assert spec["zone"] == ["city.timezone"]
    assert [(lookup["name"], lookup["by"]) for lookup in spec["lookup"]] == [
        ("hall", "hall_id"),
        ("city", "hall.city_id"),
    ]
    assert [pair["wall"] for pair in spec["pair"]] == [["day", "begins"]]
    assert "# public.city.country is no time zone" in text


def test_formats_units_and_offsets_are_told_from_samples(connection: Connection) -> None:
    ddl = (
        "CREATE TABLE ping (id int PRIMARY KEY, utc_offset int, sent_local text, sent_utc bigint,"
        " seen_local bigint, seen_utc timestamptz);"
        "INSERT INTO ping VALUES (1, 330, '24/12/2025 18:00', 1766600000, 20251224180000, NULL)"
    )

    spec = tomllib.loads(guessed_from(connection, ddl, "ping"))

    offset = {"column": "utc_offset", "unit": "minutes", "as": "zone"}
    assert [
        (p["wall"], p.get("format"), p.get("target_unit"), p["offset"]) for p in spec["pair"]
    ] == [
        ("sent_local", "%d/%m/%Y %H:%M", "s", offset),
        ("seen_local", "%Y%m%d%H%M%S", None, offset),
    ]


@pytest.mark.parametrize(
    ("columns", "walls"),
    [
        ("starttime timestamp, starttimeutc timestamptz", [["starttime"]]),
        ("localbegin timestamp, pickuputc timestamptz, pickuplocal timestamp", [["pickuplocal"]]),
        ("hora_local timestamp, hora_utc timestamptz", [["hora_local"]]),
        ("fecha_inicio timestamp, inicio_utc timestamptz", [["fecha_inicio"]]),
        ("fecha date, hora_salida time, salida_utc timestamptz", [["fecha", "hora_salida"]]),
        ("beginn_uhrzeit timestamp, beginn_utc timestamptz", [["beginn_uhrzeit"]]),
        (
            "service_date date, arrival_time text DEFAULT '25:10:00', arrival_utc timestamptz,"
            " departure_time text DEFAULT '08:05:00', departure_utc timestamptz",
            [["service_date", "arrival_time"], ["service_date", "departure_time"]],
        ),
        ("wall timestamp, wall_utc timestamptz", [["wall"]]),
        ("local_time text DEFAULT '2026-05-05 10:00', local_time_utc text", [["local_time"]]),
        ("day date, overtime int DEFAULT 45, shift_utc timestamptz", []),
        ("locality text DEFAULT 'x', ity_utc timestamptz, candidate text DEFAULT 'y'", []),
        ("tid int DEFAULT 7, utc timestamptz", []),
        ("runtime timestamp, update_utc timestamptz", []),
    ],
)
def test_words_of_other_languages_and_without_a_break_make_pairs_only_where_they_are_sure(
    connection: Connection, columns: str, walls: list[list[str]]
) -> None:
    ddl = (
        f"CREATE TABLE plan (id int PRIMARY KEY, tz text DEFAULT 'Asia/Tokyo', {columns});"
        "INSERT INTO plan (id) SELECT generate_series(1, 5)"
    )

    spec = tomllib.loads(guessed_from(connection, ddl, "plan"))

    pairs = spec.get("pair") or spec["pairs"]
    found = [pair["wall"] for pair in pairs if pair["wall"]]
    assert [wall if isinstance(wall, list) else [wall] for wall in found] == walls


def test_a_table_without_any_zone_asks_for_a_constant(connection: Connection) -> None:
    ddl = "CREATE TABLE till (id int PRIMARY KEY, sold_local timestamp, sold_utc timestamptz)"

    text = guessed_from(connection, ddl, "till")

    assert 'zone = ""  # FILL IN' in text
    assert 'zone = "=Europe/Paris"' in text


def test_zones_that_no_foreign_key_leads_to_are_named_before_a_constant_is(
    connection: Connection,
) -> None:
    ddl = (
        "CREATE SCHEMA shop; SET search_path TO shop;"
        "CREATE TABLE people (user_id int PRIMARY KEY, time_zone text, zoned_at date);"
        "CREATE TABLE till (id int PRIMARY KEY, user_id int, sold_local date, sold_utc timestamptz)"
    )

    text = guessed_from(connection, ddl, "shop.till")

    assert "Zones stand in people.time_zone, where no foreign key leads" in text


def test_names_of_other_programs_are_recognised(connection: Connection) -> None:
    ddl = (
        "CREATE TABLE call (id int PRIMARY KEY, tz text, at_local timestamp, at_utc timestamptz);"
        "INSERT INTO call VALUES (1, 'Romance Standard Time'), (2, 'Europe/Paris')"
    )

    spec = tomllib.loads(guessed_from(connection, ddl, "call"))

    assert spec["zone_names"] == ["iana", "windows"]


def test_a_table_without_a_primary_key_gets_its_unique_index(connection: Connection) -> None:
    ddl = "CREATE TABLE plain (a int NOT NULL, b int NOT NULL, c int UNIQUE, UNIQUE (b, a))"

    spec = tomllib.loads(guessed_from(connection, ddl, "plain"))

    assert spec["key"] == ["b", "a"]


def test_names_that_need_quotes_come_through(connection: Connection) -> None:
    ddl = (
        'CREATE TABLE "Odd ""Table" ("Id" int PRIMARY KEY, "startLocal" timestamp,'
        ' "startUtc" timestamptz, "Tz" text)'
    )

    spec = tomllib.loads(guessed_from(connection, ddl, 'Odd "Table'))

    assert spec["table"] == 'public.Odd "Table'
    assert spec["pairs"] == [{"wall": "startLocal", "target": "startUtc"}]


def test_of_long_values_no_more_is_read_than_a_zone_or_a_time_could_have(
    connection: Connection,
) -> None:
    connection.execute(
        "CREATE TABLE essay (id int PRIMARY KEY, tz text, at_local text, at_utc timestamptz);"
        "INSERT INTO essay VALUES (1, 'Asia/Hovd', repeat('2026-05-01 ', 90000))"
    )

    look, _others = look_at(connection, "essay")

    assert len(look.samples["at_local"][0]) == SAMPLE_LETTERS
    assert look.samples["tz"] == ("Asia/Hovd",)


def test_an_unknown_table_is_refused_with_near_misses(
    database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert init_table("visits", "--output", str(tmp_path / "v.toml")) == 3

    assert "Did you mean" in capsys.readouterr().err
    assert list(tmp_path.glob("*.toml")) == []


@pytest.mark.parametrize("path", sorted(DOCS.glob("*.md")), ids=lambda path: path.name)
def test_every_specification_in_the_docs_is_one(path: Path, tmp_path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for number, toml in enumerate(re.findall(r"^```toml\n(.*?)^```", text, re.DOTALL | re.M)):
        if toml.startswith("[project"):
            continue  # of a package, not of a table
        file = tmp_path / f"{number}.toml"
        file.write_text(toml, encoding="utf-8")
        assert load_spec(file).pairs


def test_the_doctor_tells_whether_a_specification_will_work(
    database: str, connection: Connection, tmp_path: Path
) -> None:
    path = tmp_path / "visit.toml"
    init_table("visit", "--output", str(path))
    with connect(database, read_only=True) as session:
        well = examine_table(session, path)
        path.write_text(path.read_text().replace('clinic.timezone"', 'clinic.no_such_zone"'))
        ill = examine_table(session, path)

    assert [(f.what, f.is_well) for f in well][:2] == [("specification", True), ("table", True)]
    assert all(finding.is_well for finding in well)
    assert [finding.detail for finding in ill if not finding.is_well] == [
        "public.clinic has no column no_such_zone. It has: clinic_id, title, timezone. "
        "Name one that is there: "
        "a table is described with --table spec.toml."
    ]


def test_a_date_in_three_columns_is_no_wall_and_the_remark_makes_one_of_it(
    connection: Connection,
) -> None:
    ddl = (
        "CREATE TABLE flight (id int PRIMARY KEY, dep_year int, dep_month text, dep_day int,"
        " tz text, dep_utc timestamptz);"
        "INSERT INTO flight VALUES (1, 2031, '2', 28, 'Asia/Tokyo', NULL)"
    )
    spec = guessed_from(connection, ddl, "flight")

    assert 'pairs = [{ wall = "", target = "" }]' in spec
    [made] = re.findall(r"ALTER TABLE .* STORED(?=;)", spec)
    connection.execute(made.encode())
    assert connection.execute("SELECT wall_date FROM flight").fetchall() == [
        (dt.date(2031, 2, 28),)
    ]
