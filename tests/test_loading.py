"""What a command and its kernel do not load, and that whoever asks for it later has it as usual."""

from __future__ import annotations

import gc
import subprocess
import sys
import textwrap

import pytest

from backfill.loading import not_yet, seldom_collected, unseen


def said_by(program: str) -> str:
    """Return what a fresh Python prints, warnings being errors."""
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(program)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_arrays_are_made_without_pandas_until_somebody_imports_it() -> None:
    told = said_by(
        """
        import sys
        from backfill.loading import without_pandas
        without_pandas()
        without_pandas()
        import pyarrow as pa
        pa.table({"a": pa.array(["x", None]), "b": pa.array([1, 2])})
        print("pandas" in sys.modules)
        import pandas as pd
        moments = pd.Series(pd.to_datetime(["2024-03-31T02:30:00"]))
        print(pa.array(moments).type, pa.array(pd.Series([1.5, None])).null_count)
        print(pa.Table.from_pandas(pd.DataFrame({"n": [7]})).to_pandas().n.sum())
        """
    )

    first, kinds, total = told.splitlines()
    assert (first, total) == ("False", "7")
    assert kinds.startswith("timestamp[") and kinds.endswith(" 1")


@pytest.mark.parametrize(
    "asked",
    [
        'pa.table({"n": [7]}).to_pandas()',
        'duckdb.sql("SELECT 7 AS n").df()',
        '__import__("pandas").DataFrame({"n": [7]})',
    ],
)
def test_a_dataframe_comes_from_every_side_without_an_import_of_ones_own(asked: str) -> None:
    told = said_by(
        f"""
        from backfill.loading import without_pandas
        without_pandas()
        import duckdb, pyarrow as pa
        frame = {asked}
        print(frame.n.sum(), pa.array(frame.n).to_pylist(), pa.table(frame).num_rows)
        """
    )

    assert told == "7 [7] 1"


def test_what_is_hidden_is_there_again_after_the_block() -> None:
    told = said_by(
        """
        from backfill.loading import unseen
        try:
            with unseen("colorsys", "wave"):
                import colorsys
        except ImportError as error:
            print(error)
        import colorsys, wave
        print(colorsys.__name__, wave.__name__)
        """
    )

    assert told.splitlines() == ["No module named 'colorsys'", "colorsys wave"]


def test_what_is_loaded_already_stays_seen() -> None:
    with unseen("gc", "sys"):
        import gc as again

    assert again is gc


def test_a_module_that_nobody_uses_is_not_loaded_and_one_that_somebody_uses_is() -> None:
    told = said_by(
        """
        from backfill.loading import not_yet
        with not_yet("wave"), not_yet("colorsys"):
            import colorsys, wave
        print(type(wave).__name__, type(colorsys).__name__)
        print(callable(wave.open))
        print(type(wave).__name__, type(colorsys).__name__)
        """
    )

    assert told.splitlines() == ["_LazyModule _LazyModule", "True", "module _LazyModule"]


def test_python_collects_as_often_as_before_after_the_block() -> None:
    before = gc.get_threshold()

    with pytest.raises(ZeroDivisionError), seldom_collected():
        inside = gc.get_threshold()
        raise ZeroDivisionError

    assert (inside[0] > before[0], gc.get_threshold()) == (True, before)


def test_a_name_that_is_not_there_is_missed_as_usual() -> None:
    with pytest.raises(ModuleNotFoundError), not_yet("no_such_module"):
        import no_such_module  # type: ignore[import-not-found]  # noqa: F401
