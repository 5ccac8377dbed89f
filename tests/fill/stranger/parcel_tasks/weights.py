"""Kilograms of parcels from their grams."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from backfill.plans.keyed_rows import rows_where
from backfill.steps.task import Names


@dataclass(frozen=True)
class Parameters:
    round_to: int = 3


class Weights:
    name = "parcel_weights"  # another than its entry point's
    parameters = Parameters

    def __init__(self, chosen: Parameters) -> None:
        self.places = chosen.round_to
        self.settings = {"round_to": chosen.round_to}

    def names(self) -> Names:
        return Names("parcel", ("kilograms",), ("grams",))

    def extract(self, connection: Any, table: Any) -> Iterator[pa.Table]:
        yield from rows_where(connection, table, "kilograms IS NULL")

    def compute(self, rows: pa.Table) -> pa.Table:
        grams = pc.struct_field(rows["source"].combine_chunks(), "grams").to_pylist()
        return pa.table({"kilograms": pa.array([self.kilograms(g) for g in grams], pa.string())})

    def kilograms(self, grams: int | None) -> str | None:
        if grams is None:
            return None
        return str(round(Decimal(grams) / 1000 + Decimal("0.0001"), self.places))

    def check(self, rows: pa.Table) -> list[tuple[int, str]]:
        source = pc.struct_field(rows["source"].combine_chunks(), "grams").to_pylist()
        after = pc.struct_field(rows["after"].combine_chunks(), "kilograms").to_pylist()
        far = Decimal(10) ** -self.places
        return [
            (row, f"{kilograms} kg is not {grams} g")
            for row, (grams, kilograms) in enumerate(zip(source, after, strict=True))
            if abs(Decimal(kilograms) - Decimal(grams) / 1000) > far
        ]
