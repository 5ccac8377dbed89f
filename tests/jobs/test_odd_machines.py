"""Commands where the machine is not as usual: they work, or say what is to be done."""

from __future__ import annotations

import errno
import os
import subprocess
from pathlib import Path

import pytest
from tests.deadline import DEADLINE_SECONDS
from tests.engine.workshop import Bench, load_noons
from tests.jobs.command_line import COMMAND, Said, environment
from tests.jobs.conftest import BenchFrom

from backfill.command import commands


@pytest.fixture
def bench(bench_from: BenchFrom) -> Bench:
    return bench_from("noons", load_noons)


def typed(bench: Bench, before: str, *words: str, cwd: Path | None = None, **more: str) -> Said:
    """Type a command in a shell behind another one, with more in its environment."""
    ended = subprocess.run(
        ["bash", "-c", f'{before}; exec "$@"', "bash", *COMMAND, *words],
        env=environment(bench.dsn, bench.runs) | more,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=False,
    )
    return Said(ended.returncode, ended.stdout, ended.stderr)


@pytest.mark.parametrize(
    ("limit", "says"),
    [
        ("ulimit -n 64", "may have 64 files open at once; a run needs 128"),
        ("ulimit -v 1000000", "may use 1,024,000,000 bytes of addresses"),
    ],
)
def test_what_the_system_lets_a_process_have_is_told_where_it_is_too_little(
    bench: Bench, limit: str, says: str
) -> None:
    said = typed(bench, limit, "utc")

    assert said.code == 3
    assert says in said.err and "Mend, in the shell or service that starts it: ulimit" in said.err
    assert not list(bench.runs.glob("*-utc-*"))


@pytest.mark.slow
def test_a_run_takes_nothing_from_the_persons_profile_nor_from_files_named_like_modules(
    bench: Bench, tmp_path: Path
) -> None:
    profile = tmp_path / "profiles" / "profile_default"
    (profile / "startup").mkdir(parents=True)
    for name in ("ipython_config.py", "ipython_kernel_config.py", "startup/00-mine.py"):
        (profile / name).write_text("raise SystemExit('broken')\n")
    here = tmp_path / "here"
    here.mkdir()
    for name in ("random", "calendar", "queue", "statistics", "settings", "backfill_lab"):
        (here / f"{name}.py").write_text(f"raise RuntimeError('{name}')\n")
    odd = {"HOME": "/proc", "IPYTHONDIR": str(profile.parent), "JUPYTER_RUNTIME_DIR": "/proc/none"}
    odd |= {"TERM": "dumb", "LC_ALL": "xx_YY.none", "TZ": "Mars/Phobos", "PYTHONWARNINGS": "error"}
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    for name in ("numpy", "psycopg", "duckdb", "pyarrow", "nbformat", "calendar", "statistics"):
        for folder in (here, theirs):
            (folder / f"{name}.py").write_text(f"raise RuntimeError('{name}')\n")
    path = [str(theirs), os.environ.get("PYTHONPATH", "")]
    odd |= {"PYTHONPATH": os.pathsep.join(filter(None, path)), "PYTHONSAFEPATH": "1"}

    said = typed(bench, "umask 000; ulimit -S -n 40", "utc", "--apply", cwd=here, **odd)

    assert said.code == 0, said.log
    assert bench.scalar("SELECT count(start_at_utc) FROM events") == 12
    (folder,) = bench.runs.glob("*-utc-*")
    assert {path.stat().st_mode & 0o077 for path in folder.rglob("*")} == {0}


def test_a_folder_for_temporary_files_without_room_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    printed = commands._no_room(full)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("backfill.folder._NO_ROOM_BYTES", 1 << 60)

    kept = commands._no_room(full)

    assert printed.startswith("What was to be printed could not be written: No space left")
    assert kept.startswith(f"The folder for temporary files, {tmp_path}, is full")
    assert kept.endswith("Free some room, or set TMPDIR.")
