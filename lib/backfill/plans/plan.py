"""The frozen, hashed list of changes that a person approves, and the chunks it is written in.

A plan is three files of the run's folder: `plan.json` (what and why), `changes.parquet` (every
change) and `plan_skips.csv` (every row left alone). `plan_id` is a hash over all of it: apply
writes what was approved, or refuses.

Columns of `changes.parquet`, one row per change, in key order, or as the rows lie in the table:
    position  int64, place among all scanned rows of the run, from 0 (skips hold places as well)
    key       text of the row's key
    scope     text, the member of the scope that the row belongs to
    kind      added | changed | unchanged
    rule      text, how the value came about, in the job's words
    warnings  text, `; ` between them, empty for none
    source    struct, the columns that the value was computed from, as read
    before    struct, the target columns as read
    after     struct, the target columns as planned
    why       struct, what a person wants to know of it
Instants are `timestamp[us, UTC]` or epoch-milliseconds, as the target column has them.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from backfill.errors import StalePlan, StorageError
from backfill.folder import RunFolder, sha256_of
from backfill.next_command import next_command
from backfill.records.planned import Planned
from backfill.records.positions import Positions
from backfill.settings import canonical_json
from backfill.skips import SKIP_FIELDS, Skip

PLAN_FILE = "plan.json"
RUN_FILE = "run.json"
CHANGES_FILE = "changes.parquet"
SKIPS_FILE = "plan_skips.csv"
FORMAT_VERSION = 1
_LONGEST_FIELD = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan(Planned):
    """What was frozen. `rows` is scanned rows: changes, unchanged and skips together."""

    changes_sha256: str
    skips_sha256: str
    rows: int
    changes: int
    skips: int
    counts: dict[str, Any]
    format_version: int = FORMAT_VERSION
    #: How it is to be written, by parameter, where that was said and is not the usual.
    kept: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, kind in _KINDS.items():
            value = getattr(self, name)
            if not isinstance(value, kind) or isinstance(value, bool):
                raise TypeError(f"{name} is {value!r}")

    def as_json(self) -> dict[str, Any]:
        document = asdict(self)
        return document if self.kept else {n: v for n, v in document.items() if n != "kept"}


_KINDS: dict[str, type] = {
    **dict.fromkeys(("plan_id", "run_id", "job", "settings_fingerprint", "tzdata_version"), str),
    **dict.fromkeys(("database_fingerprint", "changes_sha256", "skips_sha256"), str),
    **dict.fromkeys(("rows", "changes", "skips", "format_version"), int),
    **dict.fromkeys(("scope", "settings", "target", "counts", "kept"), dict),
}
#: What identifies a plan: the run that made it is not part of it, its content is.
_IDENTIFYING = (
    *("job", "scope", "settings", "settings_fingerprint", "database_fingerprint"),
    *("tzdata_version", "changes_sha256", "skips_sha256", "rows", "changes", "skips"),
    *("target", "counts", "reverts", "format_version"),
)


def plan_id_of(document: Mapping[str, Any]) -> str:
    """Return SHA-256 over job, scope, settings, fingerprints and the hashes of the changes."""
    return hashlib.sha256(
        canonical_json({name: document.get(name) for name in _IDENTIFYING})
    ).hexdigest()


def freeze(folder: RunFolder, document: Mapping[str, Any]) -> Plan:
    """Write `plan.json` over the two files that are already in the folder; return the plan."""
    frozen = {
        **document,
        "run_id": folder.run_id,
        "changes_sha256": sha256_of(folder.file(CHANGES_FILE)),
        "skips_sha256": sha256_of(folder.file(SKIPS_FILE)),
        "format_version": FORMAT_VERSION,
    }
    plan = Plan(plan_id=plan_id_of(frozen), **frozen)
    folder.write_json(PLAN_FILE, plan.as_json())
    return plan


def new_plan(folder: RunFolder) -> str:
    """Say how to make a plan in place of a run's that can not be applied any more."""
    return f"Make a new plan: {next_command(*planned_by(folder))}"


def planned_by(folder: RunFolder) -> list[str]:
    """Return the words of the command that made a run's plan, without what writes.

    Runs of earlier versions do not tell their options.
    """
    with contextlib.suppress(StorageError):
        words = folder.read_json(RUN_FILE).get("command")
        if isinstance(words, list) and words:
            return [str(word) for word in words]
    return [folder.job]


def planned_again(folder: RunFolder, flag: str, value: str) -> str:
    """Return the command that plans the same once more, with an option said anew."""
    words = planned_by(folder)
    if flag in words:
        place = words.index(flag)
        words = words[:place] + words[place + 2 :]
    return next_command(*words, flag, value)


def load(folder: RunFolder) -> Plan:
    """Return the plan of a run's folder; raise `StalePlan` when a byte of it was changed."""
    again = new_plan(folder)
    try:
        document = folder.read_json(PLAN_FILE)
        plan = Plan(**document)
        changes, skips = (sha256_of(folder.file(name)) for name in (CHANGES_FILE, SKIPS_FILE))
        identity = plan_id_of(document)
    except (StorageError, OSError, TypeError, ValueError) as error:
        raise StalePlan(
            f"The plan of run {folder.run_id} is not complete in {folder.path} ({error}). "
            f"Name its folder with --runs-dir. {again}"
        ) from None
    if plan.run_id != folder.run_id:
        raise StalePlan(f"{PLAN_FILE} in {folder.path} is that of run {plan.run_id}. {again}")
    for name, stored, digest in (
        (CHANGES_FILE, plan.changes_sha256, changes),
        (SKIPS_FILE, plan.skips_sha256, skips),
        (PLAN_FILE, plan.plan_id, identity),
    ):
        if stored != digest:
            raise StalePlan(
                f"{name} of run {folder.run_id} was changed after the plan was frozen: "
                f"its hash is {digest[:12]}…, the plan says {stored[:12]}…. {again}"
            )
    return plan


@dataclass(frozen=True, slots=True)
class Chunk:
    """Consecutive rows of the plan, committed together; `changes` may be empty.

    `start` is the position of its first row; `rows` counts changes and skips.
    """

    number: int
    start: int
    rows: int
    changes: pa.Table
    skips: tuple[Skip, ...]

    @property
    def keys(self) -> tuple[str, str]:
        """The lowest and the highest key, whatever the order of the plan."""
        ends = [skip.key for skip in self.skips]
        if self.changes.num_rows:
            changed = pc.min_max(self.changes.column("key")).as_py()
            ends += [changed["min"], changed["max"]]
        return min(ends), max(ends)


class ChunkReader:
    """Reads rows of a plan, as many at a time as it is asked for.

    `among` are the places to read from (all by default), `start` and `end` count among them.
    Memory: one Parquet batch of the changes, and the list of skips.
    """

    #: Rows of a row group, which is unpacked whole: by each range of each worker that begins in it.
    BATCH_ROWS = 16_384

    def __init__(
        self,
        folder: RunFolder,
        plan: Plan,
        start: int = 0,
        end: int | None = None,
        among: Positions | None = None,
    ) -> None:
        self._plan = plan
        self._folder = folder
        self._among = among or Positions.every(plan.rows)
        self._next = start
        self._end = self._among.rows if end is None else end
        self._ends = self._among.ends(start, self._end) if self.remaining else (0, 0)
        self._batches = self._iterate(folder)
        with _readable(folder):
            self._buffer = pa.Table.from_batches([], pq.read_schema(folder.file(CHANGES_FILE)))
            for column in ("position", "key", "scope", "kind"):
                self._buffer.schema.field(column)  # KeyError for a file that is none of ours
        self._skips = self._own(read_skips(folder))
        self._skip_index = 0

    def _own(self, skips: list[tuple[int, Skip]]) -> list[tuple[int, Skip]]:
        first, behind = self._ends
        near = [entry for entry in skips if first <= entry[0] < behind]
        is_own = self._among.within(np.array([place for place, _skip in near], dtype=np.int64))
        return [entry for entry, own in zip(near, is_own, strict=True) if own]

    def _iterate(self, folder: RunFolder) -> Iterator[pa.RecordBatch]:
        first, behind = self._ends
        with pq.ParquetFile(folder.file(CHANGES_FILE)) as file:
            for group in range(file.num_row_groups):
                places = file.metadata.row_group(group).column(0).statistics
                if places is None or (places.max >= first and places.min < behind):
                    yield from file.iter_batches(self.BATCH_ROWS, row_groups=[group])

    @property
    def remaining(self) -> int:
        """Rows that no chunk has taken yet."""
        return self._end - self._next

    def take(self, number: int, rows: int) -> Chunk:
        """Return the next chunk of at most `rows` rows, and move behind it."""
        rows = min(rows, self.remaining)
        start, end = self._among.ends(self._next, self._next + rows)
        with _readable(self._folder):
            changes = self._changes_until(start, end)
        skips = []
        while self._skip_index < len(self._skips) and self._skips[self._skip_index][0] < end:
            skips.append(self._skips[self._skip_index][1])
            self._skip_index += 1
        self._next += rows
        if changes.num_rows + len(skips) != rows:
            raise StalePlan(
                f"The plan of run {self._plan.run_id} counts {rows} rows from position "
                f"{start} on, its files hold {changes.num_rows + len(skips)}. "
                f"{new_plan(self._folder)}"
            )
        return Chunk(number, start, rows, changes, tuple(skips))

    def _changes_until(self, start: int, end: int) -> pa.Table:
        while self._highest() < end - 1:
            batch = next(self._batches, None)
            if batch is None:
                break
            places = batch.column("position").to_numpy()
            own, within = pa.Table.from_batches([batch]), self._among.within(places)
            own = own if within.all() else own.filter(pa.array(within))
            self._buffer = pa.concat_tables([self._buffer, own])
        positions = self._buffer.column("position").to_numpy()
        first, cut = np.searchsorted(positions, [start, end], side="left")
        changes = self._buffer.slice(first, cut - first)
        self._buffer = self._buffer.slice(cut)
        return changes

    def _highest(self) -> int:
        count = self._buffer.num_rows
        return self._buffer.column("position")[count - 1].as_py() if count else -1


def read_skips(folder: RunFolder) -> list[tuple[int, Skip]]:
    """Return (position, skip) of every row that the plan leaves alone, in order."""
    # A value may be a page long, and a skip's detail shows it.
    csv.field_size_limit(_LONGEST_FIELD)
    with (
        _readable(folder),
        folder.file(SKIPS_FILE).open(encoding="utf-8", newline="") as stream,
    ):
        return [
            (int(row["position"]), Skip.of(*(row[name] for name in SKIP_FIELDS)))
            for row in csv.DictReader(stream)
        ]


@contextlib.contextmanager
def _readable(folder: RunFolder) -> Iterator[None]:
    """Raise `StalePlan` for a file of a plan that no plan of ours has."""
    try:
        yield
    except (OSError, ValueError, KeyError, TypeError, csv.Error, pa.ArrowException) as error:
        raise StalePlan(
            f"A file of the plan of run {folder.run_id} can not be read: {error}. "
            f"{new_plan(folder)}"
        ) from None


def write_skips(folder: RunFolder, skips: Iterator[tuple[int, Skip]]) -> int:
    """Write `plan_skips.csv`; return how many."""
    count = 0
    with folder.writing(SKIPS_FILE) as path, path.open("w", encoding="utf-8", newline="") as stream:
        # Quoted throughout: a carriage return in a key must not end a row.
        writer = csv.writer(stream, lineterminator="\n", quoting=csv.QUOTE_ALL)
        writer.writerow(["position", *SKIP_FIELDS])
        for position, skip in skips:
            writer.writerow([position, *skip.texts()])
            count += 1
    return count


def write_changes(folder: RunFolder, batches: Iterable[pa.Table], schema: pa.Schema) -> int:
    """Write `changes.parquet` with fixed options, so equal changes give equal bytes.

    The changes must come in the order of their positions. While one table is written, the next one
    is asked for. Returns the number of rows.
    """
    count, last = 0, -1
    with (
        folder.writing(CHANGES_FILE) as path,
        pq.ParquetWriter(path, schema, compression="zstd", write_statistics=True) as writer,
        ThreadPoolExecutor(1, thread_name_prefix="changes") as thread,
    ):
        writing: Future[None] = thread.submit(lambda: None)
        for table in batches:
            if not table.num_rows:
                continue
            positions = table.column("position").to_numpy()
            assert positions[0] > last and (np.diff(positions) > 0).all(), "changes out of order"
            last = int(positions[-1])
            count += table.num_rows
            writing.result()
            # In one piece, whoever computed it: pages end where pieces do.
            whole = table.combine_chunks()
            writing = thread.submit(writer.write_table, whole, ChunkReader.BATCH_ROWS)
            del table, whole  # the next block is computed meanwhile
        writing.result()
    return count
