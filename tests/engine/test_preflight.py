"""What the database lacks stops a run before anything is read, and the refusal names the mend."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg.conninfo import make_conninfo
from tests.engine.workshop import HOUR_MS, NOON_MS, NOON_UTC_MS, Bench

from backfill.errors import PreflightError, UsageError
from backfill.plans.extract import PendingRows

SPEC = """
table = "{table}"
key = {key}
scope = "household_id"
zone = "tz"
pairs = [{{ wall = "start_at", target = "start_at_utc" }}]
"""


@pytest.fixture
def role(bench: Bench) -> Iterator[str]:
    """A role without any right on the database's tables."""
    name = f"backfill_role_{secrets.token_hex(4)}"
    bench.sql(f"CREATE ROLE {name} LOGIN")
    yield name
    bench.sql(f"DROP OWNED BY {name}")
    bench.sql(f"DROP ROLE {name}")


def refusal(bench: Bench, **given: object) -> str:
    """Return what a dry run is refused with."""
    with pytest.raises(PreflightError) as refused:
        bench.plan(**given)
    assert int(refused.value.exit_code) == 3
    assert set(bench.runs.iterdir()) != set()
    return str(refused.value)


def spec(tmp_path: Path, table: str, key: str = '"id"') -> str:
    """Write a table specification; return its path."""
    path = tmp_path / "table.toml"
    path.write_text(SPEC.format(table=table, key=key))
    return str(path)


def make_table(bench: Bench, key: str, wall: str = "start_at bigint") -> None:
    """Create a small table `visits` with keys and types of its own."""
    bench.sql(
        f"CREATE TABLE visits ({key}, household_id text, {wall}, tz text, start_at_utc bigint)"
    )


def visit_starts(bench: Bench) -> list[object]:
    return [row[0] for row in bench.sql("SELECT start_at_utc FROM visits ORDER BY start_at")]


# -- what is missing ----------------------------------------------------------------------------


def test_a_missing_table_names_near_misses_and_the_option(bench: Bench) -> None:
    bench.sql("ALTER TABLE events RENAME TO event")

    message = refusal(bench)

    assert "There is no table events in this database." in message
    assert "Did you mean event?" in message
    assert "--table" in message


def test_a_missing_household_table_is_named(bench: Bench) -> None:
    bench.sql("ALTER TABLE household RENAME TO homes")

    assert "There is no table household in this database." in refusal(bench)


def test_a_missing_column_names_what_is_there(bench: Bench) -> None:
    bench.sql("ALTER TABLE events RENAME start_at_utc TO start_at_utcs")

    message = refusal(bench)

    assert "public.events has no column start_at_utc." in message
    assert "It has start_at_utcs" in message
    assert "--table spec.toml" in message


def test_a_column_of_another_type_is_refused_with_the_types_that_work(bench: Bench) -> None:
    bench.sql("ALTER TABLE events ALTER start_at_utc TYPE double precision")

    message = refusal(bench)

    assert "public.events.start_at_utc is double precision" in message
    assert "bigint, timestamptz" in message


def test_a_table_without_a_key_is_refused_with_the_statement_that_adds_one(bench: Bench) -> None:
    bench.sql("ALTER TABLE events DROP CONSTRAINT events_pkey")

    message = refusal(bench)

    assert "no primary key or unique index on exactly (id)" in message
    assert message.endswith("Mend: ALTER TABLE public.events ADD PRIMARY KEY (id);")


@pytest.mark.parametrize(
    "index",
    [
        "CREATE UNIQUE INDEX ON events (id) WHERE deleted_at IS NULL",
        "CREATE UNIQUE INDEX ON events (lower(id))",
        "CREATE INDEX ON events (id)",
        "CREATE UNIQUE INDEX ON events (id, household_id)",
    ],
)
def test_an_index_that_does_not_tell_every_row_apart_is_no_key(bench: Bench, index: str) -> None:
    bench.sql("ALTER TABLE events DROP CONSTRAINT events_pkey")
    bench.sql("ALTER TABLE events ALTER id SET NOT NULL")
    bench.sql(index)

    assert "no primary key or unique index" in refusal(bench)


def test_a_unique_index_serves_where_there_is_no_primary_key(bench: Bench) -> None:
    bench.sql("ALTER TABLE events DROP CONSTRAINT events_pkey")
    bench.sql("ALTER TABLE events ALTER id SET NOT NULL")
    bench.sql("CREATE UNIQUE INDEX ON events (id)")

    assert bench.summary(bench.plan())["total_updated"] == 12


def test_a_view_is_refused(bench: Bench, tmp_path: Path) -> None:
    bench.sql("CREATE VIEW visible AS SELECT * FROM events")

    message = refusal(bench, table=spec(tmp_path, "visible"))

    assert "public.visible is not a table" in message
    assert "Name the table under it" in message


def test_a_generated_target_is_refused(bench: Bench) -> None:
    bench.sql("ALTER TABLE events DROP start_at_utc")
    bench.sql(
        "ALTER TABLE events ADD start_at_utc bigint GENERATED ALWAYS AS (start_at + 1) STORED"
    )

    assert "public.events.start_at_utc is a generated column" in refusal(bench)


# -- rights ------------------------------------------------------------------------------------


def test_missing_rights_are_named_as_the_statements_that_grant_them(
    bench: Bench, role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", make_conninfo(bench.dsn, user=role))

    message = refusal(bench)

    grants = [line for line in message.splitlines() if line.startswith("GRANT")]
    assert f'GRANT SELECT ("start_at") ON public.events TO "{role}";' in grants
    assert f'GRANT SELECT ("tz") ON public.household TO "{role}";' in grants
    assert not any("UPDATE" in grant for grant in grants)


def test_the_statements_that_the_refusal_names_are_enough_to_plan(
    bench: Bench, role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", make_conninfo(bench.dsn, user=role))
    for line in refusal(bench).splitlines():
        if line.startswith("GRANT"):
            bench.sql(line)

    book = bench.plan()

    assert bench.summary(book)["total_updated"] == 12
    assert "To apply, this role will need: GRANT UPDATE" in bench.messages()
    assert "The plan is in its folder only" in bench.messages()


def test_to_apply_the_right_to_update_is_asked_for_before_anything_is_read(
    bench: Bench, role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.sql(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}")
    monkeypatch.setenv("DATABASE_URL", make_conninfo(bench.dsn, user=role))

    message = refusal(bench, apply=True)

    assert f'GRANT UPDATE ("start_at_utc") ON public.events TO "{role}";' in message


def test_a_role_with_just_the_named_rights_applies(
    bench: Bench, role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = bench.scalar("SELECT quote_ident(current_database())")
    bench.sql(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}")
    bench.sql(f"GRANT UPDATE (start_at_utc, end_at_utc) ON events TO {role}")
    bench.sql(f"GRANT CREATE ON DATABASE {name} TO {role}")
    monkeypatch.setenv("DATABASE_URL", make_conninfo(bench.dsn, user=role))

    book = bench.run()

    assert bench.summary(book)["total_updated"] == 12
    bench.sql("DROP SCHEMA backfill CASCADE")


def test_without_the_right_to_make_our_tables_the_mend_is_named(
    bench: Bench, role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.sql(f"GRANT SELECT, UPDATE ON ALL TABLES IN SCHEMA public TO {role}")
    monkeypatch.setenv("DATABASE_URL", make_conninfo(bench.dsn, user=role))

    with pytest.raises(PreflightError) as refused:
        bench.run()

    name = bench.scalar("SELECT current_database()")
    assert f'GRANT CREATE ON DATABASE "{name}" TO "{role}";' in str(refused.value)


def test_row_level_security_is_told_as_a_warning(
    bench: Bench, role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.sql(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}")
    bench.sql("ALTER TABLE events ENABLE ROW LEVEL SECURITY")
    bench.sql("CREATE POLICY few ON events USING (id <= 'e03')")
    monkeypatch.setenv("DATABASE_URL", make_conninfo(bench.dsn, user=role))

    book = bench.plan()

    assert "Row-level security is active on public.events" in bench.messages()
    assert "BYPASSRLS" in bench.messages()
    assert bench.summary(book)["total_scanned"] == 3


# -- what is odd --------------------------------------------------------------------------------


def test_triggers_that_an_update_fires_are_named_in_a_warning(bench: Bench) -> None:
    bench.sql(
        "CREATE FUNCTION pass() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$"
    )
    for name, when in (("touch", "UPDATE"), ("born", "INSERT"), ("off", "UPDATE")):
        bench.sql(
            f"CREATE TRIGGER {name} BEFORE {when} ON events FOR EACH ROW EXECUTE FUNCTION pass()"
        )
    bench.sql("ALTER TABLE events DISABLE TRIGGER off")

    bench.plan()

    assert "public.events has triggers that every update fires: touch." in bench.messages()


def test_an_index_on_a_target_is_named_in_a_warning(bench: Bench) -> None:
    bench.sql("CREATE INDEX by_start ON events (start_at_utc)")

    bench.plan()

    assert "Indexes hold a column that will be written (by_start)" in bench.messages()


def test_a_wall_column_that_holds_true_instants_stops_the_run(bench: Bench) -> None:
    for day in range(5):
        bench.add_event(
            f"f{day}", tz="Europe/Stockholm", start_at=NOON_MS + day, start_at_utc=NOON_MS + day
        )

    message = refusal(bench)

    assert "public.events.start_at already holds true instants" in message
    assert "5 filled rows" in message


def test_equal_columns_at_offset_zero_say_nothing(bench: Bench) -> None:
    bench.add_event("f1", tz="Etc/UTC", start_at=NOON_MS, start_at_utc=NOON_MS)
    bench.add_event("f2", tz="Africa/Abidjan", start_at=NOON_MS, start_at_utc=NOON_MS)

    assert bench.summary(bench.plan())["total_updated"] == 12


def test_a_few_wrong_rows_among_right_ones_do_not_stop_the_run(bench: Bench) -> None:
    bench.add_event("f1", tz="Europe/Stockholm", start_at=NOON_MS, start_at_utc=NOON_MS)
    for day in range(2, 5):
        bench.add_event(
            f"f{day}", tz="Europe/Stockholm", start_at=NOON_MS, start_at_utc=NOON_UTC_MS
        )

    assert bench.summary(bench.plan())["total_updated"] == 12


def test_seconds_in_a_milliseconds_column_stop_the_run_and_the_option_is_named(
    bench: Bench,
) -> None:
    bench.sql("UPDATE events SET start_at = start_at / 1000, end_at = end_at / 1000")

    message = refusal(bench)

    assert "public.events.start_at looks like seconds, not milliseconds: 12 of 12" in message
    assert "--encoding epoch_s" in message


def test_seconds_declared_as_such_are_converted(bench: Bench) -> None:
    bench.sql("UPDATE events SET start_at = start_at / 1000, end_at = end_at / 1000")

    bench.run(encoding="epoch_s")

    assert bench.filled()["e01"] == (NOON_UTC_MS + 86_400_000, NOON_UTC_MS + 86_400_000 + HOUR_MS)


def test_an_encoding_that_the_column_can_not_hold_is_refused(bench: Bench) -> None:
    message = refusal(bench, encoding="timestamp")

    assert "Column start_at is bigint: it can not hold wall times as timestamp." in message
    assert "--encoding epoch_ms or epoch_s" in message


# -- tables of other shapes ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("id bigint PRIMARY KEY", ["-5", "10", "9", "9223372036854775807"]),
        ("id integer PRIMARY KEY", ["-5", "10", "9", "2147483647"]),
        (
            "id uuid PRIMARY KEY",
            [
                "ffffffff-0000-4000-8000-000000000000",
                "0fffffff-0000-4000-8000-000000000000",
                "A0000000-0000-4000-8000-000000000000",
                "00000000-0000-0000-0000-000000000000",
            ],
        ),
        ('id text COLLATE "POSIX" PRIMARY KEY', ["b", "A", "a", "B"]),
        ("id numeric PRIMARY KEY", ["10", "9.50", "-1e3", "NaN"]),
        # An order of its own, which no comparison of texts gives.
        ("id size PRIMARY KEY", ["small", "large", "tiny", "medium"]),
        ("id varchar(40) PRIMARY KEY", ["b", "A", "a", "B"]),
        ("id char(5) PRIMARY KEY", ["b", "A", "a", "B"]),
        ("id text PRIMARY KEY", ["it's", 'a "quote"', "line\nbreak\r\n", "tab\t\\N \\000 %s {}"]),
        ("id text PRIMARY KEY", ["", " ", "\u00e5\u0308", "\U0001f600'; DROP TABLE visits; --"]),
    ],
)
def test_keys_of_every_type_are_walked_written_and_reverted(
    bench: Bench, tmp_path: Path, key: str, values: list[str]
) -> None:
    bench.sql("CREATE TYPE size AS ENUM ('tiny', 'small', 'medium', 'large')")
    make_table(bench, key)
    for number, value in enumerate(values):
        bench.sql(
            "INSERT INTO visits VALUES (%s, 'h', %s, 'Europe/Stockholm', NULL)",
            value,
            NOON_MS + number,
        )
    before = bench.table("visits")

    book = bench.run(table=spec(tmp_path, "visits"), chunk_size=3)

    assert visit_starts(bench) == [NOON_UTC_MS + number for number in range(4)]
    keys = {row[0] for row in bench.sql("SELECT id::text FROM visits")}
    assert set(book.changes["key"]) == keys
    assert bench.verify(book.run_id).findings == []
    bench.revert(book.run_id)
    assert bench.table("visits") == before


def test_keys_of_every_type_are_walked_in_pages(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = PendingRows.pages
    monkeypatch.setattr(PendingRows, "pages", lambda self, **_expected: original(self, page_rows=3))
    make_table(bench, 'a bigint, b text COLLATE "POSIX", PRIMARY KEY (a, b)')
    for number in range(20):
        bench.sql(
            "INSERT INTO visits VALUES (%s, %s, 'h', %s, 'Europe/Stockholm', NULL)",
            number % 4 - 1,
            f"k'{'aBAb'[number // 5]}\n{number}",
            NOON_MS + number,
        )

    bench.run(table=spec(tmp_path, "visits", '["a", "b"]'), chunk_size=7)

    assert visit_starts(bench) == [NOON_UTC_MS + number for number in range(20)]


def test_few_pending_rows_are_read_without_a_walk_along_the_key(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def walk(*_arguments: object) -> None:
        raise AssertionError("walked along the key of the whole table")

    monkeypatch.setattr(PendingRows, "_walk", walk)
    bench.sql("UPDATE events SET start_at_utc = 1, end_at_utc = 1 WHERE id <> 'e05'")

    book = bench.run()

    assert list(book.extracted["key"]) == ["e05"]


def test_a_composite_key_is_plain_json_in_the_record(bench: Bench, tmp_path: Path) -> None:
    make_table(bench, "a bigint, b text, PRIMARY KEY (a, b)")
    bench.sql("INSERT INTO visits VALUES (7, 'x\"y', 'h', %s, 'Nowhere', NULL)", NOON_MS)

    book = bench.run(table=spec(tmp_path, "visits", '["a", "b"]'))

    assert bench.skips(book.run_id) == {'["7", "x\\"y"]': ("tz", "invalid_timezone")}


def test_a_partitioned_table_works(bench: Bench, tmp_path: Path) -> None:
    bench.sql(
        "CREATE TABLE visits (id text PRIMARY KEY, household_id text, start_at bigint, tz text,"
        " start_at_utc bigint) PARTITION BY HASH (id)"
    )
    for part in range(2):
        bench.sql(
            f"CREATE TABLE visits_{part} PARTITION OF visits"
            f" FOR VALUES WITH (MODULUS 2, REMAINDER {part})"
        )
    bench.sql(
        "INSERT INTO visits SELECT 'v' || n, 'h', %s + n, 'Europe/Stockholm', NULL"
        " FROM generate_series(0, 9) AS n",
        NOON_MS,
    )

    bench.run(table=spec(tmp_path, "visits"), chunk_size=4)

    assert visit_starts(bench) == [NOON_UTC_MS + number for number in range(10)]


def test_names_that_need_quotes_are_quoted(bench: Bench, tmp_path: Path) -> None:
    bench.sql('CREATE SCHEMA "My Schema"')
    bench.sql(
        'CREATE TABLE "My Schema"."ev""ents" ("the id" text PRIMARY KEY, "select" text,'
        ' "start; --" bigint, "zone\'s" text, "start UTC" bigint)'
    )
    bench.sql(
        "INSERT INTO \"My Schema\".\"ev\"\"ents\" VALUES ('k', 'h', %s, 'Europe/Stockholm', NULL)",
        NOON_MS,
    )
    path = tmp_path / "odd.toml"
    path.write_text(
        'table = \'My Schema.ev"ents\'\nkey = "the id"\nscope = "select"\nzone = "zone\'s"\n'
        'pairs = [{ wall = "start; --", target = "start UTC" }]\n'
    )

    book = bench.run(table=str(path))

    assert bench.scalar('SELECT "start UTC" FROM "My Schema"."ev""ents"') == NOON_UTC_MS
    assert bench.verify(book.run_id).findings == []


def test_wall_times_as_text_are_read(bench: Bench, tmp_path: Path) -> None:
    make_table(bench, "id text PRIMARY KEY", "start_at text")
    for number, text in enumerate(
        ("2025-06-02T12:00:00", "2025-06-02 12:00", "2025-06-02T12:00:00.5", "2025-02-30T12:00")
    ):
        bench.sql(
            "INSERT INTO visits VALUES (%s, 'h', %s, 'Europe/Stockholm', NULL)", f"v{number}", text
        )

    book = bench.run(table=spec(tmp_path, "visits"))

    starts = bench.sql("SELECT id, start_at_utc FROM visits ORDER BY id")
    assert starts == [
        ("v0", NOON_UTC_MS),
        ("v1", NOON_UTC_MS),
        ("v2", NOON_UTC_MS + 500),
        ("v3", None),
    ]
    assert bench.skips(book.run_id) == {"v3": ("start_at", "invalid_timestamp")}


def test_a_table_specification_with_an_unknown_entry_is_a_usage_error(
    bench: Bench, tmp_path: Path
) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(SPEC.format(table="events", key='"id"') + 'color = "red"\n')

    with pytest.raises(UsageError, match="unknown entries color"):
        bench.plan(table=str(path))
