"""A plan's changes row by row: before → after, with the part that changes marked."""

from __future__ import annotations

import contextlib
import datetime as dt
import itertools
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from backfill.archive.evidence import SKIPS_FILE
from backfill.archive.run_facts import RunFacts
from backfill.display.pages import Shown, note
from backfill.display.standalone import render
from backfill.plans.plan import CHANGES_FILE

SHOWN_CHANGES = 50
SHOWN_RECORDS = 8  # of a list in one row
#: Numbers taken for milliseconds of an instant, from 1980 to 2100, are shown as one as well.
_NEAR_MS = (315_532_800_000, 4_102_444_800_000)
_DIGEST = re.compile(r"[0-9a-f]{32,}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_KEPT = 24  # characters that stay beside what changed in a long value
_LONGEST = 400
_WHEN_WRITTEN = "the moment of writing"
_SHOWN_COLUMNS = ["key", "scope", "rule", "warnings", "before", "after"]


@dataclass(frozen=True, slots=True)
class Side:
    """A value in three: what both sides begin with, what differs, what both end with."""

    head: str
    changed: str
    tail: str
    says: str = ""  # the same, for people


@dataclass(frozen=True, slots=True)
class Cell:
    """A column of a row; None is NULL."""

    name: str
    before: Side | None
    after: Side | None
    is_absent: bool = False  # what is None is no NULL: that record is not there
    is_note: bool = False  # nothing but its name is shown


@dataclass(frozen=True, slots=True)
class Row:
    key: str
    scope: str
    rule: str
    warnings: str
    columns: tuple[Cell, ...]


def changes_view(facts: RunFacts, set_on_writing: Mapping[str, str] | None = None) -> Shown:
    """Return the most telling changes of the plan: of each rule and warning some, rarest first.

    Of a column `set_on_writing`, by name with one that says there is a row, None is no NULL.
    """
    path = facts.folder.file(CHANGES_FILE)
    try:
        total, rows = _telling(path, set_on_writing or {})
    except (OSError, ValueError, KeyError, pa.ArrowException):
        return note("There is no plan: the run ended before it was frozen.")
    if not rows:
        return note("The plan changes no row.")
    names = "rows that the plan changes" if total > 1 else "row that the plan changes"
    caption = f"{total:,} {names}"
    if total > len(rows):
        caption += (
            f"; {len(rows):,} are shown, some of each rule and warning, the rarest first. All of "
            f"them: duckdb -c \"FROM '{CHANGES_FILE}'\""
        )
    is_by_scope = {row.scope for row in rows} - {"", _table(facts)}
    scope_name = _scope_name(facts) if is_by_scope else ""
    markup = render("changes.html", caption=caption, rows=rows, scope_name=scope_name)
    return Shown(markup, caption)


def _table(facts: RunFacts) -> str:
    return str(facts.planned("scope").get("table") or "")


def _scope_name(facts: RunFacts) -> str:
    """Return what a member of the scope is called: its column, or the skips' file's second."""
    target = facts.planned("target").get("table")
    scope = target.get("scope") if isinstance(target, Mapping) else None
    if isinstance(scope, list) and scope:
        return str(scope[0])
    first = ""
    with contextlib.suppress(OSError), facts.folder.file(SKIPS_FILE).open(encoding="utf-8") as file:
        first = file.readline()
    names = first.strip().replace('"', "").split(",")
    return names[1] if len(names) > 1 else "scope"


def _telling(path: Any, late: Mapping[str, str]) -> tuple[int, list[Row]]:
    """Return how many changes there are, and the most telling. Memory: a batch of the file."""
    with pq.ParquetFile(path) as file:
        wanted = _some_of_each(file)
        rows = _rows_at(file, wanted)
        return file.metadata.num_rows, [_row(rows[place], late) for place in wanted]


def _some_of_each(file: pq.ParquetFile) -> list[int]:
    """Return places of rows, as many of each (rule, warnings) as of the others where there are so
    many: the rarest kind first, those without a warning last.
    """
    rules: dict[str, int] = {}  # by when they first appear, as the warnings
    warnings: dict[str, int] = {}
    counts: Counter[tuple[int, int]] = Counter()
    places: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
    start = 0
    for batch in file.iter_batches(columns=["rule", "warnings"]):
        codes, width = _codes(batch.column("rule"), rules), 1 << 32
        codes = codes * width + _codes(batch.column("warnings"), warnings)
        for code in np.unique(codes).tolist():
            kind = divmod(code, width)
            here = np.flatnonzero(codes == code)
            counts[kind] += len(here)
            more = here[: SHOWN_CHANGES - len(places[kind])]
            places[kind] += (more + start).tolist()
        start += batch.num_rows
    unwarned = warnings.get("")
    kinds = sorted(counts, key=lambda kind: (kind[1] == unwarned, counts[kind], kind))
    shares = _shares([counts[kind] for kind in kinds])
    return [
        place for kind, share in zip(kinds, shares, strict=True) for place in places[kind][:share]
    ]


def _codes(texts: pa.Array, numbers_of: dict[str, int]) -> NDArray[np.int64]:
    """Return texts as their numbers in `numbers_of`, to which new ones are added; NULL is blank."""
    encoded = pc.fill_null(texts.cast(pa.string()), "").dictionary_encode()
    numbers = [
        numbers_of.setdefault(text, len(numbers_of)) for text in encoded.dictionary.to_pylist()
    ]
    codes: NDArray[np.int64] = np.array(numbers, np.int64)[encoded.indices.to_numpy()]
    return codes


def _shares(counts: list[int]) -> list[int]:
    """Return how many of each kind are shown: `SHOWN_CHANGES` in all, as even as they can be."""
    shares, left = [0] * len(counts), min(SHOWN_CHANGES, sum(counts))
    while left:
        for kind, count in enumerate(counts):
            if left and shares[kind] < count:
                shares[kind] += 1
                left -= 1
    return shares


def _rows_at(file: pq.ParquetFile, wanted: list[int]) -> dict[int, dict[str, Any]]:
    """Return rows by their place; read are only the row groups that hold one."""
    rows: dict[int, dict[str, Any]] = {}
    start = 0
    for group in range(file.num_row_groups):
        behind = start + file.metadata.row_group(group).num_rows
        if any(start <= place < behind for place in wanted):
            for batch in file.iter_batches(row_groups=[group], columns=_SHOWN_COLUMNS):
                rows |= _rows_in(batch, start, wanted)
                start += batch.num_rows
        start = behind
    return rows


def _rows_in(batch: pa.RecordBatch, start: int, wanted: list[int]) -> dict[int, dict[str, Any]]:
    here = [place for place in wanted if start <= place < start + batch.num_rows]
    rows = batch.take(pa.array([place - start for place in here], pa.int64())).to_pylist()
    return dict(zip(here, rows, strict=True))


def _row(values: Mapping[str, Any], late: Mapping[str, str]) -> Row:
    before, after = values["before"] or {}, values["after"] or {}
    made = [name for name, row in late.items() if after.get(row) and after.get(name) is None]
    after |= dict.fromkeys(made, _WHEN_WRITTEN)
    cells = (
        cell
        for name in dict.fromkeys([*before, *after])
        if before.get(name) != after.get(name)
        for cell in _cells(name, before.get(name), after.get(name))
    )
    return Row(
        str(values["key"]),
        str(values["scope"] or ""),
        str(values["rule"] or ""),
        str(values["warnings"] or ""),
        tuple(_named_once(cells)),
    )


def _named_once(cells: Iterable[Cell]) -> Iterator[Cell]:
    """Yield the cells; of several of one column only the first has its name."""
    before = ""
    for cell in cells:
        yield replace(cell, name="" if cell.name == before else cell.name)
        before = cell.name


def _cells(name: str, before: Any, after: Any) -> Iterator[Cell]:
    """Yield a column's change; of a list of records, each record that goes, comes or changes."""
    old, new = _records(before), _records(after)
    if old is None or new is None or not (old or new):
        yield _cell(name, before, after)
        return
    gone = [text for text in old if text not in new]
    come = [text for text in new if text not in old]
    for one, other in itertools.islice(itertools.zip_longest(gone, come), SHOWN_RECORDS):
        yield _cell(name, one, other, absent=True)
    more = max(len(gone), len(come)) - SHOWN_RECORDS
    if more > 0:
        yield Cell(f"{name}: {more:,} more", None, None, is_note=True)


def _records(value: Any) -> list[str] | None:
    """Return a JSON list of records as a line for each, without digests; None for anything else."""
    if value is None:
        return []
    if not isinstance(value, str) or not value.lstrip().startswith("["):
        return None
    try:
        records = json.loads(value)
    except ValueError:
        return None
    if not isinstance(records, list) or not all(isinstance(entry, dict) for entry in records):
        return None
    return [_line(entry) for entry in records]


def _line(entry: Mapping[str, Any]) -> str:
    values = (value for value in entry.values() if value not in (None, "", [], {}))
    texts = (_line(value) if isinstance(value, dict) else str(value) for value in values)
    return " · ".join(text for text in texts if text and not _DIGEST.fullmatch(text))


def _cell(name: str, before: Any, after: Any, *, absent: bool = False) -> Cell:
    if before is None or after is None:
        return Cell(name, _whole(before), _whole(after), is_absent=absent)
    old, new = str(before), str(after)
    head = _common(old, new)
    tail = _common(old[head:][::-1], new[head:][::-1])
    return Cell(name, _side(old, head, tail), _side(new, head, tail))


def _whole(value: Any) -> Side | None:
    return None if value is None else Side("", _short(str(value)), "", _as_instant(value))


def _as_instant(value: Any) -> str:
    """Return the instant that a number would be in milliseconds, where that is near our time."""
    if not isinstance(value, int) or not _NEAR_MS[0] < value < _NEAR_MS[1]:
        return ""
    moment = dt.datetime.fromtimestamp(value / 1000, dt.UTC)
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _side(text: str, head: int, tail: int) -> Side:
    end = len(text) - tail
    before, after = text[:head], text[end:]
    if len(before) > 2 * _KEPT:
        before = f"…{before[-_KEPT:]}"
    if len(after) > 2 * _KEPT:
        after = f"{after[:_KEPT]}…"
    return Side(before, _short(text[head:end]), after)


def _common(one: str, other: str) -> int:
    """Return how many characters two texts begin with alike, up to the end of a word or number."""
    count = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        count += 1
    while count and _is_within_a_word(one, count) | _is_within_a_word(other, count):
        count -= 1
    return count


def _is_within_a_word(text: str, place: int) -> bool:
    return place < len(text) and text[place].isalnum() and text[place - 1].isalnum()


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
