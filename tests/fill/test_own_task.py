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
from tests import nursery
from tests.deadline import DEADLINE_SECONDS

from backfill.steps.task import OPTIONAL
from backfill_lab.demo.customers import load_customers

if TYPE_CHECKING:
    from tests.fill.conftest import Tables

PAGE = Path(__file__).parents[2] / "docs" / "your-own-backfill.md"
STRANGER = Path(__file__).parent / "stranger"


def documented_task() -> str:
    (block,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    return str(block)


def typed(
    tables: Tables, folder: Path, *words: str, site: Path | None = None, as_user: bool = False
) -> subprocess.CompletedProcess[str]:
    """Type a command in a folder; `as_user` starts a Python of its own, and not the nursery's."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    line = [sys.executable, "-m", "backfill", *words, "--runs-dir", str(tables.runs)]
    installed = {"PYTHONPATH": str(site)} if site else {}
    env = {**kept, "DATABASE_URL": tables.dsn, **installed}
    if not as_user:
        return nursery.run(line, env=env, cwd=folder, timeout=DEADLINE_SECONDS)
    return subprocess.run(
        line,
        env=env,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=False,
    )


def command(
    tables: Tables, folder: Path, *words: str, site: Path | None = None, as_user: bool = False
) -> tuple[int, dict[str, Any]]:
    """Type a command in a folder; return its exit code and its summary."""
    ended = typed(tables, folder, *words, site=site, as_user=as_user)
    lines = ended.stdout.strip().splitlines()
    assert lines, ended.stderr
    return ended.returncode, json.loads(lines[-1])


def test_the_documented_task_is_short() -> None:
    assert len(documented_task().strip().splitlines()) <= 70


def test_the_page_tells_of_every_optional_part() -> None:
    rows = [row for row in PAGE.read_text(encoding="utf-8").splitlines() if row.startswith("| `")]
    told = {name for row in rows for name in re.findall(r"`(\w+)", row.split("|")[1])}

    assert OPTIONAL.keys() | {"parameters"} <= told


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


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stranger's package, installed into a folder of its own, which nobody writes to."""
    target = tmp_path_factory.mktemp("installed") / "site"
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"),
            *("--no-build-isolation", "--no-index", "--target", str(target), str(STRANGER)),
        ],
        env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        check=True,
        timeout=DEADLINE_SECONDS,
    )
    return target


@pytest.mark.slow
def test_an_installed_package_is_run_by_its_name_and_checks_what_it_wrote(
    tables: Tables, tmp_path: Path, site: Path
) -> None:
    tables.make(
        "CREATE TABLE parcel (code uuid PRIMARY KEY, grams int, kilograms numeric(8,3))",
        "INSERT INTO parcel SELECT md5(n::text)::uuid, n * 250, NULL FROM generate_series(1, 9) n",
        "INSERT INTO parcel VALUES (md5('none')::uuid, NULL, NULL)",
    )
    words = ("task", "weights", "--round-to", "1", "--apply")

    code, summary = command(tables, tmp_path, *words, site=site, as_user=True)

    assert (code, summary["total_updated"]) == (0, 9)
    assert tables.rows("SELECT kilograms::text FROM parcel WHERE grams = 750") == [("0.800",)]
    code, proof = command(tables, tmp_path, "verify", summary["run_id"], site=site)
    assert (code, proof["rows"], proof["recomputed"]) == (0, 9, 9)
    code, proof = command(tables, tmp_path, "verify", summary["run_id"])
    assert (code, proof["rows"], proof["recomputed"]) == (0, 9, 0)


def make_shelves(tables: Tables) -> None:
    tables.make(
        "CREATE TABLE parcel (id int PRIMARY KEY, shelf text NOT NULL, place int)",
        "CREATE TABLE journal (line int GENERATED ALWAYS AS IDENTITY, what text, parcel int)",
        "CREATE TABLE printed (id int PRIMARY KEY)",
        "INSERT INTO parcel SELECT n, CASE WHEN n % 2 = 0 THEN 'even' ELSE 'odd' END, NULL"
        " FROM generate_series(1, 8) n",
        "INSERT INTO printed VALUES (3)",
    )


def journal(tables: Tables, what: str) -> list[int]:
    rows = tables.rows("SELECT what, parcel FROM journal ORDER BY line")
    return [parcel for said, parcel in rows if said == what]


@pytest.mark.slow
def test_every_optional_part_of_a_task_does_what_the_page_says(
    tables: Tables, tmp_path: Path, site: Path
) -> None:
    make_shelves(tables)

    code, summary = command(tables, tmp_path, "task", "shelves", "--apply", site=site)

    assert (code, summary["total_updated"]) == (0, 8)
    assert summary["sign"] == "behind the door"  # finish
    folder = tables.runs / summary["run_id"]
    assert (folder / "shelves.txt").read_text(encoding="utf-8") == "look behind the door"
    assert "shelves.txt" in (folder / "SHA256SUMS").read_text(encoding="utf-8")
    page = (folder / "notebook.ipynb").read_text(encoding="utf-8")
    assert "The keeper looks at 8 parcels." in page  # a notebook of its own
    assert "Parcels by shelf" in page  # views
    assert "counted from" in page  # facts
    assert summary["verification"]["recomputed"] == 8  # check
    assert journal(tables, "placed") == [1, 2, 3, 4, 5, 6, 7, 8]  # writer
    assert tables.rows("SELECT max(scanned) FROM backfill.checkpoint") == [(1,)]  # chain

    code, undone = command(tables, tmp_path, "revert", summary["run_id"], "--apply", site=site)

    assert (code, undone["total_updated"]) == (0, 8)
    assert journal(tables, "taken") == [8, 7, 6, 5, 4, 3, 2, 1]  # reverter, the last one first
    told = (tables.runs / undone["run_id"] / "progress.jsonl").read_text(encoding="utf-8")
    assert "3: its label is printed" in told  # remarks


@pytest.mark.long
@pytest.mark.slow
def test_a_part_of_a_chain_takes_along_what_its_rows_build_on_and_nobody_else_writes_it(
    tables: Tables, tmp_path: Path, site: Path
) -> None:
    make_shelves(tables)
    _code, planned = command(tables, tmp_path, "task", "shelves", site=site)

    words = ("apply", planned["run_id"], "--only", "key = '5'")
    refused, why = command(tables, tmp_path, *words)
    code, summary = command(tables, tmp_path, *words, site=site)

    assert refused == 2
    assert "writes in its own way, and is not installed here" in why["error"]
    assert (code, summary["total_updated"]) == (0, 3)
    assert journal(tables, "placed") == [1, 3, 5]
