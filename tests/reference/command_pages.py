"""Commands with their flags, and notebooks with their parameters: from the parser itself."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from tests.reference.markdown import code, section, table

from backfill.cli import build_parser
from backfill.command.options import command_parsers
from backfill.jobs.registry import JOBS
from backfill.parameters import (
    APPLY_PARAMETERS,
    REVERT_PARAMETERS,
    VERIFY_PARAMETERS,
    Parameter,
)
from backfill.tour import TOUR_PARAMETERS

#: What the notebook of any table works on as it is: the demo's customers.
FILL_EXAMPLE = {"table": "public.customer", "set": "phone_e164"}
_NOTEBOOKS: Mapping[str, tuple[Parameter, ...]] = {
    "00_start_here": TOUR_PARAMETERS,
    **{entry.notebook: entry.parameters for entry in JOBS.values()},
    "03_apply_plan": APPLY_PARAMETERS,
    "04_verify_run": VERIFY_PARAMETERS,
    "05_revert_run": REVERT_PARAMETERS,
    "06_fill_columns": tuple(
        replace(parameter, default=FILL_EXAMPLE.get(parameter.name, parameter.default))
        for parameter in JOBS["fill"].parameters
    ),
}
NOTEBOOKS = dict(sorted(_NOTEBOOKS.items()))
_FLAG_HEADER = ("argument", "means")


def commands_section() -> str:
    """Return every command with its arguments; those of all commands stand once, at the end."""
    parsers = command_parsers(build_parser())
    shared = _shared_flags(parsers.values())
    pages = [_command_page(name, parser, shared) for name, parser in parsers.items()]
    first = next(iter(parsers.values()))
    everywhere = [action for action in _actions(first) if _names(action) in shared]
    closing = section(
        "Options of every command", table(_FLAG_HEADER, map(_flag_row, everywhere)), level=3
    )
    return section("Commands", *pages, closing)


def _shared_flags(parsers: Iterable[argparse.ArgumentParser]) -> set[str]:
    each = [{_names(action) for action in _actions(parser)} for parser in parsers]
    return set.intersection(*each)


def _actions(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    return [action for action in parser._actions if action.help is not argparse.SUPPRESS]


def _names(action: argparse.Action) -> str:
    return ", ".join(action.option_strings) or action.dest


def _command_page(name: str, parser: argparse.ArgumentParser, shared: set[str]) -> str:
    own = [action for action in _actions(parser) if _names(action) not in shared]
    says = _plain(parser.description or "")
    parts = [f"{says[:1].upper()}{says[1:]}.\n"]
    if own:
        parts.append(table(_FLAG_HEADER, map(_flag_row, own)))
    return section(f"`backfill {name}`", *parts, level=3)


def _flag_row(action: argparse.Action) -> Sequence[str]:
    value = "" if action.nargs == 0 else f" {_value(action)}"
    flag = ", ".join(action.option_strings)
    name = f"{flag}{value}" if flag else value.strip()
    optional = not action.option_strings and action.nargs in ("?", "*")
    return code(f"[{name}]" if optional else name), _plain(action.help or "")


def _plain(text: str) -> str:
    """Return a help text as Markdown takes it literally."""
    return text.replace("%%", "%").replace("*", r"\*")


def _value(action: argparse.Action) -> str:
    if isinstance(action.metavar, str):
        return action.metavar
    if action.choices:
        return "|".join(map(str, action.choices))
    return action.dest.upper()


def notebooks_section() -> str:
    """Return the parameters of each notebook: the flags' names with underscores."""
    pages = [
        section(
            f"`{name}.ipynb`",
            table(
                ("parameter", "is", "default", "means"),
                [
                    (code(p.name), _kind(p), code(repr(p.default)), _plain(p.help))
                    for p in parameters
                ],
            ),
            level=3,
        )
        for name, parameters in NOTEBOOKS.items()
    ]
    return section("Notebook parameters", *pages)


def _kind(parameter: Parameter) -> str:
    if parameter.choices:
        return ", ".join(map(code, parameter.choices))
    return str(parameter.kind)
