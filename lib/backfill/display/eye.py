"""The boundary between the eye and the hand: what is only looked at never stops what is written.

A picture, a page, a count or an explanation is made inside `shown` or `attempt`. Whatever goes
wrong there becomes a sentence in its place and an entry for `run.json`; the work goes on.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from typing import TypeVar

from backfill.display.pages import Shown, note

T = TypeVar("T")
_LONGEST_WHY = 400  # characters of an error's text


@dataclass(frozen=True, slots=True)
class NotShown:
    """What could not be shown, and why: an entry of `not_shown` in `run.json`."""

    what: str
    why: str

    def as_json(self) -> dict[str, str]:
        return asdict(self)


_watched: ContextVar[list[NotShown] | None] = ContextVar("not_shown", default=None)


@contextlib.contextmanager
def watching(missed: list[NotShown]) -> Iterator[None]:
    """Collect into `missed` what can not be shown while the block runs."""
    token = _watched.set(missed)
    try:
        yield
    finally:
        _watched.reset(token)


def shown(what: str, make: Callable[[], Shown]) -> Shown:
    """Return what `make` makes, or a sentence that says why it can not be shown."""
    return attempt(
        what,
        make,
        lambda missed: note(
            f"{missed.what} can not be shown here ({missed.why}). What is written is not touched "
            "by that.",
            "warning",
        ),
    )


def attempt(
    what: str,
    make: Callable[[], T],
    instead: Callable[[NotShown], T],
    *,
    but: tuple[type[Exception], ...] = (),
) -> T:
    """Return what `make` makes, or what stands in its place where it can not be made.

    Errors of the kinds `but` go on: those that an operator must hear of.
    """
    try:
        return make()
    except but:
        raise
    except Exception as error:  # the one place where any error is as good as another
        text = " ".join(str(error).split())[:_LONGEST_WHY]
        missed = NotShown(what, f"{type(error).__name__}: {text}".removesuffix(": "))
        collected = _watched.get()
        if collected is not None and missed not in collected:
            collected.append(missed)
        return instead(missed)
