"""A run finds its database by a variable of another name: what it prints finds the same one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.engine.workshop import Bench, load_noons, take_steps
from tests.jobs.command_line import Said, run_here
from tests.jobs.conftest import BenchFrom
from tests.pasted import commands_in, read_by_a_shell

from backfill.workbook import explain, open_run

NOWHERE = "postgresql://nobody@127.0.0.1:1/nowhere"
NAME = "CALENDAR_URL"


@pytest.fixture
def bench(bench_from: BenchFrom, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """The usual variable names a server that is not there, another one the database."""
    found = bench_from("noons", load_noons)
    monkeypatch.setenv(NAME, found.dsn)
    monkeypatch.setenv("DATABASE_URL", NOWHERE)
    return found


def typed(bench: Bench, *words: str) -> Said:
    return run_here(NOWHERE, bench.runs, *words)


def pasted(bench: Bench, text: str, verb: str) -> Said:
    (command,) = commands_in(text, verb)
    assert bench.dsn not in command
    return typed(bench, *read_by_a_shell(command))


def test_what_a_notebook_prints_reaches_the_database_of_its_variable(bench: Bench) -> None:
    run = take_steps(open_run("utc", {"dsn_env": NAME, "runs_dir": str(bench.runs)}))
    explained = explain("e01", runs_folder=str(bench.runs), dsn_env=NAME)

    applied = pasted(bench, str(run.apply()), "apply")

    assert "e01" in str(explained)
    assert applied.code == 0, applied.err
    assert bench.scalar("SELECT count(start_at_utc) FROM events") == 12


def test_what_a_command_prints_carries_the_variable_and_never_what_it_holds(bench: Bench) -> None:
    planned = typed(bench, "utc", "--dsn-env", NAME)
    applied = pasted(bench, planned.err, "apply")
    reverted = typed(bench, "revert", applied.summary["run_id"], "--dsn-env", NAME)
    back = pasted(bench, reverted.err, "apply")

    assert (applied.code, back.code) == (0, 0)
    assert bench.scalar("SELECT count(start_at_utc) FROM events") == 0
    for file in bench.runs.rglob("*.ipynb"):
        assert bench.dsn not in file.read_text(encoding="utf-8")


def test_a_notebook_of_ones_own_that_names_a_variable_is_told_from_there(
    bench: Bench, tmp_path: Path
) -> None:
    shipped = Path(__file__).parents[2] / "notebooks" / "06_fill_columns.ipynb"
    document = json.loads(shipped.read_text(encoding="utf-8"))
    for cell in document["cells"]:
        if "parameters" in cell["metadata"].get("tags", []):
            cell["source"] = (
                "table = 'events'\nset = ['tz']\nwhere = 'true'\noverwrite = True\n"
                f"dsn_env = '{NAME}'"
            )
        elif "analyst" in cell["metadata"].get("tags", []):
            cell["source"] = "run.propose(run.extracted[['id']].assign(tz='Asia/Tokyo'))"
    own = tmp_path / "own.ipynb"
    own.write_text(json.dumps(document), encoding="utf-8")

    planned = typed(bench, "fill", "--notebook", str(own))
    applied = pasted(bench, planned.err, "apply")
    elsewhere = typed(bench, "fill", "--notebook", str(own), "--database-url", NOWHERE)

    assert applied.summary["total_updated"] == 12
    assert bench.scalar("SELECT count(*) FROM events WHERE tz = 'Asia/Tokyo'") == 12
    assert elsewhere.code == 1 and "127.0.0.1" in elsewhere.err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--dsn-env", "NOT_SET"), "variable NOT_SET, which dsn_env names, is not set"),
        (("--dsn-env", NAME, "--database-url", NOWHERE), "both say which database: give one"),
        (("--database-url", "not a url"), "--database-url is not a connection string that libpq"),
    ],
)
def test_a_database_that_can_not_be_meant_is_refused_in_a_whole_sentence(
    bench: Bench, words: tuple[str, ...], says: str
) -> None:
    said = typed(bench, "status", *words)

    assert said.code == 2
    assert says in said.err and "***" not in said.err
