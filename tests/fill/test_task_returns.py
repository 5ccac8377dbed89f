"""Tasks that hand over something else than was asked: told in a sentence that names the verb."""

from __future__ import annotations

import argparse
import functools
import re
import sys
import types
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Optional

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from tests.longer import longer_behind

from backfill import cli, workbook
from backfill.command.options import add_flag
from backfill.errors import BackfillError, PreflightError, UsageError
from backfill.jobs import tasks
from backfill.jobs.registry import entry_of
from backfill.jobs.tasks import find_task
from backfill.parameter import flags_of
from backfill.parameters import check_parameters, defaults_of
from backfill.plans.keyed_rows import rows_where
from backfill.steps.task import Names
from backfill.steps.task_returns import settings_of

if TYPE_CHECKING:
    from tests.fill.conftest import Tables


class Sound:
    """Twice the depth of each well that has none."""

    name = "sound"
    settings: ClassVar[Any] = {}
    where: Any = "twice IS NULL -- the others are done"

    def names(self) -> Any:
        return Names("well", targets=("twice",), sources=("depth",))

    def compute(self, rows: pa.Table) -> Any:
        depths = pc.struct_field(rows["source"].combine_chunks(), "depth")
        return pa.table({"twice": pc.multiply(depths, 2)})


def with_(**parts: Any) -> type:
    return type("Other", (Sound,), parts)


def computes(what: Any) -> type:
    return with_(compute=lambda _self, rows: what(rows) if callable(what) else what)


def reads(*pages: Any) -> type:
    return with_(where="", extract=lambda _self, _connection, _table: iter(pages))


def raises(error: BaseException) -> Any:
    def verb(*_given: Any) -> None:
        raise error

    return verb


def also(**columns: Any) -> Any:
    """Compute what is sound, and more columns."""
    return lambda rows: pa.table(
        {"twice": pa.array(range(rows.num_rows)), **{n: pa.array(v) for n, v in columns.items()}}
    )


@pytest.fixture
def wells(tables: Tables, monkeypatch: pytest.MonkeyPatch) -> Tables:
    monkeypatch.setitem(sys.modules, "wells", sys.modules[__name__])
    tables.make(
        "CREATE TABLE well (id int PRIMARY KEY, depth int, twice int)",
        "INSERT INTO well VALUES (3, 11), (5, 40)",
    )
    return tables


def planned(
    tables: Tables, monkeypatch: pytest.MonkeyPatch, task: Any, **values: Any
) -> workbook.Book:
    monkeypatch.setattr(sys.modules[__name__], "chosen", task, raising=False)
    name = "wells:chosen"
    run = workbook.open_run(
        name,
        defaults_of(entry_of(name).parameters)
        | {"runs_dir": str(tables.runs), "dsn_env": "TABLES_URL"}
        | values,
    )
    for step in (run.preflight, run.extract, run.compute, run.diff, run.plan):
        step()
    return run


AS_MODULE = types.ModuleType("as_module")
AS_MODULE.__dict__.update(
    name="as_module", settings={}, where="true", names=Sound().names, compute=Sound().compute
)


@pytest.mark.parametrize(
    "task",
    [
        Sound,
        Sound(),
        functools.partial(Sound),
        AS_MODULE,
        with_(names=Names("well", targets="twice", sources=["depth"])),  # type: ignore[arg-type]
        computes(lambda rows: Sound().compute(rows).to_batches()[0]),
        computes(also(rule=[1, 2], skip=pa.nulls(2), detail=[True, False])),
    ],
)
def test_a_task_is_taken_in_any_form_that_has_its_verbs(
    wells: Tables, monkeypatch: pytest.MonkeyPatch, task: Any
) -> None:
    planned(wells, monkeypatch, task)

    counted = wells.rows("SELECT status, count(*) FROM backfill.run GROUP BY 1")
    assert counted == [("planned", 1)]


@pytest.mark.parametrize(
    ("task", "told"),
    [
        (computes(None), r"`compute` of the task sound gives None: it is to give a table of"),
        (computes({"twice": [1, 2]}), "gives a dict"),
        (computes(pd.DataFrame({"twice": [1, 2]})), r"gives a DataFrame.*Table\.from_pandas"),
        (computes(lambda _rows: (yield)), "gives a generator"),
        (
            computes(pa.Table.from_arrays([pa.array([1, 2])] * 2, ["twice", "twice"])),
            "computed two columns of the name 'twice'",
        ),
        (computes(also(skip=[True, False])), "column skip that the task sound computed is bool"),
        (computes(also(skip=[" ", None])), "skip .* is a text without letters"),
        (
            with_(
                compute=lambda _self, rows: also(skip=["to_deep", None])(rows),
                reasons=("too_deep",),
            ),
            r"skips rows as to_deep, which is none of its `reasons` \(too_deep\)",
        ),
        (computes(raises(SystemExit(0))), r"`compute` .* ended the program \(SystemExit: 0"),
        (with_(names=lambda _self: ("well", "twice")), "`names` of the task sound gives a tuple"),
        (with_(names=raises(OSError("no net"))), r"`names` .* failed: OSError: no net \(.*line"),
        (
            with_(names=lambda _self: Names("well", ("twice",), ("twice", "depth"))),
            "twice is a target and a source: what stands there now is in `before`",
        ),
        (with_(accept=raises(ValueError("too deep"))), "`accept` .* failed: ValueError: too deep"),
        (with_(settings=None), "`settings` of the task sound gives None"),
        (with_(settings={"day": object()}), "kept as JSON: a value of type object has no text"),
        (with_(where=lambda _self: "true"), "no extract. Its `where` is a method"),
        (with_(questions=["deep"]), "`questions` .* is a list: it is a dict"),
        (with_(parameters=Sound), "is the class Sound, and that is no dataclass"),
        (with_(where="", extract=lambda *_given: None), "`extract` of the task sound gives None"),
        (with_(where="", extract=lambda *_given: pa.table({"key": ["3"]})), "gives a Table"),
        (reads({"key": ["3"]}), "`extract` of the task sound gives a dict"),
        (reads(pa.table({"id": [3]})), "yields has no column key. It has: id. .*keyed_rows makes"),
    ],
)
def test_what_a_task_hands_over_is_held_against_what_was_asked(
    wells: Tables, monkeypatch: pytest.MonkeyPatch, task: Any, told: str
) -> None:
    with pytest.raises(BackfillError, match=told) as refused:
        planned(wells, monkeypatch, task)

    assert refused.value.exit_code in (2, 3)
    assert wells.rows("SELECT count(*) FROM well WHERE twice IS NOT NULL") == [(0,)]


def test_a_comment_at_the_end_of_a_condition_ends_with_it(
    wells: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Own(Sound):
        def extract(self, connection: Any, table: Any) -> Iterator[pa.Table]:
            yield from rows_where(connection, table, "depth > 0 -- 100%", 1)

    run = planned(wells, monkeypatch, Own, apply=True)
    run.apply()
    run.verify()

    assert wells.rows("SELECT id, twice FROM well ORDER BY id") == [(3, 22), (5, 80)]


@dataclass(frozen=True)
class Chosen:
    unit: Literal["m", "ft"] = "m"
    below: Optional[int] = None  # noqa: UP045
    names: tuple[str, ...] = ()
    among: Optional[list[str]] = None  # noqa: UP045


def test_words_to_choose_from_and_what_may_be_missing_are_flags(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "wells", sys.modules[__name__])
    monkeypatch.setattr(sys.modules[__name__], "chosen", with_(parameters=Chosen), raising=False)

    unit, below, names, among = find_task("wells:chosen").own

    assert (unit.choices, unit.default) == (("m", "ft"), "m")
    assert (below.kind, below.default) == ("whole number", None)
    assert names.default == among.default == ""


@dataclass(frozen=True)
class Usual:
    """What is done unless somebody says otherwise."""

    sides: tuple[str, ...] = ("north", "south")
    round_up: bool = True
    units: list[str] = field(default_factory=lambda: ["m"])


def test_a_parameter_is_of_the_type_that_its_task_says(monkeypatch: pytest.MonkeyPatch) -> None:
    got: list[Any] = []
    monkeypatch.setitem(sys.modules, "wells", sys.modules[__name__])
    made = functools.partial(_noting, got)
    made.parameters = Usual  # type: ignore[attr-defined]
    monkeypatch.setattr(sys.modules[__name__], "chosen", made, raising=False)

    find_task("wells:chosen").task({"sides": ["west"], "round_up": False, "units": ["ft"]})

    assert got == [Usual(sides=("west",), round_up=False, units=["ft"])]


def _noting(got: list[Any], chosen: Usual) -> Any:
    got.append(chosen)
    return Sound()


def test_what_a_task_does_unless_told_otherwise_is_what_it_gets_and_can_be_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "wells", sys.modules[__name__])
    monkeypatch.setattr(sys.modules[__name__], "chosen", with_(parameters=Usual), raising=False)
    own = find_task("wells:chosen").own
    parser = argparse.ArgumentParser()
    for parameter in own:
        add_flag(parser, parameter)

    def got(*words: str) -> dict[str, Any]:
        said = {k: v for k, v in vars(parser.parse_args(words)).items() if v is not None}
        return check_parameters(own, said, ())

    assert got() == {"sides": ["north", "south"], "round_up": True, "units": ["m"]}
    told = got("--sides", "east", "--no-round-up", "--units", "ft", "--units", "m")
    assert told == {"sides": ["east"], "round_up": False, "units": ["ft", "m"]}
    assert got(*flags_of(own, told)) == told


def test_two_packages_with_a_task_of_one_name_are_told_apart_by_where_they_are(
    wells: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = sys.modules[__name__]
    for name, found in (("one", []), ("two", [(0, "of the other package")])):
        task = with_(check=lambda _self, _rows, found=found: found)
        monkeypatch.setattr(module, name, task, raising=False)
    offered = [EntryPoint("sound", f"wells:{n}", tasks.GROUP) for n in ("one", "two", "two")]
    monkeypatch.setattr(tasks, "_installed", lambda: offered)

    with pytest.raises(UsageError, match=r"Several packages have .*wells:one or wells:two"):
        find_task("sound")

    rows = pa.table({"key": ["3"]})
    kind = tasks.installed_kind("sound")
    of_one, of_two = ({"task": f"wells:{n}", "parameters": {}} for n in ("one", "two"))
    assert (kind.recompute(of_one, rows).wrong, kind.recompute(of_one, rows).rows) == ([], 1)
    assert kind.recompute(of_two, rows).wrong == [(0, "of the other package")]
    assert kind.recompute({"task": "gone:task", "parameters": {}}, rows).rows == 0


@pytest.mark.parametrize("name", ["apply", "runs_dir", "chunk_size", "json", "_own", "Depth"])
def test_a_parameter_that_is_named_like_a_flag_of_ours_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    kind: Any = dataclass(type("Own", (), {"__annotations__": {name: str}, name: "x"}))
    monkeypatch.setitem(sys.modules, "wells", sys.modules[__name__])
    monkeypatch.setattr(sys.modules[__name__], "chosen", with_(parameters=kind), raising=False)

    with pytest.raises(BackfillError, match=f"parameter {name} of the task needs another name"):
        assert find_task("wells:chosen").own


def test_a_parameter_whose_flag_says_no_to_another_one_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kinds = {"deep": bool, "no_deep": bool}
    both: Any = dataclass(
        type("Own", (), {"__annotations__": kinds, "deep": True, "no_deep": False})
    )
    monkeypatch.setitem(sys.modules, "wells", sys.modules[__name__])
    monkeypatch.setattr(sys.modules[__name__], "chosen", with_(parameters=both), raising=False)

    with pytest.raises(UsageError, match="Two parameters of the task have the flag --no-deep"):
        assert find_task("wells:chosen").own


def test_a_module_that_ends_the_program_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "ends_here.py").write_text("raise SystemExit(0)\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))

    assert cli.main(["task", "ends_here:Task"]) == 2

    assert "ends_here:Task can not be loaded: SystemExit: 0" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("part", "says"),
    [
        ({"parameters": {"depth": 3}}, "`parameters` of the task wells:chosen is a dict"),
        ({"where": ""}, 'it has no extract. Its `where` is empty: all rows are those of "true"'),
    ],
)
def test_a_part_that_would_be_passed_over_is_refused(
    monkeypatch: pytest.MonkeyPatch, part: dict[str, Any], says: str
) -> None:
    monkeypatch.setitem(sys.modules, "wells", sys.modules[__name__])
    monkeypatch.setattr(sys.modules[__name__], "chosen", with_(**part), raising=False)

    with pytest.raises(BackfillError, match=re.escape(says)):
        find_task("wells:chosen").task({})


@pytest.mark.parametrize("number", ["nan", "-inf", "1e400"])
def test_what_is_no_finite_number_can_not_be_kept_and_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], number: str
) -> None:
    kind: Any = dataclass(type("Own", (), {"__annotations__": {"share": float}, "share": 0.5}))
    monkeypatch.setitem(sys.modules, "wells", sys.modules[__name__])
    task = with_(parameters=kind)
    monkeypatch.setattr(sys.modules[__name__], "chosen", task, raising=False)

    assert cli.main(["task", "wells:chosen", f"--share={number}"]) == 2
    assert "--share must be a finite number" in capsys.readouterr().err

    with pytest.raises(BackfillError, match=r"`settings` of the task .* can not be kept as JSON"):
        settings_of(with_(settings={"share": float(number)})())


@pytest.mark.parametrize("file", ["ends_here.py", "some/where/ends_here.py"])
def test_a_task_that_is_named_by_its_file_is_told_the_name_of_its_module(file: str) -> None:
    with pytest.raises(BackfillError, match="in the folder of that file, ends_here:Task"):
        find_task(f"{file}:Task")


@pytest.mark.parametrize(
    "found", longer_behind(3, [None, True, ["3"], [(2, "deep")], [("3", "deep")]]), ids=repr
)
def test_a_check_that_tells_no_list_of_rows_is_told_what_it_is_to_give(
    wells: Tables, monkeypatch: pytest.MonkeyPatch, found: Any
) -> None:
    task = with_(check=lambda _self, _rows: found)
    run = planned(wells, monkeypatch, task, apply=True)
    run.apply()

    with pytest.raises(PreflightError, match=r"`check` of the task sound gives .*\[\] where all"):
        run.verify()


def test_a_report_of_a_task_that_fails_is_said_and_the_rows_stay_written(
    wells: Tables, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    task = with_(finish=raises(OSError("the printer is out of paper")))
    run = planned(wells, monkeypatch, task, apply=True)
    run.apply()
    run.verify()
    run.summary()

    assert "own report was not made (OSError: the printer is out of paper" in capfd.readouterr().err
    assert wells.rows("SELECT count(*) FROM well WHERE twice IS NOT NULL") == [(2,)]
