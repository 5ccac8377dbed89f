"""Where a session that a pooler gives to others may have statements by name, for one message.

They are gone before the message's last commit, or with the rollback of what failed: see `chained`.
What neither reaches is asked here, of the pooler and of the table. In doubt nothing has a name: a
statement is planned for each chunk then.
"""

from __future__ import annotations

import contextlib
import time
from typing import Any

import psycopg
from psycopg import capabilities

from backfill.server.one_message import OneMessage, Statement
from backfill.server.session import Session
from backfill.server.table import Relation

#: So long is waited for a session of the pool, and for its end when its client has left.
_SECONDS = 1.0
_LOOK_AGAIN_SECONDS = 0.01
#: Does the server know this very statement by the name that it was given?
_NAMED = b"""\
SELECT pg_catalog.pg_backend_pid(), EXISTS (SELECT FROM pg_catalog.pg_prepared_statements
 WHERE name OPERATOR(pg_catalog.=) 'backfill_0')"""
#: What may run at a commit, and fail there, though no constraint is deferred: triggers send notes
#: that others read, also those of other tables by a cascade or behind a view; and whatever reads a
#: foreign table, be it to look a value up, has another server commit.
_FAILS_AT_COMMITS = """\
WITH RECURSIVE part AS (
 SELECT c.oid, c.relkind FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname = %s AND c.relname = %s
 UNION SELECT c.oid, c.relkind FROM pg_inherits i JOIN part ON part.oid = i.inhparent
 JOIN pg_class c ON c.oid = i.inhrelid)
SELECT EXISTS (SELECT FROM pg_foreign_server) OR EXISTS (SELECT FROM part
 WHERE part.relkind NOT IN ('r', 'p')
 OR EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = part.oid AND NOT t.tgisinternal)
 OR EXISTS (SELECT FROM pg_constraint k WHERE k.contype = 'f' AND k.confrelid = part.oid
  AND k.confupdtype NOT IN ('a', 'r')))"""


def may_lend(session: Session, relation: Relation) -> bool:
    """Whether a message that writes to a table may have statements by name; asks it once.

    The session is idle, and its pooler may end another one that is opened for this.
    """
    if session.is_own or not capabilities.has_send_close_prepared():
        return False
    row = session.execute(_FAILS_AT_COMMITS, [relation.schema, relation.name]).fetchone()
    return row == (False,) and _ends_what_is_left(session)


def _ends_what_is_left(session: Session) -> bool:
    """Whether the pooler leaves names alone, and ends a session whose client leaves it in a
    transaction: a killed client's.

    PgBouncer does. Some poolers roll back and give the session on, with whatever names it has;
    some, PgBouncer with `max_prepared_statements` among them, keep statements by names of their
    own for as long as they like. So another client has a name, and leaves. In session mode it may
    find no room beside us.
    """
    try:
        with contextlib.closing(_another(session)) as other:
            message = OneMessage(other, keeps=False)
            named = Statement(_NAMED, is_kept=True)
            statements = [Statement(b"BEGIN"), named, Statement(b"SELECT")]
            message.send([message.pack(statements, asked=1)], lends=True)
            row = message.answer(within=_SECONDS)
    except psycopg.Error:  # no room for another client, or one that is given no time
        return False
    if row is None or not row[1]:
        return False
    end = time.monotonic() + _SECONDS
    while session.execute("SELECT FROM pg_stat_activity WHERE pid = %s", row[:1]).rowcount:
        if time.monotonic() >= end:
            return False
        time.sleep(_LOOK_AGAIN_SECONDS)
    return True


def _another(session: Session) -> psycopg.Connection[Any]:
    return psycopg.connect(session.info.dsn, password=session.info.password or None)
