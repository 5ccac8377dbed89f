"""Values of which a type would keep a part, or something else, and say nothing."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from tests.longer import longer_behind

from backfill.errors import UsageError
from backfill.rows.texts import texts_of

if TYPE_CHECKING:
    from tests.fill.conftest import Tables

#: By type: a text, what is stored of it, and whether that is said; nothing is stored where the row
#: is to be left alone.
HELD: dict[str, list[tuple[str, str | None, bool]]] = {
    "time": [
        ("2031-05-06 07:08", "07:08:00", True),
        ("07:08-03", "07:08:00", True),
        ("07:08:09+00", "07:08:09", False),
        ("07:08 PM", "19:08:00", False),
    ],
    "timetz": [("07:08:09.00000049+03", "07:08:09+03", True), ("07:08", "07:08:00+00", True)],
    "timestamptz": [("2031-05-06 07:08:09.8765432Z", "2031-05-06 07:08:09.876543+00", True)],
    "real": [
        ("16777219", "1.677722e+07", True),
        ("0.30000001192092896", "0.3", False),  # as float64 has it
        ("0.250", "0.25", False),
    ],
    "double precision": [
        ("9007199254740995", "9.007199254740996e+15", True),
        ("0.30000000000000004441", "0.30000000000000004", False),
        ("nan", "NaN", True),
    ],
    "numeric": [("NaN", "NaN", True), ("7.50", "7.50", False)],
    "money": [
        ("7,5", None, True),
        ("1234,56", None, True),
        ("7.125", "$7.13", True),
        ("1,234.5", "$1,234.50", False),
        ("$7", "$7.00", False),
    ],
    '"char"': [("no", None, True), ("n", "n", False)],
    "name": [("w" * 64, None, True), ("w" * 63, "w" * 63, False)],
    "interval": [
        ("45", "00:00:45", True),
        ("45 min", "00:45:00", False),
        ("0.12345678 s", "00:00:00.123457", True),
    ],
    "numeric(6,1)[]": [("{4.26,1}", "{4.3,1.0}", True), ("{4.2}", "{4.2}", False)],
    "date[]": [
        ("{2031-05-06 07:08}", "{2031-05-06}", True),
        ("{05/06/2031}", None, True),
        ("{2031-05-06,NULL}", "{2031-05-06,NULL}", False),
    ],
    "daterange": [
        ("[2031-05-06 07:08,2031-07-01)", "[2031-05-06,2031-07-01)", True),
        ("(2031-05-06 00:00:00,2031-07-01]", "[2031-05-07,2031-07-02)", False),
        ("[05/06/2031,)", None, True),
    ],
    "date": [
        ("1612121212", None, True),
        ("201205", None, True),
        ("310506", None, True),
        ("20310506", "2031-05-06", False),
    ],
    "jsonb": [('{"a": "x", "a": 2}', '{"a": 2}', True), ('{"b":"\\u0022", "a":1}', None, False)],
    "text": [("NA", "NA", True), ("#REF!", "#REF!", True), ("Na", "Na", False)],
}


@pytest.mark.parametrize("kind", longer_behind(5, HELD))
def test_what_a_type_does_not_keep_is_said_or_left_alone(tables: Tables, kind: str) -> None:
    texts = [text for text, _stored, _said in HELD[kind]]
    tables.connection.execute(f"CREATE TABLE box (id int PRIMARY KEY, v {kind})")
    tables.connection.execute(f"INSERT INTO box SELECT generate_series(1, {len(texts)})")
    rows = pd.DataFrame({"id": range(1, len(texts) + 1), "v": pd.Series(texts, dtype=object)})

    run = tables.fill(rows, "box", "v")
    run.apply()
    run.verify()

    warned = dict(zip(run.changes["key"], run.changes["warnings"], strict=True))
    left = dict(zip(run.skips["key"], run.skips["reason"], strict=True))
    found = tables.rows("SELECT v::text FROM box ORDER BY id")
    for place, (text, stored, said) in enumerate(HELD[kind], 1):
        if said or stored is not None:
            assert found[place - 1] == (stored,), text
        assert bool(warned.get(str(place)) or left.get(str(place))) is said, text
        assert (left.get(str(place)) == "invalid_value") is (said and stored is None), text


@pytest.mark.parametrize(
    ("kind", "there", "given"),
    longer_behind(
        3,
        [
            ("date", "2031-05-06", "2031-05-06 07:08"),
            ("timestamp", "2031-05-06 07:08", "2031-05-06 07:08+05"),
            ("timestamp", "2031-05-06 07:08:09.876543", "2031-05-06 07:08:09.8765432"),
            ("time", "07:08", "07:08-03"),
            ("money", "750", "7,50"),
            ('"char"', "n", "no"),
            ("tsrange", "[2031-05-06 07:08,)", "[2031-05-06 07:08+05,)"),
            ("daterange", "[2031-05-06,)", "[2031-05-06 07:08,)"),
            ("numeric(6,1)[]", "{4.3}", "{4.26}"),
            ("berth", "(n,4.3)", "(no,4.3)"),
            ("berth", "(n,4.3)", "(n,4.26)"),
            ("date[]", "{2031-05-06}", "{05/06/2031}"),
        ],
    ),
)
def test_a_key_or_a_source_that_its_column_would_cut_is_no_rows(
    tables: Tables, kind: str, there: str, given: str
) -> None:
    tables.make('CREATE TYPE berth AS ("side" "char", price numeric(6,1))')
    tables.connection.execute(f"CREATE TABLE box (id {kind} PRIMARY KEY, s {kind}, v text)")
    tables.connection.execute("INSERT INTO box VALUES (%s, %s)", [there, there])

    by_key = tables.fill(pd.DataFrame({"id": [given], "v": ["x"]}), "box", "v")
    by_source = tables.fill(pd.DataFrame({"id": [there], "s": [given], "v": ["x"]}), "box", "v")
    whole = tables.fill(pd.DataFrame({"id": [there], "s": [there], "v": ["x"]}), "box", "v")

    assert by_key.skips["reason"].tolist() == ["missing_row"]
    assert by_source.skips["reason"].tolist() == ["drifted"]
    assert len(whole.changes) == 1


@pytest.mark.parametrize(
    ("kind", "there", "same", "other"),
    longer_behind(
        3,
        [
            ("json", '{"a": 1, "b": 2}', '{"b":2,"a":1.0}', '{"a": 1}'),
            ("box[]", "{(1,1),(0,0)}", "{(0,0),(1,1)}", "{(2,1),(1,0)}"),
            ("at", '(x,"(1,2)")', '(x,"(1, 2)")', '(x,"(1,3)")'),
            ("box", "(1,1),(0,0)", "(0,0),(1,1)", "(2,1),(1,0)"),  # of the same area
            ("jsonpath", '$."a"', "$.a", "$.b"),
            ("point", "(1,2)", "( 1.0, 2 )", "(1,3)"),
            ("json[]", "{1}", '{"1"}', "{2}"),
            ("refcursor", "a", "a", "b"),
        ],
    ),
)
def test_a_key_or_a_source_whose_type_has_no_equality_is_compared_by_its_text(
    tables: Tables, kind: str, there: str, same: str, other: str
) -> None:
    tables.make('CREATE TYPE at AS (name text, "where" point)')
    tables.connection.execute(f"CREATE TABLE box (id int PRIMARY KEY, s {kind}, v text)")
    tables.connection.execute("INSERT INTO box VALUES (1, %s)", [there])

    def filled(key: str, **columns: Any) -> tuple[list[str], list[str]]:
        rows = {name: [value] for name, value in columns.items()}
        run = tables.fill(pd.DataFrame({**rows, "v": ["x"]}), "box", "v", key=[key])
        return run.changes["key"].tolist(), run.skips["reason"].tolist()

    assert filled("id", id=1, s=same) == (["1"], [])
    assert filled("id", id=1, s=other) == ([], ["drifted"])
    assert filled("s", s=same) == (["1"], [])
    assert filled("s", s=other) == ([], ["missing_row"])


def test_a_document_is_the_same_where_jsonb_calls_it_so(tables: Tables) -> None:
    tables.make("CREATE TABLE box (id int PRIMARY KEY, v json)")
    pairs = [
        ('{"n": true}', '{"n": 1}', "changed"),
        ('{"n": 0}', '{"n": false}', "changed"),
        ('{"n": 0.3}', '{"n": 0.30000000000000000001}', "changed"),
        ('{"n": 1e400}', '{"n": 1e401}', "changed"),
        ('{"n": 1}', '{"n": 1.00}', "unchanged"),
        ('{"a": 1, "b": [2]}', '{"b":[2],"a":1}', "unchanged"),
    ]
    for place, (there, _new, _kind) in enumerate(pairs):
        tables.connection.execute("INSERT INTO box VALUES (%s, %s)", [place, there])
    rows = pd.DataFrame({"id": range(len(pairs)), "v": [new for _there, new, _kind in pairs]})

    run = tables.fill(rows, "box", "v", overwrite=True)
    run.apply()
    run.verify()

    wanted = [new if kind == "changed" else there for there, new, kind in pairs]
    assert [row[0] for row in tables.rows("SELECT v::text FROM box ORDER BY id")] == wanted


@pytest.mark.parametrize(
    ("values", "kind", "texts"),
    [
        (pa.array([[b"oak"], None, [b"ash", None]]), "_text", ['{"oak"}', None, '{"ash",NULL}']),
        (pa.array([[b"oak"]]), "_bytea", ['{"\\\\x6f616b"}']),
        (pa.array([{"wood": b"oak"}]), "jsonb", ['{"wood": "oak"}']),
        (pa.array([[b"\7" * 16]], pa.list_(pa.binary(16))), "_uuid", [f'{{"{"07" * 16}"}}']),
        (
            pa.array([[("a", 1)], [("a", 1), ("a", 2)]], pa.map_(pa.string(), pa.int8())),
            "jsonb",
            ['{"a": 1}', '[["a", 1], ["a", 2]]'],
        ),
        (
            pa.FixedShapeTensorArray.from_numpy_ndarray(np.array([[[1, 2, 3], [4, 5, 6]]])),
            "_int8",
            ['{{"1","2","3"},{"4","5","6"}}'],
        ),
        (
            pa.array([1_500, 7_000], pa.duration("ns")),
            "interval",
            ["00:00:00.000001500", "00:00:00.000007"],
        ),
        (pa.array([7], pa.timestamp("ns", "Asia/Tokyo")), "", ["1970-01-01 09:00:00.000000007+09"]),
    ],
)
def test_what_lies_within_keeps_its_form(values: Any, kind: str, texts: list[Any]) -> None:
    found = texts_of(values, as_json=kind == "jsonb", as_bytes=kind)

    for text, wanted in zip(found.to_pylist(), texts, strict=True):
        assert text == wanted or (text or "").startswith(wanted)


def test_objects_of_many_kinds_are_each_what_they_are(tables: Tables) -> None:
    tables.make(
        "CREATE TABLE box (id int PRIMARY KEY, days date[], many jsonb, v text)",
        "INSERT INTO box SELECT generate_series(1, 3)",
    )
    day, noon = dt.date(2031, 5, 6), pd.Timestamp(2031, 5, 6, 12).to_pydatetime()
    rows = pd.DataFrame(
        {
            "id": [1, 2, 3],
            "days": pd.Series([[day], [day, 0.25], [day, noon]], dtype=object),
            "many": pd.Series([[True, 2, "x"], [2**60 + 1, 0.5], {"n": [1]}], dtype=object),
            "v": pd.Series([np.float32(0.3), np.datetime64("2031-05-06"), day], dtype=object),
        }
    )

    run = tables.fill(rows, "box", ["days", "many", "v"])
    run.apply()
    run.verify()

    assert tables.rows("SELECT days::text, many::text, v FROM box ORDER BY id") == [
        ("{2031-05-06}", '[true, 2, "x"]', "0.3"),
        (None, None, None),
        ("{2031-05-06,2031-05-06}", '{"n": [1]}', "2031-05-06"),
    ]
    assert "is stored as" in run.changes["warnings"].tolist()[-1]
    assert run.skips["reason"].tolist() == ["invalid_value"]


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ([b"oak", "ash"], "bytes stand beside other values"),
        ([[b"oak", "ash"]], "bytes stand beside other values"),
        ([{None: 1}], "a key that is None"),
        ([{1: "a", "1": "b"}], "two whose texts are the same"),
    ],
)
def test_objects_that_would_become_something_else_are_refused(
    tables: Tables, values: list[Any], says: str
) -> None:
    tables.make("CREATE TABLE box (id int PRIMARY KEY, v text)")
    rows = pd.DataFrame({"id": range(len(values)), "v": pd.Series(values, dtype=object)})

    with pytest.raises(UsageError, match=f"Column v: .*{says}"):
        tables.fill(rows, "box", "v")


class Stands(pd.DataFrame):
    """A frame as geopandas has them."""


Stands.__module__ = "geopandas.geodataframe"


def test_frames_and_objects_of_others_are_read_as_what_they_are(tables: Tables) -> None:
    tables.make(
        "CREATE TABLE box (id int PRIMARY KEY, v text, span numrange, pause interval)",
        "INSERT INTO box SELECT generate_series(1, 3)",
    )
    pauses = [np.timedelta64(7_000, "ns"), np.timedelta64("NaT"), dt.timedelta(hours=1)]
    rows = Stands(
        {
            "v": pd.Series(["oak", Decimal("1.50"), 7], dtype=object),
            "span": pd.cut([1, 4, 9], [0, 3, 6, 10]),
            "pause": pd.Series(pauses, dtype=object),
        }
    ).set_index(pd.Index([1, 2, 3], name="id"))

    run = tables.fill(rows, "box", ["v", "span", "pause"], allow_null=True)
    run.apply()
    run.verify()

    assert tables.rows("SELECT v, span::text, pause::text FROM box ORDER BY id") == [
        ("oak", "(0,3]", "00:00:00.000007"),
        ("1.50", "(3,6]", None),
        ("7", "(6,10]", "01:00:00"),
    ]
