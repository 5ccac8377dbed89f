"""Whole runs over tables of other shapes beside the events: what each way to keep time costs.

Every shape holds the same rows and two pairs, as the events do. `make bench-tables`.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import LiteralString

import psycopg
from tests.bench.contender import Contender, Measured, Setup
from tests.bench.figure import Figure
from tests.bench.figures import Measures
from tests.bench.whole import run_backfill

EVENTS = "events, as the application has them"
DEEP = "check --deep over filled events"
MOST = 1.3
LEAST_ROWS_PER_SECOND = 500_000
REPAIR = "repair reads, beyond its start"
REPAIR_TO_REACH = f"≥ {LEAST_ROWS_PER_SECOND / 1e6} M rows/s"


@dataclass(frozen=True)
class Shape:
    """What the columns of `event_of` are made of, and how a specification tells of them."""

    columns: LiteralString
    spec: str
    more: tuple[LiteralString, ...] = ()


_START: LiteralString = "(timestamp '1970-01-01' + start_at * interval '1 ms')"
_END: LiteralString = "(timestamp '1970-01-01' + end_at * interval '1 ms')"
_TARGETS: LiteralString = ", NULL::timestamptz AS a_utc, NULL::timestamptz AS b_utc"
_ZONE = 'zone = ["tz", "=Europe/Paris"]\n'


def _pairs(first: str = 'wall = "a"', second: str = 'wall = "b"', more: str = "") -> str:
    return "".join(
        f'[[pair]]\n{wall}\ntarget = "{target}"\n{more}'
        for wall, target in ((first, "a_utc"), (second, "b_utc"))
    )


def _german(value: LiteralString) -> LiteralString:
    return "to_char(" + value + ", 'DD.MM.YYYY HH24:MI')"


def _half(value: LiteralString) -> LiteralString:
    return "to_char(" + value + ", 'FMMM/FMDD/YYYY FMHH12:MI AM')"


SHAPES: Mapping[str, Shape] = {
    "timestamp and timestamptz": Shape(
        f"tz, {_START} AS a, {_END} AS b{_TARGETS}", _ZONE + _pairs()
    ),
    "a date and a time": Shape(
        f"tz, {_START}::date AS a, {_START}::time AS at, {_END}::date AS b, {_END}::time AS bt"
        f"{_TARGETS}",
        _ZONE + _pairs('wall = ["a", "at"]', 'wall = ["b", "bt"]'),
    ),
    "text, ISO 8601": Shape(
        f"tz, to_char({_START}, 'YYYY-MM-DD\"T\"HH24:MI:SS') AS a,"
        f" to_char({_END}, 'YYYY-MM-DD\"T\"HH24:MI:SS') AS b{_TARGETS}",
        _ZONE + _pairs(),
    ),
    "text, day first": Shape(
        f"tz, {_german(_START)} AS a, {_german(_END)} AS b{_TARGETS}",
        _ZONE + _pairs(more='format = "%d.%m.%Y %H:%M"\n'),
    ),
    "text, AM and PM": Shape(
        f"tz, {_half(_START)} AS a, {_half(_END)} AS b{_TARGETS}",
        _ZONE + _pairs(more='format = "%m/%d/%Y %I:%M %p"\n'),
    ),
    "text targets": Shape(
        f"tz, {_START} AS a, {_END} AS b, NULL::text AS a_utc, NULL::text AS b_utc",
        _ZONE + _pairs(),
    ),
    "numeric seconds": Shape(
        "tz, start_at / 1000.0 AS a, end_at / 1000.0 AS b,"
        " NULL::numeric AS a_utc, NULL::numeric AS b_utc",
        _ZONE + _pairs(more='unit = "s"\ntarget_unit = "s"\n'),
    ),
    "offset in minutes": Shape(
        f"(length(id) * 7 % 24 - 11) * 60 AS o, {_START} AS a, {_END} AS b{_TARGETS}",
        _pairs(more='offset = { column = "o", unit = "minutes" }\n'),
    ),
    "two zones in a row": Shape(
        f"tz, coalesce(tz, 'Asia/Dubai') AS other, {_START} AS a, {_END} AS b{_TARGETS}",
        f'{_ZONE}[[pair]]\nwall = "a"\ntarget = "a_utc"\n'
        '[[pair]]\nwall = "b"\ntarget = "b_utc"\nzone = ["other"]\n',
    ),
    "a zone behind two keys": Shape(
        f"('x' || right(md5(id), 3))::text AS place, {_START} AS a, {_END} AS b{_TARGETS}",
        'zone = ["site.tz", "=Europe/Paris"]\n'
        '[[lookup]]\nname = "place"\ntable = "place"\nby = "place"\nkey = "name"\n'
        '[[lookup]]\nname = "site"\ntable = "site"\nby = "place.site"\nkey = "id"\n' + _pairs(),
        (
            "CREATE TABLE site AS SELECT g AS id, (ARRAY['Asia/Tokyo', 'America/Lima'])[g % 2 + 1]"
            " AS tz FROM generate_series(0, 15) AS g",
            "ALTER TABLE site ADD PRIMARY KEY (id)",
            "CREATE TABLE place AS SELECT 'x' || right('00' || to_hex(g), 3) AS name,"
            " g % 16 AS site FROM generate_series(0, 4095) AS g",
            "ALTER TABLE place ADD PRIMARY KEY (name)",
        ),
    ),
}


def _run(setup: Setup, arguments: list[str]) -> Measured:
    with tempfile.TemporaryDirectory() as runs:
        command = ["utc", "--apply", "--chunk-size", "auto", "--runs-dir", runs, "--json"]
        with setup.measuring(setup.rows) as measured:
            _lines, measured.peak_mb = run_backfill([*command, *arguments])
    return measured


def events(setup: Setup) -> Measured:
    """Run the job over the events, whose table all shapes are compared with."""
    return _run(setup, [])


def deep(setup: Setup) -> Measured:
    """Look at every filled row; detail: `start_s`, the same over a table without rows."""
    _run(setup, [])
    with setup.measuring(setup.rows) as measured:
        _lines, measured.peak_mb = run_backfill(["check", "--deep"])
    with setup.connect() as connection:
        connection.execute("TRUNCATE events")
    started = time.perf_counter()
    run_backfill(["check", "--deep"])
    measured.detail["start_s"] = time.perf_counter() - started
    return measured


def shaped(shape: Shape) -> Contender:
    """Return a contender that makes the shape's table of the events, unmeasured, and runs."""

    def work(setup: Setup) -> Measured:
        with psycopg.connect(setup.dsn, autocommit=True) as connection:
            for statement in shape.more:
                connection.execute(statement)
            connection.execute(
                "CREATE TABLE event_of AS SELECT id, household_id, title, rrule, created_at, "
                + shape.columns
                + " FROM events"
            )
            connection.execute("ALTER TABLE event_of ADD PRIMARY KEY (id)")
            connection.execute("CREATE INDEX ON event_of (household_id)")
            connection.execute("VACUUM ANALYZE event_of")
            connection.execute("CHECKPOINT")
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "event_of.toml"
            head = 'table = "event_of"\nscope = "household_id"\n'
            path.write_text(head + shape.spec, encoding="utf-8")
            return _run(setup, ["--table", str(path)])

    return work


CONTENDERS: Mapping[str, Contender] = {
    EVENTS: events,
    **{name: shaped(shape) for name, shape in SHAPES.items()},
    DEEP: deep,
}


def title_of(shape: str) -> str:
    return f"{shape} ÷ events, whole run"


def promised() -> dict[str, str]:
    """Return what is to be reached, by the name of each figure."""
    return {title_of(name): f"≤ {MOST}" for name in SHAPES} | {REPAIR: REPAIR_TO_REACH}


def figures(of: Measures) -> list[Figure]:
    """Return each shape's cost beside the events', and how fast filled rows are looked at."""
    found = []
    for name in SHAPES:
        if EVENTS in of and name in of:
            ratio = of.seconds(name) / of.seconds(EVENTS)
            found.append(
                Figure(title_of(name), of.rows, f"{ratio:.2f}", f"≤ {MOST}", ratio <= MOST)
            )
    if DEEP in of:
        seconds = of.seconds(DEEP) - of.detail(DEEP, "start_s")
        speed = of.rows / max(seconds, 1e-9)
        found.append(
            Figure(
                REPAIR,
                of.rows,
                f"{speed / 1e6:.2f} M rows/s",
                REPAIR_TO_REACH,
                speed >= LEAST_ROWS_PER_SECOND,
            )
        )
    return found
