"""Where in `lib/` a command that a person may paste is rendered: each call of a renderer is a site.

A site is called `module:function words`, by the words that stand in the call, and `… 2` where a
function has a second call of the same words. Tests name the sites whose command they paste and run:
`@pytest.mark.pastes(…)`; tests/structure holds that every site has such a test.
"""

from __future__ import annotations

import ast
import functools
import types
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

TESTS = Path(__file__).parent
LIB = TESTS.parent / "lib"
#: What returns a command, or a sentence that ends in one: who calls them prints it.
RENDERERS = {
    *("next_command", "planned_again", "new_plan", "resume_command", "apply_command"),
    *("command_for", "shell"),
}
#: A file, and the line and column in it.
Place: TypeAlias = tuple[str, int, int]


@dataclass(frozen=True)
class Site:
    """One call of a renderer, and where it stands in its file."""

    module: str
    name: str
    place: tuple[int, int]


@functools.cache
def all_sites() -> tuple[Site, ...]:
    """Return every call of a renderer in `lib/` that is in no renderer itself."""
    found = []
    for path in sorted(LIB.rglob("*.py")):
        module = path.relative_to(LIB).with_suffix("").as_posix().replace("/", ".")
        seen: Counter[str] = Counter()
        for function, call in _calls(ast.parse(path.read_text(encoding="utf-8")), ()):
            name = " ".join([f"{module.partition('.')[2]}:{function}", *_words(call)])
            seen[name] += 1
            nth = f" {seen[name]}" if seen[name] > 1 else ""
            found.append(Site(module, name + nth, (call.lineno, call.col_offset)))
    return tuple(found)


def _calls(node: ast.AST, within: tuple[str, ...]) -> Iterator[tuple[str, ast.Call]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.ClassDef):
            if child.name not in RENDERERS:
                yield from _calls(child, (*within, child.name))
            continue
        if isinstance(child, ast.Call) and _name(child.func) in RENDERERS:
            yield ".".join(within), child
        yield from _calls(child, within)


def _name(function: ast.expr) -> str:
    if isinstance(function, ast.Name):
        return function.id
    return function.attr if isinstance(function, ast.Attribute) else ""


def _words(call: ast.Call) -> list[str]:
    """Return a call's literal words; a renderer that has its own words says its name."""
    listed = call.args[0].elts if call.args and isinstance(call.args[0], ast.List) else call.args
    words = [str(each.value) for each in listed if isinstance(each, ast.Constant)]
    return words if _name(call.func) == "next_command" else [_name(call.func), *words]


def place_of(frame: types.FrameType | None) -> Place | None:
    """Return where in our code a frame stands, or one above it where that is a renderer's."""
    while frame is not None:
        code = frame.f_code
        if Path(code.co_filename).is_relative_to(LIB) and code.co_name not in RENDERERS:
            line, _end, column, _end_column = list(code.co_positions())[frame.f_lasti // 2]
            return code.co_filename, line or 0, column or 0
        frame = frame.f_back
    return None


def site_at(place: Place | None) -> str | None:
    """Return the site that stands in a place."""
    return _by_place().get(place) if place else None


@functools.cache
def _by_place() -> dict[Place, str]:
    return {
        (str(LIB / f"{site.module.replace('.', '/')}.py"), *site.place): site.name
        for site in all_sites()
    }


def claimed_sites() -> dict[str, list[str]]:
    """Return the sites that tests say they paste, each with the files of those tests."""
    claims: dict[str, list[str]] = {}
    for path in sorted(TESTS.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(text)) if ".pastes(" in text else ():
            if isinstance(node, ast.Call) and _name(node.func) == "pastes":
                for each in node.args:
                    claims.setdefault(ast.literal_eval(each), []).append(path.name)
    return claims
