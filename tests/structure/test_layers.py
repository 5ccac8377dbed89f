"""The shape of the project: layers, sizes, what an import does, and what is installed."""

from __future__ import annotations

import ast
import functools
import graphlib
import json
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from tests.deadline import DEADLINE_SECONDS

ROOT = Path(__file__).parents[2]
LIB = ROOT / "lib"
MAX_LINES = 400

#: From the bottom up; a module imports from its own layer or a lower one. `x.*` is a package.
LAYERS: dict[str, tuple[str, ...]] = {
    "words": (
        *("errors", "skips", "status", "stop", "versions", "time_left", "which_folder"),
        *("loading", "decisions", "folder", "printing", "log_format", "regular_file", "temporary"),
        *("next_command",),
    ),
    "values": ("rows.*", "workers.*", "display.*"),
    "pure": ("utc.*", "ocr.*"),
    "server": ("server.*",),
    "demo data": ("lab.demo.*",),
    "records": (
        "records.*",
        "report",
        "politeness.*",
        "settings",
        "parameter",
        "parameters",
    ),
    "plans": ("plans.*",),
    "chunks": ("chunks.*",),
    "archive": ("archive.*",),
    "steps": ("steps.*",),
    "jobs": (
        "jobs.utc.*",
        "jobs.ocr.*",
        "jobs.fill.*",
        "jobs.tasks",
        "jobs.parameter_types",
        "jobs.entry",
    ),
    "registry": ("jobs.registry",),
    "notebook": ("notebook.*",),
    "workbook": ("workbook", "kernel_process", "tour"),
    "command line": ("command.*", "cli", "__main__"),
}
NAMES = list(LAYERS)
#: Within `ocr`, from the bottom up: what lies right in it comes first.
READER_ROOMS = ("engines", "text", "ink", "screen", "reader", "day")
PACKAGES = {"", "jobs", "jobs.fill", "jobs.ocr", "jobs.utc", "jobs.utc.guess", "ocr", "utc"}
PACKAGES |= {"lab", "lab.demo"}
PACKAGES |= {f"ocr.{room}" for room in READER_ROOMS}
PACKAGES |= {"archive", "chunks", "command", "display", "notebook", "plans", "politeness"}
PACKAGES |= {"records", "rows", "server", "steps", "workers"}
PURE_MAY_USE = {"errors", "skips", "rows.columns", "rows.values", "workers.executor", "decisions"}


def module_paths() -> dict[str, Path]:
    """Return every module by its name below `backfill`; the wing `backfill_lab` is `lab`."""
    found = {}
    for root, prefix in ((LIB / "backfill", ()), (LIB / "backfill_lab", ("lab",))):
        for path in sorted(root.rglob("*.py")):
            parts = (*prefix, *path.relative_to(root).with_suffix("").parts)
            found[".".join(parts).removesuffix("__init__").rstrip(".")] = path
    return found


def name_below(module: str) -> str | None:
    """Return a module's name as `module_paths` gives it, None for what is not ours."""
    top, _, rest = module.partition(".")
    if top == "backfill":
        return rest
    return f"lab.{rest}".rstrip(".") if top == "backfill_lab" else None


MODULES = module_paths()


def full_name(name: str) -> str:
    """Return what an import statement calls a module of `module_paths`."""
    top, below = (
        ("backfill_lab", name[3:]) if room_of(name).startswith("lab") else ("backfill", name)
    )
    return f"{top}.{below.lstrip('.')}".rstrip(".")


@functools.cache
def text_of(name: str) -> str:
    return MODULES[name].read_text(encoding="utf-8")


@functools.cache
def tree_of(name: str) -> ast.Module:
    """Return a module as it is parsed, which nobody changes: read once for all tests."""
    return ast.parse(text_of(name))


@functools.cache
def imports_of(name: str) -> frozenset[str]:
    """Return the modules of ours that a module imports, at its top or inside a function."""
    return named_in(ast.walk(tree_of(name))) - {name}


@functools.cache
def imports_at_once(name: str) -> frozenset[str]:
    """Return those of them that its own import imports, their packages too."""
    found = {name, *named_in(at_its_top(tree_of(name).body))}
    return frozenset(part for each in found for part in with_packages(each)) - {name}


def named_in(nodes: Iterable[ast.AST]) -> frozenset[str]:
    """Return the modules of ours that the import statements among the nodes name."""
    found: set[str] = set()
    for node in nodes:
        below = name_below(node.module or "") if isinstance(node, ast.ImportFrom) else None
        if isinstance(node, ast.ImportFrom) and below is not None:
            for alias in node.names:
                full = f"{below}.{alias.name}".lstrip(".")
                found.add(full if full in MODULES else below)
        elif isinstance(node, ast.Import):
            names = (name_below(alias.name) for alias in node.names)
            found |= {name for name in names if name}
    return frozenset(found)


def at_its_top(statements: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Return the statements that run when a module is imported, those of its blocks too."""
    for statement in statements:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(statement, ast.If) and ast.unparse(statement.test) == "TYPE_CHECKING":
            continue
        yield statement
        inner = (node for node in ast.iter_child_nodes(statement) if isinstance(node, ast.stmt))
        yield from at_its_top(inner)


def with_packages(name: str) -> Iterator[str]:
    """Return a module and the packages that it is in."""
    top = "lab" if room_of(name).startswith("lab") else ""
    parts = name.split(".")
    found = {top, *(".".join(parts[:end]) for end in range(1, len(parts) + 1))}
    yield from found & set(MODULES)


def layer_of(name: str) -> str:
    """Return a module's layer: by its own name, else by its package's."""
    packages = [".".join(name.split(".")[:end]) + ".*" for end in range(name.count(".") + 1)]
    for wanted in (name, *reversed(packages)):
        for layer, members in LAYERS.items():
            if wanted in members:
                return layer
    raise AssertionError(f"{name} has no layer: give it one in LAYERS")


def room_of(name: str) -> str:
    """Return the room of a module: its package, or itself where it stands at the top."""
    parts = name.split(".")
    return ".".join(parts[:2]) if parts[0] == "lab" else parts[0]


# -- layers -------------------------------------------------------------------------------------


def test_imports_point_down_the_layers_only() -> None:
    upward = [
        f"{name} ({layer_of(name)}) imports {other} ({layer_of(other)})"
        for name in MODULES
        if name not in PACKAGES
        for other in imports_of(name)
        if other not in PACKAGES and NAMES.index(layer_of(other)) > NAMES.index(layer_of(name))
    ]

    assert upward == []


def test_within_the_reader_no_room_imports_a_later_one() -> None:
    def floor(name: str) -> int:
        room = name.split(".")[1:-1]
        return READER_ROOMS.index(room[0]) if room else -1

    reader = {name for name in MODULES if name.startswith("ocr.")} - PACKAGES
    upward = {
        f"{name} imports {other}"
        for name in reader
        for other in imports_of(name) & reader
        if floor(other) > floor(name)
    }

    assert upward == set()


def test_modules_do_not_import_each_other_in_a_circle() -> None:
    graph = {name: imports_of(name) - PACKAGES for name in MODULES if name not in PACKAGES}

    order = list(graphlib.TopologicalSorter(graph).static_order())

    assert set(order) == set(graph)


def test_rooms_do_not_import_each_other_in_a_circle() -> None:
    graph: dict[str, set[str]] = {}
    for name in MODULES:
        if name not in PACKAGES:
            found = {room_of(other) for other in imports_of(name) - PACKAGES}
            graph.setdefault(room_of(name), set()).update(found - {room_of(name)})

    order = list(graphlib.TopologicalSorter(graph).static_order())

    assert set(order) == set(graph)


def test_the_engine_imports_no_job() -> None:
    found = {
        (name, other)
        for name in MODULES
        if name not in PACKAGES and NAMES.index(layer_of(name)) < NAMES.index("jobs")
        for other in imports_of(name)
        if other.startswith("jobs")
    }

    assert found == set()


def test_the_pure_layer_touches_no_database() -> None:
    for name in MODULES:
        if name in PACKAGES or layer_of(name) != "pure":
            continue
        package = name.split(".")[0]
        others = {other for other in imports_of(name) if not other.startswith(f"{package}.")}
        assert others <= PURE_MAY_USE, name
        text = text_of(name)
        assert not re.search(r"^\s*(import|from) (psycopg|duckdb|requests)\b", text, re.M), name


def test_packages_are_empty_so_that_no_import_goes_through_them() -> None:
    for name in PACKAGES:
        assert all(isinstance(node, ast.Expr) for node in tree_of(name).body), name


def test_no_layer_names_a_module_that_is_gone() -> None:
    listed = {name for members in LAYERS.values() for name in members if not name.endswith("*")}

    assert listed - set(MODULES) == set()


# -- modules ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(MODULES))
def test_a_module_is_short(name: str) -> None:
    lines = text_of(name).count("\n")

    assert lines <= MAX_LINES


def test_no_module_reads_the_environment_when_it_is_imported() -> None:
    for name in MODULES:
        outside = [
            n for n in tree_of(name).body if not isinstance(n, ast.FunctionDef | ast.ClassDef)
        ]
        for statement in outside:
            reads = [
                node.attr
                for node in ast.walk(statement)
                if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv")
            ]
            assert reads == [], name


# Imports each module in a child of its own, which sees what the import does. The child is forked
# from that of a module which its own module imports: so it has loaded what it asks for and nothing
# else, and a module runs once and not once more for each of the many above it.
IMPORT_ALONE = """
import gc, json, os, signal, sys, threading
# Others' packages first: what they do is not ours, and children start faster.
import asyncio, concurrent.futures, multiprocessing, PIL.Image, statistics, tomllib, zoneinfo
import adbc_driver_postgresql.dbapi, cv2, duckdb, numpy, psycopg, pyarrow, pyarrow.parquet
gc.freeze()
sys.dont_write_bytecode = True
deeds, given = [], json.load(sys.stdin)
def hook(event, arguments):
    if event in ("socket.connect", "subprocess.Popen", "os.mkdir", "os.putenv", "os.remove"):
        deeds.append(event)
    if event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+"):
        deeds.append(f"open {arguments[0]}")
def state():
    ours = [m for m in sys.modules if m.partition(".")[0] in ("backfill", "backfill_lab")]
    return ours, (signal.getsignal(2), signal.getsignal(15), threading.active_count(), os.getcwd())
def import_alone(name):
    (loaded, before), deeds[:] = state(), []
    deeds.extend(f"{other} was loaded before" for other in set(loaded) - set(given["needs"][name]))
    try:
        __import__(name)
    except BaseException as error:
        deeds.append(repr(error))
    if before != state()[1]:
        deeds.append("left signals, threads or folder changed")
    return {name: list(deeds)}
def in_a_child(name):
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, json.dumps(look_at(name)).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as said:
        found = json.loads(said.read() or json.dumps({name: ["died"]}))
    os.waitpid(child, 0)
    return found
def look_at(name):
    found = import_alone(name) if name else {}
    *others, last = given["above"].get(name, [""])
    for other in others:
        found.update(in_a_child(other))
    return {**found, **look_at(last)} if last else found  # nobody needs this process any more
sys.addaudithook(hook)
print(json.dumps(look_at("")))
"""


@functools.cache
def needs_of(name: str) -> frozenset[str]:
    """Return all that the import of a module loads of ours, but for itself."""
    direct = imports_at_once(name)
    return direct.union(*map(needs_of, direct))


def module_above_which(name: str) -> str:
    """Return the import of a module that loads the most of what the module needs."""
    return max(sorted(imports_at_once(name)), key=lambda each: len(needs_of(each)), default="")


@pytest.mark.long
@pytest.mark.slow
def test_every_module_imports_alone_and_does_nothing_else() -> None:
    names = [name for name in MODULES if name != "__main__"]
    above: dict[str, list[str]] = {}
    for name in names:
        lowest = not imports_at_once(name)
        above.setdefault("" if lowest else full_name(module_above_which(name)), []).append(
            full_name(name)
        )
    needs = {full_name(name): list(map(full_name, needs_of(name))) for name in names}

    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", IMPORT_ALONE],
        input=json.dumps({"needs": needs, "above": above}),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=True,
    )

    assert json.loads(ended.stdout) == {full_name(name): [] for name in names}


# -- what is installed --------------------------------------------------------------------------
