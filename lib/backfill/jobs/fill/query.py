"""Rows of a DuckDB query over local files: evaluated once, kept as a file. No network."""

from __future__ import annotations

import glob
import re
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa

from backfill.errors import UsageError
from backfill.jobs.fill.guessed_dates import refuse_guessed_dates
from backfill.jobs.fill.values import BATCH_ROWS, CLOSED, QUERY_KEY, one_line, refuse_twice
from backfill.plans.staging import quoted
from backfill.regular_file import is_special

#: Types of DuckDB's that Arrow has not: it would get other bits, another number, no offset.
_OWN_TYPES = re.compile(
    r"""("(?:[^"]|"")*"|'(?:[^']|'')*')|\b(?:BIT|BIGNUM|UHUGEINT|TIME WITH TIME ZONE)\b"""
)
#: What may name a file in a query: a text, or a name in quotes.
_NAMES = re.compile(r"""'((?:[^']|'')*)'|"((?:[^"]|"")*)["]""")

#: A wall time is taken as UTC wherever a machine stands, as it is by the server.
SETTINGS = ("TimeZone = 'UTC'", "python_enable_replacements = false", "lock_configuration = true")


def with_texts(rows: Any) -> Any:
    """Return a relation of DuckDB's with values that Arrow has no type for as their texts."""
    kinds = [_OWN_TYPES.sub(lambda found: found[1] or "VARCHAR", str(kind)) for kind in rows.types]
    if kinds == [str(kind) for kind in rows.types]:
        return rows
    columns = zip(rows.columns, rows.types, kinds, strict=True)
    return rows.project(
        ", ".join(
            quoted(name)
            if kind == str(own)
            else f"CAST({quoted(name)} AS {kind}) AS {quoted(name)}"
            for name, own, kind in columns
        )
    )


def keep_query(query: str, path: Path, base: Path) -> None:
    """Write a query's rows to an Arrow file; relative names of files begin at `base`.

    Raises `UsageError` for anything but one SELECT, and for what DuckDB says of it.
    """
    import duckdb

    with tempfile.TemporaryDirectory(prefix="backfill-") as nothing:
        # An empty folder of extensions: what a person has installed there could fetch.
        config = {**CLOSED, "extension_directory": nothing, "file_search_path": str(base)}
        connection = duckdb.connect(config=config)
        try:
            for setting in SETTINGS:
                connection.execute(f"SET {setting}")
            statements = connection.extract_statements(query)
            _refuse_pipes(query, base)
            if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
                raise UsageError("--query takes one SELECT of DuckDB's SQL over local files.")
            refuse_guessed_dates(connection, statements[0].query)
            rows = connection.sql(statements[0].query)
            refuse_twice("What --query returns has", rows.columns)
            rows = with_texts(rows)
            reader = rows.to_arrow_reader(BATCH_ROWS)
            _write(reader, query, path)
        except duckdb.Error as error:
            said = one_line(error)
            if "extension" in said:  # DuckDB would have it installed, which it may not here
                said = (
                    f"{said.split(' Please try ')[0]}. It reads local files, with what DuckDB "
                    "brings along and no more: fetch or convert the file first."
                )
            raise UsageError(f"--query can not be evaluated: {said}") from None
        finally:
            connection.close()


def _refuse_pipes(query: str, base: Path) -> None:
    """Raise `UsageError` for a file that is none: DuckDB would wait for it for ever."""
    for text, name in _NAMES.findall(query):
        named = (text.replace("''", "'") or name.replace('""', '"')).removeprefix("file://")
        try:
            found = glob.iglob(named, root_dir=base, recursive=True)  # noqa: PTH207  absolute ones too
            special = next((path for path in (named, *found) if is_special(base / path)), None)
        except (ValueError, re.error):  # no path at all
            continue
        if special is not None:
            raise UsageError(
                f"--query reads {special}, which is no regular file (a pipe or a device): it "
                "may never end. Write what comes from it into a file first, and name that."
            )


def _write(reader: pa.RecordBatchReader, query: str, path: Path) -> None:
    metadata = {**(reader.schema.metadata or {}), QUERY_KEY: query.encode()}
    schema = reader.schema.with_metadata(metadata)
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_file(path, schema, options=options) as writer:
        for batch in reader:
            writer.write_batch(batch.replace_schema_metadata(metadata))
