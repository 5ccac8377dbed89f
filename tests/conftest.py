"""A real PostgreSQL for every test that asks, and an environment that leaks into none.

A test takes `database` (the URL of a fresh database), `connection` (an open connection to it) or
`database_from` (fresh copies of a template that a callable fills once a session). The server is
the embedded one, in a temporary folder, unless `--test-dsn` or `TEST_DATABASE_URL` names another.
"""

from __future__ import annotations

import contextlib
import gc
import os
import secrets
import shutil
import signal
import sys
import tempfile
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

import psutil
import psycopg
import pytest
from hypothesis import HealthCheck, settings
from psycopg import sql
from tests import nursery
from tests.chaos.selftest.server_folder import memory as memory_with
from tests.chaos.selftest.server_folder import server_folder as made_folder
from tests.compiled import compile_share
from tests.pasted import every_site_is_pasted

from backfill.loading import unseen
from backfill.next_command import GIVEN_ENV
from backfill.notebook.headless import FORM_CHECKS
from backfill.server.embedded import HOME_ENV, EmbeddedServer
from backfill.server.embedded_process import wait_until

with unseen(*FORM_CHECKS):  # a second and a half in each process that runs tests
    import nbformat  # noqa: F401

Loader = Callable[[str], None]
DatabaseFrom = Callable[[str, Loader], str]
Connection = psycopg.Connection[tuple[object, ...]]

BARE = "bare"
FOLDER_PREFIX = "backfill-test-"
FOLDER_PREFIX_OF_SITES = "backfill-sites-"
STOP_SECONDS = 60
#: What ends the session, for all of whose tests these are handled so.
ENDS = (signal.SIGTERM, signal.SIGHUP)
#: The session that a signal ends.
_begun: list[pytest.Session] = []
SERVER_BYTES, TEMP_BYTES = 2_000_000_000, 8_000_000_000

# Nothing asserts a time, and a gate gives the same answer twice: there examples are the same ones.
settings.register_profile(
    "ours",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=bool(os.environ.get("CI")),
    print_blob=True,
)
settings.load_profile("ours")


@dataclass(frozen=True, slots=True)
class DatabaseServer:
    """The server of this test session: makes and drops databases with names of its own.

    Attributes:
        admin_dsn: URL of a database in which `CREATE DATABASE` is allowed.
        prefix: keeps the names of two sessions on one server apart.
        templates: template name to database name, filled on first use.
        counter: the names given so far.
        admin: the session that creates and drops: a new one each time costs half as much again.
    """

    admin_dsn: str
    prefix: str = field(default_factory=lambda: f"backfill_test_{secrets.token_hex(4)}")
    templates: dict[str, str] = field(default_factory=dict)
    counter: list[str] = field(default_factory=list)
    admin: list[Connection] = field(default_factory=list)

    def dsn_of(self, name: str) -> str:
        return urlunsplit(urlsplit(self.admin_dsn)._replace(path=f"/{quote(name, safe='')}"))

    def create(self, template: str) -> str:
        """Create a database as a copy of the database `template`; return its name."""
        name = f"{self.prefix}_{len(self.counter)}"
        self.counter.append(name)
        # The files as they are (from 15 on): through the log takes three times as long.
        files = " STRATEGY FILE_COPY" if self._session().info.server_version >= 150_000 else ""
        self._run(sql.SQL(f"CREATE DATABASE {{}} TEMPLATE {{}}{files}"), name, template)
        return name

    def drop(self, name: str) -> None:
        self._run(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)"), name)

    def template(self, name: str, loader: Loader) -> str:
        """Return the template's database; `loader` gets its URL once and must close what it opens.

        A loader that fails leaves no template, so that the next test tries it anew.
        """
        if name not in self.templates:
            database = self.create("template0")
            try:
                loader(self.dsn_of(database))
            except BaseException:
                self.drop(database)
                raise
            self.templates[name] = database
        return self.templates[name]

    def close(self) -> None:
        for session in self.admin:
            session.close()

    def _run(self, statement: sql.SQL, *names: str) -> None:
        self._session().execute(statement.format(*map(sql.Identifier, names)))

    def _session(self) -> Connection:
        """Return the session that creates and drops; a test may have ended the one before."""
        if not self.admin or _is_gone(self.admin[-1]):
            self.admin.append(psycopg.connect(self.admin_dsn, autocommit=True))
        return self.admin[-1]


def _is_gone(session: Connection) -> bool:
    try:
        session.execute("SELECT")
    except psycopg.OperationalError:
        return True
    return False


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--test-dsn",
        metavar="URL",
        default=os.environ.get("TEST_DATABASE_URL"),
        help="PostgreSQL URL whose user may create databases (default: an embedded server)",
    )


def pytest_configure(config: pytest.Config) -> None:
    # Each run waits for the disk a dozen times; in memory nothing does. What passed is removed.
    place = memory_with(TEMP_BYTES) or tempfile.gettempdir()
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(place))
    if not os.environ.get("PYTEST_XDIST_WORKER"):
        _take_temp_folder(config)
    # A terminated session must still stop its server, as an interrupted one does.
    for number in ENDS:
        signal.signal(number, _end_session)
    compile_share(config)


def _take_temp_folder(config: pytest.Config) -> None:
    """Have one folder for what the session's processes put aside: killed ones clear nothing away.

    Its path is short, since sockets are made there, and who a server runs as may use it as well.
    """
    folder = tempfile.mkdtemp(prefix="backfill-temp-")
    Path(folder).chmod(0o1777)
    os.environ["TMPDIR"] = tempfile.tempdir = folder
    config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Iterator[None]:
    """Hold a test that says which printed commands it pastes to what it says."""
    claimed = {site for mark in pyfuncitem.iter_markers("pastes") for site in mark.args}
    if not claimed and not os.environ.get("BACKFILL_TEST_SHOW_SITES"):
        return (yield)
    with (
        tempfile.TemporaryDirectory(prefix=FOLDER_PREFIX_OF_SITES) as folder,
        every_site_is_pasted(claimed, Path(folder, "rendered")),
    ):
        return (yield)


def pytest_make_parametrize_id(val: object) -> str | None:
    """Name bytes by their length: gzip writes the time, and all processes name a test alike."""
    return f"{len(val)}-bytes" if isinstance(val, bytes) else None


def pytest_collection_finish(session: pytest.Session) -> None:
    """Let Python look for circles no more among what stays: thousands of collected tests."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(trylast=True)  # the servers of a session that was ended are stopped first
def pytest_sessionfinish() -> None:
    nursery.close()


def pytest_keyboard_interrupt() -> None:
    """Have the processes of a session that was ended alone stop their servers, and wait for them.

    Ten seconds later pytest-xdist kills what is still there, and servers outlive that.
    """
    if os.environ.get("PYTEST_XDIST_WORKER") or "xdist.dsession" not in sys.modules:
        return
    own = psutil.Process()
    for _second in range(STOP_SECONDS):
        for worker in own.children():  # again: what a test runs may have taken the signal for its
            worker.terminate()
        if wait_until(lambda: not any(map(_is_server, own.children(recursive=True))), 1):
            return


def _is_server(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):  # it has just ended
        return bool(process.name() == "postgres" and process.status() != psutil.STATUS_ZOMBIE)
    return False


def pytest_sessionstart(session: pytest.Session) -> None:
    _begun.append(session)


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Fail a test that keeps the signals that end the session for itself."""
    for number in ENDS:
        if signal.getsignal(number) is not _end_session:
            signal.signal(number, _end_session)
            pytest.fail(f"{item.nodeid} leaves a handler of {number.name} behind")


def _end_session(number: int, frame: types.FrameType | None) -> None:
    """End the session at once; whatever catches that, it ends after its test. Only once."""
    reason = f"ended by {signal.Signals(number).name}"
    while _begun:
        _begun.pop().shouldstop = reason
        if not _begun:
            pytest.exit(reason, returncode=128 + number)


@pytest.fixture(scope="session")
def server_folder() -> Iterator[Path]:
    """A folder for servers' homes, in memory where there is enough."""
    with made_folder(FOLDER_PREFIX, SERVER_BYTES) as folder:
        yield folder


@pytest.fixture(scope="session")
def server(request: pytest.FixtureRequest, server_folder: Path) -> Iterator[DatabaseServer]:
    """The PostgreSQL server of the session."""
    if given := request.config.getoption("--test-dsn"):
        server = DatabaseServer(str(given))
        try:
            yield server
        finally:
            for name in server.templates.values():
                server.drop(name)
            server.close()
        return
    embedded = EmbeddedServer(server_folder / "server", durable=False)
    try:
        embedded.start()
        server = DatabaseServer(embedded.dsn_of("postgres"))
        yield server
        server.close()
    finally:
        embedded.reset()


@pytest.fixture
def database_from(server: DatabaseServer) -> Iterator[DatabaseFrom]:
    """Make fresh databases: `database_from("demo", load_demo)` returns the URL of a copy."""
    made = []

    def copy_template(name: str, loader: Loader) -> str:
        made.append(server.create(server.template(name, loader)))
        return server.dsn_of(made[-1])

    try:
        yield copy_template
    finally:
        for name in made:
            server.drop(name)


@pytest.fixture
def empty_database(database_from: DatabaseFrom) -> str:
    """URL of a fresh database without any table."""
    return database_from(BARE, lambda dsn: None)


@pytest.fixture
def database(empty_database: str) -> str:
    """URL of a fresh database; a test module may override this with a filled template."""
    return empty_database


@pytest.fixture
def connection(database: str) -> Iterator[Connection]:
    """An autocommit connection to `database`."""
    with psycopg.connect(database, autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="session")
def unasked_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the folders of tests lie that asked for none: most of them never make any."""
    return tmp_path_factory.mktemp("unasked")


@pytest.fixture(scope="session")
def readings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder of readings for all tests of all processes: a screenshot is read once.

    A test of the reading itself names a folder of its own, or none.
    """
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base) / "readings"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(autouse=True)
def clean_environment(
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    unasked_folder: Path,
    readings: Path,
) -> Iterator[None]:
    """Hide the user's database, runs and libpq variables; stop a server that a test forgot."""
    has_folder = "tmp_path" in request.fixturenames
    folder = request.getfixturevalue("tmp_path") if has_folder else unasked_folder / "its"
    hidden = [name for name in os.environ if name.startswith("PG")]
    for name in [*hidden, "DATABASE_URL", "TEST_DATABASE_URL", GIVEN_ENV]:
        monkeypatch.delenv(name, raising=False)
    home = folder / "embedded"
    monkeypatch.setenv("BACKFILL_RUNS_DIR", str(folder / "runs"))
    monkeypatch.setenv("BACKFILL_CACHE_DIR", str(readings))
    monkeypatch.setenv(HOME_ENV, str(home))
    mask = os.umask(0o022)  # a run makes its process private; the next test must not inherit that
    broken_pipe = signal.getsignal(signal.SIGPIPE)  # nor that the command line dies of it
    yield
    signal.signal(signal.SIGPIPE, broken_pipe)
    os.umask(mask)
    if home.exists():
        EmbeddedServer(home).reset()
    if not has_folder and folder.exists():
        shutil.rmtree(folder)
