"""Where the time of a command goes that runs a notebook: stage by stage, by whose processor.

A stage is a cell of the executed notebook, as papermill timed it; what lies before the first and
behind the last one is the command's own start and closing. Processor seconds are sampled while it
runs: of the command, of its kernel (the thread that takes the steps, and all others, DuckDB's and
ours), and of the server, where it runs on this machine.
"""

from __future__ import annotations

import bisect
import datetime as dt
import json
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import psutil

#: Looking for new processes takes as long as a hundred looks at known ones.
LOOKS_PER_SEARCH = 10
START, CLOSING = "start", "closing"
_CALL = re.compile(r"run\.(\w+)\(|workbook\.(open)\w*\(")


@dataclass(frozen=True, slots=True)
class Used:
    """Processor seconds since somebody began, and the memory that is held, in MB."""

    command: float = 0.0
    kernel_steps: float = 0.0
    kernel_threads: float = 0.0
    server: float = 0.0
    held_mb: float = 0.0


@dataclass(frozen=True, slots=True)
class Stage:
    """What one stage took: seconds by the clock, processor seconds, the most memory held in it."""

    name: str
    seconds: float
    used: Used


class Sampler:
    """Looks at a command, its kernel and a server of this machine, again and again."""

    def __init__(
        self, pid: int, server_pid: int | None = None, *, shares_once: bool = False
    ) -> None:
        self._held = _proportional if shares_once else _resident
        self._command = psutil.Process(pid)
        self._server = _process(server_pid)
        self._children: list[psutil.Process] = []
        self._backends: list[psutil.Process] = []
        self._looks = 0
        self.times: list[float] = []
        self.found: list[Used] = []

    @property
    def peak_mb(self) -> float:
        """The most memory that the command and its children ever held.

        Pages that processes share count for each of them, unless `shares_once`.
        """
        return max((used.held_mb for used in self.found), default=0.0)

    def look(self) -> None:
        """Look once."""
        if self._looks % LOOKS_PER_SEARCH == 0:
            self._children = _children(self._command)
            self._backends = _children(self._server)
        self._looks += 1
        steps = threads = 0.0
        held = self._held(self._command)
        for child in self._children:
            own, others = _by_thread(child.pid)
            steps, threads, held = steps + own, threads + others, held + self._held(child)
        command = sum(_by_thread(self._command.pid))
        last = self.found[-1] if self.found else Used()
        self.times.append(time.time())
        self.found.append(
            Used(
                # Whoever has ended can not be asked any more.
                max(command, last.command),
                max(steps, last.kernel_steps),
                max(threads, last.kernel_threads),
                max(self._server_seconds(), last.server),
                held,
            )
        )

    def _server_seconds(self) -> float:
        """Return what all of the server's processes used, those that have ended with them."""
        if self._server is None:
            return 0.0
        try:
            ours = self._server.cpu_times()
        except psutil.Error:
            return 0.0
        total = ours.user + ours.system + ours.children_user + ours.children_system
        return float(total) + sum(sum(_by_thread(each.pid)) for each in self._backends)

    def between(self, begin: float, end: float) -> Used:
        """Return what was used between two times of the clock, and the most memory held."""
        first, behind = self._at(begin), self._at(end)
        within = self.found[first : max(behind, first) + 1]
        before, after = self.found[first], self.found[behind]
        return Used(
            after.command - before.command,
            after.kernel_steps - before.kernel_steps,
            after.kernel_threads - before.kernel_threads,
            after.server - before.server,
            max(each.held_mb for each in within),
        )

    def _at(self, moment: float) -> int:
        return min(bisect.bisect_left(self.times, moment), len(self.times) - 1)


def server_pid(backend_pid: int) -> int | None:
    """Return the server's first process, by a backend's; None where it runs elsewhere."""
    backend = _process(backend_pid)
    return backend.ppid() if backend and "postgres" in backend.name() else None


def stages(notebook: Path, sampler: Sampler, begin: float, end: float) -> list[Stage]:
    """Return the stages of a command that ran from `begin` to `end`, in order."""
    edges = [(START, begin)]
    last = begin
    for name, started, ended in _cells(notebook):
        if name:
            edges.append((name, started))
        last = max(last, ended)
    edges.append((CLOSING, last))
    behind = [moment for _name, moment in edges[1:]] + [end]
    return [
        Stage(name, until - since, sampler.between(since, until))
        for (name, since), until in zip(edges, behind, strict=True)
    ]


def _cells(notebook: Path) -> Iterable[tuple[str, float, float]]:
    """Yield each executed cell's step, empty where it takes none, and its times of the clock."""
    for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
        timed = cell["metadata"].get("papermill", {})
        if cell["cell_type"] != "code" or not timed.get("start_time"):
            continue
        source = cell["source"]
        call = _CALL.search(source if isinstance(source, str) else "".join(source))
        name = (call[1] or call[2]) if call else ""
        yield name, _moment(timed["start_time"]), _moment(timed["end_time"] or timed["start_time"])


def _moment(text: str) -> float:
    moment = dt.datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)).timestamp()


def as_detail(found: Sequence[Stage]) -> dict[str, float]:
    """Return stages as figures of one measurement: `stage:NAME:WHAT`."""
    detail = {}
    for stage in found:
        detail[f"stage:{stage.name}:seconds"] = stage.seconds
        for each in fields(Used):
            detail[f"stage:{stage.name}:{each.name}"] = getattr(stage.used, each.name)
    return detail


def table(detail: Mapping[str, float]) -> list[str]:
    """Return the lines of the table of stages of one measurement, none without any."""
    by_stage: dict[str, dict[str, float]] = {}
    for key, value in detail.items():
        if key.startswith("stage:"):
            _stage, name, what = key.split(":")
            by_stage.setdefault(name, {})[what] = value
    if not by_stage:
        return []
    lines = [
        "| stage | s | command | kernel: steps | its threads | server | idle | MB |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    total: dict[str, float] = {}
    for name, found in by_stage.items():
        lines.append(_line(name, found))
        for what, value in found.items():
            known = total.get(what, 0.0)
            total[what] = max(known, value) if what == "held_mb" else known + value
    return [*lines, _line("**all**", total)]


def _line(name: str, found: Mapping[str, float]) -> str:
    busy = [found[w] for w in ("command", "kernel_steps", "kernel_threads", "server")]
    idle = max(0.0, (psutil.cpu_count() or 1) * found["seconds"] - sum(busy))
    shown = " | ".join(f"{value:.2f}" for value in (found["seconds"], *busy, idle))
    return f"| {name} | {shown} | {found['held_mb']:.0f} |"


def _process(pid: int | None) -> psutil.Process | None:
    try:
        return psutil.Process(pid) if pid else None
    except psutil.Error:
        return None


def _children(process: psutil.Process | None) -> list[psutil.Process]:
    try:
        return process.children(recursive=True) if process else []
    except psutil.Error:
        return []


def _resident(process: psutil.Process) -> float:
    try:
        return float(process.memory_info().rss) / 2**20
    except psutil.Error:
        return 0.0  # ended between two looks


def _proportional(process: psutil.Process) -> float:
    """Return what a process holds, of a page that others hold too its share."""
    try:
        return float(process.memory_full_info().pss) / 2**20
    except psutil.Error:
        return 0.0


def _by_thread(pid: int) -> tuple[float, float]:
    """Return the processor seconds of a process's first thread, and of all others."""
    try:
        process = psutil.Process(pid)
        times = process.cpu_times()
        total = float(times.user + times.system)
        own = sum(t.user_time + t.system_time for t in process.threads() if t.id == pid)
    except psutil.Error:
        return 0.0, 0.0
    return own, max(0.0, total - own)
