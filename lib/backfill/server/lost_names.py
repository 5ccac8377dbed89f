"""Functions of the user's that look for names along a search_path, and find none on ours.

A policy, a view or a CHECK calls them when rows are read; what is named in their bodies without
its schema is looked for when they run.
"""

from __future__ import annotations

import re

import psycopg

from backfill.errors import NamesNotFound

_OF_NAMES = (
    psycopg.errors.UndefinedTable,
    psycopg.errors.UndefinedFunction,
    psycopg.errors.UndefinedObject,
    psycopg.errors.InvalidSchemaName,
)
_CALLED = re.compile(r"(?:PL/\w+|SQL) function (\S+?)(?:\([^\n]*\))? (?:line|statement|during)\b")


def lost_names(error: psycopg.Error) -> NamesNotFound | None:
    """Return what is to be said of a read that failed on our path, if that is why."""
    called = _CALLED.findall(error.diag.context or "")
    if not isinstance(error, _OF_NAMES) or not called:
        return None
    name = str(called[0]).strip('"') if "." not in called[0] else called[0]
    return NamesNotFound(
        f"A policy, view, CHECK or generated column of this database calls the function {name}, "
        f"which finds names by the search_path only ({error.diag.message_primary}); the rows are "
        "read with one of ours, where nobody else can put a function. Mend, as its owner: ALTER "
        f"FUNCTION {name} SET search_path = …; with the schemas that it means."
    )
