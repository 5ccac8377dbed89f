"""Sheets that people fill in: harmless in a spreadsheet, read back as written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backfill.errors import UsageError
from backfill.plans.sheet_csv import read_sheet, write_sheet

CELLS = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12
) | st.sampled_from(
    ["=1+1", "'=x", "''@a", "+46", "-5", "@SUM(A1)", "\tx", "a\r\nb", '"', ";,", "'"]
)


@given(rows=st.lists(st.lists(CELLS, min_size=3, max_size=3), max_size=5))
def test_what_is_written_is_read_back(rows: list[list[str]]) -> None:
    header = ("key", "read", "note")

    text = write_sheet(header, [dict(zip(header, row, strict=True)) for row in rows])

    assert [list(cells.values()) for _, cells in read_sheet(text, header, "it")] == rows


@pytest.mark.parametrize("text", ["=HYPERLINK(1)", "+1", "-1", "@a", "\t=1"])
def test_no_cell_begins_a_formula(text: str) -> None:
    written = write_sheet(["key"], [{"key": text}])

    assert written.splitlines()[1].startswith("\"'")


def test_a_spreadsheets_own_csv_is_read() -> None:
    (row,) = read_sheet("\ufeffkey;decision\r\ne-1;later\r\n", ["key", "decision"], "it")

    assert row == (2, {"key": "e-1", "decision": "later"})


def test_a_missing_column_is_named() -> None:
    with pytest.raises(UsageError, match="it lacks the column decision; it needs key, decision"):
        read_sheet("key,note\n", ["key", "decision"], "it")
