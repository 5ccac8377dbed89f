"""Whether a value of a column says all that its text said, as SQL: many types round, cut or leave
out without a word. What lies within arrays, ranges and composites is held so by itself (`Parts`).

`given` is the text, `stored` the value that the server makes of it. NULL stands for yes.
"""

from __future__ import annotations

from psycopg import sql

from backfill.rows.others_texts import DATES
from backfill.server.catalog_columns import CatalogColumn

#: Types that take a text of any length and keep its beginning.
CUT = ("char", "name")
#: Numbers of the server's own: -1 is the largest, and before PostgreSQL 16 most letters are 0.
_NUMBERS = ("oid", "xid", "xid8", "cid")
_BITS = ("bit", "varbit")
_REG = (
    "class",
    "collation",
    "config",
    "dictionary",
    "namespace",
    "oper",
    "operator",
    "proc",
    "procedure",
    "role",
    "type",
)
#: Of these, what is not meant is refused: what the server takes it for is something else.
STRICT = (*CUT, *_NUMBERS, *_BITS, *(f"reg{what}" for what in _REG))
_TEMPORAL = (*DATES, "time", "timetz", "interval")
_BEYOND_MICROS = r"[.][0-9]{6}0*[1-9]"
_DAY = r"[0-9]-[0-9]{1,2}-[0-9]"
_OFFSET = r":[0-9]{2}.*[-+](?!00(:?00)*\s*$)[0-9]"
_ZONE = r"(?i):[0-9]{2}[0-9. ]*(?!utc|gmt)[a-z]{3}"
_PART_OF_YEAR = r"(?i)[.](?!(0|25|5|75)0*[^0-9])[0-9]+\s*(y|dec|c|millenn)"
_NUMBER = r"^\s*[-+]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][-+]?[0-9]+)?\s*$"
_WITH_COMMAS = r"^-?([0-9]+|[0-9]{1,3}(,[0-9]{3})+)([.][0-9]*)?$"


def is_meant(
    column: CatalogColumn, given: sql.Composable, stored: sql.Composable
) -> sql.Composable | None:
    """Return the SQL for whether the value is the one that the text means, by whole moments, days
    and amounts; None for types whose every value is. A float is the nearest one.
    """
    kind = column.kind
    parts: list[sql.Composable] = []
    if kind in _TEMPORAL:
        parts.append(_unlike(given, _BEYOND_MICROS))
    if kind in ("date", "timestamp"):  # an offset, or a time of the day, that is left out
        instant = "{g} !~ ':' OR {g}::pg_catalog.timestamptz = ({s})::pg_catalog.timestamptz"
        parts.append(sql.SQL(instant).format(g=given, s=stored))
    elif kind in ("time", "timetz"):
        parts.append(_unlike(given, _DAY))
        if kind == "time":
            parts += [_unlike(given, _OFFSET), _unlike(given, _ZONE)]
    elif kind == "interval":  # the month is the least that a part of a year becomes
        parts.append(_unlike(given, _PART_OF_YEAR))
    elif kind == "money":
        parts.append(_is_amount(given, stored))
    elif kind in CUT:
        parts.append(sql.SQL("{} = {}").format(given, _text(stored)))
    elif kind in _NUMBERS:
        digits = "{} ~ ('^\\s*[+]?0*' || {} || '\\s*$')"
        parts.append(sql.SQL(digits).format(given, _text(stored)))
    elif kind in _BITS:  # a sign for bits, and none behind it
        parts.append(_unlike(given, "^[BbXx]$"))
    if not parts:
        return None
    return sql.SQL("((({})) IS NOT FALSE)").format(sql.SQL(") AND (").join(parts))


def how_refused(column: CatalogColumn, given: str, stored: str) -> str:
    """Return why a value that lost something is none of its column's; nothing where it is one."""
    if column.kind in CUT:
        return f"value too long for type {column.type_name}"
    if column.kind in STRICT:
        taken = (
            f"the server takes it for {stored!r}" if stored != given else "nothing has that number"
        )
        return f"{given!r} is no {column.plain_type}: {taken}"
    return ""


def is_whole(
    column: CatalogColumn, given: sql.Composable, stored: sql.Composable
) -> sql.Composable:
    """Return the SQL for whether nothing of the text is lost, to the last digit."""
    parts = [meant] if (meant := is_meant(column, given, stored)) else []
    kind, own = column.kind, column.sql_type
    if kind in ("float4", "float8"):
        parts.append(_is_number(given, stored, is_short=kind == "float4"))
    elif kind.startswith("reg"):  # a number of nothing, or a name that the server finds twice
        named = "{s} IS NULL OR {t} !~ '^[0-9]+$' AND {again} IS NOT NULL"
        again = own.cast(_text(stored))
        parts.append(sql.SQL(named).format(s=stored, t=_text(stored), again=again))
    elif kind == "json":  # never false: what jsonb can not hold is refused
        as_jsonb = "{s} IS NULL OR ({s})::pg_catalog.jsonb IS NOT NULL"
        parts.append(sql.SQL(as_jsonb).format(s=stored))
    elif kind == "jsonb":  # of a name that is there twice, the last value counts
        quotes = "length({t}) - length(replace({t}, '\"', ''))"
        left, right = (sql.SQL(quotes).format(t=text) for text in (given, _text(stored)))
        parts.append(sql.SQL("{} <= {}").format(left, right))
    elif column.has_modifier and not kind.startswith("_"):
        parts.append(own.compared(own.cast(stored), "=", own.cast(given)))
    if not parts:
        return sql.SQL("true")
    return sql.SQL("coalesce({}, true)").format(sql.SQL(" AND ").join(parts))


def _text(value: sql.Composable) -> sql.Composed:
    return sql.SQL("({})::pg_catalog.text").format(value)


def _unlike(text: sql.Composable, pattern: str) -> sql.Composed:
    return sql.SQL("{} !~ {}").format(text, sql.Literal(pattern))


def _is_number(given: sql.Composable, stored: sql.Composable, *, is_short: bool) -> sql.Composed:
    """A float's text is the shortest that gives its bits back: what lies behind it, no float has.

    A short one may have come as the long one that is the same number.
    """
    same = (
        "{g}::pg_catalog.float8 = ({s})::pg_catalog.float8"
        " OR {g}::pg_catalog.numeric = {t}::pg_catalog.numeric"
        if is_short
        else "round({g}::pg_catalog.numeric, scale({t}::pg_catalog.numeric))"
        " = {t}::pg_catalog.numeric"
    )
    return sql.SQL("CASE WHEN {g} = {t} OR {g} !~ {n} THEN true ELSE " + same + " END").format(
        g=given, s=stored, t=_text(stored), n=sql.Literal(_NUMBER)
    )


def _is_amount(given: sql.Composable, stored: sql.Composable) -> sql.Composed:
    """The signs of money are the server's country's: the same digits, or the same number."""
    return sql.SQL(
        "CASE WHEN {g} IS NULL"
        " OR regexp_replace({g}, '\\D', '', 'g') = regexp_replace({t}, '\\D', '', 'g')"
        " THEN true WHEN translate({g}, ' $', '') ~ {n}"
        " THEN translate({g}, ' $,', '')::pg_catalog.numeric = ({s})::pg_catalog.numeric"
        " ELSE false END"
    ).format(g=given, s=stored, t=_text(stored), n=sql.Literal(_WITH_COMMAS))
