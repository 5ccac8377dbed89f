"""What DuckDB guesses of the files that a query reads: whether in a date the day comes first,
what a whole column is by its first rows, that a number has no more digits than a float, that all
times of a column have an offset, or none, and that all its objects have the same names."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from backfill.errors import UsageError
from backfill.plans.staging import literal, quoted

if TYPE_CHECKING:
    import duckdb

_READERS = ("read_csv", "read_csv_auto")
_TEXT_FILES = (".csv", ".tsv", ".csv.gz", ".tsv.gz", ".csv.zst", ".tsv.zst")
_JSON_READERS = ("read_json", "read_json_auto", "read_ndjson", "read_ndjson_auto")
_JSON_FILES = tuple(
    f"{name}{packed}" for name in (".json", ".jsonl", ".ndjson") for packed in ("", ".gz", ".zst")
)
#: What says how many rows are looked at, or what the columns are.
_TOLD = ("sample_size", "all_varchar", "columns", "auto_detect")
#: What says of which type a column is.
_TYPED = {"types", "dtypes", "column_types", "columns", "all_varchar"}
#: The digits of a number's text that tell it from another: of 0, 1.50 and 15e-1 none, 15, 15.
_DIGITS = "trim(regexp_replace(regexp_replace(lower({}), 'e.*', ''), '[^0-9]', '', 'g'), '0')"
#: Whether a text of a time names an offset or a zone; a half of the day is none.
_ZONED = (
    r"(regexp_matches({0}, ':\d\d([.,]\d+)?\s*([+-]\d|[A-Za-z])')"
    r" AND NOT regexp_matches({0}, ':\d\d([.,]\d+)?\s*[AaPp]\.?[Mm]\.?$'))"
)
#: Of a column that DuckDB made: which texts it would not keep as they are; what of them, and how.
_LOST = {
    "DOUBLE": (
        f"{_DIGITS.format('t')} <> {_DIGITS.format('t::DOUBLE::VARCHAR')}",
        "numbers in the column {} have more digits than a float of DuckDB's keeps (the first: {})",
    ),
    "TIMESTAMP": (
        _ZONED.format("t"),
        "times in the column {} have an offset or a zone: as a TIMESTAMP DuckDB leaves it out (the "
        "first: {})",
    ),
    "TIMESTAMP WITH TIME ZONE": (
        r"NOT regexp_matches(t, '(?i):\d\d([.,]\d+)?\s*([+-]\d\d?(:?\d\d){0,2}|Z|UTC|GMT)$')",
        "times in the column {} have no offset in digits: DuckDB takes UTC where there is nothing, "
        "and of letters an offset of its own (the first: {})",
    ),
}
#: What the type of a column with objects in it is called.
_OBJECT = "STRUCT("
#: Stands where an option will stand that DuckDB would write down in a way of its own.
_PLACE = "dateformat = ''"
#: By which option a person says how such values are written, by the type that DuckDB gives them.
_SAYS = {"DATE": "dateformat", "TIMESTAMP": "timestampformat"}
#: DuckDB writes a named argument down as a comparison, in parentheses.
_BRACED = re.compile(r"\((\w+ = (?:'[^']*'|-?\d+))\)")
#: What many files at once are read by, and one is not.
_OF_MANY = ("filename", "hive_partitioning", "hive_types", "union_by_name", "hive_types_autocast")
_SNIFFED = "SELECT * FROM sniff_csv('')"
_READ = "SELECT * FROM read_csv('')"
_READ_JSON = "SELECT * FROM read_json('')"


def refuse_guesses(connection: duckdb.DuckDBPyConnection, query: str) -> None:
    """Raise `UsageError` where a date that the query reads may have the day first, or the month,
    where rows behind the first ones would be made into what their column is by those, and where a
    number would lose digits, a time its offset, or an object would get another's names."""
    import duckdb

    tree = _tree(connection, query)
    names, cast = _names(tree), set(_cast_to_timestamp(tree))
    for reader, readers, files in (
        (_READ, _READERS, _TEXT_FILES),
        (_READ_JSON, _JSON_READERS, _JSON_FILES),
    ):
        for arguments in _reads(tree, readers, files):
            late: list[str] = []
            guess = lost = None
            # What is wrong with the file, the query itself will say.
            with contextlib.suppress(duckdb.Error):
                late = _changed_by_later_rows(connection, arguments, names, reader)
            with contextlib.suppress(duckdb.Error):
                guess = _guess(connection, arguments, names) if reader == _READ else None
            with contextlib.suppress(duckdb.Error):
                lost = (
                    _lost(connection, arguments, names, cast)
                    if reader == _READ
                    else _merged(connection, arguments, names, query)
                )
            if late:
                shown = _text(connection, reader, arguments, "sample_size = -1")
                raise UsageError(
                    "--query can not be evaluated: DuckDB takes from the first rows what a column "
                    f"is, and values further down would be changed: {', '.join(late)}. Let it look "
                    f"at all rows: {_as_typed(shown)}"
                )
            if guess:
                option, form = guess
                shown = _text(connection, _READ, arguments, f"{option} = {literal(form)}")
                raise UsageError(
                    "--query can not be evaluated: dates that it reads may have the day first, or "
                    f"the month. Say how they are written, if it is so: {_as_typed(shown)}"
                )
            if lost:
                sentence, option = lost
                plain = [argument for argument in arguments if _option(argument) not in _TYPED]
                shown = _as_typed(_text(connection, reader, plain, _PLACE))
                raise UsageError(
                    f"--query can not be evaluated: {sentence}: {shown.replace(_PLACE, option)}"
                )


def _as_typed(query: str) -> str:
    return _BRACED.sub(r"\1", query.removeprefix("SELECT * "))


def _changed_by_later_rows(
    connection: duckdb.DuckDBPyConnection, arguments: list[Any], names: set[str], read: str
) -> list[str]:
    """Return the columns that are of another type where all rows are looked at, with both types."""
    if any(_option(argument) in _TOLD for argument in arguments[1:]):
        return []
    first = connection.sql(_text(connection, read, arguments))
    whole = connection.sql(_text(connection, read, arguments, "sample_size = -1"))
    if first.columns != whole.columns:
        return [
            f"the columns are {', '.join(first.columns)}, of all rows {', '.join(whole.columns)}"
        ]
    columns = zip(first.columns, map(str, first.types), map(str, whole.types), strict=True)
    return [
        f"{name} is {kind}, of all rows {other}"
        for name, kind, other in columns
        if kind != other and _is_asked(name, names)
    ]


def _lost(
    connection: duckdb.DuckDBPyConnection, arguments: list[Any], names: set[str], cast: set[str]
) -> tuple[str, str] | None:
    """Return a sentence about columns of which DuckDB does not keep every text, and the option.

    A float that somebody asks for is one; a moment keeps its offset all the same.
    """
    said = {_option(argument) for argument in arguments}
    is_typed = bool(_TYPED & said)
    read = connection.sql(_text(connection, _READ, arguments))
    plain = [argument for argument in arguments if _option(argument) not in _TYPED]
    texts = _text(connection, _READ, plain, "all_varchar = true")
    lost = {}
    for column, made in zip(read.columns, map(_kind, read.types), strict=True):
        kind = "TIMESTAMP" if made == "VARCHAR" and column.casefold() in cast else made
        if kind not in _LOST or not _is_asked(column, names):
            continue
        if is_typed if kind == "DOUBLE" else _SAYS["TIMESTAMP"] in said:
            continue
        condition, sentence = _LOST[kind]
        rows = connection.execute(
            f"SELECT t FROM (SELECT trim({quoted(column)}) AS t FROM ({texts}))"
            f" WHERE t <> '' AND {condition} LIMIT 1"
        ).fetchall()
        if rows:
            lost[column] = sentence.format(column, str(rows[0][0])[:60])
    if not lost:
        return None
    told = dict(zip(read.columns, map(str, read.types), strict=True)) if is_typed else {}
    kinds = {**told, **dict.fromkeys(lost, "VARCHAR")}
    shown = ", ".join(f"{literal(name)}: {literal(kind)}" for name, kind in kinds.items())
    return (
        f"{next(iter(lost.values()))}. Have it read texts, without a cast, of which the server "
        "makes values; what is to be a float may be called DOUBLE",
        f"types = {{{shown}}}",
    )


def _kind(of: Any) -> str:
    """Return the name of a type of DuckDB's; a moment without an offset is one in any unit."""
    return re.sub(r"^(DATETIME|TIMESTAMP)(_\w+)?$", "TIMESTAMP", str(of).upper())


def _cast_to_timestamp(tree: Any) -> Iterator[str]:
    for node in _nodes(tree):
        names = node.get("child", {}).get("column_names") if node.get("class") == "CAST" else None
        if names and _kind(node["type_expr"].get("type_name")) == "TIMESTAMP":
            yield str(names[-1]).casefold()


def _merged(
    connection: duckdb.DuckDBPyConnection, arguments: list[Any], names: set[str], query: str
) -> tuple[str, str] | None:
    """Return a sentence about objects that get names of others, and the option that keeps them.

    Of all objects of a column DuckDB makes one type, with NULL for each name that one lacks: more
    names, and so more quotes, than the file has.
    """
    said = {_option(argument) for argument in arguments}
    if _TYPED & said or _OBJECT not in str(connection.sql(query).types):
        return None
    whole = _text(connection, _READ_JSON, arguments)
    read = connection.sql(whole)
    plain = _text(connection, _READ_JSON, arguments, "maximum_depth = 1")
    kinds = dict(zip(read.columns, map(str, read.types), strict=True))
    merged = [
        name
        for name, kind in kinds.items()
        if _OBJECT in kind
        and _is_asked(name, names)
        and _quotes(connection, whole, f"to_json({quoted(name)})")
        != _quotes(connection, plain, quoted(name))
    ]
    if not merged:
        return None
    kept = {name: "JSON" if name in merged else kind for name, kind in kinds.items()}
    shown = ", ".join(f"{literal(name)}: {literal(kind)}" for name, kind in kept.items())
    return (
        f"objects in the column {merged[0]} have differing names, and DuckDB gives each those of "
        "all. Have it keep them as they are",
        f"columns = {{{shown}}}",
    )


def _quotes(connection: duckdb.DuckDBPyConnection, read: str, value: str) -> int:
    [(count,)] = connection.execute(
        "SELECT coalesce(sum(length(t) - length(replace(t, '\"', ''))), 0)"
        f" FROM (SELECT {value}::VARCHAR AS t FROM ({read}))"
    ).fetchall()
    return int(count)


def _guess(
    connection: duckdb.DuckDBPyConnection, arguments: list[Any], names: set[str]
) -> tuple[str, str] | None:
    """Return the option and the format that DuckDB would take, though another fits as well."""
    query = _text(connection, _SNIFFED, [_first_file(connection, arguments), *arguments[1:]])
    sniffed = connection.sql(query).to_arrow_table().to_pylist()
    row = {name.casefold(): value for name, value in sniffed[0].items()} if sniffed else {}
    said = {_option(argument) for argument in arguments}
    for kind, option in _SAYS.items():
        form = str(row.get(option) or "")
        columns = [
            part["name"]
            for part in row.get("columns") or ()
            if str(part["type"]) == kind and _is_asked(part["name"], names)
        ]
        if not columns or option in said or "%d" not in form or form.startswith("%Y"):
            continue
        other = form.translate({ord("d"): "m", ord("m"): "d"})
        text = _text(connection, _READ, arguments, f"{option} = {literal(other)}")
        read = connection.sql(text)
        kinds = dict(zip(read.columns, map(str, read.types), strict=True))
        if "%y" in form or any(kinds.get(name) == kind for name in columns):
            return option, form
    return None


def _first_file(connection: duckdb.DuckDBPyConnection, arguments: list[Any]) -> Any:
    """Return the argument that names one of the files that a pattern, or a list of them, means."""
    query = _text(connection, "SELECT min(file) FROM glob('')", arguments[:1])
    [(file,)] = connection.execute(query).fetchall()
    return _constant(file) if file else arguments[0]


def _constant(text: str) -> dict[str, Any]:
    kind = {"class": "CONSTANT", "type": "VALUE_CONSTANT", "alias": ""}
    return {"name": "", "expression": {**kind, "literal": {"kind": "STRING", "text": text}}}


def _tree(connection: duckdb.DuckDBPyConnection, query: str) -> Any:
    """Return a query as DuckDB parses it; one that it can not write down has no tree."""
    [(tree,)] = connection.execute("SELECT json_serialize_sql(?)", [query]).fetchall()
    return json.loads(tree)


def _text(
    connection: duckdb.DuckDBPyConnection, query: str, arguments: list[Any], *more: str
) -> str:
    """Return a query over one file with the arguments that the file was to be read by."""
    for option in more:
        query = query.replace("('')", f"('', {option})")
    tree = _tree(connection, query)
    called = tree["statements"][0]["node"]["from_table"]["function"]
    called["arguments"] = arguments + called["arguments"][1:]
    said = json.dumps(tree)
    [(text,)] = connection.execute("SELECT json_deserialize_sql(?)", [said]).fetchall()
    return str(text)


def _reads(tree: Any, readers: tuple[str, ...], files: tuple[str, ...]) -> Iterator[list[Any]]:
    """Yield the arguments of each reading of such files: the file, then what was said of it."""
    for node in _nodes(tree):
        name = str(node.get("table_name", ""))
        if node.get("type") == "BASE_TABLE" and name.lower().endswith(files):
            yield [_constant(name)]
        called = node.get("function")
        if isinstance(called, Mapping) and called.get("function_name") in readers:
            yield [part for part in called["arguments"] if _option(part) not in _OF_MANY]


def _names(tree: Any) -> set[str]:
    """Return the names of columns that a query speaks of; * for all."""
    names: set[str] = set()
    for node in _nodes(tree):
        names.update(str(name).casefold() for name in node.get("column_names") or ())
        if node.get("class") == "STAR":
            names.add("*")
    return names


def _is_asked(column: str, names: set[str]) -> bool:
    return "*" in names or column.casefold() in names


def _option(argument: Any) -> str:
    """Return the name of a named argument, or nothing."""
    said = argument["expression"]
    is_named = said.get("type") == "COMPARE_EQUAL"
    return str(said["left"]["column_names"][-1] if is_named else argument["name"])


def _nodes(tree: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(tree, Mapping):
        yield tree
        for part in tree.values():
            yield from _nodes(part)
    elif isinstance(tree, list):
        for part in tree:
            yield from _nodes(part)
