"""What a backfill says of itself, once: flags, the notebook's cell, checks, `check`, `grants`,
status and the reference are made from it, for those that ship and for tasks of others alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backfill.decisions import Answers, Words
from backfill.folder import runs_dir
from backfill.parameter import Parameter
from backfill.which_folder import LATEST

if TYPE_CHECKING:  # a command line that only lists jobs need not load what does them
    from backfill.server.postgres import Connection
    from backfill.steps.finding import Finding
    from backfill.steps.job import Job
    from backfill.steps.kind import JobKind


class Pending(StrEnum):
    """How `backfill check` learns what waits for a run."""

    COUNTED = "counted"  # the preflight counts it
    COMPUTED = "computed"  # as a dry run does, of which nothing is kept
    UNKNOWN = "unknown"  # only a run can tell


@dataclass(frozen=True, slots=True)
class PendingCounts:
    """How many rows wait for a run, by member of the scope, and what may be hidden of them."""

    rows: Mapping[str, int]
    hidden: Sequence[str]  # sentences


@dataclass(frozen=True, slots=True)
class Guessed:
    """A first specification of a table: its text, and the entries that nobody could guess."""

    table: str
    text: str
    guesses: int
    to_fill_in: Sequence[str]


@dataclass(frozen=True, slots=True)
class Tables:
    """What a job does with tables that a file describes; an empty name is the one that ships."""

    job: str
    pending: Callable[[str], Callable[[Connection], PendingCounts]]  # `UsageError` for a bad file
    examine: Callable[[Connection, Path], Sequence[Finding]]
    guess: Callable[[Connection, str], Guessed]
    no_member: str  # what rows are called that are of no member of the scope


@dataclass(frozen=True, slots=True)
class Entry:
    """One kind of backfill: all that commands, notebooks and the reference know of it."""

    name: str
    says: str
    parameters: tuple[Parameter, ...]
    make: Callable[[Mapping[str, Any]], Job]  # of checked parameters; `UsageError` for a bad choice
    kind: Callable[[], JobKind]
    notebook: str = ""  # the one that ships; empty: one is made
    command: tuple[str, ...] = ()  # the words that begin its command line
    pending: Pending = Pending.COMPUTED
    #: Parameters by which `check` and `grants` are told which rows and rules are meant.
    asked_by: tuple[str, ...] = ()
    takes_notebook: bool = False  # a person's own copy: `--notebook FILE`
    #: What looks at each row, filled ones with `has_filled`: `check --deep` and `--allow-known`.
    check_rows: Callable[..., Any] | None = None
    #: By what they are about, names of its parameters, as the command's help groups them.
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    tables: Tables | None = None
    #: What it needs of this machine, looked at: told the command that installs all anew.
    examine_machine: Callable[[str], Sequence[Finding]] = lambda _anew: ()
    cache: Callable[[], Path] | None = None  # folder of what it can have again


def answers_from(values: Mapping[str, Any], job: str, words: Words) -> Answers:
    """Return the answers that the parameter `decisions` names; raise `UsageError`."""
    if not values["decisions"]:
        return Answers()
    from backfill.plans.worksheet import DECISIONS_FILE, load_answers, named_sheet

    runs = runs_dir(values["runs_dir"])
    return load_answers(
        named_sheet(values["decisions"], runs, job, DECISIONS_FILE, "--decisions"), words
    )


def latest_sheets(job: str, values: Mapping[str, Any]) -> dict[str, Path]:
    """Return by flag the sheets that checked parameters name as `latest`."""
    from backfill.plans.worksheet import CORRECTIONS_FILE, DECISIONS_FILE, named_sheet

    files = {"decisions": DECISIONS_FILE, "corrections": CORRECTIONS_FILE}
    runs = runs_dir(values["runs_dir"])
    return {
        f"--{name}": named_sheet(LATEST, runs, job, file, f"--{name}")
        for name, file in files.items()
        if values.get(name) == LATEST
    }
