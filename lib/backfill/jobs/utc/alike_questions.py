"""Many gaps or folds of one clock change are one question: nobody answers a thousand alike.

A few are asked row by row, each with its two instants. More than that, of one zone and one date,
stand on the sheet as one line; a line with a row's key still beats it.
"""

from __future__ import annotations

from backfill.decisions import ANY, Question
from backfill.plans.staging import Staging
from backfill.plans.worksheet import questions_table
from backfill.utc.convert import LocalKind
from backfill.utc.doubts import WORDS

#: So many of a kind, column, zone and date are asked one by one.
MOST_APART = 8
_ALIKE = 'kind, "column", zone, local_date'
_OF_ROWS = f"kind IN ('{LocalKind.FOLD.value}', '{LocalKind.GAP.value}') AND key <> '{ANY}'"
_MANY = f"FROM questions WHERE {_OF_ROWS} GROUP BY {_ALIKE} HAVING count(*) > {MOST_APART}"


def ask_together(staging: Staging) -> int:
    """Put one question in the place of many alike; return how many fewer there are."""
    found = staging.connection.execute(
        f"SELECT {_ALIKE}, count(*), min(key), min(read), max(read), min(applied) {_MANY}"
        " ORDER BY ALL"
    ).fetchall()
    if not found:
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
        for kind, column, zone, date, count, key, first, last, applied in found
    ]
    staging.append("questions", questions_table(together))
    return int(sum(row[4] for row in found)) - len(together)
