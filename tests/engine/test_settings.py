"""A choice that can not be meant is refused with exit code 2, and the message says what can be."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.engine.workshop import Bench

from backfill.errors import UsageError
from backfill.jobs.registry import kind_of
from backfill.server.dsn import check_dsn
from backfill.settings import EngineSettings
from backfill.utc.reasons import UtcReason


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"chunk_size": 0}, "--chunk-size must be between 1 and 100000; it is 0."),
        ({"chunk_size": 100_001}, "--chunk-size must be between 1 and 100000; it is 100001."),
        ({"chunk_size": -5}, "--chunk-size must be between 1 and 100000; it is -5."),
        ({"chunk_size": "big"}, "The chunk size must be a whole number or auto; it is 'big'."),
        ({"chunk_size": 2.5}, "The parameter chunk_size must be whole number or word; it is 2.5."),
        ({"chunk_size": True}, "The parameter chunk_size must be whole number or word; it is True"),
        ({"chunk_time": 0.0}, "--chunk-time must be between 0.01 and 60; it is 0.0."),
        ({"chunk_time": float("nan")}, "--chunk-time must be between 0.01 and 60; it is nan."),
        (
            {"progress_interval": -1},
            "--progress-interval must be between 0 and 1000000000; it is -1.",
        ),
        ({"progress_interval": "often"}, "The parameter progress_interval must be whole number"),
        ({"lease_seconds": 0}, "--lease-seconds must be between 1 and 86400; it is 0."),
        ({"lock_timeout_ms": -1}, "--lock-timeout-ms must be between 0 and 86400000; it is -1."),
        ({"statement_timeout_ms": 10**9}, "--statement-timeout-ms must be between 0 and 86400000"),
        ({"max_skips": -2}, "--max-skips must be between -1 and"),
        ({"max_skips": "locked"}, "--max-skips takes a number, or a reason and a number"),
        ({"max_skips": "3,=4"}, "--max-skips takes a number, or a reason and a number"),
        ({"fold": "maybe"}, "--fold 'maybe' is not known; use one of earlier, later, skip."),
        ({"fold": "Earlier"}, "--fold 'Earlier' is not known; use one of earlier, later, skip."),
        ({"gap": ""}, "--gap '' is not known; use one of shift_forward, first_valid, skip."),
        ({"encoding": "utc"}, "--encoding 'utc' is not known; use one of auto, timestamp"),
        ({"default_tz": "europe/london"}, "--default-tz 'europe/london' is not an IANA time zone"),
        ({"default_tz": "UTC+1"}, "--default-tz 'UTC+1' is not an IANA time zone name."),
        ({"default_tz": "+01:00"}, "--default-tz '+01:00' is not an IANA time zone name."),
        ({"default_tz": " Europe/London"}, "--default-tz ' Europe/London' is not an IANA"),
        ({"default_tz": 1}, "The parameter default_tz must be text; it is 1."),
        ({"apply": "yes"}, "The parameter apply must be True or False; it is 'yes'."),
        ({"apply": 1}, "The parameter apply must be True or False; it is 1."),
        ({"strict": None}, "The parameter strict must be True or False; it is None."),
        ({"household_id": 1.5}, "The parameter household_id must be text, or a list of texts"),
        ({"household_id": {"a": 1}}, "The parameter household_id must be text, or a list of texts"),
        (
            {"household_id": "hh_dem"},
            "no household 'hh_dem' in this database. Near: hh_demo",
        ),
        ({"decisions": "no-such-file.csv"}, "--decisions no-such-file.csv: No such file"),
        ({"table": "no-such-file.toml"}, "--table no-such-file.toml: No such file"),
        ({"dsn_env": "postgresql://me:secret@host/db"}, "The parameter dsn_env holds a password."),
        ({"table": "host=a password=secret"}, "The parameter table holds a password."),
    ],
)
def test_a_bad_value_is_a_usage_error_that_says_what_is_wanted(
    bench: Bench, given: dict[str, object], says: str
) -> None:
    with pytest.raises(UsageError) as refused:
        bench.plan(**given)

    assert says in str(refused.value)
    assert int(refused.value.exit_code) == 2
    assert "secret" not in bench.messages()


def test_near_misses_of_a_zone_are_named(bench: Bench) -> None:
    with pytest.raises(UsageError, match=r"Near: Europe/Stockholm"):
        bench.plan(default_tz="Europe/Stokholm")


def test_a_limit_itself_is_allowed(bench: Bench) -> None:
    book = bench.run(
        chunk_size=100_000,
        chunk_time=60,
        progress_interval=0,
        lease_seconds=86_400,
        lock_timeout_ms=0,
        statement_timeout_ms=0,
        max_skips=0,
    )

    assert bench.summary(book)["total_updated"] == 12


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"key,column\n", "lacks the column decision"),
        (b"key,column,decision\ne01,start_at,perhaps\n", "line 2: 'perhaps' is not one of earlier"),
        (b"\xff\xfe\x00", "is not UTF-8 CSV"),
        (b"", "lacks the column column, decision, key"),
    ],
)
def test_a_decisions_file_that_can_not_be_meant_is_refused(
    bench: Bench, tmp_path: Path, content: bytes, says: str
) -> None:
    path = tmp_path / "decisions.csv"
    path.write_bytes(content)

    with pytest.raises(UsageError, match=says):
        bench.plan(decisions=str(path))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("table = ", "is not TOML"),
        ('table = "events"\n', "It needs table, zone and at least one"),
        (
            'table = "events"\nkey = "id"\nscope = "household_id"\nzone = "tz"\npairs = []\n',
            "at least one key column and one pair",
        ),
        (
            'table = "events"\nkey = "id"\nscope = "household_id"\nzone = "tz"\n'
            'pairs = [["start_at", "start_at"]]\n',
            "is a wall column and a target column as well",
        ),
    ],
)
def test_a_table_file_that_can_not_be_meant_is_refused(
    bench: Bench, tmp_path: Path, content: str, says: str
) -> None:
    path = tmp_path / "table.toml"
    path.write_text(content)

    with pytest.raises(UsageError, match=says):
        bench.plan(table=str(path))


def test_a_connection_string_that_libpq_can_not_read_is_not_repeated(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres//me:hunter2secret@host")

    with pytest.raises(UsageError) as refused:
        bench.plan()

    assert "is not a connection string that libpq understands" in str(refused.value)
    assert "hunter2secret" not in str(refused.value) + bench.messages()


@pytest.mark.parametrize(
    ("written", "mend"),
    [
        ("postgresql+psycopg2://me:hunter2secret@host/db", r"postgresql\+psycopg2: is of another"),
        ("jdbc:postgresql://host/db?password=hunter2secret", "jdbc: is of another library"),
        ("postgres://me:hunter2secret@host/db?schema=public", "libpq has no parameter schema:"),
        (
            "postgres://host/db?password=hunter2secret&x=1&pgbouncer=true&connection_limit=1",
            "no parameter pgbouncer, connection_limit: leave that out",
        ),
        ("'postgresql://me:hunter2secret@host/db'", "in quotes that a shell would have taken off"),
        ("\ufeffpostgresql://me:hunter2secret@host/db", r"a mark of its encoding \(BOM\)"),
    ],
)
def test_a_connection_string_of_another_program_is_told_by_its_habit(
    written: str, mend: str
) -> None:
    with pytest.raises(UsageError, match=mend) as refused:
        check_dsn(written)

    assert "hunter2secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("job", "foreign"),
    [
        *(("utc", reason) for reason in ("session_failed", "needs_review")),
        *((job, reason) for job in ("ocr", "fill") for reason in UtcReason),
    ],
)
def test_a_limit_for_a_reason_of_another_job_is_refused_since_it_would_limit_nothing(
    job: str, foreign: str
) -> None:
    settings = EngineSettings(max_skips_of={foreign: 1})

    with pytest.raises(UsageError, match=f"no row is skipped as {foreign!r}"):
        kind_of(job).check_skip_limits(settings)
