"""Which rights a task's table needs, and what else is to be known of it before it is read."""

from __future__ import annotations

from backfill.errors import PreflightError
from backfill.server.catalog import grant, has_right, is_row_security_active
from backfill.server.grants import Right
from backfill.server.postgres import Connection
from backfill.server.update_cost import cost_warnings
from backfill.steps.task_table import Resolved


def rights_of(resolved: Resolved) -> tuple[Right, ...]:
    """Return the columns that a task reads, and those that it writes."""
    table = resolved.table
    read = (
        *(column.name for column in table.key.columns),
        *(column.name for column in (*table.sources, *table.targets)),
    )
    return (
        Right("SELECT", table.relation, tuple(dict.fromkeys(read))),
        Right("UPDATE", table.relation, tuple(column.name for column in table.targets)),
    )


def check_rights(connection: Connection, resolved: Resolved, *, writing: bool) -> list[str]:
    """Return warnings; raise `PreflightError` with the GRANT for what the role lacks."""
    relation = resolved.table.relation
    lacking = {
        right.what: [n for n in right.columns if not has_right(connection, relation, n, right.what)]
        for right in rights_of(resolved)
    }
    grants = {r: grant(connection, r, relation.spelt, n) for r, n in lacking.items() if n}
    if "SELECT" in grants or (writing and grants):
        raise PreflightError(
            f"This role lacks rights on {relation}. Mend, as the table's owner:\n"
            + "\n".join(grants.values())
        )
    warnings = [f"To apply, this role will need: {grant}" for grant in grants.values()]
    columns = [column.name for column in resolved.table.targets]
    warnings += cost_warnings(connection, relation, columns, 0)
    if is_row_security_active(connection, relation):
        warnings.append(
            f"Row-level security is active on {relation}: rows that this role may not see are "
            "told as missing. Use a role with BYPASSRLS to reach all."
        )
    return warnings
