"""What the documents name exists in the code, and what the code offers stands in the README."""

from __future__ import annotations

import argparse
import re
import shlex
import tomllib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from tests.reference.run_files import RUN_FILES

from backfill.chunks.patience import RECONNECT_SECONDS
from backfill.cli import build_parser
from backfill.errors import ExitCode
from backfill.jobs.registry import JOBS
from backfill.parameters import KEPT_DEFAULTS as USUAL
from backfill.server.postgres import MINIMUM_SERVER_VERSION
from backfill_lab.demo.stored import stored_sessions

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").glob("*.md"))
DOCUMENTS = ("README.md", "CHANGELOG.md", "tests/README.md", *PAGES)
README_LINES_MAX = 200
DATA_SUFFIXES = ("json", "jsonl", "csv", "parquet", "duckdb", "ipynb", "html")
# Files that a reader makes with another tool, or that stand for any.
FOREIGN_FILES = {"out.ipynb"}


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def pyproject() -> dict[str, Any]:
    project: dict[str, Any] = tomllib.loads(read("pyproject.toml"))
    return project


def commands() -> dict[str, argparse.ArgumentParser]:
    actions = build_parser()._actions
    found = next(a for a in actions if isinstance(a, argparse._SubParsersAction))
    return dict(found.choices)


def options() -> set[str]:
    parsers = [build_parser(), *commands().values()]
    return {name for parser in parsers for a in parser._actions for name in a.option_strings}


def code_of(text: str) -> Iterator[str]:
    """Yield fenced blocks and inline code of a Markdown text."""
    yield from re.findall(r"^```\w*\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    for line in re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE).splitlines():
        yield from re.findall(r"`([^`]+)`", line)


def typed_commands(text: str) -> Iterator[list[str]]:
    """Yield the words behind each `backfill` that somebody would type."""
    for code in code_of(text):
        for line in re.split(r"[;\n]", code):
            words = line.split("#")[0].split("|")[0].removeprefix("$ ").split()
            if words[:1] == ["backfill"] and len(words) > 1:
                yield words[1:]


def test_readme_is_short_enough_to_be_read() -> None:
    assert len(README.splitlines()) <= README_LINES_MAX


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_command_that_is_named_exists(document: str) -> None:
    known = commands()

    typed = {words[0] for words in typed_commands(read(document)) if words[0] != "COMMAND"}

    assert typed <= set(known), typed - set(known)


def test_every_command_stands_in_the_readme() -> None:
    missing = [name for name in commands() if f"`backfill {name}" not in README]

    assert missing == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_option_that_is_named_exists(document: str) -> None:
    foreign = {"--test-dsn"}  # pytest's, from conftest.py
    foreign |= {"--user", "--now"}  # of systemctl
    foreign |= {"--a"}  # what is refused
    foreign |= {
        "--shared",
        "--parts",
        "--strange",
        "--first-strange",
        "--misses",
        "--made-small",
    }  # of bench.ocr
    foreign |= {"--memory-sessions", "--halves"}
    foreign |= {"--groups", "--rows", "--rounds"}  # of tests.bench
    foreign |= {"--port", "--nworkers", "--nthreads"}  # of dask scheduler and dask worker
    foreign |= {"--no-deps"}  # of pip

    named = {o for code in code_of(read(document)) for o in re.findall(r"(?<!\w)--[a-z-]+", code)}

    assert named <= options() | foreign, named - options()


def shell_lines(text: str) -> Iterator[list[str]]:
    """Yield the words behind each `backfill` of the blocks that are meant for a shell."""
    for block in re.findall(r"^```(?:bash|sh)\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            starts = [index for index, word in enumerate(words) if word == "backfill"]
            for start in starts:
                rest = words[start + 1 :]
                ends = [i for i, word in enumerate(rest) if re.match(r"[|;&<>]|2>", word)]
                yield [word.rstrip(";") for word in rest[: min(ends, default=len(rest))]]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_command_line_that_is_shown_is_accepted(
    document: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in shell_lines(read(document)):
        try:
            build_parser().parse_args(words)
        except SystemExit:
            pytest.fail(f"backfill {' '.join(words)}: {capsys.readouterr().err}")


def test_actions_of_the_embedded_database_are_all_named() -> None:
    actions = next(a for a in commands()["db"]._actions if a.dest == "action").choices

    assert actions is not None
    row = next(line for line in README.splitlines() if line.startswith("| `backfill db"))
    assert set(re.findall(r"start|stop|url|seed|reset", row)) == set(actions)


def test_exit_codes_in_readme_are_those_of_the_code() -> None:
    rows = re.findall(r"^\| (\d+) \|", README, re.MULTILINE)

    assert [int(code) for code in rows] == sorted(code.value for code in ExitCode)


def test_exit_codes_in_help_are_those_of_the_code() -> None:
    epilog = build_parser().epilog or ""

    named = {int(code) for code in re.findall(r"(?:^|[:·] ?|\s)(\d+) [a-z]", epilog)}

    assert named == {code.value for code in ExitCode}


def test_every_make_target_that_is_named_exists() -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", read("Makefile"), re.MULTILINE))

    named = {
        target
        for document in DOCUMENTS
        for code in code_of(read(document))
        for target in re.findall(r"^make ([a-z0-9-]+)", code, re.MULTILINE)
    }

    assert named <= targets, named - targets
    assert {"setup", "demo", "test", "lint", "lab", "bench", "lock", "clean"} <= targets


def test_every_target_has_its_line_of_help() -> None:
    makefile = read("Makefile")

    phony = re.search(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)

    assert phony
    explained = re.findall(r"^([a-z0-9-]+):.*## \S", makefile, re.MULTILINE)
    assert set(explained) == set(phony[1].split())


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_leads_to_a_file(document: str) -> None:
    links = re.findall(r"\]\((?!https?://)([^)#]+)", read(document))

    missing = [link for link in links if not (ROOT / document).parent.joinpath(link).exists()]

    assert missing == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_column_of_a_table_has_a_name(document: str) -> None:
    lines = (ROOT / document).read_text(encoding="utf-8").splitlines()
    heads = [above for above, line in pairwise(lines) if re.fullmatch(r"\|[-:| ]+\|", line)]

    assert [head for head in heads if re.search(r"\|\s*\|", head)] == []


def test_every_path_that_readme_names_is_of_the_project_of_a_run_or_made_by_a_command() -> None:
    run_files = {entry.pattern for entry in RUN_FILES}
    made = {
        *(".venv", ".venv/bin/activate", "source"),  # make setup
        *(".embedded/", "runs/", "runs/<run_id>/", "runs/index.html"),  # demo and runs
        "booking.reservation.toml",  # init-table TABLE
        *("rooms.csv", "out.ipynb", "~/screenshots", "~/.pgpass"),  # the reader's own
    }
    words = {
        word.strip("`,;:()")
        for code in code_of(README)
        for word in code.replace("$", " ").split()
        if re.search(r"[/~]|\.(?:py|ipynb|html|json|jsonl|csv|toml|yml|parquet|duckdb)\b", word)
    }
    named = {word for word in words if not re.search(r"://|\||…|^2>", word)}

    unknown = {
        word
        for word in named
        if word not in made
        and not (ROOT / word).exists()
        and not (ROOT / "notebooks" / word).exists()
        and word.removeprefix("runs/<run_id>/") not in run_files
        and not any(pattern.startswith(word) for pattern in run_files if word.endswith("/"))
    }
    assert unknown == set()


def test_every_figure_in_readme_is_that_of_the_code() -> None:
    """Each number that stands in README's prose and tables, and where it comes from.

    Those of the demo's data are counted in tests/demo and tests/jobs/test_utc_cli.py; here they
    are only named.
    """
    known = {
        "3.11": pyproject()["project"]["requires-python"] == ">=3.11",
        "13": MINIMUM_SERVER_VERSION == 130_000,
        "500": USUAL["chunk_size"] == 500,
        "5000": USUAL["progress_interval"] == 5000,
        "60": USUAL["lease_seconds"] == 60,
        "0": True,  # of a second run: test_utc_cli
        **dict.fromkeys(("14,122", "20,000"), True),  # tests/demo/test_events.py
        "23": True,  # tests/jobs/test_utc_cli.py
        "12": len(stored_sessions()) == 12,
    }
    assert USUAL["max_refused"] == 0.1
    assert "more than a tenth of them" in README
    assert RECONNECT_SECONDS == 30
    assert "waited for half a minute" in README

    # Not figures: exit codes (another test), dates, ids, links, list numbers, shell.
    no_figures = (
        r"^\| \d+ \| .*$|\]\([^)]*\)|^\d+\. |\d{4}-\d\d-\d\d|\b\w*\d{8,}\S*|2026…|2>"
        r"|kill -9|tail -n 1|exits? (?:code )?\d+|exits\s+\d+|--(?:chunk-size|canary) \d+%?"
    )
    prose = re.sub(no_figures, "", README, flags=re.MULTILINE)
    figures = set(re.findall(r"(?<![\w.+-])(?:\d[\d,.]*\d|\d)(?!\w)", prose))
    assert figures == set(known), figures ^ set(known)
    assert all(known.values()), known


def test_every_choice_that_readme_names_behind_a_flag_is_all_there_is() -> None:
    taken = {p.flag: p.choices for entry in JOBS.values() for p in entry.parameters if p.choices}

    named = dict(re.findall(r"`(--[a-z-]+) ([a-z_]+(?:\|[a-z_]+)+)`", README))

    assert named
    assert {flag: tuple(words.split("|")) for flag, words in named.items()} == {
        flag: tuple(taken[flag]) for flag in named
    }


def test_every_file_of_a_run_that_readme_names_is_written_by_the_code() -> None:
    sources = "\n".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "lib" / "backfill").rglob("*.py")
    )
    pattern = rf"(?<![\w/.])\w+\.(?:{'|'.join(DATA_SUFFIXES)})\b"

    named = {name for code in code_of(README) for name in re.findall(pattern, code)}
    named -= FOREIGN_FILES | {path.name for path in (ROOT / "notebooks").glob("*.ipynb")}

    unknown = {
        name for name in named if name not in sources and f'.{name.split(".")[1]}"' not in sources
    }
    assert unknown == set()


def test_columns_of_the_testing_one_liner_exist() -> None:
    ddl = read("lib/backfill_lab/demo/events.sql")

    statement = re.search(r"UPDATE events SET (\w+) = NULL, (\w+) = NULL;", README)

    assert statement
    assert all(re.search(rf"\b{column}\b", ddl) for column in statement.groups())


def test_markers_are_explained() -> None:
    markers = {
        text.split(":")[0] for text in pyproject()["tool"]["pytest"]["ini_options"]["markers"]
    }

    explained = set(re.findall(r"^\| `(\w+)` \| ", read("tests/README.md"), re.MULTILINE))

    assert explained == markers


def test_folders_of_the_test_guide_exist() -> None:
    named = re.findall(r"^\| `(\w+)/` \| ", read("tests/README.md"), re.MULTILINE)

    assert [name for name in named if not (ROOT / "tests" / name).is_dir()] == []


def test_ci_and_test_all_run_every_target_of_the_test_guide_once() -> None:
    steps = re.findall(r"^step make (.+)$", read(".ci/run"), re.MULTILINE)
    listed = re.findall(r"^\| `make ([\w-]+)` \|", read("tests/README.md"), re.MULTILINE)
    whole = re.search(r"^test-all: (.+?) ##", read("Makefile"), re.MULTILINE)

    assert whole
    assert steps[:2] == ["lint", "test"]
    assert sorted(steps[1:]) == sorted(whole[1].split()) == sorted({*listed} - {"test-all"})
    assert listed[-1] == "test-all"


def test_changelog_tells_of_the_version_or_of_what_is_unreleased() -> None:
    version = pyproject()["project"]["version"]

    headings = re.findall(r"^## \[([^\]]+)\]", read("CHANGELOG.md"), re.MULTILINE)

    assert headings[0] in ("Unreleased", version)


def test_the_security_page_names_what_grants_prints() -> None:
    page = read("docs/security.md")
    flags = {o for a in commands()["grants"]._actions for o in a.option_strings}

    for role in ("planner", "applier", "reader", "operator"):
        assert f"--{role}" in flags
        assert re.search(rf"^\| {role} \|", page, re.MULTILINE), role
    assert "[security](docs/security.md)" in README
