"""The UTC job's choices: everything that decides a value, validated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from backfill.decisions import Answers
from backfill.errors import UsageError
from backfill.jobs.utc.table_spec import EVENTS, TableSpec
from backfill.utc.convert import FoldPolicy, GapPolicy
from backfill.utc.described import Encoding
from backfill.utc.pairs import Policy
from backfill.utc.spelling import Vocabulary, ZoneWords, near_misses, version_of
from backfill.utc.zone_choice import ZonePolicy
from backfill.utc.zone_names import is_zone

#: How `Order.HEAP` walks: this many pages of the table at a time, 16 MB, in so many rounds.
STRETCH_PAGES = 2_048
ROUNDS = 8


class Order(StrEnum):
    """In which order a plan walks its rows: by key, or as they lie in the table.

    Not one page after the other: rows of a page that are updated in one transaction can not have
    the room of their old versions, and go elsewhere. Each round takes an eighth of the rows of
    every page of a stretch; what it leaves behind is free again in the next round.
    """

    KEY = "key"
    HEAP = "heap"

    @property
    def sql(self) -> str:
        if self is Order.KEY:
            return "key"
        stretch = f"heap_place // {65_536 * STRETCH_PAGES}"
        return f"heap_relation, {stretch}, heap_place % 65536 % {ROUNDS}, heap_place"


@dataclass(frozen=True, slots=True)
class UtcSettings:
    """`households` empty means all; `answers` are the decisions of persons."""

    households: tuple[str, ...] = ()
    default_tz: str | None = None
    fold: FoldPolicy = FoldPolicy.EARLIER
    gap: GapPolicy = GapPolicy.SHIFT_FORWARD
    encoding: Encoding = Encoding.AUTO
    skip_deleted: bool = False
    strict: bool = False
    fallback_on_invalid_tz: bool = False
    table: TableSpec = EVENTS
    answers: Answers = field(default_factory=Answers)
    order: Order = Order.KEY
    default_tz_first: bool = False
    accept_years: bool = False
    repair: bool = False
    scheduler: str = ""  # where, not how values come about: it takes no part in the fingerprint

    def __post_init__(self) -> None:
        if self.default_tz is not None and not is_zone(self.default_tz):
            close = near_misses(self.default_tz)
            hint = f" Near: {', '.join(close)}." if close else ""
            raise UsageError(
                f"--default-tz {self.default_tz!r} is not an IANA time zone name.{hint} "
                "Names are case-sensitive, like Europe/Stockholm."
            )
        if self.default_tz_first and not self.default_tz:
            raise UsageError("--default-tz-first says when --default-tz counts: give both.")

    def as_json(self) -> dict[str, Any]:
        """Return what is fingerprinted and recorded: the order decides no value."""
        later = {
            name: True
            for name in ("default_tz_first", "accept_years", "repair")
            if getattr(self, name)
        }
        return {
            "household_id": sorted(set(self.households)) or None,
            "default_tz": self.default_tz,
            "fold": self.fold.value,
            "gap": self.gap.value,
            "encoding": self.encoding.value,
            "skip_deleted": self.skip_deleted,
            "strict": self.strict,
            "fallback_on_invalid_tz": self.fallback_on_invalid_tz,
            "table": self.table.as_json(),
            "decisions": self.answers.as_json(),
            **later,
        }

    @property
    def policy(self) -> Policy:
        return Policy(
            zones=ZonePolicy(
                self.default_tz,
                self.fallback_on_invalid_tz,
                self.default_tz_first,
                self.names,
                frozenset(self.table.unset),
            ),
            fold=self.fold,
            gap=self.gap,
            is_strict=self.strict,
            answers=self.answers,
            repairs=self.repair,
        )

    @property
    def names(self) -> ZoneWords:
        """The names of zones that the table may hold."""
        return ZoneWords(
            tuple(Vocabulary(name) for name in self.table.zone_names), self.table.zone_map
        )

    def zones_json(self) -> dict[str, Any]:
        """Return what a plan records of how zones' names were taken, so that it can be proven."""
        decided = {
            answer.zone: answer.decision
            for answer in self.answers.lines
            if answer.zone and is_zone(answer.decision)
        }
        document: dict[str, Any] = {
            "names": list(self.table.zone_names),
            "map": dict(self.table.zone_map),
            "unset": list(self.table.unset),
            "default_first": self.default_tz_first,
            "decided": decided,
        }
        kept = [v for v in self.names.vocabularies if v is not Vocabulary.IANA]
        return document | ({"versions": {v.value: version_of(v) for v in kept}} if kept else {})


def zone_policy(settings: Mapping[str, Any]) -> ZonePolicy:
    """Return how a recorded run took zones, from its settings."""
    table = settings.get("table") or {}
    names = [Vocabulary(name) for name in table.get("zone_names", ["iana"])]
    return ZonePolicy(
        settings.get("default_tz"),
        settings.get("fallback_on_invalid_tz", False),
        settings.get("default_tz_first", False),
        ZoneWords(tuple(names), tuple(sorted(table.get("zone_map", {}).items()))),
        frozenset(table.get("unset", ())),
    )
