"""Sources that the write itself moves: a trigger's stamp, a version, what is generated."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pytest

from backfill.errors import BackfillError

if TYPE_CHECKING:
    from tests.fill.conftest import Tables

_STAMPED = (
    "CREATE TABLE lamp (id int PRIMARY KEY, room text, watt int, rev int DEFAULT 7,"
    "  seen timestamptz DEFAULT '2021-04-05 06:07:08.000009Z',"
    "  mark timestamp DEFAULT '-infinity', tags jsonb DEFAULT '{\"a\": 1.0}')",
    "CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN"
    "  NEW.rev = OLD.rev + 1; NEW.seen = OLD.seen + interval '1.000001 s';"
    "  NEW.mark = 'infinity'; NEW.tags = jsonb_build_object('was', OLD.tags);"
    "  IF NEW.id = 3 THEN NEW.room = NULL; END IF; RETURN NEW; END$$",
    "CREATE TRIGGER stamp BEFORE UPDATE ON lamp FOR EACH ROW EXECUTE FUNCTION stamp()",
    "INSERT INTO lamp (id, room) SELECT i, 'room ' || i FROM generate_series(1, 30) AS i",
)
_READS = ["room", "rev", "seen", "mark", "tags"]


def _lamps(tables: Tables) -> pd.DataFrame:
    rows = tables.rows("SELECT id, room, rev, seen::text, mark::text, tags::text FROM lamp")
    return pd.DataFrame(rows, columns=["id", *_READS]).assign(watt=40)


def test_what_a_trigger_stamps_is_proven_and_put_back(tables: Tables) -> None:
    tables.make(*_STAMPED)

    run = tables.fill(_lamps(tables), "lamp", "watt", reads=_READS, chunk_size=10)
    run.apply()
    assert tables.rows("SELECT count(*) FROM lamp WHERE watt = 40 AND rev = 8") == [(30,)]
    run.verify()
    assert "as planned" in repr(run.explain(4))

    run.undo()
    assert tables.rows("SELECT count(*) FROM lamp WHERE watt IS NULL") == [(30,)]


def test_a_row_stamped_since_it_was_read_is_still_drifted(tables: Tables) -> None:
    tables.make(*_STAMPED)
    run = tables.fill(_lamps(tables), "lamp", "watt", reads=_READS)
    tables.make("UPDATE lamp SET room = room WHERE id = 11")

    run.apply()

    assert tables.rows("SELECT id FROM lamp WHERE watt IS NULL") == [(11,)]


def test_one_who_edits_a_stamped_row_after_the_write_keeps_the_edit(tables: Tables) -> None:
    tables.make(*_STAMPED)
    run = tables.fill(_lamps(tables), "lamp", "watt", reads=_READS)
    run.apply()
    tables.make("UPDATE lamp SET room = 'attic' WHERE id = 12")

    run.undo()

    assert tables.rows("SELECT id FROM lamp WHERE watt = 40") == [(12,)]


@pytest.mark.parametrize("kind", ["STORED", "VIRTUAL"])
def test_a_generated_column_beside_the_target_hinders_no_proof(tables: Tables, kind: str) -> None:
    if kind == "VIRTUAL" and tables.connection.info.server_version < 180000:
        kind = "STORED"
    tables.connection.execute(
        "CREATE TABLE cake (id int PRIMARY KEY, flour numeric, sugar numeric,"
        f" mix numeric GENERATED ALWAYS AS (flour + sugar) {kind})".encode()
    )
    tables.make("INSERT INTO cake VALUES (1, 1.50), (2, 2), (3, NULL)")
    rows = pd.DataFrame({"id": [1, 2, 3], "mix": [None] * 3, "sugar": ["0.250", "1", "2"]})

    run = tables.fill(rows, "cake", "sugar")
    run.apply()
    run.verify()
    assert tables.rows("SELECT mix::text FROM cake ORDER BY id") == [("1.750",), ("3",), (None,)]
    run.undo()

    assert tables.rows("SELECT count(sugar) FROM cake") == [(0,)]


def test_where_rules_stand_in_the_way_a_moved_source_is_taken_as_it_is(tables: Tables) -> None:
    tables.make(
        *_STAMPED,
        "CREATE TABLE diary (at int)",
        "CREATE RULE noted AS ON UPDATE TO lamp DO ALSO INSERT INTO diary VALUES (1)",
    )

    run = tables.fill(_lamps(tables), "lamp", "watt", reads=_READS)
    run.apply()
    run.verify()
    run.undo()

    assert tables.rows("SELECT count(watt), min(rev) FROM lamp") == [(0, 9)]


@pytest.mark.parametrize(
    "moving",
    [
        "CREATE TABLE note (id int, rev int DEFAULT 0, body text, PRIMARY KEY (id, rev));"
        " CREATE FUNCTION next() RETURNS trigger LANGUAGE plpgsql AS"
        " $$BEGIN NEW.rev = OLD.rev + 1; RETURN NEW; END$$;"
        " CREATE TRIGGER next BEFORE UPDATE ON note FOR EACH ROW EXECUTE FUNCTION next()",
        "CREATE TABLE note (id int, body text,"
        " rev int GENERATED ALWAYS AS (coalesce(length(body), 0)) STORED, PRIMARY KEY (id, rev))",
    ],
    ids=["by a trigger", "as it is generated"],
)
def test_a_row_whose_key_the_write_would_move_stays_as_it_is(tables: Tables, moving: str) -> None:
    tables.connection.execute(moving.encode())
    tables.make("INSERT INTO note (id) SELECT i FROM generate_series(1, 4) AS i")
    rows = pd.DataFrame({"id": [1, 2], "rev": [0, 0], "body": ["hello", "world"]})

    run = tables.fill(rows, "note", "body")
    with pytest.raises(BackfillError):
        run.apply()

    assert set(run.skips["reason"]) == {"database_error"}
    assert "another key" in run.skips["detail"].iloc[0]
    assert tables.rows("SELECT count(body), max(rev) FROM note") == [(0, 0)]
