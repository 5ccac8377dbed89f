"""Parameters: one declaration each, from which flags, notebook checks and reference are made.

A notebook's parameters are the flags' names with underscores. Literals only: secrets never become
a parameter, the name of the environment variable that holds them does.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from backfill.errors import UsageError


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

    @property
    def flag(self) -> str:
        return f"--{self.name.replace('_', '-')}"

    def check(self, value: Any) -> Any:
        """Return the value in its kind; raise `UsageError` that says what it must be."""
        from backfill.server.postgres import redact  # psycopg: `--help` does without

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
            )
        return checked

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
        raise UsageError(
            f"Unknown parameter {', '.join(unknown)}. This notebook takes: {', '.join(parameters)}."
        )
    return {
        name: parameter.check(namespace.get(name, parameter.default))
        for name, parameter in parameters.items()
    }


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
