"""What makes updates of a table dear, in numbers, and the mend: for the preflight. Read-only.

The factors are medians of `make bench-shapes`, bytes of WAL a row.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import psycopg
from psycopg import sql

from backfill.errors import PreflightError
from backfill.server.postgres import Connection, scalar
from backfill.server.table import Relation

INSERT, UPDATE = 4, 16  # bits of pg_trigger.tgtype
WAL_USUAL = 420
WAL_WITH_ROOM = 300
WAL_INDEXED = 710
#: Smaller tables are written in a second or two whatever their shape: 8 MB.
MANY_PAGES = 1_000
PAGE_BYTES = 8_168
ROW_OVERHEAD_BYTES = 32  # header, line pointer, alignment
ROOMY_FILLFACTOR = 85
LITTLE_ROOM = 0.15


@dataclass(frozen=True, slots=True)
class _Leaf:
    """A table that holds rows: the relation itself, or a partition of it."""

    name: str  # as SQL takes it
    pages: int
    tuples: float
    fillfactor: int
    identity: str  # pg_class.relreplident
    has_identity: bool
    is_published: bool
    row_bytes: float | None  # None where nothing was analysed

    @property
    def free(self) -> float | None:
        """The share of its pages that is free, estimated; None where nothing was analysed."""
        if self.row_bytes is None or not self.pages or self.tuples <= 0:
            return None
        used = self.tuples * (self.row_bytes + ROW_OVERHEAD_BYTES) / (self.pages * PAGE_BYTES)
        return max(0.0, 1 - used)


def cost_warnings(
    connection: Connection, relation: Relation, columns: Sequence[str], pending: int
) -> list[str]:
    """Return a warning for each thing that makes writing `columns` dear, with cost and mend.

    Raises `PreflightError` where an UPDATE can not work at all.
    """
    oids = _oids(connection, relation)
    leaves = _leaves(connection, oids)
    _check_identity(connection, relation, leaves, columns)
    generated = _generated_from(connection, oids, columns)
    is_replica = (
        scalar(connection, "SELECT current_setting('session_replication_role')") == "replica"
    )
    return [
        *_not_run(relation, is_replica=is_replica),
        *_triggers(connection, relation, columns),
        *_indexes(connection, relation, oids, [*columns, *generated], pending),
        *_room(leaves),
        *_whole_rows(connection, leaves, pending),
        *_generated(relation, generated),
        *_foreign_keys(connection, relation, oids, columns),
    ]


def check_replica_identity(
    connection: Connection, relation: Relation, columns: Sequence[str]
) -> None:
    """Raise `PreflightError` where PostgreSQL would refuse every UPDATE of a published table."""
    leaves = _leaves(connection, _oids(connection, relation))
    _check_identity(connection, relation, leaves, columns)


def _oids(connection: Connection, relation: Relation) -> list[int]:
    rows = connection.execute(
        "WITH root AS (SELECT c.oid FROM pg_class AS c JOIN pg_namespace AS n"
        "  ON n.oid = c.relnamespace WHERE n.nspname = %s AND c.relname = %s)"
        " SELECT oid::bigint FROM root UNION ALL SELECT p.relid::oid::bigint"
        " FROM root, pg_partition_tree(root.oid::regclass) AS p WHERE p.relid <> root.oid",
        [relation.schema, relation.name],
    ).fetchall()
    return [int(row[0]) for row in rows]


def _not_run(relation: Relation, *, is_replica: bool) -> Iterator[str]:
    if not is_replica:
        return
    yield (
        f"This role's sessions have session_replication_role = replica: for the rows that this run "
        f"writes, no foreign key of {relation} is looked at, and of its triggers only those run "
        "that are enabled for a replica, or always. If they are to run: ALTER ROLE … RESET "
        "session_replication_role; (or ALTER DATABASE …)"
    )


def firing_triggers(
    connection: Connection, relation: Relation, columns: Sequence[str], events: int = UPDATE
) -> list[tuple[str, bool]]:
    """Return the triggers that writing some columns fires, and whether each runs once a row."""
    oids = _oids(connection, relation)
    rows = connection.execute(
        "SELECT t.tgname, t.tgtype & 1 = 1 FROM pg_trigger AS t WHERE NOT t.tgisinternal"
        # Of a partition: its own row triggers, not the copies of its parent's.
        " AND (t.tgrelid = %(root)s OR t.tgrelid = ANY (%(oids)s::oid[])"
        "  AND t.tgtype & 1 = 1 AND t.tgparentid = 0)"
        " AND t.tgenabled IN ('A', CASE current_setting('session_replication_role')"
        "  WHEN 'replica' THEN 'R' ELSE 'O' END) AND t.tgtype & %(events)s <> 0"
        # UPDATE OF other columns does not fire.
        " AND (t.tgtype & %(events)s & ~16 <> 0 OR cardinality(t.tgattr::int2[]) = 0 OR EXISTS"
        "  (SELECT FROM pg_attribute AS a WHERE a.attrelid = t.tgrelid"
        "   AND a.attnum = ANY (t.tgattr::int2[]) AND a.attname = ANY (%(columns)s)))"
        " ORDER BY t.tgname",
        {"root": oids[0], "oids": oids, "events": events, "columns": list(columns)},
    ).fetchall()
    return [(str(name), bool(is_row)) for name, is_row in rows]


def _triggers(connection: Connection, relation: Relation, columns: Sequence[str]) -> Iterator[str]:
    rows = firing_triggers(connection, relation, columns)
    if not rows:
        return
    by_row = [name for name, is_row in rows if is_row]
    cost = (
        f" Once a row runs {', '.join(by_row)}: one that does nothing costs a sixth more WAL."
        if by_row
        else ""
    )
    yield (
        f"{relation} has triggers that every update fires: "
        f"{', '.join(name for name, _is_row in rows)}.{cost} "
        "Make sure that they may run; a row whose value a trigger changes is skipped. If they "
        f"need not run: ALTER TABLE {relation.spelt} DISABLE TRIGGER …; for the time of the run."
        f"{_other_clock(connection)}"
    )


def _other_clock(connection: Connection) -> str:
    """Say that triggers meet another TimeZone than in the role's own sessions."""
    query = "SELECT reset_val FROM pg_settings WHERE name = 'TimeZone'"
    own = str(scalar(connection, query))
    if own.rpartition("/")[2].upper() in ("UTC", "UCT", "GMT", "ZULU", "UNIVERSAL"):
        return ""
    return (
        f" They meet TimeZone UTC, and in this role's own sessions {own}: a day or a text that "
        "they take from an instant is UTC's. Do they? Have the function say whose day is meant: "
        f"ALTER FUNCTION … SET TimeZone = '{own}';"
    )


def _indexes(
    connection: Connection,
    relation: Relation,
    oids: Sequence[int],
    written: Sequence[str],
    pending: int,
) -> Iterator[str]:
    """Name indexes that hold a written column, also in an expression, predicate or INCLUDE.

    From PostgreSQL 16 on a BRIN index does not stand in the way of a HOT update.
    """
    rows = connection.execute(
        "SELECT DISTINCT c.relname FROM pg_index AS i"
        " JOIN pg_class AS c ON c.oid = i.indexrelid JOIN pg_am AS m ON m.oid = c.relam"
        " JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attname = ANY (%s)"
        " WHERE i.indrelid = ANY (%s::oid[]) AND (m.amname <> 'brin' OR %s)"
        # The parts of a partitioned index go by its name.
        " AND NOT EXISTS (SELECT FROM pg_inherits AS h WHERE h.inhrelid = i.indexrelid)"
        " AND (a.attnum = ANY (i.indkey::int2[]) OR EXISTS (SELECT FROM pg_depend AS d"
        "  WHERE d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid"
        "  AND d.refclassid = 'pg_class'::regclass AND d.refobjid = i.indrelid"
        "  AND d.refobjsubid = a.attnum)) ORDER BY c.relname",
        [list(written), list(oids), connection.info.server_version < 160_000],
    ).fetchall()
    if not rows:
        return
    names = ", ".join(str(row[0]) for row in rows)
    yield (
        f"Indexes hold a column that will be written ({names}): no update of it can be a HOT "
        f"update, so all indexes of {relation} are written as well, about {WAL_INDEXED} bytes of "
        f"WAL a row instead of {WAL_USUAL}{_of_all(WAL_INDEXED, pending)}. Mend, "
        "where nobody needs them meanwhile: DROP INDEX before, CREATE INDEX CONCURRENTLY after. "
        "Nothing to do if that is fine."
    )


def _leaves(connection: Connection, oids: Sequence[int]) -> list[_Leaf]:
    rows = connection.execute(
        "SELECT format('%%I.%%I', n.nspname, c.relname), c.relpages, c.reltuples::float8,"
        "  coalesce((SELECT option_value::int FROM pg_options_to_table(c.reloptions)"
        "   WHERE option_name = 'fillfactor'), 100), c.relreplident::text,"
        "  c.relreplident = 'f' OR EXISTS (SELECT FROM pg_index AS i WHERE i.indrelid = c.oid"
        "   AND i.indisvalid AND (c.relreplident = 'd' AND i.indisprimary"
        "    OR c.relreplident = 'i' AND i.indisreplident)),"
        "  EXISTS (SELECT FROM pg_publication_tables AS p JOIN pg_publication AS b"
        "   ON b.pubname = p.pubname AND b.pubupdate JOIN pg_namespace AS pn"
        "   ON pn.nspname = p.schemaname JOIN pg_class AS pc"
        "   ON pc.relnamespace = pn.oid AND pc.relname = p.tablename"
        "   WHERE pc.oid IN (c.oid, %s)),"
        "  (SELECT sum(s.avg_width * (1 - s.null_frac))::float8 FROM pg_stats AS s"
        "   WHERE s.schemaname = n.nspname AND s.tablename = c.relname AND NOT s.inherited)"
        " FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace"
        " WHERE c.relkind = 'r' AND c.oid = ANY (%s::oid[]) ORDER BY 1",
        [oids[0], list(oids)],
    ).fetchall()
    return [_Leaf(*row) for row in rows]


def _check_identity(
    connection: Connection, relation: Relation, leaves: Sequence[_Leaf], columns: Sequence[str]
) -> None:
    for leaf in leaves:
        if leaf.is_published and not leaf.has_identity:
            raise PreflightError(
                f"{leaf.name} is published for logical replication and has no replica identity: "
                f"PostgreSQL refuses every UPDATE of it. Mend: ALTER TABLE {leaf.name} REPLICA "
                "IDENTITY DEFAULT; with a primary key, else USING INDEX …, or FULL, which writes "
                "whole rows to the WAL."
            )
    if not scalar(connection, "SELECT EXISTS (SELECT FROM pg_publication)"):
        return  # an UPDATE is planned, and every partition locked for it, only where it may matter
    # Conditions and lists of columns of a publication have rules of their own, by version.
    update = sql.SQL("EXPLAIN UPDATE {relation} SET {column} = {column}").format(
        relation=relation.identifier, column=sql.Identifier(columns[0])
    )
    try:
        connection.execute(update)
    except psycopg.errors.InsufficientPrivilege:
        return  # the rights are told of elsewhere
    except psycopg.DatabaseError as error:
        if not error.diag.message_detail or "replica identity" not in error.diag.message_detail:
            return
        mend = "a column list that has the columns of the key, or none"
        if "WHERE" in error.diag.message_detail:
            mend = (
                f"ALTER TABLE {relation.spelt} REPLICA IDENTITY FULL; which writes whole rows to "
                "the WAL, or a condition of the key's columns alone"
            )
        raise PreflightError(
            f"{relation} is published for logical replication, and PostgreSQL refuses every UPDATE "
            f"of it. {error.diag.message_detail} Mend: {mend}"
        ) from None


def _room(leaves: Sequence[_Leaf]) -> Iterator[str]:
    """Name the tables whose pages are full: new versions of their rows go to other pages."""
    full = [
        leaf
        for leaf in leaves
        if leaf.pages >= MANY_PAGES
        and leaf.fillfactor > ROOMY_FILLFACTOR
        and leaf.free is not None
        and leaf.free < LITTLE_ROOM
    ]
    if not full:
        return
    described = ", ".join(
        f"{leaf.name} (fillfactor {leaf.fillfactor}, about {leaf.free or 0:.0%} free)"
        for leaf in full
    )
    yield (
        f"Little room for HOT updates in {described}: new versions of rows go to other pages, and "
        f"every index gets an entry for each, about {WAL_USUAL} bytes of WAL a row instead of "
        f"{WAL_WITH_ROOM}. Mend, only where a rewrite is worth it, since it locks the table: ALTER "
        f"TABLE {full[0].name} SET (fillfactor = 70); VACUUM FULL {full[0].name}; (pg_repack does "
        "it without the lock). Nothing to do if that is fine."
    )


def _whole_rows(connection: Connection, leaves: Sequence[_Leaf], pending: int) -> Iterator[str]:
    """Warn of full row images in the WAL, which logical decoding asks for."""
    level = connection.execute("SELECT current_setting('wal_level')").fetchone()
    whole = [leaf for leaf in leaves if leaf.identity == "f"]
    if not whole or not level or level[0] != "logical":
        return
    width = max(leaf.row_bytes or 0.0 for leaf in whole)
    names = ", ".join(leaf.name for leaf in whole)
    more = f", about {width:.0f} bytes a row more{_of_all(width, pending)}" if width else ""
    yield (
        f"REPLICA IDENTITY FULL on {names}: each update writes the whole old row to the WAL{more}. "
        "Mend, "
        f"if there is a primary key: ALTER TABLE {whole[0].name} REPLICA IDENTITY DEFAULT;"
    )


def _generated_from(
    connection: Connection, oids: Sequence[int], columns: Sequence[str]
) -> list[str]:
    """Return the generated columns that are computed from the written ones."""
    rows = connection.execute(
        "SELECT DISTINCT g.attname FROM pg_attribute AS g"
        " JOIN pg_attrdef AS e ON e.adrelid = g.attrelid AND e.adnum = g.attnum"
        " JOIN pg_depend AS d ON d.classid = 'pg_attrdef'::regclass AND d.objid = e.oid"
        "  AND d.refobjid = g.attrelid"
        " JOIN pg_attribute AS a ON a.attrelid = g.attrelid AND a.attnum = d.refobjsubid"
        " WHERE g.attrelid = ANY (%s::oid[]) AND g.attgenerated <> '' AND a.attname = ANY (%s)"
        " AND a.attnum <> g.attnum ORDER BY 1",
        [list(oids), list(columns)],
    ).fetchall()
    return [str(row[0]) for row in rows]


def _generated(relation: Relation, names: Sequence[str]) -> Iterator[str]:
    if not names:
        return
    yield (
        f"Generated columns of {relation} are computed from what will be written "
        f"({', '.join(names)}): they change with it, in the same row version. Nothing to do."
    )


#: What `ON UPDATE` of a foreign key does to the rows that refer: pg_constraint.confupdtype.
_CASCADES, _FORGETS = "c", {"n": "SET NULL", "d": "SET DEFAULT"}


def _foreign_keys(
    connection: Connection, relation: Relation, oids: Sequence[int], columns: Sequence[str]
) -> Iterator[str]:
    """Name the foreign keys that hold a written column; those that change other rows by name.

    Raises `PreflightError` where rows of others would lose what they refer to: no image has them.
    """
    rows = connection.execute(
        "SELECT quote_ident(k.conname), k.conrelid::regclass::text,"
        "  max(CASE WHEN a.attrelid = k.confrelid AND a.attnum = ANY (k.confkey)"
        "   THEN k.confupdtype::text END) FROM pg_constraint AS k"
        " JOIN pg_attribute AS a ON a.attname = ANY (%s)"
        "  AND (a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey)"
        "   OR a.attrelid = k.confrelid AND a.attnum = ANY (k.confkey))"
        " WHERE k.contype = 'f' AND k.conparentid = 0 AND a.attrelid = ANY (%s::oid[])"
        " GROUP BY k.oid, k.conname, k.conrelid ORDER BY 1",
        [list(columns), list(oids)],
    ).fetchall()
    if not rows:
        return
    for name, owner, does in rows:
        if forgets := _FORGETS.get(does):
            raise PreflightError(
                f"{name} of {owner} is ON UPDATE {forgets}: each row there that refers to a value "
                f"of {relation} which this writes, or puts back, would lose it, and no revert "
                f"could give it back. Mend, as its owner: ALTER TABLE {owner} DROP CONSTRAINT "
                f"{name}; and add it again ON UPDATE CASCADE, or after the run."
            )
    names = ", ".join(f"{name} of {owner}" for name, owner, _does in rows)
    yield (
        f"Foreign keys hold a column that will be written ({names}): each row costs a look-up, and "
        "a value that breaks one is skipped. Nothing to do if that is meant."
    )
    if carried := [f"{owner} ({name})" for name, owner, does in rows if does == _CASCADES]:
        yield (
            f"ON UPDATE CASCADE carries what is written on to {', '.join(carried)}: rows there "
            "change with it, also when it is put back, and are in no plan and no image of this "
            "run. Where NULL is put back, they hold NULL too. Nothing to do if that is meant."
        )


def _of_all(a_row: float, rows: int) -> str:
    """Return what so many bytes a row come to, in parentheses, where the rows are counted."""
    return f" ({a_row * rows / 1_000_000:,.1f} MB for {rows:,} rows)" if rows else ""
