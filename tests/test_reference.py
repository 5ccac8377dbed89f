"""The reference is what the code says today, and the README agrees with it."""

from __future__ import annotations

import re
from pathlib import Path

from tests.reference.__main__ import reference
from tests.reference.command_pages import NOTEBOOKS
from tests.reference.markdown import table
from tests.reference.words import EXIT_CODE_MEANS

from backfill.cli import build_parser
from backfill.command.options import command_parsers

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")


def test_the_reference_is_made_from_the_code_as_it_is() -> None:
    assert reference() == REFERENCE, "Renew it: make reference"


def test_the_reference_is_the_same_twice() -> None:
    assert reference() == reference()


def test_every_command_and_every_notebook_has_its_page() -> None:
    headings = re.findall(r"^### `([^`]+)`$", REFERENCE, re.MULTILINE)

    assert {f"backfill {name}" for name in command_parsers(build_parser())} <= set(headings)
    notebooks = {path.name for path in (ROOT / "notebooks").glob("*.ipynb")}
    assert notebooks == {f"{name}.ipynb" for name in NOTEBOOKS}
    assert notebooks <= set(headings)


def test_readme_and_reference_say_the_same_of_exit_codes() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")

    rows = dict(re.findall(r"^\| (\d+) \| (.+) \|$", readme, re.MULTILINE))

    assert rows == {str(code.value): says for code, says in EXIT_CODE_MEANS.items()}


def test_a_bar_in_a_cell_does_not_make_a_column() -> None:
    assert table(("a", "b"), [("x|y", "one\ntwo")]).splitlines()[-1] == r"| x\|y | one two |"
