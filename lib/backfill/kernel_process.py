"""`python -m backfill.kernel_process`: the kernel of a run, in a process of its own.

It is ipykernel as it is, without what nobody can use where there is no browser: the debugger.
It is started with `-P`, so that no file of the folder where the command was typed is taken for a
module while it loads.
"""

from __future__ import annotations

import contextlib
import gc
import sys
from pathlib import Path
from typing import Any

from backfill.loading import seldom_collected, unseen, without_pandas

_SITES = ("site-packages", "dist-packages")
_FAREWELL_SECONDS = 10.0


def main() -> None:
    """Load what a run's cells need, and be a kernel until the command ends it."""
    with seldom_collected():
        with unseen("debugpy"):
            from ipykernel.kernelapp import IPKernelApp

            app: Any = IPKernelApp.instance()
            app.initialize(sys.argv[1:])
        with contextlib.suppress(Exception):  # the first cell will say what is wrong
            without_pandas()
            import backfill.workbook  # noqa: F401
    # Behind the standard library, as IPython has it: a person's file may have a module's name.
    sites = (n for n, path in enumerate(sys.path) if Path(path).name in _SITES)
    sys.path.insert(next(sites, 0), "")
    gc.freeze()  # what is loaded stays
    app.start()
    _heard_out(app.control_thread)


def _heard_out(control: Any) -> None:
    """Wait for the thread that was asked to end the kernel: it says so last.

    ipykernel closes that thread's line beside it, and what it says then is a traceback.
    """
    if control is not None and control.is_alive():
        control.stop()
        control.join(_FAREWELL_SECONDS)


if __name__ == "__main__":
    main()
