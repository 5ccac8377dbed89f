"""What a command does before and around its notebook's kernel."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

from backfill.notebook.headless import SLOW_GRAMMAR, _unseen

IMPORTS_IT = "import jsonschema._format, sys; print('{0}' in sys.modules)"


def test_a_module_that_is_unseen_is_not_imported_and_can_be_afterwards() -> None:
    sys.modules.pop("colorsys", None)

    with _unseen("colorsys"), pytest.raises(ImportError):
        importlib.import_module("colorsys")

    assert importlib.import_module("colorsys").rgb_to_hsv(0, 0, 0) == (0.0, 0.0, 0)
    with _unseen("colorsys"):
        assert importlib.import_module("colorsys")  # who has it keeps it


def test_the_grammar_is_still_what_the_notebook_format_would_import() -> None:
    said = subprocess.run(
        [sys.executable, "-c", IMPORTS_IT.format(SLOW_GRAMMAR)],
        capture_output=True,
        text=True,
        check=True,
    )

    assert said.stdout.strip() == "True", "the way around it is no longer needed: take it out"
