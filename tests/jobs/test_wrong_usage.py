"""Whatever is typed wrong, and wherever output goes: a sentence, a right exit code, an end.

The cases are made from the commands' own parsers: a new command or option is tested with the rest.
"""

from __future__ import annotations

import argparse
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import pytest
from tests.deadline import DEADLINE_SECONDS
from tests.engine.workshop import Bench, load_noons
from tests.jobs.command_line import COMMAND, Said, environment
from tests.jobs.conftest import BenchFrom
from tests.longer import longer, longer_behind
from tests.nursery import Hatched

from backfill import cli
from backfill.cli import build_parser
from backfill.command.options import any_text, command_parsers, path_option
from backfill.errors import UsageError
from backfill.jobs.registry import JOBS
from backfill.parameter import Kind
from backfill.parameters import APPLY_PARAMETERS, REVERT_PARAMETERS

PARSERS = command_parsers(build_parser())
#: What a command needs beside the option that is tried; `RUN` is a planned run.
NEEDS = {
    **dict.fromkeys(("apply", "resume", "pause", "cancel", "verify", "revert"), ("RUN",)),
    "compare": ("RUN", "RUN"),
    "explain": ("RUN", "e01"),
    "evidence": ("check", "RUN"),
    "fill": ("--table", "events", "--set", "title"),
    "task": ("json:loads",),
    "init-table": ("events", "--output", "a.toml"),
    "completion": ("bash",),
    "db": ("stop",),
    "lab": ("--notebooks-dir", "/dev/null/mine"),
    "demo": ("--help",),
    "selftest": ("--case", "none"),
    "ocr": ("--local-root", "/dev/null"),
}
#: Options whose file is written, or looked for again and again.
WRITTEN = {"--metrics-file", "--output-file", "--output-dir", "--cache-dir", "--output"}


@pytest.fixture
def bench(bench_from: BenchFrom) -> Bench:
    return bench_from("noons", load_noons)


def options(wanted: Callable[[argparse.Action], bool]) -> Iterator[tuple[str, str]]:
    """Yield each command with each of its options of a kind."""
    for command, parser in PARSERS.items():
        for action in parser._actions:
            if action.option_strings and action.nargs != 0 and wanted(action):
                yield command, action.option_strings[-1]


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Return what a command line that argparse refuses is told; nothing of it is run."""
    with pytest.raises(SystemExit, match="2"):
        cli.main(arguments)
    said = capsys.readouterr()
    assert said.out == "" and said.err.count("\n") == 2, said
    return said.err


def needs(command: str, run_id: str) -> list[str]:
    return [run_id if word == "RUN" else word for word in NEEDS.get(command, ())]


@pytest.mark.parametrize("command", longer_behind(4, PARSERS))
def test_a_value_that_is_empty_is_never_taken_for_all(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, option in options(lambda _action: True):
        if name == command:
            assert f"{option}: the value is empty" in refused(capsys, command, option, "")
    for action in PARSERS[command]._actions:
        if not action.option_strings and action.type is not any_text and action.dest != "task":
            before = {"run_b": ["RUN"], "run_dir": ["check"]}.get(action.dest, [])
            assert "the value is empty" in refused(capsys, command, *before, "")


@pytest.mark.parametrize(
    ("command", "option"),
    longer_behind(20, list(options(lambda a: getattr(a.type, "__name__", "") in ("int", "float")))),
)
def test_what_is_no_number_is_refused_by_each_option_that_takes_one(
    command: str, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for text in ("many", "1e", "0x10", "--apply", "1\n2"):
        told = refused(capsys, command, f"{option}={text}")
        assert f"argument {option}: " in told and "number" in told


@pytest.mark.parametrize(
    "parameter",
    list(
        {
            p.name: p
            for parameters in (
                *(entry.parameters for entry in JOBS.values()),
                APPLY_PARAMETERS,
                REVERT_PARAMETERS,
            )
            for p in parameters
            if p.kind in (Kind.WHOLE, Kind.NUMBER)
        }.values()
    ),
    ids=lambda parameter: parameter.name,
)
def test_every_number_has_bounds_and_says_them(parameter: object) -> None:
    low, high = parameter.bounds  # type: ignore[attr-defined]

    for number in (low - 1, high * 2 + 1, float("nan")):
        value = number if parameter.kind is Kind.NUMBER else int(low) - 1  # type: ignore[attr-defined]
        with pytest.raises(UsageError, match="must be between"):
            parameter.check(value)  # type: ignore[attr-defined]


def ended(bench: Bench, arguments: list[str], **streams: IO[str] | int) -> Said:
    """Run a command in a process of its own; it ends by itself."""
    with (bench.runs.parent / "said").open("w+") as said:
        process = Hatched(
            [*COMMAND, *arguments],
            env=environment(bench.dsn, bench.runs),
            cwd=bench.runs.parent,
            **{"stdout": said, "stderr": said, **streams},  # type: ignore[arg-type]
            text=True,
        )
        code = process.wait(DEADLINE_SECONDS)
        said.seek(0)
        return Said(code, "", said.read())


@pytest.mark.slow
def test_a_pipe_is_refused_by_every_option_that_reads_a_file(bench: Bench, tmp_path: Path) -> None:
    run_id = bench.plan().run_id
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    reads = [
        (command, option)
        for command, option in options(
            lambda a: a.type is path_option or getattr(a.type, "__name__", "") == "_sheet"
        )
        if option not in {*WRITTEN, "--runs-dir"}
    ]

    for command, option in reads:
        said = ended(bench, [command, *needs(command, run_id), option, str(pipe)])
        assert said.code in (1, 2, 3), (command, option, said.log)
        assert "Traceback" not in said.log, (command, option, said.log)
    assert len(reads) > 15


@pytest.mark.slow
@pytest.mark.parametrize("where", longer("nobody reads", "a full disk"))
def test_no_command_hangs_or_breaks_where_its_output_can_not_go(bench: Bench, where: str) -> None:
    run_id = bench.plan().run_id
    reader, writer = os.pipe()
    os.close(reader)

    for command in PARSERS:
        arguments = [command, *needs(command, run_id)]
        if where == "nobody reads":
            said = ended(bench, arguments, stdout=writer)
        else:
            with Path("/dev/full").open("w") as full:
                said = ended(bench, arguments, stdout=full)
        assert said.code in (0, 1, 2, 3, 5, 6, 7, 8), (command, said.log)
        assert "Traceback" not in said.log, (command, said.log)
    os.close(writer)
    assert bench.scalar("SELECT count(*) FROM backfill.run") >= 2


def test_links_in_a_circle_and_folders_of_nobody_are_told(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to(loop)

    for path in (str(loop), str(loop / "below"), "~nobody-of-this-name/x"):
        for command, option in options(lambda a: a.type is path_option):
            refused(capsys, command, option, path)
        monkeypatch.setenv("BACKFILL_RUNS_DIR", path)
        assert cli.main(["runs"]) == 2
        assert "is no path" in capsys.readouterr().err


def test_a_tasks_mistake_names_the_tasks_own_help(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "bakers_own.py").write_text(TASK)
    monkeypatch.syspath_prepend(str(tmp_path))
    name = "bakers_own:Loaves"

    for command, mistake in (
        (("task", name), ("--ovn", "3")),
        (("task", name), ("--oven", "hot")),
        (("check", "--job", name), ("--ovn", "3")),
        (("grants", "--job", name), ("--oven", "hot")),
    ):
        told = refused(capsys, *command, *mistake)
        *_sentence, see = told.splitlines()
        assert see == f"See: backfill {' '.join(command)} --help"
        with pytest.raises(SystemExit, match="0"):
            cli.main([*command, "--help"])
        assert "--oven" in capsys.readouterr().out


TASK = """
from dataclasses import dataclass

@dataclass(frozen=True)
class Parameters:
    oven: int = 1

class Loaves:
    name = "loaves"
    parameters = Parameters
    reasons = ()
    settings = {}

    def __init__(self, chosen):
        self.chosen = chosen

    def names(self): ...
    def extract(self, connection, table): ...
    def compute(self, rows): ...
"""


def test_a_name_of_bytes_that_are_no_text_is_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    name = os.fsdecode(b"/tmp/runs-\xff")

    for command, option in (("utc", "--runs-dir"), ("utc", "--household-id"), ("ocr", "--limit")):
        assert f"{option}: the value is not in UTF-8" in refused(capsys, command, option, name)
    monkeypatch.setenv("BACKFILL_RUNS_DIR", name)
    assert cli.main(["runs"]) == 2
    assert "The folder of the runs, '/tmp/runs-\\udcff', is not in UTF-8" in capsys.readouterr().err


#: What writes a file of its own; `RUN` is a planned run, `DIR` a folder with room for nothing.
WRITERS = {
    "init-table": ("events", "--output", "DIR/a.toml"),
    "compare": ("RUN", "RUN", "--output", "DIR/a.csv"),
    "check": ("--deep", "--output", "DIR/a.csv", "--metrics-file", "DIR/a.prom"),
    "runs": (),
    "utc": ("--runs-dir", "DIR", "--metrics-file", "DIR/a.prom"),
    "apply": ("RUN",),
    "revert": ("RUN",),
    "lab": ("--notebooks-dir", "DIR/mine"),
    "db": ("start",),
}


@pytest.mark.slow
@pytest.mark.parametrize("command", longer_behind(1, WRITERS))
def test_a_full_disk_under_a_file_that_a_command_writes_is_a_sentence(
    bench: Bench, tmp_path: Path, command: str
) -> None:
    run_id = bench.plan().run_id
    words = [word.replace("RUN", run_id).replace("DIR", str(tmp_path)) for word in WRITERS[command]]

    ended = subprocess.run(
        ["sh", "-c", 'ulimit -f 0; exec "$@"', "sh", *COMMAND, command, *words],
        env=environment(bench.dsn, bench.runs),
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=False,
    )

    assert "Traceback" not in ended.stderr, ended.stderr
    if command == "runs":  # a list of runs needs no page
        assert ended.returncode == 0 and run_id in ended.stdout
    else:
        # 3: the embedded database's own folder, or its socket's, has no room.
        assert ended.returncode in (1, 2, 3) and ended.stderr.strip(), ended.stderr
    assert bench.scalar("SELECT count(start_at_utc) FROM events") == 0


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            ["utc", "--cache-dir", "readings"],
            "--cache-dir here. It is an option of backfill ocr.",
        ),
        (
            ["status", "--keep-days=3"],
            "no --keep-days here. It is an option of backfill runs.",
        ),
        (["status", "--fold", "later"], "no --fold here. It is an option of backfill utc."),
        (["status", "--apply"], "there is no --apply."),
    ],
)
def test_an_option_that_one_other_command_takes_is_told_as_that_one_s(
    given: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(given)

    assert ended.value.code == 2
    assert said in capsys.readouterr().err
