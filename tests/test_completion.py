"""`backfill completion` completes commands, options, words and files, in three shells."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.deadline import DEADLINE_SECONDS

from backfill.cli import build_parser
from backfill.command.completion import SHELLS, script

HOW_TO = (Path(__file__).parents[1] / "docs" / "how-to.md").read_text(encoding="utf-8")
#: What is typed, and what it may become; `hotels.toml` lies where it is typed.
TYPED = {
    "backfill stat": {"status"},
    "backfill utc --household": {"--household-id"},
    "backfill db s": {"start", "stop", "seed"},
    "backfill ocr --fold": set(),
    "backfill utc --fold l": {"later"},
    "backfill utc --table h": {"hotels.toml"},
    "backfill completion z": {"zsh"},
}
BASH = """
TAKE_IN
COMP_WORDS=($1); COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_shtab_backfill
printf '%s\\n' "${COMPREPLY[@]}"
"""
#: zsh completes on a terminal only: one is made, and what stands in its line after Tab is printed.
ZSH = """
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell 'PS1=; autoload -Uz compinit; compinit -u -D; TAKE_IN'
zpty -w shell 'tell() { print -r -- "LINE<$BUFFER>" }; zle -N tell; bindkey "^X" tell'
zpty -w shell 'bindkey "^I" complete-word; print REA\"\"DY'
zpty -r shell said '*READY*'
zpty -n -w shell "$1"$'\\t\\x18'
zpty -r shell said '*LINE<*>*'
print -r -- $said
zpty -d shell
"""


def taken_in(shell: str) -> str:
    """Return how the how-to page takes a completion in; the script lies in a file here."""
    (line,) = re.findall(rf"^.*backfill completion {shell}.*$", HOW_TO, re.MULTILINE)
    return str(line).replace(f"backfill completion {shell}", "cat completion")


def in_bash(folder: Path, typed: str) -> set[str]:
    code = BASH.replace("TAKE_IN", taken_in("bash"))
    return set(_said(["bash", "-c", code, "bash", typed], folder).split())


def in_fish(folder: Path, typed: str) -> set[str]:
    asked = ["fish", "--no-config", "-c", f'{taken_in("fish")}; complete -C "$argv[1]"', typed]
    return {line.split("\t")[0] for line in _said(asked, folder).splitlines()}


def in_zsh(folder: Path, typed: str) -> set[str]:
    """Return the last word of the line after Tab, where it is longer than what was typed."""
    code = ZSH.replace("TAKE_IN", taken_in("zsh"))
    line = re.findall(r"LINE<(.*?)>", _said(["zsh", "-f", "-c", code, "zsh", typed], folder))[-1]
    return set() if line.strip() == typed else {line.split()[-1]}


def _said(command: list[str], folder: Path) -> str:
    ended = subprocess.run(
        command,
        cwd=folder,
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(folder), "TERM": "xterm"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.mark.parametrize(
    "ask",
    [
        in_bash,
        pytest.param(in_zsh, marks=[pytest.mark.long, pytest.mark.slow]),
        pytest.param(in_fish, marks=[pytest.mark.long, pytest.mark.slow]),
    ],
)
def test_a_shell_completes_what_is_typed(
    ask: Callable[[Path, str], set[str]], tmp_path: Path
) -> None:
    shell = ask.__name__.removeprefix("in_")
    (tmp_path / "completion").write_text(script(build_parser(), shell), encoding="utf-8")
    (tmp_path / "hotels.toml").touch()

    asked = [typed for typed, words in TYPED.items() if shell != "zsh" or len(words) < 2]

    found = {typed: ask(tmp_path, typed) for typed in asked}

    assert found == {typed: TYPED[typed] for typed in asked}


def test_every_command_and_option_stands_in_the_script_of_each_shell() -> None:
    for shell in SHELLS:
        text = script(build_parser(), shell)
        assert "metrics-file" in text
        assert "init-table" in text
