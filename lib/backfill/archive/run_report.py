"""What a run's page says above its notebook: what happened, and everything that shows it.

Made from the folder's files alone, so that it says what they say; the parts that only the notebook
can show (diff, pictures) come from there.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from backfill.archive import evidence
from backfill.archive.changes_view import changes_view
from backfill.archive.checkpoint_view import chunks_table, pace_picture
from backfill.archive.headline import headline
from backfill.archive.run_facts import RunFacts, read_checkpoints, read_rows
from backfill.display.eye import shown
from backfill.display.pages import NOTHING, Shown, escape, note, table
from backfill.display.standalone import render
from backfill.log_format import sentence_of
from backfill.next_command import next_command
from backfill.plans.plan import CHANGES_FILE
from backfill.plans.worksheet import CORRECTIONS_USED_FILE, QUESTIONS_FILE, USED_FILE
from backfill.report import PROGRESS_FILE, progress_line

_PUT_BACK = "Nothing was computed: the before-images in the database are put back."
_NO_PICTURES = "This notebook drew none: see that of the dry run."
SHOWN_SKIPS = 100
SHOWN_LINES = 60
#: The parts that notebooks mark, each with the section where it stands.
MOVED_PARTS = {
    **{name: name for name in ("held", "diff", "decisions", "skips", "pictures")},
    **dict.fromkeys(("pace", "verification"), "checkpoints"),
}


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page under a heading of its own; `anchor` is its id."""

    anchor: str
    title: str
    shown: Shown


def report_sections(
    facts: RunFacts,
    parts: Mapping[str, str],
    doubts: Callable[[], str] = str,
    computed_by: Callable[[], Mapping[str, Any]] = dict,
    set_on_writing: Mapping[str, str] | None = None,
) -> list[Section]:
    """Return the page's sections in their order; what a run has nothing of says so.

    The job's own are `doubts`, a sentence on what was doubtful, empty for none, `computed_by`,
    what computed beside the engine, and `set_on_writing`, columns whose value is made by
    writing.
    """
    recorded = {name: Shown(markup, "") for name, markup in parts.items()}
    makers: list[tuple[str, str, Callable[[], Shown]]] = [
        ("what-happened", "What happened", lambda: _glance(facts)),
        ("held", "Held back for a person", lambda: _held(recorded)),
        (
            "diff",
            "What changes",
            lambda: changes_view(facts, set_on_writing) + recorded.get("diff", NOTHING),
        ),
        ("decisions", "Decisions", lambda: _decisions(facts, recorded, doubts)),
        ("skips", "Rows left alone", lambda: _skips(facts) + _drifted(facts)),
        (
            "pictures",
            "Pictures",
            lambda: recorded.get("pictures") or note(_NO_PICTURES),
        ),
        ("checkpoints", "Checkpoints", lambda: _checkpoints(facts, recorded)),
        ("versions", "Settings and versions", lambda: _versions(facts, computed_by())),
        ("check", "How to check this", lambda: _how_to_check(facts)),
    ]
    sections = [Section(anchor, title, shown(title, make)) for anchor, title, make in makers]
    return [section for section in sections if section.anchor != "held" or section.shown.markup]


# -- what happened ------------------------------------------------------------------------------


def _glance(facts: RunFacts) -> Shown:
    lines = headline(facts)
    markup = render("glance.html", lines=lines, trouble=facts.trouble)
    return Shown(markup, "\n".join(map(str, lines)))


def _held(recorded: Mapping[str, Shown]) -> Shown:
    """Return what waits for a person, as it was read; nothing where nothing does."""
    if "held" not in recorded:
        return NOTHING
    says = 'What to do about it: <a href="#decisions">Decisions</a>.'
    return recorded["held"] + Shown(f'<p class="backfill">{says}</p>', "See: Decisions")


def _decisions(facts: RunFacts, recorded: Mapping[str, Shown], doubts: Callable[[], str]) -> Shown:
    asked = recorded.get("decisions") or _asked(facts)
    sentence = _PUT_BACK if facts.reverts else doubts()
    return (note(sentence) if sentence else NOTHING) + _used(facts) + asked


# -- what shows it ------------------------------------------------------------------------------


def _short(text: str, longest: int = 120) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _used(facts: RunFacts) -> Shown:
    shown = _sheet(facts, USED_FILE, "Decisions that the plan took in")
    shown += _sheet(facts, CORRECTIONS_USED_FILE, "Corrections in place of what was read")
    if shown.markup:
        return shown
    return note("No person decided anything beforehand.")


def _asked(facts: RunFacts) -> Shown:
    return _sheet(facts, QUESTIONS_FILE, "Questions that wait for a person")


def _sheet(facts: RunFacts, name: str, caption: str) -> Shown:
    rows = list(read_rows(facts.folder, name))
    if not rows:
        return NOTHING
    header = [column for column in rows[0] if column and any(row[column] for row in rows)]
    return table(
        f"{caption} ({len(rows):,})",
        header,
        [[_short(str(row[column])) for column in header] for row in rows],
        rest=f"All of them: {name}",
        most=SHOWN_SKIPS,
    )


def _skips(facts: RunFacts) -> Shown:
    reasons, header, first = _left_alone(facts, evidence.SKIPS_FILE)
    total = sum(reasons.values())
    if not total:
        return note("No row was left alone.")
    counts = sorted(reasons.items())
    return table(f"Rows left alone, by reason ({total:,})", ["reason", "rows"], counts) + table(
        f"Each row left alone ({len(first):,} of {total:,})",
        header,
        first,
        rest=f"""All of them: duckdb -c "FROM '{evidence.SKIPS_FILE}'" """.strip(),
    )


def _drifted(facts: RunFacts) -> Shown:
    reasons, header, first = _left_alone(facts, evidence.DRIFTED_FILE)
    total = sum(reasons.values())
    if not total:
        return NOTHING
    return table(
        "Drifted: rows that somebody edited after they were read, as they stood "
        f"({len(first):,} of {total:,})",
        header,
        first,
        rest=f"All of them: {evidence.DRIFTED_FILE}",
    )


def _left_alone(facts: RunFacts, name: str) -> tuple[Counter[str], list[str], list[list[str]]]:
    """Return the counts by reason of a CSV of skips, its header, and its first rows."""
    reasons: Counter[str] = Counter()
    header: list[str] = []
    first: list[list[str]] = []
    for row in read_rows(facts.folder, name):
        reasons[row.get("reason") or ""] += 1
        header = header or [column for column in row if column]
        if len(first) < SHOWN_SKIPS:
            first.append([_short(str(row[column])) for column in header])
    return reasons, header, first


def _checkpoints(facts: RunFacts, recorded: Mapping[str, Shown]) -> Shown:
    checkpoints = read_checkpoints(facts.folder)
    if not checkpoints:
        return note("Nothing was committed: a dry run, or a run that was stopped before.")
    shown = recorded.get("pace") or pace_picture(checkpoints)
    if "pace" not in recorded and not shown.markup:
        shown = chunks_table(checkpoints)
    return shown + recorded.get("verification", NOTHING) + _progress(facts)


def _progress(facts: RunFacts) -> Shown:
    lines = list(_progress_lines(facts))
    if not lines:
        return NOTHING
    shown = lines[-SHOWN_LINES:]
    left = f", the last {len(shown):,} of {len(lines):,}" if len(lines) > len(shown) else ""
    markup = (
        f"<details><summary>What was said on the way ({len(lines):,} lines{left}; all of them: "
        f"{PROGRESS_FILE})</summary><pre>{escape(chr(10).join(shown))}</pre></details>"
    )
    return Shown(markup, "\n".join(shown))


def _progress_lines(facts: RunFacts) -> Iterator[str]:
    try:
        texts = facts.folder.file(PROGRESS_FILE).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return
    for text in texts:
        try:
            event = json.loads(text)
            if event["type"] != "skip":  # the page has a table of them
                yield progress_line(event) if event["type"] == "progress" else sentence_of(event)
        except (ValueError, KeyError, TypeError):
            continue  # cut off by a kill


def _versions(facts: RunFacts, computed_by: Mapping[str, Any]) -> Shown:
    run, plan = facts.run, facts.plan
    numbers = run.get("versions")
    identity = [
        ("database", run.get("database", "")),
        ("plan_id", plan.get("plan_id", "")),
        ("settings_fingerprint", plan.get("settings_fingerprint", "")),
        ("database_fingerprint", plan.get("database_fingerprint", "")),
        ("tzdata", plan.get("tzdata_version") or run.get("tzdata_version", "")),
    ]
    shown = table("What identifies the run", ["fact", "value"], identity)
    shown += _named("Settings that decide values", plan.get("settings") or run.get("settings"))
    shown += _named("Settings of the engine", run.get("engine"))
    for name, values in computed_by.items():
        shown += _named(f"Computed by: {name}", values)
    return shown + _named("Versions of everything that computes", numbers)


def _named(caption: str, values: Any) -> Shown:
    if not isinstance(values, Mapping) or not values:
        return NOTHING
    rows = [
        (name, _short(_plain(value), 300))
        for name, value in values.items()
        if name not in ("decisions", "corrections")
    ]
    return table(f"{caption} ({len(rows):,})", ["name", "value"], rows)


def _plain(value: Any) -> str:
    if isinstance(value, Mapping | list):
        return json.dumps(value, ensure_ascii=False) if value else ""
    return "" if value is None else str(value)


def _how_to_check(facts: RunFacts) -> Shown:
    run_id = facts.run_id
    commands = [
        ("sha256sum -c SHA256SUMS", "in this folder: no file was changed since it was closed"),
        (next_command("evidence", "check", run_id), "folder, notebook and database agree"),
        (next_command("verify", run_id), "every row in the database is what the plan says"),
        (next_command("status", run_id), "how the run stands now, and the next command"),
        (f"""duckdb -c "FROM '{CHANGES_FILE}'" """.strip(), "in this folder: every change"),
    ]
    items = "".join(
        f"<li><code>{escape(command)}</code><br>{escape(says)}</li>" for command, says in commands
    )
    return Shown(
        f'<div class="backfill check"><p>Type these; none of them writes anything.</p>'
        f"<ul>{items}</ul></div>",
        "\n".join(command for command, _says in commands),
    )
