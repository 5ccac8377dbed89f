"""What the database lacks stops a run before anything is read, and the refusal names the mend."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg.conninfo import make_conninfo
from tests.engine.visits import spec
from tests.engine.workshop import HOUR_MS, NOON_MS, NOON_UTC_MS, Bench

from backfill.errors import PreflightError


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


def test_one_pending_row_is_told_as_one(bench: Bench) -> None:
    bench.sql("DELETE FROM events WHERE id > 'e01'")

    shown = bench.book().preflight()
    bench.run()

    assert "By household_id: 1 row is pending" in shown.text
    assert "1 row is pending before the run." in bench.messages()
    assert "0 rows are pending after the run." in bench.messages()


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
    assert "Did you mean start_at_utcs" in message
    assert "--table spec.toml" in message


def test_a_column_of_another_type_is_refused_with_the_types_that_work(bench: Bench) -> None:
    bench.sql("ALTER TABLE events ALTER start_at_utc TYPE jsonb USING NULL")

    message = refusal(bench)

    assert "public.events.start_at_utc is jsonb" in message
    assert "timestamp with time zone, timestamp, whole numbers, numeric and text" in message


def test_a_table_without_a_key_is_refused_with_the_statement_that_adds_one(bench: Bench) -> None:
    bench.sql("ALTER TABLE events DROP CONSTRAINT events_pkey")

    message = refusal(bench)

    assert "no primary key or unique index on exactly (id)" in message
    assert message.endswith("owner: ALTER TABLE public.events ADD PRIMARY KEY (id);")


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
    assert len(grants) == 2
    assert grants[0].startswith('GRANT SELECT ("id", "household_id", "start_at", ')
    assert grants[0].endswith(f' ON public.events TO "{role}";')
    assert grants[1] == f'GRANT SELECT ("id", "tz") ON public.household TO "{role}";'
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

    assert f'GRANT UPDATE ("start_at_utc", "end_at_utc") ON public.events TO "{role}";' in message


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


def test_an_event_trigger_that_guards_tables_refuses_ours_in_a_sentence(bench: Bench) -> None:
    bench.sql(
        "CREATE FUNCTION guard() RETURNS event_trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'ask the owners'; END $$;"
        " CREATE EVENT TRIGGER guards ON ddl_command_start EXECUTE FUNCTION guard()"
    )

    with pytest.raises(PreflightError, match=r"ask the owners\..* backfill grants"):
        bench.run()
    bench.sql("DROP EVENT TRIGGER guards")

    assert bench.scalar("SELECT count(start_at_utc) FROM events") == 0


@pytest.mark.parametrize("theirs", ["TABLE jobs (id int)", "VIEW run AS SELECT 1"])
def test_a_schema_of_our_name_that_is_somebody_elses_is_left_as_it_is(
    bench: Bench, theirs: str
) -> None:
    bench.sql("CREATE SCHEMA backfill")
    kind, name, rest = theirs.split(" ", 2)
    bench.sql(f"CREATE {kind} backfill.{name} {rest}")
    theirs_now = (
        "SELECT array_agg(relname::text) FROM pg_class"
        " WHERE relnamespace = 'backfill'::regnamespace"
    )

    with pytest.raises(PreflightError, match=f'somebody else\'s: it holds "{name}".*ALTER SCHEMA'):
        bench.run()

    assert bench.scalar(theirs_now) == [name]
    assert bench.scalar("SELECT count(start_at_utc) FROM events") == 0


def test_an_empty_schema_of_our_name_is_ours(bench: Bench) -> None:
    bench.sql("CREATE SCHEMA backfill")

    assert bench.summary(bench.run())["total_updated"] == 12


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
    bench.sql(f'ALTER DATABASE "{bench.scalar("SELECT current_database()")}" SET timezone = UTC')

    bench.plan()

    assert "public.events has triggers that every update fires: touch." in bench.messages()
    assert "TimeZone" not in bench.messages()


def test_a_trigger_that_meets_another_time_zone_than_usual_is_told_of(bench: Bench) -> None:
    bench.sql(
        "ALTER TABLE events ADD day date;"
        "CREATE FUNCTION keep_day() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN NEW.day := to_timestamp(NEW.start_at_utc / 1000)::date; RETURN NEW; END $$;"
        "CREATE TRIGGER keep BEFORE UPDATE ON events FOR EACH ROW EXECUTE FUNCTION keep_day()"
    )
    name = bench.scalar("SELECT current_database()")
    bench.sql(f"""ALTER DATABASE "{name}" SET timezone = 'Asia/Tokyo'""")
    bench.add_event("late", start_at=NOON_MS + 10 * HOUR_MS, tz="Europe/Stockholm")  # 20:00 UTC

    bench.plan()
    (told,) = [text for text in bench.messages().splitlines() if "TimeZone" in text]
    mend = told.rpartition("is meant: ")[2]
    bench.sql(mend.replace("…", "keep_day()"))
    bench.run()

    assert bench.scalar("SELECT day::text FROM events WHERE id = 'late'") == "2025-06-03"


def test_triggers_and_foreign_keys_that_a_replica_s_sessions_leave_out_are_told(
    bench: Bench,
) -> None:
    bench.sql(
        "CREATE FUNCTION pass() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$"
    )
    for name in ("left_out", "also_here"):
        bench.sql(
            f"CREATE TRIGGER {name} BEFORE UPDATE ON events FOR EACH ROW EXECUTE FUNCTION pass()"
        )
    bench.sql("ALTER TABLE events ENABLE REPLICA TRIGGER also_here")
    name = bench.scalar("SELECT current_database()")
    bench.sql(f'ALTER DATABASE "{name}" SET session_replication_role = replica')

    bench.plan()

    assert "no foreign key of public.events is looked at" in bench.messages()
    assert "public.events has triggers that every update fires: also_here." in bench.messages()


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


@pytest.mark.parametrize("how", ["WITH INOUT AS IMPLICIT", "WITH FUNCTION public.seven(text)"])
def test_a_cast_that_somebody_made_is_named_unless_it_does_what_the_types_do(
    bench: Bench, how: str
) -> None:
    bench.sql("CREATE FUNCTION seven(text) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 7'")
    bench.sql(f"CREATE CAST (text AS int) {how}")
    if "INOUT" not in how:
        with pytest.raises(PreflightError, match=r"from text to integer, by .*seven\(text\)") as no:
            bench.plan()
        for statement in str(no.value).partition("does: ")[2].split(";")[:2]:
            bench.sql(statement)

    bench.run()

    assert bench.scalar("SELECT count(start_at_utc) FROM events") == 12
