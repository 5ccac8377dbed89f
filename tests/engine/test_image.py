"""Images are small, and give back the very rows that went in."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backfill.errors import VerifyFailed
from backfill.rows import image

INSTANT = pa.timestamp("us", tz="UTC")
SOURCE = pa.struct([("start_at", pa.int64()), ("local", pa.timestamp("us")), ("tz", pa.string())])
TARGET = pa.struct([("start_at_utc", pa.int64()), ("seen_at", INSTANT), ("payload", pa.string())])
SCHEMA = pa.schema(
    [("key", pa.string()), ("scope", pa.string()), ("source", SOURCE), ("before", TARGET),
     ("after", TARGET)]
)  # fmt: skip
WHOLE = (
    st.none()
    | st.integers(-(2**63), 2**63 - 1)
    | st.integers(-1000, 1000).map(lambda n: n * 60_000)
)
INSTANTS = st.none() | st.datetimes(dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31)).map(  # noqa: DTZ001
    lambda moment: moment.replace(tzinfo=dt.UTC)
)
WALLS = st.none() | st.datetimes(dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31))  # noqa: DTZ001
TEXTS = st.none() | st.text(max_size=8) | st.sampled_from(["hh_demo", "Europe/Stockholm"])
TARGETS = st.none() | st.fixed_dictionaries(
    {"start_at_utc": WHOLE, "seen_at": INSTANTS, "payload": TEXTS}
)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "key": st.text(max_size=6),
            "scope": TEXTS,
            "source": st.fixed_dictionaries({"start_at": WHOLE, "local": WALLS, "tz": TEXTS}),
            "before": TARGETS,
            "after": TARGETS,
        }
    ),
    max_size=12,
)
#: `{"key": …, "after": …}` of two rows, packed before columns were turned.
EARLIER = (
    "KLUv/QBInQwAZppKNXBp0xx9tVqtqlWr1aqq1WpP7OE/bpM2e/rsQlsLW7p0iDQRWwwjT7lqHINYQ1eDtdab7J0CMw"
    "AyAFEAmeb645JDDpcwQL/3GFQwnU5RI7z33iWk8F6FCUPWo0tDDaRTEvSR00dIACO/OkLw3nsBN7xUqoFV3DF59YCq"
    "UxdCTiWrG4D+6cIpdfpMlkAiuySyzpV5Tr2AVxH0e+/Be2/BO1gf55xzFYulgHVpF1jmaRbFOeecxbq0DM6mWZTWrE"
    "uz4HQ0zaI0bMOZyICoNIvyaR4s08A069I8V9uwLs21jUdspNTpZYFNZDwDNhsKTUXmwgz/3ntDnwDmIcPAKtdDhoFF"
    "UUVFEY9MRk5KjqdSAVJL7gBySOkU0h1qmBxE5Q4HCAcexS4oMljnEy0g0AIJaqp2BGsAIwfD4di8bSTfoHCh+yxnHK"
    "ndLIbwd4+k0z/cXNyF2Tc4dZu+QHchpzYbMfcje2EUB7jJHpmhC+5H863s7A7FTzVmb5Zhn/Nz5d+B03bIZuZ+Nxsx"
    "nKCW9VtAJw=="
)


def decode(stored: image.Image) -> pa.Table:
    return image.decode("run", 1, stored.sha256, stored.content)


@given(ROWS)
def test_any_rows_come_back_as_they_went_in(rows: list[dict[str, object]]) -> None:
    table = pa.Table.from_pylist(rows, schema=SCHEMA)

    stored = image.encode(table)

    assert stored.rows == len(rows)
    found = decode(stored)
    assert found.schema == SCHEMA
    assert found.to_pylist() == table.to_pylist()
    assert image.encode(table) == stored, "equal rows give equal bytes"


def test_a_slice_of_a_table_comes_back() -> None:
    rows = [
        {
            "key": f"e{n:03d}",
            "scope": "hh_demo",
            "source": {"start_at": n * 900_000, "local": None, "tz": "Europe/Paris"},
            "before": {"start_at_utc": None, "seen_at": None, "payload": None},
            "after": {"start_at_utc": n * 900_000 - 3_600_000, "seen_at": None, "payload": "x" * n},
        }
        for n in range(100)
    ]
    table = pa.concat_tables([pa.Table.from_pylist(rows, schema=SCHEMA)] * 3).slice(37, 200)

    assert decode(image.encode(table)).to_pylist() == table.to_pylist()


def test_typical_rows_take_a_quarter_of_what_a_plain_stream_takes() -> None:
    count = 500
    rows = [
        {
            "key": f"evt-{hashlib.sha256(str(n).encode()).hexdigest()[:16]}",
            "scope": f"hh_{n % 3}",
            "source": {
                "start_at": 1_420_070_400_000 + 900_000 * (n * 7919 % 490_000),
                "local": None,
                "tz": ["Europe/Stockholm", "Asia/Tokyo", None][n % 3],
            },
            "before": {"start_at_utc": None, "seen_at": None, "payload": None},
            "after": {
                "start_at_utc": 1_420_066_800_000 + 900_000 * (n * 7919 % 490_000),
                "seen_at": None,
                "payload": None,
            },
        }
        for n in range(count)
    ]

    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    plain = pa.BufferOutputStream()
    with pa.ipc.new_stream(plain, SCHEMA) as stream:
        stream.write_table(table)
    stored = image.encode(table)

    assert len(stored.content) < 17 * count
    assert len(stored.content) * 4 < plain.getvalue().size
    assert decode(stored).equals(table)


def test_an_image_of_an_earlier_version_is_read() -> None:
    table = pa.table({"key": ["e01"], "before": [{"start_at_utc": 5}]})
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_stream(sink, table.schema, options=options) as stream:
        stream.write_table(table)
    content = sink.getvalue().to_pybytes()

    assert image.decode("run", 1, hashlib.sha256(content).hexdigest(), content).equals(table)


def test_a_packed_image_of_an_earlier_version_is_read() -> None:
    """One made before columns were turned, and compressed each for itself."""
    content = base64.b64decode(EARLIER)
    stored = image.Image(2, hashlib.sha256(content).hexdigest(), content)

    assert decode(stored).to_pylist() == [
        {"key": "evt-a1", "after": {"start_at_utc": 900_000}},
        {"key": "evt-b2", "after": {"start_at_utc": 400_000_000}},
    ]


def test_a_changed_byte_is_noticed() -> None:
    stored = image.encode(pa.Table.from_pylist([], schema=SCHEMA))

    with pytest.raises(VerifyFailed, match="chunk 1 of run run"):
        image.decode("run", 1, stored.sha256, stored.content + b"x")


def test_columns_may_have_any_names() -> None:
    parts = pa.struct([("when?", pa.int64()), ("a/b", pa.string()), ('"; --', pa.int64())])
    schema = pa.schema([("key?", pa.string()), ("a", parts), ("a/b", pa.int64())])
    values = {"when?": 7, "a/b": "x", '"; --': None}
    rows = [{"key?": "e1", "a": values, "a/b": 1}, {"key?": "e22", "a": None, "a/b": None}]
    table = pa.Table.from_pylist(rows, schema=schema)

    assert decode(image.encode(table)).equals(table)
