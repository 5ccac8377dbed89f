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
from backfill.command.table_guess import as_toml, guess_spec
from backfill.errors import UsageError
from backfill.jobs.utc.spec_file import load_spec
from backfill.server.table_look import look_at

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
    assert re.findall(r"^(\w+) = .*FILL IN", text, re.MULTILINE) == ["scope", "zone", "pairs"]
    with pytest.raises(UsageError, match=r"empty name. Fill it in, where it says FILL IN"):
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

    assert (spec["zone"], spec["scope"], spec["deleted"]) == ("place", "tenant_id", "deleted_at")
    assert spec["pairs"] == [{"wall": "starts_wall", "target": "starts_utc"}]


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
        file = tmp_path / f"{number}.toml"
        file.write_text(toml, encoding="utf-8")
        assert load_spec(file).pairs
