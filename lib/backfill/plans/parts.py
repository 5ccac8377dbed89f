"""Values within values, as of arrays, ranges and composites: each is fitted to its own type, since
the whole loses without a word what that one rounds, cuts or leaves out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import pyarrow as pa

from backfill.plans.held import STRICT
from backfill.rows.others_texts import DATES
from backfill.rows.within import Elements, Ends, Fields, Shape
from backfill.server.catalog_columns import CatalogColumn
from backfill.server.postgres import Connection
from backfill.server.shapes import has_parts, shape_of
from backfill.server.table import Relation

#: Types, as the catalog names them, of which some text is more than what is stored.
_LOSING = (*DATES, "time", "timetz", "interval", "float4", "float8", "money", *STRICT)
#: What is refused, and what is to be said, by the place of a value among those that were fitted.
Told = tuple[dict[int, str], dict[int, str]]
Fit = Callable[[CatalogColumn, pa.Array], Told]


def parts_of(
    connection: Connection, relation: Relation, columns: Iterable[CatalogColumn], fit: Fit
) -> dict[str, Parts]:
    """Return the parts of those columns whose values have some that may lose something."""
    found = {
        column.name: Parts(shape_of(connection, relation, column.name), fit)
        for column in filter(has_parts, columns)
    }
    return {name: parts for name, parts in found.items() if parts.may_lose}


@dataclass(frozen=True, slots=True)
class Parts:
    """What lies within the values of one column, and what fits texts to the type of a part."""

    shape: Shape[CatalogColumn]
    fit: Fit

    @property
    def may_lose(self) -> bool:
        """Whether there is something within whose type does not keep all of every text."""
        has_parts = isinstance(self.shape, Elements | Ends | Fields)
        return has_parts and any(map(_is_losing, _leaves(self.shape)))

    def told(self, values: pa.Array) -> Told:
        """Return what is refused, and what is to be said, of texts of the column's, by place."""
        found: dict[CatalogColumn, dict[str, list[int]]] = {}
        for place, text in enumerate(values.to_pylist()):
            for what, part in self.shape.within(text) if text is not None else ():
                if _is_losing(what):
                    found.setdefault(what, {}).setdefault(part, []).append(place)
        refused: dict[int, str] = {}
        remarks: dict[int, str] = {}
        for what, places in found.items():
            texts = pa.array(list(places), pa.string())
            every = list(places.values())
            for told, said in zip((refused, remarks), self.fit(what, texts), strict=True):
                for at, words in said.items():
                    for place in dict.fromkeys(every[at]):
                        told[place] = "; ".join(filter(None, (told.get(place), words)))
        return refused, remarks


def _is_losing(column: CatalogColumn) -> bool:
    return column.kind in _LOSING or column.is_json or column.has_modifier


def _leaves(shape: Shape[CatalogColumn]) -> Iterator[CatalogColumn]:
    if isinstance(shape, Fields):
        for part in shape.of:
            yield from _leaves(part)
    elif isinstance(shape, Elements | Ends):
        yield from _leaves(shape.of)
    else:
        yield shape.what
