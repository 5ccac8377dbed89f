"""Dataframes of any make, and queries over local files, as a file of values: evaluated once, and
without a network; and rows of a table as a dataframe."""

from __future__ import annotations

import contextlib
import decimal
import glob
import math
import re
import uuid
import warnings
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from backfill.errors import UsageError
from backfill.jobs.fill.guessed import refuse_guesses
from backfill.jobs.fill.values import BATCH_ROWS, CLOSED, QUERY_KEY, one_line, refuse_twice
from backfill.plans.staging import quoted
from backfill.regular_file import is_special
from backfill.rows.texts import is_missing, text_of
from backfill.rows.values import in_one
from backfill.temporary import TemporaryFolder

#: Types of DuckDB's that Arrow has not: it would get other bits, another number, no offset.
_OWN_TYPES = re.compile(
    r"""("(?:[^"]|"")*"|'(?:[^']|'')*')|\b(?:BIT|BIGNUM|UHUGEINT|VARIANT|TIME WITH TIME ZONE)\b"""
)
#: What may name a file in a query: a text, or a name in quotes.
_NAMES = re.compile(r"""'((?:[^']|'')*)'|"((?:[^"]|"")*)["]""")

#: A wall time is taken as UTC wherever a machine stands, as it is by the server.
SETTINGS = ("TimeZone = 'UTC'", "python_enable_replacements = false", "lock_configuration = true")


def keep_frame(rows: Any, path: Path) -> None:
    """Write a dataframe's rows to an Arrow file.

    Takes pandas, polars, pyarrow (tables, batches, readers), DuckDB relations, and whatever else
    speaks Arrow's C stream. Raises `UsageError` for anything else.
    """
    table = _as_arrow(rows)
    refuse_twice("The rows have", table.column_names)
    with pa.ipc.new_file(path, table.schema, options=_OPTIONS) as writer:
        for batch in table.to_batches():
            if batch.num_rows:  # Arrow writes an empty one that came as a stream unreadably
                writer.write_batch(batch)


_OPTIONS = pa.ipc.IpcWriteOptions(compression="zstd")


def _as_arrow(rows: Any) -> pa.Table:
    for library, collect in (("polars", "collect"), ("dask", "compute")):
        if library in _modules(rows) and hasattr(rows, collect):
            rows = getattr(rows, collect)()
    modules = _modules(rows)
    if "pandas" in modules and hasattr(rows, "iloc") and hasattr(rows, "columns"):
        return _from_pandas(rows)
    if "polars" in modules and hasattr(rows, "get_columns"):
        return _from_polars(rows)
    if isinstance(rows, pa.Table):
        return rows
    if isinstance(rows, pa.RecordBatch):
        return pa.Table.from_batches([rows])
    if modules & {"duckdb", "_duckdb"}:
        return _from_duckdb(rows)
    for name in ("read_all", "to_table", "to_pyarrow"):  # a reader, a data set, a query of ibis
        if hasattr(rows, name):
            rows = getattr(rows, name)()
    with contextlib.suppress(pa.ArrowInvalid):  # of one column without a name, as a series
        if isinstance(rows, pa.Table) or hasattr(rows, "__arrow_c_stream__"):
            return pa.table(rows)
    raise UsageError(
        f"Rows of type {type(rows).__name__} are not known: propose a dataframe of pandas or "
        "polars, a table of pyarrow, or a DuckDB relation. Of lists or dicts, "
        "pandas.DataFrame(rows) makes one."
    )


def _modules(rows: Any) -> set[str]:
    """Return the libraries that a frame is of: geopandas' is pandas' as well."""
    return {kind.__module__.split(".")[0] for kind in type(rows).__mro__}


def _from_duckdb(rows: Any) -> pa.Table:
    """Return what a relation, or the last query of a connection, has to give."""
    import duckdb

    try:
        plain = with_texts(rows) if isinstance(rows, duckdb.DuckDBPyRelation) else rows
        with warnings.catch_warnings(action="ignore"):  # a connection's is copied once more
            if (table := plain.to_arrow_table()) is not None:
                return table
            raise UsageError(
                "DuckDB has no rows to give: those of this connection's last query are taken out "
                "already. Propose the relation: con.sql(…)"
            )
    except duckdb.Error as error:
        raise UsageError(f"DuckDB has no rows to give: {one_line(error)}") from None


def _from_polars(rows: Any) -> pa.Table:
    """Return a polars frame; objects of Python's become their text."""
    arrays, names = [], []
    for series in rows.get_columns():
        names.append(series.name)
        is_object = str(series.dtype) in _AS_OBJECTS
        objects = _from_objects(series.name, series.to_list()) if is_object else None
        arrays.append(series.to_arrow() if objects is None else objects)
    return pa.table(arrays, names=names)


#: What polars has and Arrow has not.
_AS_OBJECTS = ("Object", "Int128", "UInt128")


def _from_pandas(rows: Any) -> pa.Table:
    named = [name for name in rows.index.names if name is not None and name not in rows.columns]
    if named:  # an index by the key is as good as a column
        rows = rows.reset_index(level=named)
    arrays, names = [], []
    for place, name in enumerate(rows.columns):
        arrays.append(_column_of_pandas(str(name), rows.iloc[:, place]))
        names.append(str(name))
    flat = [in_one(array) for array in arrays]
    return pa.table(flat, names=names)


def index_left_out(rows: Any) -> str:
    """Return how the index of a pandas frame that has no name comes along with its columns."""
    names = getattr(getattr(rows, "index", None), "names", ())
    if None not in names or getattr(rows.index, "start", None) == 0:
        return ""
    return (
        " The index of the frame has no name, and did not come along: rows.reset_index(names=[…]) "
        "makes columns of it."
    )


def _column_of_pandas(name: str, series: Any) -> pa.Array | pa.ChunkedArray:
    if str(series.dtype) == "object":
        return _from_objects(name, series.tolist())
    try:
        array = pa.array(series, from_pandas=True)
    except (pa.ArrowException, TypeError):  # complex, sparse, categories of intervals
        return _from_objects(name, series.tolist())
    # A period would be the number that pandas keeps for it; so would a category that is one.
    kind = array.type.value_type if pa.types.is_dictionary(array.type) else array.type
    is_own = isinstance(kind, pa.BaseExtensionType)
    return _from_objects(name, series.tolist()) if is_own else array


_BYTES = (bytes, bytearray, memoryview)


def _from_objects(name: str, values: list[Any]) -> pa.Array:
    """Return objects as texts, but for lists and bytes: whether those are JSON, the column says."""
    plain = [None if _is_nan(value) else _alone(value) for value in values]
    kinds = {type(value) for value in plain if value is not None}
    if kinds and all(issubclass(kind, _BYTES) for kind in kinds):
        whole = [None if value is None else bytes(value) for value in plain]
        return pa.array(whole, pa.large_binary())
    has_lists = any(_is_list(value) for value in plain)
    inside = {kind for value in plain for kind in _kinds_within(value)}
    if any(issubclass(kind, _BYTES) for kind in inside) and len(inside) > 1:
        raise UsageError(
            f"Column {name}: bytes stand beside other values. Make them one: value.decode() of "
            "bytes that are a text, or value.encode() of texts for a column of bytea."
        )
    # Arrow would make one kind of several: a day of a number that stands beside days, and of
    # dicts one with the names of all of them.
    has_dicts = any(issubclass(kind, Mapping) for kind in kinds | inside)
    if has_lists and len(inside) < 2 and not has_dicts:
        try:
            return pa.array([_as_list(value) for value in plain])
        except (pa.ArrowInvalid, pa.ArrowTypeError, UnicodeEncodeError):
            pass  # mixed within: as JSON
    try:
        return pa.array([text_of(value, as_json=True) for value in plain], pa.string())
    except UsageError as error:
        raise UsageError(f"Column {name}: {error}.") from None


def _alone(value: Any) -> Any:
    """Return what an array without a dimension holds, as libraries of arrays return numbers."""
    if getattr(value, "shape", None) != () or isinstance(value, np.generic):
        return value
    return value[()] if isinstance(value, np.ndarray) else value.tolist()


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple) or (
        hasattr(value, "tolist") and not isinstance(value, np.generic)
    )


def _kinds_within(value: Any) -> set[type]:
    """Return the types of what a list holds, or of a value itself; of nothing there is none."""
    if not _is_list(value):
        return set() if value is None else {type(value)}
    parts = value.tolist() if hasattr(value, "tolist") else value
    return {kind for part in parts for kind in _kinds_within(part)}


def _as_list(value: Any) -> Any:
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_as_list(part) for part in value]
    return str(value) if isinstance(value, decimal.Decimal | uuid.UUID) else value


def _is_nan(value: Any) -> bool:
    """Whether pandas means: nothing is there."""
    return is_missing(value) or (isinstance(value, float) and math.isnan(value))


def as_frame(rows: pa.Table, key_names: tuple[str, ...], decimals: Collection[str] = ()) -> Any:
    """Return rows with columns `source` and `before` (structs) as one flat pandas dataframe.

    Whole numbers and truths with NULLs among them keep their kind; `decimals` names columns whose
    texts are numbers with all their digits.
    """
    import pandas as pd

    columns: dict[str, pa.Array] = {}
    for struct in ("source", "before"):
        array = rows.column(struct).combine_chunks()
        for field in array.type:
            columns[field.name] = array.field(field.name)
    ordered = [name for name in key_names if name in columns]
    ordered += [name for name in columns if name not in ordered]
    table = pa.table({name: columns[name] for name in ordered})
    nullable = {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}
    holed = {table.schema.field(n).type for n in table.column_names if table.column(n).null_count}
    frame = table.to_pandas(types_mapper={k: v for k, v in nullable.items() if k in holed}.get)
    for name in set(decimals) & set(ordered):
        values = [None if t is None else decimal.Decimal(t) for t in table.column(name).to_pylist()]
        frame[name] = pd.Series(values, dtype=object)
    return frame


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

    with TemporaryFolder("query") as nothing:
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
            refuse_guesses(connection, statements[0].query)
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
            elif "Table with name" in said:
                said += (
                    " It reads files, and no table of the database: join those rows in a notebook, "
                    "where run.extracted has them."
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
    with pa.ipc.new_file(path, schema, options=_OPTIONS) as writer:
        for batch in reader:
            writer.write_batch(batch.replace_schema_metadata(metadata))
