"""What is wrong with this machine, this database or a table's specification, each with its mend.

Nothing is changed: the embedded server is not started, no table is made. A check that fails in a
way nobody foresaw is a finding like any other, never a traceback.
"""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from backfill.display.counting import counted
from backfill.display.on_terminal import console_of, print_grid
from backfill.display.pages import Grid
from backfill.errors import DatabaseUnreachable
from backfill.folder import notebooks_folder, project_root, runs_dir
from backfill.jobs.registry import JOBS, TABLES
from backfill.next_command import next_command
from backfill.notebook.kernel import KERNEL_NAME
from backfill.records.ledger import Ledger
from backfill.server.catalog_columns import quoted_name
from backfill.server.dsn import DSN_ENV, check_dsn, describe
from backfill.server.embedded import EmbeddedServer, default_home
from backfill.server.embedded_account import choose_account
from backfill.server.embedded_binaries import find_binaries
from backfill.server.postgres import Connection, connect, scalar
from backfill.server.rights import grant, may_apply
from backfill.steps.finding import Finding, Unwell, guarded

OLDEST_PYTHON = (3, 11)
FREE_MB_MIN = 200
NOTEBOOKS = (
    "00_start_here",
    *(job.notebook for job in JOBS.values()),
    *("03_apply_plan", "04_verify_run", "05_revert_run"),
)
_WORDS = {True: "ok", False: "BAD"}
_TONES = {"ok": "green", "BAD": "bold red"}


def print_findings(findings: Sequence[Finding]) -> None:
    """Print findings as a table for a person, then what mends them: each to be copied whole."""
    console = console_of()
    rows = [(_WORDS[finding.is_well], finding.what, finding.detail) for finding in findings]
    print_grid(console, Grid("", ("", "looked at", "found"), rows), _TONES)
    for finding in findings:
        if not finding.is_well and finding.mend:
            console.print(f"\n{finding.what}, its mend:", style="bold")
            console.print(finding.mend, soft_wrap=True)
    console.print()


def examine(runs: str | None = None, table: str | None = None) -> list[Finding]:
    """Return every finding, in the order in which things depend on each other. Read-only.

    `runs` is the folder of the runs where it is not the default one; `table` the TOML of a table.
    """
    anew = "make setup" if project_root() else "pip install --force-reinstall backfill-workbook"
    return [
        guarded("Python", _python, "install Python 3.11 or later, then: make setup"),
        guarded("embedded PostgreSQL", _binaries, anew),
        *_database(table),
        guarded("folder of the runs", lambda: _runs(runs_dir(runs)), "choose --runs-dir DIR"),
        *(finding for job in JOBS.values() for finding in job.examine_machine(anew)),
        guarded("notebook kernel", _kernel, anew),
        guarded("notebooks", _notebooks, "git checkout -- notebooks" if project_root() else anew),
    ]


def _python() -> str:
    if sys.version_info[:2] < OLDEST_PYTHON:
        raise Unwell(f"{platform.python_version()} is too old")
    return f"{platform.python_version()} in {sys.prefix}"


def _binaries() -> str:
    binaries = find_binaries()
    return f"PostgreSQL {binaries.major} in {binaries.folder}"


def _database(table: str | None) -> Iterator[Finding]:
    dsn = os.environ.get(DSN_ENV, "").strip()
    server = EmbeddedServer(default_home())
    if not dsn and not server.is_running():
        yield guarded(
            "database",
            lambda: f"{DSN_ENV} is not set; the embedded PostgreSQL {_can_start(server)}",
            f"set {DSN_ENV}, or BACKFILL_EMBEDDED_DIR to a folder of your own",
        )
        return
    name = describe(dsn) if dsn else f"the embedded PostgreSQL in {server.home}"
    opened: list[Connection] = []
    yield guarded(
        "database",
        lambda: _connect(dsn or server.dsn, name, opened),
        f"check {DSN_ENV} ({name}): does its server run, are there that role and database?"
        if dsn
        else next_command("db", "stop"),
    )
    for connection in opened:
        with connection:
            yield guarded("rights", partial(_rights, connection), "ask the database's owner")
            yield guarded("record of runs", partial(_ledger, connection), next_command("status"))
            if table:
                yield from TABLES.examine(connection, Path(table))


def _can_start(server: EmbeddedServer) -> str:
    """Say that the server could be started; raise what stands in the way."""
    existing = next(path for path in (server.home, *server.home.parents) if path.is_dir())
    if not os.access(existing, os.W_OK):
        raise Unwell(
            f"{DSN_ENV} is not set, and {existing} can not be written for the embedded PostgreSQL"
        )
    choose_account(existing, server.data, find_binaries())
    return f"starts when it is needed, in {server.home}"


def _connect(dsn: str, name: str, opened: list[Connection]) -> str:
    check_dsn(dsn)
    try:
        connection = connect(dsn, read_only=True)
    except DatabaseUnreachable as error:
        # Its last line sends the reader to this very command.
        raise Unwell(" ".join(" ".join(str(error).splitlines()[:-1]).split())) from None
    opened.append(connection)
    return f"{name} answers: PostgreSQL {scalar(connection, 'SHOW server_version')}"


def _rights(connection: Connection) -> str:
    role, database, may_create, has_schema = connection.execute(
        "SELECT current_user::text, current_database()::text,"
        " has_database_privilege(current_database(), 'CREATE'),"
        " to_regnamespace('backfill') IS NOT NULL"
    ).fetchone() or ("", "", False, False)
    if not has_schema:
        if not may_create:
            raise Unwell(
                f"{role} may not create schema backfill in {database}",
                "as the owner: " + grant(connection, "CREATE", f"DATABASE {quoted_name(database)}"),
            )
        return f"{role} may create schema backfill in {database}"
    may_plan = scalar(
        connection,
        "SELECT has_schema_privilege('backfill', 'USAGE')"
        " AND coalesce(has_any_column_privilege(to_regclass('backfill.run'), 'INSERT'), true)",
    )
    if not may_plan:
        raise Unwell(
            f"{role} may neither plan nor apply: it may not write to schema backfill of {database}",
            f"as the owner, if it shall, run what this prints: {next_command('grants')}",
        )
    if not may_apply(connection):
        return f"{role} may plan, not apply: schema backfill of {database} lets it register plans"
    return f"{role} may write to schema backfill of {database}"


def _ledger(connection: Connection) -> str:
    if not Ledger(connection).exists():
        return "schema backfill is not there yet; the first run makes it"
    runs = int(scalar(connection, "SELECT count(*) FROM backfill.run") or 0)
    return f"{counted(runs, 'run')} in schema backfill"


def _runs(folder: Path) -> str:
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        raise Unwell(
            f"{existing} can not be written: {error.strerror}",
            f"chmod u+w {existing}, or choose another with --runs-dir DIR or BACKFILL_RUNS_DIR",
        ) from None
    free_mb = shutil.disk_usage(existing).free // 1_000_000
    if free_mb < FREE_MB_MIN:
        raise Unwell(
            f"{folder} has {free_mb} MB free; a run needs up to {FREE_MB_MIN} MB",
            "free some room, or choose another folder with --runs-dir DIR or BACKFILL_RUNS_DIR",
        )
    return f"{folder} can be written, {free_mb:,} MB free"


def _kernel() -> str:
    """Papermill starts the kernel of this name: it must be this Python, or nothing is installed."""
    from jupyter_client.kernelspec import KernelSpecManager

    spec = KernelSpecManager().get_kernel_spec(KERNEL_NAME)
    program = Path(spec.argv[0])
    # A bare name such as python is replaced by the running Python when the kernel starts.
    if program.parent != Path() and program.parent != Path(sys.executable).parent:
        raise Unwell(
            f"the kernel {KERNEL_NAME} in {spec.resource_dir} starts {program}, not "
            f"{sys.executable}",
            f"{sys.executable} -m ipykernel install --sys-prefix --name {KERNEL_NAME}",
        )
    return f"{KERNEL_NAME} starts {sys.executable}"


def _notebooks() -> str:
    folder = notebooks_folder()
    missing = [name for name in NOTEBOOKS if not (folder / f"{name}.ipynb").is_file()]
    if missing:
        raise Unwell(f"missing in {folder}: {', '.join(missing)}")
    return f"{len(NOTEBOOKS)} in {folder}"
