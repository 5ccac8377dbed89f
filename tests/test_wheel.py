"""The wheel works where it is installed: outside any checkout, with the notebooks inside it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest
from tests.deadline import DEADLINE_SECONDS

ROOT = Path(__file__).parents[1]
MINORS = (11, 15)  # of Python 3: from, and before which
INSTALL_SECONDS = 900.0  # everything that it needs, from an index


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


@pytest.mark.long
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


def interpreters() -> dict[str, str]:
    """Return a Python of each version that we support and that is at hand: this one at least.

    None is started for that: a collection of tests is to be quick.
    """
    found = {f"{sys.version_info[0]}.{sys.version_info[1]}": sys.executable}
    for minor in range(*MINORS):
        name = f"python3.{minor}"
        kept = Path.home().glob(f".pyenv/versions/3.{minor}.*/bin/{name}")
        for path in [*sorted(kept), *map(Path, filter(None, [shutil.which(name)]))]:
            home = path.resolve().parent.parent
            if (home / "lib" / name / "ensurepip").is_dir():  # a shim and half a Python have none
                found.setdefault(f"3.{minor}", str(path))
    return found


PYTHONS = interpreters()


@pytest.mark.long
@pytest.mark.parametrize("version", sorted(PYTHONS))
def test_an_empty_environment_of_each_python_at_hand_takes_the_wheel_and_plans(
    version: str, wheel: Path, tmp_path: Path
) -> None:
    place = tmp_path / "environment"
    subprocess.run([PYTHONS[version], "-m", "venv", place], check=True, timeout=DEADLINE_SECONDS)
    subprocess.run(
        [place / "bin" / "pip", "install", "-q", wheel],
        check=True,
        timeout=INSTALL_SECONDS,
    )
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()

    told = run(place / "bin" / "backfill", "--version", folder=elsewhere)
    ended = run(place / "bin" / "backfill", "utc", folder=elsewhere)
    proof = run(place / "bin" / "backfill", "doctor", folder=elsewhere)

    assert f"\n  python {version}." in told.stdout
    assert ended.returncode == 0, ended.stderr
    summary = json.loads(ended.stdout.splitlines()[-1])
    assert (summary["dry_run"], summary["total_updated"]) == (True, 14_099)
    assert (elsewhere / "runs" / summary["run_id"] / "notebook.html").is_file()
    assert "ok   notebooks: 7 in" in proof.stdout
    run(place / "bin" / "backfill", "db", "reset", folder=elsewhere)
