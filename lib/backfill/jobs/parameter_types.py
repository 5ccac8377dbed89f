"""How the type of a task's parameter is given as a literal, by flag, notebook cell and record, and
what makes a value of it again."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import inspect
import types
import typing
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backfill.errors import UsageError
from backfill.parameter import Kind
from backfill.rows.texts import text_of


@dataclass(frozen=True, slots=True)
class Form:
    """A literal's kind and choices; `read` makes the value, and raises for what is none."""

    kind: Kind
    read: Callable[[Any], Any] = lambda value: value
    metavar: str = ""
    choices: tuple[str, ...] = ()


_PLAIN: Mapping[Any, Form] = {
    bool: Form(Kind.FLAG),
    int: Form(Kind.WHOLE),
    float: Form(Kind.NUMBER),
    str: Form(Kind.TEXT),
}
_AS_TEXT: Mapping[Any, Form] = {
    dt.date: Form(Kind.TEXT, dt.date.fromisoformat, "2026-01-31"),
    dt.datetime: Form(Kind.TEXT, dt.datetime.fromisoformat, "2026-01-31T09:30"),
    dt.time: Form(Kind.TEXT, dt.time.fromisoformat, "09:30"),
    decimal.Decimal: Form(Kind.TEXT, decimal.Decimal, "0.25"),
    uuid.UUID: Form(Kind.TEXT, uuid.UUID, "UUID"),
    Path: Form(Kind.PATH, Path),
}
_LISTED: Mapping[Any, Form] = {
    **_AS_TEXT,
    **{kind: Form(Kind.TEXT, kind) for kind in (str, int, float)},
}


def form_of(hint: Any) -> Form | None:
    """Return how a type is given; None for one that no flag can be."""
    plain = _without_none(hint)
    origin, parts = typing.get_origin(plain), typing.get_args(plain)
    if origin in (list, tuple):
        each = {part for part in parts if part is not ...} or {str}
        inner = _of_words(part := each.pop()) or _LISTED.get(part)
        if each or inner is None or (origin is tuple and parts and parts[-1] is not ...):
            return None
        return Form(Kind.TEXTS, lambda values: origin(map(inner.read, values)), inner.metavar)
    return _of_words(plain) or _AS_TEXT.get(plain) or _PLAIN.get(plain)


def _of_words(plain: Any) -> Form | None:
    words: dict[str, Any] = {}
    if typing.get_origin(plain) is typing.Literal:
        words = {str(word): word for word in typing.get_args(plain)}
    elif inspect.isclass(plain) and issubclass(plain, enum.Enum):
        words = {str(member.value): member for member in plain}
    return Form(Kind.TEXT, words.__getitem__, choices=tuple(words)) if words else None


def _without_none(hint: Any) -> Any:
    """Return the type of `X | None`, and of `Optional[X]`."""
    if not isinstance(hint, types.UnionType) and typing.get_origin(hint) is not typing.Union:
        return hint
    parts = [part for part in typing.get_args(hint) if part is not type(None)]
    return parts[0] if len(parts) == 1 else hint


def literal_of(value: Any, form: Form) -> Any:
    """Return a default as flag and notebook have it."""
    if form.kind is Kind.TEXTS:
        return [text_of(part) for part in value or ()] or ""
    is_text = form.kind in (Kind.TEXT, Kind.PATH) and value is not None
    return text_of(value) if is_text else value


def value_of(name: str, hint: Any, literal: Any) -> Any:
    """Return the value of a parameter's literal; raise `UsageError` that says what it must be."""
    form = form_of(hint)
    if literal is None or form is None:
        return literal
    try:
        return form.read(literal)
    except (ValueError, TypeError, KeyError, ArithmeticError):
        like = f", like {form.metavar}" if form.metavar else ""
        raise UsageError(
            f"The parameter {name} must be {inspect.formatannotation(_without_none(hint))}{like}; "
            f"it is {literal!r}."
        ) from None
