"""Tables of others that hang on the one that is filled, and keys that are not there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pandas as pd
import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from backfill.errors import PreflightError

if TYPE_CHECKING:
    from tests.fill.conftest import Tables


def test_what_was_written_comes_back_in_a_database_that_got_another_name(
    tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables.make(
        "CREATE TABLE tram (line int PRIMARY KEY, depot text)", "INSERT INTO tram VALUES (1), (2)"
    )
    run = tables.fill(pd.DataFrame({"line": [1, 2], "depot": ["east", "west"]}), "tram", "depot")
    run.apply()
    name = tables.connection.info.dbname
    tables.connection.close()
    others = make_conninfo(tables.dsn, dbname="postgres")
    with psycopg.connect(others, autocommit=True) as server:
        server.execute(_renamed(name, f"{name}_moved"))
    try:
        moved = make_conninfo(tables.dsn, dbname=f"{name}_moved")
        monkeypatch.setenv("TABLES_URL", moved)

        run.undo()

        with psycopg.connect(moved) as connection:
            assert connection.execute("SELECT count(depot) FROM tram").fetchall() == [(0,)]
    finally:
        with psycopg.connect(others, autocommit=True) as server:
            server.execute(_renamed(f"{name}_moved", name))


def _renamed(old: str, new: str) -> sql.Composed:
    names = map(sql.Identifier, (old, new))
    return sql.SQL("ALTER DATABASE {} RENAME TO {}").format(*names)


def _plates(tables: Tables, on_update: str) -> pd.DataFrame:
    tables.make(
        "CREATE TABLE car (id int PRIMARY KEY, plate text UNIQUE)",
        "INSERT INTO car SELECT i, 'old ' || i FROM generate_series(1, 5) AS i",
    )
    tables.connection.execute(
        "CREATE TABLE fine (no int PRIMARY KEY, plate text DEFAULT 'none'"
        f" REFERENCES car (plate) ON UPDATE {on_update})".encode()
    )
    tables.make("INSERT INTO fine SELECT i, 'old ' || i FROM generate_series(1, 5) AS i")
    return pd.DataFrame({"id": [1, 2], "plate": ["new 1", "new 2"]})


@pytest.mark.parametrize("on_update", ["SET NULL", "SET DEFAULT"])
def test_rows_of_others_that_would_lose_what_they_refer_to_keep_it(
    tables: Tables, on_update: str
) -> None:
    rows = _plates(tables, on_update)

    refusal = f"fine_plate_fkey of public.fine is ON UPDATE {on_update}"
    with pytest.raises(PreflightError, match=refusal):
        tables.fill(rows, "car", "plate", overwrite=True).apply()

    assert tables.rows("SELECT count(*) FROM fine WHERE plate LIKE 'old%'") == [(5,)]


def test_rows_of_others_that_are_carried_along_are_named_and_come_back(
    tables: Tables, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tables.fill(_plates(tables, "CASCADE"), "car", "plate", overwrite=True)
    assert "ON UPDATE CASCADE carries what is written on to public.fine" in capsys.readouterr().err
    run.apply()
    assert tables.rows("SELECT count(*) FROM fine WHERE plate LIKE 'new%'") == [(2,)]

    run.undo()

    assert tables.rows("SELECT count(*) FROM fine WHERE plate LIKE 'old%'") == [(5,)]


def test_the_key_that_is_proposed_can_be_added_to_a_partitioned_table(tables: Tables) -> None:
    tables.make(
        'CREATE TABLE stay (id int, "check in" date, v int) PARTITION BY RANGE ("check in")',
        "CREATE TABLE stay_rest PARTITION OF stay DEFAULT",
        "INSERT INTO stay VALUES (1, '2026-02-03')",
    )
    rows = pd.DataFrame({"id": [1], "v": [2]})

    with pytest.raises(PreflightError) as refused:
        tables.fill(rows, "stay", "v", key="id")

    mend = str(refused.value).partition("as the table's owner: ")[2]
    assert mend == 'ALTER TABLE public.stay ADD PRIMARY KEY (id, "check in");'
    tables.connection.execute(mend.encode())
    tables.fill(rows, "stay", "v", key="id").apply()
    assert tables.rows("SELECT v FROM stay") == [(2,)]


@pytest.mark.parametrize("has_key", [False, True])
def test_a_table_with_a_partition_elsewhere_names_one_of_those_here(
    tables: Tables, *, has_key: bool
) -> None:
    tables.make(
        "CREATE EXTENSION IF NOT EXISTS file_fdw",
        "CREATE SERVER elsewhere FOREIGN DATA WRAPPER file_fdw",
        "CREATE TABLE stay (id int NOT NULL, v int) PARTITION BY RANGE (id)",
        "CREATE FOREIGN TABLE stay_far PARTITION OF stay FOR VALUES FROM (10) TO (20)"
        " SERVER elsewhere OPTIONS (filename '/dev/null')",
        'CREATE TABLE "Stay here" PARTITION OF stay FOR VALUES FROM (0) TO (10)',
        "INSERT INTO stay VALUES (1, NULL)",
    )
    if has_key:
        tables.make('ALTER TABLE "Stay here" ADD PRIMARY KEY (id)')
    rows = pd.DataFrame({"id": [1], "v": [2]})

    with pytest.raises(PreflightError, match="foreign table for a partition") as refused:
        tables.fill(rows, "stay", "v", key="id")

    mends = re.findall(r"ALTER TABLE [^;]*;", str(refused.value))
    assert len(mends) == (not has_key)
    for mend in mends:
        tables.connection.execute(mend.encode())
    [named] = re.findall(r'--table ((?:public\.)?"[^"]*"|\S+), and', str(refused.value))
    tables.fill(rows, named, "v").apply()
    assert tables.rows("SELECT v FROM stay") == [(2,)]


@pytest.mark.parametrize(
    ("by", "why"),
    [("until", r"divided by until, .* NULL"), ("(until + 0)", "divided by an expression")],
)
def test_a_table_that_is_divided_by_what_is_to_be_filled_says_how_it_gets_a_key(
    tables: Tables, by: str, why: str
) -> None:
    tables.make(
        f"CREATE TABLE stay (id int NOT NULL, until date) PARTITION BY RANGE ({by})",
        "CREATE TABLE stay_old PARTITION OF stay FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')",
        "CREATE TABLE stay_rest PARTITION OF stay DEFAULT",
        "INSERT INTO stay VALUES (1, NULL)",
    )
    rows = pd.DataFrame({"id": [1], "until": ["2026-02-03"]})

    with pytest.raises(PreflightError, match=why) as refused:
        tables.fill(rows, "stay", "until", key="id")

    mend, _and, _rest = str(refused.value).partition("as the table's owner: ")[2].partition(";")
    tables.make(mend.replace("…", "stay_rest"), "ALTER TABLE stay_rest ADD PRIMARY KEY (id)")
    tables.fill(rows, "stay_rest", "until", key="id").apply()
    tables.make("INSERT INTO stay SELECT * FROM stay_rest")
    assert tables.rows("SELECT id, until::text FROM stay") == [(1, "2026-02-03")]


def test_a_table_elsewhere_is_named_so_that_it_is_found(tables: Tables) -> None:
    tables.make(
        'CREATE SCHEMA "Front Desk"',
        'CREATE TABLE "Front Desk".guest (id int PRIMARY KEY, v text)',
        'INSERT INTO "Front Desk".guest VALUES (7)',
    )
    rows = pd.DataFrame({"id": [7], "v": ["late"]})

    with pytest.raises(PreflightError) as refused:
        tables.fill(rows, "guest", "v")

    name = str(refused.value).partition("with its schema: ")[2].partition(", or: ")[0]
    tables.fill(rows, name, "v").apply()
    assert tables.rows('SELECT v FROM "Front Desk".guest') == [("late",)]
    assert str(refused.value).endswith('SET search_path = "Front Desk";')


def test_a_key_that_is_not_null_for_new_rows_only_is_no_key(tables: Tables) -> None:
    tables.make(
        "CREATE TABLE badge (no int UNIQUE, v text)", "INSERT INTO badge VALUES (1), (NULL)"
    )
    if tables.connection.info.server_version >= 180000:
        tables.make("ALTER TABLE badge ADD CONSTRAINT known NOT NULL no NOT VALID")

    with pytest.raises(PreflightError, match="no primary key or unique index on exactly"):
        tables.fill(pd.DataFrame({"no": [1], "v": ["x"]}), "badge", "v", key="no")
