"""An iterator that can be asked what comes next, without taking it."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Peekable(Generic[T]):
    """Yields what an iterator yields; nothing is fetched before it is asked for."""

    def __init__(self, items: Iterator[T]) -> None:
        self._items = items
        self._next: deque[T] = deque()

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        return self._next.popleft() if self._next else next(self._items)

    def peek(self, place: int = 0) -> T | None:
        """Return what comes next, or so many places behind that; None where nothing does."""
        missing = place + 1 - len(self._next)
        self._next.extend(itertools.islice(self._items, max(missing, 0)))
        return self._next[place] if place < len(self._next) else None
