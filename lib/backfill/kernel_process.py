"""`python -m backfill.kernel_process`: the kernel of a run, in a process of its own.

It is ipykernel as it is, without what nobody can use where there is no browser: the debugger.
"""

from __future__ import annotations

import contextlib
import gc
import sys
from pathlib import Path
from typing import Any

from backfill.loading import seldom_collected, unseen, without_pandas


def main() -> None:
    """Load what a run's cells need, and be a kernel until the command ends it."""
    if sys.path[0] == "" or Path(sys.path[0]) == Path.cwd():
        del sys.path[0]  # while we load: a person's file may have a package's name
    with seldom_collected():
        with unseen("debugpy"):
            from ipykernel.kernelapp import IPKernelApp

            app: Any = IPKernelApp.instance()
            app.initialize(sys.argv[1:])
        with contextlib.suppress(Exception):  # the first cell will say what is wrong
            without_pandas()
            import backfill.workbook  # noqa: F401
    gc.freeze()  # what is loaded stays
    app.start()


if __name__ == "__main__":
    main()
