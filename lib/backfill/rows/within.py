"""What lies within the text of an array, a range, a multirange or a composite of PostgreSQL's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

L = TypeVar("L")


@dataclass(frozen=True)
class Leaf(Generic[L]):
    """A value that has nothing within it, and what it is."""

    what: L

    def within(self, text: str) -> Iterator[tuple[L, str]]:
        yield self.what, text


@dataclass(frozen=True)
class Elements(Generic[L]):
    """Those of an array of any depth."""

    of: Shape[L]
    delimiter: str = ","

    def within(self, text: str) -> Iterator[tuple[L, str]]:
        """Yield each value within, NULLs left out, with what it is."""
        bare = rf'(?:\\.|[^{{}}"\\{self.delimiter}])+'
        listed = text[text.find("{") :]  # behind its bounds: [0:1]={1,2}
        for found in re.finditer(rf'"((?:[^"\\]|\\.)*)"|({bare})', listed, re.DOTALL):
            if found[1] is not None:
                yield from self.of.within(_ESCAPED.sub(r"\1", found[1]))
            elif (part := found[2].strip()).upper() not in ("", "NULL"):
                yield from self.of.within(_ESCAPED.sub(r"\1", part))


@dataclass(frozen=True)
class Ends(Generic[L]):
    """Those of a range, or of each range of a multirange."""

    of: Shape[L]

    def within(self, text: str) -> Iterator[tuple[L, str]]:
        for bounds in _RANGE.finditer(text):
            for end in _parts(bounds[0]):
                if end:
                    yield from self.of.within(_bare(end))


@dataclass(frozen=True)
class Fields(Generic[L]):
    """Those of a composite, in its order."""

    of: tuple[Shape[L], ...]

    def within(self, text: str) -> Iterator[tuple[L, str]]:
        for shape, field in zip(self.of, _parts(text.strip()), strict=False):
            if field:
                yield from shape.within(_bare(field))


Shape = Leaf[L] | Elements[L] | Ends[L] | Fields[L]

_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_QUOTED = r'"(?:[^"\\]|\\.|"")*"'
_RANGE = re.compile(rf"[\[(](?:{_QUOTED}|\\.|[^\"\\\])])*[\])]", re.DOTALL)
_PART = re.compile(rf'((?:{_QUOTED}|\\.|[^",\\])*),', re.DOTALL)
_SPELT = re.compile(r'"((?:[^"\\]|\\.|"")*)"|\\(.)', re.DOTALL)


def _parts(text: str) -> list[str]:
    """Return what stands between the commas of `(a,"b c",)`, as it is written there."""
    return [found[1] for found in _PART.finditer(f"{text[1:-1]},")]


def _bare(part: str) -> str:
    """Return a part without its quotes and escapes."""

    def plain(found: re.Match[str]) -> str:
        if found[1] is None:
            return found[2]
        return re.sub(r'\\(.)|"(")', lambda one: one[1] or one[2], found[1], flags=re.DOTALL)

    return _SPELT.sub(plain, part)
