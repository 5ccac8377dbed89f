"""The page on runs that nobody watches: each scheduler's own file is read, its command accepted."""

from __future__ import annotations

import ast
import configparser
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]  # it brings no types

from backfill.cli import build_parser

PAGE = (Path(__file__).parents[1] / "docs" / "schedulers.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def of_units() -> Iterator[list[str]]:
    for text in blocks("ini"):
        unit = configparser.ConfigParser(interpolation=None)
        unit.read_string(text)
        if unit.has_section("Service"):
            yield shlex.split(unit["Service"]["ExecStart"])[1:]


def of_workflows() -> Iterator[list[str]]:
    for text in blocks("yaml"):
        for step in yaml.safe_load(text)["jobs"]["check"]["steps"]:
            words = shlex.split(step.get("run", ""))
            if words[:1] == ["backfill"]:
                yield words[1:]


def of_python() -> Iterator[list[str]]:
    for text in blocks("python"):
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Constant) and str(node.value).startswith("backfill utc"):
                yield shlex.split(str(node.value))[1:]
            if isinstance(node, ast.List):
                words = [e.value for e in node.elts if isinstance(e, ast.Constant)]
                if words[:1] == ["backfill"]:
                    yield [str(word) for word in words[1:]]


def of_cron() -> Iterator[list[str]]:
    for line in re.findall(r"\.venv/bin/(backfill utc [^`\n]*)`", PAGE):
        yield shlex.split(line)[1:]


COMMANDS = [*of_units(), *of_workflows(), *of_python(), *of_cron()]


def test_each_scheduler_has_its_command() -> None:
    assert [len(list(found)) for found in (of_units(), of_workflows(), of_python(), of_cron())] == [
        *(1, 2, 2, 1),
    ]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_its_command_is_accepted(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    try:
        options = build_parser().parse_args(words)
    except SystemExit:
        pytest.fail(capsys.readouterr().err)

    assert options.command in ("utc", "check")
