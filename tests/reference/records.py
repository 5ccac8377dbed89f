"""What a run leaves and returns: exit codes, files, columns, skip reasons, tables of the ledger."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import resources

import pyarrow as pa
from tests.reference.markdown import code, section, table
from tests.reference.run_files import RUN_FILES
from tests.reference.words import (
    COLUMN_MEANS,
    ENVIRONMENT,
    EXIT_CODE_MEANS,
    LEDGER_MEANS,
    SKIP_MEANS,
)

from backfill.errors import ExitCode
from backfill.jobs.ocr import staged
from backfill.jobs.ocr.day_state import CHANGES_SCHEMA
from backfill.jobs.utc.table_json import zoned_from_json
from backfill.jobs.utc.table_spec import EVENTS
from backfill.jobs.utc.zoned_table import ZonedTable
from backfill.ocr.day.session import FAILED, HeldReason
from backfill.plans.extract import extracted_schema
from backfill.rows.values import struct_type
from backfill.skips import Reason, SkipReason
from backfill.steps.results import SKIPS_SCHEMA
from backfill.utc.compute import changes_schema
from backfill.utc.reasons import UtcReason

_ENDS_A_COLUMN = ("PRIMARY", "FOREIGN", "CHECK", "UNIQUE", "CONSTRAINT")


def exit_codes_section() -> str:
    rows = [(str(exit_code.value), EXIT_CODE_MEANS[exit_code]) for exit_code in ExitCode]
    return section("Exit codes", table(("code", "means"), rows))


def environment_section() -> str:
    rows = [(code(name), says) for name, says in ENVIRONMENT.items()]
    return section("Environment variables", table(("variable", "means"), rows))


def files_section() -> str:
    rows = [(code(entry.pattern), entry.holds) for entry in RUN_FILES]
    return section("Files of `runs/<run_id>/`", table(("file", "holds"), rows))


def skip_reasons_section() -> str:
    reasons: list[Reason] = [*UtcReason, *SkipReason, FAILED, *HeldReason]
    rows = [(code(reason.value), SKIP_MEANS[reason]) for reason in reasons]
    return section("Skip reasons", table(("reason", "means"), rows))


def frames_section() -> str:
    """Return the columns of `changes.parquet` and of the dataframes, job by job."""
    events = _events_table()
    pages = [
        _frame("`changes.parquet` of the UTC job, `run.changes`", _utc_changes(events)),
        _frame("`run.extracted` of the UTC job", extracted_schema(events.table)),
        _frame("`changes.parquet` of the OCR job, `run.changes`", CHANGES_SCHEMA),
        _frame("`run.extracted` of the OCR job", staged.EXTRACTED),
        _frame("`run.shifts` of the OCR job", staged.SHIFTS),
        _frame("`run.skips` of every job", SKIPS_SCHEMA),
    ]
    intro = (
        "One row for each change, in key order. A field of a struct is named with a dot, as the "
        "dataframes have it\n(`after.start_at_utc`). Columns of your table stand as `events` has "
        "them; with `--table` they have your names.\n"
    )
    return section("Columns", intro, *pages)


def _events_table() -> ZonedTable:
    """Return the table that ships, as the demo has it."""
    return zoned_from_json(
        {
            "schema": "public",
            "name": EVENTS.table,
            "key": [[name, "text"] for name in EVENTS.key],
            "scope": [EVENTS.scope, "text"],
            "zone": EVENTS.zone[0],
            "walls": [[pair.walls[0], "bigint"] for pair in EVENTS.pairs],
            "targets": [[pair.target, "bigint"] for pair in EVENTS.pairs],
            "lookup": ["public", "household", "id", "tz"],
            "deleted": EVENTS.deleted,
        }
    )


def _utc_changes(events: ZonedTable) -> pa.Schema:
    return changes_schema(
        events.columns, struct_type(events.table.source_fields), struct_type(events.table.targets)
    )


def _frame(title: str, schema: pa.Schema) -> str:
    rows = [(code(name), str(kind), _column_means(name)) for name, kind in _flat(schema)]
    return section(title, table(("column", "type", "means"), rows), level=3)


def _flat(schema: pa.Schema) -> Iterator[tuple[str, pa.DataType]]:
    for field in schema:
        if pa.types.is_struct(field.type):
            yield from ((f"{field.name}.{inner.name}", inner.type) for inner in field.type)
        else:
            yield field.name, field.type


def _column_means(name: str) -> str:
    """Return what a column means: by its name, by its ending, or by its struct."""
    for wanted, says in COLUMN_MEANS.items():
        if name == wanted or (wanted.startswith("*") and name.endswith(wanted[1:])):
            return says
    return COLUMN_MEANS.get(name.split(".", maxsplit=1)[0] + ".", "") if "." in name else ""


def ledger_section() -> str:
    """Return the tables of schema `backfill` with their columns, from the SQL that makes them."""
    text = resources.files("backfill.records").joinpath("ledger.sql").read_text(encoding="utf-8")
    pages = [
        section(f"`backfill.{name}`", table(("column", "type", "means"), rows), level=3)
        for name, rows in _ledger_tables(text)
    ]
    intro = (
        "Made by the first run, in the target database; append only but for the state of a run.\n"
        "`DROP SCHEMA backfill CASCADE` removes all of it, and with it undo and proof.\n"
    )
    return section("Tables of schema `backfill`", intro, *pages)


def _ledger_tables(text: str) -> Iterator[tuple[str, list[tuple[str, str, str]]]]:
    added = re.findall(
        r"ALTER TABLE backfill\.(\w+)\s+ADD COLUMN IF NOT EXISTS (\w+) ([a-z]+(?:\[\])?)", text
    )
    for name, body in re.findall(
        r"CREATE TABLE IF NOT EXISTS backfill\.(\w+) \(\n(.*?)\n\);", text, re.DOTALL
    ):
        columns = re.findall(r"^ {4}(\w+) ([a-z]+(?:\[\])?)", body, re.MULTILINE)
        columns += [(column, kind) for table_name, column, kind in added if table_name == name]
        yield (
            name,
            [
                (code(column), kind, LEDGER_MEANS.get(f"{name}.{column}", ""))
                for column, kind in columns
                if column not in _ENDS_A_COLUMN
            ],
        )
