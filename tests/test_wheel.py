"""The wheel works where it is installed: outside any checkout, with the notebooks inside it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest
from tests.deadline import DEADLINE_SECONDS

ROOT = Path(__file__).parents[1]


def run(*command: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command in `folder` with an environment that knows no checkout."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    return subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        # Jupyter's own templates lie in the environment that lends its libraries.
        env={**kept, "HOME": str(folder), "JUPYTER_PATH": f"{sys.prefix}/share/jupyter"},
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=False,
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Our wheel, built from what git tracks and the working tree holds."""
    place = tmp_path_factory.mktemp("wheel")
    source = place / "source"
    tracked = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name in filter(None, tracked.split("\0")):
        if (ROOT / name).is_file() and not name.startswith("tests/"):
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    options = ("--no-deps", "--no-build-isolation", "--no-index", "-q", "-w", place)
    built = run(sys.executable, "-m", "pip", "wheel", *options, source, folder=place)
    assert built.returncode == 0, built.stderr
    return next(place.glob("*.whl"))


@pytest.fixture
def installed(wheel: Path, tmp_path: Path) -> Path:
    """The `bin` of an environment with our wheel in it; what it needs comes from this one."""
    place = tmp_path / "environment"
    run(sys.executable, "-m", "venv", "--without-pip", place, folder=tmp_path)
    libraries = next((place / "lib").glob("python3*")) / "site-packages"
    pip = (sys.executable, "-m", "pip", "--python", place / "bin" / "python")
    ended = run(*pip, "install", "-q", "--no-deps", "--no-index", wheel, folder=tmp_path)
    assert ended.returncode == 0, ended.stderr
    # After our own, so that ours is the wheel's; the checkout's `.pth` files are not read there.
    (libraries / "needed.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return place / "bin"


def test_the_wheel_holds_every_notebook_and_all_data_of_the_packages(wheel: Path) -> None:
    held = set(zipfile.ZipFile(wheel).namelist())

    tracked = subprocess.run(
        ["git", "ls-files", "lib", "notebooks"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    for name in tracked:
        wanted = name.removeprefix("lib/")
        wanted = f"backfill/{wanted}" if wanted.startswith("notebooks/") else wanted
        assert wanted in held or not (ROOT / name).exists(), name


def test_outside_any_checkout_the_commands_find_their_notebooks(
    installed: Path, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()

    ended = run(installed / "backfill", "utc", folder=elsewhere)

    assert ended.returncode == 0, ended.stderr
    summary = json.loads(ended.stdout.splitlines()[-1])
    assert summary["dry_run"] is True
    assert summary["total_updated"] == 14_099
    folder = elsewhere / "runs" / summary["run_id"]
    assert (folder / "notebook.html").is_file()
    assert str(ROOT) not in (folder / "notebook.ipynb").read_text(encoding="utf-8")
    run(installed / "backfill", "db", "reset", folder=elsewhere)


@pytest.mark.long
@pytest.mark.ocr
def test_outside_any_checkout_the_demo_goes_through(installed: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()

    ended = run(installed / "backfill", "demo", folder=elsewhere)

    assert ended.returncode == 0, ended.stderr[-3000:]
    run(installed / "backfill", "db", "reset", folder=elsewhere)
