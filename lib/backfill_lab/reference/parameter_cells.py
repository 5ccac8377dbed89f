"""Write the parameters' cell of every notebook from the declarations.

python -m backfill_lab.reference.parameter_cells notebooks
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable
from pathlib import Path

from backfill.parameter import Kind, Parameter
from backfill_lab.reference.command_pages import NOTEBOOKS

_TYPES = {
    Kind.WHOLE: "int",
    Kind.NUMBER: "float",
    Kind.FLAG: "bool",
}


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


def parameters_cell(declared: Iterable[Parameter]) -> str:
    """Return the source of the cell that is tagged `parameters`."""
    return "\n".join(map(parameter_line, declared))


def main(folder: Path) -> None:
    """Renew the cell in each notebook of the folder."""
    for name, declared in NOTEBOOKS.items():
        path = folder / f"{name}.ipynb"
        document = json.loads(path.read_text(encoding="utf-8"))
        for cell in document["cells"]:
            if "parameters" in cell["metadata"].get("tags", []):
                cell["source"] = parameters_cell(declared).splitlines(keepends=True)
        text = json.dumps(document, indent=1, ensure_ascii=False) + "\n"
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
