"""Write the parameters' cell of every notebook from the declarations.

python -m tests.reference.parameter_cells notebooks
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path

from tests.reference.command_pages import NOTEBOOKS

from backfill.notebook.own_notebook import parameter_line
from backfill.parameter import Parameter


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
