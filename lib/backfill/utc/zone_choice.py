"""Which zone a row is in: the first of a chain that is set, else a default of the person's.

An unknown name is never replaced in silence. Works on the distinct combinations of values: a
table has few of them, whatever its length.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from backfill.decisions import Answer, Answers, Question
from backfill.rows.values import named
from backfill.utc.described import ZoneLink
from backfill.utc.spelling import ZoneWords, is_questionable, meanings, near_misses, says
from backfill.utc.zone_names import is_zone

SPELLING = "zone_name"  # the kind of question that a spelling raises
IANA, SKIP = "iana", "skip"


class ZoneSource(StrEnum):
    """Where a row's zone came from."""

    EVENT = "event"  # a column of the row
    DEFAULT = "default_tz"
    LOOKUP = "lookup"
    FALLBACK = "fallback"
    CONSTANT = "constant"
    OFFSET = "offset"


class Verdict(StrEnum):
    """Why there is no zone."""

    MISSING = "missing"
    INVALID = "invalid"


@dataclass(frozen=True, slots=True)
class ZonePolicy:
    """What a person decided about zones. `default` is the last resort, or with
    `is_default_first` comes before all that is looked up; `unset` means that nobody said."""

    default: str | None = None
    is_fallback_on_invalid: bool = False
    is_default_first: bool = False
    names: ZoneWords = field(default_factory=ZoneWords)
    unset: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class _Chosen:
    """What one combination of values comes to; `depth` links of the chain had a say."""

    zone: str | None
    source: ZoneSource
    depth: int
    verdict: Verdict | None = None
    detail: str = ""
    spelt: str = ""  # the name as it stood there
    overridden: str = ""  # what --default-tz-first kept from having its say


@dataclass(frozen=True, slots=True)
class ZoneChoice:
    """One entry per row; `codes` index `zones` and are -1 where there is no zone to use."""

    zones: list[str]
    codes: NDArray[np.int64]
    questions: list[Question]
    used: frozenset[Answer]
    _combinations: list[_Chosen]
    _inverse: NDArray[np.int64]
    labels: pa.Array | None = None  # in place of zones, where an offset of the row's own counts

    def _of(self, tell: Callable[[_Chosen], bool]) -> NDArray[np.bool_]:
        values = np.array([tell(chosen) for chosen in self._combinations], dtype=bool)
        picked: NDArray[np.bool_] = values[self._inverse]
        return picked

    @property
    def is_missing(self) -> NDArray[np.bool_]:
        return self._of(lambda chosen: chosen.verdict is Verdict.MISSING)

    @property
    def is_invalid(self) -> NDArray[np.bool_]:
        return self._of(lambda chosen: chosen.verdict is Verdict.INVALID)

    @property
    def is_fallback(self) -> NDArray[np.bool_]:
        return self._of(lambda chosen: chosen.source is ZoneSource.FALLBACK)

    @property
    def is_overridden(self) -> NDArray[np.bool_]:
        """Whether --default-tz-first took the place of another zone that was there."""
        return self._of(lambda chosen: bool(chosen.overridden))

    def has_say(self, link: int) -> NDArray[np.bool_]:
        """Whether a link of the chain was looked at: a change of it may change the zone."""
        return self._of(lambda chosen: chosen.depth > link)

    def detail(self, row: int) -> str:
        return self._combinations[int(self._inverse[row])].detail

    def names(self) -> pa.Array:
        """Return each row's zone, NULL where there is none."""
        names = named(self.codes, self.zones, self.codes < 0)
        return names if self.labels is None else pc.coalesce(self.labels, names)

    def source_names(self) -> pa.Array:
        sources = list(ZoneSource)
        places = np.array([sources.index(c.source) for c in self._combinations], dtype=np.int64)
        names = named(places[self._inverse], sources, self.codes < 0)
        if self.labels is None:
            return names
        return pc.if_else(self.labels.is_valid(), ZoneSource.OFFSET.value, names)


def choose_zones(
    values: Sequence[pa.Array],
    chain: Sequence[ZoneLink],
    policy: ZonePolicy,
    answers: Answers | None = None,
    *,
    rows: int,
) -> ZoneChoice:
    """Choose the zone of each of some rows from a chain, and the default.

    `values` are the chain's fields, in its order, without the constants.
    """
    answers = answers or Answers()
    inverse, combinations = _combinations(values, rows)
    asked: dict[str, Question] = {}
    used: set[Answer] = set()
    chosen: list[_Chosen] = []
    for texts in combinations:
        choice = _choose(texts, chain, policy)
        chosen.append(_answered(choice, answers, asked, used))
    zones = list(dict.fromkeys(choice.zone for choice in chosen if choice.zone is not None))
    numbers = {zone: number for number, zone in enumerate(zones)}
    codes = np.array(
        [-1 if choice.zone is None else numbers[choice.zone] for choice in chosen], dtype=np.int64
    )
    return ZoneChoice(zones, codes[inverse], list(asked.values()), frozenset(used), chosen, inverse)


def _combinations(
    values: Sequence[pa.Array], rows: int
) -> tuple[NDArray[np.int64], list[tuple[str | None, ...]]]:
    """Return for each row the number of its combination of texts, and the combinations."""
    inverse = np.zeros(rows, dtype=np.int64)
    combinations: list[tuple[str | None, ...]] = [()]
    for array in values:
        encoded = array.dictionary_encode(null_encoding="encode")
        names = encoded.dictionary.to_pylist() or [None]
        codes = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
        pairs, inverse = np.unique(inverse * len(names) + codes, return_inverse=True)
        combinations = [
            (*combinations[int(pair) // len(names)], names[int(pair) % len(names)])
            for pair in pairs
        ]
    return inverse, combinations


def _answered(
    choice: _Chosen, answers: Answers, asked: dict[str, Question], used: set[Answer]
) -> _Chosen:
    """Ask about a doubtful spelling, or take the answer that there is."""
    if not choice.spelt or choice.verdict is Verdict.MISSING:
        return choice
    question = _question(choice.spelt)
    answer = answers.find(question) if answers else None
    if answer is None:
        if is_questionable(choice.spelt):
            asked.setdefault(choice.spelt, question)
        return choice
    used.add(answer)
    if answer.decision == SKIP:
        detail = f"{choice.spelt!r} is left alone: {answer}"
        return replace(choice, zone=None, verdict=Verdict.INVALID, detail=detail)
    if answer.decision == IANA:
        return choice
    return replace(choice, zone=answer.decision, verdict=None, detail="")


def _question(spelt: str) -> Question:
    is_name = is_zone(spelt)
    candidates = [f"{IANA}: {says(spelt)}"] if is_name else []
    candidates += [zone for zone in meanings(spelt) if zone != spelt]
    return Question(
        kind=SPELLING,
        key="*",
        zone=spelt,
        read=spelt,
        candidates=" | ".join([*candidates, SKIP]),
        applied=IANA if is_name else SKIP,
    )


def _choose(texts: Sequence[str | None], chain: Sequence[ZoneLink], policy: ZonePolicy) -> _Chosen:
    """Return what one combination of values comes to."""
    given = iter(texts)
    wrong = ""
    for place, link in enumerate(chain):
        text = link.constant if not link.field else (next(given) or "")
        if policy.is_default_first and policy.default and (link.is_looked_up or not link.field):
            over = text.strip() if text.strip() not in policy.unset else ""
            return _default(policy, place, wrong, "" if over == policy.default else over)
        name = text.strip()
        if not name or name in policy.unset:
            continue
        zone = policy.names.zone_of(name)
        if zone is not None:
            source = ZoneSource.FALLBACK if wrong else _source(link)
            # A name of one's own map is what its owner said it is.
            spelt = "" if policy.names.is_own(name) or not link.field else name
            return _Chosen(zone, source, place + 1, spelt=spelt)
        if not policy.is_fallback_on_invalid or link.is_looked_up:
            detail = f"the default zone {_unknown(text)}" if link.is_looked_up else _unknown(text)
            detail = wrong or detail
            return _Chosen(
                None, _source(link), place + 1, Verdict.INVALID, detail, "" if wrong else name
            )
        wrong = _unknown(text)
    return _default(policy, len(chain), wrong, "")


def _default(policy: ZonePolicy, depth: int, wrong: str, overridden: str) -> _Chosen:
    if policy.default:
        source = ZoneSource.FALLBACK if wrong else ZoneSource.DEFAULT
        return _Chosen(policy.default, source, depth, overridden=overridden)
    if wrong:
        # The row's own name is what is wrong with it, whatever the default lacks.
        return _Chosen(None, ZoneSource.FALLBACK, depth, Verdict.INVALID, wrong)
    detail = "neither the row nor its default has a time zone"
    return _Chosen(None, ZoneSource.LOOKUP, depth, Verdict.MISSING, detail)


def _source(link: ZoneLink) -> ZoneSource:
    if not link.field:
        return ZoneSource.CONSTANT
    return ZoneSource.LOOKUP if link.is_looked_up else ZoneSource.EVENT


def _unknown(name: str) -> str:
    close = near_misses(name)
    hint = f"; near: {', '.join(close)}" if close else ""
    return f"{name!r} is not an IANA name{hint}"
