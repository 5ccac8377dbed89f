"""The command line: parse, call one function, print. Heavy imports wait until they are needed."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from backfill import printing
from backfill.command import checks, commands, machine, requests
from backfill.command.explain_command import run_explain
from backfill.command.grants_command import add_grants_options, run_grants
from backfill.command.init_table import add_init_table_options, run_init_table
from backfill.command.runs_command import (
    add_compare_options,
    add_runs_options,
    run_compare,
    run_runs,
)
from backfill.command.words import counted_in, shown_word, unknown_words
from backfill.errors import BackfillError, ExitCode
from backfill.jobs.registry import JOBS, parameters_of
from backfill.next_command import DATABASE_URL, RUNS_DIR, next_command, remember_given
from backfill.parameter import near
from backfill.parameters import (
    APPLY_PARAMETERS,
    REVERT_PARAMETERS,
    TASK_PARAMETERS,
    Kind,
    Parameter,
)

Handler = Callable[[argparse.Namespace], int]
_UNFLAGGED = {"apply", "runs_dir", "lease_seconds", "run_id", "dsn_env"}
EPILOG = """exit codes: 0 ok · 1 unexpected error · 2 usage or settings · 3 preflight refused ·
4 another run holds the lease · 5 plan stale or rows drifted · 6 verification failed ·
7 more skips or failed sessions than allowed · 8 check found pending rows ·
130 interrupted or cancelled · 143 terminated (both: backfill resume RUN_ID goes on)"""


def _number_or_word(text: str) -> int | str:
    return int(text) if text.lstrip("-").isdigit() else text


def _sheet(text: str) -> str:
    """A name without a folder and an ending may be a run's."""
    path = Path(text).expanduser()
    is_file = path.suffix == ".csv" or len(path.parts) > 1 or path.is_file()
    return str(path.absolute()) if is_file else text


_TYPES: dict[Kind, Callable[[str], object]] = {
    Kind.WHOLE: int,
    Kind.NUMBER: float,
    # A notebook's kernel has a current directory of its own.
    Kind.PATH: lambda text: str(Path(text).expanduser().absolute()),
    Kind.SHEET: _sheet,
    Kind.WHOLE_OR_WORD: _number_or_word,
}
_METAVARS = {Kind.WHOLE: "N", Kind.NUMBER: "SECONDS", Kind.PATH: "FILE"}


class _Parser(argparse.ArgumentParser):
    """Takes no abbreviation: `--a` must never be taken for `--apply`."""

    def __init__(self, *positional: Any, **named: Any) -> None:
        super().__init__(*positional, **{"allow_abbrev": False, **named})

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is None or value in action.choices:
            return
        known = [str(choice) for choice in action.choices]
        what = f"{shown_word(str(value))} is not known (choose from {', '.join(known)})."
        raise argparse.ArgumentError(action, f"{what}{near(str(value), known)}")

    def _get_value(self, action: argparse.Action, text: str) -> Any:
        try:
            return super()._get_value(action, text)
        except argparse.ArgumentError:
            name = getattr(action.type, "__name__", "value")
            kind = {"int": "a whole number", "float": "a number"}.get(name, name)
            raise argparse.ArgumentError(action, f"{shown_word(text)} is not {kind}") from None

    def error(self, message: str) -> NoReturn:
        printing.say(f"error: {message}\nSee: {self.prog} --help", sys.stderr)
        raise SystemExit(int(ExitCode.USAGE))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        parser = build_parser(_task_of(given))
    except BackfillError as error:  # what the task that was named is wrong about
        return commands.report_error(build_parser().parse_args(["status"]), error)
    options, unknown = parser.parse_known_args(given)
    if unknown:  # argparse would name the help of all commands
        _refuse_unknown(parser, options.command, unknown, given)
    _take_given(options)
    try:
        return int(options.handler(options))
    except BackfillError as error:
        return commands.report_error(options, error)
    except BrokenPipeError:  # whoever read has enough; a run's own output is another matter
        printing.leave_unread()
        return int(ExitCode.OK)
    except Exception as error:  # a bug of ours: say so, with all that helps to mend it
        return commands.report_bug(options, error)
    except KeyboardInterrupt:
        printing.say(
            f"Interrupted. Nothing is half done. See: {next_command('status')}", sys.stderr
        )
        return int(ExitCode.INTERRUPTED)


def _take_given(options: argparse.Namespace) -> None:
    """Let database and folder hold for what this command starts, and prints."""
    given = {RUNS_DIR: options.runs_dir} if options.runs_dir else {}
    if options.database_url:
        from backfill.server.dsn import without_password  # psycopg: `--help` does without

        os.environ["DATABASE_URL"] = options.database_url
        given[DATABASE_URL] = without_password(options.database_url)
    remember_given(given)


def _refuse_unknown(
    parser: argparse.ArgumentParser, command: str, unknown: list[str], given: list[str]
) -> NoReturn:
    flags = list(command_parsers(parser)[command]._option_string_actions)
    has_address = any("://" in word or "@" in word for word in given)
    _Parser(prog=f"backfill {command}").error(
        unknown_words(unknown, flags, has_address=has_address)
    )


def command_parsers(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Return each command's parser by its name, in the order of the help."""
    # argparse shows its subcommands nowhere else.
    found = (a.choices for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    return dict(next(found))


def build_parser(task: tuple[Parameter, ...] = ()) -> argparse.ArgumentParser:
    """Return the parser of every command; the reference is made from it.

    `task` are the parameters of the task that is asked for, if one is.
    """
    parser = _Parser(
        prog="backfill",
        description="Repair data in PostgreSQL safely: plan, review, apply, verify, revert, prove.",
        epilog=EPILOG,
    )
    shared = _shared_options()
    subparsers: Any = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, says: str, handler: Handler) -> argparse.ArgumentParser:
        sub: argparse.ArgumentParser = subparsers.add_parser(
            name, help=says, description=says, parents=[shared], epilog=EPILOG
        )
        sub.set_defaults(handler=handler)
        return sub

    for entry in JOBS.values():
        job = command(entry.name, f"{entry.says}; a dry run by default", commands.run_job)
        _add_parameters(job, entry.parameters)
        _add_mode(job)
        if entry.name == "fill":
            _add_notebook(job)
    _add_task(
        command("task", "run a task of your own; a dry run by default", commands.run_job), task
    )
    apply = command("apply", "write exactly the plan that a dry run froze", commands.run_plan)
    resume = command("resume", "go on with a run from its last checkpoint", commands.run_plan)
    for sub in (apply, resume):
        _add_run_id(sub)
        _add_parameters(sub, APPLY_PARAMETERS)
    for name in ("pause", "cancel"):
        _add_run_id(command(name, f"{name} a run after its current chunk", requests.run_request))
    status = command("status", "runs, progress and pending rows", commands.run_status)
    status.add_argument("run_id", nargs="?", help="a run id, its unique beginning, or latest")
    add_runs_options(command("runs", "which runs there are, newest first", run_runs))
    add_compare_options(command("compare", "what differs between two runs, and why", run_compare))
    _add_run_id(command("verify", "prove from the database what a run did", commands.run_verify))
    explain = command("explain", "why a row of a run has its values", run_explain)
    _add_run_id(explain)
    explain.add_argument("key", help="the row's key: an event's id, a capture session's id")
    revert = command(
        "revert", "put back what a run wrote; a dry run by default", commands.run_revert
    )
    _add_run_id(revert)
    _add_parameters(revert, REVERT_PARAMETERS)
    _add_mode(revert)
    checks.add_check_options(
        command("check", "exit 8 while anything is pending (a gate for CI)", checks.run_check)
    )
    add_grants_options(command("grants", "print the least SQL rights of each role", run_grants))
    add_init_table_options(
        command("init-table", "write a first --table file from the catalog", run_init_table)
    )
    _add_evidence(command("evidence", "check an archived run", checks.run_evidence))
    command("doctor", "what is wrong here, and the command that mends it", machine.run_doctor)
    lab = command("lab", "JupyterLab on copies of the notebooks of your own", machine.run_lab)
    lab.add_argument(
        "--notebooks-dir", metavar="DIR", help="folder of your copies (default: backfill-notebooks)"
    )
    lab.add_argument("lab_options", nargs="*", help="options for jupyter lab, behind --")
    command("demo", "both jobs on invented data, from dry run to proof", machine.run_demo)
    _add_selftest(
        command("selftest", "prove the promises on throw-away data", machine.run_selftest)
    )
    _add_db(command("db", "the embedded PostgreSQL", machine.run_db))
    return parser


def _shared_options() -> argparse.ArgumentParser:
    shared = argparse.ArgumentParser(add_help=False)
    group = shared.add_argument_group("options of every command")
    group.add_argument(
        "--database-url",
        metavar="URL",
        help="libpq URL or service=NAME (default: DATABASE_URL, else the embedded PostgreSQL); "
        "others on this machine can read a command line: keep passwords in DATABASE_URL",
    )
    group.add_argument(
        "--runs-dir",
        type=_TYPES[Kind.PATH],
        metavar="DIR",
        help="folder of the runs (default: BACKFILL_RUNS_DIR, runs/)",
    )
    group.add_argument(
        "--lease-seconds",
        type=counted_in(1, 86_400),
        metavar="N",
        help="how long a claim lasts (60)",
    )
    group.add_argument("--json", action="store_true", help="JSON lines on stderr as well")
    group.add_argument("--quiet", action="store_true", help="only warnings, skips and errors")
    return shared


def _task_of(given: Sequence[str]) -> tuple[Parameter, ...]:
    """Return the parameters of the task that a command line asks for."""
    if len(given) < 2 or given[0] != "task" or given[1].startswith("-"):
        return ()
    return parameters_of(given[1])


def _add_task(parser: argparse.ArgumentParser, own: tuple[Parameter, ...]) -> None:
    parser.add_argument(
        "task", metavar="NAME", help="an installed task's name, or package.module:attribute"
    )
    _add_parameters(parser, own or TASK_PARAMETERS)
    _add_mode(parser)


def _add_notebook(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--notebook",
        type=_TYPES[Kind.PATH],
        metavar="FILE",
        help="your own copy of notebook 06, whose parameters the flags override",
    )


def _add_run_id(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run_id", help="a run id, its unique beginning, or latest")


def _add_mode(parser: argparse.ArgumentParser) -> None:
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--dry-run", action="store_true", help="write nothing (the default)")
    mode.add_argument("--apply", action="store_true", default=None, help="write the plan")


def _add_evidence(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=("check",), help="what to do with it")
    parser.add_argument(
        "run_dir",
        metavar="RUN_DIR",
        help="a run's folder, or what names a run: its id, its unique beginning, latest",
    )


def _add_selftest(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--chaos", action="store_true", required=True, help="kills, faults, two writers, tampering"
    )
    parser.add_argument(
        "--case", action="append", metavar="NAME", help="only this case, or group of cases"
    )
    parser.add_argument(
        "--seed", type=counted_in(0, 2**32 - 1), metavar="N", help="what the cases leave to chance"
    )
    parser.add_argument("--list", action="store_true", help="name the cases and run none")


def _add_db(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "action",
        choices=("start", "stop", "url", "seed", "reset"),
        help="url prints its address; seed loads the demo anew; reset deletes the data",
    )
    parser.add_argument(
        "--encoding",
        choices=("epoch_ms", "timestamp"),
        default="epoch_ms",
        help="how seed writes wall-clock columns (default epoch_ms)",
    )


def _add_parameters(parser: argparse.ArgumentParser, parameters: Sequence[Parameter]) -> None:
    for parameter in parameters:
        if parameter.name in _UNFLAGGED:
            continue
        says = parameter.help
        usual = parameter.usual_path or parameter.default
        if usual not in ("", False, None):
            says += f" (default {usual})"
        says = re.sub("; None = (.*)$", r" (default: \1)", says)
        says = says.replace("%", "%%")
        if parameter.kind is Kind.FLAG:
            parser.add_argument(parameter.flag, action="store_true", default=None, help=says)
        elif parameter.kind is Kind.TEXTS:
            parser.add_argument(
                parameter.flag, action="append", metavar=parameter.metavar, help=says
            )
        else:
            parser.add_argument(
                parameter.flag,
                type=_TYPES.get(parameter.kind, str),
                metavar=parameter.metavar
                or "|".join(parameter.choices)
                or _METAVARS.get(parameter.kind, "TEXT"),
                help=says,
            )


if __name__ == "__main__":
    sys.exit(main())
