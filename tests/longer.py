"""Cases that repeat a promise at another size, point or signal: `make test-rest` runs them."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from _pytest.mark import ParameterSet


def longer(*cases: object) -> tuple[ParameterSet, ...]:
    """Return cases for `parametrize` that have the marker `long`; a tuple is several values.

    One that has it already stays as it is.
    """
    return tuple(
        case
        if isinstance(case, ParameterSet)
        else pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=pytest.mark.long)
        for case in cases
    )


def longer_behind(count: int, cases: Iterable[object]) -> list[object]:
    """Return cases of which those behind so many have the marker `long`."""
    listed = list(cases)
    return [*listed[:count], *longer(*listed[count:])]
