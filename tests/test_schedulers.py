"""The page on runs that nobody watches: what it shows is run as each scheduler would run it.

Airflow and Dagster are stood in for by the few names that the page's code asks of them; the command
that it calls is the real one, on a database with pending rows.
"""

from __future__ import annotations

import configparser
import contextlib
import json
import re
import shlex
import subprocess
import sys
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
import yaml  # type: ignore[import-untyped]  # it brings no types
from prometheus_client.parser import text_string_to_metric_families
from tests.conftest import DatabaseFrom
from tests.deadline import DEADLINE_SECONDS
from tests.engine.workshop import load_noons

pytestmark = [pytest.mark.slow, pytest.mark.long]

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "schedulers.md").read_text(encoding="utf-8")
PENDING = 12  # what `load_noons` leaves to do
LOG_KEYS = {"ts", "level", "run_id", "event"}
Ended = subprocess.CompletedProcess[str]


def shown(section: str, language: str) -> list[str]:
    """Return the blocks of one language below a heading."""
    (text,) = re.findall(rf"^## {section}\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE)
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Night:
    """A home with `nightly/.venv/bin/backfill` and `nightly/night.env`, and a database."""

    home: Path
    dsn: str

    @property
    def folder(self) -> Path:
        return self.home / "nightly"

    def run(
        self, command: list[str], environment: Mapping[str, str], folder: Path | None = None
    ) -> Ended:
        """Run a command with what a scheduler hands on, and nothing of this session's."""
        return subprocess.run(
            command,
            env={"HOME": str(self.home), "PATH": "/usr/bin:/bin", **environment},
            cwd=folder or self.home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=DEADLINE_SECONDS,
            check=False,
        )

    def pending(self) -> int:
        with psycopg.connect(self.dsn) as connection:
            (count,) = connection.execute(
                "SELECT count(*) FROM events WHERE start_at_utc IS NULL"
            ).fetchone() or (None,)
        return int(count or 0)

    @property
    def with_command(self) -> dict[str, str]:
        """An environment in which `backfill` is on the path, and knows the database."""
        return {
            "PATH": f"{self.folder}/.venv/bin:/usr/bin:/bin",
            "DATABASE_URL": self.dsn,
            "BACKFILL_RUNS_DIR": str(self.home / "runs"),
        }


@pytest.fixture
def night(database_from: DatabaseFrom, tmp_path: Path) -> Night:
    night = Night(tmp_path, database_from("noons", load_noons))
    programs = night.folder / ".venv" / "bin"
    programs.mkdir(parents=True)
    (tmp_path / "metrics").mkdir()
    for name, module in (("backfill", "backfill"), ("papermill", "papermill")):
        program = programs / name
        program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m {module} "$@"\n')
        program.chmod(0o755)
    (night.folder / "night.env").write_text(
        f"DATABASE_URL='{night.dsn}'\nBACKFILL_RUNS_DIR='{tmp_path}/runs'\n"
    )
    return night


def test_cron_runs_the_line_of_its_table(night: Night) -> None:
    (script,) = shown("cron", "sh")
    (line,) = shown("cron", "crontab")
    (night.folder / "night.sh").write_text(script)
    command = line.strip().split(maxsplit=5)[5]

    ended = night.run(["/bin/sh", "-c", command], {"SHELL": "/bin/sh", "LOGNAME": "nightly"})

    assert ended.returncode == 0, ended.stderr
    assert night.pending() == 0
    assert ended.stderr == ""  # no mail of a good night
    updated, pruned = map(json.loads, ended.stdout.splitlines())
    assert updated["total_updated"] == PENDING
    assert pruned["dry_run"] is False


def test_a_systemd_unit_writes_one_log_and_its_metrics(night: Night) -> None:
    units = [configparser.ConfigParser(interpolation=None) for _ in shown("systemd timer", "ini")]
    for unit, text in zip(units, shown("systemd timer", "ini"), strict=True):
        unit.optionxform = str  # type: ignore[method-assign,assignment]  # names keep their case
        unit.read_string(text)
    service, timer = units[0]["Service"], units[1]["Timer"]
    told = {name: value.replace("%h", str(night.home)) for name, value in service.items()}
    words = shlex.split(Path(told["EnvironmentFile"]).read_text(encoding="utf-8"))
    given = dict(word.split("=", 1) for word in words)

    ended = night.run(shlex.split(told["ExecStart"]), given, Path(told["WorkingDirectory"]))

    assert ended.returncode == 0, ended.stderr
    assert night.pending() == 0
    for line in ended.stderr.splitlines():
        assert json.loads(line).keys() >= LOG_KEYS, line
    metrics = (night.home / "metrics" / "backfill.prom").read_text(encoding="utf-8")
    rows = {
        sample.labels["result"]: sample.value
        for family in text_string_to_metric_families(metrics)
        for sample in family.samples
        if sample.name == "backfill_rows"
    }
    assert rows["updated"] == PENDING
    assert told["SuccessExitStatus"] == "4"
    assert timer["OnCalendar"] == "*-*-* 02:15"


def test_a_github_workflow_leaves_its_plan_before_the_check_fails_the_job(night: Night) -> None:
    (text,) = shown("GitHub Actions", "yaml")
    (job,) = yaml.safe_load(text)["jobs"].values()
    steps = [step for step in job["steps"] if not step.get("run", "").startswith("pipx ")]
    workspace = night.home / "workspace"
    workspace.mkdir()
    told = job["env"]
    assert told.pop("DATABASE_URL") == "${{ secrets.CALENDAR_URL }}"
    given = {"CI": "true", **told, **night.with_command}

    codes: list[int] = []
    kept: list[Path] = []
    for step in steps:
        if any(codes) and "always()" not in str(step.get("if", "")):
            continue  # GitHub leaves out what comes after a step that failed
        if "run" in step:
            command = ["bash", "-e", "-o", "pipefail", "-c", step["run"]]
            codes.append(night.run(command, given, workspace).returncode)
        elif step["uses"].startswith("actions/upload-artifact"):
            kept += (workspace / step["with"]["path"]).glob("*/plan.json")

    assert codes == [0, 8]
    assert len(kept) == 1
    assert night.pending() == PENDING


class Recorded(list[SimpleNamespace]):
    """Stands in for a class of a scheduler: keeps what it is made of."""

    def __call__(self, **said: Any) -> None:
        self.append(SimpleNamespace(**said))


@contextlib.contextmanager
def modules(patch: pytest.MonkeyPatch, **found: types.ModuleType) -> Any:
    with patch.context() as inside:
        for name, module in found.items():
            inside.setitem(sys.modules, name.replace("__", "."), module)
        yield


def module(name: str, **members: Any) -> types.ModuleType:
    made = types.ModuleType(name)
    vars(made).update(members)
    return made


def test_airflows_operator_ends_with_the_summary(
    night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    (code,) = shown("Airflow", "python")
    made = Recorded()
    bash = module("airflow.providers.standard.operators.bash", BashOperator=made)
    names = bash.__name__.split(".")
    parents = {"__".join(names[:end]): module(".".join(names[:end])) for end in range(1, 5)}

    with modules(monkeypatch, **parents, **{"__".join(names): bash}):
        exec(code, {})
    (task,) = made
    # Airflow's own address of a connection to PostgreSQL begins so.
    address = night.dsn.replace("postgresql://", "postgres://")
    given = {
        name: value.replace("{{ conn.calendar.get_uri() }}", address)
        for name, value in task.env.items()
    }
    assert task.append_env
    ended = night.run(["bash", "-c", f"{task.bash_command} 2>&1"], {**night.with_command, **given})

    assert ended.returncode == 0, ended.stdout
    assert night.pending() == 0
    # It keeps the last line of both streams together as the task's value.
    assert json.loads(ended.stdout.splitlines()[-1])["total_updated"] == PENDING
    assert task.skip_on_exit_code == 4


def test_dagsters_asset_carries_the_summary(night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = shown("Dagster", "python")
    url = SimpleNamespace(get_value=lambda: night.dsn)
    dagster = module(
        "dagster",
        asset=lambda **_said: lambda function: function,
        RetryPolicy=SimpleNamespace,
        AssetExecutionContext=object,
        EnvVar=lambda name: url if name == "CALENDAR_URL" else None,
        MetadataValue=SimpleNamespace(json=lambda value: value),
        MaterializeResult=SimpleNamespace,
        Failure=RuntimeError,
    )
    for name, value in night.with_command.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("HOME", str(night.home))
    monkeypatch.delenv("DATABASE_URL")

    with modules(monkeypatch, dagster=dagster):
        made: dict[str, Any] = {}
        exec(code, made)
    materialize: Callable[[Any], Any] = made["utc_times"]
    result = materialize(None)

    assert result.metadata["summary"]["total_updated"] == PENDING
    assert night.pending() == 0


def test_stock_papermill_runs_the_notebook_and_status_tells_the_end(night: Night) -> None:
    (block,) = shown("Stock papermill", "bash")
    (night.home / "notebooks").symlink_to(ROOT / "notebooks")

    ended = night.run(["bash", "-e", "-c", block], night.with_command)

    assert ended.returncode == 0, ended.stderr
    assert night.pending() == 0
    status = json.loads(ended.stdout.splitlines()[-1])
    assert (status["status"], status["updated"]) == ("succeeded", PENDING)


def test_every_scheduler_of_the_page_has_its_test() -> None:
    headings = re.findall(r"^## (.+)$", PAGE, re.MULTILINE)

    assert headings == [
        *("cron", "systemd timer", "GitHub Actions", "Airflow", "Dagster", "Stock papermill"),
    ]
