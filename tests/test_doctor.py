"""The doctor names what is wrong and the mend; it changes nothing and never falls over."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from backfill.cli import main
from backfill.command import doctor
from backfill.command.doctor import examine
from backfill.jobs.utc import machine
from backfill.server.embedded import HOME_ENV
from backfill.steps.finding import Finding


def finding(what: str, findings: list[Finding] | None = None) -> Finding:
    return next(found for found in findings or examine() if found.what == what)


def test_healthy_machine_has_no_bad_finding(
    empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", empty_database)

    findings = [found for found in examine() if found.what != "Tesseract"]

    assert [found for found in findings if not found.is_well] == []
    assert "the first run makes it" in finding("record of runs", findings).detail


def test_every_bad_finding_names_its_mend(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://me@127.0.0.1:1/nowhere")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("BACKFILL_PG_BIN", str(tmp_path))
    monkeypatch.setattr(doctor, "notebooks_folder", lambda: tmp_path / "lost")
    monkeypatch.setattr(doctor, "FREE_MB_MIN", 10**12)

    bad = [found for found in examine() if not found.is_well]

    assert {found.what for found in bad} == {
        "embedded PostgreSQL",
        "database",
        "folder of the runs",
        "Tesseract",
        "notebooks",
    }
    assert all(found.mend for found in bad)


def test_password_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://me:hunter-2secret@127.0.0.1:1/nowhere")

    findings = examine()

    assert not finding("database", findings).is_well
    assert "hunter-2secret" not in repr(findings)


def test_connection_string_that_cannot_be_read_is_a_finding(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DATABASE_URL", "not a connection string")

    assert not finding("database").is_well


def test_embedded_server_is_not_started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    home = tmp_path / "elsewhere" / "embedded"
    monkeypatch.setenv(HOME_ENV, str(home))

    found = finding("database")

    assert found.is_well
    assert "starts when it is needed" in found.detail
    assert not home.exists()


def test_role_without_rights_gets_the_grant_to_ask_for(
    database: str,
    connection: psycopg.Connection[tuple[object, ...]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connection.execute("DROP ROLE IF EXISTS doctor_guest")
    connection.execute("CREATE ROLE doctor_guest LOGIN")

    with monkeypatch.context() as guest:
        guest.setenv("DATABASE_URL", database)
        guest.setenv("PGOPTIONS", "-c role=doctor_guest")
        found = finding("rights")
    connection.execute("DROP ROLE doctor_guest")

    assert not found.is_well
    assert "GRANT CREATE ON DATABASE" in found.mend
    assert "doctor_guest" in found.mend


def test_time_zone_data_other_than_the_locked_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / machine.LOCK_FILE).write_text("tzdata==1999.1 \\\n", encoding="utf-8")
    monkeypatch.setattr(doctor, "project_root", lambda: tmp_path)
    monkeypatch.setattr(machine, "project_root", lambda: tmp_path)

    found = finding("time zone data")

    assert not found.is_well
    assert "1999.1" in found.detail
    assert found.mend == "make setup"


def test_missing_swedish_data_gives_the_install_command(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake = tmp_path / "tesseract"
    fake.write_text("#!/bin/sh\necho eng\n", encoding="utf-8")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    found = finding("Tesseract")

    assert not found.is_well
    assert "tesseract-ocr-swe" in found.mend


def test_check_that_breaks_is_a_finding_and_no_traceback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(_name: str) -> str:
        raise RuntimeError("no such luck")

    monkeypatch.setattr("backfill.jobs.utc.machine.importlib.metadata.version", broken)

    found = finding("time zone data")

    assert not found.is_well
    assert found.detail == "RuntimeError: no such luck"


def test_command_exits_3_and_lists_what_is_wrong(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://me@127.0.0.1:1/nowhere")

    code = main(["doctor"])

    printed = capsys.readouterr().out
    assert code == 3
    assert "mend: check DATABASE_URL" in printed
    assert '"healthy": false' in printed.splitlines()[-1]
