"""No password in anything that is said or written, whatever characters it has."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock
from urllib.parse import quote

import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.engine.workshop import load_noons
from tests.jobs.command_line import COMMAND, environment

from backfill import cli
from backfill.errors import UsageError
from backfill.server.dsn import check_dsn, describe, parts_of, redact, without_password
from backfill.server.postgres import unreachable

if TYPE_CHECKING:
    from tests.conftest import DatabaseFrom

#: Every special character of a URL, of libpq's pairs and of a shell, and letters of elsewhere.
PASSWORDS = [
    *(f"Kato{character}Lama9" for character in "/@:%#?&=+ '\"\\;$!*~`|<>()[]{}^,"),
    *(
        "Ýmir@löss/ünd",
        "密码/很@长:的",
        "12/34@56:78",
        "//Zorro//@@",
        "%zz%41Zorro",
        "Zorro Xqw=Kato",
    ),
]
LEAST = 3


def pieces(password: str) -> set[str]:
    """Return the parts of a password that a message must not hold."""
    found = {password}
    for separator in "/@:?#&= ":
        found |= {piece for whole in set(found) for piece in whole.split(separator)}
    return {piece for piece in found if len(piece) > LEAST}


def spellings(password: str) -> Iterator[str]:
    """Yield connection strings that hold a password: right ones, and what people type."""
    yield f"postgresql://ana:{quote(password, safe='')}@db.invalid:5432/calendar"
    yield f"postgresql://ana:{password}@db.invalid:5432/calendar"
    yield f"postgres://ana:{password}@db.invalid/calendar?sslmode=prefer"
    yield f"host=db.invalid user=ana password={password} dbname=calendar"
    escaped = password.replace("\\", "\\\\").replace("'", "\\'")
    yield f"host=db.invalid user=ana password='{escaped}' dbname=calendar"


def is_silent(text: str, password: str) -> bool:
    return not any(piece in text for piece in pieces(password))


@pytest.mark.parametrize("password", PASSWORDS)
def test_nothing_that_is_said_of_a_connection_string_holds_its_password(password: str) -> None:
    for dsn in spellings(password):
        said = describe(dsn) + without_password(dsn)
        try:
            check_dsn(dsn)
        except UsageError as error:
            said += str(error)
        libpq = f'connection to "{dsn}" failed'
        if parts_of(dsn) is None:
            libpq += f': invalid port number: "{password.partition("/")[0]}"'
        said += str(unreachable(dsn, Exception(libpq))) + redact(libpq, dsn)

        assert is_silent(said, password), dsn


@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=6, max_size=24))
def test_no_password_at_all_is_echoed(password: str) -> None:
    password = f"Zy{password}Qx"
    for dsn in spellings(password):
        said = describe(dsn) + redact(f"can not reach {dsn}", dsn)
        parts = parts_of(dsn)

        assert parts is None or password not in (parts.get("host"), parts.get("dbname"))
        assert password not in said


def test_what_is_written_as_it_should_be_is_read_as_it_is() -> None:
    for password in PASSWORDS:
        dsn = f"postgresql://ana:{quote(password, safe='')}@db.invalid:5432/calendar"
        check_dsn(dsn)
        assert (parts_of(dsn) or {})["password"] == password
        assert describe(dsn) == "database calendar at db.invalid:5432"
    check_dsn("postgresql://h:5432/db?user=me@corp&password=x")
    check_dsn("postgresql:///calendar?host=/run/postgresql")
    check_dsn("service=calendar")


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("a:1,b:2/c", "a:1, b:2"),
        ("a,b/c", "a, b"),
        ("a,b/c?port=7", "a:7, b:7"),
        ("/c", "the local socket"),
    ],
)
def test_each_of_several_hosts_is_told_with_its_port(address: str, said: str) -> None:
    assert describe(f"postgresql://{address}") == f"database c at {said}"


COMMANDS = [
    *(("utc",), ("ocr", "--local-root", "."), ("status",), ("doctor",), ("check",), ("runs",)),
    *(("verify", "latest"), ("cancel", "20990101T000000Z-utc-000000"), ("grants",)),
    ("evidence", "check", "20990101T000000Z-utc-000000"),
    ("revert", "20990101T000000Z-utc-000000"),
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_no_command_echoes_an_address_that_can_not_be_read(
    command: tuple[str, ...], tmp_path: Path
) -> None:
    for password in ("Kato/La@ma:99%zz", "Kato@Lama99", "Kato La'ma99"):
        dsn = f"postgresql://ana:{password}@localhost:1/calendar"
        for arguments in (command, (*command, "--database-url", dsn)):
            said = io.StringIO()
            given_ = {"DATABASE_URL": dsn, "BACKFILL_RUNS_DIR": str(tmp_path)}
            with (
                mock.patch.dict("os.environ", given_),
                redirect_stdout(said),
                redirect_stderr(said),
            ):
                code = cli.main(arguments)

            assert code != 0 or command in (("runs",),)
            assert is_silent(said.getvalue(), password), said.getvalue()


@pytest.mark.parametrize(
    "typed",
    [
        ["utc", "--databse-url", "postgresql://ana:Katolama@h/d"],
        ["utc", "--database-url", "postgresql://ana:Kato", "Katolama@h/d"],
        ["postgresql://ana:Katolama@h/d"],
        ["status", "x", "postgresql://ana:Katolama@h/d"],
        ["utc", "--chunk-time", "postgresql://ana:Katolama@h/d"],
        ["utc", "--fold", "postgresql://ana:Katolama@h/d"],
        ["db", "postgresql://ana:Katolama@h/d"],
    ],
)
def test_a_slip_of_the_fingers_shows_no_password(
    typed: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    try:
        code: object = cli.main(typed)
    except SystemExit as ended:
        code = ended.code

    said = capsys.readouterr()
    assert code == 2
    assert "Katolama" not in said.out + said.err


@pytest.mark.slow
def test_a_whole_run_leaves_its_password_nowhere(
    database_from: DatabaseFrom, tmp_path: Path
) -> None:
    password = "Kato/La@ma:9% #?&'\"\\Ýmir"
    dsn = database_from("noons", load_noons)
    dsn = dsn.replace("postgres@", f"postgres:{quote(password, safe='')}@")
    seen = ""

    with psutil.Popen(
        [*COMMAND, "utc", "--apply"],
        env=environment(dsn, tmp_path),
        stdout=-1,
        stderr=-2,
        text=True,
    ) as process:
        for line in process.stdout:
            seen += line
            family = [process, *process.children(recursive=True)]
            for member in family:
                try:
                    seen += " ".join(member.cmdline())
                except psutil.NoSuchProcess:
                    continue

    assert process.returncode == 0
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) > 5
    for secret in pieces(password) | {password, quote(password, safe="")}:
        assert secret not in seen
        for path in written:
            assert secret.encode() not in path.read_bytes(), path
