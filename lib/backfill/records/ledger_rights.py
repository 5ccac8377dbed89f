"""What roles without the right to update a run's row may do to it: by functions of the record."""

from __future__ import annotations

from psycopg import sql

from backfill.server.postgres import Connection, scalar


def request_stop(connection: Connection, run_id: str, what: str, *, is_current: bool) -> None:
    """Ask a run to stop; `what` is `cancel` or `pause`. Tables of an earlier version have no
    function for it: there the row itself is written."""
    if is_current:
        connection.execute("SELECT backfill.request_stop(%s, %s)", [run_id, what])
        return
    connection.execute(
        sql.SQL("UPDATE backfill.run SET {} = true WHERE run_id = %s").format(
            sql.Identifier(f"{what}_requested")
        ),
        [run_id],
    )


def vouch(connection: Connection, run_id: str, sums_sha256: str, *, is_current: bool) -> None:
    """Store the digest of a folder's sums, where this role may.

    A planner may for its own plan that nobody has begun; who only reads, for none.
    """
    if scalar(connection, "SELECT has_column_privilege('backfill.run', 'sums_sha256', 'UPDATE')"):
        connection.execute(
            "UPDATE backfill.run SET sums_sha256 = %s WHERE run_id = %s", [sums_sha256, run_id]
        )
    elif is_current and scalar(
        connection,
        "SELECT has_function_privilege('backfill.record_plan_sums(text, text)', 'EXECUTE')",
    ):
        connection.execute("SELECT backfill.record_plan_sums(%s, %s)", [run_id, sums_sha256])
