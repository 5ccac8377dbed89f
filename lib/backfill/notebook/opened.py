"""What a command has looked at before its notebook begins, handed to the kernel: it is asked once.

Under stock papermill and in JupyterLab there is no command, and the notebook's own cell looks. The
file lies in the kernel's private folder, beside the key by which it takes orders.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from backfill.notebook.kernel import Kernel
from backfill.steps.job import Ready

OPENED_ENV = "BACKFILL_OPENED"
_FILE = "opened"


def hand_over(kernel: Kernel, values: Mapping[str, Any], ready: Ready) -> None:
    """Let a kernel's run of these parameters begin with the job as the preflight found it.

    A job that can not travel (a task of somebody's own may hold anything) is looked at again.
    """
    try:
        held = pickle.dumps((dict(values), ready))
    except Exception:  # whatever a stranger's object raises
        return
    path = kernel.folder / _FILE
    path.write_bytes(held)
    kernel.told[OPENED_ENV] = str(path)


def handed_over(values: Mapping[str, Any]) -> Ready | None:
    """Return the job as its preflight found it, where a command looked for these parameters."""
    path = os.environ.pop(OPENED_ENV, "")
    if not path:
        return None
    try:
        looked_for, ready = pickle.loads(Path(path).read_bytes())
    except Exception:  # of a module that is not there any more, say: the cell will tell
        return None
    return ready if looked_for == values else None
