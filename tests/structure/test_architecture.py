"""The architecture page tells of the house as it stands: floors, paths, names."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest
from tests.structure.test_layers import LAYERS, MODULES, PACKAGES, layer_of

ROOT = Path(__file__).parents[2]
LIB = ROOT / "lib" / "backfill"
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
#: The layers that the imports are held to, by the floor of the page on which they stand.
FLOORS = {
    "ground": ("words", "values"),
    "rules and server": ("pure", "server"),
    "records": ("records",),
    "plans": ("plans",),
    "chunks": ("chunks",),
    "archive": ("archive",),
    "steps": ("steps",),
    "jobs": ("jobs", "registry"),
    "doors": ("notebook", "workbook", "command line"),
}
WING = "demo data"
TOP_LEVEL = {
    *("docs", "lib", "notebooks", "runs", "scripts", "tests"),
    *("CHANGELOG.md", "LICENSE", "MANIFEST.in", "Makefile", "README.md", "environment.yml"),
    *("mkdocs.yml", "pyproject.toml", "setup.py"),
    *("requirements.lock", "requirements-models.lock", "requirements-postgres.lock"),
}


def test_nothing_else_lies_at_the_top_not_even_what_a_test_left_there() -> None:
    kept = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\0")

    top = {Path(name).parts[0] for name in kept if name}

    assert {name for name in top if not name.startswith(".")} == TOP_LEVEL


def named() -> list[str]:
    """Return what stands in backticks and looks like a path of ours, perhaps with a name in it."""
    found = re.findall(r"`((?:[\w.]+/)*[\w.]+(?:\.py|\.sql|\.ipynb|/)(?::\w+)?)`", PAGE)
    return sorted(set(found))


def path_of(text: str) -> Path:
    is_of_root = text.startswith(("lib/", "tests/", "notebooks/"))
    return (ROOT if is_of_root else LIB) / text


@pytest.mark.parametrize("text", named())
def test_every_path_and_every_name_of_the_page_is_there(text: str) -> None:
    path, _, name = text.partition(":")

    assert path_of(path).exists()
    if name:
        tree = ast.parse(path_of(path).read_text(encoding="utf-8"))
        assert name in names_of(tree)


def names_of(tree: ast.Module) -> set[str]:
    """Return what a module defines at its top: functions, classes, constants."""
    found: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        targets = node.targets if isinstance(node, ast.Assign) else []
        targets = [node.target] if isinstance(node, ast.AnnAssign) else targets
        found |= {target.id for target in targets if isinstance(target, ast.Name)}
    return found


def test_the_floors_of_the_page_are_those_that_the_imports_are_held_to() -> None:
    rows = re.findall(r"^\| (\d) ([a-z ]+) \| (.+?) \|", PAGE, re.MULTILINE)

    assert [(int(number), name) for number, name, _rooms in rows] == [
        (9 - place, name) for place, name in enumerate(reversed(FLOORS))
    ]
    assert [layer for layers in FLOORS.values() for layer in layers] == [
        layer for layer in LAYERS if layer != WING
    ]


def test_every_room_stands_on_the_floor_that_the_page_says() -> None:
    rows = re.findall(r"^\| \d ([a-z ]+) \| (.+?) \|", PAGE, re.MULTILINE)
    of_room = {
        room.rstrip("/").removesuffix(".py").replace("/", "."): floor
        for floor, rooms in rows
        for room in re.findall(r"`([^`]+)`", rooms)
    }
    wrong = [
        f"{name}: {layer_of(name)} is not of {of_room[room]}"
        for name in MODULES
        if name not in PACKAGES
        for room in (name, name.partition(".")[0])
        if room in of_room and layer_of(name) not in FLOORS[of_room[room]]
    ]

    assert wrong == []
    rooms = {name.partition(".")[0] for name in MODULES if "." in name} - {"lab"}
    assert rooms <= of_room.keys()
