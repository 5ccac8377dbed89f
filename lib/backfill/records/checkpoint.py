"""A chunk that is committed, what became of its rows, and the hash that chains it to the last."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from backfill.skips import Skip

CHAIN_START = "0" * 64
#: Between `elapsed_ms` and `committed_at` in the text that a checkpoint's hash covers.
CHAIN_SEPARATOR = '", "'


@dataclass(frozen=True, slots=True)
class Counts:
    """scanned = updated + unchanged + drifted + skipped, for a chunk or a run."""

    updated: int = 0
    unchanged: int = 0
    drifted: int = 0
    skipped: int = 0

    @property
    def scanned(self) -> int:
        return self.updated + self.unchanged + self.drifted + self.skipped

    def by_name(self) -> dict[str, int]:
        """Return them as checkpoints and events name them."""
        return {name: getattr(self, name) for name in ("scanned", *COUNTED)}

    def totals(self) -> dict[str, int]:
        """Return them as every summary names them."""
        names = ("scanned", "updated", "skipped", "unchanged", "drifted")
        return {f"total_{name}": getattr(self, name) for name in names}

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(getattr(self, name) + getattr(other, name) for name in COUNTED))


COUNTED = tuple(Counts.__dataclass_fields__)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The row that says that chunk `chunk_no` is committed; `committed_at` is aware, in UTC."""

    chunk_no: int
    key_low: str
    key_high: str
    scanned: int
    updated: int
    unchanged: int
    drifted: int
    skipped: int
    elapsed_ms: int
    chain_hash: str
    committed_at: dt.datetime
    range_no: int = 1

    @property
    def counts(self) -> Counts:
        return Counts(*(getattr(self, name) for name in COUNTED))

    def chained_to(self, run_id: str, previous: str, image_sha256: str, skips_sha256: str) -> str:
        """Return the hash that this checkpoint must carry.

        It covers every other column, the chunk's image and skips, and the hash before it: no row
        of the record can be changed, dropped or put elsewhere without all later ones telling.
        """
        before, after = self.chain_frame(run_id, previous, image_sha256, skips_sha256)
        moment = self.committed_at.astimezone(dt.UTC).isoformat(timespec="microseconds")
        content = f"{before}{self.elapsed_ms}{CHAIN_SEPARATOR}{moment}{after}"
        return hashlib.sha256(content.encode()).hexdigest()

    def chain_frame(
        self, run_id: str, previous: str, image_sha256: str, skips_sha256: str
    ) -> tuple[str, str]:
        """Return the hashed text, a JSON list of texts, before `elapsed_ms` and after
        `committed_at`: these two a server may know that hashes in one statement with the rest.
        """
        texts = [previous, run_id, *(str(getattr(self, name)) for name in _CHAINED)]
        before = json.dumps(texts, ensure_ascii=False)[:-1]
        after = json.dumps([image_sha256, skips_sha256], ensure_ascii=False)[1:]
        return f'{before}, "', f'", {after}'


_CHAINED = ("chunk_no", "key_low", "key_high", "scanned", *COUNTED)


def skips_digest(skips: Sequence[Skip]) -> str:
    """Return a hash of a chunk's skip rows, whatever their order."""
    rows = sorted(skip.texts() for skip in skips)
    return hashlib.sha256(json.dumps(rows, ensure_ascii=False).encode()).hexdigest()
