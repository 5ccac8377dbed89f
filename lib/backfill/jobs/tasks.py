"""Tasks that somebody else wrote: `package.module:attribute`, or an installed entry point's name.

The attribute is a task, or what makes one: a class or function that takes its `parameters`, an
instance of the dataclass that it names so, or nothing.
"""

from __future__ import annotations

import dataclasses
import importlib
import importlib.metadata
import inspect
import os
import re
import sys
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from backfill.decisions import Words
from backfill.errors import BackfillError, UsageError
from backfill.jobs.entry import Entry, answers_from
from backfill.jobs.parameter_types import form_of, literal_of, value_of
from backfill.loading import named_first
from backfill.parameter import Parameter
from backfill.parameters import DECISIONS, TASK_PARAMETERS
from backfill.steps.job import Job
from backfill.steps.kind import JobKind
from backfill.steps.task import Task, where_of

GROUP = "backfill.tasks"
_NAME = re.compile(r"[a-z][a-z0-9_]*")
#: What flags of every task's command are called, or keep their values under.
_TAKEN = frozenset(
    (
        *(parameter.name for parameter in (*TASK_PARAMETERS, DECISIONS)),
        *("task", "command", "handler", "job", "help", "dry_run", "json", "quiet"),
        *("database_url", "metrics_file", "notebook"),
    )
)
_RESERVED = frozenset(("revert", "task", "utc", "ocr", "fill"))


@dataclass(frozen=True, slots=True)
class FoundTask:
    origin: str  # module:attribute
    made_by: Any
    dataclass: Any  # of its parameters, None for none

    @property
    def own(self) -> tuple[Parameter, ...]:
        """The task's own parameters, from its dataclass."""
        if self.dataclass is None:
            return ()
        hints = typing.get_type_hints(self.dataclass)
        made = [_parameter(f, hints[f.name]) for f in dataclasses.fields(self.dataclass)]
        flags = [flag for parameter in made for flag in parameter.flags]
        if twice := next((flag for flag in flags if flags.count(flag) > 1), ""):
            raise UsageError(f"Two parameters of the task have the flag {twice}: rename one.")
        return tuple(made)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        asks = (DECISIONS,) if self._words else ()
        return (*self.own, *asks, *TASK_PARAMETERS)

    @property
    def _words(self) -> Words:
        return getattr(self.made_by, "questions", None) or {}

    def task(self, values: Mapping[str, Any]) -> Task:
        """Return the task of some values of its own parameters."""
        try:
            return _checked(self._made(values), self.origin)
        except BackfillError:
            raise
        except Exception as error:  # somebody else's code: it raises what it likes
            raise UsageError(
                f"The task {self.origin} can not be made: {type(error).__name__}: {error}"
            ) from error

    def _made(self, values: Mapping[str, Any]) -> Any:
        made = self.made_by
        if self.dataclass is not None:
            chosen = {p.name: values[p.name] for p in self.own if p.name in values}
            hints = typing.get_type_hints(self.dataclass)
            read = {name: value_of(name, hints[name], value) for name, value in chosen.items()}
            return made(self.dataclass(**read))
        is_task = hasattr(made, "compute") and not inspect.isclass(made)
        return made() if callable(made) and not is_task else made

    def job(self, values: Mapping[str, Any]) -> Job:
        own = {p.name: values[p.name] for p in self.own}
        task = self.task(own)
        answers = answers_from(values, task.name, self._words) if self._words else None
        return Job(task, {"task": self.origin, "parameters": own}, answers)

    def entry(self, name: str) -> Entry:
        """Return what the task says of itself, in the form of those that ship."""
        return Entry(
            name,
            f"the task {self.origin}",
            self.parameters,
            self.job,
            lambda: installed_kind(name),
            command=("task", name),
            asked_by=tuple(parameter.name for parameter in self.own),
        )


def _parameter(field: dataclasses.Field[Any], hint: Any) -> Parameter:
    metadata = field.metadata
    if not _NAME.fullmatch(field.name) or field.name in _TAKEN:
        raise UsageError(
            f"The parameter {field.name} of the task needs another name: the command has a flag of "
            "that name, or it is not made of small letters, digits and underscores."
        )
    form = form_of(hint)
    if form is None:
        raise UsageError(
            f"The parameter {field.name} of the task is {inspect.formatannotation(hint)}, which no "
            "flag can be: take str, int, float, bool, date, datetime, time, Decimal, UUID, Path, "
            "an Enum, a Literal of words, a list or tuple[…, ...] of one of these, or one | None."
        )
    if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
        raise UsageError(f"The parameter {field.name} of the task needs a default.")
    made = field.default_factory
    default = literal_of(field.default if made is dataclasses.MISSING else made(), form)
    choices = tuple(metadata.get("choices", form.choices))
    says = metadata.get("help", field.name)
    return Parameter(field.name, form.kind, default, says, choices, form.metavar)


def find_task(name: str) -> FoundTask:
    """Return the task of a name; raise `UsageError` that lists what is installed."""
    if ":" in name:
        return _found(name, _load(name))
    installed = _installed()
    entries = {entry.value: entry for entry in installed if entry.name == name}
    if not entries:
        listed = ", ".join(sorted({entry.name for entry in installed})) or "none is installed"
        raise UsageError(
            f"There is no task {name!r}. Tasks of the entry points {GROUP}: {listed}. Or name it "
            "as package.module:attribute."
        )
    if len(entries) > 1:
        raise UsageError(
            f"Several packages have a task {name}. Which one is meant: {' or '.join(entries)}?"
        )
    return _loaded(*entries.values())


def _loaded(entry: importlib.metadata.EntryPoint) -> FoundTask:
    try:
        return _found(entry.value, entry.load())
    except BackfillError:
        raise
    except (Exception, SystemExit) as error:  # somebody else's code: it raises what it likes
        told = f"{type(error).__name__}: {error}"
        raise UsageError(
            f"The task {entry.name} ({entry.value}) can not be loaded: {told}"
        ) from error


def _found(origin: str, attribute: Any) -> FoundTask:
    own = getattr(attribute, "parameters", None)
    if inspect.isclass(own) and not dataclasses.is_dataclass(own):
        raise UsageError(
            f"`parameters` of the task {origin} is the class {own.__name__}, and that is no "
            "dataclass: write @dataclass(frozen=True) above it."
        )
    if isinstance(own, Mapping | list | tuple | set):
        raise UsageError(
            f"`parameters` of the task {origin} is a {type(own).__name__}: it is a class, a "
            "dataclass, and of its fields flags are made."
        )
    return FoundTask(origin, attribute, own if inspect.isclass(own) else None)


def _installed() -> list[importlib.metadata.EntryPoint]:
    return list(importlib.metadata.entry_points(group=GROUP))


def _load(name: str) -> Any:
    """Import `module:attribute`, also from the folder where the command was typed."""
    module, _, path = name.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
        # A notebook's kernel begins elsewhere.
        known = os.environ.get("PYTHONPATH", "")
        os.environ["PYTHONPATH"] = os.pathsep.join(part for part in (here, known) if part)
    try:
        with named_first():
            attribute: Any = importlib.import_module(module)
        for part in path.split("."):
            attribute = getattr(attribute, part)
    except (Exception, SystemExit) as error:  # somebody else's code: it raises what it likes
        file = re.fullmatch(r"(.*/)?([^/]+)\.py", module)
        raise UsageError(
            f"The task {name} can not be loaded: {type(error).__name__}: {error}. It is named "
            "package.module:attribute, from here or from what is installed"
            + (f": in the folder of that file, {file[2]}:{path or '…'}." if file else ".")
        ) from error
    return attribute


def _checked(made: Any, origin: str) -> Task:
    verbs = ["name", "settings", "names", "compute", *(() if where_of(made) else ("extract",))]
    lacking = [name for name in verbs if not hasattr(made, name)]
    if lacking:
        hint = _hint_of_where(made) if "extract" in lacking else ""
        raise UsageError(
            f"{origin} is no task: it has no {', '.join(lacking)}.{hint} See "
            "docs/your-own-backfill.md"
        )
    questions = getattr(made, "questions", None)
    if questions is not None and not isinstance(questions, Mapping):
        raise UsageError(
            f"`questions` of the task {origin} is a {type(questions).__name__}: it is a dict of "
            'kinds, each with the words that answer it, like {"two_names": ("first", "second")}.'
        )
    if not _NAME.fullmatch(str(made.name)) or made.name in _RESERVED:
        raise UsageError(
            f"The task {origin} calls itself {made.name!r}: a name has small letters, digits and "
            f"underscores, and is none of {', '.join(sorted(_RESERVED))}."
        )
    return cast(Task, made)


def _hint_of_where(made: Any) -> str:
    where = getattr(made, "where", None)
    if callable(where):
        return " Its `where` is a method: make it a text, or a @property."
    return ' Its `where` is empty: all rows are those of "true".' if where == "" else ""


def installed_kind(name: str) -> JobKind:
    """Return what can be done for a task's runs, by the name that it has itself.

    Only what is installed is ever loaded: what a ledger's row says chooses among that, and names
    no other code. An entry point may have another name than its task.
    """

    def find(target: Mapping[str, Any]) -> Task | None:
        installed = _installed()
        by_origin = [entry for entry in installed if entry.value == target.get("task")]
        by_name = {entry.value: entry for entry in installed if entry.name == name}
        known = by_origin or (list(by_name.values()) if len(by_name) == 1 else [])
        return _loaded(known[0]).task(dict(target.get("parameters") or {})) if known else None

    return JobKind(name, find)
