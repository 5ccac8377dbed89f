"""Parameters that are named like something of Python's own, as `set`: both can be used in cells."""

from __future__ import annotations

import builtins
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from backfill.parameter import Parameter
from backfill.parameters import check_parameters


def checked(
    declared: Sequence[Parameter], namespace: Mapping[str, Any], injected: Collection[str]
) -> dict[str, Any]:
    """Return the values of a notebook's parameters; raise `UsageError` for what is wrong in one."""
    values = check_parameters(declared, namespace, injected)
    if isinstance(namespace, dict):
        namespace.update(with_built_ins(declared, namespace))
    return values


def with_built_ins(
    declared: Sequence[Parameter], namespace: Mapping[str, Any]
) -> dict[str, str | list[Any]]:
    """Return the parameters that hide a built-in, as values that can be called as it can.

    An analyst who writes `set(rows["city"])` means Python's; one who reads `set` the parameter.
    """
    hidden = {
        parameter.name: getattr(builtins, parameter.name, None)
        for parameter in declared
        if parameter.name in namespace
    }
    return {
        name: _callable(namespace[name], own)
        for name, own in hidden.items()
        if callable(own) and isinstance(namespace[name], str | list)
    }


def _callable(value: str | list[Any], own: Any) -> str | list[Any]:
    plain: type[Any] = str if isinstance(value, str) else list
    made: str | list[Any] = type(plain.__name__, (plain,), {"__call__": staticmethod(own)})(value)
    return made
