"""Commands that messages print: rendered in one place, quoted, known to the command line."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from backfill.cli import build_parser
from backfill.command.options import command_parsers
from backfill.jobs.ocr.entry import OCR_PARAMETERS
from backfill.jobs.utc.entry import UTC_PARAMETERS
from backfill.next_command import GIVEN_ENV, next_command, remember_given
from backfill.parameter import flags_of

LIB = Path(__file__).resolve().parents[1] / "lib" / "backfill"
VERBS = tuple(command_parsers(build_parser()))
#: A command with an argument that is put in: it may want quotes, and options.
BY_HAND = re.compile(rf"backfill (?:{'|'.join(VERBS)})(?: [a-z-]+)* $")


@pytest.fixture(autouse=True)
def nothing_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(GIVEN_ENV, "{}")


def texts_with_a_value_behind(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.JoinedStr):
            for text, behind in zip(node.values, node.values[1:], strict=False):
                if isinstance(text, ast.Constant) and isinstance(behind, ast.FormattedValue):
                    yield str(text.value)


def calls(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "next_command":
            first = node.args[0]
            if isinstance(first, ast.Constant):
                yield str(first.value)


def test_no_module_puts_a_run_into_a_command_by_hand() -> None:
    found = [
        f"{path.name}: {text}"
        for path in LIB.rglob("*.py")
        if path.name != "demo_command.py"  # of its own embedded database
        for text in texts_with_a_value_behind(path)
        if BY_HAND.search(text)
    ]

    assert found == []


#: Where a command is spelt out: help, and what explains, name no run, database or folder.
SPELT_OUT = {
    "cli.py": "the exit codes of the help",
    "demo_command.py": "of its own embedded database",
    "toml.py": "a comment of a file",
    "own_notebook.py": "words of a notebook",
}
SPOKEN = re.compile(rf"(?<!class=\")\bbackfill (?:{'|'.join(VERBS)})\b(?! is\b)")


def sentences(path: Path) -> Iterator[str]:
    """Every text of a module but its docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    documents = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
        if is_text and id(node) not in documents:
            yield ast.literal_eval(node)


def test_every_command_that_a_message_prints_is_made_by_the_one_renderer() -> None:
    by_hand = {
        path.name: found.group()
        for path in LIB.rglob("*.py")
        for text in sentences(path)
        if (found := SPOKEN.search(text))
    }

    assert by_hand.keys() == SPELT_OUT.keys(), by_hand


def test_every_command_that_is_printed_exists() -> None:
    printed = {verb for path in LIB.rglob("*.py") for verb in calls(path)}

    assert printed <= set(VERBS)
    assert {"apply", "resume", "status", "revert", "cancel"} <= printed


def test_what_was_given_is_carried_where_it_is_taken_and_quoted() -> None:
    remember_given({"--runs-dir": "/data/our runs", "--database-url": "host=a user='b c'"})

    applied, looked = next_command("apply", "R"), next_command("status", "R")

    assert shlex.split(applied)[2:] == [
        *("R", "--runs-dir", "/data/our runs", "--database-url", "host=a user='b c'"),
    ]
    assert shlex.split(looked)[2:] == ["R", "--database-url", "host=a user='b c'"]
    assert next_command("db", "stop") == "backfill db stop"


def test_options_are_repeated_as_they_were_said_but_never_what_writes() -> None:
    values = {
        **{parameter.name: parameter.default for parameter in UTC_PARAMETERS},
        "household_id": ["it's", "-1"],
        "strict": True,
        "max_skips": 3,
        "apply": True,
        "runs_dir": "/elsewhere",
        "dsn_env": "OTHER",
    }

    assert flags_of(UTC_PARAMETERS, values) == [
        *("--household-id", "it's", "--household-id=-1", "--strict", "--max-skips", "3"),
    ]


def test_a_file_of_the_folder_where_the_command_was_typed_is_not_repeated(tmp_path: Path) -> None:
    usual = {"output_file": str(Path.cwd() / "backfill_report.json")}
    other = {"output_file": str(tmp_path / "backfill_report.json"), "store_notifications": True}

    assert flags_of(OCR_PARAMETERS, usual) == []
    assert flags_of(OCR_PARAMETERS, other) == ["--output-file", other["output_file"]]
