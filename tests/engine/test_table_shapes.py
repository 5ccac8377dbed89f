"""Tables of other shapes: keys of every type, partitions, quoted names, wall times as text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.engine.visits import SPEC, make_table, spec, visit_starts
from tests.engine.workshop import NOON_MS, NOON_UTC_MS, Bench
from tests.longer import longer

from backfill.errors import UsageError
from backfill.plans.extract import PendingRows


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("id bigint PRIMARY KEY", ["-5", "10", "9", "9223372036854775807"]),
        *longer(("id integer PRIMARY KEY", ["-5", "10", "9", "2147483647"])),
        (
            "id uuid PRIMARY KEY",
            [
                "ffffffff-0000-4000-8000-000000000000",
                "0fffffff-0000-4000-8000-000000000000",
                "A0000000-0000-4000-8000-000000000000",
                "00000000-0000-0000-0000-000000000000",
            ],
        ),
        *longer(('id text COLLATE "POSIX" PRIMARY KEY', ["b", "A", "a", "B"])),
        ("id numeric PRIMARY KEY", ["10", "9.50", "-1e3", "NaN"]),
        # An order of its own, which no comparison of texts gives.
        ("id size PRIMARY KEY", ["small", "large", "tiny", "medium"]),
        *longer(("id varchar(40) PRIMARY KEY", ["b", "A", "a", "B"])),
        ("id char(5) PRIMARY KEY", ["b", "A", "a", "B"]),
        ("id text PRIMARY KEY", ["it's", 'a "quote"', "line\nbreak\r\n", "tab\t\\N \\000 %s {}"]),
        ("id text PRIMARY KEY", ["", " ", "\u00e5\u0308", "\U0001f600'; DROP TABLE visits; --"]),
    ],
)
def test_keys_of_every_type_are_walked_written_and_reverted(
    bench: Bench, tmp_path: Path, key: str, values: list[str]
) -> None:
    bench.sql("CREATE TYPE size AS ENUM ('tiny', 'small', 'medium', 'large')")
    make_table(bench, key)
    for number, value in enumerate(values):
        bench.sql(
            "INSERT INTO visits VALUES (%s, 'h', %s, 'Europe/Stockholm', NULL)",
            value,
            NOON_MS + number,
        )
    before = bench.table("visits")

    book = bench.run(table=spec(tmp_path, "visits"), chunk_size=3)

    assert visit_starts(bench) == [NOON_UTC_MS + number for number in range(4)]
    keys = {row[0] for row in bench.sql("SELECT id::text FROM visits")}
    assert set(book.changes["key"]) == keys
    assert bench.verify(book.run_id).findings == []
    bench.revert(book.run_id)
    assert bench.table("visits") == before


def test_keys_of_every_type_are_walked_in_pages(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = PendingRows.pages
    monkeypatch.setattr(PendingRows, "pages", lambda self, **_expected: original(self, page_rows=3))
    make_table(bench, 'a bigint, b text COLLATE "POSIX", PRIMARY KEY (a, b)')
    for number in range(20):
        bench.sql(
            "INSERT INTO visits VALUES (%s, %s, 'h', %s, 'Europe/Stockholm', NULL)",
            number % 4 - 1,
            f"k'{'aBAb'[number // 5]}\n{number}",
            NOON_MS + number,
        )

    bench.run(table=spec(tmp_path, "visits", '["a", "b"]'), chunk_size=7)

    assert visit_starts(bench) == [NOON_UTC_MS + number for number in range(20)]


def test_few_pending_rows_are_read_in_one_piece(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = PendingRows._walk
    asked: list[int | None] = []

    def walk(self: PendingRows, cursor: Any, page_rows: int | None) -> Any:
        asked.append(page_rows)
        return original(self, cursor, page_rows)

    monkeypatch.setattr(PendingRows, "_walk", walk)
    bench.sql("UPDATE events SET start_at_utc = 1, end_at_utc = 1 WHERE id <> 'e05'")

    book = bench.run()

    assert list(book.extracted["key"]) == ["e05"]
    assert asked == [None]


def test_a_composite_key_is_plain_json_in_the_record(bench: Bench, tmp_path: Path) -> None:
    make_table(bench, "a bigint, b text, PRIMARY KEY (a, b)")
    bench.sql("INSERT INTO visits VALUES (7, 'x\"y', 'h', %s, 'Nowhere', NULL)", NOON_MS)

    book = bench.run(table=spec(tmp_path, "visits", '["a", "b"]'))

    assert bench.skips(book.run_id) == {'["7", "x\\"y"]': ("tz", "invalid_timezone")}


def test_a_partitioned_table_works(bench: Bench, tmp_path: Path) -> None:
    bench.sql(
        "CREATE TABLE visits (id text PRIMARY KEY, household_id text, start_at bigint, tz text,"
        " start_at_utc bigint) PARTITION BY HASH (id)"
    )
    for part in range(2):
        bench.sql(
            f"CREATE TABLE visits_{part} PARTITION OF visits"
            f" FOR VALUES WITH (MODULUS 2, REMAINDER {part})"
        )
    bench.sql(
        "INSERT INTO visits SELECT 'v' || n, 'h', %s + n, 'Europe/Stockholm', NULL"
        " FROM generate_series(0, 9) AS n",
        NOON_MS,
    )

    bench.run(table=spec(tmp_path, "visits"), chunk_size=4)

    assert visit_starts(bench) == [NOON_UTC_MS + number for number in range(10)]


def test_names_that_need_quotes_are_quoted(bench: Bench, tmp_path: Path) -> None:
    bench.sql('CREATE SCHEMA "My Schema"')
    bench.sql(
        'CREATE TABLE "My Schema"."ev""ents" ("the id" text PRIMARY KEY, "select" text,'
        ' "start; --" bigint, "zone\'s" text, "start UTC" bigint)'
    )
    bench.sql(
        "INSERT INTO \"My Schema\".\"ev\"\"ents\" VALUES ('k', 'h', %s, 'Europe/Stockholm', NULL)",
        NOON_MS,
    )
    path = tmp_path / "odd.toml"
    path.write_text(
        'table = \'My Schema.ev"ents\'\nkey = "the id"\nscope = "select"\nzone = "zone\'s"\n'
        'pairs = [{ wall = "start; --", target = "start UTC" }]\n'
    )

    book = bench.run(table=str(path))

    assert bench.scalar('SELECT "start UTC" FROM "My Schema"."ev""ents"') == NOON_UTC_MS
    assert bench.verify(book.run_id).findings == []


def test_wall_times_as_text_are_read(bench: Bench, tmp_path: Path) -> None:
    make_table(bench, "id text PRIMARY KEY", "start_at text")
    for number, text in enumerate(
        ("2025-06-02T12:00:00", "2025-06-02 12:00", "2025-06-02T12:00:00.5", "2025-02-30T12:00")
    ):
        bench.sql(
            "INSERT INTO visits VALUES (%s, 'h', %s, 'Europe/Stockholm', NULL)", f"v{number}", text
        )

    book = bench.run(table=spec(tmp_path, "visits"))

    starts = bench.sql("SELECT id, start_at_utc FROM visits ORDER BY id")
    assert starts == [
        ("v0", NOON_UTC_MS),
        ("v1", NOON_UTC_MS),
        ("v2", NOON_UTC_MS + 500),
        ("v3", None),
    ]
    assert bench.skips(book.run_id) == {"v3": ("start_at", "invalid_timestamp")}


def test_a_table_specification_with_an_unknown_entry_is_a_usage_error(
    bench: Bench, tmp_path: Path
) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(SPEC.format(table="events", key='"id"') + 'color = "red"\n')

    with pytest.raises(UsageError, match="unknown entries color"):
        bench.plan(table=str(path))
