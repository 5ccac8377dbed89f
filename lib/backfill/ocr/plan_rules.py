"""Rules that keep a worse reading from destroying a better one."""

from __future__ import annotations

import datetime as dt
import uuid

# A reading with fewer than this part of the stored shifts removes nothing by itself.
SUSPICIOUS_PART = 0.5


def is_stale(
    session_id: uuid.UUID,
    session_created_at: dt.datetime,
    source_session_id: uuid.UUID,
    source_created_at: dt.datetime | None,
) -> bool:
    """Tell whether a session is older than the one its day's snapshot comes from.

    Sessions are ordered by creation, then id, as the run reads them. A source session that no
    longer exists has no age (None) and holds nothing back.
    """
    if source_created_at is None:
        return False
    return (session_created_at, session_id) < (source_created_at, source_session_id)


def is_suspicious_removal(old_count: int, new_count: int) -> bool:
    """Tell whether a reading would remove all, or more than half, of the stored shifts."""
    return old_count > 0 and (new_count == 0 or new_count < old_count * SUSPICIOUS_PART)
