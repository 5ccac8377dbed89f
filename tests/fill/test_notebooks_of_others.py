"""Notebooks as people keep them: run before, with a module beside them, with slips in them."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.fill.test_fill_cli import own_notebook
from tests.fill.test_own_task import command, typed

from backfill.errors import UsageError
from backfill.notebook.own_notebook import own_notebook as read
from backfill_lab.demo.customers import load_customers

if TYPE_CHECKING:
    from tests.fill.conftest import Tables


def with_cell(path: Path, place: int, source: str, tag: str) -> None:
    document = json.loads(path.read_text(encoding="utf-8"))
    cell = {"cell_type": "code", "execution_count": 7, "outputs": [], "id": "one-more"}
    document["cells"].insert(place, {**cell, "metadata": {"tags": [tag]}, "source": source})
    path.write_text(json.dumps(document), encoding="utf-8")


@pytest.mark.slow
def test_what_an_earlier_run_was_told_makes_no_dry_run_write_and_modules_lie_beside_a_notebook(
    tables: Tables, tmp_path: Path
) -> None:
    load_customers(tables.connection)
    folder = tmp_path / "mina fält"
    folder.mkdir()
    (folder / "spelling.py").write_text("def tidy(text):\n    return text.strip().title()\n")
    mine = own_notebook(
        folder,
        "from spelling import tidy\n"
        "rows = run.extracted.dropna(subset=['city'])\n"
        "rows['city_name'] = rows['city'].map(tidy)\n"
        "run.propose(rows, reads=['city'])",
    )
    with_cell(mine, 2, 'apply = True\nset = "phone_e164"', "injected-parameters")
    before = tables.rows("SELECT t::text FROM customer AS t ORDER BY 1")

    ended = typed(tables, tmp_path, "fill", "--notebook", str(mine))

    assert ended.returncode == 0, ended.stderr
    assert "what that run was told, in its cell of injected parameters" in ended.stderr
    summary = json.loads(ended.stdout.strip().splitlines()[-1])
    assert (summary["dry_run"], summary["status"]) == (True, "planned")
    assert summary["total_updated"] > 0
    assert tables.rows("SELECT t::text FROM customer AS t ORDER BY 1") == before


@pytest.mark.slow
def test_a_magic_that_is_none_is_named_with_its_cell(tables: Tables, tmp_path: Path) -> None:
    load_customers(tables.connection)
    mine = own_notebook(tmp_path, "%timeshift 3")

    code, summary = command(tables, tmp_path, "fill", "--notebook", str(mine))

    assert code == 1
    assert summary["error"] == "UsageError: Line magic function `%timeshift` not found."


def test_a_parameter_that_is_computed_is_told_with_its_line(tmp_path: Path) -> None:
    mine = own_notebook(tmp_path, "run.propose(run.extracted)")
    with_cell(mine, 1, 'set = "city"\ntable = f"{owner}.customer"', "parameters")

    with pytest.raises(UsageError, match=r"line 2 computes .*owner.*\. Write what it comes to"):
        read(str(mine))


def test_a_parameter_that_is_nearly_one_of_the_run_s_is_asked_back(
    tables: Tables, tmp_path: Path
) -> None:
    mine = own_notebook(tmp_path, "run.propose(run.extracted)")
    with_cell(mine, 1, 'table = "nowhere"\nset = "city"\noverwite = True\ngain = 2', "parameters")

    ended = typed(tables, tmp_path, "fill", "--notebook", str(mine))

    assert ended.returncode == 3
    assert "The run takes no parameter overwite. Did you mean overwrite?" in ended.stderr
    assert "gain" not in ended.stderr


@pytest.mark.slow
def test_with_edited_rows_the_way_on_is_said_and_rows_that_are_there_are_no_failure(
    tables: Tables, tmp_path: Path
) -> None:
    tables.make(
        "CREATE TABLE buoy (id int PRIMARY KEY, depth int, lamp text)",
        "INSERT INTO buoy VALUES (1, 10, NULL), (2, 20, NULL)",
    )
    (tmp_path / "lamps.csv").write_text("id,depth,lamp\n1,10,red\n2,99,green\n")
    fill = ("fill", "--table", "buoy", "--set", "lamp", "--values", "lamps.csv")

    dry = typed(tables, tmp_path, *fill)

    assert dry.returncode == 5
    way_on = dry.stderr.split("To write exactly this plan: backfill ")[1].splitlines()[0]
    verb, run_id, *flags = shlex.split(way_on)
    code, _summary = command(tables, tmp_path, verb, run_id, *flags)
    assert (code, tables.rows("SELECT lamp FROM buoy ORDER BY id")) == (5, [("red",), (None,)])

    code, again = command(tables, tmp_path, *fill, "--apply")

    assert (code, again["total_unchanged"], again["total_drifted"]) == (5, 1, 1)
    assert again["status"] == "succeeded"
