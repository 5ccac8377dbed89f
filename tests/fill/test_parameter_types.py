"""What a task's dataclass may name as types: flag, notebook and ledger keep a literal, and the task
gets the value."""

from __future__ import annotations

import argparse
import datetime as dt
import enum
import sys
import uuid
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest
from tests.fill.test_task_returns import Sound, with_

from backfill.command.options import add_flag
from backfill.errors import UsageError
from backfill.jobs import tasks
from backfill.jobs.tasks import FoundTask, find_task
from backfill.parameter import check_parameters, flags_of
from backfill.settings import canonical_json
from backfill.steps.task_returns import settings_of


class Side(enum.Enum):
    WEST = 1
    EAST = 2


class Pace(enum.StrEnum):
    SLOW = "slow"


@dataclass(frozen=True)
class All:
    day: dt.date = dt.date(2031, 1, 5)
    since: dt.datetime | None = None
    clock: dt.time = dt.time(9, 30)
    share: Decimal = Decimal("0.10")
    who: uuid.UUID | None = None
    file: Path = Path("wells.csv")
    side: Side = Side.WEST
    paces: list[Pace] = field(default_factory=list)
    depth: Literal[1, 2] = 1
    ids: list[int] = field(default_factory=lambda: [7])
    days: tuple[dt.date, ...] = ()
    least: int | None = None


class Wells(Sound):
    parameters = All
    made: ClassVar[list[All]] = []

    def __init__(self, chosen: All) -> None:
        self.made.append(chosen)

    @property
    def settings(self) -> Any:
        chosen = self.made[-1]
        return {"day": chosen.day, "share": chosen.share, "file": chosen.file}


@pytest.fixture
def wells(monkeypatch: pytest.MonkeyPatch) -> FoundTask:
    monkeypatch.setitem(sys.modules, "wells", sys.modules[__name__])
    return find_task("wells:Wells")


def said(found: FoundTask, *words: str) -> dict[str, Any]:
    """Return the literals that flags give, as a notebook's cell and the ledger have them."""
    parser = argparse.ArgumentParser()
    for parameter in found.own:
        add_flag(parser, parameter)
    given = {k: v for k, v in vars(parser.parse_args(words)).items() if v is not None}
    return check_parameters(found.own, given, ())


def test_each_type_travels_as_a_literal_and_is_handed_to_the_task_as_itself(
    wells: FoundTask, tmp_path: Path
) -> None:
    words = [
        *("--day", "2031-02-28", "--since", "2031-02-28T09:30+01:00", "--clock", "23:59:30"),
        *("--share", "0.250", "--who", "6f1b2c3d-0000-4000-8000-00000000000a"),
        *("--file", str(tmp_path / "a.csv"), "--side", "2", "--paces", "slow", "--depth", "2"),
        *("--ids", "3", "--ids", "4", "--days", "2031-01-01", "--least", "5"),
    ]
    literals = said(wells, *words)
    canonical_json(literals)

    wells.task(said(wells))
    task = wells.task(literals)

    assert Wells.made[-2] == All(file=Path("wells.csv"))
    assert Wells.made[-1] == All(
        day=dt.date(2031, 2, 28),
        since=dt.datetime(2031, 2, 28, 9, 30, tzinfo=dt.timezone(dt.timedelta(hours=1))),
        clock=dt.time(23, 59, 30),
        share=Decimal("0.250"),
        who=uuid.UUID("6f1b2c3d-0000-4000-8000-00000000000a"),
        file=tmp_path / "a.csv",
        side=Side.EAST,
        paces=[Pace.SLOW],
        depth=2,
        ids=[3, 4],
        days=(dt.date(2031, 1, 1),),
        least=5,
    )
    assert settings_of(task) == {
        "day": "2031-02-28",
        "share": "0.250",
        "file": str(tmp_path / "a.csv"),
    }
    assert said(wells, *flags_of(wells.own, literals)) == literals


@pytest.mark.parametrize(
    ("flag", "given", "says"),
    [
        ("day", "28.2.2031", "must be datetime.date, like 2026-01-31; it is '28.2.2031'"),
        ("since", "tomorrow", "must be datetime.datetime, like 2026-01-31T09:30"),
        ("share", "a half", "must be decimal.Decimal, like 0.25"),
        ("who", "me", "must be uuid.UUID"),
        ("paces", ["quick"], "must be list"),
        ("ids", ["3.5"], r"must be list\[int\]; it is \['3.5'\]"),
    ],
)
def test_what_is_no_value_of_its_type_is_refused_in_a_sentence(
    wells: FoundTask, flag: str, given: Any, says: str
) -> None:
    with pytest.raises(UsageError, match=f"The parameter {flag} {says}"):
        wells.task({**said(wells), flag: given})


@pytest.mark.parametrize("wrong", ["3", "north"])
def test_words_of_a_closed_set_are_checked_by_the_flag(wells: FoundTask, wrong: str) -> None:
    for name, words in (("side", "1, 2"), ("depth", "1, 2")):
        with pytest.raises(
            UsageError, match=f"--{name} '{wrong}' is not known; use one of {words}"
        ):
            check_parameters(wells.own, {name: wrong}, ())


@pytest.mark.parametrize("hint", [dict, set[str], int | str, tuple[int, str], list[bytes], complex])
def test_types_that_no_flag_can_be_are_refused(monkeypatch: pytest.MonkeyPatch, hint: Any) -> None:
    own: Any = dataclass(type("Own", (), {"__annotations__": {"odd": hint}, "odd": None}))
    monkeypatch.setitem(sys.modules, "wells", sys.modules[__name__])
    monkeypatch.setattr(sys.modules[__name__], "chosen", with_(parameters=own), raising=False)

    with pytest.raises(UsageError, match=r"The parameter odd of the task is .*, which no flag can"):
        assert find_task("wells:chosen").own


def test_a_run_that_was_stored_is_read_back_with_its_values(
    wells: FoundTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = type("Entry", (), {"name": "sound", "value": "wells:Wells", "load": lambda _s: Wells})
    monkeypatch.setattr(tasks, "_installed", lambda: [entry()])
    literals = said(wells, "--day", "2031-02-28")

    tasks.installed_kind("sound").reasons({"task": "wells:Wells", "parameters": literals})

    assert Wells.made[-1].day == dt.date(2031, 2, 28)
