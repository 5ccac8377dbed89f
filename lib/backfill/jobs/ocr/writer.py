"""Move a user's day from one state to another: snapshot, events, notifications, or nothing of it.

The engine opens the transaction; one row is one session. The snapshot is compared with the state
it was planned on before anything of the session is written. Capture tables are never written.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from operator import attrgetter
from typing import Any, LiteralString

import pyarrow as pa
from psycopg import sql
from psycopg.types.json import Jsonb

from backfill.chunks.writing import ChunkUpdate, Written, image_of
from backfill.jobs.ocr.day_state import DayState, StoredEvent, snapshot_digest
from backfill.jobs.ocr.tables import Tables
from backfill.ocr.day.notify import Notification
from backfill.server.postgres import Connection
from backfill.server.session import on_own_path
from backfill.skips import Skip, SkipReason

_SHOWN_CHARACTERS = 300
#: Which rows of ours, by their ids, may be taken back.
_OF_SESSION: LiteralString = "event_id = ANY (%s::uuid[]) AND source_session_id = %s"
_PENDING: LiteralString = "notification_id = ANY (%s) AND status = 'pending'"
#: What an event says, in the order in which it is read back.
_CONTENT = attrgetter("event_type", "old_value_hash", "new_value_hash", "old_value", "new_value")
_VETO = (
    "the day's snapshot is as it was read, and writing it changed nothing: a policy, a trigger "
    "that returns NULL or a rule keeps it so"
)


class SessionWriter:
    """`ChunkWriter` for capture sessions; reverts as well as it writes.

    `notify_past` stores messages about days gone by; `chains` see `day_state.chains_of`.
    """

    def __init__(
        self, tables: Tables, *, notify_past: bool = False, chains: Mapping[str, Any] | None = None
    ) -> None:
        self._tables = tables
        self._notify_past = notify_past
        self._chains = chains or {}

    def prepare(self, chunks: Sequence[pa.Table]) -> None:
        """A session is one row: there is nothing to pack ahead of time."""

    def as_update(self, changes: pa.Table) -> ChunkUpdate | None:
        """A session goes into several tables: no single UPDATE writes it."""
        return None

    def write(self, connection: Connection, changes: pa.Table) -> Written:
        """Write each session whose day still is as planned; the others are drifted."""
        with on_own_path(connection):  # triggers may name tables without their schema
            return self._write(connection, changes)

    def _write(self, connection: Connection, changes: pa.Table) -> Written:
        written: list[dict[str, Any]] = []
        drifted: list[Skip] = []
        vetoed: list[Skip] = []
        unchanged = 0
        for row in image_of(changes).to_pylist():
            before, after = DayState.of(row["before"]), DayState.of(row["after"])
            updated_at = self._move_snapshot(connection, row, before, after)
            if updated_at is None:
                if self._is_at(connection, row, after, before):
                    unchanged += 1
                    continue
                present = self._present(connection, row)
                if snapshot_digest(*(present or (None, None))) == before.digest:
                    vetoed.append(Skip(row["key"], row["scope"], "", SkipReason.VETOED, _VETO))
                    continue
                detail = _drift_detail(present)
                drifted.append(Skip(row["key"], row["scope"], "", SkipReason.DRIFTED, detail))
                continue
            done = replace(after, updated_at=updated_at or None)
            written.append(self._move_rest(connection, row, before, done))
        image = pa.Table.from_pylist(written, schema=image_of(changes).schema)
        return Written(image, unchanged, tuple(drifted), tuple(vetoed))

    def locked(self, connection: Connection, changes: pa.Table) -> Sequence[int]:
        """A session waits for what its statements meet; which lock that is, none of them knows."""
        return ()

    def look(self, connection: Connection, rows: pa.Table, side: str) -> dict[int, str | None]:
        """Return present snapshots by row, of each row whose day is not at `side`. Read-only.

        A session that a later one of the same run built on is at its state when that later one's
        is there.
        """
        other = "before" if side == "after" else "after"
        elsewhere: dict[int, str | None] = {}
        for index, row in enumerate(rows.to_pylist()):
            wanted, opposite = DayState.of(row[side]), DayState.of(row[other])
            if not self._is_at(connection, row, wanted, opposite):
                present = self._present(connection, row)
                elsewhere[index] = present[0] if present else None
        return elsewhere

    def sent_notifications(self, connection: Connection, row: Mapping[str, Any]) -> list[str]:
        """Return the ids of a row's messages that are pending no more. Read-only."""
        ids = [entry.notification_id for entry in DayState.of(row["after"]).notifications]
        if not ids:
            return []
        rows = connection.execute(
            sql.SQL(
                "SELECT notification_id FROM {} WHERE notification_id = ANY (%s)"
                " AND status <> 'pending' ORDER BY notification_id"
            ).format(self._tables["schedule_notification"]),
            [ids],
        ).fetchall()
        return [str(entry[0]) for entry in rows]

    def _move_snapshot(
        self, connection: Connection, row: Mapping[str, Any], before: DayState, after: DayState
    ) -> str | None:
        """Bring the snapshot from `before` to `after`; return when it was updated, None when it
        is not at `before`.
        """
        day = [int(row["scope"]), row["source"]["schedule_date"]]
        table = self._tables["day_snapshot"]
        guard = sql.SQL(
            "user_id = %s AND schedule_date = %s AND snapshot_payload = %s::jsonb"
            " AND source_session_id = %s"
        )
        old = [*day, before.payload, before.source_session_id]
        new = [after.payload, after.source_session_id, after.updated_at]
        if before.payload is None:
            query = sql.SQL(
                "INSERT INTO {} (user_id, schedule_date, snapshot_payload, source_session_id,"
                " updated_at) VALUES (%s, %s, %s::jsonb, %s, coalesce(%s::timestamptz, now()))"
                " ON CONFLICT DO NOTHING RETURNING updated_at::text"
            ).format(table)
            values = [*day, *new]
        elif after.payload is None:
            query = sql.SQL("DELETE FROM {} WHERE {} RETURNING ''").format(table, guard)
            values = old
        else:
            query = sql.SQL(
                "UPDATE {} SET snapshot_payload = %s::jsonb, source_session_id = %s,"
                " updated_at = coalesce(%s::timestamptz, now()) WHERE {}"
                " RETURNING updated_at::text"
            ).format(table, guard)
            values = [*new, *old]
        moved = connection.execute(query, values).fetchone()
        return str(moved[0]) if moved else None

    def _move_rest(
        self, connection: Connection, row: Mapping[str, Any], before: DayState, after: DayState
    ) -> dict[str, Any]:
        """Insert and delete events and messages; return the row as it really was written."""
        events = self._insert_events(connection, row, after.events)
        inserted = {event.event_id for event in events}
        wanted = [entry for entry in after.notifications if inserted & set(entry.event_ids)]
        notifications = self._insert_notifications(connection, row, wanted)
        event_ids = [event.event_id for event in before.events]
        self._delete(connection, "schedule_event", _OF_SESSION, event_ids, row["key"])
        message_ids = [entry.notification_id for entry in before.notifications]
        self._delete(connection, "schedule_notification", _PENDING, message_ids)
        done = replace(after, events=events, notifications=notifications)
        return {**row, "after": done.as_struct()}

    def _insert_events(
        self, connection: Connection, row: Mapping[str, Any], events: Sequence[StoredEvent]
    ) -> tuple[StoredEvent, ...]:
        """Return the events that were inserted; what the unique key swallows is not."""
        query = sql.SQL(
            "INSERT INTO {} (event_id, user_id, schedule_date, event_type, location_fingerprint,"
            " customer_fingerprint, old_value_hash, new_value_hash, old_value, new_value,"
            " detected_at, source_session_id)"
            " VALUES (%(event_id)s, %(user)s, %(date)s, %(event_type)s, %(location_fingerprint)s,"
            " %(customer_fingerprint)s, %(old_value_hash)s, %(new_value_hash)s, %(old_value)s,"
            " %(new_value)s, coalesce(%(detected_at)s::timestamptz, now()), %(session)s)"
            " ON CONFLICT DO NOTHING RETURNING detected_at::text"
        ).format(self._tables["schedule_event"])
        return tuple(
            replace(event, detected_at=str(stored[0]))
            for event in events
            if (stored := connection.execute(query, _values_of(row, event)).fetchone())
        )

    def _insert_notifications(
        self,
        connection: Connection,
        row: Mapping[str, Any],
        notifications: Sequence[Notification],
    ) -> tuple[Notification, ...]:
        query = sql.SQL(
            "INSERT INTO {} (notification_id, user_id, schedule_date, source_session_id,"
            " notification_type, message, event_ids)"
            " SELECT %(notification_id)s, %(user)s, %(date)s::date, %(session)s::uuid,"
            " %(notification_type)s, %(message)s, %(event_ids)s"
            # A plan may be applied after its day has passed.
            " WHERE %(notify_past)s OR %(date)s::date >= (now() AT TIME ZONE 'UTC')::date"
            " ON CONFLICT DO NOTHING RETURNING 1"
        ).format(self._tables["schedule_notification"])
        past = {"notify_past": self._notify_past}
        return tuple(
            entry
            for entry in notifications
            if connection.execute(query, _values_of(row, entry) | past).fetchone()
        )

    def _delete(
        self, connection: Connection, table: str, which: LiteralString, ids: list[str], *more: str
    ) -> None:
        """Delete rows of a table by their ids, those of the condition `which`."""
        if ids:
            query = sql.SQL("DELETE FROM {} WHERE " + which).format(self._tables[table])
            connection.execute(query, [ids, *more])

    def _is_at(
        self, connection: Connection, row: Mapping[str, Any], state: DayState, other: DayState
    ) -> bool:
        present = self._present(connection, row)
        digest = snapshot_digest(*present) if present else snapshot_digest(None, None)
        if digest not in self._accepted(row["key"], state, other):
            return False
        standing = self._events_present(connection, row, (*state.events, *other.events))
        wanted = {event.event_id for event in state.events}
        unwanted = {event.event_id for event in other.events} - wanted
        return wanted <= standing and not unwanted & standing

    def _accepted(self, key: str, state: DayState, other: DayState) -> set[str]:
        """Return the digests that mean "at `state`": its own, and those built on it in the run."""
        chain = self._chains.get(key)
        if chain is None:
            return {state.digest}
        place, states = chain["place"], chain["states"]
        if (other.digest, state.digest) == (states[place - 1], states[place]):
            return set(states[place:])
        return set(states[:place])

    def _present(self, connection: Connection, row: Mapping[str, Any]) -> tuple[str, str] | None:
        stored = connection.execute(
            sql.SQL(
                "SELECT snapshot_payload::text, source_session_id::text FROM {}"
                " WHERE user_id = %s AND schedule_date = %s"
            ).format(self._tables["day_snapshot"]),
            [int(row["scope"]), dt.date.fromisoformat(row["source"]["schedule_date"])],
        ).fetchone()
        return (str(stored[0]), str(stored[1])) if stored else None

    def _events_present(
        self, connection: Connection, row: Mapping[str, Any], events: Sequence[StoredEvent]
    ) -> set[str]:
        """Return the ids of the events that stand in the database as they were written."""
        if not events:
            return set()
        rows = connection.execute(
            sql.SQL(
                "SELECT event_id::text, event_type, old_value_hash, new_value_hash, old_value,"
                " new_value FROM {} WHERE event_id = ANY (%s::uuid[]) AND source_session_id = %s"
            ).format(self._tables["schedule_event"]),
            [[event.event_id for event in events], row["key"]],
        ).fetchall()
        stored = {str(entry[0]): tuple(entry[1:]) for entry in rows}
        return {event.event_id for event in events if stored.get(event.event_id) == _CONTENT(event)}


def _values_of(row: Mapping[str, Any], entry: StoredEvent | Notification) -> dict[str, Any]:
    """Return an entry's columns by name, beside those of its day and session."""
    columns = {
        name: Jsonb(value) if isinstance(value, dict | tuple) else value
        for name, value in asdict(entry).items()
    }
    day = {"user": int(row["scope"]), "date": row["source"]["schedule_date"]}
    return columns | day | {"session": row["key"]}


def _drift_detail(present: tuple[str, str] | None) -> str:
    if present is None:
        return "the snapshot was deleted"
    payload, source = present
    more = "…" if len(payload) > _SHOWN_CHARACTERS else ""
    return f"now from session {source}: {payload[:_SHOWN_CHARACTERS]}{more}"
