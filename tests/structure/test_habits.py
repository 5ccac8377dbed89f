"""Habits of the code that no linter knows: who catches everything, and whose connection it is."""

from __future__ import annotations

import ast
import re

from tests.structure.test_layers import LIB, MODULES, ROOT, text_of, tree_of


def test_who_catches_everything_raises_again_or_says_why() -> None:
    silent = []
    for name in filter(may_catch, MODULES):
        caught = {
            line
            for node in ast.walk(tree_of(name))
            for line in (caught_by(node), suppressed_by(node))
        }
        lines = text_of(name).splitlines()
        silent += [f"{name}:{line}" for line in caught if line and "#" not in lines[line - 1]]

    assert silent == []


def may_catch(name: str) -> bool:
    """Tell by its text whether a module need be understood: most name nothing so broad."""
    return re.search(r"\b(Base)?Exception\b|except\s*:|suppress\(\)", text_of(name)) is not None


def caught_by(node: ast.AST) -> int:
    """Return the line of a handler of everything that raises nothing, else 0."""
    if not isinstance(node, ast.ExceptHandler) or not is_broad(node.type):
        return 0
    return 0 if any(isinstance(inner, ast.Raise) for inner in ast.walk(node)) else node.lineno


def suppressed_by(node: ast.AST) -> int:
    if not isinstance(node, ast.Call) or not ast.unparse(node.func).endswith("suppress"):
        return 0
    return node.lineno if any(map(is_broad, node.args)) else 0


def is_broad(caught: ast.expr | None) -> bool:
    return caught is None or ast.unparse(caught) in ("Exception", "BaseException")


#: DuckDB's module keeps one connection for everybody in a process: a person's own work in a
#: notebook, or another test's, would be in the way.
SHARED = re.compile(
    r"(?<![\w.\"'`])duckdb\.(sql|execute|query|table|view|values|read_\w+|from_\w+)\("
)


def test_nobody_works_on_the_connection_that_all_share() -> None:
    files = [*LIB.rglob("*.py"), *(ROOT / "tests").rglob("*.py")]

    assert [str(f) for f in files if SHARED.search(f.read_text(encoding="utf-8"))] == []
