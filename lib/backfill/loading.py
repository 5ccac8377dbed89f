"""What a process loads at its start, and what of others' packages it can do without.

A command that runs a notebook starts two processes; of a small run, what they load is the most.
"""

from __future__ import annotations

import contextlib
import gc
import importlib.abc
import importlib.util
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from importlib.machinery import ModuleSpec
from types import ModuleType

PANDAS = "pandas"
#: By this variable a person chooses pyarrow's allocator.
POOL_ENV = "ARROW_DEFAULT_MEMORY_POOL"
#: As many new objects as this before Python looks for circles among them: importing makes none.
SELDOM = 100_000


class _Hidden(importlib.abc.MetaPathFinder):
    """Says of some modules that they are not installed."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names

    def find_spec(self, fullname: str, *_where: object) -> None:
        if fullname in self._names:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)


class _Later(importlib.abc.MetaPathFinder):
    """Has a module loaded when it is used and not when it is imported."""

    def __init__(self, name: str) -> None:
        self._name = name

    def find_spec(self, fullname: str, *_where: object) -> ModuleSpec | None:
        if fullname != self._name:
            return None
        sys.meta_path.remove(self)
        try:
            spec = importlib.util.find_spec(fullname)
        finally:
            sys.meta_path.insert(0, self)
        if spec is not None and spec.loader is not None:
            spec.loader = importlib.util.LazyLoader(spec.loader)
        return spec


def own_first(*more: str) -> None:
    """Look for modules in `more` and the folders of PYTHONPATH after all that is installed.

    A file there may have the name of a module that we, or the standard library, load later.
    """
    named = {*_named(), *map(_real, more)}
    sys.path.sort(key=lambda folder: _real(folder) in named)


@contextlib.contextmanager
def named_first() -> Iterator[None]:
    """Look for modules where PYTHONPATH says first, as Python does: for what a person names."""
    before = list(sys.path)
    named = _named()
    sys.path.sort(key=lambda folder: _real(folder) not in named)
    try:
        yield
    finally:
        sys.path[:] = [*before, *(folder for folder in sys.path if folder not in before)]


def _named() -> set[str]:
    folders = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    return {_real(folder) for folder in folders if folder}


def _real(folder: str) -> str:
    try:
        return os.path.realpath(folder)
    except OSError:  # the folder of the moment is gone
        return folder


def unseen(*names: str) -> AbstractContextManager[None]:
    """Let imports in the block believe that these are not installed; what is loaded stays."""
    return _asked_first(_Hidden(names))


def not_yet(name: str) -> AbstractContextManager[None]:
    """Let the block import a module that is only loaded when something of it is used."""
    return _asked_first(_Later(name))


@contextlib.contextmanager
def _asked_first(finder: importlib.abc.MetaPathFinder) -> Iterator[None]:
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


class _Introducing(importlib.abc.MetaPathFinder):
    """Tells pyarrow of pandas as soon as somebody imports it."""

    def find_spec(self, fullname: str, *_where: object) -> ModuleSpec | None:
        if fullname != PANDAS:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(PANDAS)
        if spec is not None and spec.loader is not None:
            load = spec.loader.exec_module

            def loaded(module: ModuleType) -> None:
                import pyarrow as pa

                load(module)
                assert pa.lib._pandas_api.pd is module  # asking makes it look once more

            spec.loader.exec_module = loaded  # type: ignore[method-assign]
        return spec


def without_pandas() -> None:
    """Let pyarrow make arrays without pandas, which it loads with the first one made of a list.

    Whoever imports pandas later has both, as if nothing had been.
    """
    if PANDAS in sys.modules or any(isinstance(each, _Introducing) for each in sys.meta_path):
        return
    import pyarrow as pa

    with unseen(PANDAS):
        pa.array([""])
    sys.meta_path.insert(0, _Introducing())


def frugal() -> None:
    """Have pyarrow take memory from the system's allocator: what is free there can be given back.

    Its own keeps some 10 MB from the first array on. A person's own choice stays.
    """
    import pyarrow as pa

    if POOL_ENV not in os.environ:
        pa.set_memory_pool(pa.system_memory_pool())


def give_back() -> None:
    """Give memory that nobody uses any more back to the system, as far as `frugal` lets us."""
    import pyarrow as pa

    pa.default_memory_pool().release_unused()


@contextlib.contextmanager
def seldom_collected() -> Iterator[None]:
    """Let Python look for circles of objects seldom in the block, where it imports."""
    usual = gc.get_threshold()
    gc.set_threshold(SELDOM, *usual[1:])
    try:
        yield
    finally:
        gc.set_threshold(*usual)
