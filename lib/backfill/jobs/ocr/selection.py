"""Which capture sessions a run reads, and what the database holds of their days. Read-only."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from backfill.errors import UsageError
from backfill.jobs.ocr.settings import SelectedSessions
from backfill.jobs.ocr.tables import Tables, states_of
from backfill.ocr.day.session import CaptureImage, CaptureSession
from backfill.server.postgres import Connection

Day = tuple[int, dt.date]
MAX_LISTED = 5


@dataclass(frozen=True, slots=True)
class SnapshotRow:
    """A row of `day_snapshot` as text, so that it can be put back byte for byte."""

    payload: str
    source_session_id: str
    updated_at: str
    source_created_at: dt.datetime | None


def check_selection(connection: Connection, tables: Tables, selection: SelectedSessions) -> None:
    """Raise `UsageError` for states that the database does not know, and for sessions asked for
    that do not exist or that another filter leaves out: never silence.
    """
    states = states_of(connection, tables)
    unknown = [state for state in selection.states if states and state not in states]
    if unknown:
        raise UsageError(
            f"--states {', '.join(unknown)}: this database has no such state; it has "
            f"{', '.join(states)}."
        )
    if selection.session_ids:
        _check_asked_for(connection, tables, selection)


def _check_asked_for(connection: Connection, tables: Tables, selection: SelectedSessions) -> None:
    rows = connection.execute(
        sql.SQL("SELECT id, user_id, state::text, created_at FROM {} WHERE id = ANY (%s)").format(
            tables["capture_session"]
        ),
        [list(selection.session_ids)],
    ).fetchall()
    by_id = {row[0]: row[1:] for row in rows}
    wrong = [
        f"{session_id} {why}"
        for session_id in selection.session_ids
        if (why := _why_left_out(by_id.get(session_id), selection))
    ]
    if wrong:
        more = f" And {len(wrong) - MAX_LISTED} more." if len(wrong) > MAX_LISTED else ""
        raise UsageError(f"--session-id: {'; '.join(wrong[:MAX_LISTED])}.{more}")


def _why_left_out(row: Any, selection: SelectedSessions) -> str:
    if row is None:
        return "does not exist"
    user_id, state, created_at = row
    day = created_at.astimezone(dt.UTC).date()
    if state not in selection.states:
        return f"is in state {state}, not {' or '.join(selection.states)} (see --states)"
    if selection.user_id is not None and user_id != selection.user_id:
        return f"belongs to user {user_id}, not {selection.user_id}"
    if selection.from_date and day < selection.from_date:
        return f"was created on {day}, before --from-date"
    if selection.to_date and day > selection.to_date:
        return f"was created on {day}, after --to-date"
    return ""


def count_by_user(
    connection: Connection, tables: Tables, selection: SelectedSessions
) -> dict[str, int]:
    """Return how many sessions of each user are selected."""
    where, values = _where(selection)
    rows = connection.execute(
        sql.SQL(
            "SELECT user_id, count(*) FROM"
            " (SELECT user_id FROM {} {} ORDER BY created_at, id LIMIT %(limit)s) AS s"
            " GROUP BY user_id ORDER BY user_id"
        ).format(tables["capture_session"], where),
        values,
    ).fetchall()
    return {str(user_id): int(count) for user_id, count in rows}


def select_sessions(
    connection: Connection, tables: Tables, selection: SelectedSessions
) -> list[CaptureSession]:
    """Return the selected sessions with their images, ordered by created_at and id."""
    where, values = _where(selection)
    rows = connection.execute(
        sql.SQL(
            "SELECT id, user_id, state::text, created_at FROM {} {}"
            " ORDER BY created_at, id LIMIT %(limit)s"
        ).format(tables["capture_session"], where),
        values,
    ).fetchall()
    images = _images_of(connection, tables, [row[0] for row in rows])
    return [
        CaptureSession(id_, int(user), str(state), created.astimezone(dt.UTC), images.get(id_, ()))
        for id_, user, state, created in rows
    ]


def _images_of(
    connection: Connection, tables: Tables, session_ids: list[uuid.UUID]
) -> dict[uuid.UUID, tuple[CaptureImage, ...]]:
    rows = connection.execute(
        sql.SQL(
            "SELECT session_id, id, sequence, r2_key FROM {} WHERE session_id = ANY (%s)"
            " ORDER BY session_id, sequence, id"
        ).format(tables["capture_image"]),
        [session_ids],
    ).fetchall()
    images: dict[uuid.UUID, tuple[CaptureImage, ...]] = {}
    for session_id, id_, sequence, r2_key in rows:
        image = CaptureImage(id_, int(sequence), str(r2_key))
        images[session_id] = (*images.get(session_id, ()), image)
    return images


def _where(selection: SelectedSessions) -> tuple[sql.Composable, dict[str, Any]]:
    parts = [sql.SQL("state::text = ANY (%(states)s)")]
    values: dict[str, Any] = {"states": list(selection.states), "limit": selection.limit}
    if selection.session_ids:
        parts.append(sql.SQL("id = ANY (%(session_ids)s)"))
        values["session_ids"] = list(selection.session_ids)
    if selection.user_id is not None:
        parts.append(sql.SQL("user_id = %(user_id)s"))
        values["user_id"] = selection.user_id
    if selection.from_date:
        parts.append(sql.SQL("created_at >= %(first)s::date::timestamp AT TIME ZONE 'UTC'"))
        values["first"] = selection.from_date
    if selection.to_date:
        parts.append(sql.SQL("created_at < (%(last)s::date + 1)::timestamp AT TIME ZONE 'UTC'"))
        values["last"] = selection.to_date
    return sql.SQL("WHERE ") + sql.SQL(" AND ").join(parts), values


def snapshots_of(
    connection: Connection, tables: Tables, users: Sequence[int]
) -> Iterator[tuple[Any, ...]]:
    """Yield the users' snapshots: user, date, payload and times as text, source and its age."""
    return connection.execute(
        sql.SQL(
            "SELECT d.user_id, d.schedule_date, d.snapshot_payload::text,"
            " d.source_session_id::text, d.updated_at::text, s.created_at"
            " FROM {} AS d LEFT JOIN {} AS s ON s.id = d.source_session_id"
            " WHERE d.user_id = ANY (%s::bigint[]) ORDER BY d.user_id, d.schedule_date"
        ).format(tables["day_snapshot"], tables["capture_session"]),
        [list(users)],
    )


def event_keys_of(
    connection: Connection, tables: Tables, users: Sequence[int]
) -> Iterator[tuple[Any, ...]]:
    """Yield the unique keys of the users' stored events, in the order of `EventKey`."""
    return connection.execute(
        sql.SQL(
            "SELECT user_id, schedule_date, location_fingerprint, event_type, old_value_hash,"
            " new_value_hash FROM {} WHERE user_id = ANY (%s::bigint[])"
        ).format(tables["schedule_event"]),
        [list(users)],
    )
