"""The notebook of a task, made from its parameters: the same nine headings as every other."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from backfill.parameter import Kind, Parameter

_TYPES = {Kind.WHOLE: "int", Kind.NUMBER: "float", Kind.FLAG: "bool"}
_STORY: tuple[tuple[str, str, str], ...] = (
    ("Preflight", "Are table, columns, key and rights as the task expects?", "run.preflight()"),
    ("Extract", "The rows that the task looks at.", "run.extract()"),
    ("Compute", "New values, row for row, and the reason where there is none.", "run.compute()"),
    ("Diff", "What would change, and what is left alone.", "run.diff()"),
    ("Plan", "Frozen under one hash: apply writes this, or refuses.", "run.plan()"),
    ("Apply", "One chunk is one transaction; edited rows are left alone.", "run.apply()"),
    ("Verify", "From the database: every row still holds what was written.", "run.verify()"),
    ("Summary", "Undo all of it with `backfill revert RUN_ID`.", "run.summary()"),
)


def task_notebook(name: str, parameters: Sequence[Parameter]) -> dict[str, Any]:
    """Return the notebook that runs a task of that name."""
    opening = f"from backfill import workbook\n\nrun = workbook.open_run({name!r}, globals())\nrun"
    cells = [
        _markdown(f"# {name}\n\n## Parameters\n\nThe names are those of the command line's flags."),
        _code("\n".join(map(parameter_line, parameters)), ["parameters"]),
        _code(opening),
    ]
    for heading, says, code in _STORY:
        cells += [_markdown(f"## {heading}\n\n{says}"), _code(code)]
    for number, cell in enumerate(cells):
        cell["id"] = f"task-{number:02}"
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}


def parameter_line(parameter: Parameter) -> str:
    """Return a parameter as a line of Python: one `=`, and what it means as a comment.

    Papermill reads no annotation with a bar in it: one of a default None is that of the values.
    """
    default = parameter.default
    kind = _TYPES.get(parameter.kind, "str") if default is None else type(default).__name__
    value = json.dumps(default) if isinstance(default, str) else repr(default)
    says = re.sub(r" ?= ?", " means ", parameter.help)
    if parameter.choices:
        says += f": {', '.join(parameter.choices)}"
    return f"{parameter.name}: {kind} = {value}  # {says}"


def _markdown(text: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "metadata": {}, "source": text}


def _code(text: str, tags: Sequence[str] = ()) -> dict[str, Any]:
    metadata = {"tags": list(tags)} if tags else {}
    base: dict[str, Any] = {"cell_type": "code", "execution_count": None, "outputs": []}
    return {**base, "metadata": metadata, "source": text}
