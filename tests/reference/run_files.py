"""The files of a run's folder, each with what it holds: a closed list, which a test compares."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatch


@dataclass(frozen=True, slots=True)
class RunFile:
    """A file of `runs/<run_id>/`; `pattern` is its path there, with `*` for a number or an id."""

    pattern: str
    holds: str


RUN_FILES = (
    RunFile("notebook.ipynb", "the executed notebook of the command that made the run"),
    RunFile("notebook.html", "the same as a page that needs no network"),
    RunFile("apply.ipynb", "the executed notebook of a later `apply` or `resume`"),
    RunFile("apply.html", "the same as a page"),
    RunFile("apply-*.ipynb", "of the second and each later `apply` or `resume`"),
    RunFile("apply-*.html", "the same as a page"),
    RunFile("run.json", "settings, versions of all that computes, fingerprints"),
    RunFile("plan.json", "the frozen plan: scope, settings, hashes; `plan_id` covers all of it"),
    RunFile("changes.parquet", "every change of the plan; columns below"),
    RunFile("plan_skips.csv", "every row that the plan leaves alone; part of the frozen plan"),
    RunFile("skips.csv", "every row left alone, of plan and apply together, with its reason"),
    RunFile("drifted.csv", "rows that somebody edited after they were read, as they stand now"),
    RunFile("checkpoints.csv", "the rows of `backfill.checkpoint`"),
    RunFile("parts.csv", "the rows of `backfill.part`: what was approved, by whom and when"),
    RunFile("ranges.csv", "the rows of `backfill.range`, without their leases"),
    RunFile("progress.jsonl", "what was reported when: progress, messages, skips"),
    RunFile("summary.json", "the last line of stdout, and how the run ended"),
    RunFile("sessions/*.json", "screenshots only: what was read and planned for one session"),
    RunFile("backfill_report.json", "screenshots only: the report over all sessions"),
    RunFile("questions.csv", "what the plan asked of a person"),
    RunFile("decisions.csv", "the same to fill in, with the answers so far; not part of the proof"),
    RunFile(
        "corrections.csv", "screenshots only: doubtful fields to correct; not part of the proof"
    ),
    RunFile("corrections_used.csv", "screenshots only: the corrections that the plan took in"),
    RunFile("crops/*.jpg", "screenshots only: the cut-outs that `corrections.csv` names"),
    RunFile("decisions_used.csv", "the answers that the plan took in, with who decided and when"),
    RunFile("SHA256SUMS", "sums of every file here but itself, `staging.duckdb`, `decisions.csv`"),
    RunFile("manifest.json", "in-toto statement: subjects, parameters, materials, outcome"),
    RunFile(
        "staging.duckdb",
        "a working copy for analysts; not part of the proof. Its table `changes` is a view of "
        "`changes.parquet` where the run was planned: in a copy, say `FROM 'changes.parquet'`",
    ),
)


def unlisted(names: list[str]) -> list[str]:
    """Return the names of a run's files that no entry describes."""
    return [name for name in names if not any(fnmatch(name, entry.pattern) for entry in RUN_FILES)]
