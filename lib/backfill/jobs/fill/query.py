"""Rows of a DuckDB query over local files: evaluated once, kept as a file. No network."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pyarrow as pa

from backfill.errors import UsageError
from backfill.jobs.fill.values import BATCH_ROWS, CLOSED, QUERY_KEY


def keep_query(query: str, path: Path, base: Path) -> None:
    """Write a query's rows to an Arrow file; relative names of files begin at `base`.

    Raises `UsageError` for anything but one SELECT, and for what DuckDB says of it.
    """
    import duckdb

    with tempfile.TemporaryDirectory(prefix="backfill-") as nothing:
        # An empty folder of extensions: what a person has installed there could fetch.
        config = {**CLOSED, "extension_directory": nothing, "file_search_path": str(base)}
        connection = duckdb.connect(config=config)
        try:
            for setting in ("python_enable_replacements = false", "lock_configuration = true"):
                connection.execute(f"SET {setting}")
            statements = connection.extract_statements(query)
            if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
                raise UsageError("--query takes one SELECT of DuckDB's SQL over local files.")
            reader = connection.sql(statements[0].query).to_arrow_reader(BATCH_ROWS)
            _write(reader, query, path)
        except duckdb.Error as error:
            said = " ".join(str(error).strip().splitlines())
            raise UsageError(f"--query can not be evaluated: {said}") from None
        finally:
            connection.close()


def _write(reader: pa.RecordBatchReader, query: str, path: Path) -> None:
    metadata = {**(reader.schema.metadata or {}), QUERY_KEY: query.encode()}
    schema = reader.schema.with_metadata(metadata)
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_file(path, schema, options=options) as writer:
        for batch in reader:
            writer.write_batch(batch.replace_schema_metadata(metadata))
