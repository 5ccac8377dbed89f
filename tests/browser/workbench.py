"""What a person does in JupyterLab, by the names that a person sees; every wait has a deadline."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import psutil
import psycopg
from playwright.sync_api import ConsoleMessage, Page, expect
from tests.deadline import DEADLINE_SECONDS

from backfill import errors
from backfill.server.embedded import EmbeddedServer
from backfill.server.embedded_process import wait_until

ROOT = Path(__file__).parents[2]
ARTEFACTS = ROOT / "artefacts"
STEP_MS = DEADLINE_SECONDS * 1000
AXE = resources.files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
DONE = re.compile(r"\[\d+\]:")


def checkout(place: Path) -> Path:
    """Copy what a run needs, so that JupyterLab saves into no notebook of ours."""
    for name in ("lib", "notebooks"):
        shutil.copytree(ROOT / name, place / name, ignore=shutil.ignore_patterns("__pycache__"))
    return place


@dataclass
class Lab:
    """`backfill lab` on a checkout of its own, with a home of its own."""

    place: Path
    process: subprocess.Popen[str]
    log: Path

    @classmethod
    def start(cls, place: Path) -> Lab:
        """Type `backfill lab`; return when it has told its address."""
        log = place / "lab.log"
        with log.open("w", encoding="utf-8") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "backfill", "lab", "--", "--no-browser", "--port=0"],
                env=environment(place),
                cwd=place,
                stdout=out,
                stderr=subprocess.STDOUT,
                text=True,
            )
        lab = cls(place, process, log)
        told = wait_until(lambda: bool(lab.url) or process.poll() is not None, DEADLINE_SECONDS)
        assert told and process.poll() is None, lab.said
        return lab

    @property
    def said(self) -> str:
        return self.log.read_text(encoding="utf-8")

    @property
    def url(self) -> str:
        found = re.search(r"http://127\.0\.0\.1:\d+/lab\S*\?token=\w+", self.said)
        return found[0] if found else ""

    def notebook_url(self, name: str) -> str:
        return re.sub(r"/lab\S*\?", f"/lab/tree/{name}.ipynb?", self.url)

    def end(self) -> tuple[int, list[str]]:
        """Press Ctrl-C; return the exit code, and what of it still lives."""
        family = [self.process, *psutil.Process(self.process.pid).children(recursive=True)]
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(timeout=DEADLINE_SECONDS)
        children = [member for member in family if isinstance(member, psutil.Process)]
        _gone, alive = psutil.wait_procs(children, timeout=DEADLINE_SECONDS)
        return code, [" ".join(process.cmdline()) for process in alive]

    def kill(self) -> None:
        """Leave nothing behind, however the test ended."""
        if self.process.poll() is None:
            for process in psutil.Process(self.process.pid).children(recursive=True):
                process.kill()
            self.process.kill()
            self.process.wait(timeout=DEADLINE_SECONDS)


def environment(place: Path) -> dict[str, str]:
    """Return a newcomer's environment, with a home in `place`."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    settings = place / "home" / ".jupyter" / "lab" / "user-settings" / "@jupyterlab"
    tracker = settings / "notebook-extension" / "tracker.jupyterlab-settings"
    tracker.parent.mkdir(parents=True, exist_ok=True)
    # Cells out of sight stay in the page, where a test can look at them.
    tracker.write_text(json.dumps({"windowingMode": "none"}), encoding="utf-8")
    return {**kept, "HOME": str(place / "home"), "PYTHONPATH": str(place / "lib")}


def with_parameters(place: Path, name: str, new_name: str, **values: object) -> None:
    """Save a copy of a notebook with other parameters, as an analyst would."""
    path = place / "backfill-notebooks" / f"{name}.ipynb"
    notebook: Any = json.loads(path.read_text(encoding="utf-8"))
    cell = next(c for c in notebook["cells"] if "parameters" in c["metadata"].get("tags", []))
    source = "".join(cell["source"])
    for parameter, value in values.items():
        source, count = re.subn(
            rf"^({parameter}: [^=]+= )\S+", rf"\g<1>{value!r}", source, flags=re.MULTILINE
        )
        assert count == 1, parameter
    cell["source"] = source
    path.with_name(f"{new_name}.ipynb").write_text(json.dumps(notebook), encoding="utf-8")


@dataclass
class Console:
    """What a page says where only developers look, and what it asks of the network."""

    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def listen(self, page: Page) -> None:
        page.on("console", self._message)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))

    def _message(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(f"{message.text} ({message.location.get('url', '')})")


def open_notebook(page: Page, lab: Lab, name: str) -> None:
    """Open a notebook and wait for its kernel."""
    page.goto(lab.notebook_url(name), timeout=STEP_MS)
    expect(page.get_by_role("tab", name=f"{name}.ipynb")).to_be_visible(timeout=STEP_MS)
    expect(page.locator(".jp-Notebook .jp-CodeCell").first).to_be_visible(timeout=STEP_MS)
    wait_for_idle_kernel(page)


def wait_for_idle_kernel(page: Page) -> None:
    """Wait for the status bar: the toolbar says idle even before there is a kernel."""
    expect(page.locator("#jp-main-statusbar")).to_contain_text("| Idle", timeout=STEP_MS)
    expect(page.locator(".jp-Dialog")).to_have_count(0)


def choose(page: Page, menu: str, entry: str) -> None:
    """Choose an entry of the menu bar."""
    page.get_by_role("menuitem", name=menu, exact=True).click()
    page.locator(".lm-Menu .lm-Menu-item", has_text=re.compile(f"^{entry}")).first.click()


def run_all(page: Page) -> None:
    choose(page, "Run", "Run All Cells")


def wait_for_all(page: Page) -> None:
    """Wait until every code cell has its number."""
    prompts = page.locator(".jp-Notebook .jp-CodeCell .jp-InputPrompt")
    count = prompts.count()
    expect(prompts).to_have_text([DONE] * count, timeout=STEP_MS)


def wait_for_end(page: Page) -> None:
    """Wait until no cell waits or runs any more."""
    waiting = page.locator(".jp-Notebook .jp-CodeCell .jp-InputPrompt", has_text="[*]:")
    expect(waiting).to_have_count(0, timeout=STEP_MS)


@dataclass(frozen=True, slots=True)
class RunRow:
    """The one run of a checkout's database: rows planned, and rows that chunks committed."""

    run_id: str
    status: str
    planned: int
    written: int


def run_of(place: Path) -> RunRow:
    """Return what the database says of the run, which must be the only one."""
    with psycopg.connect(EmbeddedServer(place / ".embedded").dsn) as connection:
        rows = connection.execute(
            "SELECT run_id, status, plan_rows, (SELECT coalesce(sum(scanned), 0)::bigint"
            " FROM backfill.checkpoint c WHERE c.run_id = r.run_id) FROM backfill.run r"
        ).fetchall()
    assert len(rows) == 1
    return RunRow(*rows[0])


def errors_shown(page: Page) -> list[str]:
    """Return the errors that cells show: ours without a traceback, Python's below a line."""
    ours = "|".join(name for name, value in vars(errors).items() if isinstance(value, type))
    pattern = re.compile(rf"^(-{{20,}}|({ours}): )")
    said = page.locator('.jp-OutputArea-output[data-mime-type="application/vnd.jupyter.stderr"]')
    return [text for text in said.all_inner_texts() if pattern.match(text)]


def violations(page: Page) -> list[tuple[str, str]]:
    """Return what keeps people from reading a page, as axe finds it: the rule, and where."""
    page.evaluate(AXE)
    found = page.evaluate("axe.run().then(r => r.violations)")
    return [(violation["id"], violation["nodes"][0]["html"]) for violation in found]


def keep(page: Page, name: str) -> Path:
    """Keep a screenshot for people, and return where it is."""
    ARTEFACTS.mkdir(exist_ok=True)
    path = ARTEFACTS / f"{name}.png"
    page.screenshot(path=str(path))
    return path
