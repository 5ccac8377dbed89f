"""What becomes of each row of the values: filled, overwritten, cleared, or left alone and why."""

from __future__ import annotations

import json
import re
import secrets
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from backfill import workbook
from backfill.errors import PreflightError, UsageError
from backfill.notebook.offline_page import write_page

if TYPE_CHECKING:
    from tests.fill.conftest import Tables


def shelf(tables: Tables) -> None:
    tables.make(
        "CREATE TABLE book (isbn text PRIMARY KEY, title text NOT NULL, pages int, shelf char(4),"
        " CONSTRAINT pages_are_many CHECK (pages > 0))",
        "INSERT INTO book VALUES ('a', 'Ash', NULL, NULL), ('b', 'Birch', 120, 'N1'),"
        " ('c', 'Cedar', 7, 'S2'), ('d', 'Doum', NULL, NULL), ('e', 'Elm', 44, NULL)",
    )


def reasons(skips: pd.DataFrame) -> dict[str, str]:
    return dict(zip(skips["key"], skips["reason"], strict=True))


def test_each_row_is_filled_unchanged_or_left_alone_with_its_reason(tables: Tables) -> None:
    shelf(tables)
    rows = pd.DataFrame(
        {
            "isbn": ["a", "b", "c", "d", "e", "x"],
            "pages": [310, 120, 8, None, -1, 5],
            "bound": ["yes", "no", "no", "no", "no", "no"],
        }
    )

    run = tables.fill(rows, "book", "pages", overwrite=False)

    assert reasons(run.skips) == {
        "c": "already_filled",
        "d": "no_value",
        "e": "invalid_value",
        "x": "missing_row",
    }
    changes = run.changes.set_index("key")
    assert changes["rule"].to_dict() == {"a": "filled", "b": "unchanged"}
    assert changes["why.bound"].to_dict() == {"a": "yes", "b": "no"}
    assert run.summary["rules"] == {"filled": 1}
    (words,) = run.skips.loc[run.skips["key"] == "e", "detail"]
    assert 'violates check constraint "pages_are_many"' in words


def test_overwritten_cleared_and_filled_rows_are_written_proven_and_put_back(
    tables: Tables,
) -> None:
    shelf(tables)
    before = tables.rows("SELECT * FROM book ORDER BY isbn")
    rows = pd.DataFrame({"isbn": ["a", "b", "c"], "pages": [310, 121, None]})

    run = tables.fill(rows, "public.book", "pages", overwrite=True, allow_null=True)
    run.apply()
    run.verify()

    assert run.summary["rules"] == {"cleared": 1, "filled": 1, "overwritten": 1}
    assert tables.rows("SELECT pages FROM book ORDER BY isbn LIMIT 3") == [(310,), (121,), (None,)]
    run.undo()
    assert tables.rows("SELECT * FROM book ORDER BY isbn") == before


def test_a_row_whose_source_differs_is_drifted_when_planned_and_when_applied(
    tables: Tables,
) -> None:
    shelf(tables)
    rows = pd.DataFrame(
        {"isbn": ["a", "b", "d"], "title": ["Ash", "Beech", "Doum"], "pages": [1, 2, 3]}
    )

    run = tables.fill(rows, "book", "pages", overwrite=True)
    assert reasons(run.skips) == {"b": "drifted"}
    tables.make("UPDATE book SET title = 'Date' WHERE isbn = 'd'")
    run.apply()

    assert tables.rows("SELECT isbn, pages FROM book WHERE isbn IN ('a', 'b', 'd') ORDER BY 1") == [
        ("a", 1),
        ("b", 120),
        ("d", None),
    ]
    assert (run.summary["total_drifted"], run.summary["total_updated"]) == (2, 1)


def test_names_that_begin_as_a_path_does_are_names(tables: Tables) -> None:
    tables.make(
        'CREATE TABLE shelf (".key" int PRIMARY KEY, "$.at" text, ".of" text, "[0]" text)',
        "INSERT INTO shelf VALUES (6, 'east', 'oak', NULL)",
    )
    rows = pd.DataFrame({".key": [6], "$.at": ["east"], ".of": ["oak"], "[0]": ["full"]})

    run = tables.fill(rows, "shelf", "[0]", reads=[".of", "$.at"])
    run.apply()
    run.verify()

    assert tables.rows("TABLE shelf") == [(6, "east", "oak", "full")]
    run.undo()
    assert tables.rows("TABLE shelf") == [(6, "east", "oak", None)]


def test_values_that_came_as_they_are_outlive_an_update_of_the_time_zone_data(
    tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables.make("CREATE TABLE jar (id int PRIMARY KEY, lid text)", "INSERT INTO jar VALUES (3)")
    planned = tables.fill(pd.DataFrame({"id": [3], "lid": ["cork"]}), "jar", "lid")
    monkeypatch.setattr("backfill.steps.running.tzdata_version", lambda: "2031.1")

    planned.apply()

    assert tables.rows("TABLE jar") == [(3, "cork")]
    assert json.loads((planned.folder.path / "plan.json").read_text())["tzdata_version"] == ""


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        (["a", "b", "a"], "more than once: 'a'"),
        (["a", None, "c"], "NULL in row 2 of the values"),
    ],
)
def test_a_key_twice_or_missing_is_refused_and_named(
    tables: Tables, keys: list[str | None], says: str
) -> None:
    shelf(tables)
    rows = pd.DataFrame({"isbn": keys, "pages": [1, 2, 3]})

    with pytest.raises(UsageError, match=says):
        tables.fill(rows, "book", "pages")


def test_a_key_that_finds_two_rows_of_the_table_is_refused(tables: Tables) -> None:
    shelf(tables)
    tables.make("UPDATE book SET title = 'Twin' WHERE isbn IN ('a', 'b')")

    with pytest.raises(UsageError, match=r"\(title\) is not unique in public.book: 'Twin'"):
        tables.fill(pd.DataFrame({"title": ["Twin"], "pages": [9]}), "book", "pages", key=["title"])


def test_rows_are_found_by_another_column_and_written_by_the_primary_key(tables: Tables) -> None:
    shelf(tables)
    rows = pd.DataFrame({"title": ["Ash", "Doum"], "pages": [5, 6]})

    run = tables.fill(rows, "book", "pages", key="title")
    tables.make("UPDATE book SET title = 'Ashes' WHERE isbn = 'a'")
    run.apply()

    assert run.summary["total_drifted"] == 1
    assert tables.rows("SELECT pages FROM book WHERE isbn = 'd'") == [(6,)]


def test_what_is_proposed_last_counts_and_no_row_at_all_is_a_plan_too(tables: Tables) -> None:
    shelf(tables)
    given = {"table": "book", "set": ["pages"], "runs_dir": str(tables.runs)}

    def computed(**more: str) -> workbook.Book:
        book = workbook.open_run("fill", {**given, **more, "dsn_env": "TABLES_URL"})
        book.preflight()
        book.extract()
        return book

    book = computed()
    rows = book.extracted
    book.propose(rows.assign(pages=1), reads=["title"])
    book.propose(rows.assign(pages=[11, 22, 33][: len(rows)]), reads=["title"])
    book.diff()
    book.plan()
    none = computed(where="title = 'Yew'")
    none.propose(none.extracted.assign(pages=5), reads=["title"])
    none.diff()
    none.plan()

    assert book.changes.set_index("key")["after.pages"].to_dict() == {"a": "11", "d": "22"}
    assert len(none.changes) == 0


def test_a_right_that_is_lacking_is_named_so_that_pasting_it_gives_it(
    tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    role = f'the "clerk" {secrets.token_hex(4)}'
    name = sql.Identifier(role)
    tables.make(
        'CREATE SCHEMA "old stock"',
        'CREATE TABLE "old stock"."price.list" (id int PRIMARY KEY, "in ""€""" text)',
    )
    tables.connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(name))
    monkeypatch.setenv("TABLES_URL", make_conninfo(tables.dsn, user=role))
    rows = pd.DataFrame({"id": [1], 'in "€"': ["5"]})

    for _ in range(2):  # the schema, then the columns
        with pytest.raises(PreflightError) as refused:
            tables.fill(rows, '"old stock"."price.list"', ['in "€"'])
        for line in re.findall("GRANT .*;", str(refused.value)):
            tables.connection.execute(line)

    assert len(tables.fill(rows, '"old stock"."price.list"', ['in "€"']).skips) == 1
    tables.connection.execute(sql.SQL("DROP OWNED BY {n}; DROP ROLE {n}").format(n=name))


def test_numerics_of_a_table_are_numbers_with_all_their_digits(tables: Tables) -> None:
    tables.make(
        "CREATE TABLE bill (id int PRIMARY KEY, price numeric, pieces int, total numeric)",
        "INSERT INTO bill VALUES (1, 0.10, 3), (2, 12345678901234567890.125, 2), (3, NULL, 1)",
    )
    given = {"table": "bill", "set": ["total"], "runs_dir": str(tables.runs), "apply": True}
    book = workbook.open_run("fill", given | {"dsn_env": "TABLES_URL"})
    book.preflight()
    book.extract()

    rows = book.extracted
    rows["total"] = [p * n if p is not None else None for p, n in rows[["price", "pieces"]].values]
    book.propose(rows, reads=["price", "pieces"])
    book.plan()
    book.apply()

    assert tables.rows("SELECT id, total::text FROM bill ORDER BY id") == [
        (1, "0.30"),
        (2, "24691357802469135780.250"),
        (3, None),
    ]


def test_what_the_run_has_read_need_not_come_along_with_the_values(tables: Tables) -> None:
    shelf(tables)
    given = {"table": "book", "set": ["pages"], "where": "true", "overwrite": True, "apply": True}
    places = {"runs_dir": str(tables.runs), "dsn_env": "TABLES_URL"}
    book = workbook.open_run("fill", {**given, **places})
    book.preflight()
    book.extract()
    lengths = book.extracted.set_index("isbn")["title"].str.len().rename("pages")

    tables.make("UPDATE book SET title = 'Alder' WHERE isbn = 'a'")
    book.propose(lengths.reset_index(), reads=["title"])
    book.plan()
    tables.make("UPDATE book SET title = 'Beech' WHERE isbn = 'b'")
    book.apply()

    assert tables.rows("SELECT isbn, pages FROM book ORDER BY isbn") == [
        ("a", None),  # edited before the values were proposed
        ("b", 120),  # edited after
        ("c", 5),
        ("d", 4),
        ("e", 3),
    ]


def test_the_page_of_a_fill_tells_of_no_other_job_s_doubts(tables: Tables) -> None:
    tables.make("CREATE TABLE lamp (id int PRIMARY KEY, watts int)", "INSERT INTO lamp VALUES (1)")
    folder = tables.fill(pd.DataFrame({"id": [1], "watts": [7]}), "lamp", "watts").folder
    folder.write_json(
        "notebook.ipynb", {"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    )

    write_page(folder, "notebook.ipynb", "notebook.html")

    page = folder.file("notebook.html").read_text(encoding="utf-8")
    assert "No person decided anything beforehand." in page
    assert "wall time" not in page
