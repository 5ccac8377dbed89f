"""Whatever a role, a database or a URL sets: the same bytes, and no code of others runs as us."""

from __future__ import annotations

import secrets
import socket
import threading
from urllib.parse import quote

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo
from tests.conftest import DatabaseFrom
from tests.engine.workshop import Bench, load_noons, noon_utc

from backfill.errors import DatabaseUnreachable, PreflightError
from backfill.server.arrow_session import open_arrow
from backfill.server.postgres import connect
from backfill.server.session import SessionLimits, pinned

ROWS = 3
NOONS = {f"e{day:02d}": noon_utc(day) for day in range(1, ROWS + 1)}
#: What can be set against us. Each is a way in which values are spelt, or statements fail.
AGAINST_US = {
    "DateStyle": "German, DMY",
    "IntervalStyle": "iso_8601",
    "TimeZone": "Asia/Kathmandu",
    "client_encoding": "LATIN1",
    "extra_float_digits": "-15",
    "standard_conforming_strings": "off",
    "escape_string_warning": "on",
    "backslash_quote": "off",
    "bytea_output": "escape",
    "quote_all_identifiers": "on",
    "array_nulls": "off",
    "transform_null_equals": "on",
    "xmloption": "document",
    "xmlbinary": "hex",
    "lc_monetary": "C",
    "exit_on_error": "on",
    "row_security": "off",
    "search_path": "nowhere",
    "statement_timeout": "1ms",
    "lock_timeout": "1ms",
    "idle_in_transaction_session_timeout": "1ms",
    "idle_session_timeout": "1ms",
    "transaction_timeout": "900ms",  # the server gives up a session that takes longer to begin
    "default_transaction_read_only": "on",
    "default_transaction_isolation": "serializable",
    "default_transaction_deferrable": "on",
    "synchronous_commit": "off",
    "enable_indexscan": "off",
    "enable_nestloop": "off",
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "plan_cache_mode": "force_generic_plan",
    "geqo_threshold": "2",
    "client_min_messages": "debug5",
    "default_table_access_method": "heap",
    "check_function_bodies": "off",
}
STYLES = ("ISO, DMY", "SQL, DMY", "SQL, MDY", "Postgres, YMD", "German, DMY")


def load_few(dsn: str) -> None:
    load_noons(dsn, ROWS)


@pytest.fixture
def database(database_from: DatabaseFrom) -> str:
    return database_from("few-noons", load_few)


def settle_on(bench: Bench, settings: dict[str, str]) -> None:
    """Let every new session of the database begin with these settings, and with no others."""
    name = sql.Identifier(bench.scalar("SELECT current_database()"))
    with bench.connection.transaction():
        bench.connection.execute("SET LOCAL transaction_read_only = off")
        bench.connection.execute(sql.SQL("ALTER DATABASE {} RESET ALL").format(name))
        for setting, value in settings.items():
            bench.connection.execute(
                sql.SQL("ALTER DATABASE {} SET {} = {}").format(
                    name,
                    sql.Identifier(setting),
                    sql.SQL(value) if setting == "search_path" else sql.Literal(value),
                )
            )


def known(bench: Bench) -> dict[str, str]:
    names = {row[0].lower() for row in bench.sql("SELECT name FROM pg_settings")}
    return {name: value for name, value in AGAINST_US.items() if name.lower() in names}


def life(bench: Bench) -> None:
    """A whole life of a run: planned, applied, proven, undone."""
    run = bench.run()
    assert bench.filled() == NOONS
    assert bench.verify(run.run_id).is_proven
    bench.revert(run.run_id)
    assert set(bench.filled().values()) == {(None, None)}


def test_everything_set_against_us_at_once_changes_nothing(bench: Bench) -> None:
    settings = {**known(bench), "search_path": "nowhere, public"}
    settle_on(bench, settings)

    life(bench)


def test_each_setting_of_a_database_leaves_our_sessions_as_they_are(bench: Bench) -> None:
    expected = pinned(bench.connection.info.server_version, SessionLimits())
    expected = {name: value for name, value in expected.items() if name != "client_encoding"}
    shown = sql.SQL("SELECT {}").format(
        sql.SQL(", ").join(
            sql.SQL("current_setting({})").format(sql.Literal(name)) for name in expected
        )
    )
    with connect(bench.dsn) as connection:
        usual = connection.execute(shown).fetchone()
    for setting, value in known(bench).items():
        settle_on(bench, {setting: value})

        with connect(bench.dsn) as connection:
            assert connection.execute(shown).fetchone() == usual, setting
            assert connection.execute("SELECT pg_catalog.version() LIKE 'P%'").fetchone(), setting
        with open_arrow(bench.dsn, {}) as session, session.transaction() as cursor:
            cursor.execute("SELECT DATE '2026-03-29' || ' ' || TIMESTAMPTZ '2026-03-29 01:00+00'")
            assert cursor.fetchall() == [("2026-03-29 2026-03-29 01:00:00+00",)], setting


@pytest.mark.parametrize("name", [{"user": "nobody"}, {"dbname": "nowhere"}])
def test_a_server_that_lets_nobody_in_is_not_called_silent(
    bench: Bench, name: dict[str, str]
) -> None:
    with pytest.raises(DatabaseUnreachable, match=r'answers, and does not let .* "no'):
        connect(make_conninfo(bench.dsn, **name))


@pytest.mark.parametrize("style", STYLES)
def test_a_key_that_is_a_date_means_the_same_under_every_style(bench: Bench, style: str) -> None:
    settle_on(bench, {"DateStyle": style, "IntervalStyle": "sql_standard"})
    with connect(bench.dsn, read_only=True) as connection:
        row = connection.execute("SELECT DATE '2026-05-04'::text, interval '1 day 2 s'::text")

        assert row.fetchone() == ("2026-05-04", "1 day 00:00:02")


def test_options_in_the_url_change_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    options = "-c DateStyle=German -c default_transaction_read_only=on -c bytea_output=escape"
    url = f"{bench.dsn}&options={quote(options)}&client_encoding=LATIN1"
    monkeypatch.setenv("DATABASE_URL", url)

    life(bench)


HOSTILE = """
CREATE TABLE public.caught (by_whom text);
GRANT ALL ON public.caught TO PUBLIC;
CREATE FUNCTION public.make_interval(secs smallint) RETURNS interval LANGUAGE plpgsql AS
 $$BEGIN INSERT INTO public.caught VALUES (current_user); RETURN interval '60 s'; END$$;
CREATE FUNCTION public.caught_equal(text, text) RETURNS boolean LANGUAGE plpgsql AS
 $$BEGIN INSERT INTO public.caught VALUES (current_user); RETURN true; END$$;
CREATE OPERATOR public.= (LEFTARG = text, RIGHTARG = text, FUNCTION = public.caught_equal);
CREATE FUNCTION public.caught_more(bigint, smallint) RETURNS boolean LANGUAGE plpgsql AS
 $$BEGIN INSERT INTO public.caught VALUES (current_user); RETURN true; END$$;
CREATE OPERATOR public.= (LEFTARG = bigint, RIGHTARG = smallint, FUNCTION = public.caught_more);
CREATE FUNCTION public.coalesce_all(text) RETURNS text LANGUAGE sql AS 'SELECT $1';
CREATE FUNCTION public.set_config(text, text, boolean) RETURNS text LANGUAGE plpgsql AS
 $$BEGIN INSERT INTO public.caught VALUES (current_user); RETURN ''; END$$;
CREATE FUNCTION public.clock_timestamp() RETURNS timestamptz LANGUAGE plpgsql AS
 $$BEGIN INSERT INTO public.caught VALUES (current_user); RETURN now(); END$$;
"""


@pytest.mark.parametrize("path", ["public", "public, pg_catalog"])
def test_functions_and_operators_that_others_made_never_run_as_us(bench: Bench, path: str) -> None:
    bench.sql(HOSTILE)
    settle_on(bench, {"search_path": path})

    life(bench)

    assert bench.sql("SELECT * FROM caught") == []


def test_a_trigger_that_names_its_table_without_a_schema_finds_it(bench: Bench) -> None:
    bench.sql("CREATE TABLE history (id text, at timestamptz DEFAULT now())")
    bench.sql(
        "CREATE FUNCTION remember() RETURNS trigger LANGUAGE plpgsql AS"
        " $$BEGIN INSERT INTO history (id) VALUES (NEW.id); RETURN NEW; END$$"
    )
    bench.sql(
        "CREATE TRIGGER remembers BEFORE UPDATE ON events FOR EACH ROW EXECUTE FUNCTION remember()"
    )
    bench.sql(
        "CREATE CONSTRAINT TRIGGER remembers_late AFTER UPDATE ON events"
        " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION remember()"
    )

    run = bench.run()

    assert bench.filled() == NOONS and bench.status(run.run_id) == "succeeded"
    assert bench.scalar("SELECT count(*) FROM history") == 2 * ROWS


@pytest.mark.parametrize("encoding", ["LATIN1", "EUC_JP", "SQL_ASCII"])
def test_text_of_a_database_in_another_encoding_is_read_and_written(
    bench: Bench, encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with OtherDatabase(bench, encoding) as there:
        text = {"LATIN1": "hh_Älmhult", "EUC_JP": "hh_東京", "SQL_ASCII": "hh_Älmhult"}[encoding]
        there.sql("SET client_encoding = 'UTF8'")
        there.sql("UPDATE events SET household_id = %s, tz = 'Asia/Tokyo'", text)
        monkeypatch.setenv("DATABASE_URL", there.dsn)

        run = there.run(household_id=text)

        assert there.status(run.run_id) == "succeeded"
        assert there.scalar("SELECT count(*) FROM events WHERE start_at_utc IS NULL") == 0
        assert there.verify(run.run_id).findings == []
        there.revert(run.run_id)
        assert there.scalar("SELECT count(*) FROM events WHERE start_at_utc IS NULL") == ROWS


def test_rows_of_sql_ascii_whose_bytes_are_not_utf_8_are_named(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    with OtherDatabase(bench, "SQL_ASCII") as there:
        there.sql("SET client_encoding = 'SQL_ASCII'")
        there.sql(
            "UPDATE events SET tz = convert_from('\\xe4626f'::bytea, 'SQL_ASCII') WHERE id = 'e02'"
        )
        monkeypatch.setenv("DATABASE_URL", there.dsn)

        with pytest.raises(PreflightError, match=r"not UTF-8.* with such text: e02"):
            there.run()


class OtherDatabase:
    """A database of another encoding on the same server, with the noons in it."""

    def __init__(self, bench: Bench, encoding: str) -> None:
        self._bench, self._encoding = bench, encoding
        self._name = f"other_{secrets.token_hex(4)}"

    def __enter__(self) -> Bench:
        name = sql.Identifier(self._name)
        self._bench.connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING {} LOCALE 'C'").format(
                name, sql.Literal(self._encoding)
            )
        )
        own = self._bench.scalar("SELECT current_database()")
        dsn = self._bench.dsn.replace(own, self._name)
        load_few(dsn)
        self._connection = psycopg.connect(dsn, autocommit=True)
        return Bench(dsn, self._bench.runs, self._connection, self._bench.events)

    def __exit__(self, *_exc: object) -> None:
        self._connection.close()
        self._bench.connection.execute(
            sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(self._name))
        )


@pytest.mark.parametrize("wanted", ["read-only", "standby"])
def test_a_server_that_is_another_than_the_address_asks_for_is_told_as_one_that_answers(
    bench: Bench, wanted: str
) -> None:
    with pytest.raises(DatabaseUnreachable, match="The server answers, and does not let"):
        connect(make_conninfo(bench.dsn, target_session_attrs=wanted)).close()


def test_a_server_without_encryption_is_told_as_one_that_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def refuse() -> None:
            channel, _ = server.accept()
            with channel:
                channel.recv(8)  # what asks for encryption
                channel.sendall(b"N")

        answering = threading.Thread(target=refuse)
        answering.start()
        dsn = f"host=127.0.0.1 port={server.getsockname()[1]} dbname=d sslmode=require"
        with pytest.raises(DatabaseUnreachable, match="The server answers, and does not let"):
            connect(f"{dsn} gssencmode=disable")
        answering.join()
