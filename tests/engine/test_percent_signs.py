"""Names that hold percent signs and quotes are names, in every statement of a run's life."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.engine.workshop import NOON_MS, NOON_UTC_MS, Bench

from backfill import cli

TABLE = '"50% %s"."it\'s ""%(key)s"""'
KEY, SCOPE, ZONE, WALL, TARGET = "%b\"'", "of %s", "100%% zone", "w'\"%(x)s", 'u%t"'


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _toml(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


@pytest.fixture
def odd(bench: Bench, tmp_path: Path) -> str:
    """Path of a specification of three pending rows, one of which `where` leaves out."""
    names = {name: _quoted(name) for name in (KEY, SCOPE, ZONE, WALL, TARGET)}
    # Without parameters the driver leaves percent signs alone.
    bench.sql('CREATE SCHEMA "50% %s"')
    bench.sql(
        f"CREATE TABLE {TABLE} ({names[KEY]} text PRIMARY KEY, {names[SCOPE]} text,"
        f" {names[ZONE]} text, {names[WALL]} bigint, {names[TARGET]} bigint)"
    )
    bench.sql(
        f"INSERT INTO {TABLE} SELECT n || '%s', 'a%' || n % 2, 'Europe/Stockholm', {NOON_MS}, NULL"
        " FROM generate_series(1, 3) AS n"
    )
    path = tmp_path / "odd.toml"
    path.write_text(
        f"table = {_toml('50% %s.it' + chr(39) + 's ' + chr(34) + '%(key)s' + chr(34))}\n"
        f"key = {_toml(KEY)}\nscope = {_toml(SCOPE)}\nzone = {_toml(ZONE)}\n"
        f"where = {_toml(names[KEY] + ' NOT LIKE ' + chr(39) + '3%' + chr(39))}\n"
        f"pairs = [{{ wall = {_toml(WALL)}, target = {_toml(TARGET)} }}]\n"
    )
    return str(path)


def test_such_rows_are_planned_written_verified_compared_and_reverted(
    bench: Bench, odd: str
) -> None:
    before = bench.table(TABLE)
    first = bench.plan(table=odd)

    book = bench.run(table=odd)

    values = bench.sql(f"SELECT {_quoted(TARGET)} FROM {TABLE} ORDER BY 1")
    assert values == [(NOON_UTC_MS,), (NOON_UTC_MS,), (None,)]
    runs = ["--runs-dir", str(bench.runs)]
    assert cli.main(["verify", book.run_id, *runs]) == 0
    assert cli.main(["compare", first.run_id, book.run_id, *runs]) == 0
    assert cli.main(["explain", book.run_id, "1%s", *runs]) == 0
    bench.revert(book.run_id)
    assert bench.table(TABLE) == before


def test_one_member_is_found_and_its_rows_are_pending_no_more(bench: Bench, odd: str) -> None:
    bench.run(table=odd, household_id="a%1")

    assert cli.main(["check", "--table", odd, "--household-id", "a%1"]) == 0
    assert cli.main(["check", "--table", odd]) == 8


def test_a_fill_of_such_columns_is_written_and_verified(
    bench: Bench, odd: str, tmp_path: Path
) -> None:
    rows = tmp_path / "values.csv"
    head = ",".join('"' + name.replace('"', '""') + '"' for name in (KEY, TARGET))
    rows.write_text(f"{head}\n1%s,17\n2%s,18\n")

    named = ["--table", '50% %s.it\'s "%(key)s"', "--set", TARGET, "--values", str(rows)]
    assert cli.main(["fill", *named, "--runs-dir", str(bench.runs), "--apply"]) == 0

    assert bench.sql(f"SELECT {_quoted(TARGET)} FROM {TABLE} ORDER BY 1") == [(17,), (18,), (None,)]
