"""A person's own copy of a notebook: its parameters are read, and it is run as it is.

Where values come from a file or a query, the shipped notebook's cell that computes an example is
not run: a copy of the notebook takes the values instead.
"""

from __future__ import annotations

import ast
import contextlib
import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from backfill.errors import UsageError
from backfill.folder import RunFolder
from backfill.jobs.entry import Entry
from backfill.notebook.headless import notebook_path
from backfill.notebook.task_notebook import task_notebook

#: The tag of the cells in which a person computes; with values at hand, `run.compute()` is enough.
ANALYST_TAG = "analyst"
_COMPUTE = "run.compute()"


@runtime_checkable
class Keeps(Protocol):
    """A job that keeps something with its run before the notebook begins."""

    @property
    def has_values(self) -> bool: ...

    def keep(self, folder: RunFolder) -> dict[str, Any]:
        """Keep it; return the parameters that change by it."""
        ...


@dataclass(frozen=True, slots=True)
class OwnNotebook:
    """A notebook that a person named, and what its cell of parameters says; else nothing."""

    path: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)


def own_notebook(path: str | None) -> OwnNotebook:
    """Return a person's notebook; raise `UsageError` for one that can not be read."""
    if not path:
        return OwnNotebook()
    cells = _read(Path(path))["cells"]
    for cell in cells:
        if "parameters" in cell.get("metadata", {}).get("tags", []):
            return OwnNotebook(path, _literals(path, "".join(cell["source"])))
    raise UsageError(
        f"--notebook {path} has no cell tagged `parameters`. Begin with a copy of "
        "notebooks/06_fill_columns.ipynb."
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"--notebook {path}: {error.strerror}.") from None
    except ValueError as error:
        raise UsageError(f"--notebook {path} is no notebook: {error}.") from None
    if not isinstance(document, dict) or not isinstance(document.get("cells"), list):
        raise UsageError(f"--notebook {path} is no notebook: it has no cells.")
    return document


def _literals(path: str, source: str) -> dict[str, Any]:
    try:
        tree = ast.parse(source)
        found = {}
        for node in tree.body:
            targets = node.targets if isinstance(node, ast.Assign) else []
            if isinstance(node, ast.AnnAssign):
                targets = [node.target]
            for target in targets:
                if isinstance(target, ast.Name) and node.value is not None:  # type: ignore[attr-defined]
                    found[target.id] = ast.literal_eval(node.value)  # type: ignore[attr-defined]
    except (SyntaxError, ValueError) as error:
        raise UsageError(
            f"--notebook {path}: its cell of parameters holds literals only, one a line: {error}."
        ) from None
    return found


@contextlib.contextmanager
def notebook_for(entry: Entry, job: object, own: OwnNotebook) -> Iterator[str]:
    """Yield the notebook to run: a person's own, the shipped one, or one made for the occasion."""
    if own.path:
        yield own.path
        return
    if entry.notebook and not isinstance(job, Keeps):
        yield entry.notebook
        return
    document = _with_values(entry, job) if isinstance(job, Keeps) else _of_task(entry, job)
    with tempfile.TemporaryDirectory(prefix="backfill-notebook-") as folder:
        path = Path(folder) / f"{entry.name.replace(':', '_')}.ipynb"
        path.write_text(json.dumps(document), encoding="utf-8")
        yield str(path)


def _with_values(entry: Entry, job: Keeps) -> dict[str, Any]:
    """Return the shipped notebook as one that takes the values."""
    if not job.has_values:
        raise UsageError(
            "Which values? --values FILE, --query SQL, or --notebook FILE: your own copy of "
            "notebooks/06_fill_columns.ipynb, in which you compute them."
        )
    document = _read(notebook_path(entry.notebook))
    for cell in document["cells"]:
        if ANALYST_TAG in cell.get("metadata", {}).get("tags", []):
            cell["source"] = _COMPUTE
    return document


def _of_task(entry: Entry, job: object) -> dict[str, Any]:
    own = getattr(getattr(job, "task", None), "notebook", None)
    return _read(Path(own)) if own else task_notebook(entry.name, entry.parameters)
