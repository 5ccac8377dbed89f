"""Values that stand wrong: found by `check --deep`, mended by `--repair`, put back by revert."""

from __future__ import annotations

import csv
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.engine.workshop import Bench, load_nothing
from tests.jobs.command_line import run_here
from tests.jobs.conftest import BenchFrom

from backfill.utc import segments, zone_names, zones

DDL = (
    "CREATE TABLE visit (id int PRIMARY KEY, place text, tz text, begins timestamp,"
    " begins_utc timestamptz);"
    "INSERT INTO visit VALUES"
    " (1, 'a', 'Asia/Tokyo', '2026-07-01 09:00', '2026-07-01 00:00+00'),"  # right
    " (2, 'a', 'Asia/Tokyo', '2026-07-01 09:00', '2026-07-01 09:00+00'),"  # taken for UTC
    " (3, 'b', 'Europe/Kyiv', '2026-07-01 09:00', '2026-07-01 07:00+00'),"  # winter's offset
    " (4, 'b', 'Europe/Kyiv', '2026-07-01 09:00', '2026-07-01 06:01+00'),"  # a minute off
    " (5, 'b', 'Europe/Kyiv', '2026-10-25 03:30', '2026-10-25 01:30+00'),"  # the later one: fine
    " (6, 'b', 'Nowhere/At_All', '2026-07-01 09:00', '2026-07-01 01:23+00'),"  # nobody can tell
    " (7, 'b', 'Europe/Kyiv', '2026-01-15 09:00', NULL),"
    " (8, 'b', 'Nowhere/At_All', '2026-01-15 09:00', NULL);"
)
SPEC = """table = "visit"
scope = "place"
zone = "tz"
[[pair]]
wall = "begins"
target = "begins_utc"
"""


@pytest.fixture
def bench(bench_from: BenchFrom) -> Bench:
    made = bench_from("nothing", load_nothing)
    made.sql(DDL)
    return made


@pytest.fixture
def spec(tmp_path: Path) -> str:
    path = tmp_path / "visit.toml"
    path.write_text(SPEC, encoding="utf-8")
    return str(path)


def begins(bench: Bench) -> dict[int, str]:
    return {
        key: f"{value:%Y-%m-%d %H:%M}" if value else ""
        for key, value in bench.sql("SELECT id, begins_utc FROM visit ORDER BY id")
    }


def test_repair_mends_what_differs_by_pattern_and_revert_puts_it_back(
    bench: Bench, spec: str
) -> None:
    before = bench.table("visit")

    book = bench.run(table=spec, repair=True)

    changes = book.changes.set_index("key")
    assert changes["why.pattern"].fillna("").to_dict() == {
        "2": "stored_as_utc", "3": "other_rules", "4": "other", "7": "",
    }  # fmt: skip
    assert changes["kind"].to_dict() == {
        "2": "changed", "3": "changed", "4": "changed", "7": "added",
    }  # fmt: skip
    assert changes["why.begins_moved_s"].fillna(0).to_dict() == {
        "2": -32400.0, "3": -3600.0, "4": -60.0, "7": 0.0,
    }  # fmt: skip
    assert begins(bench) == {
        1: "2026-07-01 00:00", 2: "2026-07-01 00:00", 3: "2026-07-01 06:00", 4: "2026-07-01 06:00",
        5: "2026-10-25 01:30", 6: "2026-07-01 01:23", 7: "2026-01-15 07:00", 8: "",
    }  # fmt: skip
    assert bench.verify(book.run_id).findings == []

    bench.revert(book.run_id)

    assert bench.table("visit") == before


def test_an_answer_leaves_a_pattern_of_a_scope_alone(
    bench: Bench, spec: str, tmp_path: Path
) -> None:
    answers = tmp_path / "answers.csv"
    answers.write_text("kind,key,column,scope,decision\nother,*,,b,skip\n", encoding="utf-8")

    book = bench.run(table=spec, repair=True, decisions=str(answers))

    assert begins(bench)[4] == "2026-07-01 06:01"
    assert bench.skips(book.run_id)["4"] == ("", "left_by_decision")


def test_a_deep_check_counts_what_waits_and_what_differs(
    bench: Bench, spec: str, tmp_path: Path, main: None
) -> None:
    listed = tmp_path / "differing.csv"

    said = run_here(
        bench.dsn, bench.runs, "check", "--table", spec, "--deep", "--output", str(listed)
    )

    assert said.code == 8
    assert (said.summary["total_pending"], said.summary["total_differing"]) == (2, 3)
    assert said.summary["total_unjudged"] == 1
    assert "1 filled row can not be judged, since their wall time or zone can not be read: 6." in (
        said.err
    )
    assert said.summary["patterns"] == {"other": 1, "other_rules": 1, "stored_as_utc": 1}
    with listed.open(encoding="utf-8") as stream:
        assert [row["key"] for row in csv.DictReader(stream)] == ["2", "3", "4"]


def test_rows_that_are_known_not_to_be_mended_pass_and_new_ones_do_not(
    bench: Bench, spec: str, main: None
) -> None:
    book = bench.run(table=spec, repair=True)
    known = str(bench.folder(book.run_id).file("skips.csv"))
    arguments = ("check", "--table", spec, "--deep", "--allow-known", known)

    first = run_here(bench.dsn, bench.runs, *arguments)
    bench.sql("INSERT INTO visit VALUES (9, 'a', 'Mars/Base', '2026-07-01 09:00', NULL)")
    second = run_here(bench.dsn, bench.runs, *arguments)

    assert (first.code, first.summary["known"]) == (0, 1)
    assert (second.code, second.summary["total_pending"]) == (8, 1)


def fixed_zone(offset_s: int) -> bytes:
    """Return the bytes of a zone file that knows one offset, for ever."""
    header = b"TZif2" + bytes(15)
    counts = struct.pack(">6l", 0, 0, 0, 0, 1, 4)
    body = struct.pack(">lBB", offset_s, 0, 0) + b"NEW\0"
    hours = -offset_s // 3600
    return header + counts + body + header + counts + body + f"\n<NEW>{hours}\n".encode()


@pytest.fixture
def newer_rules(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Another release of the rules: Oslo stays at +02:00 all year from now on."""
    usual = zone_names.zone_bytes

    def read(name: str) -> bytes:
        return fixed_zone(7200) if name == "Europe/Oslo" else usual(name)

    caches = (
        *(zones.load_rules, zone_names.zone_info),
        *(segments.build_segments, segments._zone_segments),
    )
    for cached in caches:
        cached.cache_clear()
    for module in (zone_names, zones):
        monkeypatch.setattr(module, "zone_bytes", read)
    yield
    for cached in caches:
        cached.cache_clear()


def test_a_newer_release_of_the_rules_lists_exactly_the_rows_that_it_moves(
    bench: Bench, spec: str, main: None, request: pytest.FixtureRequest
) -> None:
    bench.sql("DELETE FROM visit")
    bench.sql(
        "INSERT INTO visit SELECT n, 'a', CASE n % 2 WHEN 0 THEN 'Europe/Oslo' ELSE 'Asia/Tokyo'"
        " END, timestamp '2030-01-15 12:00' + n * interval '1 month' FROM generate_series(0, 23) n"
    )
    bench.run(table=spec)
    assert run_here(bench.dsn, bench.runs, "check", "--table", spec, "--deep").code == 0

    request.getfixturevalue("newer_rules")
    said = run_here(bench.dsn, bench.runs, "check", "--table", spec, "--deep")

    winter = [n for n in range(0, 24, 2) if n % 12 + 1 in (1, 2, 3, 11, 12)]
    assert said.code == 8
    assert [int(row["key"]) for row in said.summary["differing"]] == winter
    assert {row["moves_by_s"] for row in said.summary["differing"]} == {"-3600"}
