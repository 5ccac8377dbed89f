"""Options of the command line, made from the parameters' declarations, in groups by what they are
about."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from backfill.command.words import counted_in, shown_word
from backfill.errors import ExitCode
from backfill.folder import NOT_UNICODE, is_unicode
from backfill.jobs.registry import JOBS
from backfill.log_format import say_in_log
from backfill.parameter import Kind, Parameter, did_you_mean
from backfill.parameters import THROTTLE

UNFLAGGED = {"apply", "runs_dir", "lease_seconds", "run_id", "dsn_env"}
#: Groups of a command's options, in the order of its help; what is in none comes first. What only
#: a job takes stands in its entry.
_OF_THE_ENGINE = {
    "which rows": ("only", "canary"),
    "how values come about": ("decisions", "scheduler"),
    "what is too much": ("max_skips", "max_failed", "max_held", "max_refused"),
    "how it is written": (
        *("chunk_size", "chunk_time", "workers", "join", "lock_timeout_ms"),
        *("statement_timeout_ms", "progress_interval"),
    ),
    "when it waits for others": tuple(parameter.name for parameter in THROTTLE),
}


def _groups() -> dict[str, list[str]]:
    """Return the names of parameters by group: jobs' own ones before the engine's."""
    groups: dict[str, list[str]] = {title: [] for title in _OF_THE_ENGINE}
    for part in (*(entry.groups for entry in JOBS.values()), _OF_THE_ENGINE):
        for title, names in part.items():
            groups.setdefault(title, []).extend(names)
    return groups


def _number_or_word(text: str) -> int | str:
    return int(text) if text.lstrip("-").isdigit() else text


def path_option(text: str) -> str:
    """Return a path that holds in any folder: a notebook's kernel has one of its own."""
    try:
        path = Path(text).expanduser().absolute()
        path.resolve()
    except (OSError, RuntimeError) as error:  # links in a circle, ~ of nobody
        raise argparse.ArgumentTypeError(str(error)) from None
    return str(path)


def any_text(text: str) -> str:
    """Return a text that may be empty, as the key of a row may."""
    return text


def _sheet(text: str) -> str:
    """A name without a folder and an ending may be a run's."""
    path = Path(text).expanduser()
    is_file = path.suffix == ".csv" or len(path.parts) > 1 or path.is_file()
    return str(path.absolute()) if is_file else text


_TYPES: dict[Kind, Callable[[str], object]] = {
    Kind.WHOLE: int,
    Kind.NUMBER: float,
    Kind.PATH: path_option,
    Kind.SHEET: _sheet,
    Kind.WHOLE_OR_WORD: _number_or_word,
}
_METAVARS = {Kind.WHOLE: "N", Kind.NUMBER: "SECONDS", Kind.PATH: "FILE"}


class Parser(argparse.ArgumentParser):
    """Takes no abbreviation: `--a` must never be taken for `--apply`."""

    def __init__(self, *positional: Any, **named: Any) -> None:
        super().__init__(*positional, **{"allow_abbrev": False, **named})

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is None or value in action.choices:
            return
        choices = [str(choice) for choice in action.choices]
        what = f"{shown_word(str(value))} is not known (choose from {', '.join(choices)})."
        raise argparse.ArgumentError(action, f"{what}{did_you_mean(str(value), choices)}")

    def _get_value(self, action: argparse.Action, text: str) -> Any:
        # An option with "$NOT_SET" behind it must never mean all rows.
        if not text and action.nargs != argparse.PARSER and action.type is not any_text:
            raise argparse.ArgumentError(action, "the value is empty, as of an unset variable")
        if action.nargs != argparse.PARSER and not is_unicode(text):
            raise argparse.ArgumentError(action, f"the value is {NOT_UNICODE}")
        try:
            return super()._get_value(action, text)
        except argparse.ArgumentError:
            name = getattr(action.type, "__name__", "value")
            kinds = {"int": "a whole number", "float": "a number", "path_option": "a path"}
            kind = kinds.get(name, name)
            if action.type is path_option:
                kind += ": links in a circle, or ~ of nobody"
            raise argparse.ArgumentError(action, f"{shown_word(text)} is not {kind}") from None

    def error(self, message: str) -> NoReturn:
        text = f"error: {message}\nSee: {self.prog} --help"
        say_in_log(text, "error", sys.stderr, as_json="--json" in sys.argv[1:])
        raise SystemExit(int(ExitCode.USAGE))


def command_parsers(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Return each command's parser by its name, in the order of the help."""
    # argparse shows its subcommands nowhere else.
    choices = (a.choices for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    return dict(next(choices))


def usage_of(parser: argparse.ArgumentParser) -> str:
    """Return the one line of usage: forty options in a row are no help."""
    words = [parser.prog, "[OPTION]…"]
    for action in parser._actions:
        if action.dest == "task" and not parser.prog.endswith(" task"):
            continue  # the task's name is in `prog`
        if not action.option_strings:
            choices = "|".join(map(str, action.choices)) if action.choices else ""
            name = choices or str(action.metavar or action.dest.upper())
            words.append(f"[{name}]" if action.nargs in ("?", "*") else name)
    return " ".join(words).replace("%", "%%")


def add_shared_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("options of every command")
    group.add_argument(
        "--database-url",
        metavar="URL",
        help="libpq URL or service=NAME (default: DATABASE_URL, else the embedded PostgreSQL); "
        "others on this machine can read a command line: keep passwords in DATABASE_URL",
    )
    group.add_argument(
        "--dsn-env",
        metavar="NAME",
        help="name of the environment variable that holds the connection string "
        "(default: DATABASE_URL)",
    )
    group.add_argument(
        "--runs-dir",
        type=path_option,
        metavar="DIR",
        help="folder of the runs (default: BACKFILL_RUNS_DIR, runs/)",
    )
    group.add_argument(
        "--lease-seconds",
        type=counted_in(1, 86_400),
        metavar="N",
        help="how long a claim lasts (60)",
    )
    group.add_argument(
        "--json", action="store_true", help="all that is said as JSON lines, the result in full"
    )
    group.add_argument("--quiet", action="store_true", help="only warnings, skips and errors")


def add_metrics_file(parser: argparse.ArgumentParser) -> None:
    """Add the option of commands whose end a monitor wants to know."""
    parser.add_argument(
        "--metrics-file",
        type=path_option,
        metavar="FILE",
        help="write the end as Prometheus text, for the textfile collector",
    )


def add_parameters(parser: argparse.ArgumentParser, parameters: Sequence[Parameter]) -> None:
    """Add a flag for each parameter, in its group."""
    groups = _groups()
    grouped = {name for members in groups.values() for name in members}
    names = {parameter.name: parameter for parameter in parameters if parameter.name in grouped}
    for parameter in parameters:
        if parameter.name not in UNFLAGGED and parameter.name not in names:
            add_flag(parser, parameter)
    for title, members in groups.items():
        present = [names[name] for name in dict.fromkeys(members) if name in names]
        if present:
            group = parser.add_argument_group(title)
            for parameter in present:
                add_flag(group, parameter)


def add_flag(parser: argparse._ActionsContainer, parameter: Parameter) -> None:
    says = re.sub("[,;] or a list", "; repeatable", parameter.help)
    if parameter.kind is Kind.TEXTS and not re.search("repeatable|commas", says):
        says += "; repeatable"
    usual = parameter.usual_path or parameter.default
    if usual not in ("", False, None, []):
        says += f" (default {', '.join(usual) if isinstance(usual, list) else usual})"
    says = re.sub("; None = (.*)$", r" (default: \1)", says)
    says = says.replace("%", "%%")
    if parameter.kind is Kind.FLAG:
        how = argparse.BooleanOptionalAction if len(parameter.flags) > 1 else "store_true"
        parser.add_argument(parameter.flag, action=how, default=None, help=says)
    elif parameter.kind is Kind.TEXTS:
        named = parameter.metavar or "TEXT"
        parser.add_argument(parameter.flag, action="append", metavar=named, help=says)
    else:
        parser.add_argument(
            parameter.flag,
            type=_TYPES.get(parameter.kind, str),
            metavar=parameter.metavar
            or "|".join(parameter.choices)
            or _METAVARS.get(parameter.kind, "TEXT"),
            help=says,
        )
