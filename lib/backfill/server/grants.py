"""The least rights that a planner and an applier need, as SQL for the database's owner to run.

The planner reads; the applier also writes the target columns. Both use the tool's own tables,
which the owner makes with the same script: neither role needs CREATE on anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources

from psycopg import sql

from backfill.server.table import Table

PLANNER = "backfill_planner"
APPLIER = "backfill_applier"
LEDGER_TABLES = ("run", "checkpoint", "chunk_image", "skip", "part", "range", "applier")


def utc_grants(table: Table, planner: str = PLANNER, applier: str = APPLIER) -> str:
    """Return the script for the UTC job on a table, columns spelt out."""
    read = [
        *(column.name for column in table.key.columns),
        table.scope.name,
        *(column.name for column in (*table.sources, *table.targets)),
        *([table.deleted] if table.deleted else []),
    ]
    both = [planner, applier]
    statements = [
        *_schema_usage([table.relation.schema], both),
        _grant("SELECT", read, table.relation.identifier, both),
    ]
    if table.lookup:
        lookup = table.lookup
        statements += _schema_usage([lookup.relation.schema], both)
        statements.append(
            _grant("SELECT", [lookup.key, lookup.zone], lookup.relation.identifier, both)
        )
    targets = [column.name for column in table.targets]
    statements.append(_grant("UPDATE", targets, table.relation.identifier, [applier]))
    return _script("utc", [*_ledger(planner, applier), *statements])


def ocr_grants(schema: str, planner: str = PLANNER, applier: str = APPLIER) -> str:
    """Return the script for the OCR job: capture tables are read and never written."""
    both = [planner, applier]
    tables = (
        *("capture_session", "capture_image"),
        *("day_snapshot", "schedule_event", "schedule_notification"),
    )
    statements = [
        *_schema_usage([schema], both),
        *(_grant("SELECT", [], sql.Identifier(schema, name), both) for name in tables),
        _grant("INSERT, UPDATE, DELETE", [], sql.Identifier(schema, "day_snapshot"), [applier]),
        _grant("INSERT, DELETE", [], sql.Identifier(schema, "schedule_event"), [applier]),
        _grant("INSERT, DELETE", [], sql.Identifier(schema, "schedule_notification"), [applier]),
    ]
    return _script("ocr", [*_ledger(planner, applier), *statements])


def _ledger(planner: str, applier: str) -> list[sql.Composable]:
    return [
        *_schema_usage(["backfill"], [planner, applier]),
        *(
            _grant("SELECT", [], sql.Identifier("backfill", name), [planner, applier])
            for name in LEDGER_TABLES
        ),
        _grant("INSERT", [], sql.Identifier("backfill", "run"), [planner]),
        _grant("UPDATE", ["sums_sha256"], sql.Identifier("backfill", "run"), [planner]),
        _grant("INSERT, UPDATE", [], sql.Identifier("backfill", "run"), [applier]),
        _grant("UPDATE", [], sql.Identifier("backfill", "range"), [applier]),
        _grant("UPDATE", [], sql.Identifier("backfill", "applier"), [applier]),
        *(
            _grant("INSERT", [], sql.Identifier("backfill", name), [applier])
            for name in LEDGER_TABLES[1:]
        ),
    ]


def _schema_usage(schemas: Sequence[str], roles: Sequence[str]) -> list[sql.Composable]:
    return [
        sql.SQL("GRANT USAGE ON SCHEMA {} TO {};").format(sql.Identifier(schema), _names(roles))
        for schema in schemas
    ]


def _grant(
    rights: str, columns: Sequence[str], relation: sql.Identifier, roles: Sequence[str]
) -> sql.Composable:
    listed = sql.SQL(" ({})").format(_names(dict.fromkeys(columns))) if columns else sql.SQL("")
    return sql.SQL("GRANT {}{} ON {} TO {};").format(
        sql.SQL(rights), listed, relation, _names(roles)
    )


def _names(names: Sequence[str] | dict[str, None]) -> sql.Composable:
    return sql.SQL(", ").join(sql.Identifier(name) for name in names)


def _script(job: str, statements: Sequence[sql.Composable]) -> str:
    ledger = resources.files("backfill.records").joinpath("ledger.sql").read_text(encoding="utf-8")
    lines = [statement.as_string(None) for statement in statements]
    return (
        f"-- Rights for the {job} job. Run as the database's owner; the roles must exist.\n"
        f"{ledger}\n" + "\n".join(lines)
    )
