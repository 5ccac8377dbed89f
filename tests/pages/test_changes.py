"""The changes that a page shows: the telling ones first, and the part that changed marked."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from backfill.archive.changes_view import SHOWN_CHANGES, changes_view
from backfill.archive.run_facts import read_facts
from backfill.display.pages import PART_END, note, section
from backfill.folder import RunFolder

RUN_ID = "20261122T234000Z-fill-3f9c1a"


def view(tmp_path: Path, rows: list[dict[str, Any]], plan: dict[str, Any] | None = None) -> str:
    """Return the markup of a folder whose plan changes these rows."""
    folder = RunFolder(tmp_path / RUN_ID)
    folder.create()
    folder.write_json("run.json", {"job": "fill"})
    folder.write_json("plan.json", {"scope": {"table": "yard.trip"}, **(plan or {})})
    usual = {"scope": "yard.trip", "rule": "filled", "warnings": "", "before": {"gate": None}}
    rows = [{**usual, "key": str(n), "after": {"gate": "A"}, **row} for n, row in enumerate(rows)]
    pq.write_table(pa.Table.from_pylist(rows), folder.file("changes.parquet"))
    return changes_view(read_facts(folder)).markup


def keys(markup: str) -> list[str]:
    return re.findall(r'data-label="key">([^<]*)<', markup)


def test_the_rarest_kinds_stand_first_however_many_rows_of_another_have_a_warning(
    tmp_path: Path,
) -> None:
    plain: list[dict[str, Any]] = [{}] * 3_000
    many = [{"warnings": "moved"}] * 2_000
    rare = [{"rule": "cleared"}, {"rule": "overwritten", "warnings": "rounded"}]

    shown = keys(view(tmp_path, [*plain, *many, *rare]))

    assert len(shown) == SHOWN_CHANGES
    assert shown[0] == "5001"  # the only one that was rounded
    assert shown[1] == "3000"  # the first that moved
    assert "5000" in shown  # the one that was cleared, without a warning
    assert "0" in shown  # and some of those that are like all others


def test_the_rows_are_those_of_the_whole_plan_in_however_many_pieces_it_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rare = {"rule": None, "warnings": "rounded"}
    kinds: list[dict[str, Any]] = [{}, {"rule": "cleared"}, {"warnings": "moved"}, rare]
    rows = [kinds[min(n % 97, 3)] for n in range(400)] + [{"rule": "fold", "warnings": "rounded"}]
    whole = keys(view(tmp_path / "whole", rows))

    write = pq.write_table
    monkeypatch.setattr(pq, "write_table", lambda *what: write(*what, row_group_size=33))
    cut = keys(view(tmp_path / "cut", rows))

    assert cut == whole
    assert len(cut) == SHOWN_CHANGES
    assert cut[0] == "400"  # at the very end, and alone of its kind


def test_all_rows_are_shown_where_they_are_few(tmp_path: Path) -> None:
    assert sorted(keys(view(tmp_path, [{}, {"rule": None, "warnings": None}]))) == ["0", "1"]


@pytest.mark.parametrize(
    ("before", "after", "marked"),
    [
        ("2026-03-29 01:30:00", "2026-03-29 02:30:00", ("01", "02")),
        ("08:15 leave", "07:30 leave", ("08:15", "07:30")),
        ("Storgatan 12", "Storgatan 12B", ("12", "12B")),
        ("gate", "gates open", ("gate", "gates open")),
        ("a, b", "a, b, c", (None, ", c")),
    ],
)
def test_what_is_marked_begins_and_ends_with_a_word(
    tmp_path: Path, before: str, after: str, marked: tuple[str | None, str]
) -> None:
    markup = view(tmp_path, [{"before": {"gate": before}, "after": {"gate": after}}])

    old = re.search(r"<del>(.*?)</del>", markup)
    new = re.search(r"<ins>(.*?)</ins>", markup)
    assert (old and old[1], new and new[1]) == marked


def test_a_member_of_the_scope_is_called_as_its_column_is(tmp_path: Path) -> None:
    plan = {"target": {"table": {"scope": ["depot_no", "int4"]}}}

    of_depots = view(tmp_path / "a", [{"scope": "7"}], plan)
    of_a_table = view(tmp_path / "b", [{}])

    assert '<th scope="col">depot_no</th>' in of_depots
    assert "yard.trip" not in of_a_table  # each row of it would say so


def test_a_part_within_a_part_stands_beside_it() -> None:
    held = section("held", note("wait"))

    both = section("pictures", held + note("drawn"))

    assert both.markup == held.markup + f"<!--part pictures-->{note('drawn').markup}{PART_END}"
    assert section("pictures", held).markup == held.markup


def test_a_value_that_writing_makes_is_no_null_but_where_its_row_goes(tmp_path: Path) -> None:
    rows = [
        {"before": {"day": "a", "at": "7:00"}, "after": {"day": "b", "at": None}},
        {"before": {"day": "a", "at": "7:00"}, "after": {"day": None, "at": None}},
    ]
    view(tmp_path, rows)
    facts = read_facts(RunFolder(tmp_path / RUN_ID))

    markup = changes_view(facts, {"at": "day"}).markup

    assert markup.count("the moment of writing") == 1
    assert markup.count('class="null"') == 2  # of the row that goes: both its values
