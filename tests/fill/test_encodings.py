"""Databases that know fewer letters than we do: rows are refused, and our record of it is kept."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pandas as pd
import psycopg
import pytest
from psycopg import sql
from tests.conftest import DatabaseServer
from tests.fill.conftest import Tables
from tests.fill.test_own_task import command

WORDS = {"LATIN1": "sjö", "EUC_JP": "湖", "WIN1251": "озеро"}
STRANGE = "🦉 λίμνη 湖 sjö"


@pytest.fixture
def narrow(
    encoding: str,
    server: DatabaseServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Tables]:
    """A database of that encoding."""
    name = f"narrow_{secrets.token_hex(4)}"
    statement = sql.SQL("CREATE DATABASE {} ENCODING {} LOCALE 'C' TEMPLATE template0").format(
        sql.Identifier(name), sql.Literal(encoding)
    )
    with psycopg.connect(server.admin_dsn, autocommit=True) as admin:
        admin.execute(statement)
    dsn = urlunsplit(urlsplit(server.admin_dsn)._replace(path=f"/{name}"))
    monkeypatch.setenv("TABLES_URL", dsn)
    try:
        with psycopg.connect(dsn, autocommit=True, client_encoding="UTF8") as connection:
            connection.execute("CREATE TABLE lake (id text PRIMARY KEY, name text, near text)")
            word = WORDS[encoding]
            connection.execute(
                "INSERT INTO lake (id, near) VALUES ('1', %s), ('2', NULL), ('3', 'x'), (%s, NULL)",
                [word] * 2,
            )
            yield Tables(dsn, connection, tmp_path / "runs")
    finally:
        server.drop(name)


@pytest.mark.parametrize("encoding", WORDS)
def test_what_the_database_has_no_letters_for_is_left_alone_and_told(narrow: Tables) -> None:
    [(word,)] = narrow.rows("SELECT near FROM lake WHERE id = '1'")
    rows = pd.DataFrame(
        {
            "id": ["1", "2", "3", word, STRANGE],
            "name": [word, STRANGE, "c", "d", "e"],
            "near": [word, None, STRANGE, None, None],
            "note 🦉": [STRANGE] * 5,
        }
    )

    run = narrow.fill(rows, "lake", "name")
    run.apply()
    run.verify()

    assert dict(narrow.rows("SELECT id, name FROM lake WHERE name IS NOT NULL")) == {
        "1": word,
        word: "d",
    }
    skips = dict(narrow.rows("SELECT key, reason FROM backfill.skip"))
    assert {skips.pop("2"), skips.pop("3")} == {"invalid_value", "drifted"}
    [(missing, reason)] = skips.items()
    assert (missing[:10], reason) == ("\\U0001f989", "missing_row")
    run.undo()
    assert narrow.rows("SELECT count(name) FROM lake") == [(0,)]


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["WIN1251"])
def test_a_query_that_the_database_could_not_hold_is_kept_spelt_out(
    narrow: Tables, tmp_path: Path
) -> None:
    query = f"SELECT '2' AS id, 'a' AS name, '{STRANGE}' AS seen"
    words = ("fill", "--table", "lake", "--set", "name", "--query", query, "--chunk-size", "1")

    planned, summary = command(narrow, tmp_path, *words)
    code, applied = command(narrow, tmp_path, "apply", summary["run_id"])

    assert (planned, code, applied["total_updated"]) == (0, 0, 1)
    [(kept,)] = narrow.rows("SELECT settings ->> 'values' FROM backfill.run")
    assert kept.startswith("SELECT '2' AS id, 'a' AS name, '\\U0001f989 ")
    plan = json.loads((narrow.runs / summary["run_id"] / "plan.json").read_text(encoding="utf-8"))
    assert plan["settings"]["values"] == query


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["WIN1251"])
def test_a_name_of_other_letters_is_refused_in_a_sentence(narrow: Tables, tmp_path: Path) -> None:
    asked = (
        ("fill", "--table", "🦉", "--set", "name", "--query", "SELECT 1 AS id, 2 AS name"),
        ("apply", "🦉"),
    )

    for words in asked:
        code, summary = command(narrow, tmp_path, *words)
        assert (code, summary["status"]) == (2, "refused"), summary
        assert "no such letter" in summary["error"] or "no run" in summary["error"]
