"""Text that is not UTF-8: a database in SQL_ASCII takes any bytes, whatever they say."""

from __future__ import annotations

from collections.abc import Sequence

from psycopg import sql

from backfill.errors import PreflightError
from backfill.rows.columns import ColumnType
from backfill.rows.keys import Key
from backfill.server.postgres import Connection, scalar
from backfill.server.table import Table

SHOWN = 5
#: A run of bytes that is UTF-8; the server's regular expressions see each byte as a character.
_UTF8 = (
    r"^([\x01-\x7F]|[\xC2-\xDF][\x80-\xBF]|\xE0[\xA0-\xBF][\x80-\xBF]"
    r"|[\xE1-\xEF][\x80-\xBF]{2}|[\xF0-\xF4][\x80-\xBF]{3})*$"
)


def rows_of_odd_text(
    connection: Connection, relation: sql.Composable, key: Key, columns: Sequence[str]
) -> list[str]:
    """Return the keys of the first rows whose text is not UTF-8, other bytes as `\\351`. Read-only.

    Empty where the database knows what its text says.
    """
    if scalar(connection, "SELECT current_setting('server_encoding')") != "SQL_ASCII":
        return []
    names = [*(column.name for column in key.columns), *columns]
    query = sql.SQL(
        "SELECT encode(convert_to({key}, 'SQL_ASCII'), 'escape') FROM {relation} AS t"
        " WHERE {odd} LIMIT {most}"
    ).format(
        key=key.text_expression("t"),
        relation=relation,
        odd=sql.SQL(" OR ").join(
            sql.SQL('t.{}::text COLLATE "C" !~ {}').format(sql.Identifier(name), sql.Literal(_UTF8))
            for name in dict.fromkeys(names)
        ),
        most=sql.Literal(SHOWN),
    )
    return [str(row[0]) for row in connection.execute(query).fetchall()]


def check_text(connection: Connection, table: Table) -> None:
    """Raise `PreflightError` that names rows whose text nobody knows how to read. Read-only."""
    columns = [table.scope.name] if table.scope else []
    columns += [column.name for column in table.sources if column.type is ColumnType.TEXT]
    odd = rows_of_odd_text(connection, table.relation.identifier, table.key, columns)
    if odd:
        raise PreflightError(
            "The database does not know what its text says (its encoding is SQL_ASCII), and some "
            f"is not UTF-8. The first rows of {table.relation} with such text: {', '.join(odd)}. "
            "Mend the text of these rows, then plan again."
        )
