"""What is wrong with this machine, this database or a table's specification, each with its mend.

Nothing is changed: the embedded server is not started, no table is made. A check that fails in a
way nobody foresaw is a finding like any other, never a traceback.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psycopg

from backfill.display.counting import counted
from backfill.display.on_terminal import console_of, print_grid
from backfill.display.pages import Grid
from backfill.errors import BackfillError, DatabaseUnreachable
from backfill.folder import notebooks_folder, project_root, runs_dir
from backfill.jobs.utc.checks import check_columns
from backfill.jobs.utc.job import UtcTask
from backfill.jobs.utc.pending import count_pending
from backfill.jobs.utc.settings import UtcSettings
from backfill.jobs.utc.spec_file import load_spec
from backfill.jobs.utc.zoned_table import ZonedTable
from backfill.next_command import next_command
from backfill.notebook.kernel import KERNEL_NAME
from backfill.records.ledger import Ledger
from backfill.server.catalog import hidden_rows
from backfill.server.catalog_columns import quoted_name
from backfill.server.dsn import DSN_ENV, check_dsn, describe, said_of
from backfill.server.embedded import EmbeddedServer, default_home
from backfill.server.embedded_account import choose_account
from backfill.server.embedded_binaries import find_binaries
from backfill.server.postgres import Connection, connect, scalar
from backfill.server.rights import grant, missing_grants, rights_on

OLDEST_PYTHON = (3, 11)
LOCK_FILE = "requirements.lock"
FREE_MB_MIN = 200
TESSERACT_LANGUAGE = "swe"
TESSERACT_SECONDS = 20.0
NOTEBOOKS = (
    "00_start_here",
    "01_utc_backfill",
    "02_ocr_backfill",
    "03_apply_plan",
    "04_verify_run",
    "05_revert_run",
    "06_fill_columns",
)
INSTALL_TESSERACT = (
    "sudo apt-get install tesseract-ocr tesseract-ocr-swe "
    "(or: brew install tesseract tesseract-lang; conda install -c conda-forge tesseract)"
)

_WORDS = {True: "ok", False: "BAD"}
_TONES = {"ok": "green", "BAD": "bold red"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; `mend` is the command to type, empty when all is well."""

    what: str
    is_well: bool
    detail: str
    mend: str = ""


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
        _guarded("Python", _python, "install Python 3.11 or later, then: make setup"),
        _guarded("time zone data", _tzdata, anew),
        _guarded("embedded PostgreSQL", _binaries, anew),
        *_database(table),
        _guarded("folder of the runs", lambda: _runs(runs_dir(runs)), "choose --runs-dir DIR"),
        _guarded("Tesseract", _tesseract, INSTALL_TESSERACT),
        _guarded("notebook kernel", _kernel, anew),
        _guarded("notebooks", _notebooks, "git checkout -- notebooks" if project_root() else anew),
    ]


def _guarded(what: str, check: Callable[[], str], mend: str) -> Finding:
    """Return what `check` found: the detail it returns, or the error it raised as a bad finding.

    An error of ours carries its own mend in its text; `mend` is for all others.
    """
    try:
        return Finding(what, True, check())
    except _Unwell as error:
        return Finding(what, False, str(error), error.mend or mend)
    except Exception as error:  # whatever it is, it is the answer to this question
        text = said_of(error).strip()
        is_ours = isinstance(error, BackfillError)
        return Finding(what, False, text if is_ours else f"{type(error).__name__}: {text}", mend)


class _Unwell(Exception):
    def __init__(self, detail: str, mend: str = "") -> None:
        super().__init__(detail)
        self.mend = mend


def _python() -> str:
    if sys.version_info[:2] < OLDEST_PYTHON:
        raise _Unwell(f"{platform.python_version()} is too old")
    return f"{platform.python_version()} in {sys.prefix}"


def _tzdata() -> str:
    installed = importlib.metadata.version("tzdata")
    root = project_root()
    lock = root / LOCK_FILE if root else None
    if lock is None or not lock.is_file():
        return f"{installed}; there is no {LOCK_FILE} here to compare it with"
    pin = re.search(r"^tzdata==(\S+)", lock.read_text(encoding="utf-8"), re.MULTILINE)
    if pin and pin[1] != installed:
        raise _Unwell(
            f"{installed} is installed, {LOCK_FILE} names {pin[1]}: the same wall time could "
            "become another instant"
        )
    return f"{installed}, as {LOCK_FILE} says"


def _binaries() -> str:
    binaries = find_binaries()
    return f"PostgreSQL {binaries.major} in {binaries.folder}"


def _database(table: str | None) -> Iterator[Finding]:
    dsn = os.environ.get(DSN_ENV, "").strip()
    server = EmbeddedServer(default_home())
    if not dsn and not server.is_running():
        yield _guarded(
            "database",
            lambda: f"{DSN_ENV} is not set; the embedded PostgreSQL {_can_start(server)}",
            f"set {DSN_ENV}, or BACKFILL_EMBEDDED_DIR to a folder of your own",
        )
        return
    name = describe(dsn) if dsn else f"the embedded PostgreSQL in {server.home}"
    opened: list[Connection] = []
    yield _guarded(
        "database",
        lambda: _connect(dsn or server.dsn, name, opened),
        f"check {DSN_ENV} ({name}), and that its server runs"
        if dsn
        else next_command("db", "stop"),
    )
    for connection in opened:
        with connection:
            yield _guarded("rights", partial(_rights, connection), "ask the database's owner")
            yield _guarded("record of runs", partial(_ledger, connection), next_command("status"))
            if table:
                yield from examine_table(connection, Path(table))


def _can_start(server: EmbeddedServer) -> str:
    """Say that the server could be started; raise what stands in the way."""
    existing = next(path for path in (server.home, *server.home.parents) if path.is_dir())
    if not os.access(existing, os.W_OK):
        raise _Unwell(
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
        raise _Unwell(" ".join(" ".join(str(error).splitlines()[:-1]).split())) from None
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
            raise _Unwell(
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
        raise _Unwell(
            f"{role} may neither plan nor apply: it may not write to schema backfill of {database}",
            f"as the owner, if it shall, run what this prints: {next_command('grants')}",
        )
    if not _may_apply(connection):
        return f"{role} may plan, not apply: schema backfill of {database} lets it register plans"
    return f"{role} may write to schema backfill of {database}"


def _may_apply(connection: Connection) -> bool:
    """Tell whether the role may keep an applier's record; who only plans need not write a table."""
    query = "SELECT coalesce(has_table_privilege(to_regclass(%s), 'INSERT'), true)"
    return bool(scalar(connection, query, "backfill.checkpoint"))


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
        raise _Unwell(
            f"{existing} can not be written: {error.strerror}",
            f"chmod u+w {existing}, or choose another with --runs-dir DIR or BACKFILL_RUNS_DIR",
        ) from None
    free_mb = shutil.disk_usage(existing).free // 1_000_000
    if free_mb < FREE_MB_MIN:
        raise _Unwell(
            f"{folder} has {free_mb} MB free; a run needs up to {FREE_MB_MIN} MB",
            "free some room, or choose another folder with --runs-dir DIR or BACKFILL_RUNS_DIR",
        )
    return f"{folder} can be written, {free_mb:,} MB free"


def _tesseract() -> str:
    program = shutil.which("tesseract")
    if program is None:
        raise _Unwell("the command tesseract is not found; only screenshots need it")
    languages = _said_by(program, "--list-langs").split()
    if TESSERACT_LANGUAGE not in languages:
        raise _Unwell(f"{program} has no language data {TESSERACT_LANGUAGE}")
    first = _said_by(program, "--version").splitlines()[0]
    return f"{first} with {TESSERACT_LANGUAGE}, {program}"


def _said_by(program: str, option: str) -> str:
    done = subprocess.run(
        [program, option],
        capture_output=True,
        text=True,
        errors="replace",
        timeout=TESSERACT_SECONDS,
        check=False,
    )
    return done.stdout or done.stderr


def _kernel() -> str:
    """Papermill starts the kernel of this name: it must be this Python, or nothing is installed."""
    from jupyter_client.kernelspec import KernelSpecManager

    spec = KernelSpecManager().get_kernel_spec(KERNEL_NAME)
    program = Path(spec.argv[0])
    # A bare name such as python is replaced by the running Python when the kernel starts.
    if program.parent != Path() and program.parent != Path(sys.executable).parent:
        raise _Unwell(
            f"the kernel {KERNEL_NAME} in {spec.resource_dir} starts {program}, not "
            f"{sys.executable}",
            f"{sys.executable} -m ipykernel install --sys-prefix --name {KERNEL_NAME}",
        )
    return f"{KERNEL_NAME} starts {sys.executable}"


def _notebooks() -> str:
    folder = notebooks_folder()
    missing = [name for name in NOTEBOOKS if not (folder / f"{name}.ipynb").is_file()]
    if missing:
        raise _Unwell(f"missing in {folder}: {', '.join(missing)}")
    return f"{len(NOTEBOOKS)} in {folder}"


def examine_table(connection: Connection, path: Path) -> list[Finding]:
    """Return what was found about a specification, in the order in which things depend."""
    try:
        spec = load_spec(path)
    except BackfillError as error:
        first = next_command("init-table", "TABLE")
        return [Finding("specification", False, str(error), first)]
    findings = [Finding("specification", True, f"{path}: {spec.table}")]
    settings = UtcSettings(table=spec)
    try:
        zoned = UtcTask(settings).look_up(connection, writing=False).zoned
        findings.append(Finding("table", True, f"{zoned.table.relation} is as {path} says"))
        findings += _of_table(connection, zoned, settings)
    except (BackfillError, psycopg.Error) as error:
        text = said_of(error).strip()
        findings.append(Finding("table", False, text, f"mend {path}, or what it names"))
    return findings


def _of_table(
    connection: Connection, zoned: ZonedTable, settings: UtcSettings
) -> Iterator[Finding]:
    table = zoned.table
    yield Finding("key", True, ", ".join(column.name for column in table.key.columns))
    for pair in zoned.columns.pairs:
        chain = ", then ".join(link.field or link.constant for link in pair.chain)
        detail = f"{pair.reading.name} → {pair.target.column.name}; zone: {chain or 'its offset'}"
        yield Finding(f"pair {pair.label}", True, detail)
    for join in table.joins:
        keys = ", ".join(part.key for part in join.parts)
        yield Finding(f"lookup {join.name}", True, f"{join.relation} by {keys}")
    grants = missing_grants(connection, rights_on(table))
    if grants and not _may_apply(connection):
        yield Finding("rights to apply", True, "none, as a role has that only plans")
    else:
        missing = f"{counted(len(grants), 'right is', 'rights are')} missing"
        told = missing if grants else "this role has them"
        yield Finding("rights to apply", not grants, told, " ".join(grants))
    for text in hidden_rows(connection, table.relations):
        yield Finding("row-level security", False, text, "use a role with BYPASSRLS")
    said = settings.table.units_said
    for warning in check_columns(connection, zoned, None, settings.policy, units_said=said):
        yield Finding("columns", False, warning)
    pending = sum(count_pending(connection, table, None, skip_deleted=False).values())
    yield Finding("pending rows", True, f"{pending:,}")
