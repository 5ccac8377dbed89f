"""The committed notebooks: thin stories that run anywhere, with parameters that are checked."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from tests.deadline import DEADLINE_SECONDS
from tests.engine.workshop import load_noons
from tests.longer import longer

from backfill.errors import UsageError
from backfill.jobs.registry import JOBS
from backfill.parameters import (
    APPLY_PARAMETERS,
    REVERT_PARAMETERS,
    VERIFY_PARAMETERS,
    Parameter,
    check_parameters,
    injected_names,
)
from backfill.server.embedded import HOME_ENV, EmbeddedServer
from backfill.tour import TOUR_PARAMETERS
from backfill.workbook import open_run

if TYPE_CHECKING:
    from tests.conftest import DatabaseFrom

FOLDER = Path(__file__).parents[2] / "notebooks"
DECLARED: dict[str, tuple[Parameter, ...]] = {
    "00_start_here": TOUR_PARAMETERS,
    "01_utc_backfill": JOBS["utc"].parameters,
    "02_ocr_backfill": JOBS["ocr"].parameters,
    "03_apply_plan": APPLY_PARAMETERS,
    "04_verify_run": VERIFY_PARAMETERS,
    "05_revert_run": REVERT_PARAMETERS,
    "06_fill_columns": JOBS["fill"].parameters,
}
#: What a notebook that works on any table works on as it is.
EXAMPLES = {"06_fill_columns": {"table": "public.customer", "set": "phone_e164"}}
JOB_HEADINGS = [
    *("Parameters", "Preflight", "Extract", "Compute", "Diff"),
    *("Plan", "Apply", "Verify", "Summary"),
]
FORBIDDEN = (
    *(ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef, ast.Try, ast.With),
    *(ast.For, ast.While, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.If),
)
TYPES = {"str": str, "int": int, "float": float, "bool": bool}
RUNS_WITHOUT_OCR = [name for name in DECLARED if name != "02_ocr_backfill"]


def cells(name: str, kind: str = "code") -> list[dict[str, Any]]:
    document = json.loads((FOLDER / f"{name}.ipynb").read_text(encoding="utf-8"))
    return [cell for cell in document["cells"] if cell["cell_type"] == kind]


def source(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def parameters_cell(name: str) -> str:
    (cell,) = (c for c in cells(name) if "parameters" in c["metadata"].get("tags", []))
    return source(cell)


def headings(name: str) -> list[str]:
    lines = [line for cell in cells(name, "markdown") for line in source(cell).splitlines()]
    return [line.removeprefix("## ") for line in lines if line.startswith("## ")]


# -- what is committed --------------------------------------------------------------------------


def test_every_notebook_of_the_contract_is_there_and_no_other() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.ipynb")) == sorted(DECLARED)


@pytest.mark.parametrize("name", DECLARED)
def test_no_output_and_no_count_is_committed(name: str) -> None:
    for cell in cells(name):
        assert cell["outputs"] == []
        assert cell["execution_count"] is None


@pytest.mark.parametrize("name", DECLARED)
def test_code_cells_only_call_the_library(name: str) -> None:
    for cell in cells(name):
        tree = ast.parse(source(cell))
        found = [type(node).__name__ for node in ast.walk(tree) if isinstance(node, FORBIDDEN)]
        assert found == [], source(cell)
        texts = [
            node.value.upper()
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        ]
        assert not any(text.startswith(("SELECT ", "UPDATE ", "INSERT ")) for text in texts)
        assert not any("://" in text for text in texts)


@pytest.mark.parametrize("name", DECLARED)
def test_cells_are_few_and_short(name: str) -> None:
    found = cells(name)

    assert len(found) <= 18
    for cell in found:
        is_parameters = "parameters" in cell["metadata"].get("tags", [])
        assert is_parameters or len(source(cell).splitlines()) <= 6


@pytest.mark.parametrize(
    "name", ["00_start_here", "01_utc_backfill", "02_ocr_backfill", "06_fill_columns"]
)
def test_the_jobs_have_the_same_headings_in_the_same_order(name: str) -> None:
    assert headings(name) == JOB_HEADINGS


@pytest.mark.parametrize("name", ["03_apply_plan", "04_verify_run", "05_revert_run"])
def test_the_other_notebooks_keep_the_order_of_the_headings(name: str) -> None:
    found = headings(name)

    assert found == [heading for heading in JOB_HEADINGS if heading in found]
    assert found[0] == "Parameters"


# -- parameters ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", DECLARED)
def test_the_parameters_cell_is_the_first_and_says_what_is_declared(name: str) -> None:
    assert source(cells(name)[0]) == parameters_cell(name)
    tree = ast.parse(parameters_cell(name))
    stated = {}
    for node in tree.body:
        assert isinstance(node, ast.AnnAssign)
        assert isinstance(node.target, ast.Name)
        value = ast.literal_eval(node.value) if node.value else None
        stated[node.target.id] = value
        assert value is None or isinstance(value, TYPES[ast.unparse(node.annotation)])

    declared = {parameter.name: parameter.default for parameter in DECLARED[name]}
    assert stated == declared | EXAMPLES.get(name, {})


@pytest.mark.parametrize("name", DECLARED)
def test_a_line_of_the_parameters_has_one_equals_sign_and_a_comment(name: str) -> None:
    for line in parameters_cell(name).splitlines():
        assert line.count("=") == 1, line
        assert "  # " in line


@pytest.mark.parametrize("name", DECLARED)
def test_papermill_lists_every_parameter(name: str) -> None:
    from papermill.inspection import inspect_notebook

    listed = inspect_notebook(str(FOLDER / f"{name}.ipynb"))

    assert list(listed) == [parameter.name for parameter in DECLARED[name]]
    assert all(entry["help"] for entry in listed.values())
    assert all(entry["inferred_type_name"] in TYPES for entry in listed.values())


def test_an_unknown_parameter_is_refused_and_the_known_ones_listed() -> None:
    cell = "# Parameters\nhousehold_id = 'hh_demo'\naply = True\n"

    with pytest.raises(
        UsageError, match=r"Unknown parameter aply\. This notebook takes: .*\. Did you mean apply\?"
    ):
        open_run("utc", {"household_id": "hh_demo", "aply": True, "In": [cell]})


def test_names_of_our_own_cells_are_not_taken_for_parameters() -> None:
    mine = "run_count = 3"
    injected = "# Parameters\nfold = 'later'\n"

    assert injected_names([mine, injected]) == {"fold"}


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("apply", "True", "The parameter apply must be True or False; it is 'True'."),
        ("chunk_size", [5], r"The parameter chunk_size must be whole number or word; it is \[5\]."),
        ("lease_seconds", 1.5, "The parameter lease_seconds must be whole number; it is 1.5."),
        ("chunk_time", "fast", "The parameter chunk_time must be number; it is 'fast'."),
        ("fold", 1, "The parameter fold must be text; it is 1."),
        ("dsn_env", "postgresql://me:secret@host/db", "dsn_env holds a password"),
        ("household_id", ["a", "password=secret"], "household_id holds a password"),
    ],
)
def test_a_wrong_type_or_a_password_is_refused(name: str, value: object, says: str) -> None:
    with pytest.raises(UsageError, match=says) as refused:
        check_parameters(JOBS["utc"].parameters, {name: value}, {name})

    assert "secret" not in str(refused.value)


def test_a_number_given_by_papermill_is_a_household_id_too() -> None:
    found = check_parameters(JOBS["utc"].parameters, {"household_id": 123}, ())

    assert found["household_id"] == ["123"]


# -- running ------------------------------------------------------------------------------------


def environment(**given: str) -> dict[str, str]:
    kept = ("PATH", "HOME", "LANG", HOME_ENV, "BACKFILL_RUNS_DIR")
    return {**{name: os.environ[name] for name in kept if name in os.environ}, **given}


@pytest.mark.slow
def test_stock_papermill_applies_to_a_real_database(
    database_from: DatabaseFrom, tmp_path: Path
) -> None:
    dsn = database_from("noons", load_noons)
    command = ["papermill", str(FOLDER / "01_utc_backfill.ipynb"), str(tmp_path / "out.ipynb")]

    ended = subprocess.run(
        [sys.executable, "-m", *command, "-p", "household_id", "hh_demo", "-p", "apply", "True"],
        env=environment(DATABASE_URL=dsn),
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=False,
    )

    assert ended.returncode == 0, ended.stderr
    with psycopg.connect(dsn) as connection:
        found = connection.execute(
            "SELECT count(*) FILTER (WHERE start_at_utc IS NULL), count(*) FROM events"
        ).fetchone()
        status = connection.execute("SELECT status FROM backfill.run").fetchone()
    assert (found, status) == ((0, 12), ("succeeded",))
    outputs = (tmp_path / "out.ipynb").read_text()
    assert "total_updated" in outputs
    assert dsn not in outputs


@pytest.fixture
def demo_server(tmp_path: Path) -> Iterator[Path]:
    """Where the notebooks' embedded server lives; it is gone afterwards."""
    home = tmp_path / "demo"
    yield home
    EmbeddedServer(home).reset()


@pytest.mark.slow
@pytest.mark.parametrize("names", [["01_utc_backfill"], *longer(RUNS_WITHOUT_OCR)])
def test_every_notebook_runs_under_nbval_with_its_defaults(
    demo_server: Path, tmp_path: Path, names: list[str]
) -> None:
    paths = [str(FOLDER / f"{name}.ipynb") for name in names]
    options = ["-p", "no:cacheprovider", "-q", "-W", "ignore", "--rootdir", str(FOLDER)]

    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "--nbval-lax", *options, "-c", os.devnull, *paths],
        env=environment(**{HOME_ENV: str(demo_server), "BACKFILL_RUNS_DIR": str(tmp_path / "r")}),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=False,
    )

    assert ended.returncode == 0, ended.stdout[-4000:]
    count = sum(len(cells(name)) for name in names)
    assert f"{count} passed" in ended.stdout
    made = {"utc", "rev"} if names == RUNS_WITHOUT_OCR else {"utc"}
    assert {path.name[17:20] for path in (tmp_path / "r").iterdir()} >= made
