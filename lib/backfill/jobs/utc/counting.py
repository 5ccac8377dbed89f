"""What is counted, asked and told while blocks of rows are computed.

Many gaps or folds of one clock change are one question: nobody answers a thousand alike. A few are
asked row by row, each with its two instants. More than that, of one zone and one date, stand on the
sheet as one line; a line with a row's key still beats it.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow.compute as pc

from backfill.decisions import ANY, Answers, Question
from backfill.display.counting import counted
from backfill.plans.staging import Staging
from backfill.plans.worksheet import questions_table
from backfill.report import Reporter
from backfill.steps.task import Work
from backfill.utc.compute import Computed
from backfill.utc.convert import LocalKind
from backfill.utc.doubts import WORDS
from backfill.utc.years import YearCounts, ask_year
from backfill.utc.zone_choice import ZoneSource

SHOWN_YEARS = 3
SHOWN_SCOPES = 20


@dataclass
class Count:
    """What is counted while blocks of rows are computed."""

    folds: int = 0
    gaps: int = 0
    questions: int = 0
    asked: set[tuple[str, ...]] = field(default_factory=set)
    years: YearCounts = field(default_factory=YearCounts)
    overridden: Counter[str] = field(default_factory=Counter)
    defaulted: int = 0
    patterns: Counter[str] = field(default_factory=Counter)

    def add(self, computed: Computed) -> None:
        self.folds += computed.folds
        self.gaps += computed.gaps
        self.years.add(computed.years)
        self.overridden.update(computed.overridden)
        sources = pc.struct_field(computed.changes.column("why"), "zone_source")
        self.defaulted += pc.sum(pc.equal(sources, ZoneSource.DEFAULT.value)).as_py() or 0
        self.patterns.update(computed.patterns)

    def new_questions(self, asked: Iterable[Question]) -> list[Question]:
        """Return what was not asked yet: what is about many rows is asked once."""
        new = []
        for question in asked:
            if question.key == ANY:
                place = (question.kind, question.column, question.scope, question.zone)
                if place in self.asked:
                    continue
                self.asked.add(place)
            new.append(question)
        self.questions += len(new)
        return new

    def as_json(self) -> dict[str, Any]:
        """Return what the plan counts beside the engine's."""
        counts: dict[str, Any] = {}
        if self.overridden:
            counts["default_tz_overrides"] = dict(sorted(self.overridden.items()))
        if self.patterns:
            counts["patterns"] = dict(sorted(self.patterns.items()))
        return counts | {"folds": self.folds, "gaps": self.gaps, "questions": self.questions}


def tell_defaults(count: Count, default: str, reporter: Reporter) -> None:
    """Say of how many rows --default-tz is the zone, and of which it overrides another."""
    overridden = count.overridden
    if (without := count.defaulted - overridden.total()) > 0:
        what = counted(without, "row has no zone", "rows have no zone")
        reporter.message(f"{what}, or a blank one, and {default} of --default-tz is taken.")
    for scope, rows in overridden.most_common(SHOWN_SCOPES):
        what = counted(rows, "row has a zone of its own", "rows have a zone of their own")
        reporter.message(
            f"{scope or 'the table'}: {what} that --default-tz-first overrides with {default}.",
            "warning",
        )
    if len(overridden) > SHOWN_SCOPES:
        reporter.message(f"… and {len(overridden) - SHOWN_SCOPES:,} scopes more.", "warning")


def look_at_years(count: Count, answers: Answers, work: Work, *, is_accepted: bool) -> str:
    """Ask about years that look wrong; return why no plan may be made, if more than a few are."""
    years = count.years
    waiting = []
    today = dt.datetime.now(dt.UTC).year
    for place in years.odd(today):
        question = ask_year(*place, years.counts[place], years.examples[place])
        if answer := answers.find(question):
            work.used.add(answer)
        else:
            waiting.append((place, question))
    if not waiting or is_accepted:
        return ""
    places = [place for place, _question in waiting]
    is_too_much = years.is_too_much(places, today)
    for_now = "refuse" if is_too_much else "accept"
    asked = [replace(question, applied=for_now) for _place, question in waiting]
    work.staging.append("questions", questions_table(asked))
    count.questions += len(waiting)
    values = sum(years.counts[place] for place in places)
    examples = [f"{place[0]}: {question.read}" for place, question in waiting[:SHOWN_YEARS]]
    if len(waiting) > SHOWN_YEARS:
        examples.append(f"and {len(waiting) - SHOWN_YEARS} years more")
    early = ""
    if any(years.has_early(pair) for pair, _year in places):
        early = ", or in the first days of 1970, where counts of a larger unit are read"
    text = (
        f"{counted(values, 'planned instant lies', 'planned instants lie')} more than 150 years "
        f"from the table's other times or from today{early} ({'; '.join(examples)})."
    )
    if not is_too_much:
        work.reporter.message(text, "warning")
        return ""
    work.reporter.message(
        f"{text} No plan is made of it without --accept-years, or an answer for each year.",
        "warning",
    )
    return (
        f"{text} Is it the unit, or the format? Digits that spell a date are read by "
        'format = "%Y%m%d%H%M" in the [[pair]]; seconds by unit = "s". If the years are right: '
        "--accept-years"
    )


#: So many of a kind, column, zone and date are asked one by one.
MOST_APART = 8
_ALIKE = 'kind, "column", zone, local_date'
_OF_ROWS = f"kind IN ('{LocalKind.FOLD.value}', '{LocalKind.GAP.value}') AND key <> '{ANY}'"
_MANY = f"FROM questions WHERE {_OF_ROWS} GROUP BY {_ALIKE} HAVING count(*) > {MOST_APART}"


def ask_together(staging: Staging) -> int:
    """Put one question in the place of many alike; return how many fewer there are."""
    alike = staging.connection.execute(
        f"SELECT {_ALIKE}, count(*), min(key), min(read), max(read), min(applied) {_MANY}"
        " ORDER BY ALL"
    ).fetchall()
    if not alike:
        return 0
    staging.connection.execute(
        "CREATE OR REPLACE TABLE questions AS SELECT * FROM questions"
        f" WHERE NOT ({_OF_ROWS} AND ({_ALIKE}) IN (SELECT ({_ALIKE}) {_MANY})) ORDER BY rowid"
    )
    together = [
        Question(
            kind=kind,
            key=ANY,
            column=column,
            zone=zone,
            local_date=date,
            read=f"{count:,} values from {first} to {last}, like row {key}",
            candidates=" | ".join(WORDS[kind]),
            applied=applied,
        )
        for kind, column, zone, date, count, key, first, last, applied in alike
    ]
    staging.append("questions", questions_table(together))
    return int(sum(row[4] for row in alike)) - len(together)
