"""Dependencies: each has its reason, and every list of them says the same."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.test_docs import ROOT, pyproject, read


def dependencies() -> dict[str, set[str]]:
    """Names without extras or versions, by group; `run` is what everyone gets."""
    project = pyproject()["project"]
    groups = {"run": project["dependencies"], **project["optional-dependencies"]}
    return {group: {plain_name(text) for text in texts} for group, texts in groups.items()}


def plain_name(requirement: str) -> str:
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert found, requirement
    return found[0].lower()


def test_reasons_are_given_for_exactly_the_dependencies() -> None:
    text = read("docs/dependencies.md")
    sections = re.split(r"^## ", text, flags=re.MULTILINE)[1:]
    listed = {
        section.splitlines()[0]: set(re.findall(r"^\| ([a-z0-9-]+) \| (?!for)", section, re.M))
        for section in sections
    }
    wanted = dependencies()

    assert listed["To run"] == wanted["run"]
    assert listed["Extra `tesserocr`"] == wanted["tesserocr"]
    assert listed["Extra `dev`"] == wanted["dev"]


def test_conda_environment_names_exactly_the_dependencies() -> None:
    wanted = dependencies()

    listed = re.findall(r"^ {6}- (?!-e)(\S+)", read("environment.yml"), re.MULTILINE)

    assert {plain_name(text) for text in listed} == wanted["run"] | wanted["dev"]
    assert len(listed) == len(set(listed))
    assert "      - -e .\n" in read("environment.yml")


def test_conda_environment_has_the_extras_that_pyproject_asks_for() -> None:
    listed = read("environment.yml")

    with_extras = [text for text in pyproject()["project"]["dependencies"] if "[" in text]

    assert all(f"- {text}\n" in listed for text in with_extras)


def test_time_zone_data_is_the_same_by_every_route() -> None:
    locked = re.search(r"^tzdata==(\S+)", read("requirements.lock"), re.MULTILINE)
    by_conda = re.search(r"- tzdata==(\S+)", read("environment.yml"))

    assert locked
    assert by_conda
    assert locked[1] == by_conda[1]


def test_lock_file_pins_every_dependency_with_hashes_and_names_no_address() -> None:
    lock = read("requirements.lock")
    wanted = dependencies()

    pinned = set(re.findall(r"^([a-z0-9-]+)==\S+.*\\$", lock, re.MULTILINE))

    assert wanted["run"] | wanted["dev"] <= pinned
    assert "://" not in lock
    assert not re.search(r"^--", lock, re.MULTILINE)


@pytest.mark.parametrize("part", ["models", "postgres"])
def test_files_of_other_packages_are_pinned_with_hashes_and_reasons_too(part: str) -> None:
    name = f"requirements-{part}.lock"
    lock = read(name)

    (package,) = re.findall(r"^([a-z0-9-]+)==\d\S* \\\n    --hash=sha256:", lock, re.MULTILINE)

    assert "://" not in lock and not re.search(r"^--", lock, re.MULTILINE)
    reasons = read("docs/dependencies.md")
    assert f"| {package} |" in reasons and f"`{name}`" in reasons


def test_a_machine_without_the_wheel_of_postgresql_is_told_so_and_nothing_fails(
    tmp_path: Path,
) -> None:
    """The share of the tests that `make test-wheel-postgres` runs is left out there."""
    for path in ("scripts/wheel-postgres", "requirements-postgres.lock"):
        copy = tmp_path / path
        copy.parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / path, copy)
    (tmp_path / ".venv/bin").mkdir(parents=True)
    (tmp_path / ".venv/bin/python").symlink_to("/bin/false")

    ended = subprocess.run(
        [tmp_path / "scripts/wheel-postgres"], capture_output=True, text=True, check=True
    )

    assert ended.stdout == ""
    assert "No wheel of PostgreSQL to be had here" in ended.stderr
