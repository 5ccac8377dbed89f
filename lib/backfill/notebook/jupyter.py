"""Jupyter's manager and client for a kernel that runs already; neither looks for another.

Both are Jupyter's own, but for two waits: a kernel that has answered is ready, and one that has
ended is gone at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning.local_provisioner import LocalProvisioner

_ANSWER_SECONDS = 1.0
_HEARD_SECONDS = 0.2
_LOOK_SECONDS = 0.01


class _Client(AsyncKernelClient):
    async def wait_for_ready(self, timeout: float | None = None) -> None:
        """Wait until the kernel answers, and is heard; raise RuntimeError if it does not.

        What it still says about the question is not waited for: no cell has asked that.
        """
        deadline = time.monotonic() + (timeout or float("inf"))
        while time.monotonic() < deadline:
            self.kernel_info()
            with contextlib.suppress(queue.Empty):
                await self.shell_channel.get_msg(timeout=_ANSWER_SECONDS)
                await self.iopub_channel.get_msg(timeout=_HEARD_SECONDS)
                return
            if not await self.is_alive():
                raise RuntimeError("The kernel died before it answered")
        raise RuntimeError(f"The kernel did not answer in {timeout} seconds")


class _Provisioner(LocalProvisioner):
    async def wait(self) -> int | None:
        """Wait for the process to end; return its exit code."""
        while await self.poll() is None:
            await asyncio.sleep(_LOOK_SECONDS)
        return self.process.wait()  # type: ignore[union-attr]


def manager_of(
    process: subprocess.Popen[bytes], connection: Path, command: Sequence[str]
) -> AsyncKernelManager:
    """Return the manager of a kernel that has been started with that command, in its own group."""
    spec = KernelSpec(argv=list(command), language="python", display_name="Python 3")

    class OnlyOurs(KernelSpecManager):
        """Knows the kernel that runs already, and looks for no other."""

        def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
            del kernel_name
            return spec

    manager = AsyncKernelManager(
        kernel_spec_manager=OnlyOurs(),
        connection_file=str(connection),
        client_factory=_Client,
    )
    manager.load_connection_file()
    pid = process.pid
    provisioner: Any = _Provisioner(
        kernel_id=str(pid), kernel_spec=spec, parent=manager, pid=pid, pgid=pid
    )
    provisioner.process = process
    manager.provisioner = provisioner
    return manager
