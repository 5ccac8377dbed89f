"""Parts of a plan: what one approval covers, and who gave it.

Part n covers the rows that its selection chooses and no earlier part has; the last one takes all
that is left. Parts are disjoint, and in sum they are the plan.
"""

from __future__ import annotations

import datetime as dt
import getpass
import hashlib
import json
import math
import os
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from backfill.errors import UsageError
from backfill.records.ranges import Range
from backfill.server.own_text import holdable, holdable_json
from backfill.server.postgres import Connection

if TYPE_CHECKING:  # it is of NumPy, for which `status` need not wait
    from backfill.records.positions import Positions

_PERCENT = re.compile(r"(\d+(?:\.\d+)?) *%")


@dataclass(frozen=True, slots=True)
class Part:
    """A row of `backfill.part`; `approved_at` is aware."""

    run_id: str
    part_no: int
    selection: dict[str, Any]
    rows: int
    positions_sha256: str
    approved_by: str
    approved_at: dt.datetime

    @property
    def chosen_by(self) -> Selection:
        return Selection.from_json(self.selection)

    def as_json(self) -> dict[str, Any]:
        """Return what summary, status and files tell of a part."""
        return {name: getattr(self, name) for name in PART_COLUMNS}

    def chain_start(self, stretch: Range) -> str:
        """Return what the chain of a range's checkpoints begins with.

        It covers the part's record and the range's place, so that neither can be changed, and no
        chain put elsewhere, without its first checkpoint telling.
        """
        content = [
            self.run_id,
            self.part_no,
            dict(sorted(self.selection.items())),
            self.rows,
            self.positions_sha256,
            self.approved_by,
            self.approved_at.astimezone(dt.UTC).isoformat(timespec="microseconds"),
            stretch.range_no,
            stretch.row_low,
            stretch.first_chunk_no,
        ]
        return hashlib.sha256(json.dumps(content, ensure_ascii=False).encode()).hexdigest()


PART_COLUMNS = (
    *("part_no", "selection", "rows", "positions_sha256", "approved_by", "approved_at"),
)


def user_name() -> str:
    """Return who works here, for people."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user need not have a name
        return f"user {os.getuid()}"


def approver() -> str:
    """Return who approves: the user of this machine, for people."""
    return f"{user_name()}@{socket.gethostname()}"


def parts_of(connection: Connection, run_id: str) -> list[Part]:
    """Return the run's parts in order. Read-only."""
    with connection.cursor(row_factory=class_row(Part)) as cur:
        cur.execute(
            "SELECT run_id, part_no, selection, rows, positions_sha256, approved_by, approved_at"
            " FROM backfill.part WHERE run_id = %s ORDER BY part_no",
            [run_id],
        )
        return cur.fetchall()


def record_part(
    connection: Connection, run_id: str, part_no: int, selection: Selection, positions: Positions
) -> None:
    """Record an approval, at the database's time."""
    connection.execute(
        "INSERT INTO backfill.part (run_id, part_no, selection, rows, positions_sha256,"
        " approved_by, approved_at) VALUES (%s, %s, %s, %s, %s, %s, clock_timestamp())",
        [
            run_id,
            part_no,
            Jsonb(holdable_json(connection, selection.as_json())),
            positions.rows,
            positions.sha256,
            holdable(connection, approver()),
        ],
    )


@dataclass(frozen=True, slots=True)
class Selection:
    """`only` is a condition in SQL, `canary` a share (`1%`) or number of rows; empty: all left."""

    only: str = ""
    canary: str = ""

    def __post_init__(self) -> None:
        if self.canary:
            sample_rows(self.canary, 1)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Selection:
        return cls(str(document.get("only", "")), str(document.get("canary", "")))

    def as_json(self) -> dict[str, str]:
        named = {"only": self.only, "canary": self.canary}
        return {name: value for name, value in named.items() if value}

    @property
    def is_all(self) -> bool:
        return not (self.only or self.canary)

    def __str__(self) -> str:
        if self.is_all:
            return "everything left"
        sample = f"a sample of {self.canary}" if self.canary else ""
        return " of ".join(text for text in (sample, self.only) if text)


def sample_rows(canary: str, rows: int) -> int:
    """Return how many of `rows` rows a sample takes: at least one, at most all."""
    share = _PERCENT.fullmatch(canary.strip())
    if share and 0 < float(share[1]) <= 100:
        return min(rows, math.ceil(rows * float(share[1]) / 100))
    if canary.strip().isdigit() and int(canary) > 0:
        return min(rows, int(canary))
    raise UsageError(
        f"The canary must be a share like 1% or a number of rows like 100; it is {canary!r}."
    )
