"""Dataframes keep the types of the rows, and every row of a table can be looked at."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa

from backfill.notebook.frames import TableView
from backfill.rows.values import to_dataframe

LARGE = 2**53 + 1


def test_whole_numbers_beside_a_hole_stay_whole_and_exact() -> None:
    rows = pa.table({"count": [LARGE, None], "is_paid": [None, True], "name": ["å", None]})

    frame = to_dataframe(rows)

    assert frame["count"].tolist()[0] == LARGE
    assert frame["count"].isna().tolist() == [False, True]
    assert frame.loc[1, "count"] is pd.NA
    assert frame["is_paid"].dtype == pd.BooleanDtype()
    assert pa.Table.from_pandas(frame).column("count").to_pylist() == [LARGE, None]


def test_struct_columns_are_spread() -> None:
    rows = pa.table({"after": [{"starts": 7}, {"starts": None}]})

    assert list(to_dataframe(rows).columns) == ["after.starts"]


def test_a_table_of_many_rows_is_a_widget_and_its_first_rows_are_the_record() -> None:
    frame = pd.DataFrame({"key": [f"visit-{n}" for n in range(14_000)], "minutes": range(14_000)})

    data, _metadata = TableView("changes", frame)._repr_mimebundle_()

    assert "20 of 14,000 rows" in data["text/html"]
    assert "visit-19" in data["text/plain"] and "visit-20" not in data["text/plain"]
    assert "application/vnd.jupyter.widget-view+json" in data
