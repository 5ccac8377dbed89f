"""What workers do in these tests: engines that wait or die. Workers import it by its name."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backfill.ocr.engines.engine import EngineParams, Pixels
from backfill.ocr.words import Word
from backfill.versions import computing_versions

PAUSE = threading.Event()


@dataclass(frozen=True)
class Quiet:
    """Reads nothing at all."""

    name = "quiet"
    version = "1"
    language_hash = ""

    def __call__(self) -> Quiet:
        return self

    def words(self, image: Pixels, params: EngineParams) -> list[Word]:
        return []


@dataclass(frozen=True)
class DyingAtPicture(Quiet):
    """Is killed by one picture, told by its width, and reads nothing of all others."""

    width: int = 0

    def __call__(self) -> DyingAtPicture:
        return self

    def words(self, image: Pixels, params: EngineParams) -> list[Word]:
        if image.shape[1] == self.width:
            os.kill(os.getpid(), signal.SIGKILL)
        return []


@dataclass(frozen=True)
class Waiting(Quiet):
    """The first call writes its process id to `folder/begun` and waits for `folder/go_on`."""

    folder: str = ""

    def __call__(self) -> Waiting:
        return self

    def words(self, image: Pixels, params: EngineParams) -> list[Word]:
        if not (Path(self.folder) / "begun").exists():
            wait_for_go_on(self.folder)
        return []


def wait_for_go_on(folder: str) -> None:
    """Write this process's id to `folder/begun`, and wait for `folder/go_on`."""
    partial = Path(folder) / f"begun.{os.getpid()}"
    partial.write_text(str(os.getpid()))
    partial.replace(Path(folder) / "begun")
    deadline = time.monotonic() + 60
    while not (Path(folder) / "go_on").exists() and time.monotonic() < deadline:
        PAUSE.wait(0.02)


def same_everywhere() -> Mapping[str, str]:
    return computing_versions()


def count_tasks(dask_scheduler: Any) -> int:
    return len(dask_scheduler.tasks)


class DeadlyOnce:
    """Kills the first worker that unpickles it; for the next ones it is what it wraps."""

    def __init__(self, value: Any, marker: str) -> None:
        self._value = value
        self._marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return _killed_once, (self._value, self._marker)


def _killed_once(value: Any, marker: str) -> Any:
    if multiprocessing.parent_process() is None:  # the scheduler, which unpickles and sends on
        return DeadlyOnce(value, marker)
    try:
        Path(marker).touch(exist_ok=False)
    except FileExistsError:
        return value
    os.kill(os.getpid(), signal.SIGKILL)
    return value
