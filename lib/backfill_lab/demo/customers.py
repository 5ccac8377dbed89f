"""Invented customers to try `fill` on: phone numbers as people write them, cities likewise.

The same rows every time, and every trap among them: numbers of several people, none at all, words
in their place, texts of a page, keys from one end of their type to the other.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterator, Sequence
from typing import Any

from psycopg import sql

from backfill.server.postgres import Connection, scalar

ROWS = 3_000
TABLE = "customer"
#: Tells a table of ours from one of that name that a person has.
COMMENT = "backfill: invented demo customers"
_SEED = 20_261_129
_FIRST = ("Alva", "Birk", "Disa", "Ebbe", "Freja", "Hedda", "Idun", "Kaj", "Linnea", "Måns", "Tuva")
_LAST = ("Alm", "Björk", "Dahl", "Ek", "Forsberg", "Grahn", "Hedlund", "Lind", "Norén", "Öberg")
_CITIES = (
    *("Göteborg", "GÖTEBORG", "goteborg", "Gothenburg", "Malmö", "malmoe", "MALMÖ ", "Lund"),
    *("Umeå", "umea", "Örebro", "OREBRO", "Visby", " visby", "Kiruna", ""),
)
_BEGUN = dt.datetime(2024, 1, 8, 9, 30, tzinfo=dt.UTC)
_FILLED_SHARE = 0.2
_COLUMNS = ("id", "name", "phone", "phone_e164", "city", "city_name", "note", "created_at")
_CREATE = sql.SQL(
    "CREATE TABLE public.customer ("
    " id bigint PRIMARY KEY, name text NOT NULL, phone text,"
    " phone_e164 varchar(16) CONSTRAINT phone_is_e164 CHECK (phone_e164 ~ '^[+][0-9]{8,15}$'),"
    " city text, city_name varchar(40), note text, created_at timestamptz NOT NULL)"
)


def load_customers(connection: Connection) -> int:
    """Load the table anew; return its rows. The caller has looked whether it `is_ours`."""
    connection.execute(_CREATE)
    connection.execute(
        sql.SQL("COMMENT ON TABLE public.customer IS {}").format(sql.Literal(COMMENT))
    )
    columns = sql.SQL(", ").join(map(sql.Identifier, _COLUMNS))
    copy = sql.SQL("COPY public.customer ({}) FROM STDIN").format(columns)
    count = 0
    with connection.cursor() as cursor, cursor.copy(copy) as rows:
        for row in customers():
            rows.write_row(row)
            count += 1
    connection.execute("ANALYZE public.customer")
    return count


def drop_customers(connection: Connection) -> None:
    """Take the table out again."""
    connection.execute("DROP TABLE IF EXISTS public.customer")


def is_ours(connection: Connection) -> bool:
    """Whether the name is free, or the table one of ours."""
    there = scalar(connection, "SELECT to_regclass('public.customer') IS NOT NULL")
    said = "SELECT obj_description('public.customer'::regclass, 'pg_class')"
    return not there or scalar(connection, said) == COMMENT


def customers() -> Iterator[Sequence[Any]]:
    """Yield the rows: ordinary people, then the traps."""
    chance = random.Random(_SEED)
    for number in range(1, ROWS + 1):
        digits = f"70{chance.randrange(10**7):07}"
        is_filled = chance.random() < _FILLED_SHARE
        yield (
            number,
            f"{chance.choice(_FIRST)} {chance.choice(_LAST)}",
            _written(digits, chance.randrange(6)),
            f"+46{digits}" if is_filled else None,
            chance.choice(_CITIES) or None,
            None,
            None,
            _BEGUN + dt.timedelta(minutes=37 * number),
        )
    yield from _traps()


def _written(digits: str, how: int) -> str | None:
    """Return a Swedish number as somebody may have typed it."""
    return (
        f"0{digits}",
        f"0{digits[:2]}-{digits[2:5]} {digits[5:7]} {digits[7:]}",
        f"+46 {digits[:2]} {digits[2:]}",
        f"0046{digits}",
        f"+46 (0){digits[:2]}-{digits[2:]}",
        None,
    )[how]


def _traps() -> Iterator[Sequence[Any]]:
    begun = _BEGUN - dt.timedelta(days=400)
    family = "031-711 18 25"
    for key, name, phone, city, note in (
        (-1, "Before Everyone", "070-174 06 35", "Lund", None),
        (0, "Nobody Yet", "0", "?", "a number of one digit"),
        (2**31, "Past Four Bytes", family, "Göteborg", "shares a number"),
        (2**31 + 1, "His Sister", family, "goteborg", "shares a number"),
        (9_000_000_001, "Calls Back", "ask his mother", "Malmö", "words in place of a number"),
        (9_000_000_002, "Two Numbers", "070-174 06 36 / 031-711 18 26", "Visby", None),
        (
            9_000_000_003,
            'O\'Neill, "Bo"',
            "+46\u00a070\u00a0174\u00a006\u00a037",
            "Ny\u00adköping",
            None,
        ),
        (9_000_000_004, "Long Story", "+4670174063800000", "Lund", "Once upon a time. " * 600),
        (9_000_000_005, "Far Away", "+1 212 555 0123", "Llanfair\tpwllgwyngyll", "not from here"),
        (9_000_000_006, "", "", "", ""),
        (2**63 - 1, "The Very Last", "0701740639", "Umeå", None),
    ):
        yield key, name, phone, None, city, None, note, begun
