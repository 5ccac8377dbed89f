"""What columns hold is asked before anything is planned: refused with a row and the mend."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from tests.engine.workshop import Bench, load_nothing
from tests.jobs.conftest import BenchFrom
from tests.longer import longer_behind

from backfill.errors import PreflightError

PAIR = '\n[[pair]]\nwall = "w"\ntarget = "u"\n'


@pytest.fixture
def bench(bench_from: BenchFrom) -> Bench:
    return bench_from("nothing", load_nothing)


def spec(folder: Path, text: str) -> str:
    path = folder / "t.toml"
    path.write_text(f'table = "t"\n{text}', encoding="utf-8")
    return str(path)


def refusal(bench: Bench, table: str, **given: object) -> str:
    with pytest.raises(PreflightError) as refused:
        bench.plan(table=table, **given)
    return str(refused.value)


def stored(bench: Bench, column: str = "u") -> list[str]:
    return [row[0] for row in bench.sql(f"SELECT {column}::text FROM t ORDER BY id")]


def test_the_default_zone_is_the_last_resort_and_first_only_when_told(
    bench: Bench, tmp_path: Path
) -> None:
    bench.sql(
        "CREATE TABLE person (id int PRIMARY KEY, zone text);"
        "CREATE TABLE t (id int PRIMARY KEY, person int, tz text, w timestamp, u timestamp);"
        "INSERT INTO person VALUES (1, 'America/Denver'), (2, ' ');"
        "INSERT INTO t VALUES (1, 1, NULL, '2026-07-01 12:00'), (2, 2, '', '2026-07-01 12:00'),"
        " (3, NULL, NULL, '2026-07-01 12:00'), (4, 1, 'Asia/Seoul', '2026-07-01 12:00')"
    )
    table = spec(
        tmp_path,
        'scope = "person"\nzone = ["tz", "p.zone"]\n[[lookup]]\nname = "p"\ntable = "person"\n'
        f'by = "person"\nkey = "id"\n{PAIR}',
    )

    planned = bench.plan(table=table, default_tz="Asia/Tokyo", default_tz_first=True)
    first = planned.changes["after.u"].astype(str).tolist()
    bench.run(table=table, default_tz="Asia/Tokyo")

    assert first == [
        "2026-07-01 03:00:00", "2026-07-01 03:00:00", "2026-07-01 03:00:00", "2026-07-01 03:00:00",
    ]  # fmt: skip
    assert "1: 1 row has a zone of its own that --default-tz-first overrides" in bench.messages()
    assert stored(bench) == [
        "2026-07-01 18:00:00", "2026-07-01 03:00:00", "2026-07-01 03:00:00", "2026-07-01 03:00:00",
    ]  # fmt: skip


@pytest.mark.parametrize(("unit", "factor"), [("s", 1), ("us", 1_000_000), ("ns", 1_000_000_000)])
def test_filled_rows_in_another_unit_are_refused_with_the_line_that_mends_it(
    bench: Bench, tmp_path: Path, unit: str, factor: int
) -> None:
    bench.sql(
        "CREATE TABLE t (id int PRIMARY KEY, w timestamp, u bigint);"
        "INSERT INTO t SELECT n, timestamp '2025-05-01' + n * interval '1 day',"
        f" CASE WHEN n > 290 THEN (1746050400 + n * 86400) * {factor}::bigint END"
        " FROM generate_series(1, 300) AS n"
    )

    said = refusal(bench, spec(tmp_path, f'zone = "=Europe/Paris"{PAIR}'))

    assert f'target_unit = "{unit}"' in said
    assert "row 29" in said or "row 300" in said


@pytest.mark.parametrize(
    ("values", "form"),
    [
        ("20250612143000, 20251224180000", "%Y%m%d%H%M%S"),
        ("202506121430, 202512241800", "%Y%m%d%H%M"),
        ("20250612, 20251224", "%Y%m%d"),
    ],
)
@pytest.mark.parametrize("kind", longer_behind(1, ["bigint", "numeric"]))
def test_digits_that_spell_a_date_are_refused_and_their_format_reads_them(
    bench: Bench, tmp_path: Path, values: str, form: str, kind: str
) -> None:
    bench.sql(
        f"CREATE TABLE t (id serial PRIMARY KEY, w {kind}, u timestamptz);"
        f"INSERT INTO t (w) SELECT unnest(ARRAY[{values}]::{kind}[])"
    )
    head = 'zone = "=Africa/Lagos"'

    said = refusal(bench, spec(tmp_path, f"{head}{PAIR}"))
    bench.run(table=spec(tmp_path, f'{head}{PAIR}format = "{form}"\n'))

    assert f'format = "{form}"' in said
    expected = {
        "%Y%m%d%H%M%S": "2025-06-12 13:30:00+00",
        "%Y%m%d%H%M": "2025-06-12 13:30:00+00",
        "%Y%m%d": "2025-06-11 23:00:00+00",
    }
    assert (
        bench.scalar("SELECT (u AT TIME ZONE 'UTC')::text || '+00' FROM t WHERE id = 1")
        == (expected[form])
    )


@pytest.mark.parametrize(
    ("kind", "wall"),
    [
        ("timestamp", "u AT TIME ZONE 'UTC'"),
        ("text", "to_char(u AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS')"),
        ("bigint", "extract(epoch FROM u)::bigint * 1000"),
        ("date", "(u AT TIME ZONE 'UTC')::date"),
    ],
)
@pytest.mark.parametrize("zone", ['"=Asia/Dhaka"', '"p.zone"'])
def test_a_wall_column_that_holds_instants_is_noticed_however_the_zone_is_found(
    bench: Bench, tmp_path: Path, kind: str, wall: str, zone: str
) -> None:
    bench.sql(
        f"CREATE TABLE p (id int PRIMARY KEY, zone text); INSERT INTO p VALUES (1, 'Asia/Dhaka');"
        f"CREATE TABLE t (id int PRIMARY KEY, p int DEFAULT 1, w {kind}, u timestamptz);"
        "INSERT INTO t (id, u) SELECT n, timestamptz '2025-01-01 00:00+00' + n * interval '1 day'"
        " FROM generate_series(1, 40) AS n;"
        f"UPDATE t SET w = {wall}; UPDATE t SET u = NULL WHERE id > 30"
    )
    lookup = '[[lookup]]\nname = "p"\ntable = "p"\nby = "p"\nkey = "id"\n'

    said = refusal(bench, spec(tmp_path, f"zone = {zone}\n{lookup}{PAIR}"))

    assert "already holds true instants" in said
    assert "on 30 filled rows" in said


def test_an_abbreviation_is_asked_about_once_and_the_answer_counts(
    bench: Bench, tmp_path: Path
) -> None:
    bench.sql(
        "CREATE TABLE t (id int PRIMARY KEY, tz text, w timestamp, u timestamp);"
        "INSERT INTO t SELECT n, CASE n % 3 WHEN 0 THEN 'MST' WHEN 1 THEN 'CEST' ELSE '+02:00' END,"
        " '2026-07-01 12:00' FROM generate_series(0, 8) AS n"
    )
    table = spec(tmp_path, f'zone = "tz"{PAIR}')

    book = bench.plan(table=table)

    text = bench.folder(book.run_id).file("questions.csv").read_text(encoding="utf-8")
    questions = list(csv.DictReader(text.splitlines()))
    assert [(q["zone"], q["applied"]) for q in questions] == [
        ("MST", "iana"), ("CEST", "skip"), ("'+02:00", "skip"),
    ]  # fmt: skip
    assert "America/Denver" in questions[0]["candidates"]
    answers = tmp_path / "answers.csv"
    answers.write_text(
        "kind,key,column,zone,decision\nzone_name,*,,MST,America/Denver\n"
        "zone_name,*,,CEST,Europe/Paris\n",
        encoding="utf-8",
    )
    bench.run(table=table, decisions=str(answers))
    assert stored(bench) == [
        "2026-07-01 18:00:00", "2026-07-01 10:00:00", None,
    ] * 3  # fmt: skip


def test_what_no_calendar_shows_is_skipped_and_the_run_goes_on(
    bench: Bench, tmp_path: Path
) -> None:
    bench.sql(
        "CREATE TABLE t (id int PRIMARY KEY, w timestamp, u timestamptz);"
        "INSERT INTO t VALUES (1, 'infinity'), (2, '-infinity'), (3, '0120-05-05 BC'),"
        " (4, '2026-07-01 12:00')"
    )

    book = bench.run(table=spec(tmp_path, f'zone = "=Europe/Madrid"{PAIR}'))

    assert {key: reason for key, (_, reason) in bench.skips(book.run_id).items()} == dict.fromkeys(
        ("1", "2", "3"), "invalid_timestamp"
    )
    assert bench.summary(book)["total_updated"] == 1


def test_far_years_need_a_word_and_an_answer_for_each_is_one(bench: Bench, tmp_path: Path) -> None:
    bench.sql(
        "CREATE TABLE t (id int PRIMARY KEY, w timestamp, u timestamptz);"
        "INSERT INTO t SELECT n, timestamp '2025-01-01' + n * interval '1 day'"
        " FROM generate_series(1, 20) AS n; UPDATE t SET w = '2712-03-04' WHERE id IN (3, 4)"
    )
    table = spec(tmp_path, f'zone = "=Europe/Madrid"{PAIR}')
    answers = tmp_path / "answers.csv"
    answers.write_text(
        "kind,key,column,local_date,decision\nyear,*,w,2712,skip\n", encoding="utf-8"
    )

    said = refusal(bench, table)
    left = bench.run(table=table, decisions=str(answers))
    bench.run(table=table, accept_years=True)

    assert "2 planned instants lie more than 150 years" in said
    assert "2 values in the year 2712, like 3" in said
    assert "--accept-years" in said
    assert set(bench.skips(left.run_id)) == {"3", "4"}
    assert bench.scalar("SELECT count(*) FROM t WHERE u IS NULL") == 0


def test_one_old_time_among_many_is_planned_and_its_question_says_so(
    bench: Bench, tmp_path: Path
) -> None:
    bench.sql(
        "CREATE TABLE t (id int PRIMARY KEY, w timestamp, u timestamptz);"
        "INSERT INTO t SELECT n, timestamp '2025-01-01' + n * interval '1 day'"
        " FROM generate_series(1, 20) AS n; UPDATE t SET w = '1788-03-04' WHERE id = 7"
    )

    book = bench.plan(table=spec(tmp_path, f'zone = "=Europe/Madrid"{PAIR}'))

    text = bench.folder(book.run_id).file("questions.csv").read_text(encoding="utf-8")
    (asked,) = csv.DictReader(text.splitlines())
    assert (asked["kind"], asked["applied"]) == ("year", "accept")
    assert asked["read"] == "1 value in the year 1788, like 7"
    assert bench.summary(book)["total_updated"] == 20


def test_a_lookup_that_is_not_unique_is_refused_with_an_example(
    bench: Bench, tmp_path: Path
) -> None:
    bench.sql(
        "CREATE TABLE p (id int, zone text); INSERT INTO p VALUES (7, 'Asia/Seoul'), (7, 'UTC');"
        "CREATE TABLE t (id int PRIMARY KEY, p int, w timestamp, u timestamptz);"
        "INSERT INTO t VALUES (1, 7, '2026-07-01')"
    )
    lookup = '[[lookup]]\nname = "p"\ntable = "p"\nby = "p"\nkey = "id"\n'

    said = refusal(bench, spec(tmp_path, f'zone = "p.zone"\n{lookup}{PAIR}'))

    assert "2 rows with id = '7'" in said


@pytest.mark.parametrize("kind", ["integer", "interval", "numeric"])
def test_a_zone_column_of_offsets_is_named_as_such(bench: Bench, tmp_path: Path, kind: str) -> None:
    bench.sql(f"CREATE TABLE t (id int PRIMARY KEY, tz {kind}, w timestamp, u timestamptz)")

    said = refusal(bench, spec(tmp_path, f'zone = "tz"{PAIR}'))

    assert "that is an offset from UTC" in said
    assert 'offset = { column = "tz"' in said


@pytest.mark.parametrize(
    "kind", longer_behind(3, ["char(20)", "label", "place_name", "varchar(30)", "name"])
)
def test_a_zone_is_found_by_its_text_whatever_the_type(
    bench: Bench, tmp_path: Path, kind: str
) -> None:
    bench.sql(
        "CREATE TYPE label AS ENUM ('Asia/Tokyo'); CREATE DOMAIN deep AS varchar(40);"
        "CREATE DOMAIN place_name AS deep;"
        f'CREATE TABLE t (id int PRIMARY KEY, "guest\'s zone" {kind}, w timestamp, u timestamp);'
        "INSERT INTO t VALUES (1, 'Asia/Tokyo', '2026-07-01 12:00')"
    )

    book = bench.run(table=spec(tmp_path, f'zone = "guest\'s zone"{PAIR}'))

    assert stored(bench) == ["2026-07-01 03:00:00"]
    assert bench.verify(book.run_id).findings == []


def test_a_looked_up_value_that_changes_between_plan_and_apply_is_drift(
    bench: Bench, tmp_path: Path
) -> None:
    bench.sql(
        "CREATE TABLE o (id int PRIMARY KEY, zone text); CREATE TABLE e (id int PRIMARY KEY, o int,"
        " zone text); INSERT INTO o VALUES (1, 'Asia/Seoul'); INSERT INTO e VALUES (1, 1, NULL),"
        " (2, 1, NULL), (3, 1, 'UTC');"
        "CREATE TABLE t (id int PRIMARY KEY, e int, w timestamp, u timestamptz);"
        "INSERT INTO t VALUES (1, 1, '2026-07-01'), (2, 2, '2026-07-01'), (3, 3, '2026-07-01')"
    )
    lookups = "".join(
        f'[[lookup]]\nname = "{name}"\ntable = "{name}"\nby = "{by}"\nkey = "id"\n'
        for name, by in (("e", "e"), ("o", "e.o"))
    )
    run_id = bench.plan(
        table=spec(tmp_path, f'zone = ["e.zone", "o.zone"]\n{lookups}{PAIR}')
    ).run_id
    # What was found missing decided as well; what nobody looked at did not.
    bench.sql("UPDATE e SET zone = 'Asia/Tokyo' WHERE id = 1; UPDATE e SET o = NULL WHERE id = 3")

    bench.apply_with(run_id)

    assert [key for key, (_, why) in bench.skips(run_id).items() if why == "drifted"] == ["1"]
    assert bench.sql("SELECT id FROM t WHERE u IS NOT NULL ORDER BY id") == [(2,), (3,)]
