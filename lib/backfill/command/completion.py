"""`backfill completion`: what a shell needs to complete commands, options and their words."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterator

from backfill.command.options import command_parsers

SHELLS = ("bash", "zsh", "fish")
_PLACES = ("FILE", "DIR", "RUN_DIR")


def add_completion_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=SHELLS, help="whose: bash, zsh or fish")


def script(parser: argparse.ArgumentParser, shell: str) -> str:
    """Return the completion of a parser for a shell; shtab knows no fish.

    The parser learns what its options may hold, and is of no use for parsing afterwards.
    """
    for sub in command_parsers(parser).values():
        for action in sub._actions:
            _teach(action)
    if shell == "fish":
        return "\n".join(_fish(parser))
    import shtab

    return str(shtab.complete(parser, shell=shell))


def _teach(action: argparse.Action) -> None:
    """Say of an option which words it takes, or that it takes a file: its metavar tells."""
    import shtab

    shown = action.metavar if isinstance(action.metavar, str) else ""
    words = shown.split("|")
    if action.choices is None and len(words) > 1 and not any(map(str.isupper, words)):
        action.choices = words
    elif shown in _PLACES:
        action.complete = {"FILE": shtab.FILE}.get(shown, shtab.DIRECTORY)  # type: ignore[attr-defined]


def _fish(parser: argparse.ArgumentParser) -> Iterator[str]:
    yield "complete -c backfill -f"
    for name, sub in command_parsers(parser).items():
        says = (sub.description or "").replace("%%", "%")
        yield f"complete -c backfill -n __fish_use_subcommand -a {name} -d {shlex.quote(says)}"
        for action in sub._actions:
            yield from _fish_option(name, action)


def _fish_option(command: str, action: argparse.Action) -> Iterator[str]:
    if action.help is argparse.SUPPRESS:
        return
    words = ["complete", "-c", "backfill", "-n", f"__fish_seen_subcommand_from {command}"]
    for flag in action.option_strings:
        words += ["-l", flag[2:]] if flag.startswith("--") else ["-s", flag[1:]]
    if action.choices:
        words += ["-a", " ".join(map(str, action.choices))]
    elif not action.option_strings:
        return
    if action.option_strings and action.nargs != 0:
        words.append("-r" if action.choices else "-rF")
    yield shlex.join([*words, "-d", (action.help or "").replace("%%", "%")])
