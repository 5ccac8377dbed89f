"""What lets rows be written that a constraint or a policy of their table refused. Read-only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import LiteralString

from backfill.display.counting import counted
from backfill.server.postgres import Connection
from backfill.skips import SkipReason

_TABLE = """
    WITH RECURSIVE t AS (SELECT c.oid, c.oid::regclass::text AS spelt FROM pg_class AS c
        JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE concat(n.nspname, '.', c.relname) = %(table)s AND c.relkind IN ('r', 'p') LIMIT 1),
    whole AS (SELECT oid FROM t UNION SELECT relid FROM t, pg_partition_tree(t.oid))"""
#: Constraints by what they are called, in the marks that any language of the server puts around a
#: name; one of a partition is altered where it is declared. `i` is an index alone, `n` a NOT NULL.
_REFUSING: LiteralString = f"""{_TABLE}, declared AS (
        SELECT k.oid, conname::text AS name, k.oid AS top, conparentid AS above
        FROM whole AS w JOIN pg_constraint AS k ON k.conrelid = w.oid
        UNION ALL
        SELECT d.oid, d.name, p.oid, p.conparentid
        FROM declared AS d JOIN pg_constraint AS p ON p.oid = d.above),
    named AS (
        SELECT k.conrelid::regclass::text AS spelt, k.conname::text AS shown, d.name,
            k.contype::text AS kind,
            CASE WHEN k.contype = 'f' THEN ARRAY[k.confrelid::regclass::text]
            WHEN k.contype = 'c' THEN ARRAY[format('DROP CONSTRAINT %%I', k.conname),
                format('ADD CONSTRAINT %%I %%s', k.conname, regexp_replace(
                    pg_get_constraintdef(k.oid), '( NOT VALID)?$', ' NOT VALID'))]
            WHEN k.condeferrable THEN ARRAY[]::text[]
            WHEN NOT r.is_referred_to
            THEN ARRAY[format('DROP CONSTRAINT %%1$I, ADD CONSTRAINT %%1$I %%2$s DEFERRABLE',
                k.conname, pg_get_constraintdef(k.oid))] END AS mends
        FROM declared AS d JOIN pg_constraint AS k ON k.oid = d.top
        CROSS JOIN LATERAL (SELECT EXISTS (SELECT FROM pg_constraint AS f WHERE f.contype = 'f'
            AND f.conindid = k.conindid AND f.confrelid = k.conrelid) AS is_referred_to) AS r
        WHERE d.above = 0
        UNION ALL
        SELECT w.oid::regclass::text, i.relname::text, i.relname::text, 'i',
            CASE WHEN i.relkind = 'i' AND NOT i.relispartition AND NOT EXISTS (
                SELECT FROM pg_constraint WHERE conindid = i.oid) AND x.indexprs IS NULL
                AND x.indpred IS NULL
            THEN ARRAY[format('ADD CONSTRAINT %%1$I UNIQUE USING INDEX %%1$I DEFERRABLE',
                i.relname)] END
        FROM whole AS w JOIN pg_index AS x ON x.indrelid = w.oid
        JOIN pg_class AS i ON i.oid = x.indexrelid
        WHERE x.indisunique AND NOT EXISTS (
            SELECT FROM pg_constraint WHERE conindid = i.oid AND contype <> 'f')
        UNION ALL
        SELECT t.spelt, a.attname::text, a.attname::text, 'n',
            ARRAY[format('ALTER COLUMN %%I DROP NOT NULL', a.attname)]
        FROM t JOIN pg_attribute AS a ON a.attrelid = t.oid
        WHERE a.attnotnull AND a.attnum > 0 AND NOT EXISTS (
            SELECT FROM declared AS d JOIN pg_constraint AS k ON k.oid = d.oid
            WHERE d.name = a.attname OR (k.contype = 'p' AND a.attnum = ANY (k.conkey))))
    SELECT spelt, shown, kind, mends, count(DISTINCT s.key)
    FROM named JOIN backfill.skip AS s ON replace(s.detail, name, chr(1)) ~ concat(
        '[^[:alnum:]_[:space:]][[:space:]]?', chr(1), '[[:space:]]?[^[:alnum:]_[:space:]]')
    WHERE s.run_id = %(run)s AND s.reason = %(reason)s
    GROUP BY 1, 2, 3, 4 ORDER BY 5 DESC, 2"""
_HIDDEN: LiteralString = f"""{_TABLE}
    SELECT t.spelt, current_user, count(DISTINCT s.key) FROM t, backfill.skip AS s
    WHERE s.run_id = %(run)s AND s.reason = ANY (%(reasons)s) AND row_security_active(t.oid)
    GROUP BY 1, 2"""


def ways_on(connection: Connection, run_id: str, table: str, in_one_chunk: str) -> Iterator[str]:
    """Yield a sentence for each constraint that refused rows of a run, and for policies.

    `table` is `schema.name` as the run's scope has it; where its rows were cut into several chunks
    there is a command that takes them in one.
    """
    reasons = [SkipReason.DATABASE_ERROR, SkipReason.VETOED]
    given = {"run": run_id, "table": table, "reason": reasons[0], "reasons": reasons}
    for spelt, name, kind, mends, rows in connection.execute(_REFUSING, given):
        if kind in ("u", "p", "x", "i"):
            yield _taken(spelt, name, mends, rows, in_one_chunk)
        elif kind == "f":
            yield (
                f"The foreign key {name} of {spelt} refuses {counted(rows, 'row')}: what they "
                f"would refer to is not in {mends[0]}."
            )
        elif kind in ("c", "n"):
            meanwhile, *afterwards = (f"ALTER TABLE {spelt} {mend};" for mend in mends)
            yield (
                f"The {'CHECK' if kind == 'c' else 'NOT NULL of the column'} {name} of {spelt} "
                f"refuses the values of {counted(rows, 'row')}: no run writes them until it allows "
                f"them, or the values are others. Its owner can take it away: {meanwhile}"
                + "".join(f" and have it hold for later ones: {later}" for later in afterwards)
            )
    for spelt, role, rows in connection.execute(_HIDDEN, given):
        yield (
            f"Policies of {spelt} hold for the role {role}, and may forbid what was to be written "
            f"of {counted(rows, 'row')}: then only a role that they allow writes it, or one with "
            "BYPASSRLS."
        )


def _taken(table: str, name: str, mends: Sequence[str] | None, rows: int, in_one_chunk: str) -> str:
    said = f"{counted(rows, 'row')} of {table} would hold what another row holds ({name})."
    if in_one_chunk:
        said += (
            " Where that one has made way by now, the next run writes them; all at once are "
            f"written in one chunk, as by: {in_one_chunk}"
        )
    if mends is None:
        swap = "are written in two runs: first others that no row holds, and then theirs."
    elif mends:
        swap = (
            "need the constraint to wait for the statement's end, after which no ON CONFLICT can "
            f"name it: ALTER TABLE {table} {mends[0]};"
        )
    else:
        return said
    return f"{said}\nRows that swap their values {swap}"
