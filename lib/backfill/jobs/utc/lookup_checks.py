"""What is asked of the rows of other tables before a plan: is one meant, and which? Read-only."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator, Sequence

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

from backfill.display.counting import counted
from backfill.errors import PreflightError
from backfill.jobs.utc.lookups import MOMENTS
from backfill.jobs.utc.table_spec import LookupSpec
from backfill.server.catalog_columns import columns_of
from backfill.server.joins import is_found
from backfill.server.pending import SAMPLE_ROWS, pending_filter, scope_condition
from backfill.server.postgres import Connection
from backfill.server.since import Since
from backfill.server.table import CONSTANT, Join, Table

_INSTANTS = ("timestamp with time zone", "tstzrange")
#: Words in names of columns where something ends; a capital letter begins a word, too.
_ENDS = re.compile(
    r"(?:^|_|\W|(?<=[a-z0-9])(?=[A-Z]))"
    r"(?i:to|until|till?|thru|through|end(?:s|ed)?|expir[a-z]*|clos[a-z]*)(?:_|\b|(?=[A-Z]))"
)


def is_end(name: str) -> bool:
    """Tell whether a column sounds as if something ended there."""
    return _ENDS.search(name) is not None


def lookup_warnings(
    connection: Connection,
    table: Table,
    specs: Iterable[LookupSpec],
    members: Sequence[str] | None,
) -> Iterator[str]:
    """Say what nobody may have meant about the rows that are looked up. Read-only."""
    dated = [(join, join.since) for join in table.joins if join.since]
    untold = {spec.name for spec in specs if spec.until_day is None}
    for join, since in dated:
        if not since.until:
            yield from _unused_end(connection, join, since)
    for join, since in dated:
        if since.until and since.is_whole_day and join.name in untold:
            yield from _untold_day(connection, join, since)
    yield from _unfound(connection, table, members)
    for join, since in dated:
        yield from _instant_bound(connection, join, since)
    for join, since in dated:
        if since.until:
            told = [sql.Identifier("l", name) for name in table.looked_up_columns(join)]
            yield from _overlapping(connection, join, since, told)


def _unused_end(connection: Connection, join: Join, since: Since) -> Iterator[str]:
    """Say where rows of a lookup seem to end, which nobody asked for."""
    columns = columns_of(connection, join.relation).values()
    ends = [c.name for c in columns if c.plain_type in MOMENTS and is_end(c.name)]
    if ends and ends[0] != since.column:
        yield (
            f"The lookup {join.name} counts from {since.column} on, with no end but the next row's "
            f"beginning; {join.relation} has a column {ends[0]}. If a row ceases to count there, "
            f'say so in its [[lookup]]: until = "{ends[0]}"'
        )


def _instant_bound(connection: Connection, join: Join, since: Since) -> Iterator[str]:
    """Say that the bounds of a lookup are instants, which no wall time is before."""
    columns = columns_of(connection, join.relation)
    bounds = [name for name in since.columns if columns[name].plain_type in _INSTANTS]
    for name in bounds[:1]:
        yield (
            f"The lookup {join.name} counts by {name}, which is {columns[name].type_name}: as "
            "UTC shows it, it is held against wall times. Rows near a change may get "
            "the zone before it, or after: look at them, or name a column of local time."
        )


def _untold_day(connection: Connection, join: Join, since: Since) -> Iterator[str]:
    """Say that nobody said whether the last day counts, unless the rows tell.

    They do where the next row begins on the day after.
    """
    query = sql.SQL(
        "SELECT count(*) FILTER (WHERE begins = ends + 1),"
        " count(*) FILTER (WHERE begins = ends) FROM (SELECT {ends} AS ends,"
        " lead({begins}) OVER (PARTITION BY {key} ORDER BY {begins})::date AS begins"
        " FROM {relation}) AS r"
    ).format(
        ends=sql.Identifier(since.until),
        begins=sql.Identifier(since.column),
        key=sql.SQL(", ").join(sql.Identifier(part.key) for part in join.parts),
        relation=join.relation.identifier,
    )
    after, same = _first_row(connection, query) or (0, 0)
    if after and not same:
        return
    seen = f", though {counted(same, 'row ends', 'rows end')} where the next one begins"
    yield (
        f"A row of the lookup {join.name} counts to the end of the day in "
        f"{since.until}{seen if same else ''}. If it no longer counts on that day, say so in "
        'its [[lookup]]: until_day = "excluded"; else "included".'
    )


def _unfound(connection: Connection, table: Table, members: Sequence[str] | None) -> Iterator[str]:
    """Say of which lookups pending rows name what no row of theirs has, by a sample. Read-only."""
    pending = pending_filter(table, None, skip_deleted=False)
    for join in table.joins:
        own = [part.by[1] for part in join.parts if not part.by[0]]
        if not own or any(part.by[0] not in ("", CONSTANT) for part in join.parts):
            continue  # of two that follow each other, the earlier one is told of
        names = sql.SQL(", ").join(sql.Identifier("t", name) for name in own)
        query = sql.SQL(
            "SELECT count(*), min(concat_ws(', ', {names})) FROM (SELECT {names} FROM {relation}"
            " AS t WHERE num_nulls({names}) = 0 AND {pending} AND {members} LIMIT {rows}) AS t"
            " WHERE NOT EXISTS (SELECT FROM {other} AS l WHERE {found})"
        ).format(
            names=names,
            relation=table.relation.identifier,
            pending=pending,
            members=scope_condition(table, members),
            rows=sql.Literal(SAMPLE_ROWS),
            other=join.relation.identifier,
            found=is_found(join),
        )
        count, example = connection.execute(query).fetchone() or (0, "")
        if count:
            is_text = any(part.is_text for part in join.parts)
            yield (
                f"The lookup {join.name} finds no row in {join.relation} for "
                f"{counted(count, 'sampled row', 'sampled rows')}, like {', '.join(own)} = "
                f"{example!r}{_AS_TEXT if is_text else ''}: there the next in the chain of zones "
                "counts, or --default-tz."
            )


_AS_TEXT = " (their types differ, so they are compared as text)"


def _overlapping(
    connection: Connection, join: Join, since: Since, told: Sequence[sql.Composable]
) -> Iterator[str]:
    """Say that two rows of a key count at once, and tell different things.

    Of those the one counts that began last, which nobody may have meant.
    """
    keys = [sql.Identifier("l", part.key) for part in join.parts]
    query = sql.SQL(
        "SELECT named, begins::text, count(*) OVER () FROM (SELECT concat_ws(', ', {keys}) AS"
        " named, {begins} AS begins, ROW({told})::text AS told,"
        " lag(ROW({told})::text) OVER one AS told_before, max({ends}) OVER"
        " (one ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS ends_before"
        " FROM {relation} AS l WHERE num_nulls({keys}) = 0 AND {is_ever} AND {begins} < {ends}"
        " WINDOW one AS (PARTITION BY {keys} ORDER BY {begins})) AS r"
        " WHERE begins < ends_before AND told <> told_before LIMIT 1"
    ).format(
        keys=sql.SQL(", ").join(keys),
        told=sql.SQL(", ").join(told),
        begins=since.begins("l"),
        ends=since.ends("l"),
        is_ever=since.is_ever("l"),
        relation=join.relation.identifier,
    )
    if row := _first_row(connection, query):
        names = ", ".join(part.key for part in join.parts)
        yield (
            f"The lookup {join.name} has {counted(row[2], 'row', 'rows')} in {join.relation} "
            f"that begin to count while an earlier one still does, and tell something else, "
            f"like the one of {names} = {row[0]!r} from {row[1]}: the one that began last "
            "counts. If that is not meant, mend those rows, or name a view without them."
        )


def _first_row(connection: Connection, query: sql.Composed) -> TupleRow | None:
    with contextlib.suppress(psycopg.errors.UndefinedFunction):  # a type without an order
        return connection.execute(query).fetchone()
    return None


def check_lookups(connection: Connection, table: Table) -> None:
    """Raise `PreflightError` when a value would find two rows of a lookup, with an example."""
    for join in table.joins:
        if join.is_unique and join.since is None:
            continue
        keys, since = [part.key for part in join.parts], join.since
        named = sql.SQL(", ").join(sql.Identifier("l", name) for name in keys)
        query = sql.SQL(
            "SELECT concat_ws(', ', {named}), count(*) FROM {relation} AS l"
            " WHERE num_nulls({named}) = 0 AND {is_ever}"
            " GROUP BY {named}, {begins} HAVING count(*) > 1 ORDER BY 1 LIMIT 1"
        ).format(
            named=named,
            relation=join.relation.identifier,
            is_ever=since.is_ever("l") if since else sql.SQL("true"),
            begins=since.begins("l") if since else sql.SQL("()"),
        )
        if row := _first_row(connection, query):
            counts_from = f" that count from the same {since.column}" if since else ""
            raise PreflightError(
                f"The lookup {join.name} is not unique: {join.relation} has {row[1]} rows with "
                f"{', '.join(keys)} = {row[0]!r}{counts_from}, and which of them is meant "
                "nobody says. Name a key that is unique, or a view with one row for each, or say "
                'from when a row counts: from = "valid_from"'
            )
