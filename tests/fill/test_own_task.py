"""Tasks that somebody else wrote: the documented one by running it, and an installed package's."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.deadline import DEADLINE_SECONDS

from backfill_lab.demo.customers import load_customers

if TYPE_CHECKING:
    from tests.fill.conftest import Tables

PAGE = Path(__file__).parents[2] / "docs" / "your-own-backfill.md"
STRANGER = Path(__file__).parent / "stranger"


def documented_task() -> str:
    (block,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    return str(block)


def command(tables: Tables, folder: Path, *words: str, **more: str) -> tuple[int, dict[str, Any]]:
    """Type a command in a folder; return its exit code and its summary."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    ended = subprocess.run(
        [sys.executable, "-m", "backfill", *words, "--runs-dir", str(tables.runs)],
        env={**kept, "DATABASE_URL": tables.dsn, **more},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=False,
    )
    lines = ended.stdout.strip().splitlines()
    assert lines, ended.stderr
    return ended.returncode, json.loads(lines[-1])


def test_the_documented_task_is_short() -> None:
    assert len(documented_task().strip().splitlines()) <= 70


@pytest.mark.slow
def test_the_documented_task_plans_applies_and_is_undone(tables: Tables, tmp_path: Path) -> None:
    load_customers(tables.connection)
    (tmp_path / "phones.py").write_text(documented_task(), encoding="utf-8")

    code, summary = command(tables, tmp_path, "task", "phones:Phones", "--apply")

    assert code == 0, summary
    assert summary["job"] == "phones"
    assert summary["total_updated"] == sum(summary["rules"].values()) > 1_000
    assert tables.rows("SELECT phone_e164 FROM customer WHERE id = -1") == [("+46701740635",)]
    skips = (tables.runs / summary["run_id"] / "skips.csv").read_text(encoding="utf-8")
    assert "9000000001,public.customer,,no_number,'ask his mother'" in skips.replace('"', "")
    code, undone = command(tables, tmp_path, "revert", summary["run_id"], "--apply")
    assert (code, undone["total_updated"]) == (0, summary["total_updated"])
    assert tables.rows("SELECT phone_e164 FROM customer WHERE id = -1") == [(None,)]


@pytest.mark.slow
def test_an_installed_package_is_run_by_its_name_and_checks_what_it_wrote(
    tables: Tables, tmp_path: Path
) -> None:
    target = tmp_path / "site"
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"),
            *("--no-build-isolation", "--no-index", "--target", str(target), str(STRANGER)),
        ],
        env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        check=True,
        timeout=DEADLINE_SECONDS,
    )
    tables.make(
        "CREATE TABLE parcel (code uuid PRIMARY KEY, grams int, kilograms numeric(8,3))",
        "INSERT INTO parcel SELECT md5(n::text)::uuid, n * 250, NULL FROM generate_series(1, 9) n",
        "INSERT INTO parcel VALUES (md5('none')::uuid, NULL, NULL)",
    )

    code, summary = command(
        tables, tmp_path, "task", "weights", "--round-to", "1", "--apply", PYTHONPATH=str(target)
    )

    assert (code, summary["total_updated"]) == (0, 9)
    assert tables.rows("SELECT kilograms::text FROM parcel WHERE grams = 750") == [("0.800",)]
    code, proof = command(tables, tmp_path, "verify", summary["run_id"], PYTHONPATH=str(target))
    assert (code, proof["rows"], proof["recomputed"]) == (0, 9, 9)
    code, proof = command(tables, tmp_path, "verify", summary["run_id"])
    assert (code, proof["rows"], proof["recomputed"]) == (0, 9, 0)
