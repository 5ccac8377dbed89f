"""Which notebook a run executes: the one that ships, a person's own, or one made of a task.

A person's own copy is run as it is, and its parameters are read.

Where values come from a file or a query, the shipped notebook's cell that computes an example is
not run: a copy of the notebook takes the values instead.
"""

from __future__ import annotations

import ast
import contextlib
import json
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from backfill.errors import UsageError
from backfill.jobs.entry import Entry
from backfill.notebook.headless import notebook_path
from backfill.parameter import Kind, Parameter
from backfill.regular_file import document_text
from backfill.steps.task import part
from backfill.temporary import TemporaryFolder

#: The tag of the cells in which a person computes; with values at hand, `run.compute()` is enough.
ANALYST_TAG = "analyst"
#: Jupyter's own tag of a cell that is to fail.
_RAISES = "raises-exception"
#: Papermill's tag of the cell in which it says what it was told.
_INJECTED = "injected-parameters"
_COMPUTE = "run.compute()"


@dataclass(frozen=True, slots=True)
class OwnNotebook:
    """A notebook that a person named, and what its cell of parameters says; else nothing."""

    path: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)
    was_run: bool = False  # by papermill, which leaves a cell of what it was told


def own_notebook(path: str | None) -> OwnNotebook:
    """Return a person's notebook; raise `UsageError` for one that can not be read."""
    if not path:
        return OwnNotebook()
    if not path.endswith(".ipynb"):
        raise UsageError(
            f"--notebook {path} does not end in .ipynb. A script plans by itself: workbook.fill(…)."
        )
    document = _read(Path(path))
    cells = document["cells"]
    if (language := _language(document)) != "python":
        raise UsageError(
            f"--notebook {path} is written in {language}, and a run's kernel is Python. Compute "
            "there, save the rows as Parquet or CSV, and fill from that: --values FILE"
        )
    for number, cell in enumerate(cells, 1):
        if _RAISES in _tags(cell):
            raise UsageError(
                f"--notebook {path}: cell {number} is tagged {_RAISES}, and the notebook is the "
                "run's evidence: every cell runs to its end. Take it out, or catch what it raises."
            )
    was_run = any(_INJECTED in _tags(cell) for cell in cells)
    for cell in cells:
        if "parameters" in _tags(cell):
            return OwnNotebook(path, _literals(path, "".join(cell["source"])), was_run)
    raise UsageError(
        f"--notebook {path} has no cell tagged `parameters`. Begin with a copy of "
        "notebooks/06_fill_columns.ipynb."
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(document_text("--notebook", path))
    except ValueError as error:
        raise UsageError(f"--notebook {path} is no notebook: {error}.") from None
    if isinstance(document, dict) and "worksheets" in document:
        raise UsageError(
            f"--notebook {path} is of an old format: jupyter nbconvert --to notebook --inplace "
            f"{shlex.quote(str(path))}"
        )
    if not isinstance(document, dict) or not isinstance(document.get("cells"), list):
        raise UsageError(f"--notebook {path} is no notebook: it has no cells.")
    for number, cell in enumerate(document["cells"], 1):
        if not isinstance(cell, dict) or not isinstance(cell.get("source"), str | list):
            raise UsageError(f"--notebook {path} is no notebook: its cell {number} has no source.")
    return document


def _language(document: dict[str, Any]) -> str:
    """Return the language of a notebook that names one; without a name it is ours."""
    metadata = document.get("metadata")
    for part_name, name in (("kernelspec", "language"), ("language_info", "name")):
        section = metadata.get(part_name) if isinstance(metadata, dict) else None
        if isinstance(section, dict) and isinstance(section.get(name), str):
            return str(section[name]).lower()
    return "python"


def _tags(cell: dict[str, Any]) -> list[str]:
    metadata = cell.get("metadata")
    tags = metadata.get("tags") if isinstance(metadata, dict) else None
    return tags if isinstance(tags, list) else []


def _literals(path: str, source: str) -> dict[str, Any]:
    refused = f"--notebook {path}: its cell of parameters holds literals only, one a line: "
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        raise UsageError(f"{refused}{error}.") from None
    literals = {}
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        if isinstance(node, ast.AnnAssign):
            targets = [node.target]
        for target in targets:
            if isinstance(target, ast.Name) and node.value is not None:  # type: ignore[attr-defined]
                try:
                    literals[target.id] = ast.literal_eval(node.value)  # type: ignore[attr-defined]
                except ValueError:
                    raise UsageError(
                        f"{refused}line {node.lineno} computes {ast.unparse(node)!r}. Write what "
                        "it comes to, or compute in another cell."
                    ) from None
    return literals


@contextlib.contextmanager
def notebook_for(entry: Entry, task: object, own: OwnNotebook) -> Iterator[str]:
    """Yield the notebook to run: a person's own, the shipped one, or one made for the occasion."""
    if own.path:
        yield own.path
    elif entry.notebook and not entry.takes_notebook:
        yield entry.notebook
    else:
        document = _with_values(entry, task) if entry.notebook else _of_task(entry, task)
        with TemporaryFolder("notebook") as folder:
            path = Path(folder) / f"{entry.name.replace(':', '_')}.ipynb"
            path.write_text(json.dumps(document), encoding="utf-8")
            yield str(path)


def _with_values(entry: Entry, task: object) -> dict[str, Any]:
    """Return the shipped notebook as one that takes the values."""
    if not part(task, "has_values"):
        raise UsageError(
            "Which values? --values FILE, --query SQL, or --notebook FILE: your own copy of "
            "notebooks/06_fill_columns.ipynb, in which you compute them."
        )
    document = _read(notebook_path(entry.notebook))
    for cell in document["cells"]:
        if ANALYST_TAG in _tags(cell):
            cell["source"] = _COMPUTE
    return document


def _of_task(entry: Entry, task: object) -> dict[str, Any]:
    own = part(task, "notebook")
    return _read(Path(own)) if own else task_notebook(entry.name, entry.parameters)


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
