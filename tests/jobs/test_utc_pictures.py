"""The pictures of a UTC run: they show what the tables hold, whatever the rows are."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest
from psycopg import sql
from tests.engine.workshop import Bench, add_noons, load_empty, load_noons, load_traps
from tests.longer import longer_behind
from tests.pages.looking import Page, check_picture, check_tables, pictures

if TYPE_CHECKING:
    from tests.jobs.conftest import BenchFrom


@pytest.fixture
def noons(bench_from: BenchFrom) -> Bench:
    """Twelve pending events, a day apart from 2025-06-03 on."""
    return bench_from("noons", load_noons)


def drawn(bench: Bench, **given: Any) -> tuple[str, list[ET.Element]]:
    book = bench.book(**given)
    book.preflight()
    book.extract()
    book.compute()
    markup = book.picture().markup
    check_tables(Page(markup))
    found = pictures(markup)
    for svg in found:
        check_picture(svg)
    return markup, found


def texts(svg: ET.Element) -> list[str]:
    return [element.text or "" for element in svg.iter("text")]


def bars(svg: ET.Element) -> list[ET.Element]:
    return [e for e in svg.iter("rect") if e.get("fill", "").startswith("#")]


def test_pending_rows_are_drawn_by_household_and_month(noons: Bench) -> None:
    add_noons(noons.connection, 40, "hh_north", "n")

    markup, (by_month, by_year, *_map) = drawn(noons)

    assert texts(by_month)[:4] == ["hh_north", "max 28", "hh_demo", "max 12"]
    assert len(bars(by_month)) == 3  # of June twice, of July once
    assert "Pending rows by household and month (52 rows)" in markup
    assert "max 52" in texts(by_year)


def test_a_date_far_away_does_not_press_the_others_to_the_edge(noons: Bench) -> None:
    for number in range(20):
        add_noons(noons.connection, 90, "hh_north", f"n{number}-")
    noons.add_event("far", start_at=253_300_000_000_000, tz="Europe/Stockholm")
    noons.add_event("none", start_at=None, end_at=1_748_865_600_000, tz="Europe/Stockholm")

    markup, (by_month, *_rest) = drawn(noons)

    assert "2 of other times are in the table only" in markup
    assert "2025-06" in texts(by_month)
    assert not any(text.startswith("9996") for text in texts(by_month))
    assert "no date" in markup


def test_of_few_rows_far_apart_the_picture_shows_where_most_of_them_lie(noons: Bench) -> None:
    noons.add_event("far", start_at=253_300_000_000_000, tz="Europe/Stockholm")

    markup, (by_year, *_rest) = drawn(noons)

    assert "Pending rows by household and year (13 rows; 1 of other times" in markup
    assert "2025" in texts(by_year)
    assert "max 12" in texts(by_year)


def test_many_households_are_drawn_together_and_counted(noons: Bench) -> None:
    for number in range(30):
        add_noons(noons.connection, 3, f"hh_{number:02d}", f"x{number:02d}-")

    markup, (by_month, *_rest) = drawn(noons)

    assert texts(by_month)[0] == "hh_demo"
    assert "19 others" in texts(by_month)
    assert "Of 31 (household), hh_demo has the most" in markup


def test_what_a_scope_is_called_is_its_column_s_name(noons: Bench, tmp_path: Path) -> None:
    noons.connection.execute("ALTER TABLE events RENAME household_id TO clinic_id")
    spec = tmp_path / "events.toml"
    spec.write_text(
        'table = "events"\nkey = "id"\nscope = "clinic_id"\nzone = "tz"\n'
        'pairs = [{ wall = "start_at", target = "start_at_utc" }]\n'
    )

    markup, _found = drawn(noons, table=str(spec))

    assert "Pending rows by clinic and month" in markup
    assert "household" not in markup


def test_the_map_shows_each_clock_change_with_rows_near_it(bench_from: BenchFrom) -> None:
    traps = bench_from("traps-epoch_ms", load_traps)

    markup, found = drawn(traps)

    (svg,) = (s for s in found if (s.findtext("title") or "").startswith("Wall times around"))
    said = texts(svg)
    assert "Europe/Stockholm" in said
    assert {"gap", "fold"} <= set(said)
    hatched = [e for e in svg.iter("rect") if e.get("fill", "").startswith("url(")]
    assert len(hatched) == said.count("gap") + said.count("fold")
    assert "2024-10-27 02:00:00" in markup


def test_the_map_counts_what_lies_inside_and_around(noons: Bench) -> None:
    stamps = {"before": "01:30", "in1": "02:10", "in2": "02:40", "after": "03:10", "late": "07:10"}
    for key, stamp in stamps.items():
        noons.sql(
            "INSERT INTO events (id, household_id, start_at, tz) VALUES (%s, 'hh_demo',"
            " extract(epoch FROM %s::timestamp)::bigint * 1000, 'Europe/Stockholm')",
            key,
            f"2025-10-26 {stamp}",
        )

    markup, _found = drawn(noons)

    rows = Page(markup).markup.split("<tr>")
    (line,) = (row for row in rows if "2025-10-26 02:00:00" in row)
    assert (
        len(re.findall(r'<td class="number"[^>]*>2</td>', line)) == 2
    )  # two inside, two around; one is too late


def test_nothing_pending_is_said_in_words(bench_from: BenchFrom) -> None:
    markup, found = drawn(bench_from("empty", load_empty))

    assert found == []
    assert "No row is pending, and none is filled." in markup


def test_what_duckdb_can_not_read_is_drawn_and_shown_as_it_was_computed(
    noons: Bench, tmp_path: Path
) -> None:
    noons.sql("CREATE TABLE besuch (id int PRIMARY KEY, am text, am_utc timestamptz)")
    noons.sql("INSERT INTO besuch VALUES (1, '26. Oktober 2025 02:30'), (2, '3. Mai 2025 08:00')")
    spec = tmp_path / "besuch.toml"
    spec.write_text(
        'table = "besuch"\nzone = ["=Europe/Berlin"]\n[[pair]]\nwall = "am"\n'
        'target = "am_utc"\nformat = "%d. %B %Y %H:%M"\nmonths = "de"\n'
    )

    markup, found = drawn(noons, table=str(spec))

    assert "2025-10-26 02:00:00" in markup  # the fold that the first one lies in
    assert "2025-05" in texts(found[0])
    assert "no date" not in markup


def test_a_wall_time_that_is_read_in_a_zone_is_shown_as_it_is_there(
    noons: Bench, tmp_path: Path
) -> None:
    noons.sql("CREATE TABLE call (id int PRIMARY KEY, at timestamptz, at_utc timestamptz)")
    noons.sql("INSERT INTO call VALUES (1, '2025-10-25 17:30Z')")
    spec = tmp_path / "call.toml"
    spec.write_text(
        'table = "call"\nzone = ["=Europe/Paris"]\n[[pair]]\n'
        'wall = { column = "at", read_in = "Asia/Tokyo" }\ntarget = "at_utc"\n'
    )
    book = noons.book(table=str(spec))
    for step in (book.preflight, book.extract, book.compute):
        step()

    markup = book.diff().markup

    assert "2025-10-26 02:30:00" in markup  # Tokyo's wall clock, which Paris has twice
    assert "2025-10-26 00:30:00Z" in markup


@pytest.mark.parametrize(
    ("kind", "unit", "value"),
    longer_behind(
        4,
        [
            ("timestamptz", "", "2019-12-31 23:30:00Z"),
            ("timestamp", "", "2019-12-31 23:30:00"),
            ("bigint", "us", "1577835000000000"),
            ("numeric(14,3)", "s", "1577835000.250"),
            ("double precision", "s", "1577835000.25"),
            ("text", "", "2019-12-31T23:30:00Z"),
        ],
    ),
)
def test_what_is_filled_already_is_counted_whatever_holds_it(
    noons: Bench, tmp_path: Path, kind: str, unit: str, value: str
) -> None:
    beyond = {"timestamptz": "infinity", "timestamp": "infinity", "text": "unknown"}
    noons.sql(
        sql.SQL(
            "CREATE TABLE visit (id int PRIMARY KEY, at text, at_z {kind});"
            " INSERT INTO visit VALUES (1, '01.01.2020 00:30', {value}),"
            " (2, '02.01.2020 00:30', {value}), (3, '03.01.2020 00:30', {beyond}),"
            " (4, '04.01.2020 00:30', NULL)"
        ).format(
            kind=sql.SQL(kind),  # type: ignore[arg-type]
            value=sql.Literal(value),
            beyond=sql.Literal(beyond.get(kind, "7" * 11)),
        )
    )
    spec = tmp_path / "visit.toml"
    spec.write_text(
        'table = "visit"\nzone = ["=Europe/Oslo"]\n[[pair]]\nwall = "at"\ntarget = "at_z"\n'
        'format = "%d.%m.%Y %H:%M"\n' + (f'target_unit = "{unit}"\n' if unit else "")
    )

    markup, (_months, by_year, *_map) = drawn(noons, table=str(spec), repair=True)

    assert "filled ones of at_z in UTC" in markup
    assert texts(by_year)[2:4] == ["filled already", "max 2"]
