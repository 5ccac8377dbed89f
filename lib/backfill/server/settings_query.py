"""One query that sets all settings of a transaction, whatever the session had."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import LiteralString

from psycopg import sql

_WAITING: LiteralString = (
    ", CASE WHEN pg_catalog.current_setting('synchronous_commit') OPERATOR(pg_catalog.=) 'off'"
    " THEN pg_catalog.set_config('synchronous_commit', 'on', true) END"
)


def settings_query(values: Mapping[str, str], *, waits: bool = True) -> str:
    """Return the SELECT that sets `values` for the transaction that it runs in.

    A checkpoint that we have seen committed must survive a crash of the server: a transaction that
    `waits` for the disk does so also where a role turned `synchronous_commit` off.

    No name in it depends on where names are looked for. As two arrays it costs the server half of
    what a call for each setting costs, and there are two and a half dozen.
    """
    return _settings_query(tuple(values.items()), waits=waits)


@functools.lru_cache(maxsize=64)  # a run opens a dozen sessions with the same
def _settings_query(values: tuple[tuple[str, str], ...], *, waits: bool) -> str:
    if not waits:
        values = (*values, ("synchronous_commit", "off"))
    names, texts = (sql.Literal(_array(column)) for column in zip(*values, strict=True))
    query = sql.SQL(
        "SELECT pg_catalog.count(pg_catalog.set_config(name, value, true)){waiting} FROM ROWS FROM"
        " (pg_catalog.unnest({names}::pg_catalog.text[]),"
        " pg_catalog.unnest({values}::pg_catalog.text[])) AS setting(name, value)"
    ).format(names=names, values=texts, waiting=sql.SQL(_WAITING if waits else ""))
    return query.as_string(None)


def _array(values: Sequence[str]) -> str:
    quoted = (value.replace("\\", "\\\\").replace('"', '\\"') for value in values)
    return "{" + ",".join(f'"{value}"' for value in quoted) + "}"
