"""Which jobs there are: from parameters to a job, and from a job's name to its kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backfill.decisions import Answers, Words
from backfill.folder import runs_dir
from backfill.parameters import FILL_PARAMETERS, OCR_PARAMETERS, UTC_PARAMETERS, Parameter

if TYPE_CHECKING:  # a command line that only lists jobs need not load what does them
    from backfill.ocr.correction import Corrections
    from backfill.steps.job import Job, JobKind


@dataclass(frozen=True, slots=True)
class Entry:
    """One kind of backfill: all that commands, notebooks and the reference know of it."""

    name: str
    says: str
    parameters: tuple[Parameter, ...]
    notebook: str
    make: Callable[[Mapping[str, Any]], Job]
    kind: Callable[[], JobKind]


def kind_of(name: str) -> JobKind:
    """Return what can be done for runs of a job, by the job's name.

    Of a task that is not installed here all is known that its runs' rows tell.
    """
    if name in JOBS:
        return JOBS[name].kind()
    from backfill.jobs.tasks import installed_kind

    return installed_kind(name)


def kind_for(job: Job) -> JobKind:
    """Return the same for a job that is at hand, with its task if it is one."""
    if job.name in JOBS:
        return JOBS[job.name].kind()
    from backfill.jobs.tasks import kind_with

    task: Any = getattr(job, "task", None)
    return kind_with(task)


def parameters_of(name: str) -> tuple[Parameter, ...]:
    """Return what a job takes: one that ships, or a task by its name or `module:attribute`."""
    if name in JOBS:
        return JOBS[name].parameters
    from backfill.jobs.tasks import find_task

    return find_task(name).parameters


def command_of(name: str) -> list[str]:
    """Return the words that begin a command line for a job."""
    return [name] if name in JOBS else ["task", name]


def job_from(name: str, values: Mapping[str, Any]) -> Job:
    """Return the job that checked parameters describe; raise `UsageError` for a bad choice."""
    if name in JOBS:
        return JOBS[name].make(values)
    from backfill.jobs.tasks import find_task

    return find_task(name).job(values)


def answers_from(values: Mapping[str, Any], job: str, words: Words) -> Answers:
    """Return the answers that the parameter `decisions` names; raise `UsageError`."""
    if not values["decisions"]:
        return Answers()
    from backfill.plans.worksheet import DECISIONS_FILE, find_sheet, load_answers

    runs = runs_dir(values["runs_dir"])
    return load_answers(
        find_sheet(values["decisions"], runs, job, DECISIONS_FILE, "--decisions"), words
    )


def latest_sheets(job: str, values: Mapping[str, Any]) -> dict[str, Path]:
    """Return by flag the sheets that checked parameters name as `latest`."""
    from backfill.plans.worksheet import CORRECTIONS_FILE, DECISIONS_FILE, LATEST, find_sheet

    files = {"decisions": DECISIONS_FILE, "corrections": CORRECTIONS_FILE}
    runs = runs_dir(values["runs_dir"])
    return {
        f"--{name}": find_sheet(LATEST, runs, job, file, f"--{name}")
        for name, file in files.items()
        if values.get(name) == LATEST
    }


def _corrections_from(values: Mapping[str, Any]) -> Corrections:
    from backfill.jobs.ocr.correction_sheet import load_corrections
    from backfill.ocr.correction import Corrections
    from backfill.ocr.vocabulary import known_towns
    from backfill.plans.worksheet import CORRECTIONS_FILE, find_sheet

    if not values["corrections"]:
        return Corrections()
    runs = runs_dir(values["runs_dir"])
    sheet = find_sheet(values["corrections"], runs, "ocr", CORRECTIONS_FILE, "--corrections")
    return load_corrections(sheet, known_towns(values["towns"]))


def _utc_kind() -> JobKind:
    from backfill.jobs.utc.kind import UtcKind

    return UtcKind()


def _ocr_kind() -> JobKind:
    from backfill.jobs.ocr.kind import OcrKind

    return OcrKind()


def _fill_kind() -> JobKind:
    from backfill.steps.task_kind import TaskKind

    return TaskKind("fill")


def _ocr_job(values: Mapping[str, Any]) -> Job:
    from backfill.jobs.ocr.job import OcrJob
    from backfill.jobs.ocr.settings import settings_from
    from backfill.ocr.session import WORDS

    answers = answers_from(values, "ocr", WORDS)
    return OcrJob(settings_from(values, answers, _corrections_from(values)))


def _fill_job(values: Mapping[str, Any]) -> Job:
    from backfill.jobs.fill.job import FillJob
    from backfill.jobs.fill.task import FillSettings

    settings = FillSettings(
        table=values["table"],
        targets=_listed(values["set"]),
        key=_listed(values["key"]),
        overwrite=values["overwrite"],
        allow_null=values["allow_null"],
    )
    return FillJob(settings, values["values"], values["query"], values["where"])


def _listed(names: Sequence[str]) -> tuple[str, ...]:
    """Return names that were given one by one, or with commas between."""
    return tuple(name.strip() for text in names for name in text.split(",") if name.strip())


def _utc_job(values: Mapping[str, Any]) -> Job:
    from backfill.jobs.utc.job import UtcJob
    from backfill.jobs.utc.settings import Order, UtcSettings
    from backfill.jobs.utc.spec_file import load_spec
    from backfill.jobs.utc.table_spec import EVENTS
    from backfill.utc.convert import FoldPolicy, GapPolicy
    from backfill.utc.described import Encoding
    from backfill.utc.doubts import WORDS
    from backfill.workers.cluster import check_scheduler

    return UtcJob(
        UtcSettings(
            households=tuple(values["household_id"]),
            default_tz=values["default_tz"] or None,
            fold=FoldPolicy(values["fold"]),
            gap=GapPolicy(values["gap"]),
            encoding=Encoding(values["encoding"]),
            order=Order(values["order"]),
            skip_deleted=values["skip_deleted"],
            strict=values["strict"],
            fallback_on_invalid_tz=values["fallback_on_invalid_tz"],
            default_tz_first=values["default_tz_first"],
            accept_years=values["accept_years"],
            repair=values["repair"],
            table=load_spec(Path(values["table"])) if values["table"] else EVENTS,
            answers=answers_from(values, "utc", WORDS),
            scheduler=check_scheduler(values["scheduler"]),
        )
    )


#: The one place where a job is registered; flags, notebook cells, checks, status and reference are
#: made from it.
JOBS: Mapping[str, Entry] = {
    entry.name: entry
    for entry in (
        Entry(
            "utc",
            "fill missing *_utc columns",
            UTC_PARAMETERS,
            "01_utc_backfill",
            _utc_job,
            _utc_kind,
        ),
        Entry(
            "ocr",
            "read screenshots again",
            OCR_PARAMETERS,
            "02_ocr_backfill",
            _ocr_job,
            _ocr_kind,
        ),
        Entry(
            "fill",
            "write values that you have to any columns",
            FILL_PARAMETERS,
            "06_fill_columns",
            _fill_job,
            _fill_kind,
        ),
    )
}
PARAMETERS: Mapping[str, tuple[Parameter, ...]] = {e.name: e.parameters for e in JOBS.values()}
