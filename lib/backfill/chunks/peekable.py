"""An iterator that can be asked what comes next, without taking it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Peekable(Generic[T]):
    """Yields what an iterator yields; nothing is fetched before it is asked for."""

    def __init__(self, items: Iterator[T]) -> None:
        self._items = items
        self._next: list[T] = []

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        return self._next.pop() if self._next else next(self._items)

    def peek(self) -> T | None:
        """Return what comes next, None where nothing does."""
        if not self._next:
            self._next.extend(item for item in [next(self._items, None)] if item is not None)
        return self._next[0] if self._next else None
