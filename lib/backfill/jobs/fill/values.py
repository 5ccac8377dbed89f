"""Values that somebody has: a file, a query of DuckDB's over local files, or a dataframe.

All become one Arrow file of the run or stay the file they are; either way they are read in batches,
so that a million rows need no more memory than some thousands.
"""

from __future__ import annotations

import csv
import hashlib
import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from backfill.errors import UsageError
from backfill.next_command import shell
from backfill.plans.staging import literal
from backfill.regular_file import opened
from backfill.rows.texts import Digits, json_text, storable, text_of

BATCH_ROWS = 20_000
#: What the rows of a query, or of a notebook, are kept as in the run's folder.
KEPT_FILE = "values.arrow"
QUERY_KEY = b"backfill.query"
ENDINGS = (".parquet", ".csv", ".json", ".jsonl", ".ndjson", ".arrow", ".feather")
#: Of spreadsheets, which nothing that is installed here reads.
_SHEETS = (".xlsx", ".xls", ".xlsm", ".xlsb", ".ods", ".numbers")
_COPIED = 1 << 20
_DELIMITERS = (",", ";", "\t", "|")
_QUOTED = re.compile('"[^"]*"')
#: Letters in Windows' pages, as the euro; in LATIN1 nothing that anybody writes.
_OF_WINDOWS = re.compile(rb"[\x80-\x9f]")
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
        if self.path.suffix.lower() == ".parquet":
            return int(pq.read_metadata(self.path).num_rows)
        return sum(table.num_rows for table in _tables(self.path))

    def batches(self) -> Iterator[pa.Table]:
        """Yield the rows in the file's order, at most `BATCH_ROWS` at a time."""
        for table in _tables(self.path):
            for start in range(0, table.num_rows, BATCH_ROWS):
                yield table.slice(start, BATCH_ROWS)


def open_values(path: Path) -> Values:
    """Return a file's values; raise `UsageError` for one that can not be read."""
    if path.is_dir():
        pattern = literal(f"{path.name}/**")
        query = shlex.quote(f"SELECT * FROM read_parquet({pattern}, hive_partitioning = true)")
        raise UsageError(f"--values {path} is a folder. All files in it at once: --query {query}")
    if path.suffix.lower() not in ENDINGS:
        raise UsageError(
            f"--values {path}: the ending {path.suffix or '(none)'} is not known. It reads "
            f"{', '.join(ENDINGS)}; {_mend_of(path.suffix.lower())}"
        )
    try:
        digest = _sha256(path)
        columns = tuple(_columns(path))
    except OSError as error:
        raise UsageError(f"--values {path}: {error.strerror or error}.") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"--values {path} can not be read: {_not_utf8(path, error)}") from None
    except (pa.ArrowException, ValueError, csv.Error) as error:
        words = str(error).strip().splitlines()[0]
        raise UsageError(f"--values {path} can not be read: {words}") from None
    if any("\0" in name for name in columns):
        raise UsageError(f"--values {path} can not be read: it is not in UTF-8. {_recoded(path)}")
    refuse_twice(f"--values {path} has", columns)
    return Values(path, columns, digest)


def _mend_of(suffix: str) -> str:
    if suffix in _SHEETS:
        return "save the sheet as CSV in UTF-8, or hand pandas.read_excel(…) to workbook.fill"
    return "for anything else: --query \"SELECT … FROM 'file'\""


def refuse_twice(whose: str, names: Sequence[str]) -> None:
    """Raise `UsageError` for a name that two columns have."""
    if twice := [name for name in names if names.count(name) > 1]:
        raise UsageError(f"{whose} two columns of the name {twice[0]!r}.")


def _not_utf8(path: Path, error: UnicodeDecodeError) -> str:
    byte = f"0x{error.object[error.start]:02x}"
    return f"it is not in UTF-8 (byte {byte}). {_recoded(path)}"


def _recoded(path: Path) -> str:
    """Say how a file becomes UTF-8, by what its bytes are most likely in."""
    encoding, seen = "LATIN1", b""
    with path.open("rb") as stream:
        while block := stream.read(_COPIED):
            seen = seen or block[:2]
            if seen in (b"\xff\xfe", b"\xfe\xff"):
                encoding = "UTF-16"
            elif b"\0" in block:
                encoding = "UTF-16BE" if seen[:1] == b"\0" else "UTF-16LE"
            elif _OF_WINDOWS.search(block):
                encoding = "WINDOWS-1252"
            if encoding != "LATIN1":
                break
    return f"If it is in {encoding}: {_recode(encoding, path)}"


def _recode(encoding: str, path: Path) -> str:
    words = ["iconv", "-f", encoding, "-t", "UTF-8", path.name]
    return shell(words, into=f"utf8-{path.name}")


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
    match path.suffix.lower():
        case ".parquet":
            return list(pq.read_schema(path).names)
        case ".arrow" | ".feather":
            with _arrow(path) as reader:
                return list(reader.schema.names)
        case ".csv":
            return _csv_header(path)[0]
        case _:
            return list(dict.fromkeys(name for row in _json_rows(path) for name in row))


def _tables(path: Path) -> Iterator[pa.Table]:
    match path.suffix.lower():
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
        case ".csv":
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
    with path.open(encoding="utf-8-sig", newline="") as stream:
        line = _QUOTED.sub("", stream.readline())
        if line.lower().startswith("sep="):
            raise ValueError(f"its first line, {line.strip()}, is Excel's own: take it out")
        stream.seek(0)
        delimiter = max(_DELIMITERS, key=line.count)
        names = next(csv.reader(stream, delimiter=delimiter), [])
    if not names:
        raise ValueError("its first line names no column")
    return names, delimiter


def _csv_tables(path: Path) -> Iterator[pa.Table]:
    import duckdb

    names, delimiter = _csv_header(path)
    with duckdb.connect(config=CLOSED) as connection:
        try:
            rows: Any = connection.sql(
                f"SELECT * FROM read_csv({literal(path)}, all_varchar = true, header = true,"
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
                said += f" {_recoded(path)}"
            raise UsageError(f"--values {path} can not be read: {said}") from None


def _keys(names: Sequence[str]) -> list[str]:
    """DuckDB takes no two columns that differ in their letters' case only."""
    return [f"c{index}" for index in range(len(names))]


# -- JSON: numbers keep their digits ---------------------------------------------------------------


def _json_rows(path: Path) -> Iterator[Mapping[str, Any]]:
    with path.open(encoding="utf-8-sig") as stream:
        begin = stream.read(1)
        while begin and begin.isspace():
            begin = stream.read(1)
        stream.seek(0)
        try:
            if begin == "[":
                rows: Iterator[Any] = iter(_decode(stream.read()))
            elif path.suffix.lower() == ".json" and stream.readline().strip() == begin:
                stream.seek(0)
                rows = iter([_refuse_columns(_decode(stream.read()))])  # one object over many lines
            else:
                stream.seek(0)
                rows = (_refuse_columns(_decode(line)) for line in stream if line.strip())
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


def _decode(text: str) -> Any:
    """Return JSON with numbers as they are written; raise `ValueError` for a name that is twice."""
    return json.loads(
        text,
        parse_float=Digits,
        parse_int=Digits,
        parse_constant=Digits,
        object_pairs_hook=_without_doubles,
    )


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
