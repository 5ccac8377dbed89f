"""What a whole run over screenshots holds in memory, and the size of its page, few and many.

Memory is that of all its processes, pages that they share counted once.
"""

from __future__ import annotations

import datetime as dt
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
from tests.bench.figure import Figure
from tests.bench.whole import run_backfill

from backfill.ocr.engines.engine_choice import ALONE
from backfill.server.embedded import EmbeddedServer
from backfill_lab.demo.sessions import DemoSession, create_schema, drop_schema, load_sessions
from backfill_lab.demo.stored import FOLDER, stored_sessions

GROWTH_TO_REACH = 1.15
PAGE_SESSIONS, PAGE_MB = 100, 20.0
ALONE_ENGINE = f"tesseract{ALONE}"
# Peaks of all processes of a run that reads, in MB.
ALONE_MB, BOTH_MB = 600.0, 1200.0
FIRST_USER = 9_000_000_000
HELD = 7


def memory_figures(few: int, many: int) -> Iterator[Figure]:
    """Yield the growth of memory from few sessions to many, and the page of 100 sessions."""
    page_sessions = min(PAGE_SESSIONS, many)
    with tempfile.TemporaryDirectory() as home:
        server = EmbeddedServer(Path(home) / "server")
        server.start()
        try:
            alone_mb, _page = _run(server.dsn_of("postgres"), Path(home), few, ALONE_ENGINE)
            # The first run reads and fills the cache; those that are compared find all in it.
            read_mb, _page = _run(server.dsn_of("postgres"), Path(home), few)
            little_mb, _page = _run(server.dsn_of("postgres"), Path(home), few)
            _peak, page = _run(server.dsn_of("postgres"), Path(home), page_sessions)
            much_mb, _page = _run(server.dsn_of("postgres"), Path(home), many)
        finally:
            server.stop()
    for name, peak, most in (
        (f"memory, {few} sessions read, Tesseract alone", alone_mb, ALONE_MB),
        (f"memory, {few} sessions read, two readers", read_mb, BOTH_MB),
    ):
        yield Figure(name, few, f"{peak:.0f} MB", f"≤ {most:.0f} MB", peak <= most)
    told = f"{little_mb:.0f} MB → {much_mb:.0f} MB"
    limit = f"≤ {100 * (GROWTH_TO_REACH - 1):.0f} % more"
    name = f"memory, {few} → {many} sessions"
    yield Figure(name, many, told, limit, much_mb <= GROWTH_TO_REACH * little_mb)
    yield Figure(
        f"HTML of {page_sessions} sessions", page_sessions, f"{page:.1f} MB", f"≤ {PAGE_MB:g} MB",
        page <= PAGE_MB,
    )  # fmt: skip


def _run(dsn: str, home: Path, count: int, engine: str = "tesseract") -> tuple[float, float]:
    """Return the peak memory of a dry run's processes over `count` sessions and its page, in MB."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        drop_schema(connection)
        create_schema(connection)
        load_sessions(connection, _sessions(count))
    runs = home / f"runs-{count}"
    _lines, peak = run_backfill(
        [
            "ocr", "--database-url", dsn, "--local-root", str(FOLDER), "--runs-dir", str(runs),
            "--cache-dir", str(home / f"cache-{engine}"), "--ocr-engine", engine,
            "--output-file", str(home / "report.json"),
            "--output-dir", str(home / "sessions"), "--json",
        ],
        allowed=(0, HELD),
        shares_once=True,
    )  # fmt: skip
    pages = [path.stat().st_size for path in runs.rglob("*.html")]
    return peak, max(pages) / 1e6


def _sessions(count: int) -> list[DemoSession]:
    """Return sessions of as many users, with the committed screenshots over and over."""
    screens = stored_sessions()
    sessions = []
    for number in range(count):
        screen = screens[number % len(screens)]
        sent = dt.datetime.combine(screen.date, dt.time(6, tzinfo=dt.UTC))
        keys = tuple(f"{number}/{screen.name}/{path.name}" for path in screen.images)
        sessions.append(DemoSession(uuid.UUID(int=number + 1), FIRST_USER + number, sent, keys))
    return sessions
