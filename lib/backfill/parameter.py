"""Parameters: one declaration each, from which flags, notebook checks and reference are made.

A notebook's parameters are the flags' names with underscores. Literals only: secrets never become
a parameter, the name of the environment variable that holds them does.
"""

from __future__ import annotations

import ast
import difflib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from backfill.errors import UsageError
from backfill.next_command import option, usual_folder


class Kind(StrEnum):
    """What a parameter's literal may be."""

    TEXT = "text"
    PATH = "a path"
    SHEET = "a path, a run id or latest"
    WHOLE = "whole number"
    NUMBER = "number"
    FLAG = "True or False"
    TEXTS = "text, or a list of texts"
    WHOLE_OR_WORD = "whole number or word"


@dataclass(frozen=True, slots=True)
class Parameter:
    """A notebook parameter and the flag of the same name."""

    name: str
    kind: Kind
    default: Any
    help: str
    choices: tuple[str, ...] = ()
    metavar: str = ""
    #: What an empty path means on the command line, in the current folder.
    usual_path: str = ""
    #: The least and the most that a number may be, both included.
    bounds: tuple[float, float] | None = None

    @property
    def flag(self) -> str:
        return f"--{self.name.replace('_', '-')}"

    @property
    def flags(self) -> tuple[str, ...]:
        """Its flag; of what is done unless somebody says no, the one that says so as well."""
        is_usual = self.kind is Kind.FLAG and self.default is not False
        return (self.flag, f"--no-{self.flag[2:]}") if is_usual else (self.flag,)

    def check(self, value: Any) -> Any:
        """Return the value in its kind; raise `UsageError` that says what it must be."""
        from backfill.server.dsn import redact  # psycopg: `--help` does without

        if value is None and self.default is None:
            return None
        checked = self._typed(value)
        for text in checked if isinstance(checked, list) else [checked]:
            if isinstance(text, str) and redact(text) != text:
                raise UsageError(
                    f"The parameter {self.name} holds a password. Notebooks keep their parameters: "
                    "delete the output notebook, change the password, and give the connection by "
                    "the environment variable DATABASE_URL only."
                )
        if self.choices and checked not in self.choices:
            raise UsageError(
                f"{self.flag} {checked!r} is not known; use one of {', '.join(self.choices)}."
                f"{did_you_mean(str(checked), self.choices)}"
            )
        self._check_bounds(checked)
        return checked

    def _check_bounds(self, value: Any) -> None:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number:
            return
        if self.bounds is None:
            if not math.isfinite(value):  # it could not be kept as JSON
                raise UsageError(f"{self.flag} must be a finite number; it is {value!r}.")
            return
        low, high = self.bounds
        if not low <= value <= high:  # a NaN is neither
            shown = f"{value!r}"[:30]
            raise UsageError(
                f"{self.flag} must be between {_plain(low)} and {_plain(high)}; it is {shown}."
            )

    def _typed(self, value: Any) -> Any:
        is_number = isinstance(value, int) and not isinstance(value, bool)
        if self.kind in (Kind.TEXT, Kind.PATH, Kind.SHEET) and isinstance(value, str):
            return value
        if self.kind is Kind.FLAG and isinstance(value, bool):
            return value
        if self.kind is Kind.WHOLE and is_number:
            return value
        if self.kind is Kind.NUMBER and (is_number or isinstance(value, float)):
            return float(value)
        if self.kind is Kind.WHOLE_OR_WORD and (is_number or isinstance(value, str)):
            return value
        if self.kind is Kind.TEXTS:
            return self._texts(value)
        raise UsageError(f"The parameter {self.name} must be {self.kind}; it is {value!r}.")

    def _texts(self, value: Any) -> list[str]:
        # Papermill reads `-p household_id 123` as a number; ids are text.
        values = value if isinstance(value, list | tuple) else [value]
        if all(isinstance(v, str | int) and not isinstance(v, bool) for v in values):
            return [str(v) for v in values if v != ""]
        raise UsageError(f"The parameter {self.name} must be {self.kind}; it is {value!r}.")


def flag(name: str, says: str) -> Parameter:
    """Return a parameter that is off unless it is given."""
    return Parameter(name, Kind.FLAG, False, says)


def said(name: str, metavar: str, says: str, kind: Kind = Kind.TEXT) -> Parameter:
    """Return a parameter that says nothing unless it is given."""
    return Parameter(name, kind, "", says, metavar=metavar)


def one_of(name: str, choices: tuple[str, ...], says: str) -> Parameter:
    """Return a parameter that is one of some words, the first unless another is given."""
    return Parameter(name, Kind.TEXT, choices[0], says, choices=choices)


def count(name: str, default: int, bounds: tuple[int, int], says: str, unit: str = "") -> Parameter:
    """Return a parameter that is a whole number within bounds."""
    return Parameter(name, Kind.WHOLE, default, says, metavar=unit, bounds=bounds)


def did_you_mean(word: str, words: Iterable[str], likeness: float = 0.6) -> str:
    """Return ` Did you mean …?` where a known word is like this one (0 to 1), else nothing."""
    words = list(words)
    alike = [k for k in words if len(word) > len("--a") and k.startswith(word)]
    if not alike:  # without the dashes, which all options share
        bare = {k.lstrip("-"): k for k in words}
        close = difflib.get_close_matches(word.lstrip("-"), bare, n=1, cutoff=likeness)
        alike = [bare[name] for name in close]
    return f" Did you mean {alike[0]}?" if word and alike else ""


def _plain(number: float) -> str:
    return f"{number:g}" if isinstance(number, float) else str(number)


def defaults_of(declared: Iterable[Parameter]) -> dict[str, Any]:
    """Return the defaults by name, as `check_parameters` returns values."""
    return {parameter.name: parameter.check(parameter.default) for parameter in declared}


def check_parameters(
    declared: Iterable[Parameter], namespace: Mapping[str, Any], injected: Iterable[str]
) -> dict[str, Any]:
    """Return every declared parameter's value; raise `UsageError` for a wrong or unknown one.

    `injected` names what papermill put into the notebook: it only warns of names that nobody
    declared, and a misspelt `apply` must not pass as a dry run.
    """
    parameters = {parameter.name: parameter for parameter in declared}
    unknown = sorted(set(injected) - set(parameters))
    if unknown:
        meant = did_you_mean(unknown[0], parameters) if len(unknown) == 1 else ""
        raise UsageError(
            f"Unknown parameter {', '.join(unknown)}."
            f" This notebook takes: {', '.join(parameters)}.{meant}"
        )
    return {
        name: parameter.check(namespace.get(name, parameter.default))
        for name, parameter in parameters.items()
    }


#: What a printed command never repeats: it writes nothing, and knows its folder and database.
NEVER_REPEATED = ("apply", "runs_dir", "dsn_env", "store_notifications")


def flags_of(
    declared: Iterable[Parameter], values: Mapping[str, Any], but_for: Iterable[str] = ()
) -> list[str]:
    """Return as words the options that give these values; those at their default are left out."""
    words: list[str] = []
    left_out = {*NEVER_REPEATED, *but_for}
    for parameter in declared:
        value = values.get(parameter.name, parameter.default)
        if parameter.name in left_out or value in (parameter.default, None, "", []):
            continue
        if parameter.usual_path and Path(value) == usual_folder() / parameter.usual_path:
            continue
        if parameter.kind is Kind.FLAG:
            words.append(parameter.flag if value else parameter.flags[-1])
        else:
            for text in value if isinstance(value, list) else [value]:
                words += option(parameter.flag, str(text))
    return words


def injected_names(cells: Iterable[str]) -> set[str]:
    """Return the names that papermill's injected cell assigns, from the sources run so far."""
    names: set[str] = set()
    for source in cells:
        if not source.lstrip().startswith("# Parameters"):
            continue
        try:
            tree = ast.parse(source)
        except SyntaxError:
            continue
        names |= {
            target.id
            for node in tree.body
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
    return names
