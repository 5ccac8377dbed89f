"""Texts of ours as a database can hold them, whatever its encoding.

A database in LATIN1 has no Cyrillic, and none has NUL. What a user's row is to hold must be refused
then; but our own record of a run, a message, a query, a key that the table lacks, is kept with
those letters spelt out: `\\u0436`.
"""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from typing import Any

from backfill.server.postgres import Connection

#: What Python calls encodings of the server's, where it calls them otherwise.
_IN_PYTHON = {
    "SQL_ASCII": "utf-8",
    "EUC_CN": "gb2312",
    "EUC_TW": "ascii",  # Python has none: letters beyond are spelt out
    "MULE_INTERNAL": "ascii",
    "UHC": "cp949",
}


def holdable(connection: Connection, text: str) -> str:
    """Return a text of ours as the connection's database can hold it."""
    codec = _codec(connection.info.parameter_status("server_encoding") or "UTF8")
    text = text.replace("\0", "\\x00")
    try:
        text.encode(codec)
    except UnicodeEncodeError:
        return text.encode(codec, errors="backslashreplace").decode(codec)
    return text


def holdable_json(connection: Connection, value: Any) -> Any:
    """Return a document of ours as the connection's database can hold it as jsonb."""
    if isinstance(value, str):
        return holdable(connection, value)
    if isinstance(value, Mapping):
        return {
            holdable(connection, str(name)): holdable_json(connection, part)
            for name, part in value.items()
        }
    if isinstance(value, list | tuple):
        return [holdable_json(connection, part) for part in value]
    return value


def _codec(encoding: str) -> str:
    name = _IN_PYTHON.get(encoding, encoding)
    for spelling in (name, name.replace("WIN", "cp"), name.replace("KOI8", "koi8_")):
        try:
            return codecs.lookup(spelling).name
        except LookupError:
            continue
    return "ascii"
