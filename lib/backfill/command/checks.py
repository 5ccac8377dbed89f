"""Commands that look and say: what is pending, which rights it takes, whether a folder agrees."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backfill.command.commands import database_of, given_of, ledger_of, terminal_of
from backfill.command.ending import print_summary
from backfill.command.metrics import write_metrics
from backfill.command.options import add_flag
from backfill.display.counting import counted
from backfill.errors import ExitCode, UsageError
from backfill.folder import RunFolder, runs_dir
from backfill.jobs.entry import Entry, Pending
from backfill.jobs.registry import JOBS, entry_of
from backfill.next_command import next_command, remember_about
from backfill.parameter import Kind, Parameter
from backfill.regular_file import check_target
from backfill.server.roles import APPLIER, OPERATOR, PLANNER, READER
from backfill.temporary import TemporaryFolder

if TYPE_CHECKING:  # a command line that only looks need not load what computes
    from backfill.steps.job import Job, Ready

SHOWN_SCOPES = 100


def add_job_options(parser: argparse.ArgumentParser, task: Entry | None = None) -> None:
    """Add `--job`, and what says which rows and rules of it are meant; of a `task` its own."""
    usual, *others = JOBS
    parser.add_argument(
        "--job",
        default=usual,
        metavar="JOB",
        help=f"{usual} (the default), {', '.join(others)}, or a task's name",
    )
    own = {p.name: p for p in task.parameters if p.name in task.asked_by} if task else {}
    for parameter in {**_asked(), **own}.values():
        add_flag(parser, parameter)


def _asked() -> dict[str, Parameter]:
    """Return by name what jobs are asked by; of one that several take, each says what it is."""
    by_name: dict[str, Parameter] = {}
    for entry in JOBS.values():
        for parameter in entry.parameters:
            if parameter.name not in entry.asked_by:
                continue
            says, kind = f"{entry.name}: {parameter.help}", parameter.kind
            if before := by_name.get(parameter.name):
                # A path for one may be a name for the other: as it was typed.
                says, kind = f"{before.help}; {says}", Kind.TEXT
            by_name[parameter.name] = replace(parameter, help=says, kind=kind, default="")
    return by_name


def job_of(options: argparse.Namespace) -> tuple[Entry, Job]:
    """Return the entry and the job that `--job` and its options mean; raise `UsageError`."""
    from backfill.jobs.registry import asked_of
    from backfill.parameters import check_parameters

    entry = entry_of(options.job)
    given = given_of(options)
    for name, parameter in _asked().items():
        if name in given and name not in entry.asked_by:
            raise UsageError(f"{parameter.flag} says nothing of --job {options.job}: leave it out.")
    values = check_parameters(entry.parameters, given, ())
    remember_about(asked_of(entry, values))
    return entry, entry.make(values)


def add_check_options(parser: argparse.ArgumentParser, task: Entry | None = None) -> None:
    add_job_options(parser, task)
    parser.add_argument(
        "--deep",
        action="store_true",
        help="compare filled rows as well; exit 8 for any that differs",
    )
    parser.add_argument(
        "--allow-known",
        metavar="FILE",
        help="skips.csv of an accepted run: rows that can not be mended pass",
    )
    parser.add_argument("--output", metavar="FILE", help="CSV of every value that differs")


def run_check(options: argparse.Namespace) -> int:
    """`backfill check`: exit 8 while anything is pending, for a CI gate."""
    from backfill.jobs.registry import rows_of

    if entry_of(options.job).pending is Pending.UNKNOWN:
        plan = next_command(*entry_of(options.job).command)
        raise UsageError(f"Nobody can count what {options.job} would change but a dry run: {plan}")
    entry, job = job_of(options)
    if options.deep or options.allow_known:
        return _check_rows(options, entry, job)
    if options.output:
        raise UsageError("--output lists rows that differ: give --deep as well.")
    with database_of(options).connect(read_only=True) as connection:
        ready = job.preflight(connection, writing=False)
    preflight = ready.preflight
    pending, what, left_alone = preflight.pending, preflight.what, None
    if entry.pending is Pending.COMPUTED:
        pending, left_alone = _to_write(options, ready)
        what = ("row is to be written", "rows are to be written")
    pending = {scope: count for scope, count in pending.items() if count}
    _say(options, preflight.hidden)
    shown = dict(sorted(pending.items(), key=lambda entry: -entry[1])[:SHOWN_SCOPES])
    _say(options, _by_scope(shown, what, entry))
    document: dict[str, Any] = {"job": options.job, "total_pending": sum(pending.values())}
    if left_alone is not None:
        document["total_left_alone"] = left_alone
        if left_alone:
            alone = counted(left_alone, "row has", "rows have")
            _say(options, [f"{alone} a reason to be left alone, which a dry run lists."])
    document |= {"pending": {scope: count for scope, count in pending.items() if scope in shown}}
    if len(pending) > len(shown):
        left = len(pending) - len(shown)
        plan = next_command(*entry.command, *rows_of(entry, given_of(options)))
        more = f"… {left:,} more with fewer rows; all stand in plan.json (by_scope) of: {plan}"
        _say(options, [more])
        document["pending_scopes"] = len(pending)
    return _end(options, document, is_clean=not pending, is_sure=not preflight.hidden)


def _to_write(options: argparse.Namespace, ready: Ready) -> tuple[dict[str, int], int]:
    """Compute as a dry run does, and keep nothing of it.

    Returns the rows to write by scope, and how many would be left alone: those are decided, so
    that a gate need not stay shut for them.
    """
    from backfill.plans.staging import STAGING_FILE, Staging
    from backfill.report import Reporter
    from backfill.steps.task import part

    if not part(ready.job.task, "has_values"):
        raise UsageError("Which values are to be there? --values FILE, or --query SQL.")
    quiet = Reporter(lambda _event: None)
    with TemporaryFolder("check") as name:
        folder = RunFolder(Path(name))
        staging = Staging(folder.file(STAGING_FILE))
        ready.rows.stage_rows(database_of(options).dsn, staging, quiet)
        counts = ready.compute(staging, folder, quiet).counts["by_scope"]
        staging.close()
    left_alone = sum(part.get("skipped", 0) for part in counts.values())
    return {scope: part["updated"] for scope, part in counts.items()}, left_alone


def _check_rows(options: argparse.Namespace, entry: Entry, job: Job) -> int:
    """Look at the rows themselves: what waits and is not known, and with --deep what differs."""
    if entry.check_rows is None:
        raise UsageError(f"--job {options.job} has no look at rows one by one: leave --deep out.")
    if options.output:
        check_target("--output", Path(options.output))
    accepted = options.allow_known or ""
    rows = entry.check_rows(job.task, database_of(options), accepted, has_filled=bool(options.deep))
    _say(options, rows.hidden)
    shown = dict(rows.pending.most_common(SHOWN_SCOPES))
    _say(options, _by_scope(shown, ("row is pending", "rows are pending"), entry))
    _say(options, rows.lines())
    if options.output:
        rows.write(Path(options.output))
    document = {"job": options.job, **rows.summary()}
    return _end(options, document, is_clean=rows.is_clean, is_sure=not rows.hidden)


def _by_scope(counts: Mapping[str, int], what: tuple[str, str], entry: Entry) -> Iterator[str]:
    without = f"(no {entry.kind().scope_name.removesuffix('_id')})"
    for scope, count in counts.items():
        yield f"{scope or without}: {counted(count, *what)}"


def _say(options: argparse.Namespace, lines: Any) -> None:
    terminal = terminal_of(options)
    for text in lines:
        terminal.message(text, "warning")


def _end(
    options: argparse.Namespace, document: dict[str, Any], *, is_clean: bool, is_sure: bool
) -> int:
    print_summary(document)
    code = ExitCode.OK if is_sure else ExitCode.PREFLIGHT
    code = code if is_clean else ExitCode.PENDING
    say = terminal_of(options).message
    write_metrics(options.metrics_file, document, int(code), options.job, say)
    return int(code)


def run_evidence(options: argparse.Namespace) -> int:
    """`backfill evidence check RUN_DIR`: do hashes, notebook and database agree?"""
    from backfill.jobs.registry import kind_of
    from backfill.server.database import is_any_there
    from backfill.server.dsn import DSN_ENV
    from backfill.steps.evidence_check import disagreements
    from backfill.which_folder import find_folder

    path = Path(options.run_dir).resolve()
    if path.is_dir():
        folder = RunFolder.of(path.parent, path.name)
    else:
        folder = find_folder(runs_dir(options.runs_dir), options.run_dir)
    if options.without_database or not is_any_there():
        wrong = disagreements(folder, None)
        why = "" if options.without_database else f", since {DSN_ENV} is not set"
        agree = (
            f"Hashes, notebook and plan of {folder.run_id} agree. Its database was not asked{why}."
        )
    else:
        with ledger_of(options) as ledger:
            wrong = disagreements(folder, ledger, kind_of)
        agree = f"Hashes, notebook, plan and database of {folder.run_id} agree."
    terminal = terminal_of(options)
    for text in wrong:
        terminal.message(text, "error")
    if not wrong:
        terminal.message(agree)
    print_summary({"run_id": folder.run_id, "agrees": not wrong, "disagreements": wrong})
    return int(ExitCode.VERIFY_FAILED if wrong else ExitCode.OK)


def add_grants_options(parser: argparse.ArgumentParser, task: Entry | None = None) -> None:
    add_job_options(parser, task)
    parser.add_argument("--planner", default=PLANNER, help="role that plans")
    parser.add_argument("--applier", default=APPLIER, help="role that applies")
    parser.add_argument(
        "--reader",
        metavar="ROLE",
        help=f"role that looks: status, check, verify ({READER}, where there is one)",
    )
    parser.add_argument(
        "--operator",
        metavar="ROLE",
        help=f"role that pauses and cancels ({OPERATOR}, where there is one)",
    )


def run_grants(options: argparse.Namespace) -> int:
    """`backfill grants`: print the least rights of planner, applier, reader and operator."""
    from backfill.server.grants import Roles, grants_for

    named = (options.reader, options.operator)
    roles = Roles(
        options.planner,
        options.applier,
        options.reader or READER,
        options.operator or OPERATOR,
        frozenset({READER, OPERATOR} - set(named)),
    )
    _entry, job = job_of(options)
    rights = job.rights(lambda: database_of(options).connect(read_only=True))
    print(grants_for(job.name, rights, roles))
    return int(ExitCode.OK)
