"""The command line: parse, call one function, print. Heavy imports wait until they are needed."""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NoReturn

from backfill import printing
from backfill.command import checks, commands, machine, requests
from backfill.command.completion import add_completion_options, script
from backfill.command.init_table import add_init_table_options, run_init_table
from backfill.command.metrics import check_metrics_file
from backfill.command.options import (
    Parser,
    add_metrics_file,
    add_parameters,
    add_shared_options,
    any_text,
    command_parsers,
    path_option,
    usage_of,
)
from backfill.command.overview import overview, version_text
from backfill.command.runs_command import (
    add_compare_options,
    add_runs_options,
    run_compare,
    run_runs,
)
from backfill.command.status_command import add_status_options, run_status
from backfill.command.words import counted_in, unknown_words
from backfill.errors import BackfillError, ExitCode
from backfill.jobs.entry import Entry
from backfill.jobs.registry import JOBS, entry_of
from backfill.loading import own_first
from backfill.log_format import check_log_format, say_in_log
from backfill.next_command import RUNS_DIR, next_command, remember_about, remember_given
from backfill.notebook.run_signals import Stopped, stoppable
from backfill.parameters import (
    APPLY_PARAMETERS,
    REVERT_PARAMETERS,
    TASK_PARAMETERS,
)

_Handler = Callable[[argparse.Namespace], int]
_Add = Callable[..., None]
_Command = tuple[str, str, _Handler, tuple[_Add, ...]]
EPILOG = """exit codes: 0 ok · 1 unexpected error · 2 usage or settings · 3 preflight refused ·
4 another run holds the lease · 5 plan stale or rows drifted · 6 verification failed ·
7 more skips or failed sessions than allowed · 8 check found pending rows ·
130 interrupted or cancelled · 143 terminated (both: backfill resume RUN_ID goes on)"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    printing.open_closed()
    if not _is_anywhere():
        printing.say("The folder that you are in is gone. cd to another, and again.", sys.stderr)
        return int(ExitCode.USAGE)
    own_first()
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given == ["--version"]:
        printing.say(version_text(), sys.stdout)
        return int(ExitCode.OK)
    try:
        parser = build_parser(_task_of(given))
    except BackfillError as error:  # what the task that was named is wrong about
        return commands.report_error(build_parser().parse_args(["status"]), error)
    _refuse_early_options(parser, given)
    options, unknown = parser.parse_known_args(given)
    if options.command is None and not unknown:
        printing.say(overview(parser), sys.stdout, end="")
        return int(ExitCode.OK)
    if unknown:  # argparse would name the help of all commands
        _refuse_unknown(parser, options.command, unknown, given)
    return _run(options)


def _refuse_early_options(parser: argparse.ArgumentParser, given: Sequence[str]) -> None:
    """Refuse `backfill --runs-dir DIR JOB`, of which argparse would take DIR for the command."""
    first = given[0].partition("=")[0] if given else ""
    subs = command_parsers(parser).values()
    options = {option for sub in subs for option in sub._option_string_actions}
    if first in options - set(parser._option_string_actions):
        parser.error(f"{first} goes behind the command that it is for: the command comes first")


def _is_anywhere() -> bool:
    try:
        os.getcwd()  # noqa: PTH109  asked for its error
    except FileNotFoundError:
        return False
    return True


def _run(options: argparse.Namespace) -> int:
    try:
        with stoppable():
            _take_given(options)
            check_log_format()
            check_metrics_file(getattr(options, "metrics_file", None))
            code = int(options.handler(options))
            printing.let_out()
            return code
    except BackfillError as error:
        return commands.report_error(options, error)
    except BrokenPipeError:  # whoever read has enough; a run's own output is another matter
        printing.leave_unread()
        return int(ExitCode.OK)
    except Exception as error:  # a bug of ours: say so, with all that helps to mend it
        return commands.report_bug(options, error)
    except Stopped as stopped:
        is_interrupt = stopped.number == signal.SIGINT
        return _stopped(options, f"Stopped by {stopped}", is_interrupt=is_interrupt)
    except KeyboardInterrupt:
        return _stopped(options, "Interrupted", is_interrupt=True)


def _stopped(options: argparse.Namespace, how: str, *, is_interrupt: bool) -> int:
    see = next_command("status", *commands.run_named(options))
    say_in_log(
        f"{how}. Nothing is half done. See: {see}", "warning", sys.stderr, as_json=options.json
    )
    return int(ExitCode.INTERRUPTED if is_interrupt else ExitCode.TERMINATED)


def _take_given(options: argparse.Namespace) -> None:
    """Let database and folder hold for what this command starts, and prints."""
    remember_given({RUNS_DIR: options.runs_dir} if options.runs_dir else {})
    if options.database_url or options.dsn_env:
        from backfill.server.database import take_database  # psycopg: `--help` does without

        # Also of a notebook that names a variable of its own.
        options.dsn_env = take_database(options.database_url, options.dsn_env)
    if options.command in ("status", "doctor") and options.table:
        remember_about(["--table", options.table])


def _refuse_unknown(
    parser: argparse.ArgumentParser, command: str | None, unknown: list[str], given: list[str]
) -> NoReturn:
    subs = command_parsers(parser)
    if command is None:
        parser.error(unknown_words(unknown, list(subs), {}, has_address=True))
    options = {name: list(sub._option_string_actions) for name, sub in subs.items()}
    has_address = any("://" in word or "@" in word for word in given)
    said = unknown_words(unknown, options[command], options, has_address=has_address)
    Parser(prog=subs[command].prog).error(said)


class _Root(Parser):
    def format_help(self) -> str:
        return overview(self)


def build_parser(task: Entry | None = None) -> argparse.ArgumentParser:
    """Return the parser of every command; the reference is made from it.

    `task` is the one that is asked for, if one is.
    """
    parser = _Root(
        prog="backfill",
        description="Repair data in PostgreSQL safely: plan, review, apply, verify, revert, prove.",
        epilog=EPILOG,
    )
    parser.add_argument("--version", action="store_true", help="our version, and what computes")
    subparsers: Any = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=Parser)
    for name, says, handler, takes in (*map(_command_of, JOBS.values()), *_COMMANDS):
        sub = subparsers.add_parser(name, help=says, description=says, epilog=EPILOG)
        sub.set_defaults(handler=handler)
        for add in takes:
            add(sub, task) if add in _ABOUT_A_TASK else add(sub)
    _finish(parser, task)
    return parser


def _command_of(entry: Entry) -> _Command:
    own = partial(add_parameters, parameters=entry.parameters)
    notebook = [_add_notebook] * entry.takes_notebook
    takes: tuple[_Add, ...] = (own, _add_mode, add_metrics_file, *notebook)
    return entry.name, f"{entry.says}; a dry run by default", commands.run_job, takes


def _finish(parser: argparse.ArgumentParser, task: Entry | None) -> None:
    """Add what every command takes; the commands that are about a task say its name."""
    named = f" {shlex.quote(task.command[-1])}" if task else ""
    of_task = {"task": named, "check": f" --job{named}", "grants": f" --job{named}"}
    for name, sub in command_parsers(parser).items():
        sub.prog += of_task.get(name, "") if task else ""
        add_shared_options(sub)
        sub.usage = usage_of(sub)


def _run_completion(options: argparse.Namespace) -> int:
    """`backfill completion SHELL`: what `source <(backfill completion bash)` takes in."""
    printing.say(script(build_parser(), options.shell), sys.stdout)
    return int(ExitCode.OK)


def _task_of(given: Sequence[str]) -> Entry | None:
    """Return the task that a command line asks for, by `task NAME` or by another's `--job NAME`."""
    name = ""
    if given[:1] == ["task"] and len(given) > 1 and not given[1].startswith("-"):
        name = given[1]
    elif given[:1] in (["check"], ["grants"]):
        words = zip(given, [*given[1:], ""], strict=True)
        named = [w.partition("=")[2] or after for w, after in words if w.split("=")[0] == "--job"]
        name = named[-1] if named and named[-1] not in JOBS else ""
    return entry_of(name) if name else None


def _add_task(parser: argparse.ArgumentParser, task: Entry | None = None) -> None:
    parser.add_argument(
        "task", metavar="NAME", help="an installed task's name, or package.module:attribute"
    )
    add_parameters(parser, (task.parameters if task else ()) or TASK_PARAMETERS)


def _takes(*names: str, **how: Any) -> _Add:
    """Return what adds one argument to a command's parser."""

    def add(parser: argparse.ArgumentParser) -> None:
        parser.add_argument(*names, **how)

    return add


def _add_mode(parser: argparse.ArgumentParser) -> None:
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--dry-run", action="store_true", help="write nothing (the default)")
    mode.add_argument("--apply", action="store_true", default=None, help="write the plan")


_add_apply = partial(add_parameters, parameters=APPLY_PARAMETERS)
_add_revert = partial(add_parameters, parameters=REVERT_PARAMETERS)
_add_run_id = _takes("run_id", metavar="RUN_ID", help="a run id, its unique beginning, or latest")
_add_key = _takes(
    "key", type=any_text, metavar="KEY", help="the row's key, like an event's or a session's id"
)
_add_notebook = _takes(
    "--notebook",
    type=path_option,
    metavar="FILE",
    help="your own copy of notebook 06, whose parameters the flags override",
)
_DOCTOR = (
    _takes("--table", metavar="FILE", type=path_option, help="will this specification work?"),
)
_LAB = (
    _takes(
        "--notebooks-dir",
        metavar="DIR",
        help="folder of your copies (default: backfill-notebooks)",
    ),
    _takes("lab_options", nargs="*", help="options for jupyter lab, behind --"),
)
_EVIDENCE = (
    _takes("action", choices=("check",), help="what to do with it"),
    _takes(
        "run_dir",
        metavar="RUN_DIR",
        help="a run's folder, or what names a run: its id, its unique beginning, latest",
    ),
    _takes(
        "--without-database",
        action="store_true",
        help="look at the folder alone: who changed a file and its sums too is found by the "
        "database only",
    ),
)
_SELFTEST = (
    _takes(
        "--chaos",
        action="store_true",
        required=True,
        help="kills, faults, two writers, tampering",
    ),
    _takes("--case", action="append", metavar="NAME", help="only this case, or group of cases"),
    _takes(
        "--seed",
        type=counted_in(0, 2**32 - 1),
        metavar="N",
        help="what the cases leave to chance",
    ),
    _takes("--list", action="store_true", help="name the cases and run none"),
)
_DB = (
    _takes(
        "action",
        choices=("start", "stop", "url", "seed", "reset"),
        help="url prints its address; seed loads the demo anew; reset deletes the data",
    ),
    _takes(
        "--encoding",
        choices=("epoch_ms", "timestamp"),
        default="epoch_ms",
        help="how seed writes wall-clock columns (default epoch_ms)",
    ),
)
_WRITING: tuple[_Add, ...] = (_add_run_id, _add_apply, add_metrics_file)
#: Every command beside the jobs': its name, what it does, what runs it, what it takes.
_COMMANDS: tuple[_Command, ...] = (
    (
        *("task", "run a task of your own; a dry run by default", commands.run_job),
        (_add_task, _add_mode, add_metrics_file),
    ),
    ("apply", "write exactly the plan that a dry run froze", commands.run_plan, _WRITING),
    ("resume", "go on with a run from its last checkpoint", commands.run_plan, _WRITING),
    ("pause", "pause a run after its current chunk", requests.run_request, (_add_run_id,)),
    ("cancel", "cancel a run after its current chunk", requests.run_request, (_add_run_id,)),
    ("status", "runs, progress and pending rows", run_status, (add_status_options,)),
    ("runs", "which runs there are, newest first", run_runs, (add_runs_options,)),
    ("compare", "what differs between two runs, and why", run_compare, (add_compare_options,)),
    ("verify", "prove from the database what a run did", commands.run_verify, (_add_run_id,)),
    ("explain", "why a row of a run has its values", commands.run_explain, (_add_run_id, _add_key)),
    (
        *("revert", "put back what a run wrote; a dry run by default", commands.run_revert),
        (_add_run_id, _add_revert, _add_mode, add_metrics_file),
    ),
    (
        *("check", "exit 8 while anything is pending (a gate for CI)", checks.run_check),
        (checks.add_check_options, add_metrics_file),
    ),
    (
        *("grants", "print the least SQL rights of each role", checks.run_grants),
        (checks.add_grants_options,),
    ),
    (
        *("init-table", "write a first --table file from the catalog", run_init_table),
        (add_init_table_options,),
    ),
    ("evidence", "check an archived run", checks.run_evidence, _EVIDENCE),
    (
        *("doctor", "what is wrong here, and the command that mends it", machine.run_doctor),
        _DOCTOR,
    ),
    ("lab", "JupyterLab on copies of the notebooks of your own", machine.run_lab, _LAB),
    ("demo", "every job on invented data, from dry run to proof", machine.run_demo, ()),
    (
        *("selftest", "prove the promises on throw-away data", machine.run_selftest),
        _SELFTEST,
    ),
    (
        *("completion", "print what bash, zsh or fish needs to complete", _run_completion),
        (add_completion_options,),
    ),
    ("db", "the embedded PostgreSQL", machine.run_db, _DB),
)
#: What adds options of the task that a command line names.
_ABOUT_A_TASK: tuple[_Add, ...] = (
    *(_add_task, checks.add_check_options, checks.add_grants_options),
)

if __name__ == "__main__":
    sys.exit(main())
