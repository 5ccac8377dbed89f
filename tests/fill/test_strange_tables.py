"""Tables as strangers make them: names, keys, widths, triggers and rights that a fill meets."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from typing import TYPE_CHECKING, LiteralString

import pandas as pd
import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from tests.fill.test_strange_values import box
from tests.longer import longer_behind

from backfill import workbook
from backfill.errors import PreflightError, TooManyRefused, UsageError

if TYPE_CHECKING:
    from tests.fill.conftest import Tables


def test_columns_named_like_ours_are_filled_like_any_other(tables: Tables) -> None:
    names = ["rule", "skip", "detail", "key", "after", "before", "note", "given"]
    columns = ", ".join(f"{name} text" for name in names)
    tables.connection.execute(f"CREATE TABLE log (id int PRIMARY KEY, {columns})")
    tables.make("INSERT INTO log VALUES (1), (2)")
    rows = pd.DataFrame({"id": [1, 2], **{name: [f"{name} 1", f"{name} 2"] for name in names}})

    run = tables.fill(rows, "log", names)
    run.apply()
    run.verify()

    assert tables.rows("SELECT to_jsonb(log) - 'id' FROM log WHERE id = 2") == [
        ({name: f"{name} 2" for name in names},)
    ]


def test_a_key_that_the_table_lacks_is_missing_whatever_its_sources_say(tables: Tables) -> None:
    tables.make(
        "CREATE TABLE bed (id int PRIMARY KEY, width int, room uuid, v text)",
        "INSERT INTO bed VALUES (1, 90), (2, 120)",
    )
    rows = pd.DataFrame(
        {
            "id": [1, 2, 9],
            "v": ["a", "b", "c"],
            "width": ["90", "wide", "5"],
            "room": [None, None, "no"],
        }
    )

    skips = tables.fill(rows, "bed", "v").skips.set_index("key")

    assert skips["reason"].to_dict() == {"2": "drifted", "9": "missing_row"}
    assert skips.loc["2", "detail"] == "width was 'wide', now it is '120'"


def test_a_table_is_named_as_sql_names_it(tables: Tables) -> None:
    tables.make(
        'CREATE SCHEMA "my shop"',
        'CREATE TABLE "my shop"."price.list" (id int PRIMARY KEY, v numeric(5,-2))'
        if tables.connection.info.server_version >= 150000
        else 'CREATE TABLE "my shop"."price.list" (id int PRIMARY KEY, v numeric)',
        'INSERT INTO "my shop"."price.list" VALUES (1)',
    )

    tables.fill(pd.DataFrame({"id": [1], "v": [1234]}), '"my shop"."price.list"', "v").apply()

    assert tables.rows('SELECT v::int / 100 FROM "my shop"."price.list"') == [(12,)]


def test_hundreds_of_columns_are_fitted_written_and_put_back(tables: Tables) -> None:
    columns = [f"c{number}" for number in range(120)]
    listed = ", ".join(f"{name} int" for name in columns)
    tables.connection.execute(f"CREATE TABLE wide (id int PRIMARY KEY, {listed})".encode())
    tables.make("INSERT INTO wide (id) VALUES (1), (2)")

    run = tables.fill(pd.DataFrame([{"id": 2, **dict.fromkeys(columns, 7)}]), "wide", columns)
    run.apply()
    run.verify()
    assert tables.rows("SELECT id FROM wide WHERE c0 + c60 + c119 = 21") == [(2,)]
    run.undo()

    assert tables.rows("SELECT count(c0) + count(c119) FROM wide") == [(0,)]


def test_a_key_of_a_composite_type_with_a_null_in_it_is_found(tables: Tables) -> None:
    """Such a value is neither NULL nor NOT NULL to the server, or NULL though it is there."""
    tables.make(
        "CREATE TYPE shelf AS (floor int, name text)",
        "CREATE TABLE book (place shelf PRIMARY KEY, title text)",
        "INSERT INTO book VALUES (ROW(1, NULL)), (ROW(2, 'b')), (ROW(NULL, NULL))",
    )

    rows = pd.DataFrame({"place": ["(1,)", "(2,b)", "(,)"], "title": ["x", "y", "z"]})

    run = tables.fill(rows, "book", "title")
    run.apply()
    run.verify()
    assert tables.rows("SELECT title FROM book ORDER BY title") == [("x",), ("y",), ("z",)]
    run.undo()

    assert tables.rows("SELECT count(title) FROM book") == [(0,)]


def test_names_with_lines_and_percent_signs_in_them_are_filled(tables: Tables) -> None:
    name = 'a %s\nof "Ö" {}'
    quoted = '"' + name.replace('"', '""') + '"'
    made = f'CREATE TABLE {quoted} ({quoted} int PRIMARY KEY, {quoted[:-1]}?" text)'
    tables.connection.execute(made.encode())
    tables.connection.execute(f"INSERT INTO {quoted} VALUES (1)".encode())

    run = tables.fill(pd.DataFrame({name: [1], f"{name}?": ["v"]}), quoted, [f"{name}?"])
    run.apply()
    run.verify()

    assert tables.connection.execute(f"SELECT * FROM {quoted}".encode()).fetchall() == [(1, "v")]


@pytest.mark.parametrize(
    ("kind", "value", "reason"),
    [
        ("tsvector", "o" * 3_000, "invalid_value"),  # refused as it is planned
        ("text", "index", "database_error"),  # as it is written
    ],
)
def test_a_value_that_is_too_long_for_an_index_or_a_type_costs_its_row_alone(
    tables: Tables, kind: str, value: str, reason: str
) -> None:
    """The server calls that a limit of the program, as it does what is wrong for every row."""
    box(tables, kind, 9)
    tables.make("CREATE INDEX ON box (v)")
    if value == "index":
        value = "".join(chr(40 + n * n % 80) + chr(40 + n * 7 % 73) for n in range(30_000))
    rows = pd.DataFrame({"id": range(1, 10), "v": ["x"] * 3 + [value] + ["x"] * 5})

    run = tables.fill(rows, "box", "v")
    run.apply()
    run.verify()

    assert tables.rows("SELECT id FROM box WHERE v IS NULL") == [(4,)]
    assert run.skips[["key", "reason"]].values.tolist() == [["4", reason]]


def test_a_trigger_that_updates_its_own_row_costs_that_row_alone(tables: Tables) -> None:
    box(tables, "int", 9)
    tables.make(
        "CREATE FUNCTION again() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " UPDATE box SET v = -1 WHERE id = NEW.id AND id = 6 AND pg_trigger_depth() = 1;"
        " RETURN NEW; END $$",
        "CREATE TRIGGER again BEFORE UPDATE ON box FOR EACH ROW EXECUTE FUNCTION again()",
    )

    run = tables.fill(pd.DataFrame({"id": range(1, 10), "v": range(1, 10)}), "box", "v")
    run.apply()
    run.verify()

    assert tables.rows("SELECT id FROM box WHERE v IS NULL") == [(6,)]
    assert run.skips["reason"].tolist() == ["database_error"]


@pytest.mark.parametrize(
    ("condition", "says"), [("1 / (id - 2) = 0", "division by zero"), ("notes()", "only read")]
)
def test_a_condition_that_fails_or_writes_is_refused_in_words(
    tables: Tables, condition: str, says: str
) -> None:
    box(tables, "int")
    tables.make(
        "CREATE FUNCTION notes() RETURNS boolean LANGUAGE plpgsql AS"
        " $$ BEGIN DELETE FROM box; RETURN true; END $$"
    )
    given = {"table": "box", "set": ["v"], "where": condition, "dsn_env": "TABLES_URL"}
    book = workbook.open_run("fill", {**given, "runs_dir": str(tables.runs)})

    with pytest.raises(UsageError, match=says):
        book.preflight()


def test_rights_on_the_named_columns_alone_are_enough(tables: Tables) -> None:
    box(tables, "int")
    role, database = "of_columns", tables.connection.info.dbname
    tables.connection.execute(
        f"DROP ROLE IF EXISTS {role}; CREATE ROLE {role} LOGIN;"
        f" GRANT SELECT (id, v), UPDATE (v) ON box TO {role};"
        f' GRANT CREATE ON DATABASE "{database}" TO {role}'.encode()
    )
    as_role = replace(tables, dsn=make_conninfo(tables.dsn, user=role))
    os.environ["TABLES_URL"] = as_role.dsn

    run = as_role.fill(pd.DataFrame({"id": [1], "v": [5]}), "box", "v")
    run.apply()
    run.verify()
    run.undo()

    assert tables.rows("SELECT count(v) FROM box") == [(0,)]
    tables.make("ALTER TABLE box ADD secret text")
    with pytest.raises(PreflightError, match=r'GRANT SELECT \("secret"\) ON public.box TO'):
        as_role.fill(pd.DataFrame({"id": [1], "secret": ["x"], "v": [5]}), "box", "v")
    tables.connection.execute(f"DROP OWNED BY {role} CASCADE; DROP ROLE {role}".encode())


@pytest.mark.parametrize(
    "cast", ["(text AS mood) WITH FUNCTION moody(text)", "(mood AS text) WITH FUNCTION said(mood)"]
)
def test_a_cast_of_ones_own_to_or_from_a_columns_type_is_named(tables: Tables, cast: str) -> None:
    tables.make(
        "CREATE TYPE mood AS ENUM ('glad', 'calm')",
        "CREATE TABLE cat (id int PRIMARY KEY, mood mood)",
        "INSERT INTO cat (id) VALUES (1), (2)",
        "CREATE FUNCTION moody(text) RETURNS mood LANGUAGE sql AS $$ SELECT 'calm'::mood $$",
        "CREATE FUNCTION said(mood) RETURNS text LANGUAGE sql AS $$ SELECT 'x'::text $$",
        "CREATE TABLE dog (id int PRIMARY KEY, n int)",
        "INSERT INTO dog (id) VALUES (1)",
    )
    tables.connection.execute(f"CREATE CAST {cast} AS ASSIGNMENT")
    rows = pd.DataFrame({"id": [1, 2], "mood": ["glad", "calm"]})

    with pytest.raises(PreflightError, match=r"has a cast of its own from .*DROP CAST"):
        tables.fill(rows, "cat", "mood")

    assert tables.rows("SELECT count(mood) FROM cat") == [(0,)]
    assert tables.fill(pd.DataFrame({"id": [1], "n": [3]}), "dog", "n").summary["total_updated"]


@pytest.mark.parametrize(
    "moves",
    longer_behind(
        1,
        [
            {1: (1, 2), 2: (2, 3), 3: (3, 4), 4: (4, 5), 5: (5, 6)},
            {1: (5, 6), 2: (4, 5), 3: (3, 4), 4: (2, 3)},
            {1: (1, 3), 2: (2, 1), 3: (3, 5), 4: (4, 2), 5: (5, 9), 6: (6, 4)},
        ],
    ),
)
def test_values_that_make_way_for_one_another_are_written_in_one_run(
    tables: Tables, moves: dict[int, tuple[int, int]]
) -> None:
    tables.make("CREATE TABLE berth (id int PRIMARY KEY, place int UNIQUE)")
    for key, (was, _becomes) in moves.items():
        tables.connection.execute("INSERT INTO berth VALUES (%s, %s)", [key, was])
    rows = pd.DataFrame({"id": list(moves), "place": [becomes for _was, becomes in moves.values()]})

    run = tables.fill(rows, "berth", "place", overwrite=True)
    run.apply()
    run.verify()

    assert run.skips.empty
    wanted = [(key, becomes) for key, (_was, becomes) in moves.items()]
    assert tables.rows("TABLE berth ORDER BY id") == wanted
    run.undo()
    assert tables.rows("TABLE berth ORDER BY id") == [(k, was) for k, (was, _) in moves.items()]


def test_a_constraint_called_as_a_word_of_the_server_is_not_named_for_another(
    tables: Tables,
) -> None:
    tables.make(
        "CREATE TABLE berth (id int PRIMARY KEY, place int CONSTRAINT relation UNIQUE,"
        ' depth int CONSTRAINT "new row (a)" CHECK (depth > 0))',
        "INSERT INTO berth VALUES (1, 1, 1), (2, 2, 1)",
    )

    with pytest.raises(TooManyRefused) as taken:
        rows = pd.DataFrame({"id": [1], "place": [2]})
        tables.fill(rows, "berth", "place", overwrite=True).apply()
    with pytest.raises(TooManyRefused) as shallow:
        run = tables.fill(pd.DataFrame({"id": [1], "depth": [7]}), "berth", "depth", overwrite=True)
        tables.make("ALTER TABLE berth ADD CONSTRAINT row CHECK (depth < 7)")
        run.apply()

    assert "would hold what another row holds (relation)" in str(taken.value)
    assert "The CHECK" not in str(taken.value)
    assert "The CHECK row of public.berth refuses the values of 1 row" in str(shallow.value)
    assert "would hold" not in str(shallow.value)


def test_rows_that_wait_for_one_of_another_chunk_are_told_how_they_are_written(
    tables: Tables, capsys: pytest.CaptureFixture[str]
) -> None:
    tables.make(
        "CREATE TABLE berth (id int PRIMARY KEY, place int UNIQUE)",
        "INSERT INTO berth VALUES (1, 1), (2, 2)",
    )
    rows = pd.DataFrame({"id": [1, 2], "place": [2, 3]})

    tables.fill(rows, "berth", "place", overwrite=True, chunk_size=1).apply()

    said = capsys.readouterr()
    assert "1 row of public.berth would hold what another row holds" in said.out + said.err
    assert "the next run writes them" in said.out + said.err
    assert re.search(r"in one chunk, as by: backfill .*--chunk-size 2\b", said.out + said.err, re.M)
    assert tables.rows("TABLE berth ORDER BY id") == [(1, 1), (2, 3)]
    tables.fill(rows, "berth", "place", overwrite=True).apply()
    assert tables.rows("TABLE berth ORDER BY id") == [(1, 2), (2, 3)]
    assert "would hold what another row" not in capsys.readouterr().err


@pytest.mark.parametrize(
    "unique",
    [
        "CREATE UNIQUE INDEX one ON berth (place) WHERE id > 0",
        "CREATE UNIQUE INDEX one ON berth (abs(place))",
        "ALTER TABLE berth ADD CONSTRAINT one UNIQUE (place);"
        "CREATE TABLE boat (id int, place int REFERENCES berth (place))",
        "CREATE UNIQUE INDEX one ON berth (place);"
        "CREATE TABLE boat (id int, place int REFERENCES berth (place))",
    ],
)
def test_rows_that_swap_what_can_not_wait_are_written_in_the_two_runs_that_are_named(
    tables: Tables, unique: LiteralString
) -> None:
    tables.make(
        "CREATE TABLE berth (id int PRIMARY KEY, place int)",
        "INSERT INTO berth VALUES (1, 1), (2, 2)",
        unique,
    )

    with pytest.raises(TooManyRefused) as refused:
        rows = pd.DataFrame({"id": [1, 2], "place": [2, 1]})
        tables.fill(rows, "berth", "place", overwrite=True).apply()

    assert "in two runs: first others that no row holds" in str(refused.value)
    assert "ALTER TABLE" not in str(refused.value)
    for places in ([101, 102], [2, 1]):
        rows = pd.DataFrame({"id": [1, 2], "place": places})
        tables.fill(rows, "berth", "place", overwrite=True).apply()
    assert tables.rows("SELECT id, place FROM berth ORDER BY id") == [(1, 2), (2, 1)]


@pytest.mark.parametrize(
    "forbidden",
    [
        'ALTER TABLE berth ADD CONSTRAINT "is told" CHECK (place IS NOT NULL)',
        'ALTER TABLE berth ADD CONSTRAINT "is told" CHECK (place > 1 IS TRUE) NO INHERIT NOT VALID',
        "ALTER TABLE berth ALTER place SET NOT NULL",
    ],
)
def test_an_undo_is_let_through_by_the_commands_that_it_names(
    tables: Tables, forbidden: LiteralString
) -> None:
    tables.make(
        "CREATE TABLE berth (id int PRIMARY KEY, place int)", "INSERT INTO berth VALUES (1, NULL)"
    )
    run = tables.fill(pd.DataFrame({"id": [1], "place": [5]}), "berth", "place")
    run.apply()
    tables.make(forbidden)

    with pytest.raises(TooManyRefused) as refused:
        run.undo()
    first, *later = re.findall(r"ALTER TABLE [^;]*;", str(refused.value))
    tables.connection.execute(first.encode())
    run.undo()

    assert tables.rows("TABLE berth") == [(1, None)]
    for command in later:
        tables.connection.execute(command.encode())
        with pytest.raises(psycopg.errors.CheckViolation):
            tables.make("INSERT INTO berth VALUES (2, NULL)")
    assert len(later) == ("CHECK" in forbidden)


def test_an_undo_to_a_row_of_others_that_is_gone_names_their_table(tables: Tables) -> None:
    tables.make(
        "CREATE TABLE pier (id int PRIMARY KEY)",
        "CREATE TABLE berth (id int PRIMARY KEY, place int REFERENCES pier)",
        "INSERT INTO pier VALUES (1), (2)",
        "INSERT INTO berth VALUES (1, 1)",
    )
    rows = pd.DataFrame({"id": [1], "place": [2]})
    run = tables.fill(rows, "berth", "place", overwrite=True)
    run.apply()
    tables.make("DELETE FROM pier WHERE id = 1")

    with pytest.raises(TooManyRefused, match=r"what they would refer to is not in public.pier\."):
        run.undo()


DIVIDED: LiteralString = (
    "CREATE TABLE berth (id int, place int, pier int, PRIMARY KEY (pier, id){}) PARTITION BY"
    " LIST (pier)"
)


@pytest.mark.parametrize(
    "made",
    [
        (
            'CREATE TABLE berth (id int PRIMARY KEY, place int CONSTRAINT "one each" UNIQUE,'
            " pier int)",
        ),
        (
            DIVIDED.format(""),
            "CREATE TABLE berth_1 PARTITION OF berth (UNIQUE (place)) FOR VALUES IN (1)",
        ),
        (
            DIVIDED.format(', CONSTRAINT "one %" UNIQUE (pier, place)'),
            "CREATE TABLE berth_1 PARTITION OF berth FOR VALUES IN (1)",
        ),
        (
            "CREATE TABLE berth (id int PRIMARY KEY, place int, pier int)",
            'CREATE UNIQUE INDEX "one each" ON berth (place)',
        ),
    ],
)
def test_rows_that_swap_their_values_are_written_after_the_statement_that_a_run_names(
    tables: Tables, made: tuple[LiteralString, ...]
) -> None:
    tables.make(*made, "INSERT INTO berth VALUES (1, 1, 1), (2, 2, 1)")
    rows = pd.DataFrame({"id": [1, 2], "place": [2, 1], "pier": 1})

    with pytest.raises(TooManyRefused) as refused:
        tables.fill(rows, "berth", "place", overwrite=True).apply()
    [mend] = re.findall(r"ALTER TABLE .* DEFERRABLE", str(refused.value))
    assert "--chunk-size" not in str(refused.value)
    tables.connection.execute(mend.encode())
    tables.fill(rows, "berth", "place", overwrite=True).apply()

    assert tables.rows("SELECT id, place FROM berth ORDER BY id") == [(1, 2), (2, 1)]


@pytest.mark.parametrize(
    ("forbidden", "allowed", "says"),
    [
        (
            "ALTER TABLE berth ADD CONSTRAINT far CHECK (place > 1) NOT VALID",
            "ALTER TABLE berth DROP CONSTRAINT far",
            "The CHECK far of public.berth refuses the values of 1 row",
        ),
        (
            "ALTER TABLE berth ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;"
            "CREATE POLICY far ON berth USING (true) WITH CHECK (place > 1)",
            "ALTER TABLE berth DISABLE ROW LEVEL SECURITY",
            "Policies of public.berth hold for the role berth_keeper",
        ),
    ],
)
def test_an_undo_that_the_table_forbids_by_now_says_what_lets_it(
    tables: Tables,
    monkeypatch: pytest.MonkeyPatch,
    forbidden: LiteralString,
    allowed: LiteralString,
    says: str,
) -> None:
    tables.make(
        "CREATE TABLE berth (id int PRIMARY KEY, place int)", "INSERT INTO berth VALUES (1, 1)"
    )
    run = tables.fill(pd.DataFrame({"id": [1], "place": [2]}), "berth", "place", overwrite=True)
    run.apply()
    tables.make(forbidden)
    own = tables.connection.info.user
    tables.make(
        "DROP ROLE IF EXISTS berth_keeper",
        "CREATE ROLE berth_keeper LOGIN",
        "GRANT ALL ON berth TO berth_keeper",
        "GRANT ALL ON SCHEMA backfill TO berth_keeper",
        "GRANT ALL ON ALL TABLES IN SCHEMA backfill TO berth_keeper",
        "GRANT ALL ON ALL SEQUENCES IN SCHEMA backfill TO berth_keeper",
    )
    try:
        keeper = tables.dsn.replace(f"{own}@", "berth_keeper@")
        monkeypatch.setenv("TABLES_URL", keeper)
        with pytest.raises(TooManyRefused, match=says):
            run.undo()
        monkeypatch.setenv("TABLES_URL", tables.dsn)
        tables.make(allowed)
        run.undo()
    finally:
        tables.make("DROP OWNED BY berth_keeper", "DROP ROLE berth_keeper")

    assert tables.rows("TABLE berth") == [(1, 1)]


def test_blanks_behind_a_text_of_any_length_are_kept(tables: Tables) -> None:
    tables.make(
        "CREATE TABLE box (id int PRIMARY KEY, v bpchar)", "INSERT INTO box VALUES (1), (2)"
    )

    run = tables.fill(pd.DataFrame({"id": [1, 2], "v": ["oak  ", "ash"]}), "box", "v")
    run.apply()
    run.verify()

    stored = tables.rows("SELECT textin(bpcharout(v)) FROM box ORDER BY id")
    assert stored == [("oak  ",), ("ash",)]


@pytest.mark.parametrize("name", ["backfill.run", "pg_catalog.pg_class", "pg_proc"])
def test_tables_of_this_tool_and_of_the_server_are_no_place_for_values(
    tables: Tables, name: str
) -> None:
    tables.make("CREATE TABLE berth (id int PRIMARY KEY, v int)", "INSERT INTO berth VALUES (1)")
    tables.fill(pd.DataFrame({"id": [1], "v": [1]}), "berth", "v")

    with pytest.raises(PreflightError, match="no run writes to it"):
        tables.fill(pd.DataFrame({"oid": [1], "relname": ["x"]}), name, "relname", key="oid")


def test_as_many_notes_as_a_sheet_has_columns_find_room(tables: Tables) -> None:
    tables.make("CREATE TABLE berth (id int PRIMARY KEY, v int)", "INSERT INTO berth VALUES (1)")
    notes = {f"note {number}": ["x"] for number in range(4_000)}

    tables.fill(pd.DataFrame({"id": [1], "v": [1], **notes}), "berth", "v").apply()

    assert tables.rows("TABLE berth") == [(1, 1)]


def test_columns_that_fit_in_no_statement_are_refused_and_those_that_do_are_written(
    tables: Tables,
) -> None:
    names = [f"c{number}" for number in range(1, 833)]
    columns = ", ".join(f"{name} int" for name in names)
    tables.connection.execute(f"CREATE TABLE wide (id int PRIMARY KEY, {columns})".encode())
    tables.make("INSERT INTO wide VALUES (1)")
    rows = pd.DataFrame({"id": [1], **{name: [1] for name in names}})

    with pytest.raises(UsageError, match=r"832 columns are too many .* fill 800 at most"):
        tables.fill(rows, "wide", names)
    tables.fill(rows[["id", *names[:800]]], "wide", names[:800]).apply()

    assert tables.rows("SELECT c1 + c800, c801 FROM wide") == [(2, None)]
