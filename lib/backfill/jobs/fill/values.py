"""Values that somebody has: a file, a query of DuckDB's over local files, or a dataframe.

All become one Arrow file of the run or stay the file they are; either way they are read in batches,
so that a million rows need no more memory than some thousands.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice, tee
from pathlib import Path
from typing import Any, TextIO

import pyarrow as pa
import pyarrow.parquet as pq

from backfill.errors import UsageError, first_line
from backfill.jobs.fill.other_files import (
    folder,
    line_ends,
    not_there,
    not_utf8,
    otherwise,
    recoded,
    seems,
)
from backfill.plans.staging import literal, named_file
from backfill.regular_file import opened
from backfill.rows.texts import Digits, json_text, storable, text_of

BATCH_ROWS = 20_000
#: What the rows of a query, or of a notebook, are kept as in the run's folder.
KEPT_FILE = "values.arrow"
QUERY_KEY = b"backfill.query"
_CSV = (".csv", ".tsv", ".txt")
_JSON = (".json", ".jsonl", ".ndjson")
ENDINGS = (".parquet", *_CSV, *_JSON, ".arrow", ".feather")
#: How texts may be packed.
_PACKED = {".gz": "gzip", ".zst": "zstd"}
_COPIED = 1 << 20
_DELIMITERS = (",", ";", "\t", "|")
_QUOTED = re.compile('"[^"]*"')
#: A DuckDB that fetches nothing: no extension is installed or loaded for a file's or query's sake.
CLOSED: dict[str, Any] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_community_extensions": False,
}


@dataclass(frozen=True, slots=True)
class Values:
    """A file of values: its columns in their order, and a hash over its bytes."""

    path: Path
    columns: tuple[str, ...]
    sha256: str

    def count(self) -> int:
        """Return how many rows there are."""
        if _ending(self.path) == ".parquet":
            return int(pq.read_metadata(self.path).num_rows)
        return sum(table.num_rows for table in _tables(self.path))

    def batches(self) -> Iterator[pa.Table]:
        """Yield the rows in the file's order, at most `BATCH_ROWS` at a time."""
        try:
            for table in _tables(self.path):
                for start in range(0, table.num_rows, BATCH_ROWS):
                    yield table.slice(start, BATCH_ROWS)
        except (pa.ArrowException, OSError) as error:  # what its beginning does not tell
            said = first_line(error)
            raise UsageError(f"--values {self.path} can not be read: {said}") from None


def open_values(path: Path) -> Values:
    """Return a file's values; raise `UsageError` for one that can not be read."""
    if path.is_dir():
        raise UsageError(folder(path))
    ending = _ending(path)
    if ending not in ENDINGS and not not_there(path):
        raise UsageError(
            f"--values {path}: the ending {ending or '(none)'} is not known. It reads "
            f"{', '.join(ENDINGS)}, texts also packed (.csv.gz, .csv.zst); {otherwise(path)}"
        )
    try:
        digest = _sha256(path)
        if path.suffix.lower() in _CSV + _JSON and (kind := seems(path)):
            raise UsageError(f"--values {path} {kind}.")
        columns = tuple(_columns(path))
    except OSError as error:
        raise UsageError(f"--values {path}: {error.strerror or error}.{not_there(path)}") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"--values {path} can not be read: {not_utf8(path, error)}") from None
    except (pa.ArrowException, ValueError, csv.Error) as error:
        if isinstance(error, NotImplementedError) or not (kind := seems(path)):
            kind = f"can not be read: {first_line(error)}"
        raise UsageError(f"--values {path} {kind}") from None
    if any("\0" in name for name in columns):
        raise UsageError(f"--values {path} can not be read: it is not in UTF-8. {recoded(path)}")
    refuse_twice(f"--values {path} has", columns)
    return Values(path, columns, digest)


def _ending(path: Path) -> str:
    """Return what a file's name says of its kind: `.csv` of values.csv.gz."""
    last = path.suffix.lower()
    if last in _PACKED and (inner := Path(path.stem).suffix.lower()) in _CSV + _JSON:
        return inner
    return last


def _text(path: Path) -> TextIO:
    """Open a file of text, also where it is packed."""
    packed = _PACKED.get(path.suffix.lower())
    if packed is None:
        return path.open(encoding="utf-8-sig", newline="")
    stream: Any = pa.CompressedInputStream(pa.OSFile(str(path)), packed)
    return io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")


def refuse_twice(whose: str, names: Sequence[str]) -> None:
    """Raise `UsageError` for a name that two columns have."""
    if twice := [name for name in names if names.count(name) > 1]:
        mend = "" if twice[0].strip() else " Is its first line the one with the columns' names?"
        raise UsageError(f"{whose} two columns of the name {twice[0]!r}.{mend}")


def one_line(error: Exception) -> str:
    """Return what DuckDB says as one line."""
    return " ".join(str(error).split())


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with opened(path) as stream:  # of a pipe nobody would ever see the end
        while block := stream.read(_COPIED):
            digest.update(block)
    return digest.hexdigest()


def _columns(path: Path) -> Sequence[str]:
    match _ending(path):
        case ".parquet" | ".arrow" | ".feather":
            return _names(path, _schema(path))
        case ending if ending in _CSV:
            return _csv_header(path)[0]
        case _:
            return list(dict.fromkeys(name for row in _json_rows(path) for name in row))


def _schema(path: Path) -> pa.Schema:
    if _ending(path) == ".parquet":
        return pq.read_schema(path)
    with _arrow(path) as reader:
        return reader.schema


def index_of(values: Values) -> str:
    """Return how the index of pandas that a file has in its metadata alone, or as a column without
    a name of its own, comes to be a column."""
    if _ending(values.path) in _CSV + _JSON:
        return ""
    for index in (_schema(values.path).pandas_metadata or {}).get("index_columns", ()):
        is_range = isinstance(index, Mapping)
        name = index["name"] if is_range else ""
        if name or (is_range and index["start"]) or str(index).startswith("__index_level_"):
            return (
                f" The index{f' {name}' if name else ''} of the frame is no column of the file: "
                f"write it by rows.reset_index({'' if name else 'names=[…]'}).to_parquet(…)"
            )
    return ""


def _names(path: Path, schema: pa.Schema) -> list[str]:
    """Return a schema's names; raise `UsageError` for periods and intervals as pandas keeps them:
    numbers, which mean something in pandas alone."""
    for field in schema:
        kind: Any = field.type
        kind = kind.value_type if pa.types.is_dictionary(kind) else kind
        told = (field.metadata or {}).get(b"ARROW:extension:name", b"").decode()
        if (own := getattr(kind, "extension_name", told)).startswith("pandas."):
            raise UsageError(
                f"--values {path}: column {field.name!r} holds numbers that mean something in "
                f"pandas alone ({own}). As texts they say it: rows[{field.name!r}].astype(str)"
            )
    return list(schema.names)


def _tables(path: Path) -> Iterator[pa.Table]:
    match _ending(path):
        case ".parquet":
            with pq.ParquetFile(path) as file:
                for batch in file.iter_batches(BATCH_ROWS):
                    yield pa.Table.from_batches([batch])
        case ".arrow" | ".feather":
            with _arrow(path) as reader:
                if isinstance(reader, pa.RecordBatchFileReader):
                    for index in range(reader.num_record_batches):
                        yield pa.Table.from_batches([reader.get_batch(index)])
                else:
                    for batch in reader:
                        yield pa.Table.from_batches([batch])
        case ending if ending in _CSV:
            yield from _csv_tables(path)
        case _:
            yield from _json_tables(path)


def _arrow(path: Path) -> pa.RecordBatchFileReader | pa.RecordBatchStreamReader:
    try:
        return pa.ipc.open_file(path)
    except pa.ArrowInvalid:
        return pa.ipc.open_stream(path)


# -- CSV: text, of which the server makes values; nothing is NULL, "" is a text -------------


def _csv_header(path: Path) -> tuple[list[str], str]:
    """Return the names of the first line, and what stands between them."""
    with _text(path) as stream:
        first = stream.readline()
        line = _QUOTED.sub("", first)
        if line.lower().startswith("sep="):
            raise ValueError(f"its first line, {line.strip()}, is Excel's own: take it out")
        is_tabbed = _ending(path) == ".tsv" and "\t" in line
        delimiter = "\t" if is_tabbed else max(_DELIMITERS, key=line.count)
        lines, read = tee(chain([first], stream))
        reader = csv.reader(read, delimiter=delimiter)
        names = next(reader, [])
        ends = {line[len(line.rstrip("\r\n")) :] for line in islice(lines, reader.line_num)}
    if not names:
        raise ValueError("its first line names no column")
    if len(ends - {""}) > 1:  # DuckDB would take the end within a name for that of all lines
        broken = next(name for name in names if "\r" in name or "\n" in name)
        raise ValueError(f"a column's name, {broken!r}, goes over two lines: write it on one")
    if len(names) == 1 and line.startswith("#"):
        raise ValueError(f"its first line, {line.strip()!r}, names no column: take it out")
    return names, delimiter


def _csv_tables(path: Path) -> Iterator[pa.Table]:
    import duckdb

    names, delimiter = _csv_header(path)
    with duckdb.connect(config=CLOSED) as connection:
        try:
            rows: Any = connection.sql(
                f"SELECT * FROM read_csv({named_file(path)}, all_varchar = true,"
                " header = true, hive_partitioning = false,"
                f" delim = {literal(delimiter)}, quote = '\"', escape = '\"', nullstr = '',"
                " allow_quoted_nulls = false, strict_mode = true, auto_detect = false,"
                f" columns = {{{', '.join(f'{literal(name)}: VARCHAR' for name in _keys(names))}}},"
                " max_line_size = 100000000)"
            ).to_arrow_reader(BATCH_ROWS)
            for batch in rows:
                yield pa.Table.from_batches([batch]).rename_columns(names)
        except (duckdb.Error, OSError) as error:  # the reader's own, or as Arrow hands it on
            said = " ".join(str(error).strip().splitlines()[:3])
            if "not utf-8" in said:
                said += f" {recoded(path)}"
            elif "invalid state" in said:  # of ends of lines, DuckDB takes the first one for all
                said = line_ends(path)
            raise UsageError(f"--values {path} can not be read: {said}") from None


def _keys(names: Sequence[str]) -> list[str]:
    """DuckDB takes no two columns that differ in their letters' case only."""
    return [f"c{index}" for index in range(len(names))]


# -- JSON: numbers keep their digits ---------------------------------------------------------------


def _json_rows(path: Path) -> Iterator[Mapping[str, Any]]:
    with _text(path) as stream:
        first = next((line for line in stream if line.strip()), "")
        begin = first.strip()
        try:
            if begin.startswith("["):
                rows: Iterator[Any] = iter(_decode(first + stream.read()))
            elif _ending(path) == ".json" and begin == "{":  # one object over many lines
                rows = iter([_refuse_columns(_decode(first + stream.read()))])
            else:
                lines = (line for line in chain([first], stream) if line.strip())
                rows = (_refuse_columns(_decode(line, n)) for n, line in enumerate(lines, 1))
            for number, row in enumerate(rows, 1):
                if not isinstance(row, Mapping):
                    raise UsageError(
                        f"--values {path}, row {number}: it is no object. One object a row is "
                        'needed: {"id": 1, "name": "Ann"}'
                    )
                yield row
        except RecursionError:
            raise UsageError(f"--values {path} can not be read: it is nested too deep.") from None


def _refuse_columns(row: Any) -> Any:
    """Return a row; raise `ValueError` for an object that holds whole columns."""
    parts = list(row.values()) if isinstance(row, Mapping) else []
    if len(parts) > 1 and all(isinstance(part, Mapping | list) for part in parts):
        raise ValueError(
            "it holds columns, not rows. One object a row is needed; of a dataframe of pandas: "
            'to_json(…, orient="records")'
        )
    return row


def _decode(text: str, row: int = 0) -> Any:
    """Return JSON with numbers as they are written; raise `ValueError` for a name that is twice.

    `row` is the number of a row that stands on a line of its own.
    """
    try:
        return json.loads(
            text,
            parse_float=Digits,
            parse_int=Digits,
            parse_constant=Digits,
            object_pairs_hook=_without_doubles,
        )
    except json.JSONDecodeError as error:
        if not row:
            raise
        raise ValueError(f"row {row} is no JSON: {error.msg} (character {error.pos + 1})") from None


def _without_doubles(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) < len(pairs):
        names = [name for name, _value in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"an object has {twice!r} twice: which value counts, nobody can know")
    return document


def _json_tables(path: Path) -> Iterator[pa.Table]:
    names = _columns(path)
    waiting: list[list[str | None]] = []
    for row in _json_rows(path):
        waiting.append([_json_text(row.get(name)) for name in names])
        if len(waiting) == BATCH_ROWS:
            yield _from_rows(names, waiting)
            waiting = []
    if waiting:
        yield _from_rows(names, waiting)


def _from_rows(names: Sequence[str], rows: Sequence[Sequence[str | None]]) -> pa.Table:
    columns = zip(*rows, strict=True)
    return pa.table([pa.array(column, pa.string()) for column in columns], names=list(names))


def _json_text(value: Any) -> str | None:
    if isinstance(value, Mapping | list):
        return storable(json_text(value))
    return text_of(value)
