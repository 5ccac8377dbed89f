"""What a command has looked at before its notebook begins, handed to the kernel: it is asked once.

Under stock papermill and in JupyterLab there is no command, and the notebook's own cell looks. The
file lies in the kernel's private folder, beside the key by which it takes orders.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from backfill.notebook.kernel import Kernel
from backfill.plans.plan import Plan
from backfill.steps.job import Ready

OPENED_ENV = "BACKFILL_OPENED"
_FILE = "opened"
_Found = TypeVar("_Found", Ready, Plan)


def hand_over(kernel: Kernel, values: Mapping[str, Any], opened: Ready | Plan) -> None:
    """Let a kernel's run of these parameters begin with the job as the preflight found it, or with
    a plan that was checked.

    What can not travel (a task of somebody's own may hold anything) is looked at again.
    """
    try:
        held = pickle.dumps((dict(values), opened))
    except Exception:  # whatever a stranger's object raises
        return
    path = kernel.folder / _FILE
    path.write_bytes(held)
    kernel.environment[OPENED_ENV] = str(path)


def handed_over(values: Mapping[str, Any], what: type[_Found]) -> _Found | None:
    """Return what a command found of these parameters, where it did."""
    path = os.environ.pop(OPENED_ENV, "")
    if not path:
        return None
    try:
        looked_for, opened = pickle.loads(Path(path).read_bytes())
    except Exception:  # of a module that is not there any more, say: the cell will tell
        return None
    return opened if looked_for == values and isinstance(opened, what) else None
