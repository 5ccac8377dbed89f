"""What lets rows be written that a constraint or a policy of their table refused. Read-only."""

from __future__ import annotations

from collections.abc import Iterator
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
#: name; one of a partition is altered where it is declared. `i` is an index alone.
_REFUSING: LiteralString = f"""{_TABLE}, declared AS (
        SELECT k.oid, conname::text AS name, k.oid AS top, conparentid AS above
        FROM whole AS w JOIN pg_constraint AS k ON k.conrelid = w.oid
        UNION ALL
        SELECT d.oid, d.name, p.oid, p.conparentid
        FROM declared AS d JOIN pg_constraint AS p ON p.oid = d.above),
    named AS (
        SELECT k.conrelid::regclass::text AS spelt, k.conname::text AS shown, d.name,
            k.contype::text AS kind,
            CASE WHEN NOT k.condeferrable THEN format('DROP CONSTRAINT %%1$I, ADD CONSTRAINT %%1$I '
                '%%2$s DEFERRABLE', k.conname, pg_get_constraintdef(k.oid)) END AS mend
        FROM declared AS d JOIN pg_constraint AS k ON k.oid = d.top WHERE d.above = 0
        UNION ALL
        SELECT t.spelt, i.relname::text, i.relname::text, 'i', NULL FROM t, whole AS w
            JOIN pg_index AS x ON x.indrelid = w.oid JOIN pg_class AS i ON i.oid = x.indexrelid
        WHERE x.indisunique AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = i.oid))
    SELECT spelt, shown, kind, mend, count(DISTINCT s.key)
    FROM named JOIN backfill.skip AS s ON replace(s.detail, name, chr(1)) ~ concat(
        '[^[:alnum:]_[:space:]][[:space:]]?', chr(1), '[[:space:]]?[^[:alnum:]_[:space:]]')
    WHERE s.run_id = %(run)s AND s.reason = %(reason)s
    GROUP BY 1, 2, 3, 4 ORDER BY 5 DESC, 2"""
_HIDDEN: LiteralString = f"""{_TABLE}
    SELECT t.spelt, current_user, count(DISTINCT s.key) FROM t, backfill.skip AS s
    WHERE s.run_id = %(run)s AND s.reason = ANY (%(reasons)s) AND row_security_active(t.oid)
    GROUP BY 1, 2"""


def ways_on(connection: Connection, run_id: str, table: str, chunks: int) -> Iterator[str]:
    """Yield a sentence for each constraint that refused rows of a run, and for policies.

    `table` is `schema.name` as the run's scope has it; its rows were cut into `chunks`.
    """
    reasons = [SkipReason.DATABASE_ERROR, SkipReason.VETOED]
    given = {"run": run_id, "table": table, "reason": reasons[0], "reasons": reasons}
    for spelt, name, kind, mend, rows in connection.execute(_REFUSING, given):
        if kind == "c":
            yield (
                f"The CHECK {name} of {spelt} refuses the values of {counted(rows, 'row')}: no run "
                "writes them until it allows them, or the values are others."
            )
        elif kind in ("u", "p", "x", "i"):
            yield _taken(spelt, name, mend, rows, chunks)
    for spelt, role, rows in connection.execute(_HIDDEN, given):
        yield (
            f"Policies of {spelt} hold for the role {role}, and may forbid what was to be written "
            f"of {counted(rows, 'row')}: then only a role that they allow writes it, or one with "
            "BYPASSRLS."
        )


def _taken(table: str, name: str, mend: str | None, rows: int, chunks: int) -> str:
    said = f"{counted(rows, 'row')} of {table} would hold what another row holds ({name})."
    if chunks > 1:
        said += (
            " Where that one has made way by now, the next run writes them; all at once are "
            "written by one whose --chunk-size takes them in one chunk."
        )
    if mend is None:
        return said
    return (
        f"{said} Rows that swap their values need the constraint to wait for the statement's end: "
        f"ALTER TABLE {table} {mend};"
    )
