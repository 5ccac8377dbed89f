"""What is installed: locked, pinned, in step with pyproject.toml and environment.yml."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]


def project() -> dict[str, list[str]]:
    """Return the dependencies that pyproject.toml names: `run`, and `dev`."""
    document = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return {"run": document["dependencies"], "dev": document["optional-dependencies"]["dev"]}


def locked() -> dict[str, str]:
    """Return name and version of each entry of the lock file that is meant for this machine."""
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    entries = [Requirement(line.rstrip(" \\")) for line in lines if re.match(r"[A-Za-z0-9]", line)]
    return {
        entry.name: str(entry.specifier).removeprefix("==")
        for entry in entries
        if entry.marker is None or entry.marker.evaluate()
    }


def plain(requirement: str) -> str:
    """Return a requirement's name as the package index spells it."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\[=<>!~; ]", requirement)[0]).lower()


def test_lib_is_not_ignored_by_git() -> None:
    asked = subprocess.run(
        ["git", "check-ignore", "lib/backfill/a_new_module.py", "lib/backfill/utc/new.py"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (asked.returncode, asked.stdout) == (1, "")


def test_environment_yml_is_in_step_with_pyproject() -> None:
    text = (ROOT / "environment.yml").read_text(encoding="utf-8")
    _, _, pip = text.partition("- pip:")
    entries = re.findall(r"^\s+- ([^#\n]+)", pip, re.M)
    listed = [entry.strip().split(";")[0] for entry in entries]  # without platform markers

    assert listed[0] == "-e ."
    assert {name.split("==")[0] for name in listed[1:]} == {
        name.split(";")[0] for name in (*project()["run"], *project()["dev"])
    }
    for pinned in (name.split("==") for name in listed if "==" in name):
        assert locked()[plain(pinned[0])] == pinned[1]


def test_the_lock_file_names_no_address() -> None:
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")

    assert not re.search(r"https?:|file:|git\+|--(extra-)?index-url|--find-links|@ ", text)


def test_every_locked_package_is_pinned_and_has_hashes() -> None:
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    entries = [entry for entry in re.split(r"\n(?=[A-Za-z0-9])", text) if entry.strip()]

    for entry in entries:
        if entry.startswith("#"):
            continue
        first = entry.splitlines()[0]
        assert re.match(r"^[A-Za-z0-9._\[\],-]+==[A-Za-z0-9.!+_-]+", first), first
        hashes = re.findall(r"--hash=(\S+)", entry)
        assert hashes, first
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", one) for one in hashes), first


def test_every_dependency_is_locked() -> None:
    names = {plain(name) for name in locked()}

    for requirement in (*project()["run"], *project()["dev"]):
        assert plain(requirement) in names, requirement


def test_the_installed_packages_are_the_locked_ones() -> None:
    for requirement in project()["run"]:
        name = plain(requirement)
        assert importlib.metadata.version(name) == locked()[name]
