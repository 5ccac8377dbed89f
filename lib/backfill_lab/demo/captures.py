"""The demo's capture sessions: the committed screenshots, and what an older worker made of them.

Three invented people sent them. Most days have no snapshot yet; three have one that the older
worker stored, each with its own trouble.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence
from typing import Any

from psycopg import sql

from backfill.ocr.identity import customer_fingerprint, location_fingerprint
from backfill.ocr.shift import Shift
from backfill.server.postgres import Connection
from backfill_lab.demo.sessions import DemoSession, create_schema, load_sessions, store_snapshot
from backfill_lab.demo.stored import StoredSession, stored_sessions

#: Tells the job that a missing --local-root means the committed screenshots.
COMMENT = "backfill: invented demo sessions"
USERS = (9_000_000_001, 9_000_000_002, 9_000_000_003)
_NAMESPACE = uuid.UUID("5d1c6c1e-8f0b-5a55-9a37-6f2d8e4b7c10")
_SENT_AT = dt.time(5, 45, tzinfo=dt.UTC)

REPAIRED = 0  # a time, a name and a missing shift to repair
OLD_PLACES = 1  # the town stands in the street: no event may come of it
SUSPICIOUS = 2  # far more shifts than the image shows: held for a person


def demo_sessions(stored: Sequence[StoredSession]) -> list[DemoSession]:
    """Return a capture session for each committed one, sent in the morning of its day."""
    return [
        DemoSession(
            id=uuid.uuid5(_NAMESPACE, session.name),
            user_id=USERS[index % len(USERS)],
            created_at=dt.datetime.combine(session.date, _SENT_AT),
            r2_keys=tuple(f"{session.name}/{path.name}" for path in session.images),
            state="failed" if index % 5 == 4 else "done",
        )
        for index, session in enumerate(stored)
    ]


def load_captures(connection: Connection) -> int:
    """Load schema, sessions and snapshots; return how many sessions.

    Without the committed screenshots nothing is loaded.
    """
    stored = stored_sessions()
    if not stored:
        return 0
    sessions = demo_sessions(stored)
    create_schema(connection)
    connection.execute(
        sql.SQL("COMMENT ON SCHEMA schedule_ingest IS {}").format(sql.Literal(COMMENT))
    )
    load_sessions(connection, sessions)
    for index, payload in _old_payloads(stored):
        session = sessions[index]
        store_snapshot(connection, session.user_id, stored[index].date, payload, session.id)
    return len(sessions)


def _old_payloads(stored: Sequence[StoredSession]) -> list[tuple[int, list[dict[str, str]]]]:
    first, *_missing, last = stored[REPAIRED].shifts
    repaired = [old_shift(first, name=str.swapcase), old_shift({**last, "end": "15:00"})]
    places = [old_shift(shift, is_town_in_street=True) for shift in stored[OLD_PLACES].shifts]
    many = [old_shift(shift) for shift in stored[SUSPICIOUS].shifts]
    extra = [
        {**shift, "start": f"{hour:02}:00", "end": f"{hour:02}:30"}
        for shift in many[:1]
        for hour in range(len(many) + 3)
    ]
    return [(REPAIRED, repaired), (OLD_PLACES, places), (SUSPICIOUS, [*many, *extra])]


def old_shift(
    truth: dict[str, str], *, is_town_in_street: bool = False, name: Any = str
) -> dict[str, str]:
    """Return a shift as the older worker stored it; it left a town in the street at times."""
    customer = name(truth["customer"])
    street, city = truth["street"], truth["city"]
    if is_town_in_street and street:
        street, city = f"{city} {street}", ""
    return Shift(
        start=truth["start"],
        end=truth["end"],
        customer_name=customer,
        customer_fingerprint=customer_fingerprint(customer, truth["label"], truth["type"]),
        street=street,
        street_number=truth["number"],
        city=city,
        location_fingerprint=location_fingerprint(street, truth["number"], "", city),
        shift_type=truth["type"],
        raw_type_label=truth["label"],
    ).as_json()
