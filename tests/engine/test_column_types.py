"""Columns of every type: rows counted = read = written = verified = reverted, to the last byte."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from tests.engine.workshop import NOON_MS, NOON_UTC_MS, Bench
from tests.jobs.command_line import run_here
from tests.longer import longer, longer_behind

from backfill.errors import PreflightError, UsageError
from backfill.plans.extract import PendingRows

#: A type, and an SQL expression over i = 1 … 30 that gives each row another value of it.
TYPES = {
    "char(5)": "lpad(i::text, 3, 'k')",
    "bpchar": "'v' || i || repeat(' ', i % 3)",
    '"char"': "chr(64 + i)",
    "bit(9)": "i::bit(9)",
    "varbit": "substr(i::bit(9)::text, i % 4 + 1)::varbit || i::bit(5)::varbit",
    "varchar(6)": "'q' || i || CASE WHEN i % 2 = 0 THEN ' ' ELSE '' END",
    "numeric(9,3)": "i / 8.0",
    "numeric": "('9.' || repeat('0', i))::numeric",
    "float4": "CASE i WHEN 1 THEN 'NaN' WHEN 2 THEN '-0' WHEN 3 THEN '1e-44' ELSE (i / 3.0)::text"
    " END::float4",
    "float8": "CASE i WHEN 1 THEN 'NaN' WHEN 2 THEN '-0' WHEN 3 THEN '5e-324' WHEN 4 THEN"
    " '-Infinity' ELSE (i / 3.0::float8)::text END::float8",
    "outer_code": "'D' || i",
    "mood": "'m' || i",
    "name": "'n''' || i",
    "uuid": "md5(i::text)::uuid",
    "inet": "('10.0.' || i || '.0/' || 24 + i % 8)::inet",
    "cidr": "('10.0.' || i || '.0/24')::cidr",
    "macaddr": "('08:00:2b:01:02:' || lpad(to_hex(i), 2, '0'))::macaddr",
    "int4range": "int4range(i, i + 3)",
    "numrange": "numrange(i, i + 1.50)",
    "int4[]": "ARRAY[i, NULL, -i]",
    "char(3)[]": "ARRAY['a', i::text]::char(3)[]",
    "date": "'2020-02-28'::date + i",
    "time": "'23:59:00.000001'::time - i * interval '1 minute'",
    "timetz": "'12:00:00.5+05:30'::timetz + i * interval '1 minute'",
    "timestamp": "CASE i WHEN 1 THEN 'infinity' WHEN 2 THEN '0044-03-15 BC' ELSE '2020-01-01'"
    "::timestamp + i * interval '1 microsecond' END::timestamp",
    "timestamptz": "'2020-10-25 00:59:59.999999+00'::timestamptz + i * interval '1 hour'",
    "interval": "i * interval '1 month 3 days 00:00:00.000001'",
    "bytea": "decode(lpad(to_hex(i), 2, '0') || '00ff', 'hex')",
    "jsonb": "jsonb_build_object('é', i, 'n', '1.00'::numeric)",
    "oid": "(4294967000 + i)::oid",
    "bigint": "9007199254740993 + i",
    "smallint": "-i::smallint",
    'text COLLATE "POSIX"': "CASE i % 2 WHEN 0 THEN 'å' ELSE 'Z' END || i",
}
SEED = 20_261_129


def _make(bench: Bench, keys: list[str], scope: str) -> None:
    """Make a table `t` of 30 pending rows and its specification's columns."""
    bench.sql("DROP TABLE IF EXISTS t")
    columns = ", ".join(f"k{n} {kind} NOT NULL" for n, kind in enumerate(keys))
    names = ", ".join(f"k{n}" for n in range(len(keys)))
    bench.sql(
        f"CREATE TABLE t ({columns}, s {scope}, wall bigint, tz char(20), utc bigint,"
        f" PRIMARY KEY ({names}))"
    )
    values = ", ".join(f"({TYPES[kind]})::{kind.partition(' COLLATE')[0]}" for kind in keys)
    member = TYPES[scope]
    bench.sql(
        f"INSERT INTO t SELECT {values}, (SELECT ({member})::{scope.partition(' COLLATE')[0]} FROM"
        f" (SELECT n % 3 + 5 AS i) AS few), {NOON_MS} + n, 'Europe/Stockholm', NULL"
        " FROM (SELECT i, i AS n FROM generate_series(1, 30) AS i) AS rows"
    )


def _spec(tmp_path: Path, keys: int) -> str:
    path = tmp_path / "t.toml"
    names = ", ".join(f'"k{n}"' for n in range(keys))
    path.write_text(
        f'table = "t"\nkey = [{names}]\nscope = "s"\nzone = "tz"\n'
        'pairs = [{ wall = "wall", target = "utc" }]\n'
    )
    return str(path)


@pytest.fixture
def types(bench: Bench) -> Bench:
    bench.sql("CREATE DOMAIN inner_code AS char(4)")
    bench.sql("CREATE DOMAIN outer_code AS inner_code CHECK (VALUE <> '')")
    labels = ", ".join(f"'m{n}'" for n in range(30, 0, -1))
    bench.sql(f"CREATE TYPE mood AS ENUM ({labels})")
    return bench


@pytest.mark.parametrize("part", [0, 1, *longer(2, 3, 4, 5)])
def test_what_is_counted_is_read_written_verified_and_reverted(
    types: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: int
) -> None:
    original = PendingRows.pages
    monkeypatch.setattr(PendingRows, "pages", lambda self, **_expected: original(self, page_rows=7))
    draw = random.Random(SEED + part)
    kinds = list(TYPES)
    firsts = [kind for n, kind in enumerate(kinds) if n % 6 == part]
    # Three keys of two columns: each type of this part once, in every part another scope.
    for keys in (firsts[0:2], firsts[2:4], firsts[4:6]):
        _make(types, keys, draw.choice(kinds))
        before = types.sql("SELECT t::text, md5(textsend(t::text)) FROM t ORDER BY 1")

        book = types.run(table=_spec(tmp_path, len(keys)), chunk_size=11)

        filled = types.sql("SELECT count(*) FROM t WHERE utc = wall - %s", NOON_MS - NOON_UTC_MS)
        assert (keys, filled) == (keys, [(30,)])
        assert types.verify(book.run_id).findings == []
        types.revert(book.run_id)
        assert types.sql("SELECT t::text, md5(textsend(t::text)) FROM t ORDER BY 1") == before


@pytest.mark.parametrize(
    "scope", longer_behind(3, ["char(5)", "outer_code", "mood", "uuid", "bit(9)", "float8"])
)
def test_one_member_of_a_scope_of_any_type_is_found_by_its_text(
    types: Bench, tmp_path: Path, scope: str
) -> None:
    _make(types, ["int4[]"], scope)
    (member,) = types.sql("SELECT s::text FROM t LIMIT 1")[0]
    spec = _spec(tmp_path, 1)

    gate = run_here(types.dsn, types.runs, "check", "--table", spec, "--household-id", str(member))
    assert (gate.code, gate.summary["total_pending"]) == (8, 10)
    types.run(table=spec, household_id=str(member))

    assert types.sql("SELECT count(*), count(DISTINCT s) FROM t WHERE utc IS NOT NULL") == [(10, 1)]


@pytest.mark.parametrize("scope", ["char(5)", "mood", "uuid", "name", '"char"'])
def test_a_member_that_no_row_has_is_refused_not_cut_to_one_that_has(
    types: Bench, tmp_path: Path, scope: str
) -> None:
    _make(types, ["int4[]"], scope)
    (member,) = types.sql("SELECT s::text FROM t LIMIT 1")[0]

    with pytest.raises(UsageError, match="There is no s "):
        types.run(table=_spec(tmp_path, 1), household_id=f"{member}      x")


@pytest.mark.parametrize("pairs", [25, *longer(60, 200)])
def test_any_number_of_pairs_is_written_verified_and_reverted(
    bench: Bench, tmp_path: Path, pairs: int
) -> None:
    walls = ", ".join(f"w{n} bigint DEFAULT {NOON_MS + n}, u{n} bigint" for n in range(pairs))
    bench.sql(f"CREATE TABLE wide (id char(3) PRIMARY KEY, s text, tz text, {walls})")
    bench.sql("INSERT INTO wide SELECT i, 'h', 'Europe/Stockholm' FROM generate_series(1, 4) AS i")
    path = tmp_path / "wide.toml"
    listed = ", ".join(f'{{ wall = "w{n}", target = "u{n}" }}' for n in range(pairs))
    path.write_text(f'table = "wide"\nkey = "id"\nscope = "s"\nzone = "tz"\npairs = [{listed}]\n')
    before = bench.table("wide")

    book = bench.run(table=str(path))

    assert bench.sql(f"SELECT DISTINCT u{pairs - 1} FROM wide") == [(NOON_UTC_MS + pairs - 1,)]
    assert bench.verify(book.run_id).findings == []
    bench.sql("UPDATE wide SET u0 = 7 WHERE id = '1'")
    assert len(bench.verify(book.run_id).findings) == 1
    bench.sql(f"UPDATE wide SET u0 = {NOON_UTC_MS} WHERE id = '1'")
    bench.revert(book.run_id)
    assert bench.table("wide") == before


def test_rows_that_the_walk_passes_by_stop_the_run_by_name(
    types: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = PendingRows.pages
    monkeypatch.setattr(
        PendingRows,
        "pages",
        lambda self, **expected: (page.slice(2) for page in original(self, **expected)),
    )
    _make(types, ["bigint"], "mood")

    with pytest.raises(PreflightError, match=r"counted 30 .* 28 were read; 2 .*9007199254740994"):
        types.run(table=_spec(tmp_path, 1))

    assert types.sql("SELECT count(*) FROM t WHERE utc IS NOT NULL") == [(0,)]


def test_rows_that_others_add_between_counting_and_reading_stop_nothing(
    types: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = PendingRows.keys

    def keys(pending: PendingRows) -> set[str]:
        types.sql("INSERT INTO t SELECT max(k0) + 1, 'm5', 7, 'Europe/Stockholm', NULL FROM t")
        return original(pending)

    monkeypatch.setattr(PendingRows, "keys", keys)
    monkeypatch.setattr("backfill.jobs.utc.job.count_by_household", lambda *_a, **_k: {"m5": 29})
    _make(types, ["bigint"], "mood")

    types.run(table=_spec(tmp_path, 1))

    assert types.sql("SELECT count(*) FROM t WHERE utc IS NOT NULL") == [(30,)]


def test_names_that_hold_quotes_dots_and_capitals_are_names(bench: Bench, tmp_path: Path) -> None:
    columns = (
        '"select" char(4) PRIMARY KEY, "the house" text, "Zone\'" text,'
        ' "guest\'s.arrival" bigint, "UTC.ålder" bigint'
    )
    bench.sql(f'CREATE TABLE "Guest\'s.Stays" ({columns})')
    row = f"'a', 'h', 'Europe/Stockholm', {NOON_MS}, NULL"
    bench.sql(f'INSERT INTO "Guest\'s.Stays" VALUES ({row})')
    path = tmp_path / "odd.toml"
    path.write_text(
        'table = "public.Guest\'s.Stays"\nkey = "select"\nscope = "the house"\n'
        'zone = "Zone\'"\npairs = [{ wall = "guest\'s.arrival", target = "UTC.ålder" }]\n',
        encoding="utf-8",
    )

    book = bench.run(table=str(path))

    assert bench.sql('SELECT "UTC.ålder" FROM "Guest\'s.Stays"') == [(NOON_UTC_MS,)]
    assert bench.verify(book.run_id).findings == []
