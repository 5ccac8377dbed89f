"""Places of parcels on their shelves, one after the other: a task with every optional part."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from backfill.chunks.compare_and_set import TableWriter
from backfill.chunks.writing import Written
from backfill.display.pages import Shown, table
from backfill.plans.keyed_rows import rows_where
from backfill.server.plain_table import plain_from_json
from backfill.server.postgres import Connection
from backfill.steps.task import Names


class Journal(TableWriter):
    """Writes down, in the chunk's own transaction, what it does."""

    def __init__(self, target: Mapping[str, Any], what: str) -> None:
        super().__init__(plain_from_json(target["table"]))
        self._what = what

    def as_update(self, changes: pa.Table) -> None:  # it is more than one UPDATE
        return None

    def write(self, connection: Connection, changes: pa.Table) -> Written:
        written = super().write(connection, changes)
        for key in written.image["key"].to_pylist():
            connection.execute(
                "INSERT INTO public.journal (what, parcel) VALUES (%s, %s::int)", [self._what, key]
            )
        return written


class Shelves:
    name = "shelves"
    settings: Mapping[str, Any] = {"counts_from": 1}
    what = ("parcel has no place", "parcels have no place")
    facts: Mapping[str, str] = {"counted from": "the door"}
    notebook = str(Path(__file__).with_name("shelves.ipynb"))

    def __init__(self) -> None:
        self._used: Counter[str] = Counter()

    def names(self) -> Names:
        return Names("parcel", ("place",), ("shelf",))

    def extract(self, connection: Any, table: Any) -> Iterator[pa.Table]:
        yield from rows_where(connection, table, "place IS NULL")

    def compute(self, rows: pa.Table) -> pa.Table:
        return pa.table({"place": pa.array([self._next(shelf) for shelf in shelves_of(rows)])})

    def _next(self, shelf: str) -> int:
        self._used[shelf] += 1
        return self._used[shelf]

    def chain(self, row: Mapping[str, Any]) -> str:
        return str(row["source"]["shelf"])

    def views(self, staging: Any) -> Shown:
        rows = staging.connection.execute(
            "SELECT source.shelf, count(*) FROM changes GROUP BY ALL ORDER BY ALL"
        ).fetchall()
        return table("Parcels by shelf", ["shelf", "parcels"], rows)

    def check(self, rows: pa.Table) -> list[tuple[int, str]]:
        places = pc.struct_field(rows["after"].combine_chunks(), "place").to_pylist()
        return [(row, f"no place: {place}") for row, place in enumerate(places) if int(place) < 1]

    def remarks(self, connection: Any, rows: pa.Table) -> list[str]:
        query = "SELECT id::text FROM public.printed"
        printed = {row[0] for row in connection.execute(query).fetchall()}
        return ["its label is printed" if k in printed else "" for k in rows["key"].to_pylist()]

    def finish(self, folder: Any) -> dict[str, Any]:
        folder.file("shelves.txt").write_text("look behind the door", encoding="utf-8")
        return {"sign": "behind the door"}

    def writer(self, target: Mapping[str, Any]) -> Journal:
        return Journal(target, "placed")

    def reverter(self, target: Mapping[str, Any]) -> Journal:
        return Journal(target, "taken")


def shelves_of(rows: pa.Table) -> list[str]:
    return list(pc.struct_field(rows["source"].combine_chunks(), "shelf").to_pylist())
