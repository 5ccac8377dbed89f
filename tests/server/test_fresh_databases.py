"""The databases that the tests get: a template is loaded once, every copy is fresh."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg

if TYPE_CHECKING:
    from tests.conftest import Connection, DatabaseFrom


def test_template_is_loaded_once_and_every_copy_is_fresh(database_from: DatabaseFrom) -> None:
    loaded = []

    def load(dsn: str) -> None:
        loaded.append(dsn)
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("CREATE TABLE seeded AS SELECT 1 AS value")

    first, second = database_from("seeded once", load), database_from("seeded once", load)
    with psycopg.connect(first, autocommit=True) as connection:
        connection.execute("DELETE FROM seeded")

    assert len(loaded) == 1
    with psycopg.connect(second) as connection:
        assert connection.execute("SELECT value FROM seeded").fetchone() == (1,)


def test_each_test_has_a_database_of_its_own(database: str, connection: Connection) -> None:
    name = connection.execute("SELECT current_database()").fetchone()

    assert name is not None
    assert f"/{name[0]}?" in database or database.endswith(f"/{name[0]}")
