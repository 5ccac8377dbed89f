"""A member of the scope in another spelling is the same member, or refused in words."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.engine.workshop import NOON_MS, Bench
from tests.longer import longer

from backfill import cli
from backfill.errors import UsageError

UUID = "a81bc81b-dead-4e5d-abff-90865d1e13b1"
#: A scope's type, its value, other spellings of it.
SPELLINGS = [
    ("uuid", UUID, UUID.upper()),
    *longer(("uuid", UUID, "{" + UUID.replace("-", "") + "}"), ("integer", "7", "007")),
    ("bigint", "7", " 7"),
    ("numeric(9,2)", "7.50", "7.5"),
    ("shop.citext", "Ab", "aB"),
    *longer(("char(6)", "ab", "ab  "), ("date", "2026-03-01", "2026-3-1")),
    *longer(("boolean", "true", "yes")),
]


def _table(bench: Bench, tmp_path: Path, scope: str, member: str, zone: str = "text") -> str:
    bench.sql("CREATE SCHEMA shop")
    bench.sql("CREATE EXTENSION citext WITH SCHEMA shop")
    bench.sql("CREATE TYPE shop.mood AS ENUM ('Europe/Oslo', 'Nowhere')")
    bench.sql("CREATE DOMAIN shop.zone AS varchar(30) CHECK (VALUE <> '')")
    bench.sql(
        f"CREATE TABLE visits (id shop.citext PRIMARY KEY, who {scope}, tz {zone},"
        " wall bigint, utc bigint)"
    )
    bench.sql(
        f"INSERT INTO visits SELECT 'É' || n, CASE WHEN n < 3 THEN '{member}'::{scope} END,"
        f" 'Europe/Oslo', {NOON_MS}, NULL FROM generate_series(1, 3) AS n"
    )
    path = tmp_path / "visits.toml"
    path.write_text(
        'table = "visits"\nkey = "id"\nscope = "who"\nzone = "tz"\n'
        'pairs = [{ wall = "wall", target = "utc" }]\n'
    )
    return str(path)


@pytest.mark.parametrize(("scope", "member", "spelt"), SPELLINGS)
def test_another_spelling_is_the_same_member(
    bench: Bench, tmp_path: Path, scope: str, member: str, spelt: str
) -> None:
    spec = _table(bench, tmp_path, scope, member)
    asked = ["check", "--table", spec, "--household-id", spelt]

    assert cli.main(asked) == 8
    bench.run(table=spec, household_id=spelt)

    assert bench.sql("SELECT count(*), count(utc) FROM visits") == [(3, 2)]
    assert cli.main(asked) == 0


@pytest.mark.parametrize("scope", ["uuid", "integer", "date"])
def test_what_is_no_value_of_the_type_is_refused_in_words(
    bench: Bench, tmp_path: Path, scope: str
) -> None:
    member = {"uuid": UUID, "integer": "7", "date": "2026-03-01"}[scope]
    spec = _table(bench, tmp_path, scope, member)

    with pytest.raises(UsageError, match="There is no who 'seven'"):
        bench.run(table=spec, household_id="seven")
    assert cli.main(["check", "--table", spec, "--household-id", "seven"]) == 2


@pytest.mark.parametrize("zone", ["shop.citext", "shop.mood", "shop.zone", "char(30)"])
def test_zones_of_other_text_types_are_zones(bench: Bench, tmp_path: Path, zone: str) -> None:
    spec = _table(bench, tmp_path, "shop.citext", "Ab", zone)

    book = bench.run(table=spec)

    assert bench.sql("SELECT DISTINCT utc FROM visits") == [(NOON_MS - 7_200_000,)]
    assert bench.verify(book.run_id).findings == []
