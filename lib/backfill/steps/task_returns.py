"""What a task's verbs hand over, held against what was asked of them.

Tasks are other people's code. What is missing or of another kind is told in a sentence that names
the verb, before the engine stumbles over it somewhere else.
"""

from __future__ import annotations

import json
import traceback
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa

from backfill.errors import BackfillError, PreflightError, UsageError
from backfill.rows.texts import text_of
from backfill.server.postgres import Connection
from backfill.server.table import Table
from backfill.skips import SkipReason
from backfill.steps.task import Names, part

_PAGE = ("key", "scope", "source", "before")
_WORDS = ("skip", "ask")


def raised_in_words(error: BaseException) -> str:
    """Return what was raised, and where in somebody else's code, as in a task's."""
    ours = Path(__file__).parents[1]
    places = traceback.extract_tb(error.__traceback__)
    own = next((x for x in reversed(places) if Path(x.filename).is_relative_to(ours)), None)
    theirs = places[places.index(own) + 1 :] if own else []
    where = f" ({theirs[0].filename}, line {theirs[0].lineno})" if theirs else ""
    return f"{type(error).__name__}: {error}{where}"


def called(task: Any, verb: str, *given: Any) -> Any:
    """Return what a verb returns; raise `UsageError` for what it raises of its own."""
    try:
        return getattr(task, verb)(*given)
    except (BackfillError, psycopg.Error):
        raise
    except Exception as error:  # somebody else's code: it raises what it likes
        raise UsageError(
            f"`{verb}` of the task {task.name} failed: {raised_in_words(error)}"
        ) from error


def names_of(task: Any) -> Names:
    names = task.names if isinstance(task.names, Names) else called(task, "names")
    if not isinstance(names, Names):
        raise UsageError(
            _is_not(task, "names", names, 'Names("schema.table", targets=("column",))')
        )
    return names


def settings_of(task: Any) -> Mapping[str, Any]:
    """Return what decides the task's values: a dict as JSON keeps it, with
    dates, decimals and paths as texts."""
    settings = task.settings
    if not isinstance(settings, Mapping):
        raise UsageError(_is_not(task, "settings", settings, "a dict, {} where nothing decides"))
    try:
        kept = json.dumps(dict(settings), allow_nan=False, default=text_of)
    except (TypeError, ValueError, UsageError) as error:
        raise UsageError(
            f"`settings` of the task {task.name} can not be kept as JSON: {error}. Make texts, "
            "numbers, lists or dicts of what decides its values."
        ) from None
    return dict(json.loads(kept))


def pages_of(task: Any, connection: Connection, table: Table) -> Iterator[pa.Table]:
    """Yield what the task's `extract` reads; raise `PreflightError` for what is no page of rows."""
    pages = task.extract(connection, table)
    wanted = f"tables of pyarrow, with the columns {', '.join(_PAGE)}, one after the other (yield)"
    if isinstance(pages, pa.Table | pa.RecordBatch) or not isinstance(pages, Iterable):
        raise PreflightError(_is_not(task, "extract", pages, wanted))
    for page in pages:
        if not isinstance(page, pa.Table | pa.RecordBatch):
            raise PreflightError(_is_not(task, "extract", page, wanted))
        if lacking := [name for name in _PAGE if name not in page.schema.names]:
            raise PreflightError(
                f"What `extract` of the task {task.name} yields has no column {lacking[0]}. It "
                f"has: {', '.join(page.schema.names)}. backfill.plans.keyed_rows makes such rows."
            )
        yield page


def computed_by(task: Any, rows: pa.Table) -> pa.Table:
    """Return what the task computes of rows; raise `PreflightError` for what is not row for row."""
    try:
        computed = task.compute(rows)
    except SystemExit as error:
        raise PreflightError(
            f"`compute` of the task {task.name} ended the program "
            f"({raised_in_words(error)}): nothing was planned. Let it skip a row, or raise."
        ) from None
    if isinstance(computed, pa.RecordBatch):
        computed = pa.Table.from_batches([computed])
    if not isinstance(computed, pa.Table):
        wanted = (
            "a table of pyarrow, row for row, as pa.table({…}) makes it; of a dataframe: "
            "pa.Table.from_pandas(frame, preserve_index=False)"
        )
        raise PreflightError(_is_not(task, "compute", computed, wanted))
    if computed.num_rows != rows.num_rows:
        raise PreflightError(
            f"The task {task.name} computed {computed.num_rows:,} rows of "
            f"{rows.num_rows:,}: row for row is what the engine needs."
        )
    names = computed.column_names
    if twice := next((name for name in names if names.count(name) > 1), ""):
        raise PreflightError(f"The task {task.name} computed two columns of the name {twice!r}.")
    for name in _WORDS:
        if name in computed.column_names:
            _check_words(task, name, computed.column(name))
    if "skip" in computed.column_names:
        _check_reasons(task, computed.column("skip"))
    return computed


def _check_reasons(task: Any, skips: pa.ChunkedArray) -> None:
    """Refuse a reason that the task does not tell of: no limit on skips would ever name it."""
    own = part(task, "reasons")
    if own is None:
        return
    strays = {*skips.unique().to_pylist()} - {None, *own, *SkipReason}
    if strays:
        raise PreflightError(
            f"The task {task.name} skips rows as {sorted(strays)[0]}, which is none of its "
            f"`reasons` ({', '.join(own) or 'it names none'}). Add it there, or leave `reasons` "
            "out: then any word will do."
        )


def _check_words(task: Any, name: str, column: pa.ChunkedArray) -> None:
    """Refuse what only looks like a word: False is none, and neither is a text without letters."""
    kind = column.type
    plain = kind.value_type if pa.types.is_dictionary(kind) else kind
    is_text = pa.types.is_string(plain) or pa.types.is_large_string(plain)
    if not (is_text or pa.types.is_string_view(plain) or pa.types.is_null(plain)):
        what = str(plain)
    elif any(word is not None and not word.strip() for word in column.unique().to_pylist()):
        what = "a text without letters"
    else:
        return
    raise PreflightError(
        f"The column {name} that the task {task.name} computed is {what}: it holds a word like "
        "no_number, or None where there is nothing to say."
    )


def found_wrong(name: str, wrong: Any, rows: int) -> list[tuple[int, str]]:
    """Return what a task's `check` finds, by row; raise `PreflightError` for what is no list."""
    wanted = f'[(row, "what is wrong"), …] of rows 0 to {rows - 1}, and [] where all is well'
    try:
        rows_wrong = [(range(rows)[row], str(what)) for row, what in wrong]
    except (TypeError, ValueError, IndexError):
        raise PreflightError(_gives(name, "check", wrong, wanted)) from None
    return rows_wrong


def _is_not(task: Any, verb: str, value: Any, wanted: str) -> str:
    return _gives(task.name, verb, value, wanted)


def _gives(name: str, verb: str, value: Any, wanted: str) -> str:
    kind = "None" if value is None else f"a {type(value).__name__}"
    return f"`{verb}` of the task {name} gives {kind}: it is to give {wanted}."
