"""Functions of the user's, which a read calls, that name tables without their schema."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pytest
from psycopg.conninfo import make_conninfo

from backfill.errors import PreflightError

if TYPE_CHECKING:
    from tests.fill.conftest import Tables


def _stock(tables: Tables) -> None:
    tables.make(
        "CREATE SCHEMA depot",
        "CREATE TABLE depot.colour (name text PRIMARY KEY)",
        "INSERT INTO depot.colour VALUES ('red'), ('blue')",
        "DO $$BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = depot, public',"
        " current_database()); END$$",
        "SET search_path = depot, public",
        "CREATE FUNCTION known(c text) RETURNS boolean LANGUAGE plpgsql STABLE AS $$BEGIN"
        " RETURN c IS NULL OR EXISTS (SELECT FROM colour WHERE name = c); END$$",
    )


_ROWS = pd.DataFrame({"id": [1, 2, 3], "paint": ["red", "mud", "blue"]})


@pytest.mark.parametrize("how", ["CHECK", "DOMAIN"])
def test_a_check_finds_its_names_when_it_is_asked_and_when_it_is_written(
    tables: Tables, how: str
) -> None:
    _stock(tables)
    if how == "CHECK":
        tables.make("CREATE TABLE bike (id int PRIMARY KEY, paint text CHECK (known(paint)))")
    else:
        tables.make(
            "CREATE DOMAIN shade AS text CHECK (known(VALUE))",
            "CREATE TABLE bike (id int PRIMARY KEY, paint shade)",
        )
    tables.make("INSERT INTO bike VALUES (1), (2), (3)")

    run = tables.fill(_ROWS, "depot.bike", "paint")
    run.apply()
    run.verify()

    assert run.skips.set_index("key")["reason"].to_dict() == {"2": "invalid_value"}
    assert tables.rows("SELECT id FROM depot.bike WHERE paint IS NOT NULL ORDER BY id") == [
        (1,),
        (3,),
    ]
    run.undo()
    assert tables.rows("SELECT count(paint) FROM depot.bike") == [(0,)]


def test_a_policy_that_finds_no_names_is_named_with_its_mend_and_no_row_is_called_missing(
    tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    _stock(tables)
    tables.make(
        "CREATE TABLE bike (id int PRIMARY KEY, paint text, was text)",
        "INSERT INTO bike SELECT i, NULL, 'red' FROM generate_series(1, 3) AS i",
        "ALTER TABLE bike ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY coloured ON bike USING (known(was))",
        "DROP ROLE IF EXISTS depot_clerk",
        "CREATE ROLE depot_clerk LOGIN",
        "GRANT USAGE ON SCHEMA depot TO depot_clerk",
        "GRANT SELECT ON ALL TABLES IN SCHEMA depot TO depot_clerk",
        "GRANT UPDATE ON bike TO depot_clerk",
        "DO $$BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO depot_clerk',"
        " current_database()); END$$",
    )
    monkeypatch.setenv("TABLES_URL", make_conninfo(tables.dsn, user="depot_clerk"))
    try:
        with pytest.raises(PreflightError) as refused:
            tables.fill(_ROWS, "depot.bike", "paint")
        assert "calls the function depot.known, which finds names" in str(refused.value)
        assert "ALTER FUNCTION depot.known SET search_path = …" in str(refused.value)

        tables.make("ALTER FUNCTION depot.known SET search_path = depot")
        tables.fill(_ROWS, "depot.bike", "paint").apply()
        assert tables.rows("SELECT count(paint) FROM depot.bike") == [(3,)]
    finally:
        tables.make("DROP OWNED BY depot_clerk CASCADE", "DROP ROLE depot_clerk")
