"""`python -m backfill.kernel_process`: the kernel of a run, in a process of its own.

It is ipykernel as it is, without what nobody can use where there is no browser: the debugger.
It is started with `-P`, so that no file of the folder where the command was typed is taken for a
module while it loads.
"""

from __future__ import annotations

import contextlib
import gc
import sys
from typing import Any

from backfill.loading import own_first, seldom_collected, unseen, without_pandas

_FAREWELL_SECONDS = 10.0


def main() -> None:
    """Load what a run's cells need, and be a kernel until the command ends it."""
    own_first()
    with seldom_collected():
        with unseen("debugpy"):
            from ipykernel.kernelapp import IPKernelApp

            app: Any = IPKernelApp.instance()
            app.initialize(sys.argv[1:])
        with contextlib.suppress(Exception):  # the first cell will say what is wrong
            without_pandas()
            import backfill.workbook  # noqa: F401
    # Last of all, where IPython has it first: a person's file may have a module's name.
    sys.path.append("")
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
