"""What README, tutorial and how-to tell to type is typed, in their order: each does its part."""

from __future__ import annotations

import csv
import re
import shlex
from pathlib import Path

import psycopg
import pytest
from tests.conftest import DatabaseFrom
from tests.jobs.command_line import Said, run_here
from tests.test_docs import read

from backfill.server.postgres import connect
from backfill_lab.demo.seed import seed

pytestmark = [pytest.mark.slow, pytest.mark.long]

#: Commands of a person's machine, which other tests type.
ELSEWHERE = {"lab", "db", "demo"}
HOTELS = """
CREATE SCHEMA booking;
CREATE TABLE booking.hotel (hotel_id int PRIMARY KEY, name text, time_zone text);
CREATE TABLE booking.reservation (
    reservation_id bigint PRIMARY KEY,
    hotel_id int REFERENCES booking.hotel,
    check_in_local timestamp, check_out_local timestamp,
    check_in_utc timestamptz, check_out_utc timestamptz
);
CREATE TABLE booking.room (room_id int PRIMARY KEY, beds int);
INSERT INTO booking.hotel VALUES (1, 'Fjord', 'Europe/Oslo'), (2, 'Harbour', 'Asia/Hong_Kong');
INSERT INTO booking.reservation (reservation_id, hotel_id, check_in_local, check_out_local)
    SELECT n, 1 + n % 2, timestamp '2026-03-01 15:00' + n * interval '5 hours',
        timestamp '2026-03-03 10:00' + n * interval '5 hours'
    FROM generate_series(1, 300) AS n;
INSERT INTO booking.room VALUES (1, NULL), (2, NULL);
"""
FILLED = "SELECT count(check_in_utc) FROM booking.reservation"


def load_hotels(dsn: str) -> None:
    with psycopg.connect(dsn) as connection:
        connection.execute(HOTELS)


def load_calendar(dsn: str) -> None:
    with connect(dsn) as connection:
        seed(connection, "epoch_ms")


def section(document: str, title: str) -> str:
    (found,) = re.findall(
        rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", read(document), re.DOTALL | re.MULTILINE
    )
    return str(found)


def commands(text: str) -> list[list[str]]:
    """Return what is typed in the blocks for a shell, without what is for another test."""
    blocks = re.findall(r"^```bash\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    lines = [shlex.split(line, comments=True) for block in blocks for line in block.splitlines()]
    return [words[1:] for words in lines if words[:1] == ["backfill"] and words[1] not in ELSEWHERE]


def count(dsn: str, query: str) -> int:
    with psycopg.connect(dsn) as connection:
        (found,) = connection.execute(query.encode()).fetchone() or (0,)
    return int(found)


def answer(path: Path, key: str, decision: str) -> None:
    """Write an answer into the cell `decision` of a row, as a person does."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        if row["key"] == key:
            row["decision"] = decision
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to stand in, and the runs below it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BACKFILL_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path


def type_all(dsn: str, here: Path, typed: list[list[str]]) -> list[Said]:
    """Type commands one after the other; a `RUN_ID` is that of the run before."""
    said: list[Said] = []
    for words in typed:
        given = [said[-1].summary["run_id"] if word == "RUN_ID" else word for word in words]
        if "--decisions" in words:  # the step before says what to write, and where
            answer(max((here / "runs").glob("*/decisions.csv")), "trap-fold-start-01", "later")
        said.append(run_here(dsn, here / "runs", *given))
        assert said[-1].code == 0, (given, said[-1].err)
    return said


def test_the_readme_leads_to_a_table_of_ones_own_and_back(
    database_from: DatabaseFrom, here: Path
) -> None:
    dsn = database_from("hotels", load_hotels)
    everything = commands(section("README.md", "A table of your own"))
    typed = [words for words in everything if words[0] != "ocr"]
    assert [words[0] for words in typed] == [
        *("init-table", "doctor", "utc", "apply", "resume", "revert"),
    ]

    said = type_all(dsn, here, typed)

    assert (said[3].summary["total_updated"], said[4].summary["total_updated"]) == (3, 300)
    assert count(dsn, FILLED) == 300
    undone = run_here(dsn, here / "runs", *typed[-1][:1], said[4].summary["run_id"], "--apply")
    assert undone.code == 0
    assert count(dsn, FILLED) == 0


def test_the_readmes_fill_writes_what_a_file_holds(database_from: DatabaseFrom, here: Path) -> None:
    dsn = database_from("hotels", load_hotels)
    (line,) = re.findall(r"`backfill (fill --table booking.room [^`]+)`", read("README.md"))
    (here / "rooms.csv").write_text("room_id,beds\n1,2\n2,4\n")

    (said,) = type_all(dsn, here, [[*shlex.split(line), "--apply"]])

    assert said.summary["total_updated"] == 2
    assert count(dsn, "SELECT sum(beds) FROM booking.room") == 6


def test_the_tutorial_can_be_typed_from_its_second_step_to_its_end(
    database_from: DatabaseFrom, here: Path
) -> None:
    dsn = database_from("calendar", load_calendar)
    typed = commands(read("docs/tutorial.md"))[1:]  # but the doctor

    said = type_all(dsn, here, typed)

    verbs = [words[0] for words in typed]
    whole = said[verbs.index("resume")].summary
    assert whole["status"] == "succeeded"
    assert whole["total_updated"] > said[verbs.index("apply")].summary["total_updated"] > 0
    assert said[len(verbs) - 1 - verbs[::-1].index("utc")].summary["total_updated"] == 0
    assert said[-1].summary["dry_run"] is True


def test_the_how_to_for_ones_own_database_can_be_typed(
    database_from: DatabaseFrom, here: Path
) -> None:
    dsn = database_from("calendar", load_calendar)
    typed = commands(section("docs/how-to.md", "… work on your own database"))
    typed = [["hh_south" if word == "ID" else word for word in words] for words in typed]

    said = type_all(dsn, here, [words for words in typed if words[0] != "doctor"])

    assert "GRANT" in said[0].out
    assert said[-1].summary["status"] == "succeeded"
