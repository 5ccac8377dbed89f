"""Files that hold no values as they are: what they seem to be, and what mends that."""

from __future__ import annotations

import re
import shlex
from itertools import islice
from pathlib import Path

from backfill.next_command import shell
from backfill.plans.staging import literal

_BLOCK = 1 << 20
_PACKED = (".gz", ".zst")
_PACKED_OTHERWISE = (".bz2", ".xz", ".zip", ".7z", ".rar", ".tar", ".tgz", ".lz4", ".br")
_UNPACK = "Unpack it, and name the unpacked file: its letters can be looked at then."
#: Of spreadsheets, which nothing that is installed here reads.
_SHEETS = (".xlsx", ".xls", ".xlsm", ".xlsb", ".ods", ".numbers")
#: Letters in Windows' pages, as the euro; in LATIN1 nothing that anybody writes.
_OF_WINDOWS = re.compile(rb"[\x80-\x9f]")
#: What a file is that begins so, whatever its name says.
_BEGINNINGS = (
    (b"PK\x03\x04", "is a packed folder, as sheets of Excel are: save the sheet as CSV in UTF-8"),
    (b"\xd0\xcf\x11\xe0", "is a sheet of an old Excel: save it as CSV in UTF-8"),
    (b"\x1f\x8b", "is packed by gzip: let its name end in .gz"),
    (b"\x28\xb5\x2f\xfd", "is packed by zstd: let its name end in .zst"),
    (b"PAR1", "is Parquet: let its name end in .parquet"),
    (b"ARROW1", "is Arrow: let its name end in .arrow"),
    (b"FEA1", "is Feather's first format: write it anew, as pandas' to_feather does"),
    (b"<!DOCTYPE", "is a page of HTML, as one that asks to sign in"),
    (b"<html", "is a page of HTML, as one that asks to sign in"),
)

#: How the name of a file ends that DuckDB reads; how many files of a folder are looked at for one.
_VALUES = re.compile(r"(?i)\.(?:parquet|(?:csv|tsv|json|jsonl|ndjson)(?:\.gz|\.zst)?)$")
_LOOKED_AT = 10_000
_ENDINGS = {".feather": ".arrow"}


def not_there(path: Path) -> str:
    """Return the mend of a name that no file has: an address, or a pattern of names; else none."""
    schemes = [place for place, part in enumerate(path.parts) if re.fullmatch(r"\w{2,}:", part)]
    if schemes:
        return " It reads files of this machine: fetch it first."
    return f" {_at_once(path)}" if re.search(r"[*?[]", str(path)) else ""


def folder(path: Path) -> str:
    """Return how all files of a folder are read at once, like the first of them."""
    names = (file.name for file in sorted(islice(path.rglob("*.*"), _LOOKED_AT)))
    first = next((found for name in names if (found := _VALUES.search(name))), None)
    if first is None:
        return f"--values {path} is a folder, without a file of values to be seen."
    return f"--values {path} is a folder. {_at_once(path / '**' / f'*{first[0]}')}"


def _at_once(pattern: Path) -> str:
    last = (pattern.with_suffix("") if pattern.suffix in _PACKED else pattern).suffix.lower()
    if last in (".csv", ".tsv", ".json", ".jsonl", ".ndjson"):
        query = f"SELECT * FROM {literal(pattern)}"
    else:
        query = f"SELECT * FROM read_parquet({literal(pattern)}, hive_partitioning = true)"
    return f"All files in it at once: --query {shlex.quote(query)}"


def otherwise(path: Path) -> str:
    """Return how a file of another ending is read all the same."""
    if path.suffix.lower() in _SHEETS:
        return "save the sheet as CSV in UTF-8, or hand pandas.read_excel(…) to workbook.fill"
    if path.suffix.lower() in _PACKED_OTHERWISE:
        return "unpack it, and name the unpacked file"
    query = shlex.quote(f"SELECT * FROM read_csv({literal(path)})")
    return (
        f"text like CSV: --query {query}; anything else: read it in Python, and hand the dataframe "
        "to workbook.fill"
    )


def seems(path: Path) -> str:
    """Return what a file is by its first bytes, where its name says something else."""
    with path.open("rb") as stream:
        begin = stream.read(16)
    kind = next((kind for first, kind in _BEGINNINGS if begin.startswith(first)), "")
    if kind.endswith(_ENDINGS.get(path.suffix.lower(), path.suffix.lower())):
        return "is cut off or damaged: its beginning is there, the rest can not be read"
    return kind


def line_ends(path: Path) -> str:
    """Say how a text gets one end for all of its lines."""
    name, whole = (shlex.quote(str(p)) for p in (path, path.with_name(f"lines-{path.name}")))
    mend = f"Make them alike: sed 's/\\r$//' {name} > {whole}"
    return (
        "some of its lines end as Windows' do, others do not, or one holds a carriage return "
        f"outside of quotes. {_UNPACK if path.suffix.lower() in _PACKED else mend}"
    )


def not_utf8(path: Path, error: UnicodeDecodeError) -> str:
    byte = f"0x{error.object[error.start]:02x}"
    return f"it is not in UTF-8 (byte {byte}). {recoded(path)}"


def recoded(path: Path) -> str:
    """Say how a file becomes UTF-8, by what its bytes are most likely in."""
    if path.suffix.lower() in _PACKED:
        return _UNPACK
    encoding, seen = "LATIN1", b""
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
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
    words = ["iconv", "-f", encoding, "-t", "UTF-8", str(path)]
    return shell(words, into=str(path.with_name(f"utf8-{path.name}")))
