"""What a person may be asked about a UTC row: gaps, folds and warnings, and the words to answer."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from backfill.decisions import Question, Words
from backfill.utc.convert import Candidates, FoldPolicy, GapPolicy, LocalKind
from backfill.utc.wall import WallTimes
from backfill.utc.zone_choice import IANA, SPELLING, ZoneChoice
from backfill.utc.zone_names import is_zone

ACCEPT, SKIP = "accept", "skip"


class _ZoneWords(tuple[str, ...]):
    """Any zone's name answers a spelling; a message lists the first few only."""

    __slots__ = ()

    def __contains__(self, word: object) -> bool:
        return tuple.__contains__(self, word) or (isinstance(word, str) and is_zone(word))


#: What answers a question, by kind: a gap or fold of one value, or a warning about a row.
WORDS: Words = {
    LocalKind.FOLD.value: ("earlier", "later", SKIP),
    LocalKind.GAP.value: ("shift_forward", "first_valid", SKIP),
    **dict.fromkeys(("end_before_start", "duration_changed", "fallback_zone"), (ACCEPT, SKIP)),
    SPELLING: _ZoneWords((IANA, SKIP, "a zone like Europe/Paris")),
    **dict.fromkeys(("year", "stored_as_utc", "other_rules", "other"), (ACCEPT, SKIP)),
}


def ask_value(
    rows: pa.Table,
    row: int,
    column: str,
    wall: WallTimes,
    candidates: Candidates,
    choice: ZoneChoice,
    policies: tuple[FoldPolicy, GapPolicy],
) -> Question:
    """Return the question that a gap or fold value of an extracted row raises."""
    is_fold = candidates.kind[row] == LocalKind.FOLD.code
    kind = LocalKind.FOLD if is_fold else LocalKind.GAP
    instants = (int(candidates.first_us[row]), int(candidates.second_us[row]))
    shown = [
        f"{word}: {show_instant(instant)}"
        for word, instant in zip(WORDS[kind.value], instants, strict=False)
    ]
    us = int(wall.us[row])
    return Question(
        kind=kind.value,
        key=_text(rows, "key", row),
        column=column,
        scope=_text(rows, "scope", row),
        zone=zone_at(choice, row),
        local_date=local_date(us),
        read=show_time(us),
        candidates=" | ".join([*shown, SKIP]),
        applied=(policies[0] if is_fold else policies[1]).value,
    )


def show_time(us: int) -> str:
    """Return a wall time as YYYY-MM-DD HH:MM:SS, with a fraction where there is one."""
    text = str(np.datetime64(us, "us")).replace("T", " ")
    return text.removesuffix(".000000")


def show_instant(us: int) -> str:
    """Return an instant the same way, in UTC."""
    return f"{show_time(us)}Z"


def local_date(us: int) -> str:
    return str(np.datetime64(us, "us"))[:10]


def zone_at(choice: ZoneChoice, row: int) -> str:
    """Return the zone of a row, empty where there is none."""
    code = int(choice.codes[row])
    return choice.zones[code] if code >= 0 else ""


def _text(rows: pa.Table, name: str, row: int) -> str:
    return rows.column(name)[row].as_py() or ""
